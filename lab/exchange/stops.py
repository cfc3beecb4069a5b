# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop orders: they wait outside the book until the last price reaches their trigger. No I/O."""

from __future__ import annotations

import bisect
import typing as t

from .book import Order


class Stops:
    """Waiting stop orders of one pair, by trigger.

    A buy stop is triggered by a trade at its trigger or above, a sell stop by one at its trigger or below.
    """

    def __init__(self) -> None:
        self._buys: list[tuple[int, int, Order]] = []
        self._sells: list[tuple[int, int, Order]] = []

    def __len__(self) -> int:
        return len(self._buys) + len(self._sells)

    def __iter__(self) -> t.Iterator[Order]:
        for side in (self._buys, self._sells):
            for _, _, order in side:
                yield order

    def _place(self, order: Order) -> tuple[list[tuple[int, int, Order]], tuple[int, int, Order]]:
        # Numbers are unique: orders themselves are never compared.
        if order.side == "buy":
            return self._buys, (order.trigger, order.sequence, order)
        return self._sells, (-order.trigger, order.sequence, order)

    def add(self, order: Order) -> None:
        side, entry = self._place(order)
        bisect.insort(side, entry)

    def remove(self, order: Order) -> None:
        side, entry = self._place(order)
        index = bisect.bisect_left(side, entry)
        if index == len(side) or side[index][2] is not order:
            raise KeyError(order.client_order_id)
        del side[index]

    def take(self, low: int, high: int) -> list[Order]:
        """Take out what trades between these two prices trigger, in the order in which they were placed."""
        if not self._buys and not self._sells:
            return []
        taken: list[tuple[int, Order]] = []
        for side, reached in ((self._buys, high), (self._sells, -low)):
            count = 0
            while count < len(side) and side[count][0] <= reached:
                taken.append(side[count][1:])
                count += 1
            del side[:count]
        return [order for _, order in sorted(taken, key=lambda one: one[0])]


def triggers_at_once(side: str, trigger: int, last_price: int) -> bool:
    """Is the last price already beyond the trigger? 0 is no last price."""
    if not last_price:
        return False
    return trigger <= last_price if side == "buy" else trigger >= last_price
