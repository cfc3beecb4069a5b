# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events as the controllers and the kubelet of Kubernetes 1.36 write them, and what the gate makes of them."""

from __future__ import annotations

import typing as t

import golden_objects
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import State, Wanted
from golden_objects import (
    API,
    CRASHING,
    EARLIER,
    ENGINE,
    MADE,
    MIGRATE,
    NOT_READY,
    ROLLING,
    UP,
    WEBHOOK,
    container,
    deployment,
    engine,
    job,
    owner,
    pod,
    stateful_set,
    waiting,
)

Json = dict[str, t.Any]

BEFORE, LATER, LATEST = "2026-11-02T09:59:59Z", "2026-11-02T10:00:05Z", "2026-11-02T10:00:10Z"
FORBIDDEN = "is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4"


def event(reason: str, of: Json, message: str, *, first: str = LATER, last: str = LATER, source: str = "") -> Json:
    """As in a list, where the kind is told once for all."""
    meta = of["metadata"]
    return {
        "metadata": {
            "name": f"{meta['name']}.18a41f6be2c9d7f3",
            "namespace": "exchange",
            "uid": f"event-{reason}-{meta['uid']}",
            "resourceVersion": "4790",
            "creationTimestamp": first,
        },
        "involvedObject": {
            "kind": of.get("kind", "StatefulSet"),
            "namespace": "exchange",
            "name": meta["name"],
            "uid": meta["uid"],
            "apiVersion": of.get("apiVersion", "apps/v1"),
            "resourceVersion": "4712",
        },
        "reason": reason,
        "message": message,
        "source": {"component": source or "statefulset-controller"},
        "firstTimestamp": first,
        "lastTimestamp": last,
        "count": 12 if first != last else 1,
        "type": "Warning",
        "eventTime": None,
        "reportingComponent": source or "statefulset-controller",
        "reportingInstance": "",
    }


def stays(wanted: Wanted, obj: Json, pods: list[Json], events: list[Json], seconds: float = 3600.0) -> State:
    return golden_objects.stays(wanted, obj, pods, seconds, events=events)


def written(obj: Json, at: str = MADE) -> Json:
    """Its template was applied at that instant; its status and scale were written since."""
    fields: Json = {"apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}
    obj["metadata"] |= {
        "creationTimestamp": EARLIER,
        "managedFields": [
            {"manager": "pincex", "operation": "Apply", "time": at, **fields},
            {"manager": "kubectl", "operation": "Update", "time": EARLIER, **fields},
            {"manager": "hpa", "operation": "Update", "time": LATEST, "subresource": "scale", **fields},
            {"manager": "kcm", "operation": "Update", "time": LATEST, "subresource": "status", **fields},
        ],
    }
    return obj


TWO = {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "currentReplicas": 2}
OLD = [engine(0, "engine-5d8f", UP), engine(1, "engine-5d8f", UP)]
for _old in OLD:
    _old["metadata"]["creationTimestamp"] = EARLIER
NO_ENGINE = f'create Pod engine-2 in StatefulSet engine failed error: pods "engine-2" {FORBIDDEN}'


def refused_engine(**times: str) -> Json:
    return event("FailedCreate", stateful_set(), NO_ENGINE, **times)


@pytest.mark.parametrize(
    "message",
    [
        NO_ENGINE,
        f"create Pod engine-2 in StatefulSet engine failed error: {WEBHOOK}",
        'create Claim data-engine-2 Pod engine-2 in StatefulSet engine failed error: persistentvolumeclaims '
        f'"data-engine-2" {FORBIDDEN}',
    ],
)  # fmt: skip
def test_refused_pods_of_a_stateful_set(message: str) -> None:
    obj, told = written(stateful_set(**TWO)), event("FailedCreate", stateful_set(), message)
    early = stays(ENGINE, obj, OLD, [told], 9.9)
    assert (early.status, early.detail) == (
        "waiting",
        f"StatefulSet engine: 0 of 3 pods are of the new revision; FailedCreate: {message}",
    )
    state = stays(ENGINE, obj, OLD, [told], 10.0)
    assert (state.status, state.detail) == ("failed", f"StatefulSet engine: FailedCreate: {message}")
    assert state.problems[0].kind == "replica_failure"


def test_the_last_try_counts_and_not_the_first() -> None:
    told = refused_engine(first=EARLIER, last=LATER)
    assert stays(ENGINE, written(stateful_set(**TWO)), OLD, [told]).status == "failed"


def test_refusals_of_an_earlier_revision_are_not_news() -> None:
    told = [refused_engine(first=EARLIER, last=BEFORE)]
    assert stays(ENGINE, written(stateful_set(**TWO)), OLD, told).status == "waiting"
    assert stays(ENGINE, written(stateful_set(**TWO), BEFORE), OLD, told).status == "failed"
    # Nobody can say when it was written: then nobody can say what the event is about.
    assert stays(ENGINE, stateful_set(**TWO), OLD, told).status == "waiting"


def test_a_stateful_set_that_was_never_changed_has_no_earlier_revision() -> None:
    obj = stateful_set()
    obj["metadata"] |= {"generation": 1, "creationTimestamp": MADE}
    obj["status"]["observedGeneration"] = 1
    assert stays(ENGINE, obj, [], [refused_engine()]).status == "failed"
    assert stays(ENGINE, obj, [], [refused_engine(first=BEFORE, last=BEFORE)]).status == "waiting"


def test_refusals_from_before_a_pod_was_made_are_over() -> None:
    obj, told = written(stateful_set(**TWO)), [refused_engine(first=MADE, last=MADE)]
    made = engine(1, "engine-7bb6", NOT_READY)
    made["metadata"]["creationTimestamp"] = LATER
    assert stays(ENGINE, obj, [OLD[0], made], told).status == "waiting"
    assert stays(ENGINE, obj, [OLD[0], made], [*told, refused_engine()]).status == "failed"


def test_refusals_do_not_count_while_every_pod_is_there() -> None:
    whole = stateful_set(replicas=3, readyReplicas=2, availableReplicas=2, currentReplicas=3)
    assert stays(ENGINE, written(whole), OLD, [refused_engine()]).status == "waiting"
    unseen = written(stateful_set(**TWO))
    unseen["metadata"]["generation"] = 6
    assert stays(ENGINE, unseen, OLD, [refused_engine()]).status == "waiting"


def test_events_of_a_stateful_set_of_the_same_name_that_is_gone() -> None:
    told = refused_engine()
    told["involvedObject"]["uid"] = "5a3f1c0e-9999"
    assert stays(ENGINE, written(stateful_set(**TWO)), OLD, [told]).status == "waiting"


def test_refused_pods_of_a_daemon_set() -> None:
    agent = Wanted("DaemonSet", "agent")
    obj: Json = {
        "kind": "DaemonSet",
        "metadata": {
            "name": "agent",
            "uid": "5a3f1c0e-0003",
            "generation": 4,
            "annotations": {"deprecated.daemonset.template.generation": "4"},
        },
        "spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}},
        "status": {
            "observedGeneration": 4,
            "currentNumberScheduled": 1,
            "desiredNumberScheduled": 2,
            "numberMisscheduled": 0,
            "numberReady": 1,
            "numberUnavailable": 1,
        },
    }
    message = f'Error creating: pods "agent-x7k2p" {FORBIDDEN}'
    told = event("FailedCreate", obj, message, source="daemonset-controller")
    state = stays(agent, written(obj), [], [told])
    assert (state.status, state.detail) == ("failed", f"DaemonSet agent: FailedCreate: {message}")
    obj["status"]["currentNumberScheduled"] = 2
    assert stays(agent, written(obj), [], [told]).status == "waiting"


def test_refused_pods_of_a_job() -> None:
    none = job([], startTime=MADE, ready=0, terminating=0)
    none["metadata"]["creationTimestamp"] = MADE
    message = f'Error creating: pods "migrate-8x2kd" {FORBIDDEN}'
    told = event("FailedCreate", {"kind": "Job", "apiVersion": "batch/v1", **none}, message, source="job-controller")
    assert stays(MIGRATE, none, [], [told], 9.9).status == "waiting"
    state = stays(MIGRATE, none, [], [told], 10.0)
    assert (state.status, state.detail) == ("failed", f"Job migrate: FailedCreate: {message}")
    at_work = job([], startTime=MADE, active=1, ready=1, terminating=0)
    at_work["metadata"]["creationTimestamp"] = MADE
    of = owner("Job", "migrate", "5a3f1c0e-0004")
    assert stays(MIGRATE, at_work, [pod("migrate-9a", [UP], of, policy="Never")], [told]).status == "waiting"
    asleep = job([])
    asleep["spec"]["suspend"] = True
    assert stays(MIGRATE, asleep, [], [told]).status == "waiting"


STUCK = pod("core-api-green-7c9d8-x", [container(waiting("ContainerCreating"))], phase="Pending")
UNMOUNTED = [
    'MountVolume.SetUp failed for volume "config" : configmap "core-api" not found',
    'MountVolume.SetUp failed for volume "tls" : secret "core-api-tls" not found',
    'MountVolume.SetUp failed for volume "config" : configmap references non-existent config key: limits.yml',
    'MountVolume.SetUp failed for volume "tls" : references non-existent secret key: ca.crt',
]
PASSING = [
    'MountVolume.SetUp failed for volume "config" : failed to sync configmap cache: timed out waiting for the '
    "condition",
    'MountVolume.SetUp failed for volume "config" : object "exchange"/"core-api" not registered',
    'MountVolume.MountDevice failed for volume "data" : kubernetes.io/csi: attacher.MountDevice failed to create '
    "newCsiDriverClient: driver name csi.example not found in the list of registered CSI drivers",
    "Unable to attach or mount volumes: unmounted volumes=[config], unattached volumes=[], failed to process volumes=[]"
    ": timed out waiting for the condition",
]  # fmt: skip


def unmounted(message: str, of: Json = STUCK, last: str = LATER) -> Json:
    return event("FailedMount", of, message, first=MADE, last=last, source="kubelet")


@pytest.mark.parametrize("message", UNMOUNTED)
def test_a_volume_whose_config_is_missing(message: str) -> None:
    told = [unmounted(message), unmounted(PASSING[-1], last=LATEST)]
    early = stays(API, deployment(**ROLLING), [STUCK], told, 9.9)
    assert (early.status, message in early.detail) == ("waiting", True)
    state = stays(API, deployment(**ROLLING), [STUCK], told, 10.0)
    assert state.detail == f"Deployment core-api-green: pod core-api-green-7c9d8-x: FailedMount: {message}"
    assert (state.status, state.problems[0].kind) == ("failed", "config_error")


@pytest.mark.parametrize("message", PASSING)
def test_a_volume_that_may_still_be_mounted(message: str) -> None:
    assert stays(API, deployment(**ROLLING), [STUCK], [unmounted(message)]).status == "waiting"


def test_a_container_that_was_made_has_its_volumes() -> None:
    for made in (NOT_READY, CRASHING):
        up = pod("core-api-green-7c9d8-x", [made])
        state = stays(API, deployment(**ROLLING), [up], [unmounted(UNMOUNTED[0])], 0.0)
        assert "config_error" not in [problem.kind for problem in state.problems]


def test_a_pod_with_init_containers_waits_for_its_volumes_as_well() -> None:
    initializing = container(waiting("PodInitializing"))
    both = pod(STUCK["metadata"]["name"], [initializing], phase="Pending", initContainerStatuses=[initializing])
    assert stays(API, deployment(**ROLLING), [both], [unmounted(UNMOUNTED[0])]).status == "failed"
    at_work = {**initializing, "state": {"running": {"startedAt": MADE}}}
    begun = pod(STUCK["metadata"]["name"], [initializing], phase="Pending", initContainerStatuses=[at_work])
    assert stays(API, deployment(**ROLLING), [begun], [unmounted(UNMOUNTED[0])]).status == "waiting"


def test_a_pod_of_an_earlier_revision_that_cannot_mount_is_no_news() -> None:
    of = owner("ReplicaSet", "core-api-green-66f4b", "5a3f1c0e-1001")
    old = pod("core-api-green-66f4b-x", [container(waiting("ContainerCreating"))], of, phase="Pending")
    assert stays(API, deployment(**ROLLING), [old], [unmounted(UNMOUNTED[0], old)]).status == "waiting"
