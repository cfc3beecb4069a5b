# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of `stand_in.py`, with what a maintenance asks for besides: an engine, routes that answer, the record.

It keeps `maintenance` (the record) and `mode` of the engine in the region's file. Of `faults.json` it knows also
{"us-east-1": {"drain": "reason", "answer": "reason", "gate": "maintenance", "resume": "reason", "halfway": true,
"put_back": "reason"}}. `halfway` scales the gateways to zero and nothing else.
"""

from __future__ import annotations

import copy
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
    "mode",
    "emergency",
    "announce_s",
    "expected",
    "workloads",
    "maintenance",
    "prove",
    "reason",
    "resume",
)
_traffic, _opened, _closed, _read = base.k8s_traffic, base._opened, base._closed, base._read
_revision = base.k8s_revision


def drain_trading(args: State, state: State, faults: State, check: bool) -> State:
    if args["state"] == "status":
        return {"changed": False, "mode": state.get("mode", "online"), "proofs": {"before": {"sequence": 7}}}
    down, online = args["state"] == "drained", args["state"] == "online"
    problem = faults.get("drain") if down else faults.get("resume")
    if down and not any(_replicas(state, f"Deployment/core-api-{slot}") for slot in ("blue", "green")):
        problem = "without gateways nobody can judge I2 and I9"
    if problem:
        raise base.Refusal(problem, error={"kind": "refused", "retriable": False})
    if down and (args.get("prove") or {}).get("pod"):
        _can_prove(args, state)
    state["entries"].append({"step": str(args["step"]), "changes": [{"op": "drain"}]})
    again = down and state.get("mode") == args["mode"]
    state["mode"] = str(args["mode"]) if down else "online"
    return {
        "mode": state["mode"],
        "steps": [] if again else [{"name": "halt" if down else "online", "outcome": "done"}],
        # Who finds everything done proves nothing.
        "proofs": {"before": None if again else {"sequence": 7}, "after": None},
        "warnings": ["2 sessions did not end"] if down else [],
        "matching": online,
    }


def _replicas(state: State, key: str) -> int:
    return int(state["objects"].get(key, {"spec": {"replicas": 0}})["spec"]["replicas"])


def _can_prove(args: State, state: State) -> None:
    """Only an engine that is up, and as new as the one that leads, reads its snapshot."""
    leads, proves = (f"StatefulSet/{args[option]['pod']}".removesuffix("-0") for option in ("engine", "prove"))
    assert _replicas(state, proves) == 1
    versions = {state["objects"][key]["metadata"]["labels"]["app.kubernetes.io/version"] for key in (leads, proves)}
    assert len(versions) == 1


def k8s_revision(args: State, state: State, faults: State, check: bool) -> State:
    if args["state"] == "read" or state.get("kind") != "maintenance":
        return t.cast("State", _revision(args, state, faults, check))
    if args["state"] == "restored":
        if "put_back" in faults:
            raise base.Refusal(faults["put_back"], error={"kind": "unreachable", "retriable": True})
        assert {entry["step"] for entry in state["entries"]} <= {"prover", "drain"}, "nothing else may be taken back"
        state["objects"] = state["before"]["objects"]
        return {"kept": []}
    state["entries"].append({"step": str(args["step"]), "changes": []})
    if args["step"] != "maintenance":
        return t.cast("State", _revision(args, state, faults, check))
    for field in args["fields"]:
        if not faults.get("halfway") or field["name"].startswith("core-api-"):
            state["objects"][f"{field['kind']}/{field['name']}"]["spec"]["replicas"] = int(field["value"])
    if faults.get("halfway"):
        raise base.Refusal("the API server is gone", error={"kind": "unreachable", "retriable": True})
    return {}


def k8s_traffic(args: State, state: State, faults: State, check: bool) -> State:
    if args["state"] not in ("maintenance", "returned"):
        return t.cast("State", _traffic(args, state, faults, check))
    if faults.get("away"):
        raise base.Refusal("the API server is away", error={"kind": "unreachable", "retriable": True})
    if faults.get("answer"):
        raise base.Refusal(faults["answer"], error={"kind": "option", "retriable": False})
    assert check or args.get("release")
    stood = state.setdefault("maintenance", None)
    return _enter(args, state, stood) if args["state"] == "maintenance" else _leave(args, state, stood)


def _enter(args: State, state: State, stood: State | None) -> State:
    given = base._plain(args["maintenance"])
    record = stood or {key: given[key] for key in ("by", "reason", "emergency", "drain", "proof")} | {"services": {}}
    record = {**record, "proof": given["proof"] or record["proof"]}
    fields = []
    for name in base._plain(args["routes"]):
        scales = {
            key: obj["spec"]["replicas"]
            for key, obj in state["objects"].items()
            if key.startswith((f"Deployment/{name}-", f"StatefulSet/{name}-")) and obj["spec"]["replicas"]
        }
        record["services"] = {name: scales, **record["services"]}
        fields += [_field(key, 0) for key in scales]
    state["maintenance"] = record
    state["answering"] = sorted(record["services"])
    return _result(record, fields, changed=record != stood or bool(fields), routes=args["routes"])


def _leave(args: State, state: State, stood: State | None) -> State:
    if stood is None:
        return {"changed": False, "maintenance": None, "routes": {}, "kept": []}
    names = base._plain(args["routes"]) or list(stood["services"])
    scales = {key: number for each in names for key, number in stood["services"].get(each, {}).items()}
    fields = [_field(key, number) for key, number in scales.items() if not _replicas(state, key)]
    left = {name: what for name, what in stood["services"].items() if name not in names}
    state["maintenance"] = {**stood, "services": left} if left else None
    state["answering"] = sorted(left)
    return _result(stood, fields, changed=True, routes=names)


def _result(record: State, fields: list[State], *, changed: bool, routes: list[str]) -> State:
    told = {
        **record,
        "services": sorted(record["services"]),
        "sentence": f"in maintenance, entered by {record['by']}: {record['reason']}",
        "todo": changed,
        "fields": fields,
        "workloads": [{"kind": field["kind"], "name": field["name"]} for field in fields],
    }
    return {"changed": changed, "maintenance": told, "routes": {str(name): {} for name in routes}, "kept": []}


def _field(key: str, value: int) -> State:
    kind, _slash, name = key.partition("/")
    return {"api_version": "apps/v1", "kind": kind, "name": name, "path": "spec.replicas", "value": value}


def opened(args: State, state: State, faults: State) -> State:
    if args.get("kind") != "maintenance":
        return t.cast("State", _opened(args, state, faults))
    if "open" in faults:
        raise base.Refusal(faults["open"])
    if state["open"]:
        raise base.Refusal(f"maintenance {state['open']} is unfinished")
    state |= {"locked": True, "open": "m1", "kind": "maintenance", "entries": []}
    state["before"] = {"objects": copy.deepcopy(state["objects"])}
    return {"release": {"id": "m1", "kind": "maintenance"}}


def closed(args: State, state: State, faults: State) -> State:
    if args["release"]["id"] != "m1":
        return t.cast("State", _closed(args, state, faults))
    state |= {"locked": False, "open": None, "kind": "deploy"}
    return {}


def read(args: State, state: State, faults: State) -> State:
    record = state.get("maintenance")
    told = (
        {"sentence": f"{state['region']} is in maintenance, by {record['by']}: {record['reason']}"} if record else None
    )
    return {**_read(args, state, faults), "maintenance": told}


base.drain_trading = drain_trading
base.k8s_revision = k8s_revision
base.k8s_traffic = k8s_traffic
base._opened, base._closed, base._read = opened, closed, read
ActionModule = base.ActionModule
