# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service's own manifest template has to bring. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import (
    KINDS_OF_A_SERVICE,
    NAME_LABEL,
    SLOT_LABEL,
    VERSION_LABEL,
    WORKLOADS,
    label_of,
)

JsonObject = dict[str, t.Any]


def checked_manifests(
    service: str, version: str, rendered: Mapping[str, Sequence[t.Any]], workload: str = WORKLOADS[0]
) -> dict[str, list[JsonObject]]:
    """Slot -> manifests, without empty documents. Raises ValueError, one sentence, for what is not of the contract.

    `workload` is the kind that a slot of the service runs as.
    """
    checked = {slot: [obj for obj in objects if obj is not None] for slot, objects in rendered.items()}
    for slot, objects in checked.items():
        for problem in _problems(service, version, slot, objects, workload):
            raise ValueError(f"services: the template of {service} {problem}")
    return checked


def _problems(service: str, version: str, slot: str, objects: Sequence[t.Any], workload: str) -> t.Iterator[str]:
    known = {kind: api for kind, api in KINDS_OF_A_SERVICE.items() if kind == workload or kind not in WORKLOADS}
    for obj in objects:
        if not isinstance(obj, Mapping) or not obj.get("kind") or not (obj.get("metadata") or {}).get("name"):
            yield "renders something that is no manifest with a kind and metadata.name"
            continue
        what = f"{obj['kind']} {obj['metadata']['name']}"
        if known.get(obj["kind"]) != obj.get("apiVersion"):
            kinds = ", ".join(f"{kind} ({api_version})" for kind, api_version in known.items())
            yield (
                f"renders {what} ({obj.get('apiVersion')}), which no revision records and no rollback puts back; it "
                f"may bring {kinds}: apply the rest apart from releases"
            )
        elif label_of(obj, NAME_LABEL) != service:
            yield f"renders {what} without the label {NAME_LABEL}: {service}"
    found = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
    for kind in ("Service", workload):
        name = f"{service}-{slot}"
        if (kind, name) not in found:
            yield f"renders no {kind} {name} for slot {slot}"
        elif label_of(found[kind, name], SLOT_LABEL) != slot:
            yield f"renders {kind} {name} without the label {SLOT_LABEL}: {slot}"
    slot_workload = found[workload, f"{service}-{slot}"]
    spec = slot_workload.get("spec") or {}
    labels = {NAME_LABEL: service, SLOT_LABEL: slot, VERSION_LABEL: version}
    for where, obj in (("", slot_workload), (" in its pod template", spec.get("template") or {})):
        for label, value in labels.items():
            if label_of({"metadata": {}, **obj}, label) != value:
                yield f"renders {workload} {service}-{slot} without the label {label}: {value}{where}"
    if "replicas" in spec:
        yield f"names spec.replicas of {workload} {service}-{slot}, which belongs to the release and to the autoscaler"
