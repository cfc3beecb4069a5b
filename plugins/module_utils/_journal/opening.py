# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a release: lock, then journal."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import (
    MODEL_DECISION,
    PLACE,
    header_of,
    header_text,
    journal_store,
    must_be_open,
    refuse_unfinished,
    sound,
    standby_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.maintenance import refuse_maintenance
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import (
    ReleaseRef,
    pack,
    pack_document,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Data
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.place import (
    Place,
    hold,
    holder_name,
    own_fleet,
    result,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.revisions import next_number

#: What is opened by itself, and in which scopes. It leaves the header of the last release when it ends.
ALONE: t.Final[Mapping[str, tuple[str, ...]]] = {
    "standby": ("region",),
    "maintenance": ("region",),
    "dns": ("fleet",),
    "model": ("fleet", "region"),
}
#: What has in its own header what a recovery needs: the journal's own `finish` is that of the last release.
TOLD_IN_HEADER: t.Final = ("dns", "model")


def opened(place: Place, params: Mapping[str, t.Any]) -> JsonObject:
    """Lock, then journal. Whatever goes wrong leaves nothing behind.

    `release` is None in the result when the warm standby was to be ended and there is none.
    """
    data = sound(place.store.read(), place.region)
    pending = standby_of(data)
    if params["kind"] == "standby" and not _is_due(pending, data, params["release_id"]):
        return result(False, None, None, header=header_of(data) or None)
    release = _new_release(place, params, pending)
    header = header_of(data)
    if header.get("state") == "open" and (header["id"], header["holder"]) == (release.id, release.holder):
        # The same playbook asks again, perhaps because an answer was lost.
        release = dataclasses.replace(release, token=int(header["token"]))
        if not place.check_mode:
            place.lease.hold(release.holder, release.token, release.renew_s)
        release = _with_token(place, release, release.token)
        return result(
            False, header, header, release=release.to_option(), number=header["number"], standby=standby_of(data)
        )
    _refuse(data, place, release)
    if place.check_mode:
        planned = {**header, "id": release.id, "state": "open"}
        return result(True, header, planned, release=release.to_option(), standby=pending)
    token = place.lease.acquire(release.holder, release.lease_s)
    new: JsonObject = {}
    try:
        release = _with_token(place, release, token)

        def begin(data: Data) -> Data | None:
            nonlocal new, pending
            if new and header_of(sound(data, place.region)).get("id") == release.id:
                return None
            # Asked again under the lock: somebody may have opened a release and lost the lock since.
            _refuse(data, place, release)
            if release.kind in ALONE:
                old = header_of(data)
                new = {**_header_of(place, params, release, old.get("number")), **({"of": old} if old else {})}
                if release.kind in TOLD_IN_HEADER:
                    new["finish"] = params["finish"]
                if release.kind in ("maintenance", "model"):
                    # Its way back must not find what the last release wrote, and nobody asks for that any more; nor
                    # what was decided of the last change of a model, nor where the regions were in that release.
                    gone = (MODEL_DECISION, PLACE)
                    data = {key: text for key, text in data.items() if not (key.isdigit() or key.startswith(gone))}
                return {**data, "release": header_text(new)}
            new = new or _header_of(place, params, release, _number(place))
            # What stands by under the lock: what was read before it may have ended since.
            pending = standby_of(data)
            return _content(params, new, data)

        if place.scope == "region" and release.kind not in ALONE:
            _fleet_must_be_open(place, release)
        # Not what was read before the lock.
        place.store.read()
        place.store.change(begin, lambda: hold(place, release))
    except ReleaseError:
        with contextlib.suppress(ReleaseError):
            _abandon(place, release)
        with contextlib.suppress(ReleaseError):
            place.lease.release(release.holder, token)
        raise
    number = f", revision {new['number']}" if new["number"] and release.kind not in ALONE else ""
    place.progress(f"release {release.id} is open{number}")
    return result(True, header, new, release=release.to_option(), number=new["number"], standby=pending)


def _refuse(data: Data, place: Place, release: ReleaseRef) -> None:
    """Raise Refused when something stands in the way: a release, or for all but itself a maintenance."""
    refuse_unfinished(data, place.region)
    if release.kind != "maintenance":
        refuse_maintenance(data, place.region)


def _fleet_must_be_open(place: Place, release: ReleaseRef) -> None:
    """A playbook that was stopped may go on when its release has been recovered and closed."""
    fleet = kube_module.connect(release.fleet.kubeconfig, release.fleet.context, "fleet", place.clock)
    must_be_open(journal_store(fleet, release.fleet.namespace).read(), release.id, "fleet")


def _is_due(pending: JsonObject | None, data: Data, release_id: str | None) -> bool:
    """Whether there is a warm standby to end: that of the release which is named, or any."""
    header = header_of(data)
    if pending is None or (header.get("state") == "open" and header.get("kind") != "standby"):
        return False
    return release_id in (None, pending["release"])


def _with_token(place: Place, release: ReleaseRef, token: int) -> ReleaseRef:
    if place.scope == "fleet":
        release = dataclasses.replace(release, fleet=dataclasses.replace(release.fleet, token=token))
    return dataclasses.replace(release, token=token)


def _number(place: Place) -> int | None:
    return next_number(place.kube, place.namespace) if place.scope == "fleet" else None


def _content(params: Mapping[str, t.Any], header: JsonObject, data: Data) -> Data:
    """A new journal. A warm standby that has not ended is handed on: it ends with this release, or after it."""
    content = {"release": header_text(header)}
    if params["before"]:
        content["before"] = pack_document("before", params["before"])
    if params["finish"]:
        content["finish"] = pack(params["finish"])
    if "standby" in data:
        content["standby"] = data["standby"]
    return content


def _abandon(place: Place, release: ReleaseRef) -> None:
    """End the journal of an opening that failed: the answer may be what was lost, not the write."""

    def end(data: Data) -> Data | None:
        header = header_of(sound(data, place.region))
        if header.get("id") != release.id or header.get("state") != "open":
            return None
        ended = header.get("of") or {**header, "state": "closed", "outcome": "refused"}
        return {**data, "release": header_text(ended)}

    place.store.change(end, lambda: hold(place, release))


def _new_release(place: Place, params: Mapping[str, t.Any], pending: JsonObject | None) -> ReleaseRef:
    """What the other tasks are told of this release; without its token."""
    pid, started = int(params["controller"]["pid"]), str(params["controller"]["started"])
    stamp = time.strftime("%Y%m%dt%H%M%Sz", time.gmtime(place.clock.now()))
    if params["kind"] == "standby" and pending is not None:
        release_id, kind = f"{pending['release'][:54]}-standby", "standby"
        fleet = own_fleet(place, params)
    elif params["kind"] in ALONE:
        release_id, kind = params["release_id"] or f"{stamp}-{params['kind']}", params["kind"]
        fleet = own_fleet(place, params)
    elif place.scope == "region":
        whole = ReleaseRef.from_option(params["fleet_release"])
        release_id, kind, fleet = whole.id, whole.kind, whole.fleet
        for name, given, expected in (("release_id", params["release_id"], release_id), ("kind", params["kind"], kind)):
            if given not in (None, expected):
                raise OptionError(name, f"{given} is not that of fleet_release, {expected}")
    else:
        release_id, kind = params["release_id"] or stamp, params["kind"] or "deploy"
        fleet = own_fleet(place, params)
    return ReleaseRef(
        id=release_id,
        kind=kind,
        holder=holder_name(release_id, params),
        token=0,
        namespace=place.namespace,
        controller_pid=pid,
        controller_started=started,
        fleet=fleet,
        lease_s=params["lease_s"],
        renew_s=params["renew_s"],
    )


def _header_of(place: Place, params: Mapping[str, t.Any], release: ReleaseRef, number: int | None) -> JsonObject:
    kept = [int(header["number"]) for header in place.revisions.headers() if header["outcome"] == "released"]
    return {
        "id": release.id,
        "kind": release.kind,
        "by": params["by"],
        "region": place.region,
        "opened_at": clock_time(place.clock.now()),
        "steps": params["steps"],
        "came_from": kept[-1] if kept else None,
        "target": params["target"],
        "follows": params["follows"],
        # What passed the windows: it stays with the release, also when its playbook is killed.
        "emergency": params["reason"] or None,
        "number": number,
        "holder": release.holder,
        "token": release.token,
        "state": "open",
        "outcome": None,
        "closed_at": None,
    }
