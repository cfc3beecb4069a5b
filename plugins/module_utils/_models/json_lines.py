# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records as lines of JSON over HTTP: `GET URL?since=S&until=U`, unix seconds of arrival, answered with
`application/x-ndjson`, answers and labels in any order. The body is read as it comes and may be of any size."""

from __future__ import annotations

import pathlib
import typing as t
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    OptionError,
    ReleaseError,
    TryLater,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import HttpSession, NoAnswer, Streamed
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.pauses import retry_after_s

#: Stands for the name of the model in a URL.
MODEL: t.Final = "{model}"
_TYPES: t.Final = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
#: Bytes of a line: what is longer is no record.
_LONGEST_LINE: t.Final = 1_000_000
_SHORTEST_S: t.Final = 0.1


class JsonLines:
    """The protocol Source."""

    def __init__(self, name: str, url: str, token_file: str | None, clock: Clock, api: HttpSession) -> None:
        self.name = name
        self._url = url
        self._token_file = token_file
        self._clock = clock
        self._api = api

    @classmethod
    def from_options(cls, options: Mapping[str, t.Any], model: str, clock: Clock) -> JsonLines:
        """Nothing is asked yet. Raises OptionError."""
        name, url = options["name"], options["url"]
        parts = urllib.parse.urlsplit(url)
        # In all of it: a password with a # or a / in it ends the host before the @, and would be told as one.
        if "@" in url:
            raise OptionError("sources", f"{name}: url holds a user; give token_file")
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            raise OptionError("sources", f"{name}: url is not http:// or https:// with a host and a path")
        for option in ("token_file", "ca_cert"):
            path = options.get(option)
            if path is not None and not pathlib.Path(path).is_file():
                raise OptionError("sources", f"{name}: {option} {path} is not a file")
        url = url.replace(MODEL, urllib.parse.quote(model, safe=""))
        return cls(name, url, options.get("token_file"), clock, HttpSession(clock, ca_cert=options.get("ca_cert")))

    def lines(self, since: float, until: float, end: float) -> Iterator[bytes]:
        left_s = end - self._clock.monotonic()
        if left_s < _SHORTEST_S:
            raise self._error("timeout", "was not asked, because the time was about to end")
        asked = urllib.parse.urlencode({"since": f"{since:.3f}", "until": f"{until:.3f}"})
        headers = {"Accept": _TYPES[0], **self._authorization()}
        try:
            with self._api.stream("GET", f"{self._url}?{asked}", None, headers, left_s) as answer:
                self._must_be_lines(answer)
                yield from _lines(answer.parts)
        except NoAnswer as error:
            kind = "timeout" if error.timeout else "unreachable"
            raise self._error(kind, f"does not answer: {error}", retriable=not error.hopeless) from error
        except _NoLine as error:
            raise self._error("refused", str(error)) from error

    def _must_be_lines(self, answer: Streamed) -> None:
        status = answer.status
        if status in (401, 403):
            given = f"another token than that of {self._token_file}" if self._token_file else "a token_file"
            raise self._error("auth", f"wants {given} ({status})")
        if status == 429 or status >= 500:
            kind, wait_s = (
                ("throttled" if status == 429 else "unreachable"),
                retry_after_s(answer.headers, self._clock.now()),
            )
            raise TryLater(
                f"source {self.name}: {self._url} answered {status}", kind=kind, system="http", wait_s=wait_s
            )
        if status != 200:
            raise self._error("refused", f"answered {status}, and 200 with lines of JSON is wanted; look at the url")
        kind = next((value for name, value in answer.headers.items() if name.lower() == "content-type"), "none")
        # A page of a proxy that wants a log-in is 200 as well.
        if kind.split(";")[0].strip().lower() not in _TYPES:
            raise self._error("refused", f"answered with content type {kind[:80]!a}, and {_TYPES[0]} is wanted")

    def _authorization(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        # Read for every request: it may be renewed on disk.
        try:
            token = pathlib.Path(self._token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problem = f"{self.name}: token_file {self._token_file} cannot be read"
            raise OptionError("sources", problem) from error
        if not token:
            raise OptionError("sources", f"{self.name}: token_file {self._token_file} is empty")
        return {"Authorization": f"Bearer {token}"}

    def _error(self, kind: str, problem: str, retriable: bool = False) -> ReleaseError:
        text = f"source {self.name}: {self._url} {problem}"
        return ReleaseError(text, kind=kind, system="http", retriable=retriable)


class _NoLine(Exception):
    """The answer is no text in lines."""


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of a body that comes in parts, which end anywhere. The last one may have no end."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
        if len(rest) > _LONGEST_LINE:
            raise _NoLine(f"answered with a line of more than {_LONGEST_LINE} bytes: these are no lines of JSON")
    yield rest
