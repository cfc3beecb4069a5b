# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One region of three is dead: its API server does not run. Do rollback, abort and recover of the two others wait?

Each way back alternates between all alive and one dead. The instants are those of the two that live.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import importlib.metadata
import statistics
import subprocess
import typing as t

from bench.gate.part import Measured, Options, Row
from bench.results import ROOT, Goal, row
from bench.rollback.marks import NAMESPACE, Marks
from bench.rollback.ours import Environment, kill, lab_command, lab_up
from lab import binaries, programs
from lab.errors import LabError
from lab.kube import Kube
from lab.model import Lab, Site, plan_lab

ALIVE: t.Final = "all alive"
DEAD: t.Final = "one of three dead"
WAYS: t.Final = ("rollback", "abort", "recover")
_REGIONS: t.Final = 3
_ROUNDS: t.Final = 3
#: One attempt of the collection's client to reach an API server.
_TIMEOUT_S: t.Final = 10.0
_OLD: t.Final = "v1"
_NEW: t.Final = "v2"


@dataclasses.dataclass(frozen=True)
class Round:
    """One way back of the two regions that live."""

    way: str
    state: str
    marks: Marks


@contextlib.contextmanager
def _region(lab: Lab, dies: bool) -> c.Iterator[None]:
    """The last region without its API server while the block runs. Raises LabError when it does not come back."""
    if not dies:
        yield
        return
    programs.stop(lab.regions[-1], "kube-apiserver", timeout_s=0)
    try:
        yield
    finally:
        done = subprocess.run(lab_command(lab.name, _REGIONS), cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise LabError(f"{lab.regions[-1].name} did not come back")


def _round(environment: Environment, way: str, dies: bool) -> Round:
    lab = environment.lab
    living = [site.name for site in lab.regions[:-1]]
    environment.deploy(_OLD)
    slots = {region: found for region, found in environment.slots().items() if region in living}
    if way == "rollback":
        environment.deploy(_NEW)
        with _region(lab, dies):
            marks = environment.back("rollback", way, slots, environment.newest(), release_standby_s=0)
    else:
        known = environment.newest()
        with environment.baking(_NEW) as process:
            if way == "recover":
                kill(process)
            with _region(lab, dies):
                marks = environment.back("deploy", way, slots, known, reason="measured")
    if dies:
        # Brings the dead one to where the others are.
        code, _entered = environment.run("recover")
        problem = brought_up(code, _versions(lab.regions[-1], environment.slots()), list(slots[living[0]]))
        if problem:
            raise LabError(f"{way}: {lab.regions[-1].name} was dead, and {problem}")
    return Round(way, DEAD if dies else ALIVE, marks)


def _versions(site: Site, slots: c.Mapping[str, c.Mapping[str, str]]) -> dict[str, str]:
    """Service -> the version that has all of its traffic in this region."""
    deployments = Kube(site.admin_kubeconfig).list("apps/v1", "Deployment", NAMESPACE)
    labels = {obj["metadata"]["name"]: obj["metadata"].get("labels") or {} for obj in deployments}
    live = slots[site.name].items()
    return {service: str(labels.get(slot, {}).get("app.kubernetes.io/version")) for service, slot in live}


def brought_up(code: int, versions: c.Mapping[str, str], services: c.Sequence[str]) -> str | None:
    """What is wrong after the recovery that follows; None when the region serves what the others went back to."""
    if code != 0:
        return f"recover ended with {code}"
    wrong = [f"{name} serves {versions.get(name)}" for name in services if versions.get(name) != _OLD]
    return f"after recover {', '.join(wrong)} instead of {_OLD}" if wrong else None


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own."""
    lab = plan_lab(options.lab, _REGIONS)
    found: list[Round] = []
    with lab_up(options.lab, _REGIONS):
        environment = Environment(lab, ROOT / "reports" / "bench")
        for number in range(1, (options.rounds or _ROUNDS) + 1):
            for way in WAYS:
                for dies in (False, True):
                    found.append(_round(environment, way, dies))
                    seconds = found[-1].marks.between("entered", "verified")
                    shown = "-" if seconds is None else f"{seconds:.2f} s"
                    print(f"round {number} {way:<9} {found[-1].state:<18} {shown}", flush=True)
    versions = {"Kubernetes": binaries.KUBERNETES_VERSION, "ansible-core": importlib.metadata.version("ansible-core")}
    return Measured(rows(found), versions)


def rows(found: c.Sequence[Round]) -> list[Row]:
    """Enter to weights and to verified of the two: with all alive, and beside it with one dead."""
    made = []
    for way in WAYS:
        for metric, end in (("Enter to weights", "weights"), ("Enter to verified", "verified")):
            alive, dead = (
                [one.marks.between("entered", end) for one in found if (one.way, one.state) == (way, state)]
                for state in (ALIVE, DEAD)
            )
            if not alive and not dead:
                continue
            known = [value for value in alive if value is not None]
            median = statistics.median(known) if known else None
            under = None if median is None else median + _TIMEOUT_S
            made.append(row(f"{way}, {ALIVE}", metric, alive, Goal()))
            made.append(row(f"{way}, {DEAD}", metric, dead, Goal(under, median)))
    return made
