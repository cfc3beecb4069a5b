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
    share_of,
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
        (None, regions("refused", "untouched", reason="no permission"), False, "refused"),
        ("undo", regions("taken_back", "untouched", reason="errors"), False, "taken_back"),
        ("undo", regions("stuck", "taken_back", reason="errors"), False, "stuck"),
        ("keep", regions("released", "stuck", reason="unlock failed"), False, "stuck"),
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


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["untouched", "released", "refused", "taken_back", "stuck"]), min_size=1))
def test_a_bad_verdict_never_ends_well(verdicts: list[str]) -> None:
    decision = "undo" if any_bad(verdicts) else "keep"
    assert summarise("deploy", decision, regions(*verdicts))["ok"] is not any_bad(verdicts)


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
