# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import collections
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exchange.orders import check_rules, parse_order
from lab.exchange.pairs import PAIRS
from lab.exchange.venue import Venue, opening_deposits
from lab.flow import mix

REGIONS = ("eu-west-1", "us-east-1")


@pytest.mark.parametrize("rate", [1, 200, 1000])
@pytest.mark.parametrize("regions", [REGIONS, REGIONS[:1], (*REGIONS, "sa-east-1")])
def test_the_rate_counts_orders_over_all_regions(rate: float, regions: tuple[str, ...]) -> None:
    # So many slots hold a whole number of rounds in each region.
    slots = [mix.slot(number, regions, rate) for number in range(22 * len(regions) * 10)]
    seconds = len(slots) / mix.slots_per_second(rate)
    kinds = collections.Counter((slot.region, slot.kind) for slot in slots)
    assert sum(number for (_, kind), number in kinds.items() if kind == "order") == pytest.approx(rate * seconds)
    for region in regions:
        assert kinds[(region, "cancel")] == kinds[(region, "query")] == 10
        # There is something to cancel for every cancel.
        assert sum(slot.resting for slot in slots if slot.region == region) == 10
    assert [slot.offset_s for slot in slots] == sorted(slot.offset_s for slot in slots)


@settings(max_examples=50)
@given(st.integers(0, 10**9), st.booleans())
def test_every_order_is_acceptable(number: int, resting: bool) -> None:
    identity = mix.client_order_id("ap-northeast-1", "0123abcd", number)
    body = mix.order_body(identity, resting)
    assert body == mix.order_body(identity, resting)
    order = parse_order(body)
    pair = PAIRS[order.pair]
    check_rules(order, {"status": pair.status, "tick_size": pair.tick_size, "lot_size": pair.lot_size})


def test_orders_trade_and_resting_orders_never_do() -> None:
    venue = Venue(PAIRS)
    for account, amounts in opening_deposits(PAIRS, ("house",)):
        venue.deposit(account, amounts, 0)
    resting, trades = [], 0
    for number in range(2000):
        slot = mix.slot(number, REGIONS[:1], 200)
        if slot.kind == "order":
            identity = mix.client_order_id(slot.region, "ab", number)
            _, event = venue.place(parse_order(mix.order_body(identity, slot.resting)), 0)
            assert event is not None
            trades += bool(event["fills"])
            if slot.resting:
                resting.append(identity)
    assert trades > 600
    assert all(venue.orders[name].filled == 0 for name in resting)


def test_ids_are_unique_over_the_fleet() -> None:
    ids = [
        json.loads(mix.order_body(mix.client_order_id(slot.region, "ab", slot.number), False))["client_order_id"]
        for slot in (mix.slot(number, REGIONS, 200) for number in range(500))
    ]
    assert len(set(ids)) == 500
