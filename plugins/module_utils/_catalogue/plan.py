# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a release in one region, made from what runs there now. Pure.

The role walks through the plan and decides nothing: every object, every weight and every question to the gate of every
step stands in it before the first write.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import gates
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.connections import watched
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.handover import (
    finish_options,
    gateway_problem,
    handover_options,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.manifests import (
    DIGEST_ANNOTATION,
    NAME_LABEL,
    digest,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import SLOTS, TRAFFIC, Service
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan_traffic import traffic_problem
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.tiers import tiers_of

JsonObject = dict[str, t.Any]
Manifests = Mapping[str, Mapping[str, list[JsonObject]]]

_HPA: t.Final = {"api_version": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}


@dataclasses.dataclass(frozen=True)
class Move:
    """What a release does to one service in one region."""

    service: Service
    version: str
    was: str | None
    source: str | None  # the slot that is live now; None at a first release
    target: str  # the slot that gets the version; equals `source` for a rolling change
    count: int

    @property
    def first(self) -> bool:
        return self.source is None

    @property
    def in_place(self) -> bool:
        return self.source == self.target

    @property
    def handed_over(self) -> bool:
        """Whether an engine that trades hands its book over to the other slot."""
        return self.service.is_engine and _has_way_back(self)

    @property
    def workload(self) -> JsonObject:
        return {
            "kind": self.service.workload,
            "name": f"{self.service.name}-{self.target}",
            "min_ready": self.count,
            "service": self.service.name,
        }


@dataclasses.dataclass(frozen=True)
class Situation:
    """What the plan is made from, beside the services themselves."""

    before: Mapping[str, t.Any]
    manifests: Manifests
    profiles: Mapping[str, Mapping[str, t.Any]]
    gated_on_metrics: bool = True  # False for a way back: readiness and doomed pods only
    regions: int = 1  # of the whole release
    catalogue: Mapping[str, Service] = dataclasses.field(default_factory=dict)  # of all services, also those that stay

    @property
    def namespace(self) -> str:
        return str(self.before.get("namespace", "default"))

    @property
    def region(self) -> str:
        return str(self.before.get("region", ""))

    def find(self, kind: str, name: str) -> JsonObject | None:
        for obj in self.before.get("objects") or []:
            if obj["kind"] == kind and obj["metadata"]["name"] == name:
                return t.cast(JsonObject, obj)
        return None


def deploy_plan(
    services: Mapping[str, Service], versions: Mapping[str, str], situation: Situation
) -> tuple[JsonObject, list[str]]:
    """The plan, and the sentences for which there must not be one."""
    situation = dataclasses.replace(situation, catalogue=services)
    moves: list[Move] = []
    problems: list[str] = []
    for name, version in versions.items():
        service = services[name]
        state = (situation.before.get("services") or {}).get(name) or {}
        problem = traffic_problem(service, situation.before)
        if problem:
            problems.append(problem)
            continue
        move = _move(service, version, state)
        if not _is_there(move, situation):
            moves.append(move)
    problems += _unseen_handovers(moves, situation)
    order = tiers_of({name: service.depends_on for name, service in services.items()})
    return make_plan(moves, order, order, situation), problems


def _unseen_handovers(moves: Sequence[Move], situation: Situation) -> list[str]:
    """A sentence for each engine that would wait in vain for a gateway. Every idle slot is brought up before the first
    step, so gateways of the same release are there by then."""
    states = (situation.before.get("services") or {}).items()
    slots = {name: (state.get("slots") or {}).values() for name, state in states}
    up = {name for name, found in slots.items() if any(int(slot.get("replicas") or 0) for slot in found)}
    up |= {move.service.name for move in moves}
    engines = [move.service for move in moves if move.handed_over]
    found = (gateway_problem(engine.handover, engine.name, up) for engine in engines)
    return [f"{situation.region}: {problem}" for problem in found if problem]


def make_plan(
    moves: Sequence[Move], prepare_order: list[list[str]], shift_order: list[list[str]], situation: Situation
) -> JsonObject:
    """Lay the moves out as prepare, steps, bake and finish."""
    by_name = {move.service.name: move for move in moves}

    def tiers(order: list[list[str]]) -> list[list[Move]]:
        found = ([by_name[name] for name in tier if name in by_name] for tier in order)
        return [tier for tier in found if tier]

    prepare = []
    for tier in tiers(prepare_order):
        fresh = [move for move in tier if not move.in_place]
        if fresh:
            prepare.append(_prepare(fresh, situation))
    steps = [step for tier in tiers(shift_order) for step in _steps(tier, situation)]
    plan = {
        "changes": bool(moves),
        "versions": {move.service.name: move.version for move in moves},
        "services": {
            move.service.name: {
                "version": move.version,
                "was": move.was,
                "source": move.source,
                "target": move.target,
                "count": move.count,
                "handover": move.handed_over,
            }
            for move in moves
        },
        "prepare": prepare,
        "steps": steps,
        "bake": _bake(list(by_name.values()), situation),
        # Asked again before each later wave and before the fleet's decision.
        "judge": _gate(moves, situation, "judge_s", trip=False) if moves else None,
        "finish": {
            "fields": [field for move in moves for field in _finish(move, situation)],
            "standby": [field for move in moves for field in _standby(move, situation)],
            "connections": [entry for move in moves for entry in _connections(move, situation)],
            "engines": [_finished(move) for move in moves if move.handed_over],
            "services": [move.service.name for move in moves],
        },
    }
    return gates.split_false_alarm(plan, situation.regions)


def _move(service: Service, version: str, state: Mapping[str, t.Any]) -> Move:
    source = state.get("live_slot")
    slots = state.get("slots") or {}
    live = slots.get(source) or {}
    floor = service.hpa.min if service.hpa else service.replicas
    if source is None:
        return Move(service, version, None, None, SLOTS[0], floor)
    target = source if service.strategy == "rolling" else SLOTS[1 - SLOTS.index(source)]
    # The catalogue may ask for more than runs now; less is the HPA's business after the release.
    count = floor if service.is_engine else max(int(live.get("replicas") or 0), floor)
    return Move(service, version, live.get("version"), source, target, count)


def _is_there(move: Move, situation: Situation) -> bool:
    """Whether the live slot already is what the release would make of it."""
    if move.source is None or move.was != move.version:
        return False
    live = situation.find(move.service.workload, f"{move.service.name}-{move.source}")
    noted = ((live or {}).get("metadata", {}).get("annotations") or {}).get(DIGEST_ANNOTATION)
    return noted is not None and noted == _digest(move, situation)


def _digest(move: Move, situation: Situation) -> str:
    # Always of the same slot, so that the digest survives a change of colours.
    return digest(situation.manifests[move.service.name][SLOTS[0]])


def objects_of(move: Move, situation: Situation) -> list[JsonObject]:
    """The slot's manifests as the release applies them: marked, and with the HPA held at the live count."""
    found: list[JsonObject] = []
    for manifest in situation.manifests[move.service.name][move.target]:
        obj = copy.deepcopy(manifest)
        if obj["kind"] == move.service.workload:
            annotations = obj["metadata"].setdefault("annotations", {})
            annotations.setdefault(DIGEST_ANNOTATION, _digest(move, situation))
        if obj["kind"] == "HorizontalPodAutoscaler":
            spec = obj["spec"]
            spec["minReplicas"] = max(move.count, int(spec.get("minReplicas", 1)))
            spec["maxReplicas"] = max(int(spec["maxReplicas"]), spec["minReplicas"])
            spec.setdefault("behavior", {}).setdefault("scaleDown", {})["selectPolicy"] = "Disabled"
        found.append(obj)
    if move.first:
        # Both slots' Services exist from the start: a route may then name both.
        other = situation.manifests[move.service.name][SLOTS[1 - SLOTS.index(move.target)]]
        found += [copy.deepcopy(obj) for obj in other if obj["kind"] == "Service"]
    return found


def _scale(move: Move, slot: str, count: int) -> JsonObject:
    workload = {"api_version": "apps/v1", "kind": move.service.workload, "name": f"{move.service.name}-{slot}"}
    return {**workload, "path": "spec.replicas", "value": count}


def _held(move: Move, situation: Situation) -> list[JsonObject]:
    """Fields of a service that hold its scale during the release: target up, no HPA down."""
    return [_as_large(move), *source_held(move, situation)]


def _as_large(move: Move) -> JsonObject:
    """The slot that gets the traffic, as large as the one that has it is by then. Of an engine there is one."""
    live = {} if move.first or move.service.is_engine else {"at_least": f"{move.service.name}-{move.source}"}
    return {**_scale(move, move.target, move.count), **live}


def source_held(move: Move, situation: Situation) -> list[JsonObject]:
    """Fields that keep the slot which loses the traffic as large as it is: its HPA would take it down."""
    fields: list[JsonObject] = []
    if move.source is None or move.in_place:
        return fields
    name = f"{move.service.name}-{move.source}"
    hpa = situation.find("HorizontalPodAutoscaler", name)
    if hpa is not None:
        floor = max(move.count, int(hpa["spec"].get("minReplicas", 1)))
        if int(hpa["spec"]["maxReplicas"]) < floor:
            fields.append({**_HPA, "name": name, "path": "spec.maxReplicas", "value": floor})
        fields.append({**_HPA, "name": name, "path": "spec.minReplicas", "value": floor})
        fields.append({**_HPA, "name": name, "path": "spec.behavior.scaleDown.selectPolicy", "value": "Disabled"})
    return fields


def _finish(move: Move, situation: Situation) -> list[JsonObject]:
    """Fields that end the release: the HPA of the slot that is live now is free again."""
    name = f"{move.service.name}-{move.target}"
    fields: list[JsonObject] = []
    for manifest in situation.manifests[move.service.name][move.target]:
        if manifest["kind"] == "HorizontalPodAutoscaler":
            fields += freed(name, manifest["spec"])
    return fields


def _standby(move: Move, situation: Situation) -> list[JsonObject]:
    """Fields that end the warm standby of the old slot. Until then its HPA is held: without traffic it would take the
    slot down to its minimum."""
    if move.source is None or move.in_place:
        return []
    old = f"{move.service.name}-{move.source}"
    hpa = situation.find("HorizontalPodAutoscaler", old)
    return [*(freed(old, hpa["spec"]) if hpa is not None else ()), _scale(move, move.source, 0)]


def _connections(move: Move, situation: Situation) -> list[JsonObject]:
    """What counts the connections that stay with the old slot until they end, or its pods do."""
    query = move.service.connections
    if query is None or move.source is None or move.in_place:
        return []
    return [watched(query, move.service.name, move.source, situation.namespace, situation.region)]


def freed(name: str, spec: Mapping[str, t.Any]) -> list[JsonObject]:
    """Fields that make an HPA as its manifest says."""
    policy = ((spec.get("behavior") or {}).get("scaleDown") or {}).get("selectPolicy") or "Max"
    return [
        {**_HPA, "name": name, "path": "spec.minReplicas", "value": int(spec.get("minReplicas", 1))},
        {**_HPA, "name": name, "path": "spec.maxReplicas", "value": int(spec["maxReplicas"])},
        {**_HPA, "name": name, "path": "spec.behavior.scaleDown.selectPolicy", "value": policy},
    ]


def _profiles(moves: Sequence[Move], situation: Situation) -> list[Mapping[str, t.Any]]:
    return [situation.profiles.get(move.service.gate_profile) or {} for move in moves]


def _gate(moves: Sequence[Move], situation: Situation, observe_key: str | None, trip: bool) -> JsonObject:
    """The gate over services that are judged together."""
    checks: dict[str, list[JsonObject]] = {}
    if observe_key is not None and situation.gated_on_metrics:
        for move in moves:
            if move.first:
                continue
            profile = situation.profiles.get(move.service.gate_profile) or {}
            names = {
                "service": move.service.name,
                "slot": move.target,
                "stable": "" if move.in_place else str(move.source),
                "namespace": situation.namespace,
                "region": situation.region,
            }
            asked = gates.checks_of(profile, names)
            if observe_key == "bake_s":
                asked = gates.baked(asked, profile)
            for kind, found in asked.items():
                checks.setdefault(kind, []).extend(found)
    # A way back never trips: that would send everybody to the version it leaves. It stops as stuck instead.
    back = [
        _trip(move, situation.catalogue) for move in moves if trip and situation.gated_on_metrics and _is_shifted(move)
    ]
    return gates.gate_options(
        _profiles(moves, situation),
        workloads=[move.workload for move in moves],
        checks=checks,
        observe_key=observe_key,
        trip=back,
    )


def _has_way_back(move: Move) -> bool:
    return move.source is not None and not move.in_place


def _is_shifted(move: Move) -> bool:
    """Whether its traffic moves by weights: an engine's does not."""
    return _has_way_back(move) and not move.service.is_engine


def _trip(move: Move, catalogue: Mapping[str, Service]) -> JsonObject:
    return {
        "service": move.service.name,
        "route": move.service.name,
        "kind": TRAFFIC[move.service.traffic],
        "weights": {str(move.source): 100, move.target: 0},
        "depends_on": _needs(move.service, catalogue),
    }


def _needs(service: Service, catalogue: Mapping[str, Service]) -> list[str]:
    """What a service needs, directly or through services that this release leaves alone."""
    found: list[str] = []
    left = list(service.depends_on)
    while left:
        name = left.pop(0)
        if name not in found:
            found.append(name)
            left += catalogue[name].depends_on if name in catalogue else ()
    return found


def _prepare(moves: list[Move], situation: Situation) -> JsonObject:
    """Bring the idle slots of one tier up, without traffic.

    A first release gets its route here, at 100: nobody uses it yet, and the next tier may need it to become ready.
    """
    return {
        "name": f"prepare {_names(moves)}",
        "objects": [obj for move in moves for obj in objects_of(move, situation)],
        "fields": [field for move in moves for field in _held(move, situation)],
        "allow_live": False,
        "gate": _gate(moves, situation, None, trip=False),
        "routes": [_route(move, 100) for move in moves if move.first and not move.service.is_engine],
        "probes": [
            {
                "name": move.service.name,
                "kind": TRAFFIC[move.service.traffic],
                "slot": move.target,
                "version": move.version,
            }
            for move in moves
            if _is_shifted(move)
        ],
    }


def _steps(tier: list[Move], situation: Situation) -> list[JsonObject]:
    """The steps of one tier: its services move together."""
    steps: list[JsonObject] = []
    rolling = [move for move in tier if move.in_place]
    if rolling:
        steps.append(
            {
                "name": f"{_names(rolling)} in place",
                "objects": [obj for move in rolling for obj in objects_of(move, situation)],
                "fields": [field for move in rolling for field in _held(move, situation)],
                "allow_live": True,
                "routes": [],
                "gate": _gate(rolling, situation, "step_s", trip=False),
            }
        )
    shifted = [move for move in tier if _is_shifted(move)]
    for position in range(max((len(move.service.steps) for move in shifted), default=0)):
        moving = [move for move in shifted if position < len(move.service.steps)]
        shares = {move.service.steps[position] for move in moving}
        if len(shares) == 1:
            name = f"{_names(moving)} {shares.pop()} %"
        else:
            name = ", ".join(f"{move.service.name} {move.service.steps[position]} %" for move in moving)
        steps.append(
            {
                "name": name,
                "objects": [],
                "fields": [],
                # An HPA has followed the load since the plan was made. A way back has just read it, and is waited for.
                "scale": [_as_large(move) for move in moving] if situation.gated_on_metrics else [],
                "allow_live": False,
                "routes": [_route(move, move.service.steps[position]) for move in moving],
                "gate": _gate(shifted, situation, "step_s", trip=True),
            }
        )
    return steps + [_handover(move, situation) for move in tier if move.handed_over]


def _handover(move: Move, situation: Situation) -> JsonObject:
    """The step of one engine. After weights of the same tier: they are back in an instant when it fails."""
    service = move.service
    reason = f"{'upgrade' if situation.gated_on_metrics else 'return'} to {move.version}"
    slots = (str(move.source), move.target)
    return {
        "name": f"{service.name} handover",
        "objects": [],
        "fields": [],
        "allow_live": False,
        "routes": [],
        "handover": handover_options(service.handover, service.name, service.port, slots, reason),
        "gate": _gate([move], situation, "step_s", trip=False),
    }


def _finished(move: Move) -> JsonObject:
    return finish_options(move.service.handover, move.service.name, move.service.port, move.target)


def _bake(moves: list[Move], situation: Situation) -> list[JsonObject]:
    """The region's own gate after all steps: everything that moved is watched once more, together. On readiness alone
    the last step's gate has said it already."""
    if not moves or not situation.gated_on_metrics:
        return []
    return [{"name": "bake", "gate": _gate(moves, situation, "bake_s", trip=True)}]


def _route(move: Move, weight: int) -> JsonObject:
    other = SLOTS[1 - SLOTS.index(move.target)]
    service = move.service
    by_route = service.traffic == "route"
    return {
        "name": service.name,
        "kind": TRAFFIC[service.traffic],
        "weights": {move.target: weight, other: 100 - weight},
        "port": service.port,
        "hostnames": list(service.hostnames) if by_route else [],
        "parent": {"name": service.gateway} if by_route else None,
        "probe_url": None if by_route else service.probe_url,
        # Enough ready pods for the share that comes, and never none.
        "min_ready": max(1, math.ceil(move.count * weight / 100)),
    }


def _names(moves: Sequence[Move]) -> str:
    return ", ".join(move.service.name for move in moves)


def service_of(obj: Mapping[str, t.Any]) -> str | None:
    """The service an object belongs to, by its label."""
    return t.cast("str | None", (obj["metadata"].get("labels") or {}).get(NAME_LABEL))


def judgement(services: Mapping[str, Service], situation: Situation) -> JsonObject:
    """The gate over what is live now, for `validate`: read only, so without a trip."""
    moves = []
    for name, service in services.items():
        state = (situation.before.get("services") or {}).get(name) or {}
        live = state.get("live_slot")
        if live is not None:
            slot = (state.get("slots") or {}).get(live) or {}
            count = int(slot.get("replicas") or 1)
            moves.append(Move(service, str(slot.get("version")), slot.get("version"), live, live, count))
    found: JsonObject = {
        "missing": [name for name in services if name not in {move.service.name for move in moves}],
        "versions": {move.service.name: move.version for move in moves},
        "gate": _gate(moves, situation, "step_s", trip=False) if moves else None,
    }
    return found
