# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health endpoints over HTTP and TCP: one question, one answer, every fault mapped once."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redact import redact
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_health import Answer

# kubernetes.client brings it.
try:
    import urllib3

    HAVE_URLLIB3 = True
except ImportError:
    HAVE_URLLIB3 = False

_LARGEST_BODY: t.Final = 1_000_000
_PART: t.Final = 65536
_LONGEST_PROBLEM: t.Final = 200


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where to ask. `url` for HTTP, else `host` and `port` for TCP. `tls` is for https only."""

    url: str = ""
    host: str = ""
    port: int = 0
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = dataclasses.field(default=None, repr=False, compare=False)
    timeout_s: float = 2.0


class NoAnswer(Exception):
    """There was no whole answer. The text is fit to be shown."""


class Transport(t.Protocol):
    """The one thing that tests replace."""

    def get(self, endpoint: Endpoint) -> tuple[int, bytes]:
        """Status and body. Raises NoAnswer."""

    def connect(self, endpoint: Endpoint) -> None:
        """Open a connection and close it. Raises NoAnswer."""


class HealthClient:
    """Asks endpoints. May be used by several threads at once."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    def ask(self, endpoint: Endpoint) -> Answer:
        """One answer, timed from before the name is looked up to the last byte. Raises for nothing a network does."""
        began = self._clock.monotonic()
        status: int | None = None
        body, problem = b"", ""
        try:
            if endpoint.url:
                status, body = self._transport.get(endpoint)
            else:
                self._transport.connect(endpoint)
        except NoAnswer as error:
            problem = str(error)
        return Answer(self._clock.monotonic() - began, status, body, problem)


class NetTransport:
    """A new connection for every question, as a new client has it: one that is kept stays with one pod behind a
    Service, and when the server has just closed it the check would fail for nothing. No retries and no redirects.
    """

    def __init__(self, clock: Clock) -> None:
        if not HAVE_URLLIB3:
            raise ReleaseError("the Python library urllib3 is missing", kind="library", system="controller")
        self._clock = clock

    def get(self, endpoint: Endpoint) -> tuple[int, bytes]:
        end = self._clock.monotonic() + endpoint.timeout_s
        headers = {"User-Agent": "pincex-zero-downtime", "Connection": "close", **endpoint.headers}
        try:
            with urllib3.PoolManager(1, retries=False, ssl_context=endpoint.tls) as pool:
                answer = pool.request(
                    "GET",
                    endpoint.url,
                    headers=headers,
                    timeout=urllib3.Timeout(total=endpoint.timeout_s),
                    redirect=False,
                    preload_content=False,
                )
                try:
                    return int(answer.status), self._body(answer, end, endpoint.timeout_s)
                finally:
                    answer.close()
        # ValueError: what http.client refuses to send.
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise NoAnswer(_why(error, endpoint.timeout_s)) from error

    def _body(self, answer: t.Any, end: float, timeout_s: float) -> bytes:
        body = b""
        # read1 comes back with what is there. The others wait for a full part, and a server that sends a byte now and
        # then never reaches the time-out of one read.
        while part := answer.read1(_PART, decode_content=False):
            body += part
            if self._clock.monotonic() > end:
                raise NoAnswer(f"no whole answer within {timeout_s:g} s")
            if len(body) > _LARGEST_BODY:
                raise NoAnswer("the body is larger than 1 MB")
        return body

    def connect(self, endpoint: Endpoint) -> None:
        try:
            socket.create_connection((endpoint.host, endpoint.port), endpoint.timeout_s).close()
        except (OSError, ValueError) as error:
            raise NoAnswer(_why(error, endpoint.timeout_s)) from error


def _why(error: Exception, timeout_s: float) -> str:
    """One clause without objects and addresses, and without what the other side may have put into it."""
    # In some versions NewConnectionError is a kind of time-out, which it is not: nobody listens, or no such host.
    if not isinstance(error, urllib3.exceptions.NewConnectionError) and isinstance(
        error, (urllib3.exceptions.TimeoutError, TimeoutError)
    ):
        return f"no answer within {timeout_s:g} s"
    inside = error.args[-1] if error.args else None
    inner = inside if isinstance(inside, Exception) else error.__cause__ or error
    if isinstance(inner, OSError) and inner.strerror and not isinstance(inner, ssl.SSLError):
        return inner.strerror
    text = str(inner).rsplit(": ", maxsplit=1)[-1] or type(inner).__name__
    return redact(text)[:_LONGEST_PROBLEM]
