# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which request comes when, and what is in it. Deterministic: the same number always gives the same request. No I/O."""

from __future__ import annotations

import dataclasses
import json
import typing as t
import zlib

from lab.exchange.pairs import PAIRS

#: Of so many slots of a region, one is a cancel, one a query, and the others place orders.
_ROUND: t.Final = 22
#: Middle prices in ticks: far from zero, so that a resting order at half of it is never traded.
_MIDDLE_TICKS: t.Final = 100_000
_SPREAD_TICKS: t.Final = 5
_TRADING: t.Final = tuple(pair for pair in PAIRS.values() if pair.status == "trading")


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """One place in the time table. `resting` orders are far from the market: they are the ones that get cancelled."""

    number: int
    region: str
    kind: str
    offset_s: float
    resting: bool = False


def slots_per_second(rate: float) -> float:
    """The rate counts orders; cancels and queries come on top."""
    return rate * _ROUND / (_ROUND - 2)


def slot(number: int, regions: t.Sequence[str], rate: float) -> Slot:
    """What happens at that place of the time table; the regions take turns."""
    turn, index = divmod(number, len(regions))
    place = turn % _ROUND
    kind = {10: "cancel", 21: "query"}.get(place, "order")
    return Slot(number, regions[index], kind, number / slots_per_second(rate), resting=place == 0)


def client_order_id(region: str, run: str, number: int) -> str:
    """Unique over the fleet: region, run and number of the slot."""
    return f"{region}-{run}-{number}"


def order_body(identity: str, resting: bool) -> bytes:
    """An order with prices close enough to the middle that about half of them trade."""
    chance = zlib.crc32(identity.encode())
    pair = _TRADING[chance % len(_TRADING)]
    side = "buy" if chance & 0x10000 else "sell"
    ticks = _MIDDLE_TICKS - _SPREAD_TICKS + (chance >> 17) % (2 * _SPREAD_TICKS + 1)
    if resting:
        side, ticks = "buy", _MIDDLE_TICKS // 2
    return json.dumps(
        {
            "client_order_id": identity,
            "pair": pair.name,
            "side": side,
            "price": ticks * pair.tick_size,
            "quantity": (1 + (chance >> 8) % 9) * pair.lot_size,
            "type": "limit",
        },
        separators=(",", ":"),
    ).encode()
