# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Envoy Gateway is told, and what its parts are made of."""

from __future__ import annotations

import pytest

from lab import gateway, gateway_parts
from lab.binaries import MODULE
from lab.errors import LabError
from lab.kube import Object
from lab.model import plan_lab

SITE = plan_lab("test").regions[0]


def manifest(kind: str) -> Object:
    return next(obj for obj in gateway.manifests(SITE) if obj["kind"] == kind)


def test_everything_that_the_program_writes_lies_in_the_site() -> None:
    places = gateway.config(SITE)["provider"]["custom"]["infrastructure"]["host"]
    assert set(places) == {"configHome", "dataHome", "stateHome", "runtimeDir"}
    assert all(place.startswith(f"{SITE.home}/gateway/") for place in places.values())


def test_the_class_leads_to_the_controller_and_to_the_envoy_that_is_laid_there() -> None:
    spec = manifest("GatewayClass")["spec"]
    proxy = manifest("EnvoyProxy")
    assert spec["controllerName"] == gateway.config(SITE)["gateway"]["controllerName"]
    assert spec["parametersRef"]["name"] == proxy["metadata"]["name"]
    assert spec["parametersRef"]["namespace"] == proxy["metadata"]["namespace"]
    version = proxy["spec"]["provider"]["host"]["envoyVersion"]
    assert f"/data/envoy-versions/{version}/bin" in gateway._ENTER


def test_the_gateway_is_where_the_routes_look_for_it() -> None:
    found = manifest("Gateway")
    assert (found["metadata"]["namespace"], found["metadata"]["name"]) == ("exchange", "exchange")
    assert found["spec"]["listeners"] == [{"name": "http", "protocol": "HTTP", "port": 80}]
    assert found["spec"]["addresses"][0]["value"] == SITE.address


def test_only_requests_without_an_answer_are_sent_again() -> None:
    """A retry of answered errors would hide a bad version from the gate."""
    policy = gateway.retries()
    assert policy["spec"]["targetRefs"][0]["name"] == manifest("Gateway")["metadata"]["name"]
    triggers = set(policy["spec"]["retry"]["retryOn"]["triggers"])
    assert triggers == {"connect-failure", "refused-stream", "reset"}
    assert "httpStatusCodes" not in policy["spec"]["retry"]["retryOn"]


@pytest.mark.parametrize(
    ("present", "same"),
    [
        (None, False),
        ({"metadata": {}}, False),
        ({"metadata": {"annotations": {"bundle-version": "v1.6.0"}}}, False),
        ({"metadata": {"annotations": {"bundle-version": "v1.6.1", "of": "somebody"}}}, True),
    ],
)
def test_a_definition_is_applied_when_it_is_missing_or_of_another_version(present: Object | None, same: bool) -> None:
    wanted = {"metadata": {"annotations": {"bundle-version": "v1.6.1"}}}
    assert gateway._same(wanted, present) is same


def test_slim_takes_the_prose_and_leaves_a_property_of_that_name() -> None:
    schema = {
        "description": "prose",
        "properties": {"description": {"type": "string", "description": "prose"}},
        "anyOf": [{"description": "prose", "type": "integer"}],
    }
    assert gateway_parts.slim(schema) == {
        "properties": {"description": {"type": "string"}},
        "anyOf": [{"type": "integer"}],
    }


def test_versions_come_from_the_go_module_of_the_programs() -> None:
    go_mod = "require (\n\tsigs.k8s.io/gateway-api-inference v9\n\tsigs.k8s.io/gateway-api v1.6.1 // indirect\n)\n"
    assert gateway_parts.module_version(go_mod, "sigs.k8s.io/gateway-api") == "v1.6.1"
    with pytest.raises(LabError, match=r"github\.com/envoyproxy/gateway"):
        gateway_parts.module_version(go_mod, "github.com/envoyproxy/gateway")


def test_the_modules_of_the_definitions_are_in_go_mod() -> None:
    text = (MODULE / "go.mod").read_text()
    assert all(gateway_parts.module_version(text, module).startswith("v") for module in gateway_parts.DEFINITIONS)


def test_documents_that_follow_each_other() -> None:
    assert list(gateway_parts._documents('{"a": 1}\n{"a": 2}\n')) == [{"a": 1}, {"a": 2}]


def test_a_gateway_without_its_envoy_is_stopped_so_that_the_next_up_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[str] = []
    monkeypatch.setattr(gateway, "answers", lambda address: False)
    monkeypatch.setattr(gateway.programs, "alive", lambda site, name: True)
    monkeypatch.setattr(gateway.programs, "tail", lambda site, name: "failed to run envoy")
    monkeypatch.setattr(gateway.programs, "stop", lambda site, name: stopped.append(name))
    with pytest.raises(LabError, match="starts it anew\nfailed to run envoy"):
        gateway.wait(SITE, 0)
    assert stopped == ["envoy-gateway"]


def test_a_region_has_a_shared_memory_of_its_own() -> None:
    """Envoys with one base id abort when they create the same region there at the same time."""
    assert '"$ROOT/dev/shm"' in gateway._ENTER
