# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples are complete: every inventory passes the same checks that a release makes of it."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.vars.manager import VariableManager
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import parse_catalogue
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import request_problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.tiers import tiers_of

INVENTORIES = pathlib.Path(__file__).resolve().parents[3] / "inventories"
NAMES = ("development", "staging", "production", "lab")


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    """What Ansible's own programs do first; without it no inventory plugin has a name."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(INVENTORIES.parent / ".venv" / "collections")])


def variables_of(name: str) -> dict[str, dict[str, t.Any]]:
    """Every region's variables, filled in as a play would see them."""
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(INVENTORIES / name)])
    manager = VariableManager(loader=loader, inventory=inventory)
    found = {}
    for host in inventory.get_hosts("regions"):
        variables = manager.get_vars(host=host)
        # A play knows these two.
        variables |= {"ansible_playbook_python": "python3", "groups": inventory.get_groups_dict()}
        found[host.name] = {
            key: Templar(loader=loader, variables=variables).template(variables[key])
            for key in ("services", "gate_profiles", "release_waves", "cluster_context", "cluster_namespace", "groups")
        }
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_inventory_is_complete(name: str) -> None:
    regions = variables_of(name)
    assert regions
    contexts = {variables["cluster_context"] for variables in regions.values()}
    assert len(contexts) == len(regions), "every region has a context of its own"
    for variables in regions.values():
        request = {
            "kind": "deploy",
            "services": variables["services"],
            "gate_profiles": variables["gate_profiles"],
            "version": "v2",
            "waves": variables["release_waves"],
            "forks": 5,
            "hosts": list(regions),
            "groups": list(variables["groups"]),
            "regions": list(regions),
            "fleet": variables["groups"]["fleet"],
        }
        assert request_problems(request) == []
        catalogue = parse_catalogue(variables["services"])
        assert tiers_of({name: service.depends_on for name, service in catalogue.items()})[0] == ["reference-data"]


def test_production_keeps_the_rules_of_the_trade() -> None:
    """More than 5 % errors for two minutes; latency judged over five."""
    profile = next(iter(variables_of("production").values()))["gate_profiles"]["default"]
    rules = {metric["name"]: (metric["max"], metric["for_s"]) for metric in profile["metrics"]}
    assert rules["error rate"] == (0.05, 120)
    assert rules["p99 latency"][1] == 300
    assert profile["step_s"] >= max(window for _limit, window in rules.values())
