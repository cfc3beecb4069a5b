# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a way back to a recorded revision in one region. Pure."""

from __future__ import annotations

import copy
import dataclasses
import typing as t
from collections.abc import Collection, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.manifests import (
    DIGEST_ANNOTATION,
    SLOT_LABEL,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import SLOTS, Service
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan import (
    Move,
    Situation,
    make_plan,
    service_of,
    source_held,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan_traffic import (
    engine_problem,
    traffic_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.tiers import tiers_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import is_config, referenced
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import WORKLOADS

JsonObject = dict[str, t.Any]

#: A route belongs to k8s_traffic alone, it exists, and its weights are the plan's.
_LEFT_OUT: t.Final = ("HTTPRoute",)


def rollback_plan(
    services: Mapping[str, Service],
    revision: Mapping[str, t.Any],
    before: Mapping[str, t.Any],
    profiles: Mapping[str, Mapping[str, t.Any]],
    only: Collection[str] = (),
    *,
    standby: Mapping[str, t.Any] | None = None,
) -> tuple[JsonObject, list[str]]:
    """Back to what the revision says: its version of every service, or of those in `only`, in one step, gated on
    readiness only.

    `standby` is the region's warm standby. Where it keeps every slot that this goes back to as large as is needed, and
    as it was recorded, the plan has `warm`: the shift, to be made before anything else, and nothing to prepare. `cold`
    is what takes the place of both when the standby has ended meanwhile.
    """
    moves: list[Move] = []
    manifests: dict[str, dict[str, list[JsonObject]]] = {}
    problems: list[str] = []
    for name, recorded in (revision.get("services") or {}).items():
        then = recorded.get("live_slot")
        if then is None or (only and name not in only):
            continue
        state = (before.get("services") or {}).get(name) or {}
        now = state.get("live_slot")
        was = ((state.get("slots") or {}).get(now) or {}).get("version")
        slot = recorded["slots"][then]
        if now is not None and was == slot["version"] and _mark(before, name, now) == _mark(revision, name, then):
            continue
        manifests[name] = {slot: as_slot(revision, name, then, slot) for slot in SLOTS}
        service = services.get(name) or Service(name=name, image="")
        problem = engine_problem(service, before, revision)
        if problem is not None:
            problems.append(problem)
            continue
        if not service.is_engine:
            service = dataclasses.replace(service, steps=(100,), traffic=traffic_of(name, before) or service.traffic)
        target = SLOTS[0] if now is None else SLOTS[1 - SLOTS.index(now)]
        live_count = int(((state.get("slots") or {}).get(now) or {}).get("replicas") or 0)
        # Never below the live count: the load is there already.
        count = 1 if service.is_engine else max(live_count, int(slot.get("replicas") or 0), 1)
        moves.append(Move(service, str(slot["version"]), was, now, target, count))
    situation = Situation(before, manifests, profiles, gated_on_metrics=False)
    tiers = tiers_of({name: service.depends_on for name, service in services.items()})
    strangers = [move.service.name for move in moves if move.service.name not in services]
    # One tier: what it goes back to has stood together before. Who depends on others leaves the new version first.
    together = [[*strangers, *(name for tier in reversed(tiers) for name in tier)]]
    # Only a service without a route is waited for by the tiers above it: it gets one when it is up.
    prepare = [*tiers, strangers] if any(move.first for move in moves) else together
    strange = [name for name in only if name not in (revision.get("services") or {})]
    problems += [f"rollback_services: the revision knows no service {', '.join(strange)}."] if strange else []
    plan = make_plan(moves, prepare, together, situation)
    if moves and all(_is_warm(move, situation, standby) for move in moves):
        plan = _shift_first(plan, [field for move in moves for field in source_held(move, situation)])
    return plan, problems


def _is_warm(move: Move, situation: Situation, standby: Mapping[str, t.Any] | None) -> bool:
    """Whether all traffic of a service may go to its slot as it stands, and no HPA takes that slot down.

    A standby has had all traffic in a release that ended well, and its HPA is held until the end of the standby, which
    needs the region's lock. That there are enough ready pods is asked again by the shift itself.
    """
    name = f"{move.service.name}-{move.target}"
    if move.source is None:
        return False
    slot = situation.before["services"][move.service.name]["slots"].get(move.target) or {}
    if name not in {field["name"] for field in (standby or {}).get("fields") or [] if field["kind"] in WORKLOADS}:
        return False
    if slot.get("version") != move.version:
        return False
    if min(int(slot.get(key) or 0) for key in ("replicas", "ready_replicas")) < move.count:
        return False
    stands = as_slot(situation.before, move.service.name, move.target, move.target)
    wanted = situation.manifests[move.service.name][move.target]
    hpas = [obj["spec"] for obj in stands if obj["kind"] == "HorizontalPodAutoscaler"]
    held = all(int(spec.get("minReplicas", 1)) >= move.count and _policy(spec) == "Disabled" for spec in hpas)
    return held and _content(stands) == _content(wanted)


def _policy(hpa: Mapping[str, t.Any]) -> str | None:
    return t.cast("str | None", ((hpa.get("behavior") or {}).get("scaleDown") or {}).get("selectPolicy"))


def _content(objects: Collection[JsonObject]) -> dict[tuple[str, str], JsonObject]:
    """What makes a slot what it is, without what holds its scale."""
    found = {}
    for obj in objects:
        kept = copy.deepcopy({key: value for key, value in obj.items() if key != "metadata"})
        if obj["kind"] in WORKLOADS:
            kept["mark"] = (obj["metadata"].get("annotations") or {}).get(DIGEST_ANNOTATION)
        if obj["kind"] == "HorizontalPodAutoscaler":
            for key in ("minReplicas", "maxReplicas"):
                kept["spec"].pop(key, None)
            ((kept["spec"].get("behavior") or {}).get("scaleDown") or {}).pop("selectPolicy", None)
        found[obj["kind"], obj["metadata"]["name"]] = kept
    return found


def _shift_first(plan: JsonObject, held: list[JsonObject]) -> JsonObject:
    """The plan that begins with the traffic. The slot that loses it is held afterwards: nobody needs its pods any more,
    and what takes the traffic is held by its standby. Its scale is not written, for its HPA may have made it larger
    since. Engines have no weights: theirs is the next step."""
    routes = [route for step in plan["steps"] for route in step["routes"]]
    shifted = [step for step in plan["steps"] if step["routes"]]
    return {
        **plan,
        "warm": {"name": (shifted or plan["steps"])[0]["name"], "routes": routes},
        "prepare": [],
        "steps": [{**step, "routes": [], "fields": held} if step["routes"] else step for step in plan["steps"]],
        "cold": {"prepare": plan["prepare"], "steps": plan["steps"]},
    }


def _mark(document: Mapping[str, t.Any], name: str, slot: str) -> str | None:
    for obj in document.get("objects") or []:
        if obj["kind"] in WORKLOADS and obj["metadata"]["name"] == f"{name}-{slot}":
            return t.cast("str | None", (obj["metadata"].get("annotations") or {}).get(DIGEST_ANNOTATION))
    return None


def as_slot(revision: Mapping[str, t.Any], name: str, then: str, slot: str) -> list[JsonObject]:
    """The recorded manifests of the slot that was live, moved to that slot: for applying, so without a scale."""
    found = []
    live = [obj for obj in revision.get("objects") or [] if obj["metadata"]["name"] == f"{name}-{then}"]
    used = referenced(live, "ConfigMap")
    for obj in revision.get("objects") or []:
        if service_of(obj) != name or obj["kind"] in _LEFT_OUT:
            continue
        label = (obj["metadata"].get("labels") or {}).get(SLOT_LABEL)
        # The Service that gives the traffic to a slot belongs to k8s_traffic as a route does.
        if label not in (None, then) or (obj["kind"] == "Service" and obj["metadata"]["name"] == name):
            continue
        if is_config(obj):
            # Named by its content, so taken as it is; the other slot's is of no use to this one.
            if obj["metadata"]["name"] in used:
                found.append(obj)
            continue
        moved = copy.deepcopy(obj)
        for key in ("resourceVersion", "uid", "generation", "creationTimestamp", "managedFields"):
            moved["metadata"].pop(key, None)
        moved.pop("status", None)
        if moved["kind"] in WORKLOADS:
            moved["spec"].pop("replicas", None)
            (moved["metadata"].get("annotations") or {}).pop("deployment.kubernetes.io/revision", None)
        if moved["kind"] == "Service":
            for key in ("clusterIP", "clusterIPs"):
                moved["spec"].pop(key, None)
        found.append(_recolour(moved, name, then, slot))
    return found


def _recolour(value: t.Any, name: str, then: str, slot: str) -> t.Any:
    """Names, slot labels and PINCEX_SLOT of one slot become those of the other. What names the other slot, as an engine
    does its peer, names this one then."""
    if isinstance(value, dict):
        if value.get("name") == "PINCEX_SLOT":
            return {**value, "value": slot}
        return {key: slot if key == SLOT_LABEL else _recolour(inner, name, then, slot) for key, inner in value.items()}
    if isinstance(value, list):
        return [_recolour(inner, name, then, slot) for inner in value]
    swapped = {f"{name}-{then}": f"{name}-{slot}", f"{name}-{slot}": f"{name}-{then}"}
    return swapped.get(value, value) if isinstance(value, str) else value
