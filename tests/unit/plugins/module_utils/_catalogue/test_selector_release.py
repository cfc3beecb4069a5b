# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service with `traffic: selector`, from the catalogue through its plan to the objects of a region and back."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import SLOTS, parse_catalogue
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan import Situation, deploy_plan
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan_back import rollback_plan
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.trip import checked_trip
from catalogue_samples import PROFILES, manifests
from selector_world import BLUE, SERVICE, SelectorWorld
from slot_world import S, scale

Json = dict[str, t.Any]

SERVICES: t.Final[Json] = {
    S: {
        "image": "registry.lab:5000/pincex/exchange",
        "strategy": "blue_green",
        "traffic": "selector",
        "probe_url": "http://core-api.lab",
    }
}
PROBE: t.Final = {"url": "http://198.18.1.2"}


def good(result: Json) -> Json:
    assert not result.get("failed"), result["msg"]
    return result


def read(world: SelectorWorld) -> Json:
    return t.cast("Json", good(world.revision(state="read", services=[S]))["revision"])


def come_up(world: SelectorWorld, slot: str) -> None:
    """What kubelets do."""
    deployment = world.server.take(Ref("apps/v1", "Deployment", f"{S}-{slot}", "exchange"))
    world.server.change(Ref.of(deployment), "kubelet", status={"readyReplicas": deployment["spec"]["replicas"]})
    for number in range(2):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        pod = {"name": f"{S}-{slot}-{number}", "namespace": "exchange", "labels": labels}
        world.server.put({"apiVersion": "v1", "kind": "Pod", "metadata": pod, "status": {"ready": True}}, "kubelet")


def carry_out(world: SelectorWorld, plan: Json, release: t.Any = None) -> None:
    """What the role does with a plan, without its gates."""
    for step in plan["prepare"]:
        tried = {"objects": step["objects"], "fields": step["fields"]}
        good(world.revision(state="applied", services=[S], check_mode=True, release=release, **tried))
        good(world.revision(state="applied", release=release, **tried))
        come_up(world, plan["services"][S]["target"])
        for state, routes in (("shifted", step["routes"]), ("probed", step["probes"])):
            if routes:
                good(world.traffic(state=state, routes=routes, probe=PROBE, release=release))
    for step in plan["steps"]:
        good(world.traffic(state="shifted", routes=step["routes"], probe=PROBE, release=release))


def deploy(world: SelectorWorld, version: str, release: t.Any = None, services: Json = SERVICES) -> Json:
    situation = Situation(read(world), manifests(services, {S: version}), PROFILES)
    plan, problems = deploy_plan(parse_catalogue(services), {S: version}, situation)
    assert problems == []
    world.versions[plan["services"][S]["target"]] = version
    carry_out(world, plan, release)
    return plan


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SelectorWorld:
    """v1 was released here."""
    world = SelectorWorld(monkeypatch)
    deploy(world, "v1")
    return world


def test_a_first_release_makes_the_service(world: SelectorWorld) -> None:
    assert world.selected() == "blue"
    found = read(world)
    assert (found["services"][S]["live_slot"], found["services"][S]["weights"]) == ("blue", BLUE)
    # Once, although it is both a Service of core-api and what has the traffic.
    assert sorted(o["metadata"]["name"] for o in found["objects"] if o["kind"] == "Service") == [
        S,
        *(f"{S}-{slot}" for slot in SLOTS),
    ]


def test_the_next_release_moves_it_and_a_way_back_moves_it_back(world: SelectorWorld) -> None:
    _fleet, release = world.opened()
    before = world.server.take(SERVICE)["spec"]
    plan = deploy(world, "v2", release)
    assert (world.selected(), read(world)["services"][S]["live_slot"]) == ("green", "green")
    (entry,) = plan["steps"][0]["gate"]["trip"]
    assert checked_trip([entry])[0].kind == "Service"
    good(world.traffic(state="restored", release=release))
    good(world.revision(state="restored", release=release))
    assert world.server.take(SERVICE)["spec"] == before
    assert Ref("apps/v1", "Deployment", f"{S}-green", "exchange") not in world.server.stored


def test_the_slot_with_the_traffic_is_neither_scaled_down_nor_replaced(world: SelectorWorld) -> None:
    assert "has 100 % of the traffic" in world.revision(state="applied", fields=[scale("blue", 0)])["msg"]


ROUTED: t.Final = {S: {"image": "x", "strategy": "blue_green", "hostnames": ["core-api.lab"]}}


@pytest.mark.parametrize("catalogue", [{}, parse_catalogue(SERVICES), parse_catalogue(ROUTED)])
def test_a_rollback_leaves_the_service_to_k8s_traffic(world: SelectorWorld, catalogue: Json) -> None:
    """What is there counts: its entry may have left the catalogue, or be another by now."""
    recorded = read(world)
    deploy(world, "v2")
    plan, problems = rollback_plan(catalogue, recorded, read(world), PROFILES)
    assert problems == []
    assert S not in [obj["metadata"]["name"] for obj in plan["prepare"][0]["objects"] if obj["kind"] == "Service"]
    world.versions["blue"] = "v1"
    carry_out(world, plan)
    assert (world.selected(), read(world)["services"][S]["weights"]) == ("blue", BLUE)


def test_a_slot_that_stands_by_is_as_it_was_recorded(world: SelectorWorld) -> None:
    """Read from an API server, not made up: nothing that a release does to the slot it leaves is a difference."""
    services = {S: {**SERVICES[S], "hpa": {"min": 2, "max": 4}}}
    for version in ("v2", "v3"):
        recorded = read(world)
        plan = deploy(world, version, services=services)
        good(world.revision(state="applied", fields=plan["finish"]["fields"]))
    note = {"fields": plan["finish"]["standby"]}
    back, problems = rollback_plan(parse_catalogue(services), recorded, read(world), PROFILES, standby=note)
    assert problems == []
    good(world.traffic(state="shifted", routes=back["warm"]["routes"], probe=PROBE))
    (step,) = back["steps"]
    held = good(world.revision(state="applied", objects=step["objects"], fields=step["fields"]))
    assert held["objects"] == [
        {"object": f"HorizontalPodAutoscaler exchange/{S}-{plan['services'][S]['target']}", "change": "changed"}
    ]
    assert world.selected() == plan["services"][S]["source"]


def test_a_manifest_cannot_move_the_traffic(world: SelectorWorld) -> None:
    mine = world.server.take(SERVICE)
    done = world.revision(state="applied", objects=[mine])
    assert done["msg"] == "objects: the Service core-api selects a slot, so it belongs to k8s_traffic"


def test_another_way_of_traffic_than_the_catalogue_says_is_refused(world: SelectorWorld) -> None:
    services = copy.deepcopy(SERVICES)
    del services[S]["traffic"], services[S]["probe_url"]
    situation = Situation(read(world), manifests(services, {S: "v2"}), PROFILES)
    _plan, problems = deploy_plan(parse_catalogue(services), {S: "v2"}, situation)
    assert problems == [
        "us-east-1: Service core-api has the traffic, and the catalogue says traffic: route; move its users over by "
        "hand and remove it first, or say traffic: selector."
    ]
