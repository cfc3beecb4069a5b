# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Market data, made of the engine's journal and of nothing else: every gateway makes the same messages. No I/O.

So a feed goes on without a gap when another engine leads: that one has the same journal. A message of a pair carries
the number that the engine itself counts for it (`streams` of its proof).
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .venue import Event

Message = dict[str, t.Any]


class FeedError(Exception):
    """The journal does not go on where the feed is."""


@dataclasses.dataclass(slots=True)
class _Open:
    """An order that may still come up. `waits`: for its trigger, so it is in no book."""

    pair: str
    side: str
    price: int
    remaining: int
    waits: bool


class _Pair:
    """Number of the last message, and the quantity at each price."""

    def __init__(self) -> None:
        self.stream = 0
        self.levels: dict[str, dict[int, int]] = {"buy": {}, "sell": {}}


class Feed:
    """Books by price level. Its memory grows with the open orders."""

    def __init__(self) -> None:
        self.sequence = 0
        self.mode = "online"
        self.epoch = 1
        self.epoch_open = True
        self._pairs: collections.defaultdict[str, _Pair] = collections.defaultdict(_Pair)
        self._open: dict[str, _Open] = {}

    def streams(self) -> dict[str, int]:
        return {name: pair.stream for name, pair in self._pairs.items()}

    def snapshots(self) -> list[Message]:
        """Each book as it is now, best price first, with the number of the message that made it so."""
        return [
            {
                "type": "snapshot",
                "pair": name,
                "sequence": pair.stream,
                "bids": sorted(pair.levels["buy"].items(), reverse=True),
                "asks": sorted(pair.levels["sell"].items()),
            }
            for name, pair in sorted(self._pairs.items())
        ]

    def status(self) -> Message:
        return {
            "type": "status",
            "engine_sequence": self.sequence,
            "mode": self.mode,
            "epoch": self.epoch,
            "epoch_open": self.epoch_open,
        }

    def apply(self, event: Event) -> list[Message]:
        """The messages of the next event; raises FeedError, after which the feed is of no use."""
        if event.get("seq") != self.sequence + 1:
            raise FeedError(f"event {event.get('seq')} does not follow event {self.sequence}")
        try:
            messages = self._messages(event)
        except (KeyError, TypeError) as error:
            raise FeedError(f"event {event['seq']}: {error!r}") from error
        self.sequence += 1
        return messages

    def _messages(self, event: Event) -> list[Message]:
        kind = event["kind"]
        if kind == "order":
            return self._order(event)
        if kind == "cancel":
            return self._cancels([event["client_order_id"]], event)
        if kind in ("expire", "deadman"):
            return self._cancels([identity for identity, _ in event["orders"]], event)
        if kind == "mode":
            self.mode = event["mode"]
            told = {"mode": self.mode, "reason": event["reason"]}
            return [{"type": "mode", "engine_sequence": event["seq"], "at": event["at"], **told}]
        if kind in ("epoch_closed", "epoch_opened"):
            self.epoch, self.epoch_open = event["epoch"], kind == "epoch_opened"
            told = {"epoch": self.epoch, "epoch_open": self.epoch_open}
            return [{"type": "epoch", "engine_sequence": event["seq"], "at": event["at"], **told}]
        # Deposits, settlements and timers are nobody's market data.
        return []

    def _order(self, event: Event) -> list[Message]:
        identity = event["client_order_id"]
        order = _Open(event["pair"], event["side"], event["price"], event["quantity"], "trigger" in event)
        self._open[identity] = order
        messages = [] if order.waits else [self._enter(identity, order, event, event["at"])]
        for entered in event.get("triggered", ()):
            order = self._open[entered["client_order_id"]]
            order.waits = False
            messages.append(self._enter(entered["client_order_id"], order, entered, event["at"]))
        return messages

    def _enter(self, identity: str, order: _Open, result: Event, at_ms: int) -> Message:
        """An order goes to the market: it trades, and what is left stands in the book or is cancelled."""
        changes = _Changes(self._pairs[order.pair])
        other = "sell" if order.side == "buy" else "buy"
        for maker, price, quantity in result["fills"]:
            changes.add(other, price, -quantity)
            order.remaining -= quantity
            self._open[maker].remaining -= quantity
            if not self._open[maker].remaining:
                del self._open[maker]
        if not order.remaining or "cancelled" in result:
            del self._open[identity]
        else:
            changes.add(order.side, order.price, order.remaining)
        trades = [[price, quantity, order.side] for _, price, quantity in result["fills"]]
        return changes.message(order.pair, at_ms, trades)

    def _cancels(self, identities: t.Iterable[str], event: Event) -> list[Message]:
        messages = []
        for identity in identities:
            order = self._open.pop(identity)
            if not order.waits:
                changes = _Changes(self._pairs[order.pair])
                changes.add(order.side, order.price, -order.remaining)
                messages.append(changes.message(order.pair, event["at"], []))
        return messages


class _Changes:
    """What one message says of one book."""

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair
        self._changed: dict[str, dict[int, int]] = {"buy": {}, "sell": {}}

    def add(self, side: str, price: int, quantity: int) -> None:
        levels = self._pair.levels[side]
        now = levels.get(price, 0) + quantity
        self._changed[side][price] = now
        if now:
            levels[price] = now
        else:
            del levels[price]

    def message(self, pair: str, at_ms: int, trades: list[list[t.Any]]) -> Message:
        """[price, quantity] of the levels that changed, 0 for one that is gone. A trade has the side of its taker."""
        self._pair.stream += 1
        return {
            "type": "book",
            "pair": pair,
            "sequence": self._pair.stream,
            "at": at_ms,
            "bids": list(self._changed["buy"].items()),
            "asks": list(self._changed["sell"].items()),
            "trades": trades,
        }
