# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing step by step: under the lock, never over somebody else's change, and safe to kill at any write."""

from __future__ import annotations

import itertools
import math
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import LockLost, ReleaseError, TryLater
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_promotion import Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.promote import Job, promote
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import Version, names_of
from fakes import FakeClock
from memory_registry import Killed, MemoryRegistry, away

BEFORE: t.Final = {"champion": "2", "previous_champion": "1", "challenger": "3"}
AFTER: t.Final = {"champion": "3", "previous_champion": "2"}
#: History, three aliases, history.
WRITES: t.Final = 5

PROMOTED = Wanted("promoted", "v2.1.0", "anna", "better on ETH")


def job(
    registry: MemoryRegistry,
    clock: FakeClock | None = None,
    guard: t.Callable[[], float] = lambda: math.inf,
    **more: t.Any,
) -> Job:
    clock = clock or FakeClock()
    return Job(registry, "price", clock, clock.monotonic() + 30, guard, **more)


def failing(job: Job, wanted: Wanted = PROMOTED) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        promote(job, wanted)
    return caught.value


def test_it_tells_before_and_after_and_the_second_run_changes_nothing() -> None:
    registry = MemoryRegistry(BEFORE)
    done = promote(job(registry), PROMOTED)
    assert (done.changed, done.before, done.after) == (True, BEFORE, AFTER)
    assert registry.aliases == AFTER
    again = promote(job(registry), PROMOTED)
    assert (again.changed, again.before, again.after) == (False, AFTER, AFTER)
    assert len(registry.writes) == WRITES


def test_check_mode_tells_the_same_and_writes_and_locks_nothing() -> None:
    registry = MemoryRegistry(BEFORE)

    def guard() -> float:
        raise AssertionError("asked")

    done = promote(job(registry, guard=guard, check_mode=True), PROMOTED)
    assert (done.changed, done.before, done.after) == (True, BEFORE, AFTER)
    assert registry.writes == []


def test_the_lock_is_asked_before_every_write() -> None:
    registry = MemoryRegistry(BEFORE)
    told: list[str] = []
    registry.before_write = lambda number: told.append("write")

    def guard() -> float:
        told.append("guard")
        return math.inf

    promote(job(registry, guard=guard), PROMOTED)
    assert told == ["guard", "write"] * WRITES


def test_it_is_announced_once_before_the_first_write_and_not_when_there_is_none() -> None:
    registry = MemoryRegistry(BEFORE)
    told: list[str] = []
    registry.before_write = lambda number: told.append("write")
    announced = job(registry, announce=lambda planned: told.append(planned.after["champion"]))
    promote(announced, PROMOTED)
    assert told == ["3"] + ["write"] * WRITES
    promote(announced, PROMOTED)
    assert len(told) == 1 + WRITES


def test_what_cannot_be_announced_is_not_written() -> None:
    registry = MemoryRegistry(BEFORE)

    def announce(_planned: object) -> None:
        raise ReleaseError("the journal is away", kind="unreachable")

    error = failing(job(registry, announce=announce))
    assert (error.kind, error.partial["changed"], registry.writes) == ("unreachable", False, [])


def test_a_name_that_two_versions_have_names_neither() -> None:
    assert names_of([Version("1", "a"), Version("2", "b"), Version("3", "b"), Version("4")]) == {
        "1": "a",
        "2": "2",
        "3": "3",
        "4": "4",
    }


@pytest.mark.parametrize("lost_at", range(1, WRITES + 1))
def test_a_lock_that_is_lost_ends_it_and_says_what_was_written(lost_at: int) -> None:
    registry = MemoryRegistry(BEFORE)
    asked = 0

    def guard() -> float:
        nonlocal asked
        asked += 1
        if asked == lost_at:
            raise LockLost("the lease is not ours any more")
        return math.inf

    error = failing(job(registry, guard=guard))
    assert len(registry.writes) == lost_at - 1
    names = {"1": "v1.0.0", "2": "v2.0.0", "3": "v2.1.0", "4": "v3.0.0"}
    assert error.partial == {"changed": lost_at > 1, "before": BEFORE, "after": registry.aliases, "names": names}


@pytest.mark.parametrize("killed_at", range(1, WRITES + 1))
@pytest.mark.parametrize("sent", [False, True])
def test_killed_at_any_write_the_next_run_ends_it(killed_at: int, sent: bool) -> None:
    registry = MemoryRegistry(BEFORE)

    def kill(number: int) -> None:
        if number == killed_at:
            raise Killed

    setattr(registry, "after_write" if sent else "before_write", kill)
    with pytest.raises(Killed):
        promote(job(registry), PROMOTED)
    registry.before_write = registry.after_write = lambda _number: None
    assert promote(job(registry), PROMOTED).after == AFTER == registry.aliases
    assert not registry.found.open
    assert not promote(job(registry), PROMOTED).changed


@pytest.mark.parametrize("read", range(3, WRITES + 3))
@pytest.mark.parametrize("alias", ["champion", "previous_champion", "challenger"])
def test_a_change_by_somebody_else_in_between_stays_and_is_told(read: int, alias: str) -> None:
    registry = MemoryRegistry(BEFORE)

    def change(number: int) -> None:
        if number == read:
            registry.aliases[alias] = "7"

    registry.before_read = change
    error = failing(job(registry))
    # After the last write there is one read more.
    assert error.kind == ("read_back" if read == WRITES + 2 else "conflict")
    assert registry.aliases[alias] == "7"
    assert len(registry.writes) == read - 2
    assert error.partial["changed"] is (read > 2)


def test_an_entry_of_another_writer_is_a_change_as_well() -> None:
    registry = MemoryRegistry(BEFORE)
    other = MemoryRegistry(BEFORE)
    promote(job(other), PROMOTED)

    def change(number: int) -> None:
        if number == 3:
            registry.texts.update(other.texts)

    registry.before_read = change
    assert failing(job(registry)).kind == "conflict"
    assert registry.aliases == BEFORE


@pytest.mark.parametrize("at", range(1, WRITES + 1))
@pytest.mark.parametrize("carried_out", [False, True])
def test_a_lost_answer_is_looked_for_and_nothing_is_written_twice(at: int, carried_out: bool) -> None:
    registry = MemoryRegistry(BEFORE)
    lost: list[int] = []

    def lose(number: int) -> None:
        if number == at and not lost:
            lost.append(number)
            raise away()

    setattr(registry, "after_write" if carried_out else "before_write", lose)
    assert promote(job(registry), PROMOTED).after == AFTER == registry.aliases
    assert len(registry.writes) == WRITES


def test_after_a_lost_answer_a_foreign_change_is_not_replaced() -> None:
    registry = MemoryRegistry(BEFORE)

    def lose(number: int) -> None:
        if number == 3:
            registry.aliases["champion"] = "7"
            raise away()

    registry.after_write = lose
    error = failing(job(registry))
    assert (error.kind, error.unsure, registry.aliases["champion"]) == ("conflict", True, "7")


def test_it_tries_until_the_end_and_waits_as_long_as_it_is_asked_to() -> None:
    registry, clock = MemoryRegistry(BEFORE), FakeClock()
    asked: list[float] = []

    def guard() -> float:
        asked.append(clock.monotonic())
        return math.inf

    def busy(_number: int) -> None:
        if clock.elapsed < 9:
            raise TryLater("slow down", kind="throttled", system="memory", wait_s=9)

    registry.before_write = busy
    assert promote(job(registry, clock, guard), PROMOTED).after == AFTER
    # The lease of a release is renewed every few seconds, whatever the registry asks for.
    assert max(later - earlier for earlier, later in itertools.pairwise(asked)) <= 1
    registry.before_write = lambda _number: (_ for _ in ()).throw(away())
    clock = FakeClock()
    error = failing(job(registry, clock), Wanted("rolled_back", "3", "anna", "worse"))
    assert (error.kind, error.unsure) == ("unreachable", True)
    assert 25 < clock.elapsed <= 30


def test_an_error_that_does_not_pass_is_not_tried_again() -> None:
    registry, clock = MemoryRegistry(BEFORE), FakeClock()
    registry.before_write = lambda _number: (_ for _ in ()).throw(away("auth", retriable=False))
    error = failing(job(registry, clock))
    assert (error.kind, error.partial["changed"], clock.slept) == ("auth", False, [])


def test_nothing_is_sent_after_the_end_of_the_lock() -> None:
    registry, clock = MemoryRegistry(BEFORE), FakeClock()
    ends: list[float] = []
    written = registry.write
    registry.write = lambda model, step, end: (ends.append(end), written(model, step, end))[1]  # type: ignore[method-assign,func-returns-value]
    promote(job(registry, clock, lambda: clock.monotonic() + 3), PROMOTED)
    assert ends == [clock.monotonic() + 3] * WRITES


def test_a_foreign_change_after_a_kill_is_told_once_and_the_entry_is_ended() -> None:
    registry = MemoryRegistry(BEFORE)

    def kill(number: int) -> None:
        if number == 2:
            raise Killed

    registry.after_write = kill
    with pytest.raises(Killed):
        promote(job(registry), PROMOTED)
    registry.after_write = lambda _number: None
    registry.aliases["champion"] = "1"
    checked = failing(job(registry, check_mode=True))
    assert (checked.kind, checked.partial["changed"], len(registry.writes)) == ("conflict", False, 2)
    error = failing(job(registry))
    assert (error.kind, error.partial["changed"]) == ("conflict", True)
    assert registry.aliases["champion"] == "1"
    assert [entry.state for entry in registry.found.history] == ["dropped"]
    assert promote(job(registry), PROMOTED).after == {"champion": "3", "previous_champion": "1"}
