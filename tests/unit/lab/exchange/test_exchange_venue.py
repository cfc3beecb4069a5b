# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
import venue_commands as commands
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_commands import PAIRS, Command

from lab.exchange.orders import NewOrder, Refusal
from lab.exchange.venue import ReplayError, Venue, cancelled_result, placed_result

BUY = NewOrder("id-1", "AAA-USD", "buy", 100, 5)
SELL = NewOrder("id-2", "AAA-USD", "sell", 100, 3)


@settings(max_examples=100)
@given(commands.commands)
def test_replay_makes_the_live_state(sequence: list[Command]) -> None:
    live, again = Venue(PAIRS), Venue(PAIRS)
    events = [event for command in sequence if (event := commands.run(live, command)) is not None]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    for event in events:
        again.apply(json.loads(json.dumps(event)))
    assert again.to_snapshot() == live.to_snapshot()


@settings(max_examples=100)
@given(commands.commands, st.integers(0, 10_000), commands.commands)
def test_snapshot_anywhere_and_replay_of_the_rest(first: list[Command], cut: int, more: list[Command]) -> None:
    live, snapshot = Venue(PAIRS), Venue(PAIRS).to_snapshot()
    cut %= len(first) + 1
    events = []
    for number, command in enumerate(first):
        event = commands.run(live, command)
        if event is not None:
            events.append(event)
        if number == cut:
            snapshot = json.loads(json.dumps(live.to_snapshot()))
    again = Venue.from_snapshot(snapshot, PAIRS)
    for event in events[snapshot["sequence"] :]:
        again.apply(event)
    assert again.to_snapshot() == live.to_snapshot()
    # The books behind it are the same as well: both go on alike.
    for command in more:
        assert commands.run(again, command) == commands.run(live, command)


@settings(max_examples=100)
@given(commands.commands)
def test_duplicates_get_the_first_result_and_change_nothing(sequence: list[Command]) -> None:
    venue = Venue(PAIRS)
    first: dict[str, dict[str, object]] = {}
    for command in sequence:
        if isinstance(command, NewOrder):
            order, event = venue.place(command)
            if event is not None:
                assert command.client_order_id not in first
                first[command.client_order_id] = placed_result(order)
        else:
            commands.run(venue, command)
    before = venue.to_snapshot()
    for identity, result in first.items():
        order, event = venue.place(NewOrder(identity, "BBB-USD", "sell", 1, 1))
        assert event is None
        assert placed_result(order) == result
    assert venue.to_snapshot() == before


def test_cancel_twice_gets_the_first_result() -> None:
    venue = Venue(PAIRS)
    venue.place(BUY)
    venue.place(SELL)
    order, event = venue.cancel("id-1")
    assert event == {"seq": 3, "kind": "cancel", "client_order_id": "id-1", "quantity": 2}
    first = cancelled_result(order)
    order, event = venue.cancel("id-1")
    assert event is None
    assert cancelled_result(order) == first == {**first, "filled": 3, "cancelled": 2, "sequence": 3}


def test_refusals() -> None:
    venue = Venue(PAIRS)
    venue.place(BUY)
    venue.place(SELL)
    for status, call in (
        (404, lambda: venue.cancel("id-9")),
        (409, lambda: venue.cancel("id-2")),
        (422, lambda: venue.place(NewOrder("id-3", "CCC-USD", "buy", 1, 1))),
        (404, lambda: venue.depth("CCC-USD")),
    ):
        with pytest.raises(Refusal) as caught:
            call()
        assert caught.value.status == status
    assert venue.sequence == 2


@pytest.mark.parametrize(
    "change",
    [{"seq": 3}, {"fills": []}, {"price": 101}, {"kind": "other"}, {"pair": "CCC-USD"}, {"client_order_id": "id-1"}],
)
def test_replay_refuses_what_does_not_fit(change: dict[str, object]) -> None:
    live, again = Venue(PAIRS), Venue(PAIRS)
    _, first = live.place(BUY)
    _, second = live.place(SELL)
    assert first is not None
    assert second is not None
    again.apply(first)
    with pytest.raises(ReplayError):
        again.apply({**second, **change})
