# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FIX 4.4 messages as fields, and what they are for the engine. No I/O, and nothing of QuickFIX.

An order of session FIX1 with ClOrdID abc has the id FIX1.abc at the engine: ids of two clients never meet, a session
reaches its own orders only, and a fill finds its session without anybody having kept a list.
"""

from __future__ import annotations

import datetime
import json
import re
import types
import typing as t

from .orders import HOUSE, NewOrder, Refusal, check_rules, is_client_order_id, parse_order
from .pairs import PAIRS, Pair

#: Tag and value, without those of header and trailer.
Fields = dict[int, str]

NEW_ORDER: t.Final = "D"
CANCEL_REQUEST: t.Final = "F"
STATUS_REQUEST: t.Final = "H"
EXECUTION_REPORT: t.Final = "8"
CANCEL_REJECT: t.Final = "9"
BUSINESS_REJECT: t.Final = "j"
SESSION_STATUS: t.Final = "h"
NEWS: t.Final = "B"

# Tags.
ACCOUNT: t.Final = 1
AVG_PX: t.Final = 6
CL_ORD_ID: t.Final = 11
CUM_QTY: t.Final = 14
EXEC_ID: t.Final = 17
EXEC_INST: t.Final = 18
LAST_PX: t.Final = 31
LAST_QTY: t.Final = 32
LINES_OF_TEXT: t.Final = 33
ORDER_ID: t.Final = 37
ORDER_QTY: t.Final = 38
ORD_STATUS: t.Final = 39
ORD_TYPE: t.Final = 40
ORIG_CL_ORD_ID: t.Final = 41
REF_SEQ_NUM: t.Final = 45
PRICE: t.Final = 44
SIDE: t.Final = 54
SYMBOL: t.Final = 55
TEXT: t.Final = 58
TIME_IN_FORCE: t.Final = 59
TRANSACT_TIME: t.Final = 60
STOP_PX: t.Final = 99
CXL_REJ_REASON: t.Final = 102
ORD_REJ_REASON: t.Final = 103
EXPIRE_TIME: t.Final = 126
HEADLINE: t.Final = 148
EXEC_TYPE: t.Final = 150
LEAVES_QTY: t.Final = 151
TRADING_SESSION_ID: t.Final = 336
TRAD_SES_STATUS: t.Final = 340
REF_MSG_TYPE: t.Final = 372
BUSINESS_REF_ID: t.Final = 379
BUSINESS_REASON: t.Final = 380
CXL_RESPONSE_TO: t.Final = 434

SIDES: t.Final = {"1": "buy", "2": "sell"}
_SIDE_CODES: t.Final = {name: code for code, name in SIDES.items()}
_LIMIT: t.Final = "2"
#: The engine's stop order becomes a limit order: FIX calls that stop limit.
_STOP_LIMIT: t.Final = "4"
_DAY, _GTC, _IOC, _GTD = "0", "1", "3", "6"
#: Participate, do not initiate.
_POST_ONLY: t.Final = "6"
#: Kraken's numbers; those from 101 on are not in the standard.
_STATUS_OF_MODE: t.Final = {"halted": "1", "online": "2", "cancel_only": "101", "post_only": "102"}

_UNSUPPORTED: t.Final = "3"
_NOT_AVAILABLE: t.Final = "4"
_MISSING: t.Final = "5"

_NUMBER: t.Final = re.compile(r"(\d{1,18})(?:\.(\d{0,18}))?", re.ASCII)
_INSTANT: t.Final = re.compile(r"\d{8}-\d\d:\d\d:\d\d(?:\.\d{1,9})?", re.ASCII)
_DAY_MS: t.Final = 86_400_000


# -- numbers and instants


def decimal_text(value: int, decimals: int) -> str:
    """12345 with 2 decimals is 123.45."""
    whole, rest = divmod(value, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}" if decimals else str(whole)


def whole_number(text: str, decimals: int, name: str) -> int:
    """123.45 with 2 decimals is 12345; raises Refusal."""
    found = _NUMBER.fullmatch(text)
    rest = (found[2] or "").rstrip("0") if found else ""
    if found is None or len(rest) > decimals:
        raise Refusal(400, f"{name} {text}: must be a number with at most {decimals} decimals")
    return int(found[1] + rest.ljust(decimals, "0"))


def instant_text(at_ms: int) -> str:
    at = datetime.datetime.fromtimestamp(at_ms // 1000, datetime.UTC)
    return f"{at:%Y%m%d-%H:%M:%S}.{at_ms % 1000:03d}"


def instant_ms(text: str) -> int:
    """Unix milliseconds; raises Refusal."""
    if _INSTANT.fullmatch(text):
        whole, _, rest = text.partition(".")
        try:
            at = datetime.datetime.strptime(whole, "%Y%m%d-%H:%M:%S").replace(tzinfo=datetime.UTC)
            return int(at.timestamp()) * 1000 + int(rest.ljust(3, "0")[:3] or "0")
        except ValueError:
            pass
    raise Refusal(400, f"ExpireTime {text}: must be YYYYMMDD-HH:MM:SS")


# -- what clients send


def engine_id(session: str, cl_ord_id: str) -> str:
    """Raises Refusal."""
    identity = f"{session}.{cl_ord_id}"
    if not cl_ord_id or not is_client_order_id(identity):
        raise Refusal(400, "ClOrdID: letters, digits, dots, underscores or dashes, with the session's name at most 64")
    return identity


def session_of(identity: str) -> tuple[str, str]:
    """Session and ClOrdID; the session is empty when it is no order of FIX."""
    session, dot, cl_ord_id = identity.partition(".")
    return (session, cl_ord_id) if dot else ("", "")


def _time_in_force(fields: Fields, now_ms: int) -> dict[str, t.Any]:
    code = fields.get(TIME_IN_FORCE, _DAY)
    if code == _DAY:
        # The day of this exchange ends at midnight UTC.
        return {"time_in_force": "gtd", "expires_at_ms": (now_ms // _DAY_MS + 1) * _DAY_MS}
    if code == _GTD:
        return {"time_in_force": "gtd", "expires_at_ms": instant_ms(fields.get(EXPIRE_TIME, ""))}
    if code in (_GTC, _IOC):
        return {"time_in_force": "gtc" if code == _GTC else "ioc"}
    raise Refusal(400, f"TimeInForce {code}: use {_DAY}, {_GTC}, {_IOC} or {_GTD}")


def order_of(session: str, fields: Fields, now_ms: int) -> tuple[NewOrder, bytes]:
    """The order of a NewOrderSingle, and its request for the engine; raises Refusal."""
    symbol, kind = fields.get(SYMBOL, ""), fields.get(ORD_TYPE, "")
    pair = PAIRS.get(symbol)
    if pair is None:
        raise Refusal(422, f"Symbol {symbol} is not known")
    if kind not in (_LIMIT, _STOP_LIMIT):
        raise Refusal(400, f"OrdType {kind}: use {_LIMIT} (limit) or {_STOP_LIMIT} (stop limit)")
    wanted = {
        "client_order_id": engine_id(session, fields.get(CL_ORD_ID, "")),
        "pair": symbol,
        "side": SIDES.get(fields.get(SIDE, "")),
        "price": whole_number(fields.get(PRICE, ""), pair.price_decimals, "Price"),
        "quantity": whole_number(fields.get(ORDER_QTY, ""), pair.quantity_decimals, "OrderQty"),
        "account": fields.get(ACCOUNT, HOUSE),
        "type": "stop" if kind == _STOP_LIMIT else "limit",
        "post_only": _POST_ONLY in fields.get(EXEC_INST, "").split(" "),
        **_time_in_force(fields, now_ms),
    }
    if kind == _STOP_LIMIT:
        wanted["trigger"] = whole_number(fields.get(STOP_PX, ""), pair.price_decimals, "StopPx")
    body = json.dumps(wanted, separators=(",", ":")).encode()
    order = parse_order(body)
    check_rules(order, vars(pair))
    return order, body


# -- what the gateway answers


class Accepted(t.Protocol):
    """An order that the engine has taken. `sequence` is the number of its event."""

    client_order_id: str
    sequence: int
    pair: str
    side: str
    price: int
    account: str


def execution(order: Accepted, exec_type: str, status: str, exec_id: str, at_ms: int) -> Fields:
    """What every report of an accepted order has, but for its quantities."""
    pair = PAIRS[order.pair]
    return {
        CL_ORD_ID: session_of(order.client_order_id)[1],
        ORDER_ID: str(order.sequence),
        EXEC_ID: exec_id,
        ORD_STATUS: status,
        EXEC_TYPE: exec_type,
        ACCOUNT: order.account,
        SYMBOL: pair.name,
        SIDE: _SIDE_CODES[order.side],
        PRICE: decimal_text(order.price, pair.price_decimals),
        TRANSACT_TIME: instant_text(at_ms),
    }


def quantities(pair: Pair, quantity: int, filled: int, leaves: int, value: int = 0) -> Fields:
    """`value` is the sum of price times quantity of what is filled."""
    average = value / filled / 10**pair.price_decimals if filled else 0
    return {
        ORDER_QTY: decimal_text(quantity, pair.quantity_decimals),
        CUM_QTY: decimal_text(filled, pair.quantity_decimals),
        LEAVES_QTY: decimal_text(leaves, pair.quantity_decimals),
        AVG_PX: f"{average:.10f}".rstrip("0").rstrip("."),
    }


def never_accepted(request: Fields, exec_type: str, text: str, exec_id: str, at_ms: int, **more: str) -> Fields:
    """The end of an order that no engine took. `more` are fields by their numbers, as `t103="2"`."""
    copied = {tag: request[tag] for tag in (CL_ORD_ID, ORIG_CL_ORD_ID, SYMBOL, SIDE, ORDER_QTY) if tag in request}
    return {
        **copied,
        ORDER_ID: "NONE",
        EXEC_ID: exec_id,
        EXEC_TYPE: exec_type,
        ORD_STATUS: exec_type,
        LEAVES_QTY: "0",
        CUM_QTY: "0",
        AVG_PX: "0",
        TEXT: text,
        TRANSACT_TIME: instant_text(at_ms),
        **{int(tag[1:]): value for tag, value in more.items()},
    }


def rejected(request: Fields, refusal: Refusal, exec_id: str, at_ms: int) -> Fields:
    """The text begins with the code of the refusal, if it has one: then the same order may be good later."""
    text = f"{refusal.code}: {refusal.reason}" if refusal.code else refusal.reason
    if refusal.code == "expired":
        return never_accepted(request, "C", text, exec_id, at_ms)
    reason = "99"
    if refusal.code.startswith("mode_"):
        reason = "2"
    elif refusal.reason.startswith("Symbol"):
        reason = "1"
    elif refusal.reason.startswith("insufficient"):
        reason = "3"
    return never_accepted(request, "8", text, exec_id, at_ms, t103=reason)


def cancel_rejected(request: Fields, status: str, reason: str, text: str) -> Fields:
    """`status` is that of the order. `reason`: 0 for too late, 1 for unknown, 2 for what the mode forbids."""
    return {
        ORDER_ID: "NONE",
        CL_ORD_ID: request.get(CL_ORD_ID, "NONE"),
        ORIG_CL_ORD_ID: request.get(ORIG_CL_ORD_ID, "NONE"),
        ORD_STATUS: status,
        CXL_RESPONSE_TO: "1",
        CXL_REJ_REASON: reason,
        TEXT: text,
    }


def not_available(kind: str, request: Fields, text: str) -> Fields:
    """Nobody could take it: the client may send the same message again."""
    return _business_reject(kind, request, _NOT_AVAILABLE, text)


def unsupported(kind: str, request: Fields) -> Fields:
    return _business_reject(kind, request, _UNSUPPORTED, f"messages of type {kind} are not taken here")


def missing_tag(kind: str, request: Fields, tag: int) -> Fields:
    return _business_reject(kind, request, _MISSING, f"tag {tag} is missing")


def _business_reject(kind: str, request: Fields, reason: str, text: str) -> Fields:
    fields = {REF_MSG_TYPE: kind, BUSINESS_REASON: reason, TEXT: text}
    if CL_ORD_ID in request:
        fields[BUSINESS_REF_ID] = request[CL_ORD_ID]
    return fields


def session_status(mode: str, reason: str) -> Fields:
    return {
        TRADING_SESSION_ID: "PINCEX",
        TRAD_SES_STATUS: _STATUS_OF_MODE[mode],
        TEXT: f"{mode}: {reason}" if reason else mode,
    }


def news(announcement: t.Mapping[str, t.Any] | None) -> Fields:
    """An announcement, or that it was taken back."""
    if announcement is None:
        return {HEADLINE: "announcement withdrawn", LINES_OF_TEXT: "1", TEXT: "trading goes on"}
    start, end = (instant_text(announcement[name]) for name in ("effective_at", "deadline_at"))
    return {
        HEADLINE: "maintenance",
        LINES_OF_TEXT: "1",
        TEXT: f"trading stops at {start}, until {end} at the latest: {announcement['reason']}",
    }


_STATUSES: t.Final = {"open": "0", "untriggered": "A", "filled": "2", "cancelled": "4"}


def status_of(order: t.Mapping[str, t.Any], exec_id: str, at_ms: int) -> Fields:
    """The answer to an OrderStatusRequest, out of what the engine says of the order. The average price is left at 0:
    the engine keeps none."""
    status = _STATUSES[order["status"]]
    if status == "0" and order["filled"]:
        status = "1"
    accepted = t.cast(Accepted, types.SimpleNamespace(**order))
    left = quantities(PAIRS[order["pair"]], order["quantity"], order["filled"], order["remaining"])
    return {**execution(accepted, "I", status, exec_id, at_ms), **left}


def side_code(side: str) -> str:
    return _SIDE_CODES[side]
