# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the history may still be told what a recovery has found. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Mapping, Sequence

Header = Mapping[str, t.Any]


def is_told(headers: Sequence[Header], follows: int, regions: Collection[str]) -> bool:
    """Whether a record says already that all these regions got revision `follows` after it was closed."""
    return any(
        set(regions) <= set(header.get("regions") or {})
        for header in headers
        if header.get("kind") == "recover" and header.get("follows") == follows
    )


def newer(headers: Sequence[Header], number: int) -> list[int]:
    """The releases that have ended since `number` was the newest, oldest first. What was only told is none: it changes
    no region."""
    return sorted(
        int(header["number"])
        for header in headers
        if int(header["number"]) > number and header.get("kind") != "recover"
    )
