# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Segments: which is worst, which is proven to be, and what cannot be ruled out."""

from __future__ import annotations

import math
import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_segments import (
    OTHERS,
    Balance,
    SegmentRule,
    balances,
    judge_segments,
    points,
    together,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Risks
from hypothesis import given, settings
from hypothesis import strategies as st

RULE, RISKS = SegmentRule(), Risks(0.05, 0.005)
_BALANCE = st.builds(Balance, st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=60))
def test_every_outcome_is_counted_in_its_segment(outcomes: list[tuple[str, bool, bool]]) -> None:
    found = balances(outcomes)
    assert list(found) == list(dict.fromkeys(segment for segment, *_rest in outcomes))
    for segment, balance in found.items():
        own = [(one, other) for name, one, other in outcomes if name == segment]
        assert balance == Balance(
            own.count((True, False)), own.count((True, True)) + own.count((False, False)), own.count((False, True))
        )
    assert together(found.values()).total == len(outcomes)


@settings(max_examples=60, deadline=None)
@given(_BALANCE, st.floats(0.0001, 0.3))
def test_the_loss_is_within_its_bounds(balance: Balance, alpha: float) -> None:
    assert balance.least_loss(alpha) - 1e-9 <= balance.loss <= balance.most_loss(alpha) + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=3), _BALANCE, max_size=8))
def test_the_worst_comes_first_and_a_proof_is_a_loss(parts: dict[str, Balance]) -> None:
    found = judge_segments(parts, RULE, RISKS)
    assert [one.log_e for one in found] == sorted((one.log_e for one in found), reverse=True)
    assert {one.name for one in found} - {OTHERS} == set(parts)
    for one in found:
        assert not one.proven or one.balance.loss >= RULE.loss_told
        assert not one.proven or one.balance.least_loss(RISKS.failing) > 0
        # Ruled out is what the bound says.
        assert one.open == (one.balance.total >= RULE.least and one.most_loss >= RULE.loss_max)


def test_small_segments_are_judged_together() -> None:
    small = {f"s{number}": Balance(20, 130, 10) for number in range(3)}
    found = {one.name: one for one in judge_segments(small, RULE, RISKS)}
    assert found[OTHERS].balance == Balance(60, 390, 30)
    assert found[OTHERS].open
    assert not any(one.open for name, one in found.items() if name != OTHERS)
    assert OTHERS not in {one.name for one in judge_segments({"s": Balance(20, 130, 10)}, RULE, RISKS)}


def test_a_small_segment_that_is_much_worse_is_refused_by_itself() -> None:
    found = judge_segments({"big": Balance(50, 900, 50), "small": Balance(90, 150, 10)}, RULE, RISKS)
    assert (found[0].name, found[0].proven) == ("small", True)


def test_a_loss_that_nobody_feels_is_no_reason_however_sure_it_is() -> None:
    (found,) = judge_segments({"all": Balance(11_000, 980_000, 9_000)}, RULE, RISKS)
    assert found.log_e > -math.log(RISKS.failing)
    assert not found.proven


def test_many_equal_segments_are_refused_no_more_often_than_promised() -> None:
    """400 runs of 50 equal segments; a test at 5 % for each would refuse nine of ten runs."""
    rng, refused = random.Random(1), 0
    for _run in range(400):
        parts = {}
        for number in range(50):
            worse = sum(rng.random() < 0.5 for _label in range(40))
            parts[f"s{number}"] = Balance(worse, 160, 40 - worse)
        refused += any(one.proven for one in judge_segments(parts, RULE, Risks(0.05, 0.05)))
    assert refused <= 400 * 0.05


@pytest.mark.parametrize(("share", "text"), [(0.2, "20 points"), (-0.00001, "0 points"), (0.00026, "0.03 points")])
def test_differences_are_told_in_points(share: float, text: str) -> None:
    assert points(share) == text
