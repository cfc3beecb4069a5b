# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bets on counts: what they promise at every look, and how tight the bounds are."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_evidence import (
    BETS,
    log_evidence,
    lower_bound,
    upper_bound,
)
from hypothesis import given, settings
from hypothesis import strategies as st

_COUNTS = st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
_SHARE = st.floats(0.001, 0.999)


def ternary(counts: tuple[int, int, int]) -> dict[float, int]:
    return {-1.0: counts[0], 0.0: counts[1], 1.0: counts[2]}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), _SHARE, st.floats(0, 1))
def test_below_the_limit_no_answer_makes_the_stake_grow_on_average(
    hits: int, misses: int, limit: float, part: float
) -> None:
    """After whatever came before: that is what makes it hold at every look."""
    before, true = log_evidence({1.0: hits, 0.0: misses}, limit, 0.0), part * limit
    hit = log_evidence({1.0: hits + 1, 0.0: misses}, limit, 0.0) - before
    miss = log_evidence({1.0: hits, 0.0: misses + 1}, limit, 0.0) - before
    assert true * math.exp(hit) + (1 - true) * math.exp(miss) <= 1 + 1e-9


@settings(max_examples=100, deadline=None)
@given(_COUNTS, st.floats(-0.9, 0.9), st.floats(0, 1), st.floats(0, 1))
def test_neither_does_a_pair(counts: tuple[int, int, int], limit: float, same: float, part: float) -> None:
    """Three values with a mean at the limit or below."""
    mean = -1 + part * (limit + 1)
    worse = (1 - same) * (1 + mean) / 2
    better = (1 - same) * (1 - mean) / 2
    if worse - better > limit:
        return
    before = log_evidence(ternary(counts), limit, -1.0)
    grown = 0.0
    for place, share in enumerate((better, same, worse)):
        more = [*counts]
        more[place] += 1
        grown += share * math.exp(log_evidence(ternary((more[0], more[1], more[2])), limit, -1.0) - before)
    assert grown <= 1 + 1e-9


def test_whoever_stops_at_the_best_look_still_wins_no_more_than_promised() -> None:
    """Every sequence of twelve answers with its probability, looked at after each: Ville's inequality, exactly."""
    true = limit = 0.3
    won = {0.05: 0.0, 0.2: 0.0}
    for outcome in itertools.product((0, 1), repeat=12):
        probability = math.prod(true if hit else 1 - true for hit in outcome)
        hits = list(itertools.accumulate(outcome))
        best = max(log_evidence({1.0: hit, 0.0: n - hit}, limit, 0.0) for n, hit in enumerate(hits, start=1))
        for alpha in won:
            won[alpha] += probability * (best > -math.log(alpha))
    assert all(0 < share <= alpha for alpha, share in won.items()), won


def test_without_any_answer_there_is_no_evidence_and_no_bound() -> None:
    assert log_evidence({}, 0.5, 0.0) == 0.0
    assert (lower_bound({}, 0.0, 0.05), upper_bound({}, 1.0, 0.05)) == (0.0, 1.0)


@settings(max_examples=60, deadline=None)
@given(_COUNTS, st.floats(1e-6, 0.5))
def test_the_bounds_enclose_what_was_seen(counts: tuple[int, int, int], alpha: float) -> None:
    seen = ternary(counts)
    low, high = lower_bound(seen, -1.0, alpha), upper_bound(seen, 1.0, alpha)
    mean = (counts[2] - counts[0]) / max(1, sum(counts))
    assert -1 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1
    assert high == pytest.approx(-lower_bound(ternary((counts[2], counts[1], counts[0])), -1.0, alpha))
    assert lower_bound(seen, -1.0, alpha / 10) <= low + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 500), st.integers(1, 500), st.floats(1e-4, 0.5))
def test_the_bound_is_where_the_stake_is_the_proof(hits: int, misses: int, alpha: float) -> None:
    counts = {1.0: hits, 0.0: misses}
    low = lower_bound(counts, 0.0, alpha)
    if low > 1e-6:
        assert log_evidence(counts, low * (1 - 1e-6), 0.0) >= -math.log(alpha) - 1e-3
    assert log_evidence(counts, min(0.999999, low + 1e-6), 0.0) <= -math.log(alpha) + 1e-3


@settings(max_examples=60, deadline=None)
@given(_COUNTS, st.floats(0.001, 0.3))
def test_one_more_loss_never_lowers_the_bound(counts: tuple[int, int, int], alpha: float) -> None:
    before = lower_bound(ternary(counts), -1.0, alpha)
    assert lower_bound(ternary((counts[0], counts[1], counts[2] + 1)), -1.0, alpha) >= before - 1e-9


def test_without_any_failure_the_bound_is_twice_that_of_one_look() -> None:
    """The rule of three (ln 20 / n) is for who looks once; any look costs less than twice as much."""
    for number in (100, 1000, 10_000):
        bound = upper_bound({0.0: number}, 1.0, 0.05)
        assert 3.0 / number < bound < 6.0 / number


def test_at_any_look_the_bound_holds_but_for_its_risk() -> None:
    """300 runs of 2,000 requests, looked at 40 times. One look at 5 % would be wrong in a third of the runs at one of
    them."""
    rng, wrong = random.Random(1), 0
    for _run in range(300):
        hits = 0
        for look in range(1, 41):
            hits += sum(rng.random() < 0.02 for _request in range(50))
            counts = {1.0: hits, 0.0: 50 * look - hits}
            # The same as a lower bound above 2 %, without searching for it.
            if log_evidence(counts, 0.02, 0.0) > -math.log(0.05):
                wrong += 1
                break
    assert wrong <= 300 * 0.05


def test_no_share_of_the_stake_is_all_of_it() -> None:
    """After losing everything there is nothing left to win with."""
    assert all(0 < bet < 1 for bet in BETS)
