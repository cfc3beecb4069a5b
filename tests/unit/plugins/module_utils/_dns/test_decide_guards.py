# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every guard with the change that it refuses, and what no guard and no override lets through."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_guards import (
    GUARDS,
    Facts,
    Finding,
    Limits,
    carrying,
    judge,
    refusal_text,
    refusals,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member, WeightedSet
from hypothesis import given, settings
from hypothesis import strategies as st

STATES = ("absolute", "shifted", "evacuated", "ramped")


def a_set(weights: t.Mapping[str, int], **more: t.Any) -> WeightedSet:
    members = tuple(Member(region, weight, (f"198.18.{n}.2",)) for n, (region, weight) in enumerate(weights.items()))
    return WeightedSet("api.pincex.test.", "A", members, dict.fromkeys(weights, 30), **{"raw": {}, **more})


def facts(before: t.Mapping[str, int], after: t.Mapping[str, int], **more: t.Any) -> Facts:
    found = a_set(before)
    given = {"state": "absolute", "now": found, "healthy": dict.fromkeys(after, True), **more}
    return Facts(before=found, after=after, **given)


def by_guard(found: list[Finding]) -> dict[str, str]:
    return {one.guard: one.reason for one in refusals(found)}


HALF = {"us": 50, "eu": 50}
TEN = {f"r{number}": 10 for number in range(10)}

REFUSED: list[tuple[str, Facts, Limits, str]] = [
    (
        "last_region",
        facts({"us": 50, "eu": 50}, {"us": 0, "eu": 50}, state="evacuated", healthy={"us": True, "eu": False}),
        Limits(),
        "us is the last healthy region with a weight, and would get 0; give another healthy region weight first",
    ),
    (
        "min_regions",
        facts({"us": 20, "eu": 80}, {"us": 0, "eu": 80}),
        Limits(min_regions=2),
        "1 healthy region with a weight would be left (eu), and min_regions is 2; bring another one in first",
    ),
    (
        "sum_zero",
        facts({"us": 0, "eu": 0}, {"us": 0, "eu": 0}),
        Limits(),
        "the sum of all weights would be 0, which is never written; give at least one region weight",
    ),
    (
        "max_step",
        facts(HALF, {"us": 20, "eu": 80}),
        Limits(max_step=25),
        "the share of us would go from 50 % to 20 %, by 30 points, and max_step is 25; go in smaller steps",
    ),
    (
        "unhealthy",
        facts(HALF, {"us": 40, "eu": 60}, healthy={"us": True, "eu": False}),
        Limits(),
        "eu would get more and is unhealthy; bring it up first",
    ),
    (
        "capacity",
        facts(HALF, {"us": 40, "eu": 60}, load=2000.0),
        Limits(capacities={"us": 1000, "eu": 1000}),
        "eu would get 1200 requests/s (60 % of 2000) and takes 1000; scale up first",
    ),
    (
        "capacity",
        facts(HALF, {"us": 40, "eu": 60}, load=None, load_why="no answer"),
        Limits(capacities={"us": 1000, "eu": 1000}),
        "the load of all regions is not known (no answer); mend load.query",
    ),
    (
        "changed",
        facts(HALF, {"us": 40, "eu": 60}, now=a_set({"us": 45, "ap": 10})),
        Limits(),
        "somebody else changed the set since it was read: ap came, eu went, us has 45 and had 50, the TTLs are others; "
        "look again",
    ),
    (
        "owner",
        facts(HALF, {"us": 40, "eu": 60}, now=a_set(HALF, owner="external-dns (eu)")),
        Limits(),
        "the set belongs to external-dns (eu), which would write over it; change it there, or take its mark away",
    ),
    (
        "revision",
        facts(HALF, {"us": 40, "eu": 60}),
        Limits(behind={"eu"}),
        "eu would get more and is not on the environment's revision; release to it first",
    ),
    (
        "ttl",
        facts(HALF, {"us": 40, "eu": 60}, now=dataclasses.replace(a_set(HALF), ttls={"us": 30, "eu": 60})),
        Limits(),
        "the TTLs of the records differ (eu 60 s, us 30 s); set them to one value first",
    ),
    (
        "many_changes",
        facts(TEN, {**TEN, "r0": 11, "r1": 11, "r2": 11, "r3": 11}),
        Limits(max_changed=30),
        "4 of 10 records would change, 40 %, and max_changed is 30 %; change fewer at a time",
    ),
]


@pytest.mark.parametrize(
    ("guard", "what", "limits", "reason"), REFUSED, ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_each_guard_refuses_and_its_override(guard: str, what: Facts, limits: Limits, reason: str) -> None:
    found = judge(what, limits)
    assert by_guard(found)[guard] == reason
    assert f"{guard}: {reason}" in refusal_text("the set", found)
    again = judge(what, dataclasses.replace(limits, override={guard}))
    mine = next(one for one in again if one.guard == guard)
    assert (mine.refused, mine.overridden) == (True, guard != "sum_zero")


def test_an_override_of_all_that_refuse_is_offered() -> None:
    found = judge(facts(HALF, {"us": 0, "eu": 50}), Limits(min_regions=2))
    assert refusal_text("the set", found).endswith(
        "go in smaller steps. Nothing was written. If it is meant all the same: override: [min_regions, max_step]"
    )


def test_there_is_a_refusal_of_every_guard_above() -> None:
    assert {guard for guard, *_rest in REFUSED} == set(GUARDS)


def test_all_are_asked_in_a_fixed_order() -> None:
    found = judge(facts(HALF, {"us": 40, "eu": 60}), Limits())
    assert [one.guard for one in found] == list(GUARDS)
    assert not refusals(found)


@pytest.mark.parametrize(
    ("what", "limits"),
    [
        # An evacuation is as large as it has to be.
        (facts(HALF, {"us": 0, "eu": 50}, state="evacuated"), Limits(max_step=1)),
        (facts(TEN, {**dict.fromkeys(TEN, 0), "r0": 10}, state="evacuated"), Limits()),
        # A dead region is taken out, below min_regions already.
        (facts(HALF, {"us": 0, "eu": 50}, state="evacuated", healthy={"us": False, "eu": True}), Limits(2)),
        # A region that gets less may be unhealthy and behind.
        (facts(HALF, {"us": 40, "eu": 60}, healthy={"us": False, "eu": True}), Limits(behind={"us"})),
        # So may one that an evacuation does not touch.
        (
            facts(
                {"us": 50, "eu": 30, "ap": 20},
                {"us": 0, "eu": 30, "ap": 20},
                state="evacuated",
                healthy={"us": True, "eu": True, "ap": False},
            ),
            Limits(behind={"eu"}),
        ),
        # The dead one got no answers before either, so nobody gets more.
        (
            facts(HALF, {"us": 0, "eu": 50}, state="evacuated", healthy={"us": False, "eu": True}, load=2000.0),
            Limits(capacities={"eu": 1000}),
        ),
        # A set that is made sends nobody elsewhere.
        (
            dataclasses.replace(
                facts({"us": 0, "eu": 0}, HALF),
                before=a_set({"us": 0, "eu": 0}, raw=None),
                now=a_set({"us": 0, "eu": 0}, raw=None),
            ),
            Limits(),
        ),
        # Below ten records a share of them says nothing.
        (facts(HALF, {"us": 49, "eu": 51}), Limits(max_changed=1)),
    ],
)
def test_what_is_not_refused(what: Facts, limits: Limits) -> None:
    assert by_guard(judge(what, limits)) == {}


def test_where_nobody_is_healthy_the_weights_alone_count() -> None:
    """A controller that reaches no health URL takes every region for dead."""
    blind = {"us": False, "eu": False, "ap": False}
    both = {"us": 50, "eu": 50, "ap": 0}
    found = by_guard(judge(facts(both, {**both, "us": 0}, state="evacuated", healthy=blind), Limits(2)))
    assert found == {
        "min_regions": "1 region with a weight would be left (eu), and min_regions is 2; bring another one in first"
    }
    found = by_guard(judge(facts(both, {**both, "us": 0, "eu": 0}, state="evacuated", healthy=blind), Limits()))
    assert found["last_region"].startswith("eu, us are the last regions with a weight")
    # A healthy one is let in for those that are dead.
    what = facts(both, {"us": 0, "eu": 0, "ap": 50}, healthy={**blind, "ap": True})
    assert "min_regions" not in by_guard(judge(what, Limits(2)))


REGIONS = ["ap", "eu", "sa", "us"]
WEIGHTS = st.fixed_dictionaries(dict.fromkeys(REGIONS, st.integers(0, 255)))
HEALTH = st.fixed_dictionaries(dict.fromkeys(REGIONS, st.sampled_from([True, False, None])))


@settings(max_examples=100, deadline=None)
@given(WEIGHTS, HEALTH, st.sampled_from((*STATES, "restored")), st.sets(st.sampled_from(GUARDS)))
def test_nothing_lets_the_sum_zero_through(
    before: dict[str, int], healthy: dict[str, bool | None], state: str, override: set[str]
) -> None:
    found = judge(facts(before, dict.fromkeys(before, 0), state=state, healthy=healthy), Limits(override=override))
    assert "sum_zero" in by_guard(found)
    # So no override is offered, of whatever else refuses.
    text = refusal_text("the set", found)
    assert "override" not in text
    assert text.endswith(". Nothing was written")


@settings(max_examples=100, deadline=None)
@given(WEIGHTS, WEIGHTS, HEALTH, st.sampled_from(STATES))
def test_whatever_passes_leaves_a_healthy_region(
    before: dict[str, int], after: dict[str, int], healthy: dict[str, bool | None], state: str
) -> None:
    found = judge(facts(before, after, state=state, healthy=healthy), Limits())
    if not refusals(found) and carrying(before, healthy):
        assert carrying(after, healthy)
    assert [one.guard for one in found] == list(GUARDS)


@settings(max_examples=100, deadline=None)
@given(WEIGHTS, WEIGHTS, st.sampled_from(STATES), st.integers(1, 4))
def test_to_see_nobody_is_as_to_know_nothing(
    before: dict[str, int], after: dict[str, int], state: str, least: int
) -> None:
    asked = ("last_region", "min_regions", "sum_zero")
    blind, unknown = (
        by_guard(judge(facts(before, after, state=state, healthy=dict.fromkeys(before, value)), Limits(least)))
        for value in (False, None)
    )
    assert [guard in blind for guard in asked] == [guard in unknown for guard in asked]
    if sum(1 for weight in before.values() if weight) > least > sum(1 for weight in after.values() if weight):
        assert "min_regions" in blind


@settings(max_examples=100, deadline=None)
@given(WEIGHTS, WEIGHTS, st.floats(1, 100))
def test_what_passes_is_within_max_step(before: dict[str, int], after: dict[str, int], limit: float) -> None:
    found = judge(facts(before, after), Limits(max_step=limit))
    if "max_step" in by_guard(found) or not sum(after.values()) or not sum(before.values()):
        return
    for region, weight in before.items():
        step = after[region] / sum(after.values()) - weight / sum(before.values())
        assert abs(100 * step) <= limit + 1e-5
