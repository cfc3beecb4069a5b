# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers behind the plots."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_figures import (
    accuracy_curve,
    accuracy_slices,
    agreement_slices,
    histograms,
    quantile_curve,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.svg import log_ticks, round_ticks
from hypothesis import given
from hypothesis import strategies as st
from model_samples import answer, outcomes, pair

NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(NUMBERS, min_size=1))
def test_a_curve_of_quantiles_only_rises_and_ends_with_the_largest(values: list[float]) -> None:
    curve = quantile_curve(sorted(values))
    assert all(one[0] <= other[0] and one[1] <= other[1] for one, other in itertools.pairwise(curve))
    assert curve[0] == (0.0, min(values))
    assert all(0 <= quantile < 1 for quantile, _value in curve)
    # What is beyond the last point is one value.
    assert sum(value > curve[-1][1] for value in values) <= 1


def test_a_quantile_is_one_of_the_values() -> None:
    found = dict(quantile_curve([float(number) for number in range(1, 1001)]))
    assert found[min(found, key=lambda one: abs(one - 0.9))] == pytest.approx(900, abs=2)
    assert quantile_curve([]) == []


def test_accuracy_of_all_labels_and_of_the_newest() -> None:
    curve = accuracy_curve([True] * 300 + [False] * 100, 0.05)
    last = curve[-1]
    assert (last.labels, last.all, last.newest) == (400, 0.75, 0.0)
    assert last.at_least < 0.75 and curve[0].newest is None
    assert accuracy_curve([], 0.05) == [] and [one.labels for one in accuracy_curve([True], 0.05)] == [1]


def test_the_segments_that_agree_least_come_first_and_small_ones_are_left_out() -> None:
    given_pairs = [
        *(pair(number, segment="same") for number in range(40)),
        *(pair(number, challenger=answer("b"), segment="other") for number in range(30)),
        *(pair(number, challenger=answer("b"), segment="small") for number in range(29)),
    ]
    found = agreement_slices(given_pairs, None)
    assert [(one.segment, one.share, one.requests) for one in found] == [("other", 0.0, 30), ("same", 1.0, 40)]
    assert found[0].low <= found[0].share <= found[0].high


def test_the_segments_in_which_it_loses_most_come_first() -> None:
    found = accuracy_slices([*outcomes(0, 40, 10, "gains"), *outcomes(10, 40, 0, "loses"), *outcomes(9, 0, 0, "few")])
    assert [(one.segment, one.champion, one.share) for one in found] == [("loses", 1.0, 0.8), ("gains", 0.8, 1.0)]


@given(st.lists(st.lists(NUMBERS), max_size=3))
def test_each_histogram_holds_all_of_its_sample(samples: list[list[float]]) -> None:
    edges, shares = histograms(samples)
    if not any(samples):
        assert edges == []
        return
    assert all(one < other for one, other in itertools.pairwise(edges))
    for sample, found in zip(samples, shares, strict=True):
        assert len(found) == len(edges) - 1
        assert sum(found) == pytest.approx(1.0 if sample else 0.0)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_few_and_within(low: float, room: float) -> None:
    found = round_ticks(low, low + room, str)
    assert 2 <= len(found) <= 8
    assert all(low - 1e-6 * room <= value <= low + room + 1e-6 * room for value, _text in found)


def test_ticks_of_a_logarithm() -> None:
    assert [text for _value, text in log_ticks(1.5, 60, lambda value: f"{value:g}")] == ["2", "5", "10", "20", "50"]
    assert [text for _value, text in log_ticks(0.01, 2000, lambda value: f"{value:g}")] == [
        "0.01",
        "0.1",
        "1",
        "10",
        "100",
        "1000",
    ]
