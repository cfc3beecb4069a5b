# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift by effect size: values by hand, what chance does, and that sample size alone is no drift."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_drift import (
    DriftRule,
    distance,
    judge_drift,
    noise,
    psi,
)
from hypothesis import given, settings
from hypothesis import strategies as st

RULE = DriftRule()
_VALUES = st.lists(st.integers(-50, 50), min_size=1, max_size=80)


def normal(number: int, shift: float = 0.0) -> list[float]:
    """Its quantiles, so that there is no chance in it."""
    norm = statistics.NormalDist(shift)
    return [norm.inv_cdf((n + 0.5) / number) for n in range(number)]


def test_the_index_by_hand() -> None:
    """Two bins: from half and half to 80 and 20 percent."""
    before, now = [0.0] * 50 + [1.0] * 50, [0.0] * 80 + [1.0] * 20
    assert psi(before, now, bins=2) == pytest.approx(0.3 * math.log(1.6) + -0.3 * math.log(0.4))
    # A bin that is empty now has a ten thousandth.
    assert psi(before, [0.0] * 100, bins=2) == pytest.approx(0.5 * math.log(2) + (1e-4 - 0.5) * math.log(2e-4))


def test_the_distance_by_hand() -> None:
    assert distance([1, 2, 3, 4], [3, 4, 5, 6]) == 0.5
    assert distance([1, 1, 1, 2], [1, 2, 2, 2]) == 0.5
    assert distance([1, 2], [3]) == 1.0


@settings(max_examples=80, deadline=None)
@given(_VALUES, _VALUES)
def test_the_distance_is_the_largest_gap_and_the_same_from_both_sides(one: list[float], other: list[float]) -> None:
    def below(values: list[float], limit: float) -> float:
        return sum(value <= limit for value in values) / len(values)

    assert distance(one, other) == pytest.approx(max(abs(below(one, x) - below(other, x)) for x in one + other))
    assert distance(one, other) == distance(other, one)
    assert psi(one, other) >= 0
    assert (psi(one, one), distance(one, one)) == (0.0, 0.0)


def test_many_values_make_no_drift_of_a_small_shift() -> None:
    """A tenth of a standard deviation: p = 1e-7 with 5,000 values, and nobody feels it."""
    verdict = judge_drift("scores", normal(5000), normal(5000, 0.1), RULE)
    assert verdict.word == "pass"
    assert verdict.evidence["ks"] == pytest.approx(2 * statistics.NormalDist().cdf(0.05) - 1, abs=1e-3)
    assert verdict.evidence["psi"] == pytest.approx(0.01, abs=0.002)


@pytest.mark.parametrize(("shift", "word"), [(0.0, "pass"), (0.3, "fail"), (0.5, "fail"), (3.0, "fail")])
def test_verdicts(shift: float, word: str) -> None:
    assert judge_drift("scores", normal(2000), normal(2000, shift), RULE).word == word


def test_an_index_between_is_no_verdict() -> None:
    """A little of everything has moved: the distance is small, and the index is worth a look."""
    rule = DriftRule(distance=0.5)
    assert judge_drift("scores", normal(2000), normal(2000, 0.37), rule).word == "undecided"


@pytest.mark.parametrize(("before", "now"), [(2000, 0), (900, 900), (100_000, 400)])
def test_too_few_values_say_nothing(before: int, now: int) -> None:
    verdict = judge_drift("scores", normal(before), normal(now, 2.0), RULE)
    assert verdict.word == "undecided"


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (0, 2000, "give judge.reference_s more"),
        (300, 0, "give judge.reference_s about 3 times as much"),
        (800, 5000, "give judge.reference_s about 1.2 times as much"),
    ],
)
def test_a_reference_that_is_too_small_keeps_nobody_waiting(before: int, now: int, said: str) -> None:
    """What was before does not grow: waiting would be for ever."""
    verdict = judge_drift("scores", normal(before), normal(now, 2.0), RULE)
    assert verdict.word == "pass"
    told = f"not judged: {before} values of scores from before are too few, 900 are needed; {said}"
    assert verdict.reason == told


@given(st.integers(0, 3000), st.floats(0.001, 0.1))
def test_what_is_waited_for_can_come(before: int, noise_max: float) -> None:
    if judge_drift("scores", [0.5] * before, [], DriftRule(noise_max=noise_max)).word == "undecided":
        assert noise(before, before + 1) < noise_max


def test_chance_makes_an_index_of_that_size() -> None:
    """200 values on each side, none of which has drifted: 0.09 on average."""
    rng = random.Random(1)
    found = [psi([rng.random() for _ in range(200)], [rng.random() for _ in range(200)]) for _run in range(60)]
    assert noise(200, 200) == pytest.approx(0.09)
    assert statistics.mean(found) == pytest.approx(0.09, abs=0.02)


def test_values_that_are_all_the_same_are_one_bin() -> None:
    assert psi([1.0] * 100, [1.0] * 50) == 0.0
    # Where they all went is told by the distance.
    assert psi([1.0] * 100, [2.0] * 50) == 0.0
    assert distance([1.0] * 100, [2.0] * 50) == 1.0
