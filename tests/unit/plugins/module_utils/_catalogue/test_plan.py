# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a release in one region."""

from __future__ import annotations

import copy
import typing as t

from catalogue_samples import PROFILES, SERVICES, empty_region, plan_for, running
from hypothesis import given, settings
from hypothesis import strategies as st

V1 = {"core-api": "v1", "reference-data": "v1"}
V2 = {"core-api": "v2", "reference-data": "v2"}
BLUE = {"core-api": "blue", "reference-data": "blue"}


def field(fields: list[dict[str, t.Any]], name: str, path: str) -> t.Any:
    return [entry["value"] for entry in fields if (entry["name"], entry["path"]) == (name, path)]


def test_the_same_version_is_nothing_to_do() -> None:
    plan, problems = plan_for(SERVICES, V1, running(SERVICES, V1, BLUE))
    assert problems == []
    assert plan["changes"] is False
    assert plan["prepare"] == plan["steps"] == plan["bake"] == []
    assert plan["finish"]["fields"] == []


def test_the_same_version_with_other_manifests_is_a_release() -> None:
    changed = copy.deepcopy(SERVICES)
    changed["core-api"]["env"] = {"FEATURE": "on"}
    plan, _ = plan_for(changed, V1, running(SERVICES, V1, BLUE))
    assert list(plan["services"]) == ["core-api"]


def test_every_tier_is_up_before_any_traffic_moves() -> None:
    plan, _ = plan_for(SERVICES, V2, running(SERVICES, V1, BLUE))
    assert [step["name"] for step in plan["prepare"]] == ["prepare reference-data", "prepare core-api"]
    assert all(step["routes"] == [] for step in plan["prepare"])
    assert [step["name"] for step in plan["steps"]] == [
        "reference-data 100 %",
        "core-api 10 %",
        "core-api 25 %",
        "core-api 50 %",
        "core-api 100 %",
    ]


def test_the_idle_slot_comes_up_at_the_live_scale_and_no_hpa_scales_down() -> None:
    plan, _ = plan_for(SERVICES, V2, running(SERVICES, V1, BLUE, replicas=7))
    step = plan["prepare"][1]
    assert field(step["fields"], "core-api-green", "spec.replicas") == [7]
    assert field(step["fields"], "core-api-blue", "spec.minReplicas") == [7]
    assert field(step["fields"], "core-api-blue", "spec.maxReplicas") == [7]
    assert field(step["fields"], "core-api-blue", "spec.behavior.scaleDown.selectPolicy") == ["Disabled"]
    hpa = next(obj for obj in step["objects"] if obj["kind"] == "HorizontalPodAutoscaler")
    assert hpa["spec"]["minReplicas"] == hpa["spec"]["maxReplicas"] == 7
    assert hpa["spec"]["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"
    assert step["gate"]["workloads"] == [
        {"kind": "Deployment", "name": "core-api-green", "min_ready": 7, "service": "core-api"}
    ]


def test_every_shift_asks_for_the_scale_of_the_live_slot_again() -> None:
    plan, _ = plan_for(SERVICES, V2, running(SERVICES, V1, BLUE, replicas=7))
    up = next(entry for entry in plan["prepare"][1]["fields"] if entry["name"] == "core-api-green")
    assert (up["value"], up["at_least"]) == (7, "core-api-blue")
    shifts = [step for step in plan["steps"] if step["routes"][0]["name"] == "core-api"]
    assert [step["scale"] for step in shifts] == [[up]] * 4
    # Nobody has traffic yet that a first release could follow.
    first, _ = plan_for(SERVICES, V1, empty_region())
    assert not [entry for step in first["prepare"] for entry in step["fields"] if "at_least" in entry]


def test_the_end_frees_what_is_live_and_leaves_the_old_slots_warm() -> None:
    plan, _ = plan_for(SERVICES, V2, running(SERVICES, V1, BLUE, replicas=7))
    fields, standby = plan["finish"]["fields"], plan["finish"]["standby"]
    for ends, slot in ((fields, "green"), (standby, "blue")):
        assert field(ends, f"core-api-{slot}", "spec.minReplicas") == [2]
        assert field(ends, f"core-api-{slot}", "spec.maxReplicas") == [4]
        assert field(ends, f"core-api-{slot}", "spec.behavior.scaleDown.selectPolicy") == ["Max"]
    assert not [entry for entry in fields if entry["name"].endswith("-blue")]
    assert field(standby, "core-api-blue", "spec.replicas") == [0]
    assert field(standby, "core-api-green", "spec.replicas") == []
    assert sorted(plan["finish"]["services"]) == sorted(V2)


def test_a_step_asks_for_capacity_and_can_trip_back() -> None:
    plan, _ = plan_for(SERVICES, V2, running(SERVICES, V1, BLUE, replicas=7))
    quarter = plan["steps"][2]
    assert quarter["routes"][0]["weights"] == {"green": 25, "blue": 75}
    assert quarter["routes"][0]["min_ready"] == 2
    assert quarter["gate"]["trip"] == [
        {
            "service": "core-api",
            "route": "core-api",
            "kind": "HTTPRoute",
            "weights": {"blue": 100, "green": 0},
            "depends_on": ["reference-data"],
        }
    ]
    assert quarter["gate"]["traffic"] is True
    assert quarter["gate"]["metrics"][0]["query"] == 'rate(x{service="core-api",slot="green"}[5s])'
    assert quarter["gate"]["metrics"][0]["name"] == "core-api error rate"
    assert quarter["gate"]["metrics"][0]["service"] == "core-api"


def test_a_first_release_has_its_route_before_the_next_tier_and_no_way_back_to_trip() -> None:
    plan, _ = plan_for(SERVICES, V1, empty_region())
    assert plan["steps"] == []
    assert [step["routes"][0]["weights"] for step in plan["prepare"]] == [{"blue": 100, "green": 0}] * 2
    assert all(step["gate"]["metrics"] == step["gate"]["trip"] == [] for step in plan["prepare"])
    services = [obj["metadata"]["name"] for obj in plan["prepare"][0]["objects"] if obj["kind"] == "Service"]
    assert services == ["reference-data-blue", "reference-data-green"]
    assert [entry["path"] for entry in plan["finish"]["fields"] if entry["kind"] == "Deployment"] == []


def test_a_rolling_service_changes_in_place() -> None:
    services = copy.deepcopy(SERVICES)
    services["reference-data"]["strategy"] = "rolling"
    plan, _ = plan_for(services, {"reference-data": "v2"}, running(services, V1, BLUE))
    assert plan["prepare"] == []
    step = plan["steps"][0]
    assert step["name"] == "reference-data in place"
    assert step["allow_live"] is True
    assert {obj["metadata"]["name"] for obj in step["objects"]} >= {"reference-data-blue"}
    assert step["routes"] == []
    assert step["gate"]["trip"] == []
    assert plan["finish"]["fields"] == []


def test_services_of_a_tier_move_together_and_each_goes_back_to_its_own_slot() -> None:
    services = copy.deepcopy(SERVICES)
    services["core-api"]["depends_on"] = []
    before = running(services, V1, {"core-api": "green", "reference-data": "blue"})
    plan, _ = plan_for(services, V2, before)
    assert [step["name"] for step in plan["bake"]] == ["bake"]
    assert {route["name"] for route in plan["steps"][0]["routes"]} == {"core-api", "reference-data"}
    for step in plan["steps"] + plan["bake"]:
        back = {entry["service"]: entry["weights"] for entry in step["gate"]["trip"]}
        assert back == {"core-api": {"green": 100, "blue": 0}, "reference-data": {"blue": 100, "green": 0}}


def test_only_the_bake_asks_for_its_number_of_requests() -> None:
    counter = {"name": "errors", "requests": "r", "failures": "f", "healthy_below": 0.01, "min_requests": 100}
    profile = {**PROFILES["default"], "counters": [counter], "bake_requests": 2000}
    plan, _ = plan_for(SERVICES, V2, running(SERVICES, V1, BLUE), {"default": profile})
    steps = {check["min_requests"] for step in plan["steps"] for check in step["gate"]["counters"]}
    bake = {check["min_requests"] for step in plan["bake"] for check in step["gate"]["counters"]}
    assert (steps, bake) == ({100}, {2000})


def test_the_bake_knows_who_depends_on_whom() -> None:
    plan, _ = plan_for(SERVICES, V2, running(SERVICES, V1, BLUE))
    assert {entry["service"]: entry["depends_on"] for entry in plan["bake"][0]["gate"]["trip"]} == {
        "reference-data": [],
        "core-api": ["reference-data"],
    }


def test_a_service_goes_back_with_what_it_needs_through_one_that_stays() -> None:
    services = copy.deepcopy(SERVICES)
    services["web"] = {**copy.deepcopy(services["core-api"]), "depends_on": ["core-api"]}
    versions = {"core-api": "v1", "reference-data": "v1", "web": "v1"}
    before = running(services, versions, {**BLUE, "web": "blue"})
    plan, _ = plan_for(services, {**versions, "reference-data": "v2", "web": "v2"}, before)
    assert {entry["service"]: entry["depends_on"] for entry in plan["bake"][0]["gate"]["trip"]} == {
        "reference-data": [],
        "web": ["core-api", "reference-data"],
    }


def test_a_split_route_is_refused() -> None:
    before = running(SERVICES, V1, BLUE)
    before["services"]["core-api"]["weights"] = {"blue": 60, "green": 40}
    _, problems = plan_for(SERVICES, V2, before)
    assert problems == [
        "us-east-1: the route core-api is split (60 % blue and 40 % green); give all traffic to one slot first."
    ]


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.integers(1, 99), unique=True, max_size=5).map(lambda found: [*sorted(found), 100]),
    live=st.sampled_from(["blue", "green"]),
    replicas=st.integers(1, 60),
)
def test_weights_rise_sum_to_100_and_never_outrun_capacity(steps: list[int], live: str, replicas: int) -> None:
    services = copy.deepcopy(SERVICES)
    services["core-api"]["steps"] = steps
    before = running(services, V1, {**BLUE, "core-api": live}, replicas=replicas)
    plan, _ = plan_for(services, V2, before)
    target = "green" if live == "blue" else "blue"
    count = plan["services"]["core-api"]["count"]
    assert count >= replicas
    seen = []
    for step in plan["steps"]:
        for route in step["routes"]:
            assert sum(route["weights"].values()) == 100
            if route["name"] == "core-api":
                seen.append(route["weights"][target])
                assert 1 <= route["min_ready"] <= count
                assert route["min_ready"] * 100 >= count * route["weights"][target]
    assert seen == steps
    # Nothing that is live is applied over, and nothing that is live is scaled down before the end.
    for step in plan["prepare"]:
        names = {obj["metadata"]["name"] for obj in step["objects"] if obj["kind"] == "Deployment"}
        assert f"core-api-{live}" not in names
        assert not [f for f in step["fields"] if f["path"] == "spec.replicas" and f["name"] == f"core-api-{live}"]
