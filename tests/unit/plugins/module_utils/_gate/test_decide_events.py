# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for any events; the messages themselves are golden cases."""

from __future__ import annotations

import random
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_events import due, last_seen
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import (
    Cluster,
    Grace,
    Memory,
    State,
    Wanted,
    judge_workloads,
)
from gate_samples import GREEN, UNREADY, deployment, pod, replica_set, running, waiting
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]

ENGINE = Wanted("StatefulSet", "engine")


def at(second: int) -> str:
    return f"2026-11-02T10:00:{second:02}Z"


def engine(existing: int, ready: int, written: int | None = 10, generation: int = 2) -> Json:
    return {
        "metadata": {
            "name": "engine",
            "uid": "engine",
            "generation": generation,
            "creationTimestamp": at(0),
            "managedFields": [] if written is None else [{"time": at(written)}],
        },
        "spec": {"replicas": 3},
        "status": {
            "observedGeneration": generation,
            "replicas": existing,
            "updatedReplicas": existing,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updateRevision": "new",
            "currentRevision": "old",
        },
    }


def creating(name: str = "p1", owner: str = "engine", second: int = 12) -> Json:
    return pod(
        name,
        owner,
        phase="Pending",
        containers=[waiting("ContainerCreating")],
        meta={"creationTimestamp": at(second)},
        labels={"controller-revision-hash": "new"} if owner == "engine" else {},
    )


def event(reason: str, uid: str, second: int, message: str = 'configmap "x" not found') -> Json:
    return {
        "reason": reason,
        "message": message,
        "involvedObject": {"uid": uid},
        "lastTimestamp": at(second),
        "eventTime": None,
    }


def judge(
    wanted: Wanted, obj: Json, pods: list[Json], events: t.Sequence[Json], seconds: float = 60.0
) -> tuple[State, Memory]:
    cluster = Cluster({(wanted.kind, wanted.name): obj}, [replica_set()], pods, events)
    _, memory = judge_workloads([wanted], cluster, Grace(), Memory(forgiven={}), 0.0)
    states, memory = judge_workloads([wanted], cluster, Grace(), memory, seconds)
    return states[0], memory


def asked(wanted: Wanted, obj: Json, *pods: Json, seconds: float = 2.0) -> dict[t.Any, frozenset[str]]:
    return due(judge(wanted, obj, list(pods), [], seconds)[1].open, seconds)


def test_asked_only_after_a_moment_and_only_about_what_does_not_get_on() -> None:
    assert asked(ENGINE, engine(2, 2), seconds=1.9) == {}
    assert asked(ENGINE, engine(2, 2)) == {"FailedCreate": {"engine"}}
    assert asked(ENGINE, engine(3, 2), creating()) == {"FailedMount": {"uid-p1"}}
    assert asked(ENGINE, engine(3, 2)) == {}
    assert asked(ENGINE, engine(3, 3), creating()) == {}, "ready: nobody wants to know"
    # A Deployment's ReplicaSet says itself that its pods are refused.
    assert asked(GREEN, deployment(updatedReplicas=1)) == {}
    stuck = creating(owner="rs-core-api-green-2")
    assert asked(GREEN, deployment(**UNREADY), stuck) == {"FailedMount": {"uid-p1"}}
    assert asked(Wanted("Pod", "p1"), stuck) == {"FailedMount": {"uid-p1"}}
    assert asked(GREEN, deployment(**UNREADY), pod(containers=[running()])) == {}


def test_what_got_on_in_between_is_not_asked_about_at_once() -> None:
    memory = Memory(forgiven={})
    for now, existing in ((0.0, 2), (2.0, 3), (4.0, 2)):
        cluster = Cluster({("StatefulSet", "engine"): engine(existing, 2)})
        _, memory = judge_workloads([ENGINE], cluster, Grace(), memory, now)
    assert due(memory.open, 4.0) == {}
    assert due(memory.open, 7.0) == {"FailedCreate": {"engine"}}


def test_a_refusal_that_is_not_told_any_more_starts_its_grace_anew() -> None:
    """As when events could not be read for a while: that is slower, and nothing else."""
    told, memory = [event("FailedCreate", "engine", 20)], Memory(forgiven={})
    statuses = []
    for now, events in ((0.0, told), (9.0, []), (11.0, told), (20.9, told), (21.0, told)):
        cluster = Cluster({("StatefulSet", "engine"): engine(2, 2)}, events=events)
        states, memory = judge_workloads([ENGINE], cluster, Grace(), memory, now)
        statuses.append(states[0].status)
    assert statuses == ["waiting"] * 4 + ["failed"]


def test_what_the_first_answer_tells_was_there_while_nobody_asked() -> None:
    told = {
        "engine": (ENGINE, engine(2, 2), [], event("FailedCreate", "engine", 20)),
        "pod": (
            GREEN,
            deployment(**UNREADY),
            [creating(owner="rs-core-api-green-2")],
            event("FailedMount", "uid-p1", 20),
        ),
    }
    for wanted, obj, pods, said in told.values():
        memory, statuses = Memory(forgiven={}), []
        for now, events in ((0.0, []), (2.5, [said]), (9.9, [said]), (10.0, [said])):
            cluster = Cluster({(wanted.kind, wanted.name): obj}, [replica_set()], pods, events)
            states, memory = judge_workloads([wanted], cluster, Grace(), memory, now)
            statuses.append(states[0].status)
        assert statuses == ["waiting"] * 3 + ["failed"]


@pytest.mark.parametrize(
    ("written", "generation", "last", "status"),
    [
        (10, 2, 9, "waiting"),
        (10, 2, 10, "failed"),
        (None, 2, 59, "waiting"),
        (None, 1, 0, "failed"),
        (59, 1, 1, "failed"),
    ],
)
def test_which_revision_an_event_speaks_of(written: int | None, generation: int, last: int, status: str) -> None:
    obj = engine(2, 2, written, generation)
    assert judge(ENGINE, obj, [], [event("FailedCreate", "engine", last)])[0].status == status


def test_a_workload_that_is_being_deleted_makes_no_pods() -> None:
    going = engine(2, 2)
    going["metadata"]["deletionTimestamp"] = at(30)
    assert judge(ENGINE, going, [], [event("FailedCreate", "engine", 40)])[0].status == "waiting"


def test_the_newest_event_is_told() -> None:
    events = [event("FailedCreate", "engine", second, f"at {second}") for second in (20, 40, 30)]
    assert judge(ENGINE, engine(2, 2), [], events)[0].detail == "StatefulSet engine: FailedCreate: at 40"


def test_a_job_that_is_complete_needs_no_more_pods() -> None:
    """A success policy may be content with fewer than `completions`."""
    meta = {"name": "work", "uid": "work", "generation": 1, "creationTimestamp": at(0)}
    status = {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1}
    obj = {"metadata": meta, "spec": {"parallelism": 2, "completions": 9}, "status": status}
    assert judge(Wanted("Job", "work"), obj, [], [event("FailedCreate", "work", 5)])[0].status == "ready"


def test_a_work_queue_wants_as_many_pods_as_work_at_once() -> None:
    wanted = Wanted("Job", "work")

    def work(active: int, **spec: int) -> Json:
        meta = {"name": "work", "uid": "work", "generation": 1, "creationTimestamp": at(0)}
        return {"metadata": meta, "spec": spec, "status": {"startTime": at(0), "active": active, "succeeded": 2}}

    told = [event("FailedCreate", "work", 5)]
    assert judge(wanted, work(1, parallelism=2, completions=9), [], told)[0].status == "failed"
    assert judge(wanted, work(1, parallelism=2, completions=3), [], told)[0].status == "waiting"
    # The first success of a work queue says that there is no more work to begin.
    assert judge(wanted, work(1, parallelism=2), [], told)[0].status == "waiting"


def test_instants_of_both_recorders() -> None:
    series = {"series": {"lastObservedTime": "2026-11-02T10:00:02.000000Z"}, "eventTime": "2026-11-02T10:00:01.000000Z"}
    assert last_seen({**series, "lastTimestamp": None}) == "2026-11-02T10:00:02.000000Z"
    assert last_seen({"eventTime": "2026-11-02T10:00:01.000000Z"}) == "2026-11-02T10:00:01.000000Z"
    assert last_seen({"metadata": {"creationTimestamp": at(3)}}) == at(3)


_EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(["FailedCreate", "FailedMount", "BackOff"]),
        st.sampled_from(["engine", "uid-p1", "somebody"]),
        st.integers(0, 59),
        st.sampled_from(['configmap "x" not found', "timed out", 'pods "engine-2" is forbidden']),
    ),
    max_size=8,
)
_COUNTS = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda two: (max(two), min(two)))


@settings(max_examples=100, deadline=None)
@given(_EVENTS, _COUNTS, st.integers(0, 59), st.booleans(), st.integers(0, 1000))
def test_events_make_a_verdict_sooner_and_no_other(
    events: list[Json], counts: tuple[int, int], written: int, stuck: bool, seed: int
) -> None:
    obj, pods = engine(*counts, written), [creating(second=30)] if stuck else []
    alone, told = judge(ENGINE, obj, pods, [])[0], judge(ENGINE, obj, pods, events)[0]
    if alone.status != "waiting":
        assert told.status == alone.status
    if told.status == "failed":
        about = [(one["reason"], one["involvedObject"]["uid"], one) for one in events]
        newest = at(max(written, 30 if stuck else 0))
        refused = [one for *what, one in about if what == ["FailedCreate", "engine"] and one["lastTimestamp"] >= newest]
        unmounted = [one for *what, one in about if what == ["FailedMount", "uid-p1"] and "not found" in one["message"]]
        assert (counts[0] < 3 and refused) or (stuck and unmounted), "of this revision, and not over"
    mixed = list(events)
    random.Random(seed).shuffle(mixed)
    assert judge(ENGINE, obj, pods, mixed)[0].status == told.status


@settings(max_examples=100, deadline=None)
@given(_EVENTS)
def test_what_is_ready_is_ready_whatever_events_say(events: list[Json]) -> None:
    assert judge(ENGINE, engine(3, 3), [creating()], events)[0].status == "ready"
