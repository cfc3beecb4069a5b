# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import random
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import decide_metric, decide_workload
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide import (
    Rules,
    Situation,
    glance,
    judge,
    live_line,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_metric import Sample
from gate_samples import check, valid
from hypothesis import given, settings
from hypothesis import strategies as st

RULES = Rules(observe_s=4, deadline_s=60, blind_s=8, evidence_max_s=30, on_thin_evidence="fail", traffic=True)
WANTED = decide_workload.Wanted("Deployment", "core-api-green")
READY = decide_workload.State(WANTED, "ready", "", 2, 2, 2)
STARTING = decide_workload.State(WANTED, "waiting", "Deployment core-api-green: 1 of 2 pods ready", 2, 2, 1)
DOOMED = decide_workload.State(WANTED, "failed", "Deployment core-api-green: pod p1: ended by itself (2 exits)")


def good_for(seconds: float, name: str = "error rate", **rule: t.Any) -> decide_metric.State:
    samples = [valid(number / 2, 0.01) for number in range(int(seconds * 2) + 1)]
    return decide_metric.judge(check(name=name, **rule), samples, 1.0)


def of(*samples: Sample, **rule: t.Any) -> decide_metric.State:
    return decide_metric.judge(check(**rule), samples, 1.0)


def situation(
    *metrics: decide_metric.State, workloads: t.Sequence[decide_workload.State] = (READY,), **changes: t.Any
) -> Situation:
    at = Situation(workloads, metrics, now=5.0, ready_since=0.0, first_ready=0.0, ready_s=0.0, unready_s=0.0)
    changes.setdefault("ready_s", changes.get("now", 5.0))
    return dataclasses.replace(at, **changes)


def test_pass_says_what_it_rests_on() -> None:
    judgement = judge(RULES, situation(good_for(4)))
    assert judgement.verdict == "pass"
    assert judgement.reason == (
        "1 workloads with 2 pods ready; 1 checks good for 4 s, closest: "
        "error rate 0.01 ≤ 0.05 (window 5s, 100 requests, 9 samples)"
    )


def test_not_before_the_time_is_over() -> None:
    assert judge(RULES, situation(good_for(3.5))).verdict is None
    assert judge(RULES, situation(good_for(4), now=3.9)).verdict is None


def test_workloads_alone_have_to_stay_ready_as_long() -> None:
    assert judge(RULES, situation(now=3.0)).verdict is None
    assert judge(RULES, situation(now=4.0)).verdict == "pass"


def test_a_doomed_workload_fails_with_its_own_sentence() -> None:
    judgement = judge(RULES, situation(good_for(4), workloads=[READY, DOOMED]))
    assert (judgement.verdict, judgement.cause, judgement.reason) == ("fail", "workload", DOOMED.detail)


def test_a_breach_names_condition_value_limit_window_and_samples() -> None:
    bad = of(valid(0, 0.2, 33.0), valid(0.5, 0.2, 33.0), valid(1.0, 0.21, 33.0), for_s=1.0, min_failures=5)
    judgement = judge(RULES, situation(bad))
    assert (judgement.verdict, judgement.cause) == ("fail", "metric")
    assert judgement.reason == (
        "error rate 0.21 > 0.05 (window 5s, for 1.0 s of 1 s, 33 requests, 7 failures, 5 count, 3 samples)"
    )


def test_the_worst_breach_is_told() -> None:
    judgement = judge(RULES, situation(of(valid(0, 0.06), name="near"), of(valid(0, 0.9), name="far")))
    assert judgement.reason.startswith("far 0.9 > 0.05")


def test_a_warning_never_fails_and_is_told() -> None:
    judgement = judge(RULES, situation(good_for(4), of(valid(0, 0.9), name="memory", critical=False)))
    assert judgement.verdict == "pass"
    assert "warning: memory 0.9 > 0.05" in judgement.reason


def test_lost_sight_under_traffic_fails_without_evidence() -> None:
    blind = of(valid(0, 0.01), Sample(1, "error", detail="Prometheus does not answer: refused"))
    assert judge(RULES, situation(blind, now=8.0)).verdict is None
    judgement = judge(RULES, situation(blind, now=8.1))
    assert (judgement.verdict, judgement.cause) == ("fail", "no_evidence")
    assert judgement.reason == ("no evidence for 8.1 s (limit 8 s): error rate: Prometheus does not answer: refused")


def test_lost_sight_without_traffic_holds() -> None:
    blind = of(Sample(1, "no_data", detail="the query found no series"))
    rules = dataclasses.replace(RULES, traffic=False)
    assert judge(rules, situation(blind, now=8.1)).verdict == "hold"


def test_pods_that_start_have_no_metrics_yet() -> None:
    blind = of(Sample(1, "no_data"))
    at = situation(blind, workloads=[STARTING], now=20.0, ready_since=None, first_ready=None, unready_s=20.0)
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


THIN = of(Sample(30.0, "thin", requests=3.0, detail="3 of at least 10 requests"))


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
    suspicious = of(valid(30.0, 0.4, 10.0), min_failures=5)
    assert judge(rules, situation(suspicious, now=30.1)).verdict == "hold"


def test_one_look() -> None:
    assert glance(RULES, situation(of(valid(0, 0.01)), now=0.0)).verdict == "pass"
    assert glance(RULES, situation(of(valid(0, 0.2)), now=0.0)).verdict == "fail"
    assert glance(RULES, situation(of(valid(0, 0.2), for_s=1.0), now=0.0)).verdict == "hold"
    assert glance(RULES, situation(of(Sample(0, "no_data")), now=0.0)).verdict == "hold"
    assert glance(RULES, situation(workloads=[STARTING], ready_since=None, first_ready=None)).verdict == "hold"


def test_live_line() -> None:
    assert live_line(RULES, situation(good_for(1), of(valid(0, 0.04), name="latency"))) == (
        "latency 0.04 ≤ 0.05 (window 5s, 100 requests, 1 samples), 2/2 pods ready, 4 s left"
    )
    starting = situation(workloads=[STARTING], ready_since=None, first_ready=None, unready_s=12.0)
    assert live_line(RULES, starting) == "Deployment core-api-green: 1 of 2 pods ready, 48 s left"


_SAMPLES = st.lists(
    st.one_of(
        st.sampled_from([0.0, 0.04, 0.2]).map(lambda number: valid(0, number)),
        st.sampled_from(["thin", "no_data", "nan", "many", "stale", "error"]).map(
            lambda kind: Sample(0, kind, requests=1.0)
        ),
    ),
    max_size=12,
)


def _timed(samples: list[Sample]) -> list[Sample]:
    return [dataclasses.replace(sample, at=number / 2) for number, sample in enumerate(samples)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_SAMPLES, min_size=1, max_size=3),
    st.sampled_from(["fail", "ask", "pass_on_workloads"]),
    st.floats(0, 40),
    st.booleans(),
)
def test_never_passes_on_metrics_without_a_valid_sample(
    metrics: list[list[Sample]], thin: t.Any, now: float, traffic: bool
) -> None:
    states = [of(*_timed(samples), name=str(number)) for number, samples in enumerate(metrics)]
    rules = dataclasses.replace(RULES, on_thin_evidence=thin, traffic=traffic)
    judgement = judge(rules, situation(*states, now=now))
    if judgement.verdict == "pass" and any(state.counts["valid"] == 0 for state in states):
        assert (thin, judgement.cause) == ("pass_on_workloads", "thin_evidence")
        assert all(state.status in ("good", "thin") for state in states)


@settings(max_examples=60, deadline=None)
@given(st.lists(_SAMPLES, min_size=1, max_size=4), st.floats(0, 40), st.integers(0, 99))
def test_order_of_checks_does_not_matter(metrics: list[list[Sample]], now: float, seed: int) -> None:
    states = [of(*_timed(samples), name=str(number)) for number, samples in enumerate(metrics)]
    mixed = list(states)
    random.Random(seed).shuffle(mixed)
    one, other = judge(RULES, situation(*states, now=now)), judge(RULES, situation(*mixed, now=now))
    assert (one.verdict, one.cause) == (other.verdict, other.cause)


@settings(max_examples=60, deadline=None)
@given(st.lists(_SAMPLES, min_size=1, max_size=3), st.sampled_from([READY, STARTING, DOOMED]), st.floats(0, 40))
def test_one_more_bad_check_turns_everything_into_fail(
    metrics: list[list[Sample]], workload: decide_workload.State, now: float
) -> None:
    states = [of(*_timed(samples), name=str(number)) for number, samples in enumerate(metrics)]
    bad = of(valid(0, 1.0), name="bad")
    assert judge(RULES, situation(*states, bad, workloads=[workload], now=now)).verdict == "fail"


def test_ready_time_counts_without_a_break() -> None:
    assert judge(RULES, situation(good_for(4), now=20.0, ready_since=17.0, first_ready=0.0)).verdict is None
