# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may write: the epoch record, and what an engine does when the two swaps that are possible meet."""

from __future__ import annotations

import asyncio
import http.client
import json
import pathlib
import typing as t

import pytest
from engines import Node, a_region, same, until
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exchange.epoch_record import ConfigMapRecord, EpochRecord, FileRecord, Found, Record, RecordAway, take
from lab.exchange.leadership import decide
from lab.exchange.modes import Epoch


class ApiServer:
    """ConfigMaps by name, with the conflicts of the real one. `lose` answers are made and not given."""

    def __init__(self) -> None:
        self.maps: dict[str, t.Any] = {}
        self.version = 0
        self.lose = 0

    def send(self, method: str, path: str, body: t.Any) -> tuple[int, t.Any]:
        answer = self._answer(method, path.rpartition("/")[2], body)
        if method != "GET" and self.lose:
            self.lose -= 1
            raise http.client.RemoteDisconnected("gone")
        return answer

    def _answer(self, method: str, name: str, body: t.Any) -> tuple[int, t.Any]:
        if method == "GET":
            return (200, self.maps[name]) if name in self.maps else (404, {})
        name = body["metadata"]["name"]
        held = self.maps.get(name)
        if method == "POST":
            if held is not None:
                return 409, {}
        elif held is None:
            return 404, {}
        elif held["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            return 409, {}
        self.version += 1
        self.maps[name] = {**body, "metadata": {"name": name, "resourceVersion": str(self.version)}}
        return 200, self.maps[name]


@pytest.fixture(params=["file", "configmap"])
def store(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> EpochRecord:
    if request.param == "file":
        return FileRecord(tmp_path / "epoch.json")
    return ConfigMapRecord("exchange", "epoch", ApiServer().send)


def test_a_swap_needs_the_version_that_is_there(store: EpochRecord) -> None:
    assert store.read() is None
    assert store.create(Record(1, "old"))
    assert not store.create(Record(1, "new"))
    first = store.read()
    assert first is not None and first.record == Record(1, "old", 0)
    # The same epoch and owner, and not the same record any more.
    assert store.swap(first, Record(1, "old", 9))
    assert not store.swap(first, Record(2, "new", 9))
    second = store.read()
    assert second is not None and second.record == Record(1, "old", 9)
    assert store.swap(second, Record(2, "new", 20))


def test_exactly_one_of_the_two_takes_it(store: EpochRecord) -> None:
    store.create(Record(3, "old", 5))
    back, on = Record(3, "old", 101), Record(4, "new", 101)
    assert take(store, on) is None
    # A repetition whose first answer was lost.
    assert take(store, on) is None
    assert take(store, back) == on


def test_a_follower_that_has_not_seen_the_return_does_not_open(store: EpochRecord) -> None:
    store.create(Record(3, "old", 5))
    assert take(store, Record(3, "old", 101)) is None
    assert take(store, Record(4, "new", 101)) == Record(3, "old", 101)
    # With the return and the next cut in its journal it does.
    assert take(store, Record(4, "new", 140)) is None


def test_no_record_is_not_made_anew(store: EpochRecord) -> None:
    with pytest.raises(LookupError):
        take(store, Record(4, "new", 101))
    assert store.read() is None


def test_somebody_swaps_between_read_and_swap(store: EpochRecord) -> None:
    store.create(Record(3, "old", 5))

    class Slow:
        """The old engine returns right after the new one has read the record."""

        def __init__(self) -> None:
            self.reads = 0

        def read(self) -> Found | None:
            found = store.read()
            self.reads += 1
            if self.reads == 1:
                assert take(store, Record(3, "old", 101)) is None
            return found

        create, swap = store.create, store.swap

    slow = Slow()
    assert take(slow, Record(4, "new", 101)) == Record(3, "old", 101)
    assert slow.reads == 2


def test_a_lost_answer_is_no_answer() -> None:
    api = ApiServer()
    store = ConfigMapRecord("exchange", "epoch", api.send)
    store.create(Record(1, "old"))
    api.lose = 1
    with pytest.raises(RecordAway, match="gone"):
        take(store, Record(2, "new", 9))
    assert take(store, Record(2, "new", 9)) is None


def test_a_server_error_is_not_no_record() -> None:
    store = ConfigMapRecord("exchange", "epoch", lambda *_: (500, {}))
    with pytest.raises(RecordAway, match="500"):
        store.read()


records = st.none() | st.builds(Record, st.integers(1, 3), st.sampled_from(["a", "b"]), st.integers(0, 12))
epochs = st.builds(Epoch, st.integers(1, 3), st.booleans())


@settings(deadline=None)
@given(records, epochs, st.integers(0, 12), st.booleans())
def test_nobody_leads_without_the_record(record: Record | None, epoch: Epoch, sequence: int, follows: bool) -> None:
    found = {name: decide(record, name, epoch, sequence, follows) for name in ("a", "b")}
    # With the same journal at most one of them may write.
    assert sum(role in ("leader", "open") for role in found.values()) <= 1
    for name, role in found.items():
        if role in ("leader", "open"):
            assert record is not None and record.owner == name
            assert epoch.closed == (role == "open")


async def test_cut_refuses_everything_also_after_a_restart(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _):
        cut = await old.cut()
        assert (cut["epoch"], cut["sequence"]) == (1, old.sequence)
        assert cut["until"] - cut["at_ms"] == 30_000
        for snapshot in (True, False):
            refused = await old.place(100)
            assert (refused.status, refused.json()["code"]) == (423, "epoch_closed")
            assert (await old.ask("DELETE", "/orders/id-1")).status == 423
            assert (await old.tell("mode", mode="halted", reason="", pause_timers=False)).status == 423
            assert (await old.tell("cut", deadline_s=1)).status == 409
            await old.stop(snapshot)
            await old.start()
            assert old.role == "closed"
        # What a proof needs is still told.
        for path in ("proof", "settlements", "status", "items?kind=trades"):
            await old.get(f"/control/{path}")


async def test_the_deadline_brings_the_old_engine_back(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        cut = await old.cut(0.2)
        await until(lambda: old.role == "leader")
        assert (await old.place(100)).status == 200
        assert old.engine.venue.epoch.number == 1
        # The new engine comes too late, whether it knows that already or not.
        late = await new.open(2, cut)
        assert (late.status, new.role) == (409, "follower")
        await same(old, new)
        assert (await old.proof()) == {**await new.proof(), "extra": []}
        again = await old.cut()
        await same(old, new)
        assert (await new.open(2, again)).status == 200


async def test_a_deadline_that_passes_while_it_is_away(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _):
        await old.cut(0.1)
        await old.stop(snapshot=False)
        await asyncio.sleep(0.15)
        await old.start()
        await until(lambda: old.role == "leader")


async def test_the_return_on_request(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _):
        cut = await old.cut()
        assert (await old.open(1, {**cut, "sequence": cut["sequence"] - 1})).status == 409
        assert (await old.open(2, cut)).status == 409
        back = (await old.open(1, cut)).json()
        assert (back["epoch"], back["sequence"], old.role) == (1, cut["sequence"] + 1, "leader")
        assert back["at_ms"] >= cut["at_ms"]


async def test_the_new_engine_wins_and_the_old_one_stays_closed(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        cut = await old.cut(0.4)
        await same(old, new)
        opened = (await new.open(2, cut)).json()
        assert (opened["epoch"], opened["sequence"], new.role) == (2, cut["sequence"] + 1, "leader")
        await asyncio.sleep(0.6)
        assert old.role == "closed"
        refused = await old.open(1, cut)
        assert (refused.status, "belongs to new" in refused.json()["reason"]) == (409, True)
        # Also when it starts again, and then the deadline is long over.
        await old.stop()
        await old.start()
        await asyncio.sleep(0.2)
        assert (old.role, (await old.place(100)).status) == ("closed", 423)
        assert (await new.place(100)).status == 200


async def test_both_at_once(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        for _ in range(10):
            leader, other = (old, new) if old.role == "leader" else (new, old)
            cut = await leader.cut()
            await same(old, new)
            n = cut["epoch"]
            answers = await asyncio.gather(leader.open(n, cut), other.open(n + 1, cut))
            assert sorted(answer.status for answer in answers) == [200, 409]
            assert sorted([old.role, new.role]) in (["closed", "leader"], ["follower", "leader"])
            if other.role == "leader":
                await leader.told("follow", url=other.url)
            await same(old, new)
        await until(lambda: old.lines() == new.lines())


async def test_a_kill_between_the_record_and_the_event(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        cut = await old.cut(60)
        await same(old, new)
        await new.stop(snapshot=False)
        assert take(FileRecord(tmp_path / "epoch.json"), Record(2, "new", cut["sequence"] + 1)) is None
        await new.start()
        assert (new.role, new.engine.venue.epoch.number, new.sequence) == ("leader", 2, cut["sequence"] + 1)


async def test_without_the_record_nobody_leads(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        cut = await old.cut(0.3)
        await same(old, new)
        (tmp_path / "epoch.json").unlink()
        assert (await new.open(2, cut)).status == 409
        assert (await old.open(1, cut)).status == 409
        await asyncio.sleep(0.5)
        assert (old.role, new.role) == ("closed", "follower")


async def test_a_record_that_is_away_at_the_start(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path, "old")
    record = tmp_path / "epoch.json"
    record.write_text("{")
    await node.start()
    assert (node.role, (await node.place(1)).status) == ("starting", 423)
    record.write_text(json.dumps({"epoch": 1, "owner": "old", "sequence": 0, "version": 1}))
    await until(lambda: node.role == "leader")
    await node.stop()


async def test_a_record_that_is_away_in_between(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new):
        cut = await old.cut()
        await same(old, new)
        record = tmp_path / "epoch.json"
        held = record.read_text()
        record.write_text("{")
        command = {"command_id": "open-1", "epoch": 2, "after": {"epoch": 1, "sequence": cut["sequence"]}}
        assert (await new.ask("POST", "/control/open", **command)).status == 503
        record.write_text(held)
        # The same command again is tried again: its first answer was that nobody knows.
        assert (await new.ask("POST", "/control/open", **command)).status == 200
