# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of HTTP/1.1 that server and client share. No I/O."""

from __future__ import annotations

import dataclasses

_LARGEST_HEAD = 64 * 1024
_LARGEST_BODY = 64 * 1024 * 1024


@dataclasses.dataclass(slots=True)
class Message:
    """One whole request or answer: its first line, its headers with names in lower case, its body."""

    first_line: str
    headers: dict[str, str]
    body: bytes


def parse_head(head: bytes) -> tuple[str, dict[str, str]]:
    """First line and headers of the part before the empty line; raises ValueError."""
    lines = head.decode("latin-1").split("\r\n")
    if "HTTP/1." not in lines[0]:
        raise ValueError(f"not HTTP/1: {lines[0][:40]!r}")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"not a header: {line[:40]!r}")
        headers[name.lower()] = value.strip()
    return lines[0], headers


def parse_chunks(data: bytes) -> tuple[bytes, int] | None:
    """(body, bytes used) of a chunked body, or nothing while it is not whole; raises ValueError."""
    parts: list[bytes] = []
    at = 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(data[at:end].split(b";")[0], 16)
        if size < 0:
            raise ValueError("a chunk of negative size")
        if size == 0:
            # Trailers, if any, end with an empty line.
            last = data.find(b"\r\n\r\n", end)
            return None if last < 0 else (b"".join(parts), last + 4)
        if len(data) < end + 2 + size + 2:
            return None
        parts.append(data[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


class Reader:
    """Puts messages together from the pieces that arrive."""

    def __init__(self, largest_body: int = _LARGEST_BODY) -> None:
        self._largest_body = largest_body
        self._data = b""
        self._head: tuple[str, dict[str, str]] | None = None

    def feed(self, data: bytes) -> None:
        self._data = self._data + data if self._data else data

    def next(self, body_to_end: bool = False) -> Message | None:
        """The next whole message, or nothing while it is not whole; raises ValueError.

        With `body_to_end` a body without a length ends with the connection (see `rest`), else it is empty.
        """
        if self._head is None:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                if len(self._data) > _LARGEST_HEAD:
                    raise ValueError("the headers are too long")
                return None
            self._head, self._data = parse_head(head), rest
        first_line, headers = self._head
        length = headers.get("content-length")
        used = 0
        if length is not None:
            used = int(length)
            if not 0 <= used <= self._largest_body:
                raise ValueError("the body is too long")
            if len(self._data) < used:
                return None
            body = self._data[:used]
        elif "transfer-encoding" in headers:
            chunks = parse_chunks(self._data)
            if chunks is None:
                if len(self._data) > self._largest_body:
                    raise ValueError("the body is too long")
                return None
            body, used = chunks
        elif body_to_end:
            return None
        else:
            body = b""
        self._head, self._data = None, self._data[used:]
        return Message(first_line, headers, body)

    def rest(self) -> Message | None:
        """The message that the end of the connection completes, if it does."""
        if self._head is None or {"content-length", "transfer-encoding"} & self._head[1].keys():
            return None
        (first_line, headers), self._head = self._head, None
        return Message(first_line, headers, self._data)
