# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change leaves room for a kill of every flag, and a set that has none may become smaller."""

from __future__ import annotations

import dataclasses
import random
import secrets
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import kill, restore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_room import (
    FOR_CHANGES,
    LARGEST_MAP,
    no_room,
    size,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import encode
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Kills, Stamp, State, Texts
from flag_samples import state_of, switch

SET: t.Final = "pincex-test"


def flags(number: int, each: int) -> dict[str, dict[str, t.Any]]:
    """With an owner that does not pack well."""
    rolled = random.Random(1)
    return {f"flag-{one:05}": switch(metadata={"owner": rolled.randbytes(each // 2).hex()}) for one in range(number)}


def largest(each: int) -> State:
    """The largest set of such flags that has room."""
    low, high = 1, 10_000
    while high - low > 5:
        middle = (low + high) // 2
        low, high = (middle, high) if no_room(State(), state_of(flags(middle, each)), SET) is None else (low, middle)
    return state_of(flags(low, each))


def killed_by(state: State, by: str, why: str) -> Kills:
    return kill(state.kills, state.flags, Stamp(1.8e9, by, why), lambda flag: f"{flag}.{secrets.token_hex(6)}")


@pytest.mark.parametrize("each", [8, 1000])
def test_every_flag_of_the_largest_set_can_be_killed_restored_and_killed_again(each: int) -> None:
    state = largest(each)
    assert size(encode(state, SET)) <= FOR_CHANGES
    reason = "r" * 200
    once = dataclasses.replace(state, kills=killed_by(state, "a" * 200, reason))
    back = dataclasses.replace(state, kills=restore(once.kills, state.flags, Stamp(1.9e9, "anna", reason)))
    again = dataclasses.replace(back, kills=killed_by(back, "ben", reason))
    assert [size(encode(one, SET)) <= LARGEST_MAP for one in (once, back, again)] == [True] * 3


def test_5000_flags_have_room() -> None:
    many = {f"flag-{number:05}": switch(metadata={"version": "1"}) for number in range(5000)}
    assert no_room(State(), state_of(many), SET) is None


def test_what_has_no_room_says_so_and_may_become_smaller() -> None:
    small, large = State(1, flags(1000, 1000)), State(2, flags(1010, 1000))
    said = no_room(State(), large, SET)
    assert said is not None and said.startswith("with every flag killed, document and ledger would have 1")
    assert no_room(large, small, SET) is None
    assert no_room(small, large, SET) is not None


def test_a_page_of_the_history_needs_room_as_well() -> None:
    state = state_of({"x": switch(metadata={"owner": random.Random(1).randbytes(450_000).hex()})})
    said = no_room(State(), state, SET)
    assert said is not None and "the page of the history would have" in said and "1000000 for it" in said


def test_sizes_are_in_bytes() -> None:
    assert size(Texts("é", "12")) == 4
