# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's lease during a task in a region: whoever wants to recover sees by it that the release is alive, whichever
region is at work."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import LockLost, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.lease import Lease
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef


def start(work: Callable[[], None]) -> None:
    """Do it beside. Nobody waits for it, not even the end of the process."""
    threading.Thread(target=work, name="fleet lease", daemon=True).start()


class FleetLease:
    """The lease of the fleet that a release holds, renewed no more often than its `renew_s` seconds."""

    def __init__(self, kube: KubeApi, namespace: str, clock: Clock) -> None:
        self._kube = kube
        self._namespace = namespace
        self._clock = clock
        self._lease = Lease(kube, namespace, clock)
        #: Of the monotonic clock; beside it is infinite while a renewal is under way, and once the lease is lost.
        self._due = self._due_beside = -math.inf

    def renew(self, release: ReleaseRef) -> None:
        """Hold it when that is due. Raises LockLost, or ApiError."""
        if self._clock.monotonic() < self._due:
            return
        self._due = self._due_beside = self._clock.monotonic() + release.renew_s
        self._lease.hold(release.holder, release.fleet.token, release.renew_s)
        # A decision to undo may be written by anybody at any time, under no lease.
        self._kube.fence = None

    def renew_beside(self, release: ReleaseRef) -> None:
        """Hold it when that is due, without waiting and without an error: the way back of a region depends on the
        region's own lock alone. That this one is lost is told by the next write to the fleet, which stands behind
        it."""
        if self._clock.monotonic() < self._due_beside:
            return
        self._due_beside = math.inf
        try:
            start(functools.partial(self._renew_once, release))
        except RuntimeError:
            # A machine that has no thread left is no reason to leave a region halfway.
            self._due_beside = self._clock.monotonic() + release.renew_s

    def _renew_once(self, release: ReleaseRef) -> None:
        began = self._clock.monotonic()
        # The task may write to the fleet meanwhile: the fence and the patience of its client are its own.
        kube = KubeApi(self._kube.transport, self._clock, self._kube.region, release.renew_s)
        kube.unreachable_s = 0.0
        again = began + release.renew_s
        try:
            Lease(kube, self._namespace, self._clock).hold(release.holder, release.fleet.token, release.renew_s)
        except LockLost:
            again = math.inf
        except ReleaseError:
            # Away now. It costs the way back nothing to ask again.
            pass
        finally:
            self._due_beside = again
