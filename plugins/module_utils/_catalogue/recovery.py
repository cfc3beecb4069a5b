# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery does, from the journals alone. Pure.

A journal is what `release_journal` returns when it reads or takes over; None stands for one that does not answer.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

JsonObject = dict[str, t.Any]
Journal = Mapping[str, t.Any]


def default_decision(fleet: Journal, regions: Mapping[str, Journal | None], given: str = "") -> str:
    """The decision to write when none stands: undo a deploy, finish a way back.

    A way back that had not been opened in every region has written nothing anywhere, because no region begins before
    all are open: it is undone, so that no region goes alone.
    """
    if given:
        return given
    header = fleet.get("header") or {}
    if header.get("kind", "deploy") == "deploy":
        return "undo"
    journals = [regions.get(str(region)) for region in header.get("steps") or []]
    known = [journal for journal in journals if journal is not None]
    mine = [journal for journal in known if (journal.get("header") or {}).get("id") == header.get("id")]
    begun = any(journal.get("entries") for journal in mine)
    return "undo" if len(mine) < len(known) and not begun else "keep"


def recovery_action(region: Journal, fleet: Journal | None, problem: str = "", given: str = "") -> JsonObject:
    """What to do with one region: `action` is none, wait, undo, finish, forward (a way back goes on), standby, or
    unlock (a controller died between the lock and the journal).

    `fleet` is the fleet's journal after it was taken over, None when that was impossible because of `problem`.
    `number` is the revision that the release makes, `why` a sentence for the report.
    """
    header = region.get("header") or {}
    if header.get("state") != "open":
        locked = bool((region.get("lock") or {}).get("holder"))
        action = "standby" if region.get("standby") else "unlock" if locked else "none"
        return _action(action, _ended(header), header.get("number"))
    name = f"{header['kind']} {header['id']} of {header.get('by', 'unknown')}"
    if header["kind"] == "standby":
        return _action("standby", f"{name} was interrupted", header.get("number"))
    known = _known(str(header["id"]), fleet or {})
    decision = given or known.get("decision")
    if not decision and fleet is None:
        return _action("wait", f"{name} is unfinished, and nobody can decide: {problem}", None)
    if not decision:
        decision = "undo" if header["kind"] == "deploy" else "keep"
    why = f"{name} was unfinished, the decision is {decision}"
    if decision == "undo":
        return _action("undo", why, known.get("number"))
    return _action("finish" if header["kind"] == "deploy" else "forward", why, known.get("number"))


def _known(release_id: str, fleet: Journal) -> JsonObject:
    """What the fleet knows of a release: the open one, or one of its history."""
    if (fleet.get("header") or {}).get("id") == release_id and fleet.get("decision"):
        return {"decision": fleet["decision"]["decision"], "number": fleet["header"].get("number")}
    for revision in fleet.get("revisions") or []:
        if revision.get("id") == release_id:
            kept = "keep" if revision.get("outcome") in ("released", "incomplete") else "undo"
            return {"decision": revision.get("decision") or kept, "number": revision.get("number")}
    return {}


def _ended(header: Mapping[str, t.Any]) -> str:
    if not header:
        return "no release was ever here"
    return f"{header.get('kind')} {header.get('id')} has ended: {header.get('outcome')}"


def _action(action: str, why: str, number: t.Any) -> JsonObject:
    return {"action": action, "why": why, "number": number}


def recovery_summary(regions: Sequence[Mapping[str, t.Any]], fleet: Journal | None, problem: str = "") -> JsonObject:
    """How the recovery ended: `ok`, `close` (whether the fleet's journal may be closed), its `outcome`, and a sentence
    that says which region is in which state and what to run next."""
    by_verdict: dict[str, list[str]] = {}
    for entry in regions:
        by_verdict.setdefault(str(entry["verdict"]), []).append(str(entry["region"]))
    stuck = by_verdict.get("stuck", []) + by_verdict.get("waiting", [])
    away = by_verdict.get("unreachable", [])
    header = (fleet or {}).get("header") or {}
    undone = ((fleet or {}).get("decision") or {}).get("decision") == "undo"
    states = "; ".join(_state(entry) for entry in regions)
    following = []
    if problem:
        following.append(problem)
    if stuck:
        following.append(f"run recover again for {', '.join(stuck)}")
    if away:
        following.append(f"run recover again when {', '.join(away)} answers; until then it gets no release")
    ok = not (stuck or away or problem)
    outcome = "taken_back" if undone else "incomplete" if away else "released"
    sentence = ". ".join([f"{'recovered' if ok else 'not recovered everywhere'}: {states}", *following])
    return {"ok": ok, "close": header.get("state") == "open" and not stuck, "outcome": outcome, "sentence": sentence}


def _state(entry: Mapping[str, t.Any]) -> str:
    reason = str(entry.get("reason") or "")
    return f"{entry['region']} is {entry['verdict']}" + (f" ({reason})" if reason else "")
