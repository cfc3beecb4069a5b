# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Growth of counters out of raw samples."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_counters import Increase, newest
from hypothesis import given, settings
from hypothesis import strategies as st

A, B = 'code="200",pod="a"', 'code="200",pod="b"'
A_FAILED = 'code="500",pod="a"'


def grown(*looks: dict[str, list[tuple[float, float]]], whole: bool = True, since: float | None = None) -> float:
    increase = Increase("pod", whole=whole, since=since)
    for look in looks:
        increase.add(look)
    return increase.total


def test_the_first_look_is_where_counting_begins() -> None:
    assert grown({A: [(1, 100)]}) == 0
    assert grown({A: [(1, 100)]}, {A: [(1, 100), (2, 107)]}) == 7


def test_samples_seen_before_are_not_counted_again() -> None:
    assert grown({A: [(1, 10), (2, 12)]}, {A: [(1, 10), (2, 12), (3, 15)]}, {A: [(2, 12), (3, 15)]}) == 3


def test_a_reset_counts_from_zero_also_between_two_looks() -> None:
    assert grown({A: [(1, 100)]}, {A: [(1, 100), (2, 4)]}) == 4
    # It fell and grew beyond the old value within one window.
    assert grown({A: [(1, 100)]}, {A: [(2, 4), (3, 120)]}) == 120


def test_the_first_failure_of_a_known_pod_counts() -> None:
    assert grown({A: [(1, 100)]}, {A: [(2, 101)], A_FAILED: [(2, 1)]}) == 2
    assert grown({A: [(1, 100)]}, {A: [(2, 101)], A_FAILED: [(2, 1)]}, whole=False) == 2


def test_a_pod_that_comes_later_counts_whole_for_the_new_version_only() -> None:
    looks = ({A: [(1, 100)]}, {A: [(2, 100)], B: [(2, 50)]}, {B: [(3, 52)]})
    assert grown(*looks) == 52
    assert grown(*looks, whole=False) == 2


def test_counting_begins_at_an_instant() -> None:
    series = [(1.0, 10.0), (2.0, 14.0), (3.0, 20.0), (4.0, 21.0)]
    assert grown({A: series}, since=2.5) == 7
    assert grown({A: series}, since=9.0) == 0
    # A failure series that was born after that instant.
    assert grown({A: series, A_FAILED: [(4.0, 3.0)]}, since=2.5) == 10


def test_what_ended_keeps_what_it_counted() -> None:
    assert grown({A: [(1, 0)], B: [(1, 0)]}, {A: [(2, 5)], B: [(2, 5)]}, {A: [(3, 6)]}) == 11


def test_newest() -> None:
    assert newest({A: [(1, 0), (4, 0)], B: [(3, 0)]}) == 4
    assert newest({}) is None


_SERIES = st.lists(st.integers(0, 50), min_size=1, max_size=20)


@settings(max_examples=100, deadline=None)
@given(_SERIES, st.integers(1, 5), st.integers(0, 4))
def test_how_often_one_looks_does_not_matter(values: list[int], step: int, overlap: int) -> None:
    series = [(float(at), float(value)) for at, value in enumerate(values)]
    first = {A: series[:1]}
    looks = [{A: series[max(0, at - overlap) : at + step]} for at in range(1, len(series), step)]
    often = [{A: series[max(0, at - overlap) : at + 1]} for at in range(1, len(series))]
    assert grown(first, *looks) == pytest.approx(grown(first, *often))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([A, B, A_FAILED]), _SERIES, max_size=3), max_size=6), st.booleans())
def test_nothing_ever_shrinks(looks: list[dict[str, list[int]]], whole: bool) -> None:
    increase = Increase("pod", whole=whole, since=None)
    at = 0.0
    for look in looks:
        found = {}
        for labels, values in look.items():
            found[labels] = [(at + place, float(value)) for place, value in enumerate(values)]
        at += 20
        assert increase.add(found) >= 0
