# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One engine or gateway of an exchange, over the control contract. Every fault is mapped here, once."""

from __future__ import annotations

import json
import pathlib
import random
import ssl
import typing as t
import urllib.parse
from collections.abc import Callable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redact import redact
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.contract import Call

JsonObject = dict[str, t.Any]

_LONGEST_REASON: t.Final = 300
_FIRST_PAUSE_S: t.Final = 0.05
_LONGEST_PAUSE_S: t.Final = 2.0


class ControlError(ReleaseError):
    """What an exchange answered, or that it did not. `kind` is one of unreachable, timeout, server, gone (there is no
    such pod), unauthorized, refused, answer (it is not what the contract says) and not_offered. `status` is 0 without
    an answer."""

    def __init__(self, message: str, *, kind: str, region: str, status: int = 0) -> None:
        retriable = kind in ("unreachable", "timeout", "server", "gone")
        super().__init__(message, kind=kind, system="exchange", region=region, retriable=retriable)
        self.status = status

    @property
    def is_unsure(self) -> bool:
        """Whether what was asked for may have been done all the same."""
        return self.kind in ("unreachable", "timeout", "server", "gone", "answer")


class NotForwarded(NoAnswer):
    """A proxy on the way has answered in the place of the exchange. `kind` is one of ControlError."""

    def __init__(self, problem: str, *, kind: str, status: int) -> None:
        super().__init__(problem)
        self.kind = kind
        self.status = status


class Transport(t.Protocol):
    """The one thing that tests may replace."""

    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[int, bytes]:
        """Status and body. Raises NoAnswer."""


def tls_of(given: Mapping[str, t.Any]) -> ssl.SSLContext | None:
    """The trust and the client certificate of the option `tls`; None for the system's. Raises OptionError."""
    if not any(given.get(name) for name in ("ca_cert", "client_cert", "client_key")):
        return None
    for name in ("ca_cert", "client_cert", "client_key"):
        if given.get(name) and not pathlib.Path(given[name]).is_file():
            raise OptionError(f"tls.{name}", f"{given[name]} is not a file")
    if given.get("client_key") and not given.get("client_cert"):
        raise OptionError("tls.client_key", "needs client_cert")
    try:
        context = ssl.create_default_context(cafile=given.get("ca_cert"))
    except (ssl.SSLError, OSError) as error:
        raise OptionError("tls.ca_cert", f"{given['ca_cert']} holds no certificate that can be read") from error
    if given.get("client_cert"):
        try:
            context.load_cert_chain(given["client_cert"], given.get("client_key"))
        except (ssl.SSLError, OSError) as error:
            problem = "certificate and key cannot be read, or do not belong together"
            raise OptionError("tls.client_cert", problem) from error
    return context


class Exchange:
    """One endpoint. May be used by several threads at once."""

    def __init__(
        self,
        name: str,
        url: str,
        calls: Mapping[str, Call],
        transport: Transport,
        clock: Clock,
        *,
        region: str,
        token_file: str | None = None,
        timeout_s: float = 5.0,
        new_id: Callable[[str], str],
        place: str | None = None,
        returns: bool = True,
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        #: Where it is, for people.
        self.place = place or self.url
        # Whether a pod of that name comes again: the one of a StatefulSet does.
        self._returns = returns
        self._calls = calls
        self._transport = transport
        self._clock = clock
        self._region = region
        self._token_file = token_file
        self._timeout_s = timeout_s
        #: No try begins after this, on the clock's monotonic time.
        self.end: float | None = None
        self._new_id = new_id

    def offers(self, call: str) -> bool:
        return self._calls[call].offered

    def ask(
        self, call: str, *, within_s: float | None = None, timeout_s: float | None = None, **values: t.Any
    ) -> JsonObject:
        """The fields of the answer. Tries again for `within_s` seconds (three time-outs when not given) while there is
        no connection or the answer is 429 or 5xx: a write carries one command id in all its tries, so that it is done
        once. `timeout_s` is that of one try. Raises ControlError."""
        made = self._calls[call]
        if not made.offered:
            raise ControlError(f"{self.name} does not offer {call}", kind="not_offered", region=self._region)
        path, body = made.request({**values, "command_id": self._new_id(call)} if made.writes else values)
        content = None if body is None else json.dumps(body).encode()
        one_s = timeout_s or self._timeout_s
        end = self._clock.monotonic() + (3 * one_s if within_s is None else within_s)
        if self.end is not None:
            end = min(end, self.end)
        pause = _FIRST_PAUSE_S
        while True:
            # The last try gets what is left, but never nothing: an end that has just passed is told by no answer.
            left = max(0.05, min(one_s, end - self._clock.monotonic()))
            try:
                return self._once(made, path, content, left)
            except ControlError as error:
                if not error.retriable or (error.kind == "gone" and not self._returns):
                    raise
                wait = pause * random.uniform(0.5, 1.0)
                if self._clock.monotonic() + wait >= end:
                    raise
            self._clock.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _once(self, call: Call, path: str, content: bytes | None, timeout_s: float) -> JsonObject:
        headers = {"Accept": "application/json", "User-Agent": "pincex-zero-downtime", **self._token()}
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            status, body = self._transport.send(call.method, self.url + path, content, headers, timeout_s)
        except NotForwarded as error:
            raise self._error(f"cannot be asked for {call.name}: {error}", error.kind, error.status) from error
        except NoAnswer as error:
            kind = "tls" if error.hopeless else "timeout" if error.timeout else "unreachable"
            raise self._error(f"does not answer {call.name}: {error}", kind) from error
        if status == 429 or status >= 500:
            raise self._error(f"answered {status} to {call.name}{_reason(body)}", "server", status)
        if status in (401, 403):
            raise self._error(f"answered {status} to {call.name}{_reason(body)}", "unauthorized", status)
        if not 200 <= status < 300:
            raise self._error(f"answered {status} to {call.name}{_reason(body)}", "refused", status)
        try:
            found = json.loads(body) if body.strip() else {}
        except ValueError as error:
            raise self._error(f"answered {call.name} with something that is no JSON", "answer", status) from error
        try:
            return call.read(found)
        except ValueError as error:
            where = f"contract.{call.side}.{call.name}"
            raise self._error(
                f"answered {call.name} with something that {where} cannot read: {error}", "answer"
            ) from error

    def _token(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        try:
            # Read for every request: it may be renewed on disk. An OSError names the file and never what is in it.
            return {"Authorization": f"Bearer {pathlib.Path(self._token_file).read_text(encoding='utf-8').strip()}"}
        except OSError as error:
            raise OptionError("tls.token_file", f"{self._token_file} cannot be read: {error.strerror}") from error

    def _error(self, problem: str, kind: str, status: int = 0) -> ControlError:
        text = redact(f"{self._region}: {self.name} ({self.place}) {problem}")
        return ControlError(text, kind=kind, region=self._region, status=status)


def checked_url(option: str, url: str) -> str:
    """The address without a slash at its end. Raises OptionError; never says what is in it, there may be a password."""
    try:
        parts = urllib.parse.urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise OptionError(option, "is no http:// or https:// address")
    if "@" in parts.netloc:
        raise OptionError(option, "holds a credential; give tls.token_file")
    return url.rstrip("/")


def _reason(body: bytes) -> str:
    """Why the other side refused, in its own words, as one clause."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(found, dict):
        return ""
    said = found.get("reason") or found.get("message") or found.get("error") or ""
    return f": {' '.join(str(said).split())[:_LONGEST_REASON]}" if said else ""
