# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The query that counts the open connections of one slot, from the catalogue to the plan."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.connections import query_problem, watched
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import (
    catalogue_problems,
    parse_catalogue,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan_back import rollback_plan
from catalogue_samples import PROFILES, SERVICES, empty_region, plan_for, running

Json = dict[str, t.Any]

QUERY: t.Final = 'sum(open_connections{service="$service",slot="$slot",namespace="$namespace",region="$region"})'
V1: t.Final = {"core-api": "v1", "reference-data": "v1"}
V2: t.Final = {"core-api": "v2", "reference-data": "v2"}
BLUE: t.Final = {"core-api": "blue", "reference-data": "blue"}
GREEN: t.Final = {"core-api": "green", "reference-data": "green"}


def filled_in(slot: str) -> Json:
    query = f'sum(open_connections{{service="core-api",slot="{slot}",namespace="exchange",region="us-east-1"}})'
    return {"service": "core-api", "slot": slot, "query": query}


def changed(**options: t.Any) -> Json:
    services = copy.deepcopy(SERVICES)
    services["core-api"].update({"connections": QUERY, **options})
    return services


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "'' is no query"),
        (5, "5 is no query"),
        ([QUERY], "is no query"),
        ('x{slot="$slot",other="$stable"}', "only $service, $slot, $namespace, $region are filled in; write $$"),
        ('label_replace(x{slot="$slot"}, "a", "$1", "b", "(.*)")', "write $$ for a dollar sign"),
        ('sum(x{service="$service"})', "it does not say $slot, so it would count both slots"),
    ],
)
def test_a_bad_query_is_refused_with_its_option(query: t.Any, words: str) -> None:
    (problem,) = catalogue_problems(changed(connections=query), {"default": {}})
    assert problem.startswith("services.core-api.connections: ")
    assert words in problem


def test_a_good_query() -> None:
    assert query_problem(QUERY, "canary") is None
    assert query_problem('sum(x{pod=~"$service-${slot}-.*"}) or vector(0)', "canary") is None
    assert query_problem('label_replace(x{slot="$slot"}, "a", "$$1", "b", "(.*)")', "canary") is None
    assert parse_catalogue(changed())["core-api"].connections == QUERY
    assert parse_catalogue(changed(connections=None))["core-api"].connections is None
    assert watched(QUERY, "core-api", "blue", "exchange", "us-east-1") == filled_in("blue")


@pytest.mark.parametrize("more", [{}, {"traffic": "selector", "strategy": "blue_green", "hostnames": []}])
def test_the_old_slot_is_counted_before_it_goes(more: Json) -> None:
    services = changed(**more)
    before = running(services, V1, BLUE)
    if more:
        service = {"kind": "Service", "metadata": {"name": "core-api"}}
        before["objects"].append(service)
    plan, problems = plan_for(services, V2, before)
    assert problems == []
    assert plan["finish"]["connections"] == [filled_in("blue")]


def test_a_way_back_counts_the_slot_that_it_leaves() -> None:
    services = changed()
    then, now = running(services, V1, BLUE), running(services, V2, GREEN)
    plan, _ = rollback_plan(parse_catalogue(services), then, now, PROFILES)
    assert plan["finish"]["connections"] == [filled_in("green")]


def test_where_no_slot_goes_there_is_nothing_to_count() -> None:
    first, _ = plan_for(changed(), V1, empty_region())
    assert query_problem(QUERY, "rolling") == "not for strategy rolling, whose pods end one by one"
    silent, _ = plan_for(SERVICES, V2, running(SERVICES, V1, BLUE))
    for plan in (first, silent):
        assert plan["finish"]["services"]
        assert plan["finish"]["connections"] == []
