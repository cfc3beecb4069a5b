# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration by content hash, applied and read in a region in memory."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.manifests import slot_manifests
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import parse_catalogue
from catalogue_samples import SERVICES
from slot_world import S, SlotWorld, scale, slot_ref

Json = dict[str, t.Any]


def objects(slot: str, version: str, **config: t.Any) -> list[Json]:
    services = {**SERVICES, S: {**SERVICES[S], "config": config}}
    return slot_manifests(parse_catalogue(services)[S], slot, version, "us-east-1", "exchange")


def name_of(**config: t.Any) -> str:
    return next(obj["metadata"]["name"] for obj in objects("blue", "v1", **config) if obj["kind"] == "ConfigMap")


def configs(world: SlotWorld) -> set[str]:
    """What is there."""
    return {ref.name for ref in world.server.stored if ref.kind == "ConfigMap" and ref.name.startswith(S)}


def recorded(world: SlotWorld) -> set[str]:
    """What the revision document holds."""
    document = world.revision(state="read", services=[S])["revision"]
    return {obj["metadata"]["name"] for obj in document["objects"] if obj["kind"] == "ConfigMap"}


def deploy(world: SlotWorld, slot: str, version: str, release: t.Any = None, **config: t.Any) -> Json:
    given = {"objects": objects(slot, version, **config), "fields": [scale(slot, 2)]}
    done = world.revision(state="applied", release=release, **given)
    assert not done.get("failed"), done["msg"]
    return done


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> SlotWorld:
    """v1 with FEE=1 in blue with all the traffic."""
    world = SlotWorld(monkeypatch)
    deploy(world, "blue", "v1", FEE=1)
    world.routed(100, 0)
    return world


def test_the_same_configuration_is_applied_once_for_both_slots(live: SlotWorld) -> None:
    done = deploy(live, "green", "v2", FEE=1)
    assert configs(live) == {name_of(FEE=1)}
    assert "ConfigMap" not in str(done["objects"])
    live.server.requests.clear()
    assert deploy(live, "blue", "v1", FEE=1)["changed"] is False
    assert live.server.writes() == []


def test_the_document_holds_what_the_slots_refer_to(live: SlotWorld) -> None:
    deploy(live, "green", "v2", FEE=2)
    assert recorded(live) == {name_of(FEE=1), name_of(FEE=2)}
    deploy(live, "green", "v3", FEE=3)
    assert configs(live) == {name_of(FEE=1), name_of(FEE=2), name_of(FEE=3)}
    assert recorded(live) == {name_of(FEE=1), name_of(FEE=3)}


def test_secrets_of_the_slots_are_named(live: SlotWorld) -> None:
    manifests = objects("green", "v2", FEE=1)
    pod = next(obj for obj in manifests if obj["kind"] == "Deployment")["spec"]["template"]["spec"]
    pod["containers"][0]["envFrom"].append({"secretRef": {"name": "database"}})
    live.revision(state="applied", objects=manifests)
    read = live.revision(state="read", services=[S])
    assert read["revision"]["secrets"] == [{"name": "database", "hash": None}]


@pytest.mark.parametrize("in_place", [False, True])
def test_a_release_that_is_taken_back_takes_its_configuration_along(live: SlotWorld, in_place: bool) -> None:
    _fleet, release = live.opened()
    given = {"objects": objects("blue" if in_place else "green", "v2", FEE=2), "allow_live": in_place}
    live.revision(state="applied", release=release, **given)
    assert configs(live) == {name_of(FEE=1), name_of(FEE=2)}
    done = live.revision(state="restored", release=release)
    assert not done.get("failed"), done["msg"]
    assert configs(live) == {name_of(FEE=1)}
    assert "ConfigMap" not in str(done["kept"])


def test_configuration_that_another_slot_took_since_stays(live: SlotWorld) -> None:
    _fleet, release = live.opened()
    deploy(live, "green", "v2", release=release, FEE=2)
    blue = live.server.take(slot_ref("blue"))
    blue["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": name_of(FEE=2)}}]
    live.server.put(blue, "kubectl")
    done = live.revision(state="restored", release=release)
    assert configs(live) == {name_of(FEE=1), name_of(FEE=2)}
    assert f"us-east-1: ConfigMap exchange/{name_of(FEE=2)} stays: a slot refers to it" in done["kept"]


def test_configuration_that_was_there_before_stays(live: SlotWorld) -> None:
    _fleet, release = live.opened()
    deploy(live, "green", "v2", release=release, FEE=1)
    live.revision(state="restored", release=release)
    assert configs(live) == {name_of(FEE=1)}
