# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a journal lies, and what every state of the module needs."""

from __future__ import annotations

import dataclasses
import hashlib
import socket
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import (
    journal_store,
    must_be_controlled,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.lease import Lease
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import FleetRef, ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import ok_result
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Store
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.revisions import Revisions

EMPTY_RESULT: t.Final[Mapping[str, t.Any]] = {
    "release": None,
    "header": None,
    "number": None,
    "decision": None,
    "entries": [],
    "before": None,
    "finish": None,
    "standby": None,
    "maintenance": None,
    "revisions": [],
    "revision": None,
    "lock": None,
}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where one journal lies, and what is needed to work on it."""

    kube: KubeApi
    namespace: str
    scope: str
    store: Store
    lease: Lease
    revisions: Revisions
    clock: Clock
    progress: Progress
    check_mode: bool

    @classmethod
    def at(
        cls, kube: KubeApi, params: Mapping[str, t.Any], clock: Clock, progress: Progress, check_mode: bool
    ) -> Place:
        namespace = params["namespace"]
        return cls(
            kube=kube,
            namespace=namespace,
            scope=params["scope"],
            store=journal_store(kube, namespace),
            lease=Lease(kube, namespace, clock),
            revisions=Revisions(kube, namespace),
            clock=clock,
            progress=progress,
            check_mode=check_mode,
        )

    @property
    def region(self) -> str:
        return self.kube.region


def holder_name(release_id: str, params: Mapping[str, t.Any]) -> str:
    """Who holds a lock: the release, the machine, and the playbook's process on it.

    In a container the first process has the same id each time it is started, so its start belongs to the name.
    """
    given = params["controller"]
    start = hashlib.sha256(str(given["started"]).encode()).hexdigest()[:8]
    return f"{release_id}/{socket.gethostname()}/{int(given['pid'])}-{start}"


def own_fleet(place: Place, params: Mapping[str, t.Any]) -> FleetRef:
    """Where the fleet's journal lies, for a region that nobody handed it to."""
    if place.scope == "fleet":
        return FleetRef(params["kubeconfig"], params["context"], place.namespace)
    return FleetRef.from_option(params["fleet"])


def recovering(place: Place, params: Mapping[str, t.Any], release_id: str) -> ReleaseRef:
    """What a recovery works under in the name of a release, without its token yet."""
    return ReleaseRef(
        id=release_id,
        # A recovery is a way back: no decision to undo stops it.
        kind="recover",
        holder=holder_name(release_id, params),
        token=0,
        namespace=place.namespace,
        controller_pid=int(params["controller"]["pid"]),
        controller_started=str(params["controller"]["started"]),
        fleet=own_fleet(place, params),
        lease_s=params["lease_s"],
        renew_s=params["renew_s"],
    )


def hold(place: Place, release: ReleaseRef) -> None:
    """What is asked before every write: the controller lives and the lease is its own."""
    must_be_controlled(release, place.region)
    place.lease.hold(release.holder, release.token, release.renew_s)


def result(changed: bool, old: t.Any, new: t.Any, **known: t.Any) -> JsonObject:
    # Not as arguments of ok_result: `before` is a key of this module's result.
    return {**ok_result(changed, old, new), **EMPTY_RESULT, **known}
