# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout that takes a second, and the gate that judges it through two proxies that spoil what it sees."""

from __future__ import annotations

import pathlib
import threading
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import run as gate
from fault_proxy import FaultProxy
from small_api import SmallApi, SmallPrometheus

Json = dict[str, t.Any]
Outcome = t.Literal["good", "crash", "errors"]

NAME = "core-api-green"
ERRORS = "errors[5s]"

CONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{url}"}}}}]
users: [{{name: u, user: {{tokenFile: "{token}"}}}}]
contexts: [{{name: us-east-1, context: {{cluster: c, user: u}}}}]
"""


class Region:
    """The API server and the Prometheus of a region, each behind its proxy, with one rollout of two pods."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.api, self.prometheus = SmallApi(), SmallPrometheus()
        self.to_api, self.to_prometheus = FaultProxy(self.api.port), FaultProxy(self.prometheus.port)
        self.token = folder / "token"
        self.token.write_text("first")
        (folder / "kubeconfig").write_text(CONFIG.format(url=self.to_api.url, token=self.token))
        self.prometheus.values[ERRORS] = 0.01
        self.lines: list[str] = []
        self.passed = False
        self._over = threading.Event()
        meta = {"uid": "rs", "name": f"{NAME}-1", "namespace": "exchange", "creationTimestamp": "2026-01-01T00:00:00Z"}
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME, "uid": "deploy"}
        extra = {"annotations": {"deployment.kubernetes.io/revision": "1"}, "ownerReferences": [owner]}
        self.api.put({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta | extra, "spec": {"replicas": 2}})
        self._pod(0, ready=True)
        self._pod(1, ready=False)
        self._deployment(ready=1)

    def at(self, seconds: float, what: t.Callable[[], object]) -> None:
        """Do something that long after the gate has begun to watch, however busy the machine is."""

        def wait() -> None:
            while len([path for path in self.api.requests if "watch=1" in path]) < 3:
                if self._over.wait(0.01):
                    return
            if not self._over.wait(seconds):
                what()

        threading.Thread(target=wait, daemon=True).start()

    def pause(self, seconds: float) -> None:
        """That long, or until the gate has ended."""
        self._over.wait(seconds)

    def until(self, there: t.Callable[[], bool]) -> None:
        """Until something is there, or the gate has ended."""
        while not there() and not self._over.wait(0.01):
            pass

    def become(self, outcome: Outcome) -> None:
        """What the rollout comes to: all pods ready, with few errors or with many; or one that crashes."""
        if outcome == "crash":
            self._pod(1, ready=False, restarts=5)
            return
        if outcome == "errors":
            self.prometheus.values[ERRORS] = 0.5
        self._pod(1, ready=True)
        self._deployment(ready=2)

    def judge(self, *, timeout_s: float = 0.5, **given: t.Any) -> Json:
        """The gate as a task runs it. `timeout_s` is for one answer of Prometheus."""
        options: Json = {
            "kubeconfig": str(self.folder / "kubeconfig"),
            "context": "us-east-1",
            "namespace": "exchange",
            "workloads": [{"kind": "Deployment", "name": NAME}],
            "metrics": [{"name": "error rate", "query": ERRORS, "max": 0.05}],
            "prometheus": {"url": self.to_prometheus.url, "timeout_s": timeout_s},
            "observe_s": 0.4,
            "interval_s": 0.1,
            # Long enough for a machine that is busy with other things: a fault that passes ends none of them.
            "deadline_s": 120,
            "blind_s": 120,
            "evidence_max_s": 120,
            "log_lines": 0,
            **given,
        }
        checked = ArgumentSpecValidator(gate.ARGUMENT_SPEC).validate(options)
        assert not checked.error_messages
        return execute(
            gate.run,
            checked.validated_parameters,
            check_mode=False,
            diff=False,
            clock=SystemClock(),
            progress=self.lines.append,
            empty=gate.EMPTY_RESULT,
        )

    def close(self) -> None:
        self._over.set()
        for site in (self.to_api, self.to_prometheus, self.api, self.prometheus):
            site.stop()

    def _deployment(self, ready: int) -> None:
        self.api.put(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {
                    "name": NAME,
                    "namespace": "exchange",
                    "uid": "deploy",
                    "generation": 1,
                    "annotations": {"deployment.kubernetes.io/revision": "1"},
                },
                "spec": {"replicas": 2, "selector": {"matchLabels": {"app": NAME}}},
                "status": {
                    "observedGeneration": 1,
                    "replicas": 2,
                    "updatedReplicas": 2,
                    "readyReplicas": ready,
                    "availableReplicas": ready,
                },
            }
        )

    def _pod(self, number: int, ready: bool, restarts: int = 0) -> None:
        state: Json = {"name": "app", "restartCount": restarts, "state": {"running": {}}, "ready": ready}
        if restarts:
            state["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting"}}
            state["lastState"] = {"terminated": {"exitCode": 3, "reason": "Error"}}
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{NAME}-1", "uid": "rs"}
        name = f"{NAME}-1-{number}"
        self.api.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": "exchange", "uid": name, "ownerReferences": [owner]},
                "spec": {"containers": [{"name": "app"}], "restartPolicy": "Always"},
                "status": {
                    "phase": "Running",
                    "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                    "containerStatuses": [state],
                },
            }
        )
