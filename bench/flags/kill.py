# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A feature is killed while the exchange takes orders that need it: how soon the first one is refused.

The instant of a kill is right before the module sends the command that writes to Redis and publishes; the end is when
the answer is there. One gateway gets its flags from the bridge of docs/examples/flag-sync, another one from the same
bridge that reads Redis every second instead of listening. Both see the same kills, at any moment of that second.

This module is the process of the kills as well: `python -m bench.flags.kill` carries out a task for each line.
"""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import dataclasses
import json
import math
import os
import pathlib
import random
import sys
import time
import typing as t
from unittest import mock

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.redis_store import RedisStore
from powerdns_server import LOOPBACK, Server, free_ports

from bench.flags.exchange import FEATURE, Orders, exchange
from bench.flags.poller import BRIDGE
from bench.flags.task import Json, ran
from bench.flags.world import FLEET, NAMESPACES, REGIONS, SET, World, switch, versions, world
from bench.gate.part import Measured, Options, Row
from bench.results import OURS, ROOT, Goal, row

LISTENING: t.Final = "bridge"
POLLING: t.Final = "polling"
#: What a gateway's way is called in the results.
SUBJECTS: t.Final = {LISTENING: OURS, POLLING: "Redis read every second"}
CASE: t.Final = "from PUBLISH to the first refused order"
PLAYBOOK: t.Final = "kill_feature.yml, from its start to the first refused order"
ALL_STORES: t.Final = "from PUBLISH until the task has ended"
MEDIAN: t.Final = "time"
P99: t.Final = "p99"
#: The issue's limit.
MOST_MS: t.Final = 50.0
_KILLS: t.Final = 50
_PLAYBOOKS: t.Final = 5
_WITHIN_S: t.Final = 60.0


@dataclasses.dataclass(frozen=True)
class Killed:
    """Unix times. `refused`: by gateway, of the first refused order. `began`: of a whole playbook, where it is one, and
    otherwise of the write to Redis."""

    began: float
    refused: dict[str, float]
    ended: float

    def ms(self, gateway: str) -> float:
        return 1000 * (self.refused[gateway] - self.began)


def p99(values: c.Sequence[float]) -> float:
    """By nearest rank: of 100 values or fewer the largest."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


class Tasks:
    """A process that carries out tasks one after the other, so that orders do not wait for the module's threads."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def good(self, options: Json) -> Json:
        """What `main` tells of a task that has to succeed. Raises AssertionError."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(f"{json.dumps(options)}\n".encode())
        await stdin.drain()
        told: Json = json.loads(await stdout.readline() or '{"msg": "the process of the tasks has ended"}')
        assert "msg" not in told, told["msg"]
        return told


@contextlib.asynccontextmanager
async def tasks() -> c.AsyncIterator[Tasks]:
    pipe = asyncio.subprocess.PIPE
    words = ("-m", "bench.flags.kill")
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe, cwd=ROOT)
    try:
        yield Tasks(process)
    finally:
        process.kill()
        await process.wait()


@contextlib.contextmanager
def bridges(place: World, *names: str) -> c.Iterator[dict[str, dict[str, str]]]:
    """These bridges; the environment of a gateway for each."""
    programs = {LISTENING: [str(BRIDGE)], POLLING: ["-m", "bench.flags.poller"]}
    with contextlib.ExitStack() as stack:
        made = {}
        for name in names:
            address = f"{LOOPBACK}:{free_ports(1)[0]}"
            given = ["--listen", address, "--redis", place.redis.options["url"]]
            server = Server([sys.executable, *programs[name], *given], place.folder / f"{name}.log")
            stack.callback(server.stop)
            made[name] = {"FLAGS_SYNC": address}
        yield made


async def visit(process: Tasks, flows: c.Sequence[Orders], task: t.Callable[..., Json], within_s: float) -> Killed:
    """One kill and its end. `task`: the options of an action."""
    await asyncio.sleep(random.uniform(0, 1))
    for flow in flows:
        flow.expect()
    told = await process.good(task("kill"))
    refused = {flow.name: await flow.refused(within_s) for flow in flows}
    await _restore(process, flows, task, within_s)
    return Killed(told["published"], refused, told["ended"])


async def _restore(process: Tasks, flows: c.Sequence[Orders], task: t.Callable[..., Json], within_s: float) -> None:
    await process.good(task("restore"))
    for flow in flows:
        await flow.on(within_s)


def inventory(place: World) -> pathlib.Path:
    """The environment as an operator has it: a host of the fleet, two regions, and where the flags are."""
    hosts = {name: {"cluster_context": name, "cluster_namespace": NAMESPACES[name]} for name in place.clusters}
    known = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "cluster_kubeconfig": str(place.kubeconfig),
        "flags": {"name": SET, "stores": place.options["stores"]},
    }
    groups = {
        "fleet": {"hosts": {FLEET: hosts[FLEET]}},
        "regions": {"hosts": {name: hosts[name] for name in REGIONS}},
    }
    path = place.folder / "inventory.yml"
    path.write_text(json.dumps({"all": {"vars": known, "children": groups}}), encoding="utf-8")
    return path


async def _playbook(place: World, process: Tasks, flow: Orders, task: t.Callable[..., Json]) -> Killed:
    """kill_feature.yml as an operator runs it. Raises AssertionError when it fails."""
    flow.expect()
    log = place.folder / "playbook.log"
    given = json.dumps({"feature": FEATURE, "reason": "a benchmark"})
    program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
    words = (program, "pincex.zero_downtime.kill_feature", "-i", str(inventory(place)), "-e", given)
    began = time.time()
    with log.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            *words,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        )
        code = await child.wait()
    ended = time.time()
    assert code == 0, log.read_text(encoding="utf-8")[-3000:]
    refused = await flow.refused(_WITHIN_S)
    await _restore(process, [flow], task, _WITHIN_S)
    return Killed(began, {flow.name: refused}, ended)


async def _loopback(place: World, kills: int) -> tuple[list[Killed], list[Killed]]:
    def task(action: str) -> Json:
        return place.given(action, flags=[FEATURE])

    with bridges(place, *SUBJECTS) as ways:
        async with exchange(place.folder, ways) as flows, tasks() as process:
            for flow in flows:
                await flow.on(_WITHIN_S)
            found = []
            for _ in range(kills):
                found.append(await visit(process, flows, task, _WITHIN_S))
                print(", ".join(f"{flow.name} {found[-1].ms(flow.name):.1f} ms" for flow in flows), flush=True)
            played = [await _playbook(place, process, flows[0], task) for _ in range(min(kills, _PLAYBOOKS))]
            print(f"kill_feature.yml: {[round(one.ms(LISTENING)) for one in played]} ms", flush=True)
    return found, played


def measure(options: Options) -> Measured:
    """The whole part, on loopback. Rounds: kills."""
    with world() as place:
        place.good("set", definitions={FEATURE: switch("on"), "high_frequency_orders": switch("on")})
        found, played = asyncio.run(_loopback(place, options.rounds or _KILLS))
    return Measured(rows(found, played), versions())


def kill_rows(case: str, found: c.Sequence[Killed], subjects: t.Mapping[str, str], reference: str) -> list[Row]:
    """Median and p99 of each gateway. The goal is ours alone, and the reference is one of the other gateways."""
    made = []
    other = row(case, MEDIAN, [one.ms(reference) for one in found], Goal(), "ms")["value"]
    for gateway, subject in subjects.items():
        times = [one.ms(gateway) for one in found]
        goal = Goal(MOST_MS, other, of="median") if subject == OURS else Goal()
        made.append(row(case, MEDIAN, times, goal, "ms", subject=subject))
        made.append(row(case, P99, [p99(times)], Goal(), "ms", subject=subject))
    return made


def rows(found: c.Sequence[Killed], played: c.Sequence[Killed]) -> list[Row]:
    made = kill_rows(f"{len(found)} kills, {CASE}", found, SUBJECTS, POLLING)
    made.append(row(ALL_STORES, MEDIAN, [1000 * (one.ended - one.began) for one in found], Goal(), "ms"))
    made.append(row(PLAYBOOK, MEDIAN, [one.ms(LISTENING) for one in played], Goal(), "ms"))
    made.append(row(PLAYBOOK, "until it has ended", [1000 * (one.ended - one.began) for one in played], Goal(), "ms"))
    return made


# -- the process of the tasks


def told(options: Json) -> Json:
    """What came of a task: when Redis was written first, and when all was done, in unix time; or why it failed."""
    written: list[float] = []
    write = RedisStore.write

    def watched(store: RedisStore, *given: t.Any) -> None:
        written.append(time.time())
        write(store, *given)

    with mock.patch.object(RedisStore, "write", watched):
        result = ran(options)
    if result.get("failed") or not written:
        return {"msg": result.get("msg") or f"Redis was not written: {result['reason']}"}
    return {"published": written[0], "ended": time.time()}


def main() -> int:
    for line in sys.stdin:
        print(json.dumps(told(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
