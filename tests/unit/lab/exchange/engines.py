# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines of one region as real servers on loopback, with one epoch record in a file and the clock of the machine."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import dataclasses
import itertools
import json
import pathlib
import typing as t

from lab.exchange.http_client import Answer, HttpClient
from lab.exchange.matching_engine import MatchingEngine
from lab.exchange.service import Service
from lab.exchange.settings import Settings

LOOPBACK = "127.0.0.1"
_ids = itertools.count(1)


class Node:
    """One engine that can be stopped and started again on the same volume and port."""

    def __init__(self, region: pathlib.Path, name: str, **changes: t.Any) -> None:
        self.name = name
        self.settings = Settings(
            "matching-engine",
            port=0,
            linger_s=0,
            data=region / name,
            engine_name=name,
            epoch_record=str(region / "epoch.json"),
            faults=(),
            **changes,
        )
        self.url = ""

    async def start(self) -> None:
        self.engine = MatchingEngine(self.settings, opening=("house", "a000"))
        self.service = Service(self.settings)
        self.engine.attach(self.service)
        port = await self.service.start(LOOPBACK)
        self.settings = dataclasses.replace(self.settings, port=port)
        self.url = f"http://{LOOPBACK}:{port}"
        self.client = HttpClient(self.url)

    async def stop(self, snapshot: bool = True) -> None:
        self.client.close()
        await self.service.stop()
        if snapshot:
            self.engine.close()
        else:
            self.engine.kill()

    @property
    def role(self) -> str:
        return self.engine.leadership.role

    @property
    def sequence(self) -> int:
        return self.engine.venue.sequence

    async def ask(self, method: str, path: str, **body: t.Any) -> Answer:
        return await self.client.request(method, path, json.dumps(body).encode() if body else b"")

    async def get(self, path: str) -> t.Any:
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.json()

    async def tell(self, path: str, method: str = "POST", **body: t.Any) -> Answer:
        """A write with a command id of its own."""
        return await self.ask(method, f"/control/{path}", **{"command_id": f"c-{next(_ids)}", **body})

    async def told(self, path: str, **body: t.Any) -> t.Any:
        answer = await self.tell(path, **body)
        assert answer.status == 200, answer.body
        return answer.json()

    async def place(self, number: int, **changes: t.Any) -> Answer:
        return await self.client.request("POST", "/orders", order(number, **changes))

    async def cut(self, deadline_s: float = 30.0) -> t.Any:
        return await self.told("cut", deadline_s=deadline_s)

    async def open(self, epoch: int, cut: t.Mapping[str, int]) -> Answer:
        return await self.tell("open", epoch=epoch, after={"epoch": cut["epoch"], "sequence": cut["sequence"]})

    async def proof(self) -> t.Any:
        return (await self.get("/control/proof"))["proof"]

    def lines(self) -> bytes:
        return (self.settings.data / "journal.jsonl").read_bytes()


def order(number: int, **changes: t.Any) -> bytes:
    side = "buy" if number % 2 else "sell"
    price = 1000 + number % 7 if side == "buy" else 1003 + number % 7
    fields = {"client_order_id": f"id-{number}", "pair": "BTC-USD", "side": side, "price": price, "quantity": 5}
    return json.dumps({**fields, "type": "limit", **changes}).encode()


@contextlib.asynccontextmanager
async def a_region(path: pathlib.Path, **second: t.Any) -> c.AsyncIterator[tuple[Node, Node]]:
    """`old` leads with some orders in its book, and `new` of version v2 follows it."""
    old = Node(path, "old")
    await old.start()
    new = Node(path, "new", version="v2", follow_url=old.url, **second)
    await new.start()
    try:
        for number in range(1, 31):
            assert (await old.place(number)).status == 200
        await same(old, new)
        yield old, new
    finally:
        await new.stop()
        await old.stop()


async def until(true: t.Callable[[], bool], limit_s: float = 10.0) -> None:
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.005)


async def same(one: Node, other: Node) -> None:
    """Wait until both are at one sequence number."""
    await until(lambda: one.sequence == other.sequence)
