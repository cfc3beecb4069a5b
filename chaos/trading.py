# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long one region did not trade, out of its engine's journal. Pure.

The journal counts and not the clients' clocks: an order is acknowledged only when it is there, and whoever leads in the
end has all of it, also what other engines have written.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

Event = c.Mapping[str, t.Any]

#: Beyond the deadline of a cut: the engine looks at it ten times a second, asks an API server for the record, and its
#: gateways look for it thirty times a second. All of them share this machine with a playbook.
LATE_S: t.Final = 2.0


@dataclasses.dataclass(frozen=True)
class Trading:
    """Of one run in one region, in seconds. `orders` were accepted; `gap_s` is the longest time without one, `closed_s`
    the longest from a closed epoch to an open one. `is_open` says how it ended."""

    orders: int
    gap_s: float
    closed_s: float
    is_open: bool

    def violations(self, region: str, deadline_s: float) -> list[str]:
        """A sentence for each way in which trading did not go on."""
        longest_s = deadline_s + LATE_S
        sentences = []
        if not self.is_open:
            sentences.append(f"{region}: the journal ends with a closed epoch")
        if self.closed_s > longest_s:
            sentences.append(
                f"{region}: an epoch was closed for {self.closed_s:.1f} s, with a deadline of {deadline_s:g} s"
            )
        if not self.orders:
            sentences.append(f"{region}: no order was accepted")
        elif self.gap_s > longest_s:
            sentences.append(
                f"{region}: no order was accepted for {self.gap_s:.1f} s, with a deadline of {deadline_s:g} s"
            )
        return sentences


def trading_of(events: c.Iterable[Event], ended_ms: int) -> Trading:
    """`events` are those of the run, in their order; `ended_ms` is when the order flow was told to end."""
    orders = gap_ms = closed_ms = 0
    last_ms: int | None = None
    cut_ms: int | None = None
    for event in events:
        at_ms = int(event["at"])
        if event["kind"] == "order":
            orders += 1
            gap_ms = max(gap_ms, at_ms - (at_ms if last_ms is None else last_ms))
            last_ms = at_ms
        elif event["kind"] == "epoch_closed":
            cut_ms = at_ms
        elif event["kind"] == "epoch_opened" and cut_ms is not None:
            closed_ms = max(closed_ms, at_ms - cut_ms)
            cut_ms = None
    if last_ms is not None:
        gap_ms = max(gap_ms, ended_ms - last_ms)
    if cut_ms is not None:
        closed_ms = max(closed_ms, ended_ms - cut_ms)
    return Trading(orders, gap_ms / 1000, closed_ms / 1000, cut_ms is None)
