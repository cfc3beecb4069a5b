# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One order book with price-time priority. Integers only, no I/O."""

from __future__ import annotations

import bisect
import collections
import dataclasses


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
    filled_at_entry: int = 0
    cancelled: int = 0
    cancel_sequence: int = 0

    @property
    def filled(self) -> int:
        return self.quantity - self.remaining - self.cancelled

    @property
    def status(self) -> str:
        if self.remaining:
            return "open"
        return "cancelled" if self.cancel_sequence else "filled"


@dataclasses.dataclass(frozen=True, slots=True)
class Fill:
    """One trade: the resting order gives its price."""

    maker: str
    price: int
    quantity: int


class _Side:
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

    def depth(self) -> list[tuple[int, int]]:
        """(price, quantity) of every level, best first."""
        return [
            (key * self._sign, sum(order.remaining for order in self._levels[key].values()))
            for key in reversed(self._keys)
        ]


class Book:
    """Buy and sell side of one pair."""

    def __init__(self) -> None:
        self._sides = {"buy": _Side(1), "sell": _Side(-1)}

    def place(self, order: Order) -> list[Fill]:
        """Match a new order against the other side, then let the rest stand in the book."""
        buys = order.side == "buy"
        other = self._sides["sell" if buys else "buy"]
        fills: list[Fill] = []
        while order.remaining:
            maker = other.best()
            if maker is None or (maker.price > order.price if buys else maker.price < order.price):
                break
            quantity = min(order.remaining, maker.remaining)
            order.remaining -= quantity
            maker.remaining -= quantity
            fills.append(Fill(maker.client_order_id, maker.price, quantity))
            if not maker.remaining:
                other.remove(maker)
        order.filled_at_entry = order.filled
        if order.remaining:
            self._sides[order.side].add(order)
        return fills

    def rest(self, order: Order) -> None:
        """Put an order of a snapshot back; orders must come in the order of their sequence numbers."""
        self._sides[order.side].add(order)

    def cancel(self, order: Order) -> int:
        """Take an open order out of the book; returns the quantity that is cancelled."""
        self._sides[order.side].remove(order)
        order.cancelled, order.remaining = order.remaining, 0
        return order.cancelled

    def depth(self) -> dict[str, list[tuple[int, int]]]:
        return {"bids": self._sides["buy"].depth(), "asks": self._sides["sell"].depth()}
