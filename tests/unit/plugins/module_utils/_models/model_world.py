# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model with two slots in a region in memory: v1 in blue with all of the traffic, v2 in green."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_rules import MirrorRules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import WEIGHTS, Strategy
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Deployed,
    Intent,
    Traffic,
    wanted,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model_route import Found, ModelRoute, Wrote
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.restore import Restored, restored
from slot_world import ROUTE, S, SlotWorld, deployment

ALL_BLUE = {"blue": 100, "green": 0}
MIRRORED = MirrorRules(("/v1/predict",), "POST", ("authorization",))
HEADER = "x-model-bucket"


class ModelWorld(SlotWorld):
    """Two ready pods in each slot."""

    def fill(self) -> t.Self:
        for slot, version in (("blue", "v1"), ("green", "v2")):
            self.server.put(deployment(slot, version, replicas=2), "pincex-zero-downtime")
            self.ready(slot, 2)
        self.routed(100, 0)
        self.server.requests.clear()
        return self

    def session(self, release: ReleaseRef | None = None, **given: t.Any) -> Session:
        """A fresh client, as each task has one."""
        journal = self.journal(release, **given)
        return Session(journal.kube, journal, "exchange", "us-east-1")

    def route(self, release: ReleaseRef | None = None, **given: t.Any) -> ModelRoute:
        return ModelRoute(self.session(release), S, **given)

    def now(self) -> Found:
        return self.route().read()

    def act(
        self, intent: Intent, release: ReleaseRef | None = None, *, check_mode: bool = False, **given: t.Any
    ) -> Wrote:
        """What model_shadow does with one intent."""
        route = self.route(release)
        found = route.read()
        planned = wanted(found.traffic, found.note, intent)
        assert not planned.problem
        return route.write(found, planned.traffic, planned.note, MIRRORED, "a step", check_mode=check_mode, **given)

    def restored(self, release: ReleaseRef, *, check_mode: bool = False) -> Restored:
        return restored(
            self.session(release, undoing=True), step="undo", check_mode=check_mode, progress=self.lines.append
        )

    def somebody(self, traffic: Traffic) -> None:
        """Gives the route other weights with kubectl."""
        stored = self.server.take(ROUTE)
        for rule in stored["spec"]["rules"]:
            slots = {backend["name"].rsplit("-", 1)[1]: backend for backend in rule["backendRefs"]}
            if len(slots) == 2:
                for slot, backend in slots.items():
                    backend["weight"] = traffic.weights[slot]
        self.server.put(stored, "kubectl")


def deployed(world: ModelWorld, strategy: Strategy = "shadow", **given: t.Any) -> Deployed:
    fields = {"weights": WEIGHTS[strategy], "at": world.clock.now(), "header": HEADER, **given}
    return Deployed("v2", "v1", "green", strategy, **fields)
