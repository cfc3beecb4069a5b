# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's verdict does not depend on what the way to the API server and to Prometheus does meanwhile.

A fault that passes leaves the verdict as it is without one. A fault that stays ends in `hold`, or in a `fail` for want
of evidence where there is traffic; never in a pass, and never in a word against the version.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import pathlib
import typing as t

import pytest
from fault_proxy import Fault, half, no_json, reset, slow, status
from gate_under_fault import Json, Outcome, Region

Act = t.Callable[[Region], object]

#: When the fault begins, when the rollout comes to its end, and when the fault is over: seconds from the start.
BEGIN_S, COMES_S, OVER_S = 0.25, 0.6, 1.1


@dataclasses.dataclass(frozen=True)
class Trouble:
    """A fault that begins and ends."""

    name: str
    begin: Act
    end: Act
    #: Whether the gate has met it, by the requests that it has made.
    felt: t.Callable[[Region], bool]


def watched_again(region: Region) -> bool:
    return len([path for path in region.to_api.requests if "watch=1" in path]) > 3


def listed_again(region: Region) -> bool:
    """Once at the beginning, once before a pass, and once because of the fault."""
    return len([path for path in region.to_api.requests if "pods?limit" in path]) > (2 if region.passed else 1)


def always(_region: Region) -> bool:
    return True


def spoiled(region: Region) -> bool:
    return region.to_api.spoiled + region.to_prometheus.spoiled > 0


def on_the_way(name: str, fault: Fault) -> Trouble:
    """Open connections end, and what comes after is spoiled."""

    def begin(region: Region) -> None:
        region.to_api.fault = fault
        region.to_api.interrupt()

    def end(region: Region) -> None:
        region.to_api.fault = None

    return Trouble(name, begin, end, spoiled)


def on_the_way_to_prometheus(name: str, fault: Fault) -> Trouble:
    def begin(region: Region) -> None:
        region.to_prometheus.fault = fault

    def end(region: Region) -> None:
        region.to_prometheus.fault = None

    return Trouble(name, begin, end, spoiled)


def restart_without_memory(region: Region) -> None:
    region.api.forget()
    region.api.start()


def compact(region: Region) -> None:
    region.api.forget()
    region.to_api.interrupt()


def expire(region: Region) -> None:
    for plural in ("pods", "deployments", "replicasets"):
        region.api.expire(plural)


def end_token(region: Region) -> None:
    region.api.token = "second"
    region.to_api.interrupt()


def nothing(_region: Region) -> None: ...


TROUBLES = [
    Trouble("API server restarted", lambda one: one.api.stop(), lambda one: one.api.start(), watched_again),
    Trouble("API server restarted without memory", lambda one: one.api.stop(), restart_without_memory, watched_again),
    Trouble("410 Gone", compact, nothing, listed_again),
    Trouble("410 as an event", expire, nothing, listed_again),
    on_the_way("429", status(429)),
    on_the_way("429 with Retry-After", status(429, Retry_After="1")),
    on_the_way("500", status(500)),
    on_the_way("503", status(503)),
    on_the_way("403 of a server that starts", status(403)),
    on_the_way("slow answers", slow(0.4)),
    on_the_way("connection resets", reset),
    on_the_way("half an answer", half(150)),
    on_the_way("a page to log in", no_json),
    Trouble("token renewed on disk", end_token, lambda one: one.token.write_text("second"), watched_again),
    Trouble("Prometheus restarted", lambda one: one.prometheus.stop(), lambda one: one.prometheus.start(), always),
    on_the_way_to_prometheus("half an answer of Prometheus", half(10)),
    on_the_way_to_prometheus("503 of Prometheus", status(503)),
    on_the_way_to_prometheus("slow Prometheus", slow(0.8)),
]

OUTCOMES: dict[Outcome, tuple[str, str]] = {
    "good": ("pass", ""),
    "crash": ("fail", "workload"),
    "errors": ("fail", "metric"),
}


def judged(folder: pathlib.Path, outcome: Outcome, trouble: Trouble | None) -> tuple[Json, Region]:
    folder.mkdir()
    region = Region(folder)

    def script() -> None:
        if trouble is not None:
            trouble.begin(region)
            region.pause(COMES_S - BEGIN_S)
            if trouble.felt is spoiled:
                region.until(lambda: spoiled(region))
        region.become(outcome)
        if trouble is not None:
            region.pause(OVER_S - COMES_S)
            trouble.end(region)

    try:
        region.at(BEGIN_S, script)
        result = region.judge()
        region.passed = result["verdict"] == "pass"
        return result, region
    finally:
        region.close()


Results = t.Callable[[Trouble | None, Outcome], tuple[Json, Region]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Results]:
    """All of them at a time: what they do is wait."""
    folder = tmp_path_factory.mktemp("regions")
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        running = {
            (trouble and trouble.name, outcome): pool.submit(judged, folder / f"{number}-{outcome}", outcome, trouble)
            for number, trouble in enumerate([None, *TROUBLES])
            for outcome in OUTCOMES
        }
        yield lambda trouble, outcome: running[(trouble and trouble.name, outcome)].result()


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("trouble", [None, *TROUBLES], ids=lambda trouble: trouble.name if trouble else "nothing")
def test_a_fault_that_passes_leaves_the_verdict(results: Results, trouble: Trouble | None, outcome: Outcome) -> None:
    result, region = results(trouble, outcome)
    said = f"{result['reason']} {result.get('msg')} {region.lines}"
    assert (result["verdict"], result["cause"]) == OUTCOMES[outcome], said
    assert trouble is None or trouble.felt(region), "nothing was spoiled"


STAYS = {
    "API server gone": (lambda one: one.api.stop(), "us-east-1: "),
    "token ended": (end_token, "us-east-1: "),
    "Prometheus gone": (lambda one: one.prometheus.stop(), "Prometheus does not answer"),
    "Prometheus spoiled": (lambda one: setattr(one.to_prometheus, "fault", status(503)), "answered 503"),
}


@pytest.mark.parametrize("traffic", [True, False])
@pytest.mark.parametrize("fault", STAYS)
def test_a_fault_that_stays_is_no_evidence(tmp_path: pathlib.Path, fault: str, traffic: bool) -> None:
    begin, says = STAYS[fault]
    region = Region(tmp_path)
    try:
        region.become("good")
        region.at(BEGIN_S, lambda: begin(region))
        result = region.judge(observe_s=30, blind_s=0.5, traffic=traffic, timeout_s=5)
    finally:
        region.close()
    assert (result["verdict"], result["cause"]) == ("fail" if traffic else "hold", "no_evidence")
    assert result["reason"].startswith("no evidence for ")
    assert says in result["reason"]


def test_a_connection_that_died_in_silence_does_not_pass(tmp_path: pathlib.Path) -> None:
    region = Region(tmp_path)
    try:
        region.become("good")
        region.at(BEGIN_S, lambda: setattr(region.to_api, "frozen", True))
        region.at(COMES_S, lambda: region.become("crash"))
        result = region.judge(observe_s=1.0)
    finally:
        region.close()
    assert (result["verdict"], result["cause"]) == ("fail", "workload"), result["reason"]
    assert "exit code 3" in result["reason"]
