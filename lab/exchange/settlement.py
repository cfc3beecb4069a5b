# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trades: two legs that are booked at once and settled later. No I/O, no clock."""

from __future__ import annotations

import collections
import dataclasses
import itertools

from .book import Fill, Order
from .ledger import Ledger, buyer_need, fee
from .pairs import Pair


@dataclasses.dataclass(slots=True)
class Trade:
    """A trade that is not settled yet. `base` goes to the buyer, `quote` without the fee to the seller."""

    number: int
    pair: str
    buyer: str
    seller: str
    base: int
    quote: int
    fee: int
    at_ms: int


class Settlement:
    """Trades by number, until they are settled; totals and numbers for ever."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.next_number = 1
        #: In the order of their numbers, which is the order of their times.
        self.pending: dict[int, Trade] = {}
        self.bought: dict[str, int] = collections.defaultdict(int)
        self.sold: dict[str, int] = collections.defaultdict(int)
        #: Trades with one leg booked and the other not; empty, or something was lost.
        self.one_legged: set[int] = set()

    def book(self, pair: Pair, fill: Fill, buyer: Order, seller: Order, at_ms: int) -> None:
        """A new trade with both its legs."""
        _, price, quantity = fill
        quote = price * quantity * pair.quote_scale
        number, base = self.next_number, quantity * pair.base_scale
        self.next_number = number + 1
        trade = Trade(number, pair.name, buyer.account, seller.account, base, quote, fee(quote), at_ms)
        self.pending[number] = trade
        self.book_buyer(trade, pair, buyer_need(buyer.price, quantity, pair.quote_scale))
        self.book_seller(trade, pair)

    def book_buyer(self, trade: Trade, pair: Pair, released: int) -> None:
        """The buyer's leg: he pays out of what his order had reserved."""
        # Whichever leg comes first makes the trade one-legged, and the other one makes it whole.
        self.one_legged ^= {trade.number}
        self.bought[pair.base] += trade.base
        self._ledger.buyer_pays(trade.buyer, pair.quote, released, trade.quote, trade.fee)

    def book_seller(self, trade: Trade, pair: Pair) -> None:
        """The seller's leg: he delivers."""
        self.one_legged ^= {trade.number}
        self.sold[pair.base] += trade.base
        self._ledger.seller_delivers(trade.seller, pair.base, trade.base, pair.quote, trade.fee)

    def due(self, until_ms: int, most: int = 1000) -> list[int]:
        """Numbers of the pending trades that were made until then, the oldest first."""
        oldest = itertools.islice(self.pending.values(), most)
        return [trade.number for trade in itertools.takewhile(lambda trade: trade.at_ms <= until_ms, oldest)]

    def settle(self, trade: Trade, pair: Pair) -> None:
        """Give both sides what they traded for."""
        del self.pending[trade.number]
        self._ledger.settle(trade.buyer, pair.base, trade.base)
        self._ledger.settle(trade.seller, pair.quote, trade.quote - trade.fee)
