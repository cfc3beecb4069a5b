# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gate profiles: what is refused, and what a gate is asked."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.gates import (
    KINDS,
    baked,
    checks_of,
    gate_options,
    profile_problems,
    split_false_alarm,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import (
    counter_check,
    health_check,
    metric_check,
)
from hypothesis import given
from hypothesis import strategies as st

NAMES = {"service": "core-api", "slot": "green", "stable": "blue", "namespace": "exchange", "region": "us-east-1"}
ERRORS = {
    "name": "errors",
    "requests": 'requests_total{slot="$slot"}',
    "failures": 'requests_total{slot="$slot",code="500"}',
    "against": {"requests": 'requests_total{slot="$stable"}', "failures": 'errors_total{slot="$stable"}'},
}
LATENCY = {"name": "p95", "query": 'p95{slot="$slot"}', "baseline": {"query": 'p95{slot="$stable"}', "ratio": 1.5}}


@pytest.mark.parametrize(
    ("kind", "spec"),
    [("metrics", metric_check.SPEC), ("counters", counter_check.SPEC), ("health", health_check.SPEC)],
)
def test_a_profile_knows_the_options_of_the_gate(kind: str, spec: t.Mapping[str, t.Any]) -> None:
    assert KINDS[kind] == set(spec) - {"service", "tests"}


@pytest.mark.parametrize("observed", ["step_s", "bake_s"])
def test_without_a_word_about_it_a_step_and_a_bake_take_five_minutes(observed: str) -> None:
    checks = checks_of({"metrics": [LATENCY]}, NAMES)
    asked = gate_options([{"metrics": [LATENCY]}], workloads=[], checks=checks, observe_key=observed, trip=[])
    assert asked["observe_s"] == 300


def test_every_text_of_a_check_is_filled_in() -> None:
    found = checks_of({"counters": [ERRORS], "metrics": [LATENCY]}, NAMES)
    check = found["counters"][0]
    assert (check["name"], check["service"]) == ("core-api errors", "core-api")
    assert check["requests"] == 'requests_total{slot="green"}'
    assert check["against"]["failures"] == 'errors_total{slot="blue"}'
    assert found["metrics"][0]["baseline"]["query"] == 'p95{slot="blue"}'
    assert found["health"] == []


def test_a_change_in_place_has_nothing_to_compare_with() -> None:
    found = checks_of({"counters": [ERRORS], "metrics": [LATENCY, {**LATENCY, "max": 1}]}, {**NAMES, "stable": ""})
    assert "against" not in found["counters"][0]
    assert [sorted(check) for check in found["metrics"]] == [["max", "name", "query", "service"]]


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ({"metrics": [{"name": "x"}]}, "gate_profiles.p.metrics[0]: it needs name and query."),
        ({"metrics": [{"name": "x", "query": "y"}]}, "metrics[0] (x): give either max or min, or a baseline."),
        ({"metrics": [{"name": "x", "query": "$slto", "max": 1}]}, "metrics[0].query (x): only $service, $slot"),
        ({"metrics": [{"name": "x", "query": "y", "max": 1, "mx": 2}]}, "metrics[0].mx (x): unknown option"),
        ({"counters": [{"name": "x", "requests": "y"}]}, "counters[0]: it needs name and requests and failures."),
        ({"health": [{"name": "x"}]}, "health[0] (x): give either url or tcp."),
        ({"speed": 1}, "gate_profiles.p.speed: unknown option"),
        ({"bake_requests": "many"}, "gate_profiles.p.bake_requests: use a number of requests."),
        ({"bake_requests": -1}, "gate_profiles.p.bake_requests: use a number of requests."),
        ({"bake_requests": 500}, "only counters count requests, and the profile has none."),
        ({"on_thin_evidence": "hope"}, "gate_profiles.p.on_thin_evidence: use one of"),
    ],
)
def test_what_is_wrong_is_named(profile: dict[str, t.Any], says: str) -> None:
    problems = profile_problems({"p": profile})
    assert len(problems) == 1
    assert says in problems[0]


def test_a_false_alarm_is_split_over_every_test_of_the_release() -> None:
    def gate(count: int) -> dict[str, t.Any]:
        return {"counters": [{"name": str(number)} for number in range(count)]}

    plan = {"steps": [{"gate": gate(1)}, {"gate": gate(2)}], "bake": [{"gate": gate(3)}], "judge": gate(3)}
    # Two regions, each with 1 + 2 + 3 tests, and judged twice more.
    split = split_false_alarm(plan, 2)
    assert {check["tests"] for step in split["steps"] for check in step["gate"]["counters"]} == {2 * (6 + 2 * 3)}
    assert {check["tests"] for check in split["judge"]["counters"]} == {24}


@given(own=st.integers(0, 1000), baked_requests=st.integers(0, 1000))
def test_the_bake_waits_for_the_larger_number_of_requests(own: int, baked_requests: int) -> None:
    checks = {"counters": [{**ERRORS, "min_requests": own}], "metrics": [LATENCY]}
    found = baked(checks, {"bake_requests": baked_requests})
    assert found["counters"][0]["min_requests"] == max(own, baked_requests)
    assert found["metrics"] == [LATENCY]
    assert checks["counters"][0]["min_requests"] == own


def test_nothing_to_split_is_no_problem() -> None:
    assert split_false_alarm({"steps": [], "bake": [], "judge": None}, 2)["steps"] == []
