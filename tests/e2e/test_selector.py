# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service without Gateway API goes out and back in the lab: clients of its Service count who answers them."""

from __future__ import annotations

import http.client
import pathlib
import threading
import time
import typing as t

import pytest
from lab_run import PROFILES, Ended, LabRun, lab_services, playbook

from lab.kube import Kube
from lab.model import plan_lab

REGION = plan_lab("test").regions[0]
SERVICE = "selector-probe"
KINDS = {
    "Deployment": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
    "Service": "v1",
    "ServiceAccount": "v1",
}


class Clients:
    """Asks a port of the node again and again, each time over a connection of its own."""

    def __init__(self, port: int) -> None:
        #: Status and version, or the error.
        self.answers: list[tuple[str, str]] = []
        self._port = port
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def now(self) -> set[tuple[str, str]]:
        """What they are answered within a second from now on."""
        known = len(self.answers)
        time.sleep(1)
        return set(self.answers[known + 1 :])

    def _run(self) -> None:
        while not self._end.wait(0.02):
            connection = http.client.HTTPConnection(REGION.address, self._port, timeout=5)
            try:
                connection.request("GET", "/pairs")
                answer = connection.getresponse()
                self.answers.append((str(answer.status), answer.headers["x-version"]))
            except (OSError, http.client.HTTPException) as error:
                self.answers.append((type(error).__name__, str(error)))
            finally:
                connection.close()


@pytest.fixture
def kube(demo: LabRun) -> t.Iterator[Kube]:
    kube = Kube(REGION.admin_kubeconfig)
    try:
        yield kube
    finally:
        for kind, api_version in KINDS.items():
            for obj in kube.list(api_version, kind, "exchange", f"app.kubernetes.io/name={SERVICE}"):
                kube.delete(api_version, kind, obj["metadata"]["name"], "exchange")


def release(name: str, reports: pathlib.Path, more: t.Mapping[str, t.Any], **variables: t.Any) -> Ended:
    services = lab_services()
    services[SERVICE] = {
        key: value for key, value in services["reference-data"].items() if key not in ("hostnames", "hpa")
    }
    services[SERVICE] |= {"env": {"PINCEX_SERVICE": "reference-data"}, "traffic": "selector", "grace_s": 5, **more}
    variables |= {"services": services, "gate_profiles": PROFILES, "release_standby_s": 1}
    return playbook(name, "--limit", REGION.name, reports=reports, **variables)


def test_clients_of_a_service_see_it_go_out_and_back_without_a_failure(demo: LabRun, kube: Kube) -> None:
    assert release("deploy", demo.reports, {}, release_versions={SERVICE: "v1"}).code == 0
    # The type of the Service is its owner's, and here it is how clients outside of the region reach it.
    path = f"/api/v1/namespaces/exchange/services/{SERVICE}"
    kube.request("PATCH", path, {"spec": {"type": "NodePort"}}, "application/merge-patch+json")
    port = kube.request("GET", path)["spec"]["ports"][0]["nodePort"]
    probed = {"probe_url": f"http://{REGION.address}:{port}"}

    def answered() -> bool:
        with Clients(port) as clients:
            return clients.now() == {("200", "v1")}

    kube.wait("the port of the node", answered, 30)
    with Clients(port) as clients:
        # Counted answers are part of it: a shift that they do not prove is taken back.
        assert release("deploy", demo.reports, probed, release_versions={SERVICE: "v2"}).code == 0
        assert clients.now() == {("200", "v2")}
        assert release("rollback", demo.reports, probed).code == 0
        assert clients.now() == {("200", "v1")}
    assert set(clients.answers) == {("200", "v1"), ("200", "v2")}
    assert kube.request("GET", path)["spec"]["type"] == "NodePort"
