# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a release: a Lease object in the namespace of its journal."""

from __future__ import annotations

import datetime
import math
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock, clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.decide_lease import (
    Denied,
    Hold,
    LeaseState,
    Watch,
    decide_acquire,
    decide_hold,
    writes_until,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LockLost,
    OptionError,
    Refused,
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.watched import Watched, name_of_clock

LEASE_NAME: t.Final = "pincex-release"
_TRIES: t.Final = 5
#: A lease that looks lapsed is watched for so many of its durations. One without a renewal takes it; a holder that died
#: right after a renewal is seen to be dead within two.
_WATCHED: t.Final = 3


class Lease:
    """One lease. It is never deleted, because its token may only grow."""

    def __init__(self, kube: KubeApi, namespace: str, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._ref = Ref("coordination.k8s.io/v1", "Lease", LEASE_NAME, namespace)

    def read(self) -> LeaseState | None:
        obj = self._kube.get(self._ref)
        return None if obj is None else _state(obj)

    def watch(self) -> Watched | None:
        """The lease as it is now, for whoever takes it later; None when there is none."""
        lease = self.read()
        return None if lease is None else Watched(lease, self._clock.monotonic(), name_of_clock())

    def acquire(self, me: str, lease_s: float, patient: bool = False, watched: Watched | None = None) -> int:
        """Take the lease and return the token. Raises Refused when somebody holds it; `patient` waits and sees first
        whether the holder still renews it, since it was `watched` where it has been.

        That takes three durations of the lease at most, by our own monotonic clock: by ours a holder's clock may be so
        far behind that its lease looks lapsed for ever.
        """
        seen: LeaseState | None = None
        began = seen_at = self._clock.monotonic()
        conflicts = 0
        while conflicts < _TRIES:
            obj = self._kube.get(self._ref)
            lease = None if obj is None else _state(obj)
            if lease != seen:
                seen, seen_at = lease, self._clock.monotonic()
                if watched is not None:
                    seen_at = watched.since(lease, name_of_clock(), seen_at)
            decided = decide_acquire(lease, me, self._clock.now(), self._clock.monotonic() - seen_at)
            if lease is not None and (decided is Watch.LAPSED or (patient and decided is Denied.HELD)):
                if self._clock.monotonic() - began >= _WATCHED * lease.duration_s:
                    raise Refused(f"{self._region}: {self._alive(lease)}", region=self._region)
                self._clock.sleep(0.5)
            elif isinstance(decided, int):
                try:
                    self._take(obj, me, decided, lease_s)
                    return decided
                except ApiError as error:
                    if error.kind != "conflict":
                        raise
                    conflicts += 1
            elif lease is not None and decided is Denied.HELD:
                since = clock_time(lease.renewed_at)
                raise Refused(
                    f"{self._kube.region}: {lease.holder} holds the lock, renewed at {since}", region=self._region
                )
        raise _too_busy(self._region)

    def _alive(self, lease: LeaseState) -> str:
        behind = self._clock.now() - lease.renewed_at
        late = f", by a clock that is {behind:.0f} s behind ours" if behind > lease.duration_s else ""
        return f"{lease.holder} holds the lock and renews it{late}"

    def hold(self, holder: str, token: int, renew_s: float, renew: bool = True) -> None:
        """Make sure that the lease is ours, and renew it when it is due. Sets the fence of the API client."""
        for _attempt in range(_TRIES):
            obj = self._kube.get(self._ref)
            lease = None if obj is None else _state(obj)
            decided = decide_hold(lease, holder, token, self._clock.now(), renew_s)
            if obj is None or lease is None or decided is Hold.LOST:
                other = lease.holder if lease and lease.holder else "nobody"
                raise LockLost(
                    f"{self._region}: the lock is not ours any more ({other} holds it), so nothing is written",
                    region=self._region,
                )
            if decided is Hold.HELD or not renew:
                self._fence(lease.renewed_at, lease.duration_s)
                return
            try:
                self._take(obj, holder, token, lease.duration_s)
                return
            except ApiError as error:
                if error.kind != "conflict":
                    raise
        raise _too_busy(self._region)

    def release(self, holder: str, token: int) -> bool:
        """Give the lease back. False when it was not ours."""
        for _attempt in range(_TRIES):
            obj = self._kube.get(self._ref)
            lease = None if obj is None else _state(obj)
            if obj is None or lease is None or lease.holder != holder or lease.token != token:
                return False
            self._kube.fence = None
            try:
                self._kube.replace({**obj, "spec": {**obj["spec"], "holderIdentity": ""}})
                return True
            except ApiError as error:
                if error.kind != "conflict":
                    raise
        raise _too_busy(self._region)

    @property
    def _region(self) -> str:
        return self._kube.region

    def _take(self, obj: JsonObject | None, holder: str, token: int, lease_s: float) -> None:
        """Write the lease as ours, by compare-and-swap. It counts from before it is sent."""
        now = self._clock.now()
        duration_s = math.ceil(lease_s)
        old = (obj or {}).get("spec") or {}
        spec = {
            **old,
            "holderIdentity": holder,
            "leaseDurationSeconds": duration_s,
            "leaseTransitions": token,
            "renewTime": _micro_time(now),
        }
        if old.get("leaseTransitions") != token:
            spec["acquireTime"] = spec["renewTime"]
        # The lease itself is not behind the fence: a lapsed one that nobody took may be renewed.
        self._kube.fence = None
        if obj is None:
            meta = {"name": self._ref.name, "namespace": self._ref.namespace}
            new = {"apiVersion": self._ref.api_version, "kind": self._ref.kind, "metadata": meta, "spec": spec}
            try:
                self._kube.create(new)
            except ApiError as error:
                if error.kind == "not_found":
                    problem = f"{self._ref.namespace} does not exist in {self._region}"
                    raise OptionError("namespace", problem, region=self._region) from error
                raise
        else:
            self._kube.replace({**obj, "spec": spec})
        self._fence(now, duration_s)

    def _fence(self, renewed_at: float, duration_s: float) -> None:
        left = writes_until(renewed_at, duration_s) - self._clock.now()
        self._kube.fence = self._clock.monotonic() + left


def _state(obj: JsonObject) -> LeaseState:
    spec = obj.get("spec") or {}
    return LeaseState(
        holder=spec.get("holderIdentity") or "",
        token=int(spec.get("leaseTransitions") or 0),
        duration_s=float(spec.get("leaseDurationSeconds") or 0),
        renewed_at=_seconds(spec.get("renewTime")),
    )


def _micro_time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(text: str | None) -> float:
    return datetime.datetime.fromisoformat(text).timestamp() if text else 0.0


def _too_busy(region: str) -> ReleaseError:
    return ReleaseError(
        f"{region}: the lock changes faster than it can be taken",
        kind="conflict",
        system="journal",
        region=region,
        retriable=True,
    )
