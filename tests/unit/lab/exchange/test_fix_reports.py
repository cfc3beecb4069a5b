# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import collections
import contextlib
import decimal
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exchange.feed import FeedError
from lab.exchange.fix_reports import Report, Reports
from lab.exchange.journal import encode
from lab.exchange.orders import NewOrder, Refusal
from lab.exchange.pairs import MONEY_DECIMALS, PAIRS
from lab.exchange.venue import Venue

START_MS = 1_000_000
D = decimal.Decimal


class World:
    """A venue, and the reports of two sessions."""

    def __init__(self) -> None:
        self.venue = Venue(PAIRS)
        self.reports = Reports(("FIX1", "FIX2"))
        self.lines: list[bytes] = []
        self.at_ms = START_MS
        self.take(self.venue.deposit("house", dict.fromkeys(("BTC", "USD"), 10**6 * 10**MONEY_DECIMALS), self.at_ms))

    def take(self, event: dict[str, t.Any] | None) -> list[Report]:
        if event is None:
            return []
        self.lines.append(encode(event))
        return self.reports.take(self.lines[-1])

    def place(self, identity: str, side: str, price: int, quantity: int, **options: t.Any) -> list[Report]:
        return self.take(
            self.venue.place(NewOrder(identity, "BTC-USD", side, price, quantity, **options), self.at_ms)[1]
        )

    def cancel(self, identity: str) -> list[Report]:
        return self.take(self.venue.cancel(identity, self.at_ms)[1])

    def wait(self, ms: int) -> list[Report]:
        self.at_ms += ms
        return [report for event in self.venue.due(self.at_ms) for report in self.take(event)]


def short(reports: list[Report]) -> list[tuple[str, ...]]:
    """Session, ClOrdID, ExecType, OrdStatus, CumQty, LeavesQty."""
    return [(one.session, *(one.fields[tag] for tag in (11, 150, 39, 14, 151))) for one in reports]


def test_both_sides_of_a_trade_are_told() -> None:
    world = World()
    assert short(world.place("FIX1.a", "sell", 10000, 3)) == [("FIX1", "a", "0", "0", "0.00000", "0.00003")]
    assert world.place("http-1", "sell", 10010, 2) == []
    reports = world.place("FIX2.b", "buy", 10010, 9)
    assert short(reports) == [
        ("FIX2", "b", "0", "0", "0.00000", "0.00009"),
        ("FIX1", "a", "F", "2", "0.00003", "0.00000"),
        ("FIX2", "b", "F", "1", "0.00003", "0.00006"),
        ("FIX2", "b", "F", "1", "0.00005", "0.00004"),
    ]
    assert [one.fields[31] for one in reports[1:]] == ["100.00", "100.00", "100.10"]
    assert reports[-1].fields[6] == "100.04"


def test_a_cancel_has_the_id_of_its_request_if_there_was_one() -> None:
    world = World()
    world.place("FIX1.a", "buy", 10000, 3)
    world.place("FIX1.b", "buy", 10000, 3)
    world.reports.cancels["FIX1.a"] = "c"
    fields = world.cancel("FIX1.a")[0].fields
    assert (fields[11], fields[41], fields[150]) == ("c", "a", "4")
    fields = world.cancel("FIX1.b")[0].fields
    assert (fields[11], fields.get(41), fields[150]) == ("b", None, "4")


def test_orders_that_end_by_themselves() -> None:
    world = World()
    world.place("FIX1.a", "buy", 10000, 3, time_in_force="gtd", expires_at_ms=START_MS + 50)
    assert short(world.wait(100)) == [("FIX1", "a", "C", "C", "0.00000", "0.00000")]
    assert [one[2] for one in short(world.place("FIX1.b", "buy", 10000, 3, time_in_force="ioc"))] == ["0", "4"]
    world.place("FIX1.c", "buy", 10000, 3)
    world.take(world.venue.set_deadman("house", 1000, world.at_ms)[1])
    reports = world.wait(2000)
    assert short(reports) == [("FIX1", "c", "4", "4", "0.00000", "0.00000")]
    assert "dead-man" in reports[0].fields[58]


def test_a_stop_order_waits_and_is_triggered() -> None:
    world = World()
    assert short(world.place("FIX1.s", "buy", 10010, 2, trigger=10000)) == [
        ("FIX1", "s", "0", "A", "0.00000", "0.00002")
    ]
    world.place("m", "sell", 10000, 3)
    assert short(world.place("n", "buy", 10000, 1)) == [
        ("FIX1", "s", "L", "0", "0.00000", "0.00002"),
        ("FIX1", "s", "F", "2", "0.00002", "0.00000"),
    ]


def test_the_mode_is_known() -> None:
    world = World()
    world.take(world.venue.set_mode("cancel_only", "upgrade", "c-1", True, world.at_ms)[1])
    assert (world.reports.mode, world.reports.mode_reason) == ("cancel_only", "upgrade")


def test_a_gap_is_found_and_changes_nothing() -> None:
    world = World()
    lost = encode(world.venue.deposit("house", {"USD": 1}, world.at_ms))
    line = encode(world.venue.deposit("house", {"USD": 1}, world.at_ms))
    with pytest.raises(FeedError):
        world.reports.take(line)
    assert world.reports.take(lost) == world.reports.take(line) == []


_commands = st.lists(
    st.tuples(
        st.sampled_from(["place", "place", "place", "cancel", "wait"]),
        st.sampled_from(["FIX1", "FIX2", "other"]),
        st.integers(0, 12),
        st.sampled_from(["buy", "sell"]),
        st.integers(998, 1002),
        st.integers(1, 9),
        st.sampled_from([{}, {"time_in_force": "ioc"}, {"trigger": 10000}, {"post_only": True}, {"gtd": True}]),
    ),
    max_size=30,
)


@given(_commands)
@settings(max_examples=60, deadline=None)
def test_what_clients_are_told_is_what_the_engine_knows(commands: list[t.Any]) -> None:
    world = World()
    told: list[Report] = []
    for kind, session, number, side, price, quantity, options in commands:
        identity = f"{session}.{number}"
        given_options = {name: value for name, value in options.items() if name != "gtd"}
        if options.get("gtd"):
            given_options = {"time_in_force": "gtd", "expires_at_ms": world.at_ms + 150}
        with contextlib.suppress(Refusal):
            if kind == "place":
                told += world.place(identity, side, price * 10, quantity, **given_options)
            elif kind == "cancel":
                told += world.cancel(identity)
            else:
                told += world.wait(100)
    orders = [one for one in world.venue.orders.values() if not one.client_order_id.startswith("other.")]
    last: dict[str, dict[int, str]] = {}
    traded: collections.Counter[str] = collections.Counter()
    for session, fields in told:
        identity = f"{session}.{fields[11]}"
        last[identity] = fields
        # Each report goes on where the one before it was.
        traded[identity] += int(D(fields.get(32, "0")).scaleb(5))
        assert D(fields[14]).scaleb(5) == traded[identity]
    assert last.keys() == {one.client_order_id for one in orders}
    for one in orders:
        fields = last[one.client_order_id]
        assert (D(fields[14]).scaleb(5), D(fields[151]).scaleb(5)) == (one.filled, one.remaining)
        assert fields[37] == str(one.sequence)
    assert len({one.fields[17] for one in told}) == len(told)
    # A gateway that starts now and reads the journal from its start says the same.
    again = Reports(("FIX1", "FIX2"))
    assert [report for line in world.lines for report in again.take(line)] == told
