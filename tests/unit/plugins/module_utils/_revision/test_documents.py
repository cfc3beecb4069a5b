# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The revision document."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import (
    live_slot,
    make_document,
    sanitise,
)
from slot_world import deployment, hpa, service


def test_the_document_says_what_runs() -> None:
    blue = {**deployment("blue", "v1", replicas=2), "status": {"readyReplicas": 1}}
    green = deployment("green", "v2")
    weights = {"core-api": {"blue": 90, "green": 10}}
    secrets = [{"name": "database", "hash": None}]
    document = make_document(
        "us",
        "exchange",
        ["core-api", "absent"],
        [hpa("blue", 2), green, blue, service("blue")],
        weights,
        secrets=secrets,
    )
    assert document["secrets"] == secrets
    assert document["services"] == {
        "core-api": {
            "live_slot": "blue",
            "weights": {"blue": 90, "green": 10},
            "slots": {
                "blue": {"version": "v1", "replicas": 2, "ready_replicas": 1, "image": "exchange:v1"},
                # The API server's default.
                "green": {"version": "v2", "replicas": 1, "ready_replicas": 0, "image": "exchange:v2"},
            },
        },
        "absent": {"live_slot": None, "weights": None, "slots": {}},
    }
    kinds = [(obj["kind"], obj["metadata"]["name"]) for obj in document["objects"]]
    assert kinds == [
        ("Service", "core-api-blue"),
        ("Deployment", "core-api-blue"),
        ("Deployment", "core-api-green"),
        ("HorizontalPodAutoscaler", "core-api-blue"),
    ]


def test_configuration_that_no_slot_refers_to_is_no_part_of_it() -> None:
    def config(name: str, **labels: str) -> dict[str, t.Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {}}

    blue, green = deployment("blue", "v1"), deployment("green", "v2")
    for slot, name in ((blue, "core-api-aaaaaaaaaa"), (green, "core-api-bbbbbbbbbb")):
        slot["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": name}}]
    mark = {"pincex.io/config": "x"}
    configs = [config(f"core-api-{letter * 10}", **mark) for letter in "abc"]
    document = make_document("us", "exchange", [], [*configs, config("of-a-template"), blue, green], {}, secrets=[])
    assert [obj["metadata"]["name"] for obj in document["objects"] if obj["kind"] == "ConfigMap"] == [
        "core-api-aaaaaaaaaa",
        "core-api-bbbbbbbbbb",
        "of-a-template",
    ]


def test_a_manifest_holds_nothing_of_the_cluster() -> None:
    found = service("blue")
    found["metadata"] |= {
        "uid": "u",
        "ownerReferences": [{"kind": "X"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    found["spec"] |= {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "internalTrafficPolicy": "Cluster"}
    assert sanitise({**found, "status": {"loadBalancer": {}}}) == service("blue")
    headless = service("blue")
    headless["spec"]["clusterIP"] = "None"
    assert sanitise(headless) == headless
    assert "annotations" in found["metadata"], "the object that was read is left alone"


def test_the_live_slot() -> None:
    assert live_slot({"blue": 0, "green": 100}) == "green"
    assert live_slot({"blue": 0, "green": 0}) is None
    assert live_slot(None) is None
