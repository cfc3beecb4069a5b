# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a region that does not answer keeps the others waiting."""

from __future__ import annotations

import json
import typing as t

from flow_runner import REGIONS, Flow, Run

AWAY = {"eu-west-1": {"away": True}}
LOST = {"eu-west-1": {"away_from": "core-api 25 %"}}


def asked(done: Run, state: str) -> list[tuple[str, t.Any]]:
    """Module and patience of every such question to the region that is away."""
    return [
        (call["module"], call["unreachable_s"])
        for call in done.calls
        if (call["region"], call["state"]) == ("eu-west-1", state)
    ]


def test_a_region_that_is_lost_is_tried_twice_for_a_moment_and_not_until_the_retries_are_over(stands: Flow) -> None:
    done = stands.run("deploy", "-e", "release_version=v2", faults=LOST)
    assert done.code == 2, done.output
    assert done.verdicts() == {"us-east-1": "taken_back", "eu-west-1": "stuck", "ap-northeast-1": "taken_back"}
    assert asked(done, "restored") == [("k8s_traffic", 1), ("k8s_traffic", 5.0)]
    # A deploy is as patient as ever.
    assert asked(done, "read")[0] == ("k8s_revision", None)

    # Nobody asks for more than the journal of a region that is away.
    still = stands.run("recover", faults=AWAY)
    assert still.code == 2, still.output
    assert asked(still, "read") == [("release_journal", 5.0)]
    assert [call["state"] for call in still.calls if call["region"] == "eu-west-1"] == ["read"]


def test_a_rollback_looks_at_a_region_that_is_away_once(released: Flow) -> None:
    done = released.run("rollback", "-e", "release_unreachable_s=2", faults=AWAY)
    assert done.code == 2, done.output
    assert asked(done, "read") == [("k8s_revision", 2.0)]
    assert [call["state"] for call in done.calls if call["region"] == "eu-west-1"] == ["read"]


def test_a_rollback_that_reaches_nobody_is_not_told_as_done(released: Flow) -> None:
    done = released.run("rollback", faults={region: {"away": True} for region in REGIONS})
    assert done.code == 2, done.output
    assert "nothing was changed; unreachable: us-east-1, eu-west-1, ap-northeast-1 (" in done.output
    assert "nothing to do" not in done.output


def test_a_report_tells_what_answers_also_without_the_first_region_or_the_fleet(released: Flow) -> None:
    for gone in ("us-east-1", "fleet"):
        done = released.run("report", faults={gone: {"away": True}})
        assert done.code == 2, done.output
        assert "the API server is away" in done.output
        assert "eu-west-1: deploy " in done.output
        assert ("the history cannot be read" in done.output) == (gone == "fleet")


def test_a_region_that_missed_a_rollback_to_what_it_runs_is_brought_up_without_a_change(stands: Flow) -> None:
    assert stands.run("deploy", "-e", "release_version=v2", "-e", "without=eu-west-1").code == 0
    assert stands.run("rollback", faults=AWAY).code == 2

    looked = stands.run("recover", "--check")
    assert looked.code == 0, looked.output
    assert {call["state"] for call in looked.calls if not call["check"]} == set()
    done = stands.run("recover")
    assert done.code == 0, done.output
    assert "eu-west-1: back to revision 1 by a rollback of its own" in done.output
    assert list(done.regions["eu-west-1"]["revisions"]) == ["1", "3"]
    assert [call["state"] for call in done.calls if call["region"] == "eu-west-1" and call["state"] == "applied"] == []
    history = json.loads((stands.home / "fleet.json").read_text())["revisions"]
    assert (int(history["4"]["follows"]), history["4"]["regions"]) == (3, {"eu-west-1": "released"})

    again = stands.run("recover")
    assert again.code == 0, again.output
    assert [call for call in again.calls if call["state"] == "opened"] == []
