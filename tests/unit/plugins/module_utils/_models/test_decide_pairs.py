# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers and labels by request: what is a pair, whether there are enough of them, and which labels are ripe."""

from __future__ import annotations

import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import (
    CoverageRule,
    LabelRule,
    Matched,
    is_right,
    judge_coverage,
    match,
    ripe,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Label, Observation, Pair, Role
from hypothesis import given, settings
from hypothesis import strategies as st
from model_samples import NOW, START, answer, pair, single

#: For each request: who answered, whether it is labelled, how often each record comes.
_REQUESTS = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(1, 3)), min_size=0, max_size=30)


def observed(number: int, role: Role) -> Observation:
    segment = "of the champion" if role == "champion" else "of the challenger"
    return Observation(f"r{number}", role, START + number, segment, answer(role))


@settings(max_examples=100, deadline=None)
@given(_REQUESTS, st.randoms(use_true_random=False))
def test_whatever_the_order_and_however_often_each_request_is_counted_once(
    requests: list[tuple[bool, bool, bool, int]], mixer: random.Random
) -> None:
    observations: list[Observation] = []
    labels: list[Label] = []
    repeated = 0
    for number, (champion, challenger, labelled, times) in enumerate(requests):
        records = [observed(number, "champion")] * champion + [observed(number, "challenger")] * challenger
        observations += records * times
        labels += [Label(f"r{number}", "champion", START)] * labelled * times
        repeated += (times - 1) * (len(records) + labelled)
    mixer.shuffle(observations)
    mixer.shuffle(labels)
    found = match(observations, labels, NOW)
    both = [n for n, (champion, challenger, *_rest) in enumerate(requests) if champion and challenger]
    assert [one.request_id for one in found.pairs] == [f"r{n}" for n in both]
    assert len(found.champion_only) == sum(one[0] and not one[1] for one in requests)
    assert len(found.challenger_only) == sum(one[1] and not one[0] for one in requests)
    assert found.repeated == repeated
    assert found.stray == sum(labelled and not (one or other) for one, other, labelled, _times in requests)
    for one in found.pairs:
        assert (one.champion.output, one.challenger.output) == ("champion", "challenger")
        assert one.segment == "of the champion"
        assert (one.label is not None) == requests[int(one.request_id[1:])][2]


def test_a_request_that_the_slower_one_may_still_answer_is_left_out() -> None:
    observations = [
        observed(1, "champion"),
        observed(1, "challenger"),
        observed(5, "champion"),
        observed(9, "challenger"),
    ]
    found = match(observations, [], START + 4)
    assert (len(found.pairs), found.champion_only, found.challenger_only) == (1, [], [])


def matched(pairs: int, champion_only: int = 0, challenger_only: int = 0) -> Matched:
    return Matched(
        [pair(n) for n in range(pairs)],
        [single(n) for n in range(champion_only)],
        [single(n) for n in range(challenger_only)],
    )


@pytest.mark.parametrize(
    ("given_", "mirrored", "serves", "word", "part"),
    [
        (matched(1000, 9000), 0.1, False, "pass", "1000 of 1000"),
        # 10,000 x 10 % less three standard deviations of 30 is 910, and 95 % of that are 864.5.
        (matched(865, 9135), 0.1, False, "pass", "865 of 910"),
        (matched(860, 9140), 0.1, False, "undecided", "94.5 % of 910"),
        (matched(0, 10_000), 0.1, False, "undecided", "the gateway does not mirror"),
        (matched(0, 10_000), 0.1, False, "undecided", "or the pods of the challenger do not answer: look at them"),
        (matched(0, 3), 0.1, False, "undecided", "no request of 3 was sampled yet"),
        (matched(0), 1.0, False, "undecided", "no request of 0 was sampled yet"),
        # Its answers came, and the champion's records are lost.
        (matched(900, 0, 100), 1.0, False, "undecided", "90.0 % of 1000"),
        # They are requests of its own.
        (matched(900, 0, 100), 1.0, True, "pass", "900 of 900"),
        (matched(0, 10_000, 500), 0.1, True, "undecided", "the gateway does not mirror"),
    ],
)
def test_what_arrives_is_counted_against_what_the_mirror_promises(
    given_: Matched, mirrored: float, serves: bool, word: str, part: str
) -> None:
    verdict = judge_coverage(given_, CoverageRule(mirrored, serves=serves))
    assert (verdict.word, part in verdict.reason) == (word, True), verdict.reason


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.floats(0, 1), st.booleans())
def test_coverage_never_fails_a_version_and_never_passes_without_a_pair(
    pairs: int, champion: int, challenger: int, mirrored: float, serves: bool
) -> None:
    verdict = judge_coverage(matched(pairs, champion, challenger), CoverageRule(mirrored, serves=serves))
    assert verdict.word in ("pass", "undecided")
    assert verdict.word == "undecided" or pairs


@pytest.mark.parametrize(
    ("output", "label", "tolerance", "right"),
    [
        ("up", "up", 0.0, True),
        ("up", "down", 0.5, False),
        (101.0, 100.0, 0.01, True),
        (101.1, 100.0, 0.01, False),
        (-99.0, -100.0, 0.01, True),
        (1.0, "1.0", 1.0, False),
        (None, "up", 1.0, False),
    ],
)
def test_right_is_the_same_class_or_a_number_within_the_tolerance(
    output: str | float | None, label: str | float, tolerance: float, right: bool
) -> None:
    assert is_right(answer(output), label, tolerance) is right
    assert not is_right(answer(output, error="timeout"), label, tolerance)


def labelled(number: int, label_after_s: float) -> Pair:
    one = pair(number, answer("a"), answer("b"), label="a")
    return Pair(one.request_id, one.at, one.segment, one.champion, one.challenger, one.label, one.at + label_after_s)


def test_an_early_label_waits_for_the_late_ones() -> None:
    """At 60 s of maturity: one came early, one late, one is not there yet."""
    given_ = Matched([labelled(0, 5.0), labelled(1, 90.0), pair(2), labelled(10, 1.0)], challenger_only=[single(3)])
    found = ripe(given_, LabelRule(60.0), START + 61)
    assert (len(found.outcomes), found.waiting, found.missing) == (1, 2, 0)
    found = ripe(given_, LabelRule(60.0), START + 200)
    assert [(one.champion, one.challenger) for one in found.outcomes] == [(True, False)] * 3
    assert (found.waiting, found.missing) == (0, 2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100), st.booleans()), max_size=30),
    st.integers(0, 150),
    st.integers(0, 150),
)
def test_what_is_known_never_changes_its_place(records: list[tuple[int, int, bool]], look: int, later: int) -> None:
    """A later look sees the same outcomes first: without that a test that may be looked at often is none."""
    pairs = []
    for number, (at, after, right) in enumerate(records):
        one = pair(number, challenger=answer("a" if right else "b"), label="a")
        begun = START + at
        pairs.append(Pair(one.request_id, begun, str(number), one.champion, one.challenger, "a", begun + after))
    first = ripe(Matched(pairs), LabelRule(30.0), START + min(look, later)).outcomes
    second = ripe(Matched(pairs), LabelRule(30.0), START + max(look, later)).outcomes
    assert list(second[: len(first)]) == list(first)


def test_what_only_the_challenger_answered_says_nothing_of_the_champion() -> None:
    found = ripe(Matched(challenger_only=[single(0, answer("b"), "a")]), LabelRule(0.0), NOW).outcomes
    assert [(one.champion, one.challenger) for one in found] == [(None, False)]
