# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module is killed before and after each of its requests, and nobody recovers: who trades then, and how soon.

Which requests there are is taken from a handover that is not killed. All points are visited in one region; after each
one the engines keep their parts, or the handover is gone on with, so that the next point begins as the first one did.
"""

from __future__ import annotations

import asyncio
import collections
import collections.abc as c
import dataclasses
import time
import typing as t

from drain_region import PATIENCE_S, Program

from bench.drain.figures import Account, account_rows
from bench.drain.handover import GAP, versions
from bench.drain.region import Load, Region, gap_s, loads, region
from bench.gate.part import Measured, Options, Row
from bench.results import Goal, row

Point = tuple[str, str, int]

#: Of the cut. Shorter than in a release, so that the sweep ends, and than a gateway holds an order.
DEADLINE_S: t.Final = 4.0
#: The old engine looks at its deadline every 0.1 s, and may not come back before it.
_MOST: t.Final = 1.1
#: The phases of a handover, by what the killed module had done.
PHASES: t.Final = ("before the cut", "between cut and open", "after open")


@dataclasses.dataclass(frozen=True)
class Killed:
    """`gap_s`: the longest time without an order around it; None when too few came. `phase`: by the epoch events that
    the journal got. `reached`: the module was killed, and has not ended before."""

    point: Point
    phase: str
    gap_s: float | None
    reached: bool = True


def points(calls: c.Iterable[str]) -> list[Point]:
    """Before and after each of these requests, by name and number."""
    counts: collections.Counter[str] = collections.Counter()
    made: list[Point] = []
    for call in calls:
        counts[call] += 1
        made += [("before", call, counts[call]), ("after", call, counts[call])]
    return made


def sample(found: c.Sequence[Point], most: int | None) -> list[Point]:
    """At most so many, spread over all. Around cut and open there is always one."""
    if most is None or most >= len(found):
        return list(found)
    must = [point for point in found if point[1] in ("cut", "open")][:most]
    rest = [point for point in found if point not in must]
    room = most - len(must)
    chosen = {*must, *(rest[number * len(rest) // room] for number in range(room))}
    return [point for point in found if point in chosen]


def phase_of(epochs: c.Sequence[t.Mapping[str, t.Any]], leader: str, led: str) -> str:
    """What the module has done, by the epoch events since it began."""
    if not epochs:
        return PHASES[0]
    return PHASES[1] if leader == led else PHASES[2]


async def _leader(place: Region) -> Program:
    async with asyncio.timeout(PATIENCE_S):
        while (found := await place.leader()) is None:
            await asyncio.sleep(0.02)
    return found


async def _visit(place: Region, point: Point, old: Program, new: Program) -> tuple[Program, Program, Killed]:
    """Returns who leads and who follows afterwards."""
    before, since = len(old.epochs()), time.time()
    ran = await place.killed(old, new, point, cut_deadline_s=DEADLINE_S)
    await place.traded(0.5)
    leader = await _leader(place)
    phase = phase_of(leader.epochs()[before:], leader.name, old.name)
    # A gateway may still be waiting for the deadline when orders come again over the other one.
    found = Killed(point, phase, gap_s(leader, since, time.time()), ran.result is None)
    print(f"{' '.join(map(str, point))}: {phase}, {found.gap_s} s; {loads()}", flush=True)
    if leader is old:
        return old, new, found
    # The engine that led does not follow yet: what is left is done as the next run does it.
    left = (await place.drain(old, new)).good()
    assert not left.get("failed"), left["msg"]
    return new, old, found


async def _run(most: int | None) -> tuple[list[Killed], Account]:
    found: list[Killed] = []
    async with region(Load()) as place:
        old, new = place.old, place.new
        whole = await place.drain(old, new)
        result = whole.good()
        assert not result.get("failed"), result["msg"]
        old, new = new, old
        for point in sample(points(whole.calls), most):
            old, new, one = await _visit(place, point, old, new)
            found.append(one)
        account = await place.counted(old, new)
    print(account, flush=True)
    return found, account


def measure(options: Options) -> Measured:
    return Measured(rows(*asyncio.run(_run(options.rounds))), versions())


def rows(found: c.Sequence[Killed], account: Account) -> list[Row]:
    reached = [one for one in found if one.reached]
    made: list[Row] = []
    for phase in PHASES:
        own = [one.gap_s for one in reached if one.phase == phase]
        if own:
            case = f"killed {phase}"
            shares = [None if gap is None else gap / DEADLINE_S for gap in own]
            made.append(row(case, GAP, own, Goal()))
            made.append(row(case, "of the cut's deadline", shares, Goal(_MOST), "ratio"))
    case = f"{len(reached)} kill points"
    made.append(row(case, "not reached", [float(len(found) - len(reached))], Goal(), "count"))
    return [*made, *account_rows(case, [account])]
