# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a toggle takes in a large set, and what becomes of a set that no ConfigMap takes.

A toggle is a whole task over three clusters, a Redis and a file: in a process that runs already, and as the process
that Ansible starts on a host. Beside it, in turns, the same bytes get into the same stores by what a script does: GET
and PUT, SET and PUBLISH, and a new file in the place of the old one.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import typing as t

from kubernetes.client.exceptions import ApiException

from bench.flags.task import Json
from bench.flags.world import CHANGED, FILE_KEY, NAMESPACES, World, switch, versions, world
from bench.gate.part import Measured, Options, Row
from bench.results import OURS, ROOT, Goal, row, verdict_row
from lab.errors import LabError
from lab.kube import Kube

SIZES: t.Final = (5, 5_000)
RUN: t.Final = "a toggle in a process that runs"
PROCESS: t.Final = "a toggle as a process of its own"
PLAIN: t.Final = "GET and PUT, SET, rename"
SAME_BYTES: t.Final = "the same bytes in the same stores"
TOO_LARGE: t.Final = "a set too large for a ConfigMap"
WRITTEN: t.Final = "stores that were written"
REFUSED: t.Final = "refused before the first write"
#: The issue's limit.
MOST_S: t.Final = 2.0
_ROUNDS: t.Final = 9
_MODULE: t.Final = "ansible_collections.pincex.zero_downtime.plugins.modules.flag_set"
#: So much more than a ConfigMap takes.
_OVER: t.Final = 1_100_000
#: What the script of the comparison writes, beside the set.
_BESIDE: t.Final = "plain"
_FLAG: t.Final = "feature-0000"


def definitions(number: int, first: int = 0) -> Json:
    """Flags with nothing besides: so many have just room for all of them and a kill of each in one ConfigMap."""
    return {f"feature-{one:04d}": switch() for one in range(first, number)}


@dataclasses.dataclass
class Times:
    """Seconds of each round, for one size of the set in bytes."""

    size: int
    run: list[float | None] = dataclasses.field(default_factory=list)
    process: list[float | None] = dataclasses.field(default_factory=list)
    plain: list[float | None] = dataclasses.field(default_factory=list)


def as_process(place: World, options: Json) -> float:
    """Seconds of the module as Ansible starts it on a host. Raises AssertionError when the task fails."""
    arguments = place.folder / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}), encoding="utf-8")
    began = time.monotonic()
    words = [sys.executable, "-m", _MODULE, str(arguments)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return seconds


class Script:
    """What is done without the module: a document into every store, one after the other."""

    def __init__(self, place: World) -> None:
        self._place = place
        self._path = place.folder / f"{_BESIDE}.json"
        for name, cluster in place.clusters.items():
            meta = {"name": _BESIDE, "namespace": NAMESPACES[name]}
            cluster.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {FILE_KEY: "{}"}})

    def put(self, document: str) -> list[str]:
        """Returns the stores that took it."""
        took = []
        for name, cluster in self._place.clusters.items():
            # Who runs a script connects anew, as a task does.
            kube, path = Kube(cluster.kubeconfig), self._place.map_path(name, _BESIDE)
            found = kube.request("GET", path)
            try:
                kube.request("PUT", path, {**found, "data": {FILE_KEY: document}})
                took.append(name)
            except ApiException as error:
                print(f"{name}: HTTP {error.status}", flush=True)
        with self._place.redis.client() as client:
            client.get(_BESIDE)
            client.set(_BESIDE, document)
            client.publish(CHANGED, "0")
            took.append("redis")
        number, made = tempfile.mkstemp(dir=self._path.parent)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(document)
            file.flush()
            os.fsync(number)
        pathlib.Path(made).replace(self._path)
        return [*took, "backup"]


def fingerprint(place: World) -> dict[str, str]:
    """Of all that the stores have: nothing was written when it is the same."""
    found = {}
    for name, cluster in place.clusters.items():
        maps = cluster.kube.list("v1", "ConfigMap", NAMESPACES[name])
        found[name] = str(sorted((one["metadata"]["name"], one["metadata"]["resourceVersion"]) for one in maps))
    client = place.redis.client()
    keys = sorted(t.cast("list[bytes]", client.keys()))
    found["redis"] = hashlib.sha256(repr([(key, client.dump(key)) for key in keys]).encode()).hexdigest()
    files = sorted(path for path in place.path.parent.rglob("*") if path.is_file())
    found["backup"] = str([(str(path), path.stat().st_mtime_ns) for path in files])
    return found


def _timed(place: World, size: int, rounds: int) -> Times:
    """Each toggle changes the set: on in the running process, and off in the other one."""
    document = place.path.read_text(encoding="utf-8")
    script, found = Script(place), Times(len(document))
    for number in range(rounds):
        began = time.monotonic()
        result = place.good("toggle", flags=[_FLAG], value=True)
        found.run.append(time.monotonic() - began)
        if result["verdict"] != "pass":
            raise LabError(f"a toggle ended with {result['verdict']}: {result['reason']}")
        found.process.append(as_process(place, place.given("toggle", flags=[_FLAG], value=False)))
        began = time.monotonic()
        script.put(document.replace('"version":"', f'"version":"{number}', 1))
        found.plain.append(time.monotonic() - began)
    print(f"{size:,} flags: {found}", flush=True)
    return found


def _too_large(place: World) -> tuple[Json, list[str], list[str]]:
    """The result of the task, the stores that it wrote, and those that take such a document from a script."""
    before = fingerprint(place)
    each = len(place.path.read_text(encoding="utf-8")) // SIZES[-1]
    result = place.ran("set", definitions=definitions(_OVER // each, SIZES[-1]))
    after = fingerprint(place)
    took = Script(place).put(place.path.read_text(encoding="utf-8").ljust(_OVER))
    return result, [name for name in before if before[name] != after[name]], took


def measure(options: Options) -> Measured:
    """The whole part, on loopback."""
    found = {}
    with world() as place:
        for size, known in zip(SIZES, (0, *SIZES), strict=False):
            place.good("set", definitions=definitions(size, known))
            found[size] = _timed(place, size, options.rounds or _ROUNDS)
        refused = _too_large(place)
    return Measured(rows(found, *refused), versions())


def rows(found: t.Mapping[int, Times], refused: Json, written: c.Sequence[str], took: c.Sequence[str]) -> list[Row]:
    """The goals are those of the largest set."""
    made = []
    for size, times in found.items():
        case = f"{size:,} flags, {times.size / 1000:,.0f} kB"
        plain = row(case, SAME_BYTES, times.plain, Goal(), subject=PLAIN)
        goal = Goal(MOST_S if size == SIZES[-1] else None, plain["value"])
        made += [row(case, RUN, times.run, goal), row(case, PROCESS, times.process, goal), plain]
    said = str(refused.get("msg") or refused["reason"])
    verdict = REFUSED if refused.get("failed") and not written else "written"
    made.append(verdict_row(TOO_LARGE, verdict, REFUSED, said))
    made.append(row(TOO_LARGE, WRITTEN, [float(len(written))], Goal(0.5), "count", subject=OURS))
    made.append(row(TOO_LARGE, WRITTEN, [float(len(took))], Goal(), "count", subject=PLAIN))
    return made
