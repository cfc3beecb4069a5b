# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.workload_counts import (
    Counts,
    counts_of,
    parse_selector,
    selected,
)
from gate_samples import deployment, pod
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, Counts(2, 2, 2)),
        ({"readyReplicas": None, "availableReplicas": None}, Counts(2, 2, 0, "0 of 2 pods ready")),
        ({"updatedReplicas": 1}, Counts(2, 1, 1, "1 of 2 pods are of the new revision")),
        ({"replicas": 3}, Counts(2, 2, 2, "1 pods of an old revision are still there")),
        # Its last pods are on their way out: nobody counts them as replicas any more.
        ({"terminatingReplicas": 3}, Counts(2, 2, 2)),
        ({"generation": 4}, Counts(2, 0, 0, "the controller has not seen this revision yet")),
        (
            {"replicas": 3, "paused": True},
            Counts(2, 2, 2, "the rollout is paused, 1 pods of an old revision are still there"),
        ),
        ({"readyReplicas": 1, "paused": True}, Counts(2, 2, 1, "1 of 2 pods ready")),
    ],
)
def test_deployment(changes: Json, counts: Counts) -> None:
    assert counts_of("Deployment", deployment(**changes)) == counts


def stateful(strategy: Json, **status: t.Any) -> Json:
    return {
        "metadata": {"name": "engine", "generation": 2},
        "spec": {"replicas": 3, "updateStrategy": strategy},
        "status": {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3, **status},
    }


NEXT = {"currentRevision": "engine-a", "updateRevision": "engine-b"}


@pytest.mark.parametrize(
    ("partition", "updated", "waiting"),
    [
        (0, 2, "2 of 3 pods are of the new revision"),
        (2, 1, ""),
        (1, 1, "1 of 2 pods are of the new revision"),
        (3, 0, ""),
        (9, 0, ""),
    ],
)
def test_a_partition_leaves_pods_below_it_alone(partition: int, updated: int, waiting: str) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    obj = stateful(strategy, **NEXT, updatedReplicas=updated, currentReplicas=3 - updated)
    assert counts_of("StatefulSet", obj) == Counts(3, updated, 3, waiting)


def test_on_delete_asks_for_no_revision_but_for_ready_pods() -> None:
    assert counts_of("StatefulSet", stateful({"type": "OnDelete"}, **NEXT)).waiting == ""
    assert (
        counts_of("StatefulSet", stateful({"type": "OnDelete"}, **NEXT, readyReplicas=2)).waiting == "2 of 3 pods ready"
    )


def test_a_stateful_set_with_pods_to_lose_is_not_done() -> None:
    obj = stateful({"type": "RollingUpdate"}, **NEXT, updatedReplicas=4, replicas=4)
    assert counts_of("StatefulSet", obj).waiting == "1 pods more than wanted"


@pytest.mark.parametrize("strategy", ["RollingUpdate", "OnDelete"])
def test_daemon_set(strategy: str) -> None:
    status = {"observedGeneration": 1, "desiredNumberScheduled": 2, "numberReady": 2, "numberAvailable": 2}
    obj = {
        "metadata": {"name": "agent", "generation": 1},
        "spec": {"updateStrategy": {"type": strategy}},
        "status": {**status, "updatedNumberScheduled": 1},
    }
    waiting = "" if strategy == "OnDelete" else "1 of 2 pods are of the new revision"
    assert counts_of("DaemonSet", obj) == Counts(2, 1, 2, waiting)


def job(spec: Json | None = None, **status: t.Any) -> Json:
    return {"metadata": {"name": "migrate", "generation": 1}, "spec": spec or {}, "status": status}


STARTED = {"startTime": "2026-01-01T00:00:00Z"}
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}


@pytest.mark.parametrize(
    ("obj", "counts"),
    [
        (job(), Counts(1, 0, 0, "the job has not started yet")),
        (job({"suspend": True}), Counts(1, 0, 0, "the job is suspended")),
        (job({"suspend": True}, failed=1), Counts(1, 0, 0, "the job is suspended, 1 of 7 tries have failed")),
        (job({"completions": 3}, **STARTED, active=1, succeeded=1), Counts(3, 2, 1, "1 of 3 pods have succeeded")),
        (
            job({"backoffLimit": 2}, **STARTED, active=1, failed=2),
            Counts(1, 1, 0, "0 of 1 pods have succeeded, 2 of 3 tries have failed"),
        ),
        (job(**STARTED, **COMPLETE, succeeded=1), Counts(1, 1, 1)),
        # A success policy was content with two of five; its pods may still be ending before the condition comes.
        (job({"completions": 5}, **STARTED, **COMPLETE, succeeded=2), Counts(2, 2, 2)),
        (
            job(**STARTED, succeeded=1, conditions=[{"type": "SuccessCriteriaMet", "status": "True"}]),
            Counts(1, 1, 1, "1 of 1 pods have succeeded"),
        ),
    ],
)
def test_job(obj: Json, counts: Counts) -> None:
    assert counts_of("Job", obj) == counts


def test_a_pod_that_has_done_its_work_is_ready() -> None:
    assert counts_of("Pod", pod(phase="Succeeded")) == Counts(1, 1, 1)


def test_pods_that_do_not_serve_are_not_selected() -> None:
    labels = {"labels": {"app": "web"}}
    pods = [
        pod("a", **labels),
        pod("done", phase="Succeeded", **labels),
        pod("evicted", phase="Failed", reason="Evicted", **labels),
        pod("failed", phase="Failed", reason="DeadlineExceeded", **labels),
        pod("going", meta={"deletionTimestamp": "2026-01-01T00:03:00Z"}, **labels),
        pod("other"),
    ]
    names = [one["metadata"]["name"] for one in selected(pods, parse_selector("app=web"))]
    assert names == ["a", "failed"]


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("app=x", {"app": "x"}, True),
        ("app==x", {"app": "y"}, False),
        ("app = x , tier!=db", {"app": "x", "tier": "web"}, True),
        ("app=x,tier!=db", {"app": "x"}, True),
        ("app=x,tier!=db", {"app": "x", "tier": "db"}, False),
        ("tier in (web, api)", {"tier": "api"}, True),
        ("tier in (web,api),app", {"tier": "api"}, False),
        ("tier notin (web,api)", {}, True),
        ("tier notin(web)", {"tier": "web"}, False),
        ("app", {"app": ""}, True),
        ("!app", {"app": ""}, False),
        ("! app", {}, True),
        ("app=", {"app": ""}, True),
        ("app in ()", {"app": ""}, True),
        ("app.kubernetes.io/name=core-api", {"app.kubernetes.io/name": "core-api"}, True),
        ("in", {"in": "x"}, True),
    ],
)
def test_selector(text: str, labels: dict[str, str], matches: bool) -> None:
    assert parse_selector(text).matches(labels) is matches


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "app=x,",
        ",",
        "app=(x",
        "app in x",
        "app in (x",
        "app=x y",
        "=x",
        "!app=x",
        "a b",
        "-a=x",
        "a=x!",
        "a/b/c",
    ],
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no part of a label selector"):
        parse_selector(text)


_LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xyz"))


@settings(max_examples=100, deadline=None)
@given(_LABELS, st.sampled_from("ab"), st.lists(st.sampled_from("xyz"), min_size=1, unique=True))
def test_each_requirement_has_its_opposite(labels: dict[str, str], key: str, values: list[str]) -> None:
    listed = f"({','.join(values)})"
    for one, other in [("{0}", "!{0}"), ("{0}={1}", "{0}!={1}"), ("{0} in {2}", "{0} notin {2}")]:
        matches = [parse_selector(form.format(key, values[0], listed)).matches(labels) for form in (one, other)]
        assert sorted(matches) == [False, True]
    both = parse_selector(f"{key}={values[0]},{key}")
    assert both.matches(labels) == parse_selector(f"{key}={values[0]}").matches(labels)
