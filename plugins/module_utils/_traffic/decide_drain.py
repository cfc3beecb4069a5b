# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether to go on waiting for old connections to end, and what to say about them. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Sequence

#: Seconds between two looks. A scrape takes longer, but nobody knows when it comes.
INTERVAL_S: t.Final = 1.0


@dataclasses.dataclass(frozen=True)
class Count:
    """One look at the connections of one slot. `left` is None when they were not observed, and `why` says why not."""

    service: str
    slot: str
    left: int | None
    why: str = ""


def pause_s(counts: Sequence[Count], waited_s: float, drain_s: float) -> float | None:
    """Seconds until the next look; None when there is none: every number is 0, or the time is over.

    Not observed is not 0. The last look is the one at the end of the time.
    """
    if waited_s >= drain_s or all(count.left == 0 for count in counts):
        return None
    return min(INTERVAL_S, drain_s - waited_s)


def live_line(counts: Sequence[Count], waited_s: float, drain_s: float) -> str:
    """`statements blue: 14 connections left, 45 s left`"""
    told = [f"{count.service} {count.slot}: {_left(count)}" for count in counts]
    if pause_s(counts, waited_s, drain_s) is not None:
        told.append(f"{drain_s - waited_s:.0f} s left")
    return ", ".join(told)


def warnings(counts: Sequence[Count], drain_s: float) -> list[str]:
    """A sentence for each slot that has open connections after so many seconds, or of which nobody knows."""
    after = f" after {drain_s:g} s" if drain_s else ""
    told = []
    for count in counts:
        if count.left is None:
            told.append(f"{count.service}: the open connections of {count.slot} were not observed: {count.why}")
        elif count.left:
            are, they, end = ("are", "they", "end") if count.left > 1 else ("is", "it", "ends")
            told.append(
                f"{count.service}: {_number(count.left)} of {count.slot} {are} still open{after}; "
                f"{they} {end} with its pods"
            )
    return told


def _left(count: Count) -> str:
    return "not observed" if count.left is None else f"{_number(count.left)} left"


def _number(left: int) -> str:
    return f"{left or 'no'} connection{'' if left == 1 else 's'}"
