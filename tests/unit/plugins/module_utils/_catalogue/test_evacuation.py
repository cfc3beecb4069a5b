# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which waves may evacuate, the plan of a region that leaves the traffic, and the weights after a rollback."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.evacuation import (
    declared_weights,
    evacuated_plan,
    evacuation_problems,
    wave_sizes,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import decide_weights
from hypothesis import given, settings
from hypothesis import strategies as st

REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1", "sa-east-1")
Json = dict[str, t.Any]


def gate(**given_: t.Any) -> Json:
    checks = {"metrics": [{"name": "errors"}], "counters": [{"name": "answers"}], "health": []}
    return {"workloads": [1], **checks, "observe_s": 30.0, "traffic": True, "trip": [], **given_}


def plan() -> Json:
    trip = [{"service": "core-api"}]
    return {
        "changes": True,
        "prepare": [{"name": "prepare core-api", "gate": gate(metrics=[], counters=[], traffic=False, observe_s=0.0)}],
        "steps": [{"name": "core-api 100 %", "gate": gate(trip=trip)}],
        "bake": [{"name": "bake", "gate": gate(observe_s=60.0, trip=trip)}],
        "judge": gate(observe_s=10.0),
    }


def asked(**given_: t.Any) -> Json:
    weights = {"us-east-1": 50, "eu-west-1": 50}
    return {"strategy": "evacuate", "weights": weights, "steps": [5, 25, 50, 100], "hold_s": 20, "regions": 2, **given_}


@pytest.mark.parametrize(
    ("waves", "regions", "sizes"),
    [([1, 2, "100%"], 4, [1, 2, 1]), (["50%"], 4, [2, 2]), (["10%"], 3, [1, 1, 1]), ([5], 2, [2]), ([1], 0, [])],
)
def test_waves_are_counted_as_ansible_counts_them(waves: list[t.Any], regions: int, sizes: list[int]) -> None:
    assert wave_sizes(waves, regions) == sizes


SHARES = st.sampled_from([1, 2, 3, "30%", "50%", "100%"])


@settings(max_examples=100, deadline=None)
@given(
    regions=st.integers(1, 4).map(lambda count: list(REGIONS[:count])),
    leaving=st.sets(st.sampled_from(REGIONS)),
    cold=st.sets(st.sampled_from(REGIONS)),
    left_out=st.sets(st.sampled_from(REGIONS)),
    least=st.integers(1, 3),
    waves=st.lists(SHARES, min_size=1, max_size=3),
)
def test_no_wave_that_passes_leaves_fewer_regions_than_the_least(
    *, regions: list[str], leaving: set[str], cold: set[str], left_out: set[str], least: int, waves: list[t.Any]
) -> None:
    strategies = {region: "evacuate" if region in leaving else "stay" for region in regions}
    full = {region: 0 if region in cold else 50 for region in regions}
    request = {
        "regions": regions,
        "strategies": strategies,
        "waves": waves,
        "dns": {"full": full, "min_regions": least},
    }
    problems = evacuation_problems(request, sorted(left_out))
    start, bad = 0, 0
    for size in wave_sizes(waves, len(regions)):
        out = {region for region in regions[start : start + size] if strategies[region] == "evacuate"} - left_out
        start += size
        serving = [region for region in regions if full[region] and region not in left_out]
        leaves = [region for region in out if region in serving]
        bad += bool(leaves) and len([region for region in serving if region not in out]) < least
    assert len(problems) == bad
    assert all("release_waves" in problem and "min_regions" in problem for problem in problems)


def test_a_wave_of_all_regions_is_named() -> None:
    request = {
        "regions": REGIONS[:2],
        "strategies": dict.fromkeys(REGIONS[:2], "evacuate"),
        "waves": ["100%"],
        "dns": {"full": {"us-east-1": 50, "eu-west-1": 50}},
    }
    assert evacuation_problems(request) == [
        "release_waves: wave 1 evacuates us-east-1, eu-west-1 at once, which leaves no region in the traffic, and "
        "dns.min_regions is 1; make release_waves smaller, or let a region stay (region_strategy: stay)."
    ]
    assert evacuation_problems({**request, "waves": [1]}) == []
    # What is left out is perhaps down.
    assert "wave 2 evacuates eu-west-1" in evacuation_problems({**request, "waves": [1]}, ["us-east-1"])[0]
    # A region that is not in this release goes on serving.
    assert evacuation_problems({**request, "regions": ["us-east-1"]}) == []


def test_a_region_leaves_before_its_slots_change_and_is_judged_by_requests_when_it_is_back() -> None:
    before = plan()
    made = evacuated_plan(copy.deepcopy(before), "us-east-1", asked())
    assert [step["name"] for step in made["prepare"]] == ["evacuate us-east-1", "prepare core-api"]
    ramps = [f"ramp us-east-1 to {step} %" for step in (5, 25, 50, 100)]
    assert [step["name"] for step in made["steps"]] == ["core-api 100 %", *ramps]
    alone, *back = (step["gate"] for step in made["steps"])
    assert (alone["metrics"], alone["counters"], alone["traffic"], alone["observe_s"]) == ([], [], False, 0.0)
    assert alone["trip"] == [{"service": "core-api"}]
    for one in back:
        assert (one["metrics"], one["observe_s"], one["traffic"]) == (before["judge"]["metrics"], 20.0, True)
        assert one["trip"] == [{"service": "core-api"}], "the gate of a ramp sets the route back itself"
    assert made["bake"][0]["gate"]["observe_s"] == 60.0
    # Four ramps, the bake, and a judgement for each region: 7 tests in each of two regions.
    assert {check["tests"] for step in [*back, made["bake"][0]["gate"]] for check in step["counters"]} == {14}
    healthy = plan()
    healthy["steps"][0]["gate"]["health"] = [{"name": "ready"}]
    watched = evacuated_plan(healthy, "us-east-1", asked())["steps"][0]["gate"]
    assert (watched["health"], watched["observe_s"]) == ([{"name": "ready"}], 30.0)


@pytest.mark.parametrize(
    "what",
    [{"strategy": "stay"}, {"weights": {}}, {"weights": {"eu-west-1": 50}}],
    ids=["stays", "no set", "not in it"],
)
def test_otherwise_the_plan_stays_as_it_is(what: Json) -> None:
    assert evacuated_plan(plan(), "us-east-1", asked(**what)) == plan()
    idle = {**plan(), "changes": False}
    assert evacuated_plan(copy.deepcopy(idle), "us-east-1", asked()) == idle


@pytest.mark.parametrize("strategy", ["stay", "evacuate"])
def test_who_is_evacuated_stays_so_and_is_judged_without_requests(strategy: str) -> None:
    made = evacuated_plan(plan(), "us-east-1", asked(strategy=strategy, weights={"us-east-1": 0, "eu-west-1": 50}))
    assert [step["name"] for step in made["prepare"] + made["steps"]] == ["prepare core-api", "core-api 100 %"]
    judged = [step["gate"] for step in [*made["steps"], *made["bake"]]] + [made["judge"]]
    assert [(one["metrics"], one["counters"], one["traffic"]) for one in judged] == [([], [], False)] * 3


def test_a_small_weight_has_fewer_steps() -> None:
    made = evacuated_plan(plan(), "us-east-1", asked(weights={"us-east-1": 2, "eu-west-1": 50}, steps=[5, 25, 50, 60]))
    assert [step["name"] for step in made["steps"][1:]] == ["ramp us-east-1 to 50 %", "ramp us-east-1 to 100 %"]
    # dns_weight refuses a list whose first step is nothing, so each step has the list of the plan.
    assert [(step["percent"], step["ramp"]) for step in made["steps"][1:]] == [(50, [50, 100]), (100, [50, 100])]


def test_little_traffic_is_no_failure_before_the_last_step() -> None:
    judged = {**plan(), "judge": gate(on_thin_evidence="fail")}
    thin = [step["gate"]["on_thin_evidence"] for step in evacuated_plan(judged, "us-east-1", asked())["steps"][1:]]
    assert thin == ["ask", "ask", "ask", "fail"]


@settings(max_examples=100, deadline=None)
@given(
    weight=st.integers(1, 300),
    steps=st.sets(st.integers(1, 99), max_size=4).map(lambda steps: [*sorted(steps), 100]),
)
def test_dns_weight_goes_through_the_ramp_of_the_plan_step_by_step(weight: int, steps: list[int]) -> None:
    made = evacuated_plan(plan(), "a", asked(weights={"a": weight, "b": 50}, steps=steps))
    now = {"a": 0, "b": 50}
    for step in made["steps"][1:]:
        found = decide_weights.ramped(now, ["a"], {"a": weight, "b": 50}, step["ramp"])
        assert found.ramp is not None
        assert found.ramp.step == step["percent"]
        now = found.after
    assert now["a"] == weight


WEIGHTS = st.dictionaries(st.sampled_from(REGIONS), st.integers(0, 100))


@settings(max_examples=100, deadline=None)
@given(now=WEIGHTS, recorded=WEIGHTS)
def test_a_rollback_evacuates_nobody_and_brings_nobody_back(now: dict[str, int], recorded: dict[str, int]) -> None:
    wanted = declared_weights(now, recorded)
    assert list(wanted) == list(now)
    assert {region for region, weight in wanted.items() if weight} == {
        region for region, weight in now.items() if weight
    }
    assert all(wanted[region] in (now[region], recorded.get(region)) for region in now)
    both = [region for region in now if now[region] and recorded.get(region)]
    assert all(wanted[region] == recorded[region] for region in both)
