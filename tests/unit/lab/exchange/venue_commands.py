# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random commands for a venue, with few prices and ids, so that they meet each other."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from lab.exchange.orders import NewOrder, Refusal
from lab.exchange.venue import Event, Venue

PAIRS = ("AAA-USD", "BBB-USD")


@dataclasses.dataclass(frozen=True)
class Cancel:
    client_order_id: str


Command = NewOrder | Cancel

ids = st.integers(0, 30).map(lambda number: f"id-{number}")
places = st.builds(
    NewOrder, ids, st.sampled_from(PAIRS), st.sampled_from(["buy", "sell"]), st.integers(98, 102), st.integers(1, 9)
)
commands: st.SearchStrategy[list[Command]] = st.lists(st.one_of(places, places, st.builds(Cancel, ids)), max_size=60)


def run(venue: Venue, command: Command) -> Event | None:
    """One command; a refusal has no event."""
    try:
        if isinstance(command, Cancel):
            return venue.cancel(command.client_order_id)[1]
        return venue.place(command)[1]
    except Refusal:
        return None
