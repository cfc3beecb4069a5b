# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A judgement that takes back at once, over HTTP and with the evidence in a real Redis: from a kubeconfig to the routes
of two regions."""

from __future__ import annotations

import contextlib
import json
import pathlib
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal import run as journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.redis_stream import PREFIX
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.run import ARGUMENT_SPEC, EMPTY_RESULT, run
from fakes import FakeClock, FakeKube
from kube_over_http import served
from module_docs import checked
from powerdns_server import free_ports
from redis_server import RedisServer
from shadow_world import MODEL, ROUTE, SOON, accepted, good
from two_regions import EU, US, fill, own_process, weights_in

FLEET: t.Final = "management"
BEFORE, BACK = {"blue": 95, "green": 5}, {"blue": 100, "green": 0}
ANSWERS: t.Final = 400

Json = dict[str, t.Any]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[RedisServer]:
    """With what came in the last minute: every answer of the challenger is an error."""
    one = RedisServer(tmp_path_factory.mktemp("redis"), secured=True, rights="~pincex-models:* +xrange +ping")
    one.start()
    client, now = one.client(), time.time()
    for number in range(ANSWERS):
        for version, error in (("v2.0.0", ""), ("v2.1.0", "no features")):
            record = {"id": f"{version}-{number}", "ts": now - 60 + number / 10, "segment": "BTC/buy", "ms": 5.0}
            record |= {"version": version, "out": None if error else "up", "err": error}
            client.xadd(f"{PREFIX}:{MODEL}:answers", {"record": json.dumps(record)})
    yield one
    one.stop()


class Fleet:
    """Two regions and a fleet, each an API server at a port of its own. `dead`: those at whose ports nobody listens."""

    def __init__(self, home: pathlib.Path, source: Json, dead: tuple[str, ...], stack: contextlib.ExitStack) -> None:
        self.servers = {name: FakeKube() for name in (US, EU, FLEET)}
        self.source = source
        note = {"challenger": "v2.1.0", "champion": "v2.0.0", "slot": "green", "strategy": "canary", "step": 0}
        note |= {"since": time.time() - 120, "began": time.time() - 120, "weights": [5, 25, 50, 100], "promoted": False}
        for region in (US, EU):
            fill(self.servers[region])
            stored = self.servers[region].take(ROUTE)
            stored["metadata"]["annotations"] = {"pincex.io/model": json.dumps(note)}
            for rule in stored["spec"]["rules"]:
                for backend in rule["backendRefs"] if len(rule["backendRefs"]) == 2 else ():
                    backend["weight"] = BEFORE[backend["name"].rsplit("-", 1)[1]]
            self.servers[region].put(accepted(stored))
            self.servers[region].stored[ROUTE].obj = accepted(self.servers[region].take(ROUTE))
        nobody = [f"http://127.0.0.1:{port}" for port in free_ports(len(dead))]
        where = dict(zip(dead, nobody, strict=True))
        where |= {name: stack.enter_context(served(one)) for name, one in self.servers.items() if name not in dead}
        self.kubeconfig = str(home / "kubeconfig")
        named = {
            "clusters": [{"name": name, "cluster": {"server": url}} for name, url in where.items()],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in where],
            "users": [{"name": "me", "user": {}}],
        }
        pathlib.Path(self.kubeconfig).write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **named}))

    def judged(self, *, check_mode: bool = False) -> Json:
        place = {"kubeconfig": self.kubeconfig, "namespace": "exchange", "unreachable_s": 0.5}
        take_back = {
            "fleet": {**place, "context": FLEET, "namespace": "pincex-fleet"},
            "regions": [{**place, "context": region} for region in (US, EU)],
            "controller": own_process(),
        }
        given = {"state": "judged", "model": MODEL, "route": {}, "judge": SOON, **place, "context": US}
        given |= {"sources": [{"name": "redis", "redis": {**self.source, "prefix": PREFIX}}], "take_back": take_back}
        params = checked(ARGUMENT_SPEC, {**given, "actor": "anna", "reason": "watched"})
        told = execute(
            run,
            params,
            check_mode=check_mode,
            diff=False,
            clock=SystemClock(),
            progress=lambda _line: None,
            empty=EMPTY_RESULT,
        )
        return good(told)["taken_back"]

    def shares(self) -> dict[str, dict[str, int]]:
        return {region: weights_in(self.servers[region]) for region in (US, EU)}

    def writes(self) -> list[str]:
        return [request.path for server in self.servers.values() for request in server.writes()]

    def finish(self, name: str) -> Json | None:
        """What the open journal of a place says; None where none is open."""
        namespace = "pincex-fleet" if name == FLEET else "exchange"
        found = [
            one.obj
            for ref, one in self.servers[name].stored.items()
            if (ref.kind, ref.name, ref.namespace) == ("ConfigMap", "pincex-release-journal", namespace)
        ]
        header = json.loads(found[0]["data"]["release"]) if found else {}
        return header["finish"] if header.get("state") == "open" else None

    def lock(self, name: str) -> None:
        """Somebody else is at work there."""
        asked = journal.asked(
            state="opened",
            scope="fleet" if name == FLEET else "region",
            kind="model",
            by="ben",
            release_id="of-ben",
            finish={"state": "deployed", "model": "fraud", "version": "v9", "slot": None, "reason": "weekly"},
            fleet={"kubeconfig": self.kubeconfig, "context": FLEET, "namespace": "pincex-fleet"},
            controller=own_process(),
            kubeconfig=self.kubeconfig,
            context=name,
            namespace="pincex-fleet" if name == FLEET else "exchange",
        )
        clock = FakeClock(time.time())
        journal.run(asked, check_mode=False, diff=False, clock=clock, progress=lambda _line: None)
        for server in self.servers.values():
            server.requests.clear()


Make = t.Callable[..., Fleet]


@pytest.fixture
def make(redis_server: RedisServer, tmp_path: pathlib.Path) -> t.Iterator[Make]:
    with contextlib.ExitStack() as stack:

        def made(*dead: str) -> Fleet:
            fleet = Fleet(tmp_path, redis_server.options, dead, stack)
            for server in fleet.servers.values():
                server.requests.clear()
            return fleet

        yield made


def verdicts(told: Json) -> dict[str, str]:
    return {FLEET: told["fleet"]["verdict"], **{name: one["verdict"] for name, one in told["regions"].items()}}


def test_both_regions_are_back_under_open_journals(make: Make) -> None:
    fleet = make()
    began = time.time()
    told = fleet.judged()
    assert (fleet.shares(), verdicts(told)) == (
        {US: BACK, EU: BACK},
        {FLEET: "opened", US: "rolled_back", EU: "rolled_back"},
    )
    states = [(fleet.finish(name) or {}).get("state") for name in (US, EU, FLEET)]
    assert states == ["rolled_back"] * 3
    for one in told["regions"].values():
        assert began <= told["decided_at"] <= one["served_at"] <= time.time()


@pytest.mark.parametrize("dead", [EU, FLEET])
def test_what_is_away_holds_nobody_up(make: Make, dead: str) -> None:
    fleet = make(dead)
    told = fleet.judged()
    assert verdicts(told) == {FLEET: "opened", US: "rolled_back", EU: "rolled_back", dead: "unreachable"}
    assert fleet.shares() == {US: BACK, EU: BEFORE if dead == EU else BACK}
    assert [bool(fleet.finish(name)) for name in (US, EU, FLEET)] == [name != dead for name in (US, EU, FLEET)]


def test_somebody_at_work_in_a_region_is_left_alone(make: Make) -> None:
    fleet = make()
    fleet.lock(EU)
    assert verdicts(fleet.judged()) == {FLEET: "opened", US: "rolled_back", EU: "refused"}
    assert fleet.shares() == {US: BACK, EU: BEFORE}


def test_somebody_at_work_in_the_fleet_stops_it(make: Make) -> None:
    fleet = make()
    fleet.lock(FLEET)
    assert verdicts(fleet.judged()) == {FLEET: "refused", US: "refused", EU: "refused"}
    assert (fleet.shares(), fleet.writes()) == ({US: BEFORE, EU: BEFORE}, [])


def test_check_mode_writes_nothing(make: Make) -> None:
    fleet = make()
    assert verdicts(fleet.judged(check_mode=True)) == {FLEET: "opened", US: "rolled_back", EU: "rolled_back"}
    assert (fleet.shares(), fleet.writes()) == ({US: BEFORE, EU: BEFORE}, [])
