# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import pathlib
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exchange.journal import (
    BadLine,
    Journal,
    JournalError,
    decode,
    encode,
    recover,
)
from lab.exchange.venue import Event


def event(number: int) -> Event:
    return {"seq": number, "kind": "order", "client_order_id": f"id-{number}", "note": "x" * (number % 7)}


def write(path: pathlib.Path, count: int) -> list[Event]:
    events = [event(number) for number in range(1, count + 1)]
    path.write_bytes(b"".join(map(encode, events)))
    return events


@settings(max_examples=40)
@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.integers()), min_size=1))
def test_a_line_comes_back(fields: Event) -> None:
    assert decode(encode({"seq": 1, **fields})) == {"seq": 1, **fields}


@settings(max_examples=60)
@given(st.integers(0, 200), st.integers(1, 255))
def test_any_changed_byte_is_seen(position: int, flip: int) -> None:
    line = bytearray(encode(event(1)))
    line[position % len(line)] ^= flip
    with pytest.raises(BadLine):
        decode(bytes(line))


@settings(max_examples=60)
@given(st.integers(1, 8), st.integers(0, 1000))
def test_torn_anywhere_the_whole_lines_stay(count: int, cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "journal")
        events = write(path, count)
        data = path.read_bytes()
        path.write_bytes(data[: cut % (len(data) + 1)])
        whole = path.read_bytes().count(b"\n")
        assert list(recover(path)) == events[:whole]
        # What was torn is gone, so that the next line starts on its own.
        assert path.read_bytes() == data[: sum(len(encode(one)) for one in events[:whole])]


def test_a_broken_line_with_more_behind_it_is_no_torn_write(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "journal"
    write(path, 3)
    data = bytearray(path.read_bytes())
    data[len(encode(event(1))) + 10] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalError, match=f"byte {len(encode(event(1)))} is broken"):
        list(recover(path))
    assert path.read_bytes() == data


async def test_one_fsync_for_all_that_wait(tmp_path: pathlib.Path) -> None:
    synced: list[int] = []
    journal = Journal(tmp_path / "journal", synced.append)

    async def accept(number: int) -> int:
        journal.append(encode(event(number)))
        await journal.settled()
        return len(synced)

    assert await asyncio.gather(*map(accept, range(1, 51))) == [1] * 50
    assert await accept(51) == 2
    assert [one["seq"] for one in recover(tmp_path / "journal")] == list(range(1, 52))
    journal.close()


async def test_nothing_is_settled_before_the_fsync(tmp_path: pathlib.Path) -> None:
    path, settled = tmp_path / "journal", False

    def sync(_fd: int) -> None:
        assert path.stat().st_size == len(encode(event(1)))
        assert not settled

    journal = Journal(path, sync)
    journal.append(encode(event(1)))
    await journal.settled()
    settled = True
    assert journal.durable_size == path.stat().st_size
    await journal.settled()
    journal.close()


async def test_a_disk_that_refuses_settles_nothing(tmp_path: pathlib.Path) -> None:
    def sync(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    journal = Journal(tmp_path / "journal", sync)
    journal.append(encode(event(1)))
    waiting = asyncio.ensure_future(journal.settled())
    assert (await journal.failed).errno == 28
    journal.append(encode(event(2)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert journal.durable_size == 0
    waiting.cancel()
    journal.close()


async def test_a_waiter_that_leaves_takes_nobody_along(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(encode(event(1)))
    leaving, staying = asyncio.ensure_future(journal.settled()), asyncio.ensure_future(journal.settled())
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    journal.close()


async def test_pages(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "journal"
    events = write(path, 40)
    journal = Journal(path)
    for after in range(42):
        for limit in (1, 7, 100):
            lines = journal.read(after, limit).splitlines(keepends=True)
            assert [decode(line) for line in lines] == events[after : after + limit]
    journal.close()


async def test_two_engines_on_one_volume(tmp_path: pathlib.Path) -> None:
    journal = Journal(tmp_path / "journal")
    with pytest.raises(JournalError, match="another engine"):
        Journal(tmp_path / "journal")
    journal.close()
    Journal(tmp_path / "journal").close()
