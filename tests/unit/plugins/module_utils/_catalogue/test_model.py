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


def test_a_sound_catalogue_has_no_problems() -> None:
    assert catalogue_problems(SERVICES, {"default": {}}) == []


def test_defaults_are_filled_in() -> None:
    service = parse_catalogue(SERVICES)["core-api"]
    assert service.steps == (10, 25, 50, 100)
    assert (service.hpa.cpu, service.hpa.memory) == (70, 80)  # type: ignore[union-attr]
    assert service.rolling == {"max_surge": 1, "max_unavailable": 0}


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


def test_a_registry_port_is_no_tag() -> None:
    assert catalogue_problems(changed(image="registry.lab:5000/pincex/exchange")) == []
