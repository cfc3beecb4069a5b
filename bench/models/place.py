# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of a lab, and the playbooks for them as an operator runs them."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import sys
import time
import typing as t

from bench.results import ROOT
from bench.rollback.ours import QUICK, Environment, kill
from lab.demo.playbook import Playbooks
from lab.errors import LabError
from lab.model import Lab

Json = dict[str, t.Any]

REPORTS: t.Final = ROOT / "reports" / "bench"
_CALLBACKS: t.Final = ROOT / "bench" / "callbacks"
_END_S: t.Final = 300.0


@dataclasses.dataclass(frozen=True)
class Ran:
    """One playbook that has ended: its exit code, unix seconds, and what model_shadow returned, task by task."""

    code: int
    entered: float
    ended: float
    results: list[Json]


class Place:
    """The models of a lab that runs. `environment`: its regions."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.environment = Environment(lab, REPORTS)
        self._playbooks = Playbooks(lab.name, REPORTS)

    def up(self, *more: str) -> None:
        """Start the models. Raises LabError."""
        command = [sys.executable, "-m", "lab.models", "up", "--name", self.lab.name, *more]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            raise LabError("the models did not start; look at the messages above")

    def must(self, name: str, **variables: t.Any) -> Ran:
        """Raises LabError when the playbook fails."""
        ran = self.run(name, **variables)
        if ran.code != 0:
            raise LabError(f"{name} ended with {ran.code}; see {self._log(name)}")
        return ran

    def run(self, name: str, **variables: t.Any) -> Ran:
        """Raises LabError when it does not end."""
        told = REPORTS / f"{name}.jsonl"
        told.unlink(missing_ok=True)
        environment = {
            **self._playbooks.environment(),
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "pincex.zero_downtime.release_board,bench_tasks",
            "PINCEX_BENCH_TASKS": str(told),
        }
        known = {"gate_profiles": {"default": QUICK}, **variables}
        entered = time.time()
        with self._log(name).open("wb") as log:
            process = subprocess.Popen(
                self._playbooks.command(name, "-e", json.dumps(known)),
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            code = process.wait(_END_S)
        except subprocess.TimeoutExpired:
            raise LabError(f"{name} had not ended after {_END_S:.0f} s; see {self._log(name)}") from None
        finally:
            kill(process)
        return Ran(code, entered, time.time(), read(told.read_text(encoding="utf-8") if told.exists() else ""))

    def _log(self, name: str) -> pathlib.Path:
        return REPORTS / f"{name}.log"


def read(text: str) -> list[Json]:
    """The results among the tasks that the callback has written."""
    return [found for line in text.splitlines() if (found := json.loads(line)["result"]) is not None]
