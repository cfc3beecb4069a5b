# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Execution reports, made of the engine's journal and of nothing else. No I/O.

So they come in the order of the journal, they are the same after a restart of the gateway, and another engine that has
the same journal goes on with them. ExecID is the number of the event and that of the report in it.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from .feed import FeedError
from .fix_messages import (
    CL_ORD_ID,
    LAST_PX,
    LAST_QTY,
    ORIG_CL_ORD_ID,
    TEXT,
    Fields,
    decimal_text,
    execution,
    quantities,
    session_of,
)
from .pairs import PAIRS
from .venue import Event

_NEW, _CANCELLED, _EXPIRED, _TRADE, _TRIGGERED = "0", "4", "C", "F", "L"
_MODE: t.Final = b'"kind":"mode"'


@dataclasses.dataclass(slots=True)
class _Order:
    """An order of FIX that may still trade. `value` is the sum of price times quantity of its fills."""

    client_order_id: str
    sequence: int
    pair: str
    side: str
    price: int
    quantity: int
    account: str
    filled: int = 0
    value: int = 0


class Report(t.NamedTuple):
    session: str
    fields: Fields


class Reports:
    """Takes every line of the journal. Its memory grows with the open orders of its sessions, and with nothing else."""

    def __init__(self, sessions: t.Iterable[str]) -> None:
        self.sequence = 0
        self.mode = "online"
        self.mode_reason = ""
        #: ClOrdID of the request that wants to cancel that order: the journal does not know it.
        self.cancels: dict[str, str] = {}
        self._sessions = frozenset(sessions)
        # Most lines are of orders that came another way, and reading a line costs more than looking at it.
        self._marks = (_MODE, *(f'"{name}.'.encode() for name in self._sessions))
        self._orders: dict[str, _Order] = {}
        self._made: list[Report] = []
        self._at_ms = 0

    def take(self, line: bytes) -> list[Report]:
        """The reports of the next line; raises FeedError, after which this is of no use."""
        number = self.sequence + 1
        if not line.startswith(b'{"seq":%d,' % number):
            raise FeedError(f"the line does not follow event {self.sequence}: {line[:40]!r}")
        self._made = []
        if any(mark in line for mark in self._marks):
            try:
                self._apply(json.loads(line))
            except (KeyError, TypeError, ValueError) as error:
                raise FeedError(f"event {number}: {error!r}") from error
        self.sequence = number
        return self._made

    def _apply(self, event: Event) -> None:
        self._at_ms = event["at"]
        kind = event["kind"]
        if kind == "order":
            self._order(event)
        elif kind == "cancel":
            self._end(event["client_order_id"], _CANCELLED, self.cancels.pop(event["client_order_id"], ""))
        elif kind in ("expire", "deadman"):
            for identity, _ in event["orders"]:
                if kind == "expire":
                    self._end(identity, _EXPIRED)
                else:
                    self._end(identity, _CANCELLED, text=f"the dead-man timer of {event['account']} ran out")
        elif kind == "mode":
            self.mode, self.mode_reason = event["mode"], event["reason"]

    def _order(self, event: Event) -> None:
        identity = event["client_order_id"]
        if session_of(identity)[0] in self._sessions:
            fields = ("client_order_id", "seq", "pair", "side", "price", "quantity", "account")
            self._orders[identity] = _Order(*(event[name] for name in fields))
            # A stop order is accepted, and waits.
            self._report(identity, _NEW, "A" if "trigger" in event else "0")
        self._enter(event)
        for entered in event.get("triggered", ()):
            if entered["client_order_id"] in self._orders:
                self._report(entered["client_order_id"], _TRIGGERED, "0")
            self._enter(entered)

    def _enter(self, result: Event) -> None:
        identity = result["client_order_id"]
        for maker, price, quantity in result["fills"]:
            self._fill(maker, price, quantity)
            self._fill(identity, price, quantity)
        if "cancelled" in result:
            self._end(identity, _CANCELLED, text="nothing more to trade with at its price")

    def _fill(self, identity: str, price: int, quantity: int) -> None:
        order = self._orders.get(identity)
        if order is None:
            return
        order.filled += quantity
        order.value += price * quantity
        pair = PAIRS[order.pair]
        last = {
            LAST_PX: decimal_text(price, pair.price_decimals),
            LAST_QTY: decimal_text(quantity, pair.quantity_decimals),
        }
        left = order.quantity - order.filled
        self._report(identity, _TRADE, "1" if left else "2", last)
        if not left:
            del self._orders[identity]
            self.cancels.pop(identity, None)

    def _end(self, identity: str, exec_type: str, cancel_id: str = "", text: str = "") -> None:
        if identity not in self._orders:
            return
        more: Fields = {TEXT: text} if text else {}
        if cancel_id:
            more[CL_ORD_ID], more[ORIG_CL_ORD_ID] = cancel_id, session_of(identity)[1]
        self._report(identity, exec_type, exec_type, more)
        del self._orders[identity]

    def _report(self, identity: str, exec_type: str, status: str, more: Fields | None = None) -> None:
        order = self._orders[identity]
        pair = PAIRS[order.pair]
        left = 0 if exec_type in (_CANCELLED, _EXPIRED) else order.quantity - order.filled
        fields = {
            **execution(order, exec_type, status, f"{self.sequence + 1}-{len(self._made)}", self._at_ms),
            **quantities(pair, order.quantity, order.filled, left, order.value),
            **(more or {}),
        }
        self._made.append(Report(session_of(identity)[0], fields))
