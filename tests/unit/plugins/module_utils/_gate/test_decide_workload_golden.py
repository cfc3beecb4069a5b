# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate says of objects as Kubernetes 1.36 writes them."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import Wanted
from golden_objects import (
    API,
    CRASHING,
    ENGINE,
    IMAGE,
    MADE,
    MIGRATE,
    NOT_READY,
    ROLLING,
    UP,
    WEBHOOK,
    Json,
    condition,
    container,
    deployment,
    engine,
    job,
    owner,
    pod,
    replica_set,
    stateful_set,
    stays,
    terminated,
    waiting,
)

NO_TAG = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found'
QUOTA = (
    'pods "core-api-green-7c9d8-x2x4q" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: '
    "pods=4"
)
NO_CPU = (
    "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: "
    "1 No preemption victims found for incoming pod."
)
#: One container each, as the kubelet shows it, and when the gate says so.
DOOMED = [
    pytest.param(CRASHING, 0, "ended 2 times, last with exit code 1", id="crash loop"),
    pytest.param(
        container(
            waiting("CrashLoopBackOff", "back-off 10s restarting failed container=app"),
            restarts=1,
            last=terminated(
                128,
                "StartError",
                message='failed to create containerd task: exec: "exchange": executable file not found in $PATH',
            ),
        ),
        0,
        'executable file not found in $PATH',
        id="cannot run",
    ),
    pytest.param(
        container({"running": {"startedAt": MADE}}, restarts=1, last=terminated(137, "OOMKilled")),
        0,
        "ended once, last with exit code 137 (out of memory)",
        id="out of memory",
    ),
    pytest.param(
        container(waiting("ErrImagePull", f"rpc error: code = NotFound desc = {NO_TAG}")),
        0,
        "not found",
        id="absent tag",
    ),
    pytest.param(
        container(waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}": ErrImagePull: {NO_TAG}')),
        0,
        "not found",
        id="absent tag, later",
    ),
    pytest.param(
        container(
            waiting("ErrImagePull", f'failed to pull image "{IMAGE}": failed to authorize: 401 Unauthorized'),
        ),
        0,
        "401 Unauthorized",
        id="unauthorized",
    ),
    pytest.param(
        container(
            waiting("ErrImagePull", f'failed to pull image "{IMAGE}": Head "https://registry.lab:5000": i/o timeout'),
        ),
        30,
        "i/o timeout",
        id="registry away",
    ),
    pytest.param(
        container(waiting("CreateContainerConfigError", 'configmap "core-api" not found')),
        10,
        'configmap "core-api" not found',
        id="bad config",
    ),
    pytest.param(
        container({"running": {"startedAt": MADE}}, restarts=4, last=terminated(137)),
        0,
        "ended 4 times, last with exit code 137 (killed from outside",
        id="liveness probe",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("status", "after_s", "says"), DOOMED)
def test_doomed(status: Json, after_s: float, says: str) -> None:
    phase = "Pending" if "waiting" in status["state"] and not status["restartCount"] else "Running"
    pods = [pod("core-api-green-7c9d8-x2x4q", [status], phase=phase)]
    if after_s:
        early = stays(API, deployment(**ROLLING), pods, after_s - 0.1)
        assert (early.status, says in early.detail) == ("waiting", True)
    state = stays(API, deployment(**ROLLING), pods, after_s)
    assert state.status == "failed"
    assert state.detail.startswith("Deployment core-api-green: pod core-api-green-7c9d8-x2x4q, container app: ")
    assert says in state.detail


@pytest.mark.parametrize("message", [QUOTA, WEBHOOK])
def test_refused_pods(message: str) -> None:
    copied = condition("ReplicaFailure", "True", "FailedCreate", message, lastUpdateTime=MADE)
    obj = deployment(conditions=(copied,), replicas=2, readyReplicas=2, availableReplicas=2)
    sets = [replica_set(1, replicas=2, readyReplicas=2), replica_set(2, refused=message)]
    assert stays(API, obj, [], 9.9, sets).status == "waiting"
    state = stays(API, obj, [], 10.0, sets)
    assert (state.status, state.detail) == ("failed", f"Deployment core-api-green: FailedCreate: {message}")


def test_unschedulable() -> None:
    scheduled = condition("PodScheduled", "False", "Unschedulable", NO_CPU)
    pods = [pod("core-api-green-7c9d8-x2x4q", [], phase="Pending", scheduled=scheduled)]
    state = stays(API, deployment(**ROLLING), pods, 299.0)
    assert state.status == "waiting"
    assert "pod core-api-green-7c9d8-x2x4q: unschedulable: 0/1 nodes are available: 1 Insufficient cpu." in state.detail
    assert stays(API, deployment(**ROLLING), pods, 300.0).status == "failed"


def test_readiness_that_oscillates_is_never_a_fatal_problem() -> None:
    pods = [pod("core-api-green-7c9d8-a", [UP]), pod("core-api-green-7c9d8-b", [NOT_READY])]
    half = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 1, "unavailableReplicas": 1}
    state = stays(API, deployment(**half), pods, 3600.0)
    assert (state.status, state.detail) == ("waiting", "Deployment core-api-green: 1 of 2 pods ready")
    assert state.unready == (("core-api-green-7c9d8-b", "app"),)
    done = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    assert stays(API, deployment(**done), pods[:1]).status == "ready"


def test_old_pods_that_are_still_there() -> None:
    done = {"updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    state = stays(API, deployment(replicas=3, **done), [], 3600.0)
    assert (state.status, state.detail) == (
        "waiting",
        "Deployment core-api-green: 1 pods of an old revision are still there",
    )


def test_old_pods_that_are_on_their_way_out_are_not_awaited() -> None:
    done = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "terminatingReplicas": 2}
    old = pod("core-api-green-66f4b-a", [UP], owner("ReplicaSet", "core-api-green-66f4b", "5a3f1c0e-1001"))
    old["metadata"] |= {"deletionTimestamp": MADE, "deletionGracePeriodSeconds": 3600}
    assert stays(API, deployment(**done), [old]).status == "ready"


def test_paused() -> None:
    paused = condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", lastUpdateTime=MADE)
    obj = deployment(True, (paused,), replicas=2, readyReplicas=2, availableReplicas=2)
    # The Deployment has not got a ReplicaSet for its new template, so that its revision is that of the old one.
    state = stays(API, obj, [pod("core-api-green-7c9d8-a", [CRASHING])], 3600.0, [replica_set(2)])
    assert (state.status, state.problems) == ("waiting", ())
    assert state.detail == "Deployment core-api-green: the rollout is paused, 0 of 2 pods are of the new revision"
    done = deployment(True, (paused,), replicas=2, updatedReplicas=2, readyReplicas=2, availableReplicas=2)
    assert stays(API, done, []).status == "ready"


def test_missing() -> None:
    assert stays(API, None, [], 9.9).status == "waiting"
    state = stays(API, None, [], 10.0)
    assert (state.status, state.detail) == ("failed", "Deployment core-api-green does not exist")


@pytest.mark.parametrize(("revision", "status"), [(2, "failed"), (1, "waiting")])
def test_progress_deadline(revision: int, status: str) -> None:
    late = condition(
        "Progressing",
        "False",
        "ProgressDeadlineExceeded",
        'ReplicaSet "core-api-green-7c9d8" has timed out progressing.',
        lastUpdateTime="2026-11-02T10:10:00Z" if revision == 2 else "2026-11-01T09:10:00Z",
    )
    assert stays(API, deployment(conditions=(late,), **ROLLING), [], 60.0).status == status


def test_partitioned_stateful_set() -> None:
    whole = {"replicas": 3, "readyReplicas": 3, "availableReplicas": 3}
    obj = stateful_set(2, **whole, currentReplicas=2, updatedReplicas=1)
    pods = [engine(0, "engine-5d8f", UP), engine(1, "engine-5d8f", UP), engine(2, "engine-7bb6", UP)]
    assert stays(ENGINE, obj, pods).status == "ready"
    state = stays(ENGINE, stateful_set(1, **whole, currentReplicas=2, updatedReplicas=1), pods)
    assert state.detail == "StatefulSet engine: 1 of 2 pods are of the new revision"
    broken = [*pods[:2], engine(2, "engine-7bb6", CRASHING)]
    less = stateful_set(2, replicas=3, readyReplicas=2, availableReplicas=2, currentReplicas=2, updatedReplicas=1)
    assert stays(ENGINE, less, broken).status == "failed"


def test_a_refused_pod_of_a_stateful_set_leaves_no_trace_in_its_status() -> None:
    state = stays(ENGINE, stateful_set(replicas=2, readyReplicas=2, availableReplicas=2, currentReplicas=2), [], 3600.0)
    assert (state.status, state.detail) == ("waiting", "StatefulSet engine: 0 of 3 pods are of the new revision")


def test_daemon_set() -> None:
    agent = Wanted("DaemonSet", "agent")
    obj = {
        "metadata": {
            "name": "agent",
            "uid": "5a3f1c0e-0003",
            "generation": 4,
            "annotations": {"deprecated.daemonset.template.generation": "3"},
        },
        "spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}},
        "status": {
            "observedGeneration": 4,
            "currentNumberScheduled": 1,
            "desiredNumberScheduled": 1,
            "numberMisscheduled": 0,
            "numberReady": 0,
            "numberUnavailable": 1,
            "updatedNumberScheduled": 1,
        },
    }
    of = owner("DaemonSet", "agent", "5a3f1c0e-0003")
    broken = pod("agent-x", [CRASHING], of, labels={"pod-template-generation": "3"})
    old = pod("agent-o", [CRASHING], of, labels={"pod-template-generation": "2"})
    assert stays(agent, obj, [old]).detail == "DaemonSet agent: 0 of 1 pods ready"
    assert stays(agent, obj, [broken]).status == "failed"


def test_job() -> None:
    of = owner("Job", "migrate", "5a3f1c0e-0004")
    failed_pod = pod("migrate-8x2kd", [container(terminated(3))], of, phase="Failed", policy="Never")
    trying = job([], startTime=MADE, active=1, ready=1, terminating=0, failed=1)
    state = stays(MIGRATE, trying, [failed_pod], 3600.0)
    assert (state.status, state.problems[1].exit_code) == ("waiting", 3)
    gone = condition("FailureTarget", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    state = stays(MIGRATE, job([gone], startTime=MADE, failed=7), [failed_pod])
    assert state.detail == "Job migrate: BackoffLimitExceeded: Job has reached the specified backoff limit"
    met = condition("SuccessCriteriaMet", "True", "CompletionsReached", "Reached expected number of succeeded pods")
    done = job([met, {**met, "type": "Complete"}], startTime=MADE, completionTime=MADE, succeeded=1, ready=0)
    done_pod = pod("migrate-9a", [container(terminated(0, "Completed"))], of, phase="Succeeded", policy="Never")
    state = stays(MIGRATE, done, [failed_pod, done_pod])
    assert (state.status, state.ready) == ("ready", 1)
    asleep = condition("Suspended", "True", "JobSuspended", "Job suspended")
    assert stays(MIGRATE, job([asleep]), [], 3600.0).detail == "Job migrate: the job is suspended"


def test_a_volume_whose_config_map_is_missing_leaves_no_trace_in_the_status() -> None:
    stuck = pod("core-api-green-7c9d8-x", [container(waiting("ContainerCreating"))], phase="Pending")
    state = stays(API, deployment(**ROLLING), [stuck], 3600.0)
    assert (state.status, state.problems) == ("waiting", ())
    assert state.unready == (("core-api-green-7c9d8-x", ""),)
