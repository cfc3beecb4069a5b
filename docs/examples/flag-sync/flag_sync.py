# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the flag set that `flag_set` keeps in a Redis to OpenFeature clients, by flagd's own protocol (flagd.sync.v1).

README.md beside this file says how to run it, and what it does while Redis is away or has come back from an old dump.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import collections.abc as c
import contextlib
import gzip
import json
import pathlib
import random
import signal
import sys
import typing as t
import zlib

import grpc
import redis.asyncio
from openfeature.schemas.protobuf.flagd.sync.v1 import sync_pb2, sync_pb2_grpc
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

Json = dict[str, t.Any]

#: Between two attempts to reach Redis: the first wait, doubled up to the longest one.
FIRST_WAIT_S: t.Final = 0.05
LONGEST_WAIT_S: t.Final = 2.0
#: Read again also without news: a Redis that somebody else has filled does not publish.
READ_AGAIN_S: t.Final = 5.0
#: What a document or a ledger that is none gives.
BROKEN: t.Final = (ValueError, TypeError, KeyError, AttributeError, EOFError, OSError, zlib.error)
#: A second bridge at the same port is a mistake; clients may ask every second whether the bridge is still there.
_OPTIONS: t.Final = (("grpc.so_reuseport", 0), ("grpc.http2.min_ping_interval_without_data_ms", 1_000))


class Served(t.NamedTuple):
    """A document of flagd and its revision; the kills that nobody has restored (id: name and definition of the killed
    flag), which come on top of it; the ids of those that somebody has."""

    revision: int
    document: Json
    kills: dict[str, tuple[str, Json]]
    restored: frozenset[str]

    def text(self) -> str:
        dead = dict(self.kills.values())
        return json.dumps({**self.document, "flags": {**self.document["flags"], **dead}}, separators=(",", ":"))


def serve_next(old: Served | None, document: bytes, ledger: bytes) -> Served:
    """What is served after this was found in Redis: the document that is not older than the one before, and every kill
    that was ever found, until a ledger names it as restored. Pure; raises BROKEN for what is no document of flagd."""
    found: Json = json.loads(document)
    revision = int(found.get("metadata", {}).get("version", 0))
    restored = _restored(ledger) | (old.restored if old else frozenset())
    ids = {name: _kill_id(name, flag) for name, flag in found["flags"].items()}
    kills = {**(old.kills if old else {}), **{ids[n]: (n, flag) for n, flag in found["flags"].items() if ids[n]}}
    alive = {identity: one for identity, one in kills.items() if identity not in restored}
    if old is not None and revision < old.revision:
        return Served(old.revision, old.document, alive, restored)
    # A kill and a restore keep the number, so a dump of the same revision may be from before the restore.
    before = old.document["flags"] if old else {}
    flags = {n: before.get(n, flag) if ids[n] in restored else flag for n, flag in found["flags"].items()}
    return Served(revision, {**found, "flags": flags}, alive, restored)


def _restored(ledger: bytes) -> frozenset[str]:
    """Ids of the kills that a ledger names as restored; without a ledger that can be read none is."""
    with contextlib.suppress(*BROKEN):
        kills = json.loads(gzip.decompress(base64.b64decode(json.loads(ledger)["kills"])))
        return frozenset(str(name) for name, *_stamp in kills["restored"])
    return frozenset()


def _kill_id(name: str, flag: Json) -> str:
    """Empty for a flag that is not killed."""
    metadata = flag.get("metadata") or {}
    return f"{name}.{metadata.get('killId') or 'document'}" if metadata.get("killed") is True else ""


class FlagSync(sync_pb2_grpc.FlagSyncServiceServicer):
    """The service. `follow` keeps it up to date, for as long as it runs."""

    def __init__(self, client: redis.asyncio.Redis, prefix: str) -> None:
        self._redis = client
        self._keys = [f"{{{prefix}}}:document", f"{{{prefix}}}:ledger"]
        self._channel = f"{{{prefix}}}:changed"
        self._served: Served | None = None
        self._text = ""
        self._news = asyncio.Event()
        self._said = ""

    async def SyncFlags(self, _request: object, _context: object) -> c.AsyncIterator[sync_pb2.SyncFlagsResponse]:
        """The whole set now and after every change. A client that is slow gets the newest and not every one."""
        sent = ""
        while True:
            news = self._news
            if self._text != sent:
                sent = self._text
                yield sync_pb2.SyncFlagsResponse(flag_configuration=sent)
            await news.wait()

    async def FetchAllFlags(self, _request: object, context: grpc.aio.ServicerContext) -> t.Any:
        if not self._text:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "there are no flags: Redis was not read yet, or has none")
        return sync_pb2.FetchAllFlagsResponse(flag_configuration=self._text)

    async def GetMetadata(self, _request: object, _context: object) -> sync_pb2.GetMetadataResponse:
        """Clients put this into the context of every evaluation; Python's fails when it is empty."""
        return sync_pb2.GetMetadataResponse(metadata={"flagSource": self._keys[0]})

    async def follow(self) -> None:
        """Subscribe, read, and read again whenever somebody says that there is news."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                async with self._redis.pubsub() as heard:
                    await heard.subscribe(self._channel)
                    while True:
                        # The first message says that the subscription stands. Only then nothing falls in between.
                        await heard.get_message(timeout=READ_AGAIN_S)
                        self._take(*await self._redis.mget(self._keys))
                        wait_s = FIRST_WAIT_S
            except (RedisError, OSError) as error:
                self._say(f"Redis is away ({type(error).__name__}: {error}); what is served stays")
            # Not all bridges at the same moment.
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _take(self, document: bytes | None, ledger: bytes | None) -> None:
        try:
            # An empty Redis has lost its flags. To serve none would end every kill.
            if document is not None:
                self._served = serve_next(self._served, document, ledger or b"")
        except BROKEN as error:
            self._say(f"what Redis has is no document of flagd ({error!r}); what is served stays")
            return
        if self._served is not None and (text := self._served.text()) != self._text:
            self._text = text
            self._news.set()
            self._news = asyncio.Event()
        served = self._served
        if served is None:
            self._say("Redis has no flags; none is served")
            return
        what = f"revision {served.revision}, {len(served.kills)} killed"
        lost = "Redis has no flags any more; what is served stays: "
        self._say(f"{lost}{what}" if document is None else f"serving {what}")

    def _say(self, text: str) -> None:
        """Once, until something else is to be said."""
        if text != self._said:
            self._said = text
            print(f"flag-sync: {text}", file=sys.stderr, flush=True)


async def serve(arguments: argparse.Namespace) -> None:
    password = pathlib.Path(arguments.password_file).read_text().strip() if arguments.password_file else None
    # `follow` is what tries again.
    given = {"password": password, "socket_timeout": 2.0, "socket_connect_timeout": 2.0, "retry": Retry(NoBackoff(), 0)}
    client = redis.asyncio.Redis.from_url(arguments.redis, **given)
    service, server = FlagSync(client, arguments.prefix), grpc.aio.server(options=_OPTIONS)
    sync_pb2_grpc.add_FlagSyncServiceServicer_to_server(service, server)
    server.add_insecure_port(arguments.listen)
    await server.start()
    following = asyncio.create_task(service.follow())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, following.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await following
    await server.stop(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1:8015", help="HOST:PORT for clients (default %(default)s)")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379", help="URL with the user (default %(default)s)")
    parser.add_argument("--password-file", help="file with the password of Redis's user")
    parser.add_argument("--prefix", default="pincex-flags", help="as the store's option (default %(default)s)")
    parser.add_argument("--ask", metavar="HOST:PORT", help="print what the bridge there serves, and end")
    arguments = parser.parse_args()
    if not arguments.ask:
        asyncio.run(serve(arguments))
        return
    stub = sync_pb2_grpc.FlagSyncServiceStub(grpc.insecure_channel(arguments.ask, [("grpc.enable_http_proxy", 0)]))
    try:
        answer = stub.FetchAllFlags(sync_pb2.FetchAllFlagsRequest(), timeout=5.0, wait_for_ready=True)
        print(answer.flag_configuration)
    except grpc.RpcError as error:
        sys.exit(f"flag-sync: {arguments.ask}: {error.code().name}: {error.details()}")


if __name__ == "__main__":
    main()
