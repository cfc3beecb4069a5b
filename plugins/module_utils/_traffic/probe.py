# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests through the data plane of a region: what its gateway really does, whatever its status says."""

from __future__ import annotations

import dataclasses
import functools
import traceback
import typing as t
import urllib.parse
from collections.abc import Mapping

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_answers import (
    NOBODY,
    Count,
    implausible,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOT_HEADER

IMPORT_ERROR: str | None = None
try:
    import urllib3
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

_PAUSE_S: t.Final = 0.03
_REQUEST_S: t.Final = 2.0


@dataclasses.dataclass(frozen=True)
class Reply:
    """What an answer says of itself. `code` is the HTTP status, or what happened instead of an answer."""

    code: str
    slot: str | None = None
    version: str | None = None
    retry_after: str | None = None


class DataPlane(t.Protocol):
    """The one thing that tests replace."""

    def ask(self, host: str | None, path: str, headers: Mapping[str, str], timeout_s: float) -> Reply:
        """Send one GET. Never raises for what the data plane does."""


class Gateway:
    """The gateway of a region under one URL, by one connection that is kept.

    Without a gateway each request needs a connection of its own: one that is kept stays with the pod that it met first,
    whatever the Service sends to since.
    """

    def __init__(self, url: str, ca_cert: str | None = None, keep: bool = True) -> None:
        if IMPORT_ERROR is not None:
            raise ReleaseError(
                missing_required_lib("urllib3") + " " + IMPORT_ERROR.splitlines()[-1],
                kind="library",
                system="controller",
            )
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError("probe", f"url {url!r} is no http:// or https:// address")
        self._prefix = parts.path.rstrip("/")
        self._headers = {"User-Agent": "pincex-zero-downtime", **({} if keep else {"Connection": "close"})}
        self._keep = keep
        settings: dict[str, t.Any] = {"ca_certs": ca_cert} if parts.scheme == "https" and ca_cert else {}
        self._open = functools.partial(
            urllib3.connection_from_url, f"{parts.scheme}://{parts.netloc}", maxsize=1, **settings
        )
        self._pool = self._open()

    def ask(self, host: str | None, path: str, headers: Mapping[str, str], timeout_s: float) -> Reply:
        sent = {**self._headers, **headers, **({"Host": host} if host else {})}
        # The header alone is not enough: the next request may come before the server has closed, and meet its end.
        pool = self._pool if self._keep else self._open()
        try:
            answer = pool.request(
                "GET", self._prefix + path, headers=sent, timeout=timeout_s, retries=False, redirect=False
            )
        except urllib3.exceptions.NewConnectionError:
            # To urllib3 that is a time-out too.
            return Reply("no connection")
        except (urllib3.exceptions.TimeoutError, TimeoutError):
            return Reply("time-out")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Reply(type(error).__name__)
        finally:
            if not self._keep:
                pool.close()
        said = (answer.headers.get(name) for name in ("x-slot", "x-version", "retry-after"))
        return Reply(str(answer.status), *said)


@dataclasses.dataclass(frozen=True)
class Probe:
    """How to ask: option `probe`. `planes` are those of services with a way of their own, by name."""

    plane: DataPlane
    clock: Clock
    path: str = "/health/ready"
    requests: int = 60
    timeout_s: float = 5.0
    planes: Mapping[str, DataPlane] = dataclasses.field(default_factory=dict)

    def deadline(self) -> float:
        return self.clock.monotonic() + self.timeout_s

    def count(self, host: str | None, end: float) -> dict[str, Count]:
        """Who answers, over one round of requests."""
        counts: dict[str, Count] = {}
        for _number in range(self.requests):
            left = end - self.clock.monotonic()
            if left <= 0:
                break
            reply = self.plane.ask(host, self.path, {}, min(_REQUEST_S, left))
            counts.setdefault(reply.slot or NOBODY, Count()).add(reply.version or NOBODY, reply.code)
        return counts

    def prove(self, host: str | None, weights: Mapping[str, int], end: float) -> tuple[dict[str, Count], str | None]:
        """Ask round after round until the answers are what the weights give, or the time is over.

        Returns the last round and why it is no proof. A cut round is none.
        """
        counts: dict[str, Count] = {}
        problem: str | None = "no answer at all"
        while self.clock.monotonic() < end:
            counts = self.count(host, end)
            asked = sum(count.count for count in counts.values())
            if asked < self.requests:
                return counts, problem or f"only {asked} of {self.requests} requests were answered in time"
            problem = implausible(weights, counts)
            if problem is None:
                return counts, None
            self.clock.sleep(_PAUSE_S)
        return counts, problem

    def ask_slot(self, host: str | None, slot: str, version: str, end: float) -> tuple[dict[str, Count], str | None]:
        """Ask one slot until a whole round of answers is 200 from that version, or the time is over."""
        counts: dict[str, Count] = {}
        problem: str | None = "no answer at all"
        while self.clock.monotonic() < end:
            counts, problem = {}, None
            for number in range(self.requests):
                left = end - self.clock.monotonic()
                if left <= 0:
                    return counts, f"only {number} of {self.requests} requests were answered in time"
                reply = self.plane.ask(host, self.path, {SLOT_HEADER: slot}, min(_REQUEST_S, left))
                counts.setdefault(reply.slot or NOBODY, Count()).add(reply.version or NOBODY, reply.code)
                problem = _wrong(reply, slot, version)
                if problem:
                    break
            if problem is None:
                return counts, None
            self.clock.sleep(_PAUSE_S)
        return counts, problem

    def ask_answer(self, host: str | None, end: float) -> str | None:
        """Ask until a whole round of answers is that of a maintenance, or the time is over; why it is not."""
        problem: str | None = "no answer at all"
        while problem is not None and self.clock.monotonic() < end:
            problem = None
            for number in range(self.requests):
                left = end - self.clock.monotonic()
                if left <= 0:
                    return f"only {number} of {self.requests} requests were answered in time"
                problem = _no_maintenance(self.plane.ask(host, self.path, {}, min(_REQUEST_S, left)))
                if problem:
                    self.clock.sleep(_PAUSE_S)
                    break
        return problem


def _no_maintenance(reply: Reply) -> str | None:
    if reply.code != "503":
        return f"{reply.slot or 'something'} answered {reply.code}"
    return None if reply.retry_after else "the answer 503 has no Retry-After"


def _wrong(reply: Reply, slot: str, version: str) -> str | None:
    if reply.slot is not None and reply.slot != slot:
        return f"{reply.slot} answered what was sent to {slot}"
    if reply.code != "200":
        return f"{slot} answered {reply.code}"
    if reply.version != version:
        return f"{slot} answers as version {reply.version or NOBODY}, not {version}"
    return None
