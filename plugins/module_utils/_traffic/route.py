# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTPRoute of a service: made once, and from then on only its weights change. Pure.

A rule that sends to both slots carries the weights. Everything else in the rules (matches, filters, time-outs, other
backends) stays as it is found.
"""

from __future__ import annotations

import copy
import typing as t
from collections.abc import Mapping, Sequence

JsonObject = dict[str, t.Any]

API_VERSION: t.Final = "gateway.networking.k8s.io/v1"
KIND: t.Final = "HTTPRoute"
SLOTS: t.Final = ("blue", "green")
#: A request with this header goes to the slot it names, whatever the weights say.
SLOT_HEADER: t.Final = "x-pincex-slot"


def build_route(
    name: str,
    namespace: str,
    *,
    weights: Mapping[str, int],
    port: int,
    hostnames: Sequence[str],
    parent: Mapping[str, t.Any],
) -> JsonObject:
    """The route of a service: one rule with weights, and one rule for each slot that can be probed at weight 0."""

    def backend(slot: str, weight: int) -> JsonObject:
        return {"group": "", "kind": "Service", "name": f"{name}-{slot}", "port": port, "weight": weight}

    everything = {"path": {"type": "PathPrefix", "value": "/"}}
    rules: list[JsonObject] = [
        {"matches": [everything], "backendRefs": [backend(slot, weights[slot]) for slot in SLOTS]}
    ]
    for slot in SLOTS:
        header = {"type": "Exact", "name": SLOT_HEADER, "value": slot}
        rules.append({"matches": [{**everything, "headers": [header]}], "backendRefs": [backend(slot, 1)]})
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/name": name,
                "app.kubernetes.io/part-of": "pincex",
                "app.kubernetes.io/managed-by": "pincex-zero-downtime",
            },
        },
        "spec": {
            "parentRefs": [{key: value for key, value in parent.items() if value is not None}],
            "hostnames": list(hostnames),
            "rules": rules,
        },
    }


def weights_of(route: Mapping[str, t.Any]) -> dict[str, int] | None:
    """The weights of the slots, None when no rule sends to both."""
    for rule in (route.get("spec") or {}).get("rules") or []:
        found = _slots_in(rule, route["metadata"]["name"])
        if len(found) == len(SLOTS):
            # The Gateway API counts a backend without a weight as 1.
            return {slot: int(found[slot].get("weight", 1)) for slot in SLOTS}
    return None


def with_weights(route: Mapping[str, t.Any], weights: Mapping[str, int]) -> JsonObject:
    """The route with other weights in every rule that sends to both slots."""
    changed = copy.deepcopy(dict(route))
    for rule in (changed.get("spec") or {}).get("rules") or []:
        found = _slots_in(rule, changed["metadata"]["name"])
        if len(found) == len(SLOTS):
            for slot, backend in found.items():
                backend["weight"] = weights[slot]
    return changed


def not_carried(_weights: Mapping[str, int]) -> str | None:
    """Why a route cannot carry these weights: it can carry all."""
    return None


def no_slots(name: str) -> str:
    """What is said of a route that sends to no slots."""
    return f"the HTTPRoute has no rule with the backends {' and '.join(f'{name}-{slot}' for slot in SLOTS)}"


def host_of(route: Mapping[str, t.Any]) -> str | None:
    """A host name that the route answers to; None when it takes any."""
    for name in (route.get("spec") or {}).get("hostnames") or []:
        return str(name).replace("*", "probe", 1)
    return None


def backends_of(route: Mapping[str, t.Any]) -> set[str]:
    """The Services that the route names."""
    return {
        str(backend.get("name"))
        for rule in (route.get("spec") or {}).get("rules") or []
        for backend in rule.get("backendRefs") or []
    }


def not_accepted(route: Mapping[str, t.Any]) -> str | None:
    """Why the gateway does not serve this generation of the route (yet); None when it says that it does."""
    generation = int(route["metadata"].get("generation", 0))
    parents = (route.get("status") or {}).get("parents") or []
    for wanted in (route.get("spec") or {}).get("parentRefs") or []:
        name = wanted.get("name")
        found = [parent for parent in parents if (parent.get("parentRef") or {}).get("name") == name]
        if not found:
            return f"gateway {name} has not looked at it"
        for parent in found:
            problem = _refused(parent.get("conditions") or [], generation)
            if problem:
                return f"gateway {name}: {problem}"
    return None


def _refused(conditions: Sequence[Mapping[str, t.Any]], generation: int) -> str | None:
    by_type = {condition.get("type"): condition for condition in conditions}
    for wanted in ("Accepted", "ResolvedRefs"):
        condition = by_type.get(wanted)
        if condition is None or int(condition.get("observedGeneration", 0)) < generation:
            return f"no {wanted} for generation {generation}"
        if condition.get("status") != "True":
            return f"{wanted} is {condition.get('status')} ({condition.get('reason')}: {condition.get('message')})"
    return None


def _slots_in(rule: Mapping[str, t.Any], name: str) -> dict[str, JsonObject]:
    by_backend = {backend.get("name"): backend for backend in rule.get("backendRefs") or []}
    return {slot: by_backend[f"{name}-{slot}"] for slot in SLOTS if f"{name}-{slot}" in by_backend}
