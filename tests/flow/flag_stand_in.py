# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of `stand_in.py`, with a flag set: it is in the fleet's file, as `flags_of`. Options are checked and
definitions made by the code of the module.

Of `faults.json` it knows also {"fleet": {"flags": {"ACTION or ACTION PERCENT": "sentence"}, "stores_away": ["redis"],
"meanwhile": {"25": {"killed": {"margin_trading": {...}}} or {"definitions": {...}}}}, "us-east-1": {"hold": "STEP"}}.
"""

from __future__ import annotations

import copy
import importlib.util
import pathlib
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import decide_change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_buckets import moves
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import overlaid
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_stale import stale
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Kill, Kills, Stamp
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import State as FlagState
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.options import (
    ARGUMENT_SPEC,
    Options,
    options_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.task import EMPTY_RESULT

State = dict[str, t.Any]
NOW = 1_800_000_000.0

_path = pathlib.Path(__file__).resolve().with_name("stand_in.py")
_spec = importlib.util.spec_from_file_location("pincex_stand_in", _path)
assert _spec is not None
assert _spec.loader is not None
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)
base.LOGGED = (
    *base.LOGGED,
    *("action", "name", "stores", "flags", "value", "percent", "reshuffle", "definitions", "actor", "limit"),
    *("on_thin_evidence", "observe_s", "metrics", "since"),
)
_gate = base.k8s_rollout_gate


def flag_set(args: State, state: State, faults: State, check: bool) -> State:
    assert (args["region"], args["context"]) == ("fleet", "management")
    checked = ArgumentSpecValidator(ARGUMENT_SPEC).validate(base._plain(args))
    if checked.error_messages:
        raise base.Refusal("; ".join(checked.error_messages), error={"kind": "option"}, **EMPTY_RESULT)
    try:
        return _acted(options_of(checked.validated_parameters), checked.validated_parameters, state, faults, check)
    except ReleaseError as error:
        told = {**EMPTY_RESULT, **error.partial, "verdict": "fail", "reason": error.message}
        raise base.Refusal(error.message, error=error.to_result(), **told) from error


def _acted(options: Options, params: State, state: State, faults: State, check: bool) -> State:
    known = state["flags_of"]
    away, action = faults.get("stores_away", []), options.action
    if action == "status":
        known |= {**faults.get("meanwhile", {}).get(known.get("step", ""), {})}
    for asked in (action, f"{action} {float(options.percent):g}"):
        if asked in faults.get("flags", {}) and not check:
            raise ReleaseError(faults["flags"][asked], kind="unreachable", system="kubernetes", retriable=True)
    stores = ["fleet", *(one["name"] for one in params["stores"])]
    if "fleet" in away and action not in ("kill", "restore", "status", "history"):
        raise ReleaseError("fleet: the API server is away", kind="unreachable", system="kubernetes", retriable=True)
    if set(away) == set(stores) and action == "kill":
        raise ReleaseError(f"no store of {len(stores)} took it", kind="unreachable", system="redis", retriable=True)
    before = copy.deepcopy(known)
    after = known if not check else copy.deepcopy(known)
    _change(options, after)
    return _told(options, before, after, _stores(stores, away, after), check)


def _change(options: Options, after: State) -> None:
    flags = after["definitions"]
    was = FlagState(after["revision"], flags, _kills(after))
    wanted: dict[str, t.Any] = {}
    for name in options.flags:
        if name not in flags:
            decide_change.existing(was, name)
        if options.action == "kill":
            after["killed"].setdefault(name, {"actor": options.actor, "reason": options.reason, "at": NOW})
        elif options.action == "restore":
            after["killed"].pop(name, None)
        elif options.action == "toggle":
            wanted[name] = decide_change.toggled(name, decide_change.existing(was, name), options.value)
        elif options.action == "rollout":
            flag = decide_change.existing(was, name)
            wanted[name] = decide_change.rolled_out(name, flag, options.percent, options.reshuffle)
            after["step"] = f"{float(options.percent):g}"
    for name, flag in options.definitions.items():
        decide_change.existing(was, name)
        wanted[name] = flag
    changed = decide_change.changed(was, wanted)
    if changed:
        after["revision"] += 1
        for name, flag in changed.items():
            flags[name] = {**flag, "metadata": {**(flag.get("metadata") or {}), "version": str(after["revision"])}}
        what = {"revision": after["revision"], "action": options.action, "flags": dict.fromkeys(changed)}
        told = {"actor": options.actor, "reason": options.reason, "at": "2027-01-15T08:00:00Z"}
        after["history"].insert(0, {**what, **told})


def _kills(known: State) -> Kills:
    stamps = {name: Stamp(one["at"], one["actor"], one["reason"]) for name, one in known["killed"].items()}
    return Kills({name: Kill(name, name, stamp) for name, stamp in stamps.items()})


def _stores(names: list[str], away: list[str], after: State) -> State:
    killed = sorted(after["killed"])
    there = {"was": "same", "now": "read", "killed": killed, "reason": ""}
    gone = {"was": "away", "now": "away", "killed": [], "reason": "it does not answer"}
    return {name: gone if name in away else there for name in names}


def _told(options: Options, before: State, after: State, stores: State, check: bool) -> State:
    old, new = (overlaid(one["definitions"], _kills(one)) for one in (before, after))
    both = {name: {"before": old.get(name), "after": new.get(name)} for name in new if old.get(name) != new.get(name)}
    away = [name for name, one in stores.items() if one["now"] == "away"]
    told: State = {**copy.deepcopy(EMPTY_RESULT), "changed": bool(both), "flags": both, "killed": after["killed"]}
    told |= {"revision": {"before": before["revision"], "after": after["revision"]}, "stores": stores, "away": away}
    for name, one in both.items():
        found = moves(one["before"], one["after"])
        told["moves"][name] = found and [{"from": m.source, "to": m.target, "share": m.share} for m in found]
    told |= {"verdict": "hold" if away else "pass", "reason": f"the-set: revision {after['revision']}"}
    told["warnings"] = [f"{name}: it does not answer" for name in away]
    if options.action == "status":
        told |= {"definitions": after["definitions"], "stale": stale(after["definitions"], NOW)}
        if len(away) == len(stores):
            told |= {"definitions": {}, "killed": {}, "verdict": "fail", "reason": "the-set: no store answers"}
    if options.action == "history":
        told["history"] = after["history"][: options.limit]
    return told


def k8s_rollout_gate(args: State, state: State, faults: State, check: bool) -> State:
    answer = t.cast("State", _gate(args, state, faults, check))
    if faults.get("hold") == args["step"]:
        answer |= {"verdict": "hold", "reason": "core-api error rate has 3 requests, and 50 are needed"}
    return answer


base.flag_set = flag_set
base.k8s_rollout_gate = k8s_rollout_gate
ActionModule = base.ActionModule
