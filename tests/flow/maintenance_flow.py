# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow whose regions have an exchange and can be sent to a maintenance answer."""

from __future__ import annotations

import json
import pathlib
import shutil
import typing as t

import yaml
from flow_runner import CLUSTER_MODULES, REGIONS, ROOT, Flow, Run

ENGINE = "matching-engine"
STAND_IN = pathlib.Path(__file__).with_name("maintenance_stand_in.py")
TRADING = {"engine": {"url": "http://engine"}, "prove": {"url": "http://standby"}, "gateways": [{"url": "http://api"}]}


class MaintenanceFlow(Flow):
    """The regions stand on v1."""

    def __init__(self, home: pathlib.Path, after_v1: pathlib.Path) -> None:
        super().__init__(home)
        for region in (*REGIONS, "fleet"):
            shutil.copy(after_v1 / f"{region}.json", home)
        plugins = home / "collections/ansible_collections/pincex/zero_downtime/plugins"
        for module in (*CLUSTER_MODULES, "drain_trading"):
            action = plugins / f"action/{module}.py"
            action.unlink(missing_ok=True)
            action.symlink_to(STAND_IN)
            (plugins / f"modules/{module}.py").write_text("# stands for the module of this name\n")
        (home / "inventory/group_vars/all/trading.json").write_text(json.dumps({"trading": TRADING}))

    def state_of(self, region: str) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads((self.home / f"{region}.json").read_text()))

    def reopen(self, region: str) -> None:
        """As if the playbook had been killed before it closed its journal."""
        state = self.state_of(region) | {"open": "m1", "kind": "maintenance", "locked": True}
        (self.home / f"{region}.json").write_text(json.dumps(state))

    def with_engine(self, region: str) -> tuple[str, ...]:
        """Let v2 of an engine trade there in slot blue. Returns the arguments by which the catalogue has it."""
        state = self.state_of(region)
        labels = {"app.kubernetes.io/name": ENGINE, "app.kubernetes.io/version": "v2", "pincex.io/slot": "blue"}
        slot = {"name": f"{ENGINE}-blue", "labels": labels}
        state["objects"][f"StatefulSet/{ENGINE}-blue"] = {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": slot,
            "spec": {"replicas": 1, "serviceName": f"{ENGINE}-blue"},
        }
        state["epochs"][ENGINE] = {"epoch": 3, "slot": "blue"}
        (self.home / f"{region}.json").write_text(json.dumps(state))
        services = yaml.safe_load((ROOT / "inventories/lab-engine.yml").read_text())["services"]
        return ("--limit", region, "-e", json.dumps({"services": services, "trading": {}}))


def acts(done: Run, region: str) -> list[tuple[str, str | None]]:
    """Module and state of every call in a region that was no dry run."""
    return [
        (call["module"], call["state"])
        for call in done.calls
        if call["region"] == region and not call["check"] and call["state"] != "read"
    ]


def call_of(done: Run, region: str, module: str, state: str | None = None) -> dict[str, t.Any]:
    """The last such call that was no dry run."""
    return [
        call
        for call in done.calls
        if (call["region"], call["module"]) == (region, module) and not call["check"] and state in (None, call["state"])
    ][-1]


def scales(done: Run, region: str) -> dict[str, int]:
    return {
        key.split("/")[1]: obj["spec"]["replicas"]
        for key, obj in done.regions[region]["objects"].items()
        if key.startswith("Deployment/")
    }
