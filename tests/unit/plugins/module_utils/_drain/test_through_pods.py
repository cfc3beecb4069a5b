# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drain whose engines and gateways are pods: everything goes through the API server, and pods come and go."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import handover
from drain_world import World, good, outcomes, play, verdicts
from journal_world import World as JournalWorld
from pod_world import GATEWAYS, IN_REGION, PodWorld, api_says

CUT, OPEN, ACKS = "POST /control/cut", "POST /control/open", "GET /control/acks"


@pytest.fixture
def pods(world: World, monkeypatch: pytest.MonkeyPatch) -> PodWorld:
    return PodWorld(world, JournalWorld(monkeypatch).server)


def test_handed_over_through_the_api_server_alone(pods: PodWorld, world: World) -> None:
    served: list[str] = []
    for server in world.servers():
        # Nothing comes over their own addresses.
        server.http.RequestHandlerClass.parse_request = lambda _self: served.append("direct") or False  # type: ignore[method-assign,func-returns-value]
    result = good(pods.handover())
    assert (result["verdict"], set(verdicts(result).values())) == ("pass", {"pass"})
    assert (world.record.owner, world.a.role, served) == ("engine-b", "follower", [])
    # The old engine is told the address that the pod of the new one has.
    assert world.a.asked("POST /control/follow")[0]["url"] == "http://10.0.0.2:8080"
    assert {pod for _method, pod, _path in pods.asked} == {"engine-a-0", "engine-b-0", "core-api-1"}
    assert good(pods.handover())["changed"] is False


def test_a_follower_is_told_where_the_old_engine_is(pods: PodWorld, world: World) -> None:
    world.b.role, world.b.source = "starting", None
    good(pods.handover())
    assert world.b.asked("POST /control/follow")[0]["url"] == "http://10.0.0.1:8080"
    given = {"engine": {"pod": "engine-b-0", "peer_url": "http://engine-b:8080/"}, "new_engine": {"pod": "engine-a-0"}}
    good(pods.handover(**given))
    assert world.b.asked("POST /control/follow")[-1]["url"] == "http://10.0.0.1:8080"


def test_a_follower_whose_source_has_moved_is_told_again(pods: PodWorld, world: World) -> None:
    """A new pod of the same name has another address, which nobody follows."""
    status = world.b.status
    address = pods.start("engine-a-0", world.a)

    def lost(body: t.Any) -> tuple[int, t.Any]:
        code, found = status(body)
        if not world.b.asked("POST /control/follow"):
            found["follow"] = {"url": "http://10.0.0.1:8080", "lag_events": None, "error": None}
        return code, found

    world.b.always["GET /control/status"] = lost
    result = good(pods.handover())
    assert [body["url"] for body in world.b.asked("POST /control/follow")] == [address]
    assert result["verdict"] == "pass"


def test_a_pod_that_is_replaced_between_two_tries_is_the_same_engine(pods: PodWorld, world: World) -> None:
    """It is gone for a moment, and comes with another address."""
    tries: list[str] = []

    def restarting(request: Request) -> Answer | None:
        if "/engine-a-0:8080/proxy/control/cut" in request.path:
            tries.append(request.path)
            if len(tries) == 1:
                pods.stop("engine-a-0")
            if len(tries) == 2:
                pods.start("engine-a-0", world.a)
        return None

    pods.server.before.insert(0, restarting)
    good(pods.handover())
    assert (len(tries), len(world.a.asked(CUT)), world.record.owner) == (2, 1, "engine-b")


def test_what_the_proxy_says_is_told_in_a_sentence(pods: PodWorld, world: World) -> None:
    answers = [
        (api_says(403, "Forbidden", "cannot get"), "unauthorized", "the rule apiGroups"),
        (api_says(503, "ServiceUnavailable", "dial tcp: refused"), "unreachable", "does not reach the pod: dial tcp"),
        (api_says(404, "NotFound", 'pods "engine-b-0" not found'), "gone", "there is no such pod"),
    ]
    for answer, kind, said in answers:
        pods.server.before.insert(0, lambda request, a=answer: a if "/engine-b-0:8080/" in request.path else None)
        result = pods.handover(timeout_s=0.1)
        assert (result["error"]["kind"], result["changed"]) == (kind, False)
        assert "us-east-1: new_engine (pod engine-b-0:8080) cannot be asked for status: " in result["msg"]
        assert said in result["msg"]
        pods.server.before.pop(0)
    # An answer of the engine with the same number is the engine's own.
    world.b.always["GET /control/status"] = lambda _body: (404, {"reason": "no such resource"})
    assert "answered 404 to status: no such resource" in pods.handover()["msg"]


def test_only_pods_that_run_and_do_not_end_are_gateways(pods: PodWorld) -> None:
    for name, more in (("core-api-2", {"phase": "Pending"}), ("core-api-3", {"running": False})):
        pods.start(name, pods.world.gateway, **more)
    ref = next(ref for ref in pods.server.stored if ref.name == "core-api-1")
    second = pods.gateway("core-api-4")
    ending = pods.server.take(ref)
    ending["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    pods.server.put(ending)
    good(pods.handover())
    assert {pod for _method, pod, _path in pods.asked} == {"engine-a-0", "engine-b-0", "core-api-4"}
    assert second.asked(ACKS)


def test_without_a_pod_that_runs_nobody_can_judge(pods: PodWorld) -> None:
    pods.stop("core-api-1")
    result = pods.handover()
    assert result["msg"].startswith("gateway_pods: without gateways nobody can judge I2 and I9; no pod with app.kuber")
    assert result["changed"] is False
    # To look, and to trade again, needs none.
    for state in ("status", "online"):
        good(pods.handover(state=state))
    good(pods.handover(allow_unknown=["I2", "I9"]))


@pytest.mark.parametrize("how", ["deleted", "crashed"])
@pytest.mark.parametrize("route", [CUT, OPEN])
def test_a_gateway_that_dies_meanwhile_costs_no_deadline(pods: PodWorld, world: World, how: str, route: str) -> None:
    """It has nothing in flight that it could still acknowledge, and its sessions ended with it."""
    pods.gateway("core-api-2")
    engine = world.a if route == CUT else world.b
    act = world.a.cut if route == CUT else world.b.open

    def dies(body: t.Any) -> tuple[int, t.Any]:
        if how == "deleted":
            pods.stop("core-api-2")
        else:
            pods.start("core-api-2", pods.pods["core-api-2"], running=False)
            del pods.pods["core-api-2"]
        return act(body)

    engine.always[route] = dies
    result = good(pods.handover(cut_deadline_s=30.0))
    assert (result["verdict"], world.record.owner) == ("pass", "engine-b")
    assert result["matching_off"]["at_most_ms"] < 5000
    (told,) = [line for line in result["warnings"] if "core-api-2" in line]
    assert "has gone meanwhile with its sessions and has nothing in flight" in told


def test_a_gateway_that_goes_while_it_is_asked_is_not_asked_again(pods: PodWorld) -> None:
    """A pod of a Deployment does not come again under its name, and meanwhile nobody trades."""
    pods.gateway("core-api-2")

    def goes(request: Request) -> Answer | None:
        if "/core-api-2:8080/proxy/control/acks" in request.path and "core-api-2" in pods.pods:
            pods.stop("core-api-2")
        return None

    pods.server.before.insert(0, goes)
    result = good(pods.handover(cut_deadline_s=30.0))
    assert result["verdict"] == "pass"
    assert pods.asked.count(("GET", "core-api-2", "/control/acks")) == 1


def test_a_gateway_that_is_there_and_silent_lets_the_old_engine_return_at_once(
    pods: PodWorld, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "_SILENCE_S", 0.2)
    world.gateway.always[ACKS] = "lose"
    result = pods.handover(cut_deadline_s=30.0)
    assert "gateway core-api-1 (pod core-api-1:8080) does not answer acks" in result["msg"]
    assert result["msg"].endswith("; engine-a trades again in epoch 7")
    assert next(step["seconds"] for step in result["steps"] if step["name"] == "compare") < 5


def test_a_gateway_by_its_address_that_is_silent_costs_no_deadline_either(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "_SILENCE_S", 0.2)
    world.gateway.always[ACKS] = "lose"
    result = world.handover(cut_deadline_s=30.0)
    assert result["msg"].endswith("; engine-a trades again in epoch 7")
    assert next(step["seconds"] for step in result["steps"] if step["name"] == "compare") < 5


def test_a_gateway_that_comes_right_before_the_cut_is_asked(pods: PodWorld, world: World) -> None:
    """What it has acknowledged has to be in the journal like everything else."""
    came: list[t.Any] = []

    def comes(body: t.Any) -> tuple[int, t.Any]:
        if not came:
            came.append(pods.gateway("core-api-2"))
            came[0].known_acks = [["o999", 7]]
        return world.a.cut(body)

    world.a.always[CUT] = comes
    world.b.unknown_acks = {"o999"}
    result = pods.handover()
    assert "I2 acknowledgements: 1 of 41 acknowledged orders are not in the journal" in result["msg"]
    assert world.a.role == "leader"


def test_a_full_drain_of_pods_closes_and_opens_all_gateways(pods: PodWorld, world: World) -> None:
    second = pods.gateway("core-api-2")
    full = {**IN_REGION, **GATEWAYS, "engine": {"pod": "engine-a-0"}, "prove": {"pod": "engine-b-0"}}
    world.a.peers["http://10.0.0.1:8080"] = world.a
    result = good(world.full(**full))
    assert (result["verdict"], world.gateway.is_ready, second.is_ready) == ("pass", False, False)
    assert world.b.asked("POST /control/verify")[0]["url"] == "http://10.0.0.1:8080"
    assert outcomes(result)["sessions"] == "all ended"
    # They are not ready, and gateways all the same.
    good(world.online(**full))
    assert (world.gateway.is_ready, second.is_ready, world.a.mode) == (True, True, "online")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"engine": {}}, "engine: needs url or pod"),
        ({"engine": None}, "engine: needed for state drained"),
        ({"engine": {"pod": "a", "url": "http://a"}}, "engine: has url and pod; one of them is enough"),
        ({"engine": {"pod": "a/b"}}, "engine.pod: 'a/b' is no name of a pod"),
        ({"new_engine": {"pod": "b-0", "port": 0}}, "new_engine.port: 0 is no port"),
        ({"new_engine": {"pod": "b-0", "peer_url": "b"}}, "new_engine.peer_url: is no http:// or https:// address"),
        ({"new_engine": {"pod": "a-0"}}, "new_engine: is the engine itself"),
        ({"gateway_pods": [{"selector": " "}]}, "gateway_pods: selector is empty, which would be every pod"),
        ({"gateway_pods": [{"selector": "a=b", "port": 70000}]}, "gateway_pods: 70000 is no port"),
        ({"namespace": None}, "namespace: needed with pod"),
        ({"tls": {"token_file": "/token"}}, "tls: is for url; a pod is asked with the credentials of the kubeconfig"),
    ],
)
def test_bad_input_is_refused(given: dict[str, t.Any], said: str) -> None:
    good_input = {"state": "drained", "way": "handover", **IN_REGION, **GATEWAYS}
    result = play({**good_input, "engine": {"pod": "a-0"}, "new_engine": {"pod": "b-0"}, **given})
    assert result["msg"] == said
    assert result["error"]["kind"] == "option"
