# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small engines behind a real gateway, on loopback."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import json
import typing as t

from lab.exchange.core_api import CoreApi
from lab.exchange.http_client import Answer, HttpClient
from lab.exchange.http_server import HttpServer, Reply, Request
from lab.exchange.service import Service
from lab.exchange.settings import Settings

LOOPBACK = "127.0.0.1"
Json = dict[str, t.Any]


def order(name: str, **changes: t.Any) -> bytes:
    fields = {"client_order_id": name, "pair": "BTC-USD", "side": "buy", "price": 1000, "quantity": 5}
    return json.dumps({**fields, **changes}).encode()


class StubEngine:
    """Leads, or answers 423. `swallow` orders are accepted without an answer."""

    def __init__(self, *, leads: bool) -> None:
        self.leads, self.epoch, self.mode = leads, 1, "online"
        #: What clients sent and it did not refuse, in that order.
        self.taken: list[str] = []
        self.asked: list[str] = []
        self.swallow = 0
        self.server = HttpServer(self._handle, {})
        self.url = ""
        self.slow_cancel_s = 0.0

    async def start(self, port: int = 0) -> None:
        self.server = HttpServer(self._handle, {})
        self.port = await self.server.start(LOOPBACK, port)
        self.url = f"http://{LOOPBACK}:{self.port}"

    async def stop(self) -> None:
        await self.server.stop(0.1)

    async def _handle(self, request: Request) -> Reply:
        status, body = await self._answer(request)
        return Reply(status, json.dumps(body).encode())

    async def _answer(self, request: Request) -> tuple[int, Json]:
        self.asked.append(f"{request.method} {request.path}")
        if request.path == "/leader":
            return 200, {"leader": self.leads, "epoch": self.epoch, "mode": self.mode}
        if not self.leads:
            return 423, {"reason": f"epoch {self.epoch} is closed", "code": "epoch_closed"}
        if request.method == "DELETE":
            await asyncio.sleep(self.slow_cancel_s)
            self.taken.append(f"cancel {request.path[8:]}")
            return 200, {"status": "cancelled", "sequence": len(self.taken)}
        return (200, {}) if request.method == "GET" else self._place(request)

    def _place(self, request: Request) -> tuple[int, Json]:
        name = json.loads(request.body)["client_order_id"]
        if name in self.taken:
            return 200, {"client_order_id": name, "sequence": 1 + self.taken.index(name)}
        if self.mode != "online":
            return 409, {"reason": "not now", "code": f"mode_{self.mode}"}
        self.taken.append(name)
        if self.swallow:
            self.swallow -= 1
            for connection in list(self.server.connections):
                connection.close()
        return 200, {"client_order_id": name, "sequence": len(self.taken)}


class Gateway:
    """core-api as its clients and its operator see it."""

    def __init__(self, api: CoreApi, service: Service, client: HttpClient, ws_port: int | None) -> None:
        self.api, self.service, self.client, self.ws_port = api, service, client, ws_port

    async def place(self, name: str, **changes: t.Any) -> Answer:
        return await self.client.request("POST", "/orders", order(name, **changes))

    async def cancel(self, name: str) -> Answer:
        return await self.client.request("DELETE", f"/orders/{name}")

    async def status(self) -> Json:
        found: Json = (await self.client.request("GET", "/control/status")).json()
        return found

    async def command(self, name: str, command_id: str = "c-1", **body: t.Any) -> Answer:
        text = json.dumps({**body, "command_id": command_id}).encode()
        return await self.client.request("POST", f"/control/{name}", text, timeout_s=20)

    async def until(self, wanted: c.Callable[[], t.Any]) -> None:
        async with asyncio.timeout(10):
            while not wanted():
                await asyncio.sleep(0.005)

    async def begin(self, *names: str, **changes: t.Any) -> list[asyncio.Task[Answer]]:
        """Place orders that are held, one after the other."""
        tasks = []
        hold = self.api.engines.hold
        for name in names:
            before = hold.orders
            tasks.append(asyncio.ensure_future(self.place(name, **changes)))
            await self.until(lambda before=before: hold.orders == before + 1)
        return tasks


@contextlib.asynccontextmanager
async def a_gateway(*urls: str, **changes: t.Any) -> c.AsyncIterator[Gateway]:
    async def rules(_request: Request) -> Reply:
        return Reply(200, b'{"status":"trading","tick_size":1,"lot_size":1}')

    reference = HttpServer(rules, {})
    reference_url = f"http://{LOOPBACK}:{await reference.start(LOOPBACK, 0)}"
    given = {"engine_url": urls[0], "reference_url": reference_url, "order_deadline_s": 3, **changes}
    settings = Settings("core-api", port=0, linger_s=0, engine_urls=urls if len(urls) > 1 else (), **given)
    service = Service(settings)
    api = CoreApi(settings)
    api.attach(service)
    client = HttpClient(f"http://{LOOPBACK}:{await service.start(LOOPBACK)}")
    try:
        yield Gateway(api, service, client, await api.start(LOOPBACK))
    finally:
        client.close()
        await service.stop()
        await api.stop()
        await reference.stop(0.1)


@contextlib.asynccontextmanager
async def engines(*leads: bool) -> c.AsyncIterator[list[StubEngine]]:
    found = [StubEngine(leads=one) for one in leads]
    for engine in found:
        await engine.start()
    try:
        yield found
    finally:
        for engine in found:
            await engine.stop()
