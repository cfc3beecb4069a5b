# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that only bring regions up to another release, and what the history of an environment is with them. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import STANDING

JsonObject = dict[str, t.Any]
Header = Mapping[str, t.Any]

#: Regions that nobody waits for. A recovery calls a region whole that had no part in the release; older records call
#: one so that had ended before.
_THERE: t.Final = ("released", "left_out", "whole")


def joined(revisions: Sequence[Header]) -> list[JsonObject]:
    """The revisions of an environment, oldest first, out of the headers in the fleet's journal.

    A release that brought regions up to another one (`follows` is the number of that one) is no revision of its own:
    its regions count for the one that it follows. That is complete (`released`) once no region of it is missing, and
    has stood since the last one came (`closed_at`). A follower of what is not kept any more is left out.
    """
    ordered = sorted(revisions, key=lambda header: int(header["number"]))
    found = {int(header["number"]): dict(header) for header in ordered if header.get("follows") is None}
    for header in ordered:
        followed = None if header.get("follows") is None else found.get(int(header["follows"]))
        if followed is not None and header.get("outcome") in STANDING:
            found[int(header["follows"])] = _completed(followed, header)
    return list(found.values())


def _completed(followed: Header, follower: Header) -> JsonObject:
    """The revision with the regions that this follower has brought up."""
    brought = {region: verdict for region, verdict in (follower.get("regions") or {}).items() if verdict == "released"}
    regions = {**(followed.get("regions") or {}), **brought}
    complete = bool(brought) and all(verdict in _THERE for verdict in regions.values())
    return {
        **followed,
        "regions": regions,
        "outcome": "released" if complete else followed.get("outcome"),
        "closed_at": follower.get("closed_at") if brought else followed.get("closed_at"),
    }
