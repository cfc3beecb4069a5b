# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A region without Gateway API: core-api in two slots behind a Service that selects one of them."""

from __future__ import annotations

import typing as t

import fakes
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import run as traffic
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Reply
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.selector import build_service
from slot_world import S, SlotWorld

Json = dict[str, t.Any]

SERVICE = Ref("v1", "Service", S, "exchange")
BLUE = {"blue": 100, "green": 0}
GREEN = {"blue": 0, "green": 100}
URL = "http://core-api.lab"


class Plane:
    """What is behind an address: a ready pod behind the Service answers."""

    def __init__(self, world: SelectorWorld, keep: bool) -> None:
        self.world = world
        self.keep = keep
        self.asked = 0

    def ask(self, host: str | None, path: str, headers: t.Mapping[str, str], timeout_s: float) -> Reply:
        self.asked += 1
        self.world.clock.elapsed += 0.001
        assert (host, headers) == (None, {})
        slot = self.world.stuck_in or self.world.selected()
        return Reply("200", slot, self.world.versions[slot])


class SelectorWorld(SlotWorld):
    """Blue has v1 and green v2, two ready pods each, and blue has the traffic."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kinds = {kind: names for kind, names in fakes.KINDS.items() if "gateway" not in kind}
        monkeypatch.setattr(fakes, "KINDS", {**kinds, "discovery.k8s.io/v1": {"EndpointSlice": "endpointslices"}})
        super().__init__(monkeypatch)
        monkeypatch.setattr(fakes, "_selected", _selected)
        monkeypatch.setattr(traffic, "Gateway", self._connect)
        self.planes: dict[str, Plane] = {}
        self.versions = {"blue": "v1", "green": "v2"}
        #: Where the data plane sends to, whatever the Service says.
        self.stuck_in: str | None = None
        #: How many looks at the endpoints find those of before.
        self.lag = 0
        self.server.after.append(self._control)

    def _connect(self, url: str, _ca_cert: str | None = None, keep: bool = True) -> Plane:
        self.planes[url] = Plane(self, keep)
        return self.planes[url]

    def fill(self) -> t.Self:
        for slot in ("blue", "green"):
            self.slot(slot, 2)
        self.server.put(build_service(S, "exchange", weights=BLUE, port=8080), "pincex-zero-downtime")
        self._follow()
        self.server.requests.clear()
        return self

    def slot(self, slot: str, ready: int) -> None:
        """A slot of two pods, of which so many are ready."""
        labels = {"app.kubernetes.io/name": S, "pincex.io/slot": slot}
        meta = {"name": f"{S}-{slot}", "namespace": "exchange", "labels": labels}
        self.server.put(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "status": {"readyReplicas": ready}}
        )
        self.server.put({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels}})
        for number in range(2):
            version = {"app.kubernetes.io/version": self.versions[slot]}
            pod = {"name": f"{S}-{slot}-{number}", "namespace": "exchange", "labels": labels | version}
            self.server.put(
                {"apiVersion": "v1", "kind": "Pod", "metadata": pod, "status": {"ready": number < ready}}, "kubelet"
            )
        self._follow()

    def selected(self) -> str:
        return str(self.server.take(SERVICE)["spec"]["selector"]["pincex.io/slot"])

    def select(self, slot: str) -> None:
        """Somebody else moves the traffic."""
        theirs = self.server.take(SERVICE)
        theirs["spec"]["selector"]["pincex.io/slot"] = slot
        self.server.put(theirs, "kubectl")
        self._follow()

    def _control(self, request: t.Any) -> Answer | None:
        if request.method != "GET":
            return None
        if "endpointslices" in request.path:
            self.lag = max(0, self.lag - 1)
        if not self.lag:
            self._follow()
        return None

    def _follow(self) -> None:
        """What the controller of the endpoints does."""
        found = [stored.obj for stored in self.server.stored.values()]
        for service in [obj for obj in found if obj["kind"] == "Service"]:
            wanted = service["spec"]["selector"].items()
            pods = [obj for obj in found if obj["kind"] == "Pod" and wanted <= obj["metadata"]["labels"].items()]
            name = service["metadata"]["name"]
            self.server.put(
                {
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {
                        "name": f"{name}-x",
                        "namespace": "exchange",
                        "labels": {"kubernetes.io/service-name": name},
                    },
                    "endpoints": [
                        {
                            "addresses": ["10.0.0.1"],
                            "conditions": {"ready": pod["status"]["ready"]},
                            "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
                        }
                        for pod in pods
                    ],
                },
                "endpoints",
            )

    def shift(self, weights: Json, release: t.Any = None, **options: t.Any) -> Json:
        entry = {"name": S, "kind": "Service", "weights": weights, **options}
        return self.traffic(state="shifted", routes=[entry], probe={"url": "http://198.18.1.2"}, release=release)


def _selected(labels: t.Mapping[str, str], selector: str) -> bool:
    """`name in (a,b)`, or `name=a,other=b`."""
    name, in_, values = selector.partition(" in ")
    if in_:
        return labels.get(name) in values.strip("()").split(",")
    return all(labels.get(term.partition("=")[0]) == term.partition("=")[2] for term in selector.split(","))
