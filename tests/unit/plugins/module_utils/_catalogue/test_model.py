# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the catalogue may say."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import (
    catalogue_problems,
    parse_catalogue,
)
from catalogue_samples import SERVICES


def changed(**options: t.Any) -> dict[str, t.Any]:
    services = copy.deepcopy(SERVICES)
    services["core-api"].update(options)
    return services


def selector(**options: t.Any) -> dict[str, t.Any]:
    """core-api without Gateway API. An option with the value None is left out."""
    services = changed(**{"traffic": "selector", "strategy": "blue_green", "hostnames": None, **options})
    services["core-api"] = {key: value for key, value in services["core-api"].items() if value is not None}
    return services


def test_a_sound_catalogue_has_no_problems() -> None:
    assert catalogue_problems(SERVICES, {"default": {}}) == []


def test_defaults_are_filled_in() -> None:
    service = parse_catalogue(SERVICES)["core-api"]
    assert service.steps == (10, 25, 50, 100)
    assert (service.hpa.cpu, service.hpa.memory) == (70, 80)  # type: ignore[union-attr]
    assert service.rolling == {"max_surge": 1, "max_unavailable": 0}


@pytest.mark.parametrize(("strategy", "steps"), [("canary", (10, 25, 50, 100)), ("blue_green", (100,))])
def test_a_strategy_has_steps_of_its_own(strategy: str, steps: tuple[int, ...]) -> None:
    assert parse_catalogue(changed(strategy=strategy))["core-api"].steps == steps


def test_numbers_given_as_text_are_numbers() -> None:
    assert parse_catalogue(changed(replicas="4"))["core-api"].replicas == 4


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ({}, "services: the catalogue is empty"),
        (changed(image=None), "services.core-api.image: missing"),
        (changed(image="exchange:v1"), "services.core-api.image: exchange:v1 has a tag"),
        (changed(replica=2), "services.core-api.replica: unknown option; did you mean replicas?"),
        (changed(depends_on=["referenc-data"]), "unknown service referenc-data; did you mean reference-data?"),
        (changed(depends_on=["core-api"]), "core-api -> core-api depend on each other in a circle"),
        (changed(strategy="bluegreen"), "services.core-api.strategy: 'bluegreen' is unknown"),
        (changed(steps=[10, 5, 100]), "services.core-api.steps: [10, 5, 100] does not rise"),
        (changed(steps=[10, 50]), "services.core-api.steps: [10, 50] does not rise from at least 1 to 100"),
        (changed(steps=[100], strategy="rolling"), "a rolling service changes in place"),
        (changed(hpa={"min": 5, "max": 2}), "services.core-api.hpa: min 5 is above max 2"),
        (changed(hpa={"min": 5}), "services.core-api.hpa.max: missing"),
        (changed(port=0), "services.core-api.port: 0 is not a number"),
        (changed(gate_profile="carefull"), "services.core-api.gate_profile: unknown profile carefull"),
        (changed(grace_s=5, prestop_s=5), "services.core-api.grace_s: 5 leaves no time"),
        (changed(probes={"redy": "/"}), "services.core-api.probes.redy: unknown option; did you mean ready?"),
        (
            changed(traffic="selectors"),
            "services.core-api.traffic: 'selectors' is unknown; use one of route",
        ),
        (changed(probe_url="http://x"), "services.core-api.probe_url: only for traffic selector"),
        (selector(strategy="canary"), "services.core-api.strategy: canary needs shares"),
        (selector(strategy=None), "services.core-api.strategy: canary needs shares"),
        (selector(steps=[10, 100]), "services.core-api.steps: [10, 100] has shares"),
        (selector(steps=100), "services.core-api.steps: 100 does not rise"),
        (selector(hostnames=["x.lab"]), "services.core-api.hostnames: of an HTTPRoute"),
        (selector(gateway="edge"), "services.core-api.gateway: of an HTTPRoute"),
        (selector(probe_url="core-api:8080"), "services.core-api.probe_url: 'core-api:8080' is no http://"),
        ({"Core_API": {"image": "x"}}, "services.Core_API: a service name"),
        ({"core-api": "x"}, "services.core-api: use a mapping"),
    ],
)
def test_every_problem_names_its_option(services: dict[str, t.Any], words: str) -> None:
    problems = catalogue_problems(services, {"default": {}})
    assert len(problems) == 1, problems
    assert words in problems[0]


def test_a_bad_catalogue_is_not_parsed() -> None:
    with pytest.raises(ValueError, match="image: missing"):
        parse_catalogue({"core-api": {}})


@pytest.mark.parametrize(
    "options",
    [{}, {"steps": [100]}, {"steps": ["100"]}, {"strategy": "rolling"}, {"probe_url": "https://core-api.lab"}],
)
def test_a_selector_gives_all_or_nothing(options: dict[str, t.Any]) -> None:
    services = selector(**options)
    assert catalogue_problems(services) == []
    service = parse_catalogue(services)["core-api"]
    assert (service.traffic, service.steps) == ("selector", () if options.get("strategy") else (100,))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"config": ["A"]}, "services.core-api.config: use a mapping"),
        ({"config": {"fee-bps": 1}}, "services.core-api.config.fee-bps: no name of an environment variable"),
        ({"config": {"FEE": None}}, "services.core-api.config.FEE: use a text, a number or a boolean"),
        ({"config": {"FEE": {"a": 1}}}, "services.core-api.config.FEE: use a text"),
        ({"config": {"FEE": 1}, "env": {"FEE": "2"}}, "services.core-api.config.FEE: env sets it as well"),
        ({"config": {"PINCEX_SLOT": "blue"}}, "services.core-api.config.PINCEX_SLOT: the release sets it as well"),
        ({"config": {"CIRCUIT_BREAKER_RESET_S": 1}}, "the release sets it as well, and would win"),
    ],
)
def test_configuration_is_an_environment_that_wins_nothing(options: dict[str, t.Any], words: str) -> None:
    (problem,) = catalogue_problems(changed(**options))
    assert words in problem


def test_values_of_the_configuration_are_text() -> None:
    given = {"FEE": 0.1, "DEPTH": 50, "QUOTE": "USD", "DRY": False}
    assert catalogue_problems(changed(config=given)) == []
    parsed = parse_catalogue(changed(config=given))["core-api"].config
    assert parsed == {"FEE": "0.1", "DEPTH": "50", "QUOTE": "USD", "DRY": "false"}


def test_a_registry_port_is_no_tag() -> None:
    assert catalogue_problems(changed(image="registry.lab:5000/pincex/exchange")) == []
