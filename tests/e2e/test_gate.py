# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate on a real API server: the role of docs/gate.md is enough for it, and every rule of it is used."""

from __future__ import annotations

import datetime
import json
import pathlib
import re
import string
import time
import typing as t

import pytest
import yaml
from kubernetes import client, config, dynamic
from lab_run import BIN, CHECKOUT, AuditLogs, Ended, LabRun, lab_state, run, token_kubeconfig

Json = dict[str, t.Any]

REGION = "us-east-1"
NAMESPACE = "gate-e2e"
USER = "gate"
HERE = pathlib.Path(__file__).parent


def documented_role() -> Json:
    text = (CHECKOUT / "docs" / "gate.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    (role,) = (block for block in blocks if isinstance(block, dict) and block.get("kind") == "Role")
    return {**role, "metadata": {"name": USER, "namespace": NAMESPACE}}


def route(weights: t.Mapping[str, int]) -> Json:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "core-api", "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [{"name": "exchange", "namespace": "exchange"}],
            "rules": [
                {
                    "backendRefs": [
                        {"name": f"core-api-{slot}", "port": 8080, "weight": weight} for slot, weight in weights.items()
                    ]
                }
            ],
        },
    }


class World:
    """Two slots and a route in a namespace of their own, and a user who has the documented role."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.admin = lab_state()["kubeconfig"]
        self.apis = {
            context: dynamic.DynamicClient(config.new_client_from_config(self.admin, context=context))
            for context in (REGION, "management")
        }
        for context in self.apis:
            self.put(context, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        manifests = string.Template((HERE / "gate_manifests.yml").read_text(encoding="utf-8"))
        for slot in ("blue", "green"):
            for obj in yaml.safe_load_all(manifests.substitute(slot=slot)):
                self.put(REGION, obj)
        self.put(REGION, route({"blue": 90, "green": 10}))
        self.put(REGION, documented_role())
        self.user = token_kubeconfig(REGION, NAMESPACE, USER, folder)

    def put(self, context: str, obj: Json) -> None:
        self.apis[context].resources.get(api_version=obj["apiVersion"], kind=obj["kind"]).create(
            body=obj, namespace=obj["metadata"].get("namespace")
        )

    def wait_until_ready(self) -> None:
        apps = client.AppsV1Api(config.new_client_from_config(self.admin, context=REGION))
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = apps.list_namespaced_deployment(NAMESPACE).items
            if all(item.status.ready_replicas == item.spec.replicas for item in found):
                return
            time.sleep(0.5)
        raise AssertionError("the slots did not become ready")

    def weights(self) -> dict[str, int]:
        routes = self.apis[REGION].resources.get(api_version="gateway.networking.k8s.io/v1", kind="HTTPRoute")
        refs = routes.get(name="core-api", namespace=NAMESPACE).spec.rules[0].backendRefs
        return {ref.name: ref.weight for ref in refs}

    def remove(self) -> None:
        for api in self.apis.values():
            api.resources.get(api_version="v1", kind="Namespace").delete(name=NAMESPACE)


@pytest.fixture(scope="module")
def world(demo: LabRun, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[World]:
    assert demo.ended.code == 0
    made = World(tmp_path_factory.mktemp("gate"))
    try:
        yield made
    finally:
        made.remove()


def ansible(world: World, *more: str, **options: t.Any) -> Ended:
    """The module as a one-off command, as the user."""
    given = {"kubeconfig": str(world.user), "context": REGION, "namespace": NAMESPACE, "region": REGION, **options}
    module = "pincex.zero_downtime.k8s_rollout_gate"
    return run(
        [str(BIN / "ansible"), "localhost", "-c", "local", "-m", module, "-a", json.dumps(given), *more],
        ANSIBLE_COLLECTIONS_PATH=str(CHECKOUT / ".venv" / "collections"),
        ANSIBLE_NOCOLOR="1",
    )


GREEN = [{"kind": "Deployment", "name": "core-api-green", "service": "core-api"}]


def test_the_documented_role_is_enough_and_every_rule_of_it_is_used(world: World) -> None:
    world.wait_until_ready()
    audit = AuditLogs()
    prometheus = lab_state()["regions"][REGION]["prometheus_url"]
    result = world.folder / "result.json"
    variables = {
        "gate_admin": world.admin,
        "gate_user": str(world.user),
        "gate_prometheus": prometheus,
        "gate_result": str(result),
    }
    ended = run(
        [str(BIN / "ansible-playbook"), str(HERE / "gate_playbook.yml"), "-e", json.dumps(variables)],
        ANSIBLE_COLLECTIONS_PATH=str(CHECKOUT / ".venv" / "collections"),
        ANSIBLE_NOCOLOR="1",
    )
    assert ended.code == 0
    judged = json.loads(result.read_text(encoding="utf-8"))
    assert (judged["verdict"], judged["cause"]) == ("fail", "metric")
    assert judged["tripped"]["error"] == ""
    assert judged["undo"]["decision"] == "undo"
    assert world.weights() == {"core-api-blue": 100, "core-api-green": 0}
    # What the pods say that serve what the failing check judges, read after the trip.
    pods = judged["evidence"]["pods"]
    assert len({pod["pod"] for pod in pods}) == 2
    assert [(pod["workload"], pod["container"], pod["problem"], pod["log"]) for pod in pods] == [
        ("Deployment core-api-green", "app", "serves what error rate judges", ["serving without a port"])
    ] * 2
    assert all(pod["pod"].startswith("core-api-green-") for pod in pods)
    # A pod that has something to say: its log and events are asked for only where something is wrong.
    broken = {"kind": "Deployment", "name": "core-api-broken"}
    manifest = next(
        yaml.safe_load_all((HERE / "gate_manifests.yml").read_text(encoding="utf-8").replace("$slot", "broken"))
    )
    manifest["spec"]["template"]["spec"]["containers"][0]["command"] = ["python3", "-c", "print('no port'); exit(3)"]
    # Without a probe a container is ready from its start to its crash, and the gate may see that.
    manifest["spec"]["minReadySeconds"] = 10
    world.put(REGION, manifest)
    doomed = ansible(world, workloads=[broken], deadline_s=60, traffic=False)
    assert doomed.code != 0
    assert "exit code 3" in doomed.output
    assert "no port" in doomed.output

    user = f"system:serviceaccount:{NAMESPACE}:{USER}"
    events = [event for event in audit.events(USER) if event["user"]["username"] == user]
    refused = [event["requestURI"] for event in events if event["responseStatus"]["code"] == 403]
    assert refused == []
    used = {
        (ref.get("apiGroup", ""), "/".join(filter(None, (ref["resource"], ref.get("subresource")))), event["verb"])
        for event in events
        if (ref := event.get("objectRef"))
    }
    granted = {
        (group, resource, verb)
        for rule in documented_role()["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted - used == set()
    assert "event: Warning BackOff" in doomed.output


def bad_step(demo: LabRun) -> tuple[str, Json]:
    """The region and the step in which the demo's v3 was tripped."""
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in demo.reports.glob("2*.json")]
    found = [
        (region["region"], step)
        for report in reports
        if set(report["versions"].values()) == {"v3"}
        for region in report["regions"]
        for step in region["steps"]
        if step.get("tripped")
    ]
    assert len(found) == 1, found
    return found[0]


def replayed(region: str, start: float, end: float, slot: str) -> str:
    """What docs/examples/replay.yml says of one slot, as it is printed; it names the green one itself."""
    given = {
        "prometheus_url": lab_state()["regions"][region]["prometheus_url"],
        "start": f"{start:.3f}",
        "end": f"{end:.3f}",
        **({} if slot == "green" else {"slot": f'{{service="core-api",slot="{slot}"'}),
    }
    ended = run(
        [str(BIN / "ansible-playbook"), str(CHECKOUT / "docs" / "examples" / "replay.yml"), "-e", json.dumps(given)],
        ANSIBLE_COLLECTIONS_PATH=str(CHECKOUT / ".venv" / "collections"),
        ANSIBLE_NOCOLOR="1",
    )
    assert ended.code == 0
    return ended.output


def test_the_printed_replay_says_fail_of_the_time_when_a_bad_version_had_traffic(demo: LabRun) -> None:
    region, step = bad_step(demo)
    began, ended = float(step["started"]), float(step["ended"])
    # Its pods have traffic in this step only. A look every 5 s, and a scrape each second.
    start, end = began - 5, ended + 6
    time.sleep(max(0.0, end + 2 - time.time()))
    # v1 went to blue and v2 to green, so v3 was in blue, beside a v2 that was healthy all the time.
    bad = replayed(region, start, end, "blue")
    found = re.search(r"(\S+Z) fail: errors \d+ of \d+ requests, healthy below 1 % \(sequential test", bad)
    assert found, bad
    at = datetime.datetime.fromisoformat(found[1]).timestamp()
    assert began < at <= end
    healthy = replayed(region, start, end, "green")
    assert " fail: " not in healthy
    assert re.search(r"Z (?:hold|pass): ", healthy), healthy


def test_check_mode_looks_once_and_writes_nothing(world: World) -> None:
    audit = AuditLogs()
    ended = ansible(world, "--check", workloads=GREEN, observe_s=60, deadline_s=60)
    assert ended.code == 0
    assert "verdict: pass" in ended.output
    assert audit.writes(USER) == []


def test_a_right_that_is_missing_is_told_by_name(world: World) -> None:
    stateful = [{"kind": "StatefulSet", "name": "matching-engine-blue"}]
    ended = ansible(world, workloads=stateful, deadline_s=5)
    assert ended.code != 0
    assert "statefulsets" in ended.output
    assert "forbidden" in ended.output
