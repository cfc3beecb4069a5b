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

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.pod_problems import (
    JsonObject,
    Problem,
    containers,
    exits_of,
    is_ready,
    pod_problems,
    shorten,
)

_REVISION: t.Final = "deployment.kubernetes.io/revision"
_DAEMON_GENERATION: t.Final = "deprecated.daemonset.template.generation"

Status = t.Literal["ready", "waiting", "failed"]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A workload that is to be ready. `min_ready` is how many pods there must be besides the workload's own wish."""

    kind: str
    name: str
    min_ready: int | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclasses.dataclass(frozen=True)
class Grace:
    """How much of each trouble is forgiven: seconds, or a count."""

    crash_restarts: int = 1
    oom_kills: int = 0
    image_pull_s: float = 30.0
    config_error_s: float = 10.0
    start_error_s: float = 10.0
    replica_failure_s: float = 10.0
    unschedulable_s: float = 300.0

    def allows(self, problem: Problem, lasted_s: float) -> bool:
        if problem.kind == "crash":
            return problem.count <= self.crash_restarts
        if problem.kind == "oom":
            return problem.count <= self.oom_kills
        seconds = {
            "image_pull": self.image_pull_s,
            "config_error": self.config_error_s,
            "start_error": self.start_error_s,
            "replica_failure": self.replica_failure_s,
            "unschedulable": self.unschedulable_s,
        }
        # What is not in the list needs no patience: a tag that the registry does not have, a deadline that is over.
        return lasted_s < seconds.get(problem.kind, 0.0)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What was read in one round."""

    workloads: Mapping[tuple[str, str], JsonObject]
    replica_sets: Sequence[JsonObject] = ()
    pods: Sequence[JsonObject] = ()


@dataclasses.dataclass(frozen=True)
class Memory:
    """What the rounds before have seen.

    `since` is when a trouble was first seen without a break. `forgiven` is pod uid -> container -> exits from before
    this gate: only pods that were ready at the first look have any, the others are what is judged.
    """

    since: Mapping[str, float] = dataclasses.field(default_factory=dict)
    forgiven: Mapping[str, Mapping[str, int]] | None = None


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
    problems: tuple[Problem, ...] = ()

    def to_json(self) -> JsonObject:
        return {
            "kind": self.wanted.kind,
            "name": self.wanted.name,
            "status": self.status,
            "detail": self.detail,
            "desired": self.desired,
            "updated": self.updated,
            "ready": self.ready,
            "problems": [dataclasses.asdict(problem) for problem in self.problems[:5]],
        }


@dataclasses.dataclass(frozen=True)
class _Counts:
    desired: int
    updated: int
    ready: int
    #: Empty when the controller is done.
    waiting: str


def judge_workloads(
    wanted: Sequence[Wanted], cluster: Cluster, grace: Grace, memory: Memory, now: float
) -> tuple[list[State], Memory]:
    """The state of every workload, in the order given, and what to remember for the next round."""
    forgiven = memory.forgiven if memory.forgiven is not None else _from_before(cluster.pods)
    since: dict[str, float] = {}
    states = []
    for workload in wanted:
        obj = cluster.workloads.get((workload.kind, workload.name))
        if obj is None:
            states.append(State(workload, "waiting", f"{workload} does not exist"))
            continue
        counts = _COUNTS[workload.kind](obj)
        problems, fatal = [], None
        for problem in _problems(workload.kind, obj, cluster, forgiven):
            problems.append(problem)
            # By workload, not by pod: a pod that is made anew with the same trouble does not start the patience again.
            key = f"{workload}/{problem.container}/{problem.kind}"
            since[key] = memory.since.get(key, now)
            if fatal is None and not grace.allows(problem, now - since[key]):
                fatal = problem
        states.append(_state(workload, counts, tuple(problems), fatal))
    return states, Memory(since, forgiven)


def _state(wanted: Wanted, counts: _Counts, problems: tuple[Problem, ...], fatal: Problem | None) -> State:
    status: Status = "waiting"
    least = max(counts.desired, 1) if wanted.min_ready is None else max(counts.desired, wanted.min_ready)
    if fatal is not None:
        status, detail = "failed", f"{wanted}: {_sentence(fatal)}"
    elif counts.waiting:
        detail = f"{wanted}: {counts.waiting}"
    elif counts.ready < least:
        # Zero replicas are no proof of anything, unless the caller asks for none.
        detail = f"{wanted}: {counts.ready} of {least} pods ready"
        if counts.desired < least:
            detail += f" (it is scaled to {counts.desired})"
    else:
        status, detail = "ready", ""
    if status == "waiting" and problems:
        detail += f"; {_sentence(problems[0])}"
    return State(wanted, status, detail, counts.desired, counts.updated, counts.ready, problems)


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


def _from_before(pods: Iterable[JsonObject]) -> dict[str, dict[str, int]]:
    """Exits of pods that are ready when the gate starts: a restart of last week is no news."""
    return {
        str(pod["metadata"].get("uid")): {name: exits_of(state).count for name, state in containers(pod)}
        for pod in pods
        if is_ready(pod)
    }


# Which pods and conditions speak of the revision that is judged.


def _problems(
    kind: str, obj: JsonObject, cluster: Cluster, forgiven: Mapping[str, Mapping[str, int]]
) -> Iterator[Problem]:
    if not _observed(obj):
        # Conditions and pods are still those of the revision before.
        return
    pods, created = _pods_of(kind, obj, cluster)
    for pod in pods:
        yield from pod_problems(pod, forgiven.get(str(pod["metadata"].get("uid")), {}))
    for condition in (obj.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            yield Problem("replica_failure", _condition(condition))
        elif (
            condition.get("type") == "Progressing"
            and condition.get("status") == "False"
            and condition.get("reason") == "ProgressDeadlineExceeded"
            # Both times are the API server's. A condition from before the newest ReplicaSet is about another revision.
            and str(condition.get("lastUpdateTime") or "") >= created
        ):
            yield Problem("progress_deadline", _condition(condition))


def _condition(condition: Mapping[str, t.Any]) -> str:
    return shorten(f"{condition.get('reason') or condition['type']}: {condition.get('message') or ''}")


def _pods_of(kind: str, obj: JsonObject, cluster: Cluster) -> tuple[list[JsonObject], str]:
    """The living pods of the newest revision, and since when that revision exists."""
    meta = obj["metadata"]
    if kind == "Pod":
        return [obj], ""
    if kind == "Deployment":
        newest = _newest_set(obj, cluster.replica_sets)
        if newest is None:
            return [], "9"
        return _owned(cluster.pods, newest), str(newest["metadata"].get("creationTimestamp") or "")
    pods = _owned(cluster.pods, obj)
    if kind == "StatefulSet" and _strategy(obj) != "OnDelete":
        revision = (obj.get("status") or {}).get("updateRevision")
        pods = [pod for pod in pods if _label(pod, "controller-revision-hash") in ("", revision)]
    if kind == "DaemonSet":
        generation = str((meta.get("annotations") or {}).get(_DAEMON_GENERATION) or "")
        pods = [pod for pod in pods if _label(pod, "pod-template-generation") in ("", generation)]
    return pods, ""


def _newest_set(deployment: JsonObject, replica_sets: Iterable[JsonObject]) -> JsonObject | None:
    owned = _owned(replica_sets, deployment)
    revision = (deployment["metadata"].get("annotations") or {}).get(_REVISION)
    same = [one for one in owned if (one["metadata"].get("annotations") or {}).get(_REVISION) == revision]
    return max(same, key=lambda one: str(one["metadata"].get("creationTimestamp") or ""), default=None)


def _owned(objects: Iterable[JsonObject], owner: JsonObject) -> list[JsonObject]:
    uid = owner["metadata"].get("uid")
    return [
        obj
        for obj in objects
        if not obj["metadata"].get("deletionTimestamp")
        and any(ref.get("uid") == uid for ref in obj["metadata"].get("ownerReferences") or [])
    ]


def _label(obj: JsonObject, name: str) -> str:
    return str((obj["metadata"].get("labels") or {}).get(name) or "")


def _strategy(obj: JsonObject) -> str:
    return str(((obj.get("spec") or {}).get("updateStrategy") or {}).get("type") or "RollingUpdate")


def _observed(obj: JsonObject) -> bool:
    generation = obj["metadata"].get("generation")
    return generation is None or "spec" not in obj or obj.get("kind") == "Pod" or _seen(obj) >= int(generation)


def _seen(obj: JsonObject) -> int:
    return int((obj.get("status") or {}).get("observedGeneration") or 0)


# Whether the controller is done with its rollout.


def _deployment(obj: JsonObject) -> _Counts:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    desired = int(spec.get("replicas", 1))
    have = {
        key: int(status.get(key) or 0) for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    }
    updated, ready = have["updatedReplicas"], min(have["updatedReplicas"], have["readyReplicas"])
    waiting = ""
    if not _observed(obj):
        waiting = "the controller has not seen this revision yet"
        updated = ready = 0
    elif spec.get("paused") and updated < desired:
        waiting = "the rollout is paused"
    elif updated < desired:
        waiting = f"{updated} of {desired} pods are of the new revision"
    elif have["replicas"] > updated:
        waiting = f"{have['replicas'] - updated} pods of an old revision are still there"
    elif have["readyReplicas"] < desired:
        waiting = f"{have['readyReplicas']} of {desired} pods ready"
    elif have["availableReplicas"] < desired:
        waiting = f"{have['availableReplicas']} of {desired} pods available"
    elif have["replicas"] > desired:
        waiting = f"{have['replicas'] - desired} pods more than wanted"
    return _Counts(desired, updated, ready, waiting)


def _stateful_set(obj: JsonObject) -> _Counts:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    desired = int(spec.get("replicas", 1))
    partition = int(((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0)
    updated, ready = int(status.get("updatedReplicas") or 0), int(status.get("readyReplicas") or 0)
    if status.get("updateRevision") and status.get("updateRevision") == status.get("currentRevision"):
        # After a rollout the controller counts every pod as current.
        updated = max(updated, int(status.get("currentReplicas") or 0))
    available = int(status.get("availableReplicas", ready) or 0)
    to_update = 0 if _strategy(obj) == "OnDelete" else max(0, desired - partition)
    waiting = ""
    if not _observed(obj):
        waiting = "the controller has not seen this revision yet"
        updated = ready = 0
    elif updated < to_update:
        waiting = f"{updated} of {to_update} pods are of the new revision"
    elif int(status.get("replicas") or 0) > desired:
        waiting = f"{int(status['replicas']) - desired} pods more than wanted"
    elif ready < desired:
        waiting = f"{ready} of {desired} pods ready"
    elif available < desired:
        waiting = f"{available} of {desired} pods available"
    return _Counts(desired, updated, ready, waiting)


def _daemon_set(obj: JsonObject) -> _Counts:
    status = obj.get("status") or {}
    desired = int(status.get("desiredNumberScheduled") or 0)
    updated, ready = int(status.get("updatedNumberScheduled") or 0), int(status.get("numberReady") or 0)
    available = int(status.get("numberAvailable") or 0)
    waiting = ""
    if not _observed(obj):
        waiting = "the controller has not seen this revision yet"
        updated = ready = 0
    elif _strategy(obj) != "OnDelete" and updated < desired:
        waiting = f"{updated} of {desired} pods are of the new revision"
    elif ready < desired:
        waiting = f"{ready} of {desired} pods ready"
    elif available < desired:
        waiting = f"{available} of {desired} pods available"
    return _Counts(desired, updated, ready, waiting)


def _pod(obj: JsonObject) -> _Counts:
    done = (obj.get("status") or {}).get("phase") == "Succeeded"
    ready = int((is_ready(obj) or done) and not obj["metadata"].get("deletionTimestamp"))
    return _Counts(1, 1, ready, "" if ready else "the pod is not ready")


_COUNTS: t.Final[Mapping[str, t.Callable[[JsonObject], _Counts]]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Pod": _pod,
}

#: Kinds that can be judged, with their API version.
KINDS: t.Final[Mapping[str, str]] = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Pod": "v1",
}
