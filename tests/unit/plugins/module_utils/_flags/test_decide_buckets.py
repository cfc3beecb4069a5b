# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets what by `fractional`, and who changes sides: against pinned results of flagd's own code."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_buckets import (
    Move,
    Split,
    losing,
    moves,
    murmur3,
    split_of,
    variant_at,
    variant_of,
)
from flag_samples import any_weights, fractional, switch
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "value"),
    [("", 0), ("a", 1009084850), ("abc", 3017643002), ("margin_tradinguser-1", 1455807145), ("hföuser-0", 1792209736)],
)
def test_the_hash_is_murmur3(text: str, value: int) -> None:
    assert murmur3(text.encode()) == value


@pytest.mark.parametrize(("flag", "on"), [("margin_trading", 2498), ("high_frequency_orders", 2541)])
def test_as_many_users_are_in_as_with_the_real_client(flag: str, on: int) -> None:
    """Counted with openfeature-flagd-core 1.0.0, which is in the provider 0.5.2."""
    split = split_of(switch(targeting=fractional(("on", 25), ("off", 75))))
    assert split is not None
    assert sum(variant_of(split, flag, f"user-{number}") == "on" for number in range(10_000)) == on


def test_a_user_without_a_key_gets_the_default() -> None:
    assert variant_of(Split((("on", 1),)), "margin_trading", "") is None


@given(st.integers(0, 100), st.integers(0, 100))
def test_growing_never_takes_it_from_a_user(one: int, other: int) -> None:
    low, high = sorted((one, other))
    before, after = (switch(targeting=fractional(("on", share), ("off", 100 - share))) for share in (low, high))
    found = moves(before, after)
    assert found is not None and losing(found, "on") == 0
    assert sum(move.share for move in found) == pytest.approx((high - low) / 100, abs=1e-8)


@settings(max_examples=50, deadline=None)
@given(any_weights, any_weights, st.permutations("abcde"))
def test_the_shares_are_those_of_the_hashes(one: list[int], other: list[int], names: list[str]) -> None:
    """Looked at in 1024 places all over the hashes; each of the edges in between may hide a part of one place."""
    variants = dict.fromkeys("abcde", "x")
    flags = [
        {"state": "ENABLED", "variants": variants, "targeting": fractional(*zip(order, weights, strict=False))}
        for order, weights in (("abcde", one), (names, other))
    ]
    found, old, new = moves(*flags), split_of(flags[0]), split_of(flags[1])
    assert found is not None and old is not None and new is not None
    places = [(place << 22) + (1 << 21) for place in range(1024)]
    pairs = [(variant_at(old, place), variant_at(new, place)) for place in places]
    for source, target in itertools.permutations("abcde", 2):
        share = sum(move.share for move in found if (move.source, move.target) == (source, target))
        assert share == pytest.approx(pairs.count((source, target)) / 1024, abs=10 / 1024)


def test_finer_weights_of_the_same_shares_move_nobody() -> None:
    flags = [switch(targeting=fractional(("on", 25 * by), ("off", 75 * by))) for by in (1, 100)]
    assert moves(*flags) == []


def test_a_default_is_one_range_for_all() -> None:
    assert moves(switch("off"), switch("on")) == [Move("off", "on", 1.0)]
    assert moves(switch("off"), switch(targeting=fractional(("on", 1), ("off", 3)))) == [Move("off", "on", 0.25)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, switch()),
        (switch(), None),
        (switch(), switch(targeting={"if": [{"var": "vip"}, "on", "off"]})),
        (switch(), switch(state="DISABLED")),
        (
            switch(targeting=fractional(("on", 1), ("off", 1))),
            switch(targeting={"fractional": [{"var": "email"}, ["on", 1], ["off", 1]]}),
        ),
        (switch(), switch(targeting=fractional(("on", 0), ("off", 0)))),
        (switch(), switch(targeting={"fractional": [["on", 0.5], ["off", 0.5]]})),
    ],
)
def test_what_nobody_can_tell_is_not_guessed(before: t.Any, after: t.Any) -> None:
    assert moves(before, after) is None


def test_a_shorter_entry_has_the_weight_1() -> None:
    assert split_of(switch(targeting={"fractional": [["on"], ["off"]]})) == Split((("on", 1), ("off", 1)))
