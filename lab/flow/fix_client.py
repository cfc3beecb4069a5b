# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the FIX gateway by QuickFIX, and a flow of orders over several of them.

QuickFIX has to be importable: see lab/quickfix_build.py.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import itertools
import json
import pathlib
import time
import typing as t

from lab.exchange import fix_messages as fix
from lab.exchange.fix_messages import Fields
from lab.exchange.fix_sessions import FixSessions
from lab.exchange.pairs import PAIRS

from . import mix
from .reconcile import Acknowledgement

_LOGON_S: t.Final = 20.0
#: New; and, of one that was sent once more, how it stands.
_ACCEPTED: t.Final = ("0", "I")


def order_fields(cl_ord_id: str, body: bytes, at_ms: int) -> Fields:
    """The NewOrderSingle of an order of the flow (mix.py)."""
    order = json.loads(body)
    pair = PAIRS[order["pair"]]
    return {
        fix.CL_ORD_ID: cl_ord_id,
        fix.SYMBOL: pair.name,
        fix.SIDE: fix.side_code(order["side"]),
        fix.TRANSACT_TIME: fix.instant_text(at_ms),
        fix.ORDER_QTY: fix.decimal_text(order["quantity"], pair.quantity_decimals),
        fix.ORD_TYPE: "2",
        fix.PRICE: fix.decimal_text(order["price"], pair.price_decimals),
        fix.TIME_IN_FORCE: "1",
    }


class FixClient:
    """One session. It logs on, and on again, until it is stopped; its numbers are in `folder`."""

    def __init__(self, name: str, folder: pathlib.Path, host: str, port: int) -> None:
        self.name = name
        self.connected = asyncio.Event()
        self.logons = 0
        #: Texts of the Logouts that the gateway has sent.
        self.logouts: list[str] = []
        #: All that came: type and fields.
        self.messages: list[tuple[str, Fields]] = []
        #: How often each ExecID came. Once is right.
        self.exec_ids: collections.Counter[str] = collections.Counter()
        self._answers: dict[str, asyncio.Future[tuple[str, Fields]]] = {}
        self.sessions = FixSessions.connect(self, name, folder, host, port)

    async def start(self) -> None:
        self.sessions.start()
        async with asyncio.timeout(_LOGON_S):
            await self.connected.wait()

    async def stop(self) -> None:
        await self.sessions.stop()

    # -- told by QuickFIX

    def on_logon(self, _session: str) -> None:
        self.logons += 1
        self.connected.set()

    def on_logout(self, _session: str) -> None:
        self.connected.clear()

    def on_logout_message(self, _session: str, text: str) -> None:
        self.logouts.append(text)

    def on_message(self, _session: str, kind: str, fields: Fields, _sequence: int) -> None:
        self.messages.append((kind, fields))
        if kind == fix.EXECUTION_REPORT:
            self.exec_ids[fields[fix.EXEC_ID]] += 1
        identity = fields.get(fix.BUSINESS_REF_ID if kind == fix.BUSINESS_REJECT else fix.CL_ORD_ID, "")
        answer = self._answers.get(identity)
        if answer is not None and not answer.done():
            answer.set_result((kind, fields))

    # -- what it wants

    def send(self, kind: str, fields: Fields) -> asyncio.Future[tuple[str, Fields]]:
        """The future gets the first message that answers to its ClOrdID."""
        answer = self._answers[fields[fix.CL_ORD_ID]] = asyncio.get_running_loop().create_future()
        self.sessions.send(self.name, kind, fields)
        return answer

    def place(self, cl_ord_id: str, **changes: t.Any) -> asyncio.Future[tuple[str, Fields]]:
        """A buy order far from the market; `changes` are fields of the body of mix.order_body."""
        body = {**json.loads(mix.order_body(cl_ord_id, resting=True)), **changes}
        return self.send(fix.NEW_ORDER, order_fields(cl_ord_id, json.dumps(body).encode(), time.time_ns() // 1_000_000))

    def cancel(self, cl_ord_id: str, orig: str) -> asyncio.Future[tuple[str, Fields]]:
        wanted = {fix.CL_ORD_ID: cl_ord_id, fix.ORIG_CL_ORD_ID: orig}
        return self.send(
            fix.CANCEL_REQUEST, {**wanted, fix.TRANSACT_TIME: fix.instant_text(time.time_ns() // 1_000_000)}
        )

    def reports(self, cl_ord_id: str) -> list[Fields]:
        """What it was told of an order, in the order in which it came."""
        mine = (fix.CL_ORD_ID, fix.ORIG_CL_ORD_ID)
        return [
            fields
            for kind, fields in self.messages
            if kind == fix.EXECUTION_REPORT and cl_ord_id in (fields.get(tag) for tag in mine)
        ]


@dataclasses.dataclass
class FixFlow:
    """Open loop, over all clients in turn. `acknowledged` is what reconcile.py compares with the journal."""

    clients: t.Sequence[FixClient]
    region: str
    run_id: str
    acknowledged: list[Acknowledgement] = dataclasses.field(default_factory=list)
    refused: list[Fields] = dataclasses.field(default_factory=list)
    latencies_s: list[float] = dataclasses.field(default_factory=list)
    sent: int = 0
    #: What has no answer yet: the client and the order of each.
    _open: dict[asyncio.Future[tuple[str, Fields]], tuple[FixClient, Fields, float]] = dataclasses.field(
        default_factory=dict
    )
    _stopping: bool = False

    async def send(self, rate: float, seconds: float | None = None) -> None:
        """Until the end of the time or `stop`."""
        now = asyncio.get_running_loop().time
        began = now()
        for number in itertools.count():
            due = began + number / rate
            if seconds is not None and due >= began + seconds:
                return
            await asyncio.sleep(max(0.0, due - now()))
            if self._stopping:
                return
            self._place(self.clients[number % len(self.clients)], number, due)

    def _place(self, client: FixClient, number: int, due: float) -> None:
        cl_ord_id = mix.client_order_id(self.region, self.run_id, number)
        body = mix.order_body(cl_ord_id, resting=number % 20 == 0)
        self.sent += 1
        self._send(client, order_fields(cl_ord_id, body, time.time_ns() // 1_000_000), due)

    def _send(self, client: FixClient, fields: Fields, due: float) -> None:
        answer = client.send(fix.NEW_ORDER, fields)
        self._open[answer] = client, fields, due
        answer.add_done_callback(lambda done: self._answered(client.name, done, due))

    def again(self) -> int:
        """Send once more what has no answer; returns how many those are. The exchange takes each once."""
        unanswered = list(self._open.values())
        self._open.clear()
        for client, fields, due in unanswered:
            self._send(client, fields, due)
        return len(unanswered)

    def _answered(self, session: str, answer: asyncio.Future[tuple[str, Fields]], due: float) -> None:
        self._open.pop(answer, None)
        self.latencies_s.append(asyncio.get_running_loop().time() - due)
        kind, fields = answer.result()
        if kind == fix.EXECUTION_REPORT and fields[fix.EXEC_TYPE] in _ACCEPTED:
            identity = fix.engine_id(session, fields[fix.CL_ORD_ID])
            self.acknowledged.append(Acknowledgement(self.region, "order", identity, int(fields[fix.ORDER_ID])))
        else:
            self.refused.append(fields)

    def stop(self) -> None:
        self._stopping = True

    async def drain(self, timeout_s: float) -> int:
        """Wait for the answers; returns how many orders have none."""
        if self._open:
            await asyncio.wait(self._open, timeout=timeout_s)
        return len(self._open)
