# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service with a manifest template of its own: the example of the documentation, as the role renders it."""

from __future__ import annotations

import copy
import pathlib
import typing as t

import ansible.template
import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.pincex.zero_downtime.plugins.filter.own_template import FilterModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import SLOTS, parse_catalogue
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.own_template import checked_manifests
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan import Situation, deploy_plan
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_apply import checked_objects
from catalogue_samples import PROFILES, running

ROOT = pathlib.Path(__file__).resolve().parents[5]
EXAMPLE = ROOT / "docs/examples/service-template.yml.j2"
NAME = "fee-engine"
SERVICES: t.Final = {NAME: {"image": "registry.example.com/pincex/fee-engine", "template": "fee-engine.yml.j2"}}

Rendered = dict[str, list[t.Any]]


def rendered() -> Rendered:
    """What the role renders: with the variables of its task, and with the entry of the catalogue as it is written."""
    task = yaml.safe_load((ROOT / "roles/service/tasks/template.yml").read_text())[0]
    found: Rendered = {}
    for slot in SLOTS:
        given = {"service": {**SERVICES[NAME], "name": NAME}, "version": "v2", "region": "us-east-1"}
        assert {*given, "namespace"} == task["vars"]["service_given"].keys()
        variables = {**given, "namespace": "exchange", "slot": slot}
        text = Templar(loader=DataLoader(), variables=variables).template(_trusted(EXAMPLE.read_text()))
        # As the lookup `template` keeps it: a text, whatever it looks like.
        found[slot] = list(yaml.safe_load_all(str(text)))
    return found


def _trusted(text: str) -> str:
    # ansible-core before 2.19 trusts every text.
    trust = getattr(ansible.template, "trust_as_template", str)
    return t.cast("str", trust(text))


def test_the_example_makes_a_plan_that_shifts_to_its_slot() -> None:
    checked = checked_manifests(NAME, "v2", rendered())
    before = running(SERVICES, {NAME: "v1"}, {NAME: "blue"})
    plan, problems = deploy_plan(parse_catalogue(SERVICES), {NAME: "v2"}, Situation(before, {NAME: checked}, PROFILES))
    assert problems == []
    written = checked_objects([obj for step in plan["prepare"] for obj in step["objects"]], "exchange")
    assert {"Deployment", "PodDisruptionBudget", "Service"} == {obj["kind"] for obj in written}
    deployment = next(obj for obj in written if obj["kind"] == "Deployment")
    assert deployment["metadata"]["name"] == f"{NAME}-green"
    assert deployment["spec"]["template"]["spec"]["initContainers"][0]["args"][-1] == "us-east-1"
    assert plan["steps"][-1]["routes"][0]["weights"] == {"blue": 0, "green": 100}


@pytest.mark.parametrize(
    ("api_version", "kind"), [("networking.k8s.io/v1", "NetworkPolicy"), ("networking.k8s.io/v1", "Ingress")]
)
def test_what_no_revision_records_is_refused_by_one_sentence(api_version: str, kind: str) -> None:
    found = rendered()
    for slot in SLOTS:
        found[slot].append({"apiVersion": api_version, "kind": kind, "metadata": {"name": f"{NAME}-{slot}"}})
    with pytest.raises(AnsibleFilterError) as caught:
        FilterModule().filters()["own_manifests"](found, NAME, "v2")
    assert str(caught.value).startswith(
        f"services: the template of {NAME} renders {kind} {NAME}-blue ({api_version}), which no revision records and "
        "no rollback puts back; it may bring ServiceAccount (v1), "
    )


def _without(found: Rendered, kind: str, change: t.Callable[[dict[str, t.Any]], object]) -> Rendered:
    changed = copy.deepcopy(found)
    for obj in changed["green"]:
        if obj["kind"] == kind:
            change(obj)
    return changed


@pytest.mark.parametrize(
    ("kind", "change", "problem"),
    [
        ("Service", lambda obj: obj["metadata"].update(name="other"), "renders no Service fee-engine-green for slot"),
        (
            "Deployment",
            lambda obj: obj["metadata"].update(name=NAME),
            "renders no Deployment fee-engine-green for slot",
        ),
        (
            "Service",
            lambda obj: obj["metadata"]["labels"].pop("pincex.io/slot"),
            "renders Service fee-engine-green without the label pincex.io/slot: green",
        ),
        (
            "PodDisruptionBudget",
            lambda obj: obj["metadata"].pop("labels"),
            "renders PodDisruptionBudget fee-engine-green without the label app.kubernetes.io/name: fee-engine",
        ),
        (
            "Deployment",
            lambda obj: obj["metadata"]["labels"].update({"app.kubernetes.io/version": "v1"}),
            "renders Deployment fee-engine-green without the label app.kubernetes.io/version: v2",
        ),
        (
            "Deployment",
            lambda obj: obj["spec"]["template"]["metadata"]["labels"].pop("pincex.io/slot"),
            "renders Deployment fee-engine-green without the label pincex.io/slot: green in its pod template",
        ),
        (
            "Deployment",
            lambda obj: obj["spec"].update(replicas=2),
            "names spec.replicas of Deployment fee-engine-",
        ),
        ("Service", lambda obj: obj.pop("metadata"), "renders something that is no manifest"),
    ],
)
def test_what_is_not_of_the_slot_contract_is_refused(kind: str, change: t.Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^services: the template of fee-engine {problem}"):
        checked_manifests(NAME, "v2", _without(rendered(), kind, change))


def test_an_empty_document_is_no_manifest() -> None:
    found = rendered()
    assert checked_manifests(NAME, "v2", {slot: [None, *objects] for slot, objects in found.items()}) == found
