# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Growth of counters out of raw samples, and how two slots are brought together."""

from __future__ import annotations

import math

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_counters import (
    Beside,
    Counts,
    Samples,
    Scrape,
    newest,
    period_of,
    seen_to,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import Interval
from hypothesis import given, settings
from hypothesis import strategies as st

Series = dict[str, list[tuple[float, float]]]

A, B = 'code="200",pod="a"', 'code="200",pod="b"'
A_FAILED = 'code="500",pod="a"'


def counted(
    *looks: Samples | tuple[Samples, Samples], whole: bool = True, since: float = 1.0, label: str = "pod"
) -> tuple[float, float]:
    """Requests and failures after looks at both, or at requests alone."""
    counts = Counts(label, whole=whole, since=since)
    for look in looks:
        requests, failures = look if isinstance(look, tuple) else (look, {})
        counts.add(requests, failures)
    return counts.requests, counts.failures


def grown(*looks: Samples | tuple[Samples, Samples], whole: bool = True, since: float = 1.0) -> float:
    return counted(*looks, whole=whole, since=since)[0]


def test_counting_begins_at_an_instant() -> None:
    assert grown({A: [(1, 100)]}) == 0
    assert grown({A: [(1, 100)]}, {A: [(1, 100), (2, 107)]}) == 7
    series = [(1.0, 10.0), (2.0, 14.0), (3.0, 20.0), (4.0, 21.0)]
    assert grown({A: series}, since=2.5) == 7
    assert grown({A: series}, since=9.0) == 0
    # A label set that was born after that instant.
    assert grown({A: series, A_FAILED: [(4.0, 3.0)]}, since=2.5) == 10


def test_samples_seen_before_are_not_counted_again() -> None:
    assert grown({A: [(1, 10), (2, 12)]}, {A: [(1, 10), (2, 12), (3, 15)]}, {A: [(2, 12), (3, 15)]}) == 5


def test_a_reset_counts_from_zero_also_between_two_looks() -> None:
    assert grown({A: [(1, 100)]}, {A: [(1, 100), (2, 4)]}) == 4
    # It fell and grew beyond the old value within one window.
    assert grown({A: [(1, 100)]}, {A: [(2, 4), (3, 120)]}) == 120


def test_a_process_that_restarts_resets_all_of_its_counters() -> None:
    """A pod that crashes has four failures anew: above the three of before, and yet four more."""
    looks: list[tuple[Series, Series]] = [
        ({A: [(1, 500)], A_FAILED: [(1, 3)]}, {A_FAILED: [(1, 3)]}),
        ({A: [(2, 9)], A_FAILED: [(2, 4)]}, {A_FAILED: [(2, 4)]}),
    ]
    assert counted(*looks) == (13, 4)
    # The failure comes a scrape after the restart.
    late: list[tuple[Series, Series]] = [looks[0], ({A: [(2, 9), (3, 12)]}, {A_FAILED: [(3, 4)]})]
    assert counted(*late) == (12, 4)


def test_containers_of_a_pod_do_not_restart_together() -> None:
    app, proxy = 'instance="1:80",pod="a"', 'instance="1:90",pod="a"'
    assert grown({app: [(1, 500)], proxy: [(1, 800)]}, {app: [(2, 5)], proxy: [(2, 803)]}) == 8


def test_the_first_failure_of_a_known_pod_counts() -> None:
    """Its series is new, and in another selector than the one by which the pod is known."""
    looks: list[tuple[Series, Series]] = [({A: [(1, 100)]}, {}), ({A: [(2, 130)]}, {A_FAILED: [(2, 30)]})]
    assert counted(*looks) == (30, 30)
    assert counted(*looks, whole=False) == (30, 30)
    assert counted(({A: [(1, 100), (2, 130)]}, {A_FAILED: [(2, 30)]}), whole=False) == (30, 30)


def test_a_pod_that_comes_later_counts_whole_for_the_new_version_only() -> None:
    looks: list[tuple[Series, Series]] = [
        ({A: [(1, 100)]}, {}),
        ({A: [(2, 100)], B: [(2, 50)]}, {'code="500",pod="b"': [(2, 5)]}),
        ({B: [(3, 52)]}, {'code="500",pod="b"': [(3, 6)], 'code="503",pod="b"': [(3, 1)]}),
    ]
    assert counted(*looks) == (52, 7)
    assert counted(*looks, whole=False) == (2, 2)


def test_series_without_a_pod_are_one_process_each() -> None:
    assert grown({'zone="x"': [(1, 100)]}, {'zone="x"': [(2, 101)], 'zone="y"': [(2, 7)]}, whole=False) == 1
    assert counted({'app="x",kind="1"': [(1, 100)]}, {'app="x",kind="2"': [(2, 7)]}, whole=False, label="app")[0] == 7
    # A label whose name ends alike is another one.
    assert grown({'my_pod="a",x="1"': [(1, 1)]}, {'my_pod="a",x="2"': [(2, 7)]}, whole=False) == 0


def test_what_ended_keeps_what_it_counted() -> None:
    assert grown({A: [(1, 0)], B: [(1, 0)]}, {A: [(2, 5)], B: [(2, 5)]}, {A: [(3, 6)]}) == 11


def test_a_scrape_between_two_questions_is_left_for_the_next_look() -> None:
    counts = Counts("pod", whole=True, since=1.0)
    counts.add({A: [(1, 0)]}, {})
    assert counts.add({A: [(2, 10)]}, {A_FAILED: [(2, 1), (3, 9)]}) == [Scrape(2, 10, 1, 'pod="a"', 1)]
    assert counts.add({A: [(2, 10), (3, 20)]}, {A_FAILED: [(2, 1), (3, 9)]}) == [Scrape(3, 10, 8, 'pod="a"', 2)]


def test_failures_that_know_no_pod_are_paired_by_time() -> None:
    counts = Counts("pod", whole=True, since=1.0)
    counts.add({A: [(1, 0)]}, {'path="/"': [(1, 0)]})
    assert Scrape(2, 0, 1, 'path="/"', 1) in counts.add({A: [(2, 10)]}, {'path="/"': [(2, 1), (3, 9)]})
    assert counts.failures == 1


def test_what_is_no_number_is_left_out() -> None:
    assert grown({A: [(1, 10), (2, math.nan), (3, 15)]}) == 5


def test_newest() -> None:
    assert newest({A: [(1, 0), (4, 0), (5, math.nan)], B: [(3, 0)]}) == 4
    assert newest({}) is None


def test_how_far_a_slot_is_seen() -> None:
    assert seen_to({}, 1.0) == math.inf
    assert seen_to({A: [(9.1, 0)], B: [(8.6, 0)]}, 1.0) == 8.6
    # A pod that has ended.
    assert seen_to({A: [(9.1, 0)], B: [(3.0, 0)]}, 1.0) == 9.1


def test_the_time_between_two_scrapes() -> None:
    assert period_of({A: [(1, 0), (2, 0), (9, 0), (10, 0)], B: [(1, 0), (16, 0)]}) == 15
    assert period_of({A: [(1, 0)]}) == 0


def test_an_interval_waits_for_the_stable_slot_and_has_all_of_its_failures() -> None:
    beside = Beside()
    # The new version's scrape shows the outage, the stable slot's is still to come.
    assert beside.add([Scrape(1.0, 10, 8, "n", 0.0)], [Scrape(0.5, 90, 0, "s", -0.5)], 0.5, 1.0) == []
    assert beside.add([], [Scrape(1.5, 90, 60, "s", 0.5)], 1.5, 1.0) == [(1.0, Interval(8, 10, 60, 90))]
    # It is over, and the stable slot does not show it any more.
    found = beside.add([Scrape(2.0, 10, 4, "n", 1.0)], [Scrape(2.5, 90, 0, "s", 1.5)], 2.5, 1.0)
    assert found == [(2.0, Interval(4, 10, 60, 90))]


def test_the_stable_slot_is_shared_by_the_pods_of_the_new_version() -> None:
    beside = Beside()
    scrapes = [Scrape(1.0, 10, 1, "n", 0.0), Scrape(1.0, 30, 2, "m", 0.0)]
    stable = [Scrape(1.0, 80, 4, "s", 0.0)]
    assert beside.add(scrapes, stable, 1.0, 1.0) == [(1.0, Interval(1, 10, 2, 40)), (1.0, Interval(2, 30, 2, 40))]
    # One of them has ended: after two scrapes nothing is kept for it.
    for at in (2.0, 3.0, 4.0):
        found = beside.add([Scrape(at, 10, 0, "n", at - 1)], [Scrape(at, 80, 4, "s", at - 1)], at, 1.0)
        assert found == [(at, Interval(0, 10, 4, 80) if at > 3 else Interval(0, 10, 2, 40))]


def test_a_stable_slot_that_is_scraped_more_seldom_is_waited_for() -> None:
    beside = Beside()
    scrapes = [Scrape(float(at), 10, 1, "n", at - 1.0) for at in range(1, 16)]
    assert beside.add(scrapes[:8], [], 0.0, 15.0) == []
    assert beside.add(scrapes[8:], [Scrape(15.0, 900, 9, "s", 0.0)], 15.0, 15.0) == [(15.0, Interval(15, 150, 9, 900))]


def test_a_slot_that_has_ended_is_not_waited_for() -> None:
    beside = Beside()
    assert beside.add([Scrape(0.9, 10, 8, "n", 0.9)], [], math.inf, 0.0) == [(0.9, Interval(8, 10, 0, 0))]
    assert beside.add([Scrape(2.0, 10, 8, "n", 0.9)], [], math.inf, 0.0) == [(2.0, Interval(8, 10, 0, 0))]


_SERIES = st.lists(st.integers(0, 50), min_size=1, max_size=20)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([A, B, A_FAILED]), _SERIES, min_size=1), st.integers(1, 7), st.integers(0, 4))
def test_how_often_one_looks_does_not_matter(values: dict[str, list[int]], step: int, overlap: int) -> None:
    series = {labels: [(float(at), float(value)) for at, value in enumerate(found)] for labels, found in values.items()}

    def window(first: int, end: int) -> tuple[Series, Series]:
        requests = {
            labels: found[max(0, first) : end] for labels, found in series.items() if found[max(0, first) : end]
        }
        return requests, {labels: found for labels, found in requests.items() if labels == A_FAILED}

    seldom = [window(at - overlap, at + step) for at in range(0, 20, step)]
    often = [window(at - overlap, at + 1) for at in range(20)]
    assert counted(*seldom, since=2.0) == counted(*often, since=2.0) == counted(window(0, 20), since=2.0)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from([A, B, A_FAILED]), _SERIES, max_size=3), max_size=6),
    st.booleans(),
    st.sampled_from([-1.0, 10.0, 45.0]),
)
def test_nothing_ever_shrinks(looks: list[dict[str, list[int]]], whole: bool, since: float) -> None:
    counts = Counts("pod", whole=whole, since=since)
    before = 0.0
    for number, look in enumerate(looks):
        found = {
            labels: [(20.0 * number + place, float(value)) for place, value in enumerate(values)]
            for labels, values in look.items()
        }
        scrapes = counts.add(found, {labels: series for labels, series in found.items() if labels == A_FAILED})
        assert all(scrape.requests >= scrape.failures >= 0 for scrape in scrapes)
        assert counts.requests == pytest.approx(before + sum(scrape.requests for scrape in scrapes))
        assert [scrape.at for scrape in scrapes] == sorted(scrape.at for scrape in scrapes)
        before = counts.requests
