# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill sweep in memory, of an engine: it is handed over in both regions by the modules' own `run`.

The engines are the small ones of the drain's tests, behind the pod proxy of the API servers in memory, and their time
is that of the sweep's clock. They live where their StatefulSet has a replica.
"""

from __future__ import annotations

import copy
import json
import pickle
import re
import threading
import types
import typing as t
import urllib.parse

import drain_world
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import run as drain
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import steps
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import task as drain_task
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal import run as journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision import run as revision
from catalogue_samples import manifests
from engine_samples import ENGINE, SERVICES
from fakes import FakeKube
from sweep_world import FLEET, REGIONS, Json, Memory, SweepWorld

from chaos.mutations import Request as Sent
from chaos.oracle import EngineState, SiteState, State
from chaos.proxy import Tap

CUT_DEADLINE_S: t.Final = 10.0
SLOTS: t.Final = {"blue": "v2", "green": "v3"}
_PROXY: t.Final = re.compile(r"/api/v1/namespaces/exchange/pods/([^/:]+):8080/proxy(/.*)")
_ADDRESSES: t.Final = {f"{ENGINE}-blue": "10.0.0.1", f"{ENGINE}-green": "10.0.0.2"}
_RECORD: t.Final = Ref("v1", "ConfigMap", f"{ENGINE}-epoch", "exchange")
#: Every task gets these from the sweep.
_OF_THE_REGION: t.Final = ("context", "namespace", "region", "by", "lease_s", "renew_s", "controller")
#: What of an engine survives: all but how the engines know each other.
_KEPT: t.Final = ("role", "mode", "epoch", "sequence", "until", "writes_format", "answers")


def _scale(slot: str, count: int) -> Json:
    workload = {"api_version": "apps/v1", "kind": "StatefulSet", "name": f"{ENGINE}-{slot}"}
    return {**workload, "path": "spec.replicas", "value": count}


def _pod(name: str, address: str, **labels: str) -> Json:
    containers = [{"name": "main", "restartCount": 0, "state": {"running": {"startedAt": "now"}}}]
    status = {"phase": "Running", "podIP": address, "containerStatuses": containers}
    meta = {"name": name, "namespace": "exchange", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status}


class Venue:
    """Both engines of one region, and its gateway."""

    def __init__(self, server: FakeKube) -> None:
        self._server = server
        self.record = drain_world.Record(f"{ENGINE}-blue")
        self.engines = {
            f"{ENGINE}-{slot}": drain_world.Engine(f"{ENGINE}-{slot}", self.record, version=version, reads=(1, 2))
            for slot, version in SLOTS.items()
        }
        peers = {f"http://{_ADDRESSES[name]}:8080": engine for name, engine in self.engines.items()}
        for url, engine in peers.items():
            engine.peers, engine.url = peers, url
        self.gateway = drain_world.Gateway(self.record)

    def kept(self) -> Json:
        record = (self.record.epoch, self.record.owner, self.record.version)
        engines = {
            name: {field: getattr(one, field) for field in _KEPT} | {"source": one.source and one.source.name}
            for name, one in self.engines.items()
        }
        return {"record": record, "engines": engines}

    def like(self, kept: Json) -> None:
        self.record.epoch, self.record.owner, self.record.version = kept["record"]
        for name, fields in kept["engines"].items():
            engine = self.engines[name]
            for field in _KEPT:
                setattr(engine, field, copy.deepcopy(fields[field]))
            engine.source = self.engines.get(fields["source"] or "")

    def runs(self, name: str) -> bool:
        stored = self._server.stored.get(Ref("apps/v1", "StatefulSet", name, "exchange"))
        return stored is not None and bool(stored.obj["spec"].get("replicas"))

    def live(self) -> None:
        """What happens by itself: pods end and start, cuts run out, and the record is what the engines made it."""
        for name, engine in self.engines.items():
            if not self.runs(name):
                engine.role = "gone"
            elif engine.role == "gone":
                owns = self.record.owner == name
                engine.role = "leader" if owns else "follower"
                engine.source = None if owns else self.engines[self.record.owner]
        for engine in self.engines.values():
            engine.tick()
        data = json.dumps({"epoch": self.record.epoch, "owner": self.record.owner, "sequence": 1})
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": _RECORD.name, "namespace": "exchange"}}
        stored = self._server.stored.get(_RECORD)
        if stored is None or stored.obj["data"] != {"record": data}:
            self._server.put({**made, "data": {"record": data}}, "engine")

    def state(self) -> EngineState:
        self.live()
        leaders = tuple(sorted(name for name, engine in self.engines.items() if engine.role == "leader"))
        return EngineState(self.record.owner, self.record.epoch, leaders)

    def answer(self, request: Request) -> Answer | None:
        """A pod's, or the API server's own in its place."""
        found = _PROXY.fullmatch(request.path)
        if found is None:
            return None
        self.live()
        name = found[1].removesuffix("-0")
        behind: t.Any = self.engines.get(name) if self.runs(name) else self.gateway if name == "core-api-1" else None
        if behind is None:
            said = {"kind": "Status", "apiVersion": "v1", "message": f'pods "{found[1]}" not found'}
            return Answer(404, json.dumps(said).encode(), {})
        parts = urllib.parse.urlsplit(found[2])
        body = dict(urllib.parse.parse_qsl(parts.query)) | (json.loads(request.body) if request.body else {})
        with behind.lock:
            status, said = behind.handle(f"{request.method} {parts.path}", body)
        self.live()
        return Answer(status, json.dumps(said).encode(), {})


def _quiet(server: drain_world.Server) -> None:
    """Instead of a server on loopback."""
    server.requests, server.headers, server.url = [], [], ""
    server.faults, server.always, server.answers = {}, {}, {}
    server.lock = threading.RLock()


class EngineWorld(SweepWorld):
    """v2 trades in blue, in both regions. The other services stay where they are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, like: Memory | None = None) -> None:
        monkeypatch.setattr(drain_world.Server, "__init__", _quiet)
        monkeypatch.setattr(steps, "POLL_S", 0.25)
        # By the real clock: a machine that is busy is no reason to give a handover up.
        monkeypatch.setattr(drain_task, "within", lambda ask, _limit_s: ask() is None)
        super().__init__(monkeypatch, like)
        monkeypatch.setattr(drain_world, "time", types.SimpleNamespace(time=self.clock.now))
        #: Counts and names what is sent as the proxy of the real sweep does.
        self.tap = Tap()
        #: The numbers of those writes that a pod answered.
        self.asked: list[int] = []
        self.venues = {region: Venue(self.servers[region]) for region in REGIONS}
        for region, venue in self.venues.items():
            server = self.servers[region]
            if like is None:
                self._engine_settled(region)
            else:
                venue.like(pickle.loads(like.more)[region])
            venue.live()
            # After what the sweep does at a write, which is before anybody answers.
            server.before.append(lambda request, region=region: self._answered(region, request))
            server.after.append(lambda request, venue=venue: venue.live() if request.method != "GET" else None)
        self.number = 0

    def more(self) -> bytes:
        return pickle.dumps({region: venue.kept() for region, venue in self.venues.items()})

    def _engine_settled(self, region: str) -> None:
        """As an earlier release left it."""
        self.servers[region].put(_pod("core-api-1", "10.0.0.9", **{"app.kubernetes.io/name": "core-api"}))
        for slot, version in SLOTS.items():
            # The other slot had the version before, at zero.
            done = self.task(
                revision, region, state="applied", objects=_objects(slot, version), fields=[_scale(slot, 0)]
            )
            assert not done.get("failed"), done["msg"]
            name = f"{ENGINE}-{slot}"
            self.servers[region].put(_pod(f"{name}-0", _ADDRESSES[name], **{"app.kubernetes.io/name": ENGINE}))
        done = self.task(revision, region, state="applied", fields=[_scale("blue", 1)])
        assert not done.get("failed"), done["msg"]

    def _answered(self, region: str, request: Request) -> Answer | None:
        query = urllib.parse.urlencode(request.query)
        self.tap.count(region, Sent.of(request.method, f"{request.path}?{query}", request.body or b""))
        answer = self.venues[region].answer(request)
        if answer is not None:
            if request.method != "GET":
                self.asked.append(self.number)
            # An answer in the server's place is not the server's: what comes after it is left to us.
            for after in self.servers[region].after:
                after(request)
        return answer

    def task(self, module: t.Any, region: str, clock: t.Any = None, **given: t.Any) -> Json:
        if module is not drain:
            return super().task(module, region, clock, **given)
        # Its options have options of their own, with defaults that only the validator fills in.
        checked = ArgumentSpecValidator(dict(drain.ARGUMENT_SPEC)).validate({**given, "step": "engine"})
        assert not checked.error_messages, checked.error_messages
        known = checked.validated_parameters
        return super().task(
            module, region, clock, **{name: known[name] for name in known if name not in _OF_THE_REGION}
        )

    # The playbooks.
    def _release(self, opened: dict[str, Json], close_first: bool) -> None:
        assert not close_first
        fleet = self.must(journal, "management", state="opened", scope="fleet", steps=list(REGIONS))
        for region in REGIONS:
            before = self.must(revision, region, state="read", services=[ENGINE])["revision"]
            finish = {"fields": [_scale("blue", 0)], "standby": [], "services": [ENGINE]}
            ours = {"fleet_release": fleet["release"], "before": before, "finish": finish, "fleet": FLEET}
            opened[region] = self.must(journal, region, state="opened", **ours)["release"]
        for region in REGIONS:
            mine = {"release": opened[region], "step": f"prepare {ENGINE}"}
            prepared = {"objects": _objects("green", "v3"), "fields": [_scale("green", 1)]}
            self.must(revision, region, state="applied", **prepared, **mine)
            self.must(
                drain,
                region,
                state="drained",
                way="handover",
                engine={"pod": f"{ENGINE}-blue-0"},
                new_engine={"pod": f"{ENGINE}-green-0"},
                gateway_pods=[{"selector": "app.kubernetes.io/name=core-api", "port": 8080}],
                cut_deadline_s=CUT_DEADLINE_S,
                release=opened[region],
            )
        decide = {"state": "decided", "scope": "fleet", "decision": "keep", "reason": "every region passed"}
        self.must(journal, "management", release=fleet["release"], **decide)
        for region in REGIONS:
            self.finish(region, opened[region], fleet["number"], [_scale("blue", 0)])
        self.must(journal, "management", state="closed", scope="fleet", release=fleet["release"], outcome="released")

    def finish(self, region: str, release: Json, number: int, fields: list[Json]) -> None:
        """The end of the standby is a part of it here: the new engine writes its own format from then on."""
        self.must(drain, region, state="finished", engine={"pod": f"{ENGINE}-green-0"}, release=release)
        self.must(revision, region, state="applied", fields=fields, release=release)
        after = self.must(revision, region, state="read", services=[ENGINE])["revision"]
        done = {"outcome": "released", "revision": after, "number": number}
        self.must(journal, region, state="closed", release=release, **done)

    def _take_back(self, region: str, release: Json) -> None:
        self.hand_back(region, release)
        self.must(revision, region, state="restored", release=release)
        self.must(journal, region, state="closed", release=release, outcome="taken_back")

    def hand_back(self, region: str, release: Json) -> None:
        self.must(drain, region, state="restored", release=release)

    # What is seen from outside.
    def state(self) -> State:
        engines = {region: self.venues[region].state() for region in REGIONS}
        found = super().state()
        regions = {}
        for region, site in found.regions.items():
            objects = {name: obj for name, obj in site.objects.items() if obj["kind"] != "Pod"}
            regions[region] = SiteState(
                objects, site.weights, site.holder, site.open_release, {ENGINE: engines[region]}
            )
        return State(regions, found.fleet)


def _objects(slot: str, version: str) -> list[Json]:
    return t.cast("list[Json]", manifests(SERVICES, {ENGINE: version})[ENGINE][slot])
