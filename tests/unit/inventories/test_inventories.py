# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples are complete: every inventory passes the same checks that a release makes of it."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
import typing as t

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.flag_options import flag_problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.gates import checks_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import parse_catalogue
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.profiles import merged_profile
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import request_problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.tiers import tiers_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.windows import parse_windows
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.options import ARGUMENT_SPEC as WEIGHTS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.options import ARGUMENT_SPEC as FLAGS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.stores import open_stores
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.options import (
    ARGUMENT_SPEC,
    metric_checkers_of,
    provider_of,
    question_of,
)

from lab import flags as lab_flags
from lab import model as lab_model

INVENTORIES = pathlib.Path(__file__).resolve().parents[3] / "inventories"
PROFILES = INVENTORIES.parent / "plugins" / "plugin_utils" / "gate_profiles.yml"
NAMES = ("development", "staging", "production", "lab")


def variables_of(name: str, **more: str) -> dict[str, dict[str, t.Any]]:
    """Every region's variables, filled in as a play would see them that is given `more`."""
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(INVENTORIES / name)])
    manager = VariableManager(loader=loader, inventory=inventory)
    found = {}
    for host in inventory.get_hosts("regions"):
        variables = manager.get_vars(host=host)
        # A play knows these two.
        variables |= {"ansible_playbook_python": "python3", "groups": inventory.get_groups_dict(), **more}
        found[host.name] = {
            key: Templar(loader=loader, variables=variables).template(variables[key])
            for key in (
                "services",
                "gate_profiles",
                "release_waves",
                "release_windows",
                "release_confirm",
                "cluster_context",
                "cluster_namespace",
                "groups",
                "dns",
                "region_strategy",
                "dns_ramp_steps",
                "dns_ramp_hold_s",
                "flags",
                "release_flags",
            )
            if key in variables
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
            "windows": {region: own.get("release_windows", {}) for region, own in regions.items()},
            "release_confirm": variables.get("release_confirm", ""),
            "dns": variables.get("dns"),
            "strategies": {region: own.get("region_strategy", "stay") for region, own in regions.items()},
            "ramp_steps": variables.get("dns_ramp_steps"),
            "ramp_hold_s": variables.get("dns_ramp_hold_s"),
            "confirm": name if name == "production" else "",
            # A Tuesday, after the market of New York has closed.
            "now": dt.datetime(2026, 12, 1, 21, 30, tzinfo=dt.UTC).timestamp(),
        }
        assert request_problems(request) == []
        catalogue = parse_catalogue(variables["services"])
        assert tiers_of({name: service.depends_on for name, service in catalogue.items()})[0] == ["reference-data"]


def test_production_is_guarded() -> None:
    regions = variables_of("production")
    guards = {region: parse_windows(own["release_windows"]) for region, own in regions.items()}
    assert all(not problems for _windows, problems in guards.values())
    assert {window.name for window in guards["eu-west-1"][0]} == {"year-end", "weekend"}
    assert {window.name for window in guards["us-east-1"][0]} == {"year-end", "weekend", "New York session"}
    assert {own["release_confirm"] for own in regions.values()} == {"production"}


def test_production_takes_its_first_region_out_of_the_traffic() -> None:
    regions = variables_of("production")
    assert {region for region, own in regions.items() if own.get("region_strategy") == "evacuate"} == {"ap-southeast-1"}
    given = regions["us-east-1"]["dns"]
    # Its own option of the task: the module checks what the inventory says.
    full = ArgumentSpecValidator(WEIGHTS).validate({"state": "status", "context": "m", "namespace": "f", **given})
    assert full.error_messages == []


@pytest.mark.parametrize("name", ["staging", "production"])
def test_flags_lie_in_every_region(name: str) -> None:
    regions = variables_of(name)
    own = regions["us-east-1"]
    assert flag_problems({"kind": "deploy", "flags": own["flags"], "release_flags": own["release_flags"]}) == []
    task = {"action": "status", "context": "m", "namespace": "f", **own["flags"]}
    given = ArgumentSpecValidator(FLAGS).validate(task)
    assert given.error_messages == []
    open_stores(given.validated_parameters, SystemClock())
    maps = {store["name"]: store["configmap"] for store in own["flags"]["stores"] if "configmap" in store}
    assert {region: (one["context"], one["namespace"]) for region, one in maps.items()} == {
        region: (one["cluster_context"], one["cluster_namespace"]) for region, one in regions.items()
    }


def test_a_lab_keeps_its_flags_in_every_store(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the lab has written; `flag_set` checks what comes of it."""
    monkeypatch.setattr(lab_model, "ROOT", tmp_path)
    lab = lab_model.plan_lab("test")
    lab_flags.password_file(lab, lab_flags.WRITER).parent.mkdir(parents=True)
    lab_flags.password_file(lab, lab_flags.WRITER).touch()
    state = tmp_path / "state.json"
    regions = {site.name: {"gateway_url": "", "prometheus_url": ""} for site in lab.regions}
    for written, names in (
        ({}, []),
        (lab_flags.state(lab), ["redis", "us-east-1", "eu-west-1", "backup"]),
    ):
        state.write_text(json.dumps({"regions": regions, "flags": written}))
        found = variables_of("lab", lab_state_file=str(state))["us-east-1"]
        assert [store["name"] for store in found["flags"].get("stores", [])] == names
        assert found["services"]["core-api"]["env"].get("FLAGS_SYNC") == written.get("sync")
    own = {"action": "status", "context": "management", "namespace": "pincex-fleet", **found["flags"]}
    assert ArgumentSpecValidator(FLAGS).validate(own).error_messages == []


def test_production_keeps_the_rules_of_the_trade() -> None:
    """More than 5 % errors for two minutes, latency and its change over five, three failed health checks."""
    profiles = next(iter(variables_of("production").values()))["gate_profiles"]
    profile = profiles["default"]
    rules = {metric["name"]: metric for metric in profile["metrics"]}
    assert (rules["error rate"]["max"], rules["error rate"]["for_s"]) == (0.05, 120)
    latency = rules["p95 latency"]
    assert (latency["max"], latency["baseline"]["ratio"], latency["for_s"]) == (0.5, 1.5, 300)
    assert "count_over_time" in rules["pods that answer"]["query"]
    assert ">= 3" in rules["pods that answer"]["query"]
    deciding = [metric for metric in profile["metrics"] if metric.get("weight") != "warning"]
    assert profile["step_s"] >= max(metric.get("for_s", 0) for metric in deciding)
    book = {metric["name"]: metric for metric in profiles["order_book"]["metrics"]}
    assert (book["error rate"]["max"], book["circuit-breaker opens in 10 min"]["max"]) == (0.01, 3)


@pytest.mark.parametrize("profiles", [["critical"], ["warning"], ["order_book"], ["lab"], ["critical", "warning"]])
def test_a_profile_of_the_collection_is_a_question_the_gate_takes(profiles: list[str]) -> None:
    """Every check passes the gate's own argument spec, filled in as the plan does it."""
    profile = merged_profile(yaml.safe_load(PROFILES.read_text(encoding="utf-8")), profiles)
    names = {"service": "core-api", "slot": "green", "stable": "blue", "namespace": "exchange", "region": "us-east-1"}
    checks = checks_of(profile, names)
    options = {"context": "us-east-1", "namespace": "exchange", "prometheus": {"url": "http://127.0.0.1:9"}, **checks}
    given = ArgumentSpecValidator(ARGUMENT_SPEC).validate(options)
    assert given.error_messages == []
    params = given.validated_parameters
    question_of(params)
    assert len(metric_checkers_of(params, provider_of(params, SystemClock()), None)) == sum(map(len, checks.values()))


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(ValueError, match="critcal is not a gate profile of the collection \\(there are: critical, "):
        merged_profile(yaml.safe_load(PROFILES.read_text(encoding="utf-8")), ["critcal"])
