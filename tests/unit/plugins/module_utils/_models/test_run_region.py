# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A region's part of model_shadow, from its options to its result: the route of a model in memory."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import with_weights
from fakes import answer_with, lose_answer
from shadow_world import BLUE, GREEN, MODEL, POLICY, ROUTE, ShadowWorld, accepted, bad, deployment, good

SHADOW = {**BLUE, "mirror": {"slot": "green", "percent": 10.0}}
NOW = 1_800_000_000.0
PROBE = {"url": "http://127.0.0.1:1", "requests": 60, "timeout_s": 3.0}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ShadowWorld:
    return ShadowWorld(monkeypatch)


def canary(world: ShadowWorld, **given: t.Any) -> dict[str, t.Any]:
    return good(world.region("deployed", strategy="canary", **given))


def test_a_shadow_copies_and_moves_no_traffic(world: ShadowWorld) -> None:
    done = good(world.region("deployed"))
    assert done["traffic"] == {"before": BLUE, "after": SHADOW}
    assert done["note"] == {
        "challenger": "v2.1.0",
        "champion": "v2.0.0",
        "slot": "green",
        "strategy": "shadow",
        "step": 0,
        "weights": [0],
        "since": NOW,
        "began": NOW,
        "promoted": False,
    }
    assert done["diff"]["before"] == {"traffic": BLUE, "note": None}
    assert done["diff"]["after"] == {"traffic": SHADOW, "note": done["note"]}
    assert (done["changed"], done["verdict"], done["overridden"]) == (True, "pass", [])
    assert "whether anything enforces it was not tried" in done["warnings"][0]
    assert world.weights() == {"blue": 100, "green": 0}
    assert [one["backendRef"]["name"] for one in world.mirrors()] == [f"{MODEL}-green"]


def test_the_second_run_changes_nothing(world: ShadowWorld) -> None:
    first = good(world.region("deployed"))
    world.clock.elapsed += 60
    world.server.requests.clear()
    again = good(world.region("deployed"))
    assert (again["changed"], again["note"], world.writes()) == (False, first["note"], [])
    assert again["traffic"] == {"before": SHADOW, "after": SHADOW}
    assert again["reason"].endswith(", as it was already")


@pytest.mark.parametrize("state", ["deployed", "stepped", "promoted", "rolled_back", "restored"])
def test_check_mode_tells_the_same_and_writes_nothing(world: ShadowWorld, state: str) -> None:
    given: dict[str, t.Any] = {"weight": 25} if state == "stepped" else {}
    if state in ("stepped", "promoted", "rolled_back"):
        canary(world)
    _fleet, region = world.releases()
    if state == "restored":
        canary(world, release=region)
    for server in world.servers.values():
        server.requests.clear()
    told = good(world.region(state, release=region, check_mode=True, **given))
    assert world.writes() == []
    done = good(world.region(state, release=region, **given))
    assert told["changed"] and done["changed"]
    assert (told["traffic"], told["note"], told["diff"]) == (done["traffic"], done["note"], done["diff"])


def test_a_canary_step_by_step_to_the_champion(world: ShadowWorld) -> None:
    canary(world)
    assert world.weights() == {"blue": 95, "green": 5}
    for weight in (25, 50, 100):
        world.clock.elapsed += 600
        done = good(world.region("stepped", weight=weight, version="v2.1.0"))
        assert world.weights() == {"blue": 100 - weight, "green": weight}
        again = good(world.region("stepped", weight=weight))
        assert (again["changed"], again["note"]) == (False, done["note"])
    done = good(world.region("promoted"))
    assert done["traffic"]["after"] == GREEN
    assert (done["note"]["promoted"], done["note"]["champion"]) == (True, "v2.0.0")
    assert not good(world.region("promoted"))["changed"]
    back = good(world.region("rolled_back", version="v2.1.0"))
    assert (back["traffic"], back["note"]) == ({"before": GREEN, "after": BLUE}, None)
    assert not good(world.region("rolled_back", version="v2.1.0"))["changed"]


def test_buckets(world: ShadowWorld) -> None:
    done = good(world.region("deployed", strategy="ab", percent=30, bucket_header="x-bucket"))
    assert done["traffic"]["after"]["buckets"] == {"slot": "green", "header": "x-bucket", "percent": 30}


def test_a_rollback_is_one_write_between_few_requests(world: ShadowWorld) -> None:
    good(world.region("deployed"))
    _fleet, region = world.releases()
    good(world.region("rolled_back", release=region))
    sent = [f"{one.method} {one.path.rsplit('/', 1)[-1]}" for one in world.server.requests]
    put = next(number for number, one in enumerate(sent) if one.startswith(("PUT", "PATCH")) and MODEL in one)
    # A request takes milliseconds: what comes before the champion has all of the traffic is far from a second.
    assert put < 15, sent
    assert len(sent) < 25, sent
    assert world.clock.slept == [], sent
    assert sum(one.startswith(("PUT", "PATCH")) and one.endswith(MODEL) for one in sent) == 1


@pytest.mark.parametrize("state", ["stepped", "promoted", "rolled_back"])
def test_another_version_than_is_meant_is_refused(world: ShadowWorld, state: str) -> None:
    canary(world)
    world.server.requests.clear()
    message = bad(world.region(state, version="v3.0.0", **({"weight": 25} if state == "stepped" else {})), "option")
    assert message == "version: is v3.0.0, and the challenger here is v2.1.0; look who it was"
    assert world.writes() == []


def test_a_second_challenger_is_refused(world: ShadowWorld) -> None:
    canary(world)
    result = world.region("deployed", version="v2.2.0")
    message = bad(result, "refused")
    # What is there is told all the same.
    assert (result["changed"], result["note"]["challenger"]) == (False, "v2.1.0")
    assert result["traffic"]["before"] == result["traffic"]["after"] != BLUE
    assert message.startswith(f"{MODEL} in us-east-1: v2.1.0 is the challenger in green")
    assert message.endswith("; nothing was written")


def test_a_weight_that_is_no_step_is_refused(world: ShadowWorld) -> None:
    canary(world)
    message = bad(world.region("stepped", weight=30), "option")
    assert message == "weight: is 30, and v2.1.0 was deployed with 5, 25, 50, 100"


def test_without_a_challenger_there_is_no_step(world: ShadowWorld) -> None:
    assert "no challenger is noted" in bad(world.region("stepped", weight=25), "refused")
    assert "no challenger is noted" in bad(world.region("promoted"), "refused")


def test_a_shadow_with_side_effects_is_refused_with_everything_that_is_wrong(world: ShadowWorld) -> None:
    del world.server.stored[POLICY]
    world.server.put(deployment("green", automountServiceAccountToken=True))
    message = bad(world.region("deployed"), "refused")
    assert "egress: no NetworkPolicy" in message and "token: " in message
    assert world.writes() == []
    result = world.region("deployed", override=["token"])
    assert "token: " not in bad(result, "refused") and result["overridden"] == ["token"]
    done = good(world.region("deployed", override=["token", "egress"]))
    assert done["overridden"] == ["egress", "token"]
    # What nobody has is not told as accepted.
    assert not any("not tried" in warning for warning in done["warnings"])


def test_a_canary_has_side_effects_of_its_own(world: ShadowWorld) -> None:
    del world.server.stored[POLICY]
    canary(world)


def test_an_undo_takes_back_what_the_release_did(world: ShadowWorld) -> None:
    _fleet, region = world.releases()
    good(world.region("deployed", release=region))
    done = good(world.region("restored", release=region))
    assert (done["changed"], done["traffic"], world.mirrors()) == (True, {"before": SHADOW, "after": BLUE}, [])
    again = good(world.region("restored", release=region))
    assert (again["changed"], again["reason"]) == (
        False,
        f"{MODEL} in us-east-1: this release did not change it, or it is taken back already",
    )


def test_a_write_whose_answer_was_lost_is_told_as_a_change(world: ShadowWorld) -> None:
    lose = lose_answer(path=f"httproutes/{MODEL}")
    world.server.after.append(lambda request: None if request.query.get("dryRun") else lose(request))
    done = good(world.region("deployed", strategy="canary"))
    assert (done["changed"], done["traffic"]) == (True, {"before": BLUE, "after": done["traffic"]["after"]})
    assert world.weights() == {"blue": 95, "green": 5}


def test_a_gateway_that_does_not_accept_it_is_told_with_what_was_written(world: ShadowWorld) -> None:
    world.server.after.remove(world._accept)
    result = world.region("deployed", deadline_s=1)
    bad(result, "not_accepted")
    assert result["changed"] and result["traffic"]["after"] == SHADOW and result["verdict"] == "fail"


def test_the_weights_are_proved_through_the_gateway(world: ShadowWorld) -> None:
    canary(world)
    done = good(world.region("rolled_back", route={"probe": PROBE}))
    assert {slot: count["count"] for slot, count in done["answers"].items()} == {"blue": 60}
    assert world.gateway.hosts[0] == f"{MODEL}.models.lab"
    canary(world)
    world.gateway.deaf = True
    result = world.region("promoted", route={"probe": PROBE})
    assert "is not proved within 3 s" in bad(result, "not_proved")
    assert result["changed"] and result["answers"].keys() == {"blue"}


def test_status(world: ShadowWorld) -> None:
    told = good(world.region("status"))
    assert (told["verdict"], told["traffic"], told["note"]) == ("none", {"before": BLUE, "after": BLUE}, None)
    assert told["reason"] == f"{MODEL} in us-east-1: blue 100, green 0, no challenger"
    canary(world)
    told = good(world.region("status"))
    assert (told["verdict"], told["changed"], told["note"]["challenger"]) == ("pass", False, "v2.1.0")
    assert told["reason"] == (
        f"{MODEL} in us-east-1: blue 95, green 5, v2.1.0 in green beside v2.0.0 (canary, step 1 of 4 since "
        "2027-01-15T08:00:00Z)"
    )
    good(world.region("promoted"))
    assert good(world.region("status"))["reason"] == (
        f"{MODEL} in us-east-1: blue 0, green 100, v2.1.0 in green is the champion since 2027-01-15T08:00:00Z, "
        "before it v2.0.0"
    )


def test_status_of_a_region_that_has_no_such_route(world: ShadowWorld) -> None:
    del world.server.stored[ROUTE]
    told = good(world.region("status"))
    assert (told["verdict"], told["traffic"]["after"], told["note"]) == ("none", None, None)
    bad(world.region("promoted"), "option")


@pytest.mark.parametrize("change", [{"percent": 50}, {"mirror": {"paths": ["/predict", "/v2/*"]}}, {"method": "GET"}])
def test_a_shadow_that_copies_something_else_begins_anew(world: ShadowWorld, change: dict[str, t.Any]) -> None:
    both = {"paths": ["/v1/*", "/predict"], "method": change.pop("method", "POST")}
    first = good(world.region("deployed", mirror={**both, "method": "POST"}))
    world.clock.elapsed += 60
    # In another order, and with other headers, they are the same requests.
    same = {"paths": ["/predict", "/v1/*"], "strip_headers": ["cookie"]}
    assert good(world.region("deployed", mirror=same))["note"] == first["note"]
    done = good(world.region("deployed", **{"mirror": both, **change}))
    assert (done["changed"], done["note"]["since"], done["note"]["began"]) == (True, NOW + 60, NOW)


def test_a_step_that_somebody_has_set_back_is_written_again(world: ShadowWorld) -> None:
    canary(world)
    good(world.region("stepped", weight=25))
    live = world.server.take(ROUTE)
    other = with_weights(live, {"blue": 100, "green": 0})
    world.server.change(ROUTE, spec=other["spec"])
    world.server.stored[ROUTE].obj = accepted(world.server.take(ROUTE))
    done = good(world.region("stepped", weight=25))
    assert (done["changed"], world.weights()) == (True, {"blue": 75, "green": 25})


def test_a_rollback_does_not_guess_who_is_the_champion(world: ShadowWorld) -> None:
    world.server.put(accepted(with_weights(world.server.take(ROUTE), {"blue": 50, "green": 50})))
    world.server.requests.clear()
    message = bad(world.region("rolled_back"), "refused")
    assert message.endswith("who is the champion; set the weights with k8s_traffic; nothing was written")
    assert world.writes() == []


def test_the_headers_that_the_champion_loses_are_told(world: ShadowWorld) -> None:
    told = good(world.region("deployed"))["warnings"]
    lost = f"{MODEL} in us-east-1: while requests for /predict are copied, the champion gets them without authorization"
    assert [warning for warning in told if "the champion gets them" in warning] == [f"{lost} and cookie too"]
    told = good(world.region("deployed", mirror={"paths": ["/predict"], "strip_headers": []}))["warnings"]
    assert not any("the champion gets them" in warning for warning in told)


def test_a_way_back_does_not_pause(world: ShadowWorld) -> None:
    """Whoever calls it tries again each second."""
    canary(world)
    world.server.before.append(answer_with(503, times=1_000, path="httproutes"))
    before = world.clock.elapsed
    result = world.region("rolled_back")
    assert result["failed"] and result["error"]["retriable"]
    # A single request has its own time.
    alone = world.clock.elapsed - before
    assert not any("; try 2 in" in line for line in world.lines), alone
    with pytest.raises(AssertionError):
        good(world.region("promoted"))
    assert any("; try 2 in" in line for line in world.lines)


def test_after_a_late_try_the_gateway_has_time_as_well(world: ShadowWorld) -> None:
    world.server.after.remove(world._accept)
    busy = answer_with(503, times=1_000, path="httproutes")
    began, wrote = world.clock.elapsed, []

    def answer(request: t.Any) -> t.Any:
        if world.clock.elapsed < began + 20:
            return busy(request)
        if request.method in ("PUT", "PATCH") and "dryRun" not in request.query and request.path.endswith(MODEL):
            wrote.append(world.clock.elapsed)
        if wrote and world.clock.elapsed >= wrote[0] + 1:
            world.server.stored[ROUTE].obj = accepted(world.server.stored[ROUTE].obj)
        return None

    world.server.before.append(answer)
    done = good(world.region("deployed", strategy="canary", deadline_s=5))
    assert done["changed"] and wrote[0] > began + 5


def test_an_api_server_that_is_away_for_a_moment_is_asked_again(world: ShadowWorld) -> None:
    world.server.before.append(answer_with(503, times=2, path="httproutes"))
    done = good(world.region("deployed", strategy="direct"))
    assert done["traffic"]["after"] == GREEN
