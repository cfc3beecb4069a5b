# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns a field of an object: server-side apply keeps it in `metadata.managedFields`. Pure.

Single fields and the way back are plain updates, and the API server books them for us as "Update" instead of "Apply".
A later apply would then never remove what it does not name any more. So what our updates own goes over to our apply,
but for the scale: a manifest does not name it, and giving it to apply would set it back to 1.
"""

from __future__ import annotations

import copy
import typing as t
from collections.abc import Mapping

JsonObject = dict[str, t.Any]

#: The mark among the fields of a journaled change that wrote a scale over the one that an HPA had made.
AUTOSCALED: t.Final = "scale.automatic"
_NEVER_OURS_TO_APPLY: t.Final = dict.fromkeys(("Deployment", "StatefulSet"), ("f:spec", "f:replicas"))


def adopt(obj: Mapping[str, t.Any], manager: str) -> list[JsonObject] | None:
    """The managed fields with our updates in the hands of our apply; None when there is nothing to hand over."""
    entries: list[JsonObject] = copy.deepcopy(obj["metadata"].get("managedFields") or [])
    applied = _find(entries, manager, "Apply")
    updated = _find(entries, manager, "Update")
    if applied is None or updated is None or applied.get("apiVersion") != updated.get("apiVersion"):
        return None
    moved = copy.deepcopy(updated["fieldsV1"])
    stays = _take(moved, _NEVER_OURS_TO_APPLY.get(obj["kind"], ()))
    if not moved:
        return None
    applied["fieldsV1"] = _union(applied["fieldsV1"], moved)
    if stays:
        updated["fieldsV1"] = stays
    else:
        entries.remove(updated)
    return entries


def scaled_by_autoscaler(obj: Mapping[str, t.Any]) -> bool:
    """Whether the controller manager wrote `spec.replicas` last: that is what an HPA does."""
    return any(
        entry.get("manager") == "kube-controller-manager"
        and entry.get("subresource") == "scale"
        and "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
        for entry in obj["metadata"].get("managedFields") or []
    )


def _find(entries: list[JsonObject], manager: str, operation: str) -> JsonObject | None:
    for entry in entries:
        if entry.get("manager") == manager and entry.get("operation") == operation and not entry.get("subresource"):
            return entry
    return None


def _take(fields: JsonObject, path: tuple[str, ...]) -> JsonObject:
    """Take a path out of the fields, and return it as fields of its own; empty when it is not there."""
    if not path or path[0] not in fields:
        return {}
    if len(path) == 1:
        return {path[0]: fields.pop(path[0])}
    taken = _take(fields[path[0]], path[1:])
    if not fields[path[0]]:
        del fields[path[0]]
    return {path[0]: taken} if taken else {}


def _union(one: Mapping[str, t.Any], other: Mapping[str, t.Any]) -> JsonObject:
    merged = dict(one)
    for key, value in other.items():
        merged[key] = _union(merged[key], value) if key in merged else value
    return merged
