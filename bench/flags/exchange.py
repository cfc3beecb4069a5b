# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference exchange on loopback with a gateway for each way to read flags, and orders that need a feature.

The services are those of the lab, as processes, as tests/drain starts them.
"""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import itertools
import json
import pathlib
import time
import typing as t

from drain_region import PATIENCE_S, Program

from bench.flags.task import Json
from lab.errors import LabError
from lab.exchange.http_client import HttpClient, HttpFailure

#: The flag, and the mark of an order that needs it.
FEATURE: t.Final = "margin_trading"
_MARK: t.Final = "margin"
#: Orders per second at each gateway: what is measured is never finer than the time between two of them.
RATE: t.Final = 200.0
#: So many answers in a row say that a feature is on again: none is late any more.
_IN_A_ROW: t.Final = 20
_ORDER_S: t.Final = 10.0


class Orders:
    """Orders with the feature, one gateway's. They trade with nothing and do not rest."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        #: Unix time of the first refused answer since the last `expect`.
        self.refused_at: float | None = None
        self.accepted_in_a_row = 0
        #: Answers that are neither, and orders without one.
        self.strange: list[str] = []
        self._client = HttpClient(url, most=64, connect_timeout_s=PATIENCE_S)
        self._numbers = itertools.count()
        self._sending: set[asyncio.Task[None]] = set()

    def expect(self) -> None:
        """From now on the next refused one is the first."""
        self.refused_at = None

    async def send(self) -> None:
        """Until it is cancelled. Orders do not wait for each other's answers."""
        begun = time.monotonic()
        for number in itertools.count():
            await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
            task = asyncio.ensure_future(self._one())
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _one(self) -> None:
        body: Json = {"client_order_id": f"{self.name}-{next(self._numbers)}", "pair": "BTC-USD", "side": "buy"}
        body |= {"price": 10_000, "quantity": 1, "type": "limit", "time_in_force": "ioc", "account": "a001"}
        data = json.dumps({**body, _MARK: True}).encode()
        try:
            answer = await self._client.request("POST", "/orders", data, timeout_s=_ORDER_S)
        except HttpFailure as error:
            self.strange.append(repr(error))
            return
        if answer.status == 403:
            self.accepted_in_a_row = 0
            self.refused_at = self.refused_at or time.time()
        elif answer.status == 200:
            self.accepted_in_a_row += 1
        else:
            self.strange.append(f"{answer.status} {answer.body[:200]!r}")

    async def refused(self, within_s: float) -> float:
        """Unix time of the first refused one. Raises LabError when none comes."""
        await _soon(lambda: self.refused_at is not None, within_s, f"{self.name}: no order was refused")
        return self.refused_at or 0.0

    async def on(self, within_s: float) -> None:
        """Wait until the feature is on. Raises LabError."""
        self.accepted_in_a_row = 0
        await _soon(lambda: self.accepted_in_a_row >= _IN_A_ROW, within_s, f"{self.name}: orders are not accepted")

    def close(self) -> None:
        self._client.close()


async def _soon(true: c.Callable[[], bool], within_s: float, problem: str) -> None:
    try:
        async with asyncio.timeout(within_s):
            while not true():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise LabError(f"{problem} within {within_s:g} s") from None


@contextlib.asynccontextmanager
async def exchange(folder: pathlib.Path, ways: t.Mapping[str, t.Mapping[str, str]]) -> c.AsyncIterator[list[Orders]]:
    """An engine, and a gateway for each of these ways (its environment) under orders. Raises LabError when orders were
    answered by anything else than yes or no."""
    engine = Program(folder, "engine", "matching-engine", ENGINE_NAME="blue", EPOCH_RECORD=str(folder / "epoch.json"))
    reference = Program(folder, "reference", "reference-data")
    common = {"ENGINE_URLS": engine.url, "REFERENCE_DATA_URL": reference.url}
    gateways = {name: Program(folder, name, "core-api", **common, **env) for name, env in ways.items()}
    programs = [engine, reference, *gateways.values()]
    flows: list[Orders] = []
    sending: list[asyncio.Task[None]] = []
    try:
        for program in programs:
            program.start()
        await asyncio.gather(*(program.ready() for program in programs))
        flows = [Orders(name, gateway.url) for name, gateway in gateways.items()]
        sending = [asyncio.ensure_future(flow.send()) for flow in flows]
        yield flows
        for flow in flows:
            if flow.strange:
                raise LabError(f"{flow.name}: {len(flow.strange)} orders had another answer: {flow.strange[0]}")
    finally:
        for task in sending:
            task.cancel()
        for flow in flows:
            flow.close()
        for program in programs:
            program.kill()
