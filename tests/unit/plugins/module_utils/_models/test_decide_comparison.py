# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole rule: what promotes, what refuses, and that too little never does either."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_agreement import AgreementRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import (
    SHARES,
    Rules,
    compare,
    judge,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import (
    CoverageRule,
    LabelRule,
    Matched,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Verdict, Word
from hypothesis import given, settings
from hypothesis import strategies as st
from model_samples import NOW, START, answer, pair, single, world

RULES = Rules(CoverageRule(1.0), LabelRule(60.0))
UNLABELLED = dataclasses.replace(RULES, labels=None)


def word_of(matched: Matched, check: str, rules: Rules = RULES) -> Word:
    return next(one.word for one in compare(matched, rules, NOW).checks if one.name == check)


def test_a_better_challenger_is_promoted() -> None:
    found = compare(world(6000, challenger=0.92), RULES, NOW)
    assert found.verdict.word == "pass", found.verdict.reason
    assert [one.name for one in found.checks] == [
        "coverage",
        "amount",
        "errors",
        "latency",
        "agreement",
        "accuracy",
        "versus",
    ]
    json.dumps(found.verdict.evidence, allow_nan=False)


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        ({"challenger": 0.75}, "accuracy"),
        ({"challenger": 0.92, "bad": 0.60}, "versus"),
        ({"challenger": 0.92, "slower": 3.0}, "latency"),
        ({"challenger": 0.92, "errors": 0.12}, "errors"),
    ],
)
def test_one_check_is_enough_to_refuse(changed: dict[str, float], check: str) -> None:
    found = compare(world(6000, **changed), RULES, NOW)  # type: ignore[arg-type]
    assert found.verdict.word == "fail"
    assert f"{check}: " in found.verdict.reason
    assert found.worst == ("s9" if "bad" in changed else found.worst)


def test_the_worst_segment_is_named_without_a_failure_too() -> None:
    found = compare(world(2500, challenger=0.87, bad=0.80), RULES, NOW)
    assert found.verdict.word == "undecided"
    assert found.worst


def test_an_equal_challenger_stays_where_it_is() -> None:
    assert compare(world(6000, challenger=0.87), RULES, NOW).verdict.word == "undecided"


@pytest.mark.parametrize(
    ("matched", "check"),
    [
        (world(900, challenger=0.99), "amount"),
        (Matched([dataclasses.replace(one, at=START) for one in world(6000).pairs]), "amount"),
        (dataclasses.replace(world(6000), champion_only=[single(n) for n in range(1000)]), "coverage"),
        (Matched(champion_only=[single(n) for n in range(1000)]), "coverage"),
        (Matched(), "coverage"),
    ],
)
def test_too_little_never_passes(matched: Matched, check: str) -> None:
    assert compare(matched, RULES, NOW).verdict.word == "undecided"
    assert word_of(matched, check) == "undecided"


def test_too_little_excuses_nothing() -> None:
    """A hundred pairs that all fail are proof, whatever else is missing."""
    bad = [pair(n, answer(), answer(None, error="crash"), label="a") for n in range(100)]
    found = compare(Matched(bad), RULES, NOW)
    assert found.verdict.word == "fail"
    assert "errors: " in found.verdict.reason


def test_without_labels_somebody_has_to_say_how_much_agreement_is_enough() -> None:
    same = Matched([dataclasses.replace(one, challenger=one.champion) for one in world(3000).pairs])
    found = compare(same, UNLABELLED, NOW)
    assert found.verdict.word == "undecided"
    assert "neither labels nor a least agreement" in found.verdict.reason
    rules = dataclasses.replace(UNLABELLED, agreement=AgreementRule(0.95))
    assert compare(same, rules, NOW).verdict.word == "pass"
    different = compare(world(3000), rules, NOW)
    assert (different.verdict.word, different.worst != "") == ("fail", True)


def test_drift_keeps_from_passing_and_never_fails() -> None:
    rng = random.Random(1)
    pairs = [
        dataclasses.replace(one, champion=dataclasses.replace(one.champion, score=rng.random()))
        for one in world(6000, challenger=0.92).pairs
    ]
    before, other = ([rng.random() + shift for _ in range(3000)] for shift in (0.0, 0.5))
    assert compare(Matched(pairs), RULES, NOW, before).verdict.word == "pass"
    found = compare(Matched(pairs), RULES, NOW, other)
    assert (found.verdict.word, "drift: PSI" in found.verdict.reason) == ("undecided", True)


def test_labels_that_wait_and_that_are_missing_are_told() -> None:
    matched = Matched([*world(10).pairs, pair(10)], challenger_only=[single(11, label="a")])
    evidence = compare(matched, RULES, START + 65).verdict.evidence["accuracy"]
    assert (evidence["labels"], evidence["waiting"], evidence["missing"]) == (6, 5, 0)


def test_the_risk_of_a_false_failure_is_given_out_once() -> None:
    assert sum(SHARES.values()) == pytest.approx(1.0)
    assert sum(RULES.risks(check).failing for check in SHARES) == pytest.approx(RULES.false_fail)


_CHECKS = st.lists(
    st.builds(
        Verdict,
        st.sampled_from(["coverage", "amount", "errors", "latency", "agreement", "accuracy", "versus", "drift"]),
        st.sampled_from(["pass", "fail", "undecided"]),
        st.just("because"),
        segment=st.sampled_from(["", "btc"]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one.name,
)


@settings(max_examples=200, deadline=None)
@given(_CHECKS)
def test_all_have_to_pass_and_only_what_is_about_the_version_fails_it(checks: list[Verdict]) -> None:
    found = judge(checks)
    assert (found.word == "pass") == all(one.word == "pass" for one in checks)
    blaming = [one for one in checks if one.word == "fail" and one.name not in ("coverage", "amount", "drift")]
    assert (found.word == "fail") == bool(blaming)
    assert set(found.evidence) == {one.name for one in checks}
    assert all(f"{one.name}: because" in found.reason for one in blaming)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 120), st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_a_hundred_pairs_never_promote(pairs: int, champion: float, challenger: float, seed: int) -> None:
    matched = world(pairs, champion=champion, challenger=challenger, seed=seed)
    assert compare(matched, RULES, NOW).verdict.word != "pass"
