# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_revision in a region in memory: read, apply, take back."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_undo import TAKEN_BACK
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.ownership import AUTOSCALED
from fakes import answer_with, lose_answer
from slot_world import ROUTE, S, SlotWorld, account, deployment, hpa, manifests, scale, service, slot_ref

#: Longer than a request is tried again for, and than a lease lasts.
AWAY_S = 40.0


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SlotWorld:
    return SlotWorld(monkeypatch)


@pytest.fixture
def live(world: SlotWorld) -> SlotWorld:
    """v1 in blue with all the traffic."""
    world.running("blue", "v1", 2)
    world.revision(state="applied", objects=[service("green")])
    world.routed(100, 0)
    world.server.requests.clear()
    return world


def what(result: dict[str, t.Any]) -> dict[str, str]:
    assert not result.get("failed"), result["msg"]
    return {entry["object"].replace("exchange/", ""): entry["change"] for entry in result["objects"]}


def test_read_needs_a_namespace_and_returns_the_document(live: SlotWorld) -> None:
    read = live.revision(state="read", services=[S, "absent"])
    assert not read["changed"]
    assert read["revision"]["services"][S]["live_slot"] == "blue"
    assert read["revision"]["services"]["absent"] == {"live_slot": None, "slots": {}, "weights": None}
    assert [obj["kind"] for obj in read["revision"]["objects"]][-1] == "HTTPRoute"
    assert live.server.writes() == []
    missing = live.revision(state="read", services=[S], namespace="nothing")
    assert missing["msg"] == "namespace: nothing does not exist in us-east-1"


def test_apply_writes_in_order_and_the_second_run_changes_nothing(world: SlotWorld) -> None:
    done = world.revision(state="applied", objects=manifests("blue", "v1"), fields=[scale("blue", 2)])
    assert what(done) == {
        "ServiceAccount core-api": "created",
        "Service core-api-blue": "created",
        "Deployment core-api-blue": "created",
        "HorizontalPodAutoscaler core-api-blue": "created",
    }
    assert [line.split()[1].split("/")[0] for line in world.written()] == [
        "serviceaccounts",
        "services",
        "deployments",
        "deployments",
        "horizontalpodautoscalers",
    ]
    assert world.server.take(slot_ref("blue"))["spec"]["replicas"] == 2
    world.server.requests.clear()
    again = world.revision(state="applied", objects=manifests("blue", "v1"), fields=[scale("blue", 2)])
    assert (again["changed"], again["objects"]) == (False, [])
    assert world.server.writes() == []


def test_check_mode_says_the_same_and_writes_nothing(live: SlotWorld) -> None:
    given = {"objects": manifests("blue", "v1") + manifests("green", "v2"), "fields": [scale("green", 2)]}
    checked = live.revision(state="applied", check_mode=True, **given)
    assert live.server.writes() == []
    done = live.revision(state="applied", **given)
    assert what(checked) == what(done)
    for side in ("before", "after"):
        assert checked["diff"][side] == done["diff"][side]
    assert done["diff"]["after"]["Deployment exchange/core-api-green"]["spec"]["replicas"] == 2


def test_a_refused_third_object_leaves_nothing_written(live: SlotWorld) -> None:
    live.server.denied.add(("patch", "deployments"))
    done = live.revision(state="applied", objects=manifests("green", "v2"))
    assert done["error"]["kind"] == "forbidden"
    assert done["msg"].startswith("context: us-east-1 is not allowed to do that: us-east-1: apply Deployment")
    assert live.server.writes() == []


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(("routed", "verb"), [(True, "update"), (False, "create"), (False, "delete")])
def test_no_pods_for_a_route_that_our_user_may_not_write(
    live: SlotWorld, check_mode: bool, routed: bool, verb: str
) -> None:
    if not routed:
        del live.server.stored[ROUTE]
    given = {"objects": manifests("green", "v2"), "fields": [scale("green", 2)], "check_mode": check_mode}
    live.server.denied.add((verb, "httproutes"))
    refused = live.revision(state="applied", services=[S], **given)
    assert refused["msg"] == f"context: releaser is forbidden to {verb} HTTPRoute exchange/core-api"
    assert live.server.writes() == []
    assert what(live.revision(state="applied", **given)), "nothing is shifted there"


@pytest.mark.parametrize(
    ("denied", "slot", "names"),
    [(("delete", "deployments"), "green", "core-api-green"), (("update", "services"), "blue", "core-api-blue")],
)
def test_what_could_not_be_taken_back_is_refused_on_trial(
    live: SlotWorld, denied: tuple[str, str], slot: str, names: str
) -> None:
    live.server.denied.add(denied)
    changed = service(slot)
    changed["spec"]["ports"][0]["port"] = 8081
    given = {"objects": [deployment("green", "v2"), changed] if slot == "blue" else [deployment(slot, "v2")]}
    assert not live.revision(state="applied", check_mode=True, **given).get("failed")
    refused = live.revision(state="applied", check_mode=True, way_back=True, **given)
    assert refused["failed"]
    assert f"context: releaser is forbidden to {denied[0]}" in refused["msg"]
    assert names in refused["msg"]
    assert refused["msg"].endswith("which taking this release back would need")
    assert not live.server.writes()


def test_a_namespace_that_is_not_there(world: SlotWorld) -> None:
    bare = [{**obj, "metadata": {**obj["metadata"], "namespace": "nothing"}} for obj in manifests("blue", "v1")]
    done = world.revision(state="applied", objects=bare, namespace="nothing")
    assert done["msg"] == "namespace: nothing does not exist in us-east-1"


def test_a_field_of_somebody_else_is_named_and_not_forced(live: SlotWorld) -> None:
    taken = live.server.take(Ref.of(hpa("blue", 2)))
    taken["spec"]["maxReplicas"] = 9
    live.server.put(taken, "kubectl")
    done = live.revision(state="applied", objects=[account(), hpa("blue", 2)])
    assert done["error"]["kind"] == "conflict"
    assert (
        "HorizontalPodAutoscaler exchange/core-api-blue: spec.maxReplicas belongs to kubectl; nothing was"
        in done["msg"]
    )
    assert live.server.writes() == []


def test_our_own_single_field_is_taken_over(live: SlotWorld) -> None:
    hold = {"api_version": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "core-api-blue"}
    held = live.revision(state="applied", fields=[{**hold, "path": "spec.minReplicas", "value": 4}])
    assert what(held) == {"HorizontalPodAutoscaler core-api-blue": "changed"}
    done = live.revision(state="applied", objects=[hpa("blue", 2)])
    assert what(done) == {"HorizontalPodAutoscaler core-api-blue": "changed"}
    assert live.server.take(Ref.of(hpa("blue", 2)))["spec"]["minReplicas"] == 2


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            {"objects": [deployment("blue", "v2")]},
            "objects: Deployment core-api-blue has 100 % of the traffic; another",
        ),
        (
            {"fields": [scale("blue", 0)]},
            "fields: Deployment core-api-blue has 100 % of the traffic and 2 replicas; it is",
        ),
        (
            {"fields": [scale("green", 1)]},
            "fields: Deployment exchange/core-api-green does not exist, so spec.replicas",
        ),
    ],
)
def test_the_slot_with_traffic_is_guarded(live: SlotWorld, given: t.Any, problem: str) -> None:
    done = live.revision(state="applied", **given)
    assert done["msg"].startswith(problem)
    assert live.server.writes() == []


def test_allow_live_changes_the_pods_in_place(live: SlotWorld) -> None:
    assert what(live.revision(state="applied", objects=[deployment("blue", "v2")], allow_live=True)) == {
        "Deployment core-api-blue": "changed"
    }
    assert live.server.take(slot_ref("blue"))["spec"]["replicas"] == 2


@pytest.mark.parametrize(("slot", "version", "allow_live"), [("blue", "v2", True), ("green", "v2", False)])
def test_a_slot_comes_up_as_large_as_the_load_has_made_the_live_one_since(
    live: SlotWorld, slot: str, version: str, allow_live: bool
) -> None:
    """Planned at 2, before the waves of other regions; the HPA has taken blue to 5 since."""
    live.revision(state="applied", fields=[scale("blue", 5)])
    field = {**scale(slot, 2), "at_least": "core-api-blue"}
    done = live.revision(state="applied", objects=[deployment(slot, version)], fields=[field], allow_live=allow_live)
    assert list(what(done)) == [f"Deployment core-api-{slot}"]
    assert live.server.take(slot_ref(slot))["spec"]["replicas"] == 5
    assert live.server.take(slot_ref("blue"))["spec"]["replicas"] == 5


def test_the_journal_says_that_a_scale_was_an_autoscalers(live: SlotWorld) -> None:
    _fleet, release = live.opened()

    def scaled_to(count: int) -> dict[str, t.Any]:
        done = live.revision(state="applied", fields=[scale("green", count)], release=release)
        assert what(done) == {"Deployment core-api-green": "changed"}
        return dict(live.journal(release).entries()[-1].changes[0].fields)

    live.revision(state="applied", objects=[deployment("green", "v2")], release=release)
    assert AUTOSCALED not in scaled_to(2)
    grown = live.server.take(slot_ref("green"))
    grown["spec"]["replicas"] = 3
    fields = {"f:spec": {"f:replicas": {}}}
    hpa_writes = {"manager": "kube-controller-manager", "subresource": "scale", "fieldsV1": fields}
    grown["metadata"]["managedFields"] = [hpa_writes]
    live.server.put(grown, "kube-controller-manager")
    assert AUTOSCALED in scaled_to(5)


def test_what_an_autoscaler_grows_in_between_is_not_made_smaller_again(live: SlotWorld) -> None:
    """Blue has traffic. Read at 2, to be 3; its HPA makes it 6 before the write."""

    def meddle(request: t.Any) -> None:
        if request.query.get("dryRun") is None and request.method == "PATCH":
            live.server.before.remove(meddle)
            live.server.change(slot_ref("blue"), "kube-controller-manager", spec={"replicas": 6})

    live.server.before.append(meddle)
    live.revision(state="applied", fields=[scale("blue", 3)])
    assert live.server.take(slot_ref("blue"))["spec"]["replicas"] == 6
    # Without traffic nobody has to be kept.
    live.revision(state="applied", objects=[deployment("green", "v2")], fields=[scale("green", 2)])
    live.revision(state="applied", fields=[scale("green", 1)])
    assert live.server.take(slot_ref("green"))["spec"]["replicas"] == 1


def test_a_status_written_in_between_is_no_reason_to_stop(live: SlotWorld) -> None:
    def meddle(request: t.Any) -> None:
        real = request.query.get("dryRun") is None and request.method == "PATCH"
        if real and request.path.endswith("core-api-blue"):
            live.server.before.remove(meddle)
            live.server.change(slot_ref("blue"), "kubelet", status={"readyReplicas": 1})

    live.server.before.append(meddle)
    assert what(live.revision(state="applied", fields=[scale("blue", 3)])) == {"Deployment core-api-blue": "changed"}


def test_a_spec_changed_in_between_is(live: SlotWorld) -> None:
    def meddle(request: t.Any) -> None:
        if request.query.get("dryRun") is None and request.method == "PATCH":
            live.server.before.remove(meddle)
            changed = live.server.take(slot_ref("blue"))
            changed["spec"]["paused"] = True
            live.server.put(changed, "kubectl")

    live.server.before.append(meddle)
    done = live.revision(state="applied", fields=[scale("blue", 3)])
    assert "was changed by somebody else between our read and our write" in done["msg"]
    assert (done["error"]["kind"], done["error"]["retriable"]) == ("conflict", True)


@pytest.mark.parametrize("sent", [True, False])
def test_a_lost_answer_is_asked_for_again(live: SlotWorld, sent: bool) -> None:
    faults = live.server.after if sent else live.server.before
    faults.append(lose_answer(1, sent, "/deployments"))
    assert what(live.revision(state="applied", objects=[deployment("green", "v2")]))
    assert live.server.take(slot_ref("green"))["metadata"]["labels"]["app.kubernetes.io/version"] == "v2"


@pytest.mark.parametrize("carried_out", [False, True])
def test_an_apply_outlasts_an_api_server_that_is_away_and_is_taken_back_whole(
    live: SlotWorld, carried_out: bool
) -> None:
    """Longer than a request is tried again for, and the answer to the first one may be all that was lost."""
    before = live.objects()
    _fleet, release = live.opened()
    began = live.clock.elapsed

    def away(request: t.Any) -> None:
        real = request.method == "PATCH" and request.query.get("dryRun") is None
        if real and request.path.endswith("/deployments/core-api-green") and live.clock.elapsed - began < AWAY_S:
            if carried_out:
                # As the API server does; by it the way back knows what is ours although no uid came back.
                ours = {"manager": "pincex-zero-downtime", "operation": "Apply"}
                live.server.stored[slot_ref("green")].obj["metadata"]["managedFields"] = [ours]
            raise NoAnswer("connection reset", timeout=False, sent=carried_out)

    (live.server.after if carried_out else live.server.before).append(away)
    done = live.revision(state="applied", objects=manifests("green", "v2"), release=release)
    assert not done.get("failed"), done["msg"]
    assert carried_out or live.clock.elapsed - began > AWAY_S
    assert done["changed"]
    assert {name: change for name, change in what(done).items() if "green" in name}
    assert not live.revision(state="applied", objects=manifests("green", "v2"), release=release)["changed"]
    assert not live.revision(state="restored", release=release).get("failed")
    assert live.objects() == before


def test_what_somebody_changes_between_two_tries_is_not_written_over(live: SlotWorld) -> None:
    _fleet, release = live.opened()
    began = live.clock.elapsed
    hold = {"api_version": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "core-api-blue"}

    def away(request: t.Any) -> None:
        real = request.method == "PATCH" and request.query.get("dryRun") is None
        if real and request.path.endswith("/core-api-blue") and live.clock.elapsed - began < AWAY_S:
            changed = live.server.take(Ref.of(hpa("blue", 2)))
            changed["spec"]["minReplicas"] = 7
            live.server.put(changed, "kubectl")
            raise NoAnswer("connection reset", timeout=False, sent=True)

    live.server.before.append(away)
    done = live.revision(state="applied", fields=[{**hold, "path": "spec.minReplicas", "value": 4}], release=release)
    assert (done["failed"], done["error"]["kind"]) == (True, "conflict")
    assert live.server.take(Ref.of(hpa("blue", 2)))["spec"]["minReplicas"] == 7


def lose_real_answer(live: SlotWorld, name: str, meddle: t.Callable[[], t.Any] | None = None) -> None:
    """The first real write of that object is carried out, and its answer is lost; then somebody else may act."""

    def fault(request: t.Any) -> None:
        if request.query.get("dryRun") is None and request.method == "PATCH" and request.path.endswith(name):
            live.server.after.remove(fault)
            if meddle is not None:
                meddle()
            raise NoAnswer("connection reset", timeout=False, sent=True)

    live.server.after.append(fault)


def test_a_lost_answer_to_an_apply_on_what_exists_is_no_foreign_change(live: SlotWorld) -> None:
    """The client sends again, and the API server refuses the resourceVersion that our own write has outdated."""
    _fleet, release = live.opened()
    lose_real_answer(live, "/deployments/core-api-blue")
    done = live.revision(state="applied", objects=[deployment("blue", "v2")], allow_live=True, release=release)
    assert what(done) == {"Deployment core-api-blue": "changed"}
    (entry,) = live.journaled(release)
    assert (entry.done, [change.ref.name for change in entry.changes]) == (True, ["core-api-blue"])


def test_a_lost_answer_to_a_field_is_no_foreign_change(live: SlotWorld) -> None:
    hold = {"api_version": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "core-api-blue"}

    def controllers_write() -> None:
        live.server.change(Ref.of(hpa("blue", 2)), "kube-controller-manager", status={"currentReplicas": 2})

    lose_real_answer(live, "/horizontalpodautoscalers/core-api-blue", controllers_write)
    done = live.revision(state="applied", fields=[{**hold, "path": "spec.minReplicas", "value": 4}])
    assert what(done) == {"HorizontalPodAutoscaler core-api-blue": "changed"}


def test_a_foreign_change_on_top_of_a_lost_answer_stops_and_undo_knows_of_ours(live: SlotWorld) -> None:
    _fleet, release = live.opened()

    def pause() -> None:
        changed = live.server.take(slot_ref("blue"))
        changed["spec"]["paused"] = True
        live.server.put(changed, "kubectl")

    lose_real_answer(live, "/deployments/core-api-blue", pause)
    given = {"objects": [service("blue"), deployment("blue", "v2")], "allow_live": True, "release": release}
    assert "was changed by somebody else" in live.revision(state="applied", **given)["msg"]
    assert what(live.revision(state="restored", release=release)) == {"Deployment core-api-blue": "changed"}
    spec = live.server.take(slot_ref("blue"))["spec"]
    assert spec["template"]["spec"]["containers"][0]["image"] == "exchange:v1"
    assert spec["paused"] is True


def test_a_release_is_taken_back_to_the_last_field(live: SlotWorld) -> None:
    before = live.objects()
    _fleet, release = live.opened()
    hold = {"api_version": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "core-api-blue"}
    fields = [scale("green", 2), {**hold, "path": "spec.behavior.scaleDown.selectPolicy", "value": "Disabled"}]
    live.revision(state="applied", objects=manifests("green", "v2"), fields=fields, release=release)
    live.revision(state="applied", fields=[scale("green", 3)], release=release)
    assert live.objects() != before
    checked = live.revision(state="restored", release=release, check_mode=True)
    done = live.revision(state="restored", release=release)
    assert what(checked) == what(done)
    assert what(done) == {
        "HorizontalPodAutoscaler core-api-blue": "changed",
        "HorizontalPodAutoscaler core-api-green": "deleted",
        "Deployment core-api-green": "deleted",
    }
    assert live.objects() == before
    assert done["kept"] == []
    assert all(TAKEN_BACK in change.fields for change in live.journaled(release)[-1].changes)
    again = live.revision(state="restored", release=release)
    assert (again["changed"], again["kept"]) == (False, [])


def test_every_write_of_a_release_is_journaled_before_and_after(live: SlotWorld) -> None:
    _fleet, release = live.opened()
    live.revision(state="applied", objects=[deployment("green", "v2")], fields=[scale("green", 2)], release=release)
    (entry,) = live.journaled(release)
    assert (entry.done, entry.step, [str(change.ref) for change in entry.changes]) == (
        True,
        "a step",
        ["Deployment exchange/core-api-green"],
    )
    assert entry.changes[0].after["metadata"]["uid"] == live.server.take(slot_ref("green"))["metadata"]["uid"]
    live.server.before.append(answer_with(422, 9, "PATCH", "/deployments/core-api-green"))
    failed = live.revision(state="applied", fields=[scale("green", 3)], release=release)
    assert failed["failed"], "the dry run is refused already"
    assert len(live.journaled(release)) == 1


def test_what_was_written_before_a_failure_is_in_the_journal(live: SlotWorld) -> None:
    _fleet, release = live.opened()

    def fail(request: t.Any) -> t.Any:
        if request.query.get("dryRun") is None and "/deployments" in request.path and request.method == "PATCH":
            return answer_with(422)(request)
        return None

    live.server.before.append(fail)
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}
    failed = live.revision(state="applied", objects=[*manifests("green", "v2"), settings], release=release)
    assert failed["failed"]
    (entry,) = live.journaled(release)
    assert (entry.done, [change.ref.kind for change in entry.changes]) == (False, ["ConfigMap"])
    assert "the server says 422" in entry.failed
    live.server.before.remove(fail)
    assert what(live.revision(state="restored", release=release)) == {"ConfigMap settings": "deleted"}


def test_a_write_that_was_half_done_is_taken_back_as_well(live: SlotWorld) -> None:
    """The manifest went through and the field did not: the object is there, so undo has to know of it."""
    _fleet, release = live.opened()

    def fail(request: t.Any) -> t.Any:
        if request.query.get("dryRun") is None and request.content_type == "application/merge-patch+json":
            return answer_with(422)(request) if "/deployments/" in request.path else None
        return None

    live.server.before.append(fail)
    failed = live.revision(
        state="applied", objects=[deployment("green", "v2")], fields=[scale("green", 2)], release=release
    )
    assert failed["failed"]
    # The double keeps no managedFields; the API server notes our apply there.
    stored = live.server.stored[slot_ref("green")].obj
    stored["metadata"]["managedFields"] = [{"manager": "pincex-zero-downtime", "operation": "Apply"}]
    live.server.before.remove(fail)
    assert what(live.revision(state="restored", release=release)) == {"Deployment core-api-green": "deleted"}


def test_restored_keeps_and_says_what_others_did(live: SlotWorld) -> None:
    live.running("green", "v1", 0)
    _fleet, release = live.opened()
    live.revision(state="applied", objects=manifests("green", "v2"), fields=[scale("green", 2)], release=release)
    theirs = live.server.take(slot_ref("green"))
    theirs["spec"]["replicas"] = 7
    live.server.put(theirs, "kubectl")
    done = live.revision(state="restored", release=release)
    found = live.server.take(slot_ref("green"))
    assert found["spec"]["replicas"] == 7
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "exchange:v1"
    assert done["kept"] == [
        "us-east-1: Deployment exchange/core-api-green: spec.replicas is 7, changed by somebody else after the release "
        "wrote 2 (0 before); it stays"
    ]
    undone = live.journaled(release)[-1].changes
    assert {change.ref.name for change in undone} >= {"core-api-green"}
    assert [(change.before, change.after) for change in undone] == [(None, None)] * len(undone), "its room is kept free"


def test_restored_plans_again_when_somebody_writes_in_between(live: SlotWorld) -> None:
    live.running("green", "v1", 0)
    before = live.objects()
    _fleet, release = live.opened()
    live.revision(state="applied", objects=manifests("green", "v2"), fields=[scale("green", 2)], release=release)

    def meddle(request: t.Any) -> None:
        if request.method == "PUT" and "/deployments/" in request.path:
            live.server.before.remove(meddle)
            live.server.change(slot_ref("green"), "kubelet", status={"readyReplicas": 2})

    live.server.before.append(meddle)
    assert what(live.revision(state="restored", release=release)) == {"Deployment core-api-green": "changed"}
    assert live.objects() == before


def test_restored_needs_a_release_and_an_unfinished_one_refuses_others(live: SlotWorld) -> None:
    assert live.revision(state="restored")["msg"].startswith("release: needed")
    live.opened()
    refused = live.revision(state="applied", objects=[service("green")], check_mode=True)
    assert refused["error"]["kind"] == "locked"
