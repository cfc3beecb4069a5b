# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_traffic: read, shift, probe and take back the traffic of services, count what is left of it, and maintenance."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import (
    CLUSTER,
    RELEASE,
    UNREACHABLE,
    merge,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import ok_result
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.retry import keep_trying
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session, open_session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import providers
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import decide_drain, route, selector
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_answers import Count
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.drain import SPEC, checked_drain, drain
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.endpoints import Endpoints, wait_until
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.find import find_routes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.kinds import KINDS, weights_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.maintain import SPEC as MAINTENANCE
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.maintain import (
    checked_entering,
    enter,
    leave,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Gateway, Probe
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.refusals import named
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.restore import restore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import CAPACITY, Routes, Shift
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.shift import (
    ANSWERS,
    ENDPOINTS,
    Proof,
    checked_shifts,
    shift,
)

JsonObject = dict[str, t.Any]

_STATES: t.Final = ("read", "shifted", "probed", "restored", "drained", "maintenance", "returned")
#: The states that know routes by their names alone.
_BY_NAME: t.Final = ("read", "maintenance", "returned")

ARGUMENT_SPEC: t.Final = merge(
    CLUSTER,
    UNREACHABLE,
    RELEASE,
    providers.argument_spec(),
    {
        "state": {"type": "str", "choices": list(_STATES), "required": True},
        "routes": {"type": "list", "elements": "raw", "default": []},
        "probe": {
            "type": "dict",
            "options": {
                "url": {"type": "str", "required": True},
                "path": {"type": "str", "default": "/health/ready"},
                "requests": {"type": "int", "default": 60},
                "timeout_s": {"type": "float", "default": 5.0},
                "ca_cert": {"type": "path"},
            },
        },
        "connections": {"type": "list", "elements": "dict", "default": [], "options": SPEC},
        "drain_s": {"type": "float", "default": 60.0},
        "maintenance": {"type": "dict", "options": MAINTENANCE},
    },
)

_ROUTE_OPTIONS: t.Final[Mapping[str, Mapping[str, type | tuple[type, ...]]]] = {
    "shifted": {
        "name": str,
        "kind": str,
        "weights": dict,
        "port": int,
        "hostnames": list,
        "parent": dict,
        "min_ready": int,
        "probe_url": str,
    },
    "probed": {"name": str, "kind": str, "slot": str, "version": str},
}
_NEEDED: t.Final = {"shifted": ("name", "weights"), "probed": ("name", "slot", "version")}

#: Every key of the result, with its value for "nothing".
EMPTY_RESULT: t.Final[JsonObject] = {
    "routes": {},
    "answers": {},
    "proofs": {},
    "connections": {},
    "maintenance": None,
    "kept": [],
    "warnings": [],
}


def run(params: Mapping[str, t.Any], *, check_mode: bool, diff: bool, clock: Clock, progress: Progress) -> JsonObject:  # noqa: ARG001 - the same signature for every area
    """One task. The weights are short enough to be in every result, with or without --diff."""
    state = params["state"]
    if state == "drained":
        return _drained(params, check_mode, clock, progress)
    step = params.get("step") or ""
    given = _checked(state, params.get("routes") or [])
    wanted = checked_shifts(given) if state == "shifted" else []
    if state == "restored" and not params.get("release"):
        raise OptionError("release", "needed to take traffic back: its journal says where it was")
    probe = _probe(params.get("probe"), clock, given if state in _ROUTE_OPTIONS else [])
    if state in ("maintenance", "returned"):
        names = [entry["name"] for entry in given]
        return _maintained(params, names, probe, check_mode=check_mode, clock=clock, progress=progress)
    if state == "probed" and probe is None:
        raise OptionError("probe", "needed for state probed")
    session = open_session(params, clock=clock, check_mode=check_mode, undoing=state == "restored")
    with named(params):
        if state == "read":
            return ok_result(False, **{**EMPTY_RESULT, "routes": _read(session, [entry["name"] for entry in given])})
        if state == "probed" and probe is not None:
            return _result(session, [], _probed(session, given, probe, check_mode, progress))
        if state == "shifted":
            attempt = functools.partial(
                shift, session, wanted, probe, step=step, check_mode=check_mode, progress=progress, before={}
            )
            release = session.journal.release
            (shifts, proofs), before = keep_trying(
                attempt,
                session.journal.look_at_fleet,
                check_mode=check_mode,
                clock=clock,
                progress=progress,
                # A way back has another way, which brings pods up, and users wait for it.
                passing=(CAPACITY,) if release is not None and release.kind == "deploy" else (),
            )
            return _result(session, shifts, proofs, before=before)
        return _restored(session, probe, step, check_mode, progress)


def _checked(state: str, given: Sequence[t.Any]) -> list[dict[str, t.Any]]:
    """The entries of `routes`: names for reading, and options that depend on the state otherwise."""
    if state in ("restored", "drained"):
        return []
    checked: list[dict[str, t.Any]] = []
    for number, entry in enumerate(given, start=1):
        if state in _BY_NAME:
            if not isinstance(entry, str):
                raise OptionError("routes", f"number {number} is no name of a route")
            checked.append({"name": entry})
            continue
        if not isinstance(entry, Mapping):
            raise OptionError("routes", f"number {number} needs {', '.join(_NEEDED[state])}")
        known = _ROUTE_OPTIONS[state]
        name = entry.get("name") or f"number {number}"
        # A null is an option that was left out: roles hand on what a catalogue does not say.
        options = {key: value for key, value in entry.items() if value is not None}
        for key, value in options.items():
            if key not in known:
                raise OptionError("routes", f"{name}: there is no option {key} for state {state}")
            if not isinstance(value, known[key]) or isinstance(value, bool):
                raise OptionError("routes", f"{name}: {key} is {value!r}, which is no {_word(known[key])}")
        missing = [key for key in _NEEDED[state] if key not in options]
        if missing:
            raise OptionError("routes", f"{name}: {missing[0]} is missing")
        if state == "probed" and options["slot"] not in route.SLOTS:
            raise OptionError("routes", f"{name}: there is no slot {options['slot']}")
        if options.get("kind", route.KIND) not in KINDS:
            raise OptionError("routes", f"{name}: there is no kind {options['kind']} (there are: {', '.join(KINDS)})")
        checked.append(options)
    if not checked and state != "returned":
        raise OptionError("routes", f"no route is named for state {state}")
    return checked


def _word(kind: type | tuple[type, ...]) -> str:
    return {str: "text", int: "whole number", dict: "mapping", list: "list"}[t.cast("type", kind)]


def _probe(given: Mapping[str, t.Any] | None, clock: Clock, entries: Sequence[Mapping[str, t.Any]]) -> Probe | None:
    if not given:
        return None
    requests, timeout_s = int(given.get("requests") or 60), float(given.get("timeout_s") or 5.0)
    if requests < 1 or timeout_s <= 0:
        raise OptionError("probe", "requests and timeout_s have to be positive")
    path = str(given.get("path") or "/health/ready")
    ca_cert = given.get("ca_cert")
    own = {entry["name"]: entry["probe_url"] for entry in entries if "probe_url" in entry}
    planes = {name: Gateway(url, ca_cert, keep=False) for name, url in own.items()}
    return Probe(Gateway(str(given["url"]), ca_cert), clock, path, requests, timeout_s, planes)


def _read(session: Session, names: Sequence[str]) -> JsonObject:
    there = find_routes(session.kube, session.namespace, names)
    found = Routes(session.kube, session.namespace, {name: str(obj["kind"]) for name, obj in there.items()})
    result: JsonObject = {}
    for name in names:
        live = found.get(name) if name in there else None
        result[name] = None
        if live is not None:
            weights = weights_of(live) or {}
            problem = _not_served(session, name, live, weights)
            result[name] = {
                "kind": live["kind"],
                "weights": weights,
                "hostnames": list(live["spec"].get("hostnames") or []),
                "accepted": problem is None,
                "problem": problem,
            }
    return result


def _not_served(session: Session, name: str, live: JsonObject, weights: Mapping[str, int]) -> str | None:
    """Why traffic does not go where the weights say, as far as the cluster tells; None when it does."""
    if live["kind"] == route.KIND:
        return route.not_accepted(live)
    return Endpoints(session.kube, session.namespace, name).not_moved(selector.slot_with_all(weights))


def _probed(
    session: Session, given: Sequence[Mapping[str, t.Any]], probe: Probe, check_mode: bool, progress: Progress
) -> dict[str, Proof]:
    found = Routes(session.kube, session.namespace, {entry["name"]: entry.get("kind", route.KIND) for entry in given})
    session.journal.guard()
    proofs: dict[str, Proof] = {}
    for entry in given:
        name, slot, version = entry["name"], entry["slot"], entry["version"]
        # Each has its own time: a rollback asks for all services one after the other.
        end = probe.deadline()
        live = found.must_get(name)
        if check_mode:
            continue
        counts: dict[str, Count] = {}
        if live["kind"] == route.KIND:
            by = ANSWERS
            counts, problem = probe.ask_slot(route.host_of(live), slot, version, end)
        else:
            # Nobody can ask a slot that the Service does not select.
            by = ENDPOINTS
            pods = Endpoints(session.kube, session.namespace, name)
            problem = wait_until(functools.partial(pods.not_fit, slot, version), probe.clock, end)
        proofs[name] = Proof((by,), {seen: dataclasses.asdict(count) for seen, count in counts.items()})
        if problem:
            error = ReleaseError(
                f"{session.region}: route {name}: slot {slot} is not fit for traffic after {probe.timeout_s:g} s: "
                f"{problem}",
                kind="not_proved",
                system="gateway" if by == ANSWERS else "kubernetes",
                region=session.region,
                retriable=True,
            )
            error.partial = {"answers": _answers(proofs)}
            raise error
        how = f"answers as {version} through the gateway ({probe.requests} requests)"
        progress(f"{name}: {slot} {how if by == ANSWERS else f'is ready as {version} behind its own Service'}")
    return proofs


def _maintained(
    params: Mapping[str, t.Any],
    names: Sequence[str],
    probe: Probe | None,
    *,
    check_mode: bool,
    clock: Clock,
    progress: Progress,
) -> JsonObject:
    """Into a maintenance or out of it. The record is written under the lock, so check mode alone needs none."""
    if not (params.get("release") or check_mode):
        raise OptionError("release", f"needed for state {params['state']}: it is written under its lock")
    session = open_session(params, clock=clock, check_mode=check_mode)
    act = functools.partial(
        leave, session, names, probe, step=params.get("step") or "", check_mode=check_mode, progress=progress
    )
    if params["state"] == "maintenance":
        act = functools.partial(
            enter,
            session,
            checked_entering(params.get("maintenance")),
            names,
            probe,
            step=params.get("step") or "",
            check_mode=check_mode,
            progress=progress,
        )
    with named(params):
        done, before = keep_trying(
            act, session.journal.look_at_fleet, check_mode=check_mode, clock=clock, progress=progress
        )
    return ok_result(
        done.changed or bool(before.get("changed")),
        *done.diff(with_scale=check_mode),
        **{
            **EMPTY_RESULT,
            "routes": {turn.name: {"before": turn.old, "after": turn.new} for turn in done.turns},
            "maintenance": done.told(session.region),
            "kept": [f"{session.region}: {sentence}" for sentence in done.kept],
        },
    )


def _drained(params: Mapping[str, t.Any], check_mode: bool, clock: Clock, progress: Progress) -> JsonObject:
    """The open connections of old slots. No API server is asked, so there is no session."""
    entries, provider = checked_drain(params), providers.connect(params, clock)
    # In check mode nobody is kept waiting.
    drain_s = 0.0 if check_mode else float(params["drain_s"])
    counts = drain(entries, provider, drain_s=drain_s, clock=clock, progress=progress)
    region = params.get("region") or params["context"]
    found = {
        count.service: {"slot": count.slot, "left": count.left, "observed": count.left is not None} for count in counts
    }
    told = [f"{region}: {sentence}" for sentence in decide_drain.warnings(counts, drain_s)]
    return ok_result(False, **{**EMPTY_RESULT, "connections": found, "warnings": told})


def _restored(session: Session, probe: Probe | None, step: str, check_mode: bool, progress: Progress) -> JsonObject:
    """The result, or what could not be taken back with what was."""
    back, kept, proofs = restore(session, probe, step=step, check_mode=check_mode, progress=progress)
    result = _result(session, back.done, proofs, kept, back.warnings)
    if not back.failed:
        return result
    # The first of them, so that a refusal is still one of the API server's.
    error = next(iter(back.failed.values()))
    error.retriable = any(failed.retriable for failed in back.failed.values())
    error.message = f"{session.region}: the traffic could not be taken back of {back.left()}"
    error.partial = {**result, "changed": bool(back.done or back.unsure)}
    raise error


def _result(
    session: Session,
    shifts: Sequence[Shift],
    proofs: Mapping[str, Proof],
    kept: Sequence[str] = (),
    warnings: Sequence[str] = (),
    *,
    before: Mapping[str, t.Any] = MappingProxyType({}),
) -> JsonObject:
    changed = {planned.name: {"before": planned.old, "after": planned.new} for planned in shifts}
    changed = {**before.get("routes", {}), **changed}
    return ok_result(
        bool(shifts or before.get("changed")),
        {name: both["before"] for name, both in changed.items()},
        {name: both["after"] for name, both in changed.items()},
        **{
            **EMPTY_RESULT,
            "routes": changed,
            "answers": _answers(proofs),
            "proofs": {name: list(proof.by) for name, proof in proofs.items()},
            "kept": [f"{session.region}: {sentence}" for sentence in kept],
            "warnings": [f"{session.region}: {sentence}" for sentence in warnings],
        },
    )


def _answers(proofs: Mapping[str, Proof]) -> JsonObject:
    return {name: proof.answers for name, proof in proofs.items() if ANSWERS in proof.by}
