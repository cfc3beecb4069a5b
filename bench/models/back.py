# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worse version has half of the traffic in two regions: how long from the decision until the champion has it all.

`watch_model.yml` judges it on the labels of the requests, and takes it back by itself. **Decision**: the instant that
the module names, or that at which a journal of the fleet is opened for it, whichever is earlier. **Weights**: a watch
of the bench's own on the HTTPRoutes saw all of the traffic of the last region on the champion's slot. **Last answer**:
the last one that the version gave to any client, in any region. Half of a region's 50 requests per second are its own
until then, so that this is known to 40 ms. The goal is for both.

`rollback_model.yml` is measured from Enter, for information: nobody decides there but the person.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import importlib.metadata
import pathlib
import tempfile
import typing as t

from bench.gate.part import Measured, Options, Row
from bench.gate.region import Seen, observed
from bench.models.asking import Requests, asking
from bench.models.place import Json, Place, Ran
from bench.results import Goal, row
from bench.rollback.marks import FLEET, NAMESPACE, Question, header, on, says
from bench.rollback.ours import lab_up
from lab.errors import LabError
from lab.gateway_parts import ENVOY_VERSION
from lab.model import plan_lab

#: The one whose worse version is wrong most often: 62 % are right, and 90 % of the champion's.
MODEL: t.Final = "market-analysis"
WORSE: t.Final = "v2.2.0"
#: Of each region.
RATE: t.Final = 50.0
_ROUTE: t.Final = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
_FLEET: t.Final = f"/api/v1/namespaces/{FLEET}/configmaps"
WATCH: t.Final = f"watch_model.yml takes {WORSE} back"
ASKED: t.Final = f"rollback_model.yml takes {WORSE} back"
_CANARY: t.Final = {"strategy": "canary", "steps": "50,100"}
_WATCH: t.Final = {"interval_s": 2, "watch_s": 60}
_GOAL_S: t.Final = 1.0
_ROUNDS: t.Final = 5
_PATIENCE_S: t.Final = 5.0
_STALE_S: t.Final = 1.0
#: Above the least float, so that what is exactly at its goal meets it.
_AT: t.Final = 1e-9


@dataclasses.dataclass(frozen=True)
class Round:
    """One way back. Unix seconds; None where it did not happen. `served`: when the last region's gateway had accepted
    it, as the module says. `answers`: how many of the worse version there were."""

    case: str
    entered: float
    decided: float | None
    opened: float | None
    weights: float | None
    served: float | None
    last_answer: float | None
    failed: int
    answers: int

    @property
    def begin(self) -> float | None:
        """The decision, or Enter where a person decides."""
        if self.case == ASKED:
            return self.entered
        known = [at for at in (self.decided, self.opened) if at is not None]
        return min(known) if known else None

    def after(self, at: float | None) -> float | None:
        """Seconds from the beginning to that instant, which may have come right before it. What came long before is
        nothing of this way back: the version had no traffic."""
        if at is None or self.begin is None or at < self.begin - _STALE_S:
            return None
        return max(0.0, at - self.begin)


def opened(known: str) -> Question:
    """Whether the journal is that of a change of a model after the known one."""

    def asked(data: t.Mapping[str, str]) -> bool:
        found = header(data)
        return found.get("kind") == "model" and found.get("id") != known

    return asked


def taken_back(results: c.Iterable[Json]) -> tuple[float | None, float | None]:
    """When it was decided, and when the last region's gateway had accepted it, as the module says; None where it does
    not."""
    for result in results:
        if found := result.get("taken_back"):
            served = [one["served_at"] for one in found["regions"].values()]
            return found["decided_at"], max(served) if served and None not in served else None
    return None, None


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own."""
    lab = plan_lab(options.lab)
    found: list[Round] = []
    with lab_up(options.lab, len(lab.regions)), tempfile.TemporaryDirectory() as scratch:
        place = Place(lab)
        place.up()
        for number in range(1, (options.rounds or _ROUNDS) + 1):
            for case in (WATCH, ASKED):
                found.append(_round(place, case, pathlib.Path(scratch)))
                print(f"round {number}: {_told(found[-1])}", flush=True)
    versions = {"ansible-core": importlib.metadata.version("ansible-core"), "envoy": ENVOY_VERSION}
    return Measured(rows(found), versions)


def _round(place: Place, case: str, folder: pathlib.Path) -> Round:
    before = {region: slots[MODEL] for region, slots in place.environment.slots().items()}
    place.must("deploy_model", model=MODEL, version=WORSE, **_CANARY)
    with contextlib.ExitStack() as stack:
        requests = stack.enter_context(asking(place.lab, MODEL, RATE, folder))
        question = says(opened(place.environment.newest()))
        fleet = stack.enter_context(observed(place.lab.management, _FLEET, question))
        regions = [
            stack.enter_context(observed(site, _ROUTE, on({MODEL: before[site.name]}))) for site in place.lab.regions
        ]
        if case == WATCH:
            # It ends with an error: a version that was taken back is no good end of a watch.
            ran = place.run("watch_model", model=MODEL, **_WATCH)
        else:
            ran = place.must("rollback_model", model=MODEL, reason="measured")
        marks = _last(regions), fleet.wait(_PATIENCE_S)
    if marks[0] is None:
        raise LabError(f"{case}: a region has not gone back")
    place.environment.wait_for_pods()
    return round_of(case, ran, marks, requests)


def _last(seen: c.Iterable[Seen]) -> float | None:
    found = [one.wait(_PATIENCE_S) for one in seen]
    known = [at for at in found if at is not None]
    return max(known) if known and len(known) == len(found) else None


def round_of(case: str, ran: Ran, marks: tuple[float | None, float | None], requests: Requests) -> Round:
    """`marks`: when the last region had its weights, and when the journal of the fleet was opened."""
    weights, journal = marks
    decided, served = taken_back(ran.results)
    return Round(
        case,
        ran.entered,
        decided,
        journal,
        weights,
        served,
        requests.last_answer(WORSE),
        sum(one.failed for one in requests.asked),
        sum(one.version == WORSE for one in requests.asked),
    )


def _told(one: Round) -> str:
    spans = {name: one.after(at) for name, at in _spans(one).items()}
    shown = ", ".join(f"{name} {'-' if value is None else f'{value:.3f} s'}" for name, value in spans.items())
    return f"{one.case}: {shown}, {one.answers} answers of {WORSE}, {one.failed} failed"


def _spans(one: Round) -> dict[str, float | None]:
    begin = "Enter" if one.case == ASKED else "decision"
    found = {f"{begin} to weights, last region": one.weights, f"{begin} to last answer of {WORSE}": one.last_answer}
    return found if one.case == ASKED else {**found, f"{begin} to gateway accepted, last region": one.served}


def rows(found: c.Sequence[Round]) -> list[Row]:
    made = []
    for case in (WATCH, ASKED):
        own = [one for one in found if one.case == case]
        for metric in _spans(own[0]) if own else ():
            judged = case == WATCH and "accepted" not in metric
            values = [one.after(_spans(one)[metric]) for one in own]
            made.append(row(case, metric, values, Goal(_GOAL_S if judged else None)))
        if own:
            made.append(row(case, "failed requests", [float(one.failed) for one in own], Goal(_AT), "count"))
    return made
