# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exchange.orders import NewOrder, Refusal, check_rules, parse_order

GOOD: dict[str, t.Any] = {
    "client_order_id": "us-east-1-ab12-7",
    "pair": "BTC-USD",
    "side": "buy",
    "price": 1000,
    "quantity": 5,
    "type": "limit",
}
RULES = {"status": "trading", "tick_size": 10, "lot_size": 5}


def test_good_order() -> None:
    assert parse_order(json.dumps(GOOD).encode()) == NewOrder("us-east-1-ab12-7", "BTC-USD", "buy", 1000, 5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_order_id", None),
        ("client_order_id", ""),
        ("client_order_id", "a/b"),
        ("client_order_id", "a\n"),
        ("client_order_id", "ä"),
        ("client_order_id", "x" * 65),
        ("pair", 5),
        ("pair", ""),
        ("side", "hold"),
        ("side", ["buy"]),
        ("price", 0),
        ("price", -1),
        ("price", 1.5),
        ("price", True),
        ("price", "10"),
        ("price", 10**15 + 1),
        ("quantity", 0),
        ("quantity", None),
        ("type", "market"),
    ],
)
def test_bad_field_is_named(field: str, value: t.Any) -> None:
    with pytest.raises(Refusal) as caught:
        parse_order(json.dumps({**GOOD, field: value}).encode())
    assert caught.value.status == 400
    assert caught.value.reason.startswith(f"{field}:")


@settings(max_examples=40)
@given(st.one_of(st.binary(max_size=60), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)))
def test_any_body_is_an_order_or_refused(body: bytes | str) -> None:
    try:
        parse_order(body.encode() if isinstance(body, str) else body)
    except Refusal as refusal:
        assert refusal.status == 400


@pytest.mark.parametrize(
    ("rules", "status"), [({"status": "halted"}, 409), ({"tick_size": 7}, 422), ({"lot_size": 3}, 422)]
)
def test_rules_of_the_pair(rules: dict[str, t.Any], status: int) -> None:
    order = parse_order(json.dumps(GOOD).encode())
    check_rules(order, RULES)
    with pytest.raises(Refusal) as caught:
        check_rules(order, {**RULES, **rules})
    assert caught.value.status == status
