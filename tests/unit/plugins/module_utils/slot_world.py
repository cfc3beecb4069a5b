# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service with two slots in a region in memory, and both write modules run there."""

from __future__ import annotations

import copy
import typing as t

import fakes
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision import run as revision
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import run as traffic
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Reply
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import build_route
from journal_world import World

Json = dict[str, t.Any]

S = "core-api"
ROUTE = Ref("gateway.networking.k8s.io/v1", "HTTPRoute", S, "exchange")


def deployment(slot: str, version: str, **spec: t.Any) -> Json:
    selector = {"app.kubernetes.io/name": S, "pincex.io/slot": slot}
    labels = {**selector, "app.kubernetes.io/version": version}
    container = {"name": S, "image": f"exchange:{version}", "env": [{"name": "PINCEX_VERSION", "value": version}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{S}-{slot}", "namespace": "exchange", "labels": labels},
        "spec": {
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def service(slot: str) -> Json:
    selector = {"app.kubernetes.io/name": S, "pincex.io/slot": slot}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{S}-{slot}", "namespace": "exchange", "labels": selector},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 8080, "targetPort": "http"}]},
    }


def account() -> Json:
    meta = {"name": S, "namespace": "exchange", "labels": {"app.kubernetes.io/name": S}}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}


def hpa(slot: str, least: int) -> Json:
    labels = {"app.kubernetes.io/name": S, "pincex.io/slot": slot}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": f"{S}-{slot}", "namespace": "exchange", "labels": labels},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{S}-{slot}"},
            "minReplicas": least,
            "maxReplicas": 6,
        },
    }


def manifests(slot: str, version: str) -> list[Json]:
    return [hpa(slot, 2), deployment(slot, version), service(slot), account()]


def scale(slot: str, count: int) -> Json:
    return {
        "api_version": "apps/v1",
        "kind": "Deployment",
        "name": f"{S}-{slot}",
        "path": "spec.replicas",
        "value": count,
    }


def slot_ref(slot: str) -> Ref:
    return Ref("apps/v1", "Deployment", f"{S}-{slot}", "exchange")


def accepted(route: Json) -> Json:
    """The status that a gateway gives a route it serves."""
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "observedGeneration": route["metadata"].get("generation", 1)}
        for kind in ("Accepted", "ResolvedRefs")
    ]
    return {**route, "status": {"parents": [{"parentRef": {"name": "exchange"}, "conditions": conditions}]}}


class Gateway:
    """A data plane that follows the route that is stored, some requests later."""

    def __init__(self, world: SlotWorld) -> None:
        self.world = world
        self.asked: list[tuple[str | None, str, dict[str, str]]] = []
        #: Replies that come before it follows.
        self.first: list[Reply] = []
        #: How many requests it serves by the old weights.
        self.lag = 0
        self._turn = 0
        self._old: dict[str, int] = {"blue": 100, "green": 0}

    def ask(self, host: str | None, path: str, headers: t.Mapping[str, str], timeout_s: float) -> Reply:
        self.asked.append((host, path, dict(headers)))
        self.world.clock.elapsed += 0.001
        if self.first:
            return self.first.pop(0)
        if self.lag:
            self.lag -= 1
            weights = self._old
        else:
            rules = self.world.server.take(ROUTE)["spec"]["rules"]
            weights = {b["name"].rsplit("-", 1)[1]: b["weight"] for b in rules[0]["backendRefs"]}
        # Evenly, as a gateway does it.
        self._turn += 1
        slot = "green" if self._turn * weights["green"] % 100 < weights["green"] else "blue"
        slot = headers.get("x-pincex-slot", slot)
        version = self.world.server.take(slot_ref(slot))["metadata"]["labels"]["app.kubernetes.io/version"]
        return Reply("200", slot, version)


class SlotWorld(World):
    """us-east-1 with the service in the slots that a test gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "exchange"}})
        self.gateway = Gateway(self)
        self.urls: list[str] = []
        monkeypatch.setattr(traffic, "Gateway", self._connect_gateway)
        monkeypatch.setattr(fakes, "_selected", _selected)
        # A gateway looks at every route at once.
        self.server.after.append(self._accept)

    def _connect_gateway(self, url: str, ca_cert: str | None) -> Gateway:
        self.urls.append(url)
        return self.gateway

    def _accept(self, request: t.Any) -> None:
        stored = self.server.stored.get(ROUTE)
        if stored is not None and request.method != "GET":
            stored.obj = accepted(stored.obj)

    def revision(self, *, check_mode: bool = False, release: ReleaseRef | None = None, **given: t.Any) -> Json:
        return self._run(revision, check_mode, release, given)

    def traffic(self, *, check_mode: bool = False, release: ReleaseRef | None = None, **given: t.Any) -> Json:
        return self._run(traffic, check_mode, release, given)

    def _run(self, module: t.Any, check_mode: bool, release: ReleaseRef | None, given: Json) -> Json:
        params = {name: spec.get("default") for name, spec in module.ARGUMENT_SPEC.items()}
        params |= {"context": "us-east-1", "namespace": "exchange", "step": "a step"}
        params["release"] = release.to_option() if release else None
        return execute(
            module.run,
            {**params, **given},
            check_mode=check_mode,
            diff=True,
            clock=self.clock,
            progress=self.lines.append,
            empty=module.EMPTY_RESULT,
        )

    def running(self, slot: str, version: str, count: int) -> None:
        """A slot as an earlier release left it."""
        done = self.revision(state="applied", objects=manifests(slot, version), fields=[scale(slot, count)])
        assert not done.get("failed"), done["msg"]
        self.ready(slot, count)

    def ready(self, slot: str, count: int) -> None:
        self.server.change(slot_ref(slot), "kubelet", status={"readyReplicas": count})

    def routed(self, blue: int, green: int) -> None:
        route = build_route(
            S,
            "exchange",
            weights={"blue": blue, "green": green},
            port=8080,
            hostnames=["core-api.exchange.lab"],
            parent={"name": "exchange"},
        )
        self.server.put(accepted(route), "pincex-zero-downtime")

    def weights(self) -> dict[str, int]:
        rules = self.server.take(ROUTE)["spec"]["rules"]
        return {backend["name"].rsplit("-", 1)[1]: backend["weight"] for backend in rules[0]["backendRefs"]}

    def objects(self) -> Json:
        """What people and releases wrote, without what the server and controllers did."""
        found = {}
        for ref, stored in self.server.stored.items():
            if ref.kind not in ("ConfigMap", "Lease", "Namespace"):
                obj = copy.deepcopy(stored.obj)
                obj.pop("status", None)
                for key in ("uid", "resourceVersion", "generation"):
                    obj["metadata"].pop(key, None)
                found[str(ref)] = obj
        return found

    def journaled(self, release: ReleaseRef) -> list[t.Any]:
        return self.journal(release).entries()

    def written(self) -> list[str]:
        """Every write that is not about lock and journal, as METHOD name."""
        return [
            f"{request.method} {request.path.rsplit('/', 2)[-2]}/{request.path.rsplit('/', 1)[-1]}"
            for request in self.server.writes()
            if "configmaps" not in request.path and "leases" not in request.path
        ]


def _selected(labels: t.Mapping[str, str], selector: str) -> bool:
    """The one selector that these modules use: `name in (a,b)`."""
    name, _in, values = selector.partition(" in ")
    return labels.get(name) in values.strip("()").split(",")
