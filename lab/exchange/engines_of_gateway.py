# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines behind a gateway: which one leads, and what waits while none does."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import typing as t

from .acknowledged import Acknowledged
from .hold import Held, HoldFull, HoldQueue, Kind
from .http_client import Answer, HttpClient, HttpFailure
from .orders import NewOrder, Refusal
from .upstream import ATTEMPT_S, Away, is_final, pause_s

#: To each engine.
_CONNECTIONS: t.Final = 32
#: An engine that leads answers at once; one that does not answer is not worth waiting for.
_LEADER_S: t.Final = 0.5
#: While something is held. It is a part of the time in which nobody trades.
_LOOK_EVERY_S: t.Final = 0.03
#: While nobody waits for it.
_LOOK_IDLE_S: t.Final = 0.25
#: Orders whose end is not known are few, but a client may leave them behind for ever.
_KEPT_SENT: t.Final = 10_000
#: In these modes an engine takes no new order at all.
_TAKES_NOTHING: t.Final = ("cancel_only", "halted")


class HeldTooLong(Exception):
    """No engine could take it in time, or too many wait already. It was never accepted and may be sent again."""


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Engines:
    """Sends to the engine that leads. `deadline_s` is for each order, without the time that it was held.

    With one URL, an engine that is away is asked again until the deadline; with more, another one may lead by now, and
    what was surely not sent is held.
    """

    def __init__(
        self,
        urls: t.Sequence[str],
        hold: HoldQueue,
        deadline_s: float,
        now_ms: t.Callable[[], int] = _wall_clock_ms,
    ) -> None:
        self.urls = list(urls)
        self.hold = hold
        self.counts = Acknowledged()
        self.epoch: int | None = None
        #: As far as it is known: nobody asks for it as long as all is well.
        self.mode = "online"
        self._clients = [HttpClient(url, most=_CONNECTIONS) for url in urls]
        self._deadline_s = deadline_s
        self._now_ms = now_ms
        self._current = 0
        self._closed = False
        #: Grows whenever a leader is found: what was sent before says nothing about the engine as it is now.
        self._found = 0
        self._waiting: dict[Held, list[asyncio.Future[None]]] = {}
        self._cancels_under_way = 0
        #: Ids of orders that were sent and have no answer: nobody may say that they were never accepted.
        self._sent: dict[str, None] = {}
        self._watch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    @property
    def url(self) -> str:
        return self.urls[self._current]

    @property
    def client(self) -> HttpClient:
        """To the engine that leads, or led last."""
        return self._clients[self._current]

    # -- what clients want

    async def place(self, order: NewOrder, body: bytes, deadline: float) -> Answer:
        """Raises Away, HeldTooLong, and Refusal for an order that ended while it was held."""
        identity = order.client_order_id
        held: Held | None = None
        # One that an engine may know is never held: only the engine can say how it ended, and has to be asked.
        attempts = _Attempts(deadline, sent=identity in self.counts or identity in self._sent)
        while True:
            if not attempts.sent and self._holds_orders():
                held = await self._wait("order", identity, held, order.expires_at_ms)
                attempts.deadline = self._new_deadline()
            # An order that the engine cannot accept is a question. Counted, the flow of refusals would look like
            # orders in flight to one who waits for their end.
            counted = self.mode not in _TAKES_NOTHING
            self.counts.in_flight += counted
            self._remember(identity)
            try:
                answer = await self._attempt(attempts, "POST", "/orders", body)
            except Away:
                self.counts.answered += counted
                raise
            finally:
                self.counts.in_flight -= counted
            if answer is not None or not attempts.sent:
                self._sent.pop(identity, None)
            if answer is not None:
                self.counts.answered += counted or answer.status == 200
                self._learn(identity, answer)
                return answer

    async def cancel(self, client_order_id: str, path: str, deadline: float) -> Answer | None:
        """None when the order was held here: it is out, and never was accepted. Raises Away, HeldTooLong."""
        held: Held | None = None
        attempts = _Attempts(deadline)
        while True:
            if self._cancel_held(client_order_id):
                return None
            released = self._closed
            if released:
                held = await self._wait("cancel", client_order_id, held)
                attempts.deadline = self._new_deadline()
            try:
                answer = await self._attempt(attempts, "DELETE", path, b"")
            finally:
                self._cancels_under_way -= released
            if answer is not None:
                return answer

    async def query(self, path: str, deadline: float) -> Answer:
        """Raises Away."""
        attempts = _Attempts(deadline, sent=True)
        while True:
            answer = await self._attempt(attempts, "GET", path, b"")
            if answer is not None:
                return answer

    def _new_deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._deadline_s

    def _remember(self, identity: str) -> None:
        self._sent[identity] = None
        if len(self._sent) > _KEPT_SENT:
            del self._sent[next(iter(self._sent))]

    def _learn(self, identity: str, answer: Answer) -> None:
        if answer.status == 200:
            if self.mode in _TAKES_NOTHING:
                self.mode = "online"
            self.counts.add(identity, answer.json()["sequence"])
        elif answer.status == 409:
            code = str(answer.json().get("code", ""))
            if code.startswith("mode_"):
                self.mode = code.removeprefix("mode_")

    async def _attempt(self, attempts: _Attempts, method: str, path: str, body: bytes) -> Answer | None:
        """One attempt; None when there is to be another one, after a pause where that is wise. Raises Away."""
        now = asyncio.get_running_loop().time
        left = attempts.deadline - now()
        if left <= 0:
            raise Away(attempts.last)
        found = self._found
        try:
            answer = await self.client.request(method, path, body, timeout_s=min(left, ATTEMPT_S))
        except HttpFailure as failure:
            attempts.last = str(failure)
            if failure.kind == "connect":
                if len(self.urls) > 1:
                    self._no_leader(found)
            else:
                attempts.sent = True
        else:
            if answer.status == 423:
                attempts.last = "no engine leads"
                self._no_leader(found)
                if not attempts.sent:
                    return None
            elif is_final(answer):
                return answer
            else:
                attempts.last, attempts.sent = f"status {answer.status}", True
        if attempts.sent or not self._closed:
            await asyncio.sleep(min(pause_s(attempts.count, random.random()), max(0.0, attempts.deadline - now())))
            attempts.count += 1
        return None

    # -- holding

    def _holds_orders(self) -> bool:
        """An order that comes now may not overtake those that are held, nor the cancels that are sent before them."""
        waiting = self.hold.orders or self.hold.cancels or self._cancels_under_way
        return self._closed or bool(waiting and self.mode == "online")

    def _cancel_held(self, client_order_id: str) -> bool:
        """Whether the order was held, and is out now."""
        held = self.hold.cancel_order(client_order_id)
        if held is None:
            return False
        reason = f"order {client_order_id} was cancelled while it was held; it never was accepted"
        self._end(held, Refusal(409, reason, "cancelled_while_held"))
        return True

    async def _wait(self, kind: Kind, client_order_id: str, held: Held | None, expires_at_ms: int = 0) -> Held:
        """Return when it may be sent. Raises what it ends with otherwise."""
        now = asyncio.get_running_loop().time()
        try:
            if held is None:
                held = self.hold.add(kind, client_order_id, now, expires_at_ms)
            else:
                held = self.hold.put_back(held)
        except HoldFull:
            raise HeldTooLong(f"no engine leads, and {self.hold.most} orders and cancels wait already") from None
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A second request for the same order waits for the same end.
        self._waiting.setdefault(held, []).append(future)
        self._start_watch()
        self._wake.set()
        await future
        return held

    def _end(self, held: Held, error: Exception | None = None) -> int:
        """Tell all requests that wait for it; returns how many there are."""
        futures = [future for future in self._waiting.pop(held, ()) if not future.done()]
        for future in futures:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        return len(futures)

    def _no_leader(self, found: int) -> None:
        if found == self._found:
            self._closed = True
            self._start_watch()

    def _start_watch(self) -> None:
        if self._watch is None or self._watch.done():
            self._watch = asyncio.get_running_loop().create_task(self._look_for_leader())

    async def _look_for_leader(self) -> None:
        """Until one leads and nothing is held."""
        loop = asyncio.get_running_loop()
        while self._closed or len(self.hold):
            for held in self.hold.overdue(loop.time()):
                what = f"{held.kind} {held.client_order_id} was held for {self.hold.longest_s:g} s"
                self._end(held, HeldTooLong(f"{what} and no engine took it"))
            if await self.find_leader():
                self._release()
            if len(self.hold):
                await asyncio.sleep(_LOOK_EVERY_S)
                continue
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_IDLE_S):
                    await self._wake.wait()

    def _release(self) -> None:
        """Cancels first; orders when those are answered."""
        for held in self.hold.take_cancels():
            self._cancels_under_way += self._end(held)
        if self._cancels_under_way:
            return
        now_ms = self._now_ms()
        send, expired = self.hold.take_orders(self.mode, now_ms)
        for held in expired:
            reason = f"order {held.client_order_id} expired while it was held; it never was accepted"
            self._end(held, Refusal(409, reason, "expired"))
        for held in send:
            self._end(held)

    async def find_leader(self) -> bool:
        """Ask all engines which one leads; whether one does. The highest epoch wins, and no older one than before."""
        answers = await asyncio.gather(*(self._ask_leader(client) for client in self._clients))
        leaders = [(answer["epoch"], -index, answer) for index, answer in enumerate(answers) if answer is not None]
        if not leaders:
            return False
        epoch, index, answer = max(leaders, key=lambda one: one[:2])
        if self.epoch is not None and epoch < self.epoch:
            return False
        self._current, self.epoch, self.mode = -index, epoch, answer.get("mode", "online")
        self._found += 1
        self._closed = False
        return True

    @staticmethod
    async def _ask_leader(client: HttpClient) -> dict[str, t.Any] | None:
        """What an engine that leads says of itself."""
        with contextlib.suppress(HttpFailure, ValueError):
            answer = await client.request("GET", "/leader", timeout_s=_LEADER_S)
            if answer.status == 200:
                found: dict[str, t.Any] = answer.json()
                if found.get("leader") is True and isinstance(found.get("epoch"), int):
                    return found
        return None

    def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        for client in self._clients:
            client.close()


class _Attempts:
    """What has been tried for one request. `sent`: an engine may have got it, so only an engine knows how it ended."""

    __slots__ = ("count", "deadline", "last", "sent")

    def __init__(self, deadline: float, sent: bool = False) -> None:
        self.deadline = deadline
        self.count = 0
        self.sent = sent
        self.last = "no time was left"
