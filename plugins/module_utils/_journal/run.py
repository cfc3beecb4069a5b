# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open, decide, close and read a release: lock, journal and revisions of one region or of the fleet."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import arguments
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, Refused
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import (
    before_of,
    decision_of,
    entries_of,
    finish_of,
    header_of,
    must_be_controlled,
    must_be_open,
    sound,
    standby_of,
    write_decision,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.maintenance import maintenance_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import (
    Decision,
    FleetRef,
    ReleaseRef,
    refuse_secrets,
    refuse_what_has_no_room,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Data
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.watched import Watched
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.closing import closed
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.opening import (
    ALONE,
    TOLD_IN_HEADER,
    opened,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.place import (
    EMPTY_RESULT,
    Place,
    hold,
    result,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.taking_over import taken_over
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.telling import told

__all__ = ["ARGUMENT_SPEC", "EMPTY_RESULT", "run"]

_STATES: t.Final = ("opened", "taken_over", "decided", "closed", "told", "read")

ARGUMENT_SPEC: t.Final = arguments.merge(
    arguments.CLUSTER,
    arguments.UNREACHABLE,
    {
        "state": {"type": "str", "required": True, "choices": list(_STATES)},
        "scope": {"type": "str", "default": "region", "choices": ["region", "fleet"]},
        "release": {"type": "dict"},
        "fleet_release": {"type": "dict"},
        "fleet": {"type": "dict"},
        "release_id": {"type": "str"},
        "kind": {"type": "str", "choices": ["deploy", "rollback", *ALONE]},
        "by": {"type": "str"},
        "before": {"type": "dict"},
        "planned": {"type": "list", "elements": "dict", "default": []},
        "finish": {"type": "dict"},
        "target": {"type": "int"},
        "follows": {"type": "int"},
        "steps": {"type": "list", "elements": "str", "default": []},
        "decision": {"type": "str", "choices": ["keep", "undo"]},
        "reason": {"type": "str"},
        "outcome": {"type": "str"},
        "summary": {"type": "dict"},
        "standby_s": {"type": "float", "default": 0.0},
        "revision": {"type": "dict"},
        "number": {"type": "int"},
        "lease_s": {"type": "float", "default": 15.0},
        "renew_s": {"type": "float", "default": 5.0},
        "controller": {"type": "dict"},
        "watched": {"type": "dict"},
    },
)


_ALONE_TOLD: t.Final = {
    "standby": "a warm standby is opened in a region",
    "maintenance": "a maintenance is opened in a region",
    "dns": "a change of weights is opened for the fleet",
    "model": "a change of a model is opened for the fleet and in each region",
}
_ID: t.Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def asked(**given: t.Any) -> JsonObject:
    """The parameters of a task with these options, for another module that opens a journal in its own process. Raises
    OptionError as the task would."""
    params = {**{name: spec.get("default") for name, spec in ARGUMENT_SPEC.items()}, **given}
    _check(params)
    return params


def run(
    params: Mapping[str, t.Any], *, check_mode: bool, diff: bool, clock: Clock, progress: Progress
) -> dict[str, t.Any]:
    """One state of the module. Raises ReleaseError."""
    _check(params)
    kube = kube_module.connect(params["kubeconfig"], params["context"], params["region"] or params["context"], clock)
    kube.unreachable_s = params["unreachable_s"]
    place = Place.at(kube, params, clock, progress, check_mode)
    act = dict(zip(_STATES, (opened, taken_over, _decided, closed, told, _read), strict=True))[params["state"]]
    answer = act(place, params)
    return {**answer, "diff": answer["diff"] if diff else {"before": None, "after": None}}


def _check(params: Mapping[str, t.Any]) -> None:
    """Refuse bad input before anything is asked or written."""
    state, scope = params["state"], params["scope"]
    where = ALONE.get(params["kind"])
    if where is not None and (state != "opened" or scope not in where):
        scopes = " or ".join(f"scope={one}" for one in where)
        raise OptionError("kind", f"{_ALONE_TOLD[params['kind']]}, use state=opened and {scopes}")
    for name in _needed(params):
        if params[name] in (None, ""):
            raise OptionError(name, f"needed with state={state} and scope={scope}")
    if params["fleet"]:
        _check_fleet(params["fleet"])
    _check_followed(params)
    if state == "decided" and scope != "fleet":
        raise OptionError("scope", "a decision belongs to the fleet, use scope=fleet")
    if state == "closed" and params["revision"] and params["outcome"] != "released":
        raise OptionError("revision", f"only a release that is released makes one, and outcome is {params['outcome']}")
    if params["release_id"] and not _ID.fullmatch(params["release_id"]):
        raise OptionError("release_id", f"{params['release_id']!r} is no name; use small letters, digits and hyphens")
    if params["lease_s"] < 1:
        raise OptionError("lease_s", "must be at least 1")
    if not 0 < params["renew_s"] <= params["lease_s"] / 3:
        raise OptionError("renew_s", "must be above 0 and at most a third of lease_s")
    if params["watched"] and state != "taken_over":
        raise OptionError("watched", f"a lock is watched before it is taken over, and state is {state}")
    Watched.from_option(params["watched"])
    if params["before"]:
        refuse_what_has_no_room(params["before"], params["planned"])
    if params["revision"]:
        refuse_secrets("revision", params["revision"])


def _check_followed(params: Mapping[str, t.Any]) -> None:
    state = params["state"]
    if params["follows"] is not None and (state not in ("opened", "told") or params["scope"] != "fleet"):
        where = "use state=opened or state=told, and scope=fleet"
        raise OptionError("follows", f"the fleet keeps which release is followed, {where}")
    if state != "told":
        return
    regions = params["summary"].get("regions")
    if not isinstance(regions, Mapping) or not regions or set(regions.values()) != {"released"}:
        raise OptionError("summary", "needs regions, each released: only what a region got is told")


def _check_fleet(fleet: Mapping[str, t.Any]) -> None:
    try:
        FleetRef.from_option(fleet)
    except (KeyError, TypeError, ValueError) as error:
        problem = f"needs kubeconfig, context and namespace of the fleet's journal; wrong or missing: {error}"
        raise OptionError("fleet", problem) from error


def _needed(params: Mapping[str, t.Any]) -> list[str]:
    """The options that this call cannot do without."""
    state, region = params["state"], params["scope"] == "region"
    if state == "opened":
        if params["kind"] in ALONE:
            told = ["finish"] if params["kind"] in TOLD_IN_HEADER else []
            return ["by", "controller", *(["fleet"] if region else []), *told]
        return ["by", "controller", *(["fleet_release", "before"] if region else [])]
    if state == "taken_over":
        return ["by", "controller", *(["fleet"] if region else ["decision", "reason"])]
    if state == "decided":
        # Whoever aborts has no part in the release, and names none.
        return ["decision", "by", "reason", *(["release"] if params["decision"] == "keep" else [])]
    if state == "closed":
        return ["release", "outcome", *(["number"] if params["revision"] else [])]
    return ["by", "controller", "follows", "number", "summary"] if state == "told" else []


def _decided(place: Place, params: Mapping[str, t.Any]) -> JsonObject:
    """Write the decision once. What was written before stands, and comes back."""
    release = ReleaseRef.from_option(params["release"]) if params["release"] else None
    wanted = Decision(params["decision"], params["by"], params["reason"], place.clock.now())
    data = sound(place.store.read(), place.region)
    release_id = release.id if release else _to_abort(place, data)
    must_be_open(data, release_id, place.region)
    before = decision_of(data)
    written = False
    if before is not None:
        standing = before
    elif place.check_mode:
        standing, written = wanted, True
    else:
        if release is not None:
            must_be_controlled(release, place.region)
            if wanted.decision == "keep":
                # Only the holder keeps a release; to undo it, any region or person may ask at any time.
                hold(place, release)
        standing, written = write_decision(place.store, release_id, wanted)
        place.progress(f"release {release_id}: {standing.decision} by {standing.by}: {standing.reason}")
    return result(
        written,
        None if before is None else dataclasses.asdict(before),
        dataclasses.asdict(standing),
        release=release.to_option() if release else None,
        header=header_of(data),
        lock=_lock(place),
        decision=dataclasses.asdict(standing),
    )


def _to_abort(place: Place, data: Data) -> str:
    """The release that somebody wants to undo without naming it. Raises Refused when there is none, or a way back."""
    header = header_of(data)
    if header.get("state") != "open":
        raise Refused(f"{place.region}: no release is open, so there is nothing to abort", region=place.region)
    if header["kind"] == "dns":
        raise Refused(
            f"{place.region}: the change of weights {header['id']} of {header['by']} is not aborted: each batch stands "
            "whole or not at all; let it end or recover it",
            region=place.region,
        )
    if header["kind"] == "model":
        raise Refused(
            f"{place.region}: the change of a model {header['id']} of {header['by']} is not aborted: let it end and "
            "run rollback_model.yml, or recover it",
            region=place.region,
        )
    if header["kind"] != "deploy":
        raise Refused(
            f"{place.region}: {header['kind']} {header['id']} is a way back, not aborted; let it end or recover it",
            region=place.region,
        )
    return str(header["id"])


def _lock(place: Place) -> JsonObject | None:
    watched = place.lease.watch()
    if watched is None:
        return None
    lock = watched.lease
    # Whether it has lapsed by our clock: who aborts wants to know whether anybody is left to carry it out.
    lapsed = place.clock.now() >= lock.renewed_at + lock.duration_s
    return {**watched.to_option(), "lapsed": lapsed or not lock.holder}


def _read(place: Place, params: Mapping[str, t.Any]) -> JsonObject:
    """Everything that a report or a way back asks for."""
    data = sound(place.store.read(), place.region)
    decision, lock = decision_of(data), _lock(place)
    maintenance = maintenance_of(data, place.region)
    revision = None
    headers = place.revisions.headers()
    if params["number"] is not None:
        revision = place.revisions.read(params["number"])
        if revision is None:
            kept = ", ".join(str(header["number"]) for header in headers) or "none"
            raise OptionError(
                "number",
                f"revision {params['number']} is not kept in {place.region} (kept: {kept})",
                region=place.region,
            )
    return result(
        False,
        None,
        None,
        release=header_of(data) or None,
        header=header_of(data) or None,
        number=header_of(data).get("number"),
        decision=None if decision is None else dataclasses.asdict(decision),
        entries=[entry.summary() for entry in entries_of(data)],
        before=before_of(data, place.region),
        finish=finish_of(data, place.region),
        standby=standby_of(data),
        maintenance=None if maintenance is None else maintenance.summary(place.region),
        revisions=headers,
        revision=revision,
        lock=lock,
    )
