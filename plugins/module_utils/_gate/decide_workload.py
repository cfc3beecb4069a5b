# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether workloads are ready, on their way, or doomed. Pure: objects of the API server in, states out.

A pod is doomed by evidence and not by impatience: every kind of trouble has a grace of its own. One doomed pod of the
new revision is enough, because a workload is ready only with all of its pods.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_events import (
    Answers,
    Question,
    answers,
    first_amiss,
    mount_failure,
    questions,
    refusal,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.pod_problems import (
    JsonObject,
    Problem,
    containers,
    exits_of,
    is_ready,
    pod_problems,
    shorten,
    unready_container,
    was_sent_away,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.workload_counts import (
    KINDS,
    Counts,
    condition_of,
    counts_of,
    counts_of_pods,
    observed,
    parse_selector,
    pods_of_newest,
    selected,
)

__all__ = ["KINDS", "Cluster", "Grace", "Memory", "State", "Status", "Wanted", "judge_workloads", "judged_pods"]

_REVISION: t.Final = "deployment.kubernetes.io/revision"
_EARLIER_REVISIONS: t.Final = "deployment.kubernetes.io/revision-history"
#: A Job starts such pods again by itself, until its `backoffLimit` is reached; then it says Failed.
_RETRIED_BY_JOB: t.Final = {"crash", "oom", "restarts", "pod_failed"}
#: As many pods that are not ready are worth a question about why.
_SUSPECTS: t.Final = 3

Status = t.Literal["ready", "waiting", "failed"]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A workload that is to be ready, or the pods of a label selector. Raises OptionError for one that is no selector.

    `min_ready` is how many pods there must be besides the workload's own wish; with OnDelete, of the newest revision.
    """

    kind: str
    name: str
    min_ready: int | None = None
    #: The service that it belongs to, for the trip; empty for none in particular.
    service: str = ""
    #: For pods that no workload owns. Instead of a name.
    selector: str = ""

    def __post_init__(self) -> None:
        if self.selector:
            try:
                parse_selector(self.selector)
            except ValueError as error:
                raise OptionError("workloads", f"selector {self.selector!r}: {error}") from error

    def __str__(self) -> str:
        return f"pods of {self.selector}" if self.selector else f"{self.kind} {self.name}"


@dataclasses.dataclass(frozen=True)
class Grace:
    """How much of each trouble is forgiven: seconds, or a count."""

    crash_restarts: int = 1
    oom_kills: int = 0
    restarts: int = 3
    image_pull_s: float = 30.0
    config_error_s: float = 10.0
    start_error_s: float = 10.0
    replica_failure_s: float = 10.0
    unschedulable_s: float = 300.0
    missing_s: float = 10.0

    def allows(self, problem: Problem, lasted_s: float) -> bool:
        counts = {"crash": self.crash_restarts, "oom": self.oom_kills, "restarts": self.restarts}
        if problem.kind in counts:
            return problem.count <= counts[problem.kind]
        seconds = {
            "image_pull": self.image_pull_s,
            "config_error": self.config_error_s,
            "start_error": self.start_error_s,
            "replica_failure": self.replica_failure_s,
            "unschedulable": self.unschedulable_s,
            "missing": self.missing_s,
        }
        # What is not in the list needs no patience: a tag that the registry does not have, a deadline that is over.
        return lasted_s < seconds.get(problem.kind, 0.0)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What was read in one round. `workloads` is by kind and name."""

    workloads: Mapping[tuple[str, str], JsonObject]
    replica_sets: Sequence[JsonObject] = ()
    pods: Sequence[JsonObject] = ()
    #: Only what was asked for, and only what is there: an event that is missing proves nothing.
    events: Sequence[JsonObject] = ()


@dataclasses.dataclass(frozen=True)
class Memory:
    """What the rounds before have seen.

    `since` is when a trouble was first seen without a break. `forgiven` is pod uid -> container -> exits from before
    this gate: only pods that were ready at the first look have any, the others are what is judged. `done` are Jobs that
    were complete: `ttlSecondsAfterFinished` may take them away before everything else is ready. `open` is since when
    there is a question that events might answer.
    """

    since: Mapping[str, float] = dataclasses.field(default_factory=dict)
    forgiven: Mapping[str, Mapping[str, int]] | None = None
    done: Mapping[Wanted, Counts] = dataclasses.field(default_factory=dict)
    open: Mapping[Question, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class State:
    """One workload at one instant."""

    wanted: Wanted
    status: Status
    #: Why it is not ready; for `failed` the sentence of the fatal problem.
    detail: str
    desired: int = 0
    updated: int = 0
    ready: int = 0
    #: The fatal one first.
    problems: tuple[Problem, ...] = ()
    #: Pod and container of some pods of this revision that are not ready; no container where none has been made.
    unready: tuple[tuple[str, str], ...] = ()
    #: The ReplicaSet of this revision, if it is a Deployment's.
    replica_set: str = ""

    def to_json(self) -> JsonObject:
        return {
            "kind": self.wanted.kind,
            "name": self.wanted.name,
            "selector": self.wanted.selector,
            "status": self.status,
            "detail": self.detail,
            "desired": self.desired,
            "updated": self.updated,
            "ready": self.ready,
            "problems": [dataclasses.asdict(problem) for problem in self.problems[:5]],
        }


@dataclasses.dataclass(frozen=True)
class _Subject:
    """What is judged of one workload: its counts, the pods of its newest revision, and what else speaks of that."""

    counts: Counts
    pods: Sequence[JsonObject] = ()
    #: Troubles that are not of a pod.
    problems: tuple[Problem, ...] = ()
    replica_set: str = ""


def judge_workloads(
    wanted: Sequence[Wanted], cluster: Cluster, grace: Grace, memory: Memory, now: float
) -> tuple[list[State], Memory]:
    """The state of every workload, in the order given, and what to remember for the next round."""
    forgiven = memory.forgiven if memory.forgiven is not None else _from_before(cluster.pods)
    # One pass over all pods, and not one for each workload: there may be 500 of them.
    owned = _Owned(cluster)
    since: dict[str, float] = {}
    still_open: dict[Question, float] = {}
    done = dict(memory.done)
    states = []
    for workload in wanted:
        subject = _subject(workload, cluster, owned)
        if subject is None and workload in done:
            subject = _Subject(done[workload])
        elif workload.kind == "Job" and subject is not None:
            done.pop(workload, None)
            if not subject.counts.waiting:
                done[workload] = subject.counts
        problems: list[Problem] = []
        fatal = None
        live = cluster.workloads.get((workload.kind, workload.name))
        uids = {
            str(one["metadata"].get("uid")) for one in ([live] if live else []) + list(subject.pods if subject else [])
        }
        for problem in _problems(workload, subject, forgiven, owned.told):
            # By workload, not by pod: a pod that is made anew with the same trouble does not start the patience again.
            key = f"{workload}/{problem.container}/{problem.kind}"
            since[key] = memory.since.get(key, first_amiss(problem, uids, memory.open, now))
            retried = workload.kind == "Job" and problem.kind in _RETRIED_BY_JOB
            if fatal is None and not retried and not grace.allows(problem, now - since[key]):
                fatal = problem
                problems.insert(0, problem)
            else:
                problems.append(problem)
        states.append(_state(workload, subject or _Subject(Counts(0, 0, 0)), tuple(problems), fatal))
        if subject is not None and subject.counts.waiting:
            for question in questions(workload.kind, live, subject.pods):
                still_open[question] = memory.open.get(question, now)
    return states, Memory(since, forgiven, done, still_open)


def judged_pods(wanted: Sequence[Wanted], cluster: Cluster) -> list[tuple[Wanted, Sequence[JsonObject]]]:
    """The pods of the newest revision of every workload that exists."""
    owned = _Owned(cluster)
    found = [(workload, _subject(workload, cluster, owned)) for workload in wanted]
    return [(workload, subject.pods) for workload, subject in found if subject is not None]


def _problems(
    wanted: Wanted, subject: _Subject | None, forgiven: Mapping[str, Mapping[str, int]], told: Answers
) -> Iterator[Problem]:
    if subject is None or (wanted.selector and not subject.pods and wanted.min_ready != 0):
        yield Problem("missing", f"no pod matches {wanted.selector}" if wanted.selector else f"{wanted} does not exist")
        return
    yield from subject.problems
    # What is ready is ready, whatever was said on the way.
    told = told if subject.counts.waiting else {}
    for pod in subject.pods:
        yield from pod_problems(pod, forgiven.get(str(pod["metadata"].get("uid")), {}))
        unmounted = mount_failure(pod, told)
        if unmounted is not None:
            yield unmounted


def _state(wanted: Wanted, subject: _Subject, problems: tuple[Problem, ...], fatal: Problem | None) -> State:
    counts = subject.counts
    least = max(counts.desired, 1) if wanted.min_ready is None else max(counts.desired, wanted.min_ready)
    # A slot is scaled to 0 and up again: the pod of before may still be there, and with OnDelete nobody replaces it.
    newest = counts.ready if wanted.min_ready is None or counts.newest is None else counts.newest
    status: Status = "waiting"
    if problems and problems[0].kind == "missing":
        status, detail = "failed" if fatal else "waiting", problems[0].message
    elif fatal is not None:
        status, detail = "failed", f"{wanted}: {_sentence(fatal)}"
    else:
        if counts.waiting:
            detail = f"{wanted}: {counts.waiting}"
        elif newest < least:
            # Zero replicas are no proof of anything, unless the caller asks for none.
            detail = f"{wanted}: {newest} of {least} pods ready"
            if newest < counts.ready:
                detail += f", {counts.ready - newest} of an old revision or on its way out"
            if counts.desired < least:
                detail += f" ({_WISH.get(wanted.kind, 'it wants')} {counts.desired})"
        else:
            status, detail = "ready", ""
        if status == "waiting" and problems:
            detail += f"; {_sentence(problems[0])}"
    return State(
        wanted,
        status,
        detail,
        counts.desired,
        counts.updated,
        counts.ready,
        problems,
        () if status == "ready" else _unready(subject.pods),
        subject.replica_set,
    )


_WISH: t.Final[Mapping[str, str]] = {
    "Deployment": "it is scaled to",
    "StatefulSet": "it is scaled to",
    "DaemonSet": "nodes for it:",
    "Pod": "there are",
}


def _sentence(problem: Problem) -> str:
    where = ", ".join(
        part
        for part in (
            f"pod {problem.pod}" if problem.pod else "",
            f"container {problem.container}" if problem.container else "",
        )
        if part
    )
    return f"{where}: {problem.message}" if where else problem.message


def _unready(pods: Iterable[JsonObject]) -> tuple[tuple[str, str], ...]:
    found = [
        (_name(pod), unready_container(pod))
        for pod in pods
        if not is_ready(pod) and not was_sent_away(pod) and (pod.get("status") or {}).get("phase") != "Succeeded"
    ]
    return tuple(found[:_SUSPECTS])


def _from_before(pods: Iterable[JsonObject]) -> dict[str, dict[str, int]]:
    """Exits of pods that are ready when the gate starts: a restart of last week is no news."""
    return {
        str(pod["metadata"].get("uid")): {name: exits_of(state).count for name, state in containers(pod)}
        for pod in pods
        if is_ready(pod)
    }


# Which pods and conditions speak of the revision that is judged.


class _Owned:
    """Living pods and ReplicaSets by the uid of their owner, in the order of their names, and what events told."""

    def __init__(self, cluster: Cluster) -> None:
        self.told = answers(cluster.events)
        self._pods = _by_owner(cluster.pods)
        self._sets = _by_owner(cluster.replica_sets)

    def pods(self, owner: JsonObject) -> list[JsonObject]:
        return sorted(self._pods.get(_uid(owner), []), key=_name)

    def sets(self, owner: JsonObject) -> list[JsonObject]:
        return self._sets.get(_uid(owner), [])


def _by_owner(objects: Iterable[JsonObject]) -> dict[str, list[JsonObject]]:
    found: dict[str, list[JsonObject]] = {}
    for obj in objects:
        meta = obj["metadata"]
        if not meta.get("deletionTimestamp"):
            for ref in meta.get("ownerReferences") or []:
                found.setdefault(str(ref.get("uid")), []).append(obj)
    return found


def _uid(obj: JsonObject) -> str:
    return str(obj["metadata"].get("uid"))


def _name(obj: JsonObject) -> str:
    return str(obj["metadata"].get("name"))


def _subject(wanted: Wanted, cluster: Cluster, owned: _Owned) -> _Subject | None:
    """What is judged of one workload, or None when it does not exist."""
    if wanted.selector:
        pods = sorted(selected(cluster.pods, parse_selector(wanted.selector)), key=_name)
        return _Subject(counts_of_pods(pods), pods)
    obj = cluster.workloads.get((wanted.kind, wanted.name))
    if obj is None:
        return None
    counts = counts_of(wanted.kind, obj)
    if wanted.kind == "Deployment":
        return _deployment(obj, counts, owned)
    if wanted.kind == "Pod":
        return _Subject(counts, [obj])
    living = owned.pods(obj)
    refused = refusal(wanted.kind, obj, living, owned.told) if counts.waiting else None
    return _Subject(
        counts,
        pods_of_newest(wanted.kind, obj, living),
        (*(_job_problems(obj) if wanted.kind == "Job" else ()), *((refused,) if refused is not None else ())),
    )


def _deployment(obj: JsonObject, counts: Counts, owned: _Owned) -> _Subject:
    progress = _progress(obj)
    if not observed("Deployment", obj):
        # Without its ReplicaSet the controller gets no further than this, and never says that it has seen the revision.
        stuck = progress.get("reason") == "ReplicaSetCreateError"
        return _Subject(counts, problems=(Problem("replica_failure", _text(progress)),) if stuck else ())
    newest = _newest_set(obj, owned)
    paused = (obj.get("spec") or {}).get("paused") and not counts.updated
    if newest is None or paused:
        # A ReplicaSet with the Deployment's revision may still be that of the template before.
        return _Subject(counts)
    problems = []
    # The Deployment's own condition may be a copy of that of an older ReplicaSet.
    refused = condition_of(newest, "ReplicaFailure")
    if refused is not None:
        problems.append(Problem("replica_failure", _text(refused)))
    if progress.get("reason") == "ProgressDeadlineExceeded" and _is_of(newest, progress):
        problems.append(Problem("progress_deadline", _text(progress)))
    return _Subject(counts, owned.pods(newest), tuple(problems), _name(newest))


def _progress(obj: JsonObject) -> Mapping[str, t.Any]:
    """The condition that a Deployment does not get on, or nothing."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if (one.get("type"), one.get("status")) == ("Progressing", "False")), {})


def _is_of(newest: JsonObject, condition: Mapping[str, t.Any]) -> bool:
    """Whether the condition is about this ReplicaSet. Both times are the API server's."""
    meta = newest["metadata"]
    if (meta.get("annotations") or {}).get(_EARLIER_REVISIONS):
        # It was gone back to, so that it is older than the condition of what it replaces; the gate's deadline speaks.
        return False
    return str(condition.get("lastUpdateTime") or "") >= str(meta.get("creationTimestamp") or "")


def _newest_set(deployment: JsonObject, owned: _Owned) -> JsonObject | None:
    revision = (deployment["metadata"].get("annotations") or {}).get(_REVISION)
    same = [
        one for one in owned.sets(deployment) if (one["metadata"].get("annotations") or {}).get(_REVISION) == revision
    ]
    return max(same, key=lambda one: str(one["metadata"].get("creationTimestamp") or ""), default=None)


def _job_problems(obj: JsonObject) -> tuple[Problem, ...]:
    # FailureTarget comes first, while the pods that are left are being ended.
    failed = condition_of(obj, "Failed") or condition_of(obj, "FailureTarget")
    return (Problem("job_failed", _text(failed)),) if failed is not None else ()


def _text(condition: Mapping[str, t.Any]) -> str:
    return shorten(f"{condition.get('reason') or condition['type']}: {condition.get('message') or ''}")
