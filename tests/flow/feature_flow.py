# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow whose environment has a flag set."""

from __future__ import annotations

import json
import pathlib
import typing as t

from flow_runner import CLUSTER_MODULES, REGIONS, Flow, Run

STAND_IN = pathlib.Path(__file__).with_name("flag_stand_in.py")
STORES = [
    {"name": "redis", "redis": {"url": "redis://redis"}},
    *({"name": region, "configmap": {"context": region, "namespace": "exchange"}} for region in REGIONS),
]
FLAGS = {"name": "the-set", "stores": STORES}
FLAG = "margin_trading"


def a_flag(**more: t.Any) -> dict[str, t.Any]:
    return {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off", **more}


def at_percent(percent: int) -> dict[str, t.Any]:
    return a_flag(targeting={"fractional": [["on", percent], ["off", 100 - percent]]})


class FeatureFlow(Flow):
    """core-api v1 runs in every region; margin_trading and new_fees are off."""

    def __init__(self, home: pathlib.Path) -> None:
        super().__init__(home)
        slot = {"metadata": {"labels": {"app.kubernetes.io/version": "v1"}}, "spec": {"replicas": 2}}
        for region in REGIONS:
            state = {"region": region, "objects": {"Deployment/core-api-blue": slot}, "epochs": {}}
            (home / f"{region}.json").write_text(
                json.dumps({**state, "weights": {"core-api": {"blue": 100, "green": 0}}})
            )
        (home / "fleet.json").write_text("{}")
        plugins = home / "collections/ansible_collections/pincex/zero_downtime/plugins"
        for module in (*CLUSTER_MODULES, "flag_set"):
            action = plugins / f"action/{module}.py"
            action.unlink(missing_ok=True)
            action.symlink_to(STAND_IN)
            (plugins / f"modules/{module}.py").write_text("# stands for the module of this name\n")
        self.variables(flags=FLAGS)
        fees = a_flag(metadata={"owner": "fees", "expires": "2026-12-31"})
        self.the_set(definitions={FLAG: a_flag(), "new_fees": fees}, killed={}, revision=7, history=[])

    def variables(self, **given: t.Any) -> None:
        (self.home / "inventory/group_vars/all/flags.json").write_text(json.dumps(given))

    def the_set(self, **keys: t.Any) -> dict[str, t.Any]:
        """The flag set, with these keys written into it."""
        path = self.home / "fleet.json"
        state: dict[str, t.Any] = json.loads(path.read_text())
        state["flags_of"] = {**state.get("flags_of", {}), **keys}
        path.write_text(json.dumps(state))
        return t.cast("dict[str, t.Any]", state["flags_of"])

    def definition(self, flag: str = FLAG) -> dict[str, t.Any]:
        """Without the revision that changed it last."""
        found = dict(self.the_set()["definitions"][flag])
        metadata = {key: value for key, value in found.pop("metadata", {}).items() if key != "version"}
        return {**found, "metadata": metadata} if metadata else found


def flag_calls(done: Run, *keys: str) -> list[tuple[t.Any, ...]]:
    """Action, and these options, of every call that changes something and was no dry run."""
    return [
        (call["action"], *(call[key] for key in keys))
        for call in done.calls
        if call["module"] == "flag_set" and not call["check"] and call["action"] not in ("status", "history")
    ]


def told(done: Run) -> str:
    """What was printed, without the breaks of its lines."""
    return " ".join(done.output.split())
