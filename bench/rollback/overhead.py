# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a healthy release costs over `kubectl apply` and `kubectl rollout status` of the same manifests.

One region, three services that are independent of each other, no step is watched and nothing is baked. Both bring up
six pods of slots that were at zero; ours also locks, journals, dry-runs, probes through the gateway, shifts, proves,
records and unlocks.
"""

from __future__ import annotations

import collections.abc as c
import importlib.metadata
import pathlib
import tempfile
import time
import typing as t

import yaml

from bench.gate import tools
from bench.gate.part import Measured, Options, Row
from bench.results import OURS, ROOT, Goal, row
from bench.rollback import peers
from bench.rollback.marks import NAMESPACE
from bench.rollback.ours import Environment, lab_up
from lab.errors import LabError
from lab.kube import Kube
from lab.model import Site, plan_lab
from lab.steps import Steps

CASE: t.Final = "healthy release of three services, one region"
KUBECTL: t.Final = "kubectl apply + rollout status"
_ROUNDS: t.Final = 5
_MOST_S: t.Final = 10.0
_NAMES: t.Final = ("one", "two", "three")
_OURS: t.Final = "bench-ours"
_THEIRS: t.Final = "bench-kubectl"


def catalogue() -> dict[str, t.Any]:
    """Ours of the three services: as `peers.service` makes them, with a route."""
    return {
        f"{_OURS}-{name}": {
            "image": "registry.lab:5000/pincex/exchange",
            "command": ["python3", "-m", "exchange"],
            "strategy": "blue_green",
            "hostnames": [f"{name}.{_OURS}.lab"],
            "env": {"PINCEX_SERVICE": "reference-data", "LINGER_S": "3"},
            "probes": {"period_s": 2, "timeout_s": 5, "ready_failures": 3, "live_failures": 15},
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "prestop_s": 2,
            "grace_s": 30,
        }
        for name in _NAMES
    }


class _Kubectl:
    """The same services of kubectl, in the same namespace."""

    def __init__(self, program: pathlib.Path, site: Site, folder: pathlib.Path) -> None:
        self._program = program
        self._site = site
        self._folder = folder

    def empty(self, version: str) -> None:
        """No pods, and a version that is not the next one."""
        kube = Kube(self._site.admin_kubeconfig)
        self._apply(version, 0)
        kube.wait("kubectl's pods gone", lambda: not self._pods(kube), 120)

    def release(self, version: str) -> float:
        began = time.monotonic()
        self._apply(version, 2)
        for name in _NAMES:
            self._call("rollout", "status", f"deployment/{_THEIRS}-{name}-blue")
        return time.monotonic() - began

    def _apply(self, version: str, replicas: int) -> None:
        path = self._folder / "all.yaml"
        made = [peers.service(f"{_THEIRS}-{name}", "reference-data", {}) for name in _NAMES]
        objects = [obj for one in made for obj in peers.slot(one, version, self._site, replicas)]
        path.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
        self._call("apply", "--server-side", "-f", str(path))

    def _pods(self, kube: Kube) -> list[t.Any]:
        names = ",".join(f"{_THEIRS}-{name}" for name in _NAMES)
        return kube.list("v1", "Pod", NAMESPACE, f"app.kubernetes.io/name in ({names})")

    def _call(self, *words: str) -> None:
        peers.call(self._program, self._site, self._folder, *words)


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own."""
    programs = tools.programs(("kubectl",), Steps())
    lab = plan_lab(options.lab, 1)
    ours: list[float] = []
    theirs: list[float] = []
    with lab_up(options.lab, 1), tempfile.TemporaryDirectory() as scratch:
        environment = Environment(lab, ROOT / "reports" / "bench", services=catalogue(), release_standby_s=0)
        kubectl = _Kubectl(programs["kubectl"], lab.regions[0], pathlib.Path(scratch))
        environment.deploy("v1")
        for number in range(1, (options.rounds or _ROUNDS) + 1):
            old, new = ("v1", "v2") if number % 2 else ("v2", "v1")
            kubectl.empty(old)
            theirs.append(kubectl.release(new))
            kubectl.empty(new)
            environment.wait_for_pods()
            began = time.monotonic()
            code, _entered = environment.run("deploy", release_version=new)
            ours.append(time.monotonic() - began)
            if code != 0:
                raise LabError(f"{new} could not be deployed; see reports/bench/deploy.log")
            environment.wait_for_pods()
            print(f"round {number}: ours {ours[-1]:.2f} s, kubectl {theirs[-1]:.2f} s", flush=True)
    versions = {"ansible-core": importlib.metadata.version("ansible-core"), **tools.versions()}
    return Measured(rows(ours, theirs), versions)


def rows(ours: c.Sequence[float], theirs: c.Sequence[float]) -> list[Row]:
    """Both, and what ours takes more in the same round."""
    more = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    return [
        row(CASE, "Enter to end", list(theirs), Goal(), subject=KUBECTL),
        row(CASE, "Enter to end", list(ours), Goal(), subject=OURS),
        row(CASE, f"more than {KUBECTL}", more, Goal(_MOST_S)),
    ]
