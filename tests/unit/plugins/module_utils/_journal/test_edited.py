# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal that was edited by hand: one sentence, whatever was edited and whoever reads it."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Change, sound
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_world import FLEET_JOURNAL, JOURNAL, World

SERVICE = Ref("v1", "Service", "core-api-blue", "exchange")
CHANGE = Change(SERVICE, "set", {"spec.x": {"before": 0, "after": 1}}, {"spec": {"x": 0}}, {"spec": {"x": 1}})


def sentence(region: str) -> str:
    return f"{region}: the journal was edited after it was written (its checksum does not match), so it is not used"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.fixture
def release(world: World) -> ReleaseRef:
    """Open, with an entry in the region and a decision of the fleet."""
    fleet = world.open_fleet()
    finish = {"fields": [], "standby": [], "connections": [], "services": ["core-api"]}
    region = world.open_region(fleet, finish=finish)
    release = ReleaseRef.from_option(region["release"])
    journal = world.journal(release)
    journal.outcome(journal.intend("core-api 10 %", [CHANGE]), [CHANGE])
    journal.write_undo("eu-west-1", "errors")
    return release


def flipped(text: str, name: str, value: t.Any) -> str:
    return json.dumps({**json.loads(text), name: value})


def edit(world: World, ref: Ref, key: str, text: str) -> None:
    server = world.server if ref == JOURNAL else world.fleet_server
    server.change(ref, data={key: text})


def everybody(world: World, release: ReleaseRef, scope: str) -> t.Iterator[str]:
    """What each reader says."""
    where: dict[str, t.Any] = {"scope": scope} if scope == "fleet" else {}
    yield world.call(state="read", **where)["msg"]
    yield world.call(state="taken_over", decision="undo", reason="r", fleet=release.to_option()["fleet"], **where)[
        "msg"
    ]
    yield (world.open_fleet(release_id="r2") if scope == "fleet" else world.open_region(world_fleet(release)))["msg"]
    with pytest.raises(ReleaseError) as caught:
        world.journal(release, undoing=scope == "region").intend("s", [CHANGE])
    assert caught.value.kind == "journal"
    yield caught.value.message


def world_fleet(release: ReleaseRef) -> dict[str, t.Any]:
    return {"release": release.to_option()}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"decision": "keep"}',
        '{"decision": "maybe", "by": "bert", "reason": "", "at": 1}',
        '{"decision": "keep", "by": "bert", "reason": "", "at": 1, "x": 2}',
    ],
)
def test_a_decision_that_is_none_is_told_by_everybody(world: World, release: ReleaseRef, text: str) -> None:
    edit(world, FLEET_JOURNAL, "decision", text)
    assert set(everybody(world, release, "fleet")) == {sentence("fleet")}


def test_a_decision_that_was_turned_round_is_found(world: World, release: ReleaseRef) -> None:
    standing = world.fleet_server.take(FLEET_JOURNAL)["data"]["decision"]
    edit(world, FLEET_JOURNAL, "decision", flipped(standing, "decision", "keep"))
    assert set(everybody(world, release, "fleet")) == {sentence("fleet")}
    refused = world.call(state="decided", scope="fleet", decision="undo", reason="r")
    assert (refused["msg"], refused["error"]["kind"]) == (sentence("fleet"), "journal")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"step": "s"}'])
def test_an_entry_that_is_none_is_told_by_everybody(world: World, release: ReleaseRef, text: str) -> None:
    edit(world, JOURNAL, "0001", text)
    assert set(everybody(world, release, "region")) == {sentence("us-east-1")}


@pytest.mark.parametrize(("name", "value"), [("step", "another"), ("done", False), ("objects", "QUJD"), ("at", 1)])
def test_an_entry_with_another_content_is_found(world: World, release: ReleaseRef, name: str, value: t.Any) -> None:
    entry = world.server.take(JOURNAL)["data"]["0001"]
    edit(world, JOURNAL, "0001", flipped(entry, name, value))
    assert set(everybody(world, release, "region")) == {sentence("us-east-1")}


@pytest.fixture
def warm(world: World) -> ReleaseRef:
    """The next release, to which a warm standby was handed on."""
    field = {"kind": "Deployment", "name": "core-api-blue", "path": "spec.replicas", "value": 0}
    finish = {"fields": [], "standby": [field], "connections": [], "services": ["core-api"]}
    fleet = world.open_fleet()
    region = world.open_region(fleet, finish=finish)
    done = {"outcome": "released", "revision": {"objects": [], "services": {}}, "number": 1, "standby_s": 60.0}
    assert world.call(state="closed", release=region["release"], **done)["standby"]["fields"] == [field]
    world.call(state="closed", scope="fleet", release=fleet["release"], outcome="released")
    return ReleaseRef.from_option(world.open_region(world.open_fleet(release_id="r2"))["release"])


@pytest.mark.parametrize(
    ("name", "value"), [("fields", []), ("until", 1.0), ("release", "r0"), ("connections", [{"service": "x"}])]
)
def test_a_standby_with_another_content_is_told_by_everybody(
    world: World, warm: ReleaseRef, name: str, value: t.Any
) -> None:
    edit(world, JOURNAL, "standby", flipped(world.server.take(JOURNAL)["data"]["standby"], name, value))
    assert set(everybody(world, warm, "region")) == {sentence("us-east-1")}
    ended = world.call(state="opened", kind="standby", fleet=warm.to_option()["fleet"])
    assert (ended["msg"], ended["error"]["kind"]) == (sentence("us-east-1"), "journal")


@pytest.mark.parametrize("name", ["fields", "until", "release"])
def test_a_standby_that_is_none_is_told_by_everybody(world: World, warm: ReleaseRef, name: str) -> None:
    record = json.loads(world.server.take(JOURNAL)["data"]["standby"])
    edit(world, JOURNAL, "standby", json.dumps({key: record[key] for key in record if key not in (name, "checksum")}))
    assert set(everybody(world, warm, "region")) == {sentence("us-east-1")}


def test_a_standby_of_before_there_were_checksums_is_handed_on_as_it_was(world: World, warm: ReleaseRef) -> None:
    record = json.loads(world.server.take(JOURNAL)["data"]["standby"])
    del record["checksum"]
    edit(world, JOURNAL, "standby", json.dumps(record))
    closed = world.call(state="closed", release=warm.to_option(), outcome="taken_back")
    assert closed["standby"] == record
    # What is written from now on has one.
    assert json.loads(world.server.take(JOURNAL)["data"]["standby"]).keys() == {*record, "checksum"}


@pytest.mark.parametrize("key", ["before", "finish"])
@pytest.mark.parametrize("text", ["", "no base64", "QUJD", "H4sIAAAAAAAA/w=="])
def test_what_is_packed_is_told_when_it_is_read(world: World, release: ReleaseRef, key: str, text: str) -> None:
    edit(world, JOURNAL, key, text)
    assert world.call(state="read")["msg"] == sentence("us-east-1")
    fleet = release.to_option()["fleet"]
    assert world.call(state="taken_over", fleet=fleet)["msg"] == sentence("us-east-1")


@pytest.mark.parametrize(
    ("ref", "key", "text"),
    [
        (JOURNAL, "release", "{"),
        (JOURNAL, "release", "[1]"),
        (JOURNAL, "release", '{"state": "open"}'),
        (JOURNAL, "standby", "{"),
        (FLEET_JOURNAL, "release", ""),
        (FLEET_JOURNAL, "at-us-east-1", "{}"),
    ],
)
def test_the_rest_of_it(world: World, release: ReleaseRef, ref: Ref, key: str, text: str) -> None:
    edit(world, ref, key, text)
    scope = "region" if ref == JOURNAL else "fleet"
    assert set(everybody(world, release, scope)) == {sentence("us-east-1" if ref == JOURNAL else "fleet")}


def test_what_was_written_before_there_were_checksums_is_read_as_it_was(world: World, release: ReleaseRef) -> None:
    for server, ref, key in ((world.server, JOURNAL, "0001"), (world.fleet_server, FLEET_JOURNAL, "decision")):
        old = json.loads(server.take(ref)["data"][key])
        del old["checksum"]
        edit(world, ref, key, json.dumps(old))
    assert world.journal(release).entries()[0].changes == (CHANGE,)
    assert world.call(state="read", scope="fleet")["decision"]["by"] == "eu-west-1"
    assert world.journal(release, undoing=True).intend("take back", [CHANGE]) == 2


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["release", "decision", "0001", "standby", "at-x"]), st.text(max_size=12)))
def test_nothing_but_that_error_comes_out_of_anything(data: dict[str, str]) -> None:
    try:
        assert sound(data, "fleet") is data
    except ReleaseError as error:
        assert error.kind == "journal"
