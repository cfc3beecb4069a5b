# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import venue_commands as commands
from hypothesis import given, settings
from venue_commands import PAIRS, Cancel, a_venue

from lab.exchange.book import Book, Fill, Order
from lab.exchange.orders import NewOrder


def order(number: int, side: str, price: int, quantity: int) -> Order:
    return Order(f"id-{number}", "AAA-USD", side, price, quantity, number, remaining=quantity)


def place(book: Book, new: Order) -> list[Fill]:
    fills = book.match(new)
    if new.remaining:
        book.rest(new)
    return fills


def test_best_price_first_then_first_come() -> None:
    book = Book()
    for number, price in ((1, 101), (2, 100), (3, 100)):
        assert place(book, order(number, "sell", price, 5)) == []
    fills = place(book, order(4, "buy", 101, 12))
    assert [(fill.maker.client_order_id, fill.price, fill.quantity) for fill in fills] == [
        ("id-2", 100, 5),
        ("id-3", 100, 5),
        ("id-1", 101, 2),
    ]
    assert book.depth() == {"bids": [], "asks": [(101, 3)]}


def test_buyers_best_price_is_the_highest() -> None:
    book = Book()
    place(book, order(1, "buy", 99, 1))
    place(book, order(2, "buy", 100, 1))
    assert [fill.maker.client_order_id for fill in place(book, order(3, "sell", 1, 2))] == ["id-2", "id-1"]


def test_cancel_leaves_the_neighbours_their_place() -> None:
    book = Book()
    orders = [order(number, "sell", 100, 1) for number in (1, 2, 3)]
    for one in orders:
        place(book, one)
    book.cancel(orders[1])
    assert [fill.maker.client_order_id for fill in place(book, order(4, "buy", 100, 2))] == ["id-1", "id-3"]


class Naive:
    """The rule in its plainest form: search all resting orders for the best price, then for the earliest."""

    def __init__(self) -> None:
        self.resting: list[dict[str, int | str]] = []
        self.known: set[str] = set()

    def place(self, new: NewOrder) -> list[list[str | int]]:
        self.known.add(new.client_order_id)
        left, fills = new.quantity, []
        sign = 1 if new.side == "buy" else -1
        while left:
            fitting = [
                one
                for one in self.resting
                if one["pair"] == new.pair and one["side"] != new.side and sign * int(one["price"]) <= sign * new.price
            ]
            if not fitting:
                break
            best = min(fitting, key=lambda one: sign * int(one["price"]))
            traded = min(left, int(best["left"]))
            best["left"] = int(best["left"]) - traded
            left -= traded
            fills.append([best["id"], best["price"], traded])
            if not best["left"]:
                self.resting.remove(best)
        if left:
            self.resting.append(
                {"id": new.client_order_id, "pair": new.pair, "side": new.side, "price": new.price, "left": left}
            )
        return fills

    def cancel(self, identity: str) -> None:
        self.resting = [one for one in self.resting if one["id"] != identity]


@settings(max_examples=100, deadline=None)
@given(commands.plain)
def test_price_time_priority(sequence: list[NewOrder | Cancel]) -> None:
    venue, naive = a_venue(), Naive()
    for command in sequence:
        if isinstance(command, Cancel):
            naive.cancel(command.client_order_id)
            commands.run(venue, command)
        elif command.client_order_id not in naive.known:
            (event,) = commands.run(venue, command)
            assert event["fills"] == naive.place(command)
    left = {one["id"]: one["left"] for one in naive.resting}
    assert {name: one.remaining for name, one in venue.orders.items() if one.remaining} == left


@settings(max_examples=100, deadline=None)
@given(commands.plain)
def test_quantity_is_conserved_and_books_never_cross(sequence: list[NewOrder | Cancel]) -> None:
    venue = a_venue()
    traded = dict.fromkeys(PAIRS, 0)
    for command in sequence:
        for event in commands.run(venue, command):
            if event["kind"] != "order":
                continue
            traded[event["pair"]] += sum(quantity for _, _, quantity in event["fills"])
        for pair in PAIRS:
            depth = venue.depth(pair)
            if depth["bids"] and depth["asks"]:
                assert depth["bids"][0][0] < depth["asks"][0][0]
    for pair in PAIRS:
        for side in ("buy", "sell"):
            orders = [one for one in venue.orders.values() if (one.pair, one.side) == (pair, side)]
            assert all(one.remaining >= 0 and one.cancelled >= 0 and one.filled >= 0 for one in orders)
            # Every trade fills a buyer and a seller by the same quantity.
            assert sum(one.filled for one in orders) == traded[pair]
            depth_side = venue.depth(pair)["bids" if side == "buy" else "asks"]
            assert sum(quantity for _, quantity in depth_side) == sum(one.remaining for one in orders)
