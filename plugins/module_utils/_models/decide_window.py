# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the evidence begins when more has come since the step began than can be held. Pure.

Every check bets on a stream with a beginning, and its risk holds however often one looks at what came since then
(`decide_evidence`). "The newest million" has no beginning: at every look it is another stream, which nobody has bet on
before it was there, and whoever looks often enough finds one by chance that looks bad.

So a window may only begin at points that are fixed before anything is seen: when the step began, and whole multiples of
PERIOD_S after that. Each has a stake of its own: the first one 90 % of the risk, and the k-th later one 1/(k(k+1)) of
the rest. These shares add up to 1, so the risk of all of them together is what it was, whichever are looked at and for
whatever reason (the union bound). That is why the number of records, the rate, or the time may choose among them. A
later beginning needs more proof for it: after a day a bet has to win 20 million times as much, which takes some 800
answers more of a version with twice the errors that it may have, of the many that there are then.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

PERIOD_S: t.Final = 60.0
_FIRST: t.Final = 0.9
#: Of the seconds that were read when too many records had come, so many fit: labels may come after the answers.
_FIT: t.Final = 0.5


@dataclasses.dataclass(frozen=True)
class Window:
    """Requests from `since` (the beginning of the step) to `until` (now), both unix seconds. Those of the last
    `settle_s` do not count yet: the slower version has to have had its time. The champion's scores of `reference_s`
    before that are what its present ones are held against; 0 for none."""

    since: float
    until: float
    settle_s: float = 10.0
    reference_s: float = 3600.0


@dataclasses.dataclass(frozen=True)
class Begin:
    """The `number`-th point at which the evidence of a step may begin, 0 for the step itself, `at` in unix seconds.
    `reference_s`: as of the window, 0 where there is no room for it."""

    number: int
    at: float
    reference_s: float

    @property
    def share(self) -> float:
        """Its part of the risk."""
        return (1 - _FIRST) / (self.number * (self.number + 1)) if self.number else _FIRST


def first_begin(window: Window) -> Begin:
    return Begin(0, window.since, window.reference_s)


def next_begin(window: Window, tried: Begin, held_s: float) -> Begin | None:
    """What to try after a beginning that was too early; None when there is no later one. `held_s`: so many seconds,
    from the first one that was read, had come when there were too many records."""
    fits_s = _FIT * max(0.0, held_s)
    if tried.reference_s and fits_s >= window.until - window.since:
        return Begin(0, window.since, 0.0)
    # What came in another order says nothing of the rate; then each try has half of the one before.
    number = math.ceil((window.until - fits_s - window.since) / PERIOD_S)
    last = math.ceil((window.until - window.since) / PERIOD_S) - 1
    number = min(max(number, tried.number + 1), last)
    if number > tried.number:
        return Begin(number, window.since + number * PERIOD_S, 0.0)
    return Begin(tried.number, tried.at, 0.0) if tried.reference_s else None
