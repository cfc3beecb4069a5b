# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live lines of a long task."""

from __future__ import annotations

import typing as t

Progress = t.Callable[[str], None]


def quiet(line: str) -> None:
    """Say nothing: a module that runs elsewhere cannot print."""
