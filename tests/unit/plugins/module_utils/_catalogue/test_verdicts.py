# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts of regions and of the release."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import (
    any_bad,
    failure_reason,
    fleet_record,
    share_of,
    standing_decision,
    standing_versions,
    summarise,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("verdicts", "bad"),
    [
        ([], False),
        (["untouched", "released"], False),
        (["released", "refused"], True),
        (["released", "taken_back"], True),
        (["stuck"], True),
    ],
)
def test_any_bad(verdicts: list[str], bad: bool) -> None:
    assert any_bad(verdicts) is bad


def regions(*verdicts: str, reason: str = "") -> list[dict[str, t.Any]]:
    return [{"region": f"r{n}", "verdict": verdict, "reason": reason} for n, verdict in enumerate(verdicts, 1)]


@pytest.mark.parametrize(
    ("decision", "found", "ok", "outcome"),
    [
        ("keep", regions("released", "released"), True, "released"),
        (None, regions("untouched", "untouched"), True, "nothing"),
        (None, regions("unreachable", "unreachable", reason="no answer"), False, "nothing"),
        (None, regions("untouched", "unreachable", reason="no answer"), False, "nothing"),
        (None, regions("refused", "untouched", reason="no permission"), False, "refused"),
        ("undo", regions("taken_back", "untouched", reason="errors"), False, "taken_back"),
        ("undo", regions("stuck", "taken_back", reason="errors"), False, "stuck"),
        ("keep", regions("released", "stuck", reason="unlock failed"), False, "stuck"),
        ("keep", regions("released", "untouched"), False, "incomplete"),
        ("keep", regions("untouched"), False, "incomplete"),
        ("keep", regions("released", "taken_back", reason="errors"), False, "incomplete"),
        # The fleet's own entry is no region.
        ("keep", [*regions("released"), {"region": "fleet", "reason": "no answer"}], True, "released"),
    ],
)
def test_the_end_is_honest(decision: str | None, found: t.Any, ok: bool, outcome: str) -> None:
    summary = summarise("deploy", decision, found)
    assert (summary["ok"], summary["outcome"]) == (ok, outcome)


def test_the_cause_speaks_before_its_echo() -> None:
    found = [
        {"region": "r1", "verdict": "taken_back", "reason": "undone by r2"},
        {"region": "r2", "verdict": "taken_back", "reason": "error rate 20 % is above 5 %"},
    ]
    sentence = summarise("deploy", "undo", found)["sentence"]
    assert sentence == "the release was taken back: r2: error rate 20 % is above 5 %"


def test_kept_and_not_complete_names_who_has_it_and_who_not() -> None:
    found = regions("released", "untouched", "taken_back", reason="20 % errors")
    assert summarise("deploy", "keep", found)["sentence"] == (
        "the release is kept and not complete: only r1 got it, r2 is untouched, r3 is taken_back: r1: 20 % errors"
    )


def test_a_stuck_region_speaks_for_itself_and_the_others_are_not_forgotten() -> None:
    found = [
        {"region": "r1", "verdict": "taken_back", "reason": "20 % errors"},
        {"region": "r2", "verdict": "stuck", "reason": "undone by r1; the way back failed: the API server is gone"},
        {"region": "r3", "verdict": "untouched", "reason": ""},
        {"region": "fleet", "reason": "the decision could not be written"},
    ]
    assert summarise("deploy", "undo", found)["sentence"] == (
        "the release is stuck in r2: undone by r1; the way back failed: the API server is gone; "
        "r1 is taken_back (20 % errors), r3 is untouched; fleet: the decision could not be written; run recover.yml"
    )


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        # A region that was released and is undone with the others has no reason of its own.
        ("; the way back failed: no answer", "r1: the way back failed: no answer; in r2: no answer; run recover.yml"),
        ("r1: patch Deployment x: conflict", "r1: patch Deployment x: conflict; in r2: no answer; run recover.yml"),
        ("", "r1: no reason given; in r2: no answer; run recover.yml"),
    ],
)
def test_every_stuck_region_is_told_with_its_reason(reason: str, told: str) -> None:
    found = [*regions("stuck", reason=reason), {"region": "r2", "verdict": "stuck", "reason": "no answer"}]
    # Only an operator takes a way back back.
    undo = ", or recover.yml -e decision=undo to take the rollback back"
    assert summarise("rollback", "keep", found)["sentence"] == f"the rollback is stuck in {told}{undo}"
    assert summarise("deploy", "undo", found)["sentence"] == f"the release is stuck in {told}"


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["deploy", "rollback"]),
    st.sampled_from(["keep", "undo"]),
    st.lists(st.sampled_from(["untouched", "released", "refused", "taken_back", "stuck"]), min_size=1),
)
def test_only_a_kept_release_that_every_region_has_ends_well(kind: str, decision: str, verdicts: list[str]) -> None:
    well = decision == "keep" and set(verdicts) == {"released"}
    summary = summarise(kind, decision, regions(*verdicts))
    assert summary["ok"] is well
    assert (summary["outcome"] == "released") is well


@pytest.mark.parametrize(
    ("kind", "header", "decision", "acted_on"),
    [
        ("deploy", {"id": "r7"}, {"decision": "keep"}, "keep"),
        ("deploy", {"id": "r7"}, {"decision": "undo"}, "undo"),
        ("rollback", {"id": "r7"}, {"decision": "undo"}, "undo"),
        ("deploy", {"id": "r7"}, None, "undo"),
        ("rollback", {"id": "r7"}, None, "keep"),
        # Not ours, or not in sight.
        ("deploy", {"id": "r8"}, {"decision": "keep"}, "undo"),
        ("deploy", None, None, "undo"),
        ("rollback", None, None, "keep"),
    ],
)
def test_the_decision_that_stands_is_acted_on(kind: str, header: t.Any, decision: t.Any, acted_on: str) -> None:
    assert standing_decision(kind, "r7", {"release": header, "decision": decision}) == acted_on


def test_regions_of_a_wave_share_the_work_and_forget_nobody() -> None:
    jobs, workers = ["a", "b", "c"], ["x", "y"]
    shares = [share_of(jobs, workers, worker) for worker in workers]
    assert shares == [["a", "c"], ["b"]]
    assert share_of(jobs, workers, "z") == []


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ({"reason": "20 % is above 5 %", "msg": "x"}, "20 % is above 5 %"),
        ({"msg": "refused"}, "refused"),
        (
            {"results": [{"failed": False}, {"failed": True, "msg": "inner"}], "msg": "One or more items failed"},
            "inner",
        ),
        ({}, "Shift failed"),
    ],
)
def test_a_failed_task_has_one_sentence(result: t.Any, sentence: str) -> None:
    assert failure_reason(result, "Shift") == sentence


def test_check_mode_says_what_would_change() -> None:
    planned = [{"region": "us", "services": {"core-api": {"version": "v2", "was": "v1"}}}, {"region": "eu"}]
    assert summarise("deploy", None, planned)["sentence"] == (
        "check mode, nothing was written; the release would change us: core-api v1 -> v2"
    )


BEFORE = {
    "services": {"core-api": {"live_slot": "blue", "slots": {"blue": {"version": "v1"}}}, "new": {"live_slot": None}}
}


@pytest.mark.parametrize(("verdict", "version"), [("released", "v2"), ("taken_back", "v1"), ("stuck", "v1")])
def test_standing_versions(verdict: str, version: str) -> None:
    assert standing_versions(BEFORE, {"versions": {"core-api": "v2"}}, verdict) == {"core-api": version}


def test_what_the_history_tells_is_that_of_a_released_region() -> None:
    moved = {"core-api": {"version": "v2", "was": "v1"}}
    reports = [
        {"region": "a", "verdict": "unreachable", "services": {}, "standing": {"core-api": "v1"}},
        {"region": "b", "verdict": "released", "services": moved, "standing": {"core-api": "v2"}},
    ]
    assert fleet_record(reports, "keep", "the rollback is kept and not complete") == {
        "reason": "the rollback is kept and not complete",
        "decision": "keep",
        "versions": {"core-api": "v2"},
        "changes": {"core-api": "v1 -> v2"},
        "regions": {"a": "unreachable", "b": "released"},
    }
    models = {"fraud": {"champion": "v2", "challenger": None, "strategy": None}}
    assert fleet_record(reports, "keep", "done", {}, models)["models"] == models


def test_a_region_that_is_away_is_named_with_what_to_run() -> None:
    ended = summarise("rollback", "keep", regions("released", "unreachable", reason="no answer"))
    assert (ended["ok"], ended["outcome"]) == (False, "incomplete")
    assert ended["sentence"].endswith("run recover.yml when r2 answers")


def test_a_region_that_was_left_out_on_purpose_is_no_failure() -> None:
    ended = summarise("deploy", "keep", regions("released", "left_out"))
    assert (ended["ok"], ended["outcome"]) == (True, "released")
    assert "without r2" in ended["sentence"]


def test_whom_nobody_could_ask_is_not_told_as_done() -> None:
    away = [*regions("untouched"), {"region": "r2", "verdict": "unreachable", "reason": "r2: no answer within 5 s"}]
    assert summarise("rollback", None, away)["sentence"] == (
        "nothing was changed; unreachable: r2 (r2: no answer within 5 s); run the same again when all answer"
    )
    would = [{**away[0], "services": {"core-api": {"was": "v2", "version": "v1"}}}, away[1]]
    told = summarise("rollback", None, would)
    assert (told["ok"], told["outcome"]) == (True, "nothing")
    assert told["sentence"] == (
        "check mode, nothing was written; the rollback would change r1: core-api v2 -> v1; unreachable, and to be left "
        "behind: r2"
    )
