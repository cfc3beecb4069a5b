# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's part of model_shadow, from its options to its result: aliases under the lock, journaled."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from memory_registry import Killed, away
from shadow_world import MODEL, ShadowWorld, bad, good

BEFORE = {"champion": "v2.0.0", "previous_champion": "v1.0.0", "challenger": None}
LEASE = Ref("coordination.k8s.io/v1", "Lease", "pincex-release", "pincex-fleet")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ShadowWorld:
    return ShadowWorld(monkeypatch)


def take_over(world: ShadowWorld) -> None:
    """Another controller has the lock of the fleet from now on."""
    spec = world.fleet_server.take(LEASE)["spec"]
    world.fleet_server.change(LEASE, spec={**spec, "holderIdentity": "ben", "leaseTransitions": 9})


def test_a_challenger_by_its_name_and_the_second_run_changes_nothing(world: ShadowWorld) -> None:
    fleet, _region = world.releases()
    done = good(world.fleet("deployed", release=fleet))
    assert done["aliases"] == {"before": BEFORE, "after": {**BEFORE, "challenger": "v2.1.0"}}
    assert done["diff"] == {side: {"aliases": done["aliases"][side]} for side in ("before", "after")}
    assert (done["changed"], done["verdict"]) == (True, "pass")
    assert done["reason"] == (f"{MODEL} in the fleet: champion v2.0.0, previous_champion v1.0.0, challenger v2.1.0")
    assert world.registry.aliases["challenger"] == "3"
    writes = len(world.registry.writes)
    again = good(world.fleet("deployed", release=fleet))
    assert (again["changed"], len(world.registry.writes)) == (False, writes)
    assert again["reason"].endswith(", as it was already")


def test_the_journal_of_the_fleet_has_it_and_its_end(world: ShadowWorld) -> None:
    fleet, _region = world.releases()
    good(world.fleet("deployed", release=fleet))
    good(world.fleet("promoted", release=fleet))
    _first, entry = world.journaled()
    [change] = entry.changes
    assert (entry.done, entry.step, change.op, change.ref.kind, change.ref.name) == (
        True,
        "a step",
        "models",
        "ModelAliases",
        MODEL,
    )
    assert change.fields == {
        "champion": {"before": "2", "after": "3"},
        "previous_champion": {"before": "1", "after": "2"},
        "challenger": {"before": "3", "after": None},
    }


def test_back_and_forth_is_in_the_history(world: ShadowWorld) -> None:
    fleet, _region = world.releases()
    good(world.fleet("promoted", release=fleet))
    world.clock.elapsed += 60
    back = good(world.fleet("rolled_back", release=fleet))
    # Nobody wrote down what was the champion before v2.0.0.
    assert back["aliases"]["after"] == {"champion": "v2.0.0", "previous_champion": None, "challenger": None}
    told = good(world.fleet("status"))
    assert [(one["version"], one["since"], one["until"]) for one in told["reigns"]] == [
        ("v2.0.0", None, "2027-01-15T08:00:00Z"),
        ("v2.1.0", "2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z"),
        ("v2.0.0", "2027-01-15T08:01:00Z", None),
    ]
    assert (told["changed"], told["verdict"], told["aliases"]["before"]) == (False, "pass", told["aliases"]["after"])


def test_a_rollback_of_the_challenger_leaves_the_champion(world: ShadowWorld) -> None:
    fleet, _region = world.releases()
    good(world.fleet("deployed", release=fleet))
    back = good(world.fleet("rolled_back", release=fleet))
    assert back["aliases"]["after"] == BEFORE


@pytest.mark.parametrize("state", ["deployed", "promoted", "rolled_back"])
def test_check_mode_tells_the_same_and_writes_nothing(world: ShadowWorld, state: str) -> None:
    fleet, _region = world.releases()
    if state == "rolled_back":
        good(world.fleet("promoted", release=fleet))
        world.fleet_server.requests.clear()
    writes = len(world.registry.writes)
    told = good(world.fleet(state, release=fleet, check_mode=True))
    assert (len(world.registry.writes), world.writes()) == (writes, [])
    done = good(world.fleet(state, release=fleet))
    assert told["changed"] and (told["aliases"], told["diff"]) == (done["aliases"], done["diff"])


def test_status_asks_no_cluster(world: ShadowWorld) -> None:
    good(world.fleet("status"))
    assert world.fleet_server.requests == []


def test_status_of_a_model_that_nobody_registered(world: ShadowWorld) -> None:
    def gone(_number: int) -> None:
        raise away("not_found", retriable=False)

    world.registry.before_read = gone
    told = good(world.fleet("status"))
    assert (told["verdict"], told["reason"]) == ("none", "the registry is away")


def test_status_says_what_a_killed_run_has_left(world: ShadowWorld) -> None:
    def kill(number: int) -> None:
        if number == 2:
            raise Killed

    world.registry.after_write = kill
    fleet, _region = world.releases()
    with pytest.raises(Killed):
        world.fleet("promoted", release=fleet)
    world.registry.after_write = lambda _number: None
    [warning] = good(world.fleet("status"))["warnings"]
    assert warning.startswith(f"{MODEL} in the fleet: anna began 'promoted' of version v2.1.0 at 2027-01-15T08:00:00Z")
    done = good(world.fleet("promoted", release=fleet))
    assert done["aliases"]["after"]["champion"] == "v2.1.0"
    assert good(world.fleet("status"))["warnings"] == []


def test_another_champion_than_it_was_judged_against_refuses_it(world: ShadowWorld) -> None:
    fleet, _region = world.releases()
    message = bad(world.fleet("promoted", champion="v1.0.0", release=fleet), "conflict")
    assert "champion is version 2" in message
    assert (world.registry.writes, world.journaled()) == ([], [])


def test_without_the_lock_nothing_is_written(world: ShadowWorld) -> None:
    fleet, _region = world.releases()
    take_over(world)
    bad(world.fleet("promoted", release=fleet), "lock_lost")
    assert world.registry.writes == []


def test_nothing_is_sent_after_the_lock_may_be_taken_over(world: ShadowWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, _region = world.releases()
    ends: list[float] = []
    write = world.registry.write
    monkeypatch.setattr(
        world.registry, "write", lambda model, step, end: (ends.append(end), write(model, step, end))[1]
    )
    began = world.clock.monotonic()
    good(world.fleet("promoted", release=fleet))
    # The lease lasts 6 s, and its last third is no time for a write; the task has 60 s.
    assert ends and all(began < end <= began + 6 for end in ends)


def test_a_lock_that_is_lost_in_between_tells_what_was_moved(world: ShadowWorld) -> None:
    fleet, _region = world.releases()

    # The history, and where to go back to.
    world.registry.after_write = lambda number: take_over(world) if number == 2 else None
    result = world.fleet("promoted", release=fleet)
    assert "the lock is not ours any more (ben holds it)" in bad(result, "lock_lost")
    assert len(world.registry.writes) == 2
    assert result["changed"] and result["aliases"]["after"] == {**BEFORE, "previous_champion": "v2.0.0"}
    # Nobody knows the end of it yet.
    [entry] = world.journaled()
    assert (entry.done, entry.failed) == (False, None)


def test_what_the_registry_refuses_is_written_down_as_not_done(world: ShadowWorld) -> None:
    fleet, _region = world.releases()

    def refuse(_number: int) -> None:
        raise away("auth", retriable=False)

    world.registry.before_write = refuse
    result = world.fleet("promoted", release=fleet)
    bad(result, "auth")
    assert not result["changed"] and result["aliases"]["after"] == BEFORE
    [entry] = world.journaled()
    assert (entry.done, entry.failed) == (False, "the registry is away")


def test_an_unfinished_release_keeps_others_out(world: ShadowWorld) -> None:
    world.releases()
    bad(world.fleet("rolled_back", version="v2.0.0"), "locked")
    assert world.registry.writes == []
