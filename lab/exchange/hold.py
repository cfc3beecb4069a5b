# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway holds while no engine leads: how much, for how long, in which order it is sent. No I/O, no clock."""

from __future__ import annotations

import dataclasses
import typing as t

Kind = t.Literal["order", "cancel"]


class HoldFull(Exception):
    """There is no place for one more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """One order or cancel. `number` is its place in the queue, `since_s` is when it began to wait."""

    number: int
    kind: Kind
    client_order_id: str
    since_s: float
    #: Unix milliseconds; 0 for an order without an end.
    expires_at_ms: int = 0


class HoldQueue:
    """At most `most` orders and cancels together, each for `longest_s` at most.

    Whatever is held leaves exactly once: by `cancel_order`, `overdue`, `take_cancels` or `take_orders`. An order that
    comes again while it is held is the one that is held.
    """

    def __init__(self, most: int, longest_s: float) -> None:
        self.most = most
        self.longest_s = longest_s
        self._held: dict[Kind, dict[str, Held]] = {"order": {}, "cancel": {}}
        self._next_number = 0

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    @property
    def orders(self) -> int:
        return len(self._held["order"])

    @property
    def cancels(self) -> int:
        return len(self._held["cancel"])

    def oldest_s(self, now_s: float) -> float | None:
        """How long the oldest order has waited; None when there is none."""
        waiting = self._held["order"].values()
        return max(0.0, now_s - min(one.since_s for one in waiting)) if waiting else None

    def add(self, kind: Kind, client_order_id: str, now_s: float, expires_at_ms: int = 0) -> Held:
        """Hold it at the end of the queue; raises HoldFull."""
        self._next_number += 1
        return self.put_back(Held(self._next_number, kind, client_order_id, now_s, expires_at_ms))

    def put_back(self, held: Held) -> Held:
        """Hold one again that no engine took: in its old place, and waiting since its first time. Raises HoldFull."""
        same = self._held[held.kind]
        if held.client_order_id in same:
            return same[held.client_order_id]
        if len(self) >= self.most:
            raise HoldFull
        same[held.client_order_id] = held
        return held

    def cancel_order(self, client_order_id: str) -> Held | None:
        """Take the order out, if it is held."""
        return self._held["order"].pop(client_order_id, None)

    def overdue(self, now_s: float) -> list[Held]:
        """Take out what has waited too long."""
        late = [one for same in self._held.values() for one in same.values() if now_s - one.since_s >= self.longest_s]
        for one in late:
            del self._held[one.kind][one.client_order_id]
        return late

    def take_cancels(self) -> list[Held]:
        """Take out all cancels, for an engine that leads. What the mode forbids, the engine refuses."""
        return self._take("cancel")

    def take_orders(self, mode: str, at_ms: int) -> tuple[list[Held], list[Held]]:
        """Take out all orders: those to send, and those whose time in force is over.

        None while the mode is not online, or while cancels wait: their clients want to be out before anybody trades.
        """
        if mode != "online" or self.cancels:
            return [], []
        taken = self._take("order")
        expired = [one for one in taken if 0 < one.expires_at_ms <= at_ms]
        return [one for one in taken if not 0 < one.expires_at_ms <= at_ms], expired

    def _take(self, kind: Kind) -> list[Held]:
        taken = sorted(self._held[kind].values(), key=lambda one: one.number)
        self._held[kind].clear()
        return taken
