# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same services under the hands of kubectl and Helm: rolling updates behind the same gateways.

Each peer has Deployments, routes and host names of its own. What it is asked it is asked in all regions at once, which
is the best that a script around it could do.
"""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import copy
import os
import pathlib
import subprocess
import time
import typing as t

import yaml
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import manifests, model

from bench.gate import region
from bench.results import ROOT
from bench.rollback.marks import NAMESPACE
from lab.errors import LabError
from lab.kube import Kube, Object
from lab.model import Lab, Site

KUBECTL: t.Final = "kubectl rollout undo"
HELM: t.Final = "Helm 4 rollback --wait"
_PREFIX: t.Final = {KUBECTL: "kubectl", HELM: "helm"}
_IMAGE: t.Final = "registry.lab:5000/pincex/exchange"
_ROLES: t.Final = ("reference-data", "core-api")
_REPLICAS: t.Final = 2
_END_S: t.Final = 300.0


def host(subject: str, role: str = "core-api") -> str:
    """Where the exchange of this peer is reached."""
    return f"{role}.{_PREFIX[subject]}.lab"


def service(name: str, role: str, env: t.Mapping[str, str]) -> model.Service:
    """An entry as the lab's catalogue has it, without an HPA: it would own the number of pods."""
    entry = {
        "image": _IMAGE,
        "command": ["python3", "-m", "exchange"],
        "env": {"PINCEX_SERVICE": role, "LINGER_S": "3", **env},
        "probes": {"period_s": 2, "timeout_s": 5, "ready_failures": 3, "live_failures": 15},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "prestop_s": 2,
        "grace_s": 30,
    }
    return model.parse_catalogue({name: entry})[name]


def slot(made: model.Service, version: str, site: Site, replicas: int = _REPLICAS) -> list[Object]:
    """The manifests of one slot, as a release of the collection would apply them, with their number of pods."""
    found: list[Object] = copy.deepcopy(manifests.slot_manifests(made, "blue", version, site.name, NAMESPACE))
    for obj in found:
        if obj["kind"] == "Deployment":
            obj["spec"]["replicas"] = replicas
    return found


def exchange(subject: str, version: str, site: Site) -> list[Object]:
    """Everything of one peer in one region, without the routes."""
    url = {"REFERENCE_DATA_URL": f"http://{site.address}", "REFERENCE_DATA_HOST": host(subject, "reference-data")}
    found: list[Object] = []
    for role in _ROLES:
        found += slot(service(f"{_PREFIX[subject]}-{role}", role, url if role == "core-api" else {}), version, site)
    return found


def routes(subject: str) -> list[Object]:
    """One backend with all of the traffic: a rolling update changes what is behind it."""
    return [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": f"{_PREFIX[subject]}-{role}", "namespace": NAMESPACE},
            "spec": {
                "parentRefs": [{"name": "exchange"}],
                "hostnames": [host(subject, role)],
                "rules": [{"backendRefs": [{"name": f"{_PREFIX[subject]}-{role}-blue", "port": 8080}]}],
            },
        }
        for role in _ROLES
    ]


class Peer:
    """One peer in all regions of a lab."""

    def __init__(self, subject: str, program: pathlib.Path, lab: Lab, folder: pathlib.Path) -> None:
        self.subject = subject
        self._program = program
        self._lab = lab
        self._folder = folder / _PREFIX[subject]
        self._installed = False
        for site in lab.regions:
            (self._folder / site.name / "chart" / "templates").mkdir(parents=True)

    def release(self, version: str) -> None:
        """That version everywhere, and every pod of it ready. Raises LabError."""
        self._everywhere(lambda site: self._release(site, version))
        self._installed = True
        for site in self._lab.regions:
            Kube(site.admin_kubeconfig).apply(*routes(self.subject))
        self.wait()

    def back(self) -> float:
        """The revision before, everywhere; seconds from Enter until the last region says that it is done."""
        began = time.monotonic()
        self._everywhere(self._back)
        return time.monotonic() - began

    def wait(self) -> None:
        """Until the pods of the other version are gone."""
        for site in self._lab.regions:
            kube = Kube(site.admin_kubeconfig)
            for role in _ROLES:
                name = f"{_PREFIX[self.subject]}-{role}-blue"
                region.wait_until_complete(kube, "Deployment", name, NAMESPACE)

    def _release(self, site: Site, version: str) -> None:
        objects = exchange(self.subject, version, site)
        if self.subject == HELM:
            chart = self._folder / site.name / "chart"
            about = {"apiVersion": "v2", "name": "bench", "version": "0.1.0"}
            (chart / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
            (chart / "templates" / "all.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
            self._call(site, "upgrade" if self._installed else "install", "bench", str(chart), "--wait")
            return
        path = self._folder / site.name / "all.yaml"
        path.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
        # `rollout undo` has written as a manager of another name.
        self._call(site, "apply", "--server-side", "--force-conflicts", "-f", str(path))
        self._wait_for_rollouts(site)

    def _back(self, site: Site) -> None:
        if self.subject == HELM:
            self._call(site, "rollback", "bench", "--wait")
            return
        self._call(site, "rollout", "undo", *self._deployments())
        self._wait_for_rollouts(site)

    def _wait_for_rollouts(self, site: Site) -> None:
        for name in self._deployments():
            self._call(site, "rollout", "status", name)

    def _deployments(self) -> list[str]:
        return [f"deployment/{_PREFIX[self.subject]}-{role}-blue" for role in _ROLES]

    def _everywhere(self, work: c.Callable[[Site], None]) -> None:
        with concurrent.futures.ThreadPoolExecutor(len(self._lab.regions)) as pool:
            for one in [pool.submit(work, site) for site in self._lab.regions]:
                one.result()

    def _call(self, site: Site, *words: str) -> None:
        call(self._program, site, self._folder, *words)


def call(program: pathlib.Path, site: Site, folder: pathlib.Path, *words: str) -> None:
    """kubectl or Helm against one region. Raises LabError with its words."""
    environment = {**os.environ, "KUBECONFIG": str(site.admin_kubeconfig), "HELM_DRIVER": "secret"}
    for kind in ("CACHE", "CONFIG", "DATA"):
        environment[f"HELM_{kind}_HOME"] = str(folder / site.name / "home")
    command = [str(program), *words, "-n", NAMESPACE]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_END_S
    )
    if done.returncode != 0:
        raise LabError(f"{site.name}: {program.name} {' '.join(words[:2])}: {done.stderr.strip()[-400:]}")
