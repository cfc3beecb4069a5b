# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the weights of routes and prove that the data plane follows."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    OptionError,
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route as routes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import weights_problem
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Probe
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.refusals import must_exist
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import Routes, Shift

Answers = dict[str, t.Any]

_POLL_S: t.Final = 0.03


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One entry of the option `routes` for a shift."""

    name: str
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
        problem = weights_problem(entry.get("weights") or {})
        if problem:
            raise OptionError("routes", f"{name}: {problem}")
        if name in {other.name for other in wanted}:
            raise OptionError("routes", f"{name} is there twice")
        wanted.append(
            Wanted(
                name,
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
) -> tuple[list[Shift], dict[str, Answers]]:
    """Check everything, write everything, prove everything. Returns the changed routes and the counted answers."""
    found = Routes(session.kube, session.namespace)
    session.journal.guard()
    shifts = []
    for entry in wanted:
        live = found.get(entry.name)
        planned = Shift(entry.name, live, _wanted_route(session, entry, live))
        if planned.old != dict(entry.weights):
            found.must_carry(entry.name, planned.old, entry.weights, entry.min_ready)
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
    answers: dict[str, Answers] = {}
    if probe is not None:
        end = probe.deadline()
        for entry in wanted:
            answers[entry.name] = prove(session, found, probe, name=entry.name, weights=entry.weights, end=end)
    return shifts, answers


def prove(
    session: Session, found: Routes, probe: Probe, *, name: str, weights: Mapping[str, int], end: float
) -> Answers:
    """Wait until the gateway has accepted the route and its answers are what the weights give. ReleaseError if not."""
    route = found.must_get(name)
    while True:
        refused = routes.not_accepted(route)
        if refused is None or probe.clock.monotonic() >= end:
            break
        probe.clock.sleep(_POLL_S)
        route = found.must_get(name)
    counts, problem = ({}, refused) if refused else probe.prove(routes.host_of(route), weights, end)
    answers = {slot: dataclasses.asdict(count) for slot, count in counts.items()}
    if problem:
        error = ReleaseError(
            f"{session.region}: route {name}: the shift to {text_of(weights)} is not proved within "
            f"{probe.timeout_s:g} s: {problem}",
            kind="not_proved",
            system="gateway",
            region=session.region,
            retriable=True,
        )
        error.partial = {"changed": True, "answers": {name: answers}}
        raise error
    return answers


def text_of(weights: Mapping[str, int] | None) -> str:
    """Weights for people."""
    if weights is None:
        return "no route"
    return " / ".join(f"{slot} {weights[slot]}" for slot in routes.SLOTS)


def _wanted_route(session: Session, entry: Wanted, live: JsonObject | None) -> JsonObject:
    if live is not None:
        return routes.with_weights(live, entry.weights)
    missing = [option for option in ("port", "parent") if not getattr(entry, option)]
    if missing or entry.port is None or entry.parent is None:
        raise OptionError(
            "routes",
            f"{entry.name}: the HTTPRoute does not exist yet; to make it, {' and '.join(missing)} has to be given",
            region=session.region,
        )
    return routes.build_route(
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
