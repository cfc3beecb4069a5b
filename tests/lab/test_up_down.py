# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself, for real: up twice, down, killed in the middle, left by another checkout. Needs root.

The lab `scratch` has networks of its own: the lab that other tests run on stays as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import typing as t

import dns.message
import dns.query
import pytest
import redis

from lab.kube import Kube
from lab.model import plan_lab
from tests.lab.machine import HOME, LAB, Machine, left_behind, look

ROOT = pathlib.Path(__file__).resolve().parents[2]
SITES = ("management", "us-east-1")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces and mounts need root")


def command(*words: str, checkout: pathlib.Path = ROOT) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *words, "--name", LAB],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def lab(*words: str, checkout: pathlib.Path = ROOT, timeout_s: float = 240) -> tuple[int, str]:
    """Exit code and output."""
    with command(*words, checkout=checkout) as child:
        try:
            output, _ = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise
    return child.returncode, output


def up(*words: str, checkout: pathlib.Path = ROOT) -> str:
    code, output = lab("up", "--regions", "1", *words, checkout=checkout)
    assert code == 0, output
    return output


def addresses_of(server: str, name: str) -> list[str]:
    """What a name server answers."""
    host, _, port = server.partition(":")
    answer = dns.query.udp(dns.message.make_query(name, "A"), host, timeout=5, port=int(port))
    return [str(data) for rrset in answer.answer for data in rrset]


def flags_at(address: str) -> dict[str, t.Any]:
    """What a client of flagd's protocol gets there."""
    program = ROOT / "docs" / "examples" / "flag-sync" / "flag_sync.py"
    answer = subprocess.check_output([sys.executable, program, "--ask", address], text=True, timeout=30)
    found: dict[str, t.Any] = json.loads(answer)["flags"]
    return found


def pids() -> dict[str, str]:
    """Programs with their pid and start time."""
    return {f"{path.parent.parent.name}/{path.stem}": path.read_text() for path in HOME.glob("*/run/*.pid")}


def kill_everything() -> None:
    """What a power cut leaves: no process, but namespaces, mounts, links and files."""
    for line in look().processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)
    deadline = time.monotonic() + 20
    while look().processes and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not look().processes


def run_pods() -> None:
    """Pods with a volume: they bring cgroups, mounts, links and network namespaces of their own."""
    kube = Kube(HOME / "us-east-1" / "pki" / "admin.kubeconfig")
    container = {
        "name": "pause",
        "image": "docker.io/pincex-lab/pause:1",
        "imagePullPolicy": "Never",
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "local",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    labels = {"app": "pods"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": [volume]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    named = {"namespace": "default"}
    kube.apply(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", **named}, "spec": claim},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "pods", **named}, "spec": spec},
    )

    def ready() -> bool:
        deployment = kube.get("apps/v1", "Deployment", "pods", "default") or {}
        return bool(deployment["status"].get("readyReplicas") == 2)

    kube.wait("two pods with a volume", ready, 60)


@pytest.fixture
def before() -> t.Iterator[Machine]:
    """The machine without this lab; whatever a test did, the lab is gone afterwards."""
    lab("down")
    seen = look()
    assert not seen.processes, "something of this lab is here although it is down"
    yield seen
    code, output = lab("down")
    assert code == 0, output


@pytest.fixture
def other_checkout(tmp_path: pathlib.Path) -> pathlib.Path:
    """The lab's code in another folder, as a second clone has it."""
    shutil.copytree(ROOT / "lab", tmp_path / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_up_twice_and_down_leaves_nothing(before: Machine) -> None:
    up()
    state = json.loads((HOME / "state.json").read_text())
    assert set(state["regions"]) == {"us-east-1"}
    run_pods()
    first = pids()
    assert {"us-east-1/kubelet", "us-east-1/etcd", "management/kube-apiserver"} <= set(first)
    names = state["dns"]
    assert pathlib.Path(names["api_key_file"]).stat().st_mode & 0o777 == 0o600
    for server in (names["authority"], *names["resolvers"]):
        assert addresses_of(server, "api.pincex.test.") == names["members"]["us-east-1"]["targets"]
    flags = state["flags"]
    secret = pathlib.Path(flags["password_file"])
    assert secret.stat().st_mode & 0o777 == 0o600
    assert set(flags_at(flags["sync"])) == {"margin_trading", "high_frequency_orders"}
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(flags["redis"]).ping()
    writer = redis.Redis.from_url(flags["redis"], username=flags["username"], password=secret.read_text().strip())
    assert writer.ping()
    writer.close()

    up()
    assert pids() == first, "the second `up` restarted something"
    assert lab("status")[0] == 0

    code, output = lab("down")
    assert code == 0, output
    assert left_behind(before, look()) == {}
    assert lab("status")[0] == 1
    assert lab("down")[0] == 0, "down of nothing is no error"


def test_kubeconfig_has_a_context_for_each_site(before: Machine) -> None:
    code, output = lab("kubeconfig")
    assert (code, "is not up" in output) == (1, True)
    up("--bare")
    code, output = lab("kubeconfig")
    assert code == 0
    for site in plan_lab(LAB, 1).sites:
        assert Kube(pathlib.Path(output.strip()), site.name).ready()


def test_a_write_is_in_the_audit_log_and_says_when_it_was_a_dry_run(before: Machine) -> None:
    up("--bare")
    kube = Kube(HOME / "us-east-1" / "pki" / "admin.kubeconfig")
    for name, query in (("real", ""), ("dry", "?dryRun=All")):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        kube.request("POST", f"/api/v1/namespaces/default/configmaps{query}", body)
    log = HOME / "us-east-1" / "audit" / "audit.log"
    writes: list[str] = []

    def written() -> bool:
        events = [json.loads(line) for line in log.read_text().splitlines()]
        writes[:] = [
            event["requestURI"]
            for event in events
            if event["verb"] == "create"
            and event["objectRef"]["resource"] == "configmaps"
            and event["objectRef"]["namespace"] == "default"
        ]
        return len(writes) >= 2

    kube.wait("two writes in the audit log", written, 10)
    assert sorted("dryRun=All" in uri for uri in writes) == [False, True]


@pytest.mark.parametrize("seconds", [0.3, 2.0, 4.5])
def test_killed_in_the_middle_and_up_again(before: Machine, seconds: float) -> None:
    with command("up", "--regions", "1", "--bare") as child:
        time.sleep(seconds)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    up("--bare")
    run_pods()
    code, output = lab("down")
    assert code == 0, output
    assert left_behind(before, look()) == {}


def test_killed_in_the_middle_and_down(before: Machine) -> None:
    with command("up", "--regions", "1", "--bare") as child:
        time.sleep(2.5)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert lab("down")[0] == 0
    assert left_behind(before, look()) == {}


def test_a_living_lab_of_another_checkout_is_refused_and_a_dead_one_is_cleaned(
    before: Machine, other_checkout: pathlib.Path
) -> None:
    up("--bare", checkout=other_checkout)
    run_pods()
    first = pids()
    code, output = lab("up", "--regions", "1", "--bare")
    assert code == 1
    assert len(output.strip().splitlines()) == 1, output
    assert str(other_checkout) in output
    assert f"python -m lab down --name {LAB}" in output
    assert pids() == first, "a refused `up` changed something"

    kill_everything()
    output = up("--bare")
    assert "cleaned what a dead lab had left" in output
    assert set(pids()) == set(first)
    run_pods()
    code, output = lab("down")
    assert code == 0, output
    assert left_behind(before, look()) == {}


def test_a_program_that_died_is_started_again(before: Machine) -> None:
    up("--bare")
    first = pids()
    os.kill(int(first["us-east-1/kube-scheduler"].split()[0]), signal.SIGKILL)
    assert lab("status")[0] == 1
    up("--bare")
    changed = {name for name, identity in pids().items() if identity != first.get(name)}
    assert changed == {"us-east-1/kube-scheduler"}
    assert lab("status")[0] == 0


def test_only_one_up_at_a_time(before: Machine) -> None:
    with command("up", "--regions", "1", "--bare") as first:
        time.sleep(1.0)
        code, output = lab("up", "--regions", "1", "--bare")
        assert (code, "another `up` or `down`" in output) == (1, True), output
        assert first.communicate(timeout=120)[0]
    assert first.returncode == 0
