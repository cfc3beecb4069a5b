# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which recorded revisions stay. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def decide_prune(numbers: Iterable[int], came_from: int | None, keep: int) -> list[int]:
    """The numbers that go: all but the newest `keep` and the one that the release which ends now came from."""
    ordered = sorted(set(numbers))
    stay = {*ordered[-keep:], came_from}
    return [number for number in ordered if number not in stay]
