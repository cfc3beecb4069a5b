# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services go back together."""

from __future__ import annotations

import random
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_trip import TripEntry, routes_to_trip
from hypothesis import given, settings
from hypothesis import strategies as st


def entry(service: str, *needs: str) -> TripEntry:
    return TripEntry(service, f"{service}-route", {"blue": 100, "green": 0}, needs)


CHAIN = [entry("reference-data"), entry("core-api", "reference-data"), entry("web", "core-api"), entry("admin")]


@pytest.mark.parametrize(
    ("failing", "back"),
    [
        ({"reference-data"}, ["web", "core-api", "reference-data"]),
        ({"core-api"}, ["web", "core-api"]),
        ({"web"}, ["web"]),
        ({"web", "admin"}, ["web", "admin"]),
        (set(), ["web", "admin", "core-api", "reference-data"]),
        ({"not-in-the-list"}, []),
    ],
)
def test_the_failing_service_and_its_dependents_go_back_dependents_first(failing: set[str], back: list[str]) -> None:
    assert [found.service for found in routes_to_trip(CHAIN, failing)] == back


def test_who_depends_on_a_service_outside_of_the_list_goes_back_with_it() -> None:
    assert [found.service for found in routes_to_trip([entry("core-api", "ledger")], {"ledger"})] == ["core-api"]


def test_a_service_may_have_two_routes() -> None:
    both = [TripEntry("core-api", name, {"blue": 100, "green": 0}) for name in ("public", "internal")]
    assert routes_to_trip(both, {"core-api"}) == both


def test_a_circle_goes_back_together() -> None:
    circle = [entry("a", "b"), entry("b", "a"), entry("c", "c")]
    assert {found.service for found in routes_to_trip(circle, {"b"})} == {"a", "b"}
    assert [found.service for found in routes_to_trip(circle, {"c"})] == ["c"]


NAMES = [f"s{number}" for number in range(7)]


def catalogue(seed: int) -> list[TripEntry]:
    """Some services that depend on earlier ones only, in any order. Drawn by hand: twenty times as fast."""
    chance = random.Random(seed)
    made = [
        entry(name, *chance.sample(NAMES[:number], chance.randint(0, min(number, 3))))
        for number, name in enumerate(NAMES)
    ]
    return chance.sample(made, chance.randint(0, len(made)))


def needs_one_of(start: TripEntry, failing: t.AbstractSet[str], by_name: dict[str, TripEntry]) -> bool:
    """The plain definition, as a walk."""
    seen, ahead = set(), [start.service]
    while ahead:
        name = ahead.pop()
        if name in failing:
            return True
        if name not in seen and name in by_name:
            seen.add(name)
            ahead += by_name[name].depends_on
    return False


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9).map(catalogue), st.sets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_exactly_the_dependents_in_their_order(listed: list[TripEntry], failing: set[str], more: str) -> None:
    back = routes_to_trip(listed, failing)
    by_name = {found.service: found for found in listed}
    services = [found.service for found in back]
    assert len(services) == len(set(services))
    if failing:
        assert set(services) == {e.service for e in listed if needs_one_of(e, failing, by_name)}
        # More failures never leave a service where it is that went back before.
        assert set(services) <= {found.service for found in routes_to_trip(listed, failing | {more})}
    else:
        assert set(services) == by_name.keys()
    for place, found in enumerate(back):
        assert not set(found.depends_on) & set(services[:place]), "a dependency went before its dependent"
    assert {found.service for found in routes_to_trip(listed[::-1], failing)} == set(services)
