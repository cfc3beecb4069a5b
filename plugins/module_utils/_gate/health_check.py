# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's health endpoints: options, checks, and the threads in which they are asked."""

from __future__ import annotations

import pathlib
import re
import ssl
import threading
import typing as t
import urllib.parse
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.jmes import Expression
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import Checker, CheckState, Round
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_health import Answer, Rule, Streak
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.health import (
    Endpoint,
    HealthClient,
    NetTransport,
)

Params = Mapping[str, t.Any]

SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "name": {"type": "str", "required": True},
    "url": {"type": "str"},
    "tcp": {"type": "str"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "max_ms": {"type": "float"},
    "body": {"type": "str"},
    "headers": {"type": "dict", "no_log": True},
    "ca_cert": {"type": "path"},
    "timeout_s": {"type": "float", "default": 2.0},
    "consecutive": {"type": "int", "default": 3},
    "weight": {"type": "str", "choices": ["critical", "warning"], "default": "critical"},
    "service": {"type": "str", "default": ""},
}

#: The client's own time-out says more, so it comes first.
_GRACE_S: t.Final = 0.25
_HEADER_NAME: t.Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: t.Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def checkers_of(
    items: Sequence[Params], clock: Clock, *, gap_s: float, interval_s: float, client: HealthClient | None = None
) -> list[Checker]:
    """One check for each item. Starts no thread before the first look. Raises OptionError for bad input."""
    if not items:
        return []
    rules = [_rule(item) for item in items]
    # Shared: to read what the system trusts takes 20 to 90 ms.
    trusts: dict[str | None, ssl.SSLContext] = {}
    endpoints = [_endpoint(item, trusts) for item in items]
    asked = client or HealthClient(NetTransport(clock), clock)
    # Half of the time between two looks: what the metrics say must not wait for an endpoint that hangs.
    prober = Prober(asked, endpoints, clock, patience_s=interval_s / 2)
    return [
        # The answers to two questions may be that much further apart.
        HealthChecker(Streak(rule, gap_s + endpoint.timeout_s + _GRACE_S), endpoint, prober, number)
        for number, (rule, endpoint) in enumerate(zip(rules, endpoints, strict=True))
    ]


class HealthChecker:
    """One endpoint with its memory."""

    def __init__(self, streak: Streak, endpoint: Endpoint, prober: Prober, number: int) -> None:
        self._streak = streak
        self._where = _shown(endpoint)
        self._prober = prober
        self._number = number

    def look(self, _this: Round) -> CheckState:
        finished = self._prober.ask(self._number)
        if finished is not None:
            self._streak.add(*finished)
        state = self._streak.state()
        state.evidence["endpoint"] = self._where
        return state


class Prober:
    """Asks all endpoints at once, each in a thread of its own, so that their time-outs do not add up.

    The first round waits for every answer: check mode has no other. Later rounds wait for `patience_s`, and what comes
    after that belongs to the next round; an endpoint is not asked again before it has answered. A name server or a
    header that comes byte by byte knows no time-out: then the check has failed, and the thread is left alone.
    """

    def __init__(self, client: HealthClient, endpoints: Sequence[Endpoint], clock: Clock, *, patience_s: float) -> None:
        self._client = client
        self._endpoints = endpoints
        self._clock = clock
        self._patience_s = patience_s
        self._attempts: dict[int, _Attempt] = {}
        self._looked: set[int] = set()
        self._began = 0.0
        self._rounds = 0

    def ask(self, number: int) -> tuple[float, Answer] | None:
        """When an endpoint was asked and what it answered, if that is new. A second look begins a new round."""
        if number in self._looked or not self._looked:
            self._begin()
        self._looked.add(number)
        attempt, patience_s = self._attempts[number], self._endpoints[number].timeout_s + _GRACE_S
        wait_s = patience_s if self._rounds == 1 else min(patience_s, self._patience_s)
        attempt.done.wait(max(0.0, self._began + wait_s - self._clock.monotonic()))
        if attempt.done.is_set():
            del self._attempts[number]
            return attempt.result()
        now = self._clock.monotonic()
        if now - attempt.asked_at < patience_s:
            return None
        return attempt.fail(now, self._endpoints[number].timeout_s)

    def _begin(self) -> None:
        self._rounds += 1
        self._looked.clear()
        self._began = self._clock.monotonic()
        for number, endpoint in enumerate(self._endpoints):
            if number not in self._attempts:
                self._attempts[number] = _Attempt(self._client, endpoint, self._began)


class _Attempt:
    """One question in a daemon thread: whatever it hangs on does not keep the process from ending."""

    def __init__(self, client: HealthClient, endpoint: Endpoint, asked_at: float) -> None:
        self.asked_at = asked_at
        self.done = threading.Event()
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        self._failed = False
        threading.Thread(target=self._run, args=(client, endpoint), name="health", daemon=True).start()

    def _run(self, client: HealthClient, endpoint: Endpoint) -> None:
        try:
            self._answer = client.ask(endpoint)
        except BaseException as error:  # handed to the thread that looks
            self._error = error
        self.done.set()

    def result(self) -> tuple[float, Answer] | None:
        """The answer, once. None when it came after the check had failed. Raises what the thread raised."""
        if self._error is not None:
            raise self._error
        return None if self._failed or self._answer is None else (self.asked_at, self._answer)

    def fail(self, now: float, timeout_s: float) -> tuple[float, Answer]:
        """One failed check; the next one is due a time-out later."""
        asked_at, self.asked_at, self._failed = self.asked_at, now, True
        return asked_at, Answer(now - asked_at, problem=f"no answer within {timeout_s:g} s")


def _rule(item: Params) -> Rule:
    name = item["name"]
    if not item["status"] or not all(100 <= status <= 599 for status in item["status"]):
        raise OptionError("health", f"{name}: status has to be a list of HTTP status codes")
    if item["consecutive"] < 1:
        raise OptionError("health", f"{name}: consecutive has to be 1 or more")
    if not 0 < item["timeout_s"] <= 60:
        raise OptionError("health", f"{name}: timeout_s has to be more than 0 and at most 60")
    if item["max_ms"] is not None and not 0 < item["max_ms"] <= 1000 * item["timeout_s"]:
        raise OptionError("health", f"{name}: max_ms has to be more than 0 and within timeout_s")
    return Rule(
        name,
        tuple(item["status"]),
        item["max_ms"],
        _expression(name, item["body"]) if item["body"] is not None else None,
        item["consecutive"],
        item["weight"] == "critical",
        item["service"],
    )


def _expression(name: str, text: str) -> Expression:
    try:
        return Expression(text)
    except ValueError as error:
        raise OptionError("health", f"{name}: body {text!r} is no JMESPath expression: {error}") from error


def _endpoint(item: Params, trusts: dict[str | None, ssl.SSLContext]) -> Endpoint:
    """Never says what is in a URL or in headers: there may be a credential in it."""
    name = item["name"]
    if bool(item["url"]) == bool(item["tcp"]):
        raise OptionError("health", f"{name}: give either url or tcp")
    if item["tcp"]:
        for option in ("body", "headers", "ca_cert"):
            if item[option]:
                raise OptionError("health", f"{name}: {option} is for url; tcp only connects")
        host, port = _address(name, "tcp", f"//{item['tcp']}")
        if not port or any(mark in item["tcp"] for mark in "/?#"):
            raise OptionError("health", f"{name}: tcp is no HOST:PORT")
        return Endpoint(host=host, port=port, timeout_s=item["timeout_s"])
    url = item["url"]
    if not url.startswith(("http://", "https://")) or re.search(r"[\x00-\x20\x7f]", url):
        raise OptionError("health", f"{name}: url is no http:// or https:// address")
    _address(name, "url", url)
    return Endpoint(
        url=url,
        headers=_headers(name, item["headers"] or {}),
        tls=_tls(name, item["ca_cert"], trusts) if url.startswith("https://") else None,
        timeout_s=item["timeout_s"],
    )


def _address(name: str, option: str, text: str) -> tuple[str, int | None]:
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if "@" in text.partition("//")[2].partition("/")[0]:
        # Options are shown by Ansible at a higher verbosity, headers are not.
        raise OptionError("health", f"{name}: {option} holds a credential; send it in headers")
    if not host:
        raise OptionError("health", f"{name}: {option} is no address")
    return host, port


def _headers(name: str, given: Params) -> dict[str, str]:
    headers = {str(header): str(value) for header, value in given.items()}
    for header, value in headers.items():
        if not _HEADER_NAME.fullmatch(header) or not _HEADER_VALUE.fullmatch(value):
            raise OptionError("health", f"{name}: headers hold what no HTTP header can be")
    return headers


def _tls(name: str, ca_cert: str | None, trusts: dict[str | None, ssl.SSLContext]) -> ssl.SSLContext:
    if ca_cert in trusts:
        return trusts[ca_cert]
    if ca_cert is not None and not pathlib.Path(ca_cert).is_file():
        raise OptionError("health", f"{name}: ca_cert {ca_cert} is not a file")
    try:
        trusts[ca_cert] = ssl.create_default_context(cafile=ca_cert)
    except (ssl.SSLError, OSError) as error:
        raise OptionError("health", f"{name}: ca_cert {ca_cert} holds no certificate that can be read") from error
    return trusts[ca_cert]


def _shown(endpoint: Endpoint) -> str:
    """Where it is, without the query of its URL: some put a token there."""
    if not endpoint.url:
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        return f"{host}:{endpoint.port}"
    parts = urllib.parse.urlsplit(endpoint.url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
