# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following another engine: the same bytes, and an error for everything that does not fit."""

from __future__ import annotations

import asyncio
import pathlib
import time

from engines import Node, a_region, same, until

from lab.exchange.http_client import HttpClient
from lab.exchange.http_server import HttpServer, Reply, Request
from lab.exchange.journal import decode, encode


async def test_the_same_bytes(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        await until(lambda: old.lines() == new.lines())
        status = await new.get("/control/status")
        assert status["role"] == "follower"
        assert status["follow"] == {"url": old.url, "lag_events": 0, "error": None, "problem": None}
        # Nobody but the leader writes, and settlements come by its journal.
        refused = await new.place(99)
        assert (refused.status, refused.json()["code"]) == (423, "epoch_closed")
        assert (await new.tell("mode", mode="halted", reason="", pause_timers=False)).status == 423
        assert (await new.tell("cut", deadline_s=5)).status == 409
        assert (await old.proof()) == {**await new.proof(), "extra": []}


async def test_both_restart(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        await new.stop(snapshot=False)
        for number in range(100, 110):
            await old.place(number)
        await new.start()
        await same(old, new)
        await old.stop()
        await until(lambda: new.engine.control.follower.lag_events is None)  # type: ignore[union-attr]
        told = (await new.get("/control/status"))["follow"]
        assert (told["error"], told["problem"].partition(": ")[0]) == (None, f"{old.url} does not answer")
        await old.start()
        await old.place(110)
        await same(old, new)
        await until(lambda: old.lines() == new.lines())
        assert (await new.get("/control/status"))["follow"]["problem"] is None


async def test_what_it_was_told_survives_a_restart(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        cut = await old.cut()
        await same(old, new)
        assert (await new.open(2, cut)).status == 200
        await old.told("follow", url=new.url)
        # Following it already, nothing happens.
        before = old.engine.control.follower
        await old.told("follow", url=new.url)
        assert old.engine.control.follower is before
        await old.stop()
        await old.start()
        assert old.role == "follower"
        await new.place(100)
        await same(old, new)
        # And who leads follows nobody, also after a restart.
        await new.stop()
        await new.start()
        assert (new.role, new.engine.control.follower) == ("leader", None)


async def test_a_closed_engine_follows_when_the_record_is_another_ones(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        cut = await old.cut()
        assert (await old.tell("follow", url=new.url)).status == 409
        await same(old, new)
        assert (await new.open(2, cut)).status == 200
        assert (await old.tell("follow", url=new.url)).status == 200


async def test_a_journal_of_another_region(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path / "one") as (old, _):
        other = Node(tmp_path / "two", "other")
        await other.start()
        await other.stop()
        other.settings = Node(tmp_path / "one", "other", follow_url=old.url).settings
        (tmp_path / "one" / "other").mkdir()
        (tmp_path / "two" / "other" / "journal.jsonl").rename(tmp_path / "one" / "other" / "journal.jsonl")
        await other.start()
        await until(lambda: other.engine.control.follower.error is not None)  # type: ignore[union-attr]
        assert "another event 2" in str(other.engine.control.follower.error)  # type: ignore[union-attr]
        await other.stop()


async def test_lines_that_do_not_fit(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        whole = old.lines().splitlines(keepends=True)
        late = decode(whole[-1])
        for name, line, problem in (
            ("torn", whole[-1][:-9] + b"\n", "checksum"),
            ("gap", encode({**late, "seq": late["seq"] + 1}), "does not follow"),
            ("changed", encode({**late, "at": late["at"] + 1, "fills": [["id-1", 1, 1]]}), "replay made"),
        ):
            await follows_a_bad_line(tmp_path / name, b"".join(whole[:-1]), line, problem)
        assert new.role == "follower"


async def follows_a_bad_line(path: pathlib.Path, good: bytes, line: bytes, problem: str) -> None:
    async def handle(request: Request) -> Reply:
        return Reply(200, b"" if "after=0" not in request.query else good + line, "application/x-ndjson")

    server = HttpServer(handle, {})
    url = f"http://127.0.0.1:{await server.start('127.0.0.1', 0)}"
    node = Node(path, "new", follow_url=url, version="v2")
    await node.start()
    await until(lambda: node.engine.control.follower.error is not None)  # type: ignore[union-attr]
    assert problem in str(node.engine.control.follower.error)  # type: ignore[union-attr]
    # It opens nothing, and the line is not in its journal.
    assert (await node.open(2, {"epoch": 1, "sequence": node.sequence})).status == 409
    await node.stop(snapshot=False)
    assert node.lines() == good
    await server.stop(1)


async def test_a_question_waits_for_the_next_event(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _):
        client = HttpClient(old.url)
        asked = asyncio.ensure_future(client.request("GET", f"/journal?after={old.sequence}&wait_ms=10000"))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await old.place(100)
        assert decode((await asked).body.splitlines(keepends=True)[0])["seq"] > 30
        assert time.monotonic() - began < 5
        assert (await client.request("GET", "/journal?after=9999&wait_ms=10")).body == b""
        assert (await client.request("GET", "/journal?after=9999&wait_ms=10001")).status == 400
        client.close()
