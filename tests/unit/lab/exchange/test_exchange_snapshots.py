# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots as files, aside from trade, and proved in another engine."""

from __future__ import annotations

import asyncio
import json
import pathlib

import pytest
from engines import Node, a_region, order
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_commands import PAIRS, Command, a_venue, commands, run

from lab.exchange import snapshots
from lab.exchange.orders import parse_order
from lab.exchange.projection import proof
from lab.exchange.state import SnapshotError


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("snapshots") / "snapshot.jsonl"


@settings(max_examples=40, deadline=None)
@given(commands)
def test_written_and_loaded(path: pathlib.Path, given_commands: list[Command]) -> None:
    venue = a_venue()
    for command in given_commands:
        run(venue, command)
    manifest = snapshots.write(path, venue, 77)
    assert (manifest["sequence"], manifest["journal_offset"]) == (venue.sequence, 77)
    assert manifest["state_hash"] == manifest["proof"]["state_hash"]
    assert snapshots.check(path) == manifest
    assert proof(snapshots.load(path, PAIRS)) == proof(venue) == manifest["proof"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255), st.booleans())
def test_any_changed_or_missing_byte_is_seen(path: pathlib.Path, position: int, flip: int, cut: bool) -> None:
    snapshots.write(path, a_venue(), 0)
    data = bytearray(path.read_bytes())
    position %= len(data) - 1
    if cut:
        del data[position:]
    else:
        data[position] ^= flip
    path.write_bytes(data)
    with pytest.raises(SnapshotError):
        snapshots.check(path)


async def test_a_fork_does_the_same(path: pathlib.Path) -> None:
    venue = a_venue()
    here = snapshots.write(path, venue, 5)
    there = await snapshots.aside(lambda: snapshots.write(path, venue, 5), orders=10**6)
    assert there == here == snapshots.check(path)

    def fail() -> None:
        raise SnapshotError("that one")

    with pytest.raises(SnapshotError, match="that one"):
        await snapshots.aside(fail, size=10**9)
    with pytest.raises(SnapshotError, match="ended early"):
        await snapshots.aside(lambda: 1 / 0, size=10**9)


async def test_trade_goes_on_meanwhile(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(tmp_path, "old")
    await node.start()
    monkeypatch.setattr(snapshots, "_FEW_ORDERS", 0)
    await node.place(1)
    made = asyncio.ensure_future(node.told("snapshot"))
    taken = [(await node.place(number)).json()["sequence"] for number in range(2, 40)]
    manifest = (await made)["manifest"]
    assert 3 <= manifest["sequence"] < taken[-1]
    status = await node.get("/control/status")
    assert status["snapshot"] == {"sequence": manifest["sequence"], "sha256": manifest["sha256"]}
    # The journal goes on behind it.
    await node.stop(snapshot=False)
    await node.start()
    assert node.sequence == taken[-1]
    await node.stop()


async def test_proved_in_another_engine(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_region(tmp_path) as (old, new):
        monkeypatch.setattr(snapshots, "PART", 1000)
        for few in (10**9, 0):
            monkeypatch.setattr(snapshots, "_FEW_BYTES", few)
            manifest = (await old.told("snapshot"))["manifest"]
            given = {"sequence": manifest["sequence"], "snapshot": manifest["sha256"], "url": old.url}
            sequence = new.sequence
            found = (await new.told("verify", **given))["proof"]
            assert found == {**manifest["proof"], "extra": ["orders.smp_group"]}
            assert new.sequence >= sequence
        for wrong in ({"sequence": 1}, {"snapshot": "00"}, {"url": new.url}):
            assert (await new.tell("verify", **{**given, **wrong})).status == 422
        assert not (tmp_path / "new" / "fetched.jsonl").exists()


async def test_a_broken_one_is_as_good_as_none(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path, "old")
    await node.start()
    for number in range(1, 10):
        await node.place(number)
    before = await node.proof()
    await node.stop()
    snapshot = tmp_path / "old" / "snapshot.jsonl"
    assert json.loads(snapshot.read_bytes().splitlines()[0])["proof"] is None
    snapshot.write_bytes(snapshot.read_bytes()[:-5])
    await node.start()
    assert await node.proof() == before
    await node.stop()


def test_what_was_broken_is_still_whole(path: pathlib.Path) -> None:
    """Many orders: nothing is kept of the lines."""
    venue = a_venue()
    for number in range(1, 300):
        run(venue, parse_order(order(number, pair="AAA-USD", price=100 + number % 2)))
    manifest = snapshots.write(path, venue, 0)
    assert snapshots.proof_of(path, PAIRS, (1, 2)) == manifest["proof"]
