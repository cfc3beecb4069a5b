# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the models, and what was right: out of the orders of the flow, and known to the driver alone. Pure.

Everything about a request follows from the id of its order, so the same id always gives the same request and label.
"""

from __future__ import annotations

import json
import random
import typing as t
import zlib

from lab.exchange.pairs import PAIRS
from lab.flow import mix
from lab.models.service.kinds import Kind, Output, Request

#: Orders have 1 to 9 lots, and 11 prices around the middle: what a feature is made of has mean 0 and variance 1.
_SIZE: t.Final = (5.0, (80 / 12) ** 0.5)
_DISTANCE: t.Final = (100_000.0, 10**0.5)
#: Of the flow's accounts, for buckets.
_ACCOUNTS: t.Final = 100


def request_of(kind: Kind, order_id: str) -> Request:
    """The request about an order of the flow: its pair and side are the segment."""
    order = json.loads(mix.order_body(order_id, resting=False))
    pair = PAIRS[order["pair"]]
    chance = _chance(kind, order_id, "market")
    made = {
        "size": (order["quantity"] / pair.lot_size - _SIZE[0]) / _SIZE[1],
        "distance": (order["price"] / pair.tick_size - _DISTANCE[0]) / _DISTANCE[1],
        "mid": order["price"] / 10**pair.price_decimals,
        "recent": 0.2 + 0.6 * chance.random(),
    }
    features = {name: round(made.get(name, chance.gauss()), 6) for name in kind.features}
    return Request(f"{kind.name}.{order_id}", f"{pair.name}/{order['side']}", features)


def label_of(kind: Kind, order_id: str) -> Output:
    """What turned out to be right for the request about that order."""
    request = request_of(kind, order_id)
    score = kind.score(request.features) + kind.chance * _chance(kind, order_id, "label").gauss()
    return kind.output(score, request.features)


def is_right(kind: Kind, out: Output, label: Output) -> bool:
    """The same class, or a number within the tolerance of its kind."""
    if isinstance(out, str) or isinstance(label, str):
        return out == label
    return abs(out - label) <= kind.tolerance * abs(label)


def bucket_of(order_id: str) -> str:
    """`00` to `99`, by the account that the order belongs to: what an A/B test is sticky by."""
    account = zlib.crc32(order_id.encode()) % _ACCOUNTS
    return f"{zlib.crc32(f'account {account}'.encode()) % 100:02d}"


def _chance(kind: Kind, order_id: str, what: str) -> random.Random:
    return random.Random(f"{kind.name} {order_id} {what}")
