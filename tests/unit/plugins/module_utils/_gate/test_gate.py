# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop, on a clock that does not wait."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, LockLost, Undone
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_metric import Check, Reading
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import (
    Cluster,
    Grace,
    Wanted,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.gate import Gate, Question
from fakes import FakeClock
from gate_samples import FakeProvider, deployment, ended, pod, replica_set

RULES = Rules(observe_s=4, deadline_s=20, blind_s=8, evidence_max_s=30, on_thin_evidence="fail", traffic=True)
CHECK = Check("error rate", "value", maximum=0.05, min_samples_query="count", min_requests=10, min_failures=5)
AWAY = ApiError("us-east-1: list Deployment: refused", kind="unreachable", region="us-east-1", retriable=True)


class FakeCluster:
    """The cluster as a function of the time."""

    def __init__(self, clock: FakeClock, at: t.Callable[[float], Cluster]) -> None:
        self.clock = clock
        self.at = at
        self.reads = 0

    def read(self) -> Cluster:
        self.reads += 1
        return self.at(self.clock.elapsed)


def cluster(obj: dict[str, t.Any], *pods: dict[str, t.Any]) -> Cluster:
    return Cluster({("Deployment", "core-api-green"): obj}, [replica_set()], pods)


class Bench:
    """A gate with everything it needs."""

    def __init__(
        self,
        answers: dict[str, t.Any] | None = None,
        at: t.Callable[[float], Cluster] = lambda _now: cluster(deployment()),
        guard: t.Callable[[], None] | None = None,
        rules: Rules = RULES,
    ) -> None:
        self.clock = FakeClock()
        self.lines: list[str] = []
        self.cluster = FakeCluster(self.clock, at)
        self.provider = FakeProvider(self.clock, answers) if answers is not None else None
        question = Question(
            [Wanted("Deployment", "core-api-green")],
            Grace(),
            [CHECK] if answers is not None else [],
            rules,
            interval_s=0.25,
            stale_s=3.0,
            title="core-api 10 %",
        )
        self.gate = Gate(
            question,
            cluster=self.cluster,
            provider=self.provider,
            guard=guard,
            clock=self.clock,
            progress=self.lines.append,
        )


def test_passes_when_it_was_good_for_long_enough() -> None:
    bench = Bench({"value": 0.01, "count": 100})
    judgement, known = bench.gate.judge()
    assert judgement.verdict == "pass"
    assert bench.clock.elapsed == 4.0
    assert known["evidence"]["metrics"][0]["samples"]["valid"] == 17
    assert known["ready_at"] == known["started_at"]


def test_fails_at_the_first_look_at_which_it_is_proved() -> None:
    bench = Bench({"value": lambda now: 0.2 if now >= 1 else 0.0, "count": lambda now: 10 + 11 * now})
    judgement, known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "metric")
    # 20 % of 24 requests are 5 failures.
    assert bench.clock.elapsed == 1.25
    assert known["breached_at"] == bench.clock.now()
    assert len(known["evidence"]["metrics"][0]["last"]) == 6


def test_evidence_stays_compact() -> None:
    bench = Bench({"value": Reading("no_data", detail="none"), "count": 100}, rules=RULES)
    judgement, known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "no_evidence")
    assert 8 < bench.clock.elapsed <= 8.5
    assert len(known["evidence"]["metrics"][0]["last"]) == 10


def test_too_few_requests_extend_the_time() -> None:
    bench = Bench({"value": 0.0, "count": lambda now: 100 if now > 10 else 3})
    assert bench.gate.judge()[0].verdict == "pass"
    assert 14 <= bench.clock.elapsed < 15


def test_a_crash_loop_ends_it_at_once() -> None:
    unready = deployment(readyReplicas=0, availableReplicas=0)

    def at(now: float) -> Cluster:
        return cluster(unready, pod(containers=[ended(1, restarts=int(now >= 2))]))

    bench = Bench(at=at)
    judgement, _known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "workload")
    assert bench.clock.elapsed == 2.0


def test_readiness_that_comes_and_goes_does_not_extend_the_deadline() -> None:
    def at(now: float) -> Cluster:
        return cluster(deployment(readyReplicas=2 if int(now) % 2 else 1))

    bench = Bench(at=at, rules=Rules(9, 20, 8, 300, "fail", False))
    judgement, _known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "deadline")
    assert bench.clock.elapsed < 45


def test_workloads_that_are_ready_are_read_seldom() -> None:
    bench = Bench({"value": 0.01, "count": 100})
    bench.gate.judge()
    assert bench.cluster.reads <= 6


def test_an_api_server_that_is_away_for_a_moment_is_waited_for() -> None:
    def at(now: float) -> Cluster:
        if 1 <= now < 6:
            raise AWAY
        return cluster(deployment())

    bench = Bench({"value": 0.01, "count": 100}, at=at)
    assert bench.gate.judge()[0].verdict == "pass"
    assert bench.clock.elapsed > 6


def test_an_api_server_that_stays_away_is_no_evidence() -> None:
    def at(now: float) -> Cluster:
        if now >= 1:
            raise AWAY
        return cluster(deployment())

    bench = Bench({"value": 0.01, "count": 100}, at=at)
    judgement, _known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "no_evidence")
    assert "refused" in judgement.reason


def test_no_permission_ends_it_at_once() -> None:
    def at(_now: float) -> Cluster:
        raise ApiError("us-east-1: list Pod: forbidden", kind="forbidden", status=403)

    bench = Bench(at=at)
    with pytest.raises(ApiError, match="forbidden"):
        bench.gate.judge()
    assert bench.clock.elapsed == 0


def test_an_undo_of_the_fleet_ends_it() -> None:
    bench = Bench({"value": 0.01, "count": 100})

    def guard() -> None:
        if bench.clock.elapsed >= 2:
            raise Undone("eu-west-1", "error rate 0.2 > 0.05", region="us-east-1")

    bench = Bench({"value": 0.01, "count": 100}, guard=guard)
    with pytest.raises(Undone, match="undone by eu-west-1") as caught:
        bench.gate.judge()
    assert (caught.value.partial["verdict"], caught.value.partial["cause"]) == ("fail", "undone")
    assert bench.clock.elapsed == 2.0


def test_a_lost_lock_ends_it() -> None:
    def guard() -> None:
        raise LockLost("us-east-1: the lock is not ours any more")

    with pytest.raises(LockLost) as caught:
        Bench({"value": 0.01, "count": 100}, guard=guard).gate.judge()
    assert caught.value.partial["cause"] == "interrupted"


def test_does_not_pass_while_the_decision_cannot_be_read() -> None:
    def guard() -> None:
        raise ApiError("fleet: get ConfigMap: refused", kind="unreachable", retriable=True)

    judgement, _known = Bench({"value": 0.01, "count": 100}, guard=guard).gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "no_evidence")


def test_one_look_waits_for_nothing() -> None:
    bench = Bench({"value": 0.01, "count": 100})
    assert bench.gate.judge(once=True)[0].verdict == "pass"
    bench = Bench({"value": 0.01, "count": 3})
    assert bench.gate.judge(once=True)[0].verdict == "hold"
    assert bench.clock.slept == []


def test_lines_come_with_news_and_every_five_seconds() -> None:
    def at(now: float) -> Cluster:
        return cluster(deployment(readyReplicas=2 if now >= 12 else 0))

    bench = Bench({"value": 0.01, "count": 100}, at=at)
    bench.gate.judge()
    assert bench.lines == [
        "core-api 10 %: Deployment core-api-green: 0 of 2 pods ready, 20 s left",
        "core-api 10 %: Deployment core-api-green: 0 of 2 pods ready, 15 s left",
        "core-api 10 %: Deployment core-api-green: 0 of 2 pods ready, 10 s left",
        "core-api 10 %: error rate 0.01 ≤ 0.05 (100 requests, 49 samples), 2/2 pods ready, 4 s left",
    ]
