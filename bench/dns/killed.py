# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A region is killed without warning under orders: how long new orders fail, and what that time is made of.

Nobody does anything about it. The authority's own health checks leave the region out, and resolvers and clients follow.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import time
import typing as t

from bench.dns.authority import Authority, LastAnswer
from bench.dns.region import REPORTS, Orders, Regions, bring_back, die, flowing, versions
from bench.gate.part import Measured, Options, Row
from bench.results import Goal, row
from bench.rollback.ours import Environment, lab_up
from lab.dns import TTL
from lab.errors import LabError
from lab.model import plan_lab

CASE: t.Final = "one of two regions killed, 200 orders/s"
_ROUNDS: t.Final = 6
#: How long the region is dead before it is brought back.
_DEAD_S: t.Final = 20.0
_BACK_S: t.Final = 60.0
#: A resolver asks again in the second after the last one of the TTL.
_CYCLE_S: t.Final = TTL + 1.0
_TRIES: t.Final = 10
_NONE: t.Final = Goal(0.5)


@dataclasses.dataclass(frozen=True)
class Round:
    """Unix seconds. `left_out`: when the authority last answered with the region; None: never after its death."""

    region: str
    died: float
    left_out: float | None
    until: float
    orders: Orders

    @property
    def last_failed(self) -> float | None:
        failed = self.orders.failed_in(self.died, self.until)
        return max(failed) if failed else None

    def parts(self) -> tuple[float, float, float] | None:
        """Seconds until the authority leaves the region out, from then on until no resolver gives it to a client, and
        from then on until the last failed order has ended. None when no order failed."""
        last = self.last_failed
        if last is None:
            return None
        left_out = min(last, max(self.died, self.left_out or self.died))
        known = forgotten_at(self.orders.answers, self.region, self.died, self.until)
        forgotten = min(last, max(left_out, known or left_out))
        return left_out - self.died, forgotten - left_out, last - forgotten


def forgotten_at(answers: c.Iterable[tuple[float, str, str]], region: str, since: float, until: float) -> float | None:
    """When the last resolver gave its clients another answer than this region; None when none had it."""
    said: dict[str, str] = {}
    last = None
    for at, resolver, given in sorted(answers):
        if said.get(resolver) == region and given != region and since <= at < until:
            last = at
        said[resolver] = given
    return last


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own."""
    lab = plan_lab(options.lab)
    found: list[Round] = []
    with lab_up(options.lab, len(lab.regions)):
        Environment(lab, REPORTS).deploy("v1")
        regions = Regions(lab)
        authority = Authority(regions.names)
        rounds = options.rounds or _ROUNDS
        for number in range(rounds):
            region = lab.regions[number % len(lab.regions)].name
            found.append(_round(regions, authority, region, (number + 0.5) / rounds))
            _tell(number + 1, found[-1])
    return Measured(rows(found), versions())


def _round(regions: Regions, authority: Authority, region: str, phase: float) -> Round:
    """`phase`: how much of a TTL is over, from 0 to 1. All resolvers were first asked when the flow began, so without
    it every round would be killed at the same age of their answers."""
    with flowing(regions.lab) as flow:
        time.sleep((2 + phase) * _CYCLE_S)
        # Where no client has the region there is nothing to measure.
        for _ in range(_TRIES):
            if authority.resolvers_with(region):
                break
            time.sleep(_CYCLE_S)
        with LastAnswer(authority, region) as last:
            died = die(regions.site(region))
            time.sleep(_DEAD_S)
        until = time.time()
        bring_back(regions.lab)
        _wait_for(authority, region)
    return Round(region, died, last.at, until, flow.good())


def _wait_for(authority: Authority, region: str) -> None:
    """Until the authority answers with the region again, as a client would see it."""
    end = time.monotonic() + _BACK_S
    while not authority.ask(20)[region]:
        if time.monotonic() > end:
            raise LabError(f"the authority does not answer with {region} {_BACK_S:g} s after it came back")
        time.sleep(0.5)


def _tell(number: int, one: Round) -> None:
    parts = one.parts()
    told = "no order failed" if parts is None else " + ".join(f"{part:.1f}" for part in parts) + " s"
    failed = len(one.orders.failed_in(one.died, one.until))
    print(f"round {number} {one.region}: {told}, {failed} orders failed", flush=True)


def rows(found: c.Sequence[Round]) -> list[Row]:
    """A round in which no order failed has no parts, and took no time."""
    parts = [one.parts() or (0.0, 0.0, 0.0) for one in found]
    names = (
        "until the authority leaves it out",
        f"until no resolver has it, TTL {TTL} s",
        "until the last one has ended",
    )

    def count(metric: str, values: c.Iterable[float], goal: Goal) -> Row:
        return row(CASE, metric, [float(value) for value in values], goal, "count")

    return [
        row(CASE, "death to last failed new order", [sum(one) for one in parts], Goal()),
        *(row(CASE, f"of it {name}", [one[place] for one in parts], Goal()) for place, name in enumerate(names)),
        count("new orders that failed", (len(one.orders.failed_in(one.died, one.until)) for one in found), Goal()),
        count(
            "new orders that failed while it came back",
            (len(one.orders.failed_in(one.until, float("inf"))) for one in found),
            Goal(),
        ),
        count("lost orders", (one.orders.lost for one in found), _NONE),
        count("duplicated orders", (one.orders.duplicated for one in found), _NONE),
    ]
