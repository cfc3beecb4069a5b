# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who looks at the fleet's lock sees a way back that works, and a way back never waits for the fleet."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import fleet_lease
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import LockLost
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.fleet_lease import FleetLease
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Request
from fakes import answer_with
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_world import World

FLEET_LEASE = Ref("coordination.k8s.io/v1", "Lease", "pincex-release", "pincex-fleet")
FLEET = {"kubeconfig": "~/.kube/config", "context": "management", "namespace": "pincex-fleet"}
OTHER = {"pid": 1, "started": ""}
CHANGE = Change(Ref("v1", "Service", "core-api-blue", "exchange"), "set", {"spec.x": {"before": 0, "after": 1}})

_start = fleet_lease.start


def recover_fleet(world: World) -> dict[str, t.Any]:
    gone = {"decision": "undo", "reason": "its controller is gone", "controller": OTHER, "by": "bob"}
    return world.call(state="taken_over", scope="fleet", **gone)


def renewed_at(world: World) -> str:
    return str(world.fleet_server.take(FLEET_LEASE)["spec"]["renewTime"])


def away(_request: Request) -> Answer | None:
    raise NoAnswer("no route to host", timeout=True, sent=False)


def take_back(world: World, release: ReleaseRef) -> None:
    """One try of the way back, as each task of the playbook makes one."""
    journal = world.journal(release, undoing=True)
    journal.outcome(journal.intend("take back", [CHANGE]), [CHANGE])


def test_a_living_way_back_is_not_taken_over(world: World, release: ReleaseRef) -> None:
    # A pod is late: the role tries again each second, and somebody runs recover meanwhile.
    tries = []

    def again(_seconds: float) -> None:
        if not tries or world.clock.now() - tries[-1] >= 1:
            tries.append(world.clock.now())
            world.journal(release, undoing=True).guard()

    world.clock.on_sleep = again
    world.clock.sleep(8)
    refused = recover_fleet(world)
    assert (refused["failed"], refused["error"]["kind"]) == (True, "locked")
    assert "holds the lock and renews it" in refused["msg"]
    # It ends as it began, under its own lock.
    world.clock.on_sleep = None
    take_back(world, release)
    assert world.call(state="closed", release=release.to_option(), outcome="taken_back")["changed"]


def test_it_renews_while_its_region_is_away(world: World, release: ReleaseRef) -> None:
    world.server.before.append(answer_with(403, times=10_000))
    before = renewed_at(world)
    world.clock.sleep(3)
    with pytest.raises(Exception, match="us-east-1"):
        take_back(world, release)
    assert renewed_at(world) > before


def test_a_renewal_is_no_more_often_than_it_has_to_be(world: World, release: ReleaseRef) -> None:
    journal = world.journal(release, undoing=True)
    for _second in range(10):
        world.clock.sleep(0.5)
        journal.guard()
    asked = [request for request in world.fleet_server.requests if request.path.endswith("/leases/pincex-release")]
    # To open it took the lease, and held it for the journal.
    opened = 3
    # 5 s of a way back whose lease is renewed each 2 s; each renewal reads before it writes.
    assert len(asked) - opened <= 2 * 3


@pytest.mark.parametrize("fault", [away, answer_with(503, times=10_000), answer_with(403, times=10_000)])
def test_a_fleet_that_is_away_is_asked_beside_and_stops_nothing(
    world: World, release: ReleaseRef, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Request], Answer | None]
) -> None:
    works: list[Callable[[], None]] = []
    monkeypatch.setattr(fleet_lease, "start", works.append)
    world.fleet_server.before.append(fault)
    began = world.clock.monotonic()
    journal = world.journal(release, undoing=True)
    for _write in range(5):
        journal.outcome(journal.intend("take back", [CHANGE]), [CHANGE])
    # One of them is under way, however often the guard was asked, and nothing has waited for it.
    assert (len(works), world.clock.monotonic()) == (1, began)
    works.pop()()
    world.fleet_server.before.clear()
    world.clock.sleep(3)
    before = renewed_at(world)
    journal.guard()
    works.pop()()
    assert renewed_at(world) > before


def test_a_rollback_going_forward_does_not_wait_for_a_fleet_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    works: list[Callable[[], None]] = []
    monkeypatch.setattr(fleet_lease, "start", works.append)
    _fleet, release = world.opened(kind="rollback")
    world.fleet_server.before.append(away)
    began = world.clock.monotonic()
    journal = world.journal(release)
    journal.outcome(journal.intend("core-api 100 %", [CHANGE]), [CHANGE])
    assert (len(works), world.clock.monotonic()) == (1, began)


def test_a_machine_without_a_thread_left_goes_on(
    world: World, release: ReleaseRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    def start(_work: Callable[[], None]) -> None:
        tried.append(world.clock.monotonic())
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(fleet_lease, "start", start)
    journal = world.journal(release, undoing=True)
    for _second in range(6):
        journal.guard()
        world.clock.sleep(1)
    assert len(tried) == 3, "again when it is due"


def test_a_fleet_that_is_out_of_reach_is_tried_once_in_a_renewal(world: World, release: ReleaseRef) -> None:
    world.fleet_server.before.append(away)
    asked = len(world.fleet_server.requests)
    world.journal(release, undoing=True).guard()
    assert len(world.fleet_server.requests) - asked == 1


def test_it_does_not_wait_for_an_answer(world: World, release: ReleaseRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_lease, "start", _start)
    asked, answer, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(_request: Request) -> Answer | None:
        asked.set()
        assert answer.wait(60)
        return None

    world.fleet_server.before.append(slow)
    world.fleet_server.after.append(lambda request: ended.set() if request.method == "PUT" else None)
    world.clock.sleep(3)
    before = renewed_at(world)
    take_back(world, release)
    assert asked.wait(60)
    assert renewed_at(world) == before
    answer.set()
    assert ended.wait(60)
    assert renewed_at(world) > before


def test_a_fleet_that_somebody_else_holds_is_left_alone_and_the_regions_own_lock_decides(
    world: World, release: ReleaseRef
) -> None:
    world.clock.sleep(3)
    world.fleet_server.change(FLEET_LEASE, spec={"holderIdentity": "bob", "leaseTransitions": 2})
    written = len(world.fleet_server.writes())
    journal = world.journal(release, undoing=True)
    journal.guard()
    asked = len(world.fleet_server.requests)
    for _write in range(5):
        world.clock.sleep(3)
        journal.outcome(journal.intend("take back", [CHANGE]), [CHANGE])
    assert (len(world.fleet_server.writes()), len(world.fleet_server.requests)) == (written, asked)
    # A step forward is told all the same, also in a task that recorded an outcome, which is no step forward, before.
    forward = world.journal(release)
    forward.guard(undoing=True)
    with pytest.raises(LockLost, match="fleet: the lock is not ours any more"):
        forward.guard()


def test_check_mode_renews_nothing(world: World, release: ReleaseRef) -> None:
    world.clock.sleep(3)
    asked = len(world.fleet_server.requests)
    world.journal(release, undoing=True, check_mode=True).guard()
    assert len(world.fleet_server.requests) == asked


@pytest.mark.parametrize("told", [False, True])
def test_a_recovery_renews_what_it_was_told_the_token_of(world: World, release: ReleaseRef, told: bool) -> None:
    assert release.fleet.token == 1
    token = recover_fleet(world)["release"]["fleet"]["token"]
    given = {**FLEET, "token": token} if told else FLEET
    taken = world.call(state="taken_over", controller=OTHER, by="bob", fleet=given)
    before = renewed_at(world)
    world.clock.sleep(3)
    ours = ReleaseRef.from_option(taken["release"])
    assert ours.fleet.token == (2 if told else 0)
    take_back(world, ours)
    assert (renewed_at(world) > before) == told


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ask", "answer"]), st.floats(0, 4), st.sampled_from([None, 403, 409, 503, "away", "lost"])
        ),
        max_size=12,
    )
)
def test_whatever_the_fleet_does_it_is_asked_once_at_a_time_and_no_sooner_than_due(
    turns: list[tuple[str, float, int | str | None]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = World(patch)
        release = world.opened()[1]
        works: list[Callable[[], None]] = []
        patch.setattr(fleet_lease, "start", works.append)
        lease = FleetLease(world.fleet_server.api(world.clock, "fleet"), "pincex-fleet", world.clock)
        began: list[float] = []
        for turn, seconds, fault in turns:
            world.clock.sleep(seconds)
            faults: list[t.Any] = []
            if fault == "lost":
                world.fleet_server.change(FLEET_LEASE, spec={"holderIdentity": "bob", "leaseTransitions": 9})
            elif fault is not None:
                faults = [away] if fault == "away" else [answer_with(int(fault), times=10_000)]
            world.fleet_server.before[:] = faults
            now = world.clock.monotonic()
            if turn == "ask":
                waiting = len(works)
                lease.renew_beside(release)
                assert world.clock.monotonic() == now
                assert len(works) <= 1
                if len(works) > waiting:
                    assert not began or now - began[-1] >= release.renew_s
            elif works:
                began.append(now)
                works.pop()()
                assert world.clock.monotonic() - now <= 4 * release.renew_s
