# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The route of a model in an API server: written once, journaled, read back, accepted."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_rules import NOTE_ANNOTATION
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Buckets,
    Mirror,
    Promoted,
    RolledBack,
    Stepped,
    Traffic,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model_route import ModelRoute
from fakes import lose_answer
from journal_world import LEASE
from model_world import ALL_BLUE, HEADER, MIRRORED, ModelWorld, deployed
from slot_world import ROUTE, S

Json = dict[str, t.Any]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ModelWorld:
    return ModelWorld(monkeypatch).fill()


def at_put(act: t.Callable[[Request], t.Any]) -> t.Any:
    """A fault: something happens with the next write of the route."""
    left = [1]

    def fault(request: Request) -> None:
        if left[0] and request.method == "PUT" and "/httproutes/" in request.path and "dryRun" not in request.query:
            left[0] -= 1
            act(request)

    return fault


def test_a_shadow_is_written_once_with_its_note_and_goes_away_without_a_trace(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    before = world.objects()
    done = world.act(deployed(world), release)
    assert (done.changed, done.at, world.written()) == (True, world.clock.now(), [f"PUT httproutes/{S}"])
    found = world.now()
    assert found.traffic == Traffic(ALL_BLUE, Mirror("green", 10.0))
    assert (found.mirrored, found.note and found.note.challenger) == (MIRRORED, "v2")
    (entry,) = world.journaled(release)
    (change,) = entry.changes
    assert (entry.done, change.ref, change.op) == (True, ROUTE, "models")
    assert change.fields == {
        "traffic": {
            "before": Traffic(ALL_BLUE).told(),
            "after": {"weights": ALL_BLUE, "mirror": {"slot": "green", "percent": 10.0}, "buckets": None},
        }
    }
    assert "status" not in (change.after or {})
    assert not world.act(deployed(world, at=0.0), release).changed
    assert world.act(RolledBack(), release, back=True).changed
    assert world.objects() == before


def test_check_mode_writes_nothing(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.server.requests.clear()
    assert world.act(deployed(world), release, check_mode=True).changed
    assert world.server.writes() == []
    world.act(deployed(world), release)
    world.server.requests.clear()
    assert world.act(RolledBack(), release, check_mode=True, back=True).changed
    assert world.server.writes() == []


def test_the_way_up(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.act(deployed(world, "canary"), release)
    for step in (1, 2, 3):
        world.act(Stepped(world.clock.now(), step), release)
    world.act(Promoted(world.clock.now()), release)
    assert world.now().traffic == Traffic({"blue": 0, "green": 100})
    assert json.loads(world.server.take(ROUTE)["metadata"]["annotations"][NOTE_ANNOTATION])["promoted"] is True
    world.act(RolledBack(), release, back=True)
    assert (world.now().traffic, world.now().note) == (Traffic(ALL_BLUE), None)


@pytest.mark.parametrize(
    ("strategy", "ready", "needed"), [("shadow", 0, 1), ("canary", 0, 1), ("ab", 0, 1), ("direct", 1, 2)]
)
def test_a_challenger_without_enough_ready_pods_gets_nothing(
    world: ModelWorld, strategy: t.Any, ready: int, needed: int
) -> None:
    _fleet, release = world.opened()
    world.ready("green", ready)
    with pytest.raises(ReleaseError, match=f"green has {ready} ready pods and needs {needed}") as caught:
        world.act(deployed(world, strategy), release)
    assert (caught.value.kind, world.written()) == ("capacity", [])
    with pytest.raises(ReleaseError, match="needs 5"):
        route = world.route(release, min_ready=5)
        route.write(route.read(), Traffic({"blue": 99, "green": 1}), None, None, "a step", check_mode=False)


def test_the_way_back_needs_one_ready_pod_and_tells_of_too_few(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.act(deployed(world, "direct"), release)
    world.ready("blue", 1)
    done = world.act(RolledBack(), release, back=True)
    assert done.warnings == (f"route {S}: blue takes 100 % of the traffic with 1 ready pods and should have 2",)
    world.act(deployed(world, "direct"), release)
    world.ready("blue", 0)
    with pytest.raises(ReleaseError, match="blue has 0 ready pods"):
        world.act(RolledBack(), release, back=True)
    assert world.now().traffic.weights["green"] == 100


def test_an_ab_test_ends_although_somebody_writes_meanwhile(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.act(deployed(world, "ab"), release)
    assert world.now().traffic == Traffic(ALL_BLUE, None, Buckets("green", HEADER, 50))
    world.server.before.append(at_put(lambda _request: world.somebody(Traffic({"blue": 40, "green": 60}))))
    world.act(RolledBack(), release, back=True)
    assert (world.now().traffic, world.now().note) == (Traffic(ALL_BLUE), None)


def test_forward_somebody_elses_change_is_not_written_over(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.server.before.append(at_put(lambda _request: world.somebody(Traffic({"blue": 40, "green": 60}))))
    with pytest.raises(ReleaseError, match="was changed by somebody else between our read and our write") as caught:
        world.act(deployed(world), release)
    assert (caught.value.kind, caught.value.partial) == ("conflict", {"changed": False})
    assert world.now().traffic == Traffic({"blue": 40, "green": 60})


def test_a_note_that_somebody_else_changes_is_not_written_over(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.act(deployed(world, "canary"), release)
    stored = world.server.take(ROUTE)
    stored["metadata"]["annotations"][NOTE_ANNOTATION] += " "
    world.server.before.append(at_put(lambda _request: world.server.put(stored, "kubectl")))
    with pytest.raises(ReleaseError, match="was changed by somebody else"):
        world.act(Stepped(world.clock.now()), release)


def test_a_status_written_in_between_takes_nothing_of_the_note(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    labels = {"seen": "yes"}

    def touch(_request: Request) -> None:
        world.server.change(ROUTE, "gateway", metadata={**world.server.take(ROUTE)["metadata"], "labels": labels})

    world.server.before.append(at_put(touch))
    assert world.act(deployed(world), release).changed
    assert world.now().note is not None
    assert world.server.take(ROUTE)["metadata"]["labels"].items() >= labels.items()


def test_an_answer_that_is_lost_is_found_in_what_is_there(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.server.after.append(lose_answer(path=f"/httproutes/{S}"))
    assert world.act(deployed(world), release).changed
    (entry,) = world.journaled(release)
    assert (entry.done, world.now().traffic.mirror) == (True, Mirror("green", 10.0))


def test_an_api_server_that_drops_the_share_is_found_out_before_anything_is_written(world: ModelWorld) -> None:
    _fleet, release = world.opened()

    def prune(request: Request) -> t.Any:
        if request.method == "PUT" and "dryRun" in request.query:
            body = json.loads(request.body)
            del body["spec"]["rules"][0]["filters"][1]["requestMirror"]["percent"]
            object.__setattr__(request, "body", json.dumps(body).encode())

    world.server.before.append(prune)
    with pytest.raises(ReleaseError, match="install the definitions of"):
        world.act(deployed(world), release)
    assert (world.written(), world.journaled(release)) == ([], [])


def test_a_gateway_that_does_not_accept_it_is_told_after_the_write(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.server.after.remove(world._accept)
    with pytest.raises(ReleaseError, match="it is written, and within 3 s not in effect: gateway exchange") as caught:
        route = ModelRoute(world.session(release), S, accept_s=3.0)
        route.write(route.read(), Traffic({"blue": 95, "green": 5}), None, None, "a step", check_mode=False)
    assert (caught.value.kind, caught.value.retriable, caught.value.partial) == (
        "not_accepted",
        True,
        {"changed": True},
    )


def test_what_is_no_route_of_a_model(world: ModelWorld) -> None:
    stored = world.server.take(ROUTE)
    noted = copy.deepcopy(stored)
    noted["metadata"]["annotations"] = {NOTE_ANNOTATION: "{}"}
    world.server.put(noted)
    with pytest.raises(ReleaseError, match="is not as it was written") as caught:
        world.now()
    assert caught.value.kind == "note"
    stored["spec"]["rules"] = []
    world.server.put(stored)
    with pytest.raises(ReleaseError, match="has no rule with the backends"):
        world.now()
    del world.server.stored[ROUTE]
    with pytest.raises(ReleaseError, match="there is no such HTTPRoute"):
        world.now()


def test_bad_traffic_is_refused_before_anything_is_written(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    route = world.route(release)
    for traffic, part in (
        (Traffic({"blue": 50, "green": 40}), "the sum has to be 100"),
        (Traffic(ALL_BLUE, Mirror("green", 1.0)), "no path is named"),
    ):
        with pytest.raises(ReleaseError, match=f"^route: {S}: .*{part}"):
            route.write(route.read(), traffic, None, None, "a step", check_mode=False)
    assert world.written() == []


def test_without_the_lock_nothing_is_written(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    route = world.route(release)
    found = route.read()
    lease = world.server.take(LEASE)
    world.server.change(LEASE, spec={**lease["spec"], "holderIdentity": "recover", "leaseTransitions": 9})
    with pytest.raises(ReleaseError) as caught:
        route.write(found, Traffic({"blue": 95, "green": 5}), None, None, "a step", check_mode=False)
    assert (caught.value.kind, world.written()) == ("lock_lost", [])
