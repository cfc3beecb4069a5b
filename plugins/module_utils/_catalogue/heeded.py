# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a recovery heeds the decision that an operator gives it. Pure.

Journals are as in `recovery`. What stands is never overruled for a deploy: half of the regions may have ended it.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.recovery import (
    default_decision,
    known_release,
)

JsonObject = dict[str, t.Any]
Journal = Mapping[str, t.Any]

#: What the regions release, and a decision is for.
_RELEASES: t.Final = ("deploy", "rollback")
#: Kinds of an error that say nothing of the journal came back: a balancer answers 503 for API servers that are gone.
#: Whatever answers otherwise has to be looked at.
_SILENT: t.Final = ("unreachable", "timeout", "server")
_WITHOUT: t.Final = "run recover.yml without -e decision"


def heeded_decision(
    given: str,
    fleet: Journal | None,
    regions: Mapping[str, Journal | None],
    error: Mapping[str, t.Any] | None = None,
    problem: str = "",
) -> JsonObject:
    """What of the decision `given` (keep, undo, or nothing) is heeded, from what was read before the first write.

    `fleet` is None when its journal could not be read, because of `error` (its `kind`), in words `problem`; `regions`
    are the journals of this run by region. Returns `decision`, empty where the journals alone say what is done, and
    `problem`, a sentence when the recovery is refused, else empty.

    While the fleet's journal can be read, what it says counts, or what no decision means. Only a rollback may be taken
    back against it: nothing else ends one that cannot go on. While its cluster is silent an operator decides what no
    region contradicts.
    """
    if not given:
        return {"decision": "", "problem": ""}
    if fleet is not None:
        header = fleet.get("header") or {}
        if header.get("state") == "open" and header.get("kind") in _RELEASES:
            against = _against_fleet(given, fleet, regions)
            # What the regions of a deploy do is read again under the lock: somebody may decide until then.
            mine = given if _takes_back(header, given) else ""
            return _judged(given, against, mine)
        # Nothing is open, or a change that is no release: the regions may still have one of which the history tells.
        return _judged(given, next(_against_history(given, fleet, regions), ""), given)
    if (error or {}).get("kind") not in _SILENT:
        answers = (
            f"the cluster of the fleet answers, and its journal cannot be read: {problem}; mend that, and {_WITHOUT}"
        )
        return _judged(given, answers, "")
    return _judged(given, next(_against_regions(given, regions), ""), given)


def _judged(given: str, against: str, heeded: str) -> JsonObject:
    if against:
        return {"decision": "", "problem": f"decision: {given} is refused: {against}"}
    return {"decision": heeded, "problem": ""}


def _takes_back(header: Journal, given: str) -> bool:
    """Whether this is what an operator may decide against everything that stands."""
    return header.get("kind") == "rollback" and given == "undo"


def _against_fleet(given: str, fleet: Journal, regions: Mapping[str, Journal | None]) -> str:
    """What speaks against it in the fleet's open release; empty when nothing does."""
    header = fleet["header"]
    standing = (fleet.get("decision") or {}).get("decision")
    means = standing or default_decision(fleet, regions)
    if given == means or _takes_back(header, given):
        return ""
    told = f"is decided already: {means}" if standing else f"has no decision, and that means {means}"
    return f"{_named(header)} {told}; {_WITHOUT}"


def _against_history(given: str, fleet: Journal, regions: Mapping[str, Journal | None]) -> Iterator[str]:
    """What speaks against it in the releases that regions still have open, which the fleet has ended without them."""
    for name, header in _unfinished(regions):
        means = known_release(str(header["id"]), fleet).get("decision") or _unknown(header)
        if given != means and not _takes_back(header, given):
            yield f"{_named(header)} is unfinished in {name}, and the fleet says {means} of it; {_WITHOUT}"


def _unknown(header: Journal) -> str:
    """What is done with a release that the fleet does not know."""
    return "undo" if header.get("kind") == "deploy" else "keep"


def _against_regions(given: str, regions: Mapping[str, Journal | None]) -> Iterator[str]:
    """What speaks against it in the regions, while nobody else can be asked. One that has ended the release knows the
    decision, because nothing ends before it."""
    later = "run recover.yml when the cluster of the fleet answers"
    for _name, header in _unfinished(regions):
        ended = {name: _ended_as(journal or {}, str(header["id"])) for name, journal in regions.items()}
        others = {"released": "keep", "taken_back": "undo"}
        for name, outcome in ended.items():
            if others.get(outcome, given) != given and not _takes_back(header, given):
                told = f"{name} has ended it as {outcome}"
                yield f"{_named(header)}: {told}; {later}, or give -e decision={others[outcome]}"
        if given == "keep" and header.get("kind") == "deploy" and "released" not in ended.values():
            # To finish it would record as released whatever has the traffic now.
            told = "no region of this run has ended it as released"
            yield f"{_named(header)}: {told}; {later}, or give -e decision=undo"


def _unfinished(regions: Mapping[str, Journal | None]) -> Iterator[tuple[str, Journal]]:
    """The releases that regions have open, each with the region."""
    for name, journal in regions.items():
        header = (journal or {}).get("header") or {}
        if header.get("state") == "open" and header.get("kind") in _RELEASES:
            yield name, header


def _ended_as(journal: Journal, release_id: str) -> str:
    """How a region has ended a release: `released`, `taken_back`, or empty when it has not, or nobody knows."""
    if any(revision.get("id") == release_id for revision in journal.get("revisions") or []):
        return "released"
    header = journal.get("header") or {}
    # What was opened alone since has the header of the release before it.
    header = header.get("of") or header
    ended = header.get("id") == release_id and header.get("state") == "closed"
    return str(header.get("outcome") or "") if ended else ""


def _named(header: Journal) -> str:
    return f"{header['kind']} {header['id']} of {header.get('by', 'unknown')}"
