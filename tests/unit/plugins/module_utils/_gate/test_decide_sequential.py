# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sequential tests: what they promise under the null, and how soon they see what is bad."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import (
    CountTests,
    Evidence,
    Interval,
    Likelihood,
    OneSample,
    TwoSample,
    alpha_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

_INTERVALS = st.lists(
    st.integers(0, 20).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))), min_size=1, max_size=30
)


def evidence(test: Likelihood, intervals: list[Interval], restart_s: float = 10.0) -> Evidence:
    found = Evidence(test, restart_s)
    for at, interval in enumerate(intervals):
        found.add(float(at), interval)
    return found


@settings(max_examples=100, deadline=None)
@given(_INTERVALS, st.integers(0, 29))
def test_one_more_failure_never_lowers_the_evidence(counts: list[tuple[int, int]], where: int) -> None:
    place = where % len(counts)
    failures, requests = counts[place]
    worse = [*counts]
    worse[place] = (failures + 1, max(requests, failures + 1))
    if worse[place][1] != requests:
        return
    one = evidence(OneSample(0.01), [Interval(*count) for count in counts])
    other = evidence(OneSample(0.01), [Interval(*count) for count in worse])
    assert other.log >= one.log - 1e-9


@settings(max_examples=50, deadline=None)
@given(_INTERVALS, st.randoms(use_true_random=False))
def test_within_a_start_the_order_of_the_intervals_does_not_matter(
    counts: list[tuple[int, int]], mixer: random.Random
) -> None:
    mixed = [*counts]
    mixer.shuffle(mixed)
    one = evidence(OneSample(0.01), [Interval(*count) for count in counts], restart_s=1e9)
    other = evidence(OneSample(0.01), [Interval(*count) for count in mixed], restart_s=1e9)
    assert one.log == pytest.approx(other.log)


@pytest.mark.parametrize("true", [0.0, 0.002, 0.005, 0.01])
@pytest.mark.parametrize("restart_s", [1.0, 3.0, 1e9])
def test_under_the_null_the_expected_evidence_never_exceeds_one(true: float, restart_s: float) -> None:
    """Every sequence of nine requests, with its probability."""
    for length in range(1, 10):
        expected = 0.0
        for outcome in itertools.product((0, 1), repeat=length):
            probability = math.prod(true if failed else 1 - true for failed in outcome)
            if probability:
                found = evidence(OneSample(0.01), [Interval(failed, 1) for failed in outcome], restart_s)
                expected += probability * math.exp(found.log)
        assert expected <= 1 + 1e-9


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_against_the_stable_slot_the_expected_evidence_never_exceeds_one(ratio: float) -> None:
    """Given a failure, the new version has it with a probability that the shares and the ratio say."""
    share = 0.1
    fell = share * ratio / (share * ratio + 1 - share)
    for length in range(1, 9):
        expected = 0.0
        for outcome in itertools.product((0, 1), repeat=length):
            probability = math.prod(fell if ours else 1 - fell for ours in outcome)
            intervals = [Interval(ours, 10, 1 - ours, 90) for ours in outcome]
            expected += probability * math.exp(evidence(TwoSample(2.0), intervals, 3.0).log)
        assert expected <= 1 + 1e-9


@settings(max_examples=50, deadline=None)
@given(_INTERVALS)
def test_division_by_the_overdispersion_never_raises_what_speaks_against_it(counts: list[tuple[int, int]]) -> None:
    """The root of a likelihood ratio is smaller where the ratio is large, and its expectation is at most 1 as well."""
    one, half = Evidence(OneSample(0.01), 1e9), Evidence(OneSample(0.01), 1e9, 2.0)
    for failures, requests in counts:
        one.add(0.0, Interval(failures, requests))
        half.add(0.0, Interval(failures, requests))
    assert half.log <= max(0.0, one.log) + 1e-9
    by_two = evidence(OneSample(0.01), [Interval(f / 2, r / 2) for f, r in counts], 1e9)
    assert half.log == pytest.approx(by_two.log)
    assert half.deciding.requests == sum(requests for _failures, requests in counts)


def test_what_it_rests_on_begins_with_its_own_start() -> None:
    """One failure in a good hour is not what a proof an hour later rests on."""
    held = Evidence(OneSample(0.01), 30.0)
    for at in range(600):
        held.add(float(at), Interval(float(at == 10), 10))
    for at in range(600, 610):
        held.add(float(at), Interval(2, 10))
    assert held.log > -math.log(1e-4)
    assert held.deciding.failed_at == 600
    assert (held.deciding.failures, held.deciding.requests) == (20, 100)


def requests_to_proof(rate: float, runs: int, good_before: int = 0) -> list[int]:
    rng = random.Random(1)
    found = []
    for _run in range(runs):
        held = Evidence(OneSample(0.01), 30.0)
        at = 0.0
        for _good in range(good_before):
            held.add(at, Interval(0, 10))
            at += 1.0
        count = 0
        while held.log <= -math.log(1e-4) and count < 5000:
            failures = sum(rng.random() < rate for _request in range(10))
            count += 10
            held.add(at, Interval(failures, 10))
            at += 1.0
        found.append(count)
    return found


@pytest.mark.parametrize(("rate", "median"), [(0.2, 60), (0.5, 20), (0.1, 150)])
def test_a_bad_version_is_seen_after_few_requests(rate: float, median: int) -> None:
    """The medians of the facts page are 23, 7 and 72; here ten requests come at once and a start costs ln 2."""
    assert statistics.median(requests_to_proof(rate, 60)) <= median


def test_good_hours_do_not_hide_what_comes_after_them() -> None:
    """Ten minutes of good answers cost a plain test hundreds of requests; new starts forget them."""
    late = statistics.median(requests_to_proof(0.2, 40, good_before=600))
    assert late <= 4 * statistics.median(requests_to_proof(0.2, 40))


def test_what_hits_both_sides_is_no_evidence_against_the_new_one() -> None:
    outage = [Interval(10, 10, 90, 90)] * 60
    assert evidence(TwoSample(2.0), outage).log < 0
    assert evidence(OneSample(0.01), outage).log > 9.3


def test_without_a_stable_slot_there_is_nothing_to_compare() -> None:
    assert evidence(TwoSample(2.0), [Interval(10, 10)] * 9).log == pytest.approx(
        evidence(TwoSample(2.0), [Interval(0, 0)] * 9).log
    )


def test_the_false_alarms_of_a_release_are_split() -> None:
    assert alpha_of(1e-4, 28) * 28 == pytest.approx(1e-4)


PROOF = -math.log(1e-4)

_SIZES = st.lists(st.integers(1, 500), min_size=20, max_size=50)


def both(ratio: float | None = 2.0, restart_s: float = 10.0, overdispersion: float = 1.0) -> CountTests:
    return CountTests(0.01, ratio, restart_s, overdispersion)


def highest(tests: CountTests, intervals: list[Interval]) -> float:
    found = -math.inf
    for at, interval in enumerate(intervals):
        tests.add(float(at), interval)
        found = max(found, tests.log)
    return found


def steps(sizes: list[int], rate: float) -> list[int]:
    """Failures of intervals of these sizes, spread as evenly as whole numbers can be."""
    return [
        math.floor(rate * after) - math.floor(rate * (after - size))
        for size, after in zip(sizes, itertools.accumulate(sizes), strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(_SIZES, st.floats(0, 0.004), st.integers(1, 20), st.sampled_from([2.0, 3.0, 10.0, 1e9]))
def test_beside_a_flawless_stable_slot_a_healthy_version_is_never_bad(
    sizes: list[int], rate: float, times: int, restart_s: float
) -> None:
    failures = steps(sizes, rate)
    intervals = [Interval(failed, size, 0, times * size) for failed, size in zip(failures, sizes, strict=True)]
    assert highest(both(restart_s=restart_s), intervals) < PROOF


def test_eight_failures_in_a_million_requests_are_no_proof_beside_a_flawless_slot() -> None:
    """Against the stable slot's rate alone they are."""
    intervals = [Interval(float(number % 25 == 0), 5000, 0, 45_000) for number in range(200)]
    tests = both(restart_s=30.0)
    assert highest(tests, intervals) < 0
    assert tests.binding == "one_sample"
    assert tests.deciding.failures <= 8
    assert highest(both(restart_s=1e9), intervals) < 0
    assert evidence(TwoSample(2.0), intervals, 1e9).log > PROOF + math.log(2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 100)), min_size=1, max_size=60), st.integers(1, 9))
def test_an_outage_of_both_is_never_bad(counts: list[tuple[int, int]], times: int) -> None:
    """However it comes and goes: the stable slot has the same share of failures at the same time."""
    intervals = [Interval(size * share / 100, size, times * size * share / 100, times * size) for size, share in counts]
    tests = both()
    assert highest(tests, intervals) < PROOF / 2
    assert tests.binding != "not_compared" or counts[-1][0] == 0


@pytest.mark.parametrize(("rate", "stable"), [(0.2, 0.0), (0.2, 0.005), (0.06, 0.005)])
def test_what_only_the_new_version_has_takes_no_longer_than_the_slower_test(rate: float, stable: float) -> None:
    """Asking for both costs next to nothing: at 20 % the median of 200 runs is that of the test against the slot."""
    rng = random.Random(1)
    for _run in range(10):
        tests, alone, beside = both(restart_s=30.0), Evidence(OneSample(0.01), 30.0), Evidence(TwoSample(2.0), 30.0)
        reached: dict[str, int] = {}
        for at in range(150):
            failures, stable_failures = (sum(rng.random() < p for _ in range(n)) for p, n in ((rate, 10), (stable, 90)))
            interval = Interval(failures, 10, stable_failures, 90)
            for name, one in (("both", tests), ("alone", alone), ("beside", beside)):
                one.add(float(at), interval)
                if one.log > PROOF + (0 if name == "both" else math.log(2)):
                    reached.setdefault(name, at)
        assert (
            max(reached["alone"], reached["beside"]) <= reached["both"] <= max(reached["alone"], reached["beside"]) + 9
        )
        assert reached["both"] < (15 if rate == 0.2 else 100)


@pytest.mark.parametrize("compared", [(1, 1, 1, 1, 1, 1), (0, 0, 0, 0, 0, 0), (1, 0, 1, 1, 0, 0), (0, 0, 1, 1, 1, 0)])
@pytest.mark.parametrize(("true", "ratio"), [(0.01, 9.0), (0.005, 40.0), (0.3, 2.0), (0.3, 1.0)])
def test_in_both_ways_of_being_healthy_the_expected_evidence_never_exceeds_one(
    compared: tuple[int, ...], true: float, ratio: float
) -> None:
    """Below the rate throughout, whatever the stable slot does; or beside it below the ratio, and below the rate where
    there is no stable slot. One request or one failure a scrape, every outcome with its probability."""
    healthy = true <= 0.01
    fell = 0.1 * ratio / (0.1 * ratio + 0.9)
    expected = 0.0
    for outcome in itertools.product((0, 1), repeat=len(compared)):
        tests, probability = both(restart_s=3.0), 1.0
        for at, (failed, beside) in enumerate(zip(outcome, compared, strict=True)):
            if healthy or not beside:
                rate = min(true, 0.01)
                probability *= rate if failed else 1 - rate
                tests.add(float(at), Interval(failed, 1, 0, 9 * beside))
            else:
                probability *= fell if failed else 1 - fell
                tests.add(float(at), Interval(failed, 10, 1 - failed, 90))
        expected += probability * math.exp(tests.log)
    assert expected <= 1 + 1e-9


@settings(max_examples=50, deadline=None)
@given(_INTERVALS, st.sampled_from([None, 2.0]), st.floats(1, 3))
def test_without_a_stable_slot_there_is_one_test(
    counts: list[tuple[int, int]], ratio: float | None, overdispersion: float
) -> None:
    """Asked to compare it has half of the false alarms, because it might have found something to compare with."""
    tests, alone = both(ratio, 3.0, overdispersion), Evidence(OneSample(0.01), 3.0, overdispersion)
    for at, count in enumerate(counts):
        tests.add(float(at), Interval(*count))
        alone.add(float(at), Interval(*count))
    assert tests.log == pytest.approx(alone.log - (math.log(2) if ratio else 0.0))
    assert tests.binding == ("not_compared" if ratio else "one_sample")
    assert tests.deciding == alone.deciding


def test_the_weaker_test_is_the_one_that_decides() -> None:
    few, many = both(), both()
    for at in range(9):
        # Five times the stable slot's rate, which is bad enough, and far above one percent.
        few.add(float(at), Interval(10, 10, 18, 90))
        # Just above one percent, and nothing at all in the stable slot.
        many.add(float(at), Interval(2, 100, 0, 9000))
    assert (few.binding, many.binding) == ("two_sample", "one_sample")
    for tests in (few, many):
        logs = tests.logs
        assert logs["not_compared"] == -math.inf
        assert tests.log == pytest.approx(min(logs["one_sample"], logs["two_sample"]) - math.log(2))


def test_once_the_stable_slot_is_gone_its_test_keeps_what_it_has_seen() -> None:
    tests = both()
    for at in range(5):
        tests.add(float(at), Interval(0, 10, 0, 90))
    assert tests.binding != "not_compared"
    tests.add(5.0, Interval(0, 10))
    assert tests.binding == "not_compared"
    for at in range(6, 12):
        tests.add(float(at), Interval(3, 10))
    assert (tests.binding, tests.deciding.requests) == ("not_compared", 70)
    assert tests.log > PROOF
    assert tests.logs["two_sample"] < 0
