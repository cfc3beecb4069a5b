# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are the acknowledgements and the engines' journals the same? No I/O."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Acknowledgement:
    """What a client was told: its order, or the cancel of it, is accepted under this number by this region's engine."""

    region: str
    kind: str
    client_order_id: str
    sequence: int


@dataclasses.dataclass(frozen=True)
class Reconciliation:
    """`lost`: acknowledged and not in the journal. `duplicated`: ids accepted as a new order more than once."""

    lost: tuple[Acknowledgement, ...]
    duplicated: tuple[str, ...]
    accepted: int
    unacknowledged: int


def _cancelled(event: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Ids of the orders that the engine itself cancelled; who cancels them later is told this event's number."""
    yield from (identity for identity, _ in event.get("orders", ()))
    for entered in (event, *event.get("triggered", ())):
        if "cancelled" in entered:
            yield entered["client_order_id"]


class Reconciler:
    """Takes the journals event by event: they may be longer than one wants to hold."""

    def __init__(self, run: str, acknowledged: t.Iterable[Acknowledgement]) -> None:
        self._mark = f"-{run}-"
        self._missing = set(acknowledged)
        self._acknowledged = {(ack.kind, ack.client_order_id) for ack in self._missing}
        self._accepted: set[str] = set()
        self._duplicated: set[str] = set()
        self._unacknowledged = 0

    def add(self, region: str, event: t.Mapping[str, t.Any]) -> None:
        """One event of that region's journal. Those of other runs, and those of no order, are passed over."""
        for identity in _cancelled(event):
            self._missing.discard(Acknowledgement(region, "cancel", identity, event["seq"]))
        kind = event["kind"]
        if kind not in ("order", "cancel"):
            return
        identity = event["client_order_id"]
        if self._mark not in identity:
            return
        self._missing.discard(Acknowledgement(region, kind, identity, event["seq"]))
        if (kind, identity) not in self._acknowledged:
            self._unacknowledged += 1
        if kind == "order":
            if identity in self._accepted:
                self._duplicated.add(identity)
            self._accepted.add(identity)

    def result(self) -> Reconciliation:
        return Reconciliation(
            tuple(sorted(self._missing)), tuple(sorted(self._duplicated)), len(self._accepted), self._unacknowledged
        )
