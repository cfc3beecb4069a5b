# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop, on a clock that does not wait."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, LockLost, Undone
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import CheckState, Round
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import (
    Cluster,
    Grace,
    Wanted,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.gate import Gate, Question
from fakes import FakeClock
from gate_samples import deployment, ended, pod, replica_set

RULES = Rules(observe_s=4, deadline_s=20, blind_s=8, evidence_max_s=30, on_thin_evidence="fail", traffic=True)
AWAY = ApiError("us-east-1: list Deployment: refused", kind="unreachable", region="us-east-1", retriable=True)


class FakeCluster:
    """The cluster as a function of the time. `news` are the instants at which something changes."""

    def __init__(self, clock: FakeClock, at: t.Callable[[float], Cluster], news: t.Sequence[float] = ()) -> None:
        self.clock = clock
        self.at = at
        self.news = news
        self.confirmed: Cluster | None = None
        self.confirms = 0
        self.asked: list[t.Mapping[str, t.Collection[str]]] = []
        self.notes: list[str] = []

    def ask(self, asked: t.Mapping[str, t.Collection[str]]) -> None:
        if not self.asked or self.asked[-1] != asked:
            self.asked.append(asked)

    def read(self) -> Cluster:
        return self.at(self.clock.elapsed)

    def confirm(self) -> Cluster:
        self.confirms += 1
        return self.confirmed or self.read()

    def wait(self, seconds: float) -> None:
        soon = [at - self.clock.elapsed for at in self.news if at > self.clock.elapsed]
        self.clock.sleep(min([seconds, *soon]))


class FakeChecker:
    """A check that is good from its first look on, but for what `says` makes of it."""

    def __init__(self, clock: FakeClock, says: t.Callable[[float], str]) -> None:
        self.clock = clock
        self.says = says
        self.rounds: list[Round] = []
        self.good_since = clock.monotonic()

    def look(self, this: Round) -> CheckState:
        self.rounds.append(this)
        status = self.says(self.clock.elapsed)
        if status != "good":
            self.good_since = this.now
        return CheckState(
            "error rate",
            t.cast(t.Any, status),
            f"error rate is {status}",
            good_s=this.now - self.good_since,
            seen_at=None if status == "blind" else this.now,
            outside_since=this.now if status == "bad" else None,
            service="core-api",
            counts={"valid": len(self.rounds)},
            evidence={"limit": 0.05},
        )


def cluster(obj: dict[str, t.Any], *pods: dict[str, t.Any]) -> Cluster:
    return Cluster({("Deployment", "core-api-green"): obj}, [replica_set()], pods)


class Bench:
    """A gate with everything it needs."""

    def __init__(
        self,
        says: t.Callable[[float], str] | None = None,
        at: t.Callable[[float], Cluster] = lambda _now: cluster(deployment()),
        guard: t.Callable[[], None] | None = None,
        rules: Rules = RULES,
        *,
        interval_s: float = 0.25,
        news: t.Sequence[float] = (),
    ) -> None:
        self.clock = FakeClock()
        self.lines: list[str] = []
        self.cluster = FakeCluster(self.clock, at, news)
        self.checkers = [FakeChecker(self.clock, says)] if says is not None else []
        question = Question(
            [Wanted("Deployment", "core-api-green")], Grace(), rules, interval_s=interval_s, title="core-api 10 %"
        )
        self.gate = Gate(
            question,
            self.checkers,
            cluster=self.cluster,
            provider=None,
            guard=guard,
            clock=self.clock,
            progress=self.lines.append,
        )


def good(_now: float) -> str:
    return "good"


def test_passes_when_it_was_good_for_long_enough() -> None:
    bench = Bench(good)
    judgement, known = bench.gate.judge()
    assert judgement.verdict == "pass"
    assert bench.clock.elapsed == 4.0
    assert known["evidence"]["checks"] == [
        {
            "name": "error rate",
            "service": "core-api",
            "weight": "critical",
            "status": "good",
            "sentence": "error rate is good",
            "good_s": 4.0,
            "samples": {"valid": 17},
            "limit": 0.05,
        }
    ]
    assert known["ready_at"] == known["started_at"]


def test_fails_at_the_first_look_at_which_it_is_proved() -> None:
    bench = Bench(lambda now: "bad" if now >= 1.2 else "good")
    judgement, known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause, judgement.services) == ("fail", "metric", {"core-api"})
    assert bench.clock.elapsed == 1.25
    assert known["breached_at"] == bench.clock.now()
    assert bench.cluster.confirms == 0, "a fail does not wait for another answer"


def test_lost_sight_is_borne_for_a_while() -> None:
    bench = Bench(lambda _now: "blind")
    judgement, _known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "no_evidence")
    assert 8 < bench.clock.elapsed <= 8.5


def test_too_few_requests_extend_the_time() -> None:
    bench = Bench(lambda now: "good" if now > 10 else "thin")
    assert bench.gate.judge()[0].verdict == "pass"
    assert 14 <= bench.clock.elapsed < 15


def test_a_pass_is_confirmed_by_asking_anew() -> None:
    """A connection that died in silence still shows the pods of yesterday."""
    bench = Bench(good, rules=Rules(1, 20, 8, 300, "fail", False))
    bench.cluster.confirmed = cluster(deployment(readyReplicas=1, availableReplicas=1))

    def at(now: float) -> Cluster:
        if now >= 6:
            bench.cluster.confirmed = None
        return cluster(deployment())

    bench.cluster.at = at
    assert bench.gate.judge()[0].verdict == "pass"
    assert bench.clock.elapsed >= 6
    # Each time it has to be ready for observe_s anew.
    assert bench.cluster.confirms == 5


def test_a_pass_that_cannot_be_confirmed_is_lost_sight_until_it_can() -> None:
    bench = Bench(good, rules=Rules(1, 20, 8, 300, "fail", True))

    def confirm(until: float) -> t.Callable[[], Cluster]:
        def ask() -> Cluster:
            if bench.clock.elapsed < until:
                raise AWAY
            return cluster(deployment())

        return ask

    bench.cluster.confirm = confirm(5.0)  # type: ignore[method-assign]
    assert bench.gate.judge()[0].verdict == "pass"
    assert bench.clock.elapsed == pytest.approx(5.0)
    bench = Bench(good, rules=Rules(1, 20, 8, 300, "fail", True))
    bench.cluster.confirm = confirm(60.0)  # type: ignore[method-assign]
    judgement, _known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "no_evidence")


def test_news_of_the_cluster_are_looked_at_when_they_come() -> None:
    def at(now: float) -> Cluster:
        return cluster(deployment(readyReplicas=2 if now >= 7.3 else 1))

    bench = Bench(good, at=at, rules=Rules(0, 60, 8, 300, "fail", False), interval_s=5, news=[7.3])
    assert bench.gate.judge()[0].verdict == "pass"
    assert bench.clock.elapsed == pytest.approx(7.3)
    assert len(bench.checkers[0].rounds) == 2, "checks keep their own pace"


def test_a_crash_loop_ends_it_at_once() -> None:
    unready = deployment(readyReplicas=0, availableReplicas=0)

    def at(now: float) -> Cluster:
        return cluster(unready, pod(containers=[ended(1, restarts=int(now >= 2))]))

    bench = Bench(at=at)
    judgement, _known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "workload")
    assert bench.clock.elapsed == 2.0


def test_a_grace_that_ends_is_noticed_between_two_looks_at_the_checks() -> None:
    def at(_now: float) -> Cluster:
        return Cluster({}, [], [])

    bench = Bench(good, at=at, interval_s=60)
    judgement, _known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "workload")
    assert 10 <= bench.clock.elapsed <= 11


def stateful_set(existing: int) -> dict[str, t.Any]:
    """Its rollout began a while ago; of its two pods so many exist, and those are ready."""
    status = {"observedGeneration": 2, "replicas": existing, "readyReplicas": existing, "updatedReplicas": existing}
    meta = {
        "name": "core-api-green",
        "uid": "u1",
        "generation": 2,
        "managedFields": [{"time": "2026-11-02T10:00:00Z"}],
    }
    return {"metadata": meta, "spec": {"replicas": 2}, "status": status}


REFUSED = {
    "reason": "FailedCreate",
    "message": 'create Pod core-api-green-1 in StatefulSet core-api-green failed error: pods "core-api-green-1" is '
    "forbidden: exceeded quota",
    "involvedObject": {"uid": "u1"},
    "lastTimestamp": "2026-11-02T10:00:01Z",
}
ENGINE = Wanted("StatefulSet", "core-api-green")


def refusing(bench: Bench, until: float = 999.0, *, events: bool = True) -> None:
    """Let it judge a StatefulSet whose second pod is refused until then; events are there when they are asked for."""
    bench.gate._question = dataclasses.replace(bench.gate._question, workloads=[ENGINE])

    def at(now: float) -> Cluster:
        told = [REFUSED] if events and bench.cluster.asked and bench.cluster.asked[-1] else []
        obj = stateful_set(1 if now < until else 2)
        return Cluster({("StatefulSet", "core-api-green"): obj}, [], [], told)

    bench.cluster.at = at


def test_a_refused_stateful_set_is_noticed_by_its_events_long_before_the_deadline() -> None:
    bench = Bench(rules=Rules(1, 300, 8, 300, "fail", False))
    refusing(bench)
    judgement, known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "workload")
    assert "exceeded quota" in judgement.reason
    # Ten seconds of grace; the first two passed before anybody asked.
    assert 10 <= bench.clock.elapsed < 11
    assert bench.cluster.asked == [{}, {"FailedCreate": {"u1"}}]
    assert known["warnings"] == []


def test_without_events_the_deadline_speaks_and_what_was_not_read_is_noted() -> None:
    bench = Bench(rules=Rules(1, 60, 8, 300, "fail", False))
    refusing(bench, events=False)
    bench.cluster.notes = ["events are not read: forbidden"]
    judgement, known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "deadline")
    assert known["warnings"] == ["events are not read: forbidden"]


def test_a_refusal_that_passes_passes_and_what_is_ready_is_not_asked_about() -> None:
    bench = Bench(rules=Rules(1, 60, 8, 300, "fail", False))
    refusing(bench, until=9.0)
    assert bench.gate.judge()[0].verdict == "pass"
    assert bench.cluster.asked == [{}, {"FailedCreate": {"u1"}}, {}]


def test_readiness_that_comes_and_goes_does_not_extend_the_deadline() -> None:
    def at(now: float) -> Cluster:
        return cluster(deployment(readyReplicas=2 if int(now) % 2 else 1))

    bench = Bench(at=at, rules=Rules(9, 20, 8, 300, "fail", False))
    judgement, _known = bench.gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "deadline")
    assert bench.clock.elapsed < 45


def test_an_api_server_that_is_away_for_a_moment_is_waited_for() -> None:
    def at(now: float) -> Cluster:
        if 1 <= now < 6:
            raise AWAY
        return cluster(deployment())

    bench = Bench(good, at=at)
    assert bench.gate.judge()[0].verdict == "pass"
    assert bench.clock.elapsed >= 6


def test_an_api_server_that_stays_away_is_no_evidence() -> None:
    def at(now: float) -> Cluster:
        if now >= 1:
            raise AWAY
        return cluster(deployment())

    bench = Bench(good, at=at)
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
    bench = Bench(good)

    def guard() -> None:
        if bench.clock.elapsed >= 2:
            raise Undone("eu-west-1", "error rate 0.2 > 0.05", region="us-east-1")

    bench = Bench(good, guard=guard)
    with pytest.raises(Undone, match="undone by eu-west-1") as caught:
        bench.gate.judge()
    assert (caught.value.partial["verdict"], caught.value.partial["cause"]) == ("fail", "undone")
    assert bench.clock.elapsed == 2.0


def test_a_lost_lock_ends_it() -> None:
    def guard() -> None:
        raise LockLost("us-east-1: the lock is not ours any more")

    with pytest.raises(LockLost) as caught:
        Bench(good, guard=guard).gate.judge()
    assert caught.value.partial["cause"] == "interrupted"


def test_does_not_pass_while_the_decision_cannot_be_read() -> None:
    def guard() -> None:
        raise ApiError("fleet: get ConfigMap: refused", kind="unreachable", retriable=True)

    judgement, _known = Bench(good, guard=guard).gate.judge()
    assert (judgement.verdict, judgement.cause) == ("fail", "no_evidence")


def test_one_look_waits_for_nothing() -> None:
    bench = Bench(good)
    assert bench.gate.judge(once=True)[0].verdict == "pass"
    bench = Bench(lambda _now: "thin")
    assert bench.gate.judge(once=True)[0].verdict == "hold"
    assert bench.clock.slept == []


def test_lines_come_with_news_and_every_five_seconds() -> None:
    def at(now: float) -> Cluster:
        return cluster(deployment(readyReplicas=2 if now >= 12 else 0))

    bench = Bench(good, at=at)
    bench.gate.judge()
    assert bench.lines == [
        "core-api 10 %: Deployment core-api-green: 0 of 2 pods ready, 20 s left",
        "core-api 10 %: Deployment core-api-green: 0 of 2 pods ready, 15 s left",
        "core-api 10 %: Deployment core-api-green: 0 of 2 pods ready, 10 s left",
        "core-api 10 %: error rate is good, 2/2 pods ready, 4 s left",
    ]
