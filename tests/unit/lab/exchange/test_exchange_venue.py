# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
import venue_commands as commands
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_commands import PAIRS, START_MS, Cancel, Command, a_venue

from lab.exchange.orders import NewOrder, Refusal
from lab.exchange.projection import proof
from lab.exchange.state import SnapshotError, from_snapshot, to_snapshot
from lab.exchange.venue import ReplayError, Venue, cancelled_result, placed_result

BUY = NewOrder("id-1", "AAA-USD", "buy", 100, 5)
SELL = NewOrder("id-2", "AAA-USD", "sell", 100, 3)


def state(venue: Venue) -> list[t.Any]:
    return t.cast(list[t.Any], json.loads(json.dumps(list(to_snapshot(venue)))))


def again_from(venue: Venue) -> Venue:
    return from_snapshot(iter(state(venue)), PAIRS)


def check_conservation(venue: Venue) -> dict[str, t.Any]:
    found = proof(venue)
    for currency, row in found["balances"]["currencies"].items():
        assert row["sum"] == 0, currency
        assert row["reserved"] == row["needed"], currency
    for held in venue.ledger.accounts.values():
        assert all(one.available >= 0 and one.reserved >= 0 for one in held.values())
    return found


@settings(max_examples=60, deadline=None)
@given(commands.commands)
def test_replay_makes_the_live_state(sequence: list[Command]) -> None:
    live, events = commands.opened()
    for command in sequence:
        events += commands.run(live, command)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert all(next(iter(event)) == "seq" for event in events)
    again = Venue(PAIRS)
    for event in events:
        again.apply(json.loads(json.dumps(event)))
    assert state(again) == state(live)
    assert proof(again) == proof(live)


@settings(max_examples=40, deadline=None)
@given(commands.commands)
def test_nothing_comes_from_nowhere_and_reserved_is_what_orders_need(sequence: list[Command]) -> None:
    venue = a_venue()
    before = state(venue)
    for command in sequence:
        if not commands.run(venue, command):
            assert state(venue) == before, "a refused command changes nothing"
            continue
        before = state(venue)
        trades = check_conservation(venue)["trades"]
        assert trades["bought"] == trades["sold"]
        assert trades["one_legged"] == []


@settings(max_examples=50, deadline=None)
@given(commands.commands, st.integers(0, 10_000), commands.commands)
def test_snapshot_anywhere_and_replay_of_the_rest(first: list[Command], cut: int, more: list[Command]) -> None:
    live = a_venue()
    cut %= len(first) + 1
    snapshot = state(live)
    events = []
    for number, command in enumerate(first):
        events += commands.run(live, command)
        if number == cut:
            events, snapshot = [], state(live)
            assert proof(from_snapshot(iter(snapshot), PAIRS)) == proof(live)
            assert state(from_snapshot(iter(snapshot), PAIRS)) == snapshot
    again = from_snapshot(iter(snapshot), PAIRS)
    for event in events:
        again.apply(event)
    assert state(again) == state(live)
    # The books behind it are the same as well: both go on alike.
    for command in more:
        assert commands.run(again, command) == commands.run(live, command)
    assert proof(again) == proof(live)


@settings(max_examples=60, deadline=None)
@given(commands.commands)
def test_duplicates_get_the_first_result_and_change_nothing(sequence: list[Command]) -> None:
    venue = a_venue()
    first: dict[str, dict[str, object]] = {}
    for command in sequence:
        events = commands.run(venue, command)
        if isinstance(command, NewOrder) and events:
            assert command.client_order_id not in first
            first[command.client_order_id] = placed_result(venue.orders[command.client_order_id])
    if venue.epoch.closed:
        venue.open_epoch(venue.epoch.number, "other", venue.at_ms)
    before = state(venue)
    for identity, result in first.items():
        order, event = venue.place(NewOrder(identity, "BBB-USD", "sell", 1, 1), venue.at_ms)
        assert event is None
        assert placed_result(order) == result
    assert state(venue) == before


def test_cancel_twice_gets_the_first_result() -> None:
    venue = a_venue()
    venue.place(BUY, START_MS)
    venue.place(SELL, START_MS)
    order, event = venue.cancel("id-1", START_MS + 5)
    head = {"seq": 6, "at": START_MS + 5, "epoch": 1}
    assert event == {**head, "kind": "cancel", "client_order_id": "id-1", "quantity": 2}
    first = cancelled_result(order)
    order, event = venue.cancel("id-1", START_MS + 6)
    assert event is None
    assert cancelled_result(order) == first == {**first, "filled": 3, "cancelled": 2, "sequence": 6}


def test_refusals() -> None:
    venue = a_venue()
    venue.place(BUY, START_MS)
    venue.place(SELL, START_MS)
    before = state(venue)
    for status, call in (
        (404, lambda: venue.cancel("id-9", START_MS)),
        (409, lambda: venue.cancel("id-2", START_MS)),
        (422, lambda: venue.place(NewOrder("id-3", "CCC-USD", "buy", 1, 1), START_MS)),
        (422, lambda: venue.place(SELL._replace(client_order_id="id-3", post_only=True), START_MS)),
        (
            422,
            lambda: venue.place(
                BUY._replace(client_order_id="id-3", time_in_force="gtd", expires_at_ms=START_MS), START_MS
            ),
        ),
        (422, lambda: venue.place(BUY._replace(client_order_id="id-3", account="nobody"), START_MS)),
        (404, lambda: venue.depth("CCC-USD")),
        (409, lambda: venue.settle([9], START_MS)),
    ):
        with pytest.raises(Refusal) as caught:
            call()
        assert caught.value.status == status
    assert state(venue) == before


def test_who_cannot_pay_is_told_what_is_missing() -> None:
    venue = a_venue()
    with pytest.raises(Refusal) as caught:
        venue.place(NewOrder("id-1", "AAA-USD", "sell", 1, 11, "poor"), START_MS)
    assert (caught.value.status, caught.value.reason) == (
        422,
        "insufficient funds: account poor has 0.0001 AAA, 0.00011 needed",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 6},
        {"at": 0},
        {"epoch": 2},
        {"fills": []},
        {"price": 101},
        {"kind": "other"},
        {"pair": "CCC-USD"},
        {"client_order_id": "id-1"},
        {"account": "nobody"},
        {"trade": 2},
        {"time_in_force": "ioc", "cancelled": 1},
    ],
)
def test_replay_refuses_what_does_not_fit(change: dict[str, object]) -> None:
    live, events = commands.opened()
    events += [t.cast(dict[str, t.Any], live.place(order, START_MS)[1]) for order in (BUY, SELL)]
    again = Venue(PAIRS)
    for event in events[:-1]:
        again.apply(event)
    with pytest.raises(ReplayError):
        again.apply({**events[-1], **change})


@pytest.mark.parametrize("lost", [0, 3, -2, -1])
def test_a_snapshot_that_is_not_whole_is_no_state(lost: int) -> None:
    venue = a_venue()
    for order in (BUY, SELL):
        venue.place(order, START_MS)
    records = state(venue)
    del records[lost]
    with pytest.raises((SnapshotError, KeyError)):
        from_snapshot(iter(records), PAIRS)


def test_a_closed_order_may_be_forgotten_by_nobody() -> None:
    """Its id could be accepted again. The head knows it, also when another order takes the number's place."""
    venue = a_venue()
    for order in (BUY, SELL):
        venue.place(order, START_MS)
    records = state(venue)
    closed = next(record for record in records if record[:2] == ["order", "id-2"])
    closed[1] = "id-3"
    with pytest.raises(SnapshotError, match="not those that its head counts"):
        from_snapshot(iter(records), PAIRS)


def test_formats() -> None:
    """Only the new version reads and writes format 2; what it adds is left out until it is told to."""
    old, new = Venue(PAIRS, reads=(1,)), Venue(PAIRS)
    for venue in (old, new):
        venue.deposit("house", {"AAA": commands.RICH, "USD": commands.RICH}, START_MS)
    grouped = BUY._replace(smp_group="g")
    assert new.place(grouped, START_MS) == old.place(grouped, START_MS)
    assert state(new) == state(old)
    assert (proof(new)["extra"], proof(old)["extra"]) == (["orders.smp_group"], [])
    assert proof(new)["state_hash"] == proof(old)["state_hash"]
    event = new.write_format(2, START_MS)
    assert event is not None
    assert new.write_format(2, START_MS) is None
    with pytest.raises(ReplayError, match="format 2"):
        old.apply(event)
    with pytest.raises(SnapshotError, match="format 2"):
        from_snapshot(to_snapshot(new), PAIRS, reads=(1,))
    _, event = new.place(SELL._replace(smp_group="h"), START_MS)
    assert event is not None
    assert event["smp_group"] == "h"
    assert again_from(new).orders["id-2"].smp_group == "h"


def test_orders_of_one_group_never_meet() -> None:
    venue = a_venue()
    venue.write_format(2, START_MS)
    venue.place(SELL._replace(smp_group="g"), START_MS)
    order, event = venue.place(BUY._replace(smp_group="g"), START_MS)
    assert event is not None
    assert (event["fills"], event["cancelled"], order.status) == ([], 5, "cancelled")
    assert placed_result(order)["status"] == "cancelled"
    check_conservation(venue)


def test_ioc_takes_what_is_there() -> None:
    venue = a_venue()
    venue.place(SELL, START_MS)
    order, _ = venue.place(BUY._replace(time_in_force="ioc"), START_MS)
    assert (order.filled, order.cancelled) == (3, 2)
    assert placed_result(order) == {**placed_result(order), "status": "cancelled", "filled": 3, "remaining": 0}
    assert venue.depth("AAA-USD") == {"bids": [], "asks": []}
    # A cancel of it gets an answer, and no event.
    assert venue.cancel("id-1", START_MS)[1] is None


def test_a_better_price_and_the_fee_come_out_of_the_reservation() -> None:
    venue = a_venue()
    venue.place(NewOrder("id-1", "AAA-USD", "sell", 99_000, 3, "rich"), START_MS)
    venue.place(NewOrder("id-2", "AAA-USD", "buy", 100_000, 3), START_MS)
    buyer, seller = venue.ledger.accounts["house"], venue.ledger.accounts["rich"]
    assert (buyer["USD"].available, buyer["USD"].reserved) == (commands.RICH - 297_000 - 297, 0)
    assert venue.ledger.suspended == {"USD": 297_000 - 297, "AAA": 300_000}
    assert venue.ledger.fees == {"USD": 594}
    assert venue.due(START_MS + 1999) == []
    (event,) = venue.due(START_MS + 2000)
    assert (event["kind"], event["trades"]) == ("settle", [1])
    assert buyer["AAA"].available == commands.RICH + 300_000
    assert seller["USD"].available == commands.RICH + 297_000 - 297
    assert venue.ledger.suspended == {"USD": 0, "AAA": 0}


def test_time_never_goes_back() -> None:
    venue = a_venue()
    _, event = venue.place(BUY, START_MS - 500)
    assert event is not None
    assert event["at"] == START_MS


def test_plain_commands_never_run_out_of_money() -> None:
    venue = a_venue()
    assert commands.run(venue, BUY)
    assert commands.run(venue, Cancel("id-1"))
