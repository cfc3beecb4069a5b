# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters, baselines and health endpoints: what happens to their answers on the way is no word about the version.

An endpoint is the exception: one that does not answer for as many checks as it has is a failed one, by design.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import math
import pathlib
import typing as t

import pytest
from checks_under_fault import CheckedRegion, Kind
from fault_proxy import Fault, FaultProxy, half, no_fault, no_json, reset, slow, status, times
from gate_under_fault import Json, Outcome

#: One answer may take so long where nobody makes it slow, and so long where somebody does.
TIMEOUT_S, SHORT_S = 10.0, 1.0
LATE_S: t.Final = 1.5 * SHORT_S
#: Requests that are answered before the fault, and those that meet it.
BEFORE, SPOILED = 5, 6


@dataclasses.dataclass(frozen=True)
class Trouble:
    """A fault between the gate and Prometheus, or the endpoint; `only` for some of the queries."""

    kind: Kind
    name: str
    fault: Fault = no_fault
    only: str = ""
    count: float = SPOILED
    #: Prometheus is away meanwhile, and does not scrape either.
    away: bool = False
    #: So is the process that it scrapes.
    restart: bool = False

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"

    @property
    def timeout_s(self) -> float:
        return SHORT_S if "slow" in self.name else TIMEOUT_S

    def proxy(self, region: CheckedRegion) -> FaultProxy:
        return region.to_endpoint if self.kind == "health" else region.to_prometheus

    def prepare(self, region: CheckedRegion, outcome: Outcome | None = None) -> None:
        """Let it begin and end by itself. The rollout comes to its end in the middle of it."""

        def begin() -> None:
            if self.away:
                region.prometheus.stop()
            if self.restart:
                region.restart()

        proxy = self.proxy(region)
        proxy.only = self.only
        proxy.fault = times(
            self.count,
            self.fault,
            before=BEFORE,
            begin=begin,
            midway=lambda: region.become(outcome) if outcome else None,
            end=lambda: region.prometheus.start() if self.away else None,
        )


TROUBLES: t.Final = [
    *(Trouble(kind, "nothing") for kind in t.get_args(Kind)),
    *(Trouble(kind, "Prometheus restarted", away=True) for kind in ("counter", "against", "baseline")),
    Trouble("counter", "Prometheus and the pod restarted", away=True, restart=True),
    *(Trouble(kind, "half an answer", half(40)) for kind in ("counter", "against", "baseline")),
    Trouble("counter", "connection resets", reset),
    Trouble("counter", "500", status(500)),
    Trouble("counter", "500 for failures only", status(500), "failures_total"),
    Trouble("counter", "429", status(429, Retry_After="1")),
    Trouble("counter", "slow answers", slow(LATE_S)),
    Trouble("counter", "a page to log in", no_json),
    Trouble("against", "resets for the stable slot only", reset, "blue"),
    Trouble("baseline", "resets for the baseline only", reset, "p95_blue"),
    Trouble("baseline", "500 for the baseline only", status(500), "p95_blue"),
    Trouble("baseline", "slow baseline", slow(LATE_S), "p95_blue"),
    # Three in a row are proof, and two are none.
    Trouble("health", "two resets", reset, count=2),
    Trouble("health", "two slow answers", slow(LATE_S), count=2),
    Trouble("health", "two halves of answers", half(5), count=2),
    Trouble("health", "two 500", status(500), count=2),
]
VERDICTS: dict[Outcome, tuple[str, str]] = {"good": ("pass", ""), "errors": ("fail", "metric")}
Case = tuple[Trouble, Outcome]
CASES: t.Final[list[Case]] = [(trouble, outcome) for trouble in TROUBLES for outcome in VERDICTS]


def judged(folder: pathlib.Path, trouble: Trouble, outcome: Outcome) -> tuple[Json, int]:
    """The result, and how many requests have met the fault."""
    folder.mkdir()
    region = CheckedRegion(folder)
    try:
        trouble.prepare(region, outcome)
        return region.ask(trouble.kind, trouble.timeout_s), trouble.proxy(region).spoiled
    finally:
        region.close()


Results = t.Callable[[Case], tuple[Json, int]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Results]:
    """Several at a time: what they do is wait."""
    folder = tmp_path_factory.mktemp("regions")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        running = {case: pool.submit(judged, folder / str(number), *case) for number, case in enumerate(CASES)}
        yield lambda case: running[case].result()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def test_a_fault_that_passes_leaves_the_verdict(results: Results, case: Case) -> None:
    trouble, outcome = case
    result, spoiled = results(case)
    assert (result["verdict"], result["cause"]) == VERDICTS[outcome], f"{result['reason']} {result.get('msg')}"
    assert spoiled >= trouble.count / 2


STAYS: t.Final = [
    (Trouble("counter", "Prometheus gone", away=True), "failures not visible (Prometheus does not answer: "),
    (Trouble("counter", "half an answer", half(40)), "failures not visible (Prometheus does not answer: "),
    (Trouble("counter", "429", status(429)), "failures not visible (Prometheus answered 429"),
    (Trouble("counter", "slow answers", slow(LATE_S)), "failures not visible (Prometheus does not answer: no "),
    (
        Trouble("counter", "500 for failures only", status(500), "failures_total"),
        "failures not visible (Prometheus answered 500",
    ),
    (
        Trouble("against", "500 for the stable slot only", status(500), "blue"),
        "failures not visible (Prometheus answered 500",
    ),
    (
        Trouble("baseline", "500 for the baseline only", status(500), "p95_blue"),
        "p95 not visible (its baseline: Prometheus answered 500",
    ),
    (
        Trouble("baseline", "resets for the baseline only", reset, "p95_blue"),
        "p95 not visible (its baseline: Prometheus does not answer: ",
    ),
]


@pytest.mark.parametrize(("trouble", "says"), STAYS, ids=str)
def test_a_fault_that_stays_is_no_evidence(tmp_path: pathlib.Path, trouble: Trouble, says: str) -> None:
    region = CheckedRegion(tmp_path)
    region.become("good")
    try:
        dataclasses.replace(trouble, count=math.inf).prepare(region)
        result = region.ask(trouble.kind, trouble.timeout_s, observe_s=60, blind_s=0.5, traffic=False)
    finally:
        region.close()
    assert (result["verdict"], result["cause"]) == ("hold", "no_evidence"), result["reason"]
    assert says in result["reason"]


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (Trouble("health", "resets", reset), "Connection reset by peer"),
        (Trouble("health", "slow answers", slow(LATE_S)), "no answer within 1 s"),
        (Trouble("health", "half an answer", half(5)), "3 failed checks in a row of 3 ("),
        (Trouble("health", "500", status(500)), "HTTP 500, expected 200"),
    ],
    ids=str,
)
def test_an_endpoint_that_nobody_reaches_has_failed(tmp_path: pathlib.Path, trouble: Trouble, says: str) -> None:
    region = CheckedRegion(tmp_path)
    region.become("good")
    try:
        dataclasses.replace(trouble, count=math.inf).prepare(region)
        result = region.ask("health", trouble.timeout_s, observe_s=60)
    finally:
        region.close()
    assert (result["verdict"], result["cause"]) == ("fail", "metric"), result["reason"]
    assert says in result["reason"]
