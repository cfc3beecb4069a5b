# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop orders, timers, modes and epochs, each on its own."""

from __future__ import annotations

import typing as t

import pytest
from venue_commands import PAIRS, START_MS, a_venue

from lab.exchange.orders import NewOrder, Refusal
from lab.exchange.state import from_snapshot, to_snapshot
from lab.exchange.venue import Event, Venue, placed_result

PAIR = "AAA-USD"


def place(venue: Venue, number: int, side: str, price: int, quantity: int, **options: t.Any) -> Event:
    _, event = venue.place(NewOrder(f"id-{number}", PAIR, side, price, quantity, **options), START_MS)
    assert event is not None
    return event


def refused(call: t.Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value.status, caught.value.code


def test_a_stop_waits_for_its_price_and_pulls_the_next_one() -> None:
    venue = a_venue()
    place(venue, 1, "sell", 100, 1)
    place(venue, 2, "sell", 101, 1)
    place(venue, 3, "sell", 102, 5)
    place(venue, 4, "buy", 102, 1, trigger=101)
    place(venue, 5, "buy", 101, 3, trigger=100)
    assert placed_result(venue.orders["id-4"])["status"] == venue.orders["id-4"].status == "untriggered"
    event = place(venue, 6, "buy", 100, 1)
    assert event["fills"] == [["id-1", 100, 1]]
    # The second stop is triggered first, trades at 101, and that triggers the first one.
    assert event["triggered"] == [
        {"client_order_id": "id-5", "fills": [["id-2", 101, 1]], "trade": 2},
        {"client_order_id": "id-4", "fills": [["id-3", 102, 1]], "trade": 3},
    ]
    assert venue.orders["id-5"].status == "open"
    assert venue.depth(PAIR) == {"bids": [(101, 2)], "asks": [(102, 4)]}
    # What the client was told first stays the answer to a repetition.
    assert placed_result(venue.orders["id-4"])["status"] == "untriggered"


def test_a_triggered_stop_stands_behind_those_that_came_before_it_was_triggered() -> None:
    venue = a_venue()
    place(venue, 1, "buy", 99, 1, trigger=101)
    place(venue, 2, "buy", 99, 1)
    place(venue, 3, "sell", 101, 1)
    place(venue, 4, "buy", 101, 1)
    # Also after a snapshot: the numbers of the orders are not their places in the queue.
    for one in (from_snapshot(to_snapshot(venue), PAIRS), venue):
        assert [fill[0] for fill in place(one, 5, "sell", 99, 2)["fills"]] == ["id-2", "id-1"]


def test_sell_stops_go_the_other_way_and_also_on_a_price_in_between() -> None:
    venue = a_venue()
    place(venue, 1, "sell", 94, 1)
    place(venue, 2, "sell", 97, 1)
    place(venue, 3, "sell", 90, 1, trigger=95)
    event = place(venue, 4, "buy", 97, 2)
    assert [one["client_order_id"] for one in event["triggered"]] == ["id-3"]


def test_a_stop_that_is_beyond_its_trigger_already_is_refused() -> None:
    venue = a_venue()
    place(venue, 1, "sell", 100, 1)
    place(venue, 2, "buy", 100, 1)
    assert refused(lambda: place(venue, 3, "buy", 105, 1, trigger=100)) == (422, "")
    assert refused(lambda: place(venue, 3, "sell", 90, 1, trigger=100)) == (422, "")
    place(venue, 3, "buy", 105, 1, trigger=101)
    assert venue.cancel("id-3", START_MS)[1] is not None


def test_good_till_date() -> None:
    venue = a_venue()
    place(venue, 1, "buy", 100, 3, time_in_force="gtd", expires_at_ms=START_MS + 10)
    place(venue, 2, "buy", 100, 3, time_in_force="gtd", expires_at_ms=START_MS + 20)
    place(venue, 3, "sell", 100, 3)
    assert venue.due_timers(START_MS + 19) == []
    (event,) = venue.due_timers(START_MS + 20)
    assert (event["kind"], event["orders"]) == ("expire", [["id-2", 3]])
    assert venue.timers.expiries == {}
    assert venue.orders["id-2"].status == "cancelled"


def test_a_dead_man_cancels_everything_of_its_account() -> None:
    venue = a_venue()
    place(venue, 1, "buy", 90, 1, account="rich")
    place(venue, 2, "buy", 91, 2, account="rich", trigger=110)
    place(venue, 3, "buy", 92, 3)
    venue.set_deadman("rich", 100, START_MS)
    venue.set_deadman("rich", 100, START_MS + 50)
    assert venue.due_timers(START_MS + 149) == []
    (event,) = venue.due_timers(START_MS + 150)
    assert (event["kind"], event["account"], event["orders"]) == ("deadman", "rich", [["id-1", 1], ["id-2", 2]])
    assert venue.due_timers(START_MS + 10_000) == []
    assert [order.client_order_id for order in venue.waiting()] == ["id-3"]


def test_timers_stand_still_in_a_drain_and_get_back_what_they_had_left() -> None:
    venue = a_venue()
    place(venue, 1, "buy", 90, 1, account="rich", time_in_force="gtd", expires_at_ms=START_MS + 200)
    venue.set_deadman("rich", 100, START_MS)
    venue.set_mode("cancel_only", "upgrade", "c-1", True, START_MS + 70)
    assert venue.due_timers(START_MS + 5000) == []
    venue.set_mode("online", "done", "c-2", False, START_MS + 6000)
    # The date of an order is a date: it is over. The dead man has 30 ms left.
    assert [event["kind"] for event in venue.due_timers(START_MS + 6029)] == ["expire"]
    assert [event["kind"] for event in venue.due_timers(START_MS + 6030)] == ["deadman"]


def test_armed_and_taken_off_while_timers_stand_still() -> None:
    venue = a_venue()
    venue.set_mode("cancel_only", "upgrade", "c-1", True, START_MS)
    venue.set_deadman("rich", 100, START_MS)
    venue.set_deadman("poor", 100, START_MS)
    venue.set_deadman("poor", 0, START_MS)
    venue.set_mode("online", "done", "c-2", False, START_MS + 6000)
    assert venue.due_timers(START_MS + 6099) == []
    assert [event["account"] for event in venue.due_timers(START_MS + 6100)] == ["rich"]


@pytest.mark.parametrize(
    ("mode", "order", "maker", "cancel"),
    [
        ("online", True, True, True),
        ("post_only", False, True, True),
        ("cancel_only", False, False, True),
        ("halted", False, False, False),
    ],
)
def test_modes(mode: str, order: bool, maker: bool, cancel: bool) -> None:
    venue = a_venue()
    place(venue, 1, "buy", 90, 1)
    venue.set_mode(mode, "a test", "c-1", False, START_MS)
    for taken, call in (
        (order, lambda: place(venue, 2, "buy", 90, 1)),
        (maker, lambda: place(venue, 3, "buy", 90, 1, post_only=True)),
        (cancel, lambda: venue.cancel("id-1", START_MS)),
        (cancel, lambda: venue.set_deadman("rich", 5, START_MS)),
    ):
        if taken:
            call()
        else:
            assert refused(call) == (409, f"mode_{mode}")
    if mode in ("online", "post_only"):
        assert refused(lambda: place(venue, 4, "sell", 90, 1, post_only=True)) == (422, "")


def test_settlement_goes_on_in_every_mode() -> None:
    venue = a_venue()
    place(venue, 1, "sell", 100, 1)
    place(venue, 2, "buy", 100, 1)
    venue.set_mode("halted", "a test", "c-1", True, START_MS)
    assert [event["kind"] for event in venue.due(START_MS + 2000)] == ["settle"]


def test_the_same_command_again_gets_the_first_answer() -> None:
    venue = a_venue()
    first, event = venue.set_mode("cancel_only", "upgrade", "c-1", True, START_MS)
    assert event is not None
    assert first == {"sequence": event["seq"], "mode": "cancel_only"}
    assert venue.set_mode("online", "other", "c-1", False, START_MS) == (first, None)
    cut, event = venue.close_epoch("c-2", START_MS + 9, START_MS)
    assert event is not None
    assert venue.close_epoch("c-2", START_MS + 50, START_MS) == (cut, None)
    assert venue.mode == "cancel_only"


def test_a_closed_epoch_takes_nothing_but_an_opening() -> None:
    venue = a_venue()
    place(venue, 1, "buy", 90, 1)
    venue.set_deadman("house", 5, START_MS)
    assert refused(lambda: venue.open_epoch(1, "me", START_MS)) == (409, "")
    venue.close_epoch("c-1", START_MS + 1000, START_MS)
    for call in (
        lambda: place(venue, 2, "buy", 90, 1),
        # Also a repetition: the engine that opens the next epoch has the first result.
        lambda: venue.place(NewOrder("id-1", PAIR, "buy", 90, 1), START_MS),
        lambda: venue.cancel("id-1", START_MS),
        lambda: venue.deposit("house", {"USD": 1}, START_MS),
        lambda: venue.settle([], START_MS),
        lambda: venue.set_deadman("house", 5, START_MS),
        lambda: venue.set_mode("halted", "", "c-2", False, START_MS),
        lambda: venue.close_epoch("c-3", START_MS, START_MS),
        lambda: venue.write_format(2, START_MS),
    ):
        assert refused(call) == (423, "epoch_closed")
    assert venue.due(START_MS + 10_000) == []
    assert refused(lambda: venue.open_epoch(3, "me", START_MS)) == (409, "")
    answer, event = venue.open_epoch(2, "me", START_MS)
    assert event is not None
    assert (answer["epoch"], event["epoch"], event["by"]) == (2, 2, "me")
    assert place(venue, 2, "buy", 90, 1)["epoch"] == 2
