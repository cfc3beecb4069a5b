# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller: `ansible-playbook` as an operator runs it, in a PID namespace of its own, with the ways to end it."""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import typing as t

from lab.demo.playbook import BIN, CHECKOUT

_PROC: t.Final = pathlib.Path("/proc")
_FIRST: t.Final = pathlib.Path(__file__).parent / "first.py"
_SKEW: t.Final = pathlib.Path(__file__).parent / "skew"
#: The head of the closing summary of a playbook that opened a release of its own.
_RELEASED: t.Final = re.compile(r"^(?:deploy|rollback) .*\(\w+, revision (\d+)\)$", re.MULTILINE)


class Controllers:
    """Starts playbooks on one lab; their output goes into files below a folder."""

    def __init__(self, lab: str, folder: pathlib.Path) -> None:
        self._lab = lab
        self._folder = folder
        self._number = 0

    def start(
        self, name: str, kubeconfig: pathlib.Path, *, cwd: pathlib.Path = CHECKOUT, skew_s: float = 0, **more: t.Any
    ) -> Controller:
        """Start the playbook NAME. `skew_s` is how far its clock is ahead; `more` are extra variables."""
        self._number += 1
        self._folder.mkdir(parents=True, exist_ok=True)
        # Spelled out: without this option the playbook asks the API servers past the proxies.
        extra = {"cluster_kubeconfig": str(kubeconfig), "release_reports": str(self._folder / "reports"), **more}
        command = [
            str(BIN / "ansible-playbook"),
            f"pincex.zero_downtime.{name}",
            *("-i", str(CHECKOUT / "inventories" / "lab"), "-e", json.dumps(extra)),
        ]
        environment = {
            **os.environ,
            "PINCEX_LAB": self._lab,
            "ANSIBLE_COLLECTIONS_PATH": str(BIN.parent / "collections"),
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
        }
        if skew_s:
            environment |= {"PYTHONPATH": str(_SKEW), "CHAOS_SKEW_S": f"{skew_s:g}"}
        return Controller(command, environment, cwd, self._folder / f"{self._number:02d}-{name}.log")


class Controller:
    """One run of a playbook. Every process of it can be found, whatever it became the child of."""

    def __init__(
        self, command: list[str], environment: c.Mapping[str, str], cwd: pathlib.Path, log: pathlib.Path
    ) -> None:
        self.log = log
        namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*namespace, sys.executable, "-S", str(_FIRST), *command],
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, timeout_s: float) -> int | None:
        """The playbook's exit code once every process is gone; None when that takes longer."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill_tree(self) -> None:
        """SIGKILL to everything at once: the kernel does that when the first process goes."""
        first = self._first()
        if first is not None:
            _signal(first, signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def kill_group(self) -> None:
        """SIGKILL to the playbook's process group. Ansible's workers have sessions of their own and run on."""
        playbook = self._playbook()
        if playbook is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(os.getpgid(playbook), signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM to the playbook, as a cancelled job sends it."""
        playbook = self._playbook()
        if playbook is not None:
            _signal(playbook, signal.SIGTERM)

    def stop(self) -> None:
        """SIGSTOP to playbook, workers and modules."""
        for _round in range(2):  # twice: one may have been born meanwhile
            for pid in self._members():
                _signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `stop`."""
        for pid in self._members():
            _signal(pid, signal.SIGCONT)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def released(self) -> int | None:
        """The number of the revision that it made; None when it made none. To end the standby of another release is
        no release."""
        found = _RELEASED.search(self.output())
        return None if found is None else int(found[1])

    def _first(self) -> int | None:
        return next(iter(_children(self._process.pid)), None)

    def _playbook(self) -> int | None:
        first = self._first()
        return None if first is None else min(_children(first), default=None)

    def _members(self) -> list[int]:
        """Every process of the namespace but its first."""
        first = self._first()
        space = None if first is None else _namespace(first)
        return [pid for pid in _pids() if pid != first and space is not None and _namespace(pid) == space]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _pids() -> list[int]:
    return [int(path.name) for path in _PROC.iterdir() if path.name.isdigit()]


def _namespace(pid: int) -> str | None:
    try:
        return str((_PROC / str(pid) / "ns" / "pid").readlink())
    except OSError:
        return None


def _children(parent: int) -> list[int]:
    found = []
    for pid in _pids():
        try:
            stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            continue
        # The name of a program may hold blanks and brackets itself.
        if int(stat.rpartition(")")[2].split()[1]) == parent:
            found.append(pid)
    return found


class Orders:
    """The lab's order flow beside a run, and what it found. `by_name`: new orders go where the lab's name points to."""

    def __init__(self, lab: str, rate: float, out: pathlib.Path, *, by_name: bool = False) -> None:
        self._out = out
        out.unlink(missing_ok=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        flow = [sys.executable, "-m", "lab.flow", "run", "--name", lab, "--rate", f"{rate:g}", "--out", str(out)]
        flow += ["--resolve"] if by_name else []
        with out.with_suffix(".log").open("wb") as log:
            # The flow must not wait for the releases' processes on a small machine.
            self._flow = subprocess.Popen(
                ["nice", "-n", "-5", *flow], cwd=CHECKOUT, stdout=log, stderr=subprocess.STDOUT
            )
        time.sleep(1)

    def end(self) -> dict[str, t.Any]:
        """The totals of the flow, and the longest that an answer took; nothing when it left none."""
        if self._flow.poll() is None:
            self._flow.send_signal(signal.SIGTERM)
        try:
            self._flow.wait(120)
        except subprocess.TimeoutExpired:
            self._flow.kill()
            self._flow.wait()
        try:
            report = json.loads(self._out.read_text())
            return {**report["totals"], "longest_wait_s": report["latency_ms"]["max"] / 1000}
        except (OSError, ValueError, KeyError):
            return {}
