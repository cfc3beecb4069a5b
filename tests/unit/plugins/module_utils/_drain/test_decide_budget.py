# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The times of a drain, and whether they fit."""

from __future__ import annotations

from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_budget as db
from hypothesis import given, settings
from hypothesis import strategies as st

STEP_S = {"in_flight": 10.0, "settlement": 60.0, "snapshot": 60.0, "prove": 120.0, "sessions": 60.0, "catch_up": 30.0}
seconds = st.floats(0.1, 1000)


def test_each_way_has_its_steps() -> None:
    full = db.budget_of("full", STEP_S, 300.0, 10.0)
    assert list(full.steps) == ["announce", "in_flight", "settlement", "snapshot", "prove", "sessions"]
    assert full.total_s == 615.0
    handover = db.budget_of("handover", STEP_S, 0.0, 10.0)
    assert (list(handover.steps)[-1], handover.total_s) == ("cut", 225.0)


@given(st.fixed_dictionaries(dict.fromkeys(STEP_S, seconds)), seconds, seconds, seconds)
@settings(max_examples=50, deadline=None)
def test_refused_exactly_when_it_does_not_fit(
    steps: dict[str, float], announce: float, deadline: float, grace: float
) -> None:
    budget = db.budget_of("full", steps, announce, 10.0)
    found = db.problems(budget, deadline, grace)
    assert any("deadline_s is" in one for one in found) == (budget.total_s > deadline)
    assert any("terminationGracePeriodSeconds" in one for one in found) == (budget.total_s > grace)
    assert not db.problems(budget, budget.total_s, None)


def test_a_step_needs_time() -> None:
    budget = db.budget_of("full", {**STEP_S, "prove": 0.0}, -1.0, 10.0)
    assert db.problems(budget, 1e9, None) == ["step_s.prove has to be more than 0", "announce_s cannot be negative"]


def test_a_cut_has_time_for_a_proof() -> None:
    assert db.cut_problem(1.0, 0.01, 3.0) is None
    assert "a proof takes 2.0 s" in (db.cut_problem(2.0, 0.01, 3.0) or "")
