# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a journal keeps of engines: the end of their standby, and handovers that are no objects of the cluster."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import TOKEN_ANNOTATION, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.prune_configs import prune_configs
from catalogue_samples import manifests
from engine_samples import ENGINE, SERVICES
from fakes import FakeClock, FakeKube
from journal_world import World

FLEET = {"kubeconfig": "~/.kube/config", "context": "management", "namespace": "pincex-fleet"}
OTHER = {"pid": 1, "started": ""}
BLUE = Ref("apps/v1", "StatefulSet", f"{ENGINE}-blue", "exchange")
RECORD = Ref("v1", "ConfigMap", f"{ENGINE}-epoch", "exchange")


def finish(target: str, source: str) -> dict[str, t.Any]:
    to_zero = {"kind": "StatefulSet", "name": f"{ENGINE}-{source}", "path": "spec.replicas", "value": 0}
    told = {"service": ENGINE, "engine": {"pod": f"{ENGINE}-{target}-0", "port": 8080}, "contract": {}, "tls": {}}
    return {"fields": [], "standby": [to_zero], "connections": [], "engines": [told], "services": [ENGINE]}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def released(world: World, number: int, left: dict[str, t.Any]) -> dict[str, t.Any]:
    """A whole release of the region, kept."""
    fleet = world.open_fleet(release_id=f"r{number}")
    region = world.open_region(fleet, finish=left)
    ended = {"outcome": "released", "number": number, "revision": {"objects": []}, "standby_s": 60.0}
    closed = world.call(state="closed", release=region["release"], **ended)
    whole = world.call(state="closed", scope="fleet", release=fleet["release"], outcome="released")
    assert not closed.get("failed"), closed["msg"]
    assert not whole.get("failed"), whole["msg"]
    return closed


def test_the_standby_knows_who_is_told_of_its_end_until_that_engine_moves_again(world: World) -> None:
    first = finish("green", "blue")
    assert released(world, 1, first)["standby"]["engines"] == first["engines"]
    assert world.call(state="read")["standby"]["engines"] == first["engines"]
    # A release of something else hands it on.
    other = {"fields": [], "standby": [], "connections": [], "services": ["core-api"]}
    assert released(world, 2, other)["standby"]["engines"] == first["engines"]
    # One that hands back to blue: green must not be told to write its own format.
    back = finish("blue", "green")
    assert released(world, 3, back)["standby"]["engines"] == back["engines"]


def test_without_an_engine_nothing_is_said_of_any(world: World) -> None:
    to_zero = {"kind": "Deployment", "name": "core-api-blue", "path": "spec.replicas", "value": 0}
    left = {"fields": [], "standby": [to_zero], "connections": [], "services": ["core-api"]}
    assert "engines" not in released(world, 1, left)["standby"]


def test_a_recovery_marks_the_slots_and_neither_a_handover_nor_the_record(world: World) -> None:
    """The record is the engines' own, and a handover is no object that could be marked."""
    slot = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": BLUE.name, "namespace": "exchange"}}
    world.server.put(slot)
    record = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": RECORD.name, "namespace": "exchange"}}
    world.server.put({**record, "data": {"record": "{}"}})
    was = world.server.take(RECORD)
    fleet = world.open_fleet()
    region = world.open_region(fleet, before={"services": {}, "objects": [slot]})
    exchange = Ref("pincex.io/v1", "Exchange", f"{ENGINE}-blue", "exchange")
    leader = {"leader": {"before": f"{ENGINE}-blue", "after": f"{ENGINE}-green"}}
    world.journal(ReleaseRef.from_option(region["release"])).intend(
        f"{ENGINE} handover", [Change(exchange, "drain", leader)]
    )
    gone = {"decision": "undo", "reason": "gone", "controller": OTHER, "by": "bob"}
    world.call(state="taken_over", scope="fleet", **gone)
    taken = world.call(state="taken_over", controller=OTHER, by="bob", fleet=FLEET)
    assert not taken.get("failed"), taken["msg"]
    assert world.server.take(BLUE)["metadata"]["annotations"][TOKEN_ANNOTATION] == str(taken["release"]["token"])
    assert world.server.take(RECORD) == was
    (entry,) = taken["entries"]
    assert (entry["changes"][0]["op"], entry["done"]) == ("drain", False)


def test_an_engine_keeps_its_configuration() -> None:
    server = FakeKube(("exchange",))
    services = copy.deepcopy(SERVICES)
    services[ENGINE]["config"] = {"PAIRS": "BTC-USD"}
    for obj in manifests(services, {ENGINE: "v1"})[ENGINE]["blue"]:
        if obj["kind"] in ("StatefulSet", "ConfigMap"):
            server.put(obj)
    assert prune_configs(server.api(FakeClock()), "exchange", []) == []
