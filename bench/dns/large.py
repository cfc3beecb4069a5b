# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change costs in a large zone, and 20 processes at once under Route 53's limit of requests.

A change is a whole task of dns_weight with everything that it asks; its questions to the authority by UDP are left out,
because their number is an option.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import importlib.metadata
import pathlib
import sys
import time
import typing as t

from moto_process import moto_process
from powerdns_server import ZONE
from route53_shim import HEALTHY
from route53_world import NAME, SECRET, World, record

from bench.at_once import let_go, waiting
from bench.dns.loopback import (
    CountedBucket,
    PowerDnsWorld,
    environment,
    fleet,
    most_in_a_second,
    must,
    powerdns_version,
)
from bench.dns.task import Json, ran
from bench.gate.part import Measured, Options, Row
from bench.results import Goal, row
from lab.errors import LabError

SIZES: t.Final = (10, 10_000)
POWERDNS: t.Final = "PowerDNS"
ROUTE53: t.Final = "Route 53"
REQUESTS: t.Final = "requests of a change"
CHECKED: t.Final = "20 regions in one change, each with a health check"
TOGETHER: t.Final = "20 processes at once, each with 20 regions"
ALONE: t.Final = "the same without a shared `bucket_file`"
#: Per second, and at once after a pause: what Route 53 documents for an account.
LIMIT: t.Final = (10.0, 50.0)
HEALTH_LIMIT: t.Final = (1.0, 4.0)
_ROUNDS: t.Final = 3
_REGIONS: t.Final = 20
_PROCESSES: t.Final = 20
_US: t.Final = "us-east-1"
_EU: t.Final = "eu-west-1"
#: The rule that many records may not change at once is not what is measured.
_PASSED: t.Final = ["many_changes"]
_NONE: t.Final = Goal(0.5)


@dataclasses.dataclass(frozen=True)
class Burst:
    """Changes under the limit. `instants`: of each request; `throttled`: those that the service refused because there
    were too many; `changes`: batches that it took; `failed`: tasks that did not succeed."""

    case: str
    tasks: int
    seconds: float
    instants: list[float]
    throttled: int
    changes: int
    failed: int


def _shifted(name: str, number: int) -> Json:
    """To and fro, so that each round begins where the first one did."""
    there, back = ((_US, _EU), (_EU, _US))[number % 2]
    return {"state": "shifted", "name": name, "shift": {"from": there, "to": back, "points": 10}}


def _powerdns(folder: pathlib.Path, cluster: Json, size: int, rounds: int) -> list[int]:
    world = PowerDnsWorld(folder / f"powerdns-{size}", cluster)
    try:
        world.server.fill(size)
        world.make(NAME, {_US: 50, _EU: 50}, {_US: world.health(), _EU: world.health()})
        found = []
        for number in range(rounds):
            world.proxy.seen.clear()
            must(ran({**world.options, **_shifted(NAME, number)}))
            found.append(len(world.proxy.seen))
        return found
    finally:
        world.close()


def _route53_options(cluster: Json, world: World) -> Json:
    # There is no authority whose answers could be counted.
    return {**cluster, "provider": "route53", "route53": world.options(), "verify": {"queries": 0}}


def _route53(folder: pathlib.Path, cluster: Json, port: int, size: int, rounds: int) -> list[int]:
    world = World(port, folder / f"route53-{size}", seeded=size)
    try:
        count = world.client.get_hosted_zone(Id=world.zone)["HostedZone"]["ResourceRecordSetCount"]
        if count < size:
            raise LabError(f"the zone has {count} record sets, and {size} were meant")
        world.make(record(_US, 50), record(_EU, 50))
        found = []
        for number in range(rounds):
            world.forget()
            must(ran({**_route53_options(cluster, world), **_shifted(NAME, number)}))
            found.append(len(world.shim.log))
        return found
    finally:
        world.shim.stop()


@contextlib.contextmanager
def _limited(folder: pathlib.Path, port: int) -> c.Iterator[World]:
    """A zone whose limits are full, and count."""
    folder.mkdir()
    world = World(port, folder)
    try:
        yield world
    finally:
        world.shim.stop()


def _count(world: World) -> CountedBucket:
    world.forget()
    world.shim.account, world.shim.health_limit = CountedBucket(*LIMIT), CountedBucket(*HEALTH_LIMIT)
    return world.shim.account


def _throttled(world: World) -> int:
    return sum(code == "Throttling" for _operation, code in world.shim.log)


def _regions() -> list[str]:
    return [f"region-{number:02d}" for number in range(1, _REGIONS + 1)]


def _weights(regions: c.Sequence[str]) -> dict[str, int]:
    """Another one for every region."""
    return {region: 11 + number for number, region in enumerate(regions)}


def _checked(folder: pathlib.Path, cluster: Json, port: int) -> Burst:
    """All regions in one change, each with a health check, whose status has a limit of its own."""
    with _limited(folder / "checked", port) as world:
        regions = _regions()
        config = {"Type": "HTTP", "IPAddress": "127.0.1.1", "Port": 80, "ResourcePath": "/", "RequestInterval": 30}
        records = []
        for region in regions:
            made = world.client.create_health_check(CallerReference=region, HealthCheckConfig=config)["HealthCheck"]
            world.shim.health[made["Id"]] = 3 * [HEALTHY]
            records.append(record(region, 10, HealthCheckId=made["Id"]))
            world.forget()
        world.make(*records)
        account = _count(world)
        began = time.monotonic()
        given = {"state": "absolute", "name": NAME, "weights": _weights(regions), "override": _PASSED}
        result = ran({**_route53_options(cluster, world), **given})
        return _burst(world, account, CHECKED, [result], began)


def _together(folder: pathlib.Path, cluster: Json, port: int, *, shared: bool) -> Burst:
    """As many processes as regions at once, each with a set in a zone of its own. Not `shared`: each keeps the limit,
    and knows nothing of the others."""
    with _limited(folder / ("shared" if shared else "alone"), port) as world:
        regions, options = _regions(), []
        for number in range(_PROCESSES):
            made = world.client.create_hosted_zone(Name=ZONE, CallerReference=f"{shared}-{number}")
            world.zone = made["HostedZone"]["Id"].rpartition("/")[2]
            world.make(*(record(region, 10) for region in regions))
            given = {"state": "absolute", "name": NAME, "weights": _weights(regions), "override": _PASSED}
            options.append({**_route53_options(cluster, world), **given})
            if not shared:
                options[-1]["route53"]["bucket_file"] += f"-{number}"
        with waiting("bench.dns.task", options) as children:
            account = _count(world)
            began = time.monotonic()
            results = let_go(children)
        return _burst(world, account, TOGETHER if shared else ALONE, results, began)


def _burst(world: World, account: CountedBucket, case: str, results: c.Sequence[Json], began: float) -> Burst:
    for result in results:
        if result.get("failed"):
            print(result["msg"], file=sys.stderr)
    changes = sum((operation, code) == ("ChangeResourceRecordSets", "") for operation, code in world.shim.log)
    failed = sum(bool(result.get("failed")) for result in results)
    seconds = time.monotonic() - began
    return Burst(case, len(results), seconds, list(account.instants), _throttled(world), changes, failed)


def measure(options: Options) -> Measured:
    """The whole part, on loopback."""
    rounds = options.rounds or _ROUNDS
    requests: dict[str, dict[int, list[int]]] = {POWERDNS: {}, ROUTE53: {}}
    with contextlib.ExitStack() as stack:
        folder, cluster = stack.enter_context(fleet())
        known = {"XDG_RUNTIME_DIR": str(folder), "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": SECRET}
        stack.enter_context(environment(**known))
        port = stack.enter_context(moto_process())
        for size in SIZES:
            requests[POWERDNS][size] = _powerdns(folder, cluster, size, rounds)
            print(f"{POWERDNS}, {size:,} record sets: {requests[POWERDNS][size]} requests", flush=True)
            requests[ROUTE53][size] = _route53(folder, cluster, port, size, rounds)
            print(f"{ROUTE53}, {size:,} record sets: {requests[ROUTE53][size]} requests", flush=True)
        bursts = [
            _told(_checked(folder, cluster, port)),
            _told(_together(folder, cluster, port, shared=True)),
            _told(_together(folder, cluster, port, shared=False)),
        ]
    versions = {
        "PowerDNS": powerdns_version(),
        **{name: importlib.metadata.version(name) for name in ("moto", "boto3")},
    }
    return Measured(rows(requests, bursts), versions)


def _told(one: Burst) -> Burst:
    print(f"{one.case}: {len(one.instants)} requests, {one.seconds:.1f} s, {one.throttled} throttled", flush=True)
    return one


def rows(requests: t.Mapping[str, t.Mapping[int, c.Sequence[int]]], bursts: c.Sequence[Burst]) -> list[Row]:
    """The largest zone may cost no more than the smallest, and no request may be one too many."""
    made = []
    for provider, by_size in requests.items():
        least = max(by_size[SIZES[0]])
        for size in SIZES:
            goal = Goal() if size == SIZES[0] else Goal(least + 0.5)
            values = [float(value) for value in by_size[size]]
            made.append(row(f"{provider}, {size:,} record sets in the zone", REQUESTS, values, goal, "count"))
    for one in bursts:
        case = f"{ROUTE53}, {one.case}"
        # What is there for comparison has no goals.
        judged = one.case != ALONE
        counts = {
            "changes sent": (float(one.changes), Goal(one.tasks + 0.5 if judged else None)),
            "tasks that failed": (float(one.failed), _NONE if judged else Goal()),
            "requests": (float(len(one.instants)), Goal()),
            "most requests in one second": (float(most_in_a_second(one.instants)), Goal()),
            "requests above the limit": (float(one.throttled), _NONE if judged else Goal()),
        }
        made += [row(case, metric, [value], goal, "count") for metric, (value, goal) in counts.items()]
        made.append(row(case, "until all are done", [one.seconds], Goal()))
    return made
