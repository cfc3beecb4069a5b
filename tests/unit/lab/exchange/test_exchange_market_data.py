# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Market data: what the feed says of the books, and how it gets to its clients."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import json
import pathlib
import random
import typing as t

import pytest
import venue_commands
from gateway_stubs import LOOPBACK, Gateway, a_gateway
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lab.exchange import market_data
from lab.exchange.feed import Feed, FeedError, Message
from lab.exchange.http_client import HttpClient
from lab.exchange.market_data import wave_delays
from lab.exchange.matching_engine import MatchingEngine
from lab.exchange.orders import NewOrder
from lab.exchange.service import Service
from lab.exchange.settings import Settings
from lab.exchange.venue import Venue


class Client:
    """Keeps books from what it is told, and checks every number."""

    def __init__(self) -> None:
        self.books: dict[str, dict[str, dict[int, int]]] = {}
        self.numbers: dict[str, int] = {}
        self.others: list[Message] = []
        self.trades = 0

    def take(self, message: Message) -> None:
        if message["type"] not in ("book", "snapshot"):
            self.others.append(message)
            return
        pair = message["pair"]
        if message["type"] == "snapshot":
            self.books[pair] = {side: {} for side in ("bids", "asks")}
        else:
            assert message["sequence"] == self.numbers.get(pair, 0) + 1
        self.numbers[pair] = message["sequence"]
        book = self.books.setdefault(pair, {"bids": {}, "asks": {}})
        for side in ("bids", "asks"):
            for price, quantity in message[side]:
                book[side][price] = quantity
                if not quantity:
                    del book[side][price]
        self.trades += len(message.get("trades", ()))

    def depth(self, pair: str) -> dict[str, list[tuple[int, int]]]:
        book = self.books.get(pair, {"bids": {}, "asks": {}})
        return {"bids": sorted(book["bids"].items(), reverse=True), "asks": sorted(book["asks"].items())}


def same(client: Client, venue: Venue) -> None:
    for name, market in venue.markets.items():
        assert client.numbers.get(name, 0) == market.stream
        assert client.depth(name) == venue.depth(name)


@settings(max_examples=100, deadline=None)
@given(venue_commands.commands, st.integers(0, 60))
def test_the_feed_says_what_the_engine_has(commands: list[venue_commands.Command], joined: int) -> None:
    venue, events = venue_commands.opened()
    feed, early, late = Feed(), Client(), Client()
    for number, command in enumerate(commands):
        events += venue_commands.run(venue, command)
        if number == joined:
            for event in events:
                for message in feed.apply(event):
                    early.take(message)
            events = []
            for message in feed.snapshots():
                late.take(message)
    for event in events:
        for message in feed.apply(json.loads(json.dumps(event))):
            early.take(message)
            late.take(json.loads(json.dumps(message)))
    assert feed.streams() == {name: one.stream for name, one in venue.markets.items() if one.stream}
    assert (feed.mode, feed.epoch, feed.epoch_open) == (venue.mode, venue.epoch.number, not venue.epoch.closed)
    same(early, venue)
    if joined < len(commands):
        same(late, venue)
    assert early.trades == venue.settlement.next_number - 1


def test_a_stop_order_is_market_data_once_it_is_triggered() -> None:
    venue, events = venue_commands.opened()
    commands: list[venue_commands.Command] = [
        NewOrder("s1", "AAA-USD", "buy", 102, 3, trigger=101),
        NewOrder("s2", "AAA-USD", "buy", 102, 3, trigger=101),
        venue_commands.Cancel("s1"),
        NewOrder("m", "AAA-USD", "sell", 101, 5),
        NewOrder("t", "AAA-USD", "buy", 101, 1),
        venue_commands.Cancel("s2"),
        venue_commands.Cancel("m"),
    ]
    feed, client = Feed(), Client()
    streams = []
    for command in commands:
        made = venue_commands.run(venue, command)
        for event in [*events, *made]:
            for message in feed.apply(event):
                client.take(message)
        events = []
        same(client, venue)
        streams.append(client.numbers.get("AAA-USD", 0))
    assert streams == [0, 0, 0, 1, 3, 3, 4]


def test_a_journal_that_does_not_go_on_is_an_error() -> None:
    feed = Feed()
    with pytest.raises(FeedError, match="event 2 does not follow event 0"):
        feed.apply({"seq": 2, "kind": "deposit"})
    with pytest.raises(FeedError, match="event 1: KeyError"):
        feed.apply({"seq": 1, "kind": "cancel", "client_order_id": "a"})


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 200), st.integers(1, 20), st.floats(0, 10), st.integers(0, 99))
def test_waves_are_of_equal_size_and_spread(count: int, waves: int, jitter_s: float, seed: int) -> None:
    chance = random.Random(seed)
    plain = wave_delays(count, waves, 1.0, lambda: 0.0)
    sizes = [plain.count(when) for when in sorted(set(plain))]
    assert len(sizes) == min(waves, count)
    assert not sizes or max(sizes) - min(sizes) <= 1
    for when, spread in zip(plain, wave_delays(count, waves, jitter_s, chance.random), strict=True):
        assert when * jitter_s <= spread <= (when + 1) * jitter_s


class Follower:
    """A real WebSocket client."""

    def __init__(self, connection: ClientConnection) -> None:
        self.client = Client()
        self.connection = connection
        self.code = 0
        self.task = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        try:
            async for frame in self.connection:
                for message in json.loads(frame):
                    self.client.take(message)
        except ConnectionClosed:
            pass
        self.code = self.connection.close_code or 0

    def told(self, kind: str) -> list[Message]:
        return [message for message in self.client.others if message["type"] == kind]


@contextlib.asynccontextmanager
async def a_market(data: pathlib.Path) -> c.AsyncIterator[tuple[MatchingEngine, Gateway]]:
    engine_settings = Settings("matching-engine", port=0, linger_s=0, data=data)
    engine, service = MatchingEngine(engine_settings, lambda: 1_000_000, opening=("house",)), Service(engine_settings)
    engine.attach(service)
    url = f"http://{LOOPBACK}:{await service.start(LOOPBACK)}"
    async with a_gateway(url, ws_port=0) as gateway:
        yield engine, gateway
    await service.stop()
    engine.close()


@contextlib.asynccontextmanager
async def followers(gateway: Gateway, count: int) -> c.AsyncIterator[list[Follower]]:
    async with contextlib.AsyncExitStack() as stack:
        url = f"ws://{LOOPBACK}:{gateway.ws_port}/ws"
        found = [Follower(await stack.enter_async_context(connect(url, compression=None))) for _ in range(count)]
        await gateway.until(lambda: all(one.told("status") for one in found))
        yield found
        for one in found:
            one.task.cancel()


async def test_books_and_modes_come_to_every_client(tmp_path: pathlib.Path) -> None:
    async with a_market(tmp_path) as (engine, gateway):
        await gateway.place("a")
        async with followers(gateway, 2) as (one, other):
            assert one.told("status")[0] == {
                "type": "status",
                "engine_sequence": 2,
                "mode": "online",
                "epoch": engine.venue.epoch.number,
                "epoch_open": True,
                "announcement": None,
            }
            assert one.client.depth("BTC-USD") == {"bids": [(1000, 5)], "asks": []}
            for number, side in enumerate(("sell", "sell", "buy", "sell")):
                await gateway.place(f"o{number}", side=side, quantity=3)
            await gateway.cancel("o3")
            assert (await gateway.status())["sessions"]["websocket"] == 2
            await gateway.until(lambda: one.client.numbers == other.client.numbers == {"BTC-USD": 6})
            same(one.client, engine.venue)
            same(other.client, engine.venue)
            client = HttpClient(gateway.api.engines.url)
            mode = b'{"mode":"cancel_only","reason":"upgrade","pause_timers":false,"command_id":"m-1"}'
            assert (await client.request("POST", "/control/mode", mode)).status == 200
            client.close()
            await gateway.until(lambda: one.told("mode") and other.told("mode"))
            assert one.told("mode")[0]["mode"] == "cancel_only"
        await gateway.until(lambda: not gateway.api.market_data.sessions)


async def test_sessions_end_with_1012_and_come_again_when_it_is_ready(tmp_path: pathlib.Path) -> None:
    async with a_market(tmp_path) as (_, gateway), followers(gateway, 6) as found:
        close = {"code": 1012, "waves": 3, "jitter_s": 0.05, "reason": "upgrade"}
        # Once again while it is under way: the same answer, and not a second close.
        answers = await asyncio.gather(*(gateway.command("close", "c-1", **close) for _ in range(2)))
        assert [answer.json() for answer in answers] == [{"closed": 6, "left": []}] * 2
        await gateway.until(lambda: all(one.code for one in found))
        assert {(one.code, one.connection.close_reason) for one in found} == {(1012, "upgrade")}
        assert (await gateway.status())["sessions"]["websocket"] == 0
        with pytest.raises(InvalidStatus, match="503"):
            await connect(f"ws://{LOOPBACK}:{gateway.ws_port}/ws")
        await gateway.command("ready", "c-2", ready=True)
        async with followers(gateway, 1):
            pass
        with pytest.raises(InvalidStatus, match="404"):
            await connect(f"ws://{LOOPBACK}:{gateway.ws_port}/")


async def test_a_client_that_does_not_answer_is_listed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_data, "_CLOSE_S", 0.1)
    async with a_market(tmp_path) as (_, gateway), followers(gateway, 1):
        reader, writer = await asyncio.open_connection(LOOPBACK, gateway.ws_port)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert b" 101 " in await reader.readline()
        await gateway.until(lambda: gateway.api.market_data.sessions == 2)
        answer = await gateway.command("close", code=1012, waves=10, jitter_s=0, reason="é" * 100)
        assert (answer.json()["closed"], len(answer.json()["left"])) == (1, 1)
        assert (await gateway.status())["sessions"]["websocket"] == 0
        writer.close()


async def test_an_announcement_comes_in_band(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_data, "_ANNOUNCEMENT_EVERY_S", 0.01)
    announcement = {"reason": "upgrade", "effective_at": 5, "deadline_at": 9}
    request = HttpClient.request

    async def announced(client: HttpClient, method: str, path: str, *rest: t.Any, **more: t.Any) -> t.Any:
        answer = await request(client, method, path, *rest, **more)
        if path == "/control/status" and method == "GET":
            return type(answer)(200, {}, json.dumps({"announcement": announcement}).encode())
        return answer

    async with a_market(tmp_path) as (_, gateway), followers(gateway, 1) as (one,):
        monkeypatch.setattr(HttpClient, "request", announced)
        await gateway.until(lambda: one.told("announcement"))
        assert one.told("announcement") == [{"type": "announcement", "announcement": announcement}]
        monkeypatch.setattr(HttpClient, "request", request)


async def test_a_client_that_does_not_read_is_dropped(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_market(tmp_path) as (_, gateway), followers(gateway, 1) as (one,):
        monkeypatch.setattr(market_data, "_MOST_WAITING", -1)
        await gateway.place("a")
        await gateway.until(lambda: one.code)
        assert one.code == 1006
        await gateway.until(lambda: not gateway.api.market_data.sessions)


async def test_a_feed_that_is_lost_begins_anew(tmp_path: pathlib.Path) -> None:
    async with a_market(tmp_path) as (engine, gateway), followers(gateway, 1) as (one,):
        await gateway.place("a")
        await gateway.until(lambda: one.client.numbers == {"BTC-USD": 1})
        gateway.api.market_data._feed._open.clear()
        await gateway.cancel("a")
        await gateway.until(lambda: len(one.told("status")) == 2)
        same(one.client, engine.venue)
