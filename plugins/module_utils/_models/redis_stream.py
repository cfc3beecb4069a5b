# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records in two streams of a Redis: `{prefix}:{model}:answers` and `{prefix}:{model}:labels`.

Each entry has one field `record` with a record in JSON, or several on a line each: numbers stay numbers and texts
texts, and an entry with a field for each part would take three times as long to read. The ids are those that Redis
gives, which begin with the time of arrival.
"""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable, Iterator, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redis_link import (
    Commands,
    connect,
    link_of,
    trouble,
)

PREFIX: t.Final = "pincex-models"
FIELD: t.Final = "record"
_FIELD: t.Final = FIELD.encode()
#: Entries that are asked for at once. A Redis does nothing else while it answers: about a millisecond for these.
_PAGE: t.Final = 2000
_PATIENCE_S: t.Final = 5.0


class RedisStream:
    """The protocol Source. `link` opens a connection that answers in bytes."""

    def __init__(self, name: str, link: Callable[[], Commands], prefix: str, model: str, clock: Clock) -> None:
        self.name = name
        self._link = link
        self._clock = clock
        self._streams = [f"{prefix}:{model}:{what}" for what in ("answers", "labels")]

    @classmethod
    def from_options(cls, options: Mapping[str, t.Any], model: str, clock: Clock) -> RedisStream:
        """Nothing is asked yet. Raises OptionError."""
        link = functools.partial(connect, link_of("sources", options), _PATIENCE_S)
        return cls(options["name"], link, options["prefix"], model, clock)

    def lines(self, since: float, until: float, end: float) -> Iterator[bytes]:
        commands = self._tried("be reached", self._link)
        # An id without its second part begins with the first of its millisecond, and as an end, with the last.
        last = str(int(1000 * until) - 1)
        for stream in self._streams:
            first = str(int(1000 * since))
            while True:
                if self._clock.monotonic() > end:
                    raise self._error("timeout", "was not read to the end in its time")
                ask = functools.partial(commands.xrange, stream, min=first, max=last, count=_PAGE)
                page = self._tried(f"read {stream}", ask)
                for number, fields in page:
                    # An entry that was deleted has no fields.
                    text = (fields or {}).get(_FIELD)
                    if text is None:
                        yield f"entry {number.decode()} of {stream} without a field {FIELD}".encode()
                    elif b"\n" in text:
                        yield from text.split(b"\n")
                    else:
                        yield text
                if len(page) < _PAGE:
                    break
                first = f"({page[-1][0].decode()}"

    def _tried(self, what: str, call: Callable[[], t.Any]) -> t.Any:
        try:
            return call()
        except ReleaseError:
            raise
        except Exception as error:
            kind, why = trouble(error)
            problem = f"cannot {what}: {why}"
            raise self._error(kind, problem, retriable=kind in ("unreachable", "timeout")) from error

    def _error(self, kind: str, problem: str, retriable: bool = False) -> ReleaseError:
        return ReleaseError(f"source {self.name}: {problem}", kind=kind, system="redis", retriable=retriable)
