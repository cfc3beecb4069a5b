# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy on labels: what it promises at every look, new starts, and the floor with its budget."""

from __future__ import annotations

import itertools
import json
import math
import random
import statistics

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import decide_accuracy
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_accuracy import (
    STEP,
    WINDOW,
    AccuracyRule,
    floor_count,
    floor_risk,
    judge_accuracy,
    log_below,
    starts,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Risks, Verdict
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_answers import tail
from hypothesis import given, settings
from hypothesis import strategies as st

RULE, RISKS = AccuracyRule(), Risks(0.05, 0.025)


def counted(outcomes: tuple[int, ...]) -> list[int]:
    return [0, *itertools.accumulate(outcomes)]


@pytest.mark.parametrize("true", [0.85, 0.87, 1.0])
@pytest.mark.parametrize("restart", [2, 3, 100])
def test_at_the_minimum_or_above_the_expected_stake_never_exceeds_one(
    true: float, restart: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every sequence of ten labels with its probability, new starts included."""
    monkeypatch.setattr(decide_accuracy, "RESTART", restart)
    for length in range(1, 11):
        expected = sum(
            math.prod(true if right else 1 - true for right in outcome) * math.exp(log_below(counted(outcome), 0.85))
            for outcome in itertools.product((0, 1), repeat=length)
        )
        assert expected <= 1 + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20_000))
def test_the_shares_of_the_starts_are_one_stake(labels: int) -> None:
    found = list(starts(labels))
    assert sum(share for _start, share in found) <= 1
    assert found[0][0] == 0
    assert all(start < labels for start, _share in found[1:])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=250), st.integers(0, 249))
def test_one_more_right_answer_never_speaks_against_it(outcomes: list[bool], where: int) -> None:
    better = [*outcomes]
    better[where % len(outcomes)] = True
    one, other = (log_below(counted(tuple(map(int, found))), 0.85) for found in (outcomes, better))
    assert other <= one + 1e-9


@pytest.mark.parametrize("floor", [0.60, 0.70, 0.75, 0.84])
@pytest.mark.parametrize("risk", [0.025, 0.01])
def test_all_looks_of_the_floor_together_stay_within_its_part_of_the_risk(floor: float, risk: float) -> None:
    """Half a million labels; what it may cost after that is less than the last term's epoch."""
    rule = AccuracyRule(floor=floor)
    spent = sum(tail(floor_count(window, rule, risk), WINDOW, rule.minimum) for window in range(10_000))
    assert spent <= floor_risk(risk)


def test_the_floor_of_the_rule_can_be_afforded_for_5000_labels_and_a_higher_one_never() -> None:
    risk = RISKS.failing
    assert {floor_count(window, RULE, risk) for window in range((5000 - WINDOW) // STEP + 1)} == {69}
    sunk = [floor_count(100 * epoch, RULE, risk) for epoch in range(6)]
    assert sunk == sorted(sunk, reverse=True)
    assert 69 - 6 <= sunk[-1] < 69
    assert floor_count(0, AccuracyRule(floor=0.75), risk) == 69


def test_what_the_floor_of_the_issue_costs() -> None:
    """One window of 24,000 at 85 %; in 5,000 labels at 87 % about 2 in 10,000."""
    assert 1 / tail(69, 100, 0.85) == pytest.approx(24_440, rel=0.01)
    assert 99 * tail(69, 100, 0.87) == pytest.approx(2.2e-4, rel=0.02)


def labels_to_failure(outcomes: list[bool], rule: AccuracyRule = RULE) -> int | None:
    """Looked at every 50 labels."""
    for labels in range(50, len(outcomes) + 1, 50):
        if judge_accuracy(outcomes[:labels], rule, RISKS).word == "fail":
            return labels
    return None


def stream(seed: int, *parts: tuple[float, int]) -> list[bool]:
    rng = random.Random(seed)
    return [rng.random() < accuracy for accuracy, labels in parts for _label in range(labels)]


def test_a_healthy_version_stays_and_a_bad_one_goes() -> None:
    """1,000 of each are in the benchmark."""
    assert [labels_to_failure(stream(seed, (0.87, 2000))) for seed in range(5)] == [None] * 5
    found = [labels_to_failure(stream(seed, (0.80, 2500))) for seed in range(15)]
    assert None not in found
    assert statistics.median(one for one in found if one is not None) <= 800


@pytest.mark.parametrize("good", [0, 1000, 3000])
def test_a_collapse_is_found_within_a_hundred_labels(good: int) -> None:
    for seed in range(5):
        outcomes = stream(seed, (0.87, good), (0.5, 100))
        assert judge_accuracy(outcomes[:good], RULE, RISKS).word != "fail"
        assert "fail" in {judge_accuracy(outcomes[: good + more], RULE, RISKS).word for more in (50, 100)}


def test_a_slow_decline_after_many_good_labels_is_found_by_a_new_start() -> None:
    outcomes = stream(1, (0.90, 3000), (0.78, 1500))
    assert judge_accuracy(outcomes, RULE, RISKS).word == "fail"
    assert sum(outcomes) / len(outcomes) > 0.85


def verdict(right: int, labels: int) -> Verdict:
    """Evenly spread, so that no window is worse than another."""
    return judge_accuracy([n * right // labels != (n + 1) * right // labels for n in range(labels)], RULE, RISKS)


@pytest.mark.parametrize(
    ("right", "labels", "word", "part"),
    [
        (0, 0, "undecided", "no label is ripe yet; 500 labels are needed"),
        (490, 499, "undecided", "500 labels are needed"),
        (475, 500, "pass", "accuracy 95.0 % of 500 labels, at least 85 % is proven"),
        (870, 1000, "undecided", "is possible still, and at least 85 % is required"),
        (8700, 10_000, "pass", "is proven"),
        (8500, 10_000, "undecided", "is possible still"),
        (8000, 10_000, "fail", "accuracy 80.0 % of 10000 labels, 80 of 100 at the end, and at least 85 % is required"),
        (30, 60, "fail", "accuracy 50.0 % of 60 labels, and at least 85 % is required"),
    ],
)
def test_verdicts(right: int, labels: int, word: str, part: str) -> None:
    found = verdict(right, labels)
    assert (found.word, part in found.reason) == (word, True), found.reason
    json.dumps(found.evidence, allow_nan=False)


def test_the_floor_names_itself() -> None:
    found = judge_accuracy([True] * 1000 + [True] * 67 + [False] * 33, RULE, RISKS)
    assert found.reason == "67 of the last 100 labels right, and at least 70 have to be (1100 labels)"


def test_between_two_steps_of_the_window_a_look_sees_the_last_one() -> None:
    """So looking at every label costs no more than looking at every fiftieth."""
    good, bad = [True] * 1000, [True, False] * 49
    seen = [judge_accuracy(good + part, RULE, RISKS).evidence["newest"] for part in (bad[:50], bad)]
    assert seen == [75, 75]
