# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random commands for a venue, with few prices, ids and accounts, so that they meet each other."""

from __future__ import annotations

import dataclasses
import typing as t

from hypothesis import strategies as st

from lab.exchange.modes import MODES
from lab.exchange.orders import NewOrder, Refusal
from lab.exchange.pairs import MONEY_DECIMALS, Pair
from lab.exchange.venue import Event, Venue

#: Amounts of quote are price times quantity here: every fee is rounded.
PAIRS = {
    name: Pair(name, "trading", tick_size=1, lot_size=1, price_decimals=5, quantity_decimals=5)
    for name in ("AAA-USD", "BBB-USD")
}
#: When the first command comes.
START_MS = 1_000_000
RICH = 1000 * 10**MONEY_DECIMALS


@dataclasses.dataclass(frozen=True)
class Cancel:
    client_order_id: str


@dataclasses.dataclass(frozen=True)
class Wait:
    """Time passes, and what is due happens."""

    ms: int


@dataclasses.dataclass(frozen=True)
class DeadMan:
    account: str
    timeout_ms: int


@dataclasses.dataclass(frozen=True)
class Mode:
    mode: str
    pause_timers: bool
    command_id: str


@dataclasses.dataclass(frozen=True)
class Cut:
    command_id: str


@dataclasses.dataclass(frozen=True)
class Open:
    next_one: bool


@dataclasses.dataclass(frozen=True)
class Format:
    number: int


Command = NewOrder | Cancel | Wait | DeadMan | Mode | Cut | Open | Format


def _order(*fields: t.Any, **options: t.Any) -> NewOrder:
    # A function: of a class hypothesis would fill in the options as well.
    return NewOrder(*fields, **options)


ids = st.integers(0, 30).map(lambda number: f"id-{number}")
_pairs, _sides = st.sampled_from(sorted(PAIRS)), st.sampled_from(["buy", "sell"])
_prices, _quantities = st.integers(98, 102), st.integers(1, 9)
_accounts = st.sampled_from(["house", "rich", "poor"])
_groups = st.sampled_from(["", "", "", "g"])
places = st.builds(_order, ids, _pairs, _sides, _prices, _quantities)
#: Orders of one account that can always be paid for, and cancels.
plain: st.SearchStrategy[list[NewOrder | Cancel]] = st.lists(
    st.one_of(places, places, st.builds(Cancel, ids)), max_size=60
)
_limits = st.builds(
    _order,
    ids,
    _pairs,
    _sides,
    _prices,
    _quantities,
    _accounts,
    time_in_force=st.sampled_from(["gtc", "ioc"]),
    post_only=st.sampled_from([False, False, True]),
    smp_group=_groups,
)
_dated = st.builds(
    _order,
    ids,
    _pairs,
    _sides,
    _prices,
    _quantities,
    _accounts,
    time_in_force=st.just("gtd"),
    expires_at_ms=st.integers(START_MS, START_MS + 9000),
)
_stops = st.builds(_order, ids, _pairs, _sides, _prices, _quantities, _accounts, trigger=_prices, smp_group=_groups)
_short = st.sampled_from(["c-1", "c-2", "c-3", "c-4", "c-5"])
_control = st.one_of(
    st.builds(DeadMan, _accounts, st.sampled_from([0, 100, 3000])),
    st.builds(Mode, st.sampled_from([*MODES, "online", "online"]), st.booleans(), _short),
    st.builds(Cut, _short),
    st.builds(Open, st.booleans()),
    st.builds(Open, st.booleans()),
    st.builds(Format, st.sampled_from([1, 2])),
)
commands: st.SearchStrategy[list[Command]] = st.lists(
    st.one_of(
        _limits,
        _limits,
        _limits,
        _dated,
        _stops,
        st.builds(Cancel, ids),
        st.builds(Wait, st.integers(1, 3000)),
        _control,
    ),
    max_size=60,
)


def a_venue() -> Venue:
    """With accounts that can pay, and one that soon cannot."""
    return opened()[0]


def opened() -> tuple[Venue, list[Event]]:
    venue = Venue(PAIRS)
    events = [
        venue.deposit(account, dict.fromkeys(("AAA", "BBB", "USD"), amount), START_MS)
        for account, amount in (("house", RICH), ("rich", RICH), ("poor", 1_000_000))
    ]
    return venue, events


def run(venue: Venue, command: Command) -> list[Event]:
    """One command, a little later than the one before; a refusal has no event."""
    at = venue.at_ms + 1
    try:
        return [event for event in _events(venue, command, at) if event is not None]
    except Refusal:
        return []


def _events(venue: Venue, command: Command, at: int) -> t.Sequence[Event | None]:
    match command:
        case NewOrder():
            return [venue.place(command, at)[1]]
        case Cancel(identity):
            return [venue.cancel(identity, at)[1]]
        case Wait(ms):
            return venue.due(at + ms)
    return [_control_event(venue, command, at)]


def _control_event(venue: Venue, command: DeadMan | Mode | Cut | Open | Format, at: int) -> Event | None:
    match command:
        case DeadMan(account, timeout_ms):
            return venue.set_deadman(account, timeout_ms, at)[1]
        case Mode(mode, pause_timers, command_id):
            return venue.set_mode(mode, "a test", command_id, pause_timers, at)[1]
        case Cut(command_id):
            return venue.close_epoch(command_id, at + 1000, at)[1]
        case Open(next_one):
            return venue.open_epoch(venue.epoch.number + next_one, "other", at)[1]
        case Format(number):
            return venue.write_format(number, at)
