# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of `flag_stand_in.py`, for flags in a release: the fleet's file has every change as a record in the
history of the set, and those of a release in its journal.

Of `faults.json` it knows also {"fleet": {"killed_before": {"ACTION": {"margin_trading": {...}}}}}.
"""

from __future__ import annotations

import importlib.util
import pathlib
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_apply import Applied, applied
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import changed, plain
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_flag_undo import (
    Step,
    WayBack,
    way_back,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import State as FlagState
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.options import Options

State = dict[str, t.Any]

_path = pathlib.Path(__file__).resolve().with_name("flag_stand_in.py")
_spec = importlib.util.spec_from_file_location("pincex_flag_stand_in", _path)
assert _spec is not None
assert _spec.loader is not None
flags = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(flags)
flags.base.LOGGED = (*flags.base.LOGGED, "wanted", "release", "before", "revision")
_acted = flags._acted
#: The steps of the task that is run, and what its way back keeps.
_steps: list[Step] = []
_kept: list[str] = []


def acted(options: Options, params: State, state: State, faults: State, check: bool) -> State:
    release = (params.get("release") or {}).get("id")
    if options.action in ("apply", "undo", "reconcile") and not check:
        assert release == state["open"], (release, state["open"])
    if "fleet" in faults.get("stores_away", []) and options.action in ("apply", "undo"):
        raise ReleaseError("fleet: the API server is away", kind="unreachable", system="kubernetes", retriable=True)
    known = state["flags_of"]
    if not check:
        known["killed"] |= faults.get("killed_before", {}).get(options.action, {})
    before, records = dict(known["definitions"]), known.setdefault("records", [])
    if options.since is None:
        entries = [entry["flags"] for entry in state["entries"] if "flags" in entry]
        _steps[:] = [Step({name: (both[0], both[1]) for name, both in entry.items()}) for entry in entries]
    else:
        since = [record for record in records if record["revision"] > options.since]
        _steps[:] = [
            Step({name: (both[0], both[1]) for name, both in one["changes"].items()}, foreign=one["release"] is None)
            for one in since
        ]
    told = t.cast("State", _acted(options, params, state, faults, check))
    if options.action == "history":
        told["history"] = [
            {
                "release": one["release"],
                "flags": {name: {"before": both[0], "after": both[1]} for name, both in one["changes"].items()},
            }
            for one in reversed(records)
        ]
    told["kept"] = list(_kept) if options.action in ("apply", "undo") else []
    if check:
        return told
    after = known["definitions"]
    both = {
        name: [plain(before.get(name)), plain(after.get(name))]
        for name in {*before, *after}
        if before.get(name) != after.get(name)
    }
    if both:
        records.append({"revision": known["revision"], "changes": both, "release": release})
    if both and release:
        change = {"op": "flags", "ref": {"kind": "FlagSet", "name": "the-set"}, "fields": {}}
        state["entries"].append({"step": str(options.step), "changes": [change], "flags": both})
    return told


def change(options: Options, after: State) -> None:
    if options.action not in ("apply", "undo"):
        _change(options, after)
        return
    was = FlagState(after["revision"], after["definitions"], flags._kills(after))
    if options.action == "apply":
        found: Applied | WayBack = applied(was, options.wanted, options.reshuffle)
    else:
        found = way_back(_steps, was)
    wanted, _kept[:] = found.definitions, found.kept
    made = changed(was, wanted)
    after["revision"] += bool(made)
    for name, flag in made.items():
        if flag is None:
            del after["definitions"][name]
        else:
            version = {"version": str(after["revision"])}
            after["definitions"][name] = {**flag, "metadata": {**(flag.get("metadata") or {}), **version}}


_change = flags._change
flags._acted, flags._change = acted, change
ActionModule = flags.base.ActionModule
