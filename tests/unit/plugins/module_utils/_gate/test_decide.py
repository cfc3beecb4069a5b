# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import random
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import decide_workload
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import CheckState
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide import (
    Rules,
    Situation,
    glance,
    judge,
    live_line,
    warnings,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.pod_problems import Problem
from hypothesis import given, settings
from hypothesis import strategies as st

RULES = Rules(observe_s=4, deadline_s=60, blind_s=8, evidence_max_s=30, on_thin_evidence="fail", traffic=True)
WANTED = decide_workload.Wanted("Deployment", "core-api-green")
READY = decide_workload.State(WANTED, "ready", "", 2, 2, 2)
STARTING = decide_workload.State(WANTED, "waiting", "Deployment core-api-green: 1 of 2 pods ready", 2, 2, 1)
DOOMED = decide_workload.State(WANTED, "failed", "Deployment core-api-green: pod p1: ended by itself (2 exits)")


def good_for(seconds: float, name: str = "error rate", **more: t.Any) -> CheckState:
    return CheckState(name, "good", f"{name} 0.01 ≤ 0.05", nearness=0.2, good_s=seconds, seen_at=5.0, **more)


def bad(name: str = "error rate", nearness: float = 4.0, **more: t.Any) -> CheckState:
    return CheckState(name, "bad", f"{name} is outside", nearness=nearness, seen_at=5.0, outside_since=2.0, **more)


def blind(
    seen_at: float | None = 0.0, detail: str = "Prometheus does not answer: refused", **more: t.Any
) -> CheckState:
    return CheckState("error rate", "blind", f"error rate not visible ({detail})", seen_at=seen_at, **more)


def situation(
    *checks: CheckState, workloads: t.Sequence[decide_workload.State] = (READY,), **changes: t.Any
) -> Situation:
    at = Situation(workloads, checks, now=5.0, ready_since=0.0, first_ready=0.0, ready_s=0.0, unready_s=0.0)
    changes.setdefault("ready_s", changes.get("now", 5.0))
    return dataclasses.replace(at, **changes)


def test_pass_says_what_it_rests_on() -> None:
    judgement = judge(RULES, situation(good_for(4), dataclasses.replace(good_for(9, "latency"), nearness=0.1)))
    assert judgement.verdict == "pass"
    assert judgement.reason == ("1 workloads with 2 pods ready; 2 checks good for 4 s, closest: error rate 0.01 ≤ 0.05")


def test_what_is_good_and_may_be_a_mistake_is_a_warning_and_is_told_once() -> None:
    sentence = "errors 0 of 590 requests; no failure was ever counted: failures{} matched no series"
    silent = dataclasses.replace(good_for(4, "errors"), sentence=sentence, evidence={"warning": "no failure"})
    alone, second = situation(silent), situation(dataclasses.replace(silent, nearness=0.1), good_for(4))
    assert warnings(alone) == warnings(second) == [sentence]
    assert judge(RULES, alone).reason.endswith(f"closest: {sentence}")
    assert judge(RULES, second).reason.endswith(f"closest: error rate 0.01 ≤ 0.05; warning: {sentence}")
    assert warnings(situation(good_for(4, evidence={"warning": ""}))) == []


def test_not_before_the_time_is_over() -> None:
    assert judge(RULES, situation(good_for(3.5))).verdict is None
    assert judge(RULES, situation(good_for(4), now=3.9)).verdict is None


def test_workloads_alone_have_to_stay_ready_as_long() -> None:
    assert judge(RULES, situation(now=3.0)).verdict is None
    assert judge(RULES, situation(now=4.0)).verdict == "pass"


def test_a_doomed_workload_fails_with_its_own_sentence() -> None:
    judgement = judge(RULES, situation(good_for(4), workloads=[READY, DOOMED]))
    assert (judgement.verdict, judgement.cause, judgement.reason) == ("fail", "workload", DOOMED.detail)


def test_the_worst_breach_is_told() -> None:
    judgement = judge(RULES, situation(bad("near", 1.2), bad("far", 18.0)))
    assert (judgement.verdict, judgement.cause, judgement.reason) == ("fail", "metric", "far is outside")


def test_a_fail_names_the_services_it_speaks_of() -> None:
    engine = decide_workload.Wanted("Deployment", "engine-green", service="engine")
    doomed = decide_workload.State(engine, "failed", "Deployment engine-green: crash")
    assert judge(RULES, situation(bad(service="core-api"), bad("x", service="engine"))).services == {
        "core-api",
        "engine",
    }
    assert judge(RULES, situation(workloads=[READY, doomed])).services == {"engine"}
    # One that speaks of no service in particular speaks of all.
    assert judge(RULES, situation(bad(service="core-api"), bad("x"))).services == frozenset()
    late = judge(RULES, situation(workloads=[READY, STARTING], ready_since=None, unready_s=61.0))
    assert (late.cause, late.services) == ("deadline", frozenset())


def test_a_warning_never_fails_and_is_told() -> None:
    judgement = judge(RULES, situation(good_for(4), bad("memory", critical=False)))
    assert judgement.verdict == "pass"
    assert "warning: memory is outside" in judgement.reason


def test_lost_sight_under_traffic_fails_without_evidence() -> None:
    assert judge(RULES, situation(blind(), now=8.0)).verdict is None
    judgement = judge(RULES, situation(blind(service="core-api"), now=8.1))
    assert (judgement.verdict, judgement.cause) == ("fail", "no_evidence")
    assert judgement.services == {"core-api"}
    assert judgement.reason == (
        "no evidence for 8.1 s (limit 8 s): error rate not visible (Prometheus does not answer: refused)"
    )


def test_lost_sight_without_traffic_holds() -> None:
    rules = dataclasses.replace(RULES, traffic=False)
    assert judge(rules, situation(blind(None), now=8.1)).verdict == "hold"


def test_a_policy_without_patience_fails_at_once() -> None:
    lost = dataclasses.replace(blind(), status="lost")
    judgement = judge(RULES, situation(good_for(4), lost, now=4.0))
    assert (judgement.verdict, judgement.cause) == ("fail", "no_evidence")
    assert judge(RULES, situation(good_for(4), dataclasses.replace(lost, critical=False), now=4.0)).verdict == "pass"


def test_pods_that_start_have_no_metrics_yet() -> None:
    at = situation(blind(None), workloads=[STARTING], now=20.0, ready_since=None, first_ready=None, unready_s=20.0)
    assert judge(RULES, at).verdict is None
    assert judge(RULES, dataclasses.replace(at, unready_s=60.1)).cause == "deadline"


def test_an_api_server_that_is_away_is_lost_sight() -> None:
    at = situation(good_for(4), unread_since=1.0, unread="us-east-1: list Pod: refused")
    assert judge(RULES, at).verdict is None
    judgement = judge(RULES, dataclasses.replace(at, now=9.5))
    assert (judgement.verdict, judgement.cause) == ("fail", "no_evidence")


def test_deadline_counts_all_time_in_which_they_were_not_ready() -> None:
    at = situation(workloads=[STARTING], now=100.0, ready_since=None, first_ready=20.0, ready_s=20.0, unready_s=60.1)
    judgement = judge(RULES, at)
    assert (judgement.verdict, judgement.cause) == ("fail", "deadline")
    assert "1 of 2 pods ready" in judgement.reason
    assert judge(RULES, dataclasses.replace(at, workloads=[READY], ready_since=100.0)).verdict is None


THIN = CheckState("error rate", "thin", "error rate has 3 of at least 10 requests", seen_at=30.0)


@pytest.mark.parametrize(
    ("rule", "verdict", "cause"),
    [
        ("fail", "fail", "thin_evidence"),
        ("ask", "hold", "thin_evidence"),
        ("pass_on_workloads", "pass", "thin_evidence"),
    ],
)
def test_too_few_requests_extend_and_then_the_rule_decides(rule: t.Any, verdict: str, cause: str) -> None:
    rules = dataclasses.replace(RULES, on_thin_evidence=rule)
    assert judge(rules, situation(THIN, now=30.0)).verdict is None
    judgement = judge(rules, situation(THIN, now=30.1))
    assert (judgement.verdict, judgement.cause) == (verdict, cause)
    assert "3 of at least 10 requests" in judgement.reason


def test_outside_the_limit_is_never_passed_on_workloads() -> None:
    rules = dataclasses.replace(RULES, on_thin_evidence="pass_on_workloads")
    suspicious = CheckState("error rate", "over", "error rate 0.4 > 0.05", nearness=8.0, seen_at=30.0)
    assert judge(rules, situation(suspicious, now=30.1)).verdict == "hold"


def test_one_look() -> None:
    assert glance(RULES, situation(good_for(0), now=0.0)).verdict == "pass"
    assert glance(RULES, situation(bad(), now=0.0)).verdict == "fail"
    assert glance(RULES, situation(CheckState("x", "over", "x is near"), now=0.0)).verdict == "hold"
    assert glance(RULES, situation(blind(None), now=0.0)).verdict == "hold"
    assert glance(RULES, situation(workloads=[STARTING], ready_since=None, first_ready=None)).verdict == "hold"


def test_live_line_shows_the_check_closest_to_failing() -> None:
    close = CheckState("latency", "good", "latency 0.04 ≤ 0.05", nearness=0.8, good_s=0.0)
    assert live_line(RULES, situation(good_for(1), close)) == "latency 0.04 ≤ 0.05, 2/2 pods ready, 4 s left"
    starting = situation(workloads=[STARTING], ready_since=None, first_ready=None, unready_s=12.0)
    assert live_line(RULES, starting) == "Deployment core-api-green: 1 of 2 pods ready, 48 s left"


def test_live_line_shows_the_workload_closest_to_failing_and_how_many_more_wait() -> None:
    slow = dataclasses.replace(STARTING, detail="Deployment web: 0 of 2 pods ready")
    problem = Problem("image_pull", "ErrImagePull: timeout")
    pulling = dataclasses.replace(STARTING, detail="Deployment api: ErrImagePull: timeout", problems=(problem,))

    def line(*states: decide_workload.State) -> str:
        return live_line(RULES, situation(workloads=states, ready_since=None, first_ready=None, unready_s=12.0))

    assert line(READY, slow, pulling, STARTING) == (
        "Deployment api: ErrImagePull: timeout, and 2 more waiting, 48 s left"
    )
    assert line(slow, READY, STARTING) == "Deployment web: 0 of 2 pods ready, and 1 more waiting, 48 s left"


_STATES = st.lists(
    st.builds(
        CheckState,
        st.sampled_from(["errors", "latency"]),
        st.sampled_from(["good", "over", "bad", "thin", "blind", "lost"]),
        st.just("sentence"),
        st.booleans(),
        st.floats(0, 5),
        st.floats(0, 10),
        st.one_of(st.none(), st.floats(0, 40)),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(_STATES, st.sampled_from(["fail", "ask", "pass_on_workloads"]), st.floats(0, 40), st.booleans())
def test_passes_only_when_every_critical_check_is_good_for_long_enough(
    states: list[CheckState], thin: t.Any, now: float, traffic: bool
) -> None:
    rules = dataclasses.replace(RULES, on_thin_evidence=thin, traffic=traffic)
    judgement = judge(rules, situation(*states, now=now))
    critical = [state for state in states if state.critical]
    if judgement.verdict == "pass" and judgement.cause != "thin_evidence":
        assert all(state.status == "good" and state.good_s >= 3.9 for state in critical)
    if judgement.verdict == "pass" and judgement.cause == "thin_evidence":
        assert thin == "pass_on_workloads"
        assert all(state.status in ("good", "thin") for state in critical)


@settings(max_examples=100, deadline=None)
@given(_STATES, st.floats(0, 40), st.integers(0, 99))
def test_order_of_checks_does_not_matter(states: list[CheckState], now: float, seed: int) -> None:
    mixed = list(states)
    random.Random(seed).shuffle(mixed)
    one, other = judge(RULES, situation(*states, now=now)), judge(RULES, situation(*mixed, now=now))
    assert (one.verdict, one.cause) == (other.verdict, other.cause)


@settings(max_examples=100, deadline=None)
@given(_STATES, st.sampled_from([READY, STARTING, DOOMED]), st.floats(0, 40))
def test_one_more_bad_check_turns_everything_into_fail(
    states: list[CheckState], workload: decide_workload.State, now: float
) -> None:
    assert judge(RULES, situation(*states, bad(), workloads=[workload], now=now)).verdict == "fail"


@settings(max_examples=100, deadline=None)
@given(_STATES, st.floats(0, 40))
def test_losing_sight_of_a_check_never_turns_anything_into_pass(states: list[CheckState], now: float) -> None:
    if judge(RULES, situation(*states, now=now)).verdict == "pass":
        return
    for position, state in enumerate(states):
        lost = [*states]
        lost[position] = dataclasses.replace(state, status="blind")
        if state.critical:
            assert judge(RULES, situation(*lost, now=now)).verdict != "pass"


def test_ready_time_counts_without_a_break() -> None:
    assert judge(RULES, situation(good_for(4), now=20.0, ready_since=17.0, first_ready=0.0)).verdict is None
