# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Service that selects a slot, and which pods are behind it."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import kinds, route, selector
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_endpoints import (
    not_fit,
    not_moved,
    ready_pods,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import Touched, way_back
from hypothesis import given, settings
from hypothesis import strategies as st

BLUE = {"blue": 100, "green": 0}
GREEN = {"blue": 0, "green": 100}
whole = st.sampled_from([BLUE, GREEN])
shares = st.integers(0, 100).map(lambda blue: {"blue": blue, "green": 100 - blue})
pods = st.frozensets(st.sampled_from(["core-api-green-a", "core-api-green-b", "core-api-blue-a", "10.0.0.9"]))


def service(weights: dict[str, int] = BLUE) -> dict[str, t.Any]:
    return selector.build_service("core-api", "exchange", weights=weights, port=8080)


def test_it_selects_the_slot_and_is_marked_as_ours() -> None:
    made = service(GREEN)
    assert made["spec"] == {
        "selector": {"app.kubernetes.io/name": "core-api", "pincex.io/slot": "green"},
        "ports": [{"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}],
    }
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "pincex-zero-downtime"


@settings(max_examples=100, deadline=None)
@given(shares, whole)
def test_it_gives_all_or_nothing_and_reads_as_it_was_written(wanted: dict[str, int], before: dict[str, int]) -> None:
    found = service(before)
    untouched = copy.deepcopy(found)
    if wanted in (BLUE, GREEN):
        assert selector.not_carried(wanted) is None
        assert selector.weights_of(selector.with_weights(found, wanted)) == wanted
    else:
        assert "needs an HTTPRoute" in str(selector.not_carried(wanted))
        with pytest.raises(ValueError, match="all traffic to one slot"):
            selector.with_weights(found, wanted)
    assert found == untouched
    assert route.not_carried(wanted) is None


def test_only_the_slot_changes() -> None:
    theirs = service()
    theirs["spec"] |= {"type": "LoadBalancer", "clusterIP": "10.0.0.7"}
    theirs["spec"]["selector"]["team"] = "core"
    theirs["metadata"]["annotations"] = {"note": "theirs"}
    shifted = kinds.with_weights(theirs, GREEN)
    assert shifted["spec"].pop("selector") == {**theirs["spec"].pop("selector"), "pincex.io/slot": "green"}
    assert shifted == theirs


@pytest.mark.parametrize(
    "wrong", [None, {}, {"app": "core-api"}, {"app.kubernetes.io/name": "core-api"}, {"pincex.io/slot": "blue"}]
)
def test_a_service_that_selects_no_slot_has_no_weights(wrong: t.Any) -> None:
    assert selector.weights_of({"metadata": {"name": "core-api"}, "spec": {"selector": wrong}}) is None


def test_the_service_of_a_slot_is_none_that_moves_traffic() -> None:
    slot = service()
    slot["metadata"]["name"] = "core-api-blue"
    assert selector.weights_of(slot) is None


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(st.none(), whole),
    st.lists(whole, max_size=3),
    whole,
    st.sampled_from([frozenset[str](), frozenset({"blue"}), frozenset({"green"})]),
)
def test_a_way_back_never_asks_for_shares(
    before: dict[str, int] | None, written: list[dict[str, int]], live: dict[str, int], replaced: frozenset[str]
) -> None:
    back = way_back("Service core-api", Touched(False, before, tuple(written), replaced, "Service"), live)
    assert back.weights in (BLUE, GREEN)


@settings(max_examples=100, deadline=None)
@given(pods, pods)
def test_traffic_has_moved_when_exactly_the_slots_pods_are_behind_it(
    behind: frozenset[str], slot_pods: frozenset[str]
) -> None:
    assert (not_moved(behind, slot_pods, "green") is None) == (bool(slot_pods) and behind == slot_pods)


@pytest.mark.parametrize(
    ("behind", "slot_pods", "problem"),
    [
        ({"a"}, set(), "green has no ready pod behind its own Service"),
        ({"a", "b", "c"}, {"c"}, "2 of 3 endpoints are not of green (a, b)"),
        ({"b", "c", "d", "e"}, {"x"}, "4 of 4 endpoints are not of green (b, c, d, ...)"),
        ({"a"}, {"a", "b"}, "1 of 2 ready pods of green are not behind it (b)"),
        (set(), {"a"}, "1 of 1 ready pods of green are not behind it (a)"),
    ],
)
def test_why_traffic_has_not_moved(behind: set[str], slot_pods: set[str], problem: str) -> None:
    assert not_moved(behind, slot_pods, "green") == problem


@settings(max_examples=100, deadline=None)
@given(pods, st.dictionaries(st.sampled_from(["core-api-green-a", "core-api-green-b"]), st.sampled_from(["v1", "v2"])))
def test_a_slot_is_fit_when_all_of_it_is_that_version(behind: frozenset[str], versions: dict[str, str | None]) -> None:
    fit = bool(behind) and all(versions.get(pod) == "v2" for pod in behind)
    assert (not_fit(behind, versions, "green", "v2") is None) == fit


def test_ready_pods_out_of_slices() -> None:
    def made(service_name: str, *endpoints: dict[str, t.Any]) -> dict[str, t.Any]:
        return {"metadata": {"labels": {"kubernetes.io/service-name": service_name}}, "endpoints": list(endpoints)}

    def pod(name: str, **conditions: bool) -> dict[str, t.Any]:
        return {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": name}, "conditions": conditions}

    slices = [
        made("core-api", pod("a", ready=True), pod("b", ready=False, serving=True, terminating=True)),
        # Of a second address family, and of a second hundred.
        made("core-api", pod("a", ready=True), pod("c")),
        made("core-api-green", {"addresses": ["10.0.0.9"]}),
        {"metadata": {"labels": {"kubernetes.io/service-name": "empty"}}, "endpoints": None},
    ]
    assert ready_pods(slices) == {"core-api": {"a", "c"}, "core-api-green": {"10.0.0.9"}}
