# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods are worth a question about why a rollout is not ready, and what of the answers is worth reading. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redact import redact
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import CheckState
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_events import instant, last_seen
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import State, Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.pod_problems import (
    JsonObject,
    ProblemKind,
    containers,
    exits_of,
    shorten,
)

_MOST_PODS: t.Final = 3
#: Replicas that serve the same have much the same to say.
_MOST_SERVING: t.Final = 2
_DEFAULT_CONTAINER: t.Final = "kubectl.kubernetes.io/default-container"
_MOST_EVENTS: t.Final = 10
#: A line is cut before it is searched for secrets, which takes time, and again before it is shown.
_LONGEST_READ: t.Final = 4000
_LONGEST_LINE: t.Final = 500
#: Sequences that steer a terminal, and other characters that are not for reading.
_CONTROL: t.Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]"
)

#: A container with one of these has ended before, so that there may be a log of the time before.
_ENDED: t.Final[set[ProblemKind]] = {"crash", "oom", "restarts"}
#: A container with one of these has never run, and without a pod there is no log either.
_NO_LOG: t.Final[set[ProblemKind]] = {"image_missing", "image_pull", "config_error", "unschedulable"}


@dataclasses.dataclass(frozen=True)
class Suspect:
    """A pod worth asking about; without a pod it is the workload itself that cannot make any."""

    workload: str
    pod: str
    container: str
    problem: str
    exit_code: int | None = None
    #: Whether there is anything to be had from its log, and from that of its life before.
    logs: bool = False
    restarted: bool = False
    #: Kind and name of those whose events may tell why.
    objects: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Event:
    """What Kubernetes noted; `at` as it wrote it, of the last time."""

    at: str
    type: str
    reason: str
    message: str
    count: int


@dataclasses.dataclass(frozen=True)
class Clue:
    """What was found out about one suspect. `notes` say what could not be asked."""

    suspect: Suspect
    log: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        return {
            "workload": self.suspect.workload,
            "pod": self.suspect.pod,
            "container": self.suspect.container,
            "exit_code": self.suspect.exit_code,
            "problem": self.suspect.problem,
            "log": list(self.log),
            "events": [dataclasses.asdict(event) for event in self.events],
            "notes": list(self.notes),
        }


def suspects_of(states: Sequence[State]) -> list[Suspect]:
    """At most three: of every failed workload the pod with the fatal problem first, then others, then what waits."""
    ranked = []
    for state in states:
        if state.status != "ready":
            ranked += [(state.status != "failed", rank, suspect) for rank, suspect in enumerate(_suspects(state))]
    ranked.sort(key=lambda one: one[:2])
    return [suspect for _waits, _rank, suspect in ranked[:_MOST_PODS]]


def with_serving(
    suspects: Sequence[Suspect], checks: Sequence[CheckState], pods: Sequence[tuple[Wanted, Sequence[JsonObject]]]
) -> list[Suspect]:
    """The same after at most two pods that serve what the failing check judges; three in all.

    A check that names no service speaks of the pods that are judged, if all of those are of one service.
    """
    serving = _serving(checks, pods)
    names = {suspect.pod for suspect in serving}
    return [*serving, *(suspect for suspect in suspects if suspect.pod not in names)][:_MOST_PODS]


def _serving(checks: Sequence[CheckState], pods: Sequence[tuple[Wanted, Sequence[JsonObject]]]) -> list[Suspect]:
    judged = {wanted.service for wanted, _pods in pods}
    failing = [check for check in checks if check.critical and check.status == "bad"]
    for check in sorted(failing, key=lambda one: one.nearness, reverse=True):
        service = check.service or (min(judged) if len(judged) == 1 else None)
        found = [
            (pod, wanted, *_witness(pod))
            for wanted, owned in pods
            if wanted.service == service and wanted.kind != "Job"
            for pod in owned
            if (pod.get("status") or {}).get("phase") == "Running"
        ]
        # Restarted ones first, then the newest; by name where that is the same.
        found.sort(key=lambda one: str(one[0]["metadata"]["name"]))
        found.sort(key=lambda one: str(one[0]["metadata"].get("creationTimestamp") or ""), reverse=True)
        found.sort(key=lambda one: one[3] == 0)
        if found:
            return [
                Suspect(
                    workload=str(wanted),
                    pod=str(pod["metadata"]["name"]),
                    container=container,
                    problem=f"serves what {check.name} judges" + (f", restarted ({exits} exits)" if exits else ""),
                    exit_code=code,
                    logs=bool(container),
                    restarted=exits > 0,
                    objects=(("Pod", str(pod["metadata"]["name"])),),
                )
                for pod, wanted, container, exits, code in found[:_MOST_SERVING]
            ]
    return []


def _witness(pod: JsonObject) -> tuple[str, int, int | None]:
    """The container whose log is worth reading, how often it has ended, and with what the last time."""
    ended = [(exits_of(state), name) for name, state in containers(pod)]
    exits, name = max(ended, key=lambda one: one[0].count, default=(None, ""))
    if exits is not None and exits.count:
        return name, exits.count, exits.exit_code
    own = [str(one["name"]) for one in (pod.get("spec") or {}).get("containers") or []]
    chosen = (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER)
    return (chosen if chosen in own else next(iter(own), "")), 0, None


def _suspects(state: State) -> list[Suspect]:
    """Of one workload, the most interesting first."""
    if any(problem.kind == "missing" for problem in state.problems):
        return []
    found: dict[str, Suspect] = {}
    told = set()
    for problem in state.problems:
        known = found.get(problem.pod)
        if not problem.pod or (known is not None and known.container):
            continue
        if known is None and (problem.container, problem.kind) in told:
            # The same trouble of another replica tells nothing new.
            continue
        told.add((problem.container, problem.kind))
        found[problem.pod] = Suspect(
            workload=str(state.wanted),
            pod=problem.pod,
            container=problem.container,
            # A pod that has failed as a whole: the container says more, but that was the verdict.
            problem=problem.message if known is None else known.problem,
            exit_code=problem.exit_code,
            logs=bool(problem.container) and problem.kind not in _NO_LOG,
            restarted=problem.kind in _ENDED,
        )
    if not found:
        why = state.problems[0].message if state.problems else "not ready"
        for pod, container in state.unready:
            found[pod] = Suspect(str(state.wanted), pod, container, why, logs=bool(container))
    if not found:
        found[""] = Suspect(str(state.wanted), "", "", state.problems[0].message if state.problems else state.detail)
    # What the workload and its ReplicaSet say is the same for all of its pods, and is told once.
    above = [("ReplicaSet", state.replica_set)] if state.replica_set else []
    above += [(state.wanted.kind, state.wanted.name)] if state.wanted.name and state.wanted.kind != "Pod" else []
    return [
        dataclasses.replace(
            suspect,
            objects=(*((("Pod", suspect.pod),) if suspect.pod else ()), *(above if number == 0 else ())),
        )
        for number, suspect in enumerate(found.values())
    ]


def events_of(raw: Iterable[Mapping[str, t.Any]]) -> tuple[Event, ...]:
    """The ten that matter most: warnings before the rest, each with the newest last, the same ones counted together."""
    merged: dict[tuple[str, str, str], Event] = {}
    for one in raw:
        event = _event(one)
        key = (event.type, event.reason, event.message)
        known = merged.get(key)
        if known is not None:
            at = max(known.at, event.at, key=instant)
            event = dataclasses.replace(event, count=known.count + event.count, at=at)
        merged[key] = event
    newest_first = sorted(merged.values(), key=lambda event: (instant(event.at), event.message), reverse=True)
    newest_first.sort(key=lambda event: event.type != "Warning")
    kept = newest_first[:_MOST_EVENTS]
    kept.reverse()
    kept.sort(key=lambda event: event.type != "Warning")
    return tuple(kept)


def _event(raw: Mapping[str, t.Any]) -> Event:
    series = raw.get("series") or {}
    return Event(
        at=last_seen(raw),
        type=str(raw.get("type") or "Normal"),
        reason=str(raw.get("reason") or ""),
        message=shorten(redact(_plain(str(raw.get("message") or "")))),
        count=int(series.get("count") or raw.get("count") or 1),
    )


#: What the kubelet says instead of a log whose container it has cleared away already (seen with 1.36).
_KUBELETS_OWN: t.Final = "unable to retrieve container logs for "


def log_of(before: str, present: str, lines: int) -> tuple[str, ...]:
    """The last lines of a container, with those of its life before where the present one has not said enough."""
    # Between two lives the API server gives the same log for both.
    text = present if before == present else f"{_whole(before)}{present}"
    # Not splitlines(): a carriage return is how a program draws its progress into one line.
    said = [
        plain
        for line in text.split("\n")
        if (plain := _plain(line)[:_LONGEST_READ]).strip() and not line.startswith(_KUBELETS_OWN)
    ]
    covered = redact("\n".join(said[-lines:]))
    return tuple(
        line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…" for line in covered.split("\n") if line
    )


def _whole(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _plain(text: str) -> str:
    return _CONTROL.sub("", text)


def text_of(clues: Sequence[Clue]) -> list[str]:
    """Lines for people."""
    lines: list[str] = []
    noted: set[str] = set()
    for clue in clues:
        suspect = clue.suspect
        where = f"pod {suspect.pod}" if suspect.pod else suspect.workload
        lines.append(f"{where}{f', container {suspect.container}' if suspect.container else ''}: {suspect.problem}")
        lines += [f"  log: {line}" for line in clue.log]
        for event in clue.events:
            times = f" ({event.count} times)" if event.count > 1 else ""
            lines.append(f"  event: {event.type} {event.reason}{times}: {event.message}")
        lines += [f"  {note}" for note in clue.notes if note not in noted]
        noted.update(clue.notes)
    return lines
