# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Service of a service without Gateway API: its selector names the slot that has all traffic. Pure.

It is made once, and from then on only the slot in its selector changes: type, ports, annotations and other labels of
the selector stay as they are found.
"""

from __future__ import annotations

import copy
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS

JsonObject = dict[str, t.Any]

API_VERSION: t.Final = "v1"
KIND: t.Final = "Service"
NAME_LABEL: t.Final = "app.kubernetes.io/name"
SLOT_LABEL: t.Final = "pincex.io/slot"


def build_service(name: str, namespace: str, *, weights: Mapping[str, int], port: int) -> JsonObject:
    """The Service that sends to one slot, beside those of the slots themselves."""
    return with_weights(
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {
                    NAME_LABEL: name,
                    "app.kubernetes.io/part-of": "pincex",
                    "app.kubernetes.io/managed-by": "pincex-zero-downtime",
                },
            },
            "spec": {
                "selector": {NAME_LABEL: name},
                "ports": [{"name": "http", "port": port, "targetPort": "http", "protocol": "TCP"}],
            },
        },
        weights,
    )


def weights_of(service: Mapping[str, t.Any]) -> dict[str, int] | None:
    """100 for the slot that the selector names; None when it names no slot of the service that it is called after."""
    selector = (service.get("spec") or {}).get("selector") or {}
    chosen = selector.get(SLOT_LABEL)
    # The Service of a slot names one as well.
    if chosen not in SLOTS or selector.get(NAME_LABEL) != service["metadata"]["name"]:
        return None
    return {slot: 100 if slot == chosen else 0 for slot in SLOTS}


def with_weights(service: Mapping[str, t.Any], weights: Mapping[str, int]) -> JsonObject:
    """The Service with the slot that has 100 in its selector. ValueError on a share that no selector can give."""
    problem = not_carried(weights)
    if problem:
        raise ValueError(problem)
    changed = copy.deepcopy(dict(service))
    changed["spec"]["selector"][SLOT_LABEL] = slot_with_all(weights)
    return changed


def slot_with_all(weights: Mapping[str, int]) -> str:
    """The slot that has 100."""
    return max(SLOTS, key=lambda slot: weights[slot])


def not_carried(weights: Mapping[str, int]) -> str | None:
    """Why a Service cannot carry these weights; None when it can."""
    if sorted(weights.values()) == [0, 100]:
        return None
    shares = " / ".join(f"{slot} {weights[slot]}" for slot in SLOTS)
    return f"{shares} needs an HTTPRoute, a Service selector gives all traffic to one slot"


def no_slots(name: str) -> str:
    """What is said of a Service that selects no slot."""
    return f"the selector of the Service does not name {NAME_LABEL}={name} and {SLOT_LABEL}"
