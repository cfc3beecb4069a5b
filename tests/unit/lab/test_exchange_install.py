# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab installs is what the first release finds: the same objects as the catalogue makes of its entry."""

from __future__ import annotations

import copy
import json
import pathlib
import typing as t

import ansible.template
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.manifests import slot_manifests
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import (
    catalogue_problems,
    parse_catalogue,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import FIELD_MANAGER

from lab import exchange_install
from lab.exchange.settings import read_settings
from lab.exchange_install import NAMESPACE, RELEASES, install, manifests
from lab.kube import MANAGER, Object
from lab.model import plan_lab

SITE = plan_lab("scratch", 1).regions[0]
INVENTORIES = pathlib.Path(__file__).resolve().parents[3] / "inventories"


def catalogue(*, engine: bool) -> t.Any:
    """The services of the lab as a play sees them, with the engine or without."""
    loader = DataLoader()
    # ansible-core before 2.19 trusts every text.
    trust = getattr(ansible.template, "trust_as_template", str)
    variables = {"gateway_url": "http://198.18.33.2", "lab_flags": {}}
    for path in ("lab/group_vars/all/services.yml", "lab-engine.yml")[: 1 + engine]:
        variables |= loader.load(trust((INVENTORIES / path).read_text()))
    return Templar(loader=loader, variables=variables).template(variables["services"])


def of_lab() -> dict[tuple[str, str], Object]:
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in manifests(SITE)}


def by_lab(objects: list[Object]) -> t.Any:
    """With the lab's name in the label managed-by: what a release has made may be wiped, this may not."""
    return json.loads(json.dumps(objects).replace(f'managed-by": "{FIELD_MANAGER}"', f'managed-by": "{MANAGER}"'))


def test_slot_blue_is_what_a_release_would_make() -> None:
    service = parse_catalogue(catalogue(engine=True))["matching-engine"]
    ours = of_lab()
    for obj in by_lab(slot_manifests(service, "blue", "v1", SITE.name, NAMESPACE)):
        assert ours[(obj["kind"], obj["metadata"]["name"])] == obj
    green = by_lab(slot_manifests(service, "green", "v1", SITE.name, NAMESPACE))
    (address,) = (obj for obj in green if obj["kind"] == "Service")
    assert ours[("Service", "matching-engine-green")] == address
    assert RELEASES == FIELD_MANAGER


def test_the_engine_is_restarted_by_nobody_and_keeps_its_journal() -> None:
    engine = of_lab()[("StatefulSet", "matching-engine-blue")]["spec"]
    (container,) = engine["template"]["spec"]["containers"]
    assert engine["updateStrategy"] == {"type": "OnDelete"}
    assert "replicas" not in engine
    (claim,) = engine["volumeClaimTemplates"]
    (where,) = (item["value"] for item in container["env"] if item["name"] == "DATA_DIR")
    assert {"name": claim["metadata"]["name"], "mountPath": where} in container["volumeMounts"]
    service = of_lab()[("Service", "matching-engine-blue")]["spec"]
    assert service["selector"].items() <= engine["template"]["metadata"]["labels"].items()
    # Gateways and engines find it by the variables of the Services, so both have to be there before the pods.
    kinds = [obj["kind"] for obj in manifests(SITE)]
    assert kinds[0] == "Namespace"
    assert kinds.count("Service") == 2
    assert kinds[-1] == "StatefulSet"


def test_the_catalogue_with_the_engine_has_no_problem_and_changes_nothing_else() -> None:
    whole, usual = catalogue(engine=True), catalogue(engine=False)
    assert catalogue_problems(whole) == []
    assert whole.keys() == {*usual, "matching-engine"}
    whole["core-api"] = {**whole["core-api"], "depends_on": ["reference-data"]}
    assert {name: whole[name] for name in usual} == usual


def test_the_engine_understands_what_it_is_told() -> None:
    (container,) = of_lab()[("StatefulSet", "matching-engine-blue")]["spec"]["template"]["spec"]["containers"]
    env = {item["name"]: item["value"] for item in container["env"]}
    settings = read_settings({**env, "MATCHING_ENGINE_GREEN_SERVICE_HOST": "10.98.1.9"})
    assert (settings.service, settings.engine_name, settings.engine_peer, settings.peer_url) == (
        "matching-engine",
        "matching-engine-blue",
        "matching-engine-green",
        "http://10.98.1.9:8080",
    )
    assert settings.epoch_record == f"configmap:{exchange_install.RECORD}"
    (_, rule) = of_lab()[("Role", "matching-engine")]["rules"]
    assert rule["resourceNames"] == [exchange_install.RECORD]


def test_a_gateway_knows_both_engines_and_holds_longer_than_a_cut_lasts() -> None:
    engine = parse_catalogue(catalogue(engine=True))["matching-engine"]
    env = dict(parse_catalogue(catalogue(engine=False))["core-api"].env)
    for slot, address in (("BLUE", "10.98.1.8"), ("GREEN", "10.98.1.9")):
        # As Kubernetes does it.
        env["ENGINE_URLS"] = env["ENGINE_URLS"].replace(f"$(MATCHING_ENGINE_{slot}_SERVICE_HOST)", address)
    settings = read_settings(env, "core-api")
    assert settings.engine_urls == ("http://10.98.1.8:8080", "http://10.98.1.9:8080")
    assert engine.handover.cut_deadline_s < settings.hold_s < 15


class World:
    """An API server of dictionaries, on which every StatefulSet is ready at once and writes the record."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.applied: list[tuple[str, str, str]] = []

    def get(self, _api_version: str, kind: str, name: str, _namespace: str | None = None) -> Object | None:
        return self.objects.get((kind, name))

    def list(self, _api_version: str, kind: str, _namespace: str, labels: str) -> list[Object]:
        name, _, value = labels.partition("=")
        found = [obj for (of_kind, _), obj in self.objects.items() if of_kind == kind]
        return [obj for obj in found if obj["metadata"]["labels"][name] == value]

    def apply(self, obj: Object, manager: str) -> None:
        name = obj["metadata"]["name"]
        self.applied.append((manager, obj["kind"], name))
        self.objects[(obj["kind"], name)] = {**copy.deepcopy(obj), "status": {"readyReplicas": 1}}
        if obj["kind"] == "StatefulSet":
            self.lead(name)

    def lead(self, name: str) -> None:
        self.objects[("ConfigMap", exchange_install.RECORD)] = {
            "data": {"record": f'{{"epoch": 1, "owner": "{name}"}}'}
        }

    def wait(self, what: str, check: t.Callable[[], bool], _timeout_s: float) -> None:
        assert check(), what


def test_installed_once_and_never_changed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(exchange_install, "Kube", lambda _kubeconfig: world)
    install(SITE)
    managers = {(kind, name): manager for manager, kind, name in world.applied}
    assert managers[("Namespace", "exchange")] == managers[("Role", "matching-engine")] == MANAGER
    assert managers[("Service", "maintenance")] == managers[("Deployment", "maintenance")] == MANAGER
    # After the engine, which everybody waits for.
    assert [kind for _manager, kind, _name in world.applied][-3:] == ["StatefulSet", "Service", "Deployment"]
    assert (
        managers[("StatefulSet", "matching-engine-blue")] == managers[("Service", "matching-engine-green")] == RELEASES
    )
    world.applied.clear()
    install(SITE)
    assert world.applied == []
    # A release has moved the engine to the other slot, and somebody has removed the old one.
    world.objects[("StatefulSet", "matching-engine-green")] = world.objects.pop(("StatefulSet", "matching-engine-blue"))
    world.lead("matching-engine-green")
    install(SITE)
    assert world.applied == []


def test_an_engine_that_does_not_lead_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(exchange_install, "Kube", lambda _kubeconfig: world)
    install(SITE)
    world.lead("matching-engine-green")
    with pytest.raises(AssertionError, match="us-east-1: matching-engine leads"):
        install(SITE)
    del world.objects[("ConfigMap", exchange_install.RECORD)]
    with pytest.raises(AssertionError, match="leads"):
        install(SITE)
