# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import (
    Cluster,
    Grace,
    Memory,
    State,
    Wanted,
    judge_workloads,
)
from gate_samples import deployment, ended, pod, replica_set, running, waiting
from hypothesis import given, settings
from hypothesis import strategies as st

GREEN = Wanted("Deployment", "core-api-green")
IMAGE = "registry.lab:5000/pincex/exchange:v7"
MISSING = (
    f'rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": '
    f'failed to resolve reference "{IMAGE}": {IMAGE}: not found'
)


def look(
    obj: dict[str, t.Any] | None,
    *pods: dict[str, t.Any],
    wanted: Wanted = GREEN,
    memory: Memory | None = None,
    now: float = 0.0,
    grace: Grace | None = None,
    sets: list[dict[str, t.Any]] | None = None,
) -> tuple[State, Memory]:
    """One look at one workload. Without a memory the pods are new: none was ready at the first look."""
    cluster = Cluster(
        {} if obj is None else {(wanted.kind, wanted.name): obj},
        sets if sets is not None else [replica_set(), replica_set(revision="1", created="2026-01-01T00:00:00Z")],
        pods,
    )
    states, after = judge_workloads([wanted], cluster, grace or Grace(), memory or Memory(forgiven={}), now)
    return states[0], after


def test_ready_when_all_counts_agree() -> None:
    state, _ = look(deployment())
    assert (state.status, state.desired, state.updated, state.ready) == ("ready", 2, 2, 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"generation": 4}, "not seen this revision"),
        ({"updatedReplicas": 1}, "1 of 2 pods are of the new revision"),
        ({"updatedReplicas": 0, "paused": True}, "paused"),
        ({"replicas": 3}, "1 pods of an old revision"),
        ({"readyReplicas": 1}, "1 of 2 pods ready"),
        ({"availableReplicas": 1}, "1 of 2 pods available"),
        ({"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}, "1 pods more than wanted"),
    ],
)
def test_waits_while_anything_differs(changes: dict[str, t.Any], says: str) -> None:
    state, _ = look(deployment(**changes))
    assert state.status == "waiting"
    assert says in state.detail


def test_a_deployment_that_is_not_there_is_waited_for() -> None:
    assert look(None)[0].detail == "Deployment core-api-green does not exist"


def test_nothing_running_is_not_ready() -> None:
    state, _ = look(deployment(desired=0))
    assert state.status == "waiting"
    assert "0 of 1 pods ready (it is scaled to 0)" in state.detail


def test_nothing_running_is_ready_when_nothing_is_wanted() -> None:
    assert look(deployment(desired=0), wanted=Wanted("Deployment", "core-api-green", 0))[0].status == "ready"


def test_fewer_pods_than_the_caller_wants() -> None:
    state, _ = look(deployment(desired=2), wanted=Wanted("Deployment", "core-api-green", 3))
    assert "2 of 3 pods ready (it is scaled to 2)" in state.detail


UNREADY = {"readyReplicas": 0, "availableReplicas": 0}


def test_one_crash_is_forgiven_and_the_second_is_not() -> None:
    assert look(deployment(**UNREADY), pod(containers=[ended(1)]))[0].status == "waiting"
    assert look(deployment(**UNREADY), pod(containers=[running(1)]))[0].status == "waiting"
    state, _ = look(deployment(**UNREADY), pod(containers=[ended(1, restarts=1)]))
    assert state.status == "failed"
    assert state.detail == "Deployment core-api-green: pod p1, container app: ended 2 times, last with exit code 1"


def test_backing_off_counts_the_exit_that_led_to_it() -> None:
    state, _ = look(deployment(**UNREADY), pod(containers=[waiting("CrashLoopBackOff", restarts=1)]))
    assert state.status == "failed"
    assert "ended 2 times, last with exit code 1" in state.detail


def test_running_again_after_two_crashes_is_still_two_crashes() -> None:
    assert look(deployment(), pod(ready=True, containers=[running(2)]))[0].status == "failed"


def test_restarts_from_before_the_gate_are_no_news() -> None:
    old = pod(ready=True, containers=[running(7)])
    state, memory = look(deployment(), old, memory=Memory())
    assert state.status == "ready"
    again = pod(ready=True, containers=[running(9)])
    assert look(deployment(), again, memory=memory)[0].status == "failed"


def test_a_pod_that_was_not_ready_is_forgiven_nothing() -> None:
    crashed = pod(containers=[ended(1, restarts=3)])
    assert look(deployment(**UNREADY), crashed, memory=Memory())[0].status == "failed"


def test_out_of_memory_fails_at_once() -> None:
    state, _ = look(deployment(), pod(containers=[running(1, last_exit=137, last_reason="OOMKilled")]))
    assert state.status == "failed"
    assert "ended once, last with exit code 137 (out of memory)" in state.detail


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
@pytest.mark.parametrize(
    "message",
    [
        MISSING,
        f'Back-off pulling image "registry.lab:5000/pincex/exchange:v7": ErrImagePull: {MISSING}',
        "failed to authorize: failed to fetch oauth token: 401 Unauthorized",
        "pull access denied, repository does not exist or may require authorization",
        "manifest unknown: manifest tagged by v7 is not found",
    ],
)
def test_a_missing_image_fails_at_once(reason: str, message: str) -> None:
    state, _ = look(deployment(**UNREADY), pod(containers=[waiting(reason, message)]))
    assert state.status == "failed"


@pytest.mark.parametrize(
    "message",
    [
        "dial tcp 10.0.0.1:5000: i/o timeout",
        "unexpected status from HEAD request: 503 Service Unavailable",
        "dial tcp: lookup registry.lab on 10.0.0.2:53: host not found",
        'Back-off pulling image "registry.lab:5000/pincex/exchange:v2"',
    ],
)
def test_a_pull_error_that_may_pass_has_its_grace(message: str) -> None:
    trouble = pod(containers=[waiting("ErrImagePull", message)])
    state, memory = look(deployment(**UNREADY), trouble, now=100.0)
    assert state.status == "waiting"
    assert "ErrImagePull" in state.detail
    state, memory = look(deployment(**UNREADY), trouble, memory=memory, now=129.9)
    assert state.status == "waiting"
    assert look(deployment(**UNREADY), trouble, memory=memory, now=130.0)[0].status == "failed"


def test_the_grace_starts_anew_when_the_trouble_was_gone() -> None:
    trouble = pod(containers=[waiting("ErrImagePull", "timeout")])
    _, memory = look(deployment(**UNREADY), trouble, now=0.0)
    _, memory = look(deployment(**UNREADY), pod(containers=[running()]), memory=memory, now=20.0)
    assert look(deployment(**UNREADY), trouble, memory=memory, now=40.0)[0].status == "waiting"


def test_a_new_pod_with_the_same_trouble_does_not_start_the_grace_anew() -> None:
    _, memory = look(deployment(**UNREADY), pod("a", containers=[waiting("ErrImagePull", "timeout")]), now=0.0)
    other = pod("b", containers=[waiting("ImagePullBackOff", "timeout")])
    assert look(deployment(**UNREADY), other, memory=memory, now=30.0)[0].status == "failed"


@pytest.mark.parametrize(
    ("reason", "message", "after_s"),
    [
        ("CreateContainerConfigError", 'secret "keys" not found', 10.0),
        ("RunContainerError", "exec: no such file", 10.0),
        ("CreateContainerError", "name is in use", 10.0),
        ("InvalidImageName", "couldn't parse image name", 0.0),
    ],
)
def test_what_cannot_start(reason: str, message: str, after_s: float) -> None:
    trouble = pod(containers=[waiting(reason, message)])
    state, memory = look(deployment(**UNREADY), trouble, now=0.0)
    assert state.status == ("waiting" if after_s else "failed")
    assert look(deployment(**UNREADY), trouble, memory=memory, now=after_s)[0].status == "failed"


def test_a_cache_that_is_not_filled_yet_is_no_config_error() -> None:
    trouble = pod(containers=[waiting("CreateContainerConfigError", "failed to sync secret cache: timed out")])
    _, memory = look(deployment(**UNREADY), trouble, now=0.0)
    assert look(deployment(**UNREADY), trouble, memory=memory, now=60.0)[0].status == "waiting"


def test_init_containers_count_until_they_are_done() -> None:
    assert look(deployment(**UNREADY), pod(init=[ended(1, restarts=1)]))[0].status == "failed"
    assert look(deployment(), pod(ready=True, init=[ended(0, restarts=2, reason="Completed")]))[0].status == "ready"


def test_a_sidecar_counts_as_well() -> None:
    assert look(deployment(**UNREADY), pod(init=[running(2, name="mesh")]))[0].status == "failed"


def test_unschedulable_is_told_at_once_and_fails_late() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient cpu.",
    }
    trouble = pod(phase="Pending", conditions=[condition])
    state, memory = look(deployment(**UNREADY), trouble, now=0.0)
    assert state.status == "waiting"
    assert "Insufficient cpu" in state.detail
    assert look(deployment(**UNREADY), trouble, memory=memory, now=299.0)[0].status == "waiting"
    assert look(deployment(**UNREADY), trouble, memory=memory, now=300.0)[0].status == "failed"


def test_quota_refusal_fails_after_its_grace() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: small"}
    stuck = deployment(updatedReplicas=0, conditions=[refused], **UNREADY)
    state, memory = look(stuck, now=0.0)
    assert state.status == "waiting"
    state, _ = look(stuck, memory=memory, now=10.0)
    assert state.status == "failed"
    assert "exceeded quota" in state.detail


def late(at: str) -> dict[str, t.Any]:
    return {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": at}


def test_progress_deadline_of_this_revision_fails() -> None:
    assert look(deployment(**UNREADY, conditions=[late("2026-01-01T00:02:00Z")]))[0].status == "failed"


def test_progress_deadline_of_an_older_revision_does_not() -> None:
    assert look(deployment(**UNREADY, conditions=[late("2026-01-01T00:00:30Z")]))[0].status == "waiting"
    unseen = deployment(**UNREADY, generation=4, conditions=[late("2026-01-01T00:02:00Z")])
    assert look(unseen)[0].status == "waiting"
    assert look(deployment(**UNREADY, conditions=[late("2026-01-01T00:02:00Z")]), sets=[])[0].status == "waiting"


def test_pods_of_an_older_revision_and_of_others_do_not_matter() -> None:
    old = pod("old", owner="rs-core-api-green-1", containers=[ended(1, restarts=9)])
    other = pod("other", owner="rs-other", containers=[ended(1, restarts=9)])
    going = pod("going", containers=[ended(1, restarts=9)], meta={"deletionTimestamp": "2026-01-01T00:03:00Z"})
    assert look(deployment(), old, other, going)[0].status == "ready"


@pytest.mark.parametrize("reason", ["Evicted", "Preempting", "OutOfcpu", "NodeAffinity"])
def test_a_pod_that_was_sent_away_is_not_the_versions_fault(reason: str) -> None:
    assert look(deployment(), pod(phase="Failed", reason=reason))[0].status == "ready"


def test_a_pod_that_has_failed() -> None:
    assert look(deployment(**UNREADY), pod(phase="Failed", reason="DeadlineExceeded"))[0].status == "failed"


def stateful(**changes: t.Any) -> dict[str, t.Any]:
    strategy = changes.pop("strategy", {"type": "RollingUpdate"})
    status = {
        "observedGeneration": 2,
        "replicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "updatedReplicas": 3,
        "currentReplicas": 3,
        "currentRevision": "a",
        "updateRevision": "a",
        **changes,
    }
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "engine", "uid": "sts", "generation": 2},
        "spec": {"replicas": 3, "updateStrategy": strategy},
        "status": status,
    }


ENGINE = Wanted("StatefulSet", "engine")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ready"),
        ({"updateRevision": "b", "updatedReplicas": 1, "currentReplicas": 2}, "waiting"),
        ({"updateRevision": "b", "updatedReplicas": 3, "currentReplicas": 0}, "ready"),
        ({"readyReplicas": 2}, "waiting"),
        ({"availableReplicas": 2}, "waiting"),
        ({"observedGeneration": 1}, "waiting"),
        (
            {
                "updateRevision": "b",
                "updatedReplicas": 1,
                "currentReplicas": 2,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}},
            },
            "ready",
        ),
        ({"updateRevision": "b", "updatedReplicas": 0, "strategy": {"type": "OnDelete"}}, "ready"),
    ],
)
def test_stateful_set(changes: dict[str, t.Any], status: str) -> None:
    assert look(stateful(**changes), wanted=ENGINE)[0].status == status


def test_stateful_set_fails_by_its_updated_pods_only() -> None:
    obj = stateful(updateRevision="b", updatedReplicas=1, currentReplicas=2, readyReplicas=2)
    crash = [ended(1, restarts=1)]
    old = pod("engine-0", owner="sts", labels={"controller-revision-hash": "a"}, containers=crash)
    new = pod("engine-2", owner="sts", labels={"controller-revision-hash": "b"}, containers=crash)
    assert look(obj, old, wanted=ENGINE)[0].status == "waiting"
    assert look(obj, new, wanted=ENGINE)[0].status == "failed"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ready"),
        ({"updatedNumberScheduled": 1}, "waiting"),
        ({"numberReady": 1}, "waiting"),
        ({"numberAvailable": 1}, "waiting"),
        ({"desiredNumberScheduled": 0, "updatedNumberScheduled": 0, "numberReady": 0, "numberAvailable": 0}, "waiting"),
    ],
)
def test_daemon_set(changes: dict[str, int], status: str) -> None:
    counts = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 2, "numberAvailable": 2}
    obj = {
        "metadata": {"name": "agent", "uid": "ds", "generation": 1},
        "spec": {},
        "status": {"observedGeneration": 1, **counts, **changes},
    }
    assert look(obj, wanted=Wanted("DaemonSet", "agent"))[0].status == status


def test_bare_pod() -> None:
    wanted = Wanted("Pod", "p1")
    assert look(pod(ready=True), wanted=wanted)[0].status == "ready"
    assert look(pod(), wanted=wanted)[0].status == "waiting"
    assert look(pod(containers=[ended(1, restarts=1)]), wanted=wanted)[0].status == "failed"


def test_evidence_is_data() -> None:
    state, _ = look(deployment(**UNREADY), pod(containers=[ended(3, restarts=1)]))
    problem = state.to_json()["problems"][0]
    assert (problem["pod"], problem["container"], problem["exit_code"], problem["count"]) == ("p1", "app", 3, 2)


_STATUSES = st.sampled_from(
    [
        running(),
        running(1),
        running(2),
        ended(1),
        ended(1, restarts=1),
        waiting("ErrImagePull", "timeout"),
        waiting("ErrImagePull", MISSING),
        waiting("CreateContainerConfigError", "x"),
        waiting("ContainerCreating"),
    ]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(_STATUSES, min_size=1, max_size=2), min_size=1, max_size=4), st.integers(0, 1000))
def test_order_of_workloads_and_pods_does_not_matter(pods: list[list[dict[str, t.Any]]], seed: int) -> None:
    names = [f"s{number}" for number in range(len(pods))]
    wanted = [Wanted("Deployment", name) for name in names]
    objects = {("Deployment", name): deployment(name) for name in names}
    sets = [replica_set(name) for name in names]
    made = [
        pod(f"{name}-{number}", f"rs-{name}-2", containers=[status])
        for name, statuses in zip(names, pods, strict=True)
        for number, status in enumerate(statuses)
    ]
    straight, _ = judge_workloads(wanted, Cluster(objects, sets, made), Grace(), Memory(forgiven={}), 0.0)
    mixed_wanted, mixed_pods = list(wanted), list(made)
    random.Random(seed).shuffle(mixed_wanted)
    random.Random(seed + 1).shuffle(mixed_pods)
    mixed, _ = judge_workloads(mixed_wanted, Cluster(objects, sets, mixed_pods), Grace(), Memory(forgiven={}), 0.0)
    assert {s.wanted: s.status for s in straight} == {s.wanted: s.status for s in mixed}


@settings(max_examples=40, deadline=None)
@given(st.lists(_STATUSES, max_size=3), _STATUSES, st.floats(0, 400))
def test_more_trouble_never_turns_failed_into_anything_else(
    pods: list[dict[str, t.Any]], more: dict[str, t.Any], now: float
) -> None:
    made = [pod(str(number), containers=[status]) for number, status in enumerate(pods)]
    before, _ = look(deployment(), *made, now=now)
    after, _ = look(deployment(), *made, pod("more", containers=[more]), now=now)
    if before.status == "failed":
        assert after.status == "failed"
