# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a change of a model ends where something failed: what was decided, what the registry has, and who goes. Pure.

`finish` is what the journal of the change has to say: `state`, `model`, `version`. `looked` is what model_shadow says
of the registry with state `status`, and `failed` what it said when it could not move an alias.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import failure_reason

JsonObject = dict[str, t.Any]
Result = Mapping[str, t.Any]

#: Errors of a registry that has understood, and says no. One that is silent, wants another token, or was changed by
#: somebody else meanwhile may do it at the next try.
_FOR_GOOD: t.Final = ("not_found", "not_ready", "refused", "nothing_before", "option")
_ALIASES: t.Final = ("champion", "challenger", "previous_champion")


def refused_for_good(failed: Result) -> bool:
    """Whether the registry says no, however often it is asked."""
    error = failed.get("error")
    return isinstance(error, Mapping) and error.get("kind") in _FOR_GOOD


def standing_decision(finish: Result, fleet: Result | None, change: str, given: str = "") -> str:
    """What was decided of a change: `keep`, `undo`, or empty where nobody has decided yet.

    `fleet` is its journal, None when it does not answer; `change` the id of the change. `given`: by a person, for a
    change of which nothing was decided. A way back is never undone.
    """
    if finish["state"] == "rolled_back":
        return "keep"
    header = (fleet or {}).get("header") or {}
    standing = None
    if header.get("id") == change and header.get("state") == "open":
        standing = ((fleet or {}).get("decision") or {}).get("decision")
    elif change in (header.get("id"), header.get("model_ended_by")):
        # It has ended there, and this region was away.
        standing = header.get("model_decided")
    return str(standing or given or "")


def default_decision(
    finish: Result, looked: Result | None = None, entries: Sequence[Mapping[str, t.Any]] | None = None
) -> str:
    """What no decision means: a promotion stands when the registry has made it, because its alias is what moves last.
    `looked` is None where there is no registry, and needed for a promotion alone.

    `entries` are those of the journal of the fleet, None where that is not of this change any more. When they have
    nothing of the champion, it was that before, and says nothing of what the regions serve.
    """
    made = finish["state"] == "promoted" and _aliases(looked or {}).get("champion") == finish["version"]
    made = made and (entries is None or bool(_moved(entries, "champion")))
    return "keep" if made or finish["state"] == "rolled_back" else "undo"


def alias_end(failed: Result, looked: Result, state: str, version: str, serves: str = "") -> JsonObject:
    """What became of an alias that could not be moved: `problem`, empty when it was moved all the same; `left`, whether
    that is left to a recovery. `state` and `version` are what was asked, `serves` is what the regions serve now.

    A promotion of which nobody knows whether it was made is left: the regions follow the registry.
    """
    problem, now = failure_reason(failed), _aliases(looked)
    answered = bool(now) or not looked.get("error")
    # Without an error of its own nobody says what it had done.
    may_have_written = bool(failed.get("changed")) or not isinstance(failed.get("error"), Mapping)
    wrong = {"promoted": "champion", "deployed": "challenger"}.get(state)
    if wrong is not None:
        if answered and now.get(wrong) == version:
            return {"problem": "", "left": False}
        return {"problem": problem, "left": may_have_written and not answered}
    if answered and version not in (now.get("champion"), now.get("challenger")):
        return {"problem": "", "left": False}
    if refused_for_good(failed):
        return {"problem": apart(problem, looked, serves), "left": False}
    return {"problem": problem, "left": True}


def alias_move(
    finish: Result, decided: str, looked: Result, entries: Sequence[Mapping[str, t.Any]], gap: Result
) -> JsonObject:
    """The alias that a recovery has to move, as `state` and `version` of model_shadow; `state` is empty where none has.

    `entries` are those of the journal of the fleet, which is written before the registry is: without one there was
    nothing. `gap` is what `leaving_version` says of a way back.
    """
    version, now = str(finish.get("version") or ""), _aliases(looked)
    if finish["state"] == "rolled_back":
        return _move("rolled_back", str(gap.get("version") or ""))
    if finish["state"] == "promoted" and decided == "keep":
        return _move("promoted", version)
    if finish["state"] == "promoted" and now.get("champion") == version and _moved(entries, "champion"):
        return _move("rolled_back", version)
    if finish["state"] != "deployed" or decided == "keep" or now.get("challenger") != version:
        return _move("", "")
    moved = _moved(entries, "challenger")
    if not moved:
        return _move("", "")
    before = moved[0].get("before")
    return _move("rolled_back", version) if before is None else _move("deployed", str(before))


def _moved(entries: Sequence[Mapping[str, t.Any]], alias: str) -> list[JsonObject]:
    """What a journal has of an alias, each time with `before` and `after`, oldest first."""
    return [
        change["fields"][alias]
        for entry in entries
        for change in entry.get("changes") or []
        if change.get("op") == "models" and alias in (change.get("fields") or {})
    ]


def _move(state: str, version: str) -> JsonObject:
    return {"state": state if version else "", "version": version}


def alias_hint(done: Result, request: Result) -> str:
    """What to run for the aliases that a way back has not moved. `done`: the version that `left` the traffic, whether
    its alias has `moved`, and whether the fleet was `locked`."""
    left = str(done.get("left") or "")
    if not left or done.get("moved") or not request.get("registry"):
        return ""
    run = f"rollback_model.yml -e model={request['model']} -e version={left}"
    if not request.get("whole"):
        return f"its aliases stay while --limit leaves regions out, to move them run {run} without it"
    return "" if done.get("locked") else f"to move its aliases run {run} when the fleet answers"


def limited_problem(looked: Result, request: Result) -> str:
    """Why a version is not brought up directly in a part of the regions; empty when it is the champion of all."""
    version, champion = request["version"], _aliases(looked).get("champion")
    if champion == version:
        return ""
    known = f"the registry has {champion or 'nobody'}"
    if looked.get("error"):
        known = f"nobody knows who that is: {failure_reason(looked)}"
    return (
        f"--limit: it leaves out regions, and with strategy=direct {version} would be the champion, which is one for "
        f"all; {known}. Run it without --limit"
    )


def apart(problem: str, looked: Result, serves: str) -> str:
    """What differs when the registry does not take back what the regions have."""
    now = _aliases(looked)
    told = ", ".join(f"{alias} {now[alias]}" for alias in _ALIASES if now.get(alias))
    regions = f"the regions serve {serves}" if serves else "the regions have given the traffic back"
    return (
        f"{problem}. The registry refuses that for good: {regions}, and it has {told or 'no alias'}; set its "
        "aliases by hand, or promote there what the regions serve"
    )


def leaving_version(
    runs: Sequence[Result], looked: Result, model: str, named: str = "", *, sure: bool = False
) -> JsonObject:
    """Who goes in the registry where no route says it any more: `version`, empty for nobody; `serves`, what the regions
    serve; `problem`, what differs and what to run.

    `runs` are results of k8s_revision of the regions, read. Without `named`, or `sure` (a way back is known to have
    begun), nobody goes: what is in the registry may be what somebody has prepared.
    """
    versions = {_serving(run, model) for run in runs} - {""}
    serves = " and ".join(sorted(versions))
    told = {"version": "", "serves": serves, "problem": ""}
    if looked.get("error"):
        why = f"nobody knows whether the aliases of the registry follow: {failure_reason(looked)}"
        return {**told, "problem": f"{why}; look with model_status.yml"}
    now = _aliases(looked)
    champion, challenger = now.get("champion"), now.get("challenger")
    if len(versions) != 1:
        return told
    back = now.get("previous_champion") == serves
    leaving = champion if champion not in (None, serves) else challenger if challenger not in (None, serves) else None
    if leaving is None or (named and leaving != named):
        return told
    if leaving == champion and not back:
        says = f"the registry has champion {champion}, and the regions serve {serves}, which was not the one before"
        return {**told, "problem": f"{says}; promote {serves} in the registry, or {champion} with deploy_model.yml"}
    if not named and not sure:
        says = f"the registry has {'champion' if leaving == champion else 'challenger'} {leaving}"
        run = f"rollback_model.yml -e model={model} -e version={leaving}"
        return {**told, "problem": f"{says}, and no region does; to take its alias away run {run}"}
    return {**told, "version": leaving}


def _aliases(looked: Result) -> Mapping[str, t.Any]:
    return (looked.get("aliases") or {}).get("after") or {}


def _serving(run: Result, model: str) -> str:
    """The version behind the slot with the traffic, empty where nobody can tell."""
    state = (((run.get("revision") or {}).get("services") or {}).get(model)) or {}
    slot = (state.get("slots") or {}).get(state.get("live_slot") or "") or {}
    return str(slot.get("version") or "")
