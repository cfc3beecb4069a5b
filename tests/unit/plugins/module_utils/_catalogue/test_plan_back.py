# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a way back."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import parse_catalogue
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan import service_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan_back import rollback_plan
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import referenced
from catalogue_samples import PROFILES, SERVICES, running

V1 = {"core-api": "v1", "reference-data": "v1"}
V2 = {"core-api": "v2", "reference-data": "v2"}
BLUE = {"core-api": "blue", "reference-data": "blue"}
GREEN = {"core-api": "green", "reference-data": "green"}
CATALOGUE = parse_catalogue(SERVICES)


def test_back_in_one_step_on_readiness_only_dependents_first() -> None:
    plan, problems = rollback_plan(CATALOGUE, running(SERVICES, V1, BLUE), running(SERVICES, V2, GREEN), PROFILES)
    assert problems == []
    assert [step["name"] for step in plan["prepare"]] == ["prepare core-api, reference-data"]
    assert [step["name"] for step in plan["steps"]] == ["core-api, reference-data 100 %"]
    assert [route["name"] for route in plan["steps"][0]["routes"]] == ["core-api", "reference-data"]
    assert plan["bake"] == []
    for step in plan["prepare"] + plan["steps"]:
        assert step["gate"]["metrics"] == []
    assert plan["services"]["core-api"]["version"] == "v1"


def test_what_runs_already_stays() -> None:
    now = running(SERVICES, V1, BLUE)
    plan, _ = rollback_plan(CATALOGUE, copy.deepcopy(now), now, PROFILES)
    assert plan["changes"] is False


def test_never_below_the_live_count() -> None:
    then, now = running(SERVICES, V1, BLUE, replicas=2), running(SERVICES, V2, GREEN, replicas=9)
    plan, _ = rollback_plan(CATALOGUE, then, now, PROFILES)
    assert plan["services"]["core-api"]["count"] == 9


def test_the_manifests_of_then_come_back_in_the_slot_that_is_free_now() -> None:
    """Revision 1 ran in blue; what is live now is blue as well, so v1 has to come up in green."""
    plan, _ = rollback_plan(CATALOGUE, running(SERVICES, V1, BLUE), running(SERVICES, V2, BLUE), PROFILES)
    objects = [obj for obj in plan["prepare"][0]["objects"] if service_of(obj) == "core-api"]
    deployment = next(obj for obj in objects if obj["kind"] == "Deployment")
    assert deployment["metadata"]["name"] == "core-api-green"
    assert deployment["spec"]["selector"]["matchLabels"]["pincex.io/slot"] == "green"
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["image"].endswith(":v1")
    assert {"name": "PINCEX_SLOT", "value": "green"} in container["env"]
    hpa = next(obj for obj in objects if obj["kind"] == "HorizontalPodAutoscaler")
    assert hpa["spec"]["scaleTargetRef"]["name"] == "core-api-green"
    assert "blue" not in str(objects)


def test_the_configuration_of_then_comes_back_as_it_was_and_no_other() -> None:
    def services(upstream: str) -> dict[str, t.Any]:
        return {**SERVICES, "core-api": {**SERVICES["core-api"], "config": {"UPSTREAM": upstream}}}

    # A value that looks like the name of a slot is no name of one.
    then, now = running(services("core-api-blue"), V1, BLUE), running(services("b"), V2, BLUE)
    config = next(obj for obj in then["objects"] if obj["kind"] == "ConfigMap")
    then["objects"] += [obj for obj in now["objects"] if obj["kind"] == "ConfigMap"]
    plan, _ = rollback_plan(CATALOGUE, then, now, PROFILES)
    objects = [obj for obj in plan["prepare"][0]["objects"] if service_of(obj) == "core-api"]
    assert [obj for obj in objects if obj["kind"] == "ConfigMap"] == [config]
    assert referenced(objects, "ConfigMap") == {config["metadata"]["name"]}


def test_a_service_that_left_the_catalogue_comes_back_too() -> None:
    services = {"reference-data": SERVICES["reference-data"]}
    plan, _ = rollback_plan(
        parse_catalogue(services), running(SERVICES, V1, BLUE), running(SERVICES, V2, GREEN), PROFILES
    )
    assert set(plan["services"]) == {"core-api", "reference-data"}
