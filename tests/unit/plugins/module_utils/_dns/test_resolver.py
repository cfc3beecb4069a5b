# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real questions over loopback, to a name server that a test writes."""

from __future__ import annotations

import collections
import contextlib
import socket
import threading
import time
import typing as t

import dns.message
import dns.rcode
import dns.rrset
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import Answer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.resolver import Resolver

NAME = "api.pincex.test."
#: What a server makes of a question: an answer, or nothing.
Reply = t.Callable[[dns.message.QueryMessage, int], "bytes | None"]


@contextlib.contextmanager
def name_server(reply: Reply) -> t.Iterator[str]:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(0.05)
    over = threading.Event()

    def serve() -> None:
        number = 0
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                data, client = server.recvfrom(65535)
                answer = reply(t.cast("dns.message.QueryMessage", dns.message.from_wire(data)), number)
                number += 1
                if answer is not None:
                    server.sendto(answer, client)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        thread.join()
        server.close()


def answer(question: dns.message.QueryMessage, *addresses: str, ttl: int = 30) -> bytes:
    found = dns.message.make_response(question)
    found.answer = [dns.rrset.from_text(NAME, ttl, "IN", "A", *addresses)]
    return found.to_wire()


def ask(address: str, number: int = 1, *, seconds: float = 5.0, **more: t.Any) -> list[Answer]:
    clock = SystemClock()
    return Resolver(address, clock, "verify.resolvers").ask(NAME, "A", number, clock.monotonic() + seconds, **more)


def test_many_questions_at_once_each_have_their_answer() -> None:
    with name_server(lambda question, number: answer(question, f"198.18.{number % 2}.2")) as address:
        found = ask(address, 2000, seconds=60.0)
    assert collections.Counter(one.values for one in found) == {("198.18.0.2",): 1000, ("198.18.1.2",): 1000}
    assert {one.ttl for one in found} == {30}


def test_a_question_that_is_lost_is_asked_again() -> None:
    with name_server(lambda question, number: None if number == 0 else answer(question, "198.18.1.2")) as address:
        assert ask(address, 3) == [Answer(("198.18.1.2",), 30)] * 3


def test_silence_is_an_answer_within_the_deadline() -> None:
    with name_server(lambda question, number: None) as address:
        began = time.monotonic()
        assert ask(address, 200, seconds=0.3) == [Answer(problem="no answer in time")] * 200
        assert time.monotonic() - began < 1.0


def test_nobody_listens() -> None:
    with name_server(lambda question, number: None) as address:
        pass
    assert ask(address, 2, seconds=0.3) == [Answer(problem="no answer in time")] * 2


def test_codes_and_garbage() -> None:
    def refuse(question: dns.message.QueryMessage, number: int) -> bytes:
        found = dns.message.make_response(question)
        found.set_rcode(dns.rcode.SERVFAIL)
        return found.to_wire() if number == 0 else found.to_wire()[:2] + b"\xff" * 4

    with name_server(refuse) as address:
        found = ask(address, 2)
    assert sorted(one.problem for one in found) == ["SERVFAIL", "an answer that is none (ShortHeader)"]


def test_recursion_is_asked_of_resolvers_alone() -> None:
    seen: list[int] = []

    def note(question: dns.message.QueryMessage, number: int) -> bytes:
        seen.append(question.flags & 0x0100)
        return answer(question, "198.18.1.2")

    with name_server(note) as address:
        ask(address)
        ask(address, recursive=True)
    assert seen == [0, 0x0100]


@pytest.mark.parametrize("address", ["", ":53", "host:", "host:x", "host:0", "host:65536", "[::1]:x"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(OptionError, match=r"verify\.resolvers: .* is not HOST:PORT"):
        Resolver(address, SystemClock(), "verify.resolvers")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:53", "::1", "[::1]", "[::1]:5353", "ns1.example.com"])
def test_what_is_an_address(address: str) -> None:
    assert Resolver(address, SystemClock(), "verify.resolvers").address == address
