# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pairs that are traded. Prices and quantities are integers, never floats."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Pair:
    """One pair. A price of 12345 with 2 price_decimals is 123.45 of the quote currency; quantities likewise."""

    name: str
    status: str
    tick_size: int
    lot_size: int
    price_decimals: int
    quantity_decimals: int


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
