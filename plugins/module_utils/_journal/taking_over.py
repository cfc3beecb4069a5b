# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take over a release whose controller is gone: lock, token onto everything that it may still write, decision."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import (
    before_of,
    decision_of,
    entries_of,
    finish_of,
    header_of,
    header_text,
    must_be_open,
    sound,
    standby_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import (
    TOKEN_ANNOTATION,
    JsonObject,
    Ref,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Decision, ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Data
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.watched import Watched
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.opening import ALONE
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.place import (
    Place,
    hold,
    holder_name,
    recovering,
    result,
)

_TRIES: t.Final = 5


def taken_over(place: Place, params: Mapping[str, t.Any]) -> JsonObject:
    """Take the lock of the release that is open here, once nobody has renewed it for its whole duration.

    `release` is None in the result when no release is open. Raises Refused when its holder is alive.
    """
    data = sound(place.store.read(), place.region)
    header = header_of(data)
    if header.get("state") != "open":
        return _found(place, data, changed=_unlocked(place, params), release=None)
    release = recovering(place, params, header["id"])
    if place.check_mode:
        return _found(place, data, changed=True, release=None)
    place.progress(
        f"{header['kind']} {release.id} of {header['by']} is unfinished; watching whether its holder is alive"
    )
    watched = Watched.from_option(params["watched"])
    token = place.lease.acquire(release.holder, release.lease_s, patient=True, watched=watched)
    release = dataclasses.replace(release, token=token)
    if place.scope == "fleet":
        release = dataclasses.replace(release, fleet=dataclasses.replace(release.fleet, token=token))
    data = _write_token(place, params, release)
    if place.scope == "region":
        _fence(place, data, release)
    place.progress(f"{header['kind']} {release.id} is taken over from {header['holder']}")
    return _found(place, data, changed=True, release=release)


def _unlocked(place: Place, params: Mapping[str, t.Any]) -> bool:
    """Give back the lock of a controller that died between the lock and the journal. False when nobody holds it."""
    lease = place.lease.read()
    if lease is None or not lease.holder:
        return False
    if place.check_mode:
        return True
    me = holder_name("recover", params)
    watched = Watched.from_option(params["watched"])
    token = place.lease.acquire(me, params["lease_s"], patient=True, watched=watched)
    # The journal may still be on its way: it carries the resourceVersion of the one before, which is none any more.
    place.store.change(lambda data: {**data, "token": str(token)})
    place.lease.release(me, token)
    place.progress(f"the lock of {lease.holder}, which has no release open, is given back")
    return True


def _write_token(place: Place, params: Mapping[str, t.Any], release: ReleaseRef) -> Data:
    """Put our name into the journal, and for a release of the fleet the decision when none stands."""
    wanted = None
    if place.scope == "fleet":
        wanted = Decision(params["decision"], params["by"], params["reason"], place.clock.now())

    def take(data: Data) -> Data | None:
        must_be_open(data, release.id, place.region)
        header = header_of(data)
        mine = {"holder": release.holder, "token": release.token, "recovered_by": params["by"]}
        new = {**data, "release": header_text({**header, **mine})}
        # What is opened alone has none: the one that stands is that of the last release.
        if wanted is not None and decision_of(data) is None and header["kind"] not in ALONE:
            new["decision"] = wanted.to_text()
        return new

    place.store.change(take, lambda: hold(place, release))
    return sound(place.store.read(), place.region)


def _fence(place: Place, data: Data, release: ReleaseRef) -> None:
    """Write the token onto every object that the release may write: what the old holder still has in hand carries an
    older resourceVersion, and is refused."""
    # A change of a model has its own entries alone: what was before is that of the last release, and of all services.
    of_release = header_of(data)["kind"] != "model"
    before = ((before_of(data, place.region) if of_release else None) or {}).get("objects") or []
    refs = [Ref.of({**obj, "metadata": {"namespace": place.namespace, **obj["metadata"]}}) for obj in before]
    # What an engine was asked for is no object of this cluster: the epoch record is the guard there.
    refs += [change.ref for entry in entries_of(data) for change in entry.changes if change.op not in ("drain", "dns")]
    for ref in dict.fromkeys(refs):
        for attempt in range(_TRIES):
            hold(place, release)
            obj = place.kube.get(ref)
            if obj is None:
                break
            version = obj["metadata"]["resourceVersion"]
            mark = {"resourceVersion": version, "annotations": {TOKEN_ANNOTATION: str(release.token)}}
            try:
                place.kube.patch(ref, {"metadata": mark})
                break
            except ApiError as error:
                if error.kind not in ("conflict", "not_found") or attempt == _TRIES - 1:
                    raise


def _found(place: Place, data: Data, *, changed: bool, release: ReleaseRef | None) -> JsonObject:
    """What a recovery has to know."""
    header, decision = header_of(data), decision_of(data)
    return result(
        changed,
        None,
        None,
        release=None if release is None else release.to_option(),
        header=header or None,
        number=header.get("number"),
        decision=None if decision is None else dataclasses.asdict(decision),
        entries=[entry.summary() for entry in entries_of(data)],
        before=before_of(data, place.region),
        finish=finish_of(data, place.region),
        standby=standby_of(data),
    )
