# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator asks of a gateway: the gateway's part of docs/control-api.yaml."""

from __future__ import annotations

import asyncio
import json
import socket
import typing as t

from .engines_of_gateway import Engines
from .http_server import Reply, Request
from .market_data import MarketData
from .orders import Refusal
from .service import Service, json_reply

Json = dict[str, t.Any]
#: Answers to so many writes are kept for repetitions.
_KEPT_COMMANDS: t.Final = 1000
_LONGEST_JITTER_S: t.Final = 60.0
_MOST_WAVES: t.Final = 1000


class GatewayControl:
    """GET /control/status and acks, POST /control/ready and close. `able`: whether it can be ready at all."""

    def __init__(self, service: Service, engines: Engines, market_data: MarketData, able: bool) -> None:
        self._service = service
        self._engines = engines
        self._market_data = market_data
        self._able = able
        self._commands: dict[str, asyncio.Task[Json]] = {}

    def attach(self) -> None:
        self._service.route("GET", "/control/{id}", self._get)
        self._service.route("POST", "/control/{id}", self._post)

    async def _get(self, request: Request, part: str) -> Reply:
        if part == "status":
            return json_reply(200, await self.status())
        if part == "acks":
            after = request.parameters().get("after", "0")
            if not after.isdecimal():
                raise Refusal(400, "after: must be an integer from 0")
            acks, following = self._engines.counts.after(int(after))
            return json_reply(200, {"acks": acks, "next": following})
        raise Refusal(404, "no such resource")

    async def _post(self, request: Request, part: str) -> Reply:
        command = {"ready": self._set_ready, "close": self._close}.get(part)
        if command is None:
            raise Refusal(404, "no such resource")
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("command_id"), str):
            raise Refusal(400, "the body is not a JSON object with command_id")
        task = self._commands.get(body["command_id"])
        if task is None:
            work = command(body)
            task = self._commands[body["command_id"]] = asyncio.get_running_loop().create_task(work)
            if len(self._commands) > _KEPT_COMMANDS:
                del self._commands[next(iter(self._commands))]
        # The same command again waits for the first one, and gets its answer.
        return json_reply(200, await asyncio.shield(task))

    async def status(self) -> Json:
        engines, hold = self._engines, self._engines.hold
        # A gateway without orders would learn of another leader with the next order only.
        await engines.find_leader()
        oldest_s = hold.oldest_s(asyncio.get_running_loop().time())
        return {
            "name": socket.gethostname(),
            "version": self._service.settings.version,
            "role": "gateway",
            "ready": self._service.ready,
            "accepted": engines.counts.accepted,
            "acknowledged": engines.counts.answered,
            "in_flight": engines.counts.in_flight,
            "held": hold.orders,
            "held_oldest_s": None if oldest_s is None else round(oldest_s, 3),
            "engine": {"epoch": engines.epoch, "url": engines.url},
            "sessions": {"websocket": self._market_data.sessions, "fix": []},
        }

    async def _set_ready(self, body: Json) -> Json:
        ready = body.get("ready")
        if type(ready) is not bool:
            raise Refusal(400, "ready: use true or false")
        self._service.ready = ready and self._able
        if ready:
            self._market_data.open_again()
        return {}

    async def _close(self, body: Json) -> Json:
        code, waves, jitter_s = body.get("code"), body.get("waves"), body.get("jitter_s")
        if type(code) is not int or not 1000 <= code < 5000:
            raise Refusal(400, "code: must be a close code of WebSocket")
        if type(waves) is not int or not 1 <= waves <= _MOST_WAVES:
            raise Refusal(400, f"waves: must be an integer from 1 to {_MOST_WAVES}")
        if type(jitter_s) not in (int, float) or not 0 <= t.cast(float, jitter_s) <= _LONGEST_JITTER_S:
            raise Refusal(400, f"jitter_s: must be a number from 0 to {_LONGEST_JITTER_S:g}")
        reason = str(body.get("reason", ""))
        closed, left = await self._market_data.close_all(code, waves, float(t.cast(float, jitter_s)), reason)
        return {"closed": closed, "left": left}
