# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a handover needs of the API server, and what is said when some of it is missing."""

from __future__ import annotations

import pytest
from drain_world import Json, World, good, play
from fakes import FakeKube
from journal_world import World as JournalWorld
from pod_world import GATEWAYS, IN_REGION

ENGINES = {"engine": {"pod": "engine-a-0"}, "new_engine": {"pod": "engine-b-0"}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeKube:
    return JournalWorld(monkeypatch).server


def ask(**given: object) -> Json:
    return play({"state": "permitted", **IN_REGION, **ENGINES, **GATEWAYS, **given})


def test_whoever_may_do_everything_is_told_so_and_nobody_is_asked_but_the_api_server(server: FakeKube) -> None:
    result = good(ask())
    assert result["reason"] == "allowed to get pods, list pods, create pods/proxy, get pods/proxy"
    assert (result["changed"], server.writes()) == (False, [])
    assert not [request.path for request in server.requests if "/proxy" in request.path]


@pytest.mark.parametrize("right", ["create pods/proxy", "get pods/proxy", "get pods", "list pods"])
def test_the_right_that_is_missing_is_named(server: FakeKube, right: str) -> None:
    verb, resource = right.split()
    server.denied.add((verb, resource))
    result = ask()
    assert result["msg"].startswith(f"context: releaser is forbidden to {right} in the namespace exchange, which")
    assert "docs/examples/rbac-engine.yml" in result["msg"]
    assert result["error"] == {"kind": "option", "system": "input", "region": "us-east-1", "retriable": False}


def test_all_that_are_missing_are_named_at_once(server: FakeKube) -> None:
    server.denied |= {("create", "pods/proxy"), ("list", "pods")}
    assert "forbidden to list pods and to create pods/proxy in the" in ask()["msg"]


def test_what_is_not_needed_is_not_asked_for(server: FakeKube) -> None:
    server.denied |= {("delete", "pods/proxy"), ("list", "pods")}
    good(ask(gateway_pods=[], gateways=[{"url": "https://gateway"}]))
    server.denied = {("get", "pods"), ("create", "pods/proxy")}
    urls = {"engine": {"url": "https://a"}, "new_engine": {"url": "https://b"}}
    assert good(ask(**urls))["reason"] == "allowed to list pods, get pods/proxy"
    server.denied = {("delete", "pods/proxy")}
    assert "forbidden to delete pods/proxy in" in ask(gateway_pods=[], announce_s=5.0)["msg"]


def test_a_mapped_contract_has_verbs_of_its_own(server: FakeKube) -> None:
    server.denied.add(("update", "pods/proxy"))
    mapped = {"engine": {"cut": {"method": "PUT"}, "announce": {"method": "PATCH"}}}
    assert "forbidden to update pods/proxy in" in ask(contract=mapped)["msg"]
    good(ask(contract={"engine": {"finish": {"method": "PUT", "offered": False}}}))


def test_who_is_reached_by_addresses_needs_no_right(world: World, server: FakeKube) -> None:
    server.denied |= {(verb, "pods/proxy") for verb in ("get", "create")}
    urls = {"engine": {"url": world.a.url}, "new_engine": {"url": world.b.url}}
    assert good(play({"state": "permitted", **urls}))["reason"] == "no pod is asked, so no right is needed"
    assert world.a.requests == []
