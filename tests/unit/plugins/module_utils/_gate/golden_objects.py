# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects with the fields, conditions and messages that Kubernetes 1.36 writes.

Counts that are zero are not there, as the API server leaves them out.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import (
    Cluster,
    Grace,
    Memory,
    State,
    Wanted,
    judge_workloads,
)

Json = dict[str, t.Any]
IMAGE = "registry.lab:5000/pincex/exchange:v7"
MADE = "2026-11-02T10:00:00Z"
EARLIER = "2026-11-01T09:00:00Z"
API = Wanted("Deployment", "core-api-green")
LABELS = {"app": "core-api", "slot": "green"}


def condition(kind: str, status: str, reason: str, message: str = "", **times: str) -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": MADE, **times}


def deployment(paused: bool = False, conditions: tuple[Json, ...] = (), **counts: int) -> Json:
    progress = condition(
        "Progressing",
        "True",
        "ReplicaSetUpdated",
        'ReplicaSet "core-api-green-7c9d8" is progressing.',
        lastUpdateTime=MADE,
    )
    unavailable = condition(
        "Available",
        "False",
        "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.",
        lastUpdateTime=MADE,
    )
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "core-api-green",
            "namespace": "exchange",
            "uid": "5a3f1c0e-0001",
            "resourceVersion": "4711",
            "generation": 2,
            "creationTimestamp": EARLIER,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {
            "replicas": 2,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            **({"paused": True} if paused else {}),
            "selector": {"matchLabels": LABELS},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "app", "image": IMAGE}]}},
        },
        "status": {"observedGeneration": 2, "conditions": list(conditions or (unavailable, progress)), **counts},
    }


def replica_set(revision: int = 2, refused: str = "", **counts: int) -> Json:
    conditions = [condition("ReplicaFailure", "True", "FailedCreate", refused)] if refused else []
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": "core-api-green-7c9d8" if revision == 2 else "core-api-green-66f4b",
            "namespace": "exchange",
            "uid": f"5a3f1c0e-100{revision}",
            "generation": 1,
            "creationTimestamp": MADE if revision == 2 else EARLIER,
            "labels": {**LABELS, "pod-template-hash": "7c9d8"},
            "annotations": {
                "deployment.kubernetes.io/desired-replicas": "2",
                "deployment.kubernetes.io/max-replicas": "3",
                "deployment.kubernetes.io/revision": str(revision),
            },
            "ownerReferences": [owner("Deployment", "core-api-green", "5a3f1c0e-0001")],
        },
        "spec": {"replicas": 2, "selector": {"matchLabels": {**LABELS, "pod-template-hash": "7c9d8"}}},
        "status": {"observedGeneration": 1, **({"conditions": conditions} if conditions else {}), **counts},
    }


def owner(kind: str, name: str, uid: str) -> Json:
    version = "batch/v1" if kind == "Job" else "apps/v1"
    reference = {"apiVersion": version, "kind": kind, "name": name, "uid": uid}
    return {**reference, "controller": True, "blockOwnerDeletion": True}


def pod(
    name: str,
    containers: list[Json],
    of: Json | None = None,
    *,
    phase: str = "Running",
    scheduled: Json | None = None,
    labels: Json | None = None,
    policy: str = "Always",
    **more: t.Any,
) -> Json:
    """A pod of the newest ReplicaSet, or of another owner; ready when all of its containers are."""
    by = of if of is not None else owner("ReplicaSet", "core-api-green-7c9d8", "5a3f1c0e-1002")
    ready = bool(containers) and all(one["ready"] for one in containers)
    names = ", ".join(one["name"] for one in containers if not one["ready"])
    why = {} if ready else {"reason": "ContainersNotReady", "message": f"containers with unready status: [{names}]"}
    conditions = [
        {"type": "PodReadyToStartContainers", "status": "True", "observedGeneration": 1, "lastTransitionTime": MADE},
        {"type": "Initialized", "status": "True", "observedGeneration": 1, "lastTransitionTime": MADE},
        {"type": "Ready", "status": str(ready), "observedGeneration": 1, "lastTransitionTime": MADE, **why},
        {"type": "ContainersReady", "status": str(ready), "observedGeneration": 1, "lastTransitionTime": MADE, **why},
        {"type": "PodScheduled", "status": "True", "observedGeneration": 1, "lastTransitionTime": MADE},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": "core-api-green-7c9d8-",
            "namespace": "exchange",
            "uid": f"pod-{name}",
            "generation": 1,
            "creationTimestamp": MADE,
            "labels": labels or {**LABELS, "pod-template-hash": "7c9d8"},
            "ownerReferences": [by] if by else [],
        },
        "spec": {"containers": [{"name": "app", "image": IMAGE}], "nodeName": "node-1", "restartPolicy": policy},
        "status": {
            "observedGeneration": 1,
            "phase": phase,
            "conditions": [scheduled] if scheduled else conditions,
            "startTime": MADE,
            "qosClass": "Burstable",
            **({"containerStatuses": containers} if containers else {}),
            **more,
        },
    }


def container(state: Json, *, ready: bool = False, restarts: int = 0, last: Json | None = None) -> Json:
    return {
        "name": "app",
        "image": IMAGE,
        "imageID": "registry.lab:5000/pincex/exchange@sha256:0f1e",
        "containerID": "containerd://9d1c",
        "ready": ready,
        "started": ready,
        "restartCount": restarts,
        "state": state,
        "lastState": last or {},
        "resources": {"requests": {"cpu": "50m"}},
    }


def terminated(code: int, reason: str = "Error", **more: str) -> Json:
    ended = {
        "exitCode": code,
        "reason": reason,
        "startedAt": MADE,
        "finishedAt": MADE,
        "containerID": "containerd://9d",
    }
    return {"terminated": {**ended, **more}}


UP = container({"running": {"startedAt": MADE}}, ready=True)
NOT_READY = container({"running": {"startedAt": MADE}})


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def stays(
    wanted: Wanted,
    obj: Json | None,
    pods: list[Json],
    seconds: float = 0.0,
    sets: list[Json] | None = None,
    *,
    events: t.Sequence[Json] = (),
) -> State:
    """The state after the same objects were seen for so long."""
    cluster = Cluster(
        {} if obj is None else {(wanted.kind, wanted.name): obj}, sets or [replica_set(1), replica_set(2)], pods, events
    )
    memory = Memory(forgiven={})
    states, memory = judge_workloads([wanted], cluster, Grace(), memory, 100.0)
    states, memory = judge_workloads([wanted], cluster, Grace(), memory, 100.0 + seconds)
    return states[0]


WEBHOOK = 'admission webhook "validate.policy.example" denied the request: image is not signed'
CRASHING = container(
    waiting("CrashLoopBackOff", "back-off 10s restarting failed container=app pod=core-api-green-7c9d8-x2x4q_exchange"),
    restarts=1,
    last=terminated(1),
)
ROLLING = {"replicas": 3, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2, "unavailableReplicas": 1}
ENGINE = Wanted("StatefulSet", "engine")
ENGINE_OWNER = owner("StatefulSet", "engine", "5a3f1c0e-0002")


def stateful_set(partition: int = 0, **counts: int) -> Json:
    return {
        "metadata": {"name": "engine", "namespace": "exchange", "uid": "5a3f1c0e-0002", "generation": 5},
        "spec": {
            "replicas": 3,
            "podManagementPolicy": "OrderedReady",
            "serviceName": "engine",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}},
        },
        "status": {
            "observedGeneration": 5,
            "collisionCount": 0,
            "currentRevision": "engine-5d8f",
            "updateRevision": "engine-7bb6",
            **counts,
        },
    }


def engine(number: int, hashed: str, status: Json) -> Json:
    labels = {"app": "engine", "controller-revision-hash": hashed, "apps.kubernetes.io/pod-index": str(number)}
    return pod(f"engine-{number}", [status], ENGINE_OWNER, labels=labels)


MIGRATE = Wanted("Job", "migrate")


def job(conditions: list[Json], **status: t.Any) -> Json:
    return {
        "metadata": {"name": "migrate", "namespace": "exchange", "uid": "5a3f1c0e-0004", "generation": 1},
        "spec": {
            "backoffLimit": 6,
            "completionMode": "NonIndexed",
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "TerminatingOrFailed",
            "suspend": any(one["type"] == "Suspended" and one["status"] == "True" for one in conditions),
        },
        "status": {"conditions": conditions, "uncountedTerminatedPods": {}, **status},
    }
