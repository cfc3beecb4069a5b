# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""50 writers at once, each a process with a flag of its own: whose change is lost, in any store.

Each writer turns its flag on, and every tenth one kills another flag before. Beside it the same writers do what a
script does: read the document, change their flag in it, and write it back. As that script:
`python -m bench.flags.writers`, which `bench.at_once` lets begin.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import json
import pathlib
import sys
import time
import typing as t

import redis

from bench import at_once
from bench.flags.task import Json
from bench.flags.world import DOCUMENT, FILE_KEY, STORES, switch, versions, world
from bench.gate.part import Measured, Options, Row
from bench.results import OURS, Goal, row
from lab.kube import Kube

WRITERS: t.Final = 50
#: One writer in so many kills a flag.
KILLERS: t.Final = 10
READ_CHANGE_WRITE: t.Final = "read, change, write"
UNTIL_DONE: t.Final = "until all are done"
FAILED: t.Final = "writers that failed"
MISSING: t.Final = "revisions missing in the history"
_ROUNDS: t.Final = 3
#: Of each writer. They wait for each other on this machine, and nobody is away.
_PATIENCE_S: t.Final = 60
_DEADLINE_S: t.Final = 500


def own(writer: int) -> str:
    """The flag that the writer turns on."""
    return f"flag-{writer:02d}"


def victim(writer: int) -> str:
    """The flag that it kills."""
    return f"victim-{writer:02d}"


def kills(writers: int) -> list[int]:
    """The writers that kill."""
    return list(range(0, writers, KILLERS))


@dataclasses.dataclass(frozen=True)
class Round:
    """`lost`: changes that a store does not have at the end, by store. `missing`: what the history does not
    tell; None for a script, which has none."""

    seconds: float
    failed: int
    lost: dict[str, int]
    missing: int | None = None


def lost(documents: t.Mapping[str, Json], writers: int) -> dict[str, int]:
    """Changes that are not there, by store: a flag that is not on, and a victim that is not dead."""
    found = {}
    for store, document in documents.items():
        flags = document["flags"]
        off = [writer for writer in range(writers) if flags[own(writer)]["defaultVariant"] != "on"]
        alive = [one for one in kills(writers) if not (flags[victim(one)].get("metadata") or {}).get("killed")]
        found[store] = len(off) + len(alive)
    return found


def missing(history: c.Sequence[Json], writers: int) -> int:
    """Of the revisions that there were, and of the kills, those that the history does not tell. Each writer made one
    revision, after the one that made the flags."""
    numbers = {one["revision"] for one in history if one["revision"] is not None}
    turned = {name for one in history if one["action"] == "toggle" for name in one["flags"]}
    killed = {name for one in history if one["action"] == "kill" for name in one["flags"]}
    # With the writers of the issue the first revision is just the one that has no room any more.
    revisions = set(range(2, writers + 2)) - numbers
    return len(revisions) + sum(own(one) not in turned for one in range(writers)) + len(kills(writers)) - len(killed)


def _flags(writers: int) -> Json:
    return {**{own(one): switch() for one in range(writers)}, **{victim(one): switch("on") for one in kills(writers)}}


def _ours(writers: int) -> Round:
    with world() as place:
        place.good("set", definitions=_flags(writers))
        time_ = {"deadline_s": _DEADLINE_S, "patience_s": _PATIENCE_S}
        options = []
        for writer in range(writers):
            tasks = [place.given("toggle", flags=[own(writer)], value=True, **time_)]
            if writer in kills(writers):
                tasks.insert(0, place.given("kill", flags=[victim(writer)], **time_))
            options.append(tasks)
        seconds, results = _together("bench.flags.task", options)
        for result in results:
            for one in result:
                if one.get("failed") or one["verdict"] != "pass":
                    print(one.get("msg") or one["reason"], one["warnings"], file=sys.stderr)
        failed = sum(any(one.get("failed") for one in result) for result in results)
        history = place.good("history", limit=4 * writers)["history"]
        return Round(seconds, failed, lost(place.documents(), writers), missing(history, writers))


def _script(writers: int) -> Round:
    with world() as place:
        place.good("set", definitions=_flags(writers))
        given = {
            "kubeconfigs": {name: str(cluster.kubeconfig) for name, cluster in place.clusters.items()},
            "maps": {name: place.map_path(name) for name in place.clusters},
            "redis": place.redis.options["url"],
            "path": str(place.path),
        }
        options = [
            {**given, "on": own(writer), "kill": victim(writer) if writer in kills(writers) else None}
            for writer in range(writers)
        ]
        seconds, _results = _together("bench.flags.writers", options)
        return Round(seconds, 0, lost(place.documents(), writers))


def _together(module: str, options: list[t.Any]) -> tuple[float, list[t.Any]]:
    with at_once.waiting(module, options) as children:
        began = time.monotonic()
        results = at_once.let_go(children)
        return time.monotonic() - began, results


def measure(options: Options) -> Measured:
    """The whole part, on loopback."""
    found: dict[str, list[Round]] = {OURS: [], READ_CHANGE_WRITE: []}
    for number in range(options.rounds or _ROUNDS):
        found[OURS].append(_ours(WRITERS))
        found[READ_CHANGE_WRITE].append(_script(WRITERS))
        print(f"round {number + 1}: {[rounds[-1] for rounds in found.values()]}", flush=True)
    return Measured(rows(found), versions())


def rows(found: t.Mapping[str, c.Sequence[Round]]) -> list[Row]:
    """Goals for ours alone. The reference is what the script loses in the same store."""
    made = []
    case = f"{WRITERS} processes, {len(kills(WRITERS))} of them kill"
    for subject, rounds in found.items():
        ours = subject == OURS
        for store in STORES:
            script = max(float(one.lost[store]) for one in found[READ_CHANGE_WRITE])
            goal = Goal(0.5, script) if ours else Goal()
            counts = [float(one.lost[store]) for one in rounds]
            made.append(row(case, f"changes lost in {store}", counts, goal, "count", subject=subject))
        if ours:
            made.append(row(case, FAILED, [float(one.failed) for one in rounds], Goal(0.5), "count"))
            gone = [None if one.missing is None else float(one.missing) for one in rounds]
            made.append(row(case, MISSING, gone, Goal(0.5), "count"))
        made.append(row(case, UNTIL_DONE, [one.seconds for one in rounds], Goal(), subject=subject))
    return made


# -- the script


def changed(text: str, given: t.Mapping[str, t.Any]) -> str:
    """The document with the script's own change in it."""
    document = json.loads(text)
    flags = document["flags"]
    flags[given["on"]]["defaultVariant"] = "on"
    if given["kill"]:
        flags[given["kill"]] |= {"defaultVariant": "off", "metadata": {"killed": True}}
    return json.dumps(document)


def main() -> int:
    given = at_once.begin()
    for name, kubeconfig in given["kubeconfigs"].items():
        kube, path = Kube(pathlib.Path(kubeconfig)), given["maps"][name]
        found = kube.request("GET", path, timeout_s=_PATIENCE_S)
        # What it does not know of, it does not compare.
        del found["metadata"]["resourceVersion"]
        found["data"][FILE_KEY] = changed(found["data"][FILE_KEY], given)
        kube.request("PUT", path, found, timeout_s=_PATIENCE_S)
    with redis.Redis.from_url(given["redis"]) as client:
        client.set(DOCUMENT, changed(t.cast("bytes", client.get(DOCUMENT)).decode(), given))
    path = pathlib.Path(given["path"])
    scratch = path.with_name(f"{given['on']}.new")
    scratch.write_text(changed(path.read_text(encoding="utf-8"), given), encoding="utf-8")
    scratch.replace(path)
    print(json.dumps("done"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
