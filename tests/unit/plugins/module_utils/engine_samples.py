# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine of the catalogue, its gateway, and a region in which they run."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan import (
    DIGEST_ANNOTATION,
    digest,
)
from catalogue_samples import manifests, running

JsonObject = dict[str, t.Any]

ENGINE: t.Final = "matching-engine"
SERVICES: t.Final[JsonObject] = {
    ENGINE: {
        "image": "registry.lab:5000/pincex/exchange",
        "strategy": "drain",
        "storage": "1Gi",
        "handover": {"gateways": ["core-api"]},
    },
    "core-api": {
        "image": "registry.lab:5000/pincex/exchange",
        "strategy": "blue_green",
        "depends_on": [ENGINE],
        "hostnames": ["core-api.exchange.lab"],
    },
}
NAMES: t.Final = tuple(SERVICES)


def trading(version: str, slot: str = "blue", services: JsonObject = SERVICES) -> JsonObject:
    """A region that runs this version of both, as k8s_revision would read it: the engine's weights are its record's."""
    names = [name for name in NAMES if name in services]
    before = running(services, dict.fromkeys(names, version), dict.fromkeys(names, slot))
    if ENGINE in before["services"]:
        before["services"][ENGINE]["epoch"] = 7
    rendered = manifests(services, dict.fromkeys(names, version))
    for obj in before["objects"]:
        if obj["kind"] == "StatefulSet":
            obj["metadata"]["annotations"] = {DIGEST_ANNOTATION: digest(rendered[ENGINE]["blue"])}
            obj["spec"]["replicas"] = 1
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "core-api"}}
    before["objects"].append(route)
    return before


def with_standby(before: JsonObject, version: str, slot: str, services: JsonObject = SERVICES) -> JsonObject:
    """The same with the engine's other slot up."""
    rendered = manifests(services, {ENGINE: version})
    before["services"][ENGINE]["slots"][slot] = {"version": version, "replicas": 1, "ready_replicas": 1}
    for obj in rendered[ENGINE][slot]:
        if obj["kind"] == "StatefulSet":
            obj["metadata"]["annotations"] = {DIGEST_ANNOTATION: digest(rendered[ENGINE]["blue"])}
            obj["spec"]["replicas"] = 1
        before["objects"].append(obj)
    return before
