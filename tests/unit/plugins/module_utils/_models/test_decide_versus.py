# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Champion against challenger: McNemar's test beside known values, gain, and the worst segment."""

from __future__ import annotations

import json
import math

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import Outcome
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_segments import Balance
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_versus import (
    VersusRule,
    judge_balances,
    judge_versus,
    mcnemar,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Risks
from hypothesis import given, settings
from hypothesis import strategies as st
from model_samples import outcomes

RULE, RISKS = VersusRule(), Risks(0.05, 0.01)


def test_mcnemar_as_known() -> None:
    """40 against 20: 0.0135, as the exact two-sided binomial test of SciPy has it. 10 against 1: 2 * 12 / 2048."""
    assert mcnemar(20, 40) == pytest.approx(0.0135, abs=5e-5)
    assert mcnemar(40, 20) == mcnemar(20, 40)
    assert mcnemar(1, 10) == pytest.approx(2 * 12 / 2048)
    assert (mcnemar(0, 0), mcnemar(7, 7)) == (1.0, 1.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_sum_of_all_that_is_as_far_off(worse: int, better: int) -> None:
    total = worse + better
    far = abs(worse - better)
    exact = sum(math.comb(total, k) for k in range(total + 1) if abs(2 * k - total) >= far) / 2**total
    assert mcnemar(worse, better) == pytest.approx(exact)


@pytest.mark.parametrize(
    ("worse", "same", "better", "word", "part"),
    [
        (300, 4000, 450, "pass", "3.16 points more right than the champion (450 gained and 300 lost of 4750 labels)"),
        (400, 4000, 400, "undecided", "more than 0 are required"),
        (800, 4000, 500, "fail", "5.66 points fewer right in segment one"),
        (0, 100, 60, "undecided", "1000 labels are needed"),
        (0, 0, 0, "undecided", "1000 labels are needed"),
    ],
)
def test_verdicts(worse: int, same: int, better: int, word: str, part: str) -> None:
    verdict = judge_versus(outcomes(worse, same, better), RULE, RISKS)
    assert (verdict.word, part in verdict.reason) == (word, True), verdict.reason
    json.dumps(verdict.evidence, allow_nan=False)


def test_a_small_p_value_alone_promotes_nobody() -> None:
    """It is below 5 %, and with so many looks as a shadow has it would have been at some of them in any case."""
    verdict = judge_versus(outcomes(400, 3000, 460), RULE, RISKS)
    assert verdict.evidence["mcnemar_p"] < 0.05
    assert verdict.word == "undecided"


def test_as_good_is_enough_where_that_is_asked_for() -> None:
    """One that is cheaper or faster need not be better."""
    found = outcomes(400, 9000, 400)
    assert judge_versus(found, VersusRule(gain_min=-0.02), RISKS).word == "pass"
    assert judge_versus(found, VersusRule(gain_min=-0.001), RISKS).word == "undecided"
    assert judge_versus(found, VersusRule(gain_min=0.10), RISKS).word == "fail"


def test_better_in_all_and_much_worse_for_a_few_is_refused_and_named() -> None:
    parts = {f"s{n}": Balance(87, 796, 117) for n in range(19)} | {"btc": Balance(287, 626, 87)}
    verdict = judge_balances(parts, RULE, RISKS)
    assert (verdict.word, verdict.segment, verdict.reason) == (
        "fail",
        "btc",
        "20 points fewer right in segment btc (1000 labels)",
    )
    assert verdict.evidence["gain_at_least"] > 0


def test_a_segment_of_which_too_little_is_known_keeps_it_from_passing() -> None:
    parts = {"big": Balance(870, 7960, 1170), "few": Balance(70, 180, 70)}
    verdict = judge_balances(parts, RULE, RISKS)
    assert (verdict.word, verdict.segment) == ("undecided", "few")
    assert "are possible in segment few after 320 labels, and 10 have to be ruled out" in verdict.reason


def test_only_what_both_answered_is_compared() -> None:
    alone = [Outcome("one", None, True)] * 5000
    assert judge_versus(alone, RULE, RISKS).evidence["labels"] == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500), st.integers(0, 2000), st.integers(0, 500))
def test_one_is_never_better_than_the_other_and_worse(worse: int, same: int, better: int) -> None:
    """What passes one way never passes the other way."""
    one = judge_balances({"s": Balance(worse, same, better)}, RULE, RISKS)
    other = judge_balances({"s": Balance(better, same, worse)}, RULE, RISKS)
    assert "pass" not in (one.word, other.word) or one.word != other.word
    assert one.word != "pass" or (one.evidence["labels"] >= RULE.least and better > worse)
