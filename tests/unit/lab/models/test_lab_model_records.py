# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of answers: what is in them, and that they are never in the way of an answer."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import json
import typing as t

import prometheus_client
import pytest

from lab.exchange.http_client import Answer, HttpClient
from lab.exchange.http_server import HttpServer, Reply, Request
from lab.exchange.settings import SettingsError
from lab.models import truth
from lab.models.service.kinds import KINDS, Prediction
from lab.models.service.model import Model, read_settings
from lab.models.service.records import FAILURE, Records, answer_line, label_line
from lab.models.service.versions import CHAMPION, VERSIONS

LOOPBACK: t.Final = "127.0.0.1"
ASKED: t.Final = truth.request_of(KINDS["fraud"], "us-east-1-a-1")
#: Everything here waits for loopback; a machine that is busy may take its time.
PATIENCE_S: t.Final = 30.0


class Taker:
    """A recorder that notes what it gets, and answers as it is told."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.paths: set[str] = set()
        self.status = 204
        self._server = HttpServer(self._take, {})

    async def _take(self, request: Request) -> Reply:
        if self.status == 204:
            self.paths.add(request.path)
            self.lines += request.body.split(b"\n")
        return Reply(self.status, b"")

    @contextlib.asynccontextmanager
    async def run(self) -> c.AsyncIterator[str]:
        port = await self._server.start(LOOPBACK, 0)
        try:
            yield f"http://{LOOPBACK}:{port}"
        finally:
            await self._server.stop(1)


async def until(check: c.Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not check():
            await asyncio.sleep(0.01)


def counted(registry: prometheus_client.CollectorRegistry, outcome: str) -> float:
    value = registry.get_sample_value("prediction_records_total", {"outcome": outcome})
    assert value is not None
    return value


@contextlib.asynccontextmanager
async def running(url: str, version: str = CHAMPION) -> c.AsyncIterator[tuple[Model, HttpClient]]:
    """A service of fraud on loopback."""
    env = {"PINCEX_SERVICE": "fraud", "PINCEX_VERSION": version, "PINCEX_SLOT": "green", "RECORDER_URL": url}
    settings, recorder_url = read_settings({**env, "PORT": "0", "LINGER_S": "0"})
    model = Model(settings, recorder_url)
    await model.start()
    port = await model.service.start(LOOPBACK)
    client = HttpClient(f"http://{LOOPBACK}:{port}", connect_timeout_s=PATIENCE_S)
    try:
        yield model, client
    finally:
        client.close()
        await model.service.stop()
        await model.stop()


async def ask(client: HttpClient, **changes: t.Any) -> Answer:
    asked = {"id": ASKED.id, "segment": ASKED.segment, "features": dict(ASKED.features), **changes}
    return await client.request("POST", "/predict", json.dumps(asked).encode(), PATIENCE_S)


def test_the_record_of_an_answer() -> None:
    line = answer_line(ASKED, 1766400000.1234567, "v2.1.0", Prediction("fraud", 0.25), 1.23456)
    assert json.loads(line) == {
        "id": ASKED.id,
        "ts": 1766400000.123457,
        "segment": ASKED.segment,
        "version": "v2.1.0",
        "out": "fraud",
        "score": 0.25,
        "ms": 1.235,
        "err": "",
    }
    assert b"\n" not in line


def test_the_record_of_a_failure_has_no_output_and_says_why() -> None:
    found = json.loads(answer_line(ASKED, 1.0, "v2.7.0", None, 1.0))
    assert (found["out"], found["score"], found["err"]) == (None, None, FAILURE)


def test_the_record_of_a_label() -> None:
    assert json.loads(label_line("fraud.a", "legitimate", 2.5)) == {"id": "fraud.a", "label": "legitimate", "ts": 2.5}


async def test_an_answer_is_recorded_and_says_who_gave_it() -> None:
    taker = Taker()
    async with taker.run() as url, running(url) as (_model, client):
        answer = await ask(client)
        assert (answer.headers["x-version"], answer.headers["x-slot"]) == (CHAMPION, "green")
        said = answer.json()
        await until(lambda: bool(taker.lines))
    (record,) = (json.loads(line) for line in taker.lines)
    assert taker.paths == {"/answers/fraud"}
    assert {key: record[key] for key in ("id", "out", "score", "version")} == said


async def test_what_is_no_request_is_refused_and_not_recorded() -> None:
    taker = Taker()
    async with taker.run() as url, running(url) as (_model, client):
        assert (await ask(client, features={})).status == 400
        assert (await client.request("POST", "/predict", b"no json", PATIENCE_S)).status == 400
        assert (await ask(client)).status == 200
        await until(lambda: bool(taker.lines))
    assert len(taker.lines) == 1


async def test_a_failing_version_answers_500_and_records_it() -> None:
    name = next(name for number in range(100) if VERSIONS["v2.7.0"].fails(name := f"fraud.{number}"))
    taker = Taker()
    async with taker.run() as url, running(url, "v2.7.0") as (_model, client):
        assert (await ask(client, id=name)).status == 500
        await until(lambda: bool(taker.lines))
    assert json.loads(taker.lines[0])["err"] == FAILURE


async def test_a_dead_version_is_ready_and_never_answers() -> None:
    async with running("", "v2.6.0") as (_model, client):
        assert (await client.request("GET", "/health/ready", timeout_s=PATIENCE_S)).status == 200
        waiting = asyncio.get_running_loop().create_task(ask(client))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_answers_do_not_wait_for_a_recorder_that_is_away() -> None:
    """Nobody listens at that port."""
    async with running("http://127.0.0.1:9") as (model, client):
        for _turn in range(20):
            assert (await ask(client)).status == 200
        registry = model.service.registry
        assert registry.get_sample_value("prediction_records_waiting") == 20
        assert counted(registry, "dropped") == 0
    assert counted(registry, "dropped") == 20


async def test_records_wait_for_a_recorder_that_comes_back() -> None:
    taker, registry = Taker(), prometheus_client.CollectorRegistry()
    taker.status = 503
    async with taker.run() as url:
        records = Records(url, "/answers/fraud", registry)
        records.start()
        for number in range(500):
            records.add(b'{"id":"%d"}' % number)
        await asyncio.sleep(0.1)
        assert not taker.lines
        taker.status = 204
        await until(lambda: counted(registry, "sent") == 500)
        await records.stop()
    assert [json.loads(line)["id"] for line in taker.lines] == [str(number) for number in range(500)]
    assert counted(registry, "dropped") == 0


async def test_a_full_queue_drops_the_newest_and_counts_them() -> None:
    taker, registry = Taker(), prometheus_client.CollectorRegistry()
    async with taker.run() as url:
        records = Records(url, "/answers/fraud", registry, longest=3)
        for number in range(5):
            records.add(b"%d" % number)
        assert counted(registry, "dropped") == 2
        await records.stop()
    assert taker.lines == [b"0", b"1", b"2"]


async def test_what_the_recorder_refuses_does_not_block_what_is_behind_it() -> None:
    taker, registry = Taker(), prometheus_client.CollectorRegistry()
    taker.status = 400
    async with taker.run() as url:
        records = Records(url, "/answers/fraud", registry)
        records.start()
        records.add(b"bad")
        await until(lambda: counted(registry, "dropped") == 1)
        taker.status = 204
        records.add(b"good")
        await until(lambda: counted(registry, "sent") == 1)
        await records.stop()
    assert taker.lines == [b"good"]


@pytest.mark.parametrize(
    "changed",
    [
        {"PINCEX_SERVICE": "core-api"},
        {"PINCEX_VERSION": "v1"},
        {"PORT": "-1"},
        {"LINGER_S": "a"},
        {"RECORDER_URL": "redis://somewhere"},
    ],
)
def test_a_wrong_setting_is_named(changed: dict[str, str]) -> None:
    good = {"PINCEX_SERVICE": "risk", "PINCEX_VERSION": "v2.0.0"}
    read_settings(good)
    with pytest.raises(SettingsError, match=next(iter(changed))):
        read_settings({**good, **changed})
