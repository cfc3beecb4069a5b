# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests of a slot."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.manifests import digest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import referenced
from catalogue_samples import SERVICES, manifests

SLOT = manifests(SERVICES, {"core-api": "v2", "reference-data": "v2"})


def of_kind(service: str, slot: str, kind: str) -> dict[str, t.Any]:
    return next(obj for obj in SLOT[service][slot] if obj["kind"] == kind)


def test_a_slot_has_everything_it_needs() -> None:
    kinds = [obj["kind"] for obj in SLOT["core-api"]["blue"]]
    assert sorted(kinds) == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ]


def test_the_selector_takes_only_pods_of_its_own_slot() -> None:
    blue, green = of_kind("core-api", "blue", "Deployment"), of_kind("core-api", "green", "Deployment")
    assert of_kind("core-api", "blue", "Service")["spec"]["selector"] == blue["spec"]["selector"]["matchLabels"]
    assert blue["spec"]["selector"] != green["spec"]["selector"]
    labels = green["spec"]["template"]["metadata"]["labels"]
    assert green["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels["app.kubernetes.io/version"] == "v2"


def test_no_manifest_names_replicas() -> None:
    """The scale belongs to the release and to the HPA."""
    for service in SLOT.values():
        for objects in service.values():
            assert all("replicas" not in obj.get("spec", {}) for obj in objects)


def test_the_pod_is_restricted() -> None:
    pod = of_kind("core-api", "blue", "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    container = pod["containers"][0]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_three_probes_on_three_paths() -> None:
    container = of_kind("core-api", "blue", "Deployment")["spec"]["template"]["spec"]["containers"][0]
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {
        "startupProbe": "/health/startup",
        "readinessProbe": "/health/ready",
        "livenessProbe": "/health/live",
    }


def test_the_container_knows_who_it_is() -> None:
    container = of_kind("core-api", "green", "Deployment")["spec"]["template"]["spec"]["containers"][0]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert env["PINCEX_SERVICE"] == "core-api"
    assert env["PINCEX_SLOT"] == "green"
    assert env["PINCEX_VERSION"] == "v2"
    assert env["PINCEX_REGION"] == "us-east-1"
    assert env["CIRCUIT_BREAKER_FAILURE_THRESHOLD"] == "5"
    assert container["image"] == "registry.lab:5000/pincex/exchange:v2"


def test_the_hpa_scales_its_own_slot() -> None:
    spec = of_kind("core-api", "green", "HorizontalPodAutoscaler")["spec"]
    assert spec["scaleTargetRef"]["name"] == "core-api-green"
    assert [metric["resource"]["target"]["averageUtilization"] for metric in spec["metrics"]] == [70, 80]


def with_config(**config: t.Any) -> dict[str, list[dict[str, t.Any]]]:
    services = {**SERVICES, "core-api": {**SERVICES["core-api"], "config": config}}
    return manifests(services, {"core-api": "v2"})["core-api"]


def config_of(slot: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    return next(obj for obj in slot if obj["kind"] == "ConfigMap")


def test_configuration_is_named_by_its_content_and_shared_by_the_slots() -> None:
    slots = with_config(FEE_BPS=10, QUOTE="USD")
    blue = config_of(slots["blue"])
    assert blue == config_of(slots["green"])
    assert blue["immutable"] is True
    assert blue["data"] == {"FEE_BPS": "10", "QUOTE": "USD"}
    name, labels = blue["metadata"]["name"], blue["metadata"]["labels"]
    assert re.fullmatch("core-api-[0-9a-f]{10}", name)
    assert labels["app.kubernetes.io/name"] == "core-api"
    assert labels["pincex.io/config"] == name.removeprefix("core-api-")
    assert "pincex.io/slot" not in labels
    for slot in slots.values():
        assert referenced(slot, "ConfigMap") == {name}


def test_other_content_is_another_name_and_the_order_does_not_matter() -> None:
    names = [
        config_of(with_config(**config)["blue"])["metadata"]["name"]
        for config in ({"A": 1, "B": 2}, {"B": 2, "A": 1}, {"A": 1, "B": 3}, {"A": 1})
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_another_configuration_is_a_release_and_none_changes_nothing() -> None:
    assert digest(with_config(A=1)["blue"]) != digest(with_config(A=2)["blue"])
    assert with_config()["blue"] == SLOT["core-api"]["blue"]
    assert all("envFrom" not in obj["spec"]["template"]["spec"]["containers"][0] for obj in deployments())


def deployments() -> list[dict[str, t.Any]]:
    return [of_kind("core-api", slot, "Deployment") for slot in ("blue", "green")]


def test_the_digest_says_whether_an_apply_would_change_something() -> None:
    again = manifests(SERVICES, {"core-api": "v2"})["core-api"]
    other = manifests(SERVICES, {"core-api": "v3"})["core-api"]
    assert digest(again["blue"]) == digest(SLOT["core-api"]["blue"])
    assert digest(other["blue"]) != digest(SLOT["core-api"]["blue"])
