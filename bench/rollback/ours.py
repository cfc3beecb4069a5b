# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of the collection on the lab, and the ways back from them."""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

from bench.results import ROOT
from bench.rollback import marks
from bench.rollback.marks import FLEET, NAMESPACE, Marks, Watchers
from lab.demo.playbook import Playbooks
from lab.errors import LabError
from lab.kube import Kube, Object
from lab.model import Lab

#: Ansible's workers have sessions of their own, and a module that waits with a warm standby does so for WARM_S: it
#: would outlive a signal to the playbook's group. The kernel ends every process of the namespace with its first.
_OWN_PIDS: t.Final = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
#: Where nobody waits for evidence: what is measured is the way back, and what every release costs.
QUICK: t.Final = {
    "interval_s": 0.25,
    "deadline_s": 120,
    "blind_s": 30,
    "step_s": 0,
    "bake_s": 0,
    "judge_s": 0,
    "on_thin_evidence": "pass_on_workloads",
}
_PATIENCE_S: t.Final = 180.0
_END_S: t.Final = 180.0
#: Longer than anything that is measured while old slots are warm.
WARM_S: t.Final = 600


@contextlib.contextmanager
def lab_up(name: str, regions: int) -> c.Iterator[None]:
    """A fresh lab, gone afterwards. Raises LabError."""
    down = [sys.executable, "-m", "lab", "down", "--name", name]
    try:
        for command in (down, lab_command(name, regions)):
            if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
                raise LabError(f"lab {command[3]} failed; look at the messages above")
        yield
    finally:
        subprocess.run(down, cwd=ROOT, check=False)


def lab_command(name: str, regions: int) -> list[str]:
    return [sys.executable, "-m", "lab", "up", "--name", name, "--regions", str(regions)]


class Environment:
    """The lab's inventory as an operator releases to it, all regions at once."""

    def __init__(self, lab: Lab, reports: pathlib.Path, **variables: t.Any) -> None:
        reports.mkdir(parents=True, exist_ok=True)
        self.lab = lab
        self._playbooks = Playbooks(lab.name, reports)
        self._variables = {"release_waves": ["100%"], "gate_profiles": {"default": QUICK}, **variables}

    def run(self, name: str, **variables: t.Any) -> tuple[int, float]:
        """Exit code of a playbook, and when it was entered (unix seconds)."""
        entered = time.time()
        process = self.start(name, **variables)
        try:
            return process.wait(_END_S), entered
        except subprocess.TimeoutExpired:
            kill(process)
            raise LabError(f"{name} had not ended after {_END_S:.0f} s") from None

    def start(self, name: str, **variables: t.Any) -> subprocess.Popen[bytes]:
        words = ["-e", json.dumps({**self._variables, **variables})]
        log = (self._playbooks.reports / f"{name}.log").open("wb")
        with log:
            return subprocess.Popen(
                [*_OWN_PIDS, *self._playbooks.command(name, *words)],
                env=self._playbooks.environment(),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def deploy(self, version: str, standby_s: int = 0) -> None:
        """Released everywhere, old slots at zero. Raises LabError."""
        code, _entered = self.run("deploy", release_version=version, release_standby_s=standby_s)
        if code != 0:
            raise LabError(f"{version} could not be deployed; see {self._playbooks.reports / 'deploy.log'}")
        self.wait_for_pods()

    @contextlib.contextmanager
    def warm(self, version: str) -> c.Iterator[None]:
        """Released everywhere, and its playbook waits with the old slots up while the block runs."""
        known = self.newest()
        process = self.start("deploy", release_version=version, release_standby_s=WARM_S)
        try:
            self._until(process, f"{version} released", lambda: self._has_ended(known))
            yield
        finally:
            # Under no lock: what it had still to do is the next release's.
            kill(process)

    @contextlib.contextmanager
    def baking(self, version: str) -> c.Iterator[subprocess.Popen[bytes]]:
        """All traffic of all regions on the new version, and the release not decided. Its playbook runs to its end."""
        before = self.slots()
        # Without any check there is nothing to watch, and the bake ends at once.
        profile = {**QUICK, "bake_s": _END_S, "metrics": [{"name": "always good", "query": "vector(1)", "min": 1}]}
        process = self.start("deploy", release_version=version, gate_profiles={"default": profile})
        try:
            self._until(process, f"{version} at 100 %", lambda: self._has_moved(before))
            yield process
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        finally:
            kill(process)

    def back(self, kind: str, name: str, slots: t.Mapping[str, marks.Slots], known: str, **variables: t.Any) -> Marks:
        """Run a way back and note its instants. `slots` names the regions that go back, and to which slots."""
        with Watchers(self.lab, slots.keys()).watching(slots, kind, known) as seen:
            code, entered = self.run(name, **variables)
            if code != 0 and len(slots) == len(self.lab.regions):
                print(f"{name} ended with {code}", file=sys.stderr)
            return seen.marks(entered, _PATIENCE_S)

    def newest(self) -> str:
        """Id of the fleet's newest release."""
        return str(marks.header(marks.journal(Kube(self.lab.management.admin_kubeconfig), FLEET)).get("id", ""))

    def slots(self) -> dict[str, dict[str, str]]:
        """Region -> service -> slot with all traffic."""
        return {site.name: marks.live_slots(self._routes(site.admin_kubeconfig)) for site in self.lab.regions}

    def wait_for_pods(self) -> None:
        """Until pods that end are gone: they would take the cores of what comes next."""
        for site in self.lab.regions:
            kube = Kube(site.admin_kubeconfig)
            kube.wait(f"{site.name}: no pod ends", lambda kube=kube: not _ending(kube), _PATIENCE_S)  # type: ignore[misc]

    def _routes(self, kubeconfig: pathlib.Path) -> list[Object]:
        return Kube(kubeconfig).list("gateway.networking.k8s.io/v1", "HTTPRoute", NAMESPACE)

    def _has_ended(self, known: str) -> bool:
        kube = Kube(self.lab.management.admin_kubeconfig)
        return marks.ended(known, "deploy")(marks.journal(kube, FLEET))

    def _has_moved(self, before: t.Mapping[str, marks.Slots]) -> bool:
        now = self.slots()
        return all(
            now[region].get(service, slot) != slot
            for region, slots in before.items()
            for service, slot in slots.items()
        )

    def _until(self, process: subprocess.Popen[bytes], what: str, done: c.Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not done():
            if process.poll() is not None or time.monotonic() > end:
                raise LabError(f"{what}: not reached; see {self._playbooks.reports / 'deploy.log'}")
            time.sleep(0.2)


def kill(process: subprocess.Popen[bytes]) -> None:
    """The process group, and with it everything that `Environment.start` started, if it still runs."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(kube: Kube) -> list[Object]:
    return [pod for pod in kube.list("v1", "Pod", NAMESPACE) if pod["metadata"].get("deletionTimestamp")]
