# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Agreement: Wilson's bounds beside published ones, and the slices that differ most."""

from __future__ import annotations

import json

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_agreement import (
    AgreementRule,
    agree,
    judge_agreement,
    wilson,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Answer, Pair
from hypothesis import given, settings
from hypothesis import strategies as st
from model_samples import answer, pair


@pytest.mark.parametrize(
    ("hits", "number", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(hits: int, number: int, low: float, high: float) -> None:
    """Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3."""
    assert wilson(hits, number, 1.959964) == pytest.approx((low, high), abs=5e-5)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_the_bounds_enclose_the_share_and_mirror(hits: int, misses: int) -> None:
    low, high = wilson(hits, hits + misses)
    assert 0 <= low <= high <= 1
    if hits + misses:
        assert low - 1e-12 <= hits / (hits + misses) <= high + 1e-12
    assert wilson(misses, hits + misses) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(
    ("one", "other", "score_off", "same"),
    [
        (answer("a"), answer("a"), None, True),
        (answer("a"), answer("b"), None, False),
        (answer("a", score=0.4), answer("b", score=0.5), 0.11, True),
        (answer("a", score=0.4), answer("a", score=0.6), 0.11, False),
        (answer(100.0), answer(101.0), 2.0, True),
        (answer("a"), answer("a"), 0.1, False),
    ],
)
def test_agree(one: Answer, other: Answer, score_off: float | None, same: bool) -> None:
    assert agree(one, other, score_off) is same
    assert agree(other, one, score_off) is same


def pairs(same: int, other: int, segment: str = "one") -> list[Pair]:
    return [pair(n, answer("a"), answer("a" if n < same else "b"), segment) for n in range(same + other)]


@pytest.mark.parametrize(
    ("given_", "least", "word"),
    [
        (pairs(990, 10), 0.95, "pass"),
        (pairs(96, 4), 0.95, "undecided"),
        # Fewer than required were seen, and more than that may be true.
        (pairs(94, 6), 0.95, "undecided"),
        (pairs(900, 100), 0.95, "fail"),
        (pairs(0, 0), 0.95, "undecided"),
        (pairs(10, 990), None, "pass"),
    ],
)
def test_verdicts(given_: list[Pair], least: float | None, word: str) -> None:
    verdict = judge_agreement(given_, AgreementRule(least))
    assert verdict.word == word, verdict.reason
    json.dumps(verdict.evidence, allow_nan=False)


def test_the_worst_slices_are_named_and_tiny_ones_are_not() -> None:
    given_ = pairs(900, 10, "btc") + pairs(300, 100, "eth") + pairs(60, 10, "sol") + pairs(0, 20, "new")
    verdict = judge_agreement(given_, AgreementRule(0.95))
    assert (verdict.word, verdict.segment) == ("fail", "eth")
    assert [one["segment"] for one in verdict.evidence["slices"]] == ["eth", "sol", "btc"]
    assert "fewest in segment eth" in verdict.reason


def test_errors_are_no_disagreement() -> None:
    failed = [pair(n, answer("a"), answer(None, error="timeout")) for n in range(500)]
    verdict = judge_agreement(pairs(1000, 0) + failed, AgreementRule(0.95))
    assert (verdict.word, verdict.evidence["pairs"]) == ("pass", 1000)
