# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who said what about a rollout, and when, from what a process printed."""

from __future__ import annotations

import json
import pathlib
import re
import sys
import time

import pytest
import yaml

from bench.gate import peers
from bench.gate.cases import CASES, Case, deployment
from bench.gate.peers import HELM, KUBECTL, KUBERNETES_CORE, OUR_TASK, Command, Ran, Target, Tools
from bench.results import OURS
from lab.model import plan_lab

TOOLS = Tools(pathlib.Path("/k"), pathlib.Path("/h"), pathlib.Path("/c"))


def ran(*lines: str, code: int | None = 0) -> Ran:
    return Ran(code, 1.0, 9.0, tuple((float(number), line) for number, line in enumerate(lines, start=2)))


def target(folder: pathlib.Path) -> Target:
    return Target(plan_lab("test", 1).regions[0], "Deployment", "space-1", folder)


@pytest.mark.parametrize(
    ("subject", "found", "said"),
    [
        (KUBECTL, ran('deployment "app" successfully rolled out'), ("pass", "successfully rolled out")),
        (KUBECTL, ran("Waiting for", "error: exceeded its progress deadline", "", code=1), ("fail", "error: exceeded")),
        (KUBECTL, ran("Waiting for 0 of 1 updated replicas", code=None), ("nothing", "Waiting for 0")),
        (HELM, ran("Error: context deadline exceeded", "more", code=1), ("fail", "Error: context")),
        (HELM, ran("STATUS: deployed", "TEST SUITE: None"), ("pass", "STATUS: deployed")),
        (
            KUBERNETES_CORE,
            ran("TASK [judge] ***", 'changed: [localhost] => {"changed": true}'),
            ("pass", "task changed"),
        ),
        (KUBERNETES_CORE, ran('ok: [localhost] => {"resources": []}'), ("pass", "resources: []")),
        (
            KUBERNETES_CORE,
            ran("[ERROR]: Task failed", 'fatal: [localhost]: FAILED! => {"msg": "Timed out"}', code=2),
            ("fail", "Timed out"),
        ),
        (KUBERNETES_CORE, ran("[ERROR]: no such playbook", code=1), ("nothing", "no such playbook")),
        (OUR_TASK, ran('ok: [localhost] => {"verdict": "hold", "reason": "blind"}'), ("hold", "blind")),
        (OURS, ran("progress", json.dumps({"verdict": "fail", "reason": "exit code 3"})), ("fail", "exit code 3")),
        (OURS, ran("Traceback", "ImportError: no such", code=1), ("nothing", "ImportError")),
    ],
)
def test_what_was_said(subject: str, found: Ran, said: tuple[str, str]) -> None:
    verdict, sentence = peers.answer(subject, found)
    assert verdict == said[0]
    assert said[1] in sentence


def test_the_verdict_came_with_its_line_and_not_with_the_end_of_the_process() -> None:
    script = "import time; print('ok: [localhost]', flush=True); time.sleep(0.4)"
    found = peers.execute(Command((sys.executable, "-c", script), {}, said=re.compile("^ok")), 10)
    assert found.code == 0
    assert time.time() - found.said_at > 0.3


def test_who_waits_for_ever_is_ended() -> None:
    began = time.monotonic()
    found = peers.execute(Command((sys.executable, "-c", "import time; time.sleep(60)"), {}), 0.3)
    assert found.code is None
    assert time.monotonic() - began < 10


def test_options_come_in_by_standard_input() -> None:
    found = peers.execute(Command((sys.executable, "-c", "print(input())"), {}, "asked\n"), 10)
    assert [line for _at, line in found.lines] == ["asked"]


def test_peers_are_asked_at_their_defaults(tmp_path: pathlib.Path) -> None:
    for case in CASES:
        for subject in (KUBECTL, HELM, KUBERNETES_CORE):
            folder = tmp_path / f"{case.name} {subject}"
            folder.mkdir()
            asked = peers.command(subject, TOOLS, target(folder), case)
            text = " ".join(asked.argv) + "".join(path.read_text() for path in folder.rglob("*.yml"))
            assert not re.search("wait_timeout|--timeout|wait_sleep", text)


def test_helm_gets_a_chart_of_the_same_objects(tmp_path: pathlib.Path) -> None:
    case = Case("any", "pass", "", after=(deployment("2"),), before=(deployment("1"),))
    asked = peers.command(HELM, TOOLS, target(tmp_path), case)
    assert asked.argv[1] == "upgrade"
    assert list(yaml.safe_load_all((tmp_path / "chart" / "templates" / "all.yaml").read_text())) == list(case.after)


def test_whoever_cannot_apply_asks_for_what_is_missing(tmp_path: pathlib.Path) -> None:
    (missing,) = (case for case in CASES if case.name == "missing Deployment")
    peers.command(KUBERNETES_CORE, TOOLS, target(tmp_path), missing)
    (play,) = yaml.safe_load((tmp_path / "playbook.yml").read_text())
    assert play["tasks"][0]["kubernetes.core.k8s_info"]["wait"] is True


def test_our_gate_is_asked_with_its_own_defaults(tmp_path: pathlib.Path) -> None:
    asked = json.loads(peers.command(OURS, TOOLS, target(tmp_path), CASES[0]).stdin)
    assert set(asked) == {"kubeconfig", "context", "namespace", "workloads"}
