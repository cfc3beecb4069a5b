# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks for models tell, and what they make of a verdict. Pure.

`judged`, `status` and `registry` are results of model_shadow, `request` is that of `model_request`.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.columns import ruled
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time

JsonObject = dict[str, t.Any]

#: Verdicts of a region after which somebody has to look. A way back is the end that was wanted of one.
_BAD: t.Final = ("refused", "failed", "taken_back", "stuck", "unreachable")
#: Of a region that has not got what was asked for.
_FAILED: t.Final = ("failed", "stuck", "unreachable")
_HEAD: t.Final = ("model", "region", "champion", "challenger", "strategy", "traffic", "since")
#: What comes next where a strategy has nothing more to ask of a version.
_READY: t.Final = ("ready", "promote")
_FORCE: t.Final = """-e force=true -e "reason='...'\""""
_ALIASES: t.Final = ("champion", "challenger", "previous_champion")


def model_summary(
    regions: Sequence[Mapping[str, t.Any]],
    request: Mapping[str, t.Any],
    fleet: str = "",
    unfinished: bool = False,
    hint: str = "",
) -> JsonObject:
    """How a change ended: `ok`, `outcome` for the journal of the fleet, `close` (whether that may be closed), and a
    `sentence` of every region (`region`, `verdict`, `reason`). `fleet`: what went wrong there; `unfinished`: it is left
    to a recovery. `hint`: what else there is to run."""
    verdicts = [str(entry["verdict"]) for entry in regions]
    told = "; ".join(_state(entry) for entry in regions)
    what = " ".join(part for part in (str(request["model"]), str(request.get("version") or "")) if part)
    following = []
    open_ = unfinished or "stuck" in verdicts
    if open_:
        following.append("run recover.yml")
    elif "unreachable" in verdicts:
        following.append("run it again, or recover.yml where it says so, when they answer")
    following += [hint] if hint else []
    good = not fleet and not set(verdicts) & set(_BAD)
    parts = [f"{what}: {told}", *([f"the fleet: {fleet}"] if fleet else []), *following]
    ended = "failed" if not good else (verdicts[0] if verdicts else "unchanged")
    return {"ok": good, "close": not open_, "outcome": ended, "sentence": ". ".join(parts)}


def model_back(verdicts: Sequence[str], fleet: str = "") -> bool:
    """Whether what was changed in the regions goes back: a model is not deployed or promoted in a part of them."""
    return bool(fleet) or any(verdict in _FAILED for verdict in verdicts)


def refused_promotion(judged: Mapping[str, t.Any], request: Mapping[str, t.Any]) -> str:
    """Why a version is not promoted; empty when the comparison passes at the last step of its strategy, or a person
    takes it upon themselves. A pass at 5 % of the traffic says nothing of what 100 % do to a version."""
    step = judged.get("next") or {}
    passes = judged.get("verdict") == "pass"
    if request.get("force") or (passes and step.get("action") in _READY):
        return ""
    if judged.get("error"):
        return f"{request['model']} is not promoted, nobody can judge the challenger now: {_failure(judged)}"
    if passes:
        return (
            f"{request['model']} is not promoted, the challenger passes and is not at the end of its steps, missing "
            f"""is: {_missing(step)}; let watch_model.yml go on with it, or pass this by {_FORCE}."""
        )
    word = {"fail": "is worse", "hold": "is not proven yet"}.get(str(judged.get("verdict")), "is not judged")
    return (
        f"{request['model']} is not promoted, the challenger {word}: {judged.get('reason') or 'nobody says why'}"
        f"""{_worst(judged)}; wait for more evidence, or pass this by {_FORCE}."""
    )


def look_lines(judged: Mapping[str, t.Any], request: Mapping[str, t.Any]) -> list[str]:
    """One look at a challenger: the verdict, what comes next and what that needs."""
    if judged.get("error"):
        return [f"warning: {request['model']} cannot be judged now: {_failure(judged)}"]
    step = judged.get("next") or {}
    lines = [f"{request['model']}: {judged.get('verdict')}: {judged.get('reason')}{_worst(judged)}"]
    action = str(step.get("action") or "wait")
    if action == "advance":
        lines.append(f"next: {step['weight']} % of the traffic")
    elif action in _READY:
        lines.append(f"next: ready to be promoted, by promote_model.yml -e model={request['model']}")
    elif action == "roll_back":
        lines.append("next: it is taken back")
    elif step.get("needs"):
        lines.append(f"next: waits until {'; '.join(step['needs'])}")
    return lines


def watch_action(judged: Mapping[str, t.Any], request: Mapping[str, t.Any]) -> str:
    """What a watch does after a look: step, promote, rollback or nothing (empty)."""
    action = str((judged.get("next") or {}).get("action") or "wait")
    if action in _READY:
        return "promote" if request.get("auto_promote") else ""
    return {"advance": "step", "roll_back": "rollback"}.get(action, "")


def model_table(
    regions: Mapping[str, Mapping[str, Mapping[str, t.Any]]], registry: Mapping[str, Mapping[str, t.Any]]
) -> list[str]:
    """What every model gives to which version in every region, and what the registry says of it.

    `regions`: results of model_shadow by region and model, with the version that is `serving`; one with `error` did not
    answer. `registry`: those of the fleet by model; without an entry there is no registry.
    """
    models = list(dict.fromkeys(name for found in regions.values() for name in found))
    rows: list[tuple[str, ...]] = [_HEAD]
    rows += [_row(name, region, found[name]) for name in models for region, found in regions.items() if name in found]
    lines = ruled(rows)
    for name in models:
        if name in registry:
            lines += ["", *_registry_lines(name, registry[name])]
    return lines


def _failure(result: Mapping[str, t.Any]) -> str:
    return str(result.get("reason") or result.get("msg") or "it does not answer")


def _state(entry: Mapping[str, t.Any]) -> str:
    reason = str(entry.get("reason") or "")
    return f"{entry['region']} is {entry['verdict']}" + (f" ({reason})" if reason else "")


def _missing(step: Mapping[str, t.Any]) -> str:
    """Before a version that passes is at the end of its steps."""
    following = [f"{step['weight']} % of the traffic"] if step.get("action") == "advance" else []
    return "; ".join([*following, *(step.get("needs") or [])]) or "what comes next, nobody says it"


def _worst(judged: Mapping[str, t.Any]) -> str:
    return f" (worst segment: {judged['worst']})" if judged.get("worst") else ""


def _row(name: str, region: str, one: Mapping[str, t.Any]) -> tuple[str, ...]:
    if one.get("error"):
        return (name, region, "-", "-", "-", _failure(one), "-")
    note, traffic = one.get("note") or {}, (one.get("traffic") or {}).get("after") or {}
    promoted = bool(note.get("promoted"))
    champion = note.get("challenger") if promoted else note.get("champion") or one.get("serving")
    challenger = "-" if promoted or not note else str(note["challenger"])
    steps = note.get("weights") or []
    at = f", step {int(note['step']) + 1} of {len(steps)}" if not promoted and len(steps) > 1 else ""
    strategy = f"{note['strategy']}{at}" if note else "-"
    if promoted:
        strategy = f"promoted over {note.get('champion') or '-'}"
    since = _minute(clock_time(note["since"])) if note.get("since") is not None else "-"
    return (name, region, str(champion or "-"), challenger, strategy, _traffic(traffic), since)


def _traffic(traffic: Mapping[str, t.Any]) -> str:
    weights = traffic.get("weights") or {}
    parts = [f"{slot} {weight} %" for slot, weight in weights.items() if weight]
    mirror, buckets = traffic.get("mirror"), traffic.get("buckets")
    if mirror:
        parts.append(f"{mirror['percent']:g} % copied to {mirror['slot']}")
    if buckets:
        parts.append(f"{buckets['percent']} of 100 buckets to {buckets['slot']}")
    return ", ".join(parts) or "none"


def _registry_lines(name: str, found: Mapping[str, t.Any]) -> list[str]:
    if found.get("error"):
        return [f"registry of {name}: {_failure(found)}"]
    aliases = (found.get("aliases") or {}).get("after") or {}
    told = ", ".join(f"{alias} {aliases[alias]}" for alias in _ALIASES if aliases.get(alias))
    lines = [f"registry of {name}: {told or 'no alias'}"]
    return lines + [f"  {_reign(one)}" for one in (found.get("reigns") or [])[-5:]]


def _reign(one: Mapping[str, t.Any]) -> str:
    """One champion of the history: how long, and by whom."""
    since, until = (_minute(one[at]) if one.get(at) else other for at, other in (("since", "?"), ("until", "now")))
    who = f" by {one['actor']}" if one.get("actor") else ""
    return f"{one.get('version')}: {since} to {until}{who}" + (f": {one['reason']}" if one.get("reason") else "")


def _minute(at: str) -> str:
    """2027-01-15T08:00:00Z without its seconds."""
    return f"{at[:10]} {at[11:16]}Z"
