# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between a recorded revision document and what runs now. Pure.

Both documents come from the same reading, so what the server keeps for itself is in neither of them.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redact import redact
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import (
    WORKLOADS,
    live_slot,
    sanitise,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.tree import differences, get_path
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import epoch
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route as routes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.kinds import KINDS, weights_of, with_weights

JsonObject = dict[str, t.Any]
_Objects = dict[tuple[str, str], JsonObject]
#: Service -> the object that carries the weights, by kind and name, and the weights.
_Weights = dict[str, tuple[tuple[str, str], Mapping[str, int]]]

#: What an API server fills in, so that "not there" and this value are the same: by the last name of the path.
_DEFAULTS: t.Final[Mapping[str, t.Any]] = {
    "dnsPolicy": "ClusterFirst",
    "enableServiceLinks": True,
    "failureThreshold": 3,
    "imagePullPolicy": "IfNotPresent",
    "periodSeconds": 10,
    "progressDeadlineSeconds": 600,
    "protocol": "TCP",
    "restartPolicy": "Always",
    "revisionHistoryLimit": 10,
    "schedulerName": "default-scheduler",
    "scheme": "HTTP",
    "sessionAffinity": "None",
    "successThreshold": 1,
    "terminationGracePeriodSeconds": 30,
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "timeoutSeconds": 1,
    "type": "ClusterIP",
    "weight": 1,
}

#: The scale of a slot without traffic belongs to the warm standby, which ends at zero.
_SCALE: t.Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(WORKLOADS, ("spec.replicas",)),
    "HorizontalPodAutoscaler": ("spec.minReplicas", "spec.maxReplicas", "spec.behavior"),
}
#: Not 0 and 0: a Service selector gives all traffic to one slot.
_ANY_WEIGHTS: t.Final = {"blue": 100, "green": 0}
_LAST_NAME: t.Final = re.compile(r"([^.\[\]]+)\]?$")


@dataclasses.dataclass(frozen=True)
class Drift:
    """`fields` are {ref, path, recorded, now}, with an empty path for a whole object and None for "not there".
    `told` are sentences about what is no drift and worth knowing."""

    fields: list[JsonObject]
    told: list[str]


def decide_drift(
    recorded: Mapping[str, t.Any], now: Mapping[str, t.Any], standby: Mapping[str, t.Any] | None = None
) -> Drift:
    """Compare field by field. `standby` is the region's warm standby that has not ended, as in its journal."""
    then, live = _objects(recorded), _objects(now)
    scaled = _scaled_by_hpa(then) | _scaled_by_hpa(live)
    idle = _idle_slots(recorded, now)
    # A slot at zero has no use for its HPA; one that is warm has it held by the release.
    resting = {name for name in idle if _replicas(live, name) == 0}
    warm = {str(field["name"]) for field in (standby or {}).get("fields") or [] if field["kind"] in WORKLOADS}
    fields = [*_traffic(recorded, now), *_secrets(recorded, now)]
    for key in sorted({*then, *live}):
        kind, name = key
        ref = f"{kind} {recorded['namespace']}/{name}"
        before, after = then.get(key), live.get(key)
        if before is None or after is None:
            fields.append(_field(ref, "", before and "there", after and "there"))
            continue
        for path, was, is_now in _leaves(before, after):
            if path == "spec.replicas" and name in scaled - idle:
                continue
            if name in resting | (idle & warm) and path.startswith(_SCALE.get(kind, ())):
                continue
            fields.append(_field(ref, path, was, is_now))
    return Drift(fields, _told(sorted(idle - resting), live, warm, standby))


def _weights(document: Mapping[str, t.Any]) -> _Weights:
    """What gives the traffic of every service to its slots."""
    found: _Weights = {
        name: ((epoch.KIND, epoch.record_name(name)) if "epoch" in state else (routes.KIND, name), state["weights"])
        for name, state in (document.get("services") or {}).items()
        if state.get("weights")
    }
    for obj in document.get("objects") or []:
        weights = weights_of(obj) if obj["kind"] in KINDS else None
        if weights is not None:
            name = str(obj["metadata"]["name"])
            found[name] = ((str(obj["kind"]), name), weights)
    return found


def _traffic(recorded: Mapping[str, t.Any], now: Mapping[str, t.Any]) -> list[JsonObject]:
    """Weights and the live slot of every service that is in both documents."""
    fields = []
    before, after = _weights(recorded), _weights(now)
    for name in sorted({*before} & {*after}):
        (kind, carrier), then = before[name]
        ref, live = f"{kind} {recorded['namespace']}/{carrier}", after[name][1]
        differing = differences(then, live, "weights").items()
        fields += [_field(ref, path, both["before"], both["after"]) for path, both in differing]
        if live_slot(then) != live_slot(live):
            fields.append(_field(ref, "live_slot", live_slot(then), live_slot(live)))
    return fields


def _secrets(recorded: Mapping[str, t.Any], now: Mapping[str, t.Any]) -> list[JsonObject]:
    """Secrets by hash. Where one side has none, there was no right to read it or no key: nothing can be said."""
    before, after = ({entry["name"]: entry["hash"] for entry in side.get("secrets") or []} for side in (recorded, now))
    return [
        _field(f"Secret {recorded['namespace']}/{name}", "hash", before[name], after[name])
        for name in sorted({*before} & {*after})
        if before[name] and after[name] and before[name] != after[name]
    ]


def _objects(document: Mapping[str, t.Any]) -> _Objects:
    """By kind and name, all with the same weights: those are compared as such."""
    found: _Objects = {}
    for given in document.get("objects") or []:
        obj = sanitise(given)
        if obj["kind"] in KINDS and weights_of(obj) is not None:
            obj = with_weights(obj, _ANY_WEIGHTS)
        found[str(obj["kind"]), str(obj["metadata"]["name"])] = obj
    return found


def _scaled_by_hpa(objects: _Objects) -> set[str]:
    """Deployments whose replicas are an HPA's business."""
    hpas = [obj for (kind, _name), obj in objects.items() if kind == "HorizontalPodAutoscaler"]
    return {str(get_path(obj, "spec.scaleTargetRef.name")) for obj in hpas}


def _idle_slots(recorded: Mapping[str, t.Any], now: Mapping[str, t.Any]) -> set[str]:
    """Names of the slots that have a route and no traffic, neither then nor now."""
    before, after = _weights(recorded), _weights(now)
    return {
        f"{name}-{slot}"
        for name in {*before} & {*after}
        for slot in routes.SLOTS
        if not before[name][1].get(slot) and not after[name][1].get(slot)
    }


def _replicas(objects: _Objects, name: str) -> int:
    workload = next((objects[kind, name] for kind in WORKLOADS if (kind, name) in objects), None)
    found = get_path(workload or {"spec": {"replicas": 0}}, "spec.replicas")
    return 1 if found is None else int(found)


def _told(up: list[str], live: _Objects, warm: set[str], standby: Mapping[str, t.Any] | None) -> list[str]:
    told = []
    for name in up:
        pods = f"{name} has {_replicas(live, name)} replicas and no traffic"
        if standby is not None and name in warm:
            told.append(f"{pods}, as warm standby until {clock_time(float(standby['until']))}")
        else:
            told.append(f"{pods}, and no warm standby is on record")
    return told


def _leaves(before: t.Any, after: t.Any, path: str = "") -> list[tuple[str, t.Any, t.Any]]:
    """Every field that differs. A block that only one side has is told field by field as well, and so are lists without
    names (the rules of a route) as long as they are of one length."""
    found: list[tuple[str, t.Any, t.Any]] = []
    for at, both in differences(before, after, path).items():
        was, is_now = both["before"], both["after"]
        if isinstance(was or is_now, Mapping) and (was is None or is_now is None):
            found += _leaves(was or {}, is_now or {}, at)
        elif isinstance(was, list) and isinstance(is_now, list) and len(was) == len(is_now):
            for position, (old, new) in enumerate(zip(was, is_now, strict=True)):
                found += _leaves(old, new, f"{at}[{position}]")
        elif not _is_default(at, was, is_now):
            found.append((at, was, is_now))
    return found


def _is_default(path: str, was: t.Any, is_now: t.Any) -> bool:
    """Whether one side is not there and the other is what that means, or is empty."""
    if was is not None and is_now is not None:
        return False
    given = is_now if was is None else was
    name = _last_name(path)
    # Not every false or zero: `automountServiceAccountToken: false` is no default.
    return given in ({}, []) or (name in _DEFAULTS and given == _DEFAULTS[name])


def _last_name(path: str) -> str:
    found = _LAST_NAME.search(path)
    return found[1] if found else ""


def _field(ref: str, path: str, recorded: t.Any, now: t.Any) -> JsonObject:
    # The value of an env stands under its name: `env[DB_PASSWORD].value`.
    name = _last_name(path.removesuffix(".value"))
    return {"ref": ref, "path": path, "recorded": _covered(recorded, name), "now": _covered(now, name)}


def _covered(value: t.Any, name: str) -> t.Any:
    """The value as it may be shown: a manifest may hold a secret in an env, although it should not."""
    if isinstance(value, Mapping):
        return {
            key: _covered(inner, str(value.get("name", key)) if key == "value" else key) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_covered(inner, name) for inner in value]
    if not isinstance(value, str):
        return value
    assigned = f"{name}={value}"
    covered = redact(assigned)
    return value if covered == assigned else covered.removeprefix(f"{name}=")
