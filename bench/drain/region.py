# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One region of the reference exchange on loopback under load, with FIX sessions, a book, and the module as a process.

The services are those of tests/drain. What a test asserts there is counted here.
"""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import typing as t

from drain_region import PATIENCE_S, Program, until
from fix_region import FixRegion

from bench.drain.figures import LOADED, Account, Json, differing, longest_gap_s, reconciled
from bench.results import ROOT
from lab import quickfix_build
from lab.exchange.http_client import HttpClient

_LOADERS: t.Final = 16
_LOAD_S: t.Final = 60.0
_AT_ONCE: t.Final = 500


@dataclasses.dataclass(frozen=True)
class Load:
    """What runs beside a drain. `rate`: orders per second in all, `fix_rate` of it over FIX. `hold_s`: how long
    gateways hold an order while nobody trades, as in the lab."""

    rate: float = 200.0
    fix_rate: float = 20.0
    websockets: int = 50
    fix_sessions: int = 5
    book: int = 10_000
    hold_s: float = 10.0
    standby: bool = True
    #: Whether engines take faults.
    faults: bool = False

    def text(self) -> str:
        sessions = f"{self.websockets} WebSocket and {self.fix_sessions} FIX sessions"
        return f"{self.rate:g} orders/s, {sessions}, a book of {self.book:,}"


@dataclasses.dataclass(frozen=True)
class Ran:
    """The module as a process. `result` None: it was killed."""

    result: Json | None
    calls: list[str]
    peak_mb: float | None

    def good(self) -> Json:
        assert self.result is not None, "the module was killed"
        return self.result


async def run_module(options: Json, kill: tuple[str, str, int] | None = None) -> Ran:
    words = [str(word) for word in kill or ()]
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.drain.module", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        output, _ = await child.communicate(json.dumps(options).encode())
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode == -signal.SIGKILL:
        return Ran(None, [], None)
    assert child.returncode == 0, f"the module ended with {child.returncode}"
    found = json.loads(output)
    return Ran(found["result"], found["calls"], found["peak_mb"])


class Region(FixRegion):
    """Everything of `load`. `old` leads at first, and `new` follows it."""

    def __init__(self, folder: pathlib.Path, load: Load, library: pathlib.Path) -> None:
        hold = {"HOLD_S": f"{load.hold_s:g}", "ORDER_DEADLINE_S": "10"}
        super().__init__(
            folder,
            library,
            load.rate - load.fix_rate,
            fix_rate=load.fix_rate,
            sessions=load.fix_sessions,
            listeners=load.websockets // 2,
            **hold,
        )
        self.load = load
        for gateway in self.gateways:
            gateway._env |= hold
        for engine in (self.old, self.new):
            engine._env |= {"PINCEX_FAULTS": "on"} if load.faults else {}
        self.closed_sessions = 0

    @property
    def programs(self) -> list[Program]:
        return [one for one in super().programs if self.load.standby or one is not self.new]

    async def fill_book(self) -> None:
        client = HttpClient(self.old.url, most=_LOADERS, connect_timeout_s=_LOAD_S)

        async def place(number: int) -> None:
            side = "buy" if number % 2 else "sell"
            # Far from the market on both sides, with queues: order in a queue is what is proved as well.
            price = (10_000 if side == "buy" else 2_000_000) + number % 500 * 10
            body: Json = {"client_order_id": LOADED.format(number), "pair": "BTC-USD", "side": side}
            body |= {"price": price, "quantity": 1, "type": "limit", "account": f"a{number % 100:03d}"}
            answer = await client.request("POST", "/orders", json.dumps(body).encode(), timeout_s=_LOAD_S)
            assert answer.status == 200, answer.body

        for first in range(0, self.load.book, _AT_ONCE):
            await asyncio.gather(*(place(number) for number in range(first, min(first + _AT_ONCE, self.load.book))))
        client.close()

    async def traded(self, seconds: float = 1.0) -> None:
        """Wait until so much has been acknowledged over both ways as comes in that time."""
        await asyncio.gather(
            self.more(max(1, int(self.rate * seconds))), self.more_by_fix(max(1, int(self.fix_rate * seconds)))
        )

    async def drain(self, engine: Program, other: Program, **given: t.Any) -> Ran:
        return await run_module(self.options(engine, other, **given))

    async def killed(self, engine: Program, other: Program, at: tuple[str, str, int], **given: t.Any) -> Ran:
        return await run_module(self.options(engine, other, **given), at)

    async def tell(self, engine: Program, call: str, **fields: t.Any) -> None:
        body = json.dumps({"command_id": f"{call}-{time.time_ns()}", **fields}).encode()
        answer = await engine.client.request("POST", f"/control/{call}", body)
        assert answer.status == 200, answer.body

    async def leader(self) -> Program | None:
        for engine in (self.old, self.new):
            if (await engine.status())["role"] == "leader":
                return engine
        return None

    # -- at the end

    async def counted(self, leader: Program, follower: Program | None) -> Account:
        """Stop everything that sends, wait for all answers, and compare them with the journals. `follower` None: there
        is no standby, or it does not follow any more."""
        self.flow.stop()
        self.fix_flow.stop()
        await self.flow.drain()
        without_answer = await self.fix_flow.drain(PATIENCE_S)
        if follower is not None:
            await self._same_sequence(leader, follower)
        # The copy first: settlements go on.
        copy = follower.events() if follower is not None else []
        events = leader.events()
        acknowledged = {"drain": self.flow.acknowledged, "fix": self.fix_flow.acknowledged}
        lost, duplicated = reconciled(events, acknowledged, self.load.book)
        counts = self.flow.tally.counts()
        reports = await self._wrong_reports(leader)
        return Account(
            acknowledged=sum(map(len, acknowledged.values())),
            lost=lost,
            duplicated=duplicated,
            differing=differing(events, copy),
            reports=reports,
            unserved=counts["failed"] + counts["refused"] + len(self.fix_flow.refused) + without_answer,
            dropped=self.dropped(),
            gaps=await self._gaps(leader),
        )

    async def _same_sequence(self, leader: Program, follower: Program) -> None:
        end = (await leader.status())["sequence"]
        async with asyncio.timeout(PATIENCE_S):
            while (await follower.status())["sequence"] < end:
                await asyncio.sleep(0.05)

    async def _wrong_reports(self, leader: Program) -> int:
        wrong = 0
        for told in await self.reports(leader):
            wrong += len(told.wanted ^ told.known.keys()) + sum(number - 1 for number in told.known.values())
        return wrong

    def dropped(self) -> int:
        """Sessions that ended. One that a drain ends on purpose is not counted: there are new ones afterwards."""
        fix = sum(client.logons - 1 for client in self.clients)
        return sum(one.closed is not None for one in self.listeners) + fix - self.closed_sessions

    async def _gaps(self, leader: Program) -> int:
        """Sessions that have not each message up to the number that the leader counts, once and in order."""
        streams = (await leader.get("/control/proof"))["proof"]["streams"]
        streams = {pair: number for pair, number in streams.items() if number}
        wrong = 0
        for one in self.listeners:
            with contextlib.suppress(AssertionError):
                await until(lambda one=one: one.streams == streams or bool(one.problems), "the last market data")  # type: ignore[misc]
            wrong += bool(one.problems) or one.streams != streams
        return wrong


@contextlib.asynccontextmanager
async def region(load: Load) -> c.AsyncIterator[Region]:
    """A region that runs and trades, in a folder that is gone afterwards."""
    library = quickfix_build.use()
    with tempfile.TemporaryDirectory(prefix="bench-drain-") as folder:
        async with Region(pathlib.Path(folder), load, library).with_clients() as running:
            await running.traded()
            yield running


def gap_s(engine: Program, since: float, until_s: float) -> float | None:
    """The longest time without an order, by the journal of the engine that leads at the end."""
    return longest_gap_s(engine.events(), since, until_s)


def peak_mb(program: Program) -> float:
    """What a process had at most."""
    assert program._process is not None
    text = pathlib.Path(f"/proc/{program._process.pid}/status").read_text(encoding="ascii")
    return float(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def loads() -> str:
    return f"load {os.getloadavg()[0]:.1f}"
