# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every inventory says which environment it is, and where the journal of the one before it lies."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

INVENTORIES = pathlib.Path(__file__).resolve().parents[3] / "inventories"
BEFORE: t.Final = {"development": [], "staging": ["development"], "production": ["staging"], "lab": []}


def fleet_variables(name: str) -> dict[str, t.Any]:
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(INVENTORIES / name)])
    (host,) = inventory.get_hosts("fleet")
    variables = VariableManager(loader=loader, inventory=inventory).get_vars(host=host)
    wanted = ("environment_name", "promotion_sources", "cluster_kubeconfig", "cluster_context", "cluster_namespace")
    return {key: Templar(loader=loader, variables=variables).template(variables[key]) for key in wanted}


@pytest.mark.parametrize("name", BEFORE)
def test_a_source_is_the_fleet_of_the_inventory_it_names(name: str) -> None:
    found = fleet_variables(name)
    assert found["environment_name"] == name
    assert list(found["promotion_sources"]) == BEFORE[name]
    for source, where in found["promotion_sources"].items():
        fleet = fleet_variables(source)
        assert where == {key: fleet[f"cluster_{key}"] for key in ("kubeconfig", "context", "namespace")}
