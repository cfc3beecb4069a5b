# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sweep finds nothing in the code as it is, and finds each of four mistakes that are planted into it."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import lease as lease_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.decide_lease import Denied, LeaseState, Watch
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal import run as journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision import apply
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.tree import WayBack
from fakes import FakeClock
from sweep_world import BLUE_HPA, REGIONS, Failed, Sweep, SweepWorld

from chaos.oracle import State

Finding = tuple[str, str]
LEASE_S: t.Final = 6
#: A lock whose holder died between lock and journal. It is in nobody's way for longer than one lease.
LEFT_LOCK: t.Final = "the lock is held by"


def killed(sweep: Sweep) -> Iterator[Finding]:
    """Kill at every write, recover twice."""
    for when, memory in sweep.memories:
        world = sweep.world(memory)
        try:
            world.recover()
            count = world.number
            world.recover()
        except Failed as failure:
            yield when, f"recover failed: {failure}"
            continue
        if world.number > count:
            yield when, "a second recovery wrote"
        yield from ((when, text) for text in sweep.judge(world).violations)


def stopped(sweep: Sweep, every: int = 1) -> Iterator[Finding]:
    """Stop the release at its writes for longer than its lease, recover meanwhile, let it go on."""

    def meanwhile(world: SweepWorld) -> None:
        world.clock.elapsed += 2 * LEASE_S
        mine, world.number = world.number, -10_000
        world.recover()
        world.number, world.life = mine, 0

    for point in sweep.points()[::every]:
        world = sweep.struck(point, meanwhile)
        yield from ((f"{point}", text) for text in sweep.judge(world).violations)


def raced(sweep: Sweep, rival: Callable[[SweepWorld, FakeClock], bool], every: int = 1) -> Iterator[Finding]:
    """At its writes a second controller comes, whose clock is 120 s ahead. The first one is alive."""
    for point in sweep.points()[::every]:
        let_in = []

        def come(world: SweepWorld, let_in: list[bool] = let_in) -> None:
            clock = FakeClock(world.clock.now() + 120)
            clock.on_sleep = lambda seconds: _renew(world, seconds)
            mine, world.number, world.life = world.number, -10_000, 1
            let_in.append(rival(world, clock))
            world.number, world.life = mine, 0

        sweep.struck(point, come)
        if any(let_in):
            yield f"{point}", "a second controller was let in while the first one was alive"


def _renew(world: SweepWorld, seconds: float) -> None:
    """The first controller renews its leases."""
    world.clock.elapsed += seconds
    for server in world.servers.values():
        for ref, stored in list(server.stored.items()):
            if ref.kind == "Lease" and stored.obj["spec"]["holderIdentity"]:
                server.change(ref, spec={"renewTime": lease_module._micro_time(world.clock.now())})


def takes_over(world: SweepWorld, clock: FakeClock) -> bool:
    given = {"state": "taken_over", "decision": "undo", "reason": "looks dead", "scope": "fleet"}
    done = world.task(journal, "management", clock, **given)
    return not done.get("failed") and done["release"] is not None


def opens(world: SweepWorld, clock: FakeClock) -> bool:
    held = [_holder(world, site) for site in world.servers]
    done = world.task(journal, "management", clock, state="opened", scope="fleet", release_id="second")
    # Before the first lock and after the last one is given back there is nobody to be refused by.
    return not done.get("failed") and any(held)


def _holder(world: SweepWorld, site: str) -> str:
    space = "pincex-fleet" if site == "management" else "exchange"
    stored = world.servers[site].stored.get(Ref("coordination.k8s.io/v1", "Lease", "pincex-release", space))
    return stored.obj["spec"]["holderIdentity"] if stored else ""


def finds(findings: Iterator[Finding], text: str) -> bool:
    """Whether a mistake is found: that need not be at every point."""
    return any(text in sentence for _point, sentence in findings)


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> Sweep:
    return Sweep(monkeypatch)


# The code as it is.
def test_a_release_that_is_killed_anywhere_is_recovered_and_leaves_no_lock(sweep: Sweep) -> None:
    assert sweep.writes > 30
    assert list(killed(sweep)) == []


def test_a_release_that_is_stopped_anywhere_writes_nothing_afterwards(sweep: Sweep) -> None:
    assert list(stopped(sweep, every=5)) == []


def test_a_process_id_that_comes_again_is_another_holder(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SweepWorld, "same_pid", True)
    assert not finds(raced(sweep, takes_over, every=9), "let in")


@pytest.mark.parametrize("rival", [takes_over, opens])
def test_a_second_controller_is_refused_everywhere(sweep: Sweep, rival: Callable[..., bool]) -> None:
    assert list(raced(sweep, rival, every=9)) == []


# The mistakes.
def test_a_decision_after_the_first_close_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = Sweep(monkeypatch, functools.partial(SweepWorld.release, close_first=True))
    assert finds(killed(sweep), "the regions do not stand at the same revision")


def foreign_changes(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> Iterator[Finding]:
    """In each run somebody raises the old slot's maximum once the release has begun to write; that has to survive."""

    def raise_it(state: State) -> State:
        regions = {}
        for name, site in state.regions.items():
            objects = {**site.objects}
            hpa = objects[f"HorizontalPodAutoscaler {BLUE_HPA.name}"]
            objects[f"HorizontalPodAutoscaler {BLUE_HPA.name}"] = {**hpa, "spec": {**hpa["spec"], "maxReplicas": 9}}
            regions[name] = dataclasses.replace(site, objects=objects)
        return dataclasses.replace(state, regions=regions)

    sweep.old, sweep.new = raise_it(sweep.old), raise_it(sweep.new)
    recover, changed = SweepWorld.recover, list[SweepWorld]()

    def somebody_first(world: SweepWorld) -> None:
        if world not in changed:
            changed.append(world)
            for region in REGIONS:
                world.servers[region].change(BLUE_HPA, "anna", spec={"maxReplicas": 9})
        recover(world)

    monkeypatch.setattr(SweepWorld, "recover", somebody_first)
    yield from killed(sweep)


def test_a_foreign_change_survives_everywhere(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    found = foreign_changes(sweep, monkeypatch)
    assert [finding for finding in found if LEFT_LOCK not in finding[1]] == []


def test_an_undo_that_ignores_foreign_changes_is_found(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WayBack, "take_back", lambda _self, before, _after, _live: before)
    assert finds(foreign_changes(sweep, monkeypatch), "spec.maxReplicas: 6 instead of 9")


def by_the_clock(lease: LeaseState | None, me: str, now: float, _unchanged_s: float) -> int | Watch | Denied:
    if lease is None:
        return 1
    if lease.holder == me:
        return lease.token
    return Denied.HELD if lease.holder and now < lease.renewed_at + lease.duration_s else lease.token + 1


@pytest.mark.parametrize("rival", [takes_over, opens])
def test_a_lock_that_trusts_the_clock_is_found(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, rival: Callable[..., bool]
) -> None:
    monkeypatch.setattr(lease_module, "decide_acquire", by_the_clock)
    assert finds(raced(sweep, rival), "let in")


def test_a_retry_of_a_409_without_reading_the_lease_is_found(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unguarded:
        """Takes the lease for its own still, and with it the time until which writes are sent."""

        def __init__(self, session: Session) -> None:
            self._kube = session.kube

        def guard(self) -> None:
            self._kube.fence = None

    real = apply._swapped

    def swapped(session: Session, *given: t.Any) -> t.Any:
        return real(dataclasses.replace(session, journal=t.cast("t.Any", Unguarded(session))), *given)

    monkeypatch.setattr(apply, "_swapped", swapped)
    assert finds(stopped(sweep), "neither the old nor the new revision")
