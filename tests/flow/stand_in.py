# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin that stands in for every module that asks a cluster: a region is a JSON file.

It lets the playbooks run from end to end without a cluster, with regions that refuse, fail or get stuck on command. The
file `faults.json` says what goes wrong: {"us-east-1": {"gate": "core-api 10 %", "restore": true, "open": "reason",
"routes": true, "connections": ["sentence"], "drained": "reason", "ended": true,
"capacity": "core-api 100 %", "kept": "sentence", "away": true, "away_from": "core-api 10 %",
"permitted": "sentence", "status": "sentence", "format": "sentence", "handover": "sentence",
"engines": "sentence"},
"fleet": {"decide": "lost", "told": "sentence"}}.
"""

from __future__ import annotations

import copy
import fcntl
import json
import os
import pathlib
import time
import typing as t

from ansible.plugins.action import ActionBase

State = dict[str, t.Any]
#: The options of a call that the log keeps as they are.
LOGGED = (
    *("state", "kind", "step", "scope", "decision", "outcome", "reason"),
    *("routes", "services", "allow_live", "number"),
    *("connections", "drain_s", "unreachable_s"),
    *("engine", "new_engine", "gateway_pods"),
    *("fleet",),
)
WORKLOADS = ("Deployment", "StatefulSet")


class ActionModule(ActionBase):
    """One class for all modules; the task says which one it is."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        args = self._task.args
        module = self._task.action.rpartition(".")[2]
        home = pathlib.Path(os.environ["STAND_IN_HOME"])
        region = args.get("region") or args.get("context")
        faults = json.loads((home / "faults.json").read_text()).get(region, {})
        with (home / f"{region}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = home / f"{region}.json"
            state = json.loads(path.read_text()) if path.exists() else empty(region)
            was = copy.deepcopy(state)
            if "away_from" in faults:
                # From that step on, and not before.
                state["lost"] = state.get("lost") or args.get("step") == faults["away_from"]
                faults["away"] = state["lost"]
            try:
                answer = globals()[module](args, state, faults, self._task.check_mode)
            except Refusal as refusal:
                answer = {"failed": True, "msg": str(refusal), **refusal.extra}
            if not self._task.check_mode:
                path.write_text(json.dumps(state))
            elif not path.exists():
                # A region is there before anybody writes to it.
                path.write_text(json.dumps(was))
            answer.setdefault("changed", was != state)
        with (home / "calls.jsonl").open("a") as calls:
            call = {"at": time.time(), "region": region, "module": module, "check": bool(self._task.check_mode)}
            call |= {key: args.get(key) for key in LOGGED}
            call["options"] = sorted(args)
            call["fields"] = [f"{field['kind']}/{field['name']} {field['path']}" for field in args.get("fields") or []]
            call["objects"] = [f"{obj['kind']}/{obj['metadata']['name']}" for obj in args.get("objects") or []]
            calls.write(json.dumps(call, default=str) + "\n")
        result.update(answer)
        return result


class Refusal(Exception):
    def __init__(self, message: str, **extra: t.Any) -> None:
        super().__init__(message)
        self.extra = extra


def empty(region: str) -> State:
    return {
        "region": region,
        "objects": {},
        "weights": {},
        "epochs": {},
        "entries": [],
        "revisions": {},
        "decision": None,
        "open": None,
        "number": 0,
        "standby": None,
    }


def k8s_revision(args: State, state: State, faults: State, check: bool) -> State:
    if faults.get("away"):
        raise Refusal("the API server is away", error={"kind": "unreachable", "retriable": True})
    if args["state"] == "read":
        return {"changed": False, "revision": document(state, args["services"])}
    if args["state"] == "restored":
        if faults.get("restore"):
            raise Refusal("the API server is gone")
        state["objects"] = state["before"]["objects"]
        return {"kept": [faults["kept"]] if "kept" in faults else []}
    if faults.get("apply") == args["step"]:
        raise Refusal("no permission to patch deployments")
    if faults.get("routes") and args.get("services"):
        raise Refusal(f"context: operator is forbidden to update HTTPRoute exchange/{args['services'][0]}")
    for obj in args["objects"]:
        key = f"{obj['kind']}/{obj['metadata']['name']}"
        old = state["objects"].get(key, {})
        copied = copy.deepcopy(dict(obj))
        if copied["kind"] in WORKLOADS:
            copied["spec"]["replicas"] = old.get("spec", {}).get("replicas", 1)
        state["objects"][key] = json.loads(json.dumps(copied, default=str))
    if faults.get("grown") == args["step"]:
        _grow(state)
    for field in args.get("fields") or []:
        target = state["objects"][f"{field['kind']}/{field['name']}"]
        *parents, last = field["path"].split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        value = _plain(field["value"])
        target[last] = max(_least(field, state), int(value)) if last == "replicas" else value
        service, _dash, slot = field["name"].rpartition("-")
        if field["kind"] == "StatefulSet" and target[last]:
            # The first engine that comes up makes the record.
            state["epochs"].setdefault(service, {"epoch": 1, "slot": slot})
        assert field["kind"] != "StatefulSet" or target[last] or state["epochs"][service]["slot"] != slot
    return {}


def _plain(value: t.Any) -> int | str:
    return int(value) if isinstance(value, int) else str(value)


def _grow(state: State) -> None:
    """Every autoscaler has followed the load."""
    for key, obj in state["objects"].items():
        if key.startswith("Deployment/") and obj["spec"]["replicas"]:
            obj["spec"]["replicas"] = 6


def _least(field: State, state: State) -> int:
    other = state["objects"].get(f"{field['kind']}/{field.get('at_least')}")
    return int(other["spec"]["replicas"]) if other else 0


def document(state: State, services: list[str]) -> State:
    found: State = {}
    for name in services:
        weights = state["weights"].get(name)
        epoch = state["epochs"].get(name)
        if epoch:
            weights = {slot: 100 * (slot == epoch["slot"]) for slot in ("blue", "green")}
        live = max(weights, key=weights.get) if weights else None
        slots = {}
        for slot in ("blue", "green"):
            workload = next(filter(None, (state["objects"].get(f"{kind}/{name}-{slot}") for kind in WORKLOADS)), None)
            if workload:
                slots[slot] = {
                    "version": workload["metadata"]["labels"]["app.kubernetes.io/version"],
                    "replicas": workload["spec"]["replicas"],
                    "ready_replicas": workload["spec"]["replicas"],
                }
        found[name] = {"live_slot": live, "slots": slots, "weights": weights}
        if epoch:
            found[name]["epoch"] = epoch["epoch"]
    return {
        "region": state["region"],
        "namespace": "exchange",
        "services": found,
        "objects": list(state["objects"].values()),
    }


def k8s_traffic(args: State, state: State, faults: State, check: bool) -> State:
    if faults.get("away"):
        raise Refusal("the API server is away", error={"kind": "unreachable", "retriable": True})
    if args["state"] == "restored":
        if faults.get("restore"):
            raise Refusal("the API server is gone")
        state["weights"] = state["before"]["weights"]
        return {"kept": []}
    if args["state"] == "drained":
        if faults.get("drained"):
            raise Refusal(faults["drained"])
        return {"connections": {}, "warnings": faults.get("connections", [])}
    if args["state"] == "shifted":
        if faults.get("capacity") == args["step"] and state["objects"] == state["before"]["objects"]:
            # Nothing was brought up yet.
            raise Refusal("blue has 1 ready pods and needs 2", error={"kind": "capacity"})
        for route in args["routes"]:
            assert sum(int(weight) for weight in route["weights"].values()) == 100
            state["weights"][route["name"]] = {slot: int(weight) for slot, weight in route["weights"].items()}
    return {}


def drain_trading(args: State, state: State, faults: State, check: bool) -> State:
    if faults.get("away"):
        raise Refusal("the API server is away", error={"kind": "unreachable", "retriable": True})
    if args["state"] == "permitted":
        if "permitted" in faults:
            raise Refusal(faults["permitted"], error={"kind": "option"}, invariants=[])
        return {"invariants": []}
    if args["state"] == "status":
        if "status" in faults:
            raise Refusal(faults["status"], error={"kind": "unreachable"}, invariants=[])
        return {"verdict": "pass", "reason": "what is known adds up", "invariants": []}
    if args["state"] == "restored":
        if "engines" in faults:
            raise Refusal(faults["engines"], error={"kind": "not_proved"}, invariants=[])
        for entry in reversed(state["entries"]):
            service, _dash, slot = entry["changes"][0]["fields"]["leader"]["before"].rpartition("-")
            if state["epochs"][service]["slot"] != slot:
                state["epochs"][service] = {"epoch": state["epochs"][service]["epoch"] + 1, "slot": slot}
        return {"invariants": []}
    service, _dash, source = str(args["engine"]["pod"]).removesuffix("-0").rpartition("-")
    assert state["epochs"][service]["slot"] == source, "only who leads is asked for that"
    if args["state"] == "finished":
        return {"changed": True, "invariants": []}
    return _handed_over(args, state, faults, service, source)


def _handed_over(args: State, state: State, faults: State, service: str, source: str) -> State:
    target = str(args["new_engine"]["pod"]).removesuffix("-0").rpartition("-")[2]
    assert state["objects"][f"StatefulSet/{service}-{target}"]["spec"]["replicas"] == 1
    for pods in args["gateway_pods"]:
        gateway = str(pods["selector"]).partition("=")[2]
        slots = [obj for key, obj in state["objects"].items() if key.startswith(f"Deployment/{gateway}-")]
        assert any(obj["spec"]["replicas"] for obj in slots), "without gateways nobody can judge I2 and I9"
    if "format" in faults:
        # The preconditions refuse it: nothing was asked of an engine, and nothing is in the journal.
        raise Refusal(faults["format"], error={"kind": "precondition"}, invariants=[])
    leader = {"before": f"{service}-{source}", "after": f"{service}-{target}"}
    change = {"op": "drain", "ref": {"kind": "Exchange", "name": leader["before"]}, "fields": {"leader": leader}}
    state["entries"].append({"step": str(args["step"]), "changes": [change]})
    if "handover" in faults:
        known = {"verdict": "pass", "reason": "all nine invariants pass", "invariants": []}
        raise Refusal(faults["handover"], error={"kind": "gateways"}, **known)
    state["epochs"][service] = {"epoch": state["epochs"][service]["epoch"] + 1, "slot": target}
    return {"verdict": "pass", "invariants": [], "matching_off": {"engines_ms": 212, "at_most_ms": 231, "parts": {}}}


def k8s_rollout_gate(args: State, state: State, faults: State, check: bool) -> State:
    if faults.get("away"):
        raise Refusal("the API server is away", error={"kind": "unreachable", "retriable": True})
    time.sleep(float(faults.get("slow", 0)))
    evidence = {"decided_at": time.time(), "started_at": time.time(), "evidence": [], "tripped": None}
    if faults.get("gate") == args["step"]:
        reason = "core-api error rate is 20 %, above 5 % for 1 s"
        raise Refusal(reason, verdict="fail", reason=reason, **evidence)
    return {"verdict": "pass", "reason": "all checks are good", **evidence, "changed": False}


def release_journal(args: State, state: State, faults: State, check: bool) -> State:
    if faults.get("away"):
        raise Refusal("the API server is away", error={"kind": "unreachable", "retriable": True})
    return globals()[f"_{args['state']}"](args, state, faults)


def _opened(args: State, state: State, faults: State) -> State:
    if "open" in faults:
        raise Refusal(faults["open"])
    if args.get("kind") == "standby":
        mine = state["standby"] and args.get("release_id") in (None, state["standby"]["release"])
        release = {"id": f"{state['standby']['release']}-standby", "kind": "standby"} if mine else None
        return {"release": release, "standby": state["standby"]}
    if state["open"]:
        raise Refusal(f"release {state['open']} is not finished")
    release = args.get("fleet_release") or {"id": args["release_id"], "kind": args["kind"]}
    state["open"], state["kind"] = str(release["id"]), str(release["kind"])
    state["decision"], state["entries"] = None, []
    state["number"] += 1
    state["before"] = {"objects": copy.deepcopy(state["objects"]), "weights": copy.deepcopy(state["weights"])}
    state["document"] = _plain(args.get("before"))
    state["finish"] = _plain(args.get("finish"))
    state["target"], state["follows"] = args.get("target"), _plain(args.get("follows"))
    state["steps"] = _plain(args["steps"])
    release = {"id": state["open"], "kind": state["kind"]}
    return {"release": release, "number": state["number"], "standby": None if "ended" in faults else state["standby"]}


def _taken_over(args: State, state: State, faults: State) -> State:
    if faults.get("alive"):
        raise Refusal("r1/elsewhere/7 holds the lock and renews it", error={"kind": "locked"})
    if args.get("scope") == "fleet":
        state["decision"] = state["decision"] or {"decision": str(args["decision"]), "reason": str(args["reason"])}
    release = {"id": state["open"], "kind": "recover", "fleet": {"token": 8}}
    return {**_read(args, state, faults), "release": release, "before": state["document"]}


def _decided(args: State, state: State, faults: State) -> State:
    state["decision"] = state["decision"] or {
        "decision": str(args["decision"]),
        "reason": str(args["reason"]),
        "by": str(args["by"]),
    }
    if faults.get("decide") == "lost":
        raise Refusal("the fleet's journal does not answer")
    return {**_read(args, state, faults), "lock": {"lapsed": False}}


def _closed(args: State, state: State, faults: State) -> State:
    if str(args["release"]["id"]).endswith("-standby"):
        state["standby"] = None
        return {}
    fleet = args.get("scope") == "fleet"
    if fleet or args.get("revision"):
        number = state["number"] if fleet else args["number"]
        told = _plain(args.get("summary")) or {}
        kept = {"outcome": str(args["outcome"]), "document": _plain(args.get("revision")), **told}
        told = {"id": state["open"], "kind": state["kind"], "target": state.get("target")}
        told["follows"] = state.get("follows")
        state["revisions"][str(number)] = {**kept, **told}
    left = (state.get("finish") or {}).get("standby") if args["outcome"] == "released" else None
    if left:
        counted = state["finish"].get("connections", [])
        state["standby"] = {"release": state["open"], "until": time.time() + 60, "fields": left, "connections": counted}
        state["standby"]["engines"] = state["finish"].get("engines", [])
    ended = {"id": state["open"], "kind": state["kind"], "target": state.get("target"), "number": state["number"]}
    state["open"], state["ended"] = None, {**ended, "state": "closed", "outcome": str(args["outcome"])}
    return {"standby": state["standby"], "revisions": _headers(state)}


def _told(args: State, state: State, faults: State) -> State:
    if "told" in faults:
        raise Refusal(faults["told"], error={"kind": "locked"})
    if state["open"]:
        raise Refusal(f"release {state['open']} is not finished")
    assert int(args["number"]) == max(map(int, state["revisions"])), "judged by the history as it is"
    state["number"] += 1
    told = {"id": f"told-{state['number']}", "kind": "recover", "outcome": "released", "follows": args["follows"]}
    state["revisions"][str(state["number"])] = _plain({**told, **args["summary"]})
    return {"number": state["number"]}


def _read(args: State, state: State, faults: State) -> State:
    header = {
        "id": state["open"],
        "kind": state.get("kind", "deploy"),
        "by": "anna",
        "state": "open",
        "steps": state.get("steps"),
        "target": state.get("target"),
        "follows": state.get("follows"),
        "number": state["number"],
    }
    number = args.get("number")
    if number is not None and str(number) not in state["revisions"]:
        raise Refusal(f"number: revision {number} is not kept", error={"kind": "option"}, release=None)
    return {
        "changed": False,
        "revisions": _headers(state),
        "revision": state["revisions"].get(str(number), {}).get("document"),
        "release": {"id": state["open"], "kind": "deploy", "state": "open"} if state["open"] else {},
        "header": header if state["open"] else state.get("ended"),
        "decision": state["decision"],
        "entries": state["entries"],
        "finish": state.get("finish"),
        "standby": state["standby"],
        "lock": {"holder": state["open"] or ""},
    }


def _headers(state: State) -> list[State]:
    return [
        {"number": int(number), **{key: value for key, value in kept.items() if key != "document"}}
        for number, kept in state["revisions"].items()
    ]


def _plain(value: t.Any) -> t.Any:
    """Without the tags that Ansible puts on values."""
    return json.loads(json.dumps(value, default=str))
