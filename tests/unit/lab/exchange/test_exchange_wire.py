# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exchange.wire import Message, Reader, parse_chunks

bodies = st.binary(max_size=40)


def with_length(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nX-Version: v1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def with_chunks(body: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 7]), body[at : at + 7]) for at in range(0, len(body), 7))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from([with_length, with_chunks]), bodies), max_size=4), st.integers(1, 50))
def test_messages_come_out_whole_however_they_arrive(messages: list[tuple[object, bytes]], size: int) -> None:
    data = b"".join(write(body) for write, body in messages)  # type: ignore[operator]
    reader, found = Reader(), []
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
        while (message := reader.next()) is not None:
            found.append(message)
    assert [message.body for message in found] == [body for _, body in messages]
    assert all(message.first_line == "HTTP/1.1 200 OK" for message in found)


def test_body_to_the_end_of_the_connection() -> None:
    reader = Reader()
    reader.feed(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nsome")
    assert reader.next(body_to_end=True) is None
    reader.feed(b" more")
    assert reader.next(body_to_end=True) is None
    assert reader.rest() == Message("HTTP/1.1 200 OK", {"a": "b"}, b"some more")


def test_an_answer_cut_in_the_middle_is_no_answer() -> None:
    reader = Reader()
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome")
    assert reader.next(body_to_end=True) is None
    assert reader.rest() is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: 101\r\n\r\n",
        b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
        b"x" * 70000,
    ],
)
def test_unreadable(data: bytes) -> None:
    reader = Reader(largest_body=100)
    reader.feed(data)
    with pytest.raises(ValueError):
        reader.next()


def test_trailers() -> None:
    assert parse_chunks(b"2\r\nab\r\n0\r\nA: b\r\n\r\nrest") == (b"ab", 18)
