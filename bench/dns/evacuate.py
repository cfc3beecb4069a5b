# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of two regions is evacuated under orders, killed, brought back and ramped in.

The regions take turns. A new order that fails after `region.yml -e state=evacuated` has ended is one too many: also
while the region is dead, and while it comes back.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import time
import typing as t

from bench.dns.authority import Authority, Look, Watch
from bench.dns.region import (
    BASELINE_S,
    HOLD_S,
    REPORTS,
    Done,
    Orders,
    Ran,
    Regions,
    bring_back,
    die,
    flowing,
    outside,
    versions,
)
from bench.gate.part import Measured, Options, Row
from bench.results import Goal, row
from bench.rollback.ours import Environment, lab_up
from lab.dns import FULL
from lab.errors import LabError
from lab.model import plan_lab

CASE: t.Final = "one of two regions, 200 orders/s"
STEPS: t.Final = (5, 25, 50, 100)
_ROUNDS: t.Final = 3
#: What the counts have to be more probable than.
LEAST_P: t.Final = 0.001
_DEAD_S: t.Final = 10.0
_NONE: t.Final = Goal(0.5)
_WRITTEN: t.Final = "evacuate | No weight for"
_DRAINED: t.Final = "evacuate | Wait until the traffic has drained"
_STEP: t.Final = "ramp | One step more"


@dataclasses.dataclass(frozen=True)
class Round:
    """One region out and in. `looks`: the bench's own, at the authority."""

    region: str
    evacuation: Ran
    back: Ran
    looks: list[Look]
    orders: Orders

    def look(self, percent: int) -> float | None:
        """p at this step of the region; None when nobody looked."""
        wanted = FULL * percent // 100
        found = [look.p for look in self.looks if look.weights[self.region] == wanted]
        return found[-1] if found else None


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own."""
    lab = plan_lab(options.lab)
    found: list[Round] = []
    with lab_up(options.lab, len(lab.regions)):
        Environment(lab, REPORTS).deploy("v1")
        regions = Regions(lab)
        authority = Authority(regions.names)
        with outside(lab):
            for number in range(options.rounds or _ROUNDS):
                found.append(_round(regions, authority, lab.regions[number % len(lab.regions)].name))
                _tell(number + 1, found[-1])
    return Measured(rows(found), versions())


def _round(regions: Regions, authority: Authority, region: str) -> Round:
    with contextlib.ExitStack() as stack:
        flow = stack.enter_context(flowing(regions.lab))
        watch = stack.enter_context(Watch(authority))
        time.sleep(BASELINE_S)
        evacuation = regions.run("evacuated", region)
        die(regions.site(region))
        time.sleep(_DEAD_S)
        bring_back(regions.lab)
        back = regions.run("restored", region)
        if authority.weights()[region] != FULL:
            raise LabError(f"{region} has not got its weight back: {authority.weights()}")
    return Round(region, evacuation, back, watch.looks, flow.good())


def _tell(number: int, one: Round) -> None:
    told = ", ".join(f"{look.weights} p {look.p:.3f}" for look in one.looks)
    after = one.orders.failed_in(one.evacuation.ended, float("inf"))
    seconds = one.evacuation.ended - one.evacuation.entered
    print(f"round {number} {one.region}: out after {seconds:.1f} s, {len(after)} orders failed after it", flush=True)
    print(f"round {number} {one.region}: {told}", flush=True)


def _seconds(tasks: c.Sequence[Done]) -> float | None:
    return tasks[0].seconds if len(tasks) == 1 else None


def _step(one: Ran, percent: int) -> float | None:
    return _seconds([task for task in one.of(_STEP) if ((task.result or {}).get("ramp") or {}).get("step") == percent])


def _is_observed(one: Round) -> bool:
    told = [((task.result or {}).get("drained") or {}).get(one.region) or {} for task in one.evacuation.of(_DRAINED)]
    return bool(told) and all(drained.get("word") == "observed" for drained in told)


def p_row(case: str, metric: str, values: c.Sequence[float | None]) -> Row:
    """The least of them decides."""
    known = [value for value in values if value is not None]
    made = row(case, metric, values, Goal(), "p")
    met = len(known) == len(values) and bool(known) and min(known) > LEAST_P
    return {**made, "worst": round(min(known), 3) if known else None, "goal": LEAST_P, "met": met}


def rows(found: c.Sequence[Round]) -> list[Row]:
    def count(metric: str, values: c.Iterable[float], goal: Goal = _NONE) -> Row:
        return row(CASE, metric, [float(value) for value in values], goal, "count")

    def seconds(metric: str, values: c.Sequence[float | None]) -> Row:
        return row(CASE, metric, values, Goal())

    outs, backs = [one.evacuation for one in found], [one.back for one in found]
    return [
        count(
            "new orders that failed after the evacuation",
            (len(one.orders.failed_in(one.evacuation.ended, float("inf"))) for one in found),
        ),
        count("and before it", (len(one.orders.failed_in(0, one.evacuation.ended)) for one in found), Goal()),
        count("lost orders", (one.orders.lost for one in found)),
        count("duplicated orders", (one.orders.duplicated for one in found)),
        count("acknowledged", (one.orders.acknowledged for one in found), Goal()),
        count("drains that were not observed", (not _is_observed(one) for one in found)),
        p_row(CASE, "p of 2,000 answers, evacuated", [one.look(0) for one in found]),
        *(p_row(CASE, f"p of 2,000 answers at {step} %", [one.look(step) for one in found]) for step in STEPS),
        seconds("evacuate: weight 0, written and proved", [_seconds(one.of(_WRITTEN)) for one in outs]),
        seconds("evacuate: until drained", [_seconds(one.of(_DRAINED)) for one in outs]),
        seconds("evacuate: Enter to end", [one.ended - one.entered for one in outs]),
        *(seconds(f"restore: {step} % written and proved", [_step(one, step) for one in backs]) for step in STEPS),
        seconds(f"restore: Enter to end, each step watched for {HOLD_S} s", [one.ended - one.entered for one in backs]),
    ]
