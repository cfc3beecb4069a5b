# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of text as columns for the terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """One line for each row, its cells under each other. Every row has as many cells as the first."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def ruled(rows: Sequence[Sequence[str]], after: Sequence[int] = (0,)) -> list[str]:
    """The same with a rule under each row whose index is in `after`."""
    lines = aligned(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    rule = "  ".join("-" * width for width in widths)
    return [line for index, text in enumerate(lines) for line in ([text, rule] if index in after else [text])]
