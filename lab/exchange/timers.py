# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens at a time: orders that expire, and dead-man timers. Times come in; there is no clock here."""

from __future__ import annotations

import dataclasses
import heapq


@dataclasses.dataclass(slots=True)
class DeadMan:
    """Cancels all orders of an account at `due_ms`. While timers are paused only `left_ms` counts."""

    timeout_ms: int
    due_ms: int
    left_ms: int = 0


class Timers:
    """Expiry times of good-till-date orders, and one dead-man timer per account."""

    def __init__(self) -> None:
        self.paused = False
        self.expiries: dict[str, int] = {}
        # Ids that are gone from `expiries` are passed over when they come up.
        self._queue: list[tuple[int, str]] = []
        self.deadmen: dict[str, DeadMan] = {}

    def add(self, client_order_id: str, expires_at_ms: int) -> None:
        self.expiries[client_order_id] = expires_at_ms
        heapq.heappush(self._queue, (expires_at_ms, client_order_id))

    def drop(self, client_order_id: str) -> None:
        """The order is closed."""
        self.expiries.pop(client_order_id, None)

    def expired(self, at_ms: int) -> list[str]:
        """Ids of the orders whose time is over, the earliest first. They stay until they are dropped."""
        if self.paused:
            return []
        queue, found = self._queue, []
        while queue and queue[0][0] <= at_ms:
            expires_at_ms, identity = heapq.heappop(queue)
            if self.expiries.get(identity) == expires_at_ms:
                found.append((expires_at_ms, identity))
        for entry in found:
            heapq.heappush(queue, entry)
        return [identity for _, identity in found]

    def set_deadman(self, account: str, timeout_ms: int, at_ms: int) -> None:
        """Arm or renew it; 0 takes it off."""
        if timeout_ms:
            self.deadmen[account] = DeadMan(timeout_ms, at_ms + timeout_ms, timeout_ms if self.paused else 0)
        else:
            self.deadmen.pop(account, None)

    def run_out(self, at_ms: int) -> list[str]:
        """Accounts whose dead-man timer is over, in the order of their names."""
        if self.paused:
            return []
        return sorted(account for account, timer in self.deadmen.items() if timer.due_ms <= at_ms)

    def pause(self, paused: bool, at_ms: int) -> None:
        """Stop all timers, or give each what it had left. A timer that was over already stays over."""
        if paused == self.paused:
            return
        self.paused = paused
        for timer in self.deadmen.values():
            if paused:
                timer.left_ms = max(0, timer.due_ms - at_ms)
            else:
                timer.due_ms, timer.left_ms = at_ms + timer.left_ms, 0
