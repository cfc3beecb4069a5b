# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new version against the stable slot: ratio and floor, pairs, and the rank test beside exact enumeration."""

from __future__ import annotations

import itertools
import json
import math
import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import CheckState
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_baseline import (
    MIN_PAIRS,
    RANKED_PAIRS,
    Baseline,
    rank_test,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_metric import Check, Judge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sample import Sample
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_streak import Form
from hypothesis import given, settings
from hypothesis import strategies as st

GAP_S = 1.5
BASELINE = Baseline("stable", ratio=1.5, floor=0.05)
BAD, GOOD = (0.42, 0.2), (0.2, 0.2)
Pair = tuple[float, float | None]


def latency(baseline: Baseline = BASELINE, maximum: float | None = None, form: Form | None = None) -> Check:
    return Check("p95 latency", "p95[1m]", maximum, baseline=baseline, form=form or Form())


def samples_of(*pairs: Pair) -> list[Sample]:
    """One a second. Without a baseline the check has a maximum to judge it by."""
    return [
        Sample(
            float(at),
            "valid",
            value,
            baseline=stable,
            baseline_kind="valid" if stable is not None else "nan",
            detail="" if stable is not None else "the query gave nan",
        )
        for at, (value, stable) in enumerate(pairs)
    ]


def judged(check: Check, *pairs: Pair) -> CheckState:
    judge = Judge(check, GAP_S)
    return [judge.add(sample) for sample in samples_of(*pairs)][-1]


@pytest.mark.parametrize(
    ("value", "stable", "outside"),
    [
        (0.31, 0.2, True),
        # By the ratio and not by the floor, and the other way round.
        (0.06, 0.02, False),
        (0.26, 0.2, False),
        # At the limit is inside, however floats add up.
        (0.3, 0.2, False),
        (0.45, 0.3, False),
        # Next to nothing the floor is the limit.
        (0.05, 0.0, False),
        (0.051, 0.0, True),
        (0.1, 0.4, False),
    ],
)
def test_both_the_ratio_and_the_floor_have_to_be_exceeded(value: float, stable: float, outside: bool) -> None:
    sample = samples_of((value, stable))[0]
    assert BASELINE.outside(sample) is outside
    assert (BASELINE.nearness(sample) > 1 + 1e-9) is outside


def test_no_verdict_with_fewer_than_five_pairs() -> None:
    states = [judged(latency(), *[BAD] * count) for count in range(1, 7)]
    assert [state.status for state in states] == ["over"] * 4 + ["bad"] * 2
    states = [judged(latency(), *[GOOD] * count) for count in range(1, 7)]
    assert [state.status for state in states] == ["thin"] * 4 + ["good"] * 2
    assert states[0].sentence == f"p95 latency has 1 of at least {MIN_PAIRS} pairs with its baseline"


def test_it_says_the_condition_that_holds() -> None:
    assert judged(latency(), *[BAD] * 14).sentence == (
        "p95 latency 0.42 > 1.5 x baseline 0.2 (+0.22, floor 0.05, window 1m, 14 pairs)"
    )
    assert judged(latency(), *[(0.21, 0.2)] * 5).sentence == (
        "p95 latency 0.21 ≤ 1.5 x baseline 0.2 (+0.01, floor 0.05, window 1m, 5 pairs)"
    )
    assert judged(latency(), *[(0.06, 0.02)] * 5).sentence == (
        "p95 latency 0.06 ≤ baseline 0.02 + floor 0.05 (ratio 1.5, window 1m, 5 pairs)"
    )
    assert judged(latency(form=Form(consecutive=9)), *[BAD] * 3).sentence == (
        "p95 latency 0.42 > 1.5 x baseline 0.2 (+0.22, floor 0.05, window 1m, 3 in a row of 9, 3 pairs, 5 count)"
    )


def test_the_absolute_limit_stays_active_on_its_own() -> None:
    both = latency(maximum=0.5)
    slow_as_ever = judged(both, (0.6, 0.6))
    assert (slow_as_ever.status, slow_as_ever.sentence) == ("bad", "p95 latency 0.6 > 0.5 (window 1m, 1 samples)")
    assert judged(both, *[BAD] * 5).status == "bad"
    alone = judged(both, (0.6, None))
    assert alone.sentence == "p95 latency 0.6 > 0.5 (window 1m, 1 samples, no baseline: the query gave nan)"
    assert judged(both, GOOD).status == "good", "too few pairs keep nothing from passing that has a limit"


def test_the_two_limits_do_not_prove_together_what_neither_proves_alone() -> None:
    check = latency(maximum=0.5, form=Form(consecutive=6))
    slow, slower = (0.42, 0.2), (0.6, 0.6)
    assert judged(check, *[slow] * 5, *[slower] * 5).status == "over"
    assert judged(check, *[slower] * 6).status == "bad"


def test_a_baseline_that_is_gone_neither_proves_nor_clears() -> None:
    check = latency(maximum=0.5, form=Form(consecutive=6))
    gone = judged(check, *[BAD] * 5, *[(0.2, None)] * 3)
    assert (gone.status, gone.good_s) == ("over", 0.0)
    assert gone.sentence.startswith("p95 latency 0.42 > 1.5 x baseline 0.2 (+0.22, ")
    assert gone.sentence.endswith("5 pairs, no baseline: the query gave nan)")
    assert judged(check, *[BAD] * 5, *[(0.2, None)] * 3, BAD).status == "bad"
    back = judged(check, *[BAD] * 5, *[(0.2, None)] * 3, GOOD)
    assert (back.status, back.good_s) == ("good", 0.0)


def test_a_stable_slot_without_traffic_leaves_the_limit_alone() -> None:
    state = judged(latency(maximum=0.5), *[(0.2, None)] * 5)
    assert (state.status, state.good_s) == ("good", 4.0)
    assert state.sentence == "p95 latency 0.2 ≤ 0.5 (window 1m, 5 samples, no baseline: the query gave nan)"
    assert state.evidence["baseline"]["samples"]["nan"] == 5
    # What was close to the baseline when there was one is not what is told now.
    close, gone = [judged(latency(maximum=0.5), *pairs) for pairs in ([(0.29, 0.2)], [(0.29, 0.2), (0.2, None)])]
    assert (close.nearness, gone.nearness) == (pytest.approx(0.29 / 0.3), pytest.approx(0.4))
    assert gone.sentence.startswith("p95 latency 0.2 ≤ 0.5 (")


def test_time_without_a_baseline_is_not_counted_as_worse() -> None:
    check = latency(maximum=9.0, form=Form(for_s=5.0))
    assert judged(check, *[BAD] * 6).status == "bad"
    assert judged(check, *[BAD] * 3, (0.42, None), *[BAD] * 4).status == "bad"
    assert judged(check, *[BAD] * 3, (0.42, None), *[BAD] * 3).status == "over"


# The rank test.


def exact(new: list[float], stable: list[float]) -> float:
    """The share of all ways to deal the values to two sides that rank as high as this one."""
    values = new + stable

    def wins(ours: list[float], theirs: list[float]) -> float:
        return sum((a > b) + 0.5 * (a == b) for a in ours for b in theirs)

    seen, hits, ways = wins(new, stable), 0, 0
    for chosen in itertools.combinations(range(len(values)), len(new)):
        theirs = [values[place] for place in range(len(values)) if place not in chosen]
        hits += wins([values[place] for place in chosen], theirs) >= seen
        ways += 1
    return hits / ways


@pytest.mark.parametrize(("new", "stable"), [(5, 5), (5, 6), (6, 5), (7, 3)])
def test_ranks_beside_exact_enumeration(new: int, stable: int) -> None:
    rng = random.Random(7)
    for shift in (-0.5, 0.0, 0.3, 0.6, 1.0):
        ours = [rng.random() + shift for _ in range(new)]
        theirs = [rng.random() for _ in range(stable)]
        assert rank_test(ours, theirs) == pytest.approx(exact(ours, theirs), abs=0.03)


def test_ranks_with_ties_beside_exact_enumeration() -> None:
    ours, theirs = [2.0, 2.0, 3.0, 3.0, 3.0, 4.0], [1.0, 1.0, 2.0, 2.0, 2.0, 3.0]
    assert rank_test(ours, theirs) == pytest.approx(exact(ours, theirs), abs=0.02)


@pytest.mark.parametrize(("ours", "theirs"), [(20, 5), (15, 5), (12, 4), (7, 1)])
def test_ranks_of_two_values_are_fishers_test(ours: int, theirs: int) -> None:
    high = ours + theirs
    ways = sum(math.comb(20, count) * math.comb(20, high - count) for count in range(ours, min(20, high) + 1))
    p = rank_test([1.0] * ours + [0.0] * (20 - ours), [1.0] * theirs + [0.0] * (20 - theirs))
    assert p == pytest.approx(ways / math.comb(40, high), abs=0.025)


@pytest.mark.parametrize("shift", [88, 100, 130, 160])
def test_ranks_of_twenty_beside_the_exact_distribution(shift: int) -> None:
    """By counting in how many ways 20 of 40 ranks have a sum as high."""
    ways = [[0] * 821 for _ in range(21)]
    ways[0][0] = 1
    for rank in range(1, 41):
        for taken in range(20, 0, -1):
            for total in range(820, rank - 1, -1):
                ways[taken][total] += ways[taken - 1][total - rank]
    rank_sum = 410 + shift
    ours, left = list(range(11, 31)), shift
    for place in reversed(range(20)):
        # Ranks 11 to 30 have the mean sum; the highest go up as far as they can until the sum is there.
        step = min(left, 21 + place - ours[place])
        ours[place] += step
        left -= step
    assert sum(ours) == rank_sum
    theirs = [float(rank) for rank in range(1, 41) if rank not in ours]
    true = sum(ways[20][rank_sum:]) / math.comb(40, 20)
    p = rank_test([float(rank) for rank in ours], theirs)
    assert p == pytest.approx(true, abs=0.001)
    assert p >= true, "in the tail, where alpha is, the approximation is on the careful side"


def test_ranks_of_the_same_values_say_nothing() -> None:
    assert rank_test([0.2] * 20, [0.2] * 20) == 1.0
    assert rank_test([1.0, 2.0, 3.0] * 7, [1.0, 2.0, 3.0] * 7) == pytest.approx(0.5, abs=0.02)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0.1, 0.2, 0.25, 0.3]), min_size=20, max_size=20), st.sampled_from([0.001, 3.0, 1e3]))
def test_ranks_do_not_depend_on_the_unit(values: list[float], factor: float) -> None:
    ours, theirs = values[:10], values[10:]
    scaled = rank_test([factor * value for value in ours], [factor * value for value in theirs])
    assert scaled == rank_test(ours, theirs)


def test_from_twenty_pairs_on_the_ranks_have_to_agree() -> None:
    """Every third value is slow, on either side: the ratio is exceeded again and again, and the ranks are the same."""
    ranked = Baseline("stable", 1.5, 0.05, alpha=0.01)
    noisy: list[Pair] = [GOOD] * 20 + [GOOD, (0.2, 0.42), BAD] * 10
    form = Form(n_of_m=(4, 10))
    assert judged(latency(BASELINE, form=form), *noisy, BAD).status == "bad"
    state = judged(latency(ranked, form=form), *noisy, BAD)
    assert state.status == "over"
    assert "4 of the last 10 outside, 4 count, 51 pairs, rank test p=0." in state.sentence
    assert state.sentence.endswith(" > 0.01)")
    assert state.evidence["baseline"]["rank_test"]["p"] > 0.01
    worse = judged(latency(ranked, form=form), *noisy, *[BAD] * 8)
    assert worse.status == "bad"
    assert "rank test p=0.00" in worse.sentence


def test_before_that_the_ratio_is_enough() -> None:
    ranked = Baseline("stable", 1.5, 0.05, alpha=0.01)
    state = judged(latency(ranked), *[BAD] * 5)
    assert state.status == "bad"
    assert state.sentence.endswith("5 pairs, rank test from 20 pairs on)")
    steady: list[Pair] = [GOOD] * RANKED_PAIRS
    assert judged(latency(ranked), *steady[:-2], BAD).status == "bad"
    assert judged(latency(ranked), *steady, BAD).status == "over"


def test_a_change_after_a_long_good_time_is_found() -> None:
    ranked = Baseline("stable", 1.5, 0.05, alpha=0.01)
    steady: list[Pair] = [(0.2 + number % 7 / 100, 0.2 + number % 5 / 100) for number in range(500)]
    judge = Judge(latency(ranked), GAP_S)
    statuses = [judge.add(sample).status for sample in samples_of(*steady, *[BAD] * 12)]
    assert set(statuses[MIN_PAIRS:500]) == {"good"}
    assert statuses.index("bad") - 500 < 9


def test_a_good_pair_is_never_the_proof() -> None:
    """Two of the last five are bad, and only then there are five pairs: the next bad one says it, with its value."""
    check = latency(form=Form(n_of_m=(2, 5)))
    assert judged(check, BAD, BAD, GOOD, GOOD, GOOD).status == "good"
    state = judged(check, GOOD, BAD, BAD, GOOD, GOOD, BAD)
    assert (state.status, state.sentence[:18]) == ("bad", "p95 latency 0.42 >")
    later = judged(check, GOOD, BAD, BAD, GOOD, GOOD, BAD, GOOD)
    assert (later.status, later.sentence) == ("bad", state.sentence)


def test_evidence_of_a_baseline_is_json() -> None:
    evidence = judged(latency(Baseline("stable", 1.5, 0.05, 0.01), maximum=0.5), GOOD, (0.3, None)).evidence
    assert json.loads(json.dumps(evidence))["baseline"] == {
        "query": "stable",
        "ratio": 1.5,
        "floor": 0.05,
        "value": 0.2,
        "pairs": 1,
        "rank_test": {"alpha": 0.01, "p": None},
        "samples": {"valid": 1, "thin": 0, "no_data": 0, "nan": 1, "many": 0, "stale": 0, "error": 0},
    }
    assert [sample["baseline"] for sample in evidence["last"]] == [0.2, None]


# Properties.

FORMS = st.sampled_from([Form(), Form(2.0), Form(consecutive=3), Form(n_of_m=(3, 5))])
ALPHAS = st.sampled_from([None, 0.05])
MAXIMA = st.sampled_from([None, 0.5])
VALUES = st.sampled_from([0.0, 0.04, 0.2, 0.29, 0.3, 0.42, 0.6])


@st.composite
def pairs(draw: st.DrawFn, missing: bool = False) -> list[Pair]:
    stable = st.sampled_from([0.0, 0.2, 0.4, *([None, None] if missing else [])])
    start = draw(st.sampled_from([0, 18]))
    return [GOOD] * start + draw(st.lists(st.tuples(VALUES, stable), min_size=1, max_size=12))


@settings(max_examples=80, deadline=None)
@given(pairs(), FORMS, ALPHAS, MAXIMA, st.sampled_from([0.001, 0.1, 3.0, 60.0, 1000.0]))
def test_the_unit_of_the_metric_changes_nothing(
    given_pairs: list[Pair], form: Form, alpha: float | None, maximum: float | None, factor: float
) -> None:
    scaled_baseline = Baseline("stable", 1.5, 0.05 * factor, alpha)
    scaled_maximum = None if maximum is None else maximum * factor
    scaled = [(value * factor, stable * factor) for value, stable in given_pairs if stable is not None]
    before = judged(latency(Baseline("stable", 1.5, 0.05, alpha), maximum, form), *given_pairs)
    after = judged(latency(scaled_baseline, scaled_maximum, form), *scaled)
    assert (before.status, before.good_s, before.outside_since) == (after.status, after.good_s, after.outside_since)
    assert before.nearness == pytest.approx(after.nearness)


@settings(max_examples=80, deadline=None)
@given(pairs(missing=True), FORMS, ALPHAS)
def test_a_sample_without_a_baseline_clears_nothing(given_pairs: list[Pair], form: Form, alpha: float | None) -> None:
    check = latency(Baseline("stable", 1.5, 0.05, alpha), 0.5, form)
    before, after = judged(check, *given_pairs), judged(check, *given_pairs, (given_pairs[-1][0], None))
    assert after.status == before.status or (before.status, after.status) == ("over", "bad")


@settings(max_examples=80, deadline=None)
@given(pairs(missing=True), FORMS, st.data())
def test_a_bad_pair_that_is_not_seen_proves_nothing(given_pairs: list[Pair], form: Form, data: st.DataObject) -> None:
    check = latency(maximum=0.5, form=form)
    bad = [
        place
        for place, sample in enumerate(samples_of(*given_pairs))
        if sample.baseline is not None and BASELINE.outside(sample)
    ]
    if not bad or judged(check, *given_pairs).status == "bad":
        return
    place = data.draw(st.sampled_from(bad))
    torn = [(value, None if at == place else stable) for at, (value, stable) in enumerate(given_pairs)]
    assert judged(check, *torn).status != "bad"


@settings(max_examples=80, deadline=None)
@given(pairs(missing=True), FORMS, ALPHAS, MAXIMA, st.integers(1, 8))
def test_more_bad_pairs_never_turn_bad_into_anything_else(
    given_pairs: list[Pair], form: Form, alpha: float | None, maximum: float | None, more: int
) -> None:
    if maximum is None:
        given_pairs = [(value, 0.2 if stable is None else stable) for value, stable in given_pairs]
    check = latency(Baseline("stable", 1.5, 0.05, alpha), maximum, form)
    before, after = judged(check, *given_pairs), judged(check, *given_pairs, *[BAD] * more)
    assert after.status in ("over", "bad")
    assert before.status != "bad" or after.status == "bad"
