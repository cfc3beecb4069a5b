# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_rollout_gate in a region in memory: verdicts, trip, word to the fleet, check mode, bad input."""

from __future__ import annotations

import typing as t

import fakes
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import run as gate
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import Reading
from fakes import FakeKube, answer_with
from gate_samples import FakeProvider
from slot_world import S, SlotWorld, slot_ref

Json = dict[str, t.Any]

METRIC = {
    "name": "core-api error rate",
    "query": "errors[5s]",
    "max": 0.05,
    "min_samples_query": "count",
    "min_requests": 10,
    "min_failures": 5,
}
TRIP = [{"service": S, "route": S, "weights": {"blue": 100, "green": 0}}]


class GateWorld(SlotWorld):
    """Blue has v1 and green v2, each with two ready pods; green has a tenth of the traffic."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        by_name = fakes._selected
        monkeypatch.setattr(fakes, "_selected", lambda labels, term: not term or by_name(labels, term))
        self.answers: Json = {"errors[5s]": 0.0, "count": 100}
        monkeypatch.setattr(
            gate,
            "provider_of",
            lambda params, clock: FakeProvider(clock, self.answers) if params["prometheus"] else None,
        )
        for slot, version in (("blue", "v1"), ("green", "v2")):
            self.running(slot, version, 2)
            self.up(slot)
        self.routed(90, 10)
        self.server.requests.clear()

    def up(self, slot: str, ready: int = 2) -> None:
        generation = self.server.take(slot_ref(slot))["metadata"]["generation"]
        status = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": ready, "availableReplicas": ready}
        self.server.change(slot_ref(slot), "kubelet", status={**status, "observedGeneration": generation})

    def judge(self, *, check_mode: bool = False, release: ReleaseRef | Json | None = None, **given: t.Any) -> Json:
        options: Json = {
            "context": "us-east-1",
            "namespace": "exchange",
            "step": "core-api 10 %",
            "workloads": [{"kind": "Deployment", "name": f"{S}-green", "service": S}],
            "metrics": [METRIC],
            "prometheus": {"url": "http://prometheus"},
            "observe_s": 4,
            "interval_s": 0.25,
            "deadline_s": 20,
            "blind_s": 8,
            "evidence_max_s": 30,
            "release": release,
            **given,
        }
        if isinstance(release, ReleaseRef):
            options["release"] = release.to_option()
        checked = ArgumentSpecValidator(gate.ARGUMENT_SPEC).validate(options)
        assert not checked.error_messages
        result = execute(
            gate.run,
            checked.validated_parameters,
            check_mode=check_mode,
            diff=True,
            clock=self.clock,
            progress=self.lines.append,
            empty=gate.EMPTY_RESULT,
        )
        assert result.keys() >= {*gate.EMPTY_RESULT, "changed", "diff"}
        return result


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> GateWorld:
    return GateWorld(monkeypatch)


BAD: Json = {"errors[5s]": 0.2, "count": 50}


def test_pass_changes_nothing(world: GateWorld) -> None:
    result = world.judge(trip=TRIP)
    assert (result["verdict"], result["changed"], result["tripped"], result["undo"]) == ("pass", False, None, None)
    assert not result.get("failed")
    assert world.server.writes() == []
    assert world.lines[-1].startswith("core-api 10 %: pass: ")


def test_fail_says_why_and_changes_nothing_without_a_trip(world: GateWorld) -> None:
    world.answers = BAD
    result = world.judge()
    assert result["failed"]
    assert result["msg"] == (
        "us-east-1: core-api error rate 0.2 > 0.05 (window 5s, 50 requests, 10 failures, 5 count, 1 samples)"
    )
    assert result["error"] == {"kind": "metric", "system": "gate", "region": "us-east-1", "retriable": False}
    assert (result["changed"], result["breached_at"], result["decided_at"]) == (
        False,
        world.clock.now(),
        world.clock.now(),
    )
    assert world.weights() == {"blue": 90, "green": 10}


def test_trip_takes_the_traffic_back_at_once(world: GateWorld) -> None:
    world.answers = BAD
    result = world.judge(trip=TRIP)
    assert (result["verdict"], result["changed"]) == ("fail", True)
    assert result["tripped"] == {
        "at": world.clock.now(),
        "error": "",
        "routes": [
            {
                "service": S,
                "route": S,
                "before": {"blue": 90, "green": 10},
                "after": {"blue": 100, "green": 0},
                "error": "",
            }
        ],
    }
    assert result["diff"]["before"] == {S: {"blue": 90, "green": 10}}
    assert world.weights() == {"blue": 100, "green": 0}


def test_trip_of_a_release_is_journaled_and_told_to_the_fleet(world: GateWorld) -> None:
    _fleet, release = world.opened()
    world.answers = BAD
    result = world.judge(release=release, trip=TRIP)
    assert result["undo"]["decision"] == "undo"
    assert result["undo"]["by"] == "us-east-1"
    assert "error rate 0.2 > 0.05" in result["undo"]["reason"]
    entries = world.journaled(release)
    assert [(entry.step, entry.done) for entry in entries] == [("core-api 10 % trip", True)]
    again = world.judge(release=release, trip=TRIP)
    assert (again["verdict"], again["cause"], again["error"]["kind"]) == ("fail", "undone", "undone")


def test_a_trip_that_fails_leaves_the_verdict(world: GateWorld) -> None:
    world.answers = BAD
    world.server.before.append(answer_with(403, times=9, method="PUT"))
    world.server.before.append(answer_with(403, times=9, method="PATCH"))
    result = world.judge(trip=TRIP)
    assert (result["verdict"], result["changed"]) == ("fail", False)
    assert "the traffic could not be taken back" in result["reason"]
    assert result["tripped"]["error"]


def test_a_slot_without_pods_gets_no_traffic(world: GateWorld) -> None:
    world.up("blue", ready=0)
    world.answers = BAD
    result = world.judge(trip=TRIP)
    assert result["tripped"]["error"]
    assert world.weights() == {"blue": 90, "green": 10}


def test_a_rollback_is_not_told_to_be_undone(world: GateWorld) -> None:
    _fleet, release = world.opened(kind="rollback")
    world.answers = BAD
    assert world.judge(release=release)["undo"] is None


def test_only_the_failing_service_and_its_dependents_go_back(world: GateWorld) -> None:
    world.answers = BAD
    other = {"service": "reference-data", "route": "reference-data", "weights": {"blue": 100, "green": 0}}
    result = world.judge(metrics=[{**METRIC, "service": S}], trip=[other, *TRIP])
    assert [route["route"] for route in result["tripped"]["routes"]] == [S]
    result = world.judge(
        metrics=[{**METRIC, "service": "reference-data"}], trip=[{**TRIP[0], "depends_on": ["reference-data"]}]
    )
    assert [route["route"] for route in result["tripped"]["routes"]] == [S]


class Logs:
    """Two pods of green that serve, and what the kubelets have of their logs."""

    def __init__(self, world: GateWorld) -> None:
        self.world = world
        self.weights: list[dict[str, int]] = []
        owner = self._newest_set()
        for name, at in (("green-old", "05"), ("green-new", "09"), ("green-newest", "10")):
            meta = {
                "name": name,
                "namespace": "exchange",
                "creationTimestamp": f"2026-01-01T00:00:{at}Z",
                "ownerReferences": [{"uid": owner}],
            }
            status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
            spec = {"containers": [{"name": "app"}]}
            world.server.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status})
        world.server.before.append(self._log)

    def _newest_set(self) -> str:
        deployment = self.world.server.take(slot_ref("green"))["metadata"]
        revision = {"deployment.kubernetes.io/revision": "1"}
        self.world.server.change(slot_ref("green"), metadata={"annotations": revision})
        meta = {
            "name": f"{S}-green-1",
            "namespace": "exchange",
            "annotations": revision,
            "ownerReferences": [{"name": deployment["name"], "uid": deployment["uid"]}],
        }
        made = self.world.server.put({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta})
        return str(made["metadata"]["uid"])

    def _log(self, request: Request) -> Answer | None:
        if not request.path.endswith("/log"):
            return None
        self.weights.append(self.world.weights())
        return Answer(200, f"{request.path.split('/')[-2]}: no route to the order book\n".encode(), {})


@pytest.mark.parametrize("service", [S, ""])
def test_a_failing_check_is_told_with_the_pods_that_serve_what_it_judges(world: GateWorld, service: str) -> None:
    logs = Logs(world)
    world.answers = BAD
    result = world.judge(metrics=[{**METRIC, "service": service}], trip=TRIP)
    assert (result["verdict"], result["cause"], result["tripped"]["error"]) == ("fail", "metric", "")
    assert [(pod["pod"], pod["problem"], pod["log"]) for pod in result["evidence"]["pods"]] == [
        (name, "serves what core-api error rate judges", [f"{name}: no route to the order book"])
        for name in ("green-newest", "green-new")
    ]
    assert "  log: green-newest: no route to the order book" in result["msg"]
    # Nobody waits for a log while traffic is hurt.
    assert logs.weights == [{"blue": 100, "green": 0}] * 2


def test_a_pass_asks_no_pod(world: GateWorld) -> None:
    logs = Logs(world)
    assert world.judge()["verdict"] == "pass"
    assert logs.weights == []


def test_a_failing_pod_is_told_with_its_log(world: GateWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.up("green", ready=1)
    monkeypatch.setattr(type(world.server), "text", lambda *_args: "cannot bind port 8080\n", raising=False)
    result = world.judge(metrics=[], deadline_s=3)
    assert (result["verdict"], result["cause"]) == ("fail", "deadline")
    assert isinstance(result["evidence"]["pods"], list)


def test_a_replay_judges_the_past_and_fails_no_task(world: GateWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    start = world.clock.now() - 100
    bad_from = start + 20

    class Recorded(FakeProvider):
        def range(self, query: str, begin: float, end: float, step_s: float) -> list[tuple[float, Reading]]:
            points = []
            at = begin
            while at <= end + 1e-6:
                number = 100.0 if query == "count" else 0.2 if at >= bad_from else 0.0
                points.append((at, Reading("value", number)))
                at += step_s
            return points

    monkeypatch.setattr(gate, "provider_of", lambda _params, clock: Recorded(clock, {}))
    result = world.judge(replay={"start": str(start), "end": str(start + 60)}, interval_s=1.0, observe_s=100)
    assert not result.get("failed")
    assert (result["verdict"], result["decided_at"]) == ("fail", pytest.approx(bad_from))
    assert result["decisions"][0]["cause"] == "metric"
    assert "workloads cannot be replayed and was left out" in result["warnings"]
    assert world.server.requests == []


def test_check_mode_looks_once_and_writes_nothing(world: GateWorld) -> None:
    world.answers = BAD
    result = world.judge(check_mode=True, trip=TRIP)
    assert (result["verdict"], result["changed"], result["tripped"]) == ("fail", False, None)
    assert not result.get("failed")
    assert world.server.writes() == []
    assert world.clock.slept == []


def test_a_verdict_fails_only_where_it_is_told_to(world: GateWorld) -> None:
    world.answers = BAD
    assert not world.judge(fail_on=["hold"]).get("failed")


def test_without_a_release_it_does_not_trip_into_somebody_elses(world: GateWorld) -> None:
    world.opened()
    result = world.judge(trip=TRIP)
    assert result["failed"]
    assert "is unfinished" in result["msg"]
    assert not world.judge().get("failed"), "looking is free"


def test_no_permission_is_one_sentence(world: GateWorld) -> None:
    world.server.denied.add(("list", "deployments"))
    result = world.judge()
    assert result["error"]["kind"] == "forbidden"
    assert "us-east-1" in result["msg"]
    assert (result["verdict"], result["cause"]) == ("hold", "interrupted")


def test_asks_the_same_however_many_workloads(world: GateWorld) -> None:
    def requests(names: list[str]) -> int:
        server: FakeKube = world.server
        server.requests.clear()
        world.judge(check_mode=True, workloads=[{"kind": "Deployment", "name": name} for name in names], metrics=[])
        return len([request for request in server.requests if request.method == "GET"])

    assert requests([f"{S}-green"]) == requests([f"{S}-green", f"{S}-blue"])


def test_it_acts_with_more_patience_than_it_looks(world: GateWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def trip(kube: t.Any, _journal: Journal, _entries: t.Any, _step: str) -> Json:
        seen.append(kube.deadline_s)
        return {"at": 1.0, "changed": True, "routes": [], "warnings": [], "error": ""}

    monkeypatch.setattr(gate, "trip", trip)
    world.answers = BAD
    world.judge(trip=TRIP)
    assert seen == [30.0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"workloads": [], "metrics": []}, "workloads: name workloads, metrics, counters or health"),
        ({"workloads": [{"kind": "Deployment"}]}, "workloads: Deployment: give either a name or"),
        ({"workloads": [{"kind": "Job", "selector": "a=b"}]}, "workloads: Job: only pods are found by a selector"),
        ({"workloads": [{"kind": "Pod", "selector": "a in b"}]}, "workloads: selector 'a in b': "),
        ({"log_lines": -1}, "log_lines: cannot be negative"),
        ({"replay": {"start": "1", "end": "0"}}, "replay: end has to be after start"),
        ({"metrics": [], "replay": {"start": "0", "end": "1"}}, "replay: needs metrics or counters"),
        ({"prometheus": None}, "prometheus: metrics need"),
        ({"interval_s": 0}, "interval_s: "),
        ({"observe_s": -1}, "observe_s: "),
        ({"trip": [{**TRIP[0], "weights": {"blue": 90}}]}, f"trip: {S}: "),
        ({"trip": [*TRIP, *TRIP]}, f"trip: {S} is there twice"),
        ({"metrics": [{**METRIC, "min": 0.1}]}, "metrics: core-api error rate: give either max or min"),
        ({"metrics": [{**METRIC, "max": None}]}, "metrics: core-api error rate: give either max or min"),
        ({"metrics": [METRIC, METRIC]}, "metrics: core-api error rate stands in it twice"),
        ({"metrics": [{**METRIC, "min_samples_query": None}]}, "needs a min_samples_query"),
        ({"metrics": [{**METRIC, "max": None, "min": 0.1}]}, "min_failures goes with max"),
        ({"release": {"id": "r1"}}, "release: "),
    ],
)
def test_bad_input_names_the_option_and_asks_nobody(world: GateWorld, given: Json, says: str) -> None:
    result = world.judge(**given)
    assert result["failed"]
    assert says in result["msg"]
    assert result["error"]["kind"] == "option"
    assert world.server.requests == []
