# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new version of a model beside the old one on a lab's regions, with a real gateway, Redis and MLflow.

The tests go on from each other, under requests all the while. In the end the champion is the one of the beginning.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import time
import typing as t
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest
from lab_run import BIN, CHECKOUT, PROFILES, Ended, LabRun, playbook, run

from chaos.sweep import SERVICES, version_of
from chaos.world import World
from lab.kube import Kube
from lab.model import plan_lab

LAB = plan_lab("test")
MODEL = "fraud"
SERVICE = "reference-data"
CHAMPION, BETTER = "v2.0.0", "v2.1.0"
PYTHON = str(BIN / "python")
#: Requests of each region in a second, and how many of them are copied.
RATE, COPIED = 40, 0.10
#: So many standard deviations are chance.
CHANCE = 4.0

Json = dict[str, t.Any]


def routes() -> list[Json]:
    """The HTTPRoute of the model in each region."""
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/exchange/httproutes/{MODEL}"
    return [t.cast("Json", Kube(site.admin_kubeconfig).request("GET", path)) for site in LAB.regions]


def weights(route: Json) -> list[int]:
    """Blue and green of the last rule that sends to both."""
    both = [rule["backendRefs"] for rule in route["spec"]["rules"] if len(rule["backendRefs"]) == 2]
    return [int(backend["weight"]) for backend in both[-1]]


def copies(route: Json) -> list[Json]:
    filters = [one for rule in route["spec"]["rules"] for one in rule.get("filters") or []]
    return [one["requestMirror"] for one in filters if one["type"] == "RequestMirror"]


def state() -> Json:
    return t.cast("Json", json.loads(pathlib.Path("/var/lib/pincex-lab/test/models.json").read_text()))


def alias(name: str) -> str:
    """The version behind an alias, by its name; empty where it points nowhere."""
    query = urllib.parse.urlencode({"name": MODEL})
    url = f"{state()['mlflow']}/api/2.0/mlflow/registered-models/get?{query}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        model = json.load(answer)["registered_model"]
    number = next((one["version"] for one in model.get("aliases", []) if one["alias"] == name), None)
    if number is None:
        return ""
    query = urllib.parse.urlencode({"name": MODEL, "version": number})
    with urllib.request.urlopen(f"{state()['mlflow']}/api/2.0/mlflow/model-versions/get?{query}", timeout=30) as answer:
        tags = json.load(answer)["model_version"]["tags"]
    return str(next(tag["value"] for tag in tags if tag["key"] == "version"))


def answered(since: float) -> dict[str, int]:
    """How many requests each version answered, as the recorder has them."""
    with urllib.request.urlopen(f"{state()['recorder']}/records/{MODEL}?since={since}", timeout=30) as answer:
        records = [json.loads(line) for line in answer]
    found: dict[str, int] = {}
    for record in records:
        if "label" not in record:
            found[record["version"]] = found.get(record["version"], 0) + 1
    return found


def model(name: str, demo: LabRun, **variables: t.Any) -> Ended:
    return playbook(name, reports=demo.reports, model=MODEL, **variables)


@pytest.fixture(scope="module")
def requests(demo: LabRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The models of the lab, and requests in every region until the end: the champion fails none of them."""
    assert run([PYTHON, "-m", "lab.models", "up", "--name", "test"], timeout_s=600).code == 0
    folder = tmp_path_factory.mktemp("requests")
    with contextlib.ExitStack() as stack:
        drivers = []
        for site in LAB.regions:
            out = folder / f"{site.name}.json"
            command = [PYTHON, "-m", "lab.models.drive", "--name", "test", "--rate", str(RATE), "--seconds", "900"]
            command += ["--model", MODEL, "--region", site.name, "--out", str(out)]
            driver = stack.enter_context(subprocess.Popen(command, cwd=CHECKOUT))
            stack.callback(driver.terminate)
            drivers.append(driver)
        yield
        for driver in drivers:
            assert driver.poll() is None, "requests were made until the end"
    assert run([PYTHON, "-m", "lab.models", "down", "--name", "test"], timeout_s=120).code == 0


def test_a_shadow_gets_its_share_of_copies_and_no_traffic(demo: LabRun, requests: None) -> None:
    deployed = model("deploy_model", demo, version=BETTER)
    assert deployed.code == 0, deployed.output
    assert [weights(route) for route in routes()] == [[100, 0]] * len(LAB.regions)
    assert [len(copies(route)) for route in routes()] == [1] * len(LAB.regions)
    assert (alias("champion"), alias("challenger")) == (CHAMPION, BETTER)
    since = time.time()
    time.sleep(20)
    seen = answered(since)
    number = seen[CHAMPION]
    assert abs(seen[BETTER] - COPIED * number) < CHANCE * (number * COPIED * (1 - COPIED)) ** 0.5


def test_too_little_evidence_promotes_nobody(demo: LabRun, requests: None) -> None:
    refused = model("promote_model", demo, version=BETTER)
    assert refused.code != 0
    assert "pairs" in refused.output
    assert [weights(route) for route in routes()] == [[100, 0]] * len(LAB.regions)
    assert alias("champion") == CHAMPION


def test_a_promotion_moves_all_traffic_and_the_alias(demo: LabRun, requests: None) -> None:
    done = model("promote_model", demo, version=BETTER, force=True, reason="tried by a test")
    assert done.code == 0, done.output
    assert [weights(route) for route in routes()] == [[0, 100]] * len(LAB.regions)
    assert not any(copies(route) for route in routes())
    assert (alias("champion"), alias("previous_champion"), alias("challenger")) == (BETTER, CHAMPION, "")
    since = time.time()
    time.sleep(3)
    assert set(answered(since + 1)) == {BETTER}


def test_the_way_back_gives_the_champion_everything(demo: LabRun, requests: None) -> None:
    done = model("rollback_model", demo, version=BETTER, reason="tried by a test")
    assert done.code == 0, done.output
    assert [weights(route) for route in routes()] == [[100, 0]] * len(LAB.regions)
    assert alias("champion") == CHAMPION
    again = model("rollback_model", demo, version=BETTER, reason="tried by a test")
    assert again.code == 0, again.output
    assert [weights(route) for route in routes()] == [[100, 0]] * len(LAB.regions)
    status = model("model_status", demo)
    assert f"registry of {MODEL}: champion {CHAMPION}" in status.output


def test_a_rollback_of_the_environment_takes_the_champion_of_its_revision_along(demo: LabRun, requests: None) -> None:
    """The services are as the revision has them: only who serves the model differs."""
    other = next(one for one in ("v1", "v2") if one != version_of(World(LAB, SERVICES).read(), SERVICE))
    quick = {"release_waves": ["100%"], "release_standby_s": 0, "gate_profiles": PROFILES}
    known = set(demo.reports.glob("*.json"))
    released = playbook("deploy", reports=demo.reports, release_versions={SERVICE: other}, **quick)
    assert released.code == 0, released.output
    (report,) = set(demo.reports.glob("*.json")) - known
    number = json.loads(report.read_text(encoding="utf-8"))["revision"]
    deployed = model("deploy_model", demo, version=BETTER)
    assert deployed.code == 0, deployed.output
    promoted = model("promote_model", demo, version=BETTER, force=True, reason="tried by a test")
    assert promoted.code == 0, promoted.output
    assert alias("champion") == BETTER

    back = playbook("rollback", reports=demo.reports, revision=number, **quick)
    assert back.code == 0, back.output
    assert f"{MODEL} goes back with this rollback: {BETTER} leaves the traffic, {CHAMPION} serves" in back.output
    assert [weights(route) for route in routes()] == [[100, 0]] * len(LAB.regions)
    assert alias("champion") == CHAMPION
    assert version_of(World(LAB, SERVICES).read(), SERVICE) == other
