# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill sweep in memory, of a release for which every region leaves the traffic: the weights are written by the
module's own `run`, and the provider is that of the tests of dns_weight. Each write to it is a point like any other."""

from __future__ import annotations

import json
import math
import pickle
import types
import typing as t

import dns_world
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import lua_record
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import run as weight
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Batch, Written
from sweep_world import REGIONS, Json, Memory, SweepWorld, is_write

from chaos.mutations import Request as Sent
from chaos.oracle import NamesState, State
from chaos.proxy import NAMES, Tap

FULL: t.Final = dict.fromkeys(REGIONS, 50)
_RAMP: t.Final = (25, 50, 100)
_ZONE: t.Final = "/api/v1/servers/localhost/zones/pincex.test."


class Authority(dns_world.MemoryDns):
    """The provider, whose writes are met and counted."""

    def __init__(self, world: NamesWorld) -> None:
        super().__init__()
        self._world = world

    def write(self, batch: Batch, end: float, fence: float = math.inf, *, lost: bool = False) -> Written:
        weighted = [lua_record.Member(one.region, batch.after[one.region], one.targets) for one in batch.before.members]
        rrset = {"name": batch.before.name, "records": [{"content": lua_record.compose("A", weighted)}]}
        self._world.tap.count(NAMES, Sent.of("PATCH", _ZONE, json.dumps({"rrsets": [rrset]}).encode()))
        self._world.meet("before")
        written = super().write(batch, end, fence, lost=lost)
        self._world.meet("after")
        for after in self._world.elsewhere:
            after()
        return written


class NamesWorld(SweepWorld):
    """Both regions have the weight 50."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, like: Memory | None = None) -> None:
        super().__init__(monkeypatch, like)
        #: Counts and names what is written, as the proxies of the real sweep do.
        self.tap = Tap()
        self.dns = Authority(self)
        self.dns.put(FULL)
        if like is not None:
            self.dns.found, self.dns.version = pickle.loads(like.more)
        #: As they are when a playbook begins.
        self.weights = self.dns.weights
        providers = types.SimpleNamespace(
            provider_of=lambda params, clock: self.dns,
            authority_of=lambda params: None,
            zone_of=lambda params: "pincex.test.",
        )
        monkeypatch.setattr(weight, "providers", providers)
        for name, server in self.servers.items():
            server.before.append(lambda request, name=name: self._count(name, request))

    def _count(self, site: str, request: Request) -> None:
        if is_write(request):
            self.tap.count(site, Sent.of(request.method, request.path, request.body or b""))

    def more(self) -> bytes:
        return pickle.dumps((self.dns.found, self.dns.version))

    def _weigh(self, state: str, release: Json, **given: t.Any) -> None:
        answers = {"queries": 0, "resolvers": []}
        about = {"name": dns_world.NAME, "provider": "powerdns", "powerdns": {"zone": "pincex.test."}}
        self.must(weight, "management", state=state, release=release, verify=answers, **about, **given)

    def leave(self, region: str, release: Json) -> None:
        self._weigh("evacuated", release, step=f"evacuate {region}", regions=[region])

    def come_back(self, region: str, release: Json) -> None:
        for step in _RAMP:
            name = f"ramp {region} to {step} %"
            self._weigh("ramped", release, step=name, regions=[region], full=FULL, steps=list(_RAMP))

    def weights_back(self, release: Json) -> None:
        self._weigh("restored", release, step="take back")

    def state(self) -> State:
        found = super().state()
        weights = self.dns.weights
        answered = tuple(sorted(region for region, share in weights.items() if share))
        return State(found.regions, found.fleet, NamesState(weights, answered=answered))
