# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway counts of its orders, and which ones it has acknowledged. No I/O."""

from __future__ import annotations

import collections
import itertools
import typing as t

_KEPT: t.Final = 10_000


class Acknowledged:
    """Orders accepted and answered since the start, and [id, sequence] of the newest 10,000 acknowledged ones.

    Accepted means sent to an engine: an order that is held is not, and one that the engine did not take because its
    epoch is closed is not any more.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        #: Orders that were sent and have got an answer, whatever it was.
        self.answered = 0
        self._acks: collections.deque[tuple[str, int]] = collections.deque()
        self._ids: collections.Counter[str] = collections.Counter()
        #: How many acknowledgements there were before the oldest one that is kept.
        self._dropped = 0

    @property
    def accepted(self) -> int:
        return self.in_flight + self.answered

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._ids

    def add(self, client_order_id: str, sequence: int) -> None:
        self._acks.append((client_order_id, sequence))
        self._ids[client_order_id] += 1
        if len(self._acks) > _KEPT:
            oldest, _ = self._acks.popleft()
            self._dropped += 1
            self._ids[oldest] -= 1
            if not self._ids[oldest]:
                del self._ids[oldest]

    def after(self, number: int) -> tuple[list[tuple[str, int]], int]:
        """Those after that many, oldest first, and the number to ask with the next time."""
        skipped = max(0, number - self._dropped)
        return list(itertools.islice(self._acks, skipped, None)), self._dropped + len(self._acks)
