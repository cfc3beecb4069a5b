# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts of regions, and what they make of the whole release. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

BAD: t.Final = ("refused", "taken_back", "stuck")
#: A release that ended so is what the regions stand on.
STANDING: t.Final = ("released", "incomplete")


def any_bad(verdicts: Sequence[t.Any]) -> bool:
    """Whether any region says that the release must not go on."""
    return any(verdict in BAD for verdict in verdicts)


def share_of(jobs: Sequence[str], workers: Sequence[str], worker: str) -> list[str]:
    """The jobs of one worker when all workers share them; every job is somebody's."""
    if worker not in workers:
        return []
    return [job for position, job in enumerate(jobs) if workers[position % len(workers)] == worker]


def failure_reason(result: t.Any, task: str = "") -> str:
    """One sentence out of the result of a failed task, whatever kind of task it was."""
    if not isinstance(result, Mapping):
        return task or "unknown"
    for inner in result.get("results") or []:
        if isinstance(inner, Mapping) and inner.get("failed"):
            return failure_reason(inner, task)
    # What has invariants says of them why they hold; why it failed is another matter.
    for key in ("msg", "reason") if "invariants" in result else ("reason", "msg"):
        text = str(result.get(key) or "").strip()
        if text:
            return text
    return f"{task} failed" if task else "unknown"


def summarise(
    kind: str,
    decision: str | None,
    regions: Sequence[Mapping[str, t.Any]],
    models: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, t.Any]:
    """What became of the release: `ok`, `outcome`, and the sentence for the last line. `models`: those that go back
    with a rollback, each with the `version` that goes and the `champion` that serves then."""
    verdicts = {str(entry["region"]): str(entry.get("verdict") or "untouched") for entry in regions}
    what = "rollback" if kind == "rollback" else "release"
    reason = _leading_reason(regions)
    stuck = [region for region, verdict in verdicts.items() if verdict == "stuck"]
    away = [region for region, verdict in verdicts.items() if verdict == "unreachable"]
    if any(verdict == "refused" for verdict in verdicts.values()):
        return {"ok": False, "outcome": "refused", "sentence": f"the {what} was refused: {reason}"}
    if stuck:
        return {"ok": False, "outcome": "stuck", "sentence": f"the {what} is stuck in {_stuck_states(kind, regions)}"}
    if decision == "undo":
        return {"ok": False, "outcome": "taken_back", "sentence": f"the {what} was taken back: {reason}"}
    if decision is None:
        # Nothing was opened: there is nothing to change, or this is check mode, which stops after preflight.
        plans = [text for entry in regions if (text := _planned(entry))]
        plans += [f"{name} {plan['version']} -> {plan['champion']}" for name, plan in (models or {}).items()]
        return {"ok": bool(plans) or not away, "outcome": "nothing", "sentence": _nothing(what, plans, away, reason)}
    released = [region for region, verdict in verdicts.items() if verdict == "released"]
    without = [region for region, verdict in verdicts.items() if verdict == "left_out"]
    others = [f"{entry['region']} is {verdicts[str(entry['region'])]}" for entry in regions if _is_left(entry)]
    if others:
        where = f"only {', '.join(released)} got it" if released else "no region got it"
        sentence = f"the {what} is kept and not complete: {where}, {', '.join(others)}: {reason}"
        if away:
            # Not the same with --limit: that would be a revision of its own, and the others behind it.
            sentence += f"; run recover.yml when {', '.join(away)} answers"
        return {"ok": False, "outcome": "incomplete", "sentence": sentence}
    sentence = f"the {what} is done in {', '.join(released)}"
    if without:
        sentence += f", without {', '.join(without)}, which gets it by a release of its own"
    return {"ok": True, "outcome": "released", "sentence": sentence}


def _nothing(what: str, plans: Sequence[str], away: Sequence[str], reason: str) -> str:
    """Why nothing was written: check mode, or nothing to do, or nobody could be asked whether there is."""
    if plans:
        left = f"; unreachable, and to be left behind: {', '.join(away)}" if away else ""
        return f"check mode, nothing was written; the {what} would change {'; '.join(plans)}{left}"
    if away:
        return f"nothing was changed; unreachable: {', '.join(away)} ({reason}); run the same again when all answer"
    return "nothing to do: every region already runs this"


def _is_left(entry: Mapping[str, t.Any]) -> bool:
    """Whether this is a region that was not released. The fleet's own entry has no verdict."""
    return entry.get("verdict") not in (None, "released", "left_out")


def standing_versions(before: Mapping[str, t.Any], plan: Mapping[str, t.Any], verdict: str) -> dict[str, str]:
    """The version of every service that stands in a region after its release."""
    standing: dict[str, str] = {}
    for name, state in (before.get("services") or {}).items():
        slot = (state.get("slots") or {}).get(state.get("live_slot")) or {}
        if slot.get("version"):
            standing[str(name)] = str(slot["version"])
    moved = plan.get("versions") or {} if verdict == "released" else {}
    return {**standing, **{str(name): str(version) for name, version in moved.items()}}


def fleet_record(
    regions: Sequence[Mapping[str, t.Any]],
    decision: str | None,
    sentence: str,
    flags: Mapping[str, str] | None = None,
    models: Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """What the fleet's history tells of a release, out of the reports of its regions, of the `flags` that it changed in
    words, and of the `models` as they are after it."""
    leading = sorted(regions, key=lambda entry: entry.get("verdict") != "released")
    moves: Mapping[str, t.Any] = next((entry["services"] for entry in leading if entry.get("services")), {})
    return {
        "reason": sentence,
        "decision": decision,
        "versions": next((entry["standing"] for entry in leading if entry.get("standing")), {}),
        "changes": {name: f"{move.get('was') or 'nothing'} -> {move['version']}" for name, move in moves.items()},
        "regions": {str(entry["region"]): str(entry.get("verdict") or "untouched") for entry in regions},
        **({"flags": dict(flags)} if flags else {}),
        **({"models": dict(models)} if models else {}),
    }


def standing_decision(kind: str, release_id: str, journal: Mapping[str, t.Any]) -> str:
    """The decision to act on when it could not be written: the one in the fleet's journal, which somebody else may have
    written, or our own whose answer was lost. Without one in sight what no decision means: undo, and finish a way back.
    """
    header, found = journal.get("release") or {}, journal.get("decision") or {}
    if header.get("id") == release_id and found.get("decision"):
        return str(found["decision"])
    return "keep" if kind == "rollback" else "undo"


def _planned(entry: Mapping[str, t.Any]) -> str:
    """What the plan of a region would do: `us-east-1: core-api v1 -> v2`."""
    moves = entry.get("services") or {}
    texts = [
        f"{name} {move.get('was') or 'nothing'} -> {move['version']}"
        + (f" by a handover from {name}-{move['source']} to {name}-{move['target']}" if move.get("handover") else "")
        for name, move in moves.items()
    ]
    return f"{entry['region']}: {', '.join(texts)}" if texts else ""


def _stuck_states(kind: str, regions: Sequence[Mapping[str, t.Any]]) -> str:
    """Why each region is stuck, in its own words, how the others stand, and what goes on from there. Without a word of
    an operator a recovery goes on with a way back, and some cannot go on."""
    run = "run recover.yml"
    if kind == "rollback":
        run += ", or recover.yml -e decision=undo to take the rollback back"
    stuck, others, fleet = [], [], []
    for entry in regions:
        region, verdict = entry["region"], entry.get("verdict")
        # Of a region that is undone with the others only the way back has failed.
        reason = str(entry.get("reason") or "").removeprefix("; ").removeprefix(f"{region}: ")
        if verdict == "stuck":
            stuck.append(f"{region}: {reason or 'no reason given'}")
        elif verdict is not None:
            others.append(f"{region} is {verdict}" + (f" ({reason})" if reason else ""))
        elif reason:
            fleet.append(f"{region}: {reason}")
    return "; ".join(["; in ".join(stuck), *([", ".join(others)] if others else []), *fleet, run])


def _leading_reason(regions: Sequence[Mapping[str, t.Any]]) -> str:
    """The cause, not its echo: a region that was only undone with the others speaks last."""
    found: list[tuple[int, str]] = []
    for entry in regions:
        reason = str(entry.get("reason") or "")
        if reason:
            echo = "undone by" in reason or "refused elsewhere" in reason
            found.append((int(echo), f"{entry['region']}: {reason}" if str(entry["region"]) not in reason else reason))
    return min(found, key=lambda item: item[0])[1] if found else "no region gave a reason"
