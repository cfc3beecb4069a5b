# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of an API server, against one in memory."""

from __future__ import annotations

import itertools
import json

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, Conflict, LockLost
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Request
from fakes import FakeClock, FakeKube, answer_with, lose_answer

DEPLOYMENT = Ref("apps/v1", "Deployment", "core-api-blue", "exchange")


def deployment(**spec: object) -> dict[str, object]:
    meta = {"name": DEPLOYMENT.name, "namespace": "exchange", "labels": {"app": "core-api"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"replicas": 2, **spec}}


@pytest.fixture
def server() -> FakeKube:
    return FakeKube()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kube(server: FakeKube, clock: FakeClock) -> KubeApi:
    return server.api(clock)


def test_an_object_that_is_absent_is_none_and_no_error(kube: KubeApi) -> None:
    assert kube.get(DEPLOYMENT) is None


def test_items_of_a_list_say_their_own_kind(kube: KubeApi) -> None:
    kube.create(deployment())
    found = kube.list("apps/v1", "Deployment", "exchange", "app=core-api")
    assert [(item["apiVersion"], item["kind"]) for item in found] == [("apps/v1", "Deployment")]
    assert kube.list("apps/v1", "Deployment", "exchange", "app=other") == []


def test_a_plural_is_asked_for_once(kube: KubeApi, server: FakeKube) -> None:
    kube.get(DEPLOYMENT)
    kube.get(DEPLOYMENT)
    assert [request.path for request in server.requests].count("/apis/apps/v1") == 1


def test_a_kind_that_the_server_lacks_is_named(kube: KubeApi) -> None:
    with pytest.raises(ApiError, match=r"us-east-1: the API server does not know example\.com/v1 Widget") as caught:
        kube.get(Ref("example.com/v1", "Widget", "x", "exchange"))
    assert caught.value.kind == "not_found"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_inside_the_deadline(
    kube: KubeApi, server: FakeKube, clock: FakeClock, status: int
) -> None:
    server.before.append(answer_with(status, times=3))
    assert kube.get(DEPLOYMENT) is None
    assert len(clock.slept) == 3


def test_the_deadline_ends_the_tries_and_says_what_the_server_said(
    kube: KubeApi, server: FakeKube, clock: FakeClock
) -> None:
    server.before.append(answer_with(503, times=10_000))
    with pytest.raises(ApiError, match=r"us-east-1: .*the server says 503") as caught:
        kube.get(DEPLOYMENT)
    assert clock.elapsed <= kube.deadline_s
    assert (caught.value.kind, caught.value.retriable) == ("server", True)


def test_the_server_may_say_how_long_to_wait(server: FakeKube, clock: FakeClock, kube: KubeApi) -> None:
    answers = [Answer(429, b"{}", {"Retry-After": "7"})]
    server.before.append(lambda request: answers.pop() if answers else None)
    kube.get(DEPLOYMENT)
    assert clock.slept == [7.0]


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "unauthorized"), (403, "forbidden"), (400, "invalid"), (422, "invalid")]
)
def test_a_refusal_is_not_tried_again(
    kube: KubeApi, server: FakeKube, clock: FakeClock, status: int, kind: str
) -> None:
    server.before.append(answer_with(status, method="POST"))
    with pytest.raises(ApiError) as caught:
        kube.create(deployment())
    assert (caught.value.kind, caught.value.status, caught.value.retriable) == (kind, status, False)
    assert clock.slept == []


def test_a_manifest_that_does_not_fit_is_not_tried_again_although_the_server_says_500(
    kube: KubeApi, server: FakeKube, clock: FakeClock
) -> None:
    body = json.dumps({"message": "failed to create typed patch object (exchange/d): .spec.replicas: expected numeric"})
    server.before.append(lambda request: Answer(500, body.encode(), {}) if request.method == "PATCH" else None)
    with pytest.raises(ApiError, match="expected numeric") as caught:
        kube.apply(deployment())
    assert (caught.value.kind, caught.value.retriable, clock.slept) == ("invalid", False, [])


def test_a_lost_connection_is_tried_again(kube: KubeApi, server: FakeKube) -> None:
    server.before.append(lose_answer(times=2, sent=False))
    kube.apply(deployment())
    assert DEPLOYMENT in server.stored


@pytest.mark.parametrize(("timeout", "kind"), [(False, "unreachable"), (True, "timeout")])
def test_a_server_that_never_answers_is_told_apart(kube: KubeApi, server: FakeKube, timeout: bool, kind: str) -> None:
    def silent(request: Request) -> Answer:
        raise NoAnswer("no route", timeout=timeout, sent=False)

    server.before.append(silent)
    with pytest.raises(ApiError, match="no route") as caught:
        kube.get(DEPLOYMENT)
    assert (caught.value.kind, caught.value.retriable) == (kind, True)


@pytest.mark.parametrize("attempt_s", [0.0, 3.0], ids=["refused", "no route"])
def test_a_first_look_at_a_region_that_is_gone_is_short_and_tried_again_once_at_least(
    kube: KubeApi, server: FakeKube, clock: FakeClock, attempt_s: float
) -> None:
    tries: list[float] = []

    def gone(request: Request) -> Answer:
        tries.append(clock.elapsed)
        clock.elapsed += attempt_s
        raise NoAnswer("connection refused", timeout=False, sent=False)

    server.before.append(gone)
    kube.unreachable_s = 5.0
    with pytest.raises(ApiError, match="connection refused") as caught:
        kube.get(DEPLOYMENT)
    assert caught.value.kind == "unreachable"
    assert len(tries) > 1
    assert tries[-1] < 5.0
    assert clock.elapsed <= 5.0 + attempt_s


def test_a_busy_server_keeps_its_patience_also_on_a_first_look(
    kube: KubeApi, server: FakeKube, clock: FakeClock
) -> None:
    server.before.append(answer_with(503, times=10_000))
    kube.unreachable_s = 5.0
    with pytest.raises(ApiError, match="503"):
        kube.get(DEPLOYMENT)
    assert clock.elapsed > kube.deadline_s - 3


def test_only_silence_without_a_break_counts(kube: KubeApi, server: FakeKube, clock: FakeClock) -> None:
    kube.unreachable_s = 3.0

    turns = itertools.cycle([True, False])

    def now_and_then(request: Request) -> Answer | None:
        if clock.elapsed > 12:
            return None
        if next(turns):
            raise NoAnswer("connection reset", timeout=False, sent=True)
        return Answer(503, b"{}", {})

    server.before.append(now_and_then)
    assert kube.get(DEPLOYMENT) is None


def test_a_wrong_certificate_is_not_tried_again(kube: KubeApi, server: FakeKube, clock: FakeClock) -> None:
    def wrong(request: Request) -> Answer:
        raise NoAnswer("certificate verify failed", timeout=False, sent=False, hopeless=True)

    server.before.append(wrong)
    with pytest.raises(ApiError, match="certificate"):
        kube.get(DEPLOYMENT)
    assert clock.slept == []


def test_replace_is_a_compare_and_swap(kube: KubeApi, server: FakeKube) -> None:
    read = kube.create(deployment())
    server.change(DEPLOYMENT, spec={"paused": True})
    with pytest.raises(ApiError, match="has been modified") as caught:
        kube.replace({**read, "spec": {"replicas": 9}})
    assert caught.value.kind == "conflict"
    assert server.take(DEPLOYMENT)["spec"] == {"replicas": 2, "paused": True}


def test_replace_without_a_read_is_a_mistake_of_the_caller(kube: KubeApi) -> None:
    with pytest.raises(ValueError, match="resourceVersion"):
        kube.replace(deployment())


def test_a_patch_with_a_version_is_a_compare_and_swap(kube: KubeApi, server: FakeKube) -> None:
    version = kube.create(deployment())["metadata"]["resourceVersion"]
    kube.patch(DEPLOYMENT, {"metadata": {"resourceVersion": version}, "spec": {"replicas": 3}})
    with pytest.raises(ApiError) as caught:
        kube.patch(DEPLOYMENT, {"metadata": {"resourceVersion": version}, "spec": {"replicas": 4}})
    assert caught.value.kind == "conflict"
    assert server.take(DEPLOYMENT)["spec"]["replicas"] == 3


def test_apply_names_the_field_and_who_owns_it(kube: KubeApi, server: FakeKube) -> None:
    kube.apply(deployment())
    server.change(DEPLOYMENT, "kubectl-edit", spec={"replicas": 7})
    with pytest.raises(ApiError, match=r"\.spec\.replicas belongs to kubectl-edit") as caught:
        kube.apply(deployment())
    assert caught.value.conflicts == (Conflict(".spec.replicas", "kubectl-edit"),)
    assert not caught.value.retriable
    assert kube.apply(deployment(), force=True)["spec"]["replicas"] == 2


def test_a_dry_run_writes_nothing(kube: KubeApi, server: FakeKube) -> None:
    made = kube.create(deployment(), dry_run=True)
    assert made["spec"]["replicas"] == 2
    assert server.stored == {}
    kube.create(deployment())
    before, count = server.take(DEPLOYMENT), len(server.writes())
    assert kube.apply(deployment(replicas=5), force=True, dry_run=True)["spec"]["replicas"] == 5
    kube.patch(DEPLOYMENT, {"spec": {"replicas": 6}}, dry_run=True)
    kube.replace({**before, "spec": {"replicas": 7}}, dry_run=True)
    # The API server reads a delete's options from its body and then ignores the query (seen).
    assert kube.delete(DEPLOYMENT, dry_run=True) is True
    assert server.take(DEPLOYMENT) == before
    assert len(server.writes()) == count


def test_delete_takes_only_the_object_that_was_meant(kube: KubeApi, server: FakeKube) -> None:
    uid = kube.create(deployment())["metadata"]["uid"]
    with pytest.raises(ApiError, match="UID in the precondition"):
        kube.delete(DEPLOYMENT, uid="another")
    assert kube.delete(DEPLOYMENT, uid=uid) is True
    assert kube.delete(DEPLOYMENT) is False


def test_permission_is_asked_of_the_server(kube: KubeApi, server: FakeKube) -> None:
    server.denied.add(("patch", "deployments"))
    assert kube.may("get", DEPLOYMENT) is True
    assert kube.may("patch", DEPLOYMENT) is False
    server.denied.add(("create", "deployments/scale"))
    assert kube.may("create", DEPLOYMENT) is True
    assert kube.may("create", DEPLOYMENT, subresource="scale") is False


def test_nothing_is_sent_behind_the_fence(kube: KubeApi, server: FakeKube, clock: FakeClock) -> None:
    kube.get(DEPLOYMENT)
    kube.fence = clock.monotonic() + 3
    server.before.append(answer_with(503, times=10_000, method="POST"))
    with pytest.raises(LockLost, match="the lease is about to end"):
        kube.create(deployment())
    assert clock.elapsed < 6
    assert kube.get(DEPLOYMENT) is None, "reads go on"
