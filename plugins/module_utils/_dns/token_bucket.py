# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit on requests that all processes of a user keep together: a token bucket in a file.

Each process takes its token at once and waits until it is due, so that those who come first go first. A process that
dies while it waits has cost one token.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import typing as t
from collections.abc import Iterator

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError

_POLL_S: t.Final = 0.02
_LARGEST_FILE: t.Final = 200
#: The part of the burst that we use. With all of it, a request that is faster on its way than the first one was comes
#: to the server before its token does.
_USED_PART: t.Final = 0.9


@dataclasses.dataclass(frozen=True)
class Level:
    """Tokens at a time of the wall clock: the one clock that all processes share, also after a restart of the machine.
    Tokens below 0 are taken and not there yet."""

    tokens: float
    at: float


@dataclasses.dataclass(frozen=True)
class Limit:
    """Requests per second, and requests at once after a pause."""

    per_s: float
    burst: float

    @property
    def full(self) -> float:
        return max(1.0, _USED_PART * self.burst)

    def refilled(self, level: Level | None, now: float) -> Level:
        """The level now. A bucket without a level is new. A clock that went back gives nothing and takes nothing."""
        if level is None:
            return Level(self.full, now)
        return Level(min(self.full, level.tokens + self.per_s * max(0.0, now - level.at)), now)

    def taken(self, level: Level) -> tuple[Level, float]:
        """The level after one request, and the seconds after which it may go."""
        left = level.tokens - 1
        return Level(left, level.at), max(0.0, -left / self.per_s)


class TokenBucket:
    """A limit in a file, which is made with mode 0600 when it is missing."""

    def __init__(self, path: pathlib.Path, limit: Limit, clock: Clock) -> None:
        self._path = path
        self._limit = limit
        self._clock = clock

    def take(self, end: float) -> None:
        """Wait until one more request may go. Raises ReleaseError of kind `throttled`, without taking a token, when
        that is after `end`, a time of the monotonic clock."""
        with self._locked(end) as file:
            level, wait_s = self._limit.taken(self._limit.refilled(_read(file), self._clock.now()))
            if self._clock.monotonic() + wait_s > end:
                raise ReleaseError(
                    f"the requests that {self._limit.per_s:g}/s allow are used up for another {wait_s:.1f} s",
                    kind="throttled",
                    system="route53",
                    retriable=True,
                )
            _write(file, level)
        if wait_s > 0:
            self._clock.sleep(wait_s)

    def drain(self, end: float) -> None:
        """The server says that there are no tokens: somebody else takes them as well."""
        with self._locked(end) as file:
            level = self._limit.refilled(_read(file), self._clock.now())
            _write(file, Level(min(0.0, level.tokens), level.at))

    @contextlib.contextmanager
    def _locked(self, end: float) -> Iterator[int]:
        """The file, while no other process has it. The kernel gives it back when a process ends, however it ends."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ReleaseError(
                f"{self._path} cannot be used to share the limit of requests: {error.strerror}; "
                "set route53.bucket_file to another one",
                kind="refused",
                system="controller",
            ) from error
        try:
            # Not a lock that waits in the kernel: a process that is stopped while it has it would stop us for ever.
            while not _lock(file):
                if self._clock.monotonic() >= end:
                    raise ReleaseError(
                        f"another process holds {self._path}", kind="throttled", system="controller", retriable=True
                    )
                self._clock.sleep(_POLL_S)
            yield file
        finally:
            os.close(file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: int) -> Level | None:
    """The level in the file, None when the file is new. What cannot be read, because a process died while it wrote, is
    an empty bucket: what was used before is not known."""
    text = os.pread(file, _LARGEST_FILE, 0)
    if not text:
        return None
    try:
        found = json.loads(text)
        return Level(float(found["tokens"]), float(found["at"]))
    except (ValueError, KeyError, TypeError):
        return Level(0.0, float("inf"))


def _write(file: int, level: Level) -> None:
    text = json.dumps(dataclasses.asdict(level)).encode()
    os.pwrite(file, text, 0)
    os.ftruncate(file, len(text))
