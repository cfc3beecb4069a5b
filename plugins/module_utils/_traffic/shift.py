# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the weights of routes and prove that the data plane follows."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    OptionError,
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route, selector
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_answers import Count
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import (
    gaining,
    pods_for,
    weights_problem,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.endpoints import Endpoints, wait_until
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.kinds import KINDS, with_weights
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Probe
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.refusals import must_exist
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import Routes, Shift

_POLL_S: t.Final = 0.03
#: The counted answers by slot, and why they are no proof.
Counted = tuple[dict[str, Count], "str | None"]
#: What only the other kind can use.
_FOREIGN: t.Final = {route.KIND: ("probe_url",), selector.KIND: ("hostnames", "parent")}
#: Ways of proof, as the result says them.
ANSWERS: t.Final = "answers"
ENDPOINTS: t.Final = "endpoints"


@dataclasses.dataclass(frozen=True)
class Proof:
    """That traffic goes where it should: by which of the ways, and the counted answers by slot."""

    by: tuple[str, ...]
    answers: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One entry of the option `routes` for a shift."""

    name: str
    kind: str
    weights: Mapping[str, int]
    port: int | None
    hostnames: tuple[str, ...]
    parent: Mapping[str, t.Any] | None
    min_ready: int | None


def checked_shifts(given: Sequence[Mapping[str, t.Any]]) -> list[Wanted]:
    """The shifts, or OptionError naming the route and what is wrong with it."""
    wanted: list[Wanted] = []
    for entry in given:
        name = str(entry["name"])
        kind = str(entry.get("kind") or route.KIND)
        problem = (
            weights_problem(entry.get("weights") or {})
            or KINDS[kind].not_carried(entry["weights"])
            or next((f"{option} is not for a {kind}" for option in _FOREIGN[kind] if entry.get(option)), None)
        )
        if problem:
            raise OptionError("routes", f"{name}: {problem}")
        if name in {other.name for other in wanted}:
            raise OptionError("routes", f"{name} is there twice")
        wanted.append(
            Wanted(
                name,
                kind,
                entry["weights"],
                entry.get("port"),
                tuple(entry.get("hostnames") or ()),
                entry.get("parent"),
                entry.get("min_ready"),
            )
        )
    return wanted


def shift(
    session: Session,
    wanted: Sequence[Wanted],
    probe: Probe | None,
    *,
    step: str,
    check_mode: bool,
    progress: Progress,
    before: dict[str, Mapping[str, int] | None] | None = None,
) -> tuple[list[Shift], dict[str, Proof]]:
    """Check everything, write everything, prove everything. Returns the changed routes, and with a probe the proofs.

    `before` is kept over the tries of a step: what the first of them found, by route.
    """
    found = Routes(session.kube, session.namespace, {entry.name: entry.kind for entry in wanted})
    session.journal.guard()
    shifts = []
    for entry in wanted:
        live = found.get(entry.name)
        planned = Shift(entry.name, live, _wanted_route(session, entry, live))
        if planned.old != dict(entry.weights):
            if before is not None and before.setdefault(entry.name, planned.old) != planned.old:
                raise ApiError(
                    f"{session.region}: route {entry.name}: somebody else changed its weights between two tries, to "
                    f"{text_of(planned.old)}",
                    kind="conflict",
                    region=session.region,
                )
            found.must_carry(entry.name, planned.old, entry.weights, _least(session, found, entry, planned.old))
            shifts.append(planned)
    for planned in shifts:
        _try(session, found, planned)
    if check_mode:
        return shifts, {}
    written = found.write_each(session.journal, shifts, step)
    for problem in (*written.errors.values(), written.unrecorded):
        if problem is not None:
            changed = {planned.name: {"before": planned.old, "after": planned.new} for planned in written.done}
            problem.partial = {"changed": bool(changed or written.unsure), "routes": changed}
            raise problem
    for planned in shifts:
        progress(f"{planned.name}: {text_of(planned.old)} -> {text_of(planned.new)}")
    proofs: dict[str, Proof] = {}
    try:
        if probe is not None:
            for entry in wanted:
                # Each has its own time: a rollback proves all services one after the other.
                proofs[entry.name] = prove(found, probe, entry.name, entry.weights, probe.deadline())
    except ReleaseError as error:
        routes = {planned.name: {"before": planned.old, "after": planned.new} for planned in shifts}
        error.partial = {**error.partial, "changed": bool(shifts), "routes": routes}
        raise
    return shifts, proofs


def _least(session: Session, found: Routes, entry: Wanted, old: Mapping[str, int] | None) -> int | None:
    """How many ready pods whoever gets more traffic needs. A deploy is planned before its first wave, so it goes by how
    large the slot is by now that has the traffic; a way back was planned a moment ago, and users wait for it.

    No more than it is to have: it was made as large as the other one a moment ago, and the load goes on growing.
    """
    gains = gaining(old, entry.weights)
    release = session.journal.release
    if release is None or release.kind != "deploy" or not gains:
        return entry.min_ready
    scales = {slot: found.scale(entry.name, slot) for slot in route.SLOTS if slot not in gains}
    share = max(entry.weights[slot] for slot in gains)
    own = min(found.scale(entry.name, slot) for slot in gains)
    return max(entry.min_ready or 1, min(own, pods_for(share, scales or {"": 1})))


def prove(found: Routes, probe: Probe, name: str, weights: Mapping[str, int], end: float) -> Proof:
    """Wait until traffic goes where the weights say. ReleaseError if it does not."""
    by_gateway = found.kind(name).KIND == route.KIND
    look = _through_gateway if by_gateway else _behind_service
    counts, problem = look(found, probe, name, weights, end)
    answers = {slot: dataclasses.asdict(count) for slot, count in counts.items()}
    if problem:
        error = ReleaseError(
            f"{found.kube.region}: route {name}: the shift to {text_of(weights)} is not proved within "
            f"{probe.timeout_s:g} s: {problem}",
            kind="not_proved",
            system="gateway" if by_gateway else "kubernetes",
            region=found.kube.region,
            retriable=True,
        )
        error.partial = {"answers": {name: answers}}
        raise error
    ways = {ENDPOINTS: not by_gateway, ANSWERS: bool(answers)}
    return Proof(tuple(way for way, used in ways.items() if used), answers)


def _through_gateway(found: Routes, probe: Probe, name: str, weights: Mapping[str, int], end: float) -> Counted:
    """The gateway has accepted the route, and its answers are what the weights give."""
    live = found.must_get(name)
    while True:
        refused = route.not_accepted(live)
        if refused is None or probe.clock.monotonic() >= end:
            break
        probe.clock.sleep(_POLL_S)
        live = found.must_get(name)
    return ({}, refused) if refused else probe.prove(route.host_of(live), weights, end)


def _behind_service(found: Routes, probe: Probe, name: str, weights: Mapping[str, int], end: float) -> Counted:
    """The slot's ready pods are what is behind the Service, and where the service has an address for the controller its
    answers come from that slot."""
    slot = selector.slot_with_all(weights)
    behind = Endpoints(found.kube, found.namespace, name)
    problem = wait_until(lambda: behind.not_moved(slot), probe.clock, end)
    plane = probe.planes.get(name)
    if problem or plane is None:
        return {}, problem
    return dataclasses.replace(probe, plane=plane).prove(None, weights, end)


def text_of(weights: Mapping[str, int] | None) -> str:
    """Weights for people."""
    if weights is None:
        return "no route"
    return " / ".join(f"{slot} {weights[slot]}" for slot in route.SLOTS)


def _wanted_route(session: Session, entry: Wanted, live: JsonObject | None) -> JsonObject:
    if live is not None:
        return with_weights(live, entry.weights)
    if entry.kind == selector.KIND and entry.port is not None:
        return selector.build_service(entry.name, session.namespace, weights=entry.weights, port=entry.port)
    if entry.kind == selector.KIND or entry.port is None or entry.parent is None:
        needed = ("port",) if entry.kind == selector.KIND else ("port", "parent")
        missing = " and ".join(option for option in needed if not getattr(entry, option))
        raise OptionError(
            "routes",
            f"{entry.name}: the {entry.kind} does not exist yet; to make it, {missing} has to be given",
            region=session.region,
        )
    return route.build_route(
        entry.name,
        session.namespace,
        weights=entry.weights,
        port=entry.port,
        hostnames=entry.hostnames,
        parent=entry.parent,
    )


def _try(session: Session, found: Routes, planned: Shift) -> None:
    """Ask the API server whether it would take that, so that a second route's refusal leaves nothing written."""
    if planned.live is None:
        must_exist(session.kube, session.namespace)
    found.write(session.journal, planned, dry_run=True)
