# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back in the process that has judged: the fleet's lock, then all regions at the same time.

A task of Ansible takes half a second before it does anything, and a way back has three of them: lock the fleet, lock
the regions, write. So whoever judges takes back as well. While the evidence is read every cluster is asked already, in
threads of their own, so that kubeconfigs are read, connections open and plurals known when it is decided. Before that
nothing is locked and nothing written.

The journals stay open: the caller closes them after pods and aliases. Until then somebody has to renew the locks. While
a region is waited for this does it for the others; afterwards every task does that works under them, and a lock that
lapses meanwhile is its holder's still, unless a recovery has taken it. A process that is killed in the middle leaves
journals of kind `model` that say `rolled_back`, with which a recovery goes on.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import copy
import dataclasses
import functools
import threading
import typing as t
from collections.abc import Callable

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import quiet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.opening import opened
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.place import Place, hold
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model_route import ModelRoute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.region import change_route
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.take_back import (
    Change,
    Cluster,
    TakeBack,
    fleet_opening,
    region_opening,
    without_it,
    word_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.task import Task
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS

Result = t.TypeVar("Result")
Future = concurrent.futures.Future

#: Of a region, with its value for "nothing".
_EMPTY: t.Final[JsonObject] = {
    "verdict": "refused",
    "release": None,
    "reason": "",
    "traffic": {"before": None, "after": None},
    "note": None,
    "kept": [],
    "changed": False,
    "warnings": [],
    "served_at": None,
}


@dataclasses.dataclass
class _Fleet:
    """What became of the fleet's journal. `release` None: it is not open."""

    told: JsonObject
    place: Place | None = None
    release: ReleaseRef | None = None

    @property
    def refuses(self) -> bool:
        return self.told["verdict"] in ("refused", "failed")


class WayBack:
    """Of one judgement. Made before the evidence is read, it only reads until `go`."""

    def __init__(self, task: Task, given: TakeBack) -> None:
        self._task = task
        self._given = given
        self._fleet = _later(functools.partial(self._reached, given.fleet, "fleet"))
        self._regions = {
            region.name: _later(functools.partial(self._reached, region, "region")) for region in given.regions
        }

    def go(self, version: str, why: str) -> JsonObject:
        """Give everything to the champion of every region, now. `why`: the verdict on this version. Raises nothing that
        a cluster can cause: each has a verdict of its own."""
        options = self._task.options
        change = Change.because(options.model, version, options.actor, (options.reason, why))
        decided_at = self._task.clock.now()
        fleet = self._open_fleet(change)
        under_way = {
            region.name: _later(functools.partial(self._take_back, region, change, fleet))
            for region in self._given.regions
        }
        self._wait(list(under_way.values()), fleet)
        regions = {name: one.result() for name, one in under_way.items()}
        for name, told in regions.items():
            self._task.warn(*told.pop("warnings"))
            self._task.progress(f"{name} is {told['verdict']}: {told['reason']}")
        return {"decided_at": decided_at, "fleet": fleet.told, "regions": regions}

    def _reached(self, cluster: Cluster, scope: str) -> tuple[Place, ReleaseError | None]:
        """A cluster with open connections, and why it did not answer. What is read is of no use: it may be old by the
        time it is decided. Raises OptionError when there is no way to it."""
        task = self._task
        kube = kube_module.connect(cluster.kubeconfig, cluster.context, cluster.name, task.clock)
        kube.unreachable_s = cluster.unreachable_s
        place = Place.at(kube, {"namespace": cluster.namespace, "scope": scope}, task.clock, quiet, task.check_mode)
        try:
            place.store.read()
            place.lease.read()
            if scope == "region":
                routes = ModelRoute(self._session(place, None), task.options.model).routes
                routes.get(task.options.model)
                routes.ready(task.options.model, SLOTS[0])
        except ReleaseError as error:
            return place, error
        return place, None

    def _open_fleet(self, change: Change) -> _Fleet:
        """Its lock and its journal. One that has not answered since the judgement began is not waited for again."""
        told = {"verdict": "opened", "release": None, "reason": ""}
        try:
            place, away = self._fleet.result()
            if away is not None and without_it(away):
                raise away
            release = opened(place, fleet_opening(self._given, change))["release"]
        except ReleaseError as error:
            return _Fleet(told | {"verdict": word_of(error), "reason": error.message})
        if self._task.check_mode:
            return _Fleet(told)
        return _Fleet(told | {"release": release}, place, ReleaseRef.from_option(release))

    def _take_back(self, region: Cluster, change: Change, fleet: _Fleet) -> JsonObject:
        """One region: its lock, its journal, its route."""
        told = copy.deepcopy(_EMPTY)
        if fleet.refuses:
            return told | {"reason": f"the fleet: {fleet.told['reason']}"}
        options = dataclasses.replace(self._task.options, state="rolled_back", version=change.version, step=change.step)
        clock = self._task.clock
        # The end: the gateway has its least time to accept it. Who closes the journals looks again.
        mine = Task(options, {}, clock, quiet, clock.monotonic(), self._task.check_mode)
        try:
            place, _away = self._regions[region.name].result()
            release = opened(place, region_opening(self._given, change, region, fleet.told["release"]))["release"]
            told |= {"release": None if self._task.check_mode else release}
            mine.opened = self._session(place, told["release"])
            change_route(mine)
        except ReleaseError as error:
            return told | _said(mine) | {"verdict": word_of(error), "reason": error.message}
        except Exception as error:
            # Raised, it would hide what the other regions have locked and written.
            return told | _said(mine) | {"verdict": "failed", "reason": f"{type(error).__name__}: {error}"}
        served_at = clock.now() if not self._task.check_mode else None
        return told | _said(mine) | {"verdict": "rolled_back", "reason": mine.told["reason"], "served_at": served_at}

    def _session(self, place: Place, release: JsonObject | None) -> Session:
        """The region as tasks know it. A way back does not ask the fleet."""
        held = ReleaseRef.from_option(release) if release else None
        journal = Journal(
            place.kube, place.namespace, held, self._task.clock, undoing=True, check_mode=self._task.check_mode
        )
        return Session(place.kube, journal, place.namespace, place.region)

    def _wait(self, under_way: list[Future[JsonObject]], fleet: _Fleet) -> None:
        """Until all have ended, each in its own time. Who waits renews the locks of those that are done."""
        pending = set(under_way)
        while pending:
            _done, pending = concurrent.futures.wait(pending, timeout=self._given.renew_s)
            if not pending:
                return
            for place, release in self._held(fleet, under_way):
                with contextlib.suppress(ReleaseError):
                    hold(place, release)

    def _held(self, fleet: _Fleet, under_way: list[Future[JsonObject]]) -> list[tuple[Place, ReleaseRef]]:
        held = [(fleet.place, fleet.release)] if fleet.place and fleet.release else []
        for region, one in zip(self._given.regions, under_way, strict=True):
            release = one.result()["release"] if one.done() else None
            if release is not None:
                held.append((self._regions[region.name].result()[0], ReleaseRef.from_option(release)))
        return held


def _said(task: Task) -> JsonObject:
    before = task.told["diff"]["before"] or {}
    said = {name: task.told[name] for name in ("traffic", "kept", "changed", "warnings")}
    return {**said, "note": before.get("note")}


def _later(work: Callable[[], Result]) -> Future[Result]:
    """What a thread of its own comes to. A pool would wait for its threads at the end of the process, also for one that
    asks a cluster that is away and whose answer nobody needs."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="way back", daemon=True).start()
    return future
