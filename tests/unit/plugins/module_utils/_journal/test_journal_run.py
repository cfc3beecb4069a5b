# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open, decide, close and read a release."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal import closing
from fakes import answer_with, lose_answer
from journal_world import FLEET_JOURNAL, JOURNAL, LEASE, World

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database"}, "data": {"password": "eA=="}}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def header(world: World) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(world.server.take(JOURNAL)["data"]["release"]))


def release_once(world: World, name: str, kind: str = "deploy", outcome: str = "released") -> int:
    """A whole release; returns its number."""
    fleet = world.open_fleet(release_id=name, kind=kind)
    region = world.open_region(fleet, kind=kind)
    document = {"objects": [], "made_by": name} if outcome == "released" else None
    closed = world.call(
        state="closed", release=region["release"], outcome=outcome, revision=document, number=fleet["number"]
    )
    assert closed["changed"], closed
    assert world.call(state="closed", scope="fleet", release=fleet["release"], outcome=outcome)["changed"]
    return int(fleet["number"])


def test_the_fleet_gives_the_number_and_the_region_takes_the_rest_from_it(world: World) -> None:
    fleet = world.open_fleet()
    region = world.open_region(fleet)
    assert (fleet["changed"], fleet["number"], region["changed"]) == (True, 1, True)
    assert {name: region["release"][name] for name in ("id", "kind", "namespace", "token", "lease_s")} == {
        "id": "r1",
        "kind": "deploy",
        "namespace": "exchange",
        "token": 1,
        "lease_s": 6.0,
    }
    assert region["release"]["fleet"]["context"] == "management"
    assert world.server.take(JOURNAL)["metadata"]["labels"]["pincex.io/release-journal"] == "true"
    assert world.lines == ["release r1 is open, revision 1", "release r1 is open"]


def test_the_same_playbook_may_open_twice(world: World) -> None:
    fleet = world.open_fleet()
    region = world.open_region(fleet)
    again = world.open_fleet()
    assert (again["changed"], again["release"], again["number"]) == (False, fleet["release"], 1)
    assert world.open_region(fleet)["release"] == region["release"]


@pytest.mark.parametrize("waited", [0.0, 86_400.0])
def test_a_second_release_is_refused_and_told_who_since_when_and_where(world: World, waited: float) -> None:
    _fleet, release = world.opened(steps=["us-east-1"])
    world.journal(release).intend("core-api 10 %", [])
    world.clock.sleep(waited)
    writes = len(world.fleet_server.writes())
    second = world.open_fleet(release_id="r2", by="bert")
    assert second["failed"]
    assert second["msg"] == (
        "fleet: deploy r1 by anna is unfinished since 2027-01-15T08:00:00Z, in us-east-1 at core-api 10 %; "
        "let it end, or recover it, before another one starts"
    )
    assert second["error"] == {"kind": "locked", "system": "journal", "region": "fleet", "retriable": False}
    assert len(world.fleet_server.writes()) == writes


def test_a_lock_without_a_journal_refuses_too_and_nothing_is_left_behind(world: World) -> None:
    world.opened()
    del world.fleet_server.stored[FLEET_JOURNAL]
    writes = len(world.fleet_server.writes())
    second = world.open_fleet(release_id="r2")
    assert "holds the lock" in second["msg"]
    assert len(world.fleet_server.writes()) == writes


def test_a_journal_that_opens_while_the_lock_is_waited_for_refuses(world: World) -> None:
    world.opened()
    text = world.fleet_server.take(FLEET_JOURNAL)["data"]
    del world.fleet_server.stored[FLEET_JOURNAL]
    world.clock.sleep(60)

    def appear(_seconds: float) -> None:
        meta = {"name": FLEET_JOURNAL.name, "namespace": "pincex-fleet"}
        world.fleet_server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": text})

    world.clock.on_sleep = appear
    second = world.open_fleet(release_id="r2")
    assert "is unfinished since" in second["msg"]
    lease = world.fleet_server.take(dataclasses.replace(LEASE, namespace="pincex-fleet"))
    assert lease["spec"]["holderIdentity"] == ""


def test_an_opening_that_fails_gives_the_lock_back_and_leaves_no_journal(world: World) -> None:
    fleet = world.open_fleet()
    world.server.denied.add(("create", "configmaps"))
    assert world.open_region(fleet)["error"]["kind"] == "forbidden"
    assert JOURNAL not in world.server.stored
    assert world.server.take(LEASE)["spec"]["holderIdentity"] == ""
    world.server.denied.clear()
    assert world.open_region(fleet)["release"]["token"] == 2


def test_an_opening_whose_answer_was_lost_finds_its_own_journal(world: World) -> None:
    fleet = world.open_fleet()
    world.server.after.append(lose_answer(path="configmaps"))
    assert world.open_region(fleet)["changed"]
    assert header(world)["state"] == "open"


def test_an_opening_whose_answer_never_comes_ends_its_own_journal(world: World) -> None:
    fleet = world.open_fleet()
    world.server.after.append(answer_with(422, times=1, method="POST", path="configmaps"))
    assert world.open_region(fleet)["error"]["kind"] == "invalid"
    assert (header(world)["state"], header(world)["outcome"]) == ("closed", "refused")
    assert world.server.take(LEASE)["spec"]["holderIdentity"] == ""


def test_a_missing_namespace_is_named(world: World) -> None:
    assert world.open_fleet(namespace="nowhere")["msg"] == "namespace: nowhere does not exist in fleet"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"state": "opened", "scope": "fleet", "by": ""}, "by: needed with state=opened and scope=fleet"),
        ({"state": "opened"}, "fleet_release: needed with state=opened and scope=region"),
        ({"state": "opened", "fleet_release": {"id": "x"}, "before": {"a": 1}}, "release: is not what release_journal"),
        ({"state": "opened", "scope": "fleet", "release_id": "R 1"}, "release_id: 'R 1' is no name"),
        ({"state": "opened", "scope": "fleet", "lease_s": 0.5}, "lease_s: must be at least 1"),
        (
            {"state": "opened", "scope": "fleet", "renew_s": 3.0},
            "renew_s: must be above 0 and at most a third of lease_s",
        ),
        ({"state": "decided", "scope": "fleet"}, "decision: needed with state=decided"),
        (
            {"state": "decided", "scope": "fleet", "decision": "keep", "by": "anna", "reason": "good"},
            "release: needed with state=decided",
        ),
        ({"state": "opened", "kind": "standby"}, "fleet: needed with state=opened and scope=region"),
        ({"state": "opened", "kind": "standby", "fleet": {"context": "x"}}, "fleet: needs kubeconfig, context and"),
        ({"state": "opened", "scope": "fleet", "kind": "standby"}, "kind: a warm standby is opened in a region"),
        ({"state": "taken_over", "scope": "fleet"}, "decision: needed with state=taken_over and scope=fleet"),
        ({"state": "closed", "release": {"id": "x"}, "outcome": "released", "follows": 3}, "follows: the fleet keeps"),
        ({"state": "read", "follows": 3}, "follows: the fleet keeps which release is followed, use state=opened"),
        ({"state": "closed", "release": {"id": "x"}}, "outcome: needed with state=closed"),
        ({"state": "read", "revision": {"objects": [SECRET]}}, "revision: holds the Secret database"),
        ({"state": "read", "number": 4}, "number: revision 4 is not kept in us-east-1 (kept: none)"),
    ],
)
def test_bad_input_names_the_option_and_writes_nothing(world: World, given: dict[str, t.Any], message: str) -> None:
    result = world.call(**given)
    assert message in result["msg"]
    assert result["error"]["kind"] == "option"
    assert all(not server.writes() for server in world.servers.values())


def test_a_region_cannot_be_opened_for_another_release(world: World) -> None:
    fleet = world.open_fleet()
    assert world.open_region(fleet, release_id="r2")["msg"] == "release_id: r2 is not that of fleet_release, r1"
    assert world.open_region(fleet, kind="rollback")["msg"].startswith("kind: rollback is not that of fleet_release")


def test_a_decision_is_written_once_and_the_first_one_stands(world: World) -> None:
    fleet = world.open_fleet()["release"]
    call = {"state": "decided", "scope": "fleet", "release": fleet}
    first = world.call(**call, decision="undo", by="us-east-1", reason="errors")
    second = world.call(**call, decision="keep", by="anna", reason="all passed")
    assert (first["changed"], second["changed"]) == (True, False)
    assert second["decision"] == first["decision"]
    assert (second["decision"]["decision"], second["decision"]["by"]) == ("undo", "us-east-1")


def test_to_keep_needs_the_lock_and_to_undo_does_not(world: World) -> None:
    fleet = world.open_fleet()["release"]
    stranger = {**fleet, "holder": "somebody", "token": 9}
    call = {"state": "decided", "scope": "fleet", "release": stranger, "reason": "x"}
    assert world.call(**call, decision="keep")["error"]["kind"] == "lock_lost"
    assert world.call(**call, decision="undo")["changed"]


def test_a_decision_is_for_the_release_that_is_open(world: World) -> None:
    fleet = world.open_fleet()["release"]
    late = world.call(
        state="decided", scope="fleet", release={**fleet, "id": "r0"}, decision="undo", reason="x", by="anna"
    )
    assert late["msg"] == "fleet: the journal belongs to r1, which is open, not to r0; nothing is written"


def test_the_next_release_starts_without_a_decision(world: World) -> None:
    fleet = world.open_fleet()["release"]
    world.call(state="decided", scope="fleet", release=fleet, decision="undo", reason="x")
    world.call(state="closed", scope="fleet", release=fleet, outcome="taken_back")
    world.open_fleet(release_id="r2")
    read = world.call(state="read", scope="fleet")
    assert (read["release"]["id"], read["decision"]) == ("r2", None)


def test_a_closed_release_is_recorded_and_unlocked(world: World) -> None:
    number = release_once(world, "r1")
    read = world.call(state="read", number=number)
    assert read["revision"] == {"objects": [], "made_by": "r1"}
    assert (read["release"]["state"], read["release"]["outcome"], read["lock"]["holder"]) == ("closed", "released", "")
    assert [(kept["number"], kept["outcome"], kept["by"]) for kept in read["revisions"]] == [(1, "released", "anna")]
    recorded = world.server.take(Ref("v1", "ConfigMap", "pincex-revision-1", "exchange"))
    assert recorded["immutable"] is True
    assert world.call(state="read", scope="fleet")["revisions"][0]["number"] == 1


def test_the_reason_of_an_emergency_stays_with_the_release(world: World) -> None:
    fleet = world.open_fleet(reason="orders are rejected")["release"]
    world.call(state="closed", scope="fleet", release=fleet, outcome="taken_back")
    read = world.call(state="read", scope="fleet")
    assert [revision["emergency"] for revision in read["revisions"]] == ["orders are rejected"]


def test_where_a_rollback_goes_stays_in_the_history(world: World) -> None:
    fleet = world.open_fleet(kind="rollback", target=3)["release"]
    assert world.call(state="read", scope="fleet")["header"]["target"] == 3
    world.call(state="closed", scope="fleet", release=fleet, outcome="incomplete")
    assert [revision["target"] for revision in world.call(state="read", scope="fleet")["revisions"]] == [3]


def test_models_that_go_with_a_rollback_are_there_for_a_recovery_and_who_serves_is_in_the_history(world: World) -> None:
    plan, serves = {"fraud": {"version": "v2", "champion": "v1"}}, {"fraud": {"champion": "v1"}}
    before = {"models": {"fraud": {"champion": "v2"}}}
    fleet = world.open_fleet(kind="rollback", target=3, before=before, finish={"models": plan})["release"]
    read = world.call(state="read", scope="fleet")
    assert (read["finish"]["models"], read["before"]) == (plan, before)
    ended = {"outcome": "released", "revision": {"models": serves}, "number": 1, "summary": {"models": serves}}
    world.call(state="closed", scope="fleet", release=fleet, **ended)
    read = world.call(state="read", scope="fleet", number=1)
    assert ([one["models"] for one in read["revisions"]], read["revision"]) == ([serves], {"models": serves})
    assert read["standby"] is None


def test_what_a_release_follows_stays_in_the_history_and_the_region_records_that_number(world: World) -> None:
    assert release_once(world, "a") == 1
    for name, outcome in (("b", "taken_back"), ("c", "released")):
        fleet = world.open_fleet(release_id=name, kind="rollback", follows=1)
        assert world.call(state="read", scope="fleet")["header"]["follows"] == 1
        region = world.open_region(fleet, kind="rollback", context="eu-west-1", region="eu-west-1")
        there = {"context": "eu-west-1", "region": "eu-west-1", "release": region["release"]}
        made = {"outcome": "released", "revision": {"objects": []}, "number": 1}
        if outcome == "taken_back":
            # Killed after it had recorded the revision, and then taken back: nothing of it is left.
            world.servers["eu-west-1"].before.append(answer_with(422, method="PATCH", path="pincex-release-journal"))
            assert world.call(state="closed", **there, **made)["failed"]
            made = {"outcome": outcome}
        assert world.call(state="closed", **there, **made)["changed"]
        assert world.call(state="closed", scope="fleet", release=fleet["release"], outcome=outcome)["changed"]
        kept = world.call(state="read", context="eu-west-1", region="eu-west-1")["revisions"]
        assert [one["id"] for one in kept if one["number"] == 1] == ["c"] * (outcome == "released")
    history = world.call(state="read", scope="fleet")["revisions"]
    assert [(one["number"], one["follows"]) for one in history] == [(1, None), (2, 1), (3, 1)]


@pytest.mark.parametrize("text", ["no header", '{"number": 7, "id": "r0", "schema": 2}'])
def test_a_revision_that_cannot_be_read_keeps_no_release_open_that_was_taken_back(world: World, text: str) -> None:
    region = world.open_region(world.open_fleet())["release"]
    meta = {"name": "pincex-revision-7", "namespace": "exchange", "labels": {"pincex.io/revision": "7"}}
    world.server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"header": text}})
    world.call(state="closed", release=region, outcome="taken_back")
    assert header(world)["state"] == "closed"
    assert world.server.take(LEASE)["spec"]["holderIdentity"] == ""


def test_the_last_revisions_stay_and_the_numbers_of_undone_releases_stay_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "KEPT", {"region": 2, "fleet": 50})
    for name, outcome in (("a", "released"), ("b", "taken_back"), ("c", "released"), ("d", "released")):
        release_once(world, name, outcome=outcome)
    assert [kept["number"] for kept in world.call(state="read")["revisions"]] == [3, 4]
    history = world.call(state="read", scope="fleet")["revisions"]
    assert [(kept["number"], kept["outcome"]) for kept in history] == [
        (1, "released"),
        (2, "taken_back"),
        (3, "released"),
        (4, "released"),
    ]
    assert "not kept in us-east-1 (kept: 3, 4)" in world.call(state="read", number=1)["msg"]


def test_the_history_keeps_a_release_and_what_follows_it_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "KEPT", {"region": 20, "fleet": 2})
    kept = []
    for name, outcome, follows in (("a", "incomplete", None), ("b", "released", 1), ("c", "released", None)):
        release = world.open_fleet(release_id=name, kind="rollback", follows=follows)["release"]
        assert world.call(state="closed", scope="fleet", release=release, outcome=outcome)["changed"]
        kept.append([one["number"] for one in world.call(state="read", scope="fleet")["revisions"]])
    assert kept == [[1], [1, 2], [1, 2, 3]]


def test_a_pinned_revision_stays_and_configuration_of_none_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "KEPT", {"region": 2, "fleet": 50})
    for name in ("a", "b", "c", "d"):
        release_once(world, name)
        revision = Ref("v1", "ConfigMap", f"pincex-revision-{'abcd'.index(name) + 1}", "exchange")
        if name == "a":
            stored = world.server.take(revision)
            stored["metadata"]["labels"]["pincex.io/pinned"] = "true"
            world.server.put(stored)
            meta = {"name": "core-api-0", "namespace": "exchange", "labels": {"pincex.io/config": "0"}}
            world.server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    assert [kept["number"] for kept in world.call(state="read")["revisions"]] == [1, 3, 4]
    names = {ref.name for ref in world.server.stored if ref.kind == "ConfigMap"}
    assert "core-api-0" not in names
    assert {"pincex-revision-1-1", "pincex-revision-3-1", "pincex-revision-4-1"} <= names
    assert "pincex-revision-2-1" not in names


def test_closing_twice_changes_nothing(world: World) -> None:
    fleet = world.open_fleet()
    region = world.open_region(fleet)
    call = {"state": "closed", "release": region["release"], "outcome": "taken_back"}
    assert [world.call(**call)["changed"] for _time in range(2)] == [True, False]


def test_closing_goes_on_where_it_was_killed(world: World) -> None:
    fleet = world.open_fleet()
    region = world.open_region(fleet)
    call = {"state": "closed", "release": region["release"], "outcome": "released", "number": 1, "revision": {"a": 1}}
    world.server.denied.add(("update", "leases"))
    world.clock.sleep(1)
    assert world.call(**call)["failed"], "recorded and closed, not unlocked"
    world.server.denied.clear()
    world.clock.sleep(600)
    assert world.call(**call)["changed"]
    assert world.server.take(LEASE)["spec"]["holderIdentity"] == ""


def test_a_release_that_lost_its_lock_records_nothing(world: World) -> None:
    fleet = world.open_fleet()
    region = world.open_region(fleet)
    world.server.change(LEASE, spec={"holderIdentity": "bert", "leaseTransitions": 2})
    result = world.call(
        state="closed", release=region["release"], outcome="released", number=1, revision={"objects": []}
    )
    assert result["error"]["kind"] == "lock_lost"
    assert header(world)["state"] == "open"
    assert world.call(state="read")["revisions"] == []


def test_reading_says_everything_and_writes_nothing(world: World) -> None:
    _fleet, release = world.opened(steps=["us-east-1"])
    journal = world.journal(release)
    service = Ref("v1", "Service", "s", "exchange")
    journal.outcome(journal.intend("core-api 10 %", [Change(service, "apply", {}, None, {"a": 1})]), [])
    counts = [len(server.writes()) for server in world.servers.values()]
    read = world.call(state="read")
    assert [len(server.writes()) for server in world.servers.values()] == counts
    assert [(entry["number"], entry["step"], entry["done"]) for entry in read["entries"]] == [
        (1, "core-api 10 %", True)
    ]
    assert read["before"] == {"services": {}, "objects": []}
    assert read["release"]["state"] == "open"
    assert read["lock"]["token"] == 1


def test_reading_an_empty_place_says_so(world: World) -> None:
    read = world.call(state="read")
    assert (read["release"], read["lock"], read["entries"], read["revisions"]) == (None, None, [], [])


def test_check_mode_says_the_same_and_writes_nothing(world: World) -> None:
    assert world.open_fleet(check_mode=True)["changed"]
    assert not world.fleet_server.writes()
    fleet = world.open_fleet()
    region = world.open_region(fleet)
    counts = [len(server.writes()) for server in world.servers.values()]
    decided = {"state": "decided", "scope": "fleet", "release": fleet["release"], "decision": "undo", "reason": "x"}
    closed = {"state": "closed", "release": region["release"], "outcome": "released", "number": 1, "revision": {"a": 1}}
    assert world.call(**decided, check_mode=True)["changed"]
    result = world.call(**closed, check_mode=True)
    assert result["changed"]
    assert result["diff"]["before"]["state"] == "open"
    assert result["diff"]["after"]["state"] == "closed"
    assert world.open_fleet(release_id="r2", check_mode=True)["error"]["kind"] == "locked"
    assert [len(server.writes()) for server in world.servers.values()] == counts


def test_every_answer_has_the_same_keys(world: World) -> None:
    fleet = world.open_fleet()
    keys = fleet.keys()
    region = world.open_region(fleet)
    decided = world.call(state="decided", scope="fleet", release=fleet["release"], decision="keep", reason="fine")
    failed = world.call(state="opened")
    closed = world.call(state="closed", release=region["release"], outcome="released")
    assert region.keys() == decided.keys() == closed.keys() == world.call(state="read").keys() == keys
    assert failed.keys() - {"failed", "msg", "error"} == keys
