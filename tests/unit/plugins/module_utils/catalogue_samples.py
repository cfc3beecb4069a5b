# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A catalogue and the answers of a region, as the tests of this folder need them."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.manifests import slot_manifests
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import SLOTS, parse_catalogue
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan import (
    DIGEST_ANNOTATION,
    Situation,
    deploy_plan,
    digest,
)

JsonObject = dict[str, t.Any]

SERVICES: t.Final[JsonObject] = {
    "core-api": {
        "image": "registry.lab:5000/pincex/exchange",
        "strategy": "canary",
        "depends_on": ["reference-data"],
        "hostnames": ["core-api.exchange.lab"],
        "hpa": {"min": 2, "max": 4},
    },
    "reference-data": {
        "image": "registry.lab:5000/pincex/exchange",
        "strategy": "blue_green",
        "replicas": 3,
    },
}

PROFILES: t.Final[JsonObject] = {
    "default": {
        "step_s": 4,
        "bake_s": 8,
        "metrics": [{"name": "error rate", "query": 'rate(x{service="$service",slot="$slot"}[5s])', "max": 0.05}],
    }
}


def manifests(services: JsonObject, versions: dict[str, str]) -> dict[str, dict[str, list[JsonObject]]]:
    catalogue = parse_catalogue(services)
    return {
        name: {slot: slot_manifests(catalogue[name], slot, version, "us-east-1", "exchange") for slot in SLOTS}
        for name, version in versions.items()
    }


def empty_region() -> JsonObject:
    return {"region": "us-east-1", "namespace": "exchange", "services": {}, "objects": []}


def running(
    services: JsonObject, versions: dict[str, str], slots: dict[str, str], replicas: int | None = None
) -> JsonObject:
    """A region that runs these versions in these slots, as k8s_revision would read it."""
    catalogue = parse_catalogue(services)
    document = empty_region()
    for name, version in versions.items():
        live = slots[name]
        rendered = manifests(services, {name: version})[name]
        count = replicas or (catalogue[name].hpa.min if catalogue[name].hpa else catalogue[name].replicas)  # type: ignore[union-attr]
        document["services"][name] = {
            "live_slot": live,
            "weights": {live: 100, _other(live): 0},
            "slots": {live: {"version": version, "replicas": count, "ready_replicas": count}},
        }
        for obj in copy.deepcopy(rendered[live]):
            if obj["kind"] == "Deployment":
                obj["metadata"]["annotations"] = {DIGEST_ANNOTATION: digest(rendered["blue"])}
                obj["spec"]["replicas"] = count
            document["objects"].append(obj)
    return document


def plan_for(
    services: JsonObject, versions: dict[str, str], before: JsonObject, profiles: JsonObject = PROFILES
) -> tuple[JsonObject, list[str]]:
    situation = Situation(before, manifests(services, versions), profiles)
    return deploy_plan(parse_catalogue(services), versions, situation)


def _other(slot: str) -> str:
    return SLOTS[1 - SLOTS.index(slot)]
