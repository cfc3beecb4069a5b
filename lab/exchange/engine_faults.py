# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine does wrong on request, to show that a drain sees it. Each is done once, but for the first and third.

settlement_stuck   a trade is never settled
snapshot_corrupt   a byte of the next snapshot is another one
journal_lagging    a follower takes two events per second
ack_not_journaled  an order is acknowledged and neither journaled nor known
balance_lost       a reservation does not reach its account
queue_swapped      the first order of a queue is put behind the others
trade_one_leg      a trade has no seller's leg
"""

from __future__ import annotations

import pathlib
import typing as t

from .orders import Refusal
from .settings import FAULTS
from .venue import Venue

_LAG_S: t.Final = 0.5
#: A snapshot is broken so far from its end: in its records, not in its last line.
_FROM_END: t.Final = 200


class Faults:
    """The faults that are asked for and not done yet."""

    def __init__(self) -> None:
        self.armed: set[str] = set()

    def arm(self, names: t.Iterable[str], venue: Venue) -> None:
        """Raises Refusal."""
        wanted = set(names)
        if wanted - set(FAULTS):
            raise Refusal(400, f"faults: use some of {', '.join(FAULTS)}")
        for name in wanted - self.armed:
            self.armed.add(name)
            if name in _PATCHES:
                _PATCHES[name](self, venue)

    def once(self, name: str) -> bool:
        """Whether to do it now."""
        if name not in self.armed:
            return False
        self.armed.discard(name)
        return True

    def lag_s(self) -> float:
        return _LAG_S if "journal_lagging" in self.armed else 0.0

    def spoil(self, path: pathlib.Path) -> None:
        """Break a snapshot that was just written."""
        if self.once("snapshot_corrupt"):
            data = bytearray(path.read_bytes())
            data[-min(_FROM_END, len(data))] ^= 1
            path.write_bytes(data)

    def poke(self, venue: Venue) -> None:
        """Swap a queue as soon as there is one to be swapped: the one that will trade last."""
        if "queue_swapped" not in self.armed:
            return
        for market in venue.markets.values():
            for side in (market.book.bids, market.book.asks):
                for price, queue in reversed(list(side.levels())):
                    if len(queue) > 1:
                        key = price if side is market.book.bids else -price
                        side._levels[key].move_to_end(next(iter(queue)).client_order_id)
                        self.armed.discard("queue_swapped")
                        return


def _stuck(_faults: Faults, venue: Venue) -> None:
    settlement, due = venue.settlement, venue.settlement.due
    stuck: list[int] = []

    def all_but_one(until_ms: int, most: int = 1000) -> list[int]:
        if not stuck and settlement.pending:
            stuck.append(next(iter(settlement.pending)))
        return [number for number in due(until_ms, most) if number not in stuck]

    settlement.due = all_but_one  # type: ignore[method-assign]


def _lost(faults: Faults, venue: Venue) -> None:
    ledger, reserve = venue.ledger, venue.ledger.reserve

    def skip(account: str, currency: str, amount: int) -> None:
        if not faults.once("balance_lost"):
            reserve(account, currency, amount)

    ledger.reserve = skip  # type: ignore[method-assign]


def _one_leg(faults: Faults, venue: Venue) -> None:
    settlement, book_seller = venue.settlement, venue.settlement.book_seller

    def skip(trade: t.Any, pair: t.Any) -> None:
        if not faults.once("trade_one_leg"):
            book_seller(trade, pair)

    settlement.book_seller = skip  # type: ignore[method-assign]


_PATCHES: t.Final[dict[str, t.Callable[[Faults, Venue], None]]] = {
    "settlement_stuck": _stuck,
    "balance_lost": _lost,
    "trade_one_leg": _one_leg,
}
