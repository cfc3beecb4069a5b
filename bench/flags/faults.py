# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store fails before and after each write of a toggle and of a kill; then it comes back, and there is one more run.

Redis is killed and comes back from a dump that is older than the last kill; an API server is killed and started again;
the disk of the file is full and then has room. Looked at are all documents, all revisions, and every kill since the
beginning. Needs root, for a disk of its own.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import threading
import typing as t
from unittest import mock

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.configmap_store import ConfigMapStore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.file_store import FileStore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import KEPT_REVISIONS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.redis_store import RedisStore

from bench.flags.task import Json
from bench.flags.world import FLEET, REGIONS, World, kill_redis, switch, versions, world
from bench.gate.part import Measured, Options, Row
from bench.results import OURS, Goal, row
from lab.errors import LabError
from lab.shell import run

#: "before" or "after" the write to a store, and its name.
Point = tuple[str, str]

REDIS: t.Final = "Redis killed, and back from an old dump"
REGION: t.Final = "API server of a region killed"
MANAGEMENT: t.Final = "API server of the fleet killed"
DISK: t.Final = "disk of the file full"
ALONE: t.Final = "a Redis with a dump, alone"
DIFFER: t.Final = "stores that differ after one more run"
UNDONE: t.Final = "kills undone"
LOST: t.Final = "changes lost that had succeeded"
MISSING: t.Final = "revisions and kills missing in the history"
VISITS: t.Final = "times that it failed"
#: The tasks in which it fails.
ACTIONS: t.Final = ("toggle", "kill")
#: Seconds that the module waits for a store that does not answer.
_PATIENCE_S: t.Final = 2.0
_ALL: t.Final = 100_000
_DISK_MB: t.Final = 16
_PLAIN: t.Final = "plain"
#: Of the flags that a visit uses.
_TURNED: t.Final = "turned-{}"
_KILLED: t.Final = "killed-{}"
_LATE: t.Final = "late-{}"


@dataclasses.dataclass(frozen=True)
class Visit:
    """What is wrong after one more run; `reached`: the store did fail there."""

    reached: bool
    differ: int
    undone: int
    lost: int
    missing: int


class Fault(t.Protocol):
    """One way of a store to fail."""

    name: str

    def strike(self) -> None: ...

    def mend(self) -> None: ...


class RedisFault:
    """It comes back from its last dump."""

    name = REDIS

    def __init__(self, place: World) -> None:
        self._redis = place.redis

    def strike(self) -> None:
        kill_redis(self._redis)

    def mend(self) -> None:
        self._redis.start()


class ApiFault:
    def __init__(self, name: str, place: World, cluster: str) -> None:
        self.name = name
        self._cluster = place.clusters[cluster]

    def strike(self) -> None:
        self._cluster.kill()

    def mend(self) -> None:
        self._cluster.start()
        self._cluster.wait()


class DiskFault:
    name = DISK

    def __init__(self, place: World) -> None:
        self._ballast = place.path.with_name("ballast")

    def strike(self) -> None:
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def mend(self) -> None:
        self._ballast.unlink()


class Watch:
    """Sees every write to a store, and lets a fault strike at one of them, once."""

    def __init__(self, fault: Fault | None = None, at: Point | None = None) -> None:
        self.points: list[Point] = []
        self.reached = False
        self._fault = fault
        self._at = at
        self._lock = threading.Lock()

    def see(self, point: Point) -> None:
        with self._lock:
            self.points.append(point)
            if point == self._at and self._fault is not None and not self.reached:
                self.reached = True
                self._fault.strike()

    @contextlib.contextmanager
    def watching(self) -> c.Iterator[None]:
        """While the block runs."""

        def around(write: c.Callable[..., None]) -> c.Callable[..., None]:
            @functools.wraps(write)
            def watched(store: t.Any, *given: t.Any) -> None:
                self.see(("before", store.name))
                write(store, *given)
                self.see(("after", store.name))

            return watched

        with contextlib.ExitStack() as stack:
            for cls in (RedisStore, ConfigMapStore, FileStore):
                stack.enter_context(mock.patch.object(cls, "write", around(cls.write)))
            yield


@contextlib.contextmanager
def disk(folder: pathlib.Path) -> c.Iterator[None]:
    """A small file system of its own at that folder. Raises LabError without root."""
    if os.geteuid() != 0:
        raise LabError("a disk that can be full has to be mounted: run this part as root")
    run(["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", folder])
    try:
        yield
    finally:
        run(["umount", folder])


def differing(documents: t.Mapping[str, Json]) -> int:
    """Stores that have not the document that most of them have."""
    texts = [json.dumps(document, sort_keys=True) for document in documents.values()]
    return len(texts) - max(texts.count(text) for text in texts)


def undone(documents: t.Mapping[str, Json], killed: c.Iterable[str]) -> int:
    """Flags that were killed and are not dead for the clients of some store."""

    def dead(flag: Json) -> bool:
        return flag["defaultVariant"] == "off" and "targeting" not in flag and flag["state"] == "ENABLED"

    return sum(not all(dead(one["flags"][name]) for one in documents.values()) for name in killed)


def missing(history: c.Sequence[Json], top: int, killed: c.Collection[str]) -> int:
    """Of the last revisions up to `top`, and of all kills, those that the history does not tell."""
    numbers = {one["revision"] for one in history}
    told = {name for one in history if one["action"] == "kill" for name in one["flags"]}
    return len(set(range(max(1, top - KEPT_REVISIONS + 1), top + 1)) - numbers) + len(set(killed) - told)


class Sweep:
    """All visits in one world. What was killed once stays so to the end."""

    def __init__(self, place: World) -> None:
        self._place = place
        self._killed: list[str] = []
        #: Kills that a Redis alone does not have any more.
        self.alone: list[int] = []
        self._number = 0

    def prepare(self, visits: int) -> None:
        names = [form.format(number) for form in (_TURNED, _KILLED, _LATE) for number in range(visits)]
        self._place.good("set", definitions={name: switch("on" if "turned" not in name else "off") for name in names})

    def points(self, action: str) -> list[Point]:
        """Before and after each write of that task, as it is when nothing fails."""
        watch = Watch()
        with watch.watching():
            result = self._task(action, self._next())
        assert result["verdict"] == "pass", result["reason"]
        return list(dict.fromkeys(watch.points))

    def visit(self, fault: Fault, action: str, point: Point) -> Visit:
        number = self._next()
        client, late = self._place.redis.client(), _LATE.format(number)
        client.set(_PLAIN, "on")
        client.save()
        # This is what the dump does not have.
        client.set(_PLAIN, "off")
        self._place.good("kill", flags=[late])
        self._killed.append(late)
        watch = Watch(fault, point)
        with watch.watching():
            result = self._task(action, number)
        if watch.reached:
            fault.mend()
        again = self._place.ran("reconcile")
        assert not again.get("failed"), again.get("msg")
        self.alone.append(int(self._place.redis.client().get(_PLAIN) == b"on"))
        found = self._look(result, _TURNED.format(number) if action == "toggle" else None, watch.reached)
        print(f"{fault.name}: {' '.join(point)} of a {action}: {_said(result)}; {found}", flush=True)
        return found

    def _next(self) -> int:
        self._number += 1
        return self._number - 1

    def _task(self, action: str, number: int) -> Json:
        """A flag of its own is turned on, or killed. A kill has to succeed whatever fails."""
        if action == "toggle":
            return self._place.ran("toggle", flags=[_TURNED.format(number)], value=True, patience_s=_PATIENCE_S)
        name = _KILLED.format(number)
        self._killed.append(name)
        return self._place.good("kill", flags=[name], patience_s=_PATIENCE_S)

    def _look(self, result: Json, turned: str | None, reached: bool) -> Visit:
        documents = self._place.documents()
        lost = 0
        if turned is not None and not result.get("failed"):
            lost = sum(one["flags"][turned]["defaultVariant"] != "on" for one in documents.values())
        top = max(int(one["metadata"]["version"]) for one in documents.values())
        history = self._place.good("history", limit=_ALL)["history"]
        return Visit(
            reached,
            differing(documents),
            undone(documents, self._killed),
            lost,
            missing(history, top, self._killed),
        )


def _said(result: Json) -> str:
    return f"failed: {result['msg']}" if result.get("failed") else f"{result['verdict']}"


def measure(options: Options) -> Measured:
    """The whole part, on loopback. Rounds: how many points of each fault and task, or all of them."""
    found: dict[str, list[Visit]] = {}
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(world())
        stack.enter_context(disk(place.path.parent))
        sweep = Sweep(place)
        faults: list[Fault] = [
            RedisFault(place),
            ApiFault(REGION, place, REGIONS[0]),
            ApiFault(MANAGEMENT, place, FLEET),
            DiskFault(place),
        ]
        # Two looks at what there is to write, and before and after five writes of two tasks.
        sweep.prepare(2 + len(faults) * 2 * 10)
        known = {action: sweep.points(action) for action in ACTIONS}
        for fault in faults:
            found[fault.name] = [
                sweep.visit(fault, action, point) for action in ACTIONS for point in known[action][: options.rounds]
            ]
            if fault.name == REDIS:
                alone = list(sweep.alone)
    return Measured(rows(found, alone), versions())


def rows(found: t.Mapping[str, c.Sequence[Visit]], alone: c.Sequence[int]) -> list[Row]:
    """Goals for ours alone. `alone`: of each time that Redis was killed, whether it was on again without the module."""
    made = []
    for case, visits in found.items():
        counts = {DIFFER: "differ", UNDONE: "undone", LOST: "lost", MISSING: "missing"}
        for metric, name in counts.items():
            values = [float(getattr(one, name)) if one.reached else None for one in visits]
            made.append(row(case, metric, values, Goal(0.5), "count", subject=OURS))
        if case == REDIS:
            made.append(row(case, UNDONE, [float(one) for one in alone], Goal(), "count", subject=ALONE))
        made.append(row(case, VISITS, [float(sum(one.reached for one in visits))], Goal(), "count"))
    return made
