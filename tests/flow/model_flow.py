# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow whose environment has models."""

from __future__ import annotations

import json
import pathlib
import typing as t

from flow_runner import CLUSTER_MODULES, REGIONS, Flow, Run

STAND_IN = pathlib.Path(__file__).with_name("model_stand_in.py")
MODEL = "price-prediction"
MODELS = {
    MODEL: {
        "image": "registry/models",
        "hostnames": ["price-prediction.models"],
        "model": {"registry": "prices", "mirror": {"paths": ["/predict"]}, "judge": {"labels": {"maturity_s": 1}}},
    },
    "fraud": {"image": "registry/models"},
}
SOURCES = [{"name": "lines", "json_lines": {"url": "http://recorder/records/{model}"}}]
WAIT: t.Final = {
    "verdict": "hold",
    "reason": "too little evidence",
    "next": {"action": "wait", "weight": 0, "needs": []},
}


def looked(verdict: str, action: str, weight: int = 0, **more: t.Any) -> dict[str, t.Any]:
    told = {"action": action, "weight": weight, "reason": "as told", "needs": []}
    return {"verdict": verdict, "reason": f"the checks {verdict}", "next": told, **more}


class ModelFlow(Flow):
    """v2.0.0 of price-prediction is the champion in blue of every region; fraud was never there."""

    def __init__(self, home: pathlib.Path) -> None:
        super().__init__(home)
        named = {"name": f"{MODEL}-blue", "labels": {"app.kubernetes.io/version": "v2.0.0"}}
        slot = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named, "spec": {"replicas": 2}}
        empty = {
            "epochs": {},
            "entries": [],
            "open": None,
            "standby": None,
            "revisions": {},
            "decision": None,
            "number": 0,
        }
        for region in REGIONS:
            state = {**empty, "region": region, "objects": {f"Deployment/{MODEL}-blue": slot}}
            state |= {"weights": {MODEL: {"blue": 100, "green": 0}}, "models": {}}
            (home / f"{region}.json").write_text(json.dumps(state))
        fleet = {
            **empty,
            "region": "fleet",
            "objects": {},
            "weights": {},
            "aliases": {"prices": {"champion": "v2.0.0"}},
        }
        (home / "fleet.json").write_text(json.dumps({**fleet, "judgements": [WAIT]}))
        plugins = home / "collections/ansible_collections/pincex/zero_downtime/plugins"
        for module in (*CLUSTER_MODULES, "model_shadow"):
            action = plugins / f"action/{module}.py"
            action.unlink(missing_ok=True)
            action.symlink_to(STAND_IN)
            (plugins / f"modules/{module}.py").write_text("# stands for the module of this name\n")
        self.variables()

    def variables(self, **given: t.Any) -> None:
        registry = {"type": "mlflow", "url": "http://mlflow"}
        told = {"models": MODELS, "model_registry": registry, "model_sources": SOURCES, "release_unreachable_s": 1}
        told |= {"release_way_back_retries": 1}
        (self.home / "inventory/group_vars/all/models.json").write_text(json.dumps({**told, **given}))

    def write(self, place: str, **keys: t.Any) -> dict[str, t.Any]:
        """A region's file, or the fleet's, with these keys written into it."""
        path = self.home / f"{place}.json"
        state: dict[str, t.Any] = {**json.loads(path.read_text()), **keys}
        path.write_text(json.dumps(state))
        return state

    def aliases(self) -> dict[str, t.Any]:
        found = self.write("fleet")["aliases"]["prices"]
        return {alias: version for alias, version in found.items() if version}

    def weights(self, model: str = MODEL) -> list[tuple[int, int]]:
        """Of blue and green in every region."""
        found = [self.write(region)["weights"].get(model) or {} for region in REGIONS]
        return [(int(one.get("blue", 0)), int(one.get("green", 0))) for one in found]

    def note(self, region: str) -> dict[str, t.Any]:
        text = (self.write(region)["models"].get(MODEL) or {}).get("note")
        return t.cast("dict[str, t.Any]", json.loads(text)) if text else {}

    def scale(self, region: str, slot: str) -> int | None:
        found = self.write(region)["objects"].get(f"Deployment/{MODEL}-{slot}")
        return None if found is None else int(found["spec"]["replicas"])

    def held(self) -> list[str | None]:
        return [self.write(place).get("held") for place in (*REGIONS, "fleet")]

    def broken_off(self, decision: str | None = None, **finish: t.Any) -> None:
        """As if the playbook had been killed before it closed its journals, and with `decision` after that was written
        down."""
        for place in (*REGIONS, "fleet"):
            state = self.write(place)
            self.write(place, held="m1", told_finish={**state["told_finish"], **finish})
        self.write("fleet", decision=decision and {"decision": decision, "by": "anna", "reason": "as it was meant"})


def acts(done: Run, *modules: str) -> list[tuple[str, str, str]]:
    """Region, module and state of every call that was no dry run and no look."""
    return [
        (call["region"], call["module"], call["state"])
        for call in done.calls
        if not call["check"]
        and call["state"] not in ("read", "status", "judged", None)
        and (not modules or call["module"] in modules)
    ]


def told(done: Run) -> str:
    """What was printed, without the breaks of its lines."""
    return " ".join(done.output.split())
