# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model with two slots in a region in memory, a registry and a source of records in memory, and model_shadow run."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator, Mapping

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Entry, ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import run as run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.run import ARGUMENT_SPEC, EMPTY_RESULT, run
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Reply
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import build_route
from journal_world import World as JournalWorld
from memory_registry import MemoryRegistry
from module_docs import checked

MODEL: t.Final = "price-prediction"
ROUTE: t.Final = Ref("gateway.networking.k8s.io/v1", "HTTPRoute", MODEL, "exchange")
POLICY: t.Final = Ref("networking.k8s.io/v1", "NetworkPolicy", f"{MODEL}-green-egress", "exchange")
JOURNAL: t.Final = Ref("v1", "ConfigMap", "pincex-release-journal", "pincex-fleet")
REGISTRY: t.Final = {"url": "http://127.0.0.1:1"}
SOURCES: t.Final = [{"name": "records", "json_lines": {"url": "http://127.0.0.1:1/{model}"}}]
#: A judgement of the first minute.
SOON: t.Final = {"pairs_min": 100, "duration_min_s": 10, "settle_s": 0, "step_min_s": 10, "agreement": {"least": 0.9}}
BLUE: t.Final = {"weights": {"blue": 100, "green": 0}, "mirror": None, "buckets": None}
GREEN: t.Final = {"weights": {"blue": 0, "green": 100}, "mirror": None, "buckets": None}

Json = dict[str, t.Any]
Result = dict[str, t.Any]


class MemorySource:
    """The protocol Source. `asked`: the spans that were read."""

    name = "records"

    def __init__(self) -> None:
        self.records: list[Json] = []
        self.asked: list[tuple[float, float]] = []
        self.before_read: t.Callable[[], None] = lambda: None

    def lines(self, since: float, until: float, end: float) -> Iterator[bytes]:
        self.asked.append((since, until))
        self.before_read()
        return iter([json.dumps(one).encode() for one in self.records if since <= one["ts"] < until])

    def pairs(self, number: int, since: float, over_s: float, **challenger: t.Any) -> None:
        """So many requests that both versions have answered alike, but for what is given for the challenger."""
        for count in range(number):
            same = {
                "id": f"r{count}",
                "ts": since + over_s * count / number,
                "segment": "BTC/buy",
                "score": count / number,
            }
            answer = {**same, "out": "up", "ms": 5.0 + count % 7, "err": ""}
            self.records.append({**answer, "version": "v2.0.0"})
            self.records.append({**answer, "version": "v2.1.0", **challenger})


class Gateway:
    """A data plane that does what the stored route says. `deaf`: it stays with all to blue."""

    def __init__(self, world: ShadowWorld) -> None:
        self.world = world
        self.deaf = False
        self.hosts: list[str | None] = []

    def ask(self, host: str | None, path: str, headers: Mapping[str, str], timeout_s: float) -> Reply:
        self.hosts.append(host)
        self.world.clock.elapsed += 0.001
        weights = {"blue": 100, "green": 0} if self.deaf else self.world.weights()
        slot = "green" if len(self.hosts) * weights["green"] % 100 < weights["green"] else "blue"
        return Reply("200", slot, "v2.0.0")


class ShadowWorld(JournalWorld):
    """us-east-1 with v2.0.0 in blue, which has the traffic, and v2.1.0 in green; the registry says the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.registry = MemoryRegistry({"champion": "2", "previous_champion": "1"})
        self.source = MemorySource()
        self.gateway = Gateway(self)
        for slot in ("blue", "green"):
            self.server.put(deployment(slot))
        self.server.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(MODEL)})
        self.server.put(policy())
        self.server.put(accepted(route()))
        self.server.after.append(self._accept)
        self.server.requests.clear()
        monkeypatch.setattr(run_module, "registry_of", lambda given, clock: self.registry)
        monkeypatch.setattr(run_module, "sources_of", lambda given, model, clock: [self.source] if given else [])
        monkeypatch.setattr(run_module, "Gateway", lambda url, ca_cert: self.gateway)

    def _accept(self, request: t.Any) -> None:
        """A gateway looks at every route at once."""
        stored = self.server.stored.get(ROUTE)
        if stored is not None and request.method != "GET":
            stored.obj = accepted(stored.obj)

    def region(
        self, state: str, *, check_mode: bool = False, release: ReleaseRef | None = None, **given: t.Any
    ) -> Result:
        where = {"context": "us-east-1", "namespace": "exchange"}
        if state == "deployed":
            given = {"version": "v2.1.0", "champion": "v2.0.0", "slot": "green", **given}
            given.setdefault("mirror", {"paths": ["/predict"]})
        return self._run({**where, "state": state, "route": {}, **given}, check_mode, release)

    def fleet(
        self, state: str, *, check_mode: bool = False, release: ReleaseRef | None = None, **given: t.Any
    ) -> Result:
        where = {"context": "management", "namespace": "pincex-fleet", "region": "fleet"}
        who = (
            {"version": "v2.1.0", "actor": "anna", "reason": "better on ETH"}
            if state not in ("status", "judged")
            else {}
        )
        return self._run({**where, "state": state, "registry": REGISTRY, **who, **given}, check_mode, release)

    def _run(self, given: Json, check_mode: bool, release: ReleaseRef | None) -> Result:
        told = {"release": release.to_option()} if release else {}
        return self.run({"model": MODEL, "step": "a step", **told, **given}, check_mode)

    def run(self, given: Json, check_mode: bool = False) -> Result:
        """A task with these options."""
        params = checked(ARGUMENT_SPEC, {"kubeconfig": "/k", **given})
        return execute(
            run,
            params,
            check_mode=check_mode,
            diff=True,
            clock=self.clock,
            progress=self.lines.append,
            empty=EMPTY_RESULT,
        )

    def weights(self) -> dict[str, int]:
        for rule in self.server.take(ROUTE)["spec"]["rules"]:
            found = {backend["name"].rsplit("-", 1)[1]: backend.get("weight", 1) for backend in rule["backendRefs"]}
            if len(found) == 2:
                return found
        raise AssertionError("no rule sends to both slots")

    def mirrors(self) -> list[Json]:
        rules = self.server.take(ROUTE)["spec"]["rules"]
        filters = [one for rule in rules for one in rule.get("filters", [])]
        return [one["requestMirror"] for one in filters if one["type"] == "RequestMirror"]

    def releases(self) -> tuple[ReleaseRef, ReleaseRef]:
        """Of the fleet and of the region, with only what comes after them in the records of requests."""
        made = self.opened()
        for server in self.servers.values():
            server.requests.clear()
        return made

    def journaled(self) -> list[Entry]:
        """What the fleet's journal has."""
        data = self.fleet_server.take(JOURNAL)["data"]
        return [Entry.from_text(data[key]) for key in sorted(data) if key.isdigit()]

    def writes(self) -> list[str]:
        """Of all servers: METHOD and name."""
        return [
            f"{request.method} {request.path.rsplit('/', 1)[-1]}"
            for server in self.servers.values()
            for request in server.writes()
        ]


def good(result: Result) -> Result:
    assert not result.get("failed"), result["msg"]
    assert result.keys() == {*EMPTY_RESULT, "changed", "diff"}
    return result


def bad(result: Result, kind: str) -> str:
    """The message. Its keys are those of every result."""
    assert result.get("failed"), result["reason"]
    assert result.keys() == {*EMPTY_RESULT, "changed", "diff", "failed", "msg", "error"}
    assert (result["error"]["kind"], result["reason"]) == (kind, result["msg"])
    return str(result["msg"])


def deployment(slot: str, **pod: t.Any) -> Json:
    labels = {"app.kubernetes.io/name": MODEL, "pincex.io/slot": slot}
    container = {"name": MODEL, "image": "models:v2", "env": [{"name": "PINCEX_SLOT", "value": slot}]}
    spec = {"serviceAccountName": MODEL, "automountServiceAccountToken": False, "containers": [container], **pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**_meta(f"{MODEL}-{slot}"), "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
        "status": {"readyReplicas": 1},
    }


def policy() -> Json:
    to = [{"ipBlock": {"cidr": "198.18.0.2/32"}}]
    return {
        "apiVersion": POLICY.api_version,
        "kind": POLICY.kind,
        "metadata": _meta(POLICY.name),
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": MODEL, "pincex.io/slot": "green"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": to, "ports": [{"protocol": "TCP", "port": 8016}]}],
        },
    }


def route() -> Json:
    host = f"{MODEL}.models.lab"
    weights = {"blue": 100, "green": 0}
    return build_route(MODEL, "exchange", weights=weights, port=8080, hostnames=[host], parent={"name": "exchange"})


def accepted(found: Json) -> Json:
    """With the status that a gateway gives a route it serves."""
    generation = found["metadata"].get("generation", 1)
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "observedGeneration": generation}
        for kind in ("Accepted", "ResolvedRefs")
    ]
    return {**found, "status": {"parents": [{"parentRef": {"name": "exchange"}, "conditions": conditions}]}}


def _meta(name: str) -> Json:
    return {"name": name, "namespace": "exchange"}
