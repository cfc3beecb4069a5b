# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of others, the recorded windows, and what the gate says of them."""

from __future__ import annotations

import itertools
import math
import typing as t

import numpy as np
import pytest
import yaml

from bench.gate import replayed, series
from bench.gate.peer_rules import Answer, Argo, Flagger, Said
from bench.gate.replayed import IDEAL, LIMIT_ALONE, OURS, PROOF_ALONE, Outcome
from bench.gate.series import Counter, Recorded, Truth

NAN: t.Final = math.nan


def said_of(rule: Argo | Flagger, *answers: Answer, end: float = 1000.0) -> Said:
    """The rule over these answers; the last one stays."""
    left = list(answers)
    return rule.judge(lambda at: left.pop(0) if len(left) > 1 else left[0], 0.0, end)


class TestArgo:
    def test_one_failed_measurement_is_one_too_many_by_default(self) -> None:
        assert said_of(Argo(10.0, success=0.05), 0.01, 0.06) == Said("fail", 10.0, 2)

    def test_the_failure_limit_is_the_number_that_is_still_allowed_and_counts_all_of_them(self) -> None:
        rule = Argo(10.0, success=0.05, failure_limit=2)
        assert said_of(rule, 0.06, 0.01, 0.06, 0.01, 0.06, 0.01) == Said("fail", 40.0, 5)

    def test_it_ends_with_its_count(self) -> None:
        assert said_of(Argo(60.0, success=0.05, count=5), 0.01) == Said("pass", 240.0, 5)

    def test_without_a_count_it_is_stopped_and_that_is_a_success(self) -> None:
        assert said_of(Argo(60.0, success=0.05), 0.01, end=300.0) == Said("pass", 300.0, 6)

    @pytest.mark.parametrize(
        ("rule", "verdict"),
        [
            (Argo(10.0, success=0.05), "fail"),
            (Argo(10.0, failure=0.05), "pass"),
            (Argo(10.0, success=0.05, failure=0.1), "hold"),
        ],
    )
    def test_what_nan_means_depends_on_the_condition(self, rule: Argo, verdict: str) -> None:
        assert said_of(rule, NAN).verdict == verdict

    def test_between_both_conditions_it_is_inconclusive_and_pauses(self) -> None:
        rule = Argo(10.0, success=0.05, failure=0.1)
        assert said_of(rule, 0.07) == Said("hold", 0.0, 1)
        assert said_of(rule, 0.11).verdict == "fail"
        assert said_of(rule, 0.05).verdict == "pass"

    def test_without_a_condition_every_measurement_is_a_success(self) -> None:
        assert said_of(Argo(10.0, count=1), 0.9).verdict == "pass"

    def test_the_fifth_error_in_a_row_fails_and_they_are_ten_seconds_apart(self) -> None:
        assert said_of(Argo(60.0, success=0.05), "no_data") == Said("fail", 40.0, 5)

    def test_an_answer_in_between_forgives_the_errors(self) -> None:
        rule = Argo(10.0, success=0.05, count=2)
        assert said_of(rule, *["error"] * 4, 0.01, *["error"] * 4, 0.01).verdict == "pass"


class TestFlagger:
    def test_the_rollback_comes_one_tick_after_the_last_failed_check(self) -> None:
        assert said_of(Flagger(10.0, 0.05, threshold=5), 0.06) == Said("fail", 50.0, 5)

    def test_a_success_forgives_nothing(self) -> None:
        rule = Flagger(10.0, 0.05, threshold=2)
        assert said_of(rule, 0.06, *[0.01] * 20, 0.06, 0.01) == Said("fail", 220.0, 22)

    @pytest.mark.parametrize("answer", [NAN, "no_data", "error"])
    def test_what_cannot_be_measured_is_a_failed_check(self, answer: Answer) -> None:
        assert said_of(Flagger(10.0, 0.05, threshold=1), answer).verdict == "fail"

    def test_at_the_limit_it_is_good(self) -> None:
        assert said_of(Flagger(10.0, 0.05, threshold=1), 0.05, end=600.0) == Said("pass", 600.0, 61)


def window(per_min: float = 1000, share: float = 0.005, bad: bool = False, seed: int = 1) -> Recorded:
    return series.generate(np.random.default_rng(seed), per_min, share, bad=bad, length_s=replayed.LENGTH_S)


class TestGenerator:
    def test_the_same_seed_gives_the_same_window(self) -> None:
        assert window().pods == window().pods
        assert window().pods != window(seed=2).pods

    def test_traffic_and_failures_are_those_that_were_asked_for(self) -> None:
        totals = [window(per_min=600, share=0.02, seed=seed).total(replayed.LENGTH_S) for seed in range(60)]
        requests, failures = (sum(column) for column in zip(*totals, strict=True))
        # Gaps cost nothing, because a counter goes on in them; what a restart costs is far below the tolerance.
        assert requests / 60 == pytest.approx(600 / 60 * replayed.LENGTH_S, rel=0.03)
        assert failures / requests == pytest.approx(0.02, rel=0.05)

    def test_a_bad_version_is_healthy_until_it_turns(self) -> None:
        recorded = window(per_min=5000, share=0.2, bad=True)
        turns_s = recorded.truth.turns_s
        assert series.TURNS_S[0] <= turns_s <= series.TURNS_S[1]
        requests, failures = recorded.total(turns_s)
        assert failures / requests < 0.01
        requests, failures = recorded.counted(turns_s + series.SCRAPE_S, turns_s + 120) or (0, 0)
        assert failures / requests == pytest.approx(0.2, abs=0.05)

    def test_there_are_gaps_and_restarts_as_often_as_it_says(self) -> None:
        made = [window(seed=seed) for seed in range(150)]
        pods = [pod for recorded in made for pod in recorded.pods.values()]
        restarts = sum(any(new < old for old, new in itertools.pairwise(pod.requests)) for pod in pods)
        assert restarts / len(pods) == pytest.approx(series.RESTARTS, abs=0.08)
        holes = [
            sum(new - old > series.GAP_S[0] for old, new in itertools.pairwise(recorded.instants)) for recorded in made
        ]
        assert 0.6 < sum(holes) / len(made) < series.GAPS + 0.1
        longest = max(new - old for recorded in made for old, new in itertools.pairwise(recorded.instants))
        assert longest < series.GAP_S[1] + 2 * series.SCRAPE_S


def recorded_of(at: list[float], requests: list[int], failures: list[int]) -> Recorded:
    return Recorded(Truth(60, 0.0, bad=False), {'pod="a"': Counter(at, requests, failures)})


class TestRecorded:
    def test_increases_go_over_a_reset(self) -> None:
        recorded = recorded_of([5, 10, 15, 20], [100, 110, 4, 9], [1, 3, 1, 1])
        assert recorded.counted(4, 20) == (19, 3)
        assert recorded.counted(5, 20) == (9, 1)
        assert recorded.total(20) == (119, 4)
        assert recorded.total(4) == (0, 0)

    def test_share_of_a_window(self) -> None:
        recorded = recorded_of([5, 10, 65], [0, 10, 30], [0, 5, 6])
        assert recorded.read(series.SHARE, 10).value == 0.5
        assert recorded.read(series.COUNT, 10).value == 10
        # The first sample is not in the window any more.
        assert recorded.read(series.SHARE, 66).value == pytest.approx(1 / 20)

    def test_no_requests_are_nan_and_no_samples_no_data(self) -> None:
        recorded = recorded_of([5, 10], [7, 7], [0, 0])
        assert math.isnan(recorded.read(series.SHARE, 10).value)
        assert recorded.read(series.SHARE, 5).kind == "no_data"
        assert recorded.raw(series.REQUESTS, 100, 30).kind == "no_data"

    def test_raw_samples_of_a_window_without_its_left_border(self) -> None:
        recorded = recorded_of([5, 10, 15], [1, 2, 3], [0, 1, 1])
        assert recorded.raw(series.REQUESTS, 15, 10).samples == {'pod="a"': [(10, 2.0), (15, 3.0)]}
        assert recorded.raw(series.FAILURES, 10, 10).samples == {'pod="a"': [(5, 0.0), (10, 1.0)]}


CHECK: t.Final = {"max": 0.05, "for_s": 20.0, "min_requests": 10}


def steady(share: float, start: int = 0, end: int = 300, missing: range = range(0)) -> Recorded:
    """100 requests every 5 s, with this share of failures between `start` and `end`."""
    at = [float(instant) for instant in range(5, 400, 5) if instant not in missing]
    bad = [round(share * 100 * (max(0, min(instant, end) - start) // 5)) for instant in map(int, at)]
    return recorded_of(at, [round(instant) * 20 for instant in at], bad)


class TestWhenARuleIsTrue:
    def test_the_limit_when_it_has_lasted(self) -> None:
        # The first minute has no sample before 5 s: there are two samples at 10 s.
        assert replayed.limit_true_at(CHECK, steady(0.1)) == 30
        assert replayed.limit_true_at(CHECK, steady(0.04)) is None

    def test_time_without_scrapes_does_not_count(self) -> None:
        assert replayed.limit_true_at(CHECK, steady(0.1, missing=range(20, 45))) == 60

    def test_nothing_is_true_of_too_few_requests(self) -> None:
        assert replayed.limit_true_at({**CHECK, "min_requests": 5000}, steady(0.1)) is None

    def test_counters_when_they_are_proof(self) -> None:
        check = {"healthy_below": 0.01, "false_alarm": 1e-4, "tests": 1}
        assert replayed.proof_at(check, steady(0.1, start=100)) == 110
        assert replayed.proof_at(check, steady(0.01)) is None


@pytest.fixture(scope="module")
def params() -> dict[str, t.Any]:
    return replayed.options_of(yaml.safe_load(replayed._PROFILES.read_text(encoding="utf-8"))["critical"])


class TestGate:
    def test_healthy_with_enough_requests_passes(self, params: dict[str, t.Any]) -> None:
        said = replayed.gate(params, window(per_min=1000, share=0.005))
        assert said.verdict == "pass"
        assert said.at >= replayed.WATCH_S

    def test_bad_fails_soon_after_it_turned(self, params: dict[str, t.Any]) -> None:
        recorded = window(per_min=1000, share=0.2, bad=True)
        found = replayed.judge(params, recorded)
        assert {found[name].verdict for name in (OURS, LIMIT_ALONE, PROOF_ALONE, IDEAL)} == {"fail"}
        assert recorded.truth.turns_s < found[OURS].at < recorded.truth.turns_s + 30
        for alone in (found[LIMIT_ALONE], found[PROOF_ALONE]):
            assert alone.true_at is not None
            assert abs(alone.at - alone.true_at) < 10

    def test_below_the_minimum_it_holds(self, params: dict[str, t.Any]) -> None:
        found = replayed.judge(params, window(per_min=5, share=0.005))
        assert found[OURS].verdict == found[LIMIT_ALONE].verdict == "hold"
        assert found[OURS].at > replayed.EVIDENCE_S

    def test_the_ideal_test_knows_when_the_version_turned(self) -> None:
        assert replayed.ideal(window(per_min=200, share=0.06, bad=True), 0.01, 1e-4).verdict == "fail"
        assert replayed.ideal(window(per_min=200, share=0.005), 0.01, 1e-4).verdict == "pass"


def test_windows_have_each_share_in_turn() -> None:
    made = list(replayed.windows(3))
    assert len(made) == 2 * 3 * len(replayed.TRAFFIC)
    assert {one.truth.share for one in made if not one.truth.bad} == set(replayed.HEALTHY)
    assert {one.truth.per_min for one in made} == set(replayed.TRAFFIC)


class TestRows:
    def outcome(self, bad: bool, per_min: float, verdict: str, true_at: float | None = None) -> Outcome:
        share = replayed.BAD[0] if bad else replayed.HEALTHY[0]
        return Outcome(Truth(per_min, share, bad), verdict, 130.0, true_at)

    def rows(
        self, said: str, ideal: str, limit: str = "hold", proof_at: float | None = 125.0
    ) -> dict[tuple[str, str, str], dict[str, t.Any]]:
        judged = [
            {
                OURS: self.outcome(bad, per_min, said if bad else "pass", 120.0 if bad else None),
                LIMIT_ALONE: self.outcome(bad, per_min, limit, 128.0 if bad else None),
                **({PROOF_ALONE: self.outcome(bad, per_min, said, proof_at)} if bad else {}),
                IDEAL: self.outcome(bad, per_min, ideal if bad else "pass"),
            }
            for bad in (False, True)
            for per_min in replayed.TRAFFIC
            for _ in range(4)
        ]
        shares = {"HEALTHY": replayed.HEALTHY[:1], "BAD": replayed.BAD[:1]}
        with pytest.MonkeyPatch.context() as patch:
            for name, values in shares.items():
                patch.setattr(replayed, name, values)
            made = replayed.rows(judged, 5.0)
        return {(row["case"], row["subject"], row["metric"]): row for row in made}

    def test_as_good_as_the_ideal_is_the_goal(self) -> None:
        made = self.rows("fail", "fail")
        assert made["bad, all", OURS, "detected"]["met"] is True
        assert made["bad, all", OURS, "detected"]["rounds"] == 16
        assert made["healthy, all", OURS, "false alarms"]["met"] is True
        assert self.rows("pass", "fail")["bad at 50/min", OURS, "detected"]["met"] is False
        assert self.rows("pass", "pass")["bad at 50/min", OURS, "detected"]["met"] is True

    def test_a_limit_has_to_hold_below_the_minimum(self) -> None:
        for proof_at, case in ((125.0, "bad at 5/min, counters are proof"), (None, "bad at 5/min, no proof")):
            right = self.rows("fail", "fail", proof_at=proof_at)
            wrong = self.rows("fail", "fail", limit="fail", proof_at=proof_at)
            assert right[case, LIMIT_ALONE, "held"]["met"] is True
            assert wrong[case, LIMIT_ALONE, "held"]["met"] is False
        assert self.rows("fail", "fail")["healthy at 5/min", OURS, "held"]["met"] is False

    def test_the_gate_has_to_hold_below_the_minimum_unless_counters_are_proof(self) -> None:
        proof, none = "bad at 5/min, counters are proof", "bad at 5/min, no proof"
        failed = self.rows("fail", "fail")[proof, OURS, "held"]
        assert (failed["met"], failed["failed"], failed["goal"]) == (None, 4, None)
        assert (proof, OURS, "held") in self.rows("fail", "fail", proof_at=replayed.EVIDENCE_S + 5), "its last look"
        late = self.rows("hold", "fail", proof_at=replayed.EVIDENCE_S + 5.1)
        assert {late[none, subject, "held"]["met"] for subject in (OURS, PROOF_ALONE, LIMIT_ALONE)} == {True}
        assert (proof, OURS, "held") not in late
        assert self.rows("fail", "fail", proof_at=None)[none, OURS, "held"]["met"] is False

    def test_lateness_is_a_goal_for_a_rule_alone(self) -> None:
        made = self.rows("fail", "fail", limit="fail")
        alone, ours = made["bad, all", LIMIT_ALONE, "lateness"], made["bad, all", OURS, "lateness"]
        assert (alone["value"], alone["met"]) == (2.0, True)
        assert (ours["value"], ours["met"]) == (10.0, None)
        assert ("bad, all", IDEAL, "lateness") not in made

    def test_intervals_are_exact(self) -> None:
        made = self.rows("fail", "fail")["bad at 50/min", OURS, "detected"]
        assert (made["low"], made["high"]) == (pytest.approx(100 * 0.025 ** (1 / 4), abs=0.001), 100.0)
