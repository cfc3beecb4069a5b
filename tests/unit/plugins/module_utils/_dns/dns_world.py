# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider of DNS in memory, an authority that answers by its weights, a metric provider, and the fleet's cluster."""

from __future__ import annotations

import dataclasses
import datetime
import math
import os
import random
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import journal_store, write_decision
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Decision, Entry, ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import run as run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import Answer, answering
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import (
    Batch,
    Broken,
    Member,
    WeightedSet,
    Written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.run import ARGUMENT_SPEC, EMPTY_RESULT, run
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import Reading
from fakes import FakeClock
from journal_world import World as JournalWorld

US, EU, AP = "us-east-1", "eu-west-1", "ap-northeast-1"
NAME = "api.pincex.test."
ADDRESSES = {US: "198.18.1.2", EU: "198.18.2.2", AP: "198.18.3.2"}
LEASE = Ref("coordination.k8s.io/v1", "Lease", "pincex-release", "pincex-fleet")
JOURNAL = Ref("v1", "ConfigMap", "pincex-release-journal", "pincex-fleet")

Result = dict[str, t.Any]


class MemoryDns:
    """The protocol Provider over one set. `faults` are called with the verb before it acts; `lose` drops the answer to
    the next write after it was carried out."""

    name = "memory"
    largest_weight = 255

    def __init__(self) -> None:
        self.found: WeightedSet | None = None
        self.version = 0
        self.health: dict[str, bool | None] = {}
        self.calls: list[str] = []
        self.faults: list[t.Callable[[str], None]] = []
        self.lose = False
        self.waits = True
        #: What each write was told of the lock, and what each wait was told to wait for, until when.
        self.fences: list[float] = []
        self.waited: list[tuple[str, float]] = []
        #: Until when each look at the answers was told to go on.
        self.looks: list[float] = []

    def put(self, weights: t.Mapping[str, int], ttl: int = 30, **more: t.Any) -> None:
        """What somebody else makes of it."""
        self.version += 1
        members = tuple(
            Member(region, weight, (ADDRESSES.get(region, f"198.18.9.{number}"),))
            for number, (region, weight) in enumerate(weights.items())
        )
        ttls = dict.fromkeys(weights, ttl)
        self.found = WeightedSet(NAME, "A", members, ttls, **{"raw": {"version": self.version}, **more})

    @property
    def weights(self) -> dict[str, int]:
        assert self.found is not None
        return self.found.weights

    def writes(self) -> int:
        return self.calls.count("write")

    def _call(self, verb: str) -> None:
        self.calls.append(verb)
        for fault in list(self.faults):
            fault(verb)

    def read(self, name: str, kind: str, end: float) -> WeightedSet | None:
        self._call("read")
        assert (name, kind) == (NAME, "A")
        return self.found

    def batch(self, before: WeightedSet, after: t.Mapping[str, int]) -> Batch:
        return Batch(before, dict(after), {"set": dict(after)})

    def write(self, batch: Batch, end: float, fence: float = math.inf, *, lost: bool = False) -> Written:
        self.fences.append(fence)
        self._call("write")
        if lost and self.found is not None and self.weights == batch.after:
            return Written(f"C{self.version}", self.waits)
        if (self.found.raw if self.found else None) != batch.before.raw:
            raise ReleaseError("the set is another one", kind="conflict", system=self.name)
        assert sum(batch.after.values()) > 0
        self.version += 1
        members = tuple(
            dataclasses.replace(member, weight=batch.after[member.region]) for member in batch.before.members
        )
        self.found = dataclasses.replace(batch.before, members=members, raw={"version": self.version})
        if self.lose:
            self.lose = False
            raise ReleaseError("connection reset", kind="unreachable", system=self.name, retriable=True)
        return Written(f"C{self.version}", self.waits)

    def look(self, batch: Batch, written: Written, end: float) -> None:
        self.looks.append(end)
        self._call("look")

    def broken(self, weights: t.Mapping[str, int], *, retriable: bool = False) -> Broken:
        """What a look says that finds wrong answers; these weights were there before."""
        assert self.found is not None
        back = Batch(self.found, weights, {}, back=True)
        return Broken("SERVFAIL after the change", system=self.name, back=back, retriable=retriable)

    def wait(self, written: Written, end: float) -> None:
        self.waited.append((written.change, end))
        self._call("wait")

    def healthy(self, found: WeightedSet, end: float) -> dict[str, bool | None]:
        self._call("healthy")
        return {member.region: self.health.get(member.region, True) for member in found.members}


class MemoryResolver:
    """Answers by what the provider has. `foreign` is given instead of every answer, and `ttl` instead of the set's."""

    def __init__(self, world: DnsWorld, address: str) -> None:
        self.world = world
        self.address = address

    def ask(self, name: str, kind: str, number: int, end: float, *, recursive: bool = False) -> list[Answer]:
        self.world.questions += number
        found = self.world.dns.found
        assert found is not None
        weights = self.world.answered or answering(found.weights, self.world.dns.health)
        rng = random.Random(7)
        picked = rng.choices(list(weights), list(weights.values()), k=number)
        if recursive:
            picked = picked[:1] * number
        ttl = self.world.ttl or found.ttl
        return [
            Answer((self.world.foreign or (found.member(region) or found.members[0]).targets[0],), ttl)
            for region in picked
        ]


class MemoryMetrics:
    """`rates` gives the value of a query: a number, a Reading, or what a function of the time says."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.rates: dict[str, t.Any] = {}
        self.past: dict[str, list[float]] = {}

    def tick(self) -> float:
        return self.clock.now()

    def read(self, query: str, at: float) -> Reading:
        value = self.rates.get(query)
        value = value(at) if callable(value) else value
        if value is None:
            return Reading("no_data", detail="the query found no series")
        return value if isinstance(value, Reading) else Reading("value", float(value))

    def range(self, query: str, start: float, end: float, step_s: float) -> list[tuple[float, Reading]]:
        return [(start + number, Reading("value", rate)) for number, rate in enumerate(self.past.get(query, []))]


class DnsWorld(JournalWorld):
    """`api.pincex.test.` in two regions, and a release of the fleet on request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.dns = MemoryDns()
        self.dns.put({US: 50, EU: 50})
        self.metrics = MemoryMetrics(self.clock)
        self.answered: dict[str, int] = {}
        self.foreign = ""
        self.ttl = 0
        self.questions = 0
        monkeypatch.setattr(run_module.providers, "provider_of", lambda params, clock: self.dns)
        monkeypatch.setattr(run_module, "Resolver", lambda address, clock, option: MemoryResolver(self, address))
        monkeypatch.setattr(run_module.metrics, "connect", lambda params, clock: self.metrics)

    def fleet_release(self, **given: t.Any) -> ReleaseRef:
        done = self.open_fleet(**given)
        assert not done.get("failed"), done["msg"]
        return ReleaseRef.from_option(done["release"])

    def weight(self, *, check_mode: bool = False, release: ReleaseRef | None = None, **given: t.Any) -> Result:
        params: dict[str, t.Any] = {name: spec.get("default") for name, spec in ARGUMENT_SPEC.items()}
        params |= {
            "context": "management",
            "namespace": "pincex-fleet",
            "region": "fleet",
            "name": NAME,
            "provider": "powerdns",
            "powerdns": {"url": "http://127.0.0.1:1", "zone": "pincex.test.", "authority": "127.0.0.1:53"},
            "prometheus": {"url": "http://127.0.0.1:1", "ca_cert": None, "headers": {}, "token_file": None},
            "release": release.to_option() if release else None,
        }
        if given.get("observe"):
            defaults = {name: spec.get("default") for name, spec in ARGUMENT_SPEC["observe"]["options"].items()}
            given["observe"] = {**defaults, **given["observe"]}
        return execute(
            run,
            {**params, **given},
            check_mode=check_mode,
            diff=True,
            clock=self.clock,
            progress=self.lines.append,
            empty=EMPTY_RESULT,
        )

    def someone_else(self) -> None:
        """Another controller recovers the release: the lease is its own now."""
        spec = self.fleet_server.take(LEASE)["spec"]
        taken = {**spec, "holderIdentity": "ben", "leaseTransitions": spec["leaseTransitions"] + 1}
        self.fleet_server.change(LEASE, spec=taken)

    def undone(self, release: ReleaseRef) -> None:
        """The fleet decides to take the release back."""
        store = journal_store(self.fleet_server.api(self.clock, "fleet"), "pincex-fleet")
        write_decision(store, release.id, Decision("undo", EU, "the gate failed", self.clock.now()))

    def renewed(self) -> str:
        return str(self.fleet_server.take(LEASE)["spec"]["renewTime"])

    def lease_age(self) -> float:
        """Seconds since it was renewed."""
        return self.clock.now() - datetime.datetime.fromisoformat(self.renewed()).timestamp()

    def journaled(self) -> list[Entry]:
        data = self.fleet_server.take(JOURNAL)["data"]
        return [Entry.from_text(data[key]) for key in sorted(data) if key.isdigit()]


def good(result: Result) -> Result:
    assert not result.get("failed"), result["msg"]
    assert result.keys() >= EMPTY_RESULT.keys()
    return result


def own_runtime(monkeypatch: pytest.MonkeyPatch, folder: t.Any) -> None:
    """Locks of tests lie in a folder of their own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    assert os.environ["XDG_RUNTIME_DIR"] == str(folder)
