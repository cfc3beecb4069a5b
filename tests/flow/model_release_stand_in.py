# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of `model_stand_in.py`, for models in a release: what is read of a region has the routes of its models
with their notes, and what a rollback has done to them is taken back by their own module alone.

Of `faults.json` it knows also {"us-east-1": {"models_read": "sentence"}}.
"""

from __future__ import annotations

import copy
import importlib.util
import pathlib
import typing as t

State = dict[str, t.Any]

_path = pathlib.Path(__file__).resolve().with_name("model_stand_in.py")
_spec = importlib.util.spec_from_file_location("pincex_model_stand_in", _path)
assert _spec is not None
assert _spec.loader is not None
models = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(models)
base = models.base
_document, _opened = base.document, base._opened
_shadow, _revision, _traffic = base.model_shadow, base.k8s_revision, base.k8s_traffic


def document(state: State, services: list[str]) -> State:
    found = t.cast("State", _document(state, services))
    routes = [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": name, "annotations": {"pincex.io/model": known["note"]} if known.get("note") else {}},
        }
        for name, known in state.get("models", {}).items()
        if name in services
    ]
    return {**found, "objects": [*found["objects"], *routes]}


def opened(args: State, state: State, faults: State) -> State:
    answer = t.cast("State", _opened(args, state, faults))
    if args.get("kind") != "standby":
        state["before"]["models"] = copy.deepcopy(state.get("models", {}))
    return answer


def model_shadow(args: State, state: State, faults: State, check: bool) -> State:
    name = str(args["model"])
    if args["state"] == "restored":
        for part in ("models", "weights"):
            state[part] = {**state[part], name: copy.deepcopy(state["before"][part][name])}
        return {**copy.deepcopy(models.EMPTY_RESULT), "verdict": "pass"}
    known = len(state["entries"])
    answer = t.cast("State", _shadow(args, state, faults, check))
    for entry in state["entries"][known:]:
        entry["changes"] = [{"op": "models", "ref": {"kind": "HTTPRoute", "name": name}, "fields": {}}]
    return answer


def k8s_revision(args: State, state: State, faults: State, check: bool) -> State:
    if args["state"] == "read" and "fraud" in args["services"] and "models_read" in faults:
        raise base.Refusal(faults["models_read"], error={"kind": "forbidden"}, revision=None)
    return t.cast("State", _revision(args, state, faults, check))


def k8s_traffic(args: State, state: State, faults: State, check: bool) -> State:
    weights = {name: state["weights"][name] for name in state.get("models", {})}
    answer = t.cast("State", _traffic(args, state, faults, check))
    state["weights"] = {**state["weights"], **weights}
    return answer


base.document, base._opened = document, opened
base.model_shadow, base.k8s_revision, base.k8s_traffic = model_shadow, k8s_revision, k8s_traffic
ActionModule = base.ActionModule
