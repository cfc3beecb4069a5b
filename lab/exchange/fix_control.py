# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator asks of the FIX gateway: as of the other one, but for the sessions."""

from __future__ import annotations

import asyncio
import random
import typing as t

from .fix_gateway import FixGateway
from .gateway_control import GatewayControl, Json
from .market_data import MarketData, wave_delays
from .service import Service

#: QuickFIX looks at its sessions every second, and gives the client LOGOUT_S.
_CLOSE_S: t.Final = 10.0


class LiveSessions(t.Protocol):
    """What is needed of fix_sessions.py here."""

    def numbers(self, session: str) -> tuple[int, int]: ...

    def enable(self, session: str) -> None: ...

    def disable(self, session: str, reason: str) -> None: ...


class FixControl(GatewayControl):
    """GET /control/status and acks, POST /control/ready and close."""

    def __init__(self, service: Service, gateway: FixGateway, sessions: LiveSessions, names: t.Sequence[str]) -> None:
        # It serves no market data.
        super().__init__(service, gateway.engines, MarketData(gateway.engines), able=True)
        self._gateway = gateway
        self._sessions = sessions
        self._names = names

    async def status(self) -> Json:
        """`fix`: the sessions that are logged on, with the numbers that come next."""
        fix = []
        for name in sorted(self._gateway.connected):
            sender, target = self._sessions.numbers(name)
            fix.append({"id": name, "sender_seq": sender, "target_seq": target})
        return {**await super().status(), "sessions": {"websocket": 0, "fix": fix}}

    async def _set_ready(self, body: Json) -> Json:
        answer = await super()._set_ready(body)
        if body["ready"]:
            for name in self._names:
                self._sessions.enable(name)
        return answer

    async def _close(self, body: Json) -> Json:
        # It checks the request.
        await super()._close(body)
        closed, left = await self.close_sessions(body["waves"], body["jitter_s"], str(body.get("reason", "")))
        return {"closed": closed, "left": left}

    async def close_sessions(self, waves: int, jitter_s: float, reason: str) -> tuple[int, list[str]]:
        """Log out all sessions and take no new ones; how many ended, and those whose client did not answer."""
        await self._gateway.finish()
        connected = sorted(self._gateway.connected)
        for name in self._names:
            if name not in connected:
                self._sessions.disable(name, reason)
        delays = wave_delays(len(connected), waves, jitter_s, random.random)
        answered = await asyncio.gather(
            *(self._close_one(name, reason, delay) for name, delay in zip(connected, delays, strict=True))
        )
        left = [name for name, done in zip(connected, answered, strict=True) if not done]
        return len(connected) - len(left), left

    async def _close_one(self, name: str, reason: str, delay: float) -> bool:
        """Whether the client answered, or had left before."""
        await asyncio.sleep(delay)
        gateway = self._gateway
        here = name in gateway.connected
        gateway.end(name)
        self._sessions.disable(name, reason)
        end = asyncio.get_running_loop().time() + _CLOSE_S
        while name in gateway.connected and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)
        return not here or name in gateway.logged_out
