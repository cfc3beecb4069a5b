# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Secret that is rotated during a release: it is told and never written."""

from __future__ import annotations

import base64
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_undo import rotated
from fakes import answer_with
from hypothesis import given, settings
from hypothesis import strategies as st
from slot_world import S, SlotWorld, deployment, manifests, scale, service, slot_ref

DATABASE = Ref("v1", "Secret", "core-api-database", "exchange")
SENTENCE = "us-east-1: Secret core-api-database was changed by somebody else: left as it is"
HASHES = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abc"), "hash": st.none() | st.sampled_from("xy")}),
    unique_by=lambda entry: t.cast("str", entry["name"]),
)


def secret(name: str, key: str, value: str) -> dict[str, t.Any]:
    meta = {"name": name, "namespace": "exchange"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "data": {key: base64.b64encode(value.encode()).decode()},
    }


def with_database(slot: str, version: str) -> list[dict[str, t.Any]]:
    """The manifests of a slot whose container reads the Secret."""
    objects = [obj for obj in manifests(slot, version) if obj["kind"] != "Deployment"]
    made = deployment(slot, version)
    made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": DATABASE.name}}]
    return [*objects, made]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SlotWorld:
    world = SlotWorld(monkeypatch)
    world.server.put(secret("pincex-release-key", "key", "0123456789abcdef"))
    world.server.put(secret(DATABASE.name, "password", "first"))
    done = world.revision(state="applied", objects=with_database("blue", "v1"), fields=[scale("blue", 2)])
    assert not done.get("failed"), done["msg"]
    world.ready("blue", 2)
    world.revision(state="applied", objects=[service("green")])
    world.routed(100, 0)
    return world


def opened(world: SlotWorld) -> ReleaseRef:
    before = world.revision(state="read", services=[S])["revision"]
    assert before["secrets"][0]["hash"]
    region = world.open_region(world.open_fleet(), before=before)
    release = ReleaseRef.from_option(region["release"])
    done = world.revision(
        state="applied", release=release, objects=with_database("green", "v2"), fields=[scale("green", 2)]
    )
    assert not done.get("failed"), done["msg"]
    return release


def secret_writes(world: SlotWorld) -> list[str]:
    return [request.method for request in world.server.writes() if "/secrets" in request.path]


def test_an_undo_leaves_a_rotated_secret_and_tells_it(world: SlotWorld) -> None:
    release = opened(world)
    world.server.put(secret(DATABASE.name, "password", "second"))
    rotated_now = world.server.take(DATABASE)
    checked = world.revision(state="restored", release=release, check_mode=True)
    assert checked["kept"] == [SENTENCE]
    done = world.revision(state="restored", release=release)
    assert not done.get("failed"), done["msg"]
    assert done["kept"] == [SENTENCE]
    assert slot_ref("green") not in world.server.stored
    assert world.revision(state="restored", release=release)["kept"] == [SENTENCE], "also when it is asked again"
    assert world.server.take(DATABASE) == rotated_now
    assert secret_writes(world) == []
    assert "second" not in str(done)


def test_a_secret_that_nobody_touched_is_not_told(world: SlotWorld) -> None:
    assert world.revision(state="restored", release=opened(world))["kept"] == []


@pytest.mark.parametrize("status", [403, 500])
def test_a_way_back_does_not_fail_because_secrets_cannot_be_read(world: SlotWorld, status: int) -> None:
    release = opened(world)
    world.server.put(secret(DATABASE.name, "password", "second"))
    world.server.before.append(answer_with(status, times=10_000, path="/secrets"))
    done = world.revision(state="restored", release=release)
    assert not done.get("failed"), done["msg"]
    assert done["kept"] == []


def test_a_rollback_to_a_revision_leaves_a_rotated_secret(world: SlotWorld) -> None:
    recorded = world.revision(state="read", services=[S])["revision"]
    world.server.put(secret(DATABASE.name, "password", "second"))
    rotated_now = world.server.take(DATABASE)
    objects = [obj for obj in recorded["objects"] if obj["kind"] != "HTTPRoute"]
    for obj in objects:
        obj["spec"] = {key: value for key, value in obj.get("spec", {}).items() if key != "replicas"}
    done = world.revision(state="applied", objects=objects, allow_live=True, step="back")
    assert not done.get("failed"), done["msg"]
    assert world.server.take(DATABASE) == rotated_now
    assert secret_writes(world) == []


@settings(max_examples=60, deadline=None)
@given(HASHES, HASHES)
def test_only_what_has_two_hashes_that_differ_is_told(
    before: list[dict[str, t.Any]], now: list[dict[str, t.Any]]
) -> None:
    one, other = ({entry["name"]: entry["hash"] for entry in entries} for entries in (before, now))
    differ = {name for name in one.keys() & other.keys() if one[name] and other[name] and one[name] != other[name]}
    assert {sentence.split()[1] for sentence in rotated(before, now)} == differ
