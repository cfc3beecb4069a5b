# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab puts into a region for a model is what the catalogue makes, with a network that is closed."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import manifests
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import parse_catalogue
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import FIELD_MANAGER
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import build_route

from lab import images
from lab.kube import MANAGER, Object
from lab.model import plan_lab
from lab.models import install, registry_server, streams
from lab.models.install import Placed, packages, route_manifest, slot_manifests
from lab.models.service.kinds import KINDS
from lab.models.service.versions import CHAMPION, VERSIONS
from lab.models.up import described

LAB = plan_lab("scratch", 1)
SITE = LAB.regions[0]
GREEN = Placed("fraud", "green", "v2.1.0")
#: What an inventory says of a model of the lab.
ENTRY: t.Final = {
    "image": "registry.lab:5000/pincex/models",
    "command": ["python3", "-m", "lab.models.service"],
    "strategy": "blue_green",
    "replicas": 1,
    "hostnames": ["fraud.models.lab"],
    "env": {"RECORDER_URL": f"http://{LAB.management.address}:8016", "LINGER_S": "3"},
    "resources": {"requests": {"cpu": "20m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}},
    "probes": {"period_s": 2, "timeout_s": 5, "ready_failures": 3, "live_failures": 15},
    "prestop_s": 2,
    "grace_s": 30,
    "pdb": {"max_unavailable": 1},
}


def by_kind() -> dict[str, Object]:
    return {obj["kind"]: obj for obj in slot_manifests(LAB, SITE, GREEN)}


def by_lab(found: t.Any) -> t.Any:
    return json.loads(json.dumps(found).replace(f'managed-by": "{FIELD_MANAGER}"', f'managed-by": "{MANAGER}"'))


def test_a_slot_is_what_the_catalogue_makes_and_a_policy() -> None:
    service = parse_catalogue({"fraud": ENTRY})["fraud"]
    made = by_lab(manifests.slot_manifests(service, "green", "v2.1.0", SITE.name, "exchange"))
    ours = by_kind()
    assert {obj["kind"]: obj for obj in made} == {kind: obj for kind, obj in ours.items() if kind != "NetworkPolicy"}
    assert next(iter(ours)) == "NetworkPolicy", "it has to be there before the pods"


def test_the_route_is_what_a_release_makes() -> None:
    weights = {"blue": 100, "green": 0}
    made = build_route(
        "fraud", "exchange", weights=weights, port=8080, hostnames=["fraud.models.lab"], parent={"name": "exchange"}
    )
    assert route_manifest("fraud") == by_lab(made)


def test_the_pods_of_a_slot_reach_the_recorder_and_nothing_else() -> None:
    policy, workload = by_kind()["NetworkPolicy"]["spec"], by_kind()["Deployment"]["spec"]["template"]
    assert policy["policyTypes"] == ["Egress"]
    assert policy["podSelector"]["matchLabels"].items() <= workload["metadata"]["labels"].items()
    (rule,) = policy["egress"]
    assert rule["to"] == [{"ipBlock": {"cidr": f"{LAB.management.address}/32"}}]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8016}]
    # A policy of its own for each slot: the challenger is in either.
    assert policy["podSelector"]["matchLabels"]["pincex.io/slot"] == "green"


def test_the_pods_have_no_secret_and_no_token() -> None:
    spec = by_kind()["Deployment"]["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert "secret" not in json.dumps(spec).lower()


def test_the_image_runs_without_the_rest_of_the_lab(tmp_path: pathlib.Path) -> None:
    """What the service imports is in the image: its modules are found where nothing else is."""
    for package, files in packages().items():
        folder = tmp_path / package
        folder.mkdir(parents=True)
        for file in files:
            (folder / file.name).write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "lab.models.service"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PINCEX_SERVICE": "nothing"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "PINCEX_SERVICE=nothing: use one of price-prediction" in done.stderr


def test_the_images_differ_in_their_version_alone() -> None:
    layer = images.blob(b"layer")
    first, second = (
        json.loads(images.image_config(name, [layer], "lab.models.service")) for name in list(VERSIONS)[:2]
    )
    assert first["config"]["Entrypoint"] == ENTRY["command"]
    assert "PINCEX_VERSION=v2.0.0" in first["config"]["Env"]
    for one in (first, second):
        one["config"].pop("Env")
        one["config"].pop("Labels")
    assert first == second
    assert "v2.8.0" not in VERSIONS


class FakeServer(registry_server.Server):
    """An MLflow that has one model already."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, registry_server.Json | None]] = []

    def ask(self, method: str, what: str, body: t.Any = None) -> tuple[int, t.Any]:
        self.asked.append((what, body))
        if what.startswith("registered-models/get"):
            return (200 if what.endswith("=risk") else 404), {}
        return 200, {"model_version": {"version": str(len(self.asked))}}


def test_what_is_registered_is_left_alone() -> None:
    server = FakeServer()
    registry_server.register(server, ["risk", "fraud"], ["v2.0.0", "v2.1.0"], CHAMPION)
    assert [what for what, _body in server.asked] == [
        "registered-models/get?name=risk",
        "registered-models/get?name=fraud",
        "registered-models/create",
        "model-versions/create",
        "registered-models/alias",
        "model-versions/create",
    ]
    alias = server.asked[4][1]
    assert alias == {"name": "fraud", "alias": "champion", "version": "4"}
    (made,) = (
        body for what, body in server.asked if what == "model-versions/create" and body and "v2.1.0" in str(body)
    )
    assert made["tags"] == [{"key": "version", "value": "v2.1.0"}]


def test_the_redis_lets_nobody_in_without_a_password() -> None:
    text = streams.config(pathlib.Path("/d"), "198.18.32.2", {streams.WRITER: "one", streams.READER: "two"})
    assert "user default off\n" in text
    assert "bind 198.18.32.2\n" in text
    assert "one" not in text.split()
    reader = next(line for line in text.splitlines() if line.startswith(f"user {streams.READER} "))
    assert "xadd" not in reader
    assert "~pincex-models:*" in reader


def test_the_state_says_where_everything_is_and_no_password() -> None:
    state = described(LAB, mlflow=True)
    assert state["recorder"] == ENTRY["env"]["RECORDER_URL"]
    assert set(state["hosts"]) == set(KINDS) == set(state["tolerances"])
    assert state["hosts"]["fraud"] == install.host("fraud") == "fraud.models.lab"
    assert state["mlflow"].startswith("http://198.18.")
    assert described(LAB, mlflow=False)["mlflow"] == ""
    assert "password" not in json.dumps({key: value for key, value in state.items() if key != "password_file"})


@pytest.mark.parametrize("model", KINDS)
def test_names_are_names_of_kubernetes(model: str) -> None:
    for obj in slot_manifests(LAB, SITE, Placed(model, "blue", CHAMPION)):
        assert len(obj["metadata"]["name"]) <= 63
        assert obj["metadata"]["labels"]["app.kubernetes.io/name"] == model
