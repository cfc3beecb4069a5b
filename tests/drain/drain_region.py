# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One region of the reference exchange as processes on loopback, with orders, market data clients and the module."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import typing as t

from drain_world import play
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from lab.exchange.http_client import HttpClient, HttpFailure
from lab.flow.plan import Plan
from lab.flow.reconcile import Reconciler, Reconciliation
from lab.flow.run import Flow

ROOT = pathlib.Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"
Json = dict[str, t.Any]

#: A process that does not start, or an order without an answer, is an error and not a slow machine.
PATIENCE_S = 90.0

#: Below those that the kernel gives to clients: a process that is killed has to find its port free when it is back.
_PORTS = iter(random.sample(range(20_000, 32_000), k=2_000))


def free_port() -> int:
    """One that no other region of this run has."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return port


async def until(true: c.Callable[[], bool], what: str = "") -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never came: {what or true}") from None


class Program:
    """One service as a process. It keeps its port and its volume when it is started again."""

    def __init__(self, folder: pathlib.Path, name: str, service: str, version: str = "v1", **env: str) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.data = folder / name
        self.data.mkdir()
        self._env = {
            "PYTHONPATH": str(ROOT / "lab"),
            "PATH": os.environ["PATH"],
            "PINCEX_SERVICE": service,
            "PINCEX_VERSION": version,
            "PORT": str(self.port),
            "LINGER_S": "0",
            "DATA_DIR": str(self.data),
            **env,
        }
        self.client = HttpClient(self.url)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.data / "log.txt").open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "exchange"], env=self._env, stderr=log)

    def kill(self) -> None:
        """As a machine that fails does it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self.client.close()

    async def get(self, path: str) -> Json:
        answer = await self.client.request("GET", path)
        assert answer.status == 200, answer.body
        found: Json = answer.json()
        return found

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(HttpFailure):
                    if (await self.client.request("GET", "/health/ready")).status == 200:
                        return
                assert self._process is not None
                assert self._process.poll() is None, (self.data / "log.txt").read_text()
                await asyncio.sleep(0.02)

    # -- of an engine

    async def status(self) -> Json:
        return await self.get("/control/status")

    def events(self) -> list[Json]:
        """All that is in the journal. A last line may be half written."""
        lines = (self.data / "journal.jsonl").read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def epochs(self) -> list[Json]:
        return [event for event in self.events() if event["kind"].startswith("epoch_")]


class Listener:
    """One client of market data, which finds every gap."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.streams: dict[str, int] = {}
        self.problems: list[str] = []
        self.closed: int | None = None
        self.begun = False
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            async with connect(self.url, compression=None) as session:
                async for frame in session:
                    for message in json.loads(frame):
                        self._take(message)
                    self.begun = True
        except (ConnectionClosed, OSError) as error:
            self.problems.append(f"{error!r}")
        self.closed = session.close_code

    def _take(self, message: Json) -> None:
        kind = message["type"]
        if kind in ("status", "snapshot") and self.begun:
            self.problems.append(f"{kind}: the feed began anew")
        elif kind == "snapshot":
            self.streams[message["pair"]] = message["sequence"]
        elif kind == "book":
            pair, number = message["pair"], message["sequence"]
            if number != self.streams.get(pair, 0) + 1:
                self.problems.append(f"{pair}: {number} follows {self.streams.get(pair, 0)}")
            self.streams[pair] = number

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


class DrainRegion:
    """Two engines with one epoch record, two gateways, reference data. The steady flow goes through both gateways."""

    def __init__(self, folder: pathlib.Path, rate: float = 60.0, listeners: int = 3) -> None:
        record = {"EPOCH_RECORD": str(folder / "epoch.json")}
        self.folder = folder
        self.rate = rate
        self.listeners_each = listeners
        self.old = Program(folder, "blue", "matching-engine", ENGINE_NAME="blue", **record)
        self.new = Program(
            folder, "green", "matching-engine", "v2", ENGINE_NAME="green", FOLLOW_URL=self.old.url, **record
        )
        self.reference = Program(folder, "reference", "reference-data")
        self.ws_ports = (free_port(), free_port())
        self.gateways = [
            Program(
                folder,
                f"gateway{number}",
                "core-api",
                ENGINE_URLS=f"{self.old.url},{self.new.url}",
                REFERENCE_DATA_URL=self.reference.url,
                WS_PORT=str(port),
                # Longer than any cut of these tests, also on a busy machine.
                HOLD_S="80",
                ORDER_DEADLINE_S="80",
            )
            for number, port in enumerate(self.ws_ports)
        ]
        self.listeners: list[Listener] = []
        self.flow: Flow

    @property
    def programs(self) -> list[Program]:
        return [self.old, self.new, self.reference, *self.gateways]

    @contextlib.asynccontextmanager
    async def trading(self) -> c.AsyncIterator[DrainRegion]:
        """Everything runs and orders flow."""
        try:
            for program in self.programs:
                program.start()
            await asyncio.gather(*(program.ready() for program in self.programs))
            self.listen()
            names = dict(zip("ab", (gateway.url for gateway in self.gateways), strict=True))
            plan = Plan(names, {}, None, self.rate, None, None, (), in_flight=4000, timeout_s=2 * PATIENCE_S, host="")
            self.flow = Flow(plan, "drain")
            for name, url in names.items():
                # A connection that comes late is the machine's doing, and nothing that the exchange answers for.
                self.flow._regions[name].client = HttpClient(url, connect_timeout_s=PATIENCE_S)
            sending = asyncio.ensure_future(self.flow.send())
            try:
                await self.more()
                await until(lambda: all(one.begun for one in self.listeners), "the first market data")
                yield self
            finally:
                self.flow.stop()
                await sending
        finally:
            for listener in self.listeners:
                await listener.close()
            for program in self.programs:
                program.kill()

    def listen(self) -> None:
        """New sessions at both gateways."""
        urls = [f"ws://{LOOPBACK}:{port}/ws" for port in self.ws_ports]
        self.listeners = [Listener(url) for url in urls for _ in range(self.listeners_each)]

    async def more(self, orders: int = 15) -> None:
        """Trade goes on: wait for so many more acknowledgements."""
        count = len(self.flow.acknowledged)
        await until(lambda: len(self.flow.acknowledged) >= count + orders, "more acknowledgements")

    def options(self, engine: Program, other: Program, **given: t.Any) -> Json:
        return {
            "state": "drained",
            "way": "handover",
            "engine": {"url": engine.url},
            "new_engine": {"url": other.url},
            "gateways": [{"url": gateway.url} for gateway in self.gateways],
            # The disk of the machine that tests is not the question.
            "min_disk_free_mb": 1,
            **given,
        }

    async def hand_over(self, engine: Program, other: Program, **given: t.Any) -> Json:
        return await asyncio.to_thread(play, self.options(engine, other, **given))

    async def hand_over_and_die(self, when: str, call: str, deadline_s: float) -> None:
        """The module in a process of its own, which is killed right before or after that request. A machine that is too
        slow for the deadline of the cut gets a longer one: how fast it is, is not what is tested."""
        while True:
            options = json.dumps(self.options(self.old, self.new, cut_deadline_s=deadline_s))
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, str(pathlib.Path(__file__).with_name("drain_killed.py")), when, call, options),
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=asyncio.subprocess.PIPE,
            )
            output, _ = await child.communicate()
            if child.returncode == -signal.SIGKILL:
                return
            result = json.loads(output)
            assert (result["failed"], result["error"]["kind"]) == (True, "deadline"), result
            deadline_s *= 2
            assert deadline_s < PATIENCE_S / 2, result["msg"]

    async def account(self, leader: Program, follower: Program) -> Reconciliation:
        """Stop the flow, wait for all answers, and compare them with both journals; returns it for the leader."""
        self.flow.stop()
        await self.flow.drain()
        end = (await leader.status())["sequence"]
        async with asyncio.timeout(PATIENCE_S):
            while (status := await follower.status())["sequence"] < end:
                assert not status["follow"]["error"], status["follow"]
                await asyncio.sleep(0.05)
        assert (status["role"], status["follow"]["url"]) == ("follower", leader.url)
        copy, journal = follower.events(), leader.events()
        assert copy == journal[: len(copy)]
        assert [event["seq"] for event in journal] == list(range(1, len(journal) + 1))
        found = [self._reconciled(events) for events in (journal, copy)]
        assert [(one.lost, one.duplicated, one.unacknowledged) for one in found] == [((), (), 0)] * 2
        return found[0]

    def _reconciled(self, events: c.Iterable[Json]) -> Reconciliation:
        # Both gateways send to one region.
        acknowledged = [dataclasses.replace(ack, region="region") for ack in self.flow.acknowledged]
        reconciler = Reconciler(self.flow.run_id, acknowledged)
        for event in events:
            reconciler.add("region", event)
        return reconciler.result()

    def all_answered(self) -> None:
        """No request failed, whatever was held meanwhile, and none was refused."""
        counts = self.flow.tally.counts()
        assert (counts["failed"], counts["refused"]) == (0, 0), self.flow.tally.bad_answers()[:5]
        assert sum(counts.values()) == self.flow.sent
        assert self.flow.skipped < self.flow.sent / 10

    async def market_data_is_whole(self, leader: Program) -> None:
        """Every session is the first one, and has every message up to the number that the leader counts."""
        streams = (await leader.get("/control/proof"))["proof"]["streams"]
        streams = {pair: number for pair, number in streams.items() if number}
        for one in self.listeners:
            await until(lambda one=one: one.streams == streams or bool(one.problems), "the last market data")  # type: ignore[misc]
            assert (one.problems, one.closed) == ([], None), (one.problems[:3], one.closed)
