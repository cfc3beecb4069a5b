# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a venue as lines, and back. Records are made and taken one by one: a venue may have a million orders."""

from __future__ import annotations

import dataclasses
import sys
import typing as t

from .book import Order
from .ledger import Balance
from .modes import Epoch
from .pairs import Pair
from .settlement import Trade
from .timers import DeadMan
from .venue import FORMATS, Market, Venue

#: A JSON array whose first item says what it is.
Record = list[t.Any]
_ORDER_FIELDS: t.Final = tuple(field.name for field in dataclasses.fields(Order) if field.name != "position")
_AMOUNTS: t.Final = ("fees", "suspended", "adjustments")


class SnapshotError(ValueError):
    """The records are not the whole state of a venue that this version can read."""


def to_snapshot(venue: Venue) -> t.Iterator[Record]:
    """Everything that is needed to go on. The same state always gives the same records; the last one counts them."""
    count = 0
    for record in _records(venue):
        count += 1
        yield record
    yield ["end", count]


def _records(venue: Venue) -> t.Iterator[Record]:
    settlement, ledger, timers = venue.settlement, venue.ledger, venue.timers
    yield [
        "venue",
        {
            "format": venue.format,
            "sequence": venue.sequence,
            "at_ms": venue.at_ms,
            "mode": venue.mode,
            "epoch": dataclasses.asdict(venue.epoch),
            "timers_paused": timers.paused,
            "accepted_digest": venue.accepted_digest,
            "next_trade": settlement.next_number,
            "bought": settlement.bought,
            "sold": settlement.sold,
            "one_legged": sorted(settlement.one_legged),
            **{name: getattr(ledger, name) for name in _AMOUNTS},
            "commands": venue.commands,
        },
    ]
    for market in venue.markets.values():
        yield ["pair", dataclasses.asdict(market.pair), market.last_price, market.stream]
    for account, balances in sorted(ledger.accounts.items()):
        held = {name: [balance.available, balance.reserved] for name, balance in sorted(balances.items())}
        yield ["account", account, held]
    for account, timer in sorted(timers.deadmen.items()):
        yield ["deadman", account, *dataclasses.astuple(timer)]
    for trade in settlement.pending.values():
        yield ["trade", *dataclasses.astuple(trade)]
    # Those that are closed need no order, but the same state shall give the same records.
    closed = sorted((one for one in venue.orders.values() if not one.remaining), key=lambda one: one.sequence)
    for order in closed:
        yield _order_record(order)
    # The others come as they stand in the books: the way back puts them there in the same queues.
    for order in venue.waiting():
        yield _order_record(order)


def _order_record(order: Order) -> Record:
    return ["order", *(getattr(order, name) for name in _ORDER_FIELDS)]


def from_snapshot(records: t.Iterable[Record], pairs: t.Mapping[str, Pair], reads: tuple[int, ...] = FORMATS) -> Venue:
    """The venue of these records; raises SnapshotError when they are not whole, or of a format it does not read."""
    venue = Venue(pairs, reads)
    digest, count, ended = None, 0, False
    for count, (kind, *values) in enumerate(records):
        if kind == "order":
            _take_order(venue, values)
        elif kind == "venue":
            digest = _take_head(venue, values[0])
        elif kind == "end":
            ended = values[0] == count
        else:
            _TAKE[kind](venue, values)
    if not ended:
        raise SnapshotError(f"the snapshot is not whole: it ends after {count} records")
    if venue.accepted_digest != digest:
        raise SnapshotError("the orders of the snapshot are not those that its head counts")
    return venue


def _take_head(venue: Venue, head: dict[str, t.Any]) -> int:
    if head["format"] not in venue.reads:
        raise SnapshotError(f"the snapshot has format {head['format']}, and this version reads {list(venue.reads)}")
    venue.format = head["format"]
    venue.sequence, venue.at_ms, venue.mode = head["sequence"], head["at_ms"], head["mode"]
    venue.epoch = Epoch(**head["epoch"])
    venue.timers.paused = head["timers_paused"]
    venue.settlement.next_number = head["next_trade"]
    venue.settlement.bought.update(head["bought"])
    venue.settlement.sold.update(head["sold"])
    venue.settlement.one_legged.update(head["one_legged"])
    for name in _AMOUNTS:
        getattr(venue.ledger, name).update(head[name])
    venue.commands = head["commands"]
    digest: int = head["accepted_digest"]
    return digest


def _take_pair(venue: Venue, values: list[t.Any]) -> None:
    fields, last_price, stream = values
    # A pair that this version does not list any more still has its orders.
    market = venue.markets.get(fields["name"])
    if market is None:
        market = venue.markets[fields["name"]] = Market(Pair(**fields))
    market.last_price, market.stream = last_price, stream


def _take_account(venue: Venue, values: list[t.Any]) -> None:
    account, held = values
    venue.ledger.accounts[sys.intern(account)] = {sys.intern(name): Balance(*amounts) for name, amounts in held.items()}


def _take_deadman(venue: Venue, values: list[t.Any]) -> None:
    venue.timers.deadmen[values[0]] = DeadMan(*values[1:])


def _take_trade(venue: Venue, values: list[t.Any]) -> None:
    trade = Trade(*values)
    venue.settlement.pending[trade.number] = trade


def _take_order(venue: Venue, values: list[t.Any]) -> None:
    order = Order(*values)
    # A million orders share these few strings.
    order.pair, order.side, order.account = sys.intern(order.pair), sys.intern(order.side), sys.intern(order.account)
    order.time_in_force = sys.intern(order.time_in_force)
    venue.remember(order)
    if not order.remaining:
        return
    market: Market = venue.markets[order.pair]
    if order.waits_for_trigger:
        market.stops.add(order)
    else:
        market.book.rest(order)


_TAKE: t.Final[dict[str, t.Callable[[Venue, list[t.Any]], None]]] = {
    "pair": _take_pair,
    "account": _take_account,
    "deadman": _take_deadman,
    "trade": _take_trade,
}
