# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to what is no Kubernetes API: one whole answer in its time, or why there is none."""

from __future__ import annotations

import contextlib
import ssl
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError

# kubernetes.client brings it. Missing libraries are told by the connection to the cluster, with a better sentence.
try:
    import urllib3

    HAVE_URLLIB3 = True
except ImportError:
    HAVE_URLLIB3 = False

#: An hour of raw samples of some dozen series, or the lines of one bucket of a book of millions of orders.
_LARGEST_ANSWER: t.Final = 64_000_000
_CONNECT_S: t.Final = 3.0


class NoAnswer(Exception):
    """There was no whole answer. `hopeless` says that another try would end in the same way."""

    def __init__(self, problem: str, *, timeout: bool = False, hopeless: bool = False) -> None:
        super().__init__(problem)
        self.timeout = timeout
        self.hopeless = hopeless


class Reply(t.NamedTuple):
    """A whole answer."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Streamed(t.NamedTuple):
    """The head of an answer, and its body as it comes."""

    status: int
    headers: Mapping[str, str]
    parts: Iterator[bytes]


class HttpSession:
    """Keeps up to `connections` to each server. No retries, because whoever asks knows better when to ask again, and no
    redirects, because a token goes to one place. Raises ReleaseError without the library."""

    def __init__(
        self, clock: Clock, *, ca_cert: str | None = None, tls: ssl.SSLContext | None = None, connections: int = 1
    ) -> None:
        if not HAVE_URLLIB3:
            raise ReleaseError("the Python library urllib3 is missing", kind="library", system="controller")
        self._clock = clock
        self._pool = urllib3.PoolManager(retries=False, ca_certs=ca_cert, ssl_context=tls, maxsize=connections)

    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[int, bytes]:
        """Status and body. Raises NoAnswer."""
        return self.exchange(method, url, body, headers, timeout_s)[:2]

    def exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """As `send`, for those who need the headers of the answer."""
        found = bytearray()
        with self.stream(method, url, body, headers, timeout_s) as answer:
            for part in answer.parts:
                found += part
                if len(found) > _LARGEST_ANSWER:
                    raise NoAnswer("the answer is too large", hopeless=True)
        return Reply(answer.status, bytes(found), answer.headers)

    @contextlib.contextmanager
    def stream(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Iterator[Streamed]:
        """An answer whose body is read part by part and may be of any size; all of it has to come in its time. What is
        not read is given up. Raises NoAnswer, here and while the parts are read."""
        end = self._clock.monotonic() + timeout_s
        with _failing(timeout_s):
            answer = self._pool.request(
                method,
                url,
                body=body,
                headers=dict(headers),
                timeout=urllib3.Timeout(total=timeout_s, connect=min(_CONNECT_S, timeout_s)),
                redirect=False,
                preload_content=False,
            )
        try:
            yield Streamed(int(answer.status), dict(answer.headers), self._parts(answer, end, timeout_s))
        finally:
            # Nothing happens to the connection of an answer that was read to its end: it is kept already.
            answer.close()

    def _parts(self, answer: t.Any, end: float, timeout_s: float) -> Iterator[bytes]:
        with _failing(timeout_s):
            # read1 comes back with what is there. The others wait for a full part, and a server that sends a byte now
            # and then never reaches the time-out of one read (seen: 4 s at a limit of 0.5 s).
            while part := answer.read1(65536):
                yield part
                if self._clock.monotonic() > end:
                    raise NoAnswer(f"no whole answer within {timeout_s:g} s", timeout=True)
        answer.release_conn()


@contextlib.contextmanager
def _failing(timeout_s: float) -> Iterator[None]:
    """What the library raises, as why there is no answer."""
    try:
        yield
    except urllib3.exceptions.SSLError as error:
        raise NoAnswer(_plain(error), hopeless=True) from error
    except urllib3.exceptions.NewConnectionError as error:
        # In some versions a kind of time-out, which it is not: nobody listens, or there is no such host.
        raise NoAnswer(_plain(error)) from error
    except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.ReadTimeoutError) as error:
        raise NoAnswer(f"no answer within {timeout_s:g} s", timeout=True) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise NoAnswer(_plain(error)) from error


def _plain(error: Exception) -> str:
    """The last part: urllib3 puts objects and addresses in front."""
    return str(error).rsplit(": ", maxsplit=1)[-1] or type(error).__name__
