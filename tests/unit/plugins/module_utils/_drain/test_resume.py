# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to trading, the end of the standby, and a look."""

from __future__ import annotations

import typing as t

import pytest
from drain_world import World, failing, good, outcomes

MODE = "POST /control/mode"


@pytest.fixture
def drained(world: World) -> tuple[World, dict[str, t.Any]]:
    result = good(world.full(mode="halted"))
    world.forget()
    return world, result


def test_back_step_by_step(drained: tuple[World, dict[str, t.Any]]) -> None:
    world, drain = drained
    result = good(world.online(expected=drain["proofs"]["before"], resume={"cancel_only_s": 0.1, "post_only_s": 0.05}))
    assert list(outcomes(result)) == ["verify", "ready", "cancel_only", "post_only", "online", "withdraw"]
    assert [(one["mode"], one["pause_timers"]) for one in world.a.asked(MODE)] == [
        ("cancel_only", True),
        ("post_only", True),
        ("online", False),
    ]
    times = {step["name"]: step["seconds"] for step in result["steps"]}
    assert times["cancel_only"] >= 0.1
    assert times["post_only"] >= 0.05
    assert (result["verdict"], world.a.mode, world.gateway.is_ready, world.a.announcement) == (
        "pass",
        "online",
        True,
        None,
    )
    world.forget()
    again = good(world.online())
    assert (again["changed"], again["steps"], world.writes()) == (False, [], [])


def test_a_book_that_is_not_what_it_was_does_not_trade(drained: tuple[World, dict[str, t.Any]]) -> None:
    world, drain = drained
    world.a.book["orders"].pop("o007")
    result = world.online(expected=drain["proofs"]["before"])
    assert failing(result) == {"I3", "I7"}
    assert result["msg"].endswith("; engine-a stays halted")
    assert (world.a.mode, world.writes()) == ("halted", [])


def test_a_book_that_does_not_add_up_needs_no_expectation(drained: tuple[World, dict[str, t.Any]]) -> None:
    world, _drain = drained
    world.a.book["currencies"]["USD"]["fees"] = 7
    assert failing(world.online()) == {"I5"}


def test_cancels_since_then_are_told(drained: tuple[World, dict[str, t.Any]]) -> None:
    world, drain = drained
    world.a.sequence += 5
    result = good(world.online(expected=drain["proofs"]["before"]))
    assert "expected sequence 1002, and the engine is at 1007" in result["warnings"][0]


def test_check_mode(drained: tuple[World, dict[str, t.Any]]) -> None:
    world, _drain = drained
    result = good(world.online(check_mode=True))
    assert (result["changed"], world.writes(), len(result["steps"])) == (True, [], 6)


def test_a_mode_that_is_refused_is_where_it_stays(drained: tuple[World, dict[str, t.Any]]) -> None:
    world, _drain = drained
    world.a.always[MODE] = lambda body: (409, {"reason": "no"}) if body["mode"] == "online" else world.a.set_mode(body)
    result = world.online()
    assert result["msg"].endswith("; engine-a stays post_only")
    assert result["mode"] == "post_only"


def test_only_the_leader_trades(world: World) -> None:
    result = world.call(state="online", engine={"url": world.b.url})
    assert "engine-b is follower and does not lead, so it cannot trade" in result["msg"]


def test_the_end_of_the_standby(world: World) -> None:
    good(world.handover())
    world.forget()
    given = {"state": "finished", "engine": {"url": world.b.url}}
    assert good(world.call(check_mode=True, **given))["changed"]
    assert world.writes() == []
    assert good(world.call(**given))["changed"]
    assert world.b.writes_format == 2
    assert not good(world.call(**given))["changed"]
    assert world.writes() == ["POST /control/finish"]
    assert "does not lead" in world.call(state="finished")["msg"]


def test_status_returns_everything_and_writes_nothing(world: World) -> None:
    world.a.book["pending"] = ["t1"]
    result = good(world.call(state="status", new_engine={"url": world.b.url}))
    assert (result["changed"], world.writes()) == (False, [])
    assert [engine["name"] for engine in result["evidence"]["engines"]] == ["engine-a", "engine-b"]
    assert (result["mode"], result["unsettled"], result["verdict"]) == ("online", ["t1"], "pass")
    assert result["proofs"]["after"]["sequence"] == 1000


def test_status_tells_a_book_that_does_not_add_up(world: World) -> None:
    world.a.book["currencies"]["USD"]["needed"] = 99
    result = good(world.call(state="status"))
    assert (result["verdict"], failing(result)) == ("fail", {"I5"})


def test_a_status_that_cannot_be_read_is_named(world: World) -> None:
    world.a.mode = "auction"
    result = world.call(state="status")
    assert "has no status that can be read: mode 'auction' is none that contract.modes names" in result["msg"]
    assert result["error"] == {"kind": "answer", "system": "exchange", "region": "exchange", "retriable": False}
