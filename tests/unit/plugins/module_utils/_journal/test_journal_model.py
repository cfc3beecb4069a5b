# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of a model: opened for the fleet and then in each region, between the releases."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import LockLost
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import TOKEN_ANNOTATION, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from fakes import FakeKube
from journal_world import FLEET_JOURNAL, JOURNAL, Result, World

SHADOW: t.Final = {"state": "deployed", "model": "fraud", "version": "v2", "slot": "green", "reason": "weekly"}
DEPLOYMENT: t.Final = Ref("apps/v1", "Deployment", "fraud-green", "exchange")
CHANGE: t.Final = Change(DEPLOYMENT, "set", {"spec.replicas": {"before": 0, "after": 2}})
GONE: t.Final = {"pid": 1, "started": ""}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def open_fleet(world: World, **given: t.Any) -> Result:
    return world.call(**{"state": "opened", "scope": "fleet", "kind": "model", "finish": SHADOW, **given})


def open_region(world: World, opened: Result, **given: t.Any) -> Result:
    mine = {"release_id": opened["release"]["id"], "fleet": opened["release"]["fleet"], "finish": SHADOW}
    return world.call(**{"state": "opened", "kind": "model", **mine, **given})


def release_of(opened: Result) -> ReleaseRef:
    assert not opened.get("failed"), opened["msg"]
    return ReleaseRef.from_option(opened["release"])


def both(world: World) -> tuple[ReleaseRef, ReleaseRef]:
    fleet = open_fleet(world)
    return release_of(fleet), release_of(open_region(world, fleet))


def write(world: World, release: ReleaseRef, step: str = "fraud v2") -> None:
    journal = world.journal(release)
    journal.outcome(journal.intend(step, [CHANGE]), [CHANGE])


def released(world: World) -> None:
    """A release with an entry of its own."""
    fleet, region = world.opened()
    write(world, region, "core-api 100 %")
    for release, scope in ((region, "region"), (fleet, "fleet")):
        done = world.call(state="closed", scope=scope, release=release.to_option(), outcome="released")
        assert not done.get("failed"), done["msg"]


def test_the_region_has_entries_of_its_own_and_both_end_as_they_were_before(world: World) -> None:
    released(world)
    before = {scope: world.call(state="read", scope=scope) for scope in ("fleet", "region")}
    checked = open_fleet(world, check_mode=True)
    assert checked["changed"] is True
    assert world.call(state="read", scope="fleet")["header"] == before["fleet"]["header"]

    fleet, region = both(world)
    assert (region.id, region.kind, region.is_way_back) == (fleet.id, "model", True)
    assert region.holder == fleet.holder, "what works in a region holds the fleet as well"
    write(world, region)
    read = world.call(state="read")
    assert [entry["step"] for entry in read["entries"]] == ["fraud v2"], "nothing of the release's is found"
    assert read["header"]["finish"] == SHADOW == world.call(state="read", scope="fleet")["header"]["finish"]

    for release, scope in ((region, "region"), (fleet, "fleet")):
        for again in (True, False):
            closed = world.call(state="closed", scope=scope, release=release.to_option(), outcome="deployed")
            assert closed["changed"] is again
        after = world.call(state="read", scope=scope)
        del after["header"]["checksum"], before[scope]["header"]["checksum"]
        assert after["header"] == {**before[scope]["header"], "model_ended_by": release.id}
        assert after["revisions"] == before[scope]["revisions"]
        assert after["lock"]["holder"] == ""
    # The next number is the next release's.
    assert world.open_fleet(release_id="r2")["number"] == 2


def test_where_nothing_was_ever_released_it_ends_as_well(world: World) -> None:
    fleet, region = both(world)
    for release, scope in ((region, "region"), (fleet, "fleet")):
        closed = world.call(state="closed", scope=scope, release=release.to_option(), outcome="deployed")
        assert not closed.get("failed"), closed["msg"]
        assert (closed["number"], closed["revisions"]) == (None, [])
        assert world.call(state="read", scope=scope)["header"]["state"] == "closed"


@pytest.mark.parametrize("scope", ["fleet", "region"])
def test_what_is_unfinished_refuses_a_release_and_names_the_recovery(world: World, scope: str) -> None:
    fleet, region = both(world)
    write(world, region)
    if scope == "region":
        world.call(state="closed", scope="fleet", release=fleet.to_option(), outcome="deployed")
    refused = world.open_fleet() if scope == "fleet" else world.open_region(world.open_fleet())
    assert refused["error"]["kind"] == "locked"
    assert f"model {region.id} by anna is unfinished since" in refused["msg"]
    assert "let it end, or recover it, before another one starts" in refused["msg"]


def test_where_the_regions_were_in_the_last_release_is_not_told_of_it(world: World) -> None:
    released(world)
    open_fleet(world)
    refused = world.open_fleet()
    assert "is unfinished since" in refused["msg"]
    assert "before its first step; let it end" in refused["msg"]


def test_a_release_and_a_maintenance_refuse_it(world: World) -> None:
    fleet, _region = world.opened()
    assert "fleet: deploy r1 by anna is unfinished" in open_fleet(world)["msg"]
    told = {"release_id": "m1", "fleet": fleet.to_option()["fleet"], "finish": SHADOW}
    refused = world.call(state="opened", kind="model", **told)
    assert "us-east-1: deploy r1 by anna is unfinished" in refused["msg"]


def test_it_is_not_stopped_by_the_decision_of_the_last_release_and_not_aborted(world: World) -> None:
    fleet, region = world.opened()
    world.call(state="decided", scope="fleet", decision="undo", by="bob", reason="deposits are slow")
    for release, scope in ((region, "region"), (fleet, "fleet")):
        world.call(state="closed", scope=scope, release=release.to_option(), outcome="taken_back")

    _fleet, region = both(world)
    write(world, region)
    aborted = world.call(state="decided", scope="fleet", decision="undo", by="bob", reason="I did not mean that")
    assert f"the change of a model {region.id} of anna is not aborted" in aborted["msg"]
    assert "rollback_model.yml, or recover it" in aborted["msg"]


def test_whoever_recovers_takes_both_over_without_a_decision_and_fences_what_was_written(world: World) -> None:
    fleet, region = both(world)
    write(world, region)
    put(world.server, DEPLOYMENT)
    told = {"controller": GONE, "by": "bob"}
    taken = world.call(state="taken_over", scope="fleet", decision="undo", reason="gone", **told)
    assert (taken["decision"], taken["header"]["finish"]) == (None, SHADOW)
    assert "decision" not in world.fleet_server.take(FLEET_JOURNAL)["data"]
    taken = world.call(state="taken_over", fleet=fleet.to_option()["fleet"], **told)
    assert [entry["step"] for entry in taken["entries"]] == ["fraud v2"]
    assert taken["header"]["finish"] == SHADOW
    annotations = world.server.take(DEPLOYMENT)["metadata"]["annotations"]
    assert annotations[TOKEN_ANNOTATION] == str(taken["release"]["token"])
    with pytest.raises(LockLost):
        world.journal(region).guard()


def put(server: FakeKube, ref: Ref) -> None:
    server.put(
        {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {"name": ref.name, "namespace": "exchange"}}
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"state": "closed", "release": {}, "outcome": "x"},
            "kind: a change of a model is opened for the fleet and in each region, use state=opened and scope=fleet or "
            "scope=region",
        ),
        ({"finish": None}, "finish: needed with state=opened and scope=region"),
        ({"fleet": None}, "fleet: needed with state=opened and scope=region"),
    ],
)
def test_what_is_missing_is_named(world: World, given: dict[str, t.Any], told: str) -> None:
    assert open_region(world, open_fleet(world), **given)["msg"] == told


def test_the_header_of_a_region_is_sealed_with_what_is_left_to_do(world: World) -> None:
    both(world)
    data = world.server.take(JOURNAL)["data"]
    edited = json.loads(data["release"])
    edited["finish"]["state"] = "rolled_back"
    world.server.change(JOURNAL, data={**data, "release": json.dumps(edited)})
    assert world.call(state="read")["error"]["kind"] == "journal"


def close(world: World, release: ReleaseRef, scope: str, outcome: str = "deployed") -> None:
    done = world.call(state="closed", scope=scope, release=release.to_option(), outcome=outcome)
    assert not done.get("failed"), done["msg"]


def decide(world: World, release: ReleaseRef, decision: str) -> Result:
    told = {"by": "anna", "reason": "it is deployed everywhere"}
    return world.call(state="decided", scope="fleet", decision=decision, release=release.to_option(), **told)


def test_its_decision_is_written_once_and_known_when_it_has_ended(world: World) -> None:
    fleet, region = world.opened()
    world.call(state="decided", scope="fleet", decision="undo", by="bob", reason="deposits are slow")
    for release, scope in ((region, "region"), (fleet, "fleet")):
        close(world, release, scope, "taken_back")
    last = world.call(state="read", scope="fleet")

    fleet, region = both(world)
    assert world.call(state="read", scope="fleet")["decision"] is None, "that of the last release is not its own"
    assert decide(world, fleet, "keep")["decision"]["decision"] == "keep"
    again = decide(world, fleet, "undo")
    assert (again["changed"], again["decision"]["decision"]) == (False, "keep")
    told = {"controller": GONE, "by": "bob"}
    taken = world.call(state="taken_over", scope="fleet", decision="undo", reason="gone", **told)
    assert taken["decision"]["decision"] == "keep"
    close(world, ReleaseRef.from_option(taken["release"]), "fleet")
    close(world, region, "region")

    ended = world.call(state="read", scope="fleet")
    assert (ended["header"]["model_ended_by"], ended["header"]["model_decided"]) == (fleet.id, "keep")
    assert ended["decision"] == last["decision"], "what was decided of the last release is as it was"

    # The next one begins without, and ends without.
    fleet, region = both(world)
    assert world.call(state="read", scope="fleet")["decision"] is None
    close(world, region, "region")
    close(world, fleet, "fleet")
    assert "model_decided" not in world.call(state="read", scope="fleet")["header"]


def test_where_nothing_was_ever_released_its_decision_is_known_as_well(world: World) -> None:
    fleet, region = both(world)
    decide(world, fleet, "keep")
    close(world, region, "region")
    close(world, fleet, "fleet")
    assert world.call(state="read", scope="fleet")["header"]["model_decided"] == "keep"


def test_what_the_last_release_found_is_not_fenced(world: World) -> None:
    """Of a hundred services one has a model that is changed."""
    other = Ref("apps/v1", "Deployment", "core-api-blue", "exchange")
    put(world.server, other)
    opened = world.open_fleet()
    found = {"apiVersion": other.api_version, "kind": other.kind, "metadata": {"name": other.name}}
    region = world.open_region(opened, before={"services": {}, "objects": [found]})
    for release, scope in ((region, "region"), (opened, "fleet")):
        close(world, release_of(release), scope, "released")
    fleet, _region = both(world)
    taken = world.call(state="taken_over", fleet=fleet.to_option()["fleet"], controller=GONE, by="bob")
    assert not taken.get("failed"), taken["msg"]
    assert TOKEN_ANNOTATION not in (world.server.take(other)["metadata"].get("annotations") or {})
