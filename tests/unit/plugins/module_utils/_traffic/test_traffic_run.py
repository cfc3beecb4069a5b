# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_traffic in a region in memory: read, shift, probe, take back."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Decision
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Reply
from slot_world import ROUTE, S, SlotWorld, manifests, scale, slot_ref

PROBE = {"url": "http://gateway", "path": "/health/ready", "requests": 60, "timeout_s": 3.0}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SlotWorld:
    return SlotWorld(monkeypatch)


@pytest.fixture
def live(world: SlotWorld) -> SlotWorld:
    """v1 in blue with all the traffic, v2 up in green."""
    world.running("blue", "v1", 2)
    world.running("green", "v2", 2)
    world.routed(100, 0)
    world.server.requests.clear()
    return world


def to(blue: int, green: int, **more: t.Any) -> dict[str, t.Any]:
    return {
        "name": S,
        "weights": {"blue": blue, "green": green},
        "port": 8080,
        "hostnames": ["core-api.exchange.lab"],
        "parent": {"name": "exchange"},
        **more,
    }


def good(result: dict[str, t.Any]) -> dict[str, t.Any]:
    assert not result.get("failed"), result["msg"]
    return result


def test_read(live: SlotWorld) -> None:
    read = good(live.traffic(state="read", routes=[S, "absent"]))
    assert read["routes"] == {
        S: {
            "kind": "HTTPRoute",
            "weights": {"blue": 100, "green": 0},
            "hostnames": ["core-api.exchange.lab"],
            "accepted": True,
            "problem": None,
        },
        "absent": None,
    }
    assert live.server.writes() == []


def test_the_first_shift_makes_the_route(world: SlotWorld) -> None:
    world.running("blue", "v1", 1)
    done = good(world.traffic(state="shifted", routes=[to(100, 0)], probe=PROBE))
    assert done["routes"] == {S: {"before": None, "after": {"blue": 100, "green": 0}}}
    assert done["answers"][S]["blue"]["count"] == 60
    assert len(world.server.take(ROUTE)["spec"]["rules"]) == 3
    missing = world.traffic(state="shifted", routes=[{"name": "other", "weights": {"blue": 100, "green": 0}}])
    assert missing["msg"].startswith("routes: other: the HTTPRoute does not exist yet; to make it, port and parent")


def test_a_shift_is_counted_and_the_second_run_changes_nothing(live: SlotWorld) -> None:
    live.gateway.lag = 120
    done = good(live.traffic(state="shifted", routes=[to(90, 10)], probe=PROBE))
    assert done["changed"]
    assert {slot: count["count"] for slot, count in done["answers"][S].items()} == {"blue": 54, "green": 6}
    assert live.gateway.asked[0][0] == "core-api.exchange.lab"
    assert live.urls == ["http://gateway"]
    live.server.requests.clear()
    again = good(live.traffic(state="shifted", routes=[to(90, 10)], probe=PROBE))
    assert (again["changed"], again["routes"], again["answers"][S]["green"]["count"]) == (False, {}, 6)
    assert live.server.writes() == []


def test_check_mode_writes_and_sends_nothing(live: SlotWorld) -> None:
    checked = good(live.traffic(state="shifted", routes=[to(90, 10)], probe=PROBE, check_mode=True))
    assert checked["routes"] == {S: {"before": {"blue": 100, "green": 0}, "after": {"blue": 90, "green": 10}}}
    assert checked["diff"] == {"before": {S: {"blue": 100, "green": 0}}, "after": {S: {"blue": 90, "green": 10}}}
    assert live.server.writes() == []
    assert live.gateway.asked == []


def test_everything_else_in_the_route_stays(live: SlotWorld) -> None:
    theirs = live.server.take(ROUTE)
    theirs["spec"]["rules"][0]["timeouts"] = {"request": "2s"}
    theirs["spec"]["hostnames"].append("api.example.com")
    live.server.put(theirs, "kubectl")
    good(live.traffic(state="shifted", routes=[to(90, 10)]))
    spec = live.server.take(ROUTE)["spec"]
    assert spec["rules"][0]["timeouts"] == {"request": "2s"}
    assert spec["hostnames"] == ["core-api.exchange.lab", "api.example.com"]


@pytest.mark.parametrize("min_ready", [None, 2])
def test_a_slot_without_ready_pods_gets_no_traffic(live: SlotWorld, min_ready: int | None) -> None:
    live.ready("green", (min_ready or 1) - 1)
    refused = live.traffic(state="shifted", routes=[to(90, 10, min_ready=min_ready)], probe=PROBE)
    assert refused["error"]["kind"] == "capacity"
    assert f"green has {(min_ready or 1) - 1} ready pods and needs {min_ready or 1}" in refused["msg"]
    assert live.weights() == {"blue": 100, "green": 0}
    # Less traffic for it needs no pods.
    live.routed(50, 50)
    good(live.traffic(state="shifted", routes=[to(100, 0, min_ready=min_ready)]))


@pytest.mark.parametrize("kind", ["deploy", "rollback"])
def test_a_deploy_needs_pods_for_what_the_live_slot_has_become(live: SlotWorld, kind: str) -> None:
    """Planned with two pods in blue, half of the traffic needs one; blue has six by now, so green was made three. A way
    back does not wait."""
    live.revision(state="applied", fields=[scale("blue", 6), scale("green", 3)])
    _fleet, release = live.opened(kind=kind)
    shifted = live.traffic(state="shifted", routes=[to(50, 50, min_ready=1)], release=release)
    if kind == "deploy":
        assert "green has 2 ready pods and needs 3 before it gets more traffic" in shifted["msg"]
        assert live.weights() == {"blue": 100, "green": 0}
        live.ready("green", 3)
        # The load goes on growing, and no step can make green larger now.
        live.revision(state="applied", fields=[scale("blue", 8)], release=release)
        shifted = live.traffic(state="shifted", routes=[to(50, 50, min_ready=1)], release=release)
    good(shifted)
    assert live.weights() == {"blue": 50, "green": 50}


@pytest.mark.parametrize(("kind", "waits"), [("deploy", True), ("rollback", False)])
def test_a_pod_that_is_not_ready_for_a_moment_takes_no_deploy_back(live: SlotWorld, kind: str, waits: bool) -> None:
    live.ready("green", 1)
    _fleet, release = live.opened(kind=kind)
    began = live.clock.elapsed

    def later(_seconds: float) -> None:
        live.ready("green", 2)

    live.clock.on_sleep = later
    shifted = live.traffic(state="shifted", routes=[to(0, 100, min_ready=2)], release=release)
    assert (live.weights()["green"] == 100) == waits
    if waits:
        good(shifted)
        assert any("needs 2 before it gets more traffic; nothing was written; try 2 in 5 s" in x for x in live.lines)
    else:
        assert (shifted["error"]["kind"], live.clock.elapsed) == ("capacity", began)


def test_pods_that_are_about_to_go_are_not_ready(live: SlotWorld) -> None:
    live.ready("green", 2)
    green = live.server.take(slot_ref("green"))
    green["spec"]["replicas"] = 0
    live.server.put(green, "somebody")
    refused = live.traffic(state="shifted", routes=[to(90, 10)], probe=PROBE)
    assert refused["error"]["kind"] == "capacity"
    assert live.weights() == {"blue": 100, "green": 0}


def test_a_gateway_that_says_yes_and_does_not_follow_is_found_out(live: SlotWorld) -> None:
    live.gateway.lag = 10**9
    done = live.traffic(state="shifted", routes=[to(0, 100)], probe=PROBE)
    assert (done["failed"], done["changed"], done["error"]["kind"]) == (True, True, "not_proved")
    assert "the shift to blue 0 / green 100 is not proved within 3 s: blue has weight 0 and gave" in done["msg"]
    assert done["answers"][S]["blue"]["count"] > 0


def test_a_gateway_that_does_not_take_the_route(live: SlotWorld) -> None:
    live.server.after.clear()
    done = live.traffic(state="shifted", routes=[to(90, 10)], probe=PROBE)
    assert "no Accepted for generation 2" in done["msg"]
    assert live.gateway.asked == []


@pytest.mark.parametrize(
    ("routes", "problem"),
    [
        ([to(90, 20)], "routes: core-api: blue 90 + green 20 is 110, the sum has to be 100"),
        ([to(90, 10), to(90, 10)], "routes: core-api is there twice"),
        ([to(90, 10, wieghts={})], "routes: core-api: there is no option wieghts for state shifted"),
        ([to(90, 10, min_ready="two")], "routes: core-api: min_ready is 'two', which is no whole number"),
        ([{"name": S}], "routes: core-api: weights is missing"),
        (["core-api"], "routes: number 1 needs name, weights"),
        ([], "routes: no route is named for state shifted"),
    ],
)
def test_bad_routes_are_refused_before_anything_is_asked(live: SlotWorld, routes: t.Any, problem: str) -> None:
    assert live.traffic(state="shifted", routes=routes, probe=PROBE)["msg"] == problem
    assert live.server.requests == []


def test_a_status_written_in_between_is_no_reason_to_stop_but_rules_are(live: SlotWorld) -> None:
    def touch_status(request: t.Any) -> None:
        if request.method == "PUT" and request.query.get("dryRun") is None:
            live.server.before.remove(touch_status)
            live.server.change(ROUTE, "gateway", status={"parents": []})

    live.server.before.append(touch_status)
    good(live.traffic(state="shifted", routes=[to(90, 10)]))
    assert live.weights() == {"blue": 90, "green": 10}

    def touch_rules(request: t.Any) -> None:
        if request.method == "PUT" and request.query.get("dryRun") is None:
            live.server.before.remove(touch_rules)
            live.routed(40, 60)

    live.server.before.append(touch_rules)
    done = live.traffic(state="shifted", routes=[to(50, 50)])
    assert "was changed by somebody else between our read and our write" in done["msg"]
    assert live.weights() == {"blue": 40, "green": 60}


def test_probed_asks_the_slot_whatever_its_weight_is(live: SlotWorld) -> None:
    entry = {"name": S, "slot": "green", "version": "v2"}
    live.gateway.first = [Reply("503")]
    done = good(live.traffic(state="probed", routes=[entry], probe=PROBE))
    assert (done["changed"], done["answers"][S]["green"]["count"]) == (False, 60)
    assert {frozenset(headers.items()) for _h, _p, headers in live.gateway.asked} == {
        frozenset({("x-pincex-slot", "green")})
    }
    wrong = live.traffic(state="probed", routes=[{**entry, "version": "v3"}], probe=PROBE)
    assert "slot green is not fit for traffic after 3 s: green answers as version v2, not v3" in wrong["msg"]
    assert live.server.writes() == []
    assert live.traffic(state="probed", routes=[entry])["msg"] == "probe: needed for state probed"


def test_a_release_is_taken_back_whoever_moved_the_weights(live: SlotWorld) -> None:
    _fleet, release = live.opened()
    good(live.traffic(state="shifted", routes=[to(90, 10)], release=release))
    live.routed(20, 80)
    checked = good(live.traffic(state="restored", release=release, check_mode=True))
    assert live.weights() == {"blue": 20, "green": 80}
    done = good(live.traffic(state="restored", release=release))
    assert (
        done["routes"]
        == checked["routes"]
        == {S: {"before": {"blue": 20, "green": 80}, "after": {"blue": 100, "green": 0}}}
    )
    assert live.weights() == {"blue": 100, "green": 0}
    assert live.gateway.asked == []
    assert not good(live.traffic(state="restored", release=release))["changed"]


def test_taking_back_goes_on_after_the_fleet_has_decided(live: SlotWorld) -> None:
    _fleet, release = live.opened()
    good(live.traffic(state="shifted", routes=[to(90, 10)], release=release))
    assert isinstance(live.journal(release).write_undo("eu-west-1", "error rate"), Decision)
    assert live.traffic(state="shifted", routes=[to(75, 25)], release=release)["msg"].startswith("undone by eu-west-1")
    good(live.traffic(state="restored", release=release))
    assert live.weights() == {"blue": 100, "green": 0}


def test_a_slot_that_was_only_prepared_gets_nothing_either(live: SlotWorld) -> None:
    _fleet, release = live.opened()
    live.revision(state="applied", objects=manifests("green", "v3"), fields=[scale("green", 2)], release=release)
    live.routed(50, 50)
    good(live.traffic(state="restored", release=release))
    assert live.weights() == {"blue": 100, "green": 0}


def test_a_slot_changed_in_place_keeps_its_traffic(live: SlotWorld) -> None:
    _fleet, release = live.opened()
    done = live.revision(state="applied", objects=manifests("blue", "v3"), allow_live=True, release=release)
    assert done["changed"], done
    assert not good(live.traffic(state="restored", release=release))["changed"]
    assert live.weights() == {"blue": 100, "green": 0}


def test_a_first_release_takes_its_route_along(world: SlotWorld) -> None:
    _fleet, release = world.opened()
    world.revision(state="applied", objects=manifests("blue", "v1"), fields=[scale("blue", 1)], release=release)
    world.ready("blue", 1)
    good(world.traffic(state="shifted", routes=[to(100, 0)], release=release))
    done = good(world.traffic(state="restored", release=release))
    assert done["routes"] == {S: {"before": {"blue": 100, "green": 0}, "after": None}}
    assert ROUTE not in world.server.stored
    assert not world.revision(state="restored", release=release).get("failed")
    assert world.objects() == {}


def test_the_way_back_does_not_go_to_a_slot_that_is_down(live: SlotWorld) -> None:
    _fleet, release = live.opened()
    good(live.traffic(state="shifted", routes=[to(0, 100)], release=release))
    live.ready("blue", 0)
    done = live.traffic(state="restored", release=release)
    assert done["error"]["kind"] == "capacity"
    assert live.weights() == {"blue": 0, "green": 100}
