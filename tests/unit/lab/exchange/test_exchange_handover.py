# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""drain_trading itself, between two real engines on loopback, with orders going on through a small gateway."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import json
import pathlib
import typing as t

import pytest
from drain_world import good, play, verdicts
from engines import LOOPBACK, Node, a_region, order, same, until

from lab.exchange.epoch_record import FileRecord
from lab.exchange.http_client import HttpFailure
from lab.exchange.http_server import HttpServer, Reply, Request

Json = dict[str, t.Any]


class Gateway:
    """Sends each order until an engine takes it, and tells what it has acknowledged."""

    def __init__(self, *engines: Node) -> None:
        self.engines = engines
        self.leader, self.epoch = engines[0], 1
        self.acks: list[list[t.Any]] = []
        self.accepted = 0
        self.server = HttpServer(self._handle, {})
        self.url = ""

    async def _handle(self, request: Request) -> Reply:
        name = request.path.rpartition("/")[2]
        answers: dict[str, Json] = {
            "acks": {"acks": self.acks[-10_000:], "next": len(self.acks)},
            "status": {
                "name": "gateway",
                "role": "gateway",
                "ready": True,
                "in_flight": 0,
                "held": 0,
                "engine": {"epoch": self.epoch, "url": self.leader.url},
                "sessions": {"websocket": 3, "fix": []},
            },
            "close": {"closed": 3, "left": []},
            "ready": {},
        }
        return Reply(200, json.dumps(answers[name]).encode())

    async def _place(self, number: int) -> None:
        while True:
            try:
                answer = await self.leader.client.request("POST", "/orders", order(number))
                if answer.status == 200:
                    self.acks.append([f"id-{number}", answer.json()["sequence"]])
                    return
                assert answer.status in (409, 423), answer.body
            except HttpFailure:
                pass
            await asyncio.sleep(0.005)
            await self._look()

    async def _look(self) -> None:
        for engine in self.engines:
            with contextlib.suppress(HttpFailure):
                found = (await engine.ask("GET", "/leader")).json()
                if found["leader"]:
                    self.leader, self.epoch = engine, found["epoch"]

    async def send(self) -> None:
        number = 1000
        async with asyncio.TaskGroup() as group:
            while True:
                number += 1
                self.accepted += 1
                group.create_task(self._place(number))
                await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def trading(self) -> c.AsyncIterator[None]:
        self.url = f"http://{LOOPBACK}:{await self.server.start(LOOPBACK, 0)}"
        flow = asyncio.ensure_future(self.send())

        async def look() -> None:
            while True:
                await self._look()
                await asyncio.sleep(0.05)

        looks = asyncio.ensure_future(look())
        try:
            yield
        finally:
            for task in (flow, looks):
                task.cancel()
            await asyncio.wait([flow, looks])
            await self.server.stop(1)


def task(old: Node, new: Node, gateway: Gateway, **given: t.Any) -> c.Awaitable[Json]:
    options = {
        "state": "drained",
        "way": "handover",
        "engine": {"url": old.url},
        "new_engine": {"url": new.url},
        "gateways": [{"url": gateway.url}],
        "cut_deadline_s": 5.0,
        # The disk of the machine that tests is not the question.
        "min_disk_free_mb": 1,
    }
    return asyncio.to_thread(play, {**options, **given})


def all_there(gateway: Gateway, *engines: Node) -> None:
    """No acknowledged order is lost, none has two events, and the journals are one."""
    for engine in engines:
        events = [json.loads(line) for line in engine.lines().splitlines()]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        orders = {event["client_order_id"]: event["seq"] for event in events if event["kind"] == "order"}
        assert sum(event["kind"] == "order" for event in events) == len(orders)
        assert [ack for ack in gateway.acks if orders.get(ack[0]) != ack[1]] == []
    assert len({engine.lines() for engine in engines}) == 1


async def test_handed_over_and_back_under_orders(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        gateway = Gateway(old, new)
        async with gateway.trading():
            for n in range(2):
                one, other = (new, old) if n % 2 else (old, new)
                await asyncio.sleep(0.2)
                result = good(await task(one, other, gateway))
                assert (result["verdict"], set(verdicts(result).values())) == ("pass", {"pass"}), result["reason"]
                assert (one.role, other.role) == ("follower", "leader")
                assert result["matching_off"]["engines_ms"] < 3000
                count = len(gateway.acks)
                await until(lambda count=count: len(gateway.acks) > count + 5)  # type: ignore[misc]
        await same(old, new)
        await until(lambda: old.lines() == new.lines())
        assert old.engine.venue.epoch.number == 3
        assert len(gateway.acks) > 50
        all_there(gateway, old, new)


@pytest.mark.parametrize(
    ("fault", "at", "named"),
    [
        ("balance_lost", "new", "I5"),
        ("queue_swapped", "new", "I3"),
        ("trade_one_leg", "new", "I6"),
        ("trade_one_leg", "old", "I6"),
        ("ack_not_journaled", "old", "I2"),
    ],
)
async def test_a_fault_is_named_and_the_old_engine_trades_on(
    tmp_path: pathlib.Path, fault: str, at: str, named: str
) -> None:
    async with a_region(tmp_path) as (old, new):
        gateway = Gateway(old, new)
        async with gateway.trading():
            await {"old": old, "new": new}[at].told("faults", faults=[fault])
            await asyncio.sleep(0.3)
            result = await task(old, new, gateway)
            assert result["failed"]
            # Both engines may be judged, each by itself.
            assert (named, "fail") in {(one["id"], one["verdict"]) for one in result["invariants"]}, result["msg"]
            await until(lambda: old.role == "leader")
            count = len(gateway.acks)
            await until(lambda: len(gateway.acks) > count + 5)
        assert new.role == "follower"


async def test_a_follower_that_lags_is_not_handed_over_to(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        gateway = Gateway(old, new)
        await new.told("faults", faults=["journal_lagging"])
        async with gateway.trading():
            await asyncio.sleep(0.3)
            result = await task(old, new, gateway, max_lag=5, step_s={"catch_up": 0.5})
            assert result["failed"]
            assert "events behind" in result["msg"]
            assert (old.role, new.role) == ("leader", "follower")


async def test_the_module_dies_after_the_cut(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        gateway = Gateway(old, new)
        async with gateway.trading():
            await asyncio.sleep(0.1)
            await old.cut(0.5)
            count = len(gateway.acks)
            await until(lambda: len(gateway.acks) > count + 5)
            # And the next one finds everything as it was.
            assert good(await task(old, new, gateway))["verdict"] == "pass"
        assert FileRecord(tmp_path / "epoch.json").read().record.owner == "new"  # type: ignore[union-attr]


async def test_full_drain_proved_in_the_other_engine(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        gateway = Gateway(old, new)
        async with gateway.trading():
            await asyncio.sleep(0.2)
            given = {"way": "full", "new_engine": None, "prove": {"url": new.url}}
            result = good(await task(old, new, gateway, **given))
            assert result["verdict"] == "pass", result["reason"]
            assert old.engine.venue.mode == "cancel_only"
            back = {"state": "online", "resume": {"cancel_only_s": 0.0, "post_only_s": 0.0}, "new_engine": None}
            good(await task(old, new, gateway, **back))
            count = len(gateway.acks)
            await until(lambda: len(gateway.acks) > count + 5)


@pytest.mark.parametrize(
    ("fault", "unsettled", "named"), [("settlement_stuck", 0, "settle"), ("snapshot_corrupt", 10_000, "sha256")]
)
async def test_a_fault_ends_a_full_drain(tmp_path: pathlib.Path, fault: str, unsettled: int, named: str) -> None:
    async with a_region(tmp_path) as (old, new):
        gateway = Gateway(old, new)
        await old.told("faults", faults=[fault])
        async with gateway.trading():
            await asyncio.sleep(0.2)
            wait = {"settlement": 0.1 if unsettled else 2.5}
            given = {"way": "full", "new_engine": None, "prove": {"url": new.url}, "allow_unsettled": unsettled}
            result = await task(old, new, gateway, step_s=wait, **given)
            assert result["failed"]
            assert named in result["msg"], result["msg"]
            assert old.engine.venue.mode == "online"
