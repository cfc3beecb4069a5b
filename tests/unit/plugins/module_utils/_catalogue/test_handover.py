# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine of the catalogue: what its entry may say, its manifests, and what drain_trading is asked for."""

from __future__ import annotations

import copy
import typing as t

import hypothesis
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import handover, model
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.manifests import slot_manifests
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import (
    catalogue_problems,
    parse_catalogue,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.own_template import checked_manifests
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import options
from engine_samples import ENGINE, SERVICES
from hypothesis import strategies as st

Json = dict[str, t.Any]


def changed(remove: str = "", **entry: t.Any) -> Json:
    services = copy.deepcopy(SERVICES)
    services[ENGINE].update(entry)
    services[ENGINE].pop(remove, None)
    return services


def told(**given: t.Any) -> Json:
    return changed(handover={"gateways": ["core-api"], **given})


def test_a_sound_engine_has_no_problems_and_every_default() -> None:
    assert catalogue_problems(SERVICES, {"default": {}}) == []
    engine = parse_catalogue(SERVICES)[ENGINE]
    assert (engine.replicas, engine.steps, engine.workload, engine.pdb) == (
        1,
        (100,),
        "StatefulSet",
        {"max_unavailable": 0},
    )
    assert engine.handover == handover.Handover(gateways=("core-api",))


@pytest.mark.parametrize(
    ("services", "words"),
    [
        (changed(replicas=2), f"services.{ENGINE}.replicas: not for strategy drain"),
        (changed(hpa={"min": 1, "max": 2}), f"services.{ENGINE}.hpa: not for strategy drain"),
        (changed(steps=[100]), f"services.{ENGINE}.steps: not for strategy drain"),
        (changed(hostnames=["x"]), f"services.{ENGINE}.hostnames: not for strategy drain"),
        (changed(gateway="edge"), f"services.{ENGINE}.gateway: not for strategy drain"),
        (changed(rolling={"max_surge": 1}), f"services.{ENGINE}.rolling: not for strategy drain"),
        (changed(traffic="route"), f"services.{ENGINE}.traffic: not for strategy drain"),
        (changed(connections="x"), f"services.{ENGINE}.connections: not for strategy drain"),
        (changed("storage"), f"services.{ENGINE}.storage: missing"),
        (changed(storage="much"), f"services.{ENGINE}.storage: 'much' is no size"),
        (changed(env={"ENGINE_NAME": "me"}), f"services.{ENGINE}.env.ENGINE_NAME: the release sets it"),
        (changed(config={"DATA_DIR": "/x"}), f"services.{ENGINE}.config.DATA_DIR: the release sets it"),
        (changed(handover=["core-api"]), f"services.{ENGINE}.handover: use a mapping"),
        (changed("handover"), f"services.{ENGINE}.handover.gateways: without gateways nobody can judge I2 and I9"),
        (told(gateways=[], allow_unknown=["I2"]), "without gateways nobody can judge I9"),
        (told(gateways="core-api"), f"services.{ENGINE}.handover.gateways: use a list"),
        (told(gateways=["core-ap"]), "unknown service core-ap; did you mean core-api?"),
        (told(gateways=[ENGINE]), f"services.{ENGINE}.handover.gateways: {ENGINE} is the engine itself"),
        (told(gatewayport=1), f"services.{ENGINE}.handover.gatewayport: unknown option; did you mean gateway_port?"),
        (told(gateway_port=0), f"services.{ENGINE}.handover.gateway_port: 0 is not a number from 1 to 65535"),
        (told(max_lag=-1), f"services.{ENGINE}.handover.max_lag: -1 is not a number from 0."),
        (told(cut_deadline_s="soon"), f"services.{ENGINE}.handover.cut_deadline_s: 'soon' is not a number"),
        (told(contract="x"), f"services.{ENGINE}.handover.contract: use a mapping"),
        (told(tls={}), f"services.{ENGINE}.handover.tls: unknown option"),
        (told(allow_unknown=["I10"]), f"services.{ENGINE}.handover.allow_unknown: 'I10' is no invariant"),
        (told(announce_s=300), f"services.{ENGINE}.handover: deadline_s is 300 and the steps may take 555 s"),
    ],
)
def test_every_problem_names_its_option(services: Json, words: str) -> None:
    (problem,) = catalogue_problems(services, {"default": {}})
    assert words in problem


@pytest.mark.parametrize("option", ["storage", "storage_class", "handover"])
def test_what_only_an_engine_has_is_refused_elsewhere(option: str) -> None:
    services = copy.deepcopy(SERVICES)
    services["core-api"][option] = "1Gi"
    assert catalogue_problems(services) == [f"services.core-api.{option}: only for strategy drain."]


def test_numbers_given_as_text_are_numbers() -> None:
    engine = parse_catalogue(told(gateway_port="8081", cut_deadline_s="5"))[ENGINE]
    assert (engine.handover.gateway_port, engine.handover.cut_deadline_s) == (8081, 5.0)


def test_the_times_of_the_steps_are_those_of_the_module() -> None:
    spec = options.ARGUMENT_SPEC
    step_s = {name: spec["step_s"]["options"][name]["default"] for name in handover.STEP_S}
    assert step_s == handover.STEP_S
    assert set(spec["allow_unknown"]["choices"]) == set(handover.INVARIANTS)
    # Every option that a plan gives is one of the module.
    engine = parse_catalogue(SERVICES)[ENGINE]
    given = handover.handover_options(engine.handover, ENGINE, engine.port, model.SLOTS, "upgrade to v2")
    assert set(given) <= set(spec)
    assert {"pod", "port"} <= set(spec["engine"]["options"])
    assert {"selector", "port"} == set(spec["gateway_pods"]["options"])


def rendered(slot: str, **entry: t.Any) -> dict[str, Json]:
    service = parse_catalogue(changed(**entry))[ENGINE]
    return {obj["kind"]: obj for obj in slot_manifests(service, slot, "v2", "us-east-1", "exchange")}


def test_an_engine_is_one_pod_with_a_volume_and_a_record() -> None:
    found = rendered("blue", storage_class="local", storage="20Gi", config={"PAIRS": "BTC-USD"})
    assert list(found) == ["ServiceAccount", "Service", "StatefulSet", "PodDisruptionBudget", "ConfigMap"]
    assert found["ServiceAccount"]["automountServiceAccountToken"] is True
    spec = found["StatefulSet"]["spec"]
    assert "replicas" not in spec
    assert (spec["serviceName"], spec["updateStrategy"]) == (f"{ENGINE}-blue", {"type": "OnDelete"})
    assert set(spec["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["metadata"] == {"name": "data"}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "20Gi"}},
        "storageClassName": "local",
    }
    pod = spec["template"]["spec"]
    assert pod["automountServiceAccountToken"] is True
    (container,) = pod["containers"]
    assert {"name": "data", "mountPath": "/data"} in container["volumeMounts"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert (
        env.items()
        >= {
            "ENGINE_NAME": f"{ENGINE}-blue",
            "ENGINE_PEER": f"{ENGINE}-green",
            "EPOCH_RECORD": f"configmap:{ENGINE}-epoch",
            "DATA_DIR": "/data",
            "PINCEX_VERSION": "v2",
            "PINCEX_SLOT": "blue",
        }.items()
    )
    assert found["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 0


def test_no_class_of_storage_is_the_cluster_s_own() -> None:
    (claim,) = rendered("green")["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert "storageClassName" not in claim["spec"]


@pytest.mark.parametrize(
    ("workload", "kind", "words"),
    [
        ("StatefulSet", "Deployment", "renders Deployment matching-engine-blue (apps/v1), which no revision records"),
        ("Deployment", "StatefulSet", "renders StatefulSet matching-engine-blue (apps/v1), which no revision records"),
    ],
)
def test_a_template_of_its_own_brings_the_workload_of_its_strategy(workload: str, kind: str, words: str) -> None:
    mine = {slot: list(rendered(slot).values()) for slot in model.SLOTS}
    assert checked_manifests(ENGINE, "v2", mine, "StatefulSet") == mine
    for objects in mine.values():
        objects[2]["kind"] = kind
    with pytest.raises(ValueError, match="the template of") as refused:
        checked_manifests(ENGINE, "v2", mine, workload)
    assert words in str(refused.value)


#: Changes of a journal that have nothing to do with an engine.
OTHERS = st.sampled_from(["apply", "set", "delete", "weights"])
ENTRIES = st.lists(st.lists(OTHERS, max_size=3), max_size=4)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(ENTRIES, st.booleans(), st.booleans(), st.integers(0, 4))
def test_engines_are_asked_on_the_way_back_when_and_only_when_there_is_a_handover(
    operations: list[list[str]], planned: bool, begun: bool, place: int
) -> None:
    entries: list[Json] = [{"changes": [{"op": operation} for operation in one]} for one in operations]
    if begun:
        entries.insert(min(place, len(entries)), {"changes": [{"op": "drain"}]})
    plan: Json = {"steps": [{"name": "core-api 100 %"}, *([{"name": "x", "handover": {}}] if planned else [])]}
    assert handover.holds_handover(plan, entries) is (planned or begun)
    # A recovery has no plan.
    assert handover.holds_handover({}, entries) is begun
