# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metric provider. Another provider is another class with the same two methods, and nothing else."""

from __future__ import annotations

import json
import math
import pathlib
import typing as t
import urllib.parse
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_metric import Reading

# kubernetes.client brings it. Missing libraries are told by the connection to the cluster, with a better sentence.
try:
    import urllib3

    HAVE_URLLIB3 = True
except ImportError:
    HAVE_URLLIB3 = False

_LARGEST_ANSWER: t.Final = 4_000_000


class MetricProvider(t.Protocol):
    """What the gate needs of a provider."""

    def tick(self) -> float:
        """The provider's time now: all queries of one round are asked for the same instant."""

    def read(self, query: str, at: float) -> Reading:
        """One number, or why there is none. Raises OptionError for a query that can never work."""


class NoAnswer(Exception):
    """There was no whole answer."""


class Transport(t.Protocol):
    """The one thing that tests replace."""

    def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
        """Status and body. Raises NoAnswer."""


class HttpTransport:
    """Keeps its connection. No retries and no redirects: the next round asks again, and a token goes to one place."""

    def __init__(self, clock: Clock, ca_cert: str | None) -> None:
        if not HAVE_URLLIB3:
            raise ReleaseError("the Python library urllib3 is missing", kind="library", system="controller")
        if ca_cert is not None and not pathlib.Path(ca_cert).is_file():
            raise OptionError("prometheus.ca_cert", f"{ca_cert} is not a file")
        self._clock = clock
        self._pool = urllib3.PoolManager(ca_certs=ca_cert, retries=False)

    def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
        end = self._clock.monotonic() + timeout_s
        try:
            answer = self._pool.request(
                "GET",
                url,
                headers=dict(headers),
                timeout=urllib3.Timeout(total=timeout_s),
                redirect=False,
                preload_content=False,
            )
            body = b""
            for part in answer.stream(65536):
                body += part
                if self._clock.monotonic() > end:
                    # A server that sends a byte now and then never reaches the time-out of one read.
                    answer.close()
                    raise NoAnswer(f"no whole answer within {timeout_s:g} s")
                if len(body) > _LARGEST_ANSWER:
                    answer.close()
                    raise NoAnswer("the answer is too large")
            answer.release_conn()
        except urllib3.exceptions.NewConnectionError as error:
            # In some versions a kind of time-out, which it is not: nobody listens, or there is no such host.
            raise NoAnswer(_plain(error)) from error
        except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.ReadTimeoutError) as error:
            raise NoAnswer(f"no answer within {timeout_s:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoAnswer(_plain(error)) from error
        return int(answer.status), body


def _plain(error: Exception) -> str:
    """The last part: urllib3 puts objects and addresses in front."""
    return str(error).rsplit(": ", maxsplit=1)[-1] or type(error).__name__


class Prometheus:
    """The HTTP API of one Prometheus, or of what speaks like one.

    Times are the server's: a clock that differs on the controller would look at half-empty windows, or at the past.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        transport: Transport,
        *,
        headers: Mapping[str, str] | None = None,
        token_file: str | None = None,
        timeout_s: float = 2.0,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise OptionError("prometheus.url", f"{url} does not start with http:// or https://")
        self._url = url.rstrip("/")
        self._clock = clock
        self._transport = transport
        self._headers = dict(headers or {})
        self._token_file = token_file
        self._timeout_s = timeout_s
        self._ahead_s: float | None = None
        #: Why the provider did not answer in this round: the other queries need not wait for the same.
        self._away: Reading | None = None

    def tick(self) -> float:
        self._away = None
        if self._ahead_s is None:
            asked = self._clock.now()
            reading = self._ask("time()", None)
            if reading.kind != "value":
                self._away = reading
                return asked
            self._ahead_s = reading.value - (asked + self._clock.now()) / 2
        return self._clock.now() + self._ahead_s

    def read(self, query: str, at: float) -> Reading:
        if self._away is not None:
            return self._away
        return self._ask(query, at)

    def _ask(self, query: str, at: float | None) -> Reading:
        parameters = {"query": query, "timeout": f"{self._timeout_s:g}s"}
        if at is not None:
            parameters["time"] = f"{at:.3f}"
        try:
            headers = {"Accept": "application/json", **self._headers, **self._token()}
            url = f"{self._url}/api/v1/query?{urllib.parse.urlencode(parameters)}"
            status, body = self._transport.get(url, headers, self._timeout_s)
        except (NoAnswer, OSError) as error:
            self._away = Reading("error", detail=f"Prometheus does not answer: {error}")
            return self._away
        return _reading(status, body, query)

    def _token(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        # Read for every query: it may be renewed on disk. An OSError names the file and never what is in it.
        return {"Authorization": f"Bearer {pathlib.Path(self._token_file).read_text(encoding='utf-8').strip()}"}


def _reading(status: int, body: bytes, query: str) -> Reading:
    """The one place that knows what Prometheus' answers mean."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        answer = {"error": "no JSON"}
    if status == 400 and answer.get("errorType") == "bad_data":
        raise OptionError("metrics", f"Prometheus refuses the query {query!r}: {str(answer.get('error'))[:200]}")
    if status != 200 or answer.get("status") != "success":
        return Reading("error", detail=f"Prometheus answered {status}: {str(answer.get('error') or '')[:200]}")
    data = answer.get("data") or {}
    kind, result = data.get("resultType"), data.get("result")
    if kind in ("matrix", "string"):
        raise OptionError("metrics", f"{query!r} gives a {kind}; a check needs one number")
    if kind == "scalar":
        return _value(result)
    return _vector(result)


def _vector(result: t.Any) -> Reading:
    if not isinstance(result, list):
        return Reading("error", detail="Prometheus answered without a result")
    if not result:
        return Reading("no_data", detail="the query found no series")
    if len(result) > 1:
        return Reading("many", detail=f"the query found {len(result)} series, a check needs one")
    return _value(result[0].get("value") if isinstance(result[0], dict) else None)


def _value(pair: t.Any) -> Reading:
    try:
        _at, text = pair
        value = float(text)
    except (TypeError, ValueError):
        return Reading("error", detail="Prometheus answered something that is no number")
    return Reading("value", value, "" if math.isfinite(value) else f"the query gave {text}")
