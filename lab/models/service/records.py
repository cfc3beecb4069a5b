# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of what was answered, on their way to the recorder: never in the way of an answer.

They wait in a queue of fixed length and leave in the background, so an answer neither waits for the recorder nor fails
without it. What the queue has no room for is dropped, and counted.
"""

from __future__ import annotations

import asyncio
import collections
import json
import sys
import typing as t

import prometheus_client

from lab.exchange.http_client import HttpClient, HttpFailure
from lab.models.service.kinds import Output, Prediction, Request

#: Why there is no output.
FAILURE: t.Final = "the model failed"
#: Twenty minutes of a recorder that is away, at ten requests per second.
LONGEST_QUEUE: t.Final = 12_000
#: What the recorder takes at once is limited by the size of a body.
_MOST_AT_ONCE: t.Final = 200
#: Records are looked for so often: many leave together, and a comparison of minutes sees them soon enough.
_EVERY_S: t.Final = 0.2
_TIMEOUT_S: t.Final = 5.0
#: Between two attempts while the recorder is away.
_FIRST_WAIT_S: t.Final = 0.2
_LONGEST_WAIT_S: t.Final = 5.0


def answer_line(request: Request, at: float, version: str, made: Prediction | None, ms: float) -> bytes:
    """The record of an answer: `at` is when the request came (unix seconds), `ms` what it took. None: it failed."""
    record = {
        "id": request.id,
        "ts": round(at, 6),
        "segment": request.segment,
        "version": version,
        "out": made.out if made is not None else None,
        "score": made.score if made is not None else None,
        "ms": round(ms, 3),
        "err": "" if made is not None else FAILURE,
    }
    return json.dumps(record, separators=(",", ":")).encode()


def label_line(request_id: str, label: Output, at: float) -> bytes:
    """The record of what was right, and when that became known (unix seconds)."""
    return json.dumps({"id": request_id, "label": label, "ts": round(at, 6)}, separators=(",", ":")).encode()


class Records:
    """The queue and who empties it. `path`: where the recorder takes them. Without a URL nothing is recorded."""

    def __init__(
        self, url: str, path: str, registry: prometheus_client.CollectorRegistry, longest: int = LONGEST_QUEUE
    ) -> None:
        self._client = HttpClient(url) if url else None
        self._path = path
        self._longest = longest
        self._waiting: collections.deque[bytes] = collections.deque()
        ended = prometheus_client.Counter(
            "prediction_records", "Records of answers by what became of them.", ["outcome"], registry=registry
        )
        self._sent, self._dropped = ended.labels("sent"), ended.labels("dropped")
        prometheus_client.Gauge(
            "prediction_records_waiting", "Records that the recorder has not got yet.", registry=registry
        ).set_function(lambda: len(self._waiting))
        self._task: asyncio.Task[None] | None = None

    def add(self, line: bytes) -> None:
        """Take one record. The newest is dropped when there is no room: what waits is in the recorder's order."""
        if self._client is None:
            return
        if len(self._waiting) >= self._longest:
            self._dropped.inc()
            return
        self._waiting.append(line)

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._empty())

    async def stop(self) -> None:
        """One more attempt for what waits; the rest is dropped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._waiting and await self._send():
            pass
        self._dropped.inc(len(self._waiting))
        if self._waiting:
            print(f"{len(self._waiting)} records dropped: the recorder does not answer", file=sys.stderr, flush=True)
        self._waiting.clear()
        if self._client is not None:
            self._client.close()

    async def _empty(self) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            if await self._send():
                wait_s = _FIRST_WAIT_S
                if not self._waiting:
                    await asyncio.sleep(_EVERY_S)
            else:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _send(self) -> bool:
        """Send the oldest ones; whether the recorder has them. One that it got and did not confirm comes again: readers
        count each request once."""
        if self._client is None or not self._waiting:
            return True
        batch = [self._waiting[index] for index in range(min(len(self._waiting), _MOST_AT_ONCE))]
        try:
            answer = await self._client.request("POST", self._path, b"\n".join(batch), _TIMEOUT_S)
        except HttpFailure:
            return False
        if answer.status >= 500:
            return False
        for _line in batch:
            self._waiting.popleft()
        # What it refuses it would refuse again, and what waits behind it may be good.
        (self._sent if answer.status == 204 else self._dropped).inc(len(batch))
        return True
