# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights of an engine: those of its epoch record, which nobody but the engines writes."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_drift import decide_drift
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import sanitise
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.epoch import epoch_of
from catalogue_samples import manifests
from engine_samples import ENGINE, SERVICES
from hypothesis import given, settings
from hypothesis import strategies as st
from slot_world import SlotWorld, build_route

Json = dict[str, t.Any]

RECORD = Ref("v1", "ConfigMap", f"{ENGINE}-epoch", "exchange")


def record(owner: str, epoch: int = 7, text: str | None = None, **meta: t.Any) -> Json:
    data = json.dumps({"epoch": epoch, "owner": owner, "sequence": 81220}) if text is None else text
    metadata = {"name": RECORD.name, "namespace": "exchange", **meta}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"record": data}}


def objects(slot: str, version: str) -> list[Json]:
    return manifests(SERVICES, {ENGINE: version})[ENGINE][slot]


def scale(slot: str, count: int) -> Json:
    workload = {"api_version": "apps/v1", "kind": "StatefulSet", "name": f"{ENGINE}-{slot}"}
    return {**workload, "path": "spec.replicas", "value": count}


def slot_ref(slot: str) -> Ref:
    return Ref("apps/v1", "StatefulSet", f"{ENGINE}-{slot}", "exchange")


def good(result: Json) -> Json:
    assert not result.get("failed"), result["msg"]
    return result


def read(world: SlotWorld) -> Json:
    return t.cast("Json", good(world.revision(state="read", services=[ENGINE]))["revision"])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SlotWorld:
    """Blue was released and trades."""
    world = SlotWorld(monkeypatch)
    good(world.revision(state="applied", objects=objects("blue", "v1"), fields=[scale("blue", 1)]))
    world.server.put(record(f"{ENGINE}-blue"), "engine")
    return world


def test_the_document_has_the_weights_of_the_record_and_not_the_record(world: SlotWorld) -> None:
    # Whatever its labels are.
    world.server.put(record(f"{ENGINE}-blue", labels={"app.kubernetes.io/name": ENGINE}), "engine")
    found = read(world)
    state = found["services"][ENGINE]
    assert (state["weights"], state["live_slot"], state["epoch"]) == ({"blue": 100, "green": 0}, "blue", 7)
    assert state["slots"]["blue"]["version"] == "v1"
    assert sorted(obj["kind"] for obj in found["objects"]) == [
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    ]


def test_the_same_again_changes_nothing_and_leaves_the_scale(world: SlotWorld) -> None:
    again = good(world.revision(state="applied", objects=objects("blue", "v1")))
    assert again["changed"] is False
    assert world.server.take(slot_ref("blue"))["spec"]["replicas"] == 1


def test_a_recorded_volume_says_what_was_asked_for_and_not_what_came_of_it() -> None:
    (slot,) = [obj for obj in objects("blue", "v1") if obj["kind"] == "StatefulSet"]
    read = copy.deepcopy(slot)
    (claim,) = read["spec"]["volumeClaimTemplates"]
    claim["status"] = {"phase": "Pending"}
    claim["metadata"]["creationTimestamp"] = None
    assert sanitise(read) == slot


def test_no_record_is_a_first_release(world: SlotWorld) -> None:
    del world.server.stored[RECORD]
    state = read(world)["services"][ENGINE]
    assert (state["weights"], state["live_slot"]) == (None, None)
    assert "epoch" not in state


def test_a_route_counts_before_a_record(world: SlotWorld) -> None:
    parent = {"name": "exchange"}
    weights = {"blue": 0, "green": 100}
    world.server.put(build_route(ENGINE, "exchange", weights=weights, port=8080, hostnames=["x"], parent=parent))
    state = read(world)["services"][ENGINE]
    assert state["weights"] == weights
    assert "epoch" not in state


@pytest.mark.parametrize(
    "bad",
    [
        record("somebody"),
        record("core-api-blue"),
        record(f"{ENGINE}-red"),
        record("", text="epoch 7"),
        record("", text="[]"),
        record("", text="{}"),
    ],
)
def test_a_record_that_names_no_slot_stops_everything(world: SlotWorld, bad: Json) -> None:
    """Nobody knows then which slot must not be touched."""
    world.server.put(bad, "engine")
    with pytest.raises(ValueError, match=r"record|slot"):
        epoch_of(bad, ENGINE)
    unread = world.revision(state="read", services=[ENGINE])
    assert "us-east-1: ConfigMap exchange/matching-engine-epoch " in unread["msg"]
    assert (unread["error"]["kind"], unread["error"]["retriable"]) == ("epoch_record", False)
    done = world.revision(state="applied", fields=[scale("blue", 0)])
    assert "look at the engines" in done["msg"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"fields": [scale("blue", 0)]}, "has 100 % of the traffic and 1 replicas; it is not scaled down to 0"),
        ({"objects": objects("blue", "v2")}, "another pod template there needs allow_live"),
    ],
)
def test_who_trades_is_neither_scaled_down_nor_replaced(world: SlotWorld, given: Json, problem: str) -> None:
    assert f"StatefulSet {ENGINE}-blue has 100 % of the traffic" in world.revision(state="applied", **given)["msg"]
    assert problem in world.revision(state="applied", **given)["msg"]


def test_the_record_is_not_ours_to_write(world: SlotWorld) -> None:
    mine = record(f"{ENGINE}-green", labels={"app.kubernetes.io/name": ENGINE})
    done = world.revision(state="applied", objects=[mine])
    assert done["msg"] == f"objects: the ConfigMap {ENGINE}-epoch is an epoch record, which only the engines write"


def test_a_release_is_taken_back_and_the_record_and_who_trades_are_left(world: SlotWorld) -> None:
    _fleet, release = world.opened()
    was = world.server.take(slot_ref("blue"))
    good(world.revision(state="applied", objects=objects("green", "v2"), fields=[scale("green", 1)], release=release))
    # Handed over, and not back yet.
    world.server.put(record(f"{ENGINE}-green", 8), "engine")
    stays = good(world.revision(state="restored", release=release))
    assert any("StatefulSet exchange/matching-engine-green stays: its slot has 100 %" in one for one in stays["kept"])
    assert slot_ref("green") in world.server.stored

    world.server.put(record(f"{ENGINE}-blue", 9), "engine")
    good(world.revision(state="restored", release=release))
    assert slot_ref("green") not in world.server.stored
    assert world.server.take(slot_ref("blue"))["spec"] == was["spec"]
    assert json.loads(world.server.take(RECORD)["data"]["record"])["epoch"] == 9


def test_what_a_release_left_has_no_drift_and_a_handover_by_hand_has(world: SlotWorld) -> None:
    good(world.revision(state="applied", objects=objects("green", "v2"), fields=[scale("green", 1)]))
    world.server.put(record(f"{ENGINE}-green", 8), "engine")
    recorded = read(world)
    note = {"release": "r2", "until": 0.0, "fields": [scale("blue", 0)]}
    assert decide_drift(recorded, read(world), note).told == [
        f"{ENGINE}-blue has 1 replicas and no traffic, as warm standby until 1970-01-01T00:00:00Z"
    ]
    good(world.revision(state="applied", fields=[scale("blue", 0)]))
    ended = decide_drift(recorded, read(world))
    assert (ended.fields, ended.told) == ([], [])

    world.server.put(record(f"{ENGINE}-blue", 9), "engine")
    by_hand = decide_drift(recorded, read(world)).fields
    assert ("ConfigMap exchange/matching-engine-epoch", "live_slot", "green", "blue") in [
        (field["ref"], field["path"], field["recorded"], field["now"]) for field in by_hand
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["blue", "green"]),
    st.integers(1, 10**9),
    st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True),
)
def test_all_of_the_traffic_is_the_owner_s(slot: str, number: int, service: str) -> None:
    found = epoch_of(record(f"{service}-{slot}", number), service)
    assert (found.number, found.weights[slot], sum(found.weights.values())) == (number, 100, 100)
