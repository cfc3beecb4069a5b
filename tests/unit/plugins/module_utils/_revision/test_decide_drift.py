# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift: what differs from the recorded revision, and what is no drift although it differs."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_drift import Drift, decide_drift
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import make_document
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import build_route, weights_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.selector import build_service
from hypothesis import given, settings
from hypothesis import strategies as st
from slot_world import S, SlotWorld, deployment, hpa, service, slot_ref

Json = dict[str, t.Any]
ROUTE_REF = f"HTTPRoute exchange/{S}"
STANDBY: Json = {
    "release": "r4",
    "until": 1767323045.0,
    "fields": [
        {"api_version": "apps/v1", "kind": "Deployment", "name": f"{S}-blue", "path": "spec.replicas", "value": 0}
    ],
}


def route(blue: int, green: int) -> Json:
    hosts = ["core-api.exchange.lab"]
    return build_route(S, "exchange", weights={"blue": blue, "green": green}, port=8080, hostnames=hosts, parent={})


def document(
    *, blue: int = 0, weights: tuple[int, int] = (0, 100), objects: t.Sequence[Json] = (), **more: t.Any
) -> Json:
    """Green is live with three pods, blue has as many as the test says."""
    carrier = route(*weights)
    found = [
        deployment("blue", "v1", replicas=blue),
        deployment("green", "v2", replicas=3),
        *(service(slot) for slot in ("blue", "green")),
        *(hpa(slot, 2) for slot in ("blue", "green")),
        carrier,
        *objects,
    ]
    secrets = more.get("secrets") or []
    made = make_document("us", "exchange", [S], found, {S: weights_of(carrier) or {}}, secrets=secrets)
    # As it comes out of a journal: nothing is shared between objects.
    return t.cast("Json", json.loads(json.dumps(made)))


def named(doc: Json, kind: str, name: str) -> Json:
    return next(obj for obj in doc["objects"] if (obj["kind"], obj["metadata"]["name"]) == (kind, name))


def told(drift: Drift) -> list[tuple[str, str, t.Any, t.Any]]:
    return [(field["ref"], field["path"], field["recorded"], field["now"]) for field in drift.fields]


def test_weights_and_the_live_slot_are_drift() -> None:
    drift = decide_drift(document(), document(weights=(60, 40)))
    assert told(drift) == [
        (ROUTE_REF, "weights.blue", 0, 60),
        (ROUTE_REF, "weights.green", 100, 40),
        (ROUTE_REF, "live_slot", "green", "blue"),
    ]


def test_a_selector_that_names_the_other_slot_is_drift() -> None:
    def selected(blue: int, green: int) -> Json:
        obj = build_service(S, "exchange", weights={"blue": blue, "green": green}, port=8080)
        return {"region": "us", "namespace": "exchange", "services": {}, "objects": [obj]}

    drift = decide_drift(selected(0, 100), selected(100, 0))
    assert [(ref, path) for ref, path, _then, _now in told(drift)] == [
        (f"Service exchange/{S}", "weights.blue"),
        (f"Service exchange/{S}", "weights.green"),
        (f"Service exchange/{S}", "live_slot"),
    ]


def test_what_else_is_in_a_route_is_told_field_by_field() -> None:
    now = document()
    named(now, "HTTPRoute", S)["spec"]["rules"][1]["matches"][0]["path"]["value"] = "/v1"
    assert told(decide_drift(document(), now)) == [(ROUTE_REF, "spec.rules[1].matches[0].path.value", "/", "/v1")]


def test_fields_objects_and_the_image() -> None:
    now = document(objects=[deployment("red", "v9")])
    named(now, "Deployment", f"{S}-green")["spec"]["template"]["spec"]["containers"][0]["image"] = "exchange:v3"
    now["objects"] = [
        obj for obj in now["objects"] if obj["metadata"]["name"] != f"{S}-blue" or obj["kind"] != "Service"
    ]
    image = f"spec.template.spec.containers[{S}].image"
    assert told(decide_drift(document(), now)) == [
        (f"Deployment exchange/{S}-green", image, "exchange:v2", "exchange:v3"),
        (f"Deployment exchange/{S}-red", "", None, "there"),
        (f"Service exchange/{S}-blue", "", "there", None),
    ]


def test_replicas_belong_to_the_hpa() -> None:
    now = document()
    named(now, "Deployment", f"{S}-green")["spec"]["replicas"] = 5
    assert decide_drift(document(), now) == Drift([], [])
    then, now = document(), copy.deepcopy(now)
    for side in (then, now):
        side["objects"] = [obj for obj in side["objects"] if obj["kind"] != "HorizontalPodAutoscaler"]
    assert told(decide_drift(then, now)) == [(f"Deployment exchange/{S}-green", "spec.replicas", 3, 5)]


def test_a_warm_standby_is_told_and_its_end_is_no_drift() -> None:
    warm = document(blue=3)
    named(warm, "HorizontalPodAutoscaler", f"{S}-blue")["spec"]["minReplicas"] = 3
    sentence = f"{S}-blue has 3 replicas and no traffic, as warm standby until 2026-01-02T03:04:05Z"
    assert decide_drift(warm, warm, STANDBY) == Drift([], [sentence])
    # Recorded at zero (a release of another service), and the other way round: recorded warm, ended since.
    assert decide_drift(document(), warm, STANDBY) == Drift([], [sentence])
    assert decide_drift(warm, document()) == Drift([], [])


def test_an_idle_slot_that_somebody_scaled_up_is_drift() -> None:
    drift = decide_drift(document(), document(blue=2))
    assert told(drift) == [(f"Deployment exchange/{S}-blue", "spec.replicas", 0, 2)]
    assert drift.told == [f"{S}-blue has 2 replicas and no traffic, and no warm standby is on record"]


def test_what_the_server_keeps_or_fills_in_is_no_drift() -> None:
    now = document()
    green = named(now, "Deployment", f"{S}-green")
    green["metadata"] |= {"resourceVersion": "9", "managedFields": [{}], "uid": "u", "generation": 4}
    green["status"] = {"readyReplicas": 1}
    green["spec"]["progressDeadlineSeconds"] = 600
    pod = green["spec"]["template"]["spec"]
    pod |= {"dnsPolicy": "ClusterFirst", "securityContext": {}}
    pod["containers"][0]["readinessProbe"] = {"periodSeconds": 10, "timeoutSeconds": 1}
    assert decide_drift(document(), now) == Drift([], [])
    assert decide_drift(now, document()) == Drift([], [])
    # False and zero are no defaults.
    pod["automountServiceAccountToken"] = False
    assert told(decide_drift(document(), now)) == [
        (f"Deployment exchange/{S}-green", "spec.template.spec.automountServiceAccountToken", None, False)
    ]


def test_secrets_by_hash_and_values_of_an_env_are_covered() -> None:
    def secrets(*hashes: str | None) -> Json:
        return document(secrets=[{"name": f"s{n}", "hash": value} for n, value in enumerate(hashes)])

    drift = decide_drift(secrets("a", "b", None, "d"), secrets("a", "c", "c", None))
    assert told(drift) == [("Secret exchange/s1", "hash", "b", "c")]
    now = document()
    container = named(now, "Deployment", f"{S}-green")["spec"]["template"]["spec"]["containers"][0]
    container["env"] += [{"name": "DB_PASSWORD", "value": "hunter2"}]
    container["command"] = ["run", "--token", "x"]
    shown = str(decide_drift(document(), now).fields)
    assert "DB_PASSWORD" in shown
    assert "hunter2" not in shown
    changed = copy.deepcopy(now)
    named(changed, "Deployment", f"{S}-green")["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"] = (
        "hunter3"
    )
    (field,) = decide_drift(now, changed).fields
    assert (field["path"].rpartition("].")[2], field["recorded"], field["now"]) == ("value", "***", "***")


def leaves(tree: t.Any, path: tuple[t.Any, ...] = ()) -> list[tuple[t.Any, ...]]:
    if isinstance(tree, dict | list) and tree:
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return [leaf for key, value in items for leaf in leaves(value, (*path, key))]
    return [path]


#: All but what names an object or an item of a list, and what belongs to the HPA and the standby.
LEAVES = [
    (index, leaf)
    for index, obj in enumerate(document()["objects"])
    for leaf in leaves(obj)
    if leaf[0] not in ("apiVersion", "kind")
    and leaf[-1] != "name"
    and leaf[-1] not in ("replicas", "minReplicas", "maxReplicas")
    and "backendRefs" not in leaf
]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(LEAVES), unique=True, max_size=4))
def test_every_changed_field_is_told_and_nothing_else(changed: list[tuple[int, tuple[t.Any, ...]]]) -> None:
    then, now = document(), document()
    for index, (*parents, last) in changed:
        inner = now["objects"][index]
        for key in parents:
            inner = inner[key]
        inner[last] = "changed"
    objects = [now["objects"][index] for index, _leaf in changed]
    drift = decide_drift(then, now)
    expected = sorted(f"{obj['kind']} exchange/{obj['metadata']['name']}" for obj in objects)
    assert sorted(field["ref"] for field in drift.fields) == expected
    assert {field["now"] for field in drift.fields} <= {"changed"}
    assert decide_drift(now, now) == Drift([], [])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SlotWorld:
    return SlotWorld(monkeypatch)


def test_what_the_modules_wrote_and_read_again_has_no_drift(world: SlotWorld) -> None:
    """Both documents as the module reads them."""
    world.running("blue", "v1", 2)
    world.routed(100, 0)
    then = world.revision(state="read", services=[S])["revision"]
    world.ready("blue", 1)
    world.server.change(slot_ref("blue"), "hpa", spec={"replicas": 4})
    now = world.revision(state="read", services=[S])["revision"]
    assert decide_drift(then, now) == Drift([], [])
    world.server.change(slot_ref("blue"), "kubectl", spec={"paused": True})
    now = world.revision(state="read", services=[S])["revision"]
    assert told(decide_drift(then, now)) == [(f"Deployment exchange/{S}-blue", "spec.paused", None, True)]
