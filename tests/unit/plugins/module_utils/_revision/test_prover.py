# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slot of the engine is brought up to prove a snapshot, and put back, under the lock of a maintenance: its journal is
that of the last release, which has ended."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.maintenance import exchange
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, ReleaseRef
from catalogue_samples import manifests
from engine_samples import ENGINE, SERVICES
from slot_world import SlotWorld, slot_ref
from slot_world import manifests as manifests_of_api

Json = dict[str, t.Any]

FLEET = {"kubeconfig": "none", "context": "management", "namespace": "pincex-fleet"}
RECORD = Ref("v1", "ConfigMap", f"{ENGINE}-epoch", "exchange")
GREEN = Ref("apps/v1", "StatefulSet", f"{ENGINE}-green", "exchange")


def good(result: Json) -> Json:
    assert not result.get("failed"), result["msg"]
    return result


def scale(slot: str, count: int) -> Json:
    workload = {"api_version": "apps/v1", "kind": "StatefulSet", "name": f"{ENGINE}-{slot}"}
    return {**workload, "path": "spec.replicas", "value": count}


class DrainedWorld(SlotWorld):
    """A release of the engine has ended, and blue trades."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
        super().__init__(monkeypatch)
        owner = {"epoch": 7, "owner": f"{ENGINE}-blue", "sequence": 81220}
        record = {"metadata": {"name": RECORD.name, "namespace": "exchange"}, "data": {"record": json.dumps(owner)}}
        self.server.put({"apiVersion": "v1", "kind": "ConfigMap", **record}, "engine")
        fleet, region = self.opened()
        rendered = manifests(SERVICES, {ENGINE: version})[ENGINE]["blue"]
        good(self.revision(state="applied", objects=rendered, fields=[scale("blue", 1)], release=region))
        # Without traffic, so nothing but the journal says whose it is.
        good(self.revision(state="applied", objects=manifests_of_api("green", version), release=region))
        good(self.call(state="closed", outcome="released", release=region.to_option()))
        good(self.call(state="closed", scope="fleet", outcome="released", release=fleet.to_option()))

    def lock(self) -> ReleaseRef:
        return ReleaseRef.from_option(good(self.call(state="opened", kind="maintenance", fleet=FLEET))["release"])

    def unlock(self, release: ReleaseRef) -> None:
        good(self.call(state="closed", outcome="drained", release=release.to_option()))

    def bring_up(self, release: ReleaseRef) -> None:
        read = good(self.revision(state="read", services=[ENGINE]))["revision"]
        found = exchange(SERVICES, read)
        assert found["prover"] == f"{ENGINE}-green"
        given = {"objects": found["objects"], "fields": [scale("green", 1)], "step": "prover"}
        good(self.revision(state="applied", release=release, **given))
        assert self.server.take(GREEN)["spec"]["replicas"] == 1

    def put_back(self, release: ReleaseRef) -> Json:
        return good(self.revision(state="restored", step="prover", release=release))


@pytest.mark.parametrize("old", [None, "v1"])
def test_the_slot_is_put_back_and_nothing_of_the_last_release(monkeypatch: pytest.MonkeyPatch, old: str | None) -> None:
    world = DrainedWorld(monkeypatch, "v2")
    if old is not None:
        rendered = manifests(SERVICES, {ENGINE: old})[ENGINE]["green"]
        good(world.revision(state="applied", objects=rendered, fields=[scale("green", 0)]))
    was = world.objects()
    for _time in range(2):
        release = world.lock()
        world.bring_up(release)
        labels = world.server.take(GREEN)["spec"]["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/version"] == "v2"
        drained = Change(Ref("", "Exchange", f"{ENGINE}-blue", "exchange"), "drain", {"mode": {"before": "online"}})
        world.journal(release).intend("drain", [drained])
        world.put_back(release)
        assert slot_ref("green") in world.server.stored
        assert world.objects() == was
        assert world.put_back(release)["changed"] is False
        world.unlock(release)
    assert world.server.take(Ref("apps/v1", "StatefulSet", f"{ENGINE}-blue", "exchange"))["spec"]["replicas"] == 1


def test_who_takes_a_killed_drain_over_puts_the_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = DrainedWorld(monkeypatch, "v1")
    was = world.objects()
    world.bring_up(world.lock())
    world.clock.elapsed += 60
    taken = good(world.call(state="taken_over", fleet=FLEET))
    assert [entry["step"] for entry in taken["entries"]] == ["prover"]
    release = ReleaseRef.from_option(taken["release"])
    world.put_back(release)
    world.unlock(release)
    assert GREEN not in world.server.stored
    assert {name: obj["spec"] for name, obj in world.objects().items() if "spec" in obj} == {
        name: obj["spec"] for name, obj in was.items() if "spec" in obj
    }
