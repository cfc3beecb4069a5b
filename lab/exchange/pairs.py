# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pairs that are traded. Prices and quantities are integers, never floats."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

#: Amounts of every currency are integers with so many decimals: 1.5 USD is 15_000_000_000.
MONEY_DECIMALS: t.Final = 10


@dataclasses.dataclass(frozen=True)
class Pair:
    """One pair. A price of 12345 with 2 price_decimals is 123.45 of the quote currency; quantities likewise.

    Both decimals together are at most MONEY_DECIMALS, so that price times quantity is a whole amount.
    """

    name: str
    status: str
    tick_size: int
    lot_size: int
    price_decimals: int
    quantity_decimals: int

    @functools.cached_property
    def base(self) -> str:
        """The currency that is bought and sold."""
        return self.name.partition("-")[0]

    @functools.cached_property
    def quote(self) -> str:
        """The currency that it is paid in."""
        return self.name.partition("-")[2]

    @functools.cached_property
    def base_scale(self) -> int:
        """Amount of base for a quantity of 1."""
        return int(10 ** (MONEY_DECIMALS - self.quantity_decimals))

    @functools.cached_property
    def quote_scale(self) -> int:
        """Amount of quote for a quantity of 1 at a price of 1."""
        return int(10 ** (MONEY_DECIMALS - self.price_decimals - self.quantity_decimals))


PAIRS: t.Final[dict[str, Pair]] = {
    pair.name: pair
    for pair in (
        Pair("BTC-USD", "trading", tick_size=10, lot_size=1, price_decimals=2, quantity_decimals=5),
        Pair("ETH-USD", "trading", tick_size=1, lot_size=1, price_decimals=2, quantity_decimals=4),
        Pair("SOL-USD", "trading", tick_size=1, lot_size=10, price_decimals=2, quantity_decimals=3),
        Pair("ETH-BTC", "trading", tick_size=1, lot_size=1, price_decimals=5, quantity_decimals=4),
        Pair("XRP-USD", "trading", tick_size=1, lot_size=100, price_decimals=4, quantity_decimals=2),
        Pair("LUNA-USD", "halted", tick_size=1, lot_size=1, price_decimals=4, quantity_decimals=2),
    )
}
