# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder: no step without a pass of its own, and a failure from any step leads to nothing."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import (
    WEIGHTS,
    Ladder,
    Position,
    Strategy,
    ladder_problem,
    next_step,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Verdict, Word
from hypothesis import given, settings
from hypothesis import strategies as st

CANARY = Ladder("canary", WEIGHTS["canary"])
_STRATEGY = st.sampled_from(list(WEIGHTS))
_WORD = st.sampled_from(["pass", "fail", "undecided"])


def verdict(word: Word) -> Verdict:
    return Verdict("comparison", word, f"the reason of {word}")


def test_every_strategy_has_a_ladder_that_can_be_climbed() -> None:
    assert set(WEIGHTS) == set(t.get_args(Strategy))
    assert [ladder_problem(Ladder(strategy, weights)) for strategy, weights in WEIGHTS.items()] == [""] * len(WEIGHTS)


@pytest.mark.parametrize(
    ("strategy", "weights", "part"),
    [
        ("canary", (), "give at least one"),
        ("canary", (5, 101), "from 0 to 100"),
        ("ab", (-1,), "from 0 to 100"),
        ("canary", (5, 25, 25, 100), "more than the one before"),
        ("canary", (25, 5, 100), "more than the one before"),
        ("canary", (5, 50), "ends with 100"),
        ("direct", (50,), "ends with 100"),
        ("ab", (50,), ""),
    ],
)
def test_a_ladder_that_nobody_can_climb_is_refused(strategy: Strategy, weights: tuple[int, ...], part: str) -> None:
    problem = ladder_problem(Ladder(strategy, weights))
    assert part in problem
    assert bool(problem) == bool(part)


def test_the_whole_way_up() -> None:
    at, seen = Position(0, 600.0), [CANARY.weights[0]]
    while (step := next_step(CANARY, at, verdict("pass"))).action == "advance":
        seen.append(step.weight)
        at = Position(at.step + 1, 600.0)
    assert seen == [5, 25, 50, 100]
    assert (step.action, step.weight) == ("promote", 100)


def test_what_has_to_hold_for_the_next_step_is_said() -> None:
    step = next_step(CANARY, Position(0, 100.0), verdict("undecided"))
    assert (step.action, step.weight, step.needs) == (
        "wait",
        5,
        (
            "the comparison passes on what is seen at 5 %",
            "500 s more at 5 %",
            "capacity for 25 % is ready before the shift",
        ),
    )
    assert next_step(CANARY, Position(0, 700.0), verdict("pass")).needs[0].endswith("at 25 %")
    assert "the shadow" in next_step(Ladder("shadow", (0,)), Position(0, 0.0), verdict("undecided")).needs[0]


@settings(max_examples=200, deadline=None)
@given(_STRATEGY, st.integers(0, 3), st.floats(0, 2e5), st.booleans(), _WORD)
def test_no_step_without_a_pass_and_none_that_skips_one(
    strategy: Strategy, step: int, in_step_s: float, promoted: bool, word: Word
) -> None:
    ladder = Ladder(strategy, WEIGHTS[strategy])
    at = Position(step % len(ladder.weights), in_step_s, promoted)
    found = next_step(ladder, at, verdict(word))
    now = ladder.weights[at.step]
    if word == "fail":
        assert (found.action, found.weight) == ("roll_back", 0)
    elif found.action == "advance":
        assert word == "pass" and in_step_s >= ladder.step_min_s
        assert found.weight == ladder.weights[at.step + 1]
    elif found.action == "promote":
        assert now == 100 and (strategy == "direct" or word == "pass")
    elif found.action == "roll_back":
        assert word == "undecided" and in_step_s >= ladder.step_max_s and not promoted
    else:
        assert found.weight == now
    assert found.reason


def test_evidence_is_not_awaited_for_ever_and_nobody_is_blamed() -> None:
    found = next_step(CANARY, Position(1, 86_400.0), verdict("undecided"))
    assert found.action == "roll_back"
    assert found.reason.startswith("not enough evidence within 86400 s, 86400 are allowed: ")


def test_the_champion_stays_until_something_is_proven_against_it() -> None:
    watch = Position(3, 1e9, promoted=True)
    assert next_step(CANARY, watch, verdict("undecided")).action == "wait"
    assert next_step(CANARY, watch, verdict("pass")).action == "wait"
    assert next_step(CANARY, watch, verdict("fail")).action == "roll_back"


@pytest.mark.parametrize(("strategy", "action"), [("shadow", "ready"), ("ab", "ready"), ("direct", "promote")])
def test_where_a_strategy_ends(strategy: Strategy, action: str) -> None:
    found = next_step(Ladder(strategy, WEIGHTS[strategy]), Position(0, 600.0), verdict("pass"))
    assert (found.action, found.weight) == (action, WEIGHTS[strategy][-1])


def test_an_emergency_waits_for_no_evidence() -> None:
    direct = Ladder("direct", WEIGHTS["direct"])
    assert next_step(direct, Position(0, 0.0), verdict("undecided")).action == "promote"
    assert next_step(direct, Position(0, 0.0), verdict("fail")).action == "roll_back"
