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

#: Regions that nobody waits for. A recovery calls a region whole that had no part in the release, and closes a release
#: of which no other is missing as released; older records call one so that had ended before. Neither tells that the
#: region has got it: a rollback asks every region whether it keeps the revision, and a promotion wants `released`.
_THERE: t.Final = ("released", "left_out", "whole")
#: What the fleet says of a region that may have got the release all the same: it did not answer, or was not asked.
_UNKNOWN: t.Final = ("unreachable", "behind", "whole")
#: What a recovery says of a region that stands on what its journal has recorded, with nothing left to do.
_ENDED_WELL: t.Final = ("released", "whole")


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
        # Who recovers from the journals alone may have found no region that said them.
        "versions": followed.get("versions") or follower.get("versions"),
        "outcome": "released" if complete else followed.get("outcome"),
        "closed_at": follower.get("closed_at") if brought else followed.get("closed_at"),
    }


def untold(revisions: Sequence[Header], reports: Sequence[Mapping[str, t.Any]]) -> list[JsonObject]:
    """What the history does not tell yet: regions that were ended under the number of a release after the fleet's
    journal was closed. One entry per revision, oldest first: its number as `follows`, and the `summary` to record.

    `reports` are those of a recovery: `region`, `verdict`, `stands`, the newest revision that its own journal keeps,
    and `standing`, the version of every service there where it is known.
    """
    history = [header for header in joined(revisions) if header.get("outcome", "released") in STANDING]
    found: dict[int, list[Mapping[str, t.Any]]] = {}
    for report in reports:
        if report.get("verdict") in _ENDED_WELL and _is_untold(history, str(report["region"]), report.get("stands")):
            found.setdefault(int(report["stands"]), []).append(report)
    return [{"follows": number, "summary": _told(number, found[number])} for number in sorted(found)]


def _told(number: int, reports: Sequence[Mapping[str, t.Any]]) -> JsonObject:
    regions = [str(report["region"]) for report in reports]
    return {
        "decision": "keep",
        "reason": f"{', '.join(regions)}: ended under {number} after that was closed",
        "versions": next((report["standing"] for report in reports if report.get("standing")), {}),
        "regions": dict.fromkeys(regions, "released"),
    }


def _is_untold(history: Sequence[Header], region: str, stands: int | None) -> bool:
    """Whether a region stands on a revision, and the history does not know. Not of a revision that a later rollback has
    undone, nor of one after which the region has got another one."""
    own = [header for header in history if stands is not None and int(header["number"]) == stands]
    later = [header for header in history if stands is not None and int(header["number"]) > stands]
    if any(header.get("kind") == "rollback" or _verdict(header, region) == "released" for header in later):
        return False
    return any(_verdict(header, region) in _UNKNOWN for header in own)


def _verdict(header: Header, region: str) -> str | None:
    return t.cast("str | None", (header.get("regions") or {}).get(region))
