# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model in two regions, and judgements that take it back at once."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import controller
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from fakes import FakeKube
from shadow_world import ROUTE, SOON, SOURCES, Json, Result, ShadowWorld, accepted, deployment, good, route

US, EU = "us-east-1", "eu-west-1"
CLUSTERS: t.Final = (US, EU, "management")
WHO: t.Final = {"actor": "anna", "reason": "watch_model.yml"}


def own_process() -> Json:
    return {"pid": os.getpid(), "started": controller.started(os.getpid())}


class TwoRegions(ShadowWorld):
    """v2.1.0 has a shadow of everything in both regions, and every one of its answers is an error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        fill(self.servers[EU])
        for region in (US, EU):
            good(self.region("deployed", context=region, strategy="canary"))
        self.source.pairs(2000, self.clock.now(), 59.0, out=None, err="no features")
        self.clock.elapsed += 60
        for server in self.servers.values():
            server.requests.clear()

    def take_back(self, *regions: str, **given: t.Any) -> Json:
        return {
            "fleet": {"kubeconfig": "/k", "context": "management", "namespace": "pincex-fleet"},
            "regions": [
                {"kubeconfig": "/k", "context": region, "namespace": "exchange", "unreachable_s": 1.0}
                for region in regions or (US, EU)
            ],
            "controller": own_process(),
            **given,
        }

    def judged(self, *, check_mode: bool = False, **given: t.Any) -> Result:
        told = {"sources": SOURCES, "judge": SOON, "take_back": self.take_back(), **WHO, **given}
        return good(self.region("judged", check_mode=check_mode, **told))

    def shares(self) -> dict[str, dict[str, int]]:
        return {region: weights_in(self.servers[region]) for region in (US, EU)}

    def headers(self) -> dict[str, Json | None]:
        """Of the journals that are open."""
        found = {}
        for name in CLUSTERS:
            answer = self.call(state="read", **self._at(name))
            found[name] = answer["header"] if (answer["header"] or {}).get("state") == "open" else None
        return found

    def held(self) -> dict[str, str]:
        """Who holds the locks."""
        answers = {name: self.call(state="read", **self._at(name))["lock"] for name in CLUSTERS}
        return {name: lock["holder"] if lock else "" for name, lock in answers.items()}

    def close(self, told: Json) -> None:
        """As the playbook does it."""
        for name in CLUSTERS:
            one = told["fleet"] if name == "management" else told["regions"][name]
            if one["release"] is not None:
                done = self.call(state="closed", outcome="rolled_back", release=one["release"], **self._at(name))
                assert not done.get("failed"), done["msg"]

    def lock(self, name: str) -> ReleaseRef:
        """Somebody else works there."""
        opened = self.call(
            state="opened",
            kind="model",
            by="ben",
            release_id="m9",
            finish={"state": "deployed", "model": "fraud", "version": "v9", "slot": None, "reason": "weekly"},
            fleet={"kubeconfig": "/k", "context": "management", "namespace": "pincex-fleet"},
            **self._at(name),
        )
        assert not opened.get("failed"), opened["msg"]
        for server in self.servers.values():
            server.requests.clear()
        return ReleaseRef.from_option(opened["release"])

    @staticmethod
    def _at(name: str) -> Json:
        return {"scope": "fleet"} if name == "management" else {"context": name}


def fill(server: FakeKube) -> None:
    """The model in another region."""
    for slot in ("blue", "green"):
        server.put(deployment(slot))
    server.put(accepted(route()))

    def accept(request: t.Any) -> None:
        stored = server.stored.get(ROUTE)
        if stored is not None and request.method != "GET":
            stored.obj = accepted(stored.obj)

    server.after.append(accept)


def weights_in(server: FakeKube) -> dict[str, int]:
    """What both slots get there."""
    for rule in server.take(ROUTE)["spec"]["rules"]:
        found = {backend["name"].rsplit("-", 1)[1]: backend.get("weight", 1) for backend in rule["backendRefs"]}
        if len(found) == 2:
            return found
    raise AssertionError("no rule sends to both slots")
