# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights forward and back."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import (
    Touched,
    gaining,
    not_enough,
    pods_for,
    way_back,
    weights_problem,
)
from hypothesis import given, settings
from hypothesis import strategies as st

weights = st.integers(0, 100).map(lambda blue: {"blue": blue, "green": 100 - blue})


@pytest.mark.parametrize(
    ("given_weights", "problem"),
    [
        ({"blue": 90, "green": 10}, None),
        ({"blue": 90, "green": 20}, "blue 90 + green 20 is 110, the sum has to be 100"),
        ({"blue": 100}, "the weight of green is missing"),
        ({"blue": 90, "red": 10}, "there is no slot red (there are: blue, green)"),
        ({"blue": 110, "green": -10}, "blue has 110, a weight is a whole number from 0 to 100"),
        ({"blue": "90", "green": 10}, "blue has '90', a weight is a whole number from 0 to 100"),
        ({"blue": True, "green": 99}, "blue has True, a weight is a whole number from 0 to 100"),
    ],
)
def test_what_are_weights(given_weights: t.Any, problem: str | None) -> None:
    assert weights_problem(given_weights) == problem


def test_who_gains_has_to_be_ready() -> None:
    assert gaining({"blue": 90, "green": 10}, {"blue": 75, "green": 25}) == ["green"]
    assert gaining(None, {"blue": 100, "green": 0}) == ["blue"]
    assert gaining({"blue": 50, "green": 50}, {"blue": 50, "green": 50}) == []
    assert not_enough("green", 2, 2) is None
    assert not_enough("green", 1, 2) == "green has 1 ready pods and needs 2 before it gets more traffic"


@settings(max_examples=100, deadline=None)
@given(st.lists(weights, max_size=4), weights, st.sampled_from([frozenset[str](), frozenset({"green"})]))
def test_the_undone_version_gets_nothing_whoever_gave_it_more(
    written: list[dict[str, int]], live: dict[str, int], replaced: frozenset[str]
) -> None:
    before = {"blue": 100, "green": 0}
    touched = Touched(before=before, written=tuple(written), replaced=replaced)
    back = way_back("core-api", touched, live)
    assert back.weights is not None
    assert sum(back.weights.values()) == 100
    if replaced or any(step["green"] for step in written):
        assert back.weights == before
    else:
        # The release gave green nothing: whatever it has is somebody else's.
        assert back.weights == live or not written or live in (before, written[-1])
    again = way_back("core-api", touched, back.weights)
    assert again.weights == back.weights


def test_a_route_of_the_release_goes_with_it() -> None:
    assert way_back("x", Touched(created=True), {"blue": 100, "green": 0}).weights is None


def test_a_slot_that_was_replaced_gets_nothing_although_the_release_never_shifted() -> None:
    touched = Touched(replaced=frozenset({"green"}))
    assert way_back("x", touched, {"blue": 40, "green": 60}).weights == {"blue": 100, "green": 0}
    assert way_back("x", touched, {"blue": 0, "green": 100}).weights == {"blue": 100, "green": 0}


def test_weights_between_slots_that_stay() -> None:
    before, after = {"blue": 30, "green": 70}, {"blue": 60, "green": 40}
    touched = Touched(before=before, written=(after,))
    assert way_back("x", touched, after).weights == before
    foreign = way_back("HTTPRoute x", touched, {"blue": 80, "green": 20})
    assert foreign.weights == {"blue": 80, "green": 20}
    assert foreign.kept == ("HTTPRoute x: somebody set the weights to blue 80, green 20 after the release; they stay",)


def test_a_share_is_what_counts_and_not_the_number() -> None:
    """Somebody else's weights may have any sum, as those of a route without any do."""
    assert gaining({"blue": 900, "green": 100}, {"blue": 100, "green": 0}) == ["blue"]
    assert gaining({"blue": 1, "green": 1}, {"blue": 50, "green": 50}) == []
    assert gaining({"blue": 0, "green": 0}, {"blue": 100, "green": 0}) == ["blue"]


@pytest.mark.parametrize(
    ("share", "blue", "green", "needed"),
    [(100, 2, 2, 2), (100, 1, 2, 2), (100, 6, 4, 6), (90, 2, 3, 3), (10, 2, 20, 2), (0, 4, 4, 1), (100, 0, 0, 1)],
)
def test_pods_for_a_share(share: int, blue: int, green: int, needed: int) -> None:
    assert pods_for(share, {"blue": blue, "green": green}) == needed
