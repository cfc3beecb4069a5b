# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the records of the models are kept: streams in a Redis of their own, in the management site's network.

Not in the Redis of the flags: that one writes all it has to disk, and keeps it.
"""

from __future__ import annotations

import pathlib
import time
import typing as t

import redis
import redis.asyncio

from lab import flags, pki, programs
from lab.errors import LabError
from lab.model import Site

PORT: t.Final = 6380
PROGRAM: t.Final = "redis-models"
PREFIX: t.Final = "pincex-models"
#: An entry has this one field: the record as a line of JSON.
FIELD: t.Final = b"record"
#: Writes the streams: the recorder, which reads them for those who ask it over HTTP.
WRITER: t.Final = "model-recorder"
#: Reads them: who compares versions.
READER: t.Final = "model-judge"
#: Entries of one stream: a day of ten answers per second.
LONGEST: t.Final = 1_000_000

_KEYS: t.Final = f"{PREFIX}:*"
_RIGHTS: t.Final = {
    WRITER: f"~{_KEYS} +xadd +xrange +ping",
    READER: f"%R~{_KEYS} +xrange +ping",
}
#: Entries that are read at once.
_PAGE: t.Final = 5000

#: Entries by their ids.
_Page = list[tuple[bytes, dict[bytes, bytes]]]

What = t.Literal["answers", "labels"]


def key(model: str, what: What) -> str:
    return f"{PREFIX}:{model}:{what}"


def config(folder: pathlib.Path, address: str, passwords: dict[str, str], port: int = PORT) -> str:
    """What redis-server reads. Nothing is kept over its end, and nobody comes in without a password."""
    settings = [
        f"bind {address}",
        f"port {port}",
        f'dir "{folder}"',
        "daemonize no",
        'save ""',
        "appendonly no",
        "maxmemory 512mb",
        "user default off",
        *flags.redis_users(_RIGHTS, passwords),
    ]
    return "".join(f"{line}\n" for line in settings)


def password_file(site: Site, user: str) -> pathlib.Path:
    return site.home / "models" / f"password-{user}"


def start(site: Site, timeout_s: float = 20) -> None:
    """Run the Redis and wait until it answers."""
    folder = site.home / "models"
    folder.mkdir(parents=True, exist_ok=True)
    passwords = {user: flags.password(password_file(site, user)) for user in _RIGHTS}
    pki.write(folder / "redis.conf", config(folder, site.address, passwords), 0o600)
    programs.start(site, PROGRAM, ["redis-server", folder / "redis.conf"], cwd=folder)
    reader = redis.Redis(site.address, PORT, username=READER, password=passwords[READER], socket_timeout=5)
    deadline = time.monotonic() + timeout_s
    while not answers(reader):
        if not programs.alive(site, PROGRAM) or time.monotonic() > deadline:
            tail = programs.tail(site, PROGRAM)
            raise LabError(f"the models' Redis does not answer at {site.address}:{PORT}\n{tail}")
        time.sleep(0.05)


def answers(reader: redis.Redis) -> bool:
    try:
        return bool(reader.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False


class Streams:
    """The streams as the recorder sees them. Raises redis.RedisError."""

    def __init__(self, server: redis.asyncio.Redis) -> None:
        self._server = server

    async def add(self, model: str, what: What, lines: t.Sequence[bytes]) -> None:
        """Each line as an entry, in this order."""
        pipe = self._server.pipeline(transaction=False)
        for line in lines:
            pipe.xadd(key(model, what), {FIELD: line}, maxlen=LONGEST, approximate=True)
        await pipe.execute()

    async def read(self, model: str, what: What, since: float | None, until: float | None) -> list[bytes]:
        """The lines that arrived from `since` on and before `until` (unix seconds), in the order of their arrival."""
        first = "-" if since is None else str(int(since * 1000))
        last = "+" if until is None else f"({int(until * 1000)}"
        found: list[bytes] = []
        while True:
            page = t.cast("_Page", await self._server.xrange(key(model, what), first, last, count=_PAGE))
            found += [fields[FIELD] for _id, fields in page if FIELD in fields]
            if len(page) < _PAGE:
                return found
            first = f"({page[-1][0].decode()}"
