# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step that is tried again."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LeaseEnding,
    LockLost,
    ReleaseError,
    Undone,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.retry import DEADLINE_S, keep_trying
from fakes import FakeClock


class World:
    """A step that fails some times, and what was said and asked meanwhile."""

    def __init__(self, failures: list[ReleaseError], takes_s: float = 0.0) -> None:
        self.clock = FakeClock()
        self.failures = failures
        self.takes_s = takes_s
        self.check_mode = False
        self.passing: tuple[str, ...] = ()
        self.tried_at: list[float] = []
        self.lines: list[str] = []
        self.guarded: list[float] = []
        self.stop: ReleaseError | None = None

    def attempt(self) -> str:
        self.tried_at.append(self.clock.elapsed)
        self.clock.elapsed += self.takes_s
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    def guard(self) -> None:
        self.guarded.append(self.clock.elapsed)
        if self.stop is not None:
            raise self.stop

    def run(self) -> tuple[str, dict[str, t.Any]]:
        return keep_trying(
            self.attempt,
            self.guard,
            check_mode=self.check_mode,
            clock=self.clock,
            progress=self.lines.append,
            passing=self.passing,
        )


def away(kind: str = "unreachable", message: str = "us-east-1: gone", changed: bool = False) -> ApiError:
    error = ApiError(message, kind=kind, retriable=True)
    error.partial = {"changed": True, "objects": [message]} if changed else {}
    return error


def test_a_step_that_works_is_tried_once() -> None:
    world = World([])
    assert world.run() == ("done", {})
    assert (world.tried_at, world.lines, world.guarded) == ([0.0], [], [])


def test_a_step_forward_is_tried_again_after_5_10_and_20_seconds() -> None:
    world = World([away(), away(), away()])
    assert world.run() == ("done", {})
    assert world.tried_at == [0, 5, 15, 35]
    assert world.lines[0] == "us-east-1: gone; try 2 in 5 s"
    assert [line.rpartition("; ")[2] for line in world.lines[1:]] == ["try 3 in 10 s", "try 4 in 20 s"]


def test_the_lease_is_held_in_every_pause() -> None:
    world = World([away(), away(), away()])
    world.run()
    looks = [0.0, *world.guarded]
    assert max(later - earlier for earlier, later in itertools.pairwise(looks)) <= 1.0


@pytest.mark.parametrize("stop", [Undone("eu-west-1", "bad"), LockLost("gone")])
def test_an_undo_or_a_lost_lock_ends_the_tries_in_the_pause(stop: ReleaseError) -> None:
    world = World([away()])
    world.stop = stop
    with pytest.raises(type(stop)):
        world.run()
    assert world.tried_at == [0]


def test_a_lease_that_ends_while_nobody_answers_may_still_be_ours() -> None:
    world = World([LeaseEnding("not sent")])
    assert world.run()[0] == "done"
    assert world.tried_at == [0, 5]


def test_a_guard_that_gets_no_answer_leaves_it_to_the_next_try() -> None:
    world = World([away()])
    world.stop = away()
    assert world.run()[0] == "done"


@pytest.mark.parametrize(
    "error",
    [
        ApiError("no", kind="forbidden"),
        ApiError("changed by somebody else", kind="conflict", retriable=True),
        ReleaseError("not proved", kind="not_proved", retriable=True),
        Undone("eu-west-1", "bad"),
    ],
)
def test_what_another_try_would_not_change_ends_at_once(error: ReleaseError) -> None:
    world = World([error])
    with pytest.raises(type(error)):
        world.run()
    assert (world.tried_at, world.guarded) == ([0], [])


def test_what_passes_by_itself_is_tried_again_where_that_is_wanted() -> None:
    few = ReleaseError("1 ready pod of 2", kind="capacity", retriable=True)
    world = World([few, few])
    world.passing = ("capacity",)
    assert world.run() == ("done", {})
    assert world.tried_at == [0, 5, 15]
    with pytest.raises(ReleaseError, match="1 ready pod of 2"):
        World([few]).run()


def test_the_last_failure_is_the_one_that_is_told_with_what_may_have_been_written() -> None:
    world = World([away(changed=True), away(), away(), away("conflict", "the last")])
    with pytest.raises(ApiError, match="the last") as caught:
        world.run()
    assert caught.value.partial == {"changed": True, "objects": ["us-east-1: gone"]}
    assert len(world.tried_at) == 4


def test_what_a_failed_try_wrote_is_a_change_of_the_step() -> None:
    assert World([away(changed=True)]).run() == ("done", {"changed": True, "objects": ["us-east-1: gone"]})


def test_check_mode_waits_for_nothing() -> None:
    world = World([away()])
    world.check_mode = True
    with pytest.raises(ApiError):
        world.run()
    assert world.tried_at == [0]


def test_no_try_begins_after_the_deadline() -> None:
    world = World([away() for _ in range(4)], takes_s=50.0)
    with pytest.raises(ApiError):
        world.run()
    assert world.tried_at == [0, 55, 115]
    assert world.tried_at[-1] < DEADLINE_S
