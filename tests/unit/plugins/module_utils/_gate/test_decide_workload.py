# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import random
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import (
    Cluster,
    Grace,
    Memory,
    Wanted,
    judge_workloads,
)
from gate_samples import MISSING, UNREADY, deployment, ended, look, pod, replica_set, running, waiting
from hypothesis import given, settings
from hypothesis import strategies as st


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


def test_a_workload_that_is_not_there_is_waited_for_a_little() -> None:
    state, memory = look(None, now=50.0)
    assert (state.status, state.detail) == ("waiting", "Deployment core-api-green does not exist")
    state, memory = look(None, memory=memory, now=59.9)
    assert state.status == "waiting"
    state, _ = look(None, memory=memory, now=60.0)
    assert (state.status, state.detail) == ("failed", "Deployment core-api-green does not exist")


def test_a_workload_that_came_late_and_went_again_is_waited_for_anew() -> None:
    _, memory = look(None, now=0.0)
    _, memory = look(deployment(), memory=memory, now=9.0)
    assert look(None, memory=memory, now=15.0)[0].status == "waiting"


def test_a_workload_that_is_being_deleted_is_not_ready() -> None:
    going = deployment()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:03:00Z"
    state, _ = look(going)
    assert (state.status, state.detail) == ("waiting", "Deployment core-api-green: it is being deleted")


def test_nothing_running_is_not_ready() -> None:
    state, _ = look(deployment(desired=0))
    assert state.status == "waiting"
    assert "0 of 1 pods ready (it is scaled to 0)" in state.detail


def test_nothing_running_is_ready_when_nothing_is_wanted() -> None:
    assert look(deployment(desired=0), wanted=Wanted("Deployment", "core-api-green", 0))[0].status == "ready"


def test_fewer_pods_than_the_caller_wants() -> None:
    state, _ = look(deployment(desired=2), wanted=Wanted("Deployment", "core-api-green", 3))
    assert "2 of 3 pods ready (it is scaled to 2)" in state.detail


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


def test_a_sidecar_that_ends_is_not_done_as_another_init_container_is() -> None:
    gone = ended(0, restarts=1, reason="Completed", name="mesh")
    assert look(deployment(**UNREADY), pod(init=[gone]))[0].status == "waiting"
    assert look(deployment(**UNREADY), pod(init=[gone], sidecars=["mesh"]))[0].status == "failed"


def test_a_container_that_has_done_its_work_has_not_crashed() -> None:
    half_done = [ended(0, reason="Completed", name="a"), running(name="b")]
    wanted, grace = Wanted("Pod", "p1"), Grace(crash_restarts=0)
    assert look(pod(containers=half_done, policy="Never"), wanted=wanted, grace=grace)[0].problems == ()
    assert look(pod(containers=half_done), wanted=wanted, grace=grace)[0].status == "failed"


def test_what_is_killed_from_outside_has_a_patience_of_its_own() -> None:
    killed = running(3, last_exit=137)
    assert look(deployment(**UNREADY), pod(containers=[killed]))[0].status == "waiting"
    backing_off = {**waiting("CrashLoopBackOff", restarts=3), "lastState": killed["lastState"]}
    state, _ = look(deployment(**UNREADY), pod(containers=[backing_off]))
    assert state.status == "failed"
    assert "ended 4 times, last with exit code 137 (killed from outside" in state.detail


def test_restarts_of_a_pod_are_counted_over_its_containers() -> None:
    def three(*restarts: int) -> dict[str, t.Any]:
        return pod(containers=[running(count, name=name) for name, count in zip("abc", restarts, strict=True)])

    grace = Grace(crash_restarts=2)
    assert look(deployment(**UNREADY), three(1, 1, 1), grace=grace)[0].status == "waiting"
    state, _ = look(deployment(**UNREADY), three(2, 1, 1), grace=grace)
    assert state.status == "failed"
    assert "ended 4 times (3 containers together)" in state.detail


def test_what_cannot_be_run_says_why() -> None:
    why = 'exec: "exchange": executable file not found in $PATH'
    state_of = running(2, last_exit=128, last_reason="StartError")
    state_of["lastState"]["terminated"]["message"] = why
    state, _ = look(deployment(**UNREADY), pod(containers=[state_of]))
    assert state.status == "failed"
    assert f"could not be started 2 times, last with exit code 128: {why}" in state.detail


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
    sets = [replica_set(refused="exceeded quota: small"), replica_set(revision="1")]
    stuck = deployment(updatedReplicas=0, **UNREADY)
    state, memory = look(stuck, sets=sets, now=0.0)
    assert state.status == "waiting"
    state, _ = look(stuck, sets=sets, memory=memory, now=10.0)
    assert state.status == "failed"
    assert "exceeded quota" in state.detail


def test_a_refusal_of_an_older_replica_set_is_not_ours() -> None:
    sets = [replica_set(), replica_set(revision="1", refused="exceeded quota: small")]
    # The Deployment has a copy of whichever there is.
    stuck = deployment(updatedReplicas=1, conditions=sets[1]["status"]["conditions"], **UNREADY)
    _, memory = look(stuck, sets=sets, now=0.0)
    assert look(stuck, sets=sets, memory=memory, now=60.0)[0].status == "waiting"


def test_a_replica_set_that_cannot_be_made_fails_after_its_grace() -> None:
    condition = {
        "type": "Progressing",
        "status": "False",
        "reason": "ReplicaSetCreateError",
        "message": 'Failed to create new replica set "core-api-green-5f": exceeded quota: small',
    }
    stuck = deployment(generation=4, conditions=[condition])
    _, memory = look(stuck, now=0.0)
    state, _ = look(stuck, memory=memory, now=10.0)
    assert state.status == "failed"
    assert "exceeded quota" in state.detail
    # The controller has got over it.
    assert look(deployment(conditions=[condition]), memory=memory, now=10.0)[0].status == "ready"


def late(at: str) -> dict[str, t.Any]:
    return {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": at}


def test_progress_deadline_of_this_revision_fails() -> None:
    assert look(deployment(**UNREADY, conditions=[late("2026-01-01T00:02:00Z")]))[0].status == "failed"


def test_progress_deadline_of_an_older_revision_does_not() -> None:
    assert look(deployment(**UNREADY, conditions=[late("2026-01-01T00:00:30Z")]))[0].status == "waiting"
    unseen = deployment(**UNREADY, generation=4, conditions=[late("2026-01-01T00:02:00Z")])
    assert look(unseen)[0].status == "waiting"
    assert look(deployment(**UNREADY, conditions=[late("2026-01-01T00:02:00Z")]), sets=[])[0].status == "waiting"
    # Gone back to: the ReplicaSet is older than the condition of the revision that it replaces.
    back = [replica_set(revision="2", created="2026-01-01T00:00:00Z", earlier="1")]
    assert look(deployment(**UNREADY, conditions=[late("2026-01-01T00:02:00Z")]), sets=back)[0].status == "waiting"


def test_pods_of_a_paused_deployment_that_has_none_of_the_new_revision_are_old() -> None:
    paused = deployment(updatedReplicas=0, paused=True)
    state, _ = look(paused, pod(containers=[ended(1, restarts=9)]))
    assert state.status == "waiting"
    assert state.detail == "Deployment core-api-green: the rollout is paused, 0 of 2 pods are of the new revision"


def test_a_paused_deployment_that_is_as_it_is_wanted_is_ready() -> None:
    assert look(deployment(paused=True))[0].status == "ready"


def test_pods_of_an_older_revision_and_of_others_do_not_matter() -> None:
    old = pod("old", owner="rs-core-api-green-1", containers=[ended(1, restarts=9)])
    other = pod("other", owner="rs-other", containers=[ended(1, restarts=9)])
    going = pod("going", containers=[ended(1, restarts=9)], meta={"deletionTimestamp": "2026-01-01T00:03:00Z"})
    assert look(deployment(), old, other, going)[0].status == "ready"


@pytest.mark.parametrize("reason", ["Evicted", "Preempting", "OutOfcpu", "NodeAffinity"])
def test_a_pod_that_was_sent_away_is_not_the_versions_fault(reason: str) -> None:
    gone = pod(phase="Failed", reason=reason, containers=[ended(137, restarts=4)])
    assert look(deployment(), gone)[0].status == "ready"


def test_a_pod_that_has_failed() -> None:
    assert look(deployment(**UNREADY), pod(phase="Failed", reason="DeadlineExceeded"))[0].status == "failed"


def test_what_to_ask_about_a_deployment_that_is_late() -> None:
    silent, asleep = pod("p2", containers=[running()]), pod("p1", containers=[waiting("ContainerCreating")])
    state, _ = look(deployment(**UNREADY), silent, asleep, pod("p3", ready=True))
    assert state.unready == (("p1", ""), ("p2", "app"))
    assert state.replica_set == "core-api-green-2"


def test_the_fatal_problem_comes_first() -> None:
    slow = [pod(f"a{n}", containers=[waiting("ErrImagePull", "timeout")]) for n in range(6)]
    state, _ = look(deployment(**UNREADY), *slow, pod("b", containers=[ended(9, restarts=1)]))
    assert state.to_json()["problems"][0]["exit_code"] == 9


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
        running(4, last_exit=137),
        running(1, last_exit=137, last_reason="OOMKilled"),
    ]
)
_GRACES = st.builds(
    Grace,
    crash_restarts=st.integers(0, 3),
    oom_kills=st.integers(0, 2),
    restarts=st.integers(0, 6),
    image_pull_s=st.floats(0, 100),
    config_error_s=st.floats(0, 100),
    missing_s=st.floats(0, 100),
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
    assert {s.wanted: s for s in straight} == {s.wanted: s for s in mixed}


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


@settings(max_examples=60, deadline=None)
@given(st.lists(_STATUSES, max_size=3), st.booleans(), _GRACES, st.lists(st.floats(0, 200), min_size=1, max_size=6))
def test_doomed_stays_doomed_while_nothing_but_time_goes_on(
    statuses: list[dict[str, t.Any]], there: bool, grace: Grace, pauses: list[float]
) -> None:
    made = [pod(str(number), containers=[status]) for number, status in enumerate(statuses)]
    memory, now, doomed = Memory(forgiven={}), 0.0, False
    for pause in pauses:
        now += pause
        state, memory = look(deployment(**UNREADY) if there else None, *made, memory=memory, now=now, grace=grace)
        assert state.status == "failed" or not doomed
        doomed = state.status == "failed"


@settings(max_examples=60, deadline=None)
@given(st.lists(_STATUSES, max_size=3), _GRACES, _GRACES, st.floats(0, 200))
def test_more_grace_never_turns_ready_into_failed(
    statuses: list[dict[str, t.Any]], grace: Grace, more: Grace, later: float
) -> None:
    most = Grace(*(max(pair) for pair in zip(dataclasses.astuple(grace), dataclasses.astuple(more), strict=True)))
    made = [pod(str(number), ready=True, containers=[status]) for number, status in enumerate(statuses)]
    _, memory = look(deployment(), *made, grace=grace)
    before, _ = look(deployment(), *made, memory=memory, now=later, grace=grace)
    after, _ = look(deployment(), *made, memory=memory, now=later, grace=most)
    if before.status == "ready":
        assert after.status == "ready"
    if after.status == "failed":
        assert before.status == "failed"
