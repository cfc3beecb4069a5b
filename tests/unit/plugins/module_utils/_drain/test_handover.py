# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The handover between two engines behind HTTP: under faults, either the new one leads or the old one trades again."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_budget, handover
from drain_world import World, failing, good, outcomes, verdicts

CUT, OPEN, PROOF = "POST /control/cut", "POST /control/open", "GET /control/proof"


def test_handed_over_and_proved(world: World) -> None:
    world.a.book["pending"] = ["t1", "t2"]
    result = good(world.handover())
    assert (result["verdict"], set(verdicts(result).values()), len(result["invariants"])) == ("pass", {"pass"}, 9)
    assert (world.record.owner, world.record.epoch, world.a.role, world.b.role) == ("engine-b", 8, "follower", "leader")
    assert (result["state"]["before"]["leader"], result["state"]["after"]["leader"]) == ("engine-a", "engine-b")
    assert result["unsettled"] == ["t1", "t2"]
    off = result["matching_off"]
    assert 0 <= off["engines_ms"] <= off["at_most_ms"]
    assert off["parts"].keys() == {"cut_ms", "proofs_ms", "acks_ms", "open_ms", "gateways_ms"}
    assert (world.gateway.writes(), world.gateway.websocket) == ([], 50)
    assert result["proofs"]["after"]["extra"] == ["orders.smp_group"]
    world.forget()
    again = good(world.handover())
    assert (again["changed"], again["steps"], world.writes()) == (False, [], [])


def test_four_requests_one_after_the_other_between_cut_and_open(world: World) -> None:
    order: list[str] = []
    for server in world.servers():
        inner = server.handle

        def handle(route: str, body: t.Any, inner: t.Any = inner) -> t.Any:
            order.append(route)
            return inner(route, body)

        server.handle = handle  # type: ignore[method-assign]
    good(world.handover())
    between = order[order.index(CUT) + 1 : order.index(OPEN)]
    assert sorted(between) == [
        "GET /control/acks",
        PROOF,
        PROOF,
        "GET /control/settlements",
        "POST /control/acks",
    ]
    assert between[-1] == "POST /control/acks"


def test_check_mode_writes_nothing(world: World) -> None:
    result = good(world.handover(check_mode=True))
    assert (result["changed"], world.writes()) == (True, [])
    steps = ["catch_up", "rehearse", "cut", "compare", "open", "gateways", "follow_back"]
    assert [step["name"] for step in result["steps"]] == steps


def test_an_engine_that_does_not_follow_yet_is_told_to(world: World) -> None:
    world.b.role, world.b.source = "starting", None
    result = good(world.handover(announce_s=0.05))
    assert (world.a.announcement, world.b.announcement) == (None, None)
    assert list(outcomes(result))[:3] == ["follow", "announce", "catch_up"]
    assert world.b.asked("POST /control/follow")[0]["url"] == world.a.url


def test_the_way_back_is_a_handover_too(world: World) -> None:
    good(world.handover())
    back = good(world.handover(engine={"url": world.b.url}, new_engine={"url": world.a.url}))
    assert (back["verdict"], world.record.owner, world.record.epoch, world.b.role) == (
        "pass",
        "engine-a",
        9,
        "follower",
    )


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("format", "engine-b writes format 2 and engine-a reads 1 only"),
        ("lag", "engine-b is 5000 events behind (max_lag 1000); waited for 0.3 s"),
        ("follow", "engine-b cannot follow: line 7 does not fit"),
        ("away", "engine-b does not get on with following: http://a does not answer; waited for 0.3 s"),
        ("balance", "the rehearsal before the cut does not pass: I5 balances: differs: "),
        ("cut", "answered 409 to cut: not now"),
    ],
)
def test_before_the_cut_nothing_is_stopped(world: World, fault: str, said: str) -> None:
    match fault:
        case "format":
            world.b.writes_format = 2
        case "lag":
            world.b.lag = 5000
        case "follow":
            world.b.follow_error = "line 7 does not fit"
        case "away":
            world.b.follow_problem = "http://a does not answer"
        case "balance":
            world.b.spoil = lambda book: book["currencies"]["USD"].update(available=1)
        case "cut":
            world.a.faults[CUT] = [lambda _body: (409, {"reason": "not now"})]
    result = world.handover(short=["catch_up"] if fault in ("lag", "away") else ())
    assert said in result["msg"]
    assert (world.a.role, world.a.epoch, world.record.version, OPEN in world.writes()) == ("leader", 7, 1, False)
    assert fault in ("format", "follow") or "engine-a was not stopped" in result["msg"]


def test_a_follower_that_stops_for_good_meanwhile_is_not_waited_for(world: World) -> None:
    status = world.b.status

    def late(body: t.Any) -> tuple[int, t.Any]:
        if len(world.b.asked("GET /control/status")) > 3:
            world.b.follow_error = "line 7: format 2"
        return status(body)

    world.b.lag = 5000
    world.b.always["GET /control/status"] = late
    began = time.monotonic()
    result = world.handover()
    assert "engine-b cannot follow: line 7: format 2; engine-a was not stopped" in result["msg"]
    assert (result["error"]["retriable"], time.monotonic() - began < 10) == (False, True)


def test_a_source_that_answers_again_is_caught_up_with(world: World) -> None:
    world.b.follow_problem = "http://a does not answer"
    status = world.b.status

    def late(body: t.Any) -> tuple[int, t.Any]:
        if len(world.b.asked("GET /control/status")) > 3:
            world.b.follow_problem = None
        return status(body)

    world.b.always["GET /control/status"] = late
    assert good(world.handover())["verdict"] == "pass"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that the rehearsal would refuse on a busy machine: what is tested comes after it."""
    monkeypatch.setattr(decide_budget, "cut_problem", lambda *_args: None)


def spoiled_at_the_cut(world: World, change: t.Callable[[t.Any], None]) -> None:
    """The rehearsal still passes: only what is followed at the cut goes wrong."""

    def spoil(book: t.Any) -> None:
        if world.a.role == "closed":
            change(book)

    world.b.spoil = spoil


FAULTS: list[tuple[str, t.Callable[[t.Any], t.Any]]] = [
    ("I3", lambda book: book["orders"].pop("o007")),
    ("I4", lambda book: book["books"]["BTC-USD"].update(l3_crc32=1)),
    ("I5", lambda book: book["currencies"]["BTC"].update(available=51)),
    ("I6", lambda book: book["trades"]["one_legged"].append(6)),
    ("I8", lambda book: book["hidden"]["counters"].update(trade=1)),
    ("I1", lambda book: book["streams"].update({"BTC-USD": 76})),
]


@pytest.mark.parametrize(("number", "change"), FAULTS)
def test_a_follower_that_is_not_the_same_does_not_open(
    world: World, number: str, change: t.Callable[[t.Any], None]
) -> None:
    spoiled_at_the_cut(world, change)
    result = world.handover()
    assert failing(result) == {number, "I7"}
    assert result["msg"].endswith("; engine-a trades again in epoch 7")
    assert (world.a.role, world.record.owner, world.record.epoch, result["mode"]) == ("leader", "engine-a", 7, "online")
    assert world.b.asked(OPEN) == []
    if number == "I3":
        assert [item["id"] for item in result["invariants"][2]["items"]] == ["o007"]
        # One bucket differs, so the lines of one bucket were asked for.
        assert len(world.a.asked("GET /control/items")) == 1


def test_an_acknowledged_order_that_is_not_in_the_journal(world: World) -> None:
    world.b.unknown_acks = {"o007"}
    result = world.handover()
    assert (failing(result), world.a.role) == ({"I2"}, "leader")
    assert result["invariants"][1]["differences"][0]["what"] == "order o007"


@pytest.mark.usefixtures("hurried")
def test_a_follower_without_the_tail_lets_the_old_one_return(world: World) -> None:
    world.b.always[PROOF] = lambda body: (409, {"reason": "not there"}) if "sequence" in body else world.b.proof(body)
    result = world.handover(cut_deadline_s=1.5)
    assert "engine answered" not in result["msg"]
    assert "new_engine has no proof at sequence 1001 in time" in result["msg"]
    assert "engine-a trades again" in result["msg"]
    assert world.a.role == "leader"


@pytest.mark.usefixtures("hurried")
def test_the_deadline_brings_the_old_engine_back_when_nobody_may_tell_it(world: World) -> None:
    world.a.always[OPEN] = lambda _body: (404, {"reason": "no such thing"})
    world.b.unknown_acks = {"o007"}
    result = world.handover(cut_deadline_s=1.5)
    assert result["msg"].endswith("; engine-a trades again, its deadline has brought it back")
    assert world.a.role == "leader"


@pytest.mark.usefixtures("hurried")
def test_a_cut_that_nobody_answers_ends_by_its_deadline(world: World) -> None:
    world.a.always[CUT] = "drop"
    result = world.handover(cut_deadline_s=1.0)
    assert "does not answer cut" in result["msg"]
    assert result["msg"].endswith("; engine-a trades")
    assert (world.a.role, world.record.version) == ("leader", 2)


@pytest.mark.usefixtures("hurried")
def test_an_engine_that_does_not_come_back_is_an_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_AFTER_DEADLINE_S", 0.2)
    monkeypatch.setattr(world.a, "come_back", lambda: False)
    world.b.unknown_acks = {"o007"}
    result = world.handover(cut_deadline_s=1.0)
    assert "engine-a has not been seen to trade again (its deadline was 20" in result["msg"]
    assert (result["error"]["retriable"], result["changed"]) == (False, True)


@pytest.mark.parametrize("route", [CUT, OPEN])
@pytest.mark.parametrize("fault", ["drop", "lose", "503"])
def test_a_lost_answer_is_asked_for_again(world: World, route: str, fault: str) -> None:
    for engine in (world.a, world.b):
        engine.faults[route] = [fault]
    result = good(world.handover())
    assert (result["verdict"], world.record.epoch) == ("pass", 8)


def test_an_opening_that_nobody_answers_is_found_out(world: World) -> None:
    """It is done, and the answer says nothing."""
    opened = world.b.open

    def garbled(body: t.Any) -> tuple[int, t.Any]:
        opened(body)
        return 200, b"<html>"

    world.b.always[OPEN] = garbled
    result = good(world.handover())
    assert (result["verdict"], result["matching_off"]["engines_ms"], world.b.role) == ("pass", None, "leader")


def test_the_old_engine_won_the_record(world: World) -> None:
    world.b.always[OPEN] = lambda _body: (409, {"reason": "the record is not to be had"})
    result = world.handover()
    assert "answered 409 to open: the record is not to be had" in result["msg"]
    assert (world.a.role, world.record.owner) == ("leader", "engine-a")


def test_after_the_new_epoch_nothing_goes_back_by_itself(world: World) -> None:
    world.gateway.stays_with = 7
    late = world.handover(short=["sessions"])
    assert "core-api-0 do not send to engine-b yet after 0.3 s; engine-b leads in epoch 8" in late["msg"]
    assert (world.b.role, late["error"]["kind"]) == ("leader", "gateways")
    assert late["verdict"] != "pass"
    # The next run goes on from there.
    world.gateway.stays_with = None
    again = good(world.handover())
    assert list(outcomes(again)) == ["follow_back"]


def test_an_old_engine_that_does_not_live_to_follow_is_no_pass_and_all_nine_are_judged(world: World) -> None:
    world.a.always["POST /control/follow"] = lambda _body: (409, {"reason": "the disk is full"})
    result = world.handover()
    assert "answered 409 to follow: the disk is full; engine-b leads in epoch 8" in result["msg"]
    assert (len(result["invariants"]), set(verdicts(result).values())) == (9, {"pass"})


def test_a_dropped_session_is_told_by_its_invariant(world: World) -> None:
    opened = world.b.open

    def drops(body: t.Any) -> tuple[int, t.Any]:
        world.gateway.fix = world.gateway.fix[1:]
        return opened(body)

    world.b.always[OPEN] = drops
    result = world.handover()
    assert failing(result) == {"I9"}
    assert "FIX session core-api-0/FIX0" in result["msg"]
    assert "engine-b leads in epoch 8" in result["msg"]


def test_a_gap_at_the_beginning_of_the_epoch(world: World) -> None:
    opened = world.b.open
    world.b.always[OPEN] = lambda body: (200, {**opened(body)[1], "sequence": 1009})
    result = world.handover()
    assert failing(result) == {"I1"}
    assert "the new epoch begins at 1009" in result["msg"]


def test_a_killed_run_is_waited_for_and_gone_on_with(world: World) -> None:
    """Its cut stands, and nobody will confirm it."""
    world.a.cut({"deadline_s": 0.5})
    result = good(world.handover())
    assert outcomes(result)["return"] == "engine-a is back after an earlier cut"
    assert (result["verdict"], world.record.owner) == ("pass", "engine-b")


def test_a_cut_that_has_no_time_for_a_proof_is_not_made(world: World) -> None:
    def slow(body: t.Any) -> tuple[int, t.Any]:
        time.sleep(0.3)
        return world.b.proof(body)

    world.b.always[PROOF] = slow
    result = world.handover(cut_deadline_s=0.5)
    assert "cut_deadline_s is 0.5; engine-a was not stopped" in result["msg"]
