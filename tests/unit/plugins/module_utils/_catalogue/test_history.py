# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of an environment."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.history import (
    history,
    history_lines,
    journal_lines,
)

FLEET = {
    "revisions": [
        {
            "number": 2,
            "outcome": "taken_back",
            "kind": "deploy",
            "id": "b",
            "by": "ann",
            "opened_at": "2026-11-21T09:20:00Z",
            "reason": "error rate",
            "emergency": "orders are rejected",
            "versions": {"core-api": "v2", "reference-data": "v1"},
            "changes": {"core-api": "v1 -> v2", "statements": "v1 -> v2", "reference-data": "v0 -> v1"},
            "flags": {"margin_trading": "off -> on for 25 %"},
        },
        {"number": 1, "outcome": "released"},
    ],
    "header": {"id": "c", "kind": "rollback", "by": "ben", "state": "open", "opened_at": "2026-11-21T09:30:00Z"},
    "decision": {"decision": "keep", "by": "ben", "reason": "fine", "at": 1.0},
    "lock": {"holder": "c/host/7", "token": 3, "lapsed": True},
}


def test_history_of_nothing() -> None:
    lines = history_lines(history({}))
    assert lines == ["revisions", "", "none yet", "", "no release is open", "nobody holds the lock"]
    assert journal_lines({"us-east-1": {}}) == ["", "us-east-1: no release in the journal"]


def test_newest_last_and_the_same_keys_in_all() -> None:
    first, second = history(FLEET, "staging")["revisions"]
    assert (first["number"], second["number"]) == (1, 2)
    assert first.keys() == second.keys()
    assert first["versions"] is None


def test_every_revision_is_a_line() -> None:
    lines = history_lines(history(FLEET, "staging"))
    assert lines[0] == "revisions of staging"
    assert lines[4].split() == ["1", "released", "-", "-", "-", "-", "-"]
    assert lines[5].split()[:5] == ["2", "taken_back", "deploy", "2026-11-21T09:20:00Z", "ann"]
    assert lines[5].endswith(
        "core-api v2, reference-data v1  core-api, statements v1 -> v2; reference-data v0 -> v1; "
        "margin_trading off -> on for 25 %"
    )
    assert lines.index("2: emergency: orders are rejected") == lines.index("2: error rate") - 1


def test_what_a_release_follows_is_told() -> None:
    brought = {"number": 3, "outcome": "released", "kind": "rollback", "follows": 2}
    known = history({"revisions": [*FLEET["revisions"], brought]})
    assert [entry["follows"] for entry in known["revisions"]] == [None, None, 2]
    assert history_lines(known)[6].split()[:5] == ["3", "released", "rollback,", "follows", "2"]


def test_what_is_open_and_who_holds_the_lock() -> None:
    known = history(FLEET)
    assert known["open"]["id"] == known["decision"]["release"] == "c"
    assert history_lines(known)[-3:] == [
        "rollback c by ben is open since 2026-11-21T09:30:00Z",
        "decision for c: keep by ben: fine",
        "c/host/7 holds the lock, and has lapsed: `recover` ends the release",
    ]
    closed = history({**FLEET, "header": {"id": "c", "state": "closed"}, "lock": {"holder": "", "token": 3}})
    assert (closed["open"], closed["lock"]) == (None, None)


def test_entries_of_a_region() -> None:
    journal = {
        "release": {"kind": "deploy", "id": "b", "by": "ann", "state": "closed", "outcome": "released"},
        "entries": [{"number": 1, "step": "core-api 10 %", "changes": [{}], "done": True}],
    }
    assert journal_lines({"us-east-1": journal}) == [
        "",
        "us-east-1: deploy b by ann: released",
        "     1  core-api 10 %: 1 changes, done",
    ]


@pytest.mark.parametrize(("kind", "name"), [("dns", "change of weights"), ("model", "change of a model")])
def test_what_is_no_release_is_called_what_it_is(kind: str, name: str) -> None:
    fleet = {
        "header": {"id": "d1", "kind": kind, "by": "anna", "state": "open"},
        "lock": {"holder": "d1", "lapsed": True},
    }
    lines = history_lines(history(fleet))
    assert f"{name} d1 by anna is open" in lines
    assert "d1 holds the lock, and has lapsed: `recover` ends the release" in lines


def test_what_changed_of_the_models_is_told_beside_the_services() -> None:
    served = [{"fraud": {"champion": version, "challenger": None, "strategy": None}} for version in ("v1", "v2")]
    headers = [{"number": number, "outcome": "released", "models": of} for number, of in enumerate(served, 1)]
    known = history({"revisions": headers})
    assert [entry["models"] for entry in known["revisions"]] == served
    assert [entry["model_changes"] for entry in known["revisions"]] == [{}, {"fraud": "v1 -> v2"}]
    assert history_lines(known)[5].endswith("fraud v1 -> v2")


def test_a_journal_that_could_not_be_read_says_why() -> None:
    away = {"error": {"kind": "unreachable"}, "msg": "us-east-1: no answer within 5 s"}
    assert journal_lines({"us-east-1": away, "eu-west-1": {}}) == [
        *("", "us-east-1: no answer within 5 s"),
        *("", "eu-west-1: no release in the journal"),
    ]
