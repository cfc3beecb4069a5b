# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exchange import fix_messages as fix
from lab.exchange.orders import Refusal, parse_order

#: 2026-11-21 12:00 UTC.
NOON_MS = 1_795_262_400_000
ORDER = {11: "c-1", 55: "BTC-USD", 54: "1", 38: "0.00005", 40: "2", 44: "100.10", 59: "1", 60: "20261121-12:00:00"}


@settings(max_examples=50)
@given(st.integers(0, 10**15), st.integers(0, 8))
def test_a_number_comes_back_as_it_was(value: int, decimals: int) -> None:
    text = fix.decimal_text(value, decimals)
    assert fix.whole_number(text, decimals, "Price") == value
    # Zeros behind mean nothing.
    assert fix.whole_number(f"{text}000" if decimals else text, decimals, "Price") == value


@pytest.mark.parametrize("text", ["", "-1", "1e3", "0x1", "1.005", ".5", "nan", "\u0661"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        fix.whole_number(text, 2, "Price")


@settings(max_examples=50)
@given(st.integers(0, 4_000_000_000_000))
def test_an_instant_comes_back_as_it_was(at_ms: int) -> None:
    assert fix.instant_ms(fix.instant_text(at_ms)) == at_ms


@pytest.mark.parametrize("text", ["", "20261121", "20261321-00:00:00", "20261121-12:00", "2026-11-21T12:00:00Z"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        fix.instant_ms(text)


def test_a_limit_order_becomes_the_engines_request() -> None:
    order, body = fix.order_of("FIX1", {**ORDER, 1: "a007", 18: "6"}, NOON_MS)
    assert parse_order(body) == order
    assert order == ("FIX1.c-1", "BTC-USD", "buy", 10010, 5, "a007", 0, "gtc", 0, True, "", False, False)


def test_a_stop_order_has_a_trigger() -> None:
    order, _ = fix.order_of("FIX1", {**ORDER, 40: "4", 99: "99.9"}, NOON_MS)
    assert (order.trigger, order.price) == (9990, 10010)


def test_times_in_force() -> None:
    def found(**changes: str) -> tuple[str, int]:
        fields = {**ORDER, **{int(tag[1:]): value for tag, value in changes.items()}}
        order, _ = fix.order_of("FIX1", fields, NOON_MS)
        return order.time_in_force, order.expires_at_ms

    # The day ends at midnight; without the field it is a day order.
    assert found(t59="0") == ("gtd", NOON_MS + 12 * 3600 * 1000)
    del (day := dict(ORDER))[59]
    assert fix.order_of("FIX1", day, NOON_MS)[0].time_in_force == "gtd"
    assert found(t59="3") == ("ioc", 0)
    assert found(t59="6", t126="20261121-12:00:01.500") == ("gtd", NOON_MS + 1500)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({11: "no spaces"}, "ClOrdID"),
        ({11: "x" * 60}, "ClOrdID"),
        ({55: "DOGE-USD"}, "Symbol"),
        ({55: "LUNA-USD", 38: "1"}, "halted"),
        ({54: "5"}, "side"),
        ({40: "1"}, "OrdType"),
        ({44: "100.001"}, "Price"),
        ({44: "100.01"}, "tick size"),
        ({38: "0"}, "quantity"),
        ({59: "4"}, "TimeInForce"),
        ({59: "6"}, "ExpireTime"),
        ({40: "4"}, "StopPx"),
        ({1: "no spaces"}, "account"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[int, str], named: str) -> None:
    with pytest.raises(Refusal, match=named):
        fix.order_of("FIX1", {**ORDER, **changes}, NOON_MS)


@settings(max_examples=50)
@given(st.text(max_size=80), st.text(max_size=80))
def test_ids_of_two_sessions_never_meet(one: str, other: str) -> None:
    found = []
    for session, text in (("FIX1", one), ("FIX2", other)):
        try:
            found.append(fix.engine_id(session, text))
        except Refusal:
            return
        assert fix.session_of(found[-1]) == (session, text)
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("refusal", "exec_type", "reason", "text"),
    [
        (Refusal(409, "no new order is taken", "mode_cancel_only"), "8", "2", "mode_cancel_only: no new order"),
        (Refusal(409, "order x expired", "expired"), "C", None, "expired: order x"),
        (Refusal(422, "insufficient funds: 1 USD"), "8", "3", "insufficient"),
        (Refusal(422, "Symbol X is not known"), "8", "1", "Symbol"),
        (Refusal(422, "price: what else"), "8", "99", "price"),
    ],
)
def test_a_refusal_says_why(refusal: Refusal, exec_type: str, reason: str | None, text: str) -> None:
    report = fix.rejected(ORDER, refusal, "r1", NOON_MS)
    assert (report[150], report[39], report.get(103)) == (exec_type, exec_type, reason)
    assert report[58].startswith(text)
    assert (report[11], report[37], report[151]) == ("c-1", "NONE", "0")


def test_the_modes_have_the_numbers_of_kraken() -> None:
    found = {mode: fix.session_status(mode, "why")[340] for mode in ("halted", "online", "cancel_only", "post_only")}
    assert found == {"halted": "1", "online": "2", "cancel_only": "101", "post_only": "102"}


def test_news_say_when_and_why() -> None:
    told = fix.news({"reason": "upgrade", "effective_at": NOON_MS, "deadline_at": NOON_MS + 60_000})
    assert told[58] == "trading stops at 20261121-12:00:00.000, until 20261121-12:01:00.000 at the latest: upgrade"
    assert fix.news(None)[148] == "announcement withdrawn"


def test_a_status_is_made_of_what_the_engine_says() -> None:
    said = json.loads(
        '{"client_order_id":"FIX1.c-1","account":"house","pair":"BTC-USD","side":"buy","price":10010,"quantity":5,'
        '"time_in_force":"gtc","sequence":7,"status":"open","filled":2,"remaining":3,"cancelled":0}'
    )
    report = fix.status_of(said, "r1", NOON_MS)
    assert (report[150], report[39], report[37], report[11]) == ("I", "1", "7", "c-1")
    assert (report[38], report[14], report[151], report[44]) == ("0.00005", "0.00002", "0.00003", "100.10")
