# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds other than a Deployment."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import Wanted
from gate_samples import MISSING, ended, look, pod, waiting


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


@pytest.mark.parametrize(("updated", "status"), [(3, "ready"), (2, "waiting"), (0, "waiting")])
def test_who_says_how_many_there_must_be_means_the_newest_revision(updated: int, status: str) -> None:
    """A slot that was scaled down and up again: its pod of before is ready, and not what is to get the traffic."""
    obj = stateful(updateRevision="b", currentReplicas=0, updatedReplicas=updated, strategy={"type": "OnDelete"})
    state, _memory = look(obj, wanted=Wanted("StatefulSet", "engine", 3))
    assert state.status == status
    assert ("of an old revision or on its way out" in state.detail) is (status == "waiting")


def test_stateful_set_fails_by_its_updated_pods_only() -> None:
    obj = stateful(updateRevision="b", updatedReplicas=1, currentReplicas=2, readyReplicas=2)
    crash = [ended(1, restarts=1)]
    old = pod("engine-0", owner="sts", labels={"controller-revision-hash": "a"}, containers=crash)
    new = pod("engine-2", owner="sts", labels={"controller-revision-hash": "b"}, containers=crash)
    assert look(obj, old, wanted=ENGINE)[0].status == "waiting"
    assert look(obj, new, wanted=ENGINE)[0].status == "failed"
    # Until the controller has seen the newest revision, its `updateRevision` is that of the one before.
    unseen = stateful(updateRevision="b", updatedReplicas=1, currentReplicas=2, observedGeneration=1)
    assert look(unseen, new, wanted=ENGINE)[0].problems == ()


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


def job(conditions: tuple[dict[str, str], ...] = (), **changes: t.Any) -> dict[str, t.Any]:
    spec = {"completions": 1, "parallelism": 1, "backoffLimit": 6, "suspend": changes.pop("suspend", False)}
    status = {"startTime": "2026-01-01T00:00:00Z", "conditions": list(conditions), **changes}
    return {"metadata": {"name": "migrate", "uid": "job", "generation": 1}, "spec": spec, "status": status}


MIGRATE = Wanted("Job", "migrate")
COMPLETE = {"type": "Complete", "status": "True", "reason": "CompletionsReached"}


def test_a_job_fails_by_its_own_word_and_not_by_a_try() -> None:
    tried = [pod(f"migrate-{n}", owner="job", phase="Failed", policy="Never", containers=[ended(3)]) for n in range(4)]
    state, _ = look(job(active=1, failed=4), *tried, wanted=MIGRATE)
    assert state.status == "waiting"
    assert "0 of 1 pods have succeeded, 4 of 7 tries have failed; pod migrate-0" in state.detail
    gave_up = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached it"}
    state, _ = look(job((gave_up,), failed=7), *tried, wanted=MIGRATE)
    assert (state.status, state.detail) == ("failed", "Job migrate: BackoffLimitExceeded: Job has reached it")


def test_a_pod_of_a_job_that_can_never_start_fails_it() -> None:
    stuck = pod("migrate-0", owner="job", policy="Never", containers=[waiting("ErrImagePull", MISSING)])
    assert look(job(active=1), stuck, wanted=MIGRATE)[0].status == "failed"


def test_a_job_that_was_complete_stays_so_when_it_is_taken_away() -> None:
    state, memory = look(job((COMPLETE,), succeeded=1), wanted=MIGRATE)
    assert state.status == "ready"
    state, memory = look(None, wanted=MIGRATE, memory=memory, now=60.0)
    assert (state.status, state.ready) == ("ready", 1)
    state, memory = look(job(active=1), wanted=MIGRATE, memory=memory, now=61.0)
    assert state.status == "waiting"
    assert look(None, wanted=MIGRATE, memory=memory, now=62.0)[0].status == "waiting"


WEB = Wanted("Pod", "", min_ready=2, selector="app=web,tier in (a, b)")


def bare(name: str, ready: bool = True, tier: str = "a", **more: t.Any) -> dict[str, t.Any]:
    return pod(name, owner="", ready=ready, labels={"app": "web", "tier": tier}, **more)


def test_pods_by_selector() -> None:
    other = pod("other", labels={"app": "api", "tier": "a"}, containers=[ended(1, restarts=9)])
    assert look(None, bare("w1"), bare("w2", tier="b"), other, wanted=WEB)[0].status == "ready"
    state, _ = look(None, bare("w1"), bare("w2", ready=False), wanted=WEB)
    assert (state.status, state.detail) == ("waiting", "pods of app=web,tier in (a, b): 1 of 2 pods ready")
    state, _ = look(None, bare("w1"), bare("w2", tier="c"), wanted=WEB)
    assert state.detail == "pods of app=web,tier in (a, b): 1 of 2 pods ready (there are 1)"
    assert look(None, bare("w1"), bare("w2", containers=[ended(1, restarts=1)]), wanted=WEB)[0].status == "failed"


def test_a_selector_that_finds_nothing_is_waited_for_a_little() -> None:
    state, memory = look(None, wanted=WEB, now=0.0)
    assert (state.status, state.detail) == ("waiting", "no pod matches app=web,tier in (a, b)")
    assert look(None, wanted=WEB, memory=memory, now=10.0)[0].status == "failed"
    assert look(None, wanted=Wanted("Pod", "", min_ready=0, selector="app=web"))[0].status == "ready"


def test_a_selector_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^workloads: selector 'app=\(x': 'app=\(x' is no part of a label selector"):
        Wanted("Pod", "", selector="app=(x")
