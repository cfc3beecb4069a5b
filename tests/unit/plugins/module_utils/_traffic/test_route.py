# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTPRoute of a service."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import (
    backends_of,
    build_route,
    host_of,
    not_accepted,
    weights_of,
    with_weights,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from slot_world import accepted

Json = dict[str, t.Any]


def route(blue: int = 90) -> Json:
    return build_route(
        "core-api",
        "exchange",
        weights={"blue": blue, "green": 100 - blue},
        port=8080,
        hostnames=["core-api.exchange.lab"],
        parent={"name": "exchange", "namespace": None},
    )


def test_a_route_has_a_weighted_rule_and_one_for_each_slot() -> None:
    found = route()
    assert found["spec"]["parentRefs"] == [{"name": "exchange"}]
    weighted, blue, green = found["spec"]["rules"]
    assert [(b["name"], b["weight"]) for b in weighted["backendRefs"]] == [
        ("core-api-blue", 90),
        ("core-api-green", 10),
    ]
    for slot, rule in (("blue", blue), ("green", green)):
        (match,) = rule["matches"]
        assert match["headers"] == [{"type": "Exact", "name": "x-pincex-slot", "value": slot}]
        assert [b["name"] for b in rule["backendRefs"]] == [f"core-api-{slot}"]
    assert backends_of(found) == {"core-api-blue", "core-api-green"}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 100), st.integers(0, 100))
def test_other_weights_change_nothing_else(old: int, new: int) -> None:
    found = route(old)
    found["spec"]["rules"][0] |= {"filters": [{"type": "RequestMirror"}], "timeouts": {"request": "2s"}}
    found["spec"]["rules"][0]["backendRefs"].append({"name": "shadow", "weight": 3})
    found["spec"]["rules"].append({"name": "theirs", "backendRefs": [{"name": "maintenance", "weight": 1}]})
    before = copy.deepcopy(found)
    changed = with_weights(found, {"blue": new, "green": 100 - new})
    assert found == before
    assert weights_of(changed) == {"blue": new, "green": 100 - new}
    assert with_weights(changed, {"blue": old, "green": 100 - old}) == before


def test_weights_of_a_route_that_is_not_ours() -> None:
    bare = route()
    for backend in bare["spec"]["rules"][0]["backendRefs"]:
        del backend["weight"]
    assert weights_of(bare) == {"blue": 1, "green": 1}
    assert weights_of({"metadata": {"name": "other"}, "spec": route()["spec"]}) is None


def test_the_host_to_ask_for() -> None:
    assert host_of(route()) == "core-api.exchange.lab"
    assert host_of({"spec": {"hostnames": ["*.exchange.lab"]}}) == "probe.exchange.lab"
    assert host_of({"spec": {}}) is None


def test_what_the_gateway_says_counts_for_this_generation_only() -> None:
    found = accepted({**route(), "metadata": {"name": "core-api", "generation": 3}})
    assert not_accepted(found) is None
    found["metadata"]["generation"] = 4
    assert not_accepted(found) == "gateway exchange: no Accepted for generation 4"
    found["metadata"]["generation"] = 3
    found["status"]["parents"][0]["conditions"][1] |= {
        "status": "False",
        "reason": "BackendNotFound",
        "message": "no core-api-green",
    }
    assert not_accepted(found) == "gateway exchange: ResolvedRefs is False (BackendNotFound: no core-api-green)"
    del found["status"]
    assert not_accepted(found) == "gateway exchange has not looked at it"
