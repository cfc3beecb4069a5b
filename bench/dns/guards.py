# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every guard of dns_weight tried once: it has to refuse, and nothing may be written.

On a real PowerDNS, where the zone keeps its serial number. Its record has one TTL for all regions, so the guard `ttl`
is tried on Route 53, on records that were made behind the back of its rules.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import importlib.metadata
import threading
import typing as t

import boto3
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_guards import GUARDS, NEVER
from moto_process import moto_process
from powerdns_server import ZONE
from route53_world import NAME, SECRET, World, record
from small_api import SmallPrometheus

from bench.dns.loopback import PowerDnsWorld, Weights, environment, fleet, powerdns_version
from bench.dns.task import Json, ran
from bench.gate.part import Measured, Options, Row
from bench.results import verdict_row

US: t.Final = "us-east-1"
EU: t.Final = "eu-west-1"
HALF: t.Final = {US: 50, EU: 50}
_SHIFT: t.Final = {"state": "shifted", "shift": {"from": US, "to": EU, "points": 10}}
_OUT: t.Final = {"state": "evacuated", "regions": [US]}
_LOAD: t.Final = "sum(rate(requests_total[30s]))"
_TEN: t.Final = {f"region-{number:02d}": 10 for number in range(10)}
_OWNER: t.Final = '"heritage=external-dns,external-dns/owner=eu"'


@dataclasses.dataclass(frozen=True)
class Try:
    """A change that a guard has to refuse. `ill`: regions whose health endpoint answers 503; `text`: what stands beside
    the set; `meanwhile`: weights that somebody else writes between our two looks."""

    guard: str
    tried: str
    options: Json
    weights: Weights = dataclasses.field(default_factory=lambda: dict(HALF))
    ill: c.Collection[str] = ()
    text: str = ""
    meanwhile: Weights | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """`result` of the task; `writes`: requests that would have changed something; `same`: the zone is as it was."""

    guard: str
    tried: str
    result: Json
    writes: int
    same: bool

    def said(self) -> tuple[str, str]:
        """What became of it, in a word, and what the guard said."""
        found = next((one for one in self.result.get("guards", ()) if one["guard"] == self.guard), {})
        sentence = str(found.get("reason", self.result.get("msg", "")))
        if self.writes or not self.same:
            return "written", sentence
        refused = self.result.get("failed") and self.result["error"]["kind"] == "refused" and found.get("refused")
        return ("refused" if refused else "not refused"), sentence


def tries() -> list[Try]:
    """All but `ttl`."""
    capacities = {US: {"capacity_rps": 1000}, EU: {"capacity_rps": 1000}}
    return [
        Try("last_region", "evacuate a region while the other one is unhealthy", {**_OUT}, ill={EU}),
        Try("min_regions", "evacuate one of two regions with `min_regions: 2`", {**_OUT, "min_regions": 2}),
        # The one that no override passes.
        Try(
            "sum_zero",
            "weight 0 for all regions, with every override that there is",
            {"state": "absolute", "weights": {US: 0, EU: 0}, "override": [one for one in GUARDS if one != NEVER]},
        ),
        Try("max_step", "from 50 % to 20 % at once", {"state": "absolute", "weights": {US: 20, EU: 80}}),
        Try("unhealthy", "10 points to a region whose health endpoint answers 503", {**_SHIFT}, ill={EU}),
        Try(
            "capacity",
            "10 points to a region that takes 1000 requests/s, of 2000",
            {**_SHIFT, "members": capacities, "load": {"query": _LOAD}},
        ),
        Try("changed", "10 points, and somebody else writes meanwhile", {**_SHIFT}, meanwhile={US: 40, EU: 60}),
        Try("owner", "10 points of a set with the mark of external-dns", {**_SHIFT}, text=_OWNER),
        Try("revision", "10 points to a region in `behind`", {**_SHIFT, "behind": [EU]}),
        Try(
            "many_changes",
            "4 of 10 records at once",
            {"state": "absolute", "weights": dict.fromkeys(list(_TEN)[:4], 11)},
            _TEN,
        ),
    ]


def _once(world: PowerDnsWorld, metrics: SmallPrometheus, one: Try) -> Outcome:
    name = f"{one.guard.replace('_', '-')}.{ZONE}"
    health = {region: world.health() for region in one.weights}
    world.make(name, one.weights, health)
    for region in one.ill:
        health[region].status = 503
    if one.text:
        world.server.change(name, "TXT", one.text)
    serials = [world.serial()]
    seen = len(world.proxy.seen)
    if one.meanwhile is not None:
        world.proxy.before = _meddler(world, name, one.meanwhile, serials)
    options = {**world.options, "prometheus": {"url": metrics.url}, "name": name, **one.options}
    result = ran(options)
    world.proxy.before = None
    writes = sum(method != "GET" for method, _path in world.proxy.seen[seen:])
    return Outcome(one.guard, one.tried, result, writes, world.serial() == serials[-1])


def _meddler(world: PowerDnsWorld, name: str, weights: Weights, serials: list[int]) -> t.Any:
    """Somebody else who writes right before the set is read for the second time."""
    looks = 0
    lock = threading.Lock()

    def before(_method: str, path: str, _body: bytes) -> None:
        nonlocal looks
        if f"rrset_name={name}" not in path:
            return
        with lock:
            looks += 1
            if looks != 2:
                return
            (content,) = world.server.contents(name)
            for region, weight in weights.items():
                content = content.replace(f"{{'{region}',{HALF[region]},", f"{{'{region}',{weight},")
            world.server.change(name, "LUA", content)
            serials.append(world.serial())

    return before


def _ttl(cluster: Json, world: World, moto: t.Any) -> Outcome:
    """Moto itself knows no rule about TTLs."""
    changes = [
        {"Action": "CREATE", "ResourceRecordSet": record(region, 50, TTL=ttl)} for region, ttl in ((US, 30), (EU, 60))
    ]
    moto.change_resource_record_sets(HostedZoneId=world.zone, ChangeBatch={"Changes": changes})
    before = world.stored()
    world.forget()
    given = {"provider": "route53", "route53": world.options(), "name": NAME, "verify": {"queries": 0}, **_SHIFT}
    result = ran({**cluster, **given})
    writes = world.shim.asked("ChangeResourceRecordSets")
    return Outcome("ttl", "10 points of a set with two TTLs (Route 53)", result, writes, world.stored() == before)


def measure(_options: Options) -> Measured:
    """The whole part, on loopback."""
    with contextlib.ExitStack() as stack:
        folder, cluster = stack.enter_context(fleet())
        known = {"XDG_RUNTIME_DIR": str(folder), "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": SECRET}
        stack.enter_context(environment(**known))
        metrics = SmallPrometheus()
        stack.callback(metrics.stop)
        metrics.values[_LOAD] = 2000.0
        world = PowerDnsWorld(folder / "powerdns", cluster)
        stack.callback(world.close)
        found = [_told(_once(world, metrics, one)) for one in tries()]
        port = stack.enter_context(moto_process())
        route53 = World(port, folder)
        stack.callback(route53.shim.stop)
        moto = boto3.client("route53", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{port}")
        found.append(_told(_ttl(cluster, route53, moto)))
    versions = {"PowerDNS": powerdns_version(), "moto": importlib.metadata.version("moto")}
    return Measured(rows(found), versions)


def _told(one: Outcome) -> Outcome:
    said, sentence = one.said()
    print(f"{one.guard:<13} {said}: {sentence}", flush=True)
    return one


def rows(found: c.Sequence[Outcome]) -> list[Row]:
    """One for each guard, in their order in the results of a task."""
    made = []
    for one in found:
        said, sentence = one.said()
        made.append({**verdict_row(one.guard, said, "refused", sentence), "tried": one.tried})
    order = [str(guard["guard"]) for one in found for guard in one.result.get("guards", ())]
    return sorted(made, key=lambda row: order.index(row["case"]) if row["case"] in order else len(order))
