# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order of services."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.tiers import CycleError, tiers_of
from hypothesis import given, settings
from hypothesis import strategies as st


def test_a_dependency_stands_in_an_earlier_tier() -> None:
    edges = {"web": ["api"], "api": ["data", "cache"], "data": [], "cache": []}
    assert tiers_of(edges) == [["data", "cache"], ["api"], ["web"]]


def test_a_dependency_outside_the_release_counts_as_met() -> None:
    assert tiers_of({"api": ["data"]}) == [["api"]]


def test_a_circle_is_named() -> None:
    with pytest.raises(CycleError, match="a -> c -> b -> a depend on each other"):
        tiers_of({"free": [], "a": ["c"], "b": ["a"], "c": ["b"]})


def test_a_service_behind_a_circle_is_not_part_of_it() -> None:
    with pytest.raises(CycleError) as caught:
        tiers_of({"behind": ["a"], "a": ["b"], "b": ["a"]})
    assert "behind" not in str(caught.value)


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, list[str]]:
    names = [f"s{number}" for number in range(draw(st.integers(0, 8)))]
    edges = {
        name: draw(st.lists(st.sampled_from(names[:position]), unique=True)) if position else []
        for position, name in enumerate(names)
    }
    return {name: edges[name] for name in draw(st.permutations(names))}


@settings(max_examples=100, deadline=None)
@given(acyclic())
def test_every_service_comes_once_and_after_what_it_needs(edges: dict[str, list[str]]) -> None:
    seen: set[str] = set()
    for tier in tiers_of(edges):
        assert tier
        for name in tier:
            assert set(edges[name]) <= seen
        assert not seen & set(tier)
        seen |= set(tier)
    assert seen == set(edges)
