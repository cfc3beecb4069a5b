# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two engines compare: the state in a form that both versions know, as digests, and its lines where they differ.

A change to any line or digest here is a new projection version. Everything is deterministic: the same events give the
same proof, in every process and after every restart. No I/O, no clock.
"""

from __future__ import annotations

import hashlib
import json
import operator
import typing as t
import zlib

from .book import Order, Side
from .ledger import order_need
from .venue import Market, Venue

PROJECTION: t.Final = 1
#: Fields of format 2, which version 1 of the projection does not have.
_EXTRA: t.Final = ("orders.smp_group",)
_TOP: t.Final = 10
_LISTED: t.Final = 20
_IDENTITY: t.Final = operator.attrgetter("client_order_id")
KINDS: t.Final = ("orders", "accounts", "trades", "stops", "timers")

Levels = t.Iterable[tuple[int, int]]


def book_crc32(asks: Levels, bids: Levels) -> int:
    """Kraken's checksum of a book: price and quantity of ten asks from the lowest up, then of ten bids downwards.

    Its rule takes the decimal point and leading zeros away, which makes the integers that we have. With one (price,
    quantity) per order instead of per level it is the checksum of the L3 book: it sees the queues as well.
    """
    text = "".join(f"{price}{quantity}" for side in (asks, bids) for price, quantity in side)
    return zlib.crc32(text.encode())


class _Lines:
    """SHA-256 over lines that come one by one."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, line: str) -> None:
        self.count += 1
        self._hash.update(f"{line}\n".encode())

    @classmethod
    def of(cls, lines: t.Iterable[str]) -> _Lines:
        digest = cls()
        for line in lines:
            digest.add(line)
        return digest

    def hex(self) -> str:
        return self._hash.hexdigest()


def bucket_of(name: str) -> int:
    """First byte of the name's SHA-256."""
    return hashlib.sha256(name.encode()).digest()[0]


class _Walk:
    """One walk over all books: orders by bucket with their queue positions, checksums, and what orders need."""

    def __init__(self, venue: Venue) -> None:
        self.buckets: list[list[Order]] = [[] for _ in range(256)]
        self.books: dict[str, dict[str, t.Any]] = {}
        self.needed: dict[str, int] = {}
        for name, market in sorted(venue.markets.items()):
            depth = _Lines()
            for side, resting in (("buy", market.book.bids), ("sell", market.book.asks)):
                self._side(market, side, resting, depth)
            for order in market.stops:
                self._need(market, order.side, order.price, order.remaining)
            self.books[name] = {**_checksums(market), "sha256": depth.hex()}

    def _side(self, market: Market, side: str, resting: Side, depth: _Lines) -> None:
        buckets, sha256 = self.buckets, hashlib.sha256
        for price, queue in resting.levels():
            total = 0
            for position, order in enumerate(queue):
                order.position = position
                total += order.remaining
                buckets[sha256(order.client_order_id.encode()).digest()[0]].append(order)
            depth.add(f"{side}|{price}|{total}|{len(queue)}")
            self._need(market, side, price, total)

    def _need(self, market: Market, side: str, price: int, quantity: int) -> None:
        currency, amount = order_need(market.pair, side, price, quantity)
        self.needed[currency] = self.needed.get(currency, 0) + amount


def _checksums(market: Market) -> dict[str, int]:
    tops = [
        [(price, list(queue)) for price, queue in _first(side.levels(), _TOP)]
        for side in (market.book.asks, market.book.bids)
    ]
    asks, bids = ([(price, sum(one.remaining for one in queue)) for price, queue in top] for top in tops)
    ask_orders, bid_orders = ([(price, one.remaining) for price, queue in top for one in queue] for top in tops)
    return {"l2_crc32": book_crc32(asks, bids), "l3_crc32": book_crc32(ask_orders, bid_orders)}


def _first(items: t.Iterator[t.Any], most: int) -> t.Iterator[t.Any]:
    for _, item in zip(range(most), items, strict=False):
        yield item


def _order_line(order: Order) -> str:
    return (
        f"{order.client_order_id}|{order.account}|{order.pair}|{order.side}|{order.price}|{order.remaining}"
        f"|{order.time_in_force}|{order.expires_at_ms}|{order.position}"
    )


def _order_lines(orders: list[Order]) -> t.Iterator[str]:
    return map(_order_line, sorted(orders, key=_IDENTITY))


def _accounts(venue: Venue) -> list[list[str]]:
    """Names by bucket."""
    buckets: list[list[str]] = [[] for _ in range(256)]
    for account in sorted(venue.ledger.accounts):
        buckets[bucket_of(account)].append(account)
    return buckets


def _account_lines(venue: Venue, accounts: list[str]) -> t.Iterator[str]:
    for account in accounts:
        balances = sorted(venue.ledger.accounts[account].items())
        yield f"{account}|{','.join(f'{name}={one.available}/{one.reserved}' for name, one in balances)}"


def _trade_lines(venue: Venue) -> t.Iterator[str]:
    for one in venue.settlement.pending.values():
        yield f"{one.number}|{one.pair}|{one.buyer}|{one.seller}|{one.base}|{one.quote}|{one.fee}|{one.at_ms}"


def _stop_lines(venue: Venue) -> t.Iterator[str]:
    for name, market in sorted(venue.markets.items()):
        for one in market.stops:
            yield (
                f"{one.client_order_id}|{one.account}|{name}|{one.side}|{one.trigger}|{one.price}|{one.remaining}"
                f"|{one.time_in_force}|{one.expires_at_ms}|{one.sequence}"
            )


def _timer_lines(venue: Venue) -> t.Iterator[str]:
    for identity, expires_at_ms in sorted(venue.timers.expiries.items()):
        yield f"gtd|{identity}|{expires_at_ms}"
    for account, timer in sorted(venue.timers.deadmen.items()):
        yield f"deadman|{account}|{timer.timeout_ms}|{timer.due_ms}|{timer.left_ms}"


def _buckets(all_lines: t.Iterable[t.Iterable[str]]) -> dict[str, str]:
    """{"00".."ff": "COUNT:SHA256"}; a bucket without lines is left out."""
    buckets = {}
    for number, lines in enumerate(all_lines):
        digest = _Lines.of(lines)
        if digest.count:
            buckets[f"{number:02x}"] = f"{digest.count}:{digest.hex()}"
    return buckets


def _balances(venue: Venue, needed: dict[str, int]) -> dict[str, t.Any]:
    totals = venue.ledger.totals()
    for currency in totals.keys() | needed.keys():
        totals.setdefault(currency, {})["needed"] = needed.get(currency, 0)
    accounts = _buckets(_account_lines(venue, bucket) for bucket in _accounts(venue))
    return {"currencies": totals, "accounts": {"buckets": accounts}}


def _trades(venue: Venue) -> dict[str, t.Any]:
    settlement, pending = venue.settlement, _Lines.of(_trade_lines(venue))
    return {
        "count": settlement.next_number - 1,
        "bought": dict(sorted(settlement.bought.items())),
        "sold": dict(sorted(settlement.sold.items())),
        "pending": pending.count,
        "pending_sha256": pending.hex(),
        "one_legged": sorted(settlement.one_legged)[:_LISTED],
    }


def _hidden(venue: Venue) -> dict[str, t.Any]:
    stops, timers = _Lines.of(_stop_lines(venue)), _Lines.of(_timer_lines(venue))
    last_prices = (f"{name}|{market.last_price}" for name, market in sorted(venue.markets.items()))
    return {
        "last_prices_sha256": _Lines.of(last_prices).hex(),
        "stops": {"count": stops.count, "sha256": stops.hex()},
        "timers": {"count": timers.count, "sha256": timers.hex(), "paused": venue.timers.paused},
        "counters": {
            "accepted_orders": len(venue.orders),
            "accepted_digest": f"{venue.accepted_digest:016x}",
            "next_trade": venue.settlement.next_number,
            "commands_sha256": _Lines.of(json.dumps(one, sort_keys=True) for one in venue.commands.items()).hex(),
        },
    }


def proof(venue: Venue) -> dict[str, t.Any]:
    """The projection at the venue's sequence. `state_hash` is over all of it but `extra`."""
    walk = _Walk(venue)
    projection = {
        "projection": PROJECTION,
        "sequence": venue.sequence,
        "epoch": venue.epoch.number,
        "epoch_closed": venue.epoch.closed,
        "mode": venue.mode,
        "orders": {"count": sum(map(len, walk.buckets)), "buckets": _buckets(map(_order_lines, walk.buckets))},
        "books": walk.books,
        "balances": _balances(venue, walk.needed),
        "trades": _trades(venue),
        "hidden": _hidden(venue),
        "streams": {name: market.stream for name, market in sorted(venue.markets.items())},
    }
    text = json.dumps(projection, sort_keys=True, separators=(",", ":"))
    extra = [field for field in _EXTRA if max(venue.reads) > 1]
    return {**projection, "state_hash": hashlib.sha256(text.encode()).hexdigest(), "extra": extra}


def items(venue: Venue, kind: str, bucket: int | None = None) -> list[str]:
    """The lines behind a digest. Orders and accounts have buckets; the others are one list. Raises KeyError."""
    if kind == "orders" and bucket is not None:
        return list(_order_lines(_Walk(venue).buckets[bucket]))
    if kind == "accounts" and bucket is not None:
        return list(_account_lines(venue, _accounts(venue)[bucket]))
    return list({"trades": _trade_lines, "stops": _stop_lines, "timers": _timer_lines}[kind](venue))
