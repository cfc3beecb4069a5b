# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Close a release: record the revision, end the journal, give the lock back."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import (
    MODEL_DECIDED,
    decision_of,
    finish_of,
    header_of,
    header_text,
    must_be_open,
    sound,
    standby_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef, summed
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Data
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.decide_revisions import KEPT, decide_prune
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.decide_standby import (
    decide_connections,
    decide_standby,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.opening import ALONE
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.place import Place, hold, result
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.prune_configs import prune_configs

#: What a revision keeps of the header of its release, and what the fleet's history keeps of how it ended.
_KEPT: t.Final = (
    *("number", "id", "kind", "by", "opened_at", "closed_at"),
    *("outcome", "came_from", "target", "follows", "emergency"),
)
_TOLD: t.Final = ("reason", "decision", "versions", "changes", "regions", "flags", "models")


def closed(place: Place, params: Mapping[str, t.Any]) -> JsonObject:
    """Record the revision, end the journal, give the lock back: in this order, so that each may be asked again."""
    release = ReleaseRef.from_option(params["release"])
    data = sound(place.store.read(), place.region)
    header = header_of(data)
    if _has_ended(header, release):
        unlocked = False if place.check_mode else place.lease.release(release.holder, release.token)
        return result(unlocked, header, header, number=header["number"], standby=standby_of(data))
    must_be_open(data, release.id, place.region)
    ended = _ended(place, params, data)
    until = place.clock.now() + params["standby_s"]

    def end(data: Data) -> Data | None:
        if _has_ended(header_of(sound(data, place.region)), release):
            return None
        must_be_open(data, release.id, place.region)
        new = {**data, "release": header_text(ended)}
        standby = _standby_after(data, release, params["outcome"], until, place.region)
        new.pop("standby", None)
        return new if standby is None else {**new, "standby": summed(standby)}

    if not place.check_mode:
        hold(place, release)
        if header["kind"] not in ALONE:
            if place.scope == "fleet" or params["revision"]:
                _record(place, params, ended)
            else:
                # It may have been killed at its end, and then taken back. What is brought up after it may have the
                # same number.
                place.revisions.forget(release.id)
        place.store.change(end, lambda: hold(place, release))
        place.lease.release(release.holder, release.token)
        place.progress(f"release {release.id} is closed: {params['outcome']}")
    return result(
        True,
        header,
        ended,
        number=ended["number"],
        revisions=place.revisions.headers(),
        standby=standby_of(end(data) or data),
    )


def _ended(place: Place, params: Mapping[str, t.Any], data: Data) -> JsonObject:
    """The header of the release that has ended. What was opened alone leaves that of the last release, and of a change
    of a model what was decided: a region that was away then asks for it."""
    header, decision = header_of(data), decision_of(data)
    told = {MODEL_DECIDED: decision.decision} if header["kind"] == "model" and decision is not None else {}
    if "of" in header:
        last = {key: value for key, value in header["of"].items() if header["kind"] != "model" or key != MODEL_DECIDED}
        return {**last, f"{header['kind']}_ended_by": header["id"], **told}
    return {
        **header,
        **told,
        "number": header["number"] if place.scope == "fleet" else params["number"],
        "state": "closed",
        "outcome": params["outcome"],
        "closed_at": clock_time(place.clock.now()),
    }


def _has_ended(header: JsonObject, release: ReleaseRef) -> bool:
    if header.get("state") != "closed":
        return False
    return release.id in (header["id"], *(header.get(f"{kind}_ended_by") for kind in ALONE))


def _standby_after(data: Data, release: ReleaseRef, outcome: str, until: float, region: str) -> JsonObject | None:
    """The warm standby once this release has ended."""
    header, carried = header_of(data), standby_of(data)
    if header["kind"] == "standby":
        return None
    if outcome != "released":
        return carried
    left = finish_of(data, region)
    fields = decide_standby(carried["fields"] if carried else [], left["standby"], left["services"])
    if not fields:
        return None
    counted = decide_connections(carried["connections"] if carried else [], left["connections"], left["services"])
    engines = decide_connections(_engines(carried), _engines(left), left["services"])
    standby = {"release": release.id, "until": until, "fields": fields, "connections": counted}
    return {**standby, "engines": engines} if engines else standby


def _engines(record: JsonObject | None) -> list[JsonObject]:
    """Those that write their own format when the standby has ended. A record without engines does not name any."""
    return list((record or {}).get("engines") or [])


def history_header(ended: JsonObject, summary: Mapping[str, t.Any] | None) -> JsonObject:
    """What a revision keeps of the header of a release that has ended, and of its summary."""
    told = {name: summary[name] for name in _TOLD if name in summary} if summary else {}
    return {**{name: ended.get(name) for name in _KEPT}, **told}


def _record(place: Place, params: Mapping[str, t.Any], ended: JsonObject) -> None:
    place.revisions.record(history_header(ended, params["summary"]), params["revision"] or None)
    kept = {int(header["number"]): header for header in place.revisions.headers()}
    pinned = [number for number, header in kept.items() if header["pinned"]]
    follows = {number: int(header["follows"]) for number, header in kept.items() if header.get("follows") is not None}
    for number in decide_prune(kept, ended["came_from"], KEPT[place.scope], pinned, follows):
        place.revisions.remove(number)
        del kept[number]
    place.revisions.sweep()
    if place.scope == "region":
        prune_configs(place.kube, place.namespace, kept.values())
