# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the history of the fleet which regions got a release after it was closed."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import Refused, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import refuse_unfinished
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.closing import history_header
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.decide_telling import is_told, newer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.place import (
    Place,
    hold,
    recovering,
    result,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.revisions import next_number


def told(place: Place, params: Mapping[str, t.Any]) -> JsonObject:
    """Record that regions follow a release: one immutable header under a number of its own, and no journal.

    A revision is never rewritten, so this stands beside it, as what brings regions up does. It is one write, under the
    fleet's lock: killed before it nothing is told, and the next recovery sees that; killed after it only the lock is
    left, which lapses. Raises Refused while a release is open, or when one has ended since the caller judged.
    """
    header = _header(place, params)
    if _is_told(place, params):
        return result(False, None, None, revisions=place.revisions.headers())
    if place.check_mode:
        return result(True, None, header)
    release = recovering(place, params, header["id"])
    release = dataclasses.replace(release, token=place.lease.acquire(release.holder, release.lease_s))
    try:
        hold(place, release)
        # Asked again under the lock: without it no release begins.
        known = _is_told(place, params)
        if not known:
            header["number"] = next_number(place.kube, place.namespace)
            hold(place, release)
            place.revisions.record(header, None)
    finally:
        # Whatever happened, it lapses by itself, and what went wrong is more worth telling.
        with contextlib.suppress(ReleaseError):
            place.lease.release(release.holder, release.token)
    headers = place.revisions.headers()
    if known:
        return result(False, None, None, revisions=headers)
    place.progress(f"the history has it that {', '.join(header['regions'])} got revision {header['follows']}")
    return result(True, None, header, number=header["number"], revisions=headers)


def _header(place: Place, params: Mapping[str, t.Any]) -> JsonObject:
    now = place.clock.now()
    stamp = time.strftime("%Y%m%dt%H%M%Sz", time.gmtime(now))
    known = {"id": f"{stamp}-told", "kind": "recover", "by": params["by"], "follows": params["follows"]}
    ended = {"number": None, "opened_at": clock_time(now), "closed_at": clock_time(now), "outcome": "released"}
    return history_header({**known, **ended}, params["summary"])


def _is_told(place: Place, params: Mapping[str, t.Any]) -> bool:
    """Whether the history has it already. Raises Refused when it went on since the caller looked."""
    refuse_unfinished(place.store.read(), place.region)
    headers = place.revisions.headers()
    if is_told(headers, params["follows"], params["summary"]["regions"]):
        return True
    since = newer(headers, params["number"])
    if since:
        raise Refused(
            f"{place.region}: the history went on to revision {since[-1]} since {params['number']} was read; "
            "look at the regions again",
            region=place.region,
        )
    return False
