# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look at the answers after a change, and the way back when they are wrong, in a whole task: both under the lock of
the release. The lease lasts 6 s, is renewed every 2 s, and lets nothing be sent in its last 2 s."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError, TryLater
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import Reply
from dns_world import EU, NAME, US, DnsWorld, good
from memory_powerdns import NEW, OLD, OTHER, MemoryPowerDns, Met, content

OUT: dict[str, t.Any] = {"state": "evacuated", "regions": [US], "verify": {"queries": 0, "resolvers": []}}
FOREIGN = "192.0.2.1"
BUSY = Reply(429, b"", {})
SENT_WITHIN_S = 4.0
DOUBT = (
    "so the record may be broken, and nothing more is sent; run recover.yml unless the release is taken back already, "
    "and then dns_weight with state status, which counts answers"
)


def open_entry(world: DnsWorld) -> bool:
    [entry] = world.journaled()
    return (entry.done, entry.failed) == (False, None)


@pytest.mark.parametrize("late_s", [0.0, 5.0, 40.0])
def test_the_lock_is_renewed_while_answers_are_looked_at_and_before_the_way_back(
    world: DnsWorld, tmp_path: pathlib.Path, late_s: float
) -> None:
    server = MemoryPowerDns(world, tmp_path, foreign=FOREIGN, late_s=late_s)
    leases: list[str] = []
    server.looked = lambda: leases.append(world.renewed())
    done = world.weight(**OUT, release=world.fleet_release())
    assert (done["error"]["kind"], done["changed"], server.content) == ("broken", False, OLD)
    assert f"after the change {FOREIGN} was answered" in done["msg"]
    assert done["msg"].endswith("what was there before is there again")
    assert len(server.sent_at) == 2
    assert server.sent_at[1] >= late_s
    assert max(server.lease_ages) <= SENT_WITHIN_S
    assert len(set(leases)) > late_s / 8
    [entry] = world.journaled()
    assert entry.failed == done["msg"]


def test_a_lock_that_is_lost_while_answers_are_looked_at_ends_all(world: DnsWorld, tmp_path: pathlib.Path) -> None:
    server = MemoryPowerDns(world, tmp_path, foreign=FOREIGN, late_s=40.0)
    release = world.fleet_release()

    def taken() -> None:
        if server.content == NEW and server.clock.monotonic() > server.changed_at + 10.0:
            server.looked = lambda: None
            world.someone_else()

    server.looked = taken
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"]) == ("lock_lost", True)
    assert (server.content, len(server.sent_at)) == (NEW, 1), "nothing is sent any more"
    assert done["warnings"] == [f"{NAME} A: it was written, and its answers were not looked at to the end, {DOUBT}"]
    assert world.clock.elapsed < 40.0
    assert open_entry(world)


def test_a_lock_that_is_lost_before_the_way_back_lets_nothing_be_sent(world: DnsWorld, tmp_path: pathlib.Path) -> None:
    server = MemoryPowerDns(world, tmp_path, foreign=FOREIGN)
    release = world.fleet_release()
    server.looked = lambda: world.someone_else() if server.content == NEW else None
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"]) == ("lock_lost", True)
    assert (server.content, len(server.sent_at)) == (NEW, 1)
    assert done["warnings"] == [
        f"{NAME} A: after the change {FOREIGN} was answered, which belongs to no region with a weight; "
        f"what was there before was not put back, {DOUBT}"
    ]
    assert open_entry(world)


def test_so_does_one_that_is_lost_between_two_tries_of_it(world: DnsWorld, tmp_path: pathlib.Path) -> None:
    server = MemoryPowerDns(world, tmp_path, foreign=FOREIGN)
    release = world.fleet_release()
    # A minute, which no lease leaves.
    server.meets = [None, Met(Reply(429, b"", {"Retry-After": "60"}))]
    world.clock.on_sleep = lambda _seconds: world.someone_else() if world.clock.elapsed > 20.0 else None
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], len(server.sent_at)) == ("lock_lost", True, 2)
    assert world.clock.elapsed < 30.0
    assert open_entry(world)


def test_a_decision_to_undo_does_not_stop_the_way_back(world: DnsWorld, tmp_path: pathlib.Path) -> None:
    server = MemoryPowerDns(world, tmp_path, foreign=FOREIGN)
    release = world.fleet_release()
    decided: list[bool] = []

    def undone() -> None:
        if server.content == NEW and not decided:
            decided.append(True)
            world.undone(release)

    server.looked = undone
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], server.content, decided) == ("broken", False, OLD, [True])


def test_a_decision_to_undo_ends_the_look(world: DnsWorld, tmp_path: pathlib.Path) -> None:
    server = MemoryPowerDns(world, tmp_path, late_s=40.0)
    release = world.fleet_release()

    def undone() -> None:
        if server.content == NEW:
            server.looked = lambda: None
            world.undone(release)

    server.looked = undone
    done = world.weight(**OUT, release=release)
    assert (done["error"]["kind"], done["changed"], len(server.sent_at)) == ("undone", True, 1)
    assert done["warnings"] == [f"{NAME} A: it was written, and its answers were not looked at to the end, {DOUBT}"]
    assert world.clock.elapsed < 40.0
    assert open_entry(world)


@pytest.mark.parametrize(
    ("meets", "said", "changes"),
    [
        ([Met(BUSY), Met(Reply(503, b"", {}))], "is there again", 4),
        ([Met(carried=True)], "is there again", 2),
        ([Met(carried=True, held_s=30.0)], "is there again", 2),
        ([Met()], "is there again", 3),
        ([Met(held_s=30.0)], "is there again", 3),
        ([Met(Reply(429, b"", {"Retry-After": "30"}))], "is there again", 3),
        ([Met(Reply(422, b"", {}))], "could not be put back: PowerDNS at http://127.0.0.1:1 refuses", 2),
    ],
)
def test_each_try_of_the_way_back_is_under_the_lock_of_that_moment(
    world: DnsWorld, tmp_path: pathlib.Path, meets: list[Met | None], said: str, changes: int
) -> None:
    server = MemoryPowerDns(world, tmp_path, foreign=FOREIGN)
    server.meets = [None, *meets]
    done = world.weight(**OUT, release=world.fleet_release())
    assert said in done["msg"]
    assert (done["error"]["kind"], len(server.sent_at)) == ("broken", changes)
    there = said == "is there again"
    assert (server.content, done["changed"], open_entry(world)) == (OLD if there else NEW, not there, not there)
    assert max(server.lease_ages) <= SENT_WITHIN_S


def test_what_somebody_else_made_of_a_broken_change_is_left(world: DnsWorld, tmp_path: pathlib.Path) -> None:
    server = MemoryPowerDns(world, tmp_path, foreign=FOREIGN)
    release = world.fleet_release()
    server.looked = lambda: setattr(server, "content", OTHER) if server.content == NEW else None
    done = world.weight(**OUT, release=release)
    assert done["msg"].endswith("; somebody else has changed it meanwhile, so it was left")
    assert (done["error"]["kind"], done["changed"], server.content, len(server.sent_at)) == ("broken", True, OTHER, 1)
    assert open_entry(world)
    server.looked, server.foreign = lambda: None, ""
    good(world.weight(state="restored", release=release, verify=OUT["verify"]))
    assert server.content == content(50, 60)


def test_without_a_release_it_goes_back_also_when_the_time_is_over(world: DnsWorld, tmp_path: pathlib.Path) -> None:
    """The authority never gets the change."""
    server = MemoryPowerDns(world, tmp_path, late_s=1e6)
    server.meets = [None, Met(BUSY)]
    done = world.weight(**OUT, deadline_s=20.0)
    assert (done["error"]["kind"], done["changed"], server.content) == ("broken", False, OLD)
    assert "did not get the serial 8" in done["msg"]
    assert server.sent_at[-1] > 19.0


def test_an_authority_that_cannot_be_found_any_more_is_no_success(world: DnsWorld) -> None:
    def gone(verb: str) -> None:
        if verb == "look":
            raise ReleaseError("there is no such name server", kind="unreachable", system="dns")

    world.dns.faults.append(gone)
    done = world.weight(**OUT)
    assert (done["error"]["kind"], done["changed"], world.dns.weights) == ("unreachable", True, {US: 0, EU: 50})
    assert done["warnings"] == [
        f"{NAME} A: it was written, and its answers were not looked at to the end, so the record may be broken, and "
        "nothing more is sent; run dns_weight with state status, which counts answers"
    ]


def test_a_look_goes_in_slices(world: DnsWorld) -> None:
    left = [True, True]

    def fault(verb: str) -> None:
        if verb == "look" and left:
            left.pop()
            world.clock.elapsed = world.dns.looks[-1] - 1000.0
            raise world.dns.broken({US: 50, EU: 50}, retriable=True)

    world.dns.faults.append(fault)
    good(world.weight(**OUT, release=world.fleet_release()))
    assert [end - 1000.0 for end in world.dns.looks] == [6.0, 13.0, 20.0]
    assert world.dns.writes() == 1


@pytest.mark.parametrize("verb", ["write", "wait"])
def test_a_provider_that_asks_to_wait_is_left_alone_that_long_and_the_lock_is_kept(world: DnsWorld, verb: str) -> None:
    asked: list[float] = []
    leases: list[str] = []
    world.clock.on_sleep = lambda _seconds: leases.append(world.renewed())

    def busy(met: str) -> None:
        if met == verb:
            asked.append(world.clock.elapsed)
            if len(asked) == 1:
                raise TryLater("busy", kind="throttled", system="memory", wait_s=30.0)

    world.dns.faults.append(busy)
    good(world.weight(**OUT, release=world.fleet_release()))
    assert asked == [0.0, 30.0]
    assert len(set(leases)) >= 4


def test_a_provider_that_asks_for_more_than_is_left_ends_the_task(world: DnsWorld) -> None:
    def busy(met: str) -> None:
        if met == "write":
            raise TryLater("busy", kind="throttled", system="memory", wait_s=30.0)

    world.dns.faults.append(busy)
    done = world.weight(**OUT, release=world.fleet_release(), deadline_s=25.0)
    assert (done["error"]["kind"], done["changed"], world.dns.writes()) == ("throttled", False, 1)
