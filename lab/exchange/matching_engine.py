# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""matching-engine: the books of one venue behind HTTP. It answers only what its journal holds on disk."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import typing as t

import prometheus_client

from . import snapshots
from .control import Control, followed
from .engine_faults import Faults
from .epoch_record import EpochRecord, record_of
from .http_server import Reply, Request
from .journal import Journal, JournalError, encode, recover
from .leadership import Leadership
from .orders import Refusal, is_client_order_id, parse_deadman, parse_order
from .pairs import PAIRS
from .peer import Peer
from .service import Service, json_reply
from .settings import Settings
from .state import SnapshotError
from .venue import (
    FORMATS,
    OPENING_ACCOUNTS,
    Event,
    Venue,
    cancelled_result,
    opening_deposits,
    order_result,
    placed_result,
)

#: A start that replayed more than this writes a snapshot at once, so that the next start does not.
_REPLAY_WORTH_A_SNAPSHOT = 5000
_PAGE = 10_000
#: How late a settlement may be; expiries and dead-man timers are looked at before every order as well.
_DUE_EVERY_S = 0.1
#: How long a follower may ask us to keep a question that there is nothing new for.
_LONGEST_WAIT_MS = 10_000


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class MatchingEngine:
    """POST /orders, DELETE and GET /orders/{id}, POST /deadman, GET /books/{pair},
    GET /journal?after=SEQ&limit=N&wait_ms=MS, GET /leader, and the control contract.

    A fresh journal of an engine that leads begins with deposits for `opening` accounts.
    """

    def __init__(
        self,
        settings: Settings,
        now_ms: t.Callable[[], int] = _wall_clock_ms,
        opening: t.Collection[str] = OPENING_ACCOUNTS,
        record: EpochRecord | None = None,
    ) -> None:
        self.settings = settings
        self.now_ms = now_ms
        self._due_task: asyncio.Task[None] | None = None
        #: Gets the error of the task that keeps what is due: an engine that settles nothing any more has to end.
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        settings.data.mkdir(parents=True, exist_ok=True)
        self.snapshot = settings.data / "snapshot.jsonl"
        path = settings.data / "journal.jsonl"
        # The lock on the journal comes first: replay cuts a torn line off, and another engine might just be writing it.
        self.journal = Journal(path)
        # Version 1 is from before format 2.
        reads = FORMATS[:1] if settings.version == "v1" else FORMATS
        offset, replayed = 0, 0
        self.venue = Venue(PAIRS, reads)
        if self.snapshot.exists():
            offset = self._load_snapshot(reads)
        for event in recover(path, offset):
            self.venue.apply(event)
            replayed += 1
        self.journal.durable_size = path.stat().st_size
        self.journal.durable_sequence = self.venue.sequence
        print(f"sequence {self.venue.sequence}, {replayed} events replayed", file=sys.stderr, flush=True)
        if replayed > _REPLAY_WORTH_A_SNAPSHOT:
            self._write_snapshot()
        self._faults = Faults()
        self._faults.arm(settings.faults or (), self.venue)
        if record is None:
            record = record_of(settings.epoch_record, settings.data / "epoch.json", os.environ)
        self.leadership = Leadership(
            settings.engine_name,
            record,
            venue=self.venue,
            journal=self.journal,
            now_ms=now_ms,
            follows=bool(followed(settings)),
            peer=Peer(settings.engine_peer, settings.peer_url),
        )
        self.control = Control(self, self.leadership, self._faults)
        self._opening = opening
        if self.leadership.role == "leader":
            self._begin_book(now_ms())

    def _begin_book(self, at_ms: int) -> None:
        """An engine may learn late that it leads: these events come before all others whenever that is."""
        if not self.venue.sequence:
            for account, amounts in opening_deposits(PAIRS, self._opening):
                self.journal.append(encode(self.venue.deposit(account, amounts, at_ms)))

    def _load_snapshot(self, reads: tuple[int, ...]) -> int:
        """Begin with the snapshot; returns the byte of the journal where it ends. A broken one is as good as none:
        the journal has everything."""
        try:
            manifest = snapshots.check(self.snapshot)
            venue = snapshots.load(self.snapshot, PAIRS, reads)
        except SnapshotError as error:
            print(f"{self.snapshot}: {error}", file=sys.stderr, flush=True)
            return 0
        offset: int = manifest["journal_offset"]
        if offset > self.journal.durable_size:
            raise JournalError(f"the journal is shorter than its snapshot says ({offset} bytes)")
        self.venue = venue
        return offset

    def attach(self, service: Service) -> None:
        service.route("POST", "/orders", self._place)
        service.route("DELETE", "/orders/{id}", self._cancel)
        service.route("GET", "/orders/{id}", self._query)
        service.route("POST", "/deadman", self._deadman)
        service.route("GET", "/books/{id}", self._book)
        service.route("GET", "/journal", self._journal)
        gauge = prometheus_client.Gauge(
            "engine_sequence", "Number of the last accepted event.", registry=service.registry
        )
        gauge.set_function(lambda: self.venue.sequence)
        self.control.attach(service)
        self._due_task = asyncio.get_running_loop().create_task(self._keep_due(service))
        self._due_task.add_done_callback(self._due_ended)
        service.ready = self.control.ready

    async def _keep_due(self, service: Service) -> None:
        """Journal what becomes due: settlements, expiries, dead-man timers, and the end of a cut."""
        while not self.journal.failed.done():
            if self.leadership.role == "leader":
                at_ms = self.now_ms()
                self._begin_book(at_ms)
                self._append(self.venue.due(at_ms))
                self._faults.poke(self.venue)
            await self.leadership.tick()
            self.control.tick()
            service.ready = self.control.ready
            await asyncio.sleep(_DUE_EVERY_S)

    def _due_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            self.failed.set_result(error)

    def _append(self, events: t.Iterable[Event]) -> None:
        for event in events:
            self.journal.append(encode(event))

    def timers(self) -> int:
        """The time now, with all that was to happen until then behind us: no order meets one that is expired. Raises
        Refusal unless this engine leads."""
        self.leadership.check()
        at_ms = self.now_ms()
        self._begin_book(at_ms)
        self._append(self.venue.due_timers(at_ms))
        return at_ms

    async def settled(self, event: Event | None) -> None:
        """Wait for the disk. A duplicate waits as well: its first request may still be on its way there."""
        if event is not None:
            self.journal.append(encode(event))
        await self.journal.settled()

    async def _place(self, request: Request, _part: str) -> Reply:
        new, at_ms = parse_order(request.body), self.timers()
        if self._faults.once("ack_not_journaled"):
            lost = {"client_order_id": new.client_order_id, "sequence": self.venue.sequence + 1, "status": "open"}
            return json_reply(200, {**lost, "filled": 0, "remaining": new.quantity})
        order, event = self.venue.place(new, at_ms)
        await self.settled(event)
        return json_reply(200, placed_result(order))

    async def _cancel(self, _request: Request, part: str) -> Reply:
        order, event = self.venue.cancel(part, self.timers())
        await self.settled(event)
        return json_reply(200, cancelled_result(order))

    async def _deadman(self, request: Request, _part: str) -> Reply:
        result, event = self.venue.set_deadman(*parse_deadman(request.body), self.timers())
        await self.settled(event)
        return json_reply(200, result)

    async def _query(self, _request: Request, part: str) -> Reply:
        order = self.venue.orders.get(part) if is_client_order_id(part) else None
        if order is None:
            raise Refusal(404, "no such order")
        result = order_result(order)
        await self.journal.settled()
        return json_reply(200, result)

    async def _book(self, _request: Request, part: str) -> Reply:
        depth = {"pair": part, "sequence": self.venue.sequence, **self.venue.depth(part)}
        await self.journal.settled()
        return json_reply(200, depth)

    async def _journal(self, request: Request, _part: str) -> Reply:
        parameters = request.parameters()
        try:
            after = int(parameters.get("after", "0"))
            limit = int(parameters.get("limit", str(_PAGE)))
            wait_ms = int(parameters.get("wait_ms", "0"))
        except ValueError:
            raise Refusal(400, "after, limit and wait_ms: must be integers") from None
        if after < 0 or not 1 <= limit <= _PAGE or not 0 <= wait_ms <= _LONGEST_WAIT_MS:
            raise Refusal(400, f"after: from 0; limit: from 1 to {_PAGE}; wait_ms: from 0 to {_LONGEST_WAIT_MS}")
        await self.journal.grown(after, wait_ms / 1000)
        lines = await asyncio.to_thread(self.journal.read, after, limit)
        return Reply(200, lines, "application/x-ndjson")

    def close(self) -> None:
        """After the last answer: everything on disk, and a snapshot that makes the next start short."""
        self.kill()
        if not self.journal.failed.done():
            self._write_snapshot()

    def kill(self) -> None:
        """End without a snapshot: the journal alone is enough."""
        if self._due_task is not None:
            self._due_task.cancel()
        self.control.close()
        self.journal.close()

    def _write_snapshot(self) -> None:
        snapshots.write(self.snapshot, self.venue, self.journal.durable_size, proved=False)
