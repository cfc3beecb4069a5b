# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Abort, take over, and the warm standby that outlives its release."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import LockLost
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import TOKEN_ANNOTATION, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.seal import seal
from journal_world import FLEET_JOURNAL, JOURNAL, LEASE, World

FLEET = {"kubeconfig": "~/.kube/config", "context": "management", "namespace": "pincex-fleet"}
OTHER = {"pid": 1, "started": ""}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "core-api-blue", "namespace": "exchange"},
    "spec": {"replicas": 2},
}
BLUE = Ref("apps/v1", "Deployment", "core-api-blue", "exchange")
TO_ZERO = {"kind": "Deployment", "name": "core-api-blue", "path": "spec.replicas", "value": 0}
OLD_BLUE = {"service": "core-api", "slot": "blue", "query": "blue"}
FINISH = {"fields": [], "standby": [TO_ZERO], "connections": [OLD_BLUE], "services": ["core-api"]}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def take_over_fleet(world: World, decision: str = "undo", **given: t.Any) -> dict[str, t.Any]:
    gone = {"decision": decision, "reason": "its controller is gone", "controller": OTHER, "by": "bob"}
    return world.call(**{"state": "taken_over", "scope": "fleet", **gone, **given})


def take_over(world: World, **given: t.Any) -> dict[str, t.Any]:
    return world.call(**{"state": "taken_over", "controller": OTHER, "by": "bob", "fleet": FLEET, **given})


def header(world: World, ref: Ref = JOURNAL) -> dict[str, t.Any]:
    server = world.fleet_server if ref == FLEET_JOURNAL else world.server
    return t.cast("dict[str, t.Any]", json.loads(server.take(ref)["data"]["release"]))


def test_whoever_aborts_needs_no_part_in_the_release(world: World) -> None:
    _fleet, region = world.opened()
    aborted = world.call(state="decided", scope="fleet", decision="undo", by="bob", reason="deposits are slow")
    assert aborted["decision"]["decision"] == "undo"
    assert aborted["lock"]["lapsed"] is False
    with pytest.raises(Exception, match="undone by bob: deposits are slow"):
        world.journal(region).guard()


def test_nothing_open_is_nothing_to_abort(world: World) -> None:
    aborted = world.call(state="decided", scope="fleet", decision="undo", by="bob", reason="deposits are slow")
    assert aborted["msg"] == "fleet: no release is open, so there is nothing to abort"


def test_a_way_back_is_not_aborted(world: World) -> None:
    world.open_fleet(kind="rollback")
    aborted = world.call(state="decided", scope="fleet", decision="undo", by="bob", reason="deposits are slow")
    assert aborted["msg"] == "fleet: rollback r1 is a way back, not aborted; let it end or recover it"


def test_a_release_that_is_alive_is_not_taken_over(world: World) -> None:
    fleet, _region = world.opened()
    alive = world.clock.sleep

    def renewing(seconds: float) -> None:
        alive(seconds)
        world.fleet_server.change(
            Ref("coordination.k8s.io/v1", "Lease", "pincex-release", "pincex-fleet"),
            spec={"renewTime": f"2026-01-01T00:00:{world.clock.monotonic() % 60:09.6f}Z"},
        )

    world.clock.sleep = renewing  # type: ignore[method-assign]
    refused = take_over_fleet(world)
    assert refused["error"]["kind"] == "locked"
    assert f"{fleet.holder} holds the lock and renews it" in refused["msg"]
    assert "decision" not in world.fleet_server.take(FLEET_JOURNAL)["data"]


def test_any_region_at_work_keeps_the_fleet_from_being_taken_over(world: World) -> None:
    _fleet, region = world.opened()
    began = world.clock.monotonic()
    while world.clock.monotonic() - began < 20:
        world.clock.sleep(1.0)
        world.journal(region).guard()
    lease = world.fleet_server.take(Ref("coordination.k8s.io/v1", "Lease", "pincex-release", "pincex-fleet"))
    read = world.call(state="read", scope="fleet")
    assert lease["spec"]["holderIdentity"] == region.holder
    assert read["lock"]["lapsed"] is False


def test_regions_are_watched_while_the_fleet_is(world: World) -> None:
    world.opened()
    lock = world.call(state="read")["lock"]
    began = world.clock.monotonic()
    assert take_over_fleet(world)["decision"]["decision"] == "undo"
    until = world.clock.monotonic()
    assert until - began >= lock["duration_s"]
    assert take_over(world, watched=lock)["release"]["token"] == lock["token"] + 1
    assert world.clock.monotonic() == until


def test_a_region_that_was_renewed_meanwhile_is_watched_anew(world: World) -> None:
    _fleet, region = world.opened()
    lock = world.call(state="read")["lock"]
    world.clock.sleep(lock["duration_s"] - 1)
    world.journal(region).guard()
    world.clock.sleep(1)
    began = world.clock.monotonic()
    take_over(world, watched=lock)
    assert world.clock.monotonic() - began >= lock["duration_s"]


def test_only_a_lock_that_is_taken_over_was_watched(world: World) -> None:
    world.opened()
    lock = world.call(state="read")["lock"]
    refused = world.call(state="read", watched=lock)
    assert refused["msg"] == "watched: a lock is watched before it is taken over, and state is read"
    assert "watched: needs the lock as state=read returned it" in take_over(world, watched={"holder": "anna"})["msg"]


def test_taking_over_decides_what_no_decision_means(world: World) -> None:
    fleet, region = world.opened()
    taken = take_over_fleet(world)
    assert (taken["decision"]["decision"], taken["decision"]["by"]) == ("undo", "bob")
    assert taken["release"]["token"] == fleet.token + 1
    assert header(world, FLEET_JOURNAL)["recovered_by"] == "bob"
    mine = take_over(world)
    assert (mine["release"]["kind"], mine["header"]["kind"]) == ("recover", "deploy")
    with pytest.raises(LockLost):
        world.journal(region).guard()
    # The one that took it goes on, although the fleet has decided to undo.
    world.journal(dataclasses.replace(ReleaseRef.from_option(mine["release"]), controller_started="")).guard()


def test_a_decision_that_stands_is_not_written_again(world: World) -> None:
    fleet, _region = world.opened()
    kept = {"decision": "keep", "reason": "every region passed", "release": fleet.to_option()}
    world.call(state="decided", scope="fleet", **kept)
    assert take_over_fleet(world)["decision"]["decision"] == "keep"


def test_what_the_old_holder_has_in_hand_is_refused(world: World) -> None:
    before = {"services": {}, "objects": [DEPLOYMENT]}
    world.server.put(DEPLOYMENT)
    world.open_region(world.open_fleet(), before=before)
    in_hand = world.server.take(BLUE)
    assert take_over(world)["changed"]
    now = world.server.take(BLUE)
    assert now["metadata"]["annotations"] == {TOKEN_ANNOTATION: "2"}
    assert now["metadata"]["resourceVersion"] != in_hand["metadata"]["resourceVersion"]


def test_what_the_old_holder_created_is_fenced_as_well(world: World) -> None:
    _fleet, region = world.opened()
    journal = world.journal(region)
    journal.intend("prepare", [Change(BLUE, "apply")])
    world.server.put(DEPLOYMENT)
    take_over(world)
    assert TOKEN_ANNOTATION in world.server.take(BLUE)["metadata"]["annotations"]


def test_nothing_to_take_over(world: World) -> None:
    assert take_over(world)["release"] is None
    assert take_over_fleet(world)["changed"] is False


def test_check_mode_takes_nothing(world: World) -> None:
    world.opened()
    count = len(world.server.writes())
    assert take_over(world, check_mode=True)["changed"]
    assert len(world.server.writes()) == count


def test_what_is_left_to_do_survives_the_controller(world: World) -> None:
    world.open_region(world.open_fleet(kind="rollback"), finish=FINISH, target=3)
    taken = take_over(world)
    assert (taken["finish"], taken["header"]["target"]) == (FINISH, 3)


def kept_with_standby(world: World, name: str = "r1", finish: dict[str, t.Any] = FINISH, **given: t.Any) -> ReleaseRef:
    """A release that is closed and whose old slot is warm."""
    fleet = world.open_fleet(release_id=name, **given)
    region = world.open_region(fleet, finish=finish)
    document = {"objects": [], "services": {}}
    done = {"outcome": "released", "revision": document, "number": fleet["number"], "standby_s": 60.0}
    closed = world.call(state="closed", release=region["release"], **done)
    assert closed["standby"]["fields"] == finish["standby"] or given
    world.call(state="closed", scope="fleet", release=fleet["release"], outcome="released")
    return ReleaseRef.from_option(region["release"])


def end_standby(world: World, **given: t.Any) -> dict[str, t.Any]:
    return world.call(**{"state": "opened", "kind": "standby", "fleet": FLEET, **given})


def test_a_standby_outlives_its_release_and_holds_no_lock(world: World) -> None:
    kept_with_standby(world)
    read = world.call(state="read")
    assert read["standby"]["release"] == "r1"
    assert read["standby"]["until"] == pytest.approx(world.clock.now() + 60)
    assert world.server.take(LEASE)["spec"]["holderIdentity"] == ""


def test_the_end_of_a_standby_leaves_the_header_of_its_release(world: World) -> None:
    kept_with_standby(world)
    before = header(world)
    opened = end_standby(world, release_id="r1")
    assert opened["standby"]["fields"] == [TO_ZERO]
    journal = world.journal(ReleaseRef.from_option(opened["release"]))
    journal.outcome(journal.intend("standby", [Change(BLUE, "set")]), [Change(BLUE, "set")])
    ended = world.call(state="closed", release=opened["release"], outcome="released")
    assert (ended["changed"], ended["standby"]) == (True, None)
    assert header(world) == seal({**before, "standby_ended_by": "r1-standby"})
    again = world.call(state="closed", release=opened["release"], outcome="released")
    assert again["changed"] is False
    assert end_standby(world)["release"] is None


def test_the_standby_of_another_release_is_not_ended(world: World) -> None:
    kept_with_standby(world)
    assert end_standby(world, release_id="r0")["release"] is None


def test_a_rollback_pre_empts_the_standby(world: World) -> None:
    kept_with_standby(world)
    back = {"fields": [], "standby": [{**TO_ZERO, "name": "core-api-green"}], "services": ["core-api"]}
    kept_with_standby(world, "r2", back, kind="rollback")
    standby = world.call(state="read")["standby"]
    assert [field["name"] for field in standby["fields"]] == ["core-api-green"]
    # Blue is live again: what it has will not end.
    assert standby["connections"] == []


def test_a_release_of_other_services_hands_the_standby_on(world: World) -> None:
    kept_with_standby(world)
    counted = {"service": "market-data", "slot": "blue", "query": "market"}
    other = {
        "fields": [],
        "standby": [{**TO_ZERO, "name": "market-data-blue"}],
        "connections": [counted],
        "services": ["market-data"],
    }
    kept_with_standby(world, "r2", other, kind="rollback")
    standby = world.call(state="read")["standby"]
    assert [field["name"] for field in standby["fields"]] == ["core-api-blue", "market-data-blue"]
    assert standby["connections"] == [OLD_BLUE, counted]


def test_whoever_ends_the_standby_knows_what_to_count_before_it_takes_the_lock(world: World) -> None:
    kept_with_standby(world)
    written = len(world.server.writes())
    looked = end_standby(world, check_mode=True)
    assert (looked["release"]["kind"], looked["standby"]["connections"]) == ("standby", [OLD_BLUE])
    assert len(world.server.writes()) == written
    assert end_standby(world)["standby"]["connections"] == [OLD_BLUE]
    assert take_over(world)["standby"]["connections"] == [OLD_BLUE]
    assert end_standby(world, check_mode=True, release_id="r0")["release"] is None


def test_a_record_without_connections_has_none(world: World) -> None:
    old = {name: left for name, left in FINISH.items() if name != "connections"}
    kept_with_standby(world, finish=old)
    assert world.call(state="read")["standby"]["connections"] == []
    data = world.server.take(JOURNAL)["data"]
    record = json.loads(data["standby"])
    # Such a record has no checksum either.
    del record["connections"], record["checksum"]
    world.server.change(JOURNAL, data={"standby": json.dumps(record)})
    assert end_standby(world, check_mode=True)["standby"] == {**record, "connections": []}
    # Handed on by a release of other services.
    counted = {"service": "market-data", "slot": "blue", "query": "market"}
    other = {**FINISH, "connections": [counted], "services": ["market-data"]}
    kept_with_standby(world, "r2", other, kind="rollback")
    assert world.call(state="read")["standby"]["connections"] == [counted]


def test_a_release_that_is_undone_leaves_the_standby_as_it_was(world: World) -> None:
    kept_with_standby(world)
    fleet = world.open_fleet(release_id="r2")
    region = world.open_region(fleet, finish={"fields": [], "standby": [], "services": ["core-api"]})
    world.call(state="closed", release=region["release"], outcome="taken_back")
    assert world.call(state="read")["standby"]["fields"] == [TO_ZERO]


def test_a_standby_that_was_interrupted_is_taken_over(world: World) -> None:
    kept_with_standby(world)
    end_standby(world)
    taken = take_over(world)
    assert (taken["header"]["kind"], taken["standby"]["fields"]) == ("standby", [TO_ZERO])
    closed = world.call(state="closed", release=taken["release"], outcome="released", controller=OTHER)
    assert closed["changed"], closed
    assert header(world)["id"] == "r1"


def test_a_journal_that_was_edited_by_hand_is_not_acted_on(world: World) -> None:
    world.opened()
    edited = json.dumps({**header(world), "state": "closed"})
    world.server.change(JOURNAL, data={"release": edited})
    refused = world.call(state="read")
    assert refused["error"]["kind"] == "journal"
    assert refused["msg"].startswith("us-east-1: the journal was edited after it was written")
    assert take_over(world)["error"]["kind"] == "journal"
