# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an order must look like before anybody looks at the market. No I/O."""

from __future__ import annotations

import json
import re
import typing as t

#: Letters, digits, dot, underscore and dash: an id travels in paths and lines without being quoted.
CLIENT_ORDER_ID: t.Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
#: Enough for every market, and sums stay inside what any JSON reader takes.
LARGEST: t.Final = 10**15


#: The account of orders that name none.
HOUSE: t.Final = "house"
_TIMES_IN_FORCE: t.Final = ("gtc", "ioc", "gtd")
#: A dead-man timer is for a client that is away, not for one that is on holiday.
_LONGEST_TIMEOUT_MS: t.Final = 86_400_000


class Refusal(Exception):
    """The command is refused: status is a 4xx, reason is for the client.

    `code` is for programs, where the refusal belongs to the state of the exchange and not to the command:
    `epoch_closed` or `mode_MODE`. The same command may be accepted later.
    """

    def __init__(self, status: int, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.code = code


class NewOrder(t.NamedTuple):
    """An order as its client sent it, with every field checked for its form."""

    client_order_id: str
    pair: str
    side: str
    price: int
    quantity: int
    account: str = HOUSE
    #: The price that turns a stop order into a limit order; 0 for a limit order.
    trigger: int = 0
    time_in_force: str = "gtc"
    #: Unix milliseconds, only with gtd.
    expires_at_ms: int = 0
    post_only: bool = False
    #: Orders of one self-match prevention group never trade with each other.
    smp_group: str = ""
    #: Marks of features that a gateway may have off; nothing to an engine.
    margin: bool = False
    high_frequency: bool = False


def is_client_order_id(text: str) -> bool:
    return CLIENT_ORDER_ID.fullmatch(text) is not None


def _count(fields: dict[str, t.Any], name: str) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 < value <= LARGEST:
        raise Refusal(400, f"{name}: must be an integer from 1 to {LARGEST}")
    return value


def _name(fields: dict[str, t.Any], name: str, default: str) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str) or (value != default and not is_client_order_id(value)):
        raise Refusal(400, f"{name}: 1 to 64 letters, digits, dots, underscores or dashes")
    return value


def _mark(fields: dict[str, t.Any], name: str) -> bool:
    value = fields.get(name, False)
    if type(value) is not bool:
        raise Refusal(400, f"{name}: use true or false")
    return value


def _object(body: bytes) -> dict[str, t.Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON") from None
    if not isinstance(fields, dict):
        raise Refusal(400, "the body is not a JSON object")
    return fields


def _only_with(fields: dict[str, t.Any], name: str, wanted: bool, other: str) -> int:
    """A count that must be there with the other field's value, and must not be there without."""
    if not wanted and name in fields:
        raise Refusal(400, f"{name}: only with {other}")
    return _count(fields, name) if wanted else 0


def parse_order(body: bytes) -> NewOrder:
    """The order in the body of a request; raises Refusal."""
    fields = _object(body)
    identity, pair, side = fields.get("client_order_id"), fields.get("pair"), fields.get("side")
    if not isinstance(identity, str) or not is_client_order_id(identity):
        raise Refusal(400, "client_order_id: 1 to 64 letters, digits, dots, underscores or dashes")
    if not isinstance(pair, str) or not 0 < len(pair) <= 16:
        raise Refusal(400, "pair: not the name of a pair")
    if side not in ("buy", "sell"):
        raise Refusal(400, "side: use buy or sell")
    kind, time_in_force, post_only = (
        fields.get("type", "limit"),
        fields.get("time_in_force", "gtc"),
        _mark(fields, "post_only"),
    )
    if kind not in ("limit", "stop"):
        raise Refusal(400, "type: use limit or stop")
    if time_in_force not in _TIMES_IN_FORCE:
        raise Refusal(400, f"time_in_force: use {', '.join(_TIMES_IN_FORCE)}")
    if post_only and (kind == "stop" or time_in_force == "ioc"):
        raise Refusal(400, "post_only: not with type stop or time_in_force ioc, which are there to trade")
    return NewOrder(
        identity,
        pair,
        side,
        _count(fields, "price"),
        _count(fields, "quantity"),
        _name(fields, "account", HOUSE),
        _only_with(fields, "trigger", kind == "stop", "type stop"),
        time_in_force,
        _only_with(fields, "expires_at_ms", time_in_force == "gtd", "time_in_force gtd"),
        post_only,
        _name(fields, "smp_group", ""),
        _mark(fields, "margin"),
        _mark(fields, "high_frequency"),
    )


def parse_deadman(body: bytes) -> tuple[str, int]:
    """Account and milliseconds of a request for a dead-man timer; raises Refusal."""
    fields = _object(body)
    timeout_ms = fields.get("timeout_ms")
    if type(timeout_ms) is not int or not 0 <= timeout_ms <= _LONGEST_TIMEOUT_MS:
        raise Refusal(400, f"timeout_ms: must be an integer from 0 (off) to {_LONGEST_TIMEOUT_MS}")
    return _name(fields, "account", HOUSE), timeout_ms


def check_rules(order: NewOrder, rules: dict[str, t.Any]) -> None:
    """Raise Refusal when the order does not fit the pair as reference data describes it."""
    if rules["status"] != "trading":
        raise Refusal(409, f"pair {order.pair} is {rules['status']}")
    if order.price % rules["tick_size"] or order.trigger % rules["tick_size"]:
        raise Refusal(422, f"price or trigger: not a multiple of the tick size {rules['tick_size']}")
    if order.quantity % rules["lot_size"]:
        raise Refusal(422, f"quantity: not a multiple of the lot size {rules['lot_size']}")
