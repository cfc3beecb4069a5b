# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an order must look like before anybody looks at the market. No I/O."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

#: Letters, digits, dot, underscore and dash: an id travels in paths and lines without being quoted.
CLIENT_ORDER_ID: t.Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
#: Enough for every market, and sums stay inside what any JSON reader takes.
LARGEST: t.Final = 10**15


class Refusal(Exception):
    """The order is refused: status is a 4xx, reason is for the client."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclasses.dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as its client sent it, with every field checked for its form."""

    client_order_id: str
    pair: str
    side: str
    price: int
    quantity: int


def is_client_order_id(text: str) -> bool:
    return CLIENT_ORDER_ID.fullmatch(text) is not None


def _count(fields: dict[str, t.Any], name: str) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 < value <= LARGEST:
        raise Refusal(400, f"{name}: must be an integer from 1 to {LARGEST}")
    return value


def parse_order(body: bytes) -> NewOrder:
    """The order in the body of a request; raises Refusal."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON") from None
    if not isinstance(fields, dict):
        raise Refusal(400, "the body is not a JSON object")
    identity, pair, side = fields.get("client_order_id"), fields.get("pair"), fields.get("side")
    if not isinstance(identity, str) or not is_client_order_id(identity):
        raise Refusal(400, "client_order_id: 1 to 64 letters, digits, dots, underscores or dashes")
    if not isinstance(pair, str) or not 0 < len(pair) <= 16:
        raise Refusal(400, "pair: not the name of a pair")
    if side not in ("buy", "sell"):
        raise Refusal(400, "side: use buy or sell")
    if fields.get("type", "limit") != "limit":
        raise Refusal(400, "type: only limit orders are taken")
    return NewOrder(identity, pair, side, _count(fields, "price"), _count(fields, "quantity"))


def check_rules(order: NewOrder, rules: dict[str, t.Any]) -> None:
    """Raise Refusal when the order does not fit the pair as reference data describes it."""
    if rules["status"] != "trading":
        raise Refusal(409, f"pair {order.pair} is {rules['status']}")
    if order.price % rules["tick_size"]:
        raise Refusal(422, f"price: not a multiple of the tick size {rules['tick_size']}")
    if order.quantity % rules["lot_size"]:
        raise Refusal(422, f"quantity: not a multiple of the lot size {rules['lot_size']}")
