# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy on loopback that stands in front of a server and spoils its answers, one way or another."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import itertools
import socket
import struct
import time
import typing as t

from small_api import Site, refusal, send

Handler = http.server.BaseHTTPRequestHandler
#: Spoils one request; True when it has answered, else the request is still passed on.
Fault = t.Callable[[Handler, "FaultProxy"], bool]
Act = t.Callable[[], object]


class FaultProxy(Site):
    """Passes on what it gets, unless there is a fault now. `only` is a part of the path that the fault is for, and
    `method` the method; empty for all."""

    def __init__(self, port: int) -> None:
        self.fault: Fault | None = None
        self.only = self.method = ""
        self.spoiled = 0
        #: What watches say stays in here, and nobody is told: a connection that died in silence.
        self.frozen = False
        self._port = port
        super().__init__()

    def serve(self, handler: Handler) -> None:
        fault = self.fault
        if fault is not None and self.only in handler.path and self.method in ("", handler.command):
            self.spoiled += 1
            if fault(handler, self):
                return
        self.pass_on(handler)

    def pass_on(self, handler: t.Any, most: int | None = None) -> None:
        """Ask the server and hand over its answer as it comes, `most` bytes of its body; with 0 not even its head."""
        upstream = http.client.HTTPConnection("127.0.0.1", self._port)
        with contextlib.closing(upstream):
            try:
                upstream.request(handler.command, handler.path, handler.body or None, dict(handler.headers))
                answer = upstream.getresponse()
            except OSError:
                reset(handler, self)
                return
            if most == 0:
                answer.read()
                reset(handler, self)
                return
            handler.send_response(answer.status)
            whole = answer.getheader("Content-Length")
            name, value = ("Content-Length", whole) if whole else ("Transfer-Encoding", "chunked")
            handler.send_header(name, value)
            handler.end_headers()
            try:
                while part := answer.read1(65536):
                    while self.frozen and "watch=" in handler.path:
                        time.sleep(0.02)
                    sent = part if most is None else part[:most]
                    handler.wfile.write(sent if whole else b"%x\r\n%s\r\n" % (len(part), sent))
                    if most is not None:
                        most -= len(sent)
                        if most <= 0:
                            reset(handler, self)
                            return
                if not whole:
                    handler.wfile.write(b"0\r\n\r\n")
            except (OSError, http.client.HTTPException):
                # The server, or whoever asked, is gone in the middle: so is the other one.
                reset(handler, self)


def status(code: int, **headers: str) -> Fault:
    def fault(handler: Handler, _proxy: FaultProxy) -> bool:
        send(handler, code, refusal(code, f"spoiled with {code}"), **headers)
        return True

    return fault


def slow(seconds: float) -> Fault:
    def fault(_handler: Handler, _proxy: FaultProxy) -> bool:
        time.sleep(seconds)
        return False

    return fault


def reset(handler: Handler, _proxy: FaultProxy) -> bool:
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.request.close()
    return True


def half(most: int) -> Fault:
    def fault(handler: Handler, proxy: FaultProxy) -> bool:
        proxy.pass_on(handler, most)
        return True

    return fault


def no_json(handler: Handler, _proxy: FaultProxy) -> bool:
    send(handler, 200, b"<html>log in</html>\n")
    return True


def nothing() -> None: ...


def times(
    count: float,
    fault: Fault,
    *,
    before: int = 0,
    begin: Act = nothing,
    midway: Act = nothing,
    end: Act = nothing,
) -> Fault:
    """The fault for that many requests after the first ones, and then none.

    What else is to happen happens when such a request comes and not by a clock: a machine that is busy with other
    things has another idea of time.
    """
    numbers = itertools.count(-before)
    acts = {0: begin, count // 2: midway, count: end} if count > 1 else {0: begin, count: end}

    def some(handler: Handler, proxy: FaultProxy) -> bool:
        number = next(numbers)
        acts.get(number, nothing)()
        if 0 <= number < count:
            return fault(handler, proxy)
        proxy.spoiled -= 1
        return False

    return some


def no_fault(_handler: Handler, _proxy: FaultProxy) -> bool:
    """What is spoiled is the server behind."""
    return False
