# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Champion and challenger on requests of their own: a canary, an A/B test, and the watch after a promotion."""

from __future__ import annotations

import dataclasses
import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_agreement import AgreementRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import (
    Comparison,
    Rules,
    compare,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import (
    CoverageRule,
    LabelRule,
    Matched,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Pair, Single
from hypothesis import given
from hypothesis import strategies as st
from model_samples import NOW, answer, single

RULES = Rules(CoverageRule(0.0, serves=True), LabelRule(60.0), share=0.5)
ALL = dataclasses.replace(RULES, share=1.0)
#: Callers without a bucket are the champion's.
BUCKETS = dataclasses.replace(RULES, share=None)


def requests(
    number: int, right: float, *, ms: float = 10.0, errors: float = 0.0, seed: int = 1, labels: bool = True
) -> list[Single]:
    """One a second; so often right, and so often an error."""
    rng = random.Random(seed)
    return [
        single(
            one,
            answer(
                "a" if rng.random() < right else "b",
                ms * rng.lognormvariate(0, 0.5),
                error="timeout" if rng.random() < errors else "",
            ),
            "a" if labels else None,
        )
        for one in range(number)
    ]


def seen(champion: list[Single], challenger: list[Single], rules: Rules = RULES) -> Comparison:
    return compare(Matched([], champion, challenger), rules, NOW)


def word(found: Comparison, name: str) -> str:
    return next(one.word for one in found.checks if one.name == name)


def test_a_good_version_passes_without_a_pair() -> None:
    found = seen(requests(4000, 0.90), requests(4000, 0.92, seed=2))
    assert found.verdict.word == "pass", found.verdict.reason
    assert [one.name for one in found.checks] == ["coverage", "amount", "errors", "latency", "accuracy", "versus"]


def test_all_of_the_traffic_leaves_nothing_to_be_held_against() -> None:
    # What was under way when the champion lost it stands for nothing.
    found = seen(requests(20, 0.1, errors=0.9), requests(4000, 0.92), ALL)
    assert found.verdict.word == "pass", found.verdict.reason
    assert [one.name for one in found.checks] == ["coverage", "amount", "errors", "accuracy"]


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (requests(4000, 0.92, errors=0.10, seed=2), "errors"),
        (requests(4000, 0.92, errors=0.045, seed=2), "errors"),
        (requests(4000, 0.92, ms=30.0, seed=2), "latency"),
        (requests(4000, 0.75, seed=2), "accuracy"),
        (requests(4000, 0.88, seed=2), "versus"),
    ],
    ids=["more errors than allowed", "more errors than the champion", "slower", "below the minimum", "worse"],
)
def test_a_bad_version_fails(bad: list[Single], name: str) -> None:
    found = seen(requests(4000, 0.97), bad)
    assert found.verdict.word == "fail"
    assert word(found, name) == "fail"
    assert name in found.verdict.reason


def test_too_little_is_not_enough() -> None:
    found = seen(requests(60, 0.9), requests(50, 0.95, seed=2))
    assert found.verdict.word == "undecided"
    assert {word(found, name) for name in ("amount", "errors", "accuracy")} == {"undecided"}
    assert word(seen(requests(40, 0.9), []), "coverage") == "undecided"


def test_what_is_lost_on_the_way_is_missed() -> None:
    found = seen(requests(4000, 0.9), requests(1100, 0.95, seed=2))
    assert word(found, "coverage") == "undecided"
    assert "21.6 % of 5100 answers are the challenger's, and it has 50 % of the traffic" in found.verdict.reason
    assert word(seen(requests(4000, 0.9), requests(1100, 0.95, seed=2), BUCKETS), "coverage") == "pass"


def test_a_request_that_was_tried_again_counts_for_both() -> None:
    failed = [
        Pair(one.request_id, one.at, one.segment, answer(), answer(None, error="reset"), one.label, one.label_at)
        for one in requests(1000, 1.0, seed=3)
    ]
    found = compare(Matched(failed, requests(3000, 0.9), requests(3000, 0.95, seed=2)), RULES, NOW)
    assert word(found, "errors") == "fail"


def test_a_segment_that_is_proven_worse_is_named() -> None:
    def there(right: float, seed: int) -> list[Single]:
        return [dataclasses.replace(one, segment="SOL-USD/sell") for one in requests(600, right, seed=seed)]

    def rest(right: float, seed: int) -> list[Single]:
        return [dataclasses.replace(one, at=one.at + 600.0) for one in requests(4000, right, seed=seed)]

    found = seen([*there(0.9, 1), *rest(0.9, 2)], [*there(0.6, 3), *rest(0.95, 4)])
    assert (word(found, "versus"), found.worst) == ("fail", "SOL-USD/sell")
    assert "proven to be worse in segment SOL-USD/sell" in found.verdict.reason


def test_in_an_ab_test_the_champion_has_other_callers() -> None:
    found = seen(requests(4000, 0.97), requests(4000, 0.88, errors=0.02, seed=2), BUCKETS)
    assert (word(found, "versus"), word(found, "errors")) == ("pass", "pass")
    assert seen(requests(4000, 0.97), requests(4000, 0.9, errors=0.10, seed=2), BUCKETS).verdict.word == "fail"


def test_without_labels_nobody_knows_whether_it_is_right() -> None:
    bare = dataclasses.replace(RULES, labels=None, agreement=AgreementRule(least=0.9))
    found = seen(requests(4000, 0.9, labels=False), requests(4000, 0.9, seed=2, labels=False), bare)
    assert found.verdict.word == "undecided"
    assert found.verdict.reason.startswith("agreement: no label says whether its answers are right")


def test_a_label_that_is_not_ripe_does_not_count() -> None:
    challenger = requests(4000, 0.2)
    young = compare(Matched([], requests(4000, 0.9), challenger), RULES, challenger[0].at + 59.0)
    assert word(young, "versus") == "pass"
    assert "0 labels" in next(one.reason for one in young.checks if one.name == "versus")


@given(st.integers(1, 400), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(0, 1000))
def test_the_same_version_beside_itself_is_not_proven_worse(
    number: int, right: float, errors: float, seed: int
) -> None:
    same = requests(number, right, errors=errors, seed=seed)
    found = seen(same, same)
    assert word(found, "versus") != "fail"
    assert word(found, "latency") != "fail"
