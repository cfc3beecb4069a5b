# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate says of rollouts as a real API server showed them: Kubernetes 1.36.3, 40 s after each change.

`python -m bench.gate.capture` takes them anew.
"""

from __future__ import annotations

import json
import pathlib
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

FOLDER = pathlib.Path(__file__).parent / "captured"
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
#: Longer than every grace but that of an autoscaler.
LATER_S = 60.0


class Golden(t.NamedTuple):
    """A file, what is in it, and what the gate has to say: at once, and when it has been so for a while."""

    file: str
    kind: str
    first: str
    later: str
    words: tuple[str, ...]


CASES = (
    Golden("healthy", "Deployment", "ready", "ready", ()),
    Golden("old_pods_stuck", "Deployment", "ready", "ready", ()),
    Golden("partitioned_statefulset", "StatefulSet", "ready", "ready", ()),
    Golden("crash_loop", "Deployment", "failed", "failed", ("exit code 3",)),
    Golden("out_of_memory", "Deployment", "failed", "failed", ("exit code 137", "out of memory")),
    Golden("absent_tag", "Deployment", "failed", "failed", ("ImagePullBackOff", "pincex/exchange:v7: not found")),
    Golden("bad_config", "Deployment", "waiting", "failed", ('configmap "absent-settings" not found',)),
    Golden("quota_refusal", "Deployment", "waiting", "failed", ("exceeded quota: no-more-pods",)),
    Golden("quota_refusal_statefulset", "StatefulSet", "waiting", "failed", ("exceeded quota: no-more-pods",)),
    Golden("absent_volume", "Deployment", "waiting", "failed", ('secret "absent-keys" not found',)),
    Golden("failed_job", "Job", "failed", "failed", ("BackoffLimitExceeded",)),
    Golden("missing_deployment", "Deployment", "waiting", "failed", ("does not exist",)),
    # Their time is that of an autoscaler, and of the gate's own deadline.
    Golden("paused_deployment", "Deployment", "waiting", "waiting", ("the rollout is paused",)),
    Golden("unschedulable", "Deployment", "waiting", "waiting", ("nodes are available",)),
    Golden("healthy_daemonset", "DaemonSet", "ready", "ready", ()),
    Golden("quota_refusal_daemonset", "DaemonSet", "waiting", "failed", ("exceeded quota: no-more-pods",)),
    Golden("healthy_sidecar", "Deployment", "ready", "ready", ()),
    Golden("crashing_sidecar", "Deployment", "failed", "failed", ("exit code 4",)),
    Golden("admission_refusal", "Deployment", "waiting", "failed", ("violates PodSecurity",)),
    Golden("progress_deadline", "Deployment", "failed", "failed", ()),
    Golden("readiness_oscillation", "Deployment", "waiting", "waiting", ()),
)


def captured(name: str) -> Cluster:
    objects = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    workloads = {(kind, obj["metadata"]["name"]): obj for kind in WORKLOADS for obj in objects.get(kind, ())}
    return Cluster(workloads, objects.get("ReplicaSet", ()), objects.get("Pod", ()), objects.get("Event", ()))


def seen(case: Golden, cluster: Cluster) -> tuple[State, State]:
    wanted = [Wanted(case.kind, "app")]
    first, memory = judge_workloads(wanted, cluster, Grace(), Memory(forgiven={}), 1000.0)
    later, _memory = judge_workloads(wanted, cluster, Grace(), memory, 1000.0 + LATER_S)
    return first[0], later[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_what_a_real_cluster_shows(case: Golden) -> None:
    first, later = seen(case, captured(case.file))
    assert (first.status, later.status) == (case.first, case.later), later.detail
    said = " ".join([later.detail, *(problem.message for problem in later.problems)])
    for words in case.words:
        assert words in said


def test_every_capture_is_judged() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {case.file for case in CASES}


@pytest.mark.parametrize("case", [case for case in CASES if case.kind != "Job"], ids=lambda case: case.file)
def test_without_events_nothing_is_ready_that_was_not(case: Golden) -> None:
    cluster = captured(case.file)
    _first, later = seen(case, Cluster(cluster.workloads, cluster.replica_sets, cluster.pods))
    assert (later.status == "ready") == (case.later == "ready")
