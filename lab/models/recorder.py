# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the records of the models over HTTP, keeps them in Redis, and gives them back.

It stands between the pods and Redis, so a pod that nobody trusts yet needs no password, and its network is closed but
for this one address. README.md says what it serves.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import typing as t

import redis.asyncio
import uvloop
from redis.exceptions import RedisError

from lab.exchange.http_server import Reply, Request
from lab.exchange.orders import Refusal
from lab.exchange.service import Service, Unavailable, run_until_signal
from lab.exchange.settings import Settings
from lab.models.service.kinds import KINDS
from lab.models.streams import Streams, What

PORT: t.Final = 8016
NDJSON: t.Final = "application/x-ndjson"
_LARGEST_BODY: t.Final = 1024 * 1024


class Recorder:
    """POST /answers/MODEL, POST /labels/MODEL, GET /records/MODEL."""

    def __init__(self, streams: Streams, port: int = PORT) -> None:
        self._streams = streams
        self.service = Service(Settings(service="recorder", port=port, linger_s=0))
        self.service.take_bodies_of(_LARGEST_BODY)
        self.service.route("POST", "/answers/{id}", self._answers)
        self.service.route("POST", "/labels/{id}", self._labels)
        self.service.route("GET", "/records/{id}", self._records)
        self.service.ready = True

    async def _answers(self, request: Request, model: str) -> Reply:
        return await self._add("answers", request, model)

    async def _labels(self, request: Request, model: str) -> Reply:
        return await self._add("labels", request, model)

    async def _add(self, what: What, request: Request, model: str) -> Reply:
        _check(model)
        lines = [line for line in request.body.split(b"\n") if line]
        if not all(line.startswith(b"{") and line.endswith(b"}") for line in lines):
            raise Refusal(400, "use one JSON object per line")
        try:
            await self._streams.add(model, what, lines)
        except RedisError as error:
            raise Unavailable(f"Redis: {error}") from error
        return Reply(204, b"")

    async def _records(self, request: Request, model: str) -> Reply:
        """Answers, then labels: `since` and `until` are unix seconds of their arrival."""
        _check(model)
        given = request.parameters()
        since, until = _seconds(given, "since"), _seconds(given, "until")
        try:
            answers = await self._streams.read(model, "answers", since, until)
            labels = await self._streams.read(model, "labels", since, until)
        except RedisError as error:
            raise Unavailable(f"Redis: {error}") from error
        return Reply(200, b"".join(line + b"\n" for line in (*answers, *labels)), NDJSON)


def _check(model: str) -> None:
    if model not in KINDS:
        raise Refusal(404, f"there is no model of this name; there are {', '.join(KINDS)}")


def _seconds(given: t.Mapping[str, str], name: str) -> float | None:
    text = given.get(name)
    try:
        value = None if text is None else float(text)
    except ValueError:
        raise Refusal(400, f"{name}: use unix seconds") from None
    if value is not None and not 0 <= value < 1e11:
        raise Refusal(400, f"{name}: use unix seconds")
    return value


async def serve(options: argparse.Namespace) -> int:
    """Answer until the process is told to end."""
    password = options.password_file.read_text().strip() if options.password_file else None
    async with redis.asyncio.Redis.from_url(options.redis, password=password, socket_timeout=5) as server:
        return await run_until_signal(Recorder(Streams(server), options.port).service)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.models.recorder", description="Keeps the records of models.")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--redis", required=True, metavar="URL", help="redis://USER@HOST:PORT")
    parser.add_argument("--password-file", type=pathlib.Path)
    return uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
