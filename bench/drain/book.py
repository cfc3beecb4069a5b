# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The book of an engine as files, without asking the engine for each order: `python -m bench.drain.book ORDERS FOLDER`.

Written are the journal that these orders make and a snapshot at its end, with the engine's own code. It is a process of
its own because of the memory.
"""

from __future__ import annotations

import pathlib
import sys
import typing as t

from bench.drain.figures import LOADED
from lab.exchange import snapshots
from lab.exchange.journal import encode
from lab.exchange.orders import NewOrder
from lab.exchange.pairs import PAIRS
from lab.exchange.venue import FORMATS, OPENING_ACCOUNTS, Venue, opening_deposits

#: Prices on each side, so that queues grow with the book, as they do.
_PRICES: t.Final = 5000
_LOWEST: t.Final = {"buy": 1_000, "sell": 200_000}
#: Any instant: what is due before an engine starts is done when it starts.
_AT_MS: t.Final = 1_700_000_000_000


def order(number: int) -> NewOrder:
    """All pairs that trade, both sides, and all accounts take turns. None of them ever crosses."""
    trading = [pair for pair in PAIRS.values() if pair.status == "trading"]
    pair = trading[number % len(trading)]
    side = "buy" if number // len(trading) % 2 else "sell"
    ticks = _LOWEST[side] + number * 7919 % _PRICES
    account = OPENING_ACCOUNTS[number % len(OPENING_ACCOUNTS)]
    return NewOrder(LOADED.format(number), pair.name, side, ticks * pair.tick_size, pair.lot_size, account)


def write(orders: int, folder: pathlib.Path) -> int:
    """Returns the sequence number at the end."""
    # As v1 does it, which leads at first.
    venue = Venue(PAIRS, FORMATS[:1])
    with (folder / "journal.jsonl").open("wb") as journal:
        for account, amounts in opening_deposits(PAIRS):
            journal.write(encode(venue.deposit(account, amounts, _AT_MS)))
        for number in range(orders):
            placed, event = venue.place(order(number), _AT_MS)
            if event is None or not placed.remaining:
                raise AssertionError(f"order {number} does not rest in the book")
            journal.write(encode(event))
        size = journal.tell()
    snapshots.write(folder / "snapshot.jsonl", venue, size, proved=False)
    return venue.sequence


if __name__ == "__main__":
    print(write(int(sys.argv[1]), pathlib.Path(sys.argv[2])))
