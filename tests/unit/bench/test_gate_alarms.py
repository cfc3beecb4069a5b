# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated canaries: the rules for many at once say what the pure ones say, and the bounds are exact."""

from __future__ import annotations

import math
import typing as t

import numpy as np
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import counter_check
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import (
    Evidence,
    Interval,
    OneSample,
)

from bench.gate import alarms, intervals, simulated
from bench.gate.peer_rules import Answer, Argo, Flagger
from bench.gate.simulated import Cell, Counts, Found, Sequential

NEVER: t.Final = simulated.SCRAPES + 1


def canaries(per_s: float, share: float, runs: int, seed: int = 1) -> Counts:
    return simulated.independent(np.random.default_rng(seed), runs, per_s, share)


def pure(counts: Counts, canary: int, alpha: float, by: float) -> int:
    """The gate's own evidence, scrape by scrape."""
    evidence = Evidence(OneSample(simulated.NULL), simulated.RESTART)
    for scrape in range(1, counts.scrapes + 1):
        bad = int(counts.bad[scrape, canary] - counts.bad[scrape - 1, canary])
        every = bad + int(counts.good[scrape, canary] - counts.good[scrape - 1, canary])
        evidence.add(float(scrape), Interval(bad / by, every / by))
        if evidence.log / -math.log(alpha) > 1:
            return scrape
    return NEVER


@pytest.mark.parametrize(
    ("per_s", "share", "alpha", "by"),
    [(1, 0.06, 1e-4, 1.0), (10, 0.03, 1e-4, 1.0), (10, 0.06, 1e-4, 2.0), (50, 0.02, 0.01, 1.0), (300, 0.5, 1e-5, 1.0)],
)
def test_many_at_once_are_condemned_when_the_pure_test_condemns_them(
    per_s: float, share: float, alpha: float, by: float
) -> None:
    counts = canaries(per_s, share, 5)
    found = Sequential(alpha, by)(counts).tolist()
    assert found == [pure(counts, canary, alpha, by) for canary in range(5)]
    assert any(each < NEVER for each in found)


def test_a_version_that_turns_bad_late_is_condemned_when_the_pure_test_condemns_it() -> None:
    healthy, bad = canaries(20, 0.002, 4), canaries(20, 0.1, 4, seed=2)
    turned = Counts(healthy.good.copy(), healthy.bad.copy())
    turned.good[200:] = healthy.good[199] + bad.good[: turned.scrapes - 199]
    turned.bad[200:] = healthy.bad[199] + bad.bad[: turned.scrapes - 199]
    found = Sequential(1e-4)(turned).tolist()
    assert found == [pure(turned, canary, 1e-4, 1.0) for canary in range(4)]
    assert all(200 < each < NEVER for each in found)


def test_more_failures_than_the_screen_has_bounds_for_are_looked_at_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "_SCREEN", 3)
    counts = canaries(10, 0.06, 4)
    assert Sequential(1e-4)(counts).tolist() == [pure(counts, canary, 1e-4, 1.0) for canary in range(4)]


def test_the_test_starts_anew_as_often_as_the_gates() -> None:
    assert simulated.RESTART == counter_check._RESTART_S


def ask_of(counts: Counts, canary: int, window: int) -> t.Callable[[float], Answer]:
    return lambda at: float(counts.share(round(at), window)[canary])


@pytest.mark.parametrize("per_s", [0.02, 0.5, 5])
@pytest.mark.parametrize("rule", [Argo(10.0, success=0.05), Argo(60.0, success=0.05, count=2, failure_limit=1)])
def test_many_at_once_are_judged_as_by_argos_rule(rule: Argo, per_s: float) -> None:
    counts = canaries(per_s, 0.04, 20)
    said = [rule.judge(ask_of(counts, canary, 60), rule.interval_s, float(simulated.SCRAPES)) for canary in range(20)]
    expected = [each.at if each.verdict == "fail" else NEVER for each in said]
    assert alarms.argo(counts, rule).tolist() == expected
    assert len(set(expected)) > 1


@pytest.mark.parametrize("per_s", [0.02, 0.5, 5])
@pytest.mark.parametrize("rule", [Flagger(10.0, 0.05), Flagger(60.0, 0.05, threshold=2)])
def test_many_at_once_are_judged_as_by_flaggers_rule(rule: Flagger, per_s: float) -> None:
    counts = canaries(per_s, 0.04, 20)
    said = [rule.judge(ask_of(counts, canary, 60), rule.interval_s, float(simulated.SCRAPES)) for canary in range(20)]
    expected = [each.at if each.verdict == "fail" else NEVER for each in said]
    assert alarms.flagger(counts, rule).tolist() == expected
    assert len(set(expected)) > 1


def test_a_single_sample_and_a_window_that_has_to_be_full() -> None:
    bad = np.zeros((simulated.SCRAPES + 1, 2), dtype=np.int32)
    bad[7:, 1] = 60
    good = np.repeat(np.arange(simulated.SCRAPES + 1, dtype=np.int32)[:, None] * 9, 2, axis=1)
    counts = Counts(good, bad)
    assert alarms.naive(counts).tolist() == [NEVER, 7]
    assert alarms.fixed(counts).tolist() == [NEVER, 120]


def test_simulated_shares_are_those_that_were_asked_for() -> None:
    rng = np.random.default_rng(3)
    for counts in (simulated.independent(rng, 200, 100, 0.01), simulated.clumped(rng, 200, 100, 0.01, rho=0.1)):
        every = counts.good[-1] + counts.bad[-1]
        assert every.mean() == pytest.approx(100 * simulated.SCRAPES, rel=0.01)
        assert (counts.bad[-1] / every).mean() == pytest.approx(0.01, rel=0.02)


def test_clumps_widen_the_spread_by_the_known_factor() -> None:
    counts = simulated.clumped(np.random.default_rng(4), 2000, 100, 0.01, rho=0.1)
    steps = np.diff(counts.bad, axis=0)
    # Variance of a beta-binomial block over that of a binomial one: 1 + (n - 1) rho.
    assert steps.var() / (100 * 0.01 * 0.99) == pytest.approx(1.9, rel=0.03)


def test_a_cell_is_the_same_each_time_and_has_as_many_canaries_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "_CHUNK", 4)
    cell = Cell(0.06, 1, 10)
    first, second = list(cell.chunks()), list(cell.chunks())
    assert [chunk.good.shape[1] for chunk in first] == [4, 4, 2]
    assert all((one.bad == two.bad).all() for one, two in zip(first, second, strict=True))
    assert (first[0].bad != first[1].bad).any()


def test_the_bound_of_the_alarm_rate_decides_about_the_goal() -> None:
    made = simulated.alarm_row("case", "subject", 2, 100_000, 1e-4)
    # Clopper and Pearson: 1 % of a Poisson with 8.406 is 2 or less.
    assert made["value"] == pytest.approx(0.841, abs=0.001)
    assert made["met"] is True
    assert made["rounds"] == 100_000
    assert simulated.alarm_row("case", "subject", 3, 100_000, 1e-4)["met"] is False
    assert simulated.alarm_row("case", "peer", 90_000, 100_000, None)["met"] is None


def test_a_canary_that_is_never_condemned_counts_in_the_median() -> None:
    found = Found(4, np.array([10, 20]), np.array([100, 200]), np.array([5, 6]))
    made = simulated.verdict_row("case", "subject", found, 50.0)
    assert made["value"] == 200
    assert (made["decided"], made["p90"], made["bad_answers"], made["reference"]) == (0.5, None, 6, 50)


def test_the_rows_of_a_small_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "_PER_S", (1, 10))
    monkeypatch.setattr(simulated, "_SCREEN", 50)
    made = [*alarms.healthy_rows(40, 40), *alarms.clumped_rows(20), *alarms.bad_rows(20)]
    goals = [each for each in made if each["goal"] is not None]
    assert {each["subject"] for each in goals} == {"pincex.zero_downtime"}
    # With so few canaries nothing can be promised, whatever the rule does.
    assert not any(each["met"] for each in goals)
    assert len({(each["case"], each["subject"], each["metric"]) for each in made}) == len(made)


@pytest.mark.parametrize(
    ("count", "runs", "share"), [(3, 10, 0.2), (0, 5, 0.5), (5, 5, 0.5), (7, 10, 0.9), (1, 40, 0.6)]
)
def test_the_binomial_tail_is_the_sum_of_its_terms(count: int, runs: int, share: float) -> None:
    terms = [math.comb(runs, k) * share**k * (1 - share) ** (runs - k) for k in range(count, runs + 1)]
    assert intervals.at_least(count, runs, share) == pytest.approx(sum(terms), rel=1e-9)


def test_clopper_and_pearson() -> None:
    assert intervals.upper(0, 100_000, 0.99) == pytest.approx(1 - 0.01 ** (1 / 100_000), rel=1e-6)
    assert intervals.upper(5, 5, 0.99) == 1.0
    assert intervals.interval(1, 10, 0.95) == pytest.approx((0.00253, 0.44502), abs=1e-5)
    assert intervals.lower(100_000, 100_000, 0.99) == pytest.approx(0.01 ** (1 / 100_000), rel=1e-6)


def test_the_fixed_sample_test_has_its_size_and_one_failure_less_has_not() -> None:
    for runs in (1, 50, 5000):
        fewest = intervals.fixed_sample(runs, 0.01, 1e-4)
        assert intervals.at_least(fewest, runs, 0.01) <= 1e-4 < intervals.at_least(fewest - 1, runs, 0.01)
