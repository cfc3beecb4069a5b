# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everybody who judges a rollout here: how each is asked, at its defaults, and what its answer means."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import typing as t

import yaml

from bench.gate.cases import NAME, Case
from bench.results import OURS, ROOT
from lab.kube import Object
from lab.model import Site

KUBECTL: t.Final = "kubectl rollout status"
HELM: t.Final = "Helm 4 --wait"
KUBERNETES_CORE: t.Final = "kubernetes.core wait"
#: The same gate as a task of ansible-playbook.
OUR_TASK: t.Final = f"{OURS} as a task"
PEERS: t.Final = (KUBECTL, HELM, KUBERNETES_CORE)

#: When each gives up at its defaults, in seconds. kubectl itself never does: the Deployment's own deadline speaks.
DEADLINES_S: t.Final = {KUBECTL: 600.0, HELM: 300.0, KUBERNETES_CORE: 120.0}
#: How much sooner our verdict on a doomed rollout is to be.
SOONER: t.Final = {KUBECTL: 20, HELM: 20, KUBERNETES_CORE: 5}

OUR_COLLECTIONS: t.Final = ROOT / ".venv" / "collections"
_RESULT_OF_TASK: t.Final = re.compile(r"^(ok|changed|fatal): \[")
#: Before the interpreter has cleaned up behind itself, which is nobody's verdict.
_RESULT_OF_GATE: t.Final = re.compile(r"^\{")
_KILL_S: t.Final = 10


@dataclasses.dataclass(frozen=True)
class Tools:
    """Where the programs of the peers are."""

    kubectl: pathlib.Path
    helm: pathlib.Path
    collections: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Target:
    """One rollout in a namespace of its own; `folder` is for what a peer wants to read from a file."""

    site: Site
    kind: str
    space: str
    folder: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Command:
    """A process to run. `said` is the line that tells its verdict; without it, its end does."""

    argv: tuple[str, ...]
    environment: t.Mapping[str, str]
    stdin: str = ""
    said: re.Pattern[str] | None = None


@dataclasses.dataclass(frozen=True)
class Ran:
    """How a process went. `code` None: it still waited when the bench had waited long enough. Instants in unix s."""

    code: int | None
    began: float
    said_at: float
    lines: tuple[tuple[float, str], ...]


def applies(subject: str) -> bool:
    """Whether it makes the change itself, in the same process."""
    return subject in (HELM, KUBERNETES_CORE)


def command(subject: str, tools: Tools, target: Target, case: Case) -> Command:
    """How this subject is asked about the case."""
    site = target.site
    environment = {"KUBECONFIG": str(site.admin_kubeconfig)}
    where = {"kubeconfig": str(site.admin_kubeconfig), "context": site.name, "namespace": target.space}
    ours = {**where, "workloads": [{"kind": target.kind, "name": NAME}]}
    if subject == OURS:
        return gate(ours)
    if subject == OUR_TASK:
        task = {"pincex.zero_downtime.k8s_rollout_gate": {**ours, "fail_on": []}}
        return _playbook(target, task, OUR_COLLECTIONS)
    if subject == KUBERNETES_CORE:
        return _playbook(target, _kubernetes_core_task(where, case), tools.collections)
    if subject == KUBECTL:
        words = ("rollout", "status", f"{target.kind.lower()}/{NAME}", "-n", target.space)
        return Command((str(tools.kubectl), *words), environment)
    return helm(tools, target, case.after, "upgrade" if case.before else "install")


def gate(options: t.Mapping[str, t.Any]) -> Command:
    """Our gate in a fresh process, without Ansible around it."""
    python = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(OUR_COLLECTIONS)))}
    return Command((sys.executable, "-m", "bench.gate.subject"), python, json.dumps(options), _RESULT_OF_GATE)


def helm(tools: Tools, target: Target, objects: c.Sequence[Object], verb: str, *more: str) -> Command:
    """Helm at its defaults, with a chart of these objects."""
    chart = target.folder / "chart"
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    about = {"apiVersion": "v2", "name": "bench", "version": "0.1.0"}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    (chart / "templates" / "all.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    environment = {"KUBECONFIG": str(target.site.admin_kubeconfig), "HELM_DRIVER": "secret"}
    for kind in ("CACHE", "CONFIG", "DATA"):
        environment[f"HELM_{kind}_HOME"] = str(target.folder / "helm")
    words = (verb, "bench", str(chart), "--wait", "-n", target.space, *more)
    return Command((str(tools.helm), *words), environment)


def _kubernetes_core_task(where: dict[str, str], case: Case) -> dict[str, t.Any]:
    if not case.after:
        # Nothing to apply: whoever only waits uses the module that asks.
        named = {"api_version": "apps/v1", "kind": case.kind, "name": NAME}
        return {"kubernetes.core.k8s_info": {**where, **named, "wait": True}}
    return {"kubernetes.core.k8s": {**where, "definition": list(case.after), "wait": True}}


def _playbook(target: Target, task: dict[str, t.Any], collections: pathlib.Path) -> Command:
    path = target.folder / "playbook.yml"
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [{"name": "judge", **task}]}
    path.write_text(yaml.safe_dump([play]), encoding="utf-8")
    # Ansible's own defaults, whatever the checkout's settings are.
    settings = target.folder / "ansible.cfg"
    settings.write_text("[defaults]\n", encoding="utf-8")
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_CONFIG": str(settings),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }
    interpreter = f"ansible_python_interpreter={sys.executable}"
    program = pathlib.Path(sys.executable).with_name("ansible-playbook")
    argv = (str(program), "-v", "-i", "localhost,", "-e", interpreter, str(path))
    return Command(argv, environment, said=_RESULT_OF_TASK)


def execute(asked: Command, patience_s: float) -> Ran:
    """Run it and note when each line came. A process that still waits after `patience_s` is ended."""
    began = time.time()
    child = subprocess.Popen(
        asked.argv,
        env={**os.environ, **asked.environment},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    waited_enough = threading.Event()

    def end() -> None:
        waited_enough.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)

    timer = threading.Timer(patience_s, end)
    timer.start()
    try:
        child.stdin.write(asked.stdin)
        child.stdin.close()
        lines = tuple((time.time(), line.rstrip("\n")) for line in child.stdout)
        code = child.wait(_KILL_S)
    finally:
        timer.cancel()
    ended = time.time()
    said = next((at for at, line in lines if asked.said is not None and asked.said.search(line)), ended)
    return Ran(None if waited_enough.is_set() else code, began, said, lines)


def answer(subject: str, ran: Ran) -> tuple[str, str]:
    """What it said: `pass`, `fail`, `hold`, or `nothing` while it still waited; and its sentence."""
    text = [line for _at, line in ran.lines if line.strip()]
    if subject == OURS:
        found = result_of(ran)
        return str(found.get("verdict", "nothing")), str(found.get("reason") or _last(text))
    if ran.code is None:
        return "nothing", _last(text)
    if subject in (KUBERNETES_CORE, OUR_TASK):
        return _answer_of_task(text)
    telling = [line for line in text if line.lower().startswith(("error", "status:"))]
    return ("pass" if ran.code == 0 else "fail"), _last(telling or text)


def result_of(ran: Ran) -> dict[str, t.Any]:
    """What our own process found: its last line. Empty when it did not get that far."""
    for _at, line in reversed(ran.lines):
        if line.startswith("{"):
            return t.cast("dict[str, t.Any]", json.loads(line))
    return {}


def result_of_task(lines: c.Sequence[str]) -> tuple[str, dict[str, t.Any]]:
    """State and result of the one task, as `ansible-playbook -v` prints them; an empty state without one."""
    for line in lines:
        match = _RESULT_OF_TASK.match(line)
        if match is not None:
            _head, arrow, body = line.partition("=> ")
            return match[1], json.loads(body) if arrow else {}
    return "", {}


def _answer_of_task(text: c.Sequence[str]) -> tuple[str, str]:
    state, found = result_of_task(text)
    if "verdict" in found:
        return str(found["verdict"]), str(found["reason"])
    if state == "fatal":
        return "fail", str(found.get("msg", ""))
    if state:
        # A task that is ok lets the play go on, whatever it found.
        return "pass", f"task {state}" + (", resources: []" if found.get("resources") == [] else "")
    return "nothing", _last(text)


def _last(lines: c.Sequence[str]) -> str:
    return lines[-1].strip()[:300] if lines else ""
