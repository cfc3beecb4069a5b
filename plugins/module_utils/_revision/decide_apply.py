# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an apply may change, and what it changes. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import Conflict, OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import FIELD_MANAGER, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import (
    NAME_LABEL,
    SLOT_LABEL,
    WORKLOADS,
    label_of,
    rank,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.tree import differences, get_path, strip
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import selector
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.epoch import is_epoch_record

JsonObject = dict[str, t.Any]
Weights = Mapping[str, Mapping[str, int]]

SCALE: t.Final = "spec.replicas"
_PATH: t.Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)+")


@dataclasses.dataclass(frozen=True)
class Field:
    """A single field to set. With `at_least` it is a scale, and `value` only the least that it may be."""

    ref: Ref
    path: str
    value: t.Any
    at_least: Ref | None = None


def checked_objects(objects: Sequence[t.Any], namespace: str) -> list[JsonObject]:
    """The manifests in the order of writing, each with its namespace. Raises OptionError on what cannot be applied."""
    checked: dict[Ref, JsonObject] = {}
    for number, given in enumerate(objects):
        where = f"number {number + 1}"
        if not isinstance(given, Mapping) or not isinstance(given.get("metadata"), Mapping):
            raise OptionError("objects", f"{where} is no manifest with metadata")
        for field in ("apiVersion", "kind"):
            if not given.get(field):
                raise OptionError("objects", f"{where} has no {field}")
        name = given["metadata"].get("name")
        if not name:
            raise OptionError("objects", f"{where} ({given['kind']}) has no metadata.name")
        kind = str(given["kind"])
        if kind == "Secret":
            raise OptionError("objects", f"the Secret {name} has no place in a release; name it, and keep it elsewhere")
        if kind == "HTTPRoute":
            raise OptionError("objects", f"the HTTPRoute {name} belongs to k8s_traffic")
        if kind == selector.KIND and selector.weights_of(given) is not None:
            raise OptionError("objects", f"the Service {name} selects a slot, so it belongs to k8s_traffic")
        if is_epoch_record(given):
            raise OptionError("objects", f"the ConfigMap {name} is an epoch record, which only the engines write")
        own = given["metadata"].get("namespace") or namespace
        if own != namespace:
            raise OptionError("objects", f"{kind} {name} is for namespace {own}, this call is for {namespace}")
        manifest = {**strip(given), "metadata": {**strip(given)["metadata"], "namespace": namespace}}
        ref = Ref.of(manifest)
        # Two slots of one service may bring the same account.
        if checked.get(ref, manifest) != manifest:
            raise OptionError("objects", f"{kind} {name} is there twice, and not the same")
        checked[ref] = manifest
    return sorted(checked.values(), key=lambda obj: (rank(obj["kind"]), obj["kind"]))


def checked_fields(fields: Sequence[Mapping[str, t.Any]], namespace: str) -> list[Field]:
    """The single fields to set. Raises OptionError on a path that is none."""
    checked: dict[tuple[Ref, str], Field] = {}
    for field in fields:
        ref = Ref(field["api_version"], field["kind"], field["name"], namespace)
        path = str(field["path"])
        if not _PATH.fullmatch(path):
            raise OptionError("fields", f"{path} of {ref.kind} {ref.name} is no dotted path such as spec.replicas")
        if not path.startswith("spec.") or ref.kind in ("HTTPRoute", "Secret"):
            raise OptionError("fields", f"{path} of {ref.kind} {ref.name} is not for k8s_revision to set")
        if (ref, path) in checked:
            raise OptionError("fields", f"{path} of {ref.kind} {ref.name} is there twice")
        checked[ref, path] = Field(ref, path, field.get("value"), _at_least(field, ref, path))
    return list(checked.values())


def _at_least(field: Mapping[str, t.Any], ref: Ref, path: str) -> Ref | None:
    name = field.get("at_least")
    if not name:
        return None
    if path != SCALE or ref.kind not in WORKLOADS or not isinstance(field.get("value"), int):
        raise OptionError("fields", f"at_least of {ref.kind} {ref.name} is for a number of pods in {SCALE}")
    return dataclasses.replace(ref, name=str(name))


def scaled(fields: Sequence[Field], live: Mapping[Ref, JsonObject | None]) -> list[Field]:
    """The same fields, none of those with `at_least` below what that workload has now, or its own has.

    A release plans once and may come to a region an hour later; an HPA has followed the load since.
    """
    return [
        field
        if field.at_least is None
        else dataclasses.replace(
            field, value=max(field.value, *(_scale(live, ref) for ref in (field.ref, field.at_least)))
        )
        for field in fields
    ]


def _scale(live: Mapping[Ref, JsonObject | None], ref: Ref) -> int:
    return int(get_path(live.get(ref) or {}, SCALE) or 0)


def weight_of(obj: Mapping[str, t.Any] | None, weights: Weights) -> int:
    """The share of the traffic that the slot of this object has."""
    service, slot = label_of(obj, NAME_LABEL), label_of(obj, SLOT_LABEL)
    return weights.get(service or "", {}).get(slot or "", 0)


def live_problem(
    live: Mapping[str, t.Any] | None, wanted: Mapping[str, t.Any], weights: Weights, allow_live: bool
) -> str | None:
    """Why a slot with traffic must not become that; None when it may."""
    weight = weight_of(live, weights)
    if live is None or live["kind"] not in WORKLOADS or weight == 0:
        return None
    name = f"{live['kind']} {live['metadata']['name']} has {weight} % of the traffic"
    now, then = (int(get_path(obj, SCALE) or 0) for obj in (live, wanted))
    if then < now:
        return f"{name} and {now} replicas; it is not scaled down to {then}"
    if not allow_live and differences(get_path(live, "spec.template"), get_path(wanted, "spec.template")):
        return f"{name}; another pod template there needs allow_live"
    return None


def foreign(conflicts: Sequence[Conflict]) -> list[Conflict]:
    """The conflicts with somebody else; those with our own single fields are none."""
    return [conflict for conflict in conflicts if conflict.manager != FIELD_MANAGER]


def conflict_text(ref: Ref, conflicts: Sequence[Conflict]) -> str:
    """What a refused apply tells the operator."""
    fields = ", ".join(f"{conflict.field.lstrip('.')} belongs to {conflict.manager}" for conflict in conflicts)
    return (
        f"{ref}: {fields}; nothing was written. Leave the field out of the manifest, or take it away from that manager "
        "first"
    )
