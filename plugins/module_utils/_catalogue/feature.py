# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks for features are asked for, and what they tell. Pure.

`done`, `killed`, `status` and `history` are results of flag_set.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.columns import ruled
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.dns_options import seconds
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.hints import hint
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import confirm_problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_request import (
    flag_value,
    names,
    number,
    rollout_steps,
    switch,
    text_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_rollout import clients_get, percents

JsonObject = dict[str, t.Any]

#: What `flags` of an inventory may say: options of flag_set, by their names (a test compares them).
KNOWN: t.Final = ("name", "config_map", "stores", "evaluate", "patience_s", "deadline_s")
STEPS: t.Final = (5, 25, 50, 100)
HOLD_S: t.Final = 60.0

_Read = t.TypeVar("_Read")


def feature_request(request: Mapping[str, t.Any]) -> JsonObject:
    """The request with real types, and its `problems`, one sentence each, naming the option.

    `kind` is toggle, restore, rollout, reconcile or status. `feature`, `value`, `steps`, `hold_s`, `reshuffle` and
    `reason` are as they were given; `flags` is what the inventory says of its set; `play` has the regions of this run.
    `action` is that of flag_set, with `value` or `percent` for it.
    """
    kind, problems = str(request["kind"]), set_problems(request.get("flags"))
    flags = names(request.get("feature"))
    if not flags and kind not in ("reconcile", "status"):
        problems.append("feature: missing; say which one with -e feature=NAME.")
    if flags and kind == "reconcile":
        problems.append("feature: a store has the set as a whole, and is repaired as a whole; leave it out.")
    if kind == "rollout" and len(flags) > 1:
        problems.append(f"feature: a rollout has one, and {', '.join(flags)} are {len(flags)}; name one.")
    if kind == "rollout" and not request.get("play"):
        problems.append("--limit: it leaves out every region, and a rollout watches the regions; name one of them.")
    value: bool | float = False
    if kind == "toggle":
        value = _read(problems, "value", flag_value, request.get("value"), value)
    steps: list[int | float] = [*STEPS]
    if kind == "rollout" and request.get("steps") != [] and text_of(request.get("steps")):
        steps = _read(problems, "steps", rollout_steps, request["steps"], steps)
    hold_s = HOLD_S if text_of(request.get("hold_s")) == "" else seconds(request["hold_s"])
    if kind == "rollout" and hold_s is None:
        problems.append(f"hold_s: {request['hold_s']!r} is no number of seconds.")
    if kind != "status":
        problems += confirm_problems({**request, "kind": "change of flags"})
    playbook = "reconcile_features.yml" if kind == "reconcile" else f"{kind}_feature.yml"
    told = {"toggle": f": value={text_of(request.get('value'))}", "rollout": f": {percents(steps)}"}.get(kind, "")
    whole = isinstance(value, bool)
    return {
        "problems": problems,
        "flags": flags,
        "action": "rollout" if kind == "toggle" and not whole else kind,
        "value": value if whole else None,
        "percent": None if whole else value,
        "steps": steps,
        "hold_s": number(hold_s or 0.0),
        "reshuffle": _read(problems, "reshuffle", switch, request.get("reshuffle"), False),
        "reason": text_of(request.get("reason")) or f"{playbook}{told}",
    }


def set_problems(flags: t.Any) -> list[str]:
    """What is wrong with the variable `flags` of an inventory."""
    if not flags:
        return [
            "flags: empty; this environment has no flag set. Fill in its name and its stores in "
            "group_vars/all/flags.yml; docs/flags.md says how."
        ]
    if not isinstance(flags, Mapping):
        return ["flags: use a mapping with name and stores."]
    problems = [f"flags.{key}: unknown option{hint(key, KNOWN)}." for key in flags if key not in KNOWN]
    if not isinstance(flags.get("name"), str) or not flags["name"].strip():
        problems.append("flags.name: missing; the id of the set, for example pincex-production.")
    if not isinstance(flags.get("stores", []), list):
        problems.append("flags.stores: use a list of stores.")
    return problems


def feature_lines(done: Mapping[str, t.Any], flags: Sequence[str], check_mode: bool = False) -> list[str]:
    """What became of these flags, and what a person has to know of the stores."""
    both, killed = done.get("flags") or {}, done.get("killed") or {}
    kept = {flag: one for flag in flags for one in done.get("kept") or [] if one.startswith(f"{flag}: ")}
    lines = ["check mode, nothing was written; it would be:"] if check_mode else []
    for flag in flags:
        change = both.get(flag)
        if change is None:
            as_it_was = "killed, and stays it" if flag in killed else "is so already"
            lines.append(f"warning: {kept[flag]}" if flag in kept else f"{flag}: {as_it_was}")
            continue
        was, now = (clients_get(change[side]) if change[side] else "not there" for side in ("before", "after"))
        lines.append(f"{flag}: {was} -> {now}{_movers((done.get('moves') or {}).get(flag))}")
    lines.append(str(done.get("reason") or ""))
    if check_mode and done.get("differing"):
        lines.append(f"would be repaired: {', '.join(done['differing'])}")
    return lines + _store_lines(done)


def kill_lines(killed: Mapping[str, t.Any], flags: Sequence[str], check_mode: bool = False) -> list[str]:
    """Where these flags are dead, and which stores did not answer: whoever reads there has them still."""
    away = killed.get("away") or []
    lines = []
    for flag in flags:
        there = [name for name in killed.get("stores") or {} if name not in away]
        stores = there if check_mode else _dead_in(killed, flag)
        would = "check mode, nothing was written; it would be " if check_mode else ""
        lines.append(f"{flag}: {would}killed in {', '.join(stores) or 'no store'}")
    if away:
        lines.append(
            f"warning: {', '.join(away)} did not answer: whoever reads there has it still. Run the same command again "
            "as soon as they answer"
        )
    return lines + _store_lines(killed)


def kill_problem(killed: Mapping[str, t.Any], flags: Sequence[str], inventory: t.Any, reason: t.Any) -> str:
    """Why a kill failed: what was wrong with the request, or what flag_set says. Looked at afterwards alone, so that a
    kill waits for nothing: flag_set refuses all of it itself before it writes. `inventory` is its `flags`."""
    problems = set_problems(inventory)
    if not flags:
        problems.append("feature: missing; say which one with -e feature=NAME.")
    if not text_of(reason):
        problems.append("""reason: missing; say why with -e "reason='it loses money'".""")
    if problems:
        return " ".join(problems)
    said = str(killed.get("msg") or killed.get("reason") or "unknown")
    dead = [f"{flag} is killed in {', '.join(stores)}" for flag in flags if (stores := _dead_in(killed, flag))]
    return "; ".join([said, *(dead or ["nothing was killed"])])


def status_table(status: Mapping[str, t.Any], history: Mapping[str, t.Any], flags: Sequence[str] = ()) -> list[str]:
    """What clients get of every flag, or of these, whose it is and until when; stores that differ; the last changes."""
    found, killed = status.get("definitions") or {}, status.get("killed") or {}
    lines = [str(status.get("reason") or "")]
    lines += [f"feature: there is no flag {flag}{hint(flag, found)}" for flag in flags if flag not in found]
    shown = [flag for flag in sorted(found) if not flags or flag in flags]
    if shown:
        stale = {one["flag"]: one["days"] for one in status.get("stale") or []}
        rows = [("flag", "clients get", "killed", "owner", "expires")]
        rows += [_row(flag, found[flag], killed.get(flag), stale.get(flag)) for flag in shown]
        lines += ["", *ruled(rows)]
    differ = [
        f"{name}: {one['was']}{', ' + one['reason'] if one.get('reason') else ''}"
        for name, one in (status.get("stores") or {}).items()
        if one.get("was") != "same"
    ]
    if differ:
        lines += [
            "",
            "stores that differ; reconcile_features.yml, or the next change, repairs those that answer:",
            *(f"  {one}" for one in differ),
        ]
    changes = history.get("history") or []
    if changes:
        head = ("when", "revision", "what", "flags", "who", "why")
        lines += ["", *ruled([head, *(_change(one) for one in changes)])]
    return lines


def _read(problems: list[str], option: str, read: Callable[[t.Any], _Read], given: t.Any, otherwise: _Read) -> _Read:
    """What is meant by an option; a problem and `otherwise` when it is nothing."""
    try:
        return read(given)
    except ValueError as error:
        problems.append(f"{option}: {error}.")
        return otherwise


def _movers(moves: Sequence[Mapping[str, t.Any]] | None) -> str:
    if moves is None:
        return " (nobody can tell who changes sides)"
    return f" ({100 * sum(move['share'] for move in moves):.10g} % of all users change sides)"


def _dead_in(killed: Mapping[str, t.Any], flag: str) -> list[str]:
    return [name for name, one in (killed.get("stores") or {}).items() if flag in (one.get("killed") or [])]


def _store_lines(done: Mapping[str, t.Any]) -> list[str]:
    """Repairs, and content that was kept. Its warnings Ansible prints itself."""
    lines = [f"repaired: {', '.join(done['repaired'])}"] if done.get("repaired") else []
    return lines + [
        f"warning: {one['store']} had other content ({one['reason']}); it is kept there as {one['sha256']}"
        for one in done.get("lost") or []
    ]


def _row(
    flag: str, found: Mapping[str, t.Any], kill: Mapping[str, t.Any] | None, days: int | None
) -> tuple[str, str, str, str, str]:
    metadata = found.get("metadata") or {}
    expires = str(metadata.get("expires") or "-") + (f" (stale {days} d)" if days is not None else "")
    dead = f"by {kill['actor']} since {_minute(clock_time(kill['at']))}: {kill['reason']}" if kill else "-"
    gets = f"off (restored: {clients_get(found)})" if kill else clients_get(found)
    return flag, gets, dead, str(metadata.get("owner") or "-"), expires


def _change(one: Mapping[str, t.Any]) -> tuple[str, str, str, str, str, str]:
    number = "-" if one["revision"] is None else str(one["revision"])
    return _minute(one["at"]), number, one["action"], ", ".join(one["flags"]) or "-", one["actor"], one["reason"]


def _minute(at: str) -> str:
    """2027-01-15T08:00:00Z without its seconds."""
    return f"{at[:10]} {at[11:16]}Z"
