# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow whose regions have weights in a set of the fleet."""

from __future__ import annotations

import json
import pathlib
import shutil
import typing as t

from flow_runner import CLUSTER_MODULES, REGIONS, Flow, Run

STAND_IN = pathlib.Path(__file__).with_name("dns_stand_in.py")
DNS = {
    "name": "api.pincex.test.",
    "provider": "powerdns",
    "powerdns": {"url": "http://pdns", "zone": "pincex.test.", "api_key_file": "/key", "authority": "127.0.0.1:53"},
    "full": dict.fromkeys(REGIONS, 50),
}
#: What changes weights, or waits for what comes of it.
CHANGES = ("evacuated", "drained", "ramped", "restored", "absolute")


class RegionFlow(Flow):
    """The regions stand on v1 and have the same weight."""

    def __init__(self, home: pathlib.Path, after_v1: pathlib.Path, **variables: t.Any) -> None:
        super().__init__(home)
        for region in (*REGIONS, "fleet"):
            shutil.copy(after_v1 / f"{region}.json", home)
        plugins = home / "collections/ansible_collections/pincex/zero_downtime/plugins"
        for module in (*CLUSTER_MODULES, "dns_weight"):
            action = plugins / f"action/{module}.py"
            action.unlink(missing_ok=True)
            action.symlink_to(STAND_IN)
            (plugins / f"modules/{module}.py").write_text("# stands for the module of this name\n")
        self.variables(dns=DNS, dns_ramp_hold_s=0, release_unreachable_s=1, **variables)
        self.fleet(weights_of=DNS["full"])

    def variables(self, **given: t.Any) -> None:
        (self.home / "inventory/group_vars/all/weights.json").write_text(json.dumps(given))

    def fleet(self, **keys: t.Any) -> dict[str, t.Any]:
        """The fleet's file, with these keys written into it."""
        path = self.home / "fleet.json"
        state: dict[str, t.Any] = {**json.loads(path.read_text()), **keys}
        path.write_text(json.dumps(state))
        return state

    def weights(self) -> tuple[int, ...]:
        found = self.fleet()["weights_of"]
        return tuple(found[region] for region in REGIONS)


def dns_calls(done: Run) -> list[tuple[str, t.Any]]:
    """State and regions of every call that was no dry run."""
    return [
        (call["state"], call["regions"])
        for call in done.calls
        if call["module"] == "dns_weight" and call["state"] in CHANGES and not call["check"]
    ]


def order_of(done: Run, region: str) -> list[str]:
    """What was done to a region and to its weight, in its order: gates and shifts by their step."""
    told = []
    for call in done.calls:
        weight = call["module"] == "dns_weight" and call["regions"] == [region] and call["state"] != "status"
        mine = call["region"] == region and call["module"] in ("k8s_traffic", "k8s_rollout_gate", "k8s_revision")
        if (weight or mine) and not call["check"] and call["state"] not in ("read", "probed"):
            told.append(f"{call['module']} {call['state'] or ''} {call['step'] or ''}".strip())
    return told
