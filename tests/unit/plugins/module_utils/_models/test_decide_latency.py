# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Percentiles by order statistics: ranks at every look, and the verdict on both percentiles."""

from __future__ import annotations

import json
import math
import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_latency import (
    Between,
    LatencyRule,
    between,
    judge_latency,
    ranks,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Risks
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_answers import tail
from hypothesis import given, settings
from hypothesis import strategies as st

RULE, RISKS = LatencyRule(), Risks(0.05, 0.0075)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.sampled_from([0.5, 0.95, 0.99]), st.floats(0.001, 0.2))
def test_ranks_enclose_the_quantile_and_are_wider_than_for_one_look(number: int, quantile: float, alpha: float) -> None:
    low, high = ranks(number, quantile, alpha)
    assert 0 <= low <= math.ceil(number * quantile)
    assert number * quantile <= high <= number + 1
    # The exact ranks for one look: no more than alpha of the binomial distribution is beyond them.
    if low:
        assert tail(low - 1, number, quantile) <= alpha
    if high <= number:
        assert tail(high, number, quantile) <= alpha


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 3000), st.floats(0.001, 0.2))
def test_more_answers_bring_the_ranks_closer(number: int, alpha: float) -> None:
    low, high = ranks(number, 0.95, alpha)
    nearer, farther = ranks(4 * number, 0.95, alpha)
    assert (farther - nearer) / (4 * number) <= (high - low) / number + 1e-9


def test_how_many_answers_a_bound_needs() -> None:
    """For one look it is ln 0.05 / ln 0.99 = 299, and 59 for the 95th."""
    least = {
        quantile: next(n for n in range(1, 2000) if ranks(n, quantile, 0.025)[1] <= n) for quantile in (0.95, 0.99)
    }
    assert least == {0.95: 121, 0.99: 618}


@pytest.mark.parametrize("quantile", [0.95, 0.99])
def test_at_any_look_the_true_quantile_is_between(quantile: float) -> None:
    """Exponential: its quantile is -ln(1 - q). 200 runs, looked at 20 times each."""
    rng, outside, true = random.Random(1), 0, -math.log(1 - quantile)
    for _run in range(200):
        seen: list[float] = []
        for _look in range(20):
            seen += [rng.expovariate(1.0) for _request in range(60)]
            found = between(sorted(seen), quantile, 0.025)
            if not found.low <= true <= found.high:
                outside += 1
                break
    assert outside <= 200 * 0.05


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=200), st.sampled_from([2, 8]))
def test_the_unit_does_not_matter(values: list[int], factor: int) -> None:
    one = between(sorted(values), 0.95, 0.05)
    other = between(sorted(factor * value for value in values), 0.95, 0.05)
    assert other == Between(factor * one.low, factor * one.seen, factor * one.high)
    assert one.low <= one.seen <= one.high


def lognormal(number: int, factor: float = 1.0, seed: int = 1) -> list[float]:
    rng = random.Random(seed)
    return [factor * rng.lognormvariate(3.0, 0.4) for _request in range(number)]


@pytest.mark.parametrize(
    ("factor", "number", "word"),
    [(1.0, 3000, "pass"), (1.2, 3000, "pass"), (3.0, 3000, "fail"), (1.5, 3000, "undecided"), (1.0, 300, "undecided")],
)
def test_verdicts(factor: float, number: int, word: str) -> None:
    verdict = judge_latency(lognormal(number), lognormal(number, factor, 2), RULE, RISKS)
    assert verdict.word == word, verdict.reason
    json.dumps(verdict.evidence, allow_nan=False)


def test_a_slow_tail_alone_fails() -> None:
    """Two percent of its answers wait: the p95 is as good as before."""
    slow = [one if number % 50 else 40 * one for number, one in enumerate(lognormal(5000, seed=2))]
    verdict = judge_latency(lognormal(5000), slow, RULE, RISKS)
    assert (verdict.word, verdict.reason.startswith("p99 ")) == ("fail", True)


def test_a_few_milliseconds_are_no_harm() -> None:
    fast = lognormal(3000, 0.05)
    assert judge_latency(fast, [one + 2 for one in fast], RULE, RISKS).word == "pass"
    assert judge_latency(fast, [one + 9 for one in fast], RULE, RISKS).word == "fail"


def test_nothing_to_compare_is_undecided() -> None:
    assert judge_latency([], lognormal(5000), RULE, RISKS).word == "undecided"
    assert judge_latency(lognormal(5000), [], RULE, RISKS).word == "undecided"
