# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a release with an engine in it, and of the way back."""

from __future__ import annotations

import copy
import typing as t

import hypothesis
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.handover import Handover, gateway_problem
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import SLOTS, parse_catalogue
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan import Situation, judgement
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan_back import rollback_plan
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import (
    failure_reason,
    summarise,
)
from catalogue_samples import PROFILES, empty_region, plan_for, running
from engine_samples import ENGINE, NAMES, SERVICES, trading, with_standby
from hypothesis import strategies as st

Json = dict[str, t.Any]

V2 = dict.fromkeys(NAMES, "v2")
ALONE = {ENGINE: {**SERVICES[ENGINE], "handover": {"allow_unknown": ["I2", "I9"]}}}
HANDOVER = f"{ENGINE} handover"


def other(slot: str) -> str:
    return SLOTS[1 - SLOTS.index(slot)]


def kinds(fields: list[Json]) -> list[tuple[str, str, t.Any]]:
    return [(field["kind"], field["name"], field["value"]) for field in fields]


def test_a_first_release_brings_the_engine_up_and_hands_nothing_over() -> None:
    plan, problems = plan_for(SERVICES, dict.fromkeys(NAMES, "v1"), empty_region())
    assert problems == []
    engine = plan["prepare"][0]
    assert (engine["routes"], engine["probes"], plan["steps"]) == ([], [], [])
    assert kinds(engine["fields"]) == [("StatefulSet", f"{ENGINE}-blue", 1)]
    assert engine["gate"]["workloads"] == [
        {"kind": "StatefulSet", "name": f"{ENGINE}-blue", "min_ready": 1, "service": ENGINE}
    ]
    # Each engine is told its peer by the variables of its Service, so both are there from the start.
    services = [obj["metadata"]["name"] for obj in engine["objects"] if obj["kind"] == "Service"]
    assert services == [f"{ENGINE}-blue", f"{ENGINE}-green"]
    assert (plan["finish"]["standby"], plan["finish"]["engines"]) == ([], [])


def test_the_next_release_is_one_handover_under_its_own_gate() -> None:
    plan, problems = plan_for(SERVICES, V2, trading("v1"))
    assert problems == []
    assert [step["name"] for step in plan["steps"]] == [HANDOVER, "core-api 100 %"]
    step = plan["steps"][0]
    assert step["handover"] == {
        "engine": {"pod": f"{ENGINE}-blue-0", "port": 8080},
        "new_engine": {"pod": f"{ENGINE}-green-0", "port": 8080},
        "gateway_pods": [{"selector": "app.kubernetes.io/name=core-api", "port": 8080}],
        "contract": {},
        "allow_unknown": [],
        "announce_s": 0.0,
        "cut_deadline_s": 10.0,
        "deadline_s": 300.0,
        "max_lag": 1000,
        "reason": "upgrade to v2",
    }
    assert (step["routes"], step["objects"], step["fields"], step["allow_live"]) == ([], [], [], False)
    assert [check["name"] for check in step["gate"]["metrics"]] == [f"{ENGINE} error rate"]
    # No weights can take it back, and nobody trips what has none.
    trips = [entry["service"] for one in (*plan["steps"], *plan["bake"]) for entry in one["gate"]["trip"]]
    assert set(trips) == {"core-api"}
    assert plan["finish"]["engines"] == [
        {"service": ENGINE, "engine": {"pod": f"{ENGINE}-green-0", "port": 8080}, "contract": {}}
    ]
    assert ("StatefulSet", f"{ENGINE}-blue", 0) in kinds(plan["finish"]["standby"])


def without_gateways(document: Json) -> Json:
    """An engine trades, and nothing else was ever released: as the platform has installed it, so without our mark."""
    found = copy.deepcopy(document)
    found["services"]["core-api"] = {"live_slot": None, "slots": {}, "weights": None}
    found["objects"] = [obj for obj in found["objects"] if not obj["metadata"]["name"].startswith("core-api")]
    for obj in found["objects"]:
        obj["metadata"].pop("annotations", None)
    return found


def test_an_engine_and_its_first_gateways_go_in_one_release() -> None:
    plan, problems = plan_for(SERVICES, dict.fromkeys(NAMES, "v1"), without_gateways(trading("v1")))
    assert problems == []
    # Both are up, and the gateways have their route, before the book changes hands.
    assert [step["name"] for step in plan["prepare"]] == [f"prepare {ENGINE}", "prepare core-api"]
    assert [route["name"] for route in plan["prepare"][1]["routes"]] == ["core-api"]
    assert [step["name"] for step in plan["steps"]] == [HANDOVER]


def test_an_engine_is_not_handed_over_where_no_gateway_would_see_it() -> None:
    before = without_gateways(trading("v1"))
    _plan, problems = plan_for(SERVICES, {ENGINE: "v2"}, before)
    assert problems == [
        f"us-east-1: {ENGINE} trades and is handed over, which only its gateways can judge (I2 and I9), and none of "
        "core-api runs; release them before, or in the same release."
    ]
    before["services"]["core-api"]["slots"] = {"blue": {"version": "v1", "replicas": 0}}
    assert plan_for(SERVICES, {ENGINE: "v2"}, before)[1] == problems
    before["services"]["core-api"]["slots"]["blue"]["replicas"] = 1
    assert plan_for(SERVICES, {ENGINE: "v2"}, before)[1] == []
    # The first release hands nothing over.
    assert plan_for(SERVICES, {ENGINE: "v1"}, empty_region())[1] == []


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(
    gateways=st.lists(st.sampled_from("abc"), unique=True),
    up=st.sets(st.sampled_from("abcd")),
    unknown=st.sets(st.sampled_from(["I1", "I2", "I9"])),
)
def test_one_gateway_is_enough_and_none_only_where_nothing_has_to_be_known(
    gateways: list[str], up: set[str], unknown: set[str]
) -> None:
    told = gateway_problem(Handover(gateways=tuple(gateways), allow_unknown=tuple(unknown)), ENGINE, up)
    assert (told is None) == (bool(set(gateways) & up) or {"I2", "I9"} <= unknown)


def test_the_same_is_nothing_to_do() -> None:
    plan, _ = plan_for(SERVICES, {ENGINE: "v1"}, trading("v1"))
    assert plan["changes"] is False


def test_check_mode_says_between_which_slots() -> None:
    plan, _ = plan_for(SERVICES, V2, trading("v1"))
    told = summarise("deploy", None, [{"region": "us-east-1", "services": plan["services"]}])["sentence"]
    assert told.endswith(f"{ENGINE} v1 -> v2 by a handover from {ENGINE}-blue to {ENGINE}-green, core-api v1 -> v2")


def test_a_handover_that_fails_is_told_by_its_failure_and_not_by_its_proof() -> None:
    result = {"msg": "us: gateway 1 is late", "reason": "all invariants pass", "invariants": [{"id": "I1"}]}
    assert failure_reason(result) == "us: gateway 1 is late"


@pytest.mark.parametrize(
    ("now", "entry", "words"),
    [
        (
            trading("v1"),
            {"image": "x", "strategy": "blue_green", "hostnames": ["x"]},
            f"the epoch record {ENGINE}-epoch has the traffic, and the catalogue says strategy: blue_green; move its "
            "users over by hand and remove it first, or say strategy: drain.",
        ),
        (
            "route",
            SERVICES[ENGINE],
            f"HTTPRoute {ENGINE} has the traffic, and the catalogue says strategy: drain; move its users over by hand "
            "and remove it first, or say traffic: route with another strategy.",
        ),
    ],
)
def test_another_way_of_traffic_than_the_catalogue_says_is_refused(now: t.Any, entry: Json, words: str) -> None:
    services = {**SERVICES, ENGINE: entry}
    if now == "route":
        routed = {ENGINE: {"image": "x", "strategy": "blue_green", "hostnames": ["x"]}}
        now = running(routed, {ENGINE: "v1"}, {ENGINE: "blue"})
        now["objects"].append({"kind": "HTTPRoute", "metadata": {"name": ENGINE}})
    _plan, problems = plan_for(services, {ENGINE: "v2"}, now)
    assert problems == [f"us-east-1: {words}"]


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
    live=st.sampled_from(SLOTS),
    moved=st.sets(st.sampled_from(NAMES), min_size=1),
    depends=st.booleans(),
    standby=st.booleans(),
    seconds=st.floats(0.5, 20),
)
def test_every_engine_that_moves_is_handed_over_once_from_who_leads(
    live: str, moved: set[str], depends: bool, standby: bool, seconds: float
) -> None:
    services = copy.deepcopy(SERVICES)
    services["core-api"]["depends_on"] = [ENGINE] if depends else []
    services[ENGINE]["handover"]["cut_deadline_s"] = seconds
    before = trading("v1", live, services)
    if standby:
        before = with_standby(before, "v0", other(live), services)
    plan, problems = plan_for(services, {name: "v2" for name in NAMES if name in moved}, before)
    assert problems == []
    found = [step["handover"] for step in plan["steps"] if "handover" in step]
    assert len(found) == (ENGINE in moved)
    for given in found:
        assert given["engine"]["pod"] == f"{ENGINE}-{live}-0"
        assert given["new_engine"]["pod"] == f"{ENGINE}-{other(live)}-0"
        assert given["cut_deadline_s"] == seconds
    assert [entry["engine"]["pod"] for entry in plan["finish"]["engines"]] == [
        given["new_engine"]["pod"] for given in found
    ]
    # Nothing gives the engine weights, and what trades is neither written nor scaled before the end.
    steps = [*plan["prepare"], *plan["steps"]]
    assert not [
        route for step in steps for route in (*step["routes"], *step.get("probes", [])) if route["name"] == ENGINE
    ]
    written = [obj["metadata"]["name"] for step in steps for obj in step["objects"] if obj["kind"] == "StatefulSet"]
    scaled = [field["name"] for step in steps for field in step["fields"] if field["kind"] == "StatefulSet"]
    assert set(written) == set(scaled) == ({f"{ENGINE}-{other(live)}"} if ENGINE in moved else set())
    if found and not depends:
        # Weights are back in an instant when the handover fails.
        assert [("handover" in step) for step in plan["steps"]] == ([False, True] if len(moved) == 2 else [True])


def test_validate_judges_the_stateful_set() -> None:
    found = judgement(parse_catalogue(SERVICES), Situation(trading("v1"), {}, PROFILES))
    workloads = {(one["kind"], one["name"]) for one in found["gate"]["workloads"]}
    assert workloads == {("StatefulSet", f"{ENGINE}-blue"), ("Deployment", "core-api-blue")}


# The way back.


def note(slot: str = "blue") -> Json:
    """The standby that the deploy of v2 leaves."""
    plan, _ = plan_for(ALONE, {ENGINE: "v2"}, trading("v1", slot, ALONE))
    return {"release": "r2", "until": 0.0, "fields": plan["finish"]["standby"]}


def back(now: Json, recorded: Json, standby: Json | None, services: Json = ALONE) -> Json:
    plan, problems = rollback_plan(parse_catalogue(services), recorded, now, PROFILES, standby=standby)
    assert problems == []
    return plan


def test_a_warm_engine_is_handed_over_to_at_once() -> None:
    recorded = trading("v1", "blue", ALONE)
    now = with_standby(trading("v2", "green", ALONE), "v1", "blue", ALONE)
    plan = back(now, recorded, note())
    assert plan["warm"] == {"name": HANDOVER, "routes": []}
    assert plan["prepare"] == []
    (step,) = plan["steps"]
    assert step["handover"]["engine"]["pod"] == f"{ENGINE}-green-0"
    assert step["handover"]["new_engine"]["pod"] == f"{ENGINE}-blue-0"
    assert (step["handover"]["reason"], step["gate"]["metrics"]) == ("return to v1", [])
    assert [one["name"] for one in plan["cold"]["steps"]] == [HANDOVER]
    assert len(plan["cold"]["prepare"]) == 1


def test_routes_are_shifted_before_an_engine_is_handed_over() -> None:
    recorded = trading("v1")
    now = trading("v2", "green")
    plan = back(now, recorded, None, SERVICES)
    assert [step["name"] for step in plan["steps"]] == ["core-api 100 %", HANDOVER]


def test_an_engine_that_is_gone_comes_back_in_the_other_colour() -> None:
    """What was recorded of blue is released into green: it is green itself then, and blue is its peer."""
    recorded = trading("v1", "blue", ALONE)
    plan = back(trading("v2", "blue", ALONE), recorded, None)
    assert "warm" not in plan
    objects = {obj["kind"]: obj for obj in plan["prepare"][0]["objects"]}
    engine = objects["StatefulSet"]
    assert engine["metadata"]["name"] == f"{ENGINE}-green"
    assert "replicas" not in engine["spec"]
    (container,) = engine["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert (env["ENGINE_NAME"], env["ENGINE_PEER"]) == (f"{ENGINE}-green", f"{ENGINE}-blue")
    assert (env["PINCEX_SLOT"], env["PINCEX_VERSION"]) == ("green", "v1")
    assert engine["spec"]["serviceName"] == f"{ENGINE}-green"
    assert kinds(plan["prepare"][0]["fields"]) == [("StatefulSet", f"{ENGINE}-green", 1)]


@pytest.mark.parametrize("ready", [0, 1])
@pytest.mark.parametrize("version", ["v1", "v0"])
@pytest.mark.parametrize("kept", [True, False])
def test_only_the_engine_that_was_recorded_and_is_ready_is_warm(ready: int, version: str, kept: bool) -> None:
    now = with_standby(trading("v2", "green", ALONE), version, "blue", ALONE)
    now["services"][ENGINE]["slots"]["blue"]["ready_replicas"] = ready
    plan = back(now, trading("v1", "blue", ALONE), note() if kept else None)
    assert ("warm" in plan) is (ready == 1 and version == "v1" and kept)


@pytest.mark.parametrize("entry", [None, {"image": "x", "strategy": "blue_green"}])
def test_nobody_knows_the_gateways_of_an_engine_that_left_the_catalogue(entry: Json | None) -> None:
    services = {"core-api": {**SERVICES["core-api"], "depends_on": []}, **({ENGINE: entry} if entry else {})}
    catalogue = parse_catalogue(services)
    plan, problems = rollback_plan(catalogue, trading("v1"), trading("v2", "green"), PROFILES)
    assert problems == [
        f"us-east-1: {ENGINE} is an engine, and the catalogue has no entry of it with strategy: drain; add it first."
    ]
    assert ENGINE not in plan["services"]
