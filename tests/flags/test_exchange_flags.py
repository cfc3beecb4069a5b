# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference exchange as processes on loopback, with flags out of a Redis or a file: what is killed is refused."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import pathlib
import typing as t

import pytest
from drain_region import Program, until
from flag_bridge import Bridge, world_over
from flag_samples import switch
from flag_world import FlagWorld
from redis_server import RedisServer

_NUMBERS: t.Final = itertools.count()


@pytest.fixture
def server(tmp_path: pathlib.Path) -> t.Iterator[RedisServer]:
    made = RedisServer(tmp_path / "redis")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, server: RedisServer) -> FlagWorld:
    made = world_over(server, monkeypatch, tmp_path)
    made.good("set", definitions={"margin_trading": switch("on"), "high_frequency_orders": switch("on")})
    return made


@pytest.fixture
def bridge(tmp_path: pathlib.Path, server: RedisServer) -> t.Iterator[Bridge]:
    made = Bridge(tmp_path, server)
    yield made
    made.stop()


@contextlib.asynccontextmanager
async def exchange(folder: pathlib.Path, **env: str) -> t.AsyncIterator[Program]:
    """One engine, reference data and a gateway with these variables, which is what is given."""
    engine = Program(folder, "engine", "matching-engine")
    reference = Program(folder, "reference", "reference-data")
    gateway = Program(folder, "gateway", "core-api", ENGINE_URL=engine.url, REFERENCE_DATA_URL=reference.url, **env)
    programs = [engine, reference, gateway]
    try:
        for program in programs:
            program.start()
        await asyncio.gather(*(program.ready() for program in programs))
        yield gateway
    finally:
        for program in programs:
            program.kill()


async def place(gateway: Program, account: str = "a007", **marks: bool) -> tuple[int, str]:
    """Status and code of a new order with these marks."""
    order = {"client_order_id": f"o-{next(_NUMBERS)}", "pair": "BTC-USD", "side": "buy", "price": 1000, "quantity": 5}
    answer = await gateway.client.request(
        "POST", "/orders", json.dumps({**order, "account": account, **marks}).encode()
    )
    return answer.status, answer.json().get("code", "")


async def answered(gateway: Program, wanted: tuple[int, str], **marks: bool) -> None:
    """Soon, to order after order."""
    found: list[tuple[int, str]] = []

    async def asks() -> None:
        while not found or found[-1] != wanted:
            found.append(await place(gateway, **marks))
            await asyncio.sleep(0.01)

    asking = asyncio.ensure_future(asks())
    try:
        await until(asking.done, f"{wanted} after {marks}")
    finally:
        asking.cancel()


OFF: t.Final = (403, "margin_trading_off")
TAKEN: t.Final = (200, "")


async def test_a_kill_refuses_orders_and_a_restore_takes_them(
    tmp_path: pathlib.Path, world: FlagWorld, bridge: Bridge
) -> None:
    bridge.start()
    bridge.said("serving revision 1")
    async with exchange(tmp_path, FLAGS_SYNC=bridge.address) as gateway:
        # The first order already: a gateway is not there before its flags are.
        assert await place(gateway, margin=True) == TAKEN
        await asyncio.to_thread(world.good, "kill", flags=["margin_trading"])
        await answered(gateway, OFF, margin=True)
        assert await place(gateway) == TAKEN
        assert await place(gateway, high_frequency=True) == TAKEN
        await asyncio.to_thread(world.good, "kill", flags=["high_frequency_orders"])
        await answered(gateway, (403, "high_frequency_orders_off"), high_frequency=True)
        await asyncio.to_thread(world.good, "restore", flags=["margin_trading", "high_frequency_orders"])
        await answered(gateway, TAKEN, margin=True, high_frequency=True)
        # The last flags hold without anybody who brings new ones.
        await asyncio.to_thread(world.good, "kill", flags=["margin_trading"])
        await answered(gateway, OFF, margin=True)
        bridge.stop()
        assert await place(gateway, margin=True) == OFF
        await asyncio.to_thread(world.good, "restore", flags=["margin_trading"])
        bridge.start()
        await answered(gateway, TAKEN, margin=True)


async def test_a_percentage_is_one_of_accounts(tmp_path: pathlib.Path, world: FlagWorld, bridge: Bridge) -> None:
    world.good("rollout", flags=["margin_trading"], percent=50, reshuffle=True)
    bridge.start()
    bridge.said("serving revision 2")
    async with exchange(tmp_path, FLAGS_SYNC=bridge.address) as gateway:
        accounts = [f"a{number:03}" for number in range(40)]
        first = [await place(gateway, account, margin=True) for account in accounts]
        assert set(first) == {TAKEN, OFF}
        assert [await place(gateway, account, margin=True) for account in accounts] == first


async def test_a_dead_bridge_is_no_reason_not_to_start(
    tmp_path: pathlib.Path, world: FlagWorld, bridge: Bridge
) -> None:
    """The defaults of the code hold until the flags come."""
    async with exchange(tmp_path, FLAGS_SYNC=bridge.address) as gateway:
        assert await place(gateway, margin=True) == OFF
        assert await place(gateway, high_frequency=True) == TAKEN
        bridge.start()
        await answered(gateway, TAKEN, margin=True)


async def test_flags_out_of_a_file(tmp_path: pathlib.Path, world: FlagWorld) -> None:
    """As a ConfigMap's folder has it: the file is a link into a folder that is replaced."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    (folder / "flags.flagd.json").symlink_to("..data/flags.flagd.json")

    def bring(version: str) -> None:
        (folder / version).mkdir()
        (folder / version / "flags.flagd.json").write_text(world.path.read_text())
        (folder / "..new").symlink_to(version)
        (folder / "..new").rename(folder / "..data")

    async with exchange(tmp_path, FLAGS_FILE=str(folder / "flags.flagd.json")) as gateway:
        assert await place(gateway, margin=True) == OFF
        bring("..1")
        await answered(gateway, TAKEN, margin=True)
        await asyncio.to_thread(world.good, "kill", flags=["margin_trading"])
        bring("..2")
        await answered(gateway, OFF, margin=True)
        assert (tmp_path / "gateway" / "log.txt").read_text().count("Traceback") == 0
