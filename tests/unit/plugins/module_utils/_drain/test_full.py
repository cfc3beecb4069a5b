# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The full drain against an exchange behind HTTP."""

from __future__ import annotations

import time
import typing as t

import pytest
from drain_world import World, failing, good, outcomes, verdicts

WRITES = [
    "POST /control/announce",
    "POST /control/mode",
    "POST /control/snapshot",
    "POST /control/verify",
    "POST /control/close",
    "POST /control/ready",
]


def test_drained_and_proved(world: World) -> None:
    # Never three times in a row, until all of these are seen.
    world.gateway.in_flight = [0, 2, 0, 0, 1, 0, 0, 3, 0, 1]
    world.a.book["pending"] = ["t1", "t2"]
    world.a.settle_after = 4
    result = good(world.full())
    assert result["changed"]
    assert (result["verdict"], set(verdicts(result).values()), len(result["invariants"])) == ("pass", {"pass"}, 9)
    assert (world.a.writes(), world.c.writes(), world.gateway.writes()) == (WRITES[:3], WRITES[3:4], WRITES[4:])
    assert (result["mode"], result["state"]["after"]["ready"], result["unsettled"]) == ("cancel_only", [False], [])
    assert world.a.book["hidden"]["timers"]["paused"]
    assert world.gateway.in_flight == []
    assert list(outcomes(result)) == [
        "announce",
        "cancel_only",
        "in_flight",
        "settlement",
        "snapshot",
        "prove",
        "sessions",
        "unready",
    ]
    assert result["proofs"]["before"]["orders"].keys() == {"count", "digest"}
    assert any(line.startswith("cancel_only: cancel_only at sequence 1001") for line in world.lines)
    world.forget()
    again = good(world.full())
    assert (again["changed"], again["steps"], world.writes()) == (False, [], [])


def test_the_next_run_says_what_a_killed_one_left(world: World) -> None:
    world.a.mode = "cancel_only"
    (told,) = world.full(check_mode=True)["warnings"]
    assert told == (
        "exchange: engine-a was cancel_only already, as a drain that was killed leaves it; state online leads out of it"
    )
    assert world.handover(check_mode=True)["warnings"] == [told]
    good(world.full())
    # What is drained is no left-over.
    assert good(world.full())["warnings"] == []


def test_check_mode_writes_nothing_and_says_the_steps(world: World) -> None:
    result = good(world.full(check_mode=True))
    assert (result["changed"], world.writes()) == (True, [])
    assert [step["name"] for step in result["steps"]][:2] == ["announce", "cancel_only"]
    assert {step["outcome"] for step in result["steps"]} == {"would be done"}


def test_to_a_halt(world: World) -> None:
    result = good(world.full(mode="halted"))
    assert (world.a.mode, result["evidence"]["halted_sequence"]) == ("halted", 1002)


def spoil_balance(book: dict[str, t.Any]) -> None:
    book["currencies"]["USD"]["available"] -= 5


def spoil_queue(book: dict[str, t.Any]) -> None:
    book["books"]["BTC-USD"]["l3_crc32"] += 1


def spoil_leg(book: dict[str, t.Any]) -> None:
    book["trades"]["one_legged"].append(6)


SPOILED = [(spoil_balance, "I5"), (spoil_queue, "I4"), (spoil_leg, "I6")]


@pytest.mark.parametrize(("spoil", "number"), SPOILED)
def test_a_snapshot_that_is_not_the_book_stops_it(world: World, spoil: t.Any, number: str) -> None:
    world.c.spoil = spoil
    result = world.full()
    # The hash of the state is another one as well.
    assert failing(result) == {number, "I7"}
    assert (result["error"]["kind"], result["verdict"], result["mode"]) == ("not_proved", "fail", "online")
    assert "engine-a is online again" in result["msg"]
    assert (world.a.announcement, world.a.book["hidden"]["timers"]["paused"]) == (None, False)
    assert "POST /control/close" not in world.writes()


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("in_flight", "in_flight", "2 orders are in flight after 0.3 s"),
        ("settlement", "unsettled", "2 trades are not settled after 0.3 s: stuck1, stuck2; allow_unsettled is 0"),
        ("durable", "in_flight", "4 orders are in flight"),
        ("snapshot", "refused", "answered 422 to snapshot: disk"),
        ("corrupt", "refused", "answered 422 to verify: sha256"),
        ("acks", "not_proved", "I2 acknowledgements: 1 of 40 acknowledged orders are not in the journal"),
        ("announce", "refused", "answered 409 to announce: not now"),
        ("mode", "refused", "answered 409 to mode: not now"),
    ],
)
def test_what_goes_wrong_before_the_point_of_no_return_puts_it_back(
    world: World, fault: str, kind: str, said: str
) -> None:
    match fault:
        case "in_flight":
            world.gateway.in_flight = [0, *[2] * 10_000]
        case "settlement":
            world.a.book["pending"] = ["stuck1", "stuck2"]
        case "durable":
            world.a.durable_behind = 4
        case "snapshot":
            world.a.always["POST /control/snapshot"] = lambda _body: (422, {"reason": "disk"})
        case "corrupt":
            world.c.always["POST /control/verify"] = lambda _body: (422, {"reason": "sha256"})
        case "acks":
            world.a.unknown_acks = {"o007"}
        case _:
            world.a.faults[f"POST /control/{fault}"] = [lambda _body: (409, {"reason": "not now"})]
    result = world.full(short=[{"durable": "in_flight"}.get(fault, fault)])
    assert result["failed"]
    assert said in result["msg"]
    assert result["error"]["kind"] == kind
    assert result["msg"].endswith("; engine-a is online again")
    assert (world.a.mode, world.a.announcement, world.a.book["hidden"]["timers"]["paused"]) == ("online", None, False)
    assert (world.gateway.is_ready, world.gateway.websocket) == (True, 50)
    if fault == "settlement":
        assert result["unsettled"] == ["stuck1", "stuck2"]


def test_left_over_settlements_are_allowed_by_number_and_listed(world: World) -> None:
    world.a.book["pending"] = ["stuck1", "stuck2"]
    result = good(world.full(allow_unsettled=2, short=["settlement"]))
    assert result["unsettled"] == ["stuck1", "stuck2"]
    assert "2 trades are not settled after 0.3 s: stuck1, stuck2" in result["warnings"][0]


def test_a_session_that_does_not_answer_is_named_and_nothing_goes_back(world: World) -> None:
    world.gateway.silent = ["FIX3"]
    result = world.full()
    assert (failing(result), world.a.mode, world.gateway.is_ready) == ({"I9"}, "cancel_only", False)
    assert "1 sessions did not end in time: FIX3" in result["msg"]
    assert result["msg"].endswith("engine-a stays cancel_only, because sessions were closed already")


def test_a_lost_answer_changes_nothing(world: World) -> None:
    for route in WRITES[:4]:
        for server in (world.a, world.c):
            server.faults[route] = ["drop", "503"]
    result = good(world.full())
    assert (result["verdict"], world.a.sequence) == ("pass", 1001)


def test_a_cancel_behind_the_snapshot_means_another_snapshot(world: World) -> None:
    def moved(_body: t.Any) -> tuple[int, t.Any]:
        answer = world.a.take_snapshot({})
        world.a.sequence += 1
        return answer

    world.a.faults["POST /control/snapshot"] = [moved]
    result = good(world.full())
    assert (outcomes(result)["snapshot"], len(world.a.asked("POST /control/snapshot"))) == ("sequence 1002", 2)
    world.forget()
    world.a.mode, world.a.snapshot = "online", None
    world.gateway.is_ready, world.gateway.websocket = True, 50
    world.a.always["POST /control/snapshot"] = moved
    result = good(world.full())
    assert "the engine moved on behind its snapshot" in result["warnings"][0]


def test_a_killed_run_is_gone_on_with(world: World) -> None:
    world.a.mode = "cancel_only"
    world.a.announcement = {"reason": "maintenance", "effective_at": 0, "deadline_at": int(1000 * (time.time() + 60))}
    result = good(world.full(announce_s=30.0))
    assert "cancel_only" not in outcomes(result)
    world.gateway.silent = []
    world.gateway.is_ready, world.a.snapshot = True, None
    world.a.unknown_acks = {"o001"}
    assert "engine-a is online again" in world.full()["msg"]


def test_trade_is_not_stopped_for_a_prover_that_is_not_there(world: World) -> None:
    result = world.full(prove={"url": "http://127.0.0.1:1"}, timeout_s=0.2)
    assert "prove (http://127.0.0.1:1) does not answer status" in result["msg"]
    assert (result["changed"], world.writes()) == (False, [])


def test_somebody_elses_drain_is_left_alone(world: World) -> None:
    world.a.announcement = {"reason": "audit", "effective_at": 0, "deadline_at": int(1000 * (time.time() + 60))}
    result = world.full()
    assert "another drain is under way: engine-a announces 'audit' until" in result["msg"]
    assert (result["error"]["kind"], result["changed"], world.writes()) == ("precondition", False, [])


def test_an_emergency_halts_first_and_never_goes_back(world: World) -> None:
    world.gateway.in_flight = [0, *[2] * 10_000]
    world.a.book["pending"] = ["stuck1"]
    world.c.spoil = spoil_balance
    result = good(world.full(emergency=True, announce_s=60.0, short=["in_flight", "settlement"]))
    assert world.a.writes()[:3] == ["POST /control/mode", "POST /control/announce", "POST /control/snapshot"]
    assert (world.a.mode, result["verdict"], result["unsettled"]) == ("halted", "fail", ["stuck1"])
    told = " ".join(result["warnings"])
    assert all(part in told for part in ("2 orders are in flight", "1 trades are not settled", "it is not proved"))
    world.forget()
    world.a.mode, world.a.snapshot = "online", None
    world.a.always["POST /control/snapshot"] = lambda _body: (422, {"reason": "disk"})
    stopped = world.full(emergency=True, short=["in_flight", "settlement"])
    assert stopped["msg"].endswith("engine-a stays halted, because an emergency never goes back by itself")
    assert world.a.mode == "halted"


def test_an_emergency_needs_nobody_to_prove_it(world: World) -> None:
    result = good(world.call(state="drained", emergency=True, gateways=[]))
    assert (result["verdict"], world.a.mode) == ("unknown", "halted")
    assert world.a.snapshot is not None


def test_an_engine_that_cannot_be_put_back_is_told(world: World) -> None:
    world.c.always["POST /control/verify"] = lambda _body: (422, {"reason": "sha256"})

    def once(body: dict[str, t.Any]) -> tuple[int, t.Any]:
        return world.a.set_mode(body) if body["mode"] == "cancel_only" else (409, {"reason": "broken"})

    world.a.always["POST /control/mode"] = once
    result = world.full()
    assert "and it could not be put back: exchange: engine" in result["msg"]
    assert (result["mode"], result["error"]["retriable"]) == ("cancel_only", False)
    assert outcomes(result)["back"].startswith("failed: ")
