# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests as they are given, and the document of what runs. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import is_config, referenced
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.tree import strip
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.epoch import is_epoch_record

JsonObject = dict[str, t.Any]

NAME_LABEL: t.Final = "app.kubernetes.io/name"
VERSION_LABEL: t.Final = "app.kubernetes.io/version"
SLOT_LABEL: t.Final = "pincex.io/slot"
SLOTS: t.Final = ("blue", "green")

#: What a slot runs as. A StatefulSet is that of an engine (strategy `drain`).
WORKLOADS: t.Final = ("Deployment", "StatefulSet")

#: What has to be there first stands first.
KIND_ORDER: t.Final = (
    "ServiceAccount",
    "Service",
    "ConfigMap",
    "PodDisruptionBudget",
    *WORKLOADS,
    "HorizontalPodAutoscaler",
    "HTTPRoute",
)

#: Kinds that make up a service, with the API they are read by.
KINDS_OF_A_SERVICE: t.Final = {
    "ServiceAccount": "v1",
    "Service": "v1",
    "ConfigMap": "v1",
    "PodDisruptionBudget": "policy/v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
}

_GIVEN_BY_THE_CLUSTER: t.Final = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")


def rank(kind: str) -> int:
    """The place of a kind in the order of writing."""
    return KIND_ORDER.index(kind) if kind in KIND_ORDER else len(KIND_ORDER)


def label_of(obj: Mapping[str, t.Any] | None, label: str) -> str | None:
    value = ((obj or {}).get("metadata", {}).get("labels") or {}).get(label)
    return str(value) if value is not None else None


def sanitise(obj: Mapping[str, t.Any]) -> JsonObject:
    """A manifest that could be applied to another cluster: nothing in it that the server or a controller wrote."""
    manifest = strip(obj)
    manifest["metadata"].pop("ownerReferences", None)
    annotations = manifest["metadata"].get("annotations") or {}
    for name in ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"):
        annotations.pop(name, None)
    if not annotations:
        manifest["metadata"].pop("annotations", None)
    if manifest["kind"] == "Service":
        for field in _GIVEN_BY_THE_CLUSTER:
            # A headless Service says so itself.
            if manifest["spec"].get(field) != "None":
                manifest["spec"].pop(field, None)
    for claim in manifest.get("spec", {}).get("volumeClaimTemplates") or []:
        # A claim of its own has them; in a template they say nothing.
        claim.pop("status", None)
        claim.get("metadata", {}).pop("creationTimestamp", None)
    return manifest


def slot_of(workload: Mapping[str, t.Any]) -> JsonObject:
    """What a slot is, out of its workload."""
    containers = workload["spec"]["template"]["spec"]["containers"]
    status = workload.get("status") or {}
    return {
        "version": label_of(workload, VERSION_LABEL),
        "replicas": int(workload["spec"].get("replicas", 1)),
        "ready_replicas": int(status.get("readyReplicas") or 0),
        "image": str(containers[0]["image"]),
    }


def live_slot(weights: Mapping[str, int] | None) -> str | None:
    """The slot with most of the traffic; None without any."""
    with_traffic = {slot: weight for slot, weight in (weights or {}).items() if weight > 0}
    return max(with_traffic, key=lambda slot: with_traffic[slot]) if with_traffic else None


def make_document(
    region: str,
    namespace: str,
    services: Sequence[str],
    objects: Sequence[Mapping[str, t.Any]],
    weights: Mapping[str, Mapping[str, int]],
    *,
    secrets: Sequence[JsonObject],
    epochs: Mapping[str, int] = MappingProxyType({}),
) -> JsonObject:
    """The revision document: what runs of these services, as data and as manifests, and the `secrets` that it uses by
    name and hash. Configuration of earlier releases, which no slot refers to, is no part of it.

    `epochs` is by service, of those whose weights are those of an epoch record. The record itself is no part of it: it
    belongs to the engines, and nobody else puts it back.
    """
    used = referenced(objects, "ConfigMap")
    objects = [
        obj for obj in objects if not is_epoch_record(obj) and (not is_config(obj) or obj["metadata"]["name"] in used)
    ]
    states: JsonObject = {}
    for name in services:
        slots = {
            str(label_of(obj, SLOT_LABEL)): slot_of(obj)
            for obj in objects
            if obj["kind"] in WORKLOADS and label_of(obj, NAME_LABEL) == name and label_of(obj, SLOT_LABEL) in SLOTS
        }
        states[name] = {
            "live_slot": live_slot(weights.get(name)),
            "slots": slots,
            "weights": dict(weights[name]) if name in weights else None,
            **({"epoch": epochs[name]} if name in epochs else {}),
        }
    ordered = sorted(objects, key=lambda obj: (rank(obj["kind"]), obj["kind"], obj["metadata"]["name"]))
    return {
        "region": region,
        "namespace": namespace,
        "services": states,
        "objects": [sanitise(obj) for obj in ordered],
        "secrets": list(secrets),
    }
