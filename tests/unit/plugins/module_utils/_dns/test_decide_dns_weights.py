# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights: exact points, whole numbers, ramps that rise and end."""

from __future__ import annotations

from fractions import Fraction

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_weights import (
    absolute,
    evacuated,
    ramped,
    shares,
    shifted,
    whole,
)
from hypothesis import given, settings
from hypothesis import strategies as st

REGIONS = ["ap", "eu", "sa", "us"]
WEIGHTS = st.dictionaries(st.sampled_from(REGIONS), st.integers(0, 255), min_size=2)


def test_absolute_takes_0_and_leaves_the_others() -> None:
    assert absolute({"us": 50, "eu": 50}, {"us": 0}).after == {"us": 0, "eu": 50}


def test_absolute_knows_its_regions() -> None:
    with pytest.raises(OptionError, match="weights: the set has no record of sa"):
        absolute({"us": 50, "eu": 50}, {"sa": 1})


@pytest.mark.parametrize(
    ("live", "points", "after"),
    [
        ({"us": 50, "eu": 50}, 25, {"us": 25, "eu": 75}),
        ({"us": 70, "eu": 20, "ap": 10}, 10, {"us": 60, "eu": 30, "ap": 10}),
        ({"us": 50, "eu": 50}, 50, {"us": 0, "eu": 100}),
        # 12.5 % of 200 is whole, of 100 it is not: the region that takes gets no more than half of what is left over.
        ({"us": 100, "eu": 100}, 12.5, {"us": 75, "eu": 125}),
        ({"us": 3, "eu": 4}, 30, {"us": 1, "eu": 6}),
    ],
)
def test_a_shift_is_points_of_all_answers(live: dict[str, int], points: float, after: dict[str, int]) -> None:
    assert shifted(live, "us", "eu", points).after == after


def test_more_than_a_region_has_cannot_be_shifted() -> None:
    with pytest.raises(OptionError, match="us has 20 % of the answers, so 25 points cannot be taken from it"):
        shifted({"us": 20, "eu": 80}, "us", "eu", 25)


def test_points_that_whole_weights_cannot_show() -> None:
    with pytest.raises(OptionError, match=r"the sum of the weights is 2, and 10 points of it are 0\.2"):
        shifted({"us": 1, "eu": 1}, "us", "eu", 10)


@settings(max_examples=100, deadline=None)
@given(WEIGHTS, st.floats(0.1, 100))
def test_a_shift_keeps_the_sum_and_the_others(live: dict[str, int], points: float) -> None:
    source, target = sorted(live)[:2]
    try:
        after = shifted(live, source, target, points).after
    except OptionError:
        return
    assert sum(after.values()) == sum(live.values())
    assert all(after[region] == live[region] for region in live if region not in (source, target))
    exact = Fraction(str(points)) * sum(live.values()) / 100
    assert abs(live[source] - after[source] - exact) <= Fraction(1, 2)
    assert after[source] >= 0


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(REGIONS), st.fractions(0, 100, max_denominator=97), min_size=1))
def test_the_largest_remainder_keeps_a_whole_sum(exact: dict[str, Fraction]) -> None:
    total = sum(exact.values())
    exact["rest"] = -(-total // 1) - total
    found = whole(exact)
    assert sum(found.values()) == sum(exact.values())
    assert all(abs(found[region] - exact[region]) < 1 for region in exact)


@settings(max_examples=100, deadline=None)
@given(WEIGHTS)
def test_shares_are_1_together(live: dict[str, int]) -> None:
    found = shares(live)
    assert sum(found.values()) == pytest.approx(1.0 if any(live.values()) else 0.0)


@settings(max_examples=100, deadline=None)
@given(WEIGHTS, st.data())
def test_an_evacuation_keeps_the_ratios_of_the_others(live: dict[str, int], data: st.DataObject) -> None:
    regions = data.draw(st.lists(st.sampled_from(sorted(live)), min_size=1, unique=True))
    after = evacuated(live, regions).after
    assert all(after[region] == 0 for region in regions)
    assert all(after[region] == live[region] for region in live if region not in regions)
    assert evacuated(after, regions).after == after


@settings(max_examples=100, deadline=None)
@given(WEIGHTS, st.lists(st.integers(1, 100), unique=True).map(sorted), st.data())
def test_a_ramp_rises_and_ends(live: dict[str, int], steps: list[int], data: st.DataObject) -> None:
    full = {region: data.draw(st.integers(1, 255)) for region in live}
    regions = data.draw(st.lists(st.sampled_from(sorted(live)), min_size=1, unique=True))
    weights, ends, announced = live, [], None
    try:
        plan = ramped(weights, regions, full, steps)
    except OptionError as error:
        assert "multiply all of full by" in error.message
        return
    while plan.after != weights:
        assert plan.ramp is not None
        assert announced in (None, plan.ramp.step)
        announced = plan.ramp.next
        assert all(plan.after[region] >= weights[region] for region in weights)
        assert all(plan.after[region] == weights[region] for region in weights if region not in regions)
        # Never more than the step says.
        for region in regions:
            assert plan.after[region] <= max(weights[region], full[region] * plan.ramp.step / 100)
        weights = plan.after
        ends.append(plan.ramp.done)
        plan = ramped(weights, regions, full, steps)
    assert len(ends) <= len(steps) + 1
    assert plan.ramp is not None
    assert plan.ramp.done
    assert ends == [False] * (len(ends) - 1) + [True] * bool(ends)
    assert all(weights[region] == max(live[region], full[region]) for region in regions)


def test_the_advice_for_a_full_that_is_too_coarse_helps() -> None:
    live = {"us": 0, "eu": 1}
    with pytest.raises(OptionError, match="us has 1, of which 5 % is less than the smallest weight, 1; multiply all"):
        ramped(live, ["us"], {"us": 1, "eu": 1}, [5, 100])
    assert ramped({"us": 0, "eu": 20}, ["us"], {"us": 20, "eu": 20}, [5, 100]).after == {"us": 1, "eu": 20}


def test_regions_of_different_steps_come_up_from_below() -> None:
    plan = ramped({"us": 25, "ap": 0, "eu": 100}, ["us", "ap"], {"us": 100, "ap": 100, "eu": 100}, [5, 25, 100])
    assert plan.after == {"us": 25, "ap": 5, "eu": 100}
