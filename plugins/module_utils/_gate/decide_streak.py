# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When "outside its limit" is proof: for a time, so often in a row, or N of the last M. Pure: no I/O, no clock.

Only valid samples get here. What could not be measured neither proves nor clears anything: it is not one of the M, it
does not end a row, and its time is not counted.
"""

from __future__ import annotations

import collections
import dataclasses

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import SLACK_S, JsonObject


@dataclasses.dataclass(frozen=True)
class Form:
    """What is proof. `for_s` holds where neither of the others is given; with 0 s the first sample is enough."""

    for_s: float = 0.0
    consecutive: int | None = None
    n_of_m: tuple[int, int] | None = None

    def to_json(self) -> JsonObject:
        if self.n_of_m is not None:
            return {"n_of_m": {"n": self.n_of_m[0], "m": self.n_of_m[1]}}
        return {"for_s": self.for_s} if self.consecutive is None else {"consecutive": self.consecutive}


class Streak:
    """The valid samples of one limit, one by one."""

    def __init__(self, form: Form) -> None:
        self._form = form
        #: The present streak: how long by time without gaps, how many samples, and since when.
        self.outside_s = 0.0
        self._in_a_row = 0
        self._since: float | None = None
        self._last: collections.deque[tuple[float, bool]] = collections.deque(maxlen=(form.n_of_m or (1, 1))[1])

    def add(self, at: float, outside: bool, step_s: float) -> None:
        """One valid sample. `step_s`: the time since the one before, 0 where there is a gap between them."""
        self._last.append((at, outside))
        if not outside:
            self.outside_s, self._in_a_row, self._since = 0.0, 0, None
            return
        if self._in_a_row:
            self.outside_s += step_s
        else:
            self._since = at
        self._in_a_row += 1

    @property
    def since(self) -> float | None:
        """When what speaks against it now began."""
        if self._form.n_of_m is not None:
            return next((at for at, outside in self._last if outside), None)
        return self._since

    def proved(self) -> bool:
        """Whether the samples so far are proof. The caller remembers it: one more good sample may take it away."""
        if self._form.n_of_m is not None:
            return self._of_last() >= self._form.n_of_m[0]
        if self._form.consecutive is not None:
            return self._in_a_row >= self._form.consecutive
        return self._in_a_row > 0 and self.outside_s >= self._form.for_s - SLACK_S

    def _of_last(self) -> int:
        return sum(outside for _at, outside in self._last)

    def text(self, suspicious: bool) -> str:
        """How far it is on its way to the proof; empty when there is nothing to tell."""
        if self._form.n_of_m is not None:
            count, (needed, last) = self._of_last(), self._form.n_of_m
            return f"{count} of the last {last} outside, {needed} count" if count or suspicious else ""
        if not suspicious:
            return ""
        if self._form.consecutive is not None:
            return f"{self._in_a_row} in a row of {self._form.consecutive}"
        return f"for {self.outside_s:.1f} s of {self._form.for_s:g} s" if self._form.for_s else ""
