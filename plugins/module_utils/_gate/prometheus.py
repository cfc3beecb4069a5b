# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus, or what speaks its HTTP API, as a metric provider."""

from __future__ import annotations

import json
import math
import pathlib
import typing as t
import urllib.parse
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import Spec
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import HttpSession, NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import RawSeries, Reading

JsonObject = dict[str, t.Any]

#: Steps in one range query; Prometheus refuses more than 11,000.
_PAGE: t.Final = 10_000


class Transport(t.Protocol):
    """The one thing that tests replace."""

    def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
        """Status and body. Raises NoAnswer."""


class HttpTransport:
    """The one connection to the provider."""

    def __init__(self, clock: Clock, ca_cert: str | None) -> None:
        if ca_cert is not None and not pathlib.Path(ca_cert).is_file():
            raise OptionError("prometheus.ca_cert", f"{ca_cert} is not a file")
        self._session = HttpSession(clock, ca_cert=ca_cert)

    def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
        return self._session.send("GET", url, None, headers, timeout_s)


class Prometheus:
    """The HTTP API of one Prometheus, or of what speaks like one.

    Times are the server's: a clock that differs on the controller would look at half-empty windows, or at the past.
    """

    OPTION: t.ClassVar[str] = "prometheus"
    SPEC: t.ClassVar[Spec] = {
        "url": {"type": "str", "required": True},
        "ca_cert": {"type": "path"},
        "token_file": {"type": "path"},
        "headers": {"type": "dict", "no_log": True},
        "timeout_s": {"type": "float", "default": 2.0},
        "stale_s": {"type": "float", "default": 30.0},
    }

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

    @classmethod
    def connect(cls, options: Mapping[str, t.Any], clock: Clock) -> Prometheus:
        return cls(
            options["url"],
            clock,
            HttpTransport(clock, options["ca_cert"]),
            headers={name: str(value) for name, value in (options["headers"] or {}).items()},
            token_file=options["token_file"],
            timeout_s=options["timeout_s"],
        )

    @classmethod
    def stale_s(cls, options: Mapping[str, t.Any]) -> float:
        return float(options["stale_s"])

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

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
        if self._away is not None:
            return RawSeries("error", detail=self._away.detail)
        query = f"{selector}[{math.ceil(1000 * window_s)}ms]"
        answer = self._get("query", {"query": query, "time": f"{at:.3f}"}, query, "counters")
        if isinstance(answer, Reading):
            return RawSeries("error", detail=answer.detail)
        if answer.get("resultType") != "matrix":
            raise OptionError("counters", f"{selector!r} is no selector of a counter")
        try:
            samples = {_labels(series["metric"]): _pairs(series["values"]) for series in answer["result"]}
        except (KeyError, TypeError, ValueError, AttributeError):
            return RawSeries("error", detail="Prometheus answered something that is no series")
        if not samples:
            return RawSeries("no_data", detail="the selector found no series")
        return RawSeries("series", samples)

    def range(self, query: str, start: float, end: float, step_s: float) -> list[tuple[float, Reading]]:
        points: list[tuple[float, Reading]] = []
        while start <= end:
            stop = min(end, start + (_PAGE - 1) * step_s)
            parameters = {"query": query, "start": f"{start:.3f}", "end": f"{stop:.3f}", "step": f"{step_s:g}"}
            points += self._page(query, parameters, start)
            start += _PAGE * step_s
        return points

    def _page(self, query: str, parameters: Mapping[str, str], start: float) -> list[tuple[float, Reading]]:
        answer = self._get("query_range", parameters, query)
        if isinstance(answer, Reading):
            return [(start, answer)]
        try:
            found = [_pairs(series["values"]) for series in answer["result"]]
        except (KeyError, TypeError, ValueError):
            return [(start, Reading("error", detail="Prometheus answered something that is no series"))]
        values: dict[float, list[float]] = {}
        for at, value in (pair for pairs in found for pair in pairs):
            values.setdefault(at, []).append(value)
        return [(at, _only(values[at])) for at in sorted(values)]

    def _ask(self, query: str, at: float | None) -> Reading:
        answer = self._get("query", {"query": query} | ({} if at is None else {"time": f"{at:.3f}"}), query)
        return answer if isinstance(answer, Reading) else _number(answer, query)

    def _get(
        self, path: str, parameters: Mapping[str, str], query: str, option: str = "metrics"
    ) -> JsonObject | Reading:
        """The data of one answer, or why there is none. Raises OptionError naming the option that the query is of."""
        asked = urllib.parse.urlencode({**parameters, "timeout": f"{self._timeout_s:g}s"})
        try:
            headers = {"Accept": "application/json", **self._headers, **self._token()}
            status, body = self._transport.get(f"{self._url}/api/v1/{path}?{asked}", headers, self._timeout_s)
        except (NoAnswer, OSError) as error:
            self._away = Reading("error", detail=f"Prometheus does not answer: {error}")
            return self._away
        return _data(status, body, query, option)

    def _token(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        # Read for every query: it may be renewed on disk. An OSError names the file and never what is in it.
        return {"Authorization": f"Bearer {pathlib.Path(self._token_file).read_text(encoding='utf-8').strip()}"}


def _data(status: int, body: bytes, query: str, option: str) -> JsonObject | Reading:
    """The one place that knows what Prometheus' answers mean."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        answer = {"error": "no JSON"}
    if status == 400 and answer.get("errorType") == "bad_data":
        raise OptionError(option, f"Prometheus refuses the query {query!r}: {str(answer.get('error'))[:200]}")
    if status != 200 or answer.get("status") != "success":
        return Reading("error", detail=f"Prometheus answered {status}: {str(answer.get('error') or '')[:200]}")
    data = answer.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("result"), list):
        return Reading("error", detail="Prometheus answered without a result")
    return data


def _number(data: JsonObject, query: str) -> Reading:
    kind, result = data.get("resultType"), data["result"]
    if kind in ("matrix", "string"):
        raise OptionError("metrics", f"{query!r} gives a {kind}; a check needs one number")
    return _value(result) if kind == "scalar" else _vector(result)


def _only(values: list[float]) -> Reading:
    if len(values) > 1:
        return Reading("many", detail=f"the query found {len(values)} series, a check needs one")
    return Reading("value", values[0])


def _labels(metric: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in sorted(metric.items()) if name != "__name__")


def _pairs(values: t.Any) -> list[tuple[float, float]]:
    return [(float(at), float(value)) for at, value in values]


def _vector(result: list[t.Any]) -> Reading:
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
