# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A region that is sent to a maintenance answer: core-api behind a route, and the Service that answers."""

from __future__ import annotations

import typing as t

import fakes
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.maintenance import maintenance_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Reply
from journal_world import JOURNAL
from slot_world import ROUTE, S, SlotWorld

Json = dict[str, t.Any]

FLEET = {"kubeconfig": "none", "context": "management", "namespace": "pincex-fleet"}
BY = {"service": "maintenance", "port": 8080, "by": "anna", "reason": "storage migration"}
BY |= {"emergency": False, "drain": True, "proof": None}
PROBE = {"url": "http://gateway", "path": "/health/ready", "requests": 20, "timeout_s": 3.0}
LABELS = {"app.kubernetes.io/name": "maintenance"}


class MaintenanceWorld(SlotWorld):
    """v1 in blue with two pods and all the traffic; one pod answers during a maintenance."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fakes, "KINDS", {**fakes.KINDS, "discovery.k8s.io/v1": {"EndpointSlice": "endpointslices"}})
        super().__init__(monkeypatch)
        self.running("blue", "v1", 2)
        self.routed(100, 0)
        self.endpoints("maintenance", "maintenance-0")
        self.server.put(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "maintenance", "namespace": "exchange"},
                "spec": {"selector": LABELS, "ports": [{"port": 8080}]},
            }
        )
        self.answer = Reply("503", None, None, "60")
        monkeypatch.setattr(self.gateway, "ask", self._ask)
        self.server.requests.clear()

    def endpoints(self, service: str, *pods: str, ready: bool = True) -> None:
        """What is behind a Service."""
        meta = {"name": f"{service}-x", "namespace": "exchange", "labels": {"kubernetes.io/service-name": service}}
        endpoints = [
            {"addresses": ["10.0.0.1"], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}}
            for pod in pods
        ]
        self.server.put(
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "endpoints": endpoints}
        )

    def _ask(self, _host: str | None, _path: str, _headers: t.Mapping[str, str], _timeout_s: float) -> Reply:
        self.clock.elapsed += 0.001
        backend = self.server.take(ROUTE)["spec"]["rules"][0]["backendRefs"][0]["name"]
        return self.answer if backend == "maintenance" else Reply("200", backend.rsplit("-", 1)[1], "v1")

    def open(self) -> ReleaseRef:
        """The lock that a drain, a resume and a maintenance take."""
        done = self.call(state="opened", kind="maintenance", fleet=FLEET)
        assert not done.get("failed"), done["msg"]
        return ReleaseRef.from_option(done["release"])

    def close(self, release: ReleaseRef) -> None:
        done = self.call(state="closed", outcome="done", release=release.to_option())
        assert not done.get("failed"), done["msg"]

    def enter(self, release: ReleaseRef | None = None, **more: t.Any) -> Json:
        given = {"routes": [S], "maintenance": {**BY, **more}, "probe": PROBE}
        return self.traffic(state="maintenance", release=release, check_mode=release is None, **given)

    def leave(self, release: ReleaseRef | None = None, **more: t.Any) -> Json:
        given = {"probe": PROBE, **more}
        return self.traffic(state="returned", release=release, check_mode=release is None, **given)

    def entered(self, **more: t.Any) -> Json:
        """The whole way in, scale and lock included."""
        release = self.open()
        done = self.enter(release, **more)
        assert not done.get("failed"), done["msg"]
        self.scaled(done)
        self.close(release)
        return done

    def scaled(self, done: Json) -> None:
        """What k8s_revision and the kubelet do with the fields."""
        for field in done["maintenance"]["fields"]:
            ref = Ref(field["api_version"], field["kind"], field["name"], "exchange")
            self.server.change(ref, "pincex-zero-downtime", spec={"replicas": field["value"]})
            self.server.change(ref, "kubelet", status={"readyReplicas": field["value"]})

    def record(self) -> t.Any:
        stored = self.server.stored.get(JOURNAL)
        return maintenance_of(stored.obj["data"], "us-east-1") if stored is not None else None
