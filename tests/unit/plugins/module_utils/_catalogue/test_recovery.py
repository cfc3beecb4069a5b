# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery does, from the journals alone."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.recovery import (
    default_decision,
    recovery_action,
    recovery_summary,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]


def header(kind: str = "deploy", state: str = "open", name: str = "r1", **more: t.Any) -> Json:
    return {"id": name, "kind": kind, "state": state, "by": "anna", "outcome": None, "number": None, **more}


def journal(head: Json | None, **more: t.Any) -> Json:
    return {"header": head, "entries": [], "standby": None, **more}


def fleet(kind: str = "deploy", decision: str | None = None, **more: t.Any) -> Json:
    found = {"decision": decision, "by": "a", "reason": "b"} if decision else None
    return {"header": header(kind, number=4, steps=["a", "b"]), "decision": found, "revisions": [], **more}


ENTRY: Json = {"number": 1}


def test_no_decision_undoes_a_deploy() -> None:
    assert default_decision(fleet(), {"a": journal(header(), entries=[ENTRY])}) == "undo"


@pytest.mark.parametrize(
    ("regions", "decision"),
    [
        ({"a": journal(header("rollback"), entries=[ENTRY]), "b": journal(header("rollback"))}, "keep"),
        ({"a": journal(header("rollback")), "b": journal(header("rollback"))}, "keep"),
        # b had not been opened, so nothing was written anywhere: a must not go alone.
        ({"a": journal(header("rollback")), "b": journal(header(name="r0", state="closed"))}, "undo"),
        ({"a": journal(header("rollback")), "b": journal(None)}, "undo"),
        # b does not answer: a region that has begun says that all were open.
        ({"a": journal(header("rollback"), entries=[ENTRY]), "b": None}, "keep"),
        ({"a": journal(header("rollback")), "b": None}, "keep"),
    ],
)
def test_no_decision_finishes_a_way_back_that_was_open_everywhere(regions: Json, decision: str) -> None:
    assert default_decision(fleet("rollback"), regions) == decision


def test_an_operator_decides_first() -> None:
    assert default_decision(fleet(), {}, "keep") == "keep"


@pytest.mark.parametrize(
    ("kind", "decision", "action"),
    [
        ("deploy", "undo", "undo"),
        ("deploy", "keep", "finish"),
        ("rollback", "keep", "forward"),
        ("rollback", "undo", "undo"),
    ],
)
def test_an_open_journal_follows_the_decision(kind: str, decision: str, action: str) -> None:
    found = recovery_action(journal(header(kind)), fleet(kind, decision))
    assert (found["action"], found["number"]) == (action, 4)


@pytest.mark.parametrize(
    ("outcome", "recorded", "action"),
    [
        ("released", None, "finish"),
        ("taken_back", None, "undo"),
        ("incomplete", None, "finish"),
        ("incomplete", "keep", "finish"),
        ("stuck", "undo", "undo"),
    ],
)
def test_a_region_that_was_away_follows_the_history(outcome: str, recorded: str | None, action: str) -> None:
    past = {"id": "r0", "number": 3, "outcome": outcome, **({"decision": recorded} if recorded else {})}
    found = recovery_action(journal(header(name="r0")), fleet(decision="keep", revisions=[past]))
    assert (found["action"], found["number"]) == (action, 3)


def test_without_the_fleet_nobody_decides_but_an_operator() -> None:
    waiting = recovery_action(journal(header()), None, "management does not answer")
    assert waiting["action"] == "wait"
    assert "management does not answer" in waiting["why"]
    assert recovery_action(journal(header()), None, "away", "undo")["action"] == "undo"


def test_a_warm_standby_is_ended_with_or_without_the_fleet() -> None:
    left = {"release": "r1", "until": 1.0, "fields": []}
    assert recovery_action(journal(header(state="closed"), standby=left), None, "away")["action"] == "standby"
    assert recovery_action(journal(header("standby"), standby=left), None, "away")["action"] == "standby"


@given(
    st.sampled_from(["open", "closed"]),
    st.sampled_from(["deploy", "rollback"]),
    st.sampled_from([None, "keep", "undo"]),
    st.booleans(),
)
@settings(max_examples=50)
def test_a_whole_region_is_never_written_and_an_open_one_never_forgotten(
    state: str, kind: str, decision: str | None, there: bool
) -> None:
    found = recovery_action(journal(header(kind, state)), fleet(kind, decision) if there else None, "away")
    assert (found["action"] == "none") == (state == "closed")


def report(region: str, verdict: str, reason: str = "") -> Json:
    return {"region": region, "verdict": verdict, "reason": reason}


def test_everything_recovered() -> None:
    ended = recovery_summary([report("a", "taken_back"), report("b", "whole")], fleet(decision="undo"))
    assert ended == {
        "ok": True,
        "close": True,
        "outcome": "taken_back",
        "sentence": "recovered: a is taken_back; b is whole",
    }


def test_a_region_that_is_away_does_not_keep_the_fleet_open() -> None:
    ended = recovery_summary([report("a", "released"), report("b", "unreachable", "no answer")], fleet(decision="keep"))
    assert (ended["ok"], ended["close"], ended["outcome"]) == (False, True, "incomplete")
    assert "b is unreachable (no answer)" in ended["sentence"]
    assert "run recover again when b answers" in ended["sentence"]


@pytest.mark.parametrize("verdict", ["stuck", "waiting"])
def test_a_region_that_is_stuck_keeps_the_fleet_open(verdict: str) -> None:
    ended = recovery_summary([report("a", verdict)], fleet(decision="undo"))
    assert (ended["ok"], ended["close"]) == (False, False)
    assert "run recover again for a" in ended["sentence"]


def test_nothing_to_recover() -> None:
    ended = recovery_summary([report("a", "whole")], {"header": None, "decision": None})
    assert (ended["ok"], ended["close"]) == (True, False)
