# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Market data over WebSocket at /ws: a status and a snapshot of each book, then every message of the feed.

Each frame is a JSON array of messages. Nothing is asked of the engine while nobody is connected.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import random
import sys
import typing as t

from websockets.asyncio.connection import broadcast
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from .engines_of_gateway import Engines
from .feed import Feed, FeedError, Message
from .http_client import HttpFailure

_PAGE: t.Final = 2000
#: The engine answers at once when there is something. Short, because another engine may lead meanwhile.
_WAIT_MS: t.Final = 500
#: What happens meanwhile goes out as one frame: twenty frames a second per client, whatever the rate of orders is.
_PAUSE_S: t.Final = 0.05
_AWAY_S: t.Final = 0.25
_ANNOUNCEMENT_EVERY_S: t.Final = 1.0
#: A client that does not answer a close is dropped then.
_CLOSE_S: t.Final = 5.0
#: Bytes that wait for a client that does not read: more is better fetched as a new snapshot.
_MOST_WAITING: t.Final = 4 << 20
_LARGEST_REASON: t.Final = 123


def wave_delays(count: int, waves: int, jitter_s: float, chance: t.Callable[[], float]) -> list[float]:
    """When each of `count` sessions is closed: in waves of equal size that begin `jitter_s` after each other, and
    inside a wave by `chance` (0 to 1)."""
    waves = min(waves, count)
    return [(number * waves // count + chance()) * jitter_s for number in range(count)]


class MarketData:
    """`sessions` are the clients that are connected."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._feed = Feed()
        self._announcement: Message | None = None
        self._announcement_at = 0.0
        self._sessions: set[ServerConnection] = set()
        #: Those that have got their snapshots.
        self._subscribed: set[ServerConnection] = set()
        self._wanted = asyncio.Event()
        #: The feed has been where the engine is.
        self._caught_up = False
        self._refusing = False
        self._server: Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await serve(
            self._session,
            host,
            port,
            process_request=self._check,
            compression=None,
            close_timeout=_CLOSE_S,
            max_size=4096,
        )
        self._task = asyncio.get_running_loop().create_task(self._follow())
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._server is not None:
            self._server.close(code=1012, reason="the gateway ends")
            await self._server.wait_closed()

    # -- clients

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path.partition("?")[0] != "/ws":
            return connection.respond(http.HTTPStatus.NOT_FOUND, "no such resource\n")
        if self._refusing:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "no sessions are taken now\n")
        return None

    async def _session(self, connection: ServerConnection) -> None:
        self._sessions.add(connection)
        self._wanted.set()
        try:
            if self._caught_up:
                self._subscribe([connection])
            # Clients have nothing to say, but their answers to pings come between the messages.
            with contextlib.suppress(ConnectionClosed):
                async for _ in connection:
                    pass
        finally:
            self._sessions.discard(connection)
            self._subscribed.discard(connection)
            if not self._sessions:
                self._wanted.clear()

    def _subscribe(self, connections: t.Collection[ServerConnection]) -> None:
        """Snapshots and all that follows them: nothing may come between."""
        status = {**self._feed.status(), "announcement": self._announcement}
        self._send(connections, [status, *self._feed.snapshots()])
        self._subscribed.update(connections)

    @staticmethod
    def _send(connections: t.Collection[ServerConnection], messages: list[Message]) -> None:
        if not messages or not connections:
            return
        broadcast(connections, json.dumps(messages, separators=(",", ":")))
        for connection in connections:
            if connection.transport.get_write_buffer_size() > _MOST_WAITING:
                connection.transport.abort()

    async def close_all(self, code: int, waves: int, jitter_s: float, reason: str) -> tuple[int, list[str]]:
        """Close all sessions and take no new ones; how many ended, and the ids of those that did not answer."""
        self._refusing = True
        text = reason.encode()[:_LARGEST_REASON].decode(errors="ignore")
        sessions = list(self._sessions)
        delays = wave_delays(len(sessions), waves, jitter_s, random.random)
        ended = await asyncio.gather(
            *(self._close_one(one, code, text, delay) for one, delay in zip(sessions, delays, strict=True))
        )
        left = [str(one.id) for one, done in zip(sessions, ended, strict=True) if not done]
        return len(sessions) - len(left), left

    @staticmethod
    async def _close_one(connection: ServerConnection, code: int, reason: str, delay: float) -> bool:
        """Whether the client answered, or had left before."""
        await asyncio.sleep(delay)
        if connection.state is not State.OPEN:
            return True
        await connection.close(code, reason)
        return connection.protocol.close_rcvd is not None

    def open_again(self) -> None:
        self._refusing = False

    # -- the engine

    async def _follow(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                await self._look_for_announcement()
                await self._take(await self._fetch())
            except HttpFailure:
                # It may be gone for good, and nobody sends orders that would show it.
                await self._engines.find_leader()
                await asyncio.sleep(_AWAY_S)
            except (FeedError, ValueError) as error:
                print(f"market data begins anew: {error}", file=sys.stderr, flush=True)
                self._feed, self._caught_up = Feed(), False
                self._subscribed.clear()
                await asyncio.sleep(_AWAY_S)

    async def _fetch(self) -> list[bytes]:
        path = f"/journal?after={self._feed.sequence}&limit={_PAGE}&wait_ms={_WAIT_MS if self._caught_up else 0}"
        answer = await self._engines.client.request("GET", path)
        if answer.status != 200:
            raise HttpFailure("protocol", f"status {answer.status}")
        return answer.body.splitlines()

    async def _take(self, lines: list[bytes]) -> None:
        messages: list[Message] = []
        for line in lines:
            messages += self._feed.apply(json.loads(line))
        self._send(self._subscribed, messages)
        if len(lines) == _PAGE:
            # Far behind: orders come between the pages.
            await asyncio.sleep(0)
            return
        self._caught_up = True
        if late := self._sessions - self._subscribed:
            self._subscribe(late)
        await asyncio.sleep(_PAUSE_S)

    async def _look_for_announcement(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._announcement_at + _ANNOUNCEMENT_EVERY_S:
            return
        self._announcement_at = now
        answer = await self._engines.client.request("GET", "/control/status")
        # An engine without a control contract announces nothing.
        found = answer.json().get("announcement") if answer.status == 200 else None
        if found != self._announcement:
            self._announcement = found
            self._send(self._subscribed, [{"type": "announcement", "announcement": found}])
