# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""core-api: order entry. Keeps nothing but what it holds while no engine leads; the others know everything."""

from __future__ import annotations

import asyncio
import typing as t

from . import faults
from .engines_of_gateway import Engines, HeldTooLong
from .features import Features
from .gateway_control import GatewayControl
from .hold import HoldQueue
from .http_client import Answer, HttpClient
from .http_server import Reply, Request
from .market_data import MarketData
from .orders import Refusal, check_rules, is_client_order_id, parse_order
from .service import Service, Unavailable, json_reply, refuse
from .settings import Settings
from .upstream import Away, Upstream

#: To reference data.
_CONNECTIONS: t.Final = 32


class CoreApi:
    """POST /orders, DELETE /orders/{id}, GET /orders/{id}, and /control/... for its operator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        hold = HoldQueue(settings.hold_most, settings.hold_s)
        self.engines = Engines(settings.engine_urls or (settings.engine_url,), hold, settings.order_deadline_s)
        self.market_data = MarketData(self.engines)
        self._features = Features(settings.flags_sync, settings.flags_file)
        self._reference = Upstream(HttpClient(settings.reference_url, settings.reference_host, most=_CONNECTIONS))
        self._delay_s = faults.delay_s(settings.service, settings.version)

    def attach(self, service: Service) -> None:
        service.route("POST", "/orders", self._place)
        service.route("DELETE", "/orders/{id}", self._cancel)
        service.route("GET", "/orders/{id}", self._query)
        able = not faults.never_ready(self._settings.service, self._settings.version)
        GatewayControl(service, self.engines, self.market_data, able).attach()
        service.ready = able

    async def start(self, host: str = "0.0.0.0") -> int | None:
        """Have the flags, and serve market data, where that is wanted; returns the port."""
        await self._features.start()
        port = self._settings.ws_port
        return None if port is None else await self.market_data.start(host, port)

    async def stop(self) -> None:
        await self.market_data.stop()
        self.engines.close()
        await self._features.stop()

    async def _place(self, request: Request, _part: str) -> Reply:
        deadline = self._deadline()
        body = request.body
        order = parse_order(body)
        self._features.check(order)
        if faults.fails_order(self._settings.service, self._settings.version, order.client_order_id):
            return refuse(500, "internal error")
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        check_rules(order, await self._rules(order.pair, deadline))
        # After a lost answer the engine answers the next attempt with the first result: the client's id makes it safe.
        return await self._answered(self.engines.place(order, body, deadline))

    async def _cancel(self, _request: Request, part: str) -> Reply:
        return await self._answered(self.engines.cancel(part, self._path(part), self._deadline()), part)

    async def _query(self, _request: Request, part: str) -> Reply:
        return await self._answered(self.engines.query(self._path(part), self._deadline()))

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._settings.order_deadline_s

    @staticmethod
    def _path(client_order_id: str) -> str:
        if not is_client_order_id(client_order_id):
            raise Refusal(404, "no such order")
        return f"/orders/{client_order_id}"

    async def _rules(self, pair: str, deadline: float) -> dict[str, t.Any]:
        """What reference data says about the pair now.

        It is asked for every order: see README.md of this folder for what that costs and why there is no cache.
        """
        if not pair.isascii() or not pair.replace("-", "").isalnum():
            raise Refusal(422, f"pair {pair!r} is not known")
        soonest = min(deadline, asyncio.get_running_loop().time() + self._settings.reference_deadline_s)
        try:
            answer = await self._reference.ask("GET", f"/pairs/{pair}", b"", soonest)
        except Away as away:
            raise Unavailable(f"reference data is away: {away}") from away
        if answer.status == 404 and "x-version" in answer.headers:
            raise Refusal(422, f"pair {pair} is not known")
        if answer.status != 200:
            # A 404 without a version is the gateway's own: there is no route.
            raise Unavailable(f"reference data answered {answer.status}")
        rules: dict[str, t.Any] = answer.json()
        return rules

    @staticmethod
    async def _answered(asked: t.Awaitable[Answer | None], client_order_id: str = "") -> Reply:
        try:
            answer = await asked
        except HeldTooLong as late:
            return json_reply(503, {"reason": str(late), "code": "held_too_long", "retriable": True})
        except Away as away:
            raise Unavailable(f"the matching engine is away: {away}") from away
        if answer is None:
            # No sequence number: no engine ever saw the order.
            return json_reply(200, {"client_order_id": client_order_id, "status": "cancelled", "accepted": False})
        return Reply(answer.status, answer.body)
