# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small exchange as pods behind the proxy of an API server in memory."""

from __future__ import annotations

import json
import re
import typing as t
import urllib.parse

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Request
from drain_world import Engine, Gateway, Json, Server, World
from fakes import FakeKube

PROXY = re.compile(r"/api/v1/namespaces/exchange/pods/([^/:]+):8080/proxy(/.*)")
IN_REGION = {"context": "us-east-1", "namespace": "exchange", "region": "us-east-1"}
GATEWAYS = {"gateways": [], "gateway_pods": [{"selector": "app.kubernetes.io/name=core-api", "port": 8080}]}


def api_says(status: int, reason: str, message: str) -> Answer:
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
    return Answer(status, json.dumps({**said, "code": status}).encode(), {})


class PodWorld:
    """`a` and `b` are the pods of two StatefulSets, the gateway is one of a Deployment."""

    def __init__(self, world: World, server: FakeKube) -> None:
        self.world, self.server = world, server
        self.pods: dict[str, Server] = {}
        #: What came through the proxy: method, pod, path.
        self.asked: list[tuple[str, str, str]] = []
        self.numbers = iter(range(1, 100))
        server.before.append(self.forward)
        self.start("engine-a-0", world.a)
        self.start("engine-b-0", world.b)
        self.start("core-api-1", world.gateway)

    def start(self, pod: str, behind: Server, *, phase: str = "Running", running: bool = True) -> str:
        """A pod of that name, with an address that no other one had. It is the same engine: the volume stays."""
        number = next(self.numbers)
        labels = {} if isinstance(behind, Engine) else {"app.kubernetes.io/name": "core-api"}
        state: Json = {"running": {"startedAt": "now"}} if running else {"waiting": {"reason": "CrashLoopBackOff"}}
        containers = [{"name": "main", "restartCount": 0, "state": state}]
        meta = {"name": pod, "namespace": "exchange", "labels": labels}
        status = {"phase": phase, "podIP": f"10.0.0.{number}", "containerStatuses": containers}
        self.server.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status})
        self.pods[pod] = behind
        address = f"http://10.0.0.{number}:8080"
        if isinstance(behind, Engine):
            # The others find it there and nowhere else.
            for engine in (self.world.a, self.world.b, self.world.c):
                known = {url: one for url, one in engine.peers.items() if one is not behind}
                engine.peers = {**known, address: behind, behind.url: behind}
        return address

    def stop(self, pod: str) -> None:
        del self.pods[pod]
        self.server.stored = {ref: kept for ref, kept in self.server.stored.items() if ref.name != pod}

    def gateway(self, pod: str) -> Gateway:
        """One gateway more."""
        made = Gateway(self.world.record)
        self.start(pod, made)
        return made

    def forward(self, request: Request) -> Answer | None:
        match = PROXY.fullmatch(request.path)
        if match is None:
            return None
        pod, parts = match[1], urllib.parse.urlsplit(match[2])
        self.asked.append((request.method, pod, parts.path))
        if pod not in self.pods:
            return api_says(404, "NotFound", f'pods "{pod}" not found')
        server = self.pods[pod]
        body: Json = dict(urllib.parse.parse_qsl(parts.query)) | (json.loads(request.body) if request.body else {})
        with server.lock:
            server.requests.append((f"{request.method} {parts.path}", body))
            answer = server.handle(f"{request.method} {parts.path}", body)
        if answer is None:
            raise NoAnswer("connection reset", timeout=False, sent=True)
        status, found = answer
        return Answer(status, found if isinstance(found, bytes) else json.dumps(found).encode(), {})

    def handover(self, **given: t.Any) -> Json:
        engines = {"engine": {"pod": "engine-a-0"}, "new_engine": {"pod": "engine-b-0"}}
        return self.world.handover(**{**IN_REGION, **engines, **GATEWAYS, **given})
