# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to a name server by UDP: many at once, each with a number of its own, all within one deadline."""

from __future__ import annotations

import secrets
import selectors
import socket
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import Answer

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rdatatype

    HAVE_DNSPYTHON = True
except ImportError:
    HAVE_DNSPYTHON = False

#: Questions without an answer at any moment: few enough for the receive buffer of a server that is busy.
_AT_ONCE: t.Final = 64
#: How long one question waits, and how often it is asked before it counts as silence.
_PATIENCE_S: t.Final = 1.0
_TRIES: t.Final = 3
_LARGEST: t.Final = 65_535
_SILENCE: t.Final = "no answer"


class Resolver:
    """One name server, the authority of a zone or a caching resolver. `address` is HOST:PORT or HOST; `option` is what
    a bad one is blamed on."""

    def __init__(self, address: str, clock: Clock, option: str) -> None:
        if not HAVE_DNSPYTHON:
            raise ReleaseError("the Python library dnspython is missing", kind="library", system="controller")
        self.address = address
        self._clock = clock
        self._host, self._port = _host_and_port(address, option)

    def ask(self, name: str, kind: str, number: int, end: float, *, recursive: bool = False) -> list[Answer]:
        """Ask the same question `number` times. One Answer for each, silence included; those that `end` (of the
        monotonic clock) cut off as well. Raises ReleaseError when the host cannot be found."""
        question = dns.message.make_query(name, kind, use_edns=0, payload=1232)
        if not recursive:
            question.flags &= ~dns.flags.RD
        wire = question.to_wire()[2:]
        found: list[Answer] = []
        with self._socket() as sender, selectors.DefaultSelector() as selector:
            selector.register(sender, selectors.EVENT_READ)
            #: Number of the question -> until when it waits, and how often it was asked.
            waiting: dict[int, tuple[float, int]] = {}
            left = number
            while waiting or left:
                now = self._clock.monotonic()
                if now >= end:
                    found += [Answer(problem="no answer in time")] * (len(waiting) + left)
                    break
                if len(found) >= _AT_ONCE and all(answer.problem == _SILENCE for answer in found):
                    # Nobody is there: the rest would wait as long in vain.
                    found += [Answer(problem=_SILENCE)] * (len(waiting) + left)
                    break
                for mark, tries in [(mark, tries) for mark, (until, tries) in waiting.items() if until <= now]:
                    del waiting[mark]
                    if tries >= _TRIES:
                        found.append(Answer(problem=_SILENCE))
                    else:
                        _send(sender, wire, waiting, now, tries + 1)
                while left and len(waiting) < _AT_ONCE:
                    _send(sender, wire, waiting, now, 1)
                    left -= 1
                nearest = min((until for until, _tries in waiting.values()), default=now)
                if selector.select(max(0.0, min(nearest, end) - now)):
                    _receive(sender, kind, waiting, found)
        return found

    def _socket(self) -> socket.socket:
        try:
            family, _type, _proto, _name, place = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
            sender = socket.socket(family, socket.SOCK_DGRAM)
        except OSError as error:
            raise ReleaseError(
                f"{self.address}: there is no such name server: {error}", kind="unreachable", system="dns"
            ) from error
        sender.setblocking(False)
        # Connected: an answer from anywhere else is never seen, and nobody listening is.
        sender.connect(place)
        return sender


def _send(sender: socket.socket, wire: bytes, waiting: dict[int, tuple[float, int]], now: float, tries: int) -> None:
    mark = secrets.randbelow(65_536)
    while mark in waiting:
        mark = secrets.randbelow(65_536)
    waiting[mark] = (now + _PATIENCE_S, tries)
    try:
        sender.send(mark.to_bytes(2, "big") + wire)
    except OSError:
        # Nobody listens, or the buffer is full: it is asked again when its patience is over.
        return


def _receive(sender: socket.socket, kind: str, waiting: dict[int, tuple[float, int]], found: list[Answer]) -> None:
    """Take everything that is there."""
    while True:
        try:
            data = sender.recv(_LARGEST)
        except OSError:
            return
        mark = int.from_bytes(data[:2], "big")
        if len(data) < 2 or waiting.pop(mark, None) is None:
            continue
        found.append(_answer(data, kind))


def _answer(data: bytes, kind: str) -> Answer:
    try:
        message = dns.message.from_wire(data)
    except (dns.exception.DNSException, ValueError) as error:
        return Answer(problem=f"an answer that is none ({type(error).__name__})")
    if message.rcode() != dns.rcode.NOERROR:
        return Answer(problem=dns.rcode.to_text(message.rcode()))
    wanted = dns.rdatatype.from_text(kind)
    found = [rrset for rrset in message.answer if rrset.rdtype == wanted]
    values = tuple(sorted(item.to_text() for rrset in found for item in rrset))
    return Answer(values, min((rrset.ttl for rrset in message.answer), default=0))


def _host_and_port(address: str, option: str) -> tuple[str, int]:
    """`HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`."""
    host, port = address, "53"
    if address.startswith("["):
        host, _bracket, rest = address[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif address.count(":") == 1:
        host, _colon, port = address.partition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise OptionError(option, f"{address} is not HOST:PORT")
    return host, int(port)
