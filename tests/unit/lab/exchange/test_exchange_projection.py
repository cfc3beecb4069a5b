# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two engines compare: equal when they went the same way, and every loss shows where it belongs."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest
import venue_commands as commands
from venue_commands import PAIRS, START_MS, a_venue

from lab.exchange.orders import NewOrder
from lab.exchange.projection import KINDS, book_crc32, bucket_of, items, proof
from lab.exchange.state import from_snapshot, to_snapshot
from lab.exchange.venue import Venue

PAIR = "AAA-USD"


def a_busy_venue() -> Venue:
    """Orders in queues, a stop, timers, a settled trade and a pending one."""
    venue = a_venue()
    for number, (side, price, quantity, options) in enumerate(
        [
            ("buy", 100, 3, {}),
            ("buy", 100, 4, {"account": "rich"}),
            ("buy", 99, 2, {"time_in_force": "gtd", "expires_at_ms": START_MS + 60_000}),
            ("sell", 102, 5, {"account": "rich"}),
            ("sell", 102, 7, {}),
            ("buy", 105, 1, {"trigger": 104}),
            ("sell", 100, 1, {"account": "rich"}),
        ],
        start=1,
    ):
        venue.place(NewOrder(f"id-{number}", PAIR, side, price, quantity, **options), START_MS)
    venue.due(START_MS + 2000)
    venue.place(NewOrder("id-8", PAIR, "buy", 102, 1), START_MS + 2000)
    venue.set_deadman("rich", 60_000, START_MS + 2000)
    return venue


def swap_queue(venue: Venue) -> None:
    level = venue.markets[PAIR].book.bids._levels[100]
    level.move_to_end("id-1")


def lose_balance_update(venue: Venue) -> None:
    venue.ledger.accounts["rich"]["USD"].available -= 1


def trade_with_one_leg(venue: Venue) -> None:
    """The buyer's leg is booked, and the seller's is not."""
    venue.settlement.book_seller = lambda trade, pair: None  # type: ignore[method-assign]
    venue.place(NewOrder("id-9", PAIR, "buy", 102, 1), START_MS + 2000)


def whole_trade(venue: Venue) -> None:
    venue.place(NewOrder("id-9", PAIR, "buy", 102, 1), START_MS + 2000)


def lose_stop(venue: Venue) -> None:
    stops = venue.markets[PAIR].stops
    stops.remove(next(iter(stops)))


def lose_last_price(venue: Venue) -> None:
    venue.markets[PAIR].last_price = 0


def change_remaining(venue: Venue) -> None:
    venue.orders["id-4"].remaining -= 1


def lose_expiry(venue: Venue) -> None:
    venue.timers.drop("id-3")


def lose_deadman(venue: Venue) -> None:
    del venue.timers.deadmen["rich"]


def lose_pending_trade(venue: Venue) -> None:
    del venue.settlement.pending[2]


def lose_closed_order(venue: Venue) -> None:
    del venue.orders["id-7"]


def lose_stream_number(venue: Venue) -> None:
    venue.markets[PAIR].stream -= 1


def differences(one: t.Any, other: t.Any, path: str = "") -> set[str]:
    """Paths, two levels deep, at which two proofs differ."""
    if isinstance(one, dict) and isinstance(other, dict) and path.count(".") < 2:
        names = one.keys() | other.keys()
        return {found for name in names for found in differences(one.get(name), other.get(name), f"{path}.{name}")}
    return set() if one == other else {path[1:]}


@pytest.mark.parametrize(
    ("damage", "meanwhile", "expected"),
    [
        (swap_queue, None, {"orders.buckets", "books.AAA-USD"}),
        (lose_balance_update, None, {"balances.currencies", "balances.accounts"}),
        (
            trade_with_one_leg,
            whole_trade,
            {"balances.currencies", "balances.accounts", "trades.sold", "trades.one_legged"},
        ),
        (lose_stop, None, {"hidden.stops", "balances.currencies"}),
        (lose_last_price, None, {"hidden.last_prices_sha256"}),
        (change_remaining, None, {"orders.buckets", "books.AAA-USD", "balances.currencies"}),
        (lose_expiry, None, {"hidden.timers"}),
        (lose_deadman, None, {"hidden.timers"}),
        (lose_pending_trade, None, {"trades.pending", "trades.pending_sha256"}),
        (lose_closed_order, None, {"hidden.counters"}),
        (lose_stream_number, None, {"streams.AAA-USD"}),
    ],
)
def test_every_loss_shows_where_it_belongs(
    damage: c.Callable[[Venue], None], meanwhile: c.Callable[[Venue], None] | None, expected: set[str]
) -> None:
    whole, damaged = a_busy_venue(), a_busy_venue()
    assert proof(whole) == proof(damaged)
    damage(damaged)
    if meanwhile is not None:
        meanwhile(whole)
    assert differences(proof(whole), proof(damaged)) == expected | {"state_hash"}


def test_a_trade_with_one_leg_is_named_also_when_it_is_settled() -> None:
    venue = a_busy_venue()
    trade_with_one_leg(venue)
    assert proof(venue)["trades"]["one_legged"] == [3]
    venue.due(START_MS + 60_000)
    found = proof(from_snapshot(to_snapshot(venue), PAIRS))
    assert found["trades"]["one_legged"] == [3]
    # Money is still nowhere made or lost, but orders hold more than they need: I5 sees it as well.
    assert found["balances"]["currencies"]["AAA"]["reserved"] > found["balances"]["currencies"]["AAA"]["needed"]


def test_a_lost_balance_update_breaks_the_sum() -> None:
    venue = a_busy_venue()
    lose_balance_update(venue)
    assert proof(venue)["balances"]["currencies"]["USD"]["sum"] == -1


def test_the_lines_behind_a_digest() -> None:
    venue = a_busy_venue()
    swap_queue(venue)
    assert items(venue, "orders", bucket_of("id-1")) == ["id-1|house|AAA-USD|buy|100|2|gtc|0|1"]
    assert items(venue, "accounts", bucket_of("nobody")) == []
    (rich,) = items(venue, "accounts", bucket_of("rich"))
    assert rich.startswith("rich|AAA=")
    (trade,) = items(venue, "trades")
    assert trade == f"2|AAA-USD|house|rich|100000|102|1|{START_MS + 2000}"
    (stop,) = items(venue, "stops")
    assert stop == "id-6|house|AAA-USD|buy|104|105|1|gtc|0|9"
    assert items(venue, "timers") == [
        f"gtd|id-3|{START_MS + 60_000}",
        f"deadman|rich|60000|{START_MS + 62_000}|0",
    ]
    with pytest.raises(KeyError):
        items(venue, "others")
    assert set(KINDS) == {"orders", "accounts", "trades", "stops", "timers"}


def test_every_order_is_in_the_bucket_of_its_id() -> None:
    venue = a_busy_venue()
    found = proof(venue)["orders"]
    assert found["count"] == 5
    for bucket, text in found["buckets"].items():
        lines = items(venue, "orders", int(bucket, 16))
        assert text.startswith(f"{len(lines)}:")
        assert all(bucket_of(line.partition("|")[0]) == int(bucket, 16) for line in lines)


def test_krakens_documented_checksum() -> None:
    asks = [(price, 500) for price in range(5005, 5055, 5)]
    bids = [(price, 500) for price in (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950)]
    assert book_crc32(asks, bids) == 974947235


def test_the_checksum_of_a_book_is_over_its_ten_best_levels() -> None:
    """The same book as orders: two at the best ask. What is deeper is seen by the digest of the full depth only."""
    venue = a_venue()
    number = 0

    def rest(side: str, price: int, quantity: int) -> None:
        nonlocal number
        number += 1
        venue.place(NewOrder(f"id-{number}", PAIR, side, price, quantity), START_MS)

    for price in range(5005, 5055, 5):
        rest("sell", price, 500 if price > 5005 else 200)
    rest("sell", 5005, 300)
    for price in (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950):
        rest("buy", price, 500)
    before = proof(venue)["books"][PAIR]
    assert before["l2_crc32"] == 974947235
    assert before["l3_crc32"] != before["l2_crc32"]
    rest("sell", 6000, 1)
    after = proof(venue)["books"][PAIR]
    assert differences(before, after) == {"sha256"}


def test_a_proof_changes_nothing() -> None:
    venue = a_busy_venue()
    before = list(map(repr, to_snapshot(venue)))
    proof(venue)
    assert list(map(repr, to_snapshot(venue))) == before
    assert commands.run(venue, commands.Wait(60_000))
