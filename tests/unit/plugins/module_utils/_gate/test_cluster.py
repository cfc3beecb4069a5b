# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a cluster, how often, and what is kept of it."""

from __future__ import annotations

import threading
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.cluster import ClusterReader
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import Wanted
from fakes import FakeClock, FakeKube

Json = dict[str, t.Any]

GREEN = Wanted("Deployment", "core-api-green")
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HISTORY = "deployment.kubernetes.io/revision-history"


def put(server: FakeKube, kind: str, name: str, owner: str = "", **more: t.Any) -> Json:
    """Store an object as heavy as real ones are."""
    meta: Json = {
        "name": name,
        "namespace": "exchange",
        "labels": {"app": "core-api"},
        "annotations": {APPLIED: "x" * 999, HISTORY: "1,3," * 99, "deployment.kubernetes.io/revision": "2"},
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:metadata": {}}}],
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **more.pop("meta", {}),
    }
    if owner:
        meta["ownerReferences"] = [{"kind": "Deployment", "name": owner, "uid": f"uid of {owner}"}]
    template = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "app", "env": ["many"]}]}}
    spec = {"replicas": 2, "template": template, **more.pop("spec", {})}
    version = {"Pod": "v1", "Job": "batch/v1"}.get(kind, "apps/v1")
    return server.put(
        {"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec, "status": more.pop("status", {})}
    )


POD_SPEC = {
    "nodeName": "n1",
    "restartPolicy": "Always",
    "volumes": ["many"],
    "containers": [{"name": "app", "env": ["many"], "image": "exchange:v2"}],
    "initContainers": [{"name": "mesh", "restartPolicy": "Always", "resources": {"cpu": 1}}],
}
POD_STATUS = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "True"}],
    "containerStatuses": [{"name": "app", "restartCount": 1, "volumeMounts": ["many"], "state": {"running": {}}}],
}


@pytest.fixture
def server() -> FakeKube:
    one = FakeKube()
    for name in ("core-api-green", "core-api-blue"):
        put(one, "Deployment", name)
        put(one, "ReplicaSet", f"{name}-1", owner=name)
    put(one, "Pod", "core-api-green-1-x", spec=POD_SPEC, status=POD_STATUS)
    one.requests.clear()
    return one


Reads = t.Callable[..., ClusterReader]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def reader(server: FakeKube, clock: FakeClock) -> t.Iterator[Reads]:
    readers: list[ClusterReader] = []

    def make(*wanted: Wanted, watch: bool = True) -> ClusterReader:
        kube = KubeApi(server, clock, "us-east-1", deadline_s=2.0)
        readers.append(ClusterReader(kube, "exchange", wanted or [GREEN], watch=watch))
        return readers[-1]

    yield make
    for one in readers:
        one.close()


def asked(server: FakeKube) -> list[str]:
    """Lists and watches, in words."""
    return sorted(
        ("watch " if request.query.get("watch") else "list ") + request.path.rpartition("/")[2]
        for request in server.requests
        if "/namespaces/" in request.path
    )


LISTS = ["list deployments", "list pods", "list replicasets"]
EACH_ONCE = [
    *LISTS,
    "watch deployments",
    "watch pods",
    "watch replicasets",
]


def test_a_look_costs_no_request_after_the_first(reader: Reads, server: FakeKube) -> None:
    cluster = reader()
    for _look in range(5):
        cluster.read()
    assert asked(server) == EACH_ONCE


def test_the_requests_are_the_same_however_many_workloads(reader: Reads, server: FakeKube) -> None:
    names = [f"service-{number}" for number in range(50)]
    for name in names:
        put(server, "Deployment", name)
    found = reader(*[Wanted("Deployment", name) for name in names]).read()
    assert len(found.workloads) >= 50
    assert asked(server) == EACH_ONCE


@pytest.mark.parametrize("watch", [True, False])
def test_only_what_is_asked_for_is_kept_and_only_what_is_read(reader: Reads, watch: bool) -> None:
    found = reader(watch=watch).read()
    (deployment,) = [obj for (kind, _name), obj in found.workloads.items() if kind == "Deployment"]
    assert deployment["metadata"]["name"] == "core-api-green"
    assert deployment["spec"] == {"replicas": 2}
    assert deployment["kind"] == "Deployment"
    assert deployment["metadata"]["annotations"].keys() == {HISTORY, "deployment.kubernetes.io/revision"}
    assert deployment["metadata"].keys() == {
        "annotations",
        "creationTimestamp",
        "generation",
        "labels",
        "name",
        "namespace",
        "uid",
    }
    assert [one["metadata"]["name"] for one in found.replica_sets] == ["core-api-green-1"]
    assert "template" not in found.replica_sets[0]["spec"]
    (pod,) = found.pods
    assert pod["spec"] == {
        "nodeName": "n1",
        "restartPolicy": "Always",
        "containers": [{"name": "app"}],
        "initContainers": [{"name": "mesh", "restartPolicy": "Always"}],
    }
    assert pod["status"] == {
        **POD_STATUS,
        "containerStatuses": [{"name": "app", "restartCount": 1, "state": {"running": {}}}],
    }
    assert found.workloads[("Pod", "core-api-green-1-x")] is pod


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        ([Wanted("StatefulSet", "s")], {"statefulsets", "pods"}),
        ([Wanted("Job", "j"), Wanted("DaemonSet", "d")], {"daemonsets", "jobs", "pods"}),
        ([Wanted("Pod", "p")], {"pods"}),
    ],
)
def test_only_the_kinds_that_matter_are_read(
    reader: Reads, server: FakeKube, wanted: list[Wanted], kinds: set[str]
) -> None:
    reader(*wanted).read()
    assert {request.rpartition(" ")[2] for request in asked(server)} == kinds


def told(server: FakeKube, uid: str) -> Json:
    """An event of a controller that cannot make pods."""
    name = f"{uid}.{server.version}"
    about = {"kind": "StatefulSet", "name": "engine", "uid": uid}
    return server.put(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": "exchange"},
            "reason": "FailedCreate",
            "message": "refused",
            "involvedObject": about,
        }
    )


def test_events_are_read_along_while_they_are_asked_for(reader: Reads, server: FakeKube) -> None:
    told(server, "u1")
    cluster = reader()
    assert cluster.read().events == ()
    server.requests.clear()
    cluster.ask({"FailedCreate": {"u1"}})
    assert [event["message"] for event in cluster.read().events] == ["refused"]
    assert asked(server).count("list events") == 1
    # A confirmation does not ask again, and does not forget.
    assert len(cluster.confirm().events) == 1
    cluster.ask({})
    assert (cluster.read().events, cluster.notes) == ((), [])
    assert asked(server).count("list events") == 1


def test_without_the_right_to_list_events_the_rest_is_seen(reader: Reads, server: FakeKube) -> None:
    server.denied.add(("list", "events"))
    cluster = reader()
    cluster.ask({"FailedCreate": {"u1"}})
    for _look in range(3):
        assert len(cluster.read().pods) == 1
    assert asked(server).count("list events") == 1
    assert "events are not read" in cluster.notes[0]


def test_when_a_workload_was_written_is_kept_where_no_replica_set_tells_its_revision(
    reader: Reads, server: FakeKube
) -> None:
    fields = {"fieldsV1": {"f:spec": {}}}
    writers = [
        {"manager": "pincex", "time": "2026-11-02T10:00:00Z", **fields},
        {"manager": "kcm", "time": "2026-11-02T10:00:09Z", "subresource": "status", **fields},
    ]
    put(server, "StatefulSet", "engine")
    server.stored[Ref("apps/v1", "StatefulSet", "engine", "exchange")].obj["metadata"]["managedFields"] = writers
    found = reader(Wanted("StatefulSet", "engine")).read().workloads[("StatefulSet", "engine")]
    assert found["metadata"]["managedFields"] == [{"time": "2026-11-02T10:00:00Z"}]


def test_a_look_sees_what_happened(reader: Reads, server: FakeKube) -> None:
    cluster = reader()
    cluster.read()
    put(server, "Deployment", "core-api-green", status={"readyReplicas": 2})
    put(server, "Pod", "core-api-green-1-y", spec=POD_SPEC)
    server.api(FakeClock()).delete(Ref("v1", "Pod", "core-api-green-1-x", "exchange"))
    found = cluster.read()
    assert found.workloads[("Deployment", "core-api-green")]["status"] == {"readyReplicas": 2}
    assert [pod["metadata"]["name"] for pod in found.pods] == ["core-api-green-1-y"]


def test_a_confirmation_is_a_fresh_list(reader: Reads, server: FakeKube) -> None:
    cluster = reader()
    known = cluster.read()
    server.requests.clear()
    # Behind the watch's back, as when its connection has died in silence.
    ref = Ref("apps/v1", "Deployment", "core-api-green", "exchange")
    server.stored[ref].obj["status"] = {"readyReplicas": 1}
    assert cluster.read() == known
    assert cluster.confirm().workloads[("Deployment", "core-api-green")]["status"] == {"readyReplicas": 1}
    assert asked(server)[:3] == LISTS


def test_a_watch_that_did_not_know_is_replaced(reader: Reads, server: FakeKube) -> None:
    cluster = reader()
    cluster.read()
    server.requests.clear()
    cluster.confirm()
    assert asked(server) == LISTS, "they knew all"
    ref = Ref("apps/v1", "Deployment", "core-api-green", "exchange")
    server.stored[ref].obj["status"] = {"readyReplicas": 1}
    cluster.confirm()
    assert cluster.read().workloads[("Deployment", "core-api-green")]["status"] == {"readyReplicas": 1}
    for _try in range(100):
        if "watch deployments" in asked(server):
            break
        time.sleep(0.01)
    else:
        pytest.fail("no new watch")
    put(server, "Deployment", "core-api-green", status={"readyReplicas": 2})
    assert cluster.read().workloads[("Deployment", "core-api-green")]["status"] == {"readyReplicas": 2}


def test_who_looks_once_opens_no_watch(reader: Reads, server: FakeKube, clock: FakeClock) -> None:
    cluster = reader(watch=False)
    cluster.read()
    cluster.wait(5.0)
    assert asked(server) == LISTS
    assert clock.slept == [5.0]


def test_news_end_the_wait(reader: Reads, server: FakeKube, clock: FakeClock) -> None:
    cluster = reader()
    cluster.read()
    cluster.wait(5.0)
    assert clock.elapsed == pytest.approx(5.0)
    clock.on_sleep = lambda _s: (
        clock.elapsed < 6.0 or put(server, "Deployment", "core-api-green", status={"at": clock.elapsed})
    )
    cluster.wait(5.0)
    assert clock.elapsed == pytest.approx(6.0, abs=0.06)
    clock.on_sleep = None
    woken = clock.elapsed
    cluster.wait(5.0)
    assert clock.elapsed == pytest.approx(woken + 0.05), "not read yet, so still news; but no busy loop"
    cluster.read()
    cluster.wait(5.0)
    assert clock.elapsed == pytest.approx(woken + 5.05)


def test_a_first_question_to_events_ends_the_wait_and_the_same_again_does_not(reader: Reads, clock: FakeClock) -> None:
    cluster = reader()
    cluster.read()
    cluster.ask({"FailedCreate": {"u1"}})
    cluster.wait(5)
    assert clock.elapsed < 1
    cluster.read()
    cluster.ask({"FailedCreate": {"u1"}})
    cluster.wait(5)
    assert clock.elapsed >= 5


def test_what_does_not_matter_wakes_nobody(reader: Reads, server: FakeKube, clock: FakeClock) -> None:
    cluster = reader()
    cluster.read()
    put(server, "Deployment", "core-api-blue", status={"readyReplicas": 1})
    put(server, "Deployment", "core-api-green", meta={"managedFields": ["another"]})
    cluster.wait(1.0)
    assert clock.elapsed == pytest.approx(1.0)


def test_a_refusal_is_told(reader: Reads, server: FakeKube) -> None:
    server.denied.add(("watch", "pods"))
    with pytest.raises(ApiError, match="cannot watch") as caught:
        reader().read()
    assert not caught.value.retriable


def test_no_thread_before_the_first_look_and_none_after_the_end(reader: Reads) -> None:
    # Those of other tests may end meanwhile.
    before = set(threading.enumerate())
    cluster = reader()
    assert set(threading.enumerate()) <= before
    cluster.read()
    assert len(set(threading.enumerate()) - before) == 3
    began = time.monotonic()
    cluster.close()
    assert time.monotonic() - began < 0.5
    assert set(threading.enumerate()) <= before
