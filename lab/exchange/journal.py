# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's journal: one JSON object with a CRC per line, on disk before anybody is answered."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pathlib
import re
import typing as t
import zlib

from .venue import Event

_CRC_LENGTH: t.Final = len(',"crc":"00000000"}')
_SEQUENCE: t.Final = re.compile(rb'\{"seq":(\d+),')


class BadLine(ValueError):
    """A line that is not whole."""


class JournalError(Exception):
    """The journal cannot be used; the text says where it is broken."""


def encode(event: Event) -> bytes:
    """One line, with its end. `seq` must be the first key: the reader looks for it without parsing."""
    text = json.dumps(event, separators=(",", ":")).encode()[:-1]
    return b'%b,"crc":"%08x"}\n' % (text, zlib.crc32(text))


def decode(line: bytes) -> Event:
    """The event of one whole line with its end; raises BadLine."""
    text, tail = line[: -_CRC_LENGTH - 1], line[-_CRC_LENGTH - 1 :]
    if tail != b',"crc":"%08x"}\n' % zlib.crc32(text):
        raise BadLine("the checksum does not fit")
    try:
        event: Event = json.loads(text + b"}")
    except ValueError as error:
        raise BadLine(str(error)) from error
    return event


def recover(path: pathlib.Path, offset: int = 0) -> t.Iterator[Event]:
    """Events from `offset` on. A torn last line (a kill in the middle of a write, never acknowledged) is cut off.

    Raises JournalError on a broken line with more lines behind it: that is no torn write, and nobody should trade on
    it.
    """
    with path.open("r+b") as file:
        file.seek(offset)
        for line in file:
            try:
                event = decode(line)
            except BadLine as error:
                if file.read(1):
                    raise JournalError(f"{path}: the line at byte {offset} is broken: {error}") from error
                file.truncate(offset)
                os.fsync(file.fileno())
                return
            yield event
            offset += len(line)


class Journal:
    """Appends with group commit: all that one turn of the event loop accepted shares one write and one fsync.

    The fsync blocks the event loop, on purpose: requests that come meanwhile wait in their sockets and are the next
    group. A thread for it costs 0.3 ms of CPU per order (measured) and wins nothing: no answer may overtake the disk.
    """

    def __init__(self, path: pathlib.Path, sync: t.Callable[[int], None] = os.fdatasync) -> None:
        # The size of the file is flushed by fdatasync as well; only its times are not.
        self._sync = sync
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise JournalError(f"{path}: another engine has it open") from None
        directory = os.open(path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.durable_size = os.fstat(self._fd).st_size
        #: Number of the last event on disk; whoever replays the journal sets it.
        self.durable_sequence = 0
        self._lines: list[bytes] = []
        self._group: asyncio.Future[None] | None = None
        self._readers: set[asyncio.Future[None]] = set()
        #: Gets the error when the disk refuses; from then on nothing is settled any more.
        self.failed: asyncio.Future[OSError] = asyncio.get_running_loop().create_future()

    def append(self, line: bytes) -> None:
        """Queue a line; `settled` says when it is on disk."""
        self._lines.append(line)
        if self._group is None:
            loop = asyncio.get_running_loop()
            self._group = loop.create_future()
            # Two turns later: requests whose bytes are already here get into this group.
            loop.call_soon(loop.call_soon, self._commit)

    async def settled(self) -> None:
        """Return when every line appended until now is on disk."""
        if self._group is not None:
            # Many wait for one future; one of them that is cancelled must not cancel it for the others.
            await asyncio.shield(self._group)

    def flush(self) -> None:
        """Write what is queued now, without waiting for the turn of its group."""
        self._commit()

    def _commit(self) -> None:
        if self.failed.done() or self._group is None:
            return
        data = b"".join(self._lines)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
            self._sync(self._fd)
        except OSError as error:
            # The books are ahead of the disk now: nothing may be answered any more. The engine ends, and its next
            # start replays what is on disk. Whoever waits stays unanswered on purpose.
            self.failed.set_result(error)
            return
        self.durable_size += len(data)
        match = _SEQUENCE.match(self._lines[-1])
        self.durable_sequence = int(match[1]) if match is not None else self.durable_sequence
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)
        self._readers.clear()
        group, self._group, self._lines = self._group, None, []
        group.set_result(None)

    async def grown(self, after: int, timeout_s: float) -> None:
        """Return when an event above `after` is on disk, or when the time is over."""
        if self.durable_sequence > after or timeout_s <= 0:
            return
        reader = asyncio.get_running_loop().create_future()
        self._readers.add(reader)
        await asyncio.wait([reader], timeout=timeout_s)
        self._readers.discard(reader)

    def read(self, after: int, limit: int) -> bytes:
        """At most `limit` whole lines with sequence numbers above `after`, of what is on disk."""
        offset = self._find(after)
        lines: list[bytes] = []
        data = b""
        while offset < self.durable_size and len(lines) < limit:
            chunk = os.pread(self._fd, min(1 << 20, self.durable_size - offset), offset)
            offset += len(chunk)
            *whole, data = (data + chunk).split(b"\n")
            lines += whole
        lines = lines[:limit]
        return b"\n".join(lines) + b"\n" if lines else b""

    def _find(self, after: int) -> int:
        """Byte where the first line above `after` starts: a binary search, because the numbers only grow."""
        low, high = 0, self.durable_size
        while low < high:
            middle = (low + high) // 2
            start = middle if middle == 0 else self._next_line(middle - 1)
            if start >= high or self._sequence_at(start) > after:
                high = middle
            else:
                low = start + 1
        return low if low == 0 else self._next_line(low - 1)

    def _next_line(self, offset: int) -> int:
        """Start of the first line that begins after the byte at `offset`."""
        while offset < self.durable_size:
            chunk = os.pread(self._fd, min(4096, self.durable_size - offset), offset)
            end = chunk.find(b"\n")
            if end >= 0:
                return offset + end + 1
            offset += len(chunk)
        return self.durable_size

    def _sequence_at(self, offset: int) -> int:
        match = _SEQUENCE.match(os.pread(self._fd, 64, offset))
        if match is None:
            raise JournalError(f"the line at byte {offset} has no sequence number")
        return int(match[1])

    def close(self) -> None:
        """Write what is still queued and end."""
        self._commit()
        os.close(self._fd)
