# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One venue as a state machine: commands make events, and the same events make the same state. No I/O, no clock."""

from __future__ import annotations

import typing as t
import zlib

from .book import Book, Fill, Order
from .ledger import Ledger, order_need
from .modes import MODES, Epoch, check_command, check_new_order
from .orders import HOUSE, NewOrder, Refusal
from .pairs import MONEY_DECIMALS, Pair
from .settlement import Settlement
from .stops import Stops, triggers_at_once
from .timers import Timers

Event = dict[str, t.Any]
#: An answer, and the event behind it; no event when the command was a repetition.
Answer = tuple[dict[str, t.Any], Event | None]
#: Formats of the journal and of snapshots. 2 knows `smp_group` of an order.
FORMATS: t.Final = (1, 2)
#: Trades stay pending for so long.
SETTLE_MS: t.Final = 2000
#: Answers of so many commands with a `command_id` are kept for repetitions.
_KEPT_COMMANDS: t.Final = 1000
_DIGEST_MASK: t.Final = (1 << 64) - 1

OPENING_ACCOUNTS: t.Final = (HOUSE, *(f"a{number:03d}" for number in range(100)))
#: Of every currency: more than the order flow spends in a year.
_OPENING_UNITS: t.Final = 10**12


class ReplayError(Exception):
    """An event does not fit the state that all earlier events made."""


class Market:
    """What belongs to one pair."""

    __slots__ = ("book", "last_price", "pair", "stops", "stream")

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.book = Book()
        self.stops = Stops()
        #: 0 before the first trade.
        self.last_price = 0
        #: Number of the last message of the pair's market data.
        self.stream = 0


def opening_deposits(
    pairs: t.Mapping[str, Pair], accounts: t.Iterable[str] = OPENING_ACCOUNTS
) -> t.Iterator[tuple[str, dict[str, int]]]:
    """(account, amounts) with which a fresh journal of the lab begins."""
    currencies = sorted({name for pair in pairs.values() for name in (pair.base, pair.quote)})
    for account in accounts:
        yield account, dict.fromkeys(currencies, _OPENING_UNITS * 10**MONEY_DECIMALS)


class Venue:
    """Books, accounts, timers, mode and epoch, and the number of the last accepted event.

    Every command takes the time as unix milliseconds; time never goes back. A refused command changes nothing.
    """

    def __init__(self, pairs: t.Mapping[str, Pair], reads: tuple[int, ...] = FORMATS) -> None:
        self.reads = reads
        self.format = 1
        self.sequence = 0
        self.at_ms = 0
        self.mode = "online"
        self.epoch = Epoch()
        self.orders: dict[str, Order] = {}
        self.markets = {name: Market(pair) for name, pair in pairs.items()}
        self.ledger = Ledger()
        self.settlement = Settlement(self.ledger)
        self.timers = Timers()
        self.commands: dict[str, dict[str, t.Any]] = {}
        #: Over the ids and numbers of all orders ever accepted: none of them may be accepted again.
        self.accepted_digest = 0

    # -- orders

    def place(self, new: NewOrder, at_ms: int) -> tuple[Order, Event | None]:
        """Accept an order; without an event when its id was accepted before, whatever else the request says."""
        self.epoch.check()
        known = self.orders.get(new.client_order_id)
        if known is not None:
            return known, None
        market = self.markets.get(new.pair)
        if market is None:
            raise Refusal(422, f"pair {new.pair} is not traded here")
        special = new.trigger or new.post_only or new.time_in_force != "gtc"
        if special or self.mode != "online":
            self._check(new, market, at_ms)
        self.ledger.reserve(new.account, *order_need(market.pair, new.side, new.price, new.quantity))
        self._advance(at_ms)
        order = self._accept(new)
        event: Event = {
            "seq": order.sequence,
            "at": self.at_ms,
            "epoch": self.epoch.number,
            "kind": "order",
            "client_order_id": order.client_order_id,
            "account": order.account,
            "pair": order.pair,
            "side": order.side,
            "price": order.price,
            "quantity": order.quantity,
        }
        if special or order.smp_group:
            self._add_options(event, order, new.post_only)
        if order.trigger:
            event["fills"] = []
            market.stops.add(order)
            return order, event
        fills = self._enter(market, order, event)
        order.filled_at_entry = order.filled
        if fills and market.stops and (triggered := self._trigger(market, fills)):
            event["triggered"] = triggered
        return order, event

    def _accept(self, new: NewOrder) -> Order:
        order = Order(
            new.client_order_id,
            new.pair,
            new.side,
            new.price,
            new.quantity,
            self.sequence,
            new.quantity,
            new.account,
            new.time_in_force,
            new.expires_at_ms,
            new.trigger,
        )
        if self.format > 1:
            order.smp_group = new.smp_group
        self.remember(order)
        return order

    @staticmethod
    def _add_options(event: Event, order: Order, post_only: bool) -> None:
        """What most orders do not have is left out of their events."""
        if order.time_in_force != "gtc":
            event["time_in_force"] = order.time_in_force
            if order.expires_at_ms:
                event["expires_at_ms"] = order.expires_at_ms
        if order.trigger:
            event["trigger"] = order.trigger
        if post_only:
            event["post_only"] = True
        if order.smp_group:
            event["smp_group"] = order.smp_group

    def _check(self, new: NewOrder, market: Market, at_ms: int) -> None:
        if self.mode != "online":
            check_new_order(self.mode, new.post_only)
        if new.time_in_force == "gtd" and new.expires_at_ms <= max(at_ms, self.at_ms):
            raise Refusal(422, "expires_at_ms: the order is expired")
        if new.trigger and triggers_at_once(new.side, new.trigger, market.last_price):
            raise Refusal(422, f"trigger: the last price {market.last_price} is beyond it already")
        if new.post_only and market.book.crosses(new.side, new.price):
            raise Refusal(422, "post_only: the order would trade at once")

    def remember(self, order: Order) -> None:
        """Keep an order for queries and repetitions."""
        identity = order.client_order_id
        self.orders[identity] = order
        self.accepted_digest = (self.accepted_digest + zlib.crc32(identity.encode()) * order.sequence) & _DIGEST_MASK
        if order.expires_at_ms and order.remaining:
            self.timers.add(identity, order.expires_at_ms)

    def _enter(self, market: Market, order: Order, result: Event) -> list[Fill]:
        """Match an order, let the rest stand in the book or cancel it; `result` gets what happened."""
        book = market.book
        market.stream += 1
        fills = book.match(order)
        result["fills"] = [[maker.client_order_id, price, quantity] for maker, price, quantity in fills]
        if fills:
            result["trade"] = self.settlement.next_number
            self._book_trades(market, order, fills)
        if order.remaining:
            # It still crosses: what stopped it is an order of its own prevention group.
            if order.time_in_force == "ioc" or (order.smp_group and book.crosses(order.side, order.price)):
                result["cancelled"] = self._cancel_rest(order)
            else:
                book.rest(order)
        elif order.expires_at_ms:
            self.timers.drop(order.client_order_id)
        return fills

    def _book_trades(self, market: Market, taker: Order, fills: list[Fill]) -> None:
        buys = taker.side == "buy"
        for fill in fills:
            maker = fill.maker
            buyer, seller = (taker, maker) if buys else (maker, taker)
            self.settlement.book(market.pair, fill, buyer, seller, self.at_ms)
            if not maker.remaining and maker.expires_at_ms:
                self.timers.drop(maker.client_order_id)
        market.last_price = fills[-1].price

    def _trigger(self, market: Market, fills: list[Fill]) -> list[Event]:
        """Enter the stop orders that these trades trigger, and those that the trades of those trigger."""
        triggered: list[Event] = []
        waiting = market.stops.take(*_span(fills))
        while waiting:
            order = waiting.pop(0)
            order.trigger_sequence = self.sequence
            result: Event = {"client_order_id": order.client_order_id}
            triggered.append(result)
            more = self._enter(market, order, result)
            if more:
                waiting += market.stops.take(*_span(more))
        return triggered

    def cancel(self, client_order_id: str, at_ms: int) -> tuple[Order, Event | None]:
        """Cancel what is left of an order; without an event when it was cancelled before."""
        self.epoch.check()
        order = self.orders.get(client_order_id)
        if order is None:
            raise Refusal(404, f"order {client_order_id} is not known")
        if order.cancel_sequence:
            return order, None
        if not order.remaining:
            raise Refusal(409, f"order {client_order_id} is filled")
        check_command(self.mode)
        event = self._event("cancel", at_ms)
        event.update(client_order_id=client_order_id, quantity=self._take_out(order))
        return order, event

    def _take_out(self, order: Order) -> int:
        """Cancel an order that waits in the book or for its trigger; returns the quantity that is cancelled."""
        market = self.markets[order.pair]
        if order.waits_for_trigger:
            market.stops.remove(order)
        else:
            market.book.cancel(order)
            market.stream += 1
        return self._cancel_rest(order)

    def _cancel_rest(self, order: Order) -> int:
        need = order_need(self.markets[order.pair].pair, order.side, order.price, order.remaining)
        self.ledger.release(order.account, *need)
        order.cancelled, order.remaining = order.remaining, 0
        order.cancel_sequence = self.sequence
        if order.expires_at_ms:
            self.timers.drop(order.client_order_id)
        return order.cancelled

    # -- accounts, settlement and timers

    def deposit(self, account: str, amounts: t.Mapping[str, int], at_ms: int) -> Event:
        self.epoch.check()
        event = self._event("deposit", at_ms)
        event.update(account=account, amounts=dict(amounts))
        for currency, amount in amounts.items():
            self.ledger.deposit(account, currency, amount)
        return event

    def settle(self, trades: t.Sequence[int], at_ms: int) -> Event:
        """Settle pending trades, by their numbers."""
        self.epoch.check()
        for number in trades:
            if number not in self.settlement.pending:
                raise Refusal(409, f"trade {number} is not pending")
        event = self._event("settle", at_ms)
        event["trades"] = list(trades)
        for number in trades:
            trade = self.settlement.pending[number]
            self.settlement.settle(trade, self.markets[trade.pair].pair)
        return event

    def set_deadman(self, account: str, timeout_ms: int, at_ms: int) -> tuple[dict[str, t.Any], Event]:
        """Arm or renew the account's dead-man timer; 0 takes it off."""
        self.epoch.check()
        check_command(self.mode)
        event = self._event("deadman_set", at_ms)
        event.update(account=account, timeout_ms=timeout_ms)
        self.timers.set_deadman(account, timeout_ms, self.at_ms)
        return {"account": account, "timeout_ms": timeout_ms, "sequence": self.sequence}, event

    def expire(self, orders: t.Sequence[str], at_ms: int) -> Event:
        """Cancel good-till-date orders whose time is over."""
        self.epoch.check()
        event = self._event("expire", at_ms)
        event["orders"] = [[identity, self._take_out(self.orders[identity])] for identity in orders]
        return event

    def run_out(self, account: str, at_ms: int) -> Event:
        """The account's dead-man timer is over: cancel all its orders, the oldest first. Looks at every open order."""
        self.epoch.check()
        event = self._event("deadman", at_ms)
        mine = sorted((order for order in self.waiting() if order.account == account), key=lambda one: one.sequence)
        event.update(account=account, orders=[[order.client_order_id, self._take_out(order)] for order in mine])
        del self.timers.deadmen[account]
        return event

    def waiting(self) -> t.Iterator[Order]:
        """All open orders: those in the books in the order of their queues, then the stop orders."""
        for market in self.markets.values():
            yield from market.book.queues()
            yield from market.stops

    def due(self, at_ms: int) -> list[Event]:
        """Do what is due: settlements, expiries, dead-man timers. Only the engine that leads calls this."""
        if self.epoch.closed:
            return []
        trades = self.settlement.due(at_ms - SETTLE_MS)
        return [*([self.settle(trades, at_ms)] if trades else []), *self.due_timers(at_ms)]

    def due_timers(self, at_ms: int) -> list[Event]:
        """Expiries and dead-man timers alone: they must not wait when an order comes that would trade with them."""
        if self.epoch.closed or self.mode == "halted":
            return []
        expired = self.timers.expired(at_ms)
        events = [self.expire(expired, at_ms)] if expired else []
        return [*events, *(self.run_out(account, at_ms) for account in self.timers.run_out(at_ms))]

    # -- control

    def set_mode(self, mode: str, reason: str, command_id: str, pause_timers: bool, at_ms: int) -> Answer:
        """Change the trading mode. `pause_timers` says whether timers stand still in it."""
        if command_id in self.commands:
            return self.commands[command_id], None
        self.epoch.check()
        if mode not in MODES:
            raise Refusal(400, f"mode: use one of {', '.join(MODES)}")
        event = self._event("mode", at_ms)
        event.update(mode=mode, reason=reason, command_id=command_id, pause_timers=pause_timers)
        self.mode = mode
        self.timers.pause(pause_timers, self.at_ms)
        return self._answered(command_id, {"sequence": self.sequence, "mode": mode}), event

    def close_epoch(self, command_id: str, until_ms: int, at_ms: int) -> Answer:
        """The cut: from here on nothing is accepted but the opening of an epoch."""
        if command_id in self.commands:
            return self.commands[command_id], None
        self.epoch.check()
        event = self._event("epoch_closed", at_ms)
        event.update(command_id=command_id, until_ms=until_ms)
        self.epoch.close(until_ms)
        answer = {"epoch": self.epoch.number, "sequence": self.sequence, "until_ms": until_ms}
        return self._answered(command_id, answer), event

    def open_epoch(self, epoch: int, by: str, at_ms: int) -> Answer:
        """Open the next epoch, or the closed one again. Who may do so is decided by the region's epoch record."""
        self.epoch.check_open(epoch)
        self.epoch.open(epoch, by)
        event = self._event("epoch_opened", at_ms)
        event["by"] = by
        return {"epoch": epoch, "sequence": self.sequence}, event

    def write_format(self, number: int, at_ms: int) -> Event | None:
        """Write that format from the next event on; engines that do not read it stop following here."""
        self.epoch.check()
        if number == self.format:
            return None
        if number not in self.reads or number < self.format:
            raise Refusal(409, f"format {number} cannot follow format {self.format} here")
        event = self._event("format", at_ms)
        self.format = event["format"] = number
        return event

    def _answered(self, command_id: str, answer: dict[str, t.Any]) -> dict[str, t.Any]:
        self.commands[command_id] = answer
        if len(self.commands) > _KEPT_COMMANDS:
            del self.commands[next(iter(self.commands))]
        return answer

    # -- events

    def _event(self, kind: str, at_ms: int) -> Event:
        """The head of the next event. From here on the command is accepted."""
        self._advance(at_ms)
        return {"seq": self.sequence, "at": self.at_ms, "epoch": self.epoch.number, "kind": kind}

    def _advance(self, at_ms: int) -> None:
        self.sequence += 1
        self.at_ms = max(at_ms, self.at_ms)

    def apply(self, event: Event) -> None:
        """Replay one event of the journal and check that it has the same effect as the first time."""
        try:
            again = self._again(event)
        except (KeyError, TypeError, Refusal) as error:
            raise ReplayError(f"event {event.get('seq')}: {error}") from error
        if again != event:
            raise ReplayError(f"event {event.get('seq')}: replay made {again} of {event}")

    def _again(self, event: Event) -> Event | None:
        at_ms, kind = event["at"], event["kind"]
        if kind == "order":
            return self.place(_new_order(event), at_ms)[1]
        if kind == "cancel":
            return self.cancel(event["client_order_id"], at_ms)[1]
        if kind == "settle":
            return self.settle(event["trades"], at_ms)
        again = _REPLAY.get(kind)
        return again(self, event, at_ms) if again is not None else None

    def depth(self, pair: str) -> dict[str, list[tuple[int, int]]]:
        market = self.markets.get(pair)
        if market is None:
            raise Refusal(404, f"pair {pair} is not traded here")
        return market.book.depth()


_REPLAY: t.Final[dict[str, t.Callable[[Venue, Event, int], Event | None]]] = {
    "deposit": lambda venue, event, at: venue.deposit(event["account"], event["amounts"], at),
    "expire": lambda venue, event, at: venue.expire([identity for identity, _ in event["orders"]], at),
    "deadman": lambda venue, event, at: venue.run_out(event["account"], at),
    "deadman_set": lambda venue, event, at: venue.set_deadman(event["account"], event["timeout_ms"], at)[1],
    "mode": lambda venue, event, at: venue.set_mode(
        event["mode"], event["reason"], event["command_id"], event["pause_timers"], at
    )[1],
    "epoch_closed": lambda venue, event, at: venue.close_epoch(event["command_id"], event["until_ms"], at)[1],
    "epoch_opened": lambda venue, event, at: venue.open_epoch(event["epoch"], event["by"], at)[1],
    "format": lambda venue, event, at: venue.write_format(event["format"], at),
}


def _span(fills: list[Fill]) -> tuple[int, int]:
    """Lowest and highest price: the prices of one taker only rise, or only fall."""
    first, last = fills[0].price, fills[-1].price
    return (first, last) if first <= last else (last, first)


def _new_order(event: Event) -> NewOrder:
    return NewOrder(
        event["client_order_id"],
        event["pair"],
        event["side"],
        event["price"],
        event["quantity"],
        event["account"],
        event.get("trigger", 0),
        event.get("time_in_force", "gtc"),
        event.get("expires_at_ms", 0),
        event.get("post_only", False),
        event.get("smp_group", ""),
    )


def placed_result(order: Order) -> dict[str, t.Any]:
    """The answer to a new order. Made of what never changes later, so a duplicate gets the first result."""
    remaining, status = order.quantity - order.filled_at_entry, "open"
    if not remaining:
        status = "filled"
    elif order.trigger:
        status = "untriggered"
    elif order.cancel_sequence == order.sequence:
        remaining, status = 0, "cancelled"
    return {
        "client_order_id": order.client_order_id,
        "sequence": order.sequence,
        "status": status,
        "filled": order.filled_at_entry,
        "remaining": remaining,
    }


def cancelled_result(order: Order) -> dict[str, t.Any]:
    return {
        "client_order_id": order.client_order_id,
        "sequence": order.cancel_sequence,
        "status": "cancelled",
        "filled": order.filled,
        "cancelled": order.cancelled,
    }


def order_result(order: Order) -> dict[str, t.Any]:
    """The order as it is now."""
    return {
        "client_order_id": order.client_order_id,
        "account": order.account,
        "pair": order.pair,
        "side": order.side,
        "price": order.price,
        "quantity": order.quantity,
        "time_in_force": order.time_in_force,
        "sequence": order.sequence,
        "status": order.status,
        "filled": order.filled,
        "remaining": order.remaining,
        "cancelled": order.cancelled,
    }
