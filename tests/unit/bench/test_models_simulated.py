# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated labels: the rule for many versions at once says what the module's own code says."""

from __future__ import annotations

import numpy as np
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_accuracy import judge_accuracy

from bench.command import written_before
from bench.gate.tables import filled
from bench.models import judged, simulated, tables
from bench.models.__main__ import BENCH
from bench.models.simulated import LABELS, LOOK, NEVER, RULE, RULES, SUBJECTS, Ints
from bench.results import OURS


def right_of(*parts: tuple[float, int], runs: int = 4, seed: int = 1) -> Ints:
    accuracy = np.concatenate([np.full(labels, share) for share, labels in parts])
    return simulated.labels_of(accuracy, runs, seed)


def pure(right: Ints, run: int) -> int:
    """The module's verdict at every look."""
    outcomes = [bool(one) for one in np.diff(right[:, run])]
    for labels in range(LOOK, len(outcomes) + 1, LOOK):
        if judge_accuracy(outcomes[:labels], RULE, RULES.risks("accuracy")).word == "fail":
            return labels
    return NEVER


@pytest.mark.parametrize(
    "right",
    [
        right_of((0.80, 1500)),
        right_of((0.81, 1500), seed=2),
        right_of((0.87, 1030), (0.5, 170)),
        right_of((0.90, 1000), (0.75, 600)),
    ],
)
def test_many_at_once_fail_when_the_pure_rule_fails_them(right: Ints) -> None:
    found = SUBJECTS[OURS](right).tolist()
    assert found == [pure(right, run) for run in range(right.shape[1])]
    assert any(one < NEVER for one in found)


@pytest.mark.parametrize("accuracy", [0.87, 0.92])
def test_many_at_once_pass_when_the_pure_rule_passes_them(accuracy: float) -> None:
    right = right_of((accuracy, 1500))
    outcomes = [[bool(one) for one in np.diff(right[:, run])] for run in range(right.shape[1])]
    first = [
        next(
            (
                labels
                for labels in range(LOOK, 1501, LOOK)
                if judge_accuracy(one[:labels], RULE, RULES.risks("accuracy")).word == "pass"
            ),
            NEVER,
        )
        for one in outcomes
    ]
    assert simulated.passes(right).tolist() == first
    assert accuracy < 0.9 or any(one < NEVER for one in first)


def test_plain_rules_by_hand() -> None:
    """45 of the first 50, then 30 of 50, then all."""
    outcomes = [True] * 45 + [False] * 5 + [True] * 30 + [False] * 20 + [True] * 100
    right = np.concatenate([[0], np.cumsum(outcomes)])[:, None]
    assert simulated.naive(right).tolist() == [100]
    assert simulated.z_test(right).tolist() == [100]
    assert simulated.plain_floor(right, 0.75).tolist() == [NEVER]
    assert simulated.plain_floor(right, 0.76).tolist() == [100]


def test_the_same_seed_has_the_same_labels() -> None:
    accuracy = np.full(100, 0.5)
    assert (simulated.labels_of(accuracy, 3, 7) == simulated.labels_of(accuracy, 3, 7)).all()
    assert (simulated.labels_of(accuracy, 3, 7) != simulated.labels_of(accuracy, 3, 8)).any()


def test_challengers_are_what_their_names_say() -> None:
    rng = np.random.default_rng(1)
    for challenger in simulated.CHALLENGERS:
        counts = simulated.increments(challenger, rng, 2_000_000)
        assert counts.sum() == 2_000_000
        gained = (counts[:, 2] - counts[:, 0]) / counts.sum(axis=1)
        wanted = np.array(challenger.accuracy) - simulated.GOOD
        assert gained == pytest.approx(wanted, abs=0.01)


def test_the_rows_have_their_goals_and_meet_them() -> None:
    rows = [
        *simulated.passing_rows(20),
        *simulated.collapse_rows(20),
        *simulated.segment_rows(5),
        *simulated.repeated_rows(3),
    ]
    goals = [one for one in rows if one["goal"] is not None]
    assert len(goals) == 1 + len(simulated._AFTER) + len(simulated.CHALLENGERS) + 1
    assert all(one["met"] for one in goals), goals
    assert max(simulated._AFTER) < LABELS


def test_what_is_measured_is_a_comparison_that_passes() -> None:
    """It raises where it is not: a fast wrong answer is no figure."""
    found = judged.once(20_000, 1)
    assert set(found) == {"processor_s", "clock_s", "megabytes"}


def test_the_page_has_the_figures_of_the_results() -> None:
    rows, _versions = written_before(BENCH)
    page = tables.PAGE.read_text(encoding="utf-8")
    assert filled(page, tables.tables(rows)) == page
    assert all(one["met"] is not False for one in rows)


def test_a_missed_goal_is_bold_and_what_never_came_is_said() -> None:
    row = {"value": 1.5, "unit": "%", "met": False, "goal": 1.0 + 1e-9}
    assert (tables._number(row), tables._goal(row)) == ("**1.5 %**", "at most 1 %")
    assert tables._number({**row, "value": None, "unit": "count"}) == "more than 5,000"
    assert tables._number(None) == ""
