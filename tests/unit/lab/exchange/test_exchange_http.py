# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services as real servers on loopback."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import dataclasses
import json
import pathlib
import typing as t

import pytest

from lab.exchange import faults, upstream
from lab.exchange.core_api import CoreApi
from lab.exchange.http_client import Answer, HttpClient, HttpFailure
from lab.exchange.http_server import HttpServer, Reply, Request
from lab.exchange.journal import Journal
from lab.exchange.matching_engine import MatchingEngine
from lab.exchange.reference_data import ReferenceData
from lab.exchange.service import Service
from lab.exchange.settings import Settings

LOOPBACK = "127.0.0.1"


class Engine:
    """An engine that can be stopped and started again on the same volume and port."""

    def __init__(self, data: pathlib.Path) -> None:
        self.settings = Settings("matching-engine", port=0, linger_s=0, data=data)
        self.url = ""
        self.now_ms = 1_000_000

    async def start(self) -> None:
        # One account and one deposit: the first order has number 2.
        self.engine = MatchingEngine(self.settings, lambda: self.now_ms, opening=("house",))
        self.service = Service(self.settings)
        self.engine.attach(self.service)
        port = await self.service.start(LOOPBACK)
        self.settings = dataclasses.replace(self.settings, port=port)
        self.url = f"http://{LOOPBACK}:{port}"

    async def stop(self, snapshot: bool = True) -> None:
        await self.service.stop()
        if snapshot:
            self.engine.close()
        else:
            self.engine.kill()


@contextlib.asynccontextmanager
async def running(service: Service) -> c.AsyncIterator[HttpClient]:
    port = await service.start(LOOPBACK)
    client = HttpClient(f"http://{LOOPBACK}:{port}")
    try:
        yield client
    finally:
        client.close()
        await service.stop()


def reference(**changes: t.Any) -> Service:
    service = Service(Settings("reference-data", version="v2", slot="green", port=0, linger_s=0, **changes))
    ReferenceData().attach(service)
    return service


def core_settings(engine_url: str, reference_url: str, /, **changes: t.Any) -> Settings:
    settings = Settings(
        "core-api",
        version="v1",
        slot="blue",
        port=0,
        linger_s=0,
        order_deadline_s=3,
        reference_deadline_s=3,
        engine_url=engine_url,
        reference_url=reference_url,
        reference_host="reference-data.exchange.lab",
    )
    return dataclasses.replace(settings, **changes)


def core(settings: Settings) -> Service:
    service = Service(settings)
    CoreApi(settings).attach(service)
    return service


@dataclasses.dataclass
class Venue:
    engine: Engine
    reference_url: str
    client: HttpClient

    async def place(self, number: int, **changes: t.Any) -> Answer:
        return await self.client.request("POST", "/orders", order(number, **changes))


def order(number: int, **changes: t.Any) -> bytes:
    fields = {"client_order_id": f"id-{number}", "pair": "BTC-USD", "side": "buy", "price": 1000, "quantity": 5}
    return json.dumps({**fields, "type": "limit", **changes}).encode()


@contextlib.asynccontextmanager
async def a_venue(data: pathlib.Path, **changes: t.Any) -> c.AsyncIterator[Venue]:
    engine = Engine(data)
    await engine.start()
    try:
        async with running(reference()) as by_reference:
            url = f"http://{by_reference._server[0]}:{by_reference._server[1]}"
            async with running(core(core_settings(engine.url, url, **changes))) as client:
                yield Venue(engine, url, client)
    finally:
        await engine.stop()


async def whole_journal_of(engine: Engine) -> list[dict[str, t.Any]]:
    client = HttpClient(engine.url)
    answer = await client.request("GET", "/journal?after=0")
    client.close()
    return [json.loads(line) for line in answer.body.splitlines()]


async def journal_of(engine: Engine) -> list[dict[str, t.Any]]:
    """What clients did."""
    return [event for event in await whole_journal_of(engine) if event["kind"] in ("order", "cancel")]


async def test_place_trade_query_cancel(tmp_path: pathlib.Path) -> None:
    async with a_venue(tmp_path) as venue:
        first = await venue.place(1)
        assert (first.status, first.json()["status"], first.json()["sequence"]) == (200, "open", 2)
        second = await venue.place(2, side="sell", quantity=2)
        assert second.json() == {
            "client_order_id": "id-2",
            "sequence": 3,
            "status": "filled",
            "filled": 2,
            "remaining": 0,
        }
        found = (await venue.client.request("GET", "/orders/id-1")).json()
        assert (found["status"], found["filled"], found["remaining"]) == ("open", 2, 3)
        cancelled = (await venue.client.request("DELETE", "/orders/id-1")).json()
        assert (cancelled["status"], cancelled["cancelled"], cancelled["sequence"]) == ("cancelled", 3, 4)
        # A second attempt of each gets the first result.
        assert (await venue.place(1)).json() == first.json()
        assert (await venue.client.request("DELETE", "/orders/id-1")).json() == cancelled
        assert [event["seq"] for event in await journal_of(venue.engine)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/orders", b"{", 400),
        ("POST", "/orders", order(1, pair="DOGE-USD"), 422),
        ("POST", "/orders", order(1, pair="../pairs"), 422),
        ("POST", "/orders", order(1, pair="LUNA-USD"), 409),
        ("POST", "/orders", order(1, price=1001), 422),
        ("POST", "/orders", order(1, margin=True), 403),
        ("DELETE", "/orders/id-9", b"", 404),
        ("GET", "/orders/id-9", b"", 404),
        ("GET", "/orders/a%2Fb", b"", 404),
        ("GET", "/nothing", b"", 404),
        ("PUT", "/orders", order(1), 404),
        ("POST", "/orders", b"x" * 70000, 400),
    ],
)
async def test_refusals_have_a_reason_and_a_version(
    tmp_path: pathlib.Path, method: str, path: str, body: bytes, status: int
) -> None:
    async with a_venue(tmp_path) as venue:
        answer = await venue.client.request(method, path, body)
        assert answer.status == status
        assert answer.json()["reason"]
        assert (answer.headers["x-version"], answer.headers["x-slot"]) == ("v1", "blue")
        assert await journal_of(venue.engine) == []


async def test_v3_fails_before_the_engine_and_again(tmp_path: pathlib.Path) -> None:
    async with a_venue(tmp_path, version="v3") as venue:
        good = [number for number in range(40) if not faults.fails_order("core-api", "v3", f"id-{number}")]
        for _ in range(2):
            for number in range(40):
                answer = await venue.place(number)
                assert answer.status == (200 if number in good else 500)
                assert answer.headers["x-version"] == "v3"
        events = await journal_of(venue.engine)
        assert [event["client_order_id"] for event in events] == [f"id-{number}" for number in good]
        metrics = (await venue.client.request("GET", "/metrics")).body.decode()
        assert f'http_requests_total{{code="500",route="/orders"}} {2 * (40 - len(good))}.0' in metrics
        assert f'http_requests_total{{code="200",route="/orders"}} {2 * len(good)}.0' in metrics


async def test_health_and_metrics_are_not_counted(tmp_path: pathlib.Path) -> None:
    async with running(reference()) as client:
        for path in ("/health/live", "/health/ready", "/health/startup", "/metrics"):
            assert (await client.request("GET", path)).status == 200
        assert (await client.request("GET", "/pairs/BTC-USD")).json()["tick_size"] == 10
        assert len((await client.request("GET", "/pairs")).json()["pairs"]) == 6
        metrics = await client.request("GET", "/metrics")
        assert metrics.headers["content-type"].startswith("text/plain; version=")
        counted = [
            line
            for line in metrics.body.decode().splitlines()
            if line.startswith("http_requests_total") and not line.endswith(" 0.0")
        ]
        assert sorted(counted) == [
            'http_requests_total{code="200",route="/pairs"} 1.0',
            'http_requests_total{code="200",route="/pairs/{id}"} 1.0',
        ]


async def test_v6_lives_and_is_never_ready() -> None:
    async with running(core(core_settings("http://e", "http://r", version="v6"))) as client:
        assert (await client.request("GET", "/health/live")).status == 200
        assert (await client.request("GET", "/health/ready")).status == 503


@pytest.mark.parametrize("snapshot", [True, False])
async def test_what_is_due_is_journaled_also_after_a_restart(tmp_path: pathlib.Path, snapshot: bool) -> None:
    engine = Engine(tmp_path)
    await engine.start()
    client = HttpClient(engine.url)
    for number, side in ((1, "buy"), (2, "sell")):
        await client.request("POST", "/orders", order(number, side=side))
    dated = order(3, time_in_force="gtd", expires_at_ms=engine.now_ms + 5000)
    await client.request("POST", "/orders", dated)
    await client.request("POST", "/orders", order(4))
    answer = await client.request("POST", "/deadman", b'{"account":"house","timeout_ms":9000}')
    assert answer.json() == {"account": "house", "timeout_ms": 9000, "sequence": 6}
    engine.now_ms += 5000
    # An order finds no order in the book that is expired, however late the engine looks for them by itself.
    answer = await client.request("POST", "/orders", order(5, side="sell", quantity=7))
    assert (answer.json()["filled"], answer.json()["remaining"]) == (5, 2)
    client.close()
    await engine.stop(snapshot)
    engine.now_ms += 4000
    await engine.start()
    kinds: list[str] = []
    while "deadman" not in kinds:
        await asyncio.sleep(0.01)
        events = await whole_journal_of(engine)
        kinds = [event["kind"] for event in events]
    assert [kind for kind in kinds if kind != "settle"] == [
        *("deposit", "order", "order", "order", "order", "deadman_set", "expire", "order", "deadman")
    ]
    assert next(event["orders"] for event in events if event["kind"] == "expire") == [["id-3", 5]]
    assert events[-1]["orders"] == [["id-5", 2]]
    assert sorted(number for event in events if event["kind"] == "settle" for number in event["trades"]) == [1, 2]
    assert events[-1]["at"] == engine.now_ms
    await engine.stop()


async def test_a_refusal_of_the_mode_says_so_to_programs(tmp_path: pathlib.Path) -> None:
    engine = Engine(tmp_path)
    await engine.start()
    client = HttpClient(engine.url)
    try:
        engine.engine.venue.set_mode("cancel_only", "upgrade", "c-1", pause_timers=False, at_ms=engine.now_ms)
        answer = await client.request("POST", "/orders", order(1))
        assert (answer.status, answer.json()["code"]) == (409, "mode_cancel_only")
    finally:
        client.close()
        await engine.stop()


async def test_an_engine_that_cannot_keep_what_is_due_fails(tmp_path: pathlib.Path) -> None:
    engine = Engine(tmp_path)
    await engine.start()

    def broken(_at_ms: int) -> t.NoReturn:
        raise RuntimeError("no settlement")

    engine.engine.venue.due = broken  # type: ignore[method-assign]
    try:
        error = await asyncio.wait_for(engine.engine.failed, 5)
        assert str(error) == "no settlement"
    finally:
        await engine.stop()


@pytest.mark.parametrize("snapshot", [True, False])
async def test_a_restart_of_the_engine_is_invisible(tmp_path: pathlib.Path, snapshot: bool) -> None:
    async with a_venue(tmp_path) as venue:
        first = await venue.place(1)
        await venue.engine.stop(snapshot)
        waiting = asyncio.ensure_future(venue.place(2, side="sell"))
        with (tmp_path / "journal.jsonl").open("ab") as file:
            file.write(b'{"seq":3,"at":5,"kind":"ord')
        await venue.engine.start()
        assert (await waiting).json()["filled"] == 5
        assert (await venue.place(1)).json() == first.json()
        assert [event["seq"] for event in await journal_of(venue.engine)] == [2, 3]


async def test_a_lost_answer_is_asked_for_again(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine accepts the order and dies before it answers: the second attempt must not place it twice."""
    async with a_venue(tmp_path) as venue:
        settled = Journal.settled
        dropped: list[int] = []

        async def drop_first(journal: Journal) -> None:
            await settled(journal)
            if not dropped:
                dropped.append(1)
                for connection in list(venue.engine.service._server.connections):
                    connection.close()

        monkeypatch.setattr(Journal, "settled", drop_first)
        assert (await venue.place(1)).json()["sequence"] == 2
        assert dropped
        assert len(await journal_of(venue.engine)) == 1


async def test_without_the_engine_503_after_the_deadline(tmp_path: pathlib.Path) -> None:
    async with a_venue(tmp_path, order_deadline_s=0.1) as venue:
        await venue.engine.stop()
        answer = await venue.place(1)
        assert answer.status == 503
        assert answer.json()["reason"].startswith("the matching engine is away")
        await venue.engine.start()


@pytest.mark.parametrize("version_header", [True, False])
async def test_without_reference_data_503(tmp_path: pathlib.Path, version_header: bool) -> None:
    """A gateway without the route answers 404 and has no version: that says nothing about the pair."""

    async def gateway(_request: Request) -> Reply:
        return Reply(404, b"{}")

    server = HttpServer(gateway, {"x-version": "v2"} if version_header else {})
    port = await server.start(LOOPBACK, 0)
    async with a_venue(tmp_path, reference_url=f"http://{LOOPBACK}:{port}") as venue:
        answer = await venue.place(1)
        assert answer.status == (422 if version_header else 503)
        await server.stop(1)
    async with a_venue(tmp_path, reference_url=f"http://{LOOPBACK}:{port}", reference_deadline_s=0.1) as venue:
        answer = await venue.place(1)
        assert answer.status == 503
        assert answer.json()["reason"].startswith("reference data is away")
        assert await journal_of(venue.engine) == []


async def test_reference_data_is_asked_again_by_its_host_name(tmp_path: pathlib.Path) -> None:
    paths: list[str] = []

    async def flaky(request: Request) -> Reply:
        paths.append(request.path)
        if len(paths) == 1:
            return Reply(503, b"no healthy upstream")
        return Reply(200, b'{"status":"trading","tick_size":1,"lot_size":1}')

    server = HttpServer(flaky, {})
    port = await server.start(LOOPBACK, 0)
    async with a_venue(tmp_path, reference_url=f"http://{LOOPBACK}:{port}") as venue:
        assert (await venue.place(1)).status == 200
    assert paths == ["/pairs/BTC-USD"] * 2
    await server.stop(1)


async def test_the_end_is_gentle() -> None:
    """Unready and still serving, each answer tells its client to leave, and what is under way gets its answer."""
    service = Service(Settings("reference-data", port=0, linger_s=0.05))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request, _part: str) -> Reply:
        begun.set()
        await go_on.wait()
        return Reply(200, b"{}")

    async def fast(_request: Request, _part: str) -> Reply:
        return Reply(200, b"{}")

    service.route("GET", "/slow", slow)
    service.route("GET", "/fast", fast)
    service.ready = True
    port = await service.start(LOOPBACK)
    client = HttpClient(f"http://{LOOPBACK}:{port}")
    under_way = asyncio.ensure_future(client.request("GET", "/slow"))
    await begun.wait()
    ending = asyncio.ensure_future(service.stop())
    await asyncio.sleep(0)
    assert (await client.request("GET", "/health/ready")).status == 503
    answer = await client.request("GET", "/fast")
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    done, _ = await asyncio.wait({ending}, timeout=0.1)
    assert not done, "it waits for the request under way"
    with pytest.raises(HttpFailure) as caught:
        await client.request("GET", "/fast")
    assert caught.value.kind == "connect"
    go_on.set()
    assert (await under_way).status == 200
    await ending


async def test_an_error_in_a_handler_is_a_500_with_a_version() -> None:
    service = Service(Settings("reference-data", version="v2", port=0, linger_s=0))

    async def broken(_request: Request, _part: str) -> Reply:
        raise ZeroDivisionError

    service.route("GET", "/broken", broken)
    async with running(service) as client:
        answer = await client.request("GET", "/broken")
        assert (answer.status, answer.headers["x-version"]) == (500, "v2")


async def test_client_failures_have_kinds() -> None:
    async def never(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0)

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n\r\n")

    for kind, peer in (("timeout", never), ("reset", hang_up), ("protocol", nonsense)):
        server = await asyncio.start_server(peer, LOOPBACK, 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(HttpFailure) as caught:
            await HttpClient(f"http://{LOOPBACK}:{port}").request("GET", "/", timeout_s=0.05)
        assert caught.value.kind == kind
        server.close()
    with pytest.raises(HttpFailure) as caught:
        await HttpClient(f"http://{LOOPBACK}:{port}").request("GET", "/", timeout_s=0.05)
    assert caught.value.kind == "connect"


async def test_requests_wait_for_a_free_connection() -> None:
    under_way, most, go_on = 0, 0, asyncio.Event()

    async def handle(_request: Request) -> Reply:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await go_on.wait()
        under_way -= 1
        return Reply(200, b"{}")

    server = HttpServer(handle, {})
    client = HttpClient(f"http://{LOOPBACK}:{await server.start(LOOPBACK, 0)}", most=2)
    waiting = [asyncio.ensure_future(client.request("GET", "/")) for _ in range(5)]
    while under_way < 2:
        await asyncio.sleep(0)
    with pytest.raises(HttpFailure, match="no free connection"):
        await client.request("GET", "/", timeout_s=0.02)
    go_on.set()
    assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * 5
    assert most == len(server.connections) == 2
    client.close()
    await server.stop(1)


def test_pauses_grow_and_are_bounded() -> None:
    assert [upstream.pause_s(attempt, 1) for attempt in range(6)] == [0.02, 0.04, 0.08, 0.16, 0.25, 0.25]
    assert upstream.pause_s(0, 0) == 0.01
    assert upstream.pause_s(10_000, 1) == 0.25
