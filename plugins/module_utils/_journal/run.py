# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open, decide, close and read a release: lock, journal and revisions of one region or of the fleet."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import socket
import time
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import arguments
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import (
    before_of,
    decision_of,
    entries_of,
    header_of,
    journal_store,
    must_be_controlled,
    must_be_open,
    refuse_unfinished,
    write_decision,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import JsonObject, KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.lease import Lease, clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import (
    Decision,
    FleetRef,
    ReleaseRef,
    pack_document,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import ok_result
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Data, Store
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.decide_revisions import decide_prune
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.revisions import Revisions, next_number

ARGUMENT_SPEC: t.Final = arguments.merge(
    arguments.CLUSTER,
    {
        "state": {"type": "str", "required": True, "choices": ["opened", "decided", "closed", "read"]},
        "scope": {"type": "str", "default": "region", "choices": ["region", "fleet"]},
        "release": {"type": "dict"},
        "fleet_release": {"type": "dict"},
        "release_id": {"type": "str"},
        "kind": {"type": "str", "choices": ["deploy", "rollback"]},
        "by": {"type": "str"},
        "before": {"type": "dict"},
        "steps": {"type": "list", "elements": "str", "default": []},
        "decision": {"type": "str", "choices": ["keep", "undo"]},
        "reason": {"type": "str"},
        "outcome": {"type": "str"},
        "revision": {"type": "dict"},
        "number": {"type": "int"},
        "lease_s": {"type": "float", "default": 15.0},
        "renew_s": {"type": "float", "default": 5.0},
        "controller": {"type": "dict"},
    },
)

EMPTY_RESULT: t.Final[Mapping[str, t.Any]] = {
    "release": None,
    "number": None,
    "decision": None,
    "entries": [],
    "before": None,
    "revisions": [],
    "revision": None,
    "lock": None,
}

#: How many revisions a cluster keeps. The fleet's are headers only, and the history of the environment.
_KEPT: t.Final = {"region": 2, "fleet": 50}
_ID: t.Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where one journal lies, and what is needed to work on it."""

    kube: KubeApi
    namespace: str
    scope: str
    store: Store
    lease: Lease
    revisions: Revisions
    clock: Clock
    progress: Progress
    check_mode: bool

    @property
    def region(self) -> str:
        return self.kube.region


def run(
    params: Mapping[str, t.Any], *, check_mode: bool, diff: bool, clock: Clock, progress: Progress
) -> dict[str, t.Any]:
    """One state of the module. Raises ReleaseError."""
    _check(params)
    kube = kube_module.connect(params["kubeconfig"], params["context"], params["region"] or params["context"], clock)
    namespace = params["namespace"]
    place = _Place(
        kube=kube,
        namespace=namespace,
        scope=params["scope"],
        store=journal_store(kube, namespace),
        lease=Lease(kube, namespace, clock),
        revisions=Revisions(kube, namespace),
        clock=clock,
        progress=progress,
        check_mode=check_mode,
    )
    act = {"opened": _opened, "decided": _decided, "closed": _closed, "read": _read}[params["state"]]
    result = act(place, params)
    return {**result, "diff": result["diff"] if diff else {"before": None, "after": None}}


def _check(params: Mapping[str, t.Any]) -> None:
    """Refuse bad input before anything is asked or written."""
    state, scope = params["state"], params["scope"]
    needed = {
        "opened": ["by", "controller"] + (["fleet_release", "before"] if scope == "region" else []),
        "decided": ["release", "decision", "by", "reason"],
        "closed": ["release", "outcome"] + (["number"] if params["revision"] else []),
        "read": [],
    }[state]
    for name in needed:
        if params[name] in (None, ""):
            raise OptionError(name, f"needed with state={state} and scope={scope}")
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
    for name in ("before", "revision"):
        if params[name]:
            pack_document(name, params[name])


def _opened(place: _Place, params: Mapping[str, t.Any]) -> JsonObject:
    """Lock, then journal. Whatever goes wrong leaves nothing behind."""
    release = _new_release(place, params)
    data = place.store.read()
    header = header_of(data)
    if header.get("state") == "open" and (header["id"], header["holder"]) == (release.id, release.holder):
        # The same playbook asks again, perhaps because an answer was lost.
        release = dataclasses.replace(release, token=int(header["token"]))
        if not place.check_mode:
            place.lease.hold(release.holder, release.token, release.renew_s)
        return _result(False, header, header, release=release.to_option(), number=header["number"])
    refuse_unfinished(data, place.region)
    if place.check_mode:
        return _result(True, header, {**header, "id": release.id, "state": "open"}, release=release.to_option())
    token = place.lease.acquire(release.holder, release.lease_s)
    try:
        release = dataclasses.replace(release, token=token)
        # Asked again under the lock: somebody may have opened a release and lost the lock since.
        refuse_unfinished(place.store.read(), place.region)
        new = _new_header(place, params, release)
        content = {"release": json.dumps(new, sort_keys=True)}
        if params["before"]:
            content["before"] = pack_document("before", params["before"])
        place.store.change(lambda _old: content, lambda: _hold(place, release))
    except ReleaseError:
        with contextlib.suppress(ReleaseError):
            _abandon(place, release)
        with contextlib.suppress(ReleaseError):
            place.lease.release(release.holder, token)
        raise
    number = f", revision {new['number']}" if new["number"] else ""
    place.progress(f"release {release.id} is open{number}")
    return _result(True, header, new, release=release.to_option(), number=new["number"])


def _abandon(place: _Place, release: ReleaseRef) -> None:
    """End the journal of an opening that failed: the answer may be what was lost, not the write."""

    def end(data: Data) -> Data | None:
        header = header_of(data)
        if header.get("id") != release.id or header.get("state") != "open":
            return None
        return {**data, "release": json.dumps({**header, "state": "closed", "outcome": "refused"}, sort_keys=True)}

    place.store.change(end, lambda: _hold(place, release))


def _new_release(place: _Place, params: Mapping[str, t.Any]) -> ReleaseRef:
    """What the other tasks are told of this release; without its token."""
    pid, started = int(params["controller"]["pid"]), str(params["controller"]["started"])
    if place.scope == "region":
        whole = ReleaseRef.from_option(params["fleet_release"])
        release_id, kind, fleet = whole.id, whole.kind, whole.fleet
        for name, given, expected in (("release_id", params["release_id"], release_id), ("kind", params["kind"], kind)):
            if given not in (None, expected):
                raise OptionError(name, f"{given} is not that of fleet_release, {expected}")
    else:
        stamp = time.strftime("%Y%m%dt%H%M%Sz", time.gmtime(place.clock.now()))
        release_id, kind = params["release_id"] or stamp, params["kind"] or "deploy"
        fleet = FleetRef(params["kubeconfig"], params["context"], place.namespace)
    return ReleaseRef(
        id=release_id,
        kind=kind,
        holder=f"{release_id}/{socket.gethostname()}/{pid}",
        token=0,
        namespace=place.namespace,
        controller_pid=pid,
        controller_started=started,
        fleet=fleet,
        lease_s=params["lease_s"],
        renew_s=params["renew_s"],
    )


def _new_header(place: _Place, params: Mapping[str, t.Any], release: ReleaseRef) -> JsonObject:
    kept = [int(header["number"]) for header in place.revisions.headers() if header["outcome"] == "released"]
    return {
        "id": release.id,
        "kind": release.kind,
        "by": params["by"],
        "region": place.region,
        "opened_at": clock_time(place.clock.now()),
        "steps": params["steps"],
        "came_from": kept[-1] if kept else None,
        "number": next_number(place.kube, place.namespace) if place.scope == "fleet" else None,
        "holder": release.holder,
        "token": release.token,
        "state": "open",
        "outcome": None,
        "closed_at": None,
    }


def _decided(place: _Place, params: Mapping[str, t.Any]) -> JsonObject:
    """Write the decision once. What was written before stands, and comes back."""
    release = ReleaseRef.from_option(params["release"])
    wanted = Decision(params["decision"], params["by"], params["reason"], place.clock.now())
    data = place.store.read()
    must_be_open(data, release.id, place.region)
    before = decision_of(data)
    written = False
    if before is not None:
        standing = before
    elif place.check_mode:
        standing, written = wanted, True
    else:
        must_be_controlled(release, place.region)
        if wanted.decision == "keep":
            # Only the holder keeps a release; to undo it, any region or person may ask at any time.
            _hold(place, release)
        standing, written = write_decision(place.store, release.id, wanted)
        place.progress(f"release {release.id}: {standing.decision} by {standing.by}: {standing.reason}")
    return _result(
        written,
        None if before is None else dataclasses.asdict(before),
        dataclasses.asdict(standing),
        release=release.to_option(),
        decision=dataclasses.asdict(standing),
    )


def _closed(place: _Place, params: Mapping[str, t.Any]) -> JsonObject:
    """Record the revision, end the journal, give the lock back: in this order, so that each may be asked again."""
    release = ReleaseRef.from_option(params["release"])
    header = header_of(place.store.read())
    if (header.get("id"), header.get("state")) == (release.id, "closed"):
        unlocked = False if place.check_mode else place.lease.release(release.holder, release.token)
        return _result(unlocked, header, header, number=header["number"])
    must_be_open({"release": json.dumps(header)} if header else {}, release.id, place.region)
    number = header["number"] if place.scope == "fleet" else params["number"]
    ended = {
        **header,
        "number": number,
        "state": "closed",
        "outcome": params["outcome"],
        "closed_at": clock_time(place.clock.now()),
    }
    if not place.check_mode:
        _hold(place, release)
        if place.scope == "fleet" or params["revision"]:
            _record(place, params, ended)
        text = json.dumps(ended, sort_keys=True)

        def end(data: Data) -> Data | None:
            if data.get("release") == text:
                return None
            must_be_open(data, release.id, place.region)
            return {**data, "release": text}

        place.store.change(end, lambda: _hold(place, release))
        place.lease.release(release.holder, release.token)
        place.progress(f"release {release.id} is closed: {params['outcome']}")
    return _result(True, header, ended, number=number, revisions=place.revisions.headers())


def _record(place: _Place, params: Mapping[str, t.Any], ended: JsonObject) -> None:
    names = ("number", "id", "kind", "by", "opened_at", "closed_at", "outcome", "came_from")
    document = pack_document("revision", params["revision"]) if params["revision"] else None
    place.revisions.record({name: ended[name] for name in names}, document)
    numbers = [int(kept["number"]) for kept in place.revisions.headers()]
    for number in decide_prune(numbers, ended["came_from"], _KEPT[place.scope]):
        place.revisions.remove(number)


def _read(place: _Place, params: Mapping[str, t.Any]) -> JsonObject:
    """Everything that a report or a way back asks for."""
    data = place.store.read()
    decision, lock = decision_of(data), place.lease.read()
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
    return _result(
        False,
        None,
        None,
        release=header_of(data) or None,
        number=header_of(data).get("number"),
        decision=None if decision is None else dataclasses.asdict(decision),
        entries=[entry.summary() for entry in entries_of(data)],
        before=before_of(data),
        revisions=headers,
        revision=revision,
        lock=None if lock is None else dataclasses.asdict(lock),
    )


def _hold(place: _Place, release: ReleaseRef) -> None:
    must_be_controlled(release, place.region)
    place.lease.hold(release.holder, release.token, release.renew_s)


def _result(changed: bool, old: t.Any, new: t.Any, **known: t.Any) -> JsonObject:
    # Not as arguments of ok_result: `before` is a key of this module's result.
    return {**ok_result(changed, old, new), **EMPTY_RESULT, **known}
