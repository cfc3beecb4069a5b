# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A collection whose cluster modules are stand-ins, and an inventory of regions that are files."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLUSTER_MODULES = ("k8s_revision", "k8s_traffic", "k8s_rollout_gate", "release_journal", "drain_trading")
REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1")


@dataclasses.dataclass(frozen=True)
class Run:
    code: int
    output: str
    calls: list[dict[str, t.Any]]
    regions: dict[str, t.Any]
    report: dict[str, t.Any] | None

    def verdicts(self) -> dict[str, str]:
        assert self.report is not None, self.output
        return {entry["region"]: entry["verdict"] for entry in self.report["regions"]}

    def versions(self) -> dict[str, str | None]:
        """What answers for core-api in every region."""
        found: dict[str, str | None] = {}
        for region, state in self.regions.items():
            weights = state["weights"].get("core-api")
            live = max(weights, key=weights.get) if weights else None
            labels = state["objects"][f"Deployment/core-api-{live}"]["metadata"]["labels"] if live else {}
            found[region] = labels.get("app.kubernetes.io/version")
        return found

    def way_back(self, *regions: str) -> list[tuple[str, str, str]]:
        """Region, module and state of every call that took something back or wrote a decision, in their order."""
        return [
            (call["region"], call["module"], call["state"])
            for call in self.calls
            if call["state"] in ("restored", "decided") and call["region"] in regions
        ]


class Flow:
    """Runs a playbook of the collection over regions that are files."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home
        self._lay_out_collection()
        self._lay_out_inventory()

    def run(self, playbook: str, *args: str, faults: dict[str, t.Any] | None = None) -> Run:
        (self.home / "faults.json").write_text(json.dumps(faults or {}))
        (self.home / "calls.jsonl").write_text("")
        reports = self.home / "reports"
        known = set(reports.glob("*.json")) if reports.exists() else set()
        done = subprocess.run(
            [
                str(ROOT / ".venv/bin/ansible-playbook"),
                f"pincex.zero_downtime.{playbook}",
                "-i",
                str(self.home / "inventory"),
                *args,
            ],
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
                "ANSIBLE_COLLECTIONS_PATH": str(self.home / "collections"),
                "ANSIBLE_NOCOLOR": "1",
                # As the shipped ansible.cfg has it: what a user has to know is seen all the same.
                "ANSIBLE_DISPLAY_OK_HOSTS": "0",
                "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0",
                "ANSIBLE_LOCALHOST_WARNING": "0",
                "STAND_IN_HOME": str(self.home),
            },
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        new = sorted(set(reports.glob("*.json")) - known) if reports.exists() else []
        return Run(
            done.returncode,
            done.stdout + done.stderr,
            [json.loads(line) for line in (self.home / "calls.jsonl").read_text().splitlines()],
            {
                region: json.loads((self.home / f"{region}.json").read_text())
                for region in REGIONS
                if (self.home / f"{region}.json").exists()
            },
            json.loads(new[-1].read_text()) if new else None,
        )

    def _lay_out_collection(self) -> None:
        collection = self.home / "collections/ansible_collections/pincex/zero_downtime"
        (collection / "plugins/action").mkdir(parents=True)
        (collection / "plugins/modules").mkdir()
        for name in ("roles", "playbooks", "meta", "galaxy.yml"):
            (collection / name).symlink_to(ROOT / name)
        for name in ("filter", "test", "module_utils", "plugin_utils"):
            (collection / "plugins" / name).symlink_to(ROOT / "plugins" / name)
        for kind in ("action", "modules"):
            (collection / f"plugins/{kind}/release_report.py").symlink_to(ROOT / f"plugins/{kind}/release_report.py")
        for module in CLUSTER_MODULES:
            (collection / f"plugins/action/{module}.py").symlink_to(pathlib.Path(__file__).with_name("stand_in.py"))
            (collection / f"plugins/modules/{module}.py").write_text("# stands for the module of this name\n")

    def _lay_out_inventory(self) -> None:
        inventory = self.home / "inventory"
        (inventory / "group_vars/all").mkdir(parents=True)
        for name in ("services", "gate_profiles"):
            (inventory / f"group_vars/all/{name}.yml").symlink_to(ROOT / f"inventories/lab/group_vars/all/{name}.yml")
        settings = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "cluster_kubeconfig": "none",
            "cluster_context": "{{ inventory_hostname }}",
            "cluster_namespace": "exchange",
            "gateway_url": "http://gateway",
            "prometheus_url": "http://prometheus",
            "release_waves": [1, "100%"],
            "release_standby_s": 0,
            # The catalogue of the lab asks for it.
            "lab_flags": {},
        }
        (inventory / "group_vars/all/settings.json").write_text(json.dumps(settings))
        hosts = {
            "all": {
                "children": {
                    "regions": {"hosts": dict.fromkeys(REGIONS)},
                    "fleet": {"hosts": {"management": None}},
                }
            }
        }
        (inventory / "hosts.json").write_text(json.dumps(hosts))
