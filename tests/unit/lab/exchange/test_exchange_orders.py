# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exchange.orders import NewOrder, Refusal, check_rules, parse_deadman, parse_order

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


def test_every_option_of_an_order() -> None:
    options = {"account": "a007", "time_in_force": "gtd", "expires_at_ms": 99, "smp_group": "desk-1"}
    stop = parse_order(json.dumps({**GOOD, "type": "stop", "trigger": 1010, **options}).encode())
    assert stop == NewOrder("us-east-1-ab12-7", "BTC-USD", "buy", 1000, 5, trigger=1010, **options)
    assert parse_order(json.dumps({**GOOD, "post_only": True}).encode()).post_only
    marked = parse_order(json.dumps({**GOOD, "margin": True, "high_frequency": True}).encode())
    assert (marked.margin, marked.high_frequency) == (True, True)
    assert parse_order(json.dumps({**GOOD, "time_in_force": "ioc"}).encode()).time_in_force == "ioc"


def test_dead_man() -> None:
    assert parse_deadman(b'{"account":"a007","timeout_ms":5000}') == ("a007", 5000)
    for body in (b"{", b"{}", b'{"timeout_ms":-1}', b'{"timeout_ms":true}', b'{"timeout_ms":86400001}'):
        with pytest.raises(Refusal) as caught:
            parse_deadman(body)
        assert caught.value.status == 400
    with pytest.raises(Refusal, match="account"):
        parse_deadman(b'{"account":"","timeout_ms":1}')


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
        ("account", ""),
        ("account", 7),
        ("trigger", 5),
        ("time_in_force", "day"),
        ("time_in_force", ["gtc"]),
        ("expires_at_ms", 5),
        ("post_only", 1),
        ("margin", "yes"),
        ("high_frequency", 1),
        ("smp_group", "a b"),
    ],
)
def test_bad_field_is_named(field: str, value: t.Any) -> None:
    with pytest.raises(Refusal) as caught:
        parse_order(json.dumps({**GOOD, field: value}).encode())
    assert caught.value.status == 400
    assert caught.value.reason.startswith(f"{field}:")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"type": "stop"}, "trigger:"),
        ({"time_in_force": "gtd"}, "expires_at_ms:"),
        ({"post_only": True, "time_in_force": "ioc"}, "post_only:"),
        ({"post_only": True, "type": "stop", "trigger": 5}, "post_only:"),
    ],
)
def test_what_does_not_go_together(fields: dict[str, t.Any], named: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_order(json.dumps({**GOOD, **fields}).encode())
    assert caught.value.reason.startswith(named)


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
