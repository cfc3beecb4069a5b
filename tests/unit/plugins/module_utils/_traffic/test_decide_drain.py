# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long old connections are waited for, and what is said about them."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_drain import (
    INTERVAL_S,
    Count,
    live_line,
    pause_s,
    warnings,
)
from hypothesis import given
from hypothesis import strategies as st

COUNTS = st.lists(
    st.builds(
        Count,
        st.sampled_from(["core-api", "statements"]),
        st.sampled_from(["blue", "green"]),
        st.none() | st.integers(0, 3),
        st.just("the query found no series"),
    ),
    min_size=1,
    max_size=4,
)
SECONDS = st.floats(0, 1e6)


@given(COUNTS, SECONDS, SECONDS)
def test_it_goes_on_exactly_while_time_is_left_and_a_number_is_not_zero(
    counts: list[Count], waited_s: float, drain_s: float
) -> None:
    pause = pause_s(counts, waited_s, drain_s)
    assert (pause is not None) == (waited_s < drain_s and any(count.left != 0 for count in counts))
    if pause is not None:
        assert 0 < pause <= INTERVAL_S


@given(COUNTS, st.floats(0, 100))
def test_the_last_look_is_at_the_end_of_the_time(counts: list[Count], drain_s: float) -> None:
    waited_s = 0.0
    while (pause := pause_s(counts, waited_s, drain_s)) is not None:
        waited_s += pause
    gone = all(count.left == 0 for count in counts)
    assert waited_s == (0 if gone else pytest.approx(drain_s))


@given(COUNTS, SECONDS)
def test_nothing_is_said_of_a_slot_only_when_its_number_is_zero(counts: list[Count], drain_s: float) -> None:
    assert len(warnings(counts, drain_s)) == sum(count.left != 0 for count in counts)


def test_sentences() -> None:
    counts = [
        Count("statements", "blue", 14),
        Count("core-api", "green", 1),
        Count("gone", "blue", 0),
        Count("blind", "blue", None, "the query found no series"),
    ]
    assert warnings(counts, 60) == [
        "statements: 14 connections of blue are still open after 60 s; they end with its pods",
        "core-api: 1 connection of green is still open after 60 s; it ends with its pods",
        "blind: the open connections of blue were not observed: the query found no series",
    ]
    assert warnings(counts[:1], 0) == ["statements: 14 connections of blue are still open; they end with its pods"]


def test_lines() -> None:
    blue = Count("statements", "blue", 14)
    assert live_line([blue], 15.2, 60) == "statements blue: 14 connections left, 45 s left"
    assert live_line([blue], 60, 60) == "statements blue: 14 connections left"
    others = [Count("statements", "blue", 0), Count("core-api", "green", None)]
    assert live_line(others, 1, 3) == "statements blue: no connections left, core-api green: not observed, 2 s left"
    assert live_line(others[:1], 1, 3) == "statements blue: no connections left"
