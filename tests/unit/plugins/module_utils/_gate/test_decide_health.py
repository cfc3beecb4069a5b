# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One health endpoint by its answers alone."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import KINDS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_health import (
    Answer,
    Rule,
    Streak,
    problem_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD = Answer(0.012, 200)
DOWN = Answer(0.005, 503)


class Says:
    """An expression that gives what the body says of itself."""

    text = "ok"

    def search(self, body: t.Any) -> bool:
        if not isinstance(body, dict):
            raise ValueError("secret in the body")
        return body.get("ok") is True


def streak_of(*answers: Answer, rule: Rule | None = None, step_s: float = 1.0, gap_s: float = 2.0) -> Streak:
    streak = Streak(rule or Rule("core-api ready"), gap_s)
    for number, answer in enumerate(answers):
        streak.add(100.0 + number * step_s, answer)
    return streak


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (GOOD, ""),
        (Answer(0.5, 204), ""),
        (DOWN, "HTTP 503, expected 200 or 204"),
        (Answer(0.1, 202), "HTTP 202, expected 200 or 204"),
        (Answer(0.8111, 200), "answered in 812 ms, limit 500 ms"),
        (Answer(0.5001, 200), "answered in 501 ms, limit 500 ms"),
        (Answer(2.0, problem="no answer within 2 s"), "no answer within 2 s"),
        (Answer(0.9), "answered in 900 ms, limit 500 ms"),
        # What is wrong first is said.
        (Answer(0.9, 503), "HTTP 503, expected 200 or 204"),
    ],
)
def test_what_is_wrong_with_an_answer(answer: Answer, problem: str) -> None:
    assert problem_of(Rule("x", (200, 204), max_ms=500), answer) == problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"ok": true}', ""),
        (b'{"ok": false}', "the body does not give true for ok"),
        (b'{"ok": "true"}', "the body does not give true for ok"),
        (b"[1]", "ok cannot be asked of the body"),
        (b"", "the body is no JSON"),
        (b"<html>", "the body is no JSON"),
        (b"\xff\xfe", "the body is no JSON"),
        (b"[" * 100_000, "the body is no JSON"),
    ],
)
def test_what_the_body_says(body: bytes, problem: str) -> None:
    assert problem_of(Rule("x", body=Says()), Answer(0.1, 200, body)) == problem


def test_three_in_a_row_are_proof() -> None:
    states = [streak_of(*[GOOD] * 9, *[DOWN] * number).state() for number in range(4)]
    assert [state.status for state in states] == ["good", "over", "over", "bad"]
    assert states[3].sentence == "core-api ready: 3 failed checks in a row of 3 (HTTP 503, expected 200; 12 checks)"
    assert states[1].sentence == "core-api ready: 1 failed check in a row of 3 (HTTP 503, expected 200; 10 checks)"
    assert states[0].sentence == "core-api ready: HTTP 200 in 12 ms (9 checks)"
    assert (states[3].outside_since, states[3].seen_at) == (109.0, 111.0)
    assert [state.nearness for state in states] == [0.0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]


def test_a_good_answer_in_between_starts_the_row_anew() -> None:
    state = streak_of(DOWN, DOWN, GOOD, DOWN, DOWN).state()
    assert (state.status, state.outside_since) == ("over", 103.0)
    assert streak_of(DOWN, DOWN, GOOD).state().outside_since is None


def test_proof_stays() -> None:
    state = streak_of(GOOD, DOWN, DOWN, DOWN, DOWN, GOOD, GOOD).state()
    assert (state.status, state.outside_since, state.nearness) == ("bad", 101.0, 1.0)
    assert state.sentence == "core-api ready: 4 failed checks in a row of 3 (HTTP 503, expected 200; 7 checks)"


def test_good_time_is_between_good_answers_without_a_gap() -> None:
    assert streak_of(GOOD).state().good_s == 0.0
    assert streak_of(GOOD, GOOD, GOOD).state().good_s == 2.0
    assert streak_of(GOOD, GOOD, DOWN).state().good_s == 0.0
    assert streak_of(GOOD, GOOD, DOWN, GOOD, GOOD).state().good_s == 1.0
    assert streak_of(GOOD, GOOD, GOOD, step_s=2.5).state().good_s == 0.0


def test_nothing_asked_yet_is_not_good() -> None:
    state = streak_of().state()
    assert (state.status, state.seen_at, state.good_s) == ("thin", None, 0.0)
    assert state.sentence == "core-api ready: no check is finished yet"
    json.dumps(state.evidence)


def test_a_slow_answer_is_near_its_limit() -> None:
    rule = Rule("x", max_ms=500, consecutive=2)
    state = streak_of(Answer(0.4, 200), rule=rule).state()
    assert (state.status, state.sentence) == ("good", "x: HTTP 200 in 400 ms, limit 500 ms (1 check)")
    assert state.nearness == pytest.approx(0.4)
    assert streak_of(Answer(0.003), rule=rule).state().sentence == "x: connected in 3 ms, limit 500 ms (1 check)"


def test_evidence_is_the_last_answers() -> None:
    state = streak_of(*[GOOD] * 11, DOWN).state()
    assert len(state.evidence["last"]) == 10
    assert state.evidence["last"][-1] == {
        "after_s": 11.0,
        "http": 503,
        "took_ms": 5.0,
        "problem": "HTTP 503, expected 200",
    }
    assert (state.evidence["failed"], state.counts["valid"]) == (1, 12)
    assert set(state.counts) == set(KINDS)
    # These belong to every check.
    assert not {"name", "service", "weight", "status", "sentence", "good_s", "samples"} & set(state.evidence)


ANSWERS = st.lists(st.sampled_from([GOOD, DOWN, Answer(0.6, 200), Answer(2.0, problem="Connection refused")]))


@settings(max_examples=200)
@given(ANSWERS, st.integers(1, 4), ANSWERS)
def test_bad_is_a_long_enough_row_and_never_ends(before: list[Answer], consecutive: int, after: list[Answer]) -> None:
    rule = Rule("x", max_ms=500, consecutive=consecutive)
    row = "".join("x" if problem_of(rule, answer) else "." for answer in before)
    state = streak_of(*before, rule=rule).state()
    assert (state.status == "bad") == ("x" * consecutive in row)
    assert (state.status == "good") == (row.endswith(".") and "x" * consecutive not in row)
    if state.status == "bad":
        assert streak_of(*before, *after, rule=rule).state().status == "bad"


@settings(max_examples=200)
@given(ANSWERS, st.integers(1, 4))
def test_one_more_failure_never_makes_it_better(answers: list[Answer], consecutive: int) -> None:
    rule = Rule("x", max_ms=500, consecutive=consecutive)
    worse = {"thin": 0, "good": 0, "over": 1, "bad": 2}
    before, after = streak_of(*answers, rule=rule).state(), streak_of(*answers, DOWN, rule=rule).state()
    assert after.status in ("over", "bad")
    assert worse[after.status] >= worse[before.status]
    assert after.good_s == 0.0
