# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""500 Deployments in one call of the gate, beside 5: requests by the API server's audit log, lateness, memory.

The API server, its controllers and the scheduler are real. Nodes and pods are kwok's: there is nothing behind them.
"""

from __future__ import annotations

import collections
import collections.abc as c
import dataclasses
import importlib.metadata
import pathlib
import time
import typing as t

from bench.gate import peers, region, tools
from bench.gate.part import Measured, Options, Row
from bench.results import Goal, row
from lab import programs
from lab.kube import Kube, Object
from lab.model import Site
from lab.steps import Steps

_FEW: t.Final = 5
_MANY: t.Final = 500
_ROUNDS: t.Final = 3
_LATE_S: t.Final = 2.0
_MEMORY_MB: t.Final = 150.0
#: The controllers of a cluster may ask 20 times a second: 500 new Deployments take them two minutes.
_DEADLINE_S: t.Final = 900.0
_NODE: t.Final = "kwok-1"


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of the gate. `requests` counts by verb and resource."""

    deployments: int
    verdict: str
    late_s: float | None
    peak_mb: float | None
    requests: t.Mapping[tuple[str, str], int]

    @property
    def asked(self) -> int:
        """Lists, and the first watch of each kind: one that lasted longer is asked for again every 15 seconds."""
        watched = sum(1 for verb, _resource in self.requests if verb == "watch")
        return watched + sum(number for (verb, _resource), number in self.requests.items() if verb != "watch")


def node() -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": _NODE,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"type": "kwok", "kubernetes.io/hostname": _NODE},
        },
    }


def deployment(number: int, space: str) -> Object:
    """A Deployment of one pod on kwok's node."""
    labels = {"app": f"app-{number}"}
    container = {"name": "app", "image": "none.invalid/none:1"}
    spec = {"nodeSelector": {"type": "kwok"}, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{number}", "namespace": space},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def requests(events: c.Iterable[t.Mapping[str, t.Any]]) -> collections.Counter[tuple[str, str]]:
    """Requests by verb and resource."""
    return collections.Counter((str(event["verb"]), str(event["objectRef"]["resource"])) for event in events)


def _start_kwok(site: Site, program: pathlib.Path, stages: str) -> None:
    """kwok beside the site's other programs, which `lab down` ends as well; back when its node is Ready."""
    config = site.home / "kwok.yaml"
    config.write_text(stages, encoding="utf-8")
    programs.start(
        site,
        "kwok",
        [
            program,
            f"--kubeconfig={site.admin_kubeconfig}",
            f"--config={config}",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--node-lease-duration-seconds=40",
        ],
        # It looks for more settings in the home of its user.
        env={"HOME": str(site.home)},
    )
    kube = Kube(site.admin_kubeconfig)
    kube.apply(node())
    kube.wait_condition("v1", "Node", _NODE, None, condition="Ready", timeout_s=60)


def _call(site: Site, kubeconfig: pathlib.Path, number: int, space: str) -> Call:
    """The Deployments are new when the gate starts, and it sees the last one become ready."""
    kube = Kube(site.admin_kubeconfig)
    kube.apply(region.namespace(space))

    def all_complete(deployments: c.Collection[Object]) -> bool:
        return len(deployments) == number and all(region.is_complete(one) for one in deployments)

    options = {
        "kubeconfig": str(kubeconfig),
        "context": site.name,
        "namespace": space,
        "workloads": [{"kind": "Deployment", "name": f"app-{index}"} for index in range(number)],
        "deadline_s": _DEADLINE_S,
    }
    with region.observed(site, f"/apis/apps/v1/namespaces/{space}/deployments", all_complete) as seen:
        kube.apply(*(deployment(index, space) for index in range(number)))
        ran = peers.execute(peers.gate(options), _DEADLINE_S + 60)
        ready_at = seen.wait(1)
    time.sleep(1)
    found = peers.result_of(ran)
    verdict, sentence = str(found.get("verdict", "nothing")), str(found.get("reason", ""))
    late_s = None
    if verdict == "pass" and ready_at is not None:
        # A few are ready before the gate has started.
        late_s = ran.said_at - max(ready_at, float(found["started_at"]))
    call = Call(number, verdict, late_s, found.get("peak_mb"), requests(region.audit_events(site, space)))
    shown = ", ".join(f"{verb} {what}: {times}" for (verb, what), times in sorted(call.requests.items()))
    print(
        f"{number} Deployments: {verdict} {call.late_s} s after the last, {call.peak_mb} MB; {shown}; {sentence}",
        flush=True,
    )
    return call


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own without add-ons."""
    steps = Steps()
    program = tools.programs(("kwok",), steps)["kwok"]
    stages = tools.kwok_stages(steps)
    calls = []
    with region.lab(options.lab, "--bare") as site:
        _start_kwok(site, program, stages)
        kubeconfig = region.reader(site)
        for turn in range(options.rounds or _ROUNDS):
            calls += [_call(site, kubeconfig, number, f"scale-{turn}-{number}") for number in (_FEW, _MANY)]
    versions = {name: importlib.metadata.version(name) for name in ("ansible-core", "kubernetes")}
    return Measured(rows(calls), {**versions, **tools.versions()})


def rows(calls: c.Sequence[Call]) -> list[Row]:
    """Few beside many: the same requests, soon after the last is ready, in little memory."""
    made = []
    few = [call for call in calls if call.deployments == _FEW]
    least = min((call.asked for call in few if call.verdict == "pass"), default=0)
    for number, goals in (
        (_FEW, (Goal(), Goal(), Goal())),
        (_MANY, (Goal(least + 0.5, least), Goal(_LATE_S), Goal(_MEMORY_MB))),
    ):
        case = f"{number} Deployments"
        own = [call for call in calls if call.deployments == number]
        # A call that did not pass has asked for something else.
        asked = [float(call.asked) if call.verdict == "pass" else None for call in own]
        made += [
            row(case, "API requests", asked, goals[0], "count"),
            row(case, "watches asked for again", [_renewed(call) for call in own], Goal(), "count"),
            row(case, "last ready to verdict", [call.late_s for call in own], goals[1]),
            row(case, "peak memory", [call.peak_mb for call in own], goals[2], "MB"),
        ]
    return made


def _renewed(call: Call) -> float:
    return float(sum(call.requests.values()) - call.asked)
