# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A region with three services behind routes: web needs core-api, which needs reference-data."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_trip import TripEntry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import build_route, weights_of
from fakes import Fault
from journal_world import LEASE
from slot_world import ROUTE, S, SlotWorld

REFERENCE = "reference-data"
WEB = "web"
SERVICES = (REFERENCE, S, WEB)
NEEDS = {REFERENCE: (), S: (REFERENCE,), WEB: (S,)}
BACK = {"blue": 100, "green": 0}
BEFORE = {"blue": 90, "green": 10}


class ManyRoutes(SlotWorld):
    """Blue has v1 and green v2 of each service, two ready pods everywhere, and green a tenth of the traffic."""

    def fill(self, blue: int = 90) -> t.Self:
        for name in SERVICES:
            for slot in ("blue", "green"):
                self.pods(name, slot, 2)
            self.set(name, blue)
        self.server.requests.clear()
        return self

    def pods(self, name: str, slot: str, ready: int) -> None:
        meta = {"name": f"{name}-{slot}", "namespace": "exchange"}
        status = {"readyReplicas": ready}
        self.server.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "status": status})

    def route(self, name: str) -> Ref:
        return Ref(ROUTE.api_version, ROUTE.kind, name, "exchange")

    def set(self, name: str, blue: int, manager: str = "pincex-zero-downtime") -> None:
        weights = {"blue": blue, "green": 100 - blue}
        parent = {"name": "exchange"}
        made = build_route(name, "exchange", weights=weights, port=8080, hostnames=[f"{name}.lab"], parent=parent)
        self.server.put(made, manager)

    def weights_by_route(self) -> dict[str, t.Any]:
        return {
            name: weights_of(self.server.take(self.route(name))) if self.route(name) in self.server.stored else None
            for name in SERVICES
        }

    def opened_long(self) -> ReleaseRef:
        """A release whose lease outlives the 30 s that a write is tried for."""
        region = self.open_region(self.open_fleet(), lease_s=60.0, renew_s=20.0)
        return ReleaseRef.from_option(region["release"])

    def take_over(self) -> None:
        """Somebody takes the lock."""
        lease = self.server.take(LEASE)
        self.server.change(LEASE, spec={**lease["spec"], "holderIdentity": "recover", "leaseTransitions": 9})

    def moved(self) -> list[str]:
        """The routes that were written, in this order."""
        return [r.path.rsplit("/", 1)[1] for r in self.server.writes() if r.method == "PUT" and "httproutes" in r.path]

    def shift_all(self, release: t.Any, green: int = 10) -> dict[str, t.Any]:
        """A step of a release, dependencies first."""
        routes = [{"name": name, "weights": {"blue": 100 - green, "green": green}} for name in SERVICES]
        return self.traffic(state="shifted", routes=routes, release=release)


def entries(*names: str) -> list[TripEntry]:
    return [TripEntry(name, name, BACK, NEEDS[name]) for name in names]


def at_put(name: str, act: t.Callable[[], t.Any], times: int = 1) -> Fault:
    """A fault: something happens with the next writes of that route, and may be the answer to them."""
    left = [times]

    def fault(request: t.Any) -> Answer | None:
        written = request.method == "PUT" and request.query.get("dryRun") is None
        if left[0] and written and request.path.endswith(f"/httproutes/{name}"):
            left[0] -= 1
            answer = act()
            return answer if isinstance(answer, Answer) else None
        return None

    return fault
