# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to do in a region for a version of a model."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model_plan import (
    deploy_model,
    promote_model,
    undone_slot,
)

Json = dict[str, t.Any]
PROFILES: t.Final[Json] = {"default": {"deadline_s": 60}}


def region(weights: Json | None, **versions: str) -> Json:
    slots = {slot: {"version": version, "replicas": 3, "ready_replicas": 3} for slot, version in versions.items()}
    live = max(weights, key=lambda slot: weights[slot]) if weights else None
    state = {"live_slot": live, "slots": slots, "weights": weights}
    return {"region": "us-east-1", "namespace": "exchange", "services": {"fraud": state}, "objects": []}


def asked(version: str = "v2", strategy: str = "shadow", **service: t.Any) -> Json:
    return {"model": "fraud", "version": version, "strategy": strategy, "service": {"image": "models", **service}}


def note(challenger: str = "v2", slot: str = "green", *, promoted: bool = False) -> Json:
    return {"challenger": challenger, "champion": "v1", "slot": slot, "promoted": promoted}


SERVED: t.Final = region({"blue": 100, "green": 0}, blue="v1")
HALF: t.Final = region({"blue": 20, "green": 80}, blue="v1", green="v2")
AFTER: t.Final = region({"blue": 0, "green": 100}, blue="v1", green="v2")


def test_a_challenger_comes_into_the_idle_slot_as_large_as_the_champion() -> None:
    found = deploy_model(SERVED, None, asked(replicas=2), PROFILES)
    assert (found["problems"], found["slot"], found["champion"], found["first"]) == ([], "green", "v1", False)
    scales = {field["name"]: field["value"] for field in found["prepare"]["fields"] if field["path"] == "spec.replicas"}
    assert scales == {"fraud-green": 3}
    names = [f"{obj['kind']}/{obj['metadata']['name']}" for obj in found["prepare"]["objects"]]
    assert "Deployment/fraud-green" in names and not any("blue" in name for name in names)
    assert found["prepare"]["gate"]["workloads"][0]["name"] == "fraud-green"
    assert found["prepare"]["gate"]["metrics"] == [], "a comparison judges it, and no gate"
    assert found["routes"] == []


def test_the_first_version_of_all_gets_the_route() -> None:
    nothing = region(None)
    assert (
        "bring the first version up by -e strategy=direct"
        in deploy_model(nothing, None, asked(), PROFILES)["problems"][0]
    )
    found = deploy_model(nothing, None, asked(strategy="direct", hostnames=["fraud.lab"]), PROFILES)
    assert (found["first"], found["slot"], found["champion"]) == (True, "blue", None)
    assert (found["routes"][0]["weights"], found["routes"][0]["hostnames"]) == (
        {"blue": 100, "green": 0},
        ["fraud.lab"],
    )


@pytest.mark.parametrize("found", [HALF, AFTER, SERVED])
def test_the_same_challenger_stays_in_its_slot_whatever_traffic_it_has(found: Json) -> None:
    made = deploy_model({**found, "services": HALF["services"]}, note(), asked(), PROFILES)
    assert (made["problems"], made["slot"], made["champion"]) == ([], "green", "v1")


def test_after_a_promotion_the_next_one_comes_where_the_old_champion_was() -> None:
    made = deploy_model(AFTER, note(promoted=True), asked("v3"), PROFILES)
    assert (made["slot"], made["champion"]) == ("blue", "v2")


@pytest.mark.parametrize(
    ("found", "noted", "version", "problem"),
    [
        (HALF, note(), "v3", "us-east-1: v2 is the challenger there and not done"),
        (SERVED, None, "v1", "version: v1 is what serves fraud in us-east-1 already."),
        (AFTER, note(promoted=True), "v2", "version: v2 is what serves fraud in us-east-1 already."),
        (HALF, None, "v3", "us-east-1"),
    ],
)
def test_what_cannot_be_deployed_is_told(found: Json, noted: Json | None, version: str, problem: str) -> None:
    problems = deploy_model(found, noted, asked(version), PROFILES)["problems"]
    assert len(problems) == 1 and problem in problems[0]


def test_a_promotion_brings_the_challenger_up_first_and_frees_it_last() -> None:
    hpa = {"min": 2, "max": 6}
    made = promote_model(HALF, note(), asked("", hpa=hpa), PROFILES)
    assert (made["problems"], made["slot"], made["version"], made["champion"]) == ([], "green", "v2", "v1")
    assert made["prepare"]["objects"] == [], "its pods are what was judged"
    assert {field["name"] for field in made["prepare"]["fields"]} == {"fraud-green"}
    assert {field["path"].split(".")[1] for field in made["finish"]} == {"minReplicas", "maxReplicas", "behavior"}


def test_a_challenger_that_has_grown_is_not_made_smaller() -> None:
    """Its HPA may follow the load while the champion's is held."""
    grown = region({"blue": 20, "green": 80}, blue="v1", green="v2")
    grown["services"]["fraud"]["slots"]["green"]["replicas"] = 5
    made = promote_model(grown, note(), asked("", hpa={"min": 2, "max": 6}), PROFILES)
    assert made["problems"] == []
    scales = {field["name"]: field["value"] for field in made["prepare"]["fields"] if field["path"] == "spec.replicas"}
    assert scales == {"fraud-green": 5}
    assert made["prepare"]["gate"]["workloads"][0]["min_ready"] == 3, "as many as the champion has are enough"


def hpa_of(slot: str) -> Json:
    held = {"minReplicas": 3, "maxReplicas": 6, "behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}
    return {"kind": "HorizontalPodAutoscaler", "metadata": {"name": f"fraud-{slot}"}, "spec": held}


def test_what_was_held_is_free_when_one_version_is_left() -> None:
    traffic = {"weights": {"blue": 100, "green": 0}}
    found = {**SERVED, "objects": [hpa_of("blue")]}
    fields = undone_slot("fraud", traffic, asked(hpa={"min": 2, "max": 6})["service"], found)["fields"]
    freed = {(field["name"], field["path"]): field["value"] for field in fields}
    assert freed == {
        ("fraud-blue", "spec.minReplicas"): 2,
        ("fraud-blue", "spec.maxReplicas"): 6,
        ("fraud-blue", "spec.behavior.scaleDown.selectPolicy"): "Max",
        ("fraud-green", "spec.replicas"): 0,
    }
    # While both have traffic it is held.
    assert undone_slot("fraud", {"weights": {"blue": 95, "green": 5}}, asked(hpa={})["service"], found)["fields"] == []


def test_a_promotion_that_is_done_has_nothing_to_bring_up() -> None:
    made = promote_model(AFTER, note(promoted=True), asked(""), PROFILES)
    assert (made["promoted"], made["prepare"], made["finish"]) == (True, None, [])


@pytest.mark.parametrize(
    ("noted", "version", "problem"),
    [
        (None, "", "us-east-1: fraud has no challenger there; deploy one with deploy_model.yml."),
        (note(), "v3", "version: the challenger of fraud in us-east-1 is v2, not v3."),
    ],
)
def test_what_cannot_be_promoted_is_told(noted: Json | None, version: str, problem: str) -> None:
    assert promote_model(HALF, noted, asked(version), PROFILES)["problems"] == [problem]


@pytest.mark.parametrize(
    ("traffic", "slot"),
    [
        ({"weights": {"blue": 100, "green": 0}, "mirror": None, "buckets": None}, "green"),
        ({"weights": {"blue": 0, "green": 100}}, "blue"),
        ({"weights": {"blue": 95, "green": 5}}, None),
        ({"weights": {"blue": 100, "green": 0}, "mirror": {"slot": "green", "percent": 10.0}}, None),
        ({"weights": {"blue": 100, "green": 0}, "buckets": {"slot": "green", "percent": 50}}, None),
        (None, None),
    ],
)
def test_only_a_slot_that_nobody_asks_goes_to_zero(traffic: Json | None, slot: str | None) -> None:
    made = undone_slot("fraud", traffic)
    assert made["slot"] == slot
    assert [field["name"] for field in made["fields"]] == ([f"fraud-{slot}"] if slot else [])
