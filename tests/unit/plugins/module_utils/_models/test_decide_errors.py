# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of both versions: difference, rate and segment, each with its own sentence."""

from __future__ import annotations

import json

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_errors import ErrorRule, judge_errors
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Pair, Risks
from hypothesis import given, settings
from hypothesis import strategies as st
from model_samples import answer, pair, single

RULE, RISKS = ErrorRule(), Risks(0.05, 0.0075)
FAILED = answer(None, error="timeout")


def pairs(both: int = 0, challenger: int = 0, champion: int = 0, neither: int = 0, segment: str = "one") -> list[Pair]:
    """By who failed."""
    kinds = [(FAILED, FAILED)] * both + [(answer(), FAILED)] * challenger + [(FAILED, answer())] * champion
    kinds += [(answer(), answer())] * neither
    return [pair(number, one, other, segment) for number, (one, other) in enumerate(kinds)]


@pytest.mark.parametrize(
    ("given_", "word", "part"),
    [
        (pairs(neither=2000), "pass", "at most"),
        (pairs(both=20, challenger=2, champion=2, neither=1976), "pass", "at most"),
        # Bad input fails both, and that is no fault of the challenger.
        (pairs(both=60, neither=1940), "pass", "at most"),
        (pairs(neither=300), "undecided", "more errors than the champion are possible after 300 pairs"),
        (
            pairs(challenger=60, neither=940),
            "fail",
            "6 points more errors than the champion in 1000 pairs, 1 are allowed",
        ),
        (pairs(both=120, neither=880), "fail", "12.00 % errors in 1000 answers, 5 % are allowed"),
        (pairs(), "undecided", "100 points more errors"),
    ],
)
def test_verdicts(given_: list[Pair], word: str, part: str) -> None:
    verdict = judge_errors(given_, [], RULE, RISKS)
    assert verdict.word == word, verdict.reason
    assert part in verdict.reason, verdict.reason
    json.dumps(verdict.evidence, allow_nan=False)


def test_errors_in_one_segment_are_named() -> None:
    verdict = judge_errors(
        pairs(neither=9000, segment="btc") + pairs(challenger=60, neither=340, segment="eth"), [], RULE, RISKS
    )
    assert (verdict.word, verdict.segment) == ("fail", "eth")
    assert verdict.reason == "15 points more errors in segment eth (400 pairs)"


def test_its_own_requests_count_for_its_own_rate() -> None:
    verdict = judge_errors(pairs(neither=2000), [single(n, FAILED) for n in range(400)], RULE, RISKS)
    assert (verdict.word, "16.67 % errors in 2400 answers" in verdict.reason) == ("fail", True)


def test_without_pairs_the_rate_alone_never_passes() -> None:
    assert judge_errors([], [single(n) for n in range(5000)], RULE, RISKS).word == "undecided"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 400))
def test_an_error_of_the_challenger_never_makes_it_look_better(both: int, worse: int, better: int, good: int) -> None:
    one = judge_errors(pairs(both, worse, better, good), [], RULE, RISKS)
    other = judge_errors(pairs(both, worse + 1, better, good), [], RULE, RISKS)
    order = ("pass", "undecided", "fail")
    assert order.index(other.word) >= order.index(one.word)
    low, seen, high = (one.evidence[f"difference{part}"] for part in ("_at_least", "", "_at_most"))
    assert low - 1e-6 <= seen <= high + 1e-6
