# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of an API server as the gate meets them, and answers of a provider."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_metric import Check
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sample import Sample
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import (
    Cluster,
    Grace,
    Memory,
    State,
    Wanted,
    judge_workloads,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import Reading

Json = dict[str, t.Any]


def deployment(name: str = "core-api-green", desired: int = 2, **changes: t.Any) -> Json:
    """A Deployment whose rollout is done; `changes` are of its status, or `generation`, `paused`."""
    generation = changes.pop("generation", 3)
    spec: Json = {"replicas": desired}
    if changes.pop("paused", False):
        spec["paused"] = True
    conditions = changes.pop("conditions", [])
    status = {
        "observedGeneration": 3,
        "replicas": desired,
        "updatedReplicas": desired,
        "readyReplicas": desired,
        "availableReplicas": desired,
        "conditions": conditions,
        **changes,
    }
    meta = {
        "name": name,
        "namespace": "exchange",
        "uid": f"deploy-{name}",
        "generation": generation,
        "annotations": {"deployment.kubernetes.io/revision": "2"},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec, "status": status}


def replica_set(
    name: str = "core-api-green", revision: str = "2", created: str = "2026-01-01T00:01:00Z", **more: t.Any
) -> Json:
    """A ReplicaSet; `refused` is why it cannot make pods, `earlier` its revisions before it was gone back to."""
    refused, earlier = more.pop("refused", ""), more.pop("earlier", "")
    status: Json = {"observedGeneration": 1}
    if refused:
        condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refused}
        status["conditions"] = [condition]
    history = {"deployment.kubernetes.io/revision-history": earlier} if earlier else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name}-{revision}",
            "namespace": "exchange",
            "uid": f"rs-{name}-{revision}",
            "creationTimestamp": created,
            "annotations": {"deployment.kubernetes.io/revision": revision, **history},
            "ownerReferences": [{"uid": f"deploy-{name}"}],
        },
        "spec": {},
        "status": status,
    }


def pod(name: str = "p1", owner: str = "rs-core-api-green-2", ready: bool = False, **more: t.Any) -> Json:
    """A pod; `containers` and `init` are lists of container statuses, `sidecars` the names of such init containers."""
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}, *more.pop("conditions", [])]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "exchange",
            "uid": f"uid-{name}",
            "labels": more.pop("labels", {}),
            "ownerReferences": [{"uid": owner}],
            **more.pop("meta", {}),
        },
        "spec": {
            "restartPolicy": more.pop("policy", "Always"),
            "initContainers": [{"name": name, "restartPolicy": "Always"} for name in more.pop("sidecars", [])],
        },
        "status": {
            "phase": more.pop("phase", "Running"),
            "conditions": conditions,
            "containerStatuses": more.pop("containers", []),
            "initContainerStatuses": more.pop("init", []),
            **more,
        },
    }


def running(restarts: int = 0, name: str = "app", last_exit: int = 1, last_reason: str = "Error") -> Json:
    state: Json = {"name": name, "restartCount": restarts, "state": {"running": {}}}
    if restarts:
        state["lastState"] = {"terminated": {"exitCode": last_exit, "reason": last_reason}}
    return state


def ended(code: int = 1, restarts: int = 0, reason: str = "Error", name: str = "app") -> Json:
    return {"name": name, "restartCount": restarts, "state": {"terminated": {"exitCode": code, "reason": reason}}}


def waiting(reason: str, message: str = "", restarts: int = 0, name: str = "app") -> Json:
    state: Json = {
        "name": name,
        "restartCount": restarts,
        "state": {"waiting": {"reason": reason, "message": message}},
    }
    if reason == "CrashLoopBackOff":
        state["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    return state


#: Counts of a Deployment of which no pod is ready.
UNREADY = {"readyReplicas": 0, "availableReplicas": 0}
GREEN = Wanted("Deployment", "core-api-green")
IMAGE = "registry.lab:5000/pincex/exchange:v7"
MISSING = (
    f'rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": '
    f'failed to resolve reference "{IMAGE}": {IMAGE}: not found'
)


def look(
    obj: Json | None,
    *pods: Json,
    wanted: Wanted = GREEN,
    memory: Memory | None = None,
    now: float = 0.0,
    grace: Grace | None = None,
    sets: list[Json] | None = None,
) -> tuple[State, Memory]:
    """One look at one workload. Without a memory the pods are new: none was ready at the first look."""
    cluster = Cluster(
        {} if obj is None else {(wanted.kind, wanted.name): obj},
        sets if sets is not None else [replica_set(), replica_set(revision="1", created="2026-01-01T00:00:00Z")],
        pods,
    )
    states, after = judge_workloads([wanted], cluster, grace or Grace(), memory or Memory(forgiven={}), now)
    return states[0], after


def check(**changes: t.Any) -> Check:
    return Check(**{"name": "error rate", "query": "errors[5s]", "maximum": 0.05, **changes})


def valid(at: float, value: float, requests: float | None = 100.0) -> Sample:
    return Sample(at, "valid", value, requests)


def value(number: float) -> Reading:
    return Reading("value", number)


class FakeProvider:
    """Answers by query; a value may be a function of the time."""

    def __init__(self, clock: t.Any, answers: dict[str, t.Any]) -> None:
        self.clock = clock
        self.answers = answers
        self.asked: list[tuple[str, float]] = []

    def tick(self) -> float:
        return t.cast(float, self.clock.now())

    def read(self, query: str, at: float) -> Reading:
        self.asked.append((query, at))
        answer = self.answers[query]
        if callable(answer):
            answer = answer(self.clock.elapsed)
        return answer if isinstance(answer, Reading) else value(answer)
