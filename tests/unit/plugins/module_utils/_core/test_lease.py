# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock, on an API server in memory."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LockLost,
    OptionError,
    Refused,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.lease import LEASE_NAME, Lease
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from fakes import FakeClock, FakeKube, lose_answer

REF = Ref("coordination.k8s.io/v1", "Lease", LEASE_NAME, "exchange")


@pytest.fixture
def server() -> FakeKube:
    return FakeKube()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kube(server: FakeKube, clock: FakeClock) -> KubeApi:
    return server.api(clock)


@pytest.fixture
def lease(kube: KubeApi, clock: FakeClock) -> Lease:
    return Lease(kube, "exchange", clock)


def test_the_first_holder_gets_the_first_token(lease: Lease, server: FakeKube) -> None:
    assert lease.acquire("anna", 6) == 1
    spec = server.take(REF)["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"], spec["leaseDurationSeconds"]) == ("anna", 1, 6)


def test_a_living_holder_refuses_the_next_one(lease: Lease, clock: FakeClock) -> None:
    lease.acquire("anna", 6)
    clock.sleep(5)
    with pytest.raises(Refused, match="us-east-1: anna holds the lock, renewed at 2027-01-15T08:00:00Z"):
        lease.acquire("bert", 6)


def test_a_released_lease_changes_hands_with_a_new_token(lease: Lease) -> None:
    lease.acquire("anna", 6)
    assert lease.release("anna", 1) is True
    assert lease.acquire("bert", 6) == 2
    assert lease.release("anna", 1) is False


def test_a_lapsed_lease_is_watched_for_its_duration_before_it_is_taken(lease: Lease, clock: FakeClock) -> None:
    lease.acquire("anna", 6)
    clock.sleep(100)
    start = clock.monotonic()
    assert lease.acquire("bert", 6) == 2
    assert 6 <= clock.monotonic() - start < 8


def test_a_holder_that_comes_back_while_it_is_watched_keeps_the_lease(lease: Lease, clock: FakeClock) -> None:
    lease.acquire("anna", 6)
    clock.sleep(100)
    renewed: list[bool] = []

    def come_back(_seconds: float) -> None:
        if not renewed:
            renewed.append(True)
            lease.hold("anna", 1, renew_s=2)

    clock.on_sleep = come_back
    with pytest.raises(Refused, match="anna holds the lock"):
        lease.acquire("bert", 6)


def test_a_renewal_starts_the_watch_anew_whatever_its_clock_says(
    lease: Lease, clock: FakeClock, server: FakeKube
) -> None:
    lease.acquire("anna", 6)
    clock.sleep(100)
    start = clock.monotonic()

    def renew_by_a_slow_clock(_seconds: float) -> None:
        if clock.monotonic() - start >= 5:
            clock.on_sleep = None
            server.change(REF, spec={"renewTime": "2027-01-15T08:00:09.000000Z"})

    clock.on_sleep = renew_by_a_slow_clock
    assert lease.acquire("bert", 6) == 2
    assert clock.monotonic() - start >= 11


def test_a_holder_whose_clock_is_behind_is_not_watched_for_ever(
    lease: Lease, clock: FakeClock, server: FakeKube
) -> None:
    """It renews every 2 s, and by our clock every renewal has lapsed before it was written."""
    lease.acquire("anna", 6)
    clock.sleep(100)
    start = clock.monotonic()
    renewals = 0

    def renew_by_a_slow_clock(_seconds: float) -> None:
        nonlocal renewals
        assert clock.monotonic() - start < 60, "still watching"
        if clock.monotonic() - start >= 2 * (renewals + 1):
            renewals += 1
            server.change(REF, spec={"renewTime": f"2027-01-15T08:00:{renewals:02}.000000Z"})

    clock.on_sleep = renew_by_a_slow_clock
    with pytest.raises(Refused, match=r"us-east-1: anna holds the lock and renews it, by a clock that is .* behind"):
        lease.acquire("bert", 6)
    # Time for one renewal after the first look and for a whole duration without one.
    assert 12 < clock.monotonic() - start <= 19
    assert server.take(REF)["spec"]["holderIdentity"] == "anna"


def test_an_acquire_whose_answer_was_lost_finds_itself(lease: Lease, server: FakeKube) -> None:
    server.after.append(lose_answer(path="leases"))
    assert lease.acquire("anna", 6) == 1


def test_a_lapsed_lease_that_nobody_took_is_renewed_by_its_holder(
    lease: Lease, kube: KubeApi, clock: FakeClock, server: FakeKube
) -> None:
    lease.acquire("anna", 6)
    clock.sleep(100)
    lease.hold("anna", 1, renew_s=2)
    state = lease.read()
    assert state is not None
    assert state.renewed_at == pytest.approx(clock.now(), abs=0.01)
    assert server.take(REF)["spec"]["acquireTime"] != server.take(REF)["spec"]["renewTime"]
    assert kube.fence == pytest.approx(clock.monotonic() + 4)


def test_a_fresh_lease_is_only_read(lease: Lease, kube: KubeApi, clock: FakeClock, server: FakeKube) -> None:
    lease.acquire("anna", 6)
    clock.sleep(1.5)
    count = len(server.writes())
    lease.hold("anna", 1, renew_s=2)
    assert len(server.writes()) == count
    assert kube.fence == pytest.approx(clock.monotonic() + 2.5)


def test_a_due_lease_is_not_renewed_in_check_mode(lease: Lease, clock: FakeClock, server: FakeKube) -> None:
    lease.acquire("anna", 6)
    clock.sleep(100)
    count = len(server.writes())
    lease.hold("anna", 1, renew_s=2, renew=False)
    assert len(server.writes()) == count


@pytest.mark.parametrize(("holder", "token", "found"), [("bert", 2, "bert"), ("", 1, "nobody"), ("anna", 2, "anna")])
def test_a_lease_that_is_not_ours_any_more_is_lost(
    lease: Lease, server: FakeKube, holder: str, token: int, found: str
) -> None:
    lease.acquire("anna", 6)
    server.change(REF, spec={"holderIdentity": holder, "leaseTransitions": token})
    with pytest.raises(LockLost, match=f"not ours any more \\({found} holds it\\)"):
        lease.hold("anna", 1, renew_s=2)


def test_a_renewal_that_meets_a_takeover_is_lost(lease: Lease, server: FakeKube, clock: FakeClock) -> None:
    lease.acquire("anna", 6)
    clock.sleep(3)

    def take_over(request: object) -> None:
        if getattr(request, "method", "") == "PUT":
            server.before.clear()
            server.change(REF, spec={"holderIdentity": "bert", "leaseTransitions": 2})

    server.before.append(take_over)
    with pytest.raises(LockLost):
        lease.hold("anna", 1, renew_s=2)


def test_a_missing_namespace_is_named(server: FakeKube, clock: FakeClock, kube: KubeApi) -> None:
    with pytest.raises(OptionError, match="namespace: elsewhere does not exist in us-east-1"):
        Lease(kube, "elsewhere", clock).acquire("anna", 6)


def test_forbidden_is_passed_on(server: FakeKube, lease: Lease) -> None:
    server.denied.add(("create", "leases"))
    with pytest.raises(ApiError) as caught:
        lease.acquire("anna", 6)
    assert caught.value.kind == "forbidden"


def test_half_seconds_are_rounded_up_and_never_down(lease: Lease) -> None:
    lease.acquire("anna", 1.5)
    state = lease.read()
    assert state is not None
    assert dataclasses.replace(state, renewed_at=0).duration_s == 2


@pytest.mark.parametrize("watched_s", [6, 4])
def test_only_what_is_left_of_a_duration_is_watched(lease: Lease, clock: FakeClock, watched_s: int) -> None:
    lease.acquire("anna", 6)
    watched = lease.watch()
    clock.sleep(watched_s)
    began = clock.monotonic()
    assert lease.acquire("bert", 6, patient=True, watched=watched) == 2
    assert clock.monotonic() - began == 6 - watched_s


def test_a_lease_that_was_renewed_since_is_watched_anew(lease: Lease, clock: FakeClock) -> None:
    lease.acquire("anna", 6)
    watched = lease.watch()
    clock.sleep(3)
    lease.hold("anna", 1, renew_s=2)
    clock.sleep(3)
    began = clock.monotonic()
    assert lease.acquire("bert", 6, patient=True, watched=watched) == 2
    assert clock.monotonic() - began >= 6


def test_a_lease_that_is_not_there_cannot_be_watched(lease: Lease) -> None:
    assert lease.watch() is None
