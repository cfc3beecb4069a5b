# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of weights by a person: opened for the fleet alone, between the releases."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import LockLost, Refused, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Change, Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from journal_world import FLEET_JOURNAL, Result, World

LEASE = Ref("coordination.k8s.io/v1", "Lease", "pincex-release", "pincex-fleet")
EVACUATED = {"state": "evacuated", "regions": ["us-east-1"], "override": []}
CHANGE = Change(
    Ref("dns/v1", "WeightedSet", "api.pincex.test."),
    "weights",
    {"weights.us-east-1": {"before": 50, "after": 0}},
    {"us-east-1": 50, "eu-west-1": 50},
    {"us-east-1": 0, "eu-west-1": 50},
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def open_weights(world: World, **given: t.Any) -> Result:
    return world.call(**{"state": "opened", "scope": "fleet", "kind": "dns", "finish": EVACUATED, **given})


def release_of(opened: Result) -> ReleaseRef:
    assert not opened.get("failed"), opened["msg"]
    return ReleaseRef.from_option(opened["release"])


def fleet_journal(world: World, release: ReleaseRef | None) -> Journal:
    """As a module has it that works on the fleet's own cluster."""
    kubes = [world.fleet_server.api(world.clock, "fleet") for _ in range(2)]
    return Journal(kubes[0], "pincex-fleet", release, world.clock, kubes[1])


def write(world: World, release: ReleaseRef, step: str = "evacuate us-east-1") -> None:
    journal = fleet_journal(world, release)
    journal.outcome(journal.intend(step, [CHANGE]), [CHANGE])


def released(world: World) -> None:
    fleet, region = world.opened()
    closed = world.call(state="closed", release=region.to_option(), outcome="released")
    assert not closed.get("failed"), closed["msg"]
    summary = {"reason": "all good", "regions": {"us-east-1": "released"}}
    done = world.call(
        state="closed", scope="fleet", release=fleet.to_option(), outcome="released", summary=summary, number=1
    )
    assert not done.get("failed"), done["msg"]


def test_between_releases_it_leaves_the_header_the_history_and_the_decision_of_the_last(world: World) -> None:
    released(world)
    before = world.call(state="read", scope="fleet")
    checked = open_weights(world, check_mode=True)
    assert checked["changed"] is True
    assert world.call(state="read", scope="fleet")["header"] == before["header"]

    release = release_of(open_weights(world))
    assert (release.kind, release.is_way_back, release.id[-4:]) == ("dns", True, "-dns")
    write(world, release)
    read = world.call(state="read", scope="fleet")
    assert (read["header"]["kind"], read["header"]["finish"]) == ("dns", EVACUATED)
    assert [entry["step"] for entry in read["entries"]] == ["evacuate us-east-1"]
    assert read["entries"][0]["done"] is True

    for again in (True, False):
        closed = world.call(state="closed", scope="fleet", release=release.to_option(), outcome="evacuated")
        assert closed["changed"] is again
    after = world.call(state="read", scope="fleet")
    del after["header"]["checksum"], before["header"]["checksum"]
    assert after["header"] == {**before["header"], "dns_ended_by": release.id}
    assert (after["revisions"], after["decision"], after["lock"]["holder"]) == (before["revisions"], None, "")
    # The next number is the next release's: a change of weights takes none.
    assert world.open_fleet(release_id="r2")["number"] == 2


def test_where_nothing_was_ever_released_it_ends_as_well(world: World) -> None:
    release = release_of(open_weights(world))
    closed = world.call(state="closed", scope="fleet", release=release.to_option(), outcome="evacuated")
    assert not closed.get("failed"), closed["msg"]
    assert (closed["number"], closed["revisions"]) == (None, [])
    assert world.call(state="read", scope="fleet")["header"]["state"] == "closed"


def test_a_release_and_a_change_of_weights_refuse_each_other(world: World) -> None:
    release = release_of(open_weights(world, reason="us-east-1 loses packets"))
    write(world, release)
    refused = world.open_fleet()
    assert refused["error"]["kind"] == "locked"
    assert f"fleet: dns {release.id} by anna is unfinished since" in refused["msg"]
    assert "at evacuate us-east-1; let it end, or recover it" in refused["msg"]
    world.call(state="closed", scope="fleet", release=release.to_option(), outcome="evacuated")

    world.opened()
    refused = open_weights(world)
    assert refused["error"]["kind"] == "locked"
    assert "fleet: deploy r1 by anna is unfinished" in refused["msg"]


def test_a_new_release_keeps_nothing_of_it_and_loses_nothing_of_its_own(world: World) -> None:
    release = release_of(open_weights(world))
    write(world, release)
    world.call(state="closed", scope="fleet", release=release.to_option(), outcome="evacuated")

    fleet, _region = world.opened()
    write(world, fleet, "evacuate eu-west-1")
    undone = world.call(
        state="decided",
        scope="fleet",
        release=fleet.to_option(),
        decision="undo",
        by="us-east-1",
        reason="bad",
    )
    assert undone["changed"] is True
    assert [entry.step for entry in fleet_journal(world, fleet).entries()] == ["evacuate eu-west-1"]
    with pytest.raises(ReleaseError, match="undone by us-east-1"):
        fleet_journal(world, fleet).intend("ramp eu-west-1", [CHANGE])


def test_it_is_not_stopped_by_the_decision_of_the_last_release_and_not_aborted(world: World) -> None:
    fleet, region = world.opened()
    world.call(state="decided", scope="fleet", decision="undo", by="bob", reason="deposits are slow")
    world.call(state="closed", release=region.to_option(), outcome="taken_back")
    world.call(state="closed", scope="fleet", release=fleet.to_option(), outcome="taken_back", number=1)

    release = release_of(open_weights(world))
    write(world, release)
    aborted = world.call(state="decided", scope="fleet", decision="undo", by="bob", reason="I did not mean that")
    assert f"the change of weights {release.id} of anna is not aborted" in aborted["msg"]


def test_whoever_recovers_takes_it_over_without_a_decision(world: World) -> None:
    release = release_of(open_weights(world))
    other = {"pid": 1, "started": ""}
    taken = world.call(state="taken_over", scope="fleet", decision="keep", reason="gone", controller=other, by="bob")
    assert (taken["decision"], taken["header"]["kind"]) == (None, "dns")
    assert taken["header"]["finish"] == EVACUATED
    assert "decision" not in world.fleet_server.take(FLEET_JOURNAL)["data"]
    with pytest.raises(LockLost):
        fleet_journal(world, release).guard()


def test_a_gate_holds_the_fleet_for_it_and_in_a_region_nothing_is_written(world: World) -> None:
    release = release_of(open_weights(world))
    began = world.clock.monotonic()
    while world.clock.monotonic() - began < 20:
        world.clock.sleep(1.0)
        world.journal(release).guard()
    assert world.call(state="read", scope="fleet")["lock"]["lapsed"] is False
    with pytest.raises(Refused, match="changes weights, and nothing in a region"):
        world.journal(release).intend("bake", [CHANGE])
    assert world.server.writes() == []


def test_a_release_keeps_the_weights_from_before_and_its_revision_those_from_after(world: World) -> None:
    before, after = ({"dns": {"weights": {"us-east-1": weight}}} for weight in (50, 60))
    fleet = release_of(world.open_fleet(before=before))
    assert world.call(state="read", scope="fleet")["before"] == before
    closed = world.call(
        state="closed", scope="fleet", release=fleet.to_option(), outcome="released", revision=after, number=1
    )
    assert not closed.get("failed"), closed["msg"]
    assert world.call(state="read", scope="fleet", number=1)["revision"] == after


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"scope": "region"}, "kind: a change of weights is opened for the fleet, use state=opened and scope=fleet"),
        ({"finish": None}, "finish: needed with state=opened and scope=fleet"),
    ],
)
def test_what_is_missing_is_named(world: World, given: dict[str, t.Any], told: str) -> None:
    assert open_weights(world, **given)["msg"] == told


def test_the_header_is_sealed_with_what_is_left_to_do(world: World) -> None:
    open_weights(world)
    data = world.fleet_server.take(FLEET_JOURNAL)["data"]
    edited = json.loads(data["release"])
    edited["finish"]["regions"] = ["eu-west-1"]
    world.fleet_server.change(FLEET_JOURNAL, data={**data, "release": json.dumps(edited)})
    assert world.call(state="read", scope="fleet")["error"]["kind"] == "journal"
