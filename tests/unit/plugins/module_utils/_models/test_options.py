# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of model_shadow: what is refused by its name, and what is taken for what was left out."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_side_effects import CHECKS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import WEIGHTS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.options import (
    ARGUMENT_SPEC,
    Options,
    options_of,
)
from module_docs import checked
from shadow_world import MODEL, REGISTRY, SOURCES, ShadowWorld, bad

HERE: dict[str, t.Any] = {"model": MODEL, "context": "c", "namespace": "n"}
ROUTE: dict[str, t.Any] = {"route": {}}
SHADOW: dict[str, t.Any] = {"version": "v2", "slot": "green", "mirror": {"paths": ["/predict"]}, **ROUTE}
FLEET: dict[str, t.Any] = {
    "registry": REGISTRY,
    "version": "v2",
    "actor": "anna",
    "reason": "better",
    "release": {"id": "m1"},
}

BAD: t.Final[list[tuple[dict[str, t.Any], str]]] = [
    ({}, "route: needed for state deployed, or registry for the fleet's part of it"),
    ({"state": "status"}, "route: needed for state status, or registry"),
    ({"state": "stepped", **FLEET}, "route: needed for state stepped, which works on the route of a region"),
    ({"state": "restored"}, "route: needed for state restored"),
    ({**SHADOW, **FLEET}, "registry: is there with route; give them to two tasks"),
    ({**SHADOW, "version": None}, "version: needed for state deployed with a route"),
    ({**SHADOW, "version": " "}, "version: is empty"),
    ({**SHADOW, "champion": " "}, "champion: is empty"),
    ({**SHADOW, "champion": "v2"}, "champion: v2 is the version itself"),
    ({"version": "v2", **ROUTE}, "slot: needed for state deployed with a route"),
    ({**SHADOW, "mirror": {}}, "mirror.paths: needed for strategy shadow"),
    ({**SHADOW, "mirror": {"paths": ["/predict", "/*"]}}, "mirror.paths: /* copies every request; name the paths"),
    ({**SHADOW, "model": "Price"}, "model: 'Price' is no name of a route"),
    ({**SHADOW, "model": "a" * 53}, "model: 'a"),
    ({**SHADOW, "percent": 0}, "percent: is 0; give more than 0 and at most 100"),
    ({**SHADOW, "percent": 100.5}, "percent: is 100.5"),
    ({**SHADOW, "strategy": "ab", "percent": 12.5}, "percent: is 12.5; there are 100 buckets, give a whole number"),
    ({**SHADOW, "strategy": "canary", "percent": 5}, "percent: is not for strategy canary; its shares are steps"),
    ({**SHADOW, "strategy": "direct", "percent": 5}, "percent: is not for strategy direct; its share is 100"),
    ({**SHADOW, "strategy": "canary", "steps": [5, 5, 100]}, "steps: each weight has to be more than the one before"),
    ({**SHADOW, "strategy": "canary", "steps": [5, 50]}, "steps: canary ends with 100"),
    ({**SHADOW, "strategy": "canary", "steps": []}, "steps: there is no weight"),
    ({**SHADOW, "strategy": "canary", "steps": [0, 100]}, "steps: the first weight is 0"),
    ({"state": "stepped", **ROUTE}, "weight: needed for state stepped with a route"),
    ({"state": "restored", **ROUTE}, "release: needed for state restored with a route"),
    ({"state": "judged", **ROUTE}, "sources: needed for state judged with a route"),
    ({"state": "judged", "registry": REGISTRY}, "sources: needed for state judged without a route"),
    ({"state": "judged", "sources": SOURCES}, "version: needed for state judged without route and registry"),
    ({"state": "judged", "sources": SOURCES, "version": "v2"}, "champion: needed for state judged without route"),
    (
        {"state": "judged", "sources": SOURCES, "registry": REGISTRY, "weight": 7, "strategy": "canary"},
        "weight: 7 is no step of canary, which has 5, 25, 50, 100",
    ),
    ({"state": "judged", "sources": SOURCES, **ROUTE, "since": -1}, "since: is -1; give unix seconds"),
    ({"state": "judged", "sources": SOURCES, **ROUTE, "judge": {"pairs_min": 0}}, "judge.pairs_min: is 0"),
    (
        {"state": "judged", "sources": SOURCES, **ROUTE, "judge": {"accuracy": {"minimum": 2}}},
        "judge.accuracy.minimum: is 2",
    ),
    ({**FLEET, "version": None}, "version: needed for state deployed without a route"),
    ({**FLEET, "release": None}, "release: needed for state deployed without a route: the aliases move under the lock"),
    ({**FLEET, "release": None, "state": "promoted"}, "release: needed for state promoted without a route"),
    ({**FLEET, "actor": ""}, "actor: needed for state deployed without a route"),
    ({**FLEET, "reason": None, "state": "promoted"}, "reason: needed for state promoted without a route"),
    ({**FLEET, "version": None, "state": "rolled_back"}, "version: needed for state rolled_back without a route"),
    ({**FLEET, "registry": {**REGISTRY, "timeout_s": 0}}, "registry.timeout_s: is 0; give more than 0"),
    ({**SHADOW, "deadline_s": 0}, "deadline_s: is 0; give more than 0"),
    ({**SHADOW, "route": {"probe": {"url": "http://a:b@c"}}}, "route.probe.url: it holds a user"),
    ({**SHADOW, "route": {"probe": {"url": "http://c", "requests": 0}}}, "route.probe.requests: is 0; give 1 or more"),
    ({**SHADOW, "route": {"probe": {"url": "http://c", "timeout_s": 0}}}, "route.probe.timeout_s: is 0"),
]


def options(**given: t.Any) -> Options:
    return options_of(checked(ARGUMENT_SPEC, {**HERE, **given}))


@pytest.mark.parametrize(("given", "said"), BAD)
def test_bad_input_is_refused_by_the_name_of_the_option(given: dict[str, t.Any], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        options(**given)
    assert caught.value.message.startswith(said)


@pytest.mark.parametrize("given", [given for given, _said in BAD])
def test_bad_input_costs_no_request(given: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    world = ShadowWorld(monkeypatch)
    where = {"context": "us-east-1", "namespace": "exchange", "model": MODEL}
    bad(world.run({**where, **given}), "option")
    assert [one for server in world.servers.values() for one in server.requests] == []
    assert (world.registry.reads, world.source.asked) == (0, [])


@pytest.mark.parametrize(
    ("given", "weights", "percent"),
    [
        ({}, (0,), 10.0),
        ({"percent": 2.5}, (0,), 2.5),
        ({"strategy": "canary"}, (5, 25, 50, 100), 0.0),
        ({"strategy": "canary", "steps": [1, 100]}, (1, 100), 0.0),
        ({"strategy": "ab"}, (50,), 50.0),
        ({"strategy": "ab", "percent": 30}, (30,), 30.0),
        ({"strategy": "direct"}, (100,), 0.0),
    ],
)
def test_each_strategy_has_its_weights(given: dict[str, t.Any], weights: tuple[int, ...], percent: float) -> None:
    found = options(**SHADOW, **given)
    assert (found.weights, found.percent) == (weights, percent)


def test_what_is_left_out() -> None:
    found = options(**SHADOW)
    assert (found.state, found.strategy, found.step, found.registered) == ("deployed", "shadow", "deployed", MODEL)
    assert (found.mirrored.method, found.mirrored.strip) == ("POST", ("authorization", "cookie"))
    assert options(**{**SHADOW, "mirror": {"paths": ["/x"], "method": ""}}).mirrored.method is None
    assert options(**{**FLEET, "registry": {**REGISTRY, "model": "prices"}}).registered == "prices"


def test_aliases_go_back_without_a_lock_and_are_looked_at_without_one() -> None:
    assert options(**{**FLEET, "release": None, "state": "rolled_back"}).state == "rolled_back"
    found = options_of(checked(ARGUMENT_SPEC, {**HERE, **FLEET, "release": None}), check_mode=True)
    assert found.state == "deployed"


def test_the_choices_are_those_of_the_decisions() -> None:
    assert ARGUMENT_SPEC["strategy"]["choices"] == list(WEIGHTS)
    assert ARGUMENT_SPEC["override"]["choices"] == list(CHECKS)
    assert ARGUMENT_SPEC["steps"]["default"] == list(WEIGHTS["canary"])
