# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One order book with price-time priority. Integers only, no I/O."""

from __future__ import annotations

import bisect
import collections
import dataclasses
import typing as t


@dataclasses.dataclass(slots=True)
class Order:
    """An accepted order. At every instant quantity = filled + remaining + cancelled."""

    client_order_id: str
    pair: str
    side: str
    price: int
    quantity: int
    sequence: int
    remaining: int
    account: str = "house"
    time_in_force: str = "gtc"
    expires_at_ms: int = 0
    #: The price that turns a stop order into a limit order; 0 for a limit order.
    trigger: int = 0
    #: Number of the event that did so.
    trigger_sequence: int = 0
    filled_at_entry: int = 0
    cancelled: int = 0
    cancel_sequence: int = 0
    smp_group: str = ""
    #: Place in the queue of its price when a proof came by. A scratch field: the queue itself is the truth.
    position: int = 0

    @property
    def filled(self) -> int:
        return self.quantity - self.remaining - self.cancelled

    @property
    def waits_for_trigger(self) -> bool:
        return bool(self.trigger and self.remaining and not self.trigger_sequence)

    @property
    def status(self) -> str:
        if self.remaining:
            return "untriggered" if self.waits_for_trigger else "open"
        return "cancelled" if self.cancel_sequence else "filled"


class Fill(t.NamedTuple):
    """One trade: the resting order gives its price."""

    maker: Order
    price: int
    quantity: int


class Side:
    """Resting orders of one side. `sign` makes the best price the largest key on both sides."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[int] = []
        # An ordered dictionary takes orders out of the middle (cancels) and from the front at the same small cost.
        self._levels: dict[int, collections.OrderedDict[str, Order]] = {}

    def add(self, order: Order) -> None:
        key = order.price * self._sign
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = collections.OrderedDict()
            bisect.insort(self._keys, key)
        level[order.client_order_id] = order

    def remove(self, order: Order) -> None:
        key = order.price * self._sign
        level = self._levels[key]
        del level[order.client_order_id]
        if not level:
            del self._levels[key]
            del self._keys[bisect.bisect_left(self._keys, key)]

    def best(self) -> Order | None:
        return next(iter(self._levels[self._keys[-1]].values())) if self._keys else None

    def levels(self) -> t.Iterator[tuple[int, t.Collection[Order]]]:
        """(price, orders in their queue) of every level, best first."""
        for key in reversed(self._keys):
            yield key * self._sign, self._levels[key].values()

    def depth(self) -> list[tuple[int, int]]:
        """(price, quantity) of every level, best first."""
        return [(price, sum(order.remaining for order in queue)) for price, queue in self.levels()]


class Book:
    """Buy and sell side of one pair."""

    def __init__(self) -> None:
        self.bids = Side(1)
        self.asks = Side(-1)

    def crosses(self, side: str, price: int) -> bool:
        """Would an order at that price trade at once?"""
        buys = side == "buy"
        best = (self.asks if buys else self.bids).best()
        return best is not None and (best.price <= price if buys else best.price >= price)

    def match(self, order: Order) -> list[Fill]:
        """Match an order against the other side. It stops in front of an order of its own prevention group."""
        buys = order.side == "buy"
        other = self.asks if buys else self.bids
        fills: list[Fill] = []
        while order.remaining:
            maker = other.best()
            if maker is None or (maker.price > order.price if buys else maker.price < order.price):
                break
            if order.smp_group and order.smp_group == maker.smp_group:
                break
            quantity = min(order.remaining, maker.remaining)
            order.remaining -= quantity
            maker.remaining -= quantity
            fills.append(Fill(maker, maker.price, quantity))
            if not maker.remaining:
                other.remove(maker)
        return fills

    def rest(self, order: Order) -> None:
        """Put an order behind all others of its price."""
        (self.bids if order.side == "buy" else self.asks).add(order)

    def cancel(self, order: Order) -> None:
        """Take an open order out of the book."""
        (self.bids if order.side == "buy" else self.asks).remove(order)

    def queues(self) -> t.Iterator[Order]:
        """All resting orders: bids, then asks, best price first, each in its queue."""
        for side in (self.bids, self.asks):
            for _, queue in side.levels():
                yield from queue

    def depth(self) -> dict[str, list[tuple[int, int]]]:
        return {"bids": self.bids.depth(), "asks": self.asks.depth()}
