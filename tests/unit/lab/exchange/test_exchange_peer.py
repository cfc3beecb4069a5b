# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two engines that know each other's names and nothing else: each does what the epoch record says."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import dataclasses
import pathlib

from engines import Node, same, until

from lab.exchange.epoch_record import FileRecord, Record
from lab.exchange.peer import Peer


def free_url() -> str:
    """Of a port where nobody listens."""
    return "http://127.0.0.1:1"


@contextlib.asynccontextmanager
async def a_pair(path: pathlib.Path) -> c.AsyncIterator[tuple[Node, Node]]:
    """`blue` began alone and leads; `green` came later."""
    blue = Node(path, "blue", engine_peer="green", peer_url=free_url())
    await blue.start()
    await until(lambda: blue.role == "leader")
    for number in range(1, 11):
        assert (await blue.place(number)).status == 200
    green = Node(path, "green", version="v2", engine_peer="blue", peer_url=blue.url)
    await green.start()
    blue.settings = dataclasses.replace(blue.settings, peer_url=green.url)
    try:
        yield blue, green
    finally:
        await green.stop()
        await blue.stop()


def follows(node: Node) -> str | None:
    follower = node.engine.control.follower
    return follower.url if follower is not None else None


async def test_the_first_engine_makes_the_record_and_its_book(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path, "blue", engine_peer="green", peer_url=free_url())
    await node.start()
    assert (node.role, node.service.ready, (await node.place(1)).status) == ("starting", False, 423)
    await until(lambda: node.service.ready)
    assert (node.role, (await node.place(1)).status) == ("leader", 200)
    assert FileRecord(tmp_path / "epoch.json").read().record == Record(1, "blue")  # type: ignore[union-attr]
    kinds = [line.split(b'"kind":"')[1].split(b'"')[0] for line in node.lines().splitlines()]
    assert kinds == [b"deposit"] * (len(kinds) - 1) + [b"order"]
    assert len(kinds) > 1
    await node.stop()


async def test_a_record_that_is_away_at_the_first_start_costs_no_deposit(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path, "alone")
    (tmp_path / "epoch.json").write_text("{")
    await node.start()
    assert (node.role, node.sequence, node.service.ready) == ("starting", 0, False)
    (tmp_path / "epoch.json").unlink()
    await until(lambda: node.role == "leader")
    # An order right then: the deposits are before it all the same.
    assert (await node.place(1)).status == 200
    assert node.lines().splitlines()[0].count(b'"deposit"') == 1
    await node.stop()


async def test_a_fresh_engine_follows_the_one_that_the_record_names(tmp_path: pathlib.Path) -> None:
    async with a_pair(tmp_path) as (blue, green):
        assert (green.role, green.service.ready) == ("follower", True)
        await same(blue, green)
        assert follows(green) == blue.url
        assert (await green.place(100)).status == 423


async def test_handed_over_back_and_restarted(tmp_path: pathlib.Path) -> None:
    async with a_pair(tmp_path) as (blue, green):
        for old, new in ((blue, green), (green, blue)):
            await same(blue, green)
            cut = await old.cut()
            await same(blue, green)
            assert (await new.open(cut["epoch"] + 1, cut)).status == 200
            await old.stop(snapshot=False)
            await old.start()
            assert (old.role, follows(old)) == ("follower", new.url)
            await until(lambda old=old: old.service.ready)  # type: ignore[misc]
            await new.stop(snapshot=False)
            await new.start()
            assert (new.role, follows(new)) == ("leader", None)
            assert (await new.place(200 + cut["epoch"])).status == 200
            await same(blue, green)
        await until(lambda: blue.lines() == green.lines())


async def test_a_closed_engine_stays_in_its_service(tmp_path: pathlib.Path) -> None:
    async with a_pair(tmp_path) as (blue, green):
        await same(blue, green)
        await blue.cut(60)
        # Longer than it takes to look at itself again. The end of its journal is read through the Service.
        await asyncio.sleep(0.25)
        assert (blue.role, blue.service.ready) == ("closed", True)
        await same(blue, green)


async def test_the_questions_of_a_follower_are_no_requests_of_clients(tmp_path: pathlib.Path) -> None:
    async with a_pair(tmp_path) as (blue, green):
        await same(blue, green)
        await blue.get("/leader")
        lines = (await blue.ask("GET", "/metrics")).body.decode().splitlines()
        counted = {line for line in lines if line.startswith("http_requests_total{") and not line.endswith(" 0.0")}
        assert counted == {'http_requests_total{code="200",route="/orders"} 10.0'}


async def test_who_loses_the_record_at_its_deadline_follows_untold(tmp_path: pathlib.Path) -> None:
    async with a_pair(tmp_path) as (blue, green):
        # As if it had known the address of the other one from its start.
        await blue.stop()
        await blue.start()
        await same(blue, green)
        cut = await blue.cut(0.4)
        await same(blue, green)
        assert (await green.open(2, cut)).status == 200
        await until(lambda: follows(blue) == green.url)
        assert (await green.place(100)).status == 200
        await same(blue, green)
        assert blue.role == "follower"


async def test_a_pod_that_comes_back_with_another_address_is_found(tmp_path: pathlib.Path) -> None:
    async with a_pair(tmp_path) as (blue, green):
        await green.told("follow", url="http://127.0.0.1:1")
        assert (await blue.place(100)).status == 200
        await same(blue, green)
        assert follows(green) == blue.url
        # And what was told is not what a restart begins with.
        await green.told("follow", url="http://127.0.0.1:1")
        await green.stop()
        await green.start()
        assert follows(green) == blue.url


async def test_without_a_record_no_second_book_is_begun(tmp_path: pathlib.Path) -> None:
    async with a_pair(tmp_path) as (blue, green):
        await green.stop(snapshot=False)
        (tmp_path / "epoch.json").unlink()
        (green.settings.data / "journal.jsonl").unlink()
        await green.start()
        await asyncio.sleep(0.8)
        assert (green.role, green.sequence, green.service.ready) == ("starting", 0, False)
        # The one that has a book makes it again.
        await blue.stop()
        await blue.start()
        assert blue.role == "leader"
        await until(lambda: green.role == "follower")
        await same(blue, green)


async def test_a_follower_with_an_error_is_ready_and_says_it(tmp_path: pathlib.Path) -> None:
    async with a_pair(tmp_path) as (blue, green):
        await same(blue, green)
        await green.stop(snapshot=False)
        journal = green.settings.data / "journal.jsonl"
        other = Node(tmp_path / "other", "green")
        await other.start()
        await other.place(1)
        await other.stop(snapshot=False)
        journal.write_bytes(other.lines())
        await green.start()
        await until(lambda: green.engine.control.follower.error is not None)  # type: ignore[union-attr]
        # It is looked at again and again.
        green.service.ready = False
        await until(lambda: green.service.ready)
        found = await green.get("/control/status")
        assert (found["role"], found["follow"]["problem"]) == ("follower", None)
        assert "another event" in found["follow"]["error"]


async def test_whether_a_peer_has_a_journal(tmp_path: pathlib.Path) -> None:
    assert not Peer().has_journal()
    assert not await asyncio.to_thread(Peer("green", free_url()).has_journal)
    node = Node(tmp_path, "alone")
    await node.start()
    assert await asyncio.to_thread(Peer("alone", node.url).has_journal)
    await node.stop()
