# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_traffic into a maintenance and out of it, in a region in memory."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.recovery import recovery_action
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import Refused
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Reply
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.selector import build_service
from fakes import answer_with
from journal_world import JOURNAL
from maintenance_world import BY, FLEET, LABELS, MaintenanceWorld
from selector_world import SERVICE
from slot_world import ROUTE, S, slot_ref

SENTENCE = "us-east-1 is in maintenance since 2027-01-15T08:0"
ZERO = {"api_version": "apps/v1", "kind": "Deployment", "name": "core-api-blue", "path": "spec.replicas", "value": 0}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> MaintenanceWorld:
    return MaintenanceWorld(monkeypatch)


def good(result: dict[str, t.Any]) -> dict[str, t.Any]:
    assert not result.get("failed"), result["msg"]
    return result


def newest_turn(world: MaintenanceWorld) -> str:
    """What the journal says last, of the first rule."""
    (change,) = world.call(state="read")["entries"][-1]["changes"]
    return str(change["fields"]["traffic"]["after"].split(";")[0])


def test_check_mode_tells_all_of_it_and_writes_nothing(world: MaintenanceWorld) -> None:
    told = good(world.enter())
    assert (told["changed"], told["maintenance"]["fields"]) == (True, [ZERO])
    assert told["routes"] == {S: {"before": {"blue": 100, "green": 0}, "after": None}}
    assert told["diff"]["before"] == {
        "HTTPRoute core-api": "core-api-blue 100, core-api-green 0; core-api-blue 1; core-api-green 1",
        "Deployment core-api-blue": "2 replicas",
    }
    assert told["diff"]["after"] == {
        "HTTPRoute core-api": "maintenance 1; core-api-blue 1; core-api-green 1",
        "Deployment core-api-blue": "0 replicas",
    }
    assert world.server.writes() == []
    needs = world.traffic(state="maintenance", routes=[S], maintenance=BY)
    assert needs["msg"] == "release: needed for state maintenance: it is written under its lock"


def test_in_and_out_again(world: MaintenanceWorld) -> None:
    before = world.objects()
    done = world.entered(proof={"sequence": 7})
    assert done["changed"]
    assert world.server.take(ROUTE)["spec"]["rules"][0]["backendRefs"][0]["name"] == "maintenance"
    assert done["diff"]["after"].keys() == {"HTTPRoute core-api"}
    assert newest_turn(world) == "maintenance 1"
    record = world.record()
    assert (record.by, record.reason, record.drain, record.proof) == ("anna", BY["reason"], True, {"sequence": 7})
    # Twice is once.
    again = good(world.enter(reason="another"))
    assert (again["changed"], again["maintenance"]["fields"], again["maintenance"]["reason"]) == (
        False,
        [],
        BY["reason"],
    )
    back = good(world.leave())
    assert back["maintenance"]["fields"] == [{**ZERO, "value": 2}]
    assert back["maintenance"]["workloads"] == [{"kind": "Deployment", "name": "core-api-blue"}]
    release = world.open()
    refused = world.leave(release)
    assert refused["error"]["kind"] == "capacity"
    assert world.record() is not None
    world.scaled(back)
    done = good(world.leave(release))
    world.close(release)
    assert done["routes"] == {S: {"before": None, "after": {"blue": 100, "green": 0}}}
    assert (done["kept"], world.record()) == ([], None)
    assert world.objects() == before
    assert good(world.leave())["maintenance"] is None
    assert newest_turn(world) == "core-api-blue 100, core-api-green 0"


def test_nobody_releases_meanwhile_and_is_told_who_entered_it(world: MaintenanceWorld) -> None:
    world.entered()
    fleet = world.open_fleet()
    refused = world.open_region(fleet)
    assert refused["error"]["kind"] == "locked"
    assert refused["msg"].startswith(SENTENCE)
    assert refused["msg"].endswith(
        "(core-api), entered by anna: storage migration; run maintenance.yml -e state=left first"
    )
    with pytest.raises(Refused, match="is in maintenance"):
        world.journal(None).guard()
    assert world.call(state="read")["maintenance"]["services"] == [S]
    back = good(world.leave())
    release = world.open()
    world.scaled(back)
    good(world.leave(release))
    world.close(release)
    good(world.open_region(fleet))


def test_the_journal_of_the_last_release_stays_as_it_is(world: MaintenanceWorld) -> None:
    _fleet, region = world.opened()
    good(world.call(state="closed", outcome="taken_back", release=region.to_option()))
    before = world.call(state="read")["header"]
    world.entered()
    after = world.call(state="read")["header"]
    assert {key: value for key, value in after.items() if key not in ("maintenance_ended_by", "checksum")} == {
        key: value for key, value in before.items() if key != "checksum"
    }
    release = world.open()
    assert world.call(state="read")["header"]["kind"] == "maintenance"
    world.close(release)
    world.close(release)


def test_what_somebody_else_did_meanwhile_stays_and_is_told(world: MaintenanceWorld) -> None:
    world.entered()
    theirs = world.server.take(ROUTE)
    theirs["spec"]["rules"][0]["timeouts"] = {"request": "9s"}
    theirs["spec"]["hostnames"] = ["api.example.com"]
    world.server.put(theirs, "kubectl")
    world.server.change(slot_ref("blue"), "kubectl", spec={"replicas": 1})
    world.ready("blue", 1)
    told = good(world.leave())
    assert told["kept"] == [
        "us-east-1: HTTPRoute core-api: rule 1 was changed by somebody else; all but its backends stays",
        "us-east-1: Deployment core-api-blue has 1 replicas, scaled by somebody else meanwhile (2 before); it stays",
    ]
    assert told["maintenance"]["fields"] == []
    done = good(world.leave(world.open()))
    assert done["kept"] == told["kept"][:1]
    spec = world.server.take(ROUTE)["spec"]
    assert (spec["hostnames"], spec["rules"][0]["timeouts"]) == (["api.example.com"], {"request": "9s"})
    assert world.weights() == {"blue": 100, "green": 0}


def test_a_write_that_failed_halfway_is_gone_on_with_or_left(world: MaintenanceWorld) -> None:
    release = world.open()
    world.server.before.append(answer_with(422, method="PUT", path="httproutes"))
    assert world.enter(release)["failed"]
    world.server.before.clear()
    # The dry run was refused: nothing is written.
    assert world.record() is None
    calls = 0

    def second(request: t.Any) -> t.Any:
        nonlocal calls
        if request.method == "PUT" and "httproutes" in request.path:
            calls += 1
            return answer_with(403)(request) if calls == 2 else None
        return None

    world.server.before.append(second)
    assert world.enter(release)["failed"]
    world.server.before.clear()
    assert world.record().services[S].kind == "HTTPRoute"
    assert world.weights() == {"blue": 100, "green": 0}
    left = good(world.leave(release))
    assert (left["changed"], left["routes"], world.record()) == (True, {}, None)
    good(world.enter(release))
    assert world.server.take(ROUTE)["spec"]["rules"][0]["backendRefs"][0]["name"] == "maintenance"


def test_the_proof_of_an_emergency_comes_later_and_what_was_before_stays(world: MaintenanceWorld) -> None:
    release = world.open()
    done = good(world.enter(release, emergency=True))
    before = world.record().services
    world.scaled(done)
    good(world.enter(release, proof={"sequence": 9}))
    assert (world.record().proof, world.record().emergency) == ({"sequence": 9}, True)
    assert world.record().services == before
    # An exchange that was drained again has traded since.
    good(world.enter(release, proof={"sequence": 12}))
    good(world.enter(release))
    assert world.record().proof == {"sequence": 12}
    good(world.enter(release, proof={"sequence": 9}))
    assert "is in emergency maintenance since" in world.call(state="read")["maintenance"]["sentence"]


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (lambda w: w.endpoints("maintenance", "maintenance-0", ready=False), "has no ready endpoint"),
        (
            lambda w: w.server.change(
                SERVICE.__class__("v1", "Service", "maintenance", "exchange"), spec={"selector": None}
            ),
            "selects no pods",
        ),
    ],
)
def test_without_anybody_to_answer_nothing_is_written(
    world: MaintenanceWorld, break_it: t.Callable[[MaintenanceWorld], None], problem: str
) -> None:
    break_it(world)
    world.server.requests.clear()
    assert world.enter()["msg"] == f"maintenance: the Service maintenance {problem}"
    assert world.enter(service="none")["msg"] == "maintenance: the Service none does not exist"
    assert world.server.writes() == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Reply("200", "blue", "v1"), "blue answered 200"),
        (Reply("503"), "the answer 503 has no Retry-After"),
    ],
)
def test_an_answer_that_clients_do_not_get_is_found_out(world: MaintenanceWorld, answer: Reply, problem: str) -> None:
    world.answer = answer
    done = world.enter(world.open())
    assert (done["failed"], done["error"]["kind"], world.record() is not None) == (True, "not_proved", True)
    assert done["msg"].endswith(f"the maintenance answer is not proved within 3 s: {problem}")


def test_only_some_services_leave(world: MaintenanceWorld) -> None:
    world.entered()
    world.server.put(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {
                "name": "engine-blue",
                "namespace": "exchange",
                "labels": {"app.kubernetes.io/name": "engine"},
            },
            "spec": {"replicas": 1},
        }
    )
    release = world.open()
    done = good(world.traffic(state="maintenance", routes=["engine"], maintenance=BY, release=release))
    assert [field["name"] for field in done["maintenance"]["fields"]] == ["engine-blue"]
    world.scaled(done)
    good(world.leave(release, routes=["engine"]))
    assert list(world.record().services) == [S]
    absent = world.traffic(state="maintenance", routes=["absent"], maintenance=BY, release=release)
    assert absent["msg"] == "routes: nothing of absent runs here: no route and no workload"


def test_an_engine_that_keeps_its_epoch_is_scaled_only_under_this_lock_and_a_slot_with_traffic_never(
    world: MaintenanceWorld,
) -> None:
    labels = {"app.kubernetes.io/name": "engine", "pincex.io/slot": "blue"}
    meta = {"name": "engine-blue", "namespace": "exchange", "labels": labels}
    world.server.put({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": {"replicas": 1}})
    record = json.dumps({"epoch": 1, "owner": "engine-blue", "sequence": 7})
    epoch = {"name": "engine-epoch", "namespace": "exchange"}
    world.server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": epoch, "data": {"record": record}})
    engine = {**ZERO, "kind": "StatefulSet", "name": "engine-blue"}
    assert "it is not scaled down to 0" in world.revision(state="applied", fields=[engine])["msg"]
    release = world.open()
    assert "it is not scaled down to 0" in world.revision(state="applied", fields=[ZERO], release=release)["msg"]
    good(world.revision(state="applied", fields=[engine], release=release))


def test_without_gateway_api_the_selector_names_the_pods_that_answer(world: MaintenanceWorld) -> None:
    del world.server.stored[ROUTE]
    world.server.put(build_service(S, "exchange", weights={"blue": 100, "green": 0}, port=8080))
    world.endpoints(S, "maintenance-0")
    done = world.entered()
    assert world.server.take(SERVICE)["spec"]["selector"] == LABELS
    assert done["diff"]["after"] == {"Service core-api": "app.kubernetes.io/name=maintenance"}
    # A pod of the slot that is still behind it would be no maintenance.
    world.endpoints(S, "maintenance-0", "core-api-blue-0")
    back = good(world.leave())
    release = world.open()
    assert "core-api-blue-0 is still behind it" in world.enter(release)["msg"]
    world.scaled(back)
    world.endpoints(S, "core-api-blue-0")
    world.endpoints(f"{S}-blue", "core-api-blue-0")
    good(world.leave(release))
    assert world.server.take(SERVICE)["spec"]["selector"]["pincex.io/slot"] == "blue"


def test_a_recovery_unlocks_it_and_an_operator_goes_on(world: MaintenanceWorld) -> None:
    world.enter(world.open())
    todo = recovery_action(world.call(state="read"), None, "the fleet is away")
    assert todo["action"] == "maintenance"
    assert "go on with maintenance.yml -e state=entered, or leave with -e state=left" in todo["why"]
    assert world.record() is not None


def test_an_edited_record_is_not_used(world: MaintenanceWorld) -> None:
    world.entered()
    data = world.server.take(JOURNAL)["data"]
    world.server.change(JOURNAL, data={**data, "maintenance": data["maintenance"].replace("anna", "eve")})
    assert "the record of the maintenance was edited after it was written" in world.leave()["msg"]
    assert world.call(state="opened", kind="standby", fleet=FLEET)["release"] is None
