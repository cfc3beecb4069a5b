# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All books of one venue as a state machine: events in, the same state out. No I/O, no clock."""

from __future__ import annotations

import dataclasses
import typing as t

from .book import Book, Order
from .orders import NewOrder, Refusal

Event = dict[str, t.Any]
_FIELDS: t.Final = tuple(field.name for field in dataclasses.fields(Order))


class ReplayError(Exception):
    """An event does not fit the state that all earlier events made."""


class Venue:
    """Books, orders by client order id, and the number of the last accepted event."""

    def __init__(self, pairs: t.Iterable[str]) -> None:
        self.sequence = 0
        self.orders: dict[str, Order] = {}
        self._books = {pair: Book() for pair in pairs}

    def place(self, new: NewOrder) -> tuple[Order, Event | None]:
        """Accept an order; without an event when its id was accepted before, whatever else the request says."""
        known = self.orders.get(new.client_order_id)
        if known is not None:
            return known, None
        book = self._books.get(new.pair)
        if book is None:
            raise Refusal(422, f"pair {new.pair} is not traded here")
        self.sequence += 1
        order = Order(
            new.client_order_id, new.pair, new.side, new.price, new.quantity, self.sequence, remaining=new.quantity
        )
        self.orders[order.client_order_id] = order
        fills = book.place(order)
        return order, {
            "seq": self.sequence,
            "kind": "order",
            "client_order_id": order.client_order_id,
            "pair": order.pair,
            "side": order.side,
            "price": order.price,
            "quantity": order.quantity,
            "fills": [[fill.maker, fill.price, fill.quantity] for fill in fills],
        }

    def cancel(self, client_order_id: str) -> tuple[Order, Event | None]:
        """Cancel what is left of an order; without an event when it was cancelled before."""
        order = self.orders.get(client_order_id)
        if order is None:
            raise Refusal(404, f"order {client_order_id} is not known")
        if order.cancel_sequence:
            return order, None
        if not order.remaining:
            raise Refusal(409, f"order {client_order_id} is filled")
        self.sequence += 1
        order.cancel_sequence = self.sequence
        quantity = self._books[order.pair].cancel(order)
        return order, {
            "seq": self.sequence,
            "kind": "cancel",
            "client_order_id": client_order_id,
            "quantity": quantity,
        }

    def apply(self, event: Event) -> None:
        """Replay one event of the journal and check that it has the same effect as the first time."""
        again: Event | None = None
        try:
            if event["kind"] == "order":
                new = NewOrder(
                    event["client_order_id"], event["pair"], event["side"], event["price"], event["quantity"]
                )
                _, again = self.place(new)
            elif event["kind"] == "cancel":
                _, again = self.cancel(event["client_order_id"])
        except (KeyError, Refusal) as error:
            raise ReplayError(f"event {event.get('seq')}: {error}") from error
        if again != event:
            raise ReplayError(f"event {event.get('seq')}: replay made {again} of {event}")

    def depth(self, pair: str) -> dict[str, list[tuple[int, int]]]:
        book = self._books.get(pair)
        if book is None:
            raise Refusal(404, f"pair {pair} is not traded here")
        return book.depth()

    def to_snapshot(self) -> dict[str, t.Any]:
        """Everything that is needed to go on, as JSON."""
        return {
            "sequence": self.sequence,
            "pairs": sorted(self._books),
            "orders": [[getattr(order, name) for name in _FIELDS] for order in self.orders.values()],
        }

    @classmethod
    def from_snapshot(cls, snapshot: dict[str, t.Any], pairs: t.Iterable[str]) -> Venue:
        """The state of a snapshot. Orders lie in it in the order of their sequence numbers, which is time priority."""
        venue = cls({*pairs, *snapshot["pairs"]})
        venue.sequence = snapshot["sequence"]
        for values in snapshot["orders"]:
            order = Order(*values)
            venue.orders[order.client_order_id] = order
            if order.remaining:
                venue._books[order.pair].rest(order)
        return venue


def placed_result(order: Order) -> dict[str, t.Any]:
    """The answer to a new order. Made of what never changes later, so a duplicate gets the first result."""
    return {
        "client_order_id": order.client_order_id,
        "sequence": order.sequence,
        "status": "filled" if order.filled_at_entry == order.quantity else "open",
        "filled": order.filled_at_entry,
        "remaining": order.quantity - order.filled_at_entry,
    }


def cancelled_result(order: Order) -> dict[str, t.Any]:
    return {
        "client_order_id": order.client_order_id,
        "sequence": order.cancel_sequence,
        "status": "cancelled",
        "filled": order.filled,
        "cancelled": order.cancelled,
    }


def order_result(order: Order) -> dict[str, t.Any]:
    """The order as it is now."""
    return {
        "client_order_id": order.client_order_id,
        "pair": order.pair,
        "side": order.side,
        "price": order.price,
        "quantity": order.quantity,
        "sequence": order.sequence,
        "status": order.status,
        "filled": order.filled,
        "remaining": order.remaining,
        "cancelled": order.cancelled,
    }
