# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of `stand_in.py`, with weights of regions: the set is in the fleet's file, as `weights_of`.

Of `faults.json` it knows also {"fleet": {"dns": {"STEP or state": "sentence"}, "retriable": true,
"meanwhile": {"STEP": {"us-east-1": 5}}}, "us-east-1": {"orders": 12}}.
"""

from __future__ import annotations

import importlib.util
import pathlib
import typing as t

State = dict[str, t.Any]

_path = pathlib.Path(__file__).resolve().with_name("stand_in.py")
_spec = importlib.util.spec_from_file_location("pincex_stand_in", _path)
assert _spec is not None
assert _spec.loader is not None
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)
base.LOGGED = (
    *base.LOGGED,
    *("regions", "weights", "full", "steps", "behind", "override", "name", "observe", "finish", "release", "revision"),
    *("verify", "deadline_s", "on_thin_evidence"),
    *("metrics", "observe_s", "before"),
)
_trading, _opened, _closed, _read = base.drain_trading, base._opened, base._closed, base._read
_taken_over = base._taken_over


def dns_weight(args: State, state: State, faults: State, check: bool) -> State:
    assert args["region"] == "fleet"
    assert args["context"] == "management"
    given, what = base._plain(args), (args.get("step"), args["state"])
    now = state.get("weights_of")
    problem = next((text for key, text in faults.get("dns", {}).items() if key in what), None)
    if problem:
        told = {**_told(now or {}, now or {}), "reason": problem}
        raise base.Refusal(problem, **told, error={**_whose(problem), "retriable": faults.get("retriable", False)})
    if now is not None and args.get("step") in faults.get("meanwhile", {}):
        state["weights_of"] = now = {**now, **faults["meanwhile"][args["step"]]}
    if now is None:
        assert args["state"] in ("status", "restored")
        return {"changed": False, **_told({}, {}), "set": None, "weights": {"before": None, "after": None}}
    if args["state"] not in ("status", "drained"):
        _must_be_held(given.get("release"), state)
    after = globals()[f"_{args['state']}"](given, state, dict(now))
    if not check and after != now:
        done = state.setdefault("dns_entries", [])
        if args["state"] == "restored":
            done.clear()
        else:
            done.append({region: [now[region], after[region]] for region in now if now[region] != after[region]})
        state["entries"].append({"step": str(args["step"]), "changes": []})
        state["weights_of"] = after
    ramp = _ramp_of(given, now, after) if args["state"] == "ramped" else None
    return {"changed": after != now, **_told(now, after), "ramp": ramp, "kept": state.pop("told_kept", [])}


def _whose(problem: str) -> State:
    guard = problem.startswith("refused by")
    return {"kind": "refused", "system": "guard"} if guard else {"kind": "unreachable", "system": "dns"}


def _must_be_held(release: State | None, state: State) -> None:
    """Whoever writes has the release that is open, and without one nothing is."""
    expected = state["open"] or state.get("locked")
    assert (release or {}).get("id") == expected, (release, expected)


def _told(before: State, after: State) -> State:
    total = sum(after.values()) or 1
    return {
        "set": {"name": "api.pincex.test.", "type": "A", "ttl": 30},
        "weights": {"before": before, "after": after},
        "shares": {"after": {region: weight / total for region, weight in after.items()}},
        "healthy": dict.fromkeys(after, True),
        "batch": {"after": after} if before != after else None,
        "warnings": [],
        "reason": "unobserved" if before == after else "written",
    }


def _status(_given: State, _state: State, now: State) -> State:
    return now


def _drained(given: State, _state: State, now: State) -> State:
    assert given["observe"]
    assert [now[region] for region in given["regions"]] == [0] * len(given["regions"])
    return now


def _evacuated(given: State, _state: State, now: State) -> State:
    after = {region: 0 if region in given["regions"] else weight for region, weight in now.items()}
    if not any(after.values()) and "last_region" not in given.get("override", []):
        raise base.Refusal("refused by last_region", error=_whose("refused by last_region"), warnings=[])
    return after


def _ramped(given: State, _state: State, now: State) -> State:
    (region,) = given["regions"]
    assert set(given["full"]) == set(now)
    assert region not in given.get("behind", [])
    full = given["full"][region]
    if full * given["steps"][0] // 100 == 0:
        raise base.Refusal("full: less than the smallest weight", error={"kind": "option", "system": "input"})
    reached = next((full * step // 100 for step in given["steps"] if full * step // 100 > now[region]), now[region])
    return {**now, region: reached}


def _ramp_of(given: State, now: State, after: State) -> State:
    (region,) = given["regions"]
    full = given["full"][region]
    step = next((step for step in given["steps"] if full * step // 100 > now[region]), 100)
    return {"step": step, "done": after[region] == full}


def _absolute(given: State, _state: State, now: State) -> State:
    assert given["override"] == ["max_step", "many_changes"]
    return {**now, **given["weights"]}


def _restored(given: State, state: State, now: State) -> State:
    after = dict(now)
    for step in reversed(state.get("dns_entries", [])):
        for region, (was, wrote) in step.items():
            if after[region] == wrote and region not in given["behind"]:
                after[region] = was
    return after


def drain_trading(args: State, state: State, faults: State, check: bool) -> State:
    answer = t.cast("State", _trading(args, state, faults, check))
    if args["state"] == "status":
        answer["proofs"] = {"before": {"orders": {"count": faults.get("orders", 0)}}}
    return answer


def opened(args: State, state: State, faults: State) -> State:
    if args.get("kind") != "dns":
        if args.get("scope") == "fleet":
            if state.get("locked"):
                raise base.Refusal(f"fleet: dns {state['locked']} by anna is unfinished")
            state["dns_entries"] = []
        return t.cast("State", _opened(args, state, faults))
    assert args["scope"] == "fleet"
    if state["open"]:
        raise base.Refusal(f"fleet: {state['kind']} {state['open']} is unfinished")
    state["locked"], state["left"] = "d1", base._plain(args["finish"])
    return {"release": {"id": "d1", "kind": "dns"}}


def taken_over(args: State, state: State, faults: State) -> State:
    if args.get("scope") != "fleet" or not state.get("locked"):
        return t.cast("State", _taken_over(args, state, faults))
    return {**read(args, state, faults), "release": {"id": "d1", "kind": "recover"}}


def closed(args: State, state: State, faults: State) -> State:
    if args["release"]["id"] != "d1":
        return t.cast("State", _closed(args, state, faults))
    assert not args.get("revision")
    state["locked"] = None
    return {}


def read(args: State, state: State, faults: State) -> State:
    found = t.cast("State", _read(args, state, faults))
    if state.get("locked"):
        mine = {"id": "d1", "kind": "dns", "by": "anna", "state": "open", "finish": state["left"], "steps": []}
        found |= {"header": mine, "release": mine, "decision": None, "lock": {"holder": "d1"}}
    return found


base.dns_weight = dns_weight
base.drain_trading = drain_trading
base._opened, base._closed, base._read, base._taken_over = opened, closed, read, taken_over
ActionModule = base.ActionModule
