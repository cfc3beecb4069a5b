# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control endpoints of an engine, one by one."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import json
import pathlib
import typing as t

import pytest
from engines import Node, a_region, same

from lab.exchange.http_client import HttpClient
from lab.exchange.matching_engine import MatchingEngine
from lab.exchange.projection import bucket_of
from lab.exchange.service import Service
from lab.exchange.settings import Settings


@contextlib.asynccontextmanager
async def a_node(path: pathlib.Path, **changes: t.Any) -> c.AsyncIterator[Node]:
    node = Node(path, "old", **changes)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


async def test_status(tmp_path: pathlib.Path) -> None:
    async with a_node(tmp_path) as node:
        await node.place(1)
        status = await node.get("/control/status")
        assert status.pop("disk_free_bytes") > 0
        assert status == {
            "name": "old",
            "version": "v1",
            "role": "leader",
            "mode": "online",
            "epoch": 1,
            "sequence": 3,
            "durable_sequence": 3,
            "projection": 1,
            "format": {"writes": 1, "reads": [1]},
            "follow": {"url": None, "lag_events": None, "error": None, "problem": None},
            "pending_settlements": 0,
            "settlements_oldest_s": None,
            "journal_ok": True,
            "snapshot": None,
            "announcement": None,
        }
        assert await node.get("/leader") == {"leader": True, "epoch": 1, "mode": "online", "sequence": 3}


async def test_without_any_of_the_new_settings_it_leads_for_ever(tmp_path: pathlib.Path) -> None:
    for number in (1, 2):
        settings = Settings("matching-engine", port=0, linger_s=0, data=tmp_path)
        engine, service = MatchingEngine(settings, opening=("house",)), Service(settings)
        engine.attach(service)
        client = HttpClient(f"http://127.0.0.1:{await service.start('127.0.0.1')}")
        body = {"client_order_id": f"id-{number}", "pair": "BTC-USD", "side": "buy", "price": 1000, "quantity": 5}
        answer = await client.request("POST", "/orders", json.dumps({**body, "type": "limit"}).encode())
        assert (answer.status, answer.json()["sequence"]) == (200, number + 1)
        # Nothing can be made wrong where it was not allowed.
        assert (await client.request("POST", "/control/faults", b'{"faults": []}')).status == 404
        client.close()
        await service.stop()
        engine.kill()


async def test_modes_are_events(tmp_path: pathlib.Path) -> None:
    async with a_node(tmp_path) as node:
        fields = {"mode": "cancel_only", "reason": "upgrade", "pause_timers": True}
        answer = await node.told("mode", **fields)
        assert answer == {"sequence": 3, "mode": "cancel_only"}
        refused = await node.place(1)
        assert (refused.status, refused.json()["code"]) == (409, "mode_cancel_only")
        event = json.loads(node.lines().splitlines()[-1])
        assert (event["kind"], event["reason"], event["pause_timers"]) == ("mode", "upgrade", True)
        assert (await node.tell("mode", **{**fields, "mode": "asleep"})).status == 400


async def test_the_same_command_gives_the_same_answer(tmp_path: pathlib.Path) -> None:
    async with a_node(tmp_path) as node:
        fields = {"command_id": "mine", "mode": "halted", "reason": "", "pause_timers": False}
        one, two = await asyncio.gather(*(node.ask("POST", "/control/mode", **fields) for _ in range(2)))
        await node.told("mode", mode="online", reason="", pause_timers=False)
        again = await node.ask("POST", "/control/mode", **fields)
        assert one.body == two.body == again.body
        assert node.engine.venue.mode == "online"
        cut = {"command_id": "cut", "deadline_s": 30}
        first = (await node.ask("POST", "/control/cut", **cut)).json()
        # Also after a restart, when only the journal knows it.
        await node.stop(snapshot=False)
        await node.start()
        second = (await node.ask("POST", "/control/cut", **cut)).json()
        del first["at_ms"]
        assert (second, node.sequence) == (first, first["sequence"])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("mode", {"mode": "halted", "reason": ""}, 400),
        ("mode", {"mode": "halted", "reason": "", "pause_timers": 1}, 400),
        ("cut", {"deadline_s": 0}, 400),
        ("cut", {"deadline_s": True}, 400),
        ("cut", {"deadline_s": 5, "command_id": ""}, 400),
        ("cut", {"deadline_s": 5, "command_id": "x" * 65}, 400),
        ("open", {"epoch": 2, "after": {"epoch": 1}}, 400),
        ("open", {"epoch": 2, "after": {"epoch": 1, "sequence": 2}}, 409),
        ("follow", {"url": "ftp://x"}, 400),
        ("follow", {"url": "http://127.0.0.1:1"}, 409),
        ("acks", {"acks": ["id-1"]}, 400),
        ("verify", {"sequence": 1, "snapshot": "00", "url": "http://127.0.0.1:1"}, 422),
        ("faults", {"faults": ["other"]}, 400),
        ("nothing", {}, 404),
    ],
)
async def test_refused(tmp_path: pathlib.Path, path: str, body: dict[str, t.Any], status: int) -> None:
    async with a_node(tmp_path) as node:
        answer = await node.tell(path, **body)
        assert (answer.status, bool(answer.json()["reason"])) == (status, True)
        assert (node.role, node.sequence) == ("leader", 2)


async def test_announcement(tmp_path: pathlib.Path) -> None:
    async with a_node(tmp_path) as node:
        told = {"reason": "v2", "effective_at": 1_000, "deadline_at": 2_000}
        await node.told("announce", **told)
        assert (await node.get("/control/status"))["announcement"] == told
        assert (await node.tell("announce", method="DELETE")).status == 200
        assert (await node.get("/control/status"))["announcement"] is None


async def test_settlements_and_items(tmp_path: pathlib.Path) -> None:
    async with a_node(tmp_path) as node:
        await node.place(1, side="sell", price=1000)
        await node.place(2, side="buy", price=1000, quantity=3)
        pending = (await node.get("/control/settlements"))["pending"]
        assert [one["id"] for one in pending] == [1]
        assert 0 <= pending[0]["age_s"] < 2
        status = await node.get("/control/status")
        assert (status["pending_settlements"], 0 <= status["settlements_oldest_s"] < 2) == (1, True)
        assert len((await node.get("/control/items?kind=trades"))["items"]) == 1
        bucket = f"{bucket_of('id-1'):02x}"
        lines = (await node.get(f"/control/items?kind=orders&bucket={bucket}"))["items"]
        assert [line.split("|")[0] for line in lines] == ["id-1"]
        for query in (
            "kind=orders",
            "kind=trades&bucket=00",
            "kind=orders&bucket=100",
            "kind=x",
            "kind=orders&bucket=-1",
        ):
            assert (await node.ask("GET", f"/control/items?{query}")).status == 400


async def test_acknowledged_orders(tmp_path: pathlib.Path) -> None:
    async with a_node(tmp_path) as node:
        sequence = (await node.place(1)).json()["sequence"]
        cancelled = (await node.ask("DELETE", "/orders/id-1")).json()["sequence"]
        known = [["id-1", sequence], ["id-1", cancelled]]
        missing = [["id-1", cancelled + 1], ["id-2", 5]]
        # As many as a gateway tells at most.
        acks = [*known, *missing, *([known[0]] * 10_000)]
        assert await node.told("acks", acks=acks) == {"missing": missing}


async def test_a_proof_of_one_sequence_number(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        assert (await old.ask("GET", f"/control/proof?sequence={old.sequence + 1}")).status == 409
        cut = await old.cut()
        await same(old, new)
        one, other = [(await node.get(f"/control/proof?sequence={cut['sequence']}"))["proof"] for node in (old, new)]
        assert (one.pop("extra"), other.pop("extra")) == ([], ["orders.smp_group"])
        assert one == other


async def test_only_the_newest_format_of_the_version(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        assert (await new.tell("finish")).status == 409
        cut = await old.cut()
        await same(old, new)
        assert (await new.open(2, cut)).status == 200
        await old.told("follow", url=new.url)
        assert (await new.get("/control/status"))["format"] == {"writes": 1, "reads": [1, 2]}
        await new.told("finish")
        assert (await new.get("/control/status"))["format"]["writes"] == 2
        async with asyncio.timeout(5):
            # Version 1 cannot read it, says so, and is no way back any more.
            while (await old.get("/control/status"))["follow"]["error"] is None:
                await asyncio.sleep(0.01)


async def test_a_cut_ends_what_is_over(tmp_path: pathlib.Path) -> None:
    async with a_node(tmp_path) as node:
        await node.place(1)
        await node.ask("POST", "/deadman", account="house", timeout_ms=1)
        node.engine._due_task.cancel()  # type: ignore[union-attr]
        await asyncio.sleep(0.01)
        await node.cut()
        kinds = [json.loads(line)["kind"] for line in node.lines().splitlines()]
        assert kinds[-2:] == ["deadman", "epoch_closed"]
