# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back, region by region: what is still ours goes back, what somebody else decided stays."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_dns_undo import (
    TAKEN_BACK,
    Step,
    steps_of,
    way_back,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_weights import Plan
from hypothesis import given, settings
from hypothesis import strategies as st

REGIONS = ["ap", "eu", "us"]
WEIGHTS = st.fixed_dictionaries(dict.fromkeys(REGIONS, st.integers(0, 5)))


def steps_between(states: t.Sequence[t.Mapping[str, int]]) -> list[Step]:
    return [
        Step({region: (old[region], new[region]) for region in new if old[region] != new[region]}, True)
        for old, new in itertools.pairwise(states)
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(WEIGHTS.filter(lambda weights: sum(weights.values()) > 0), min_size=1, max_size=5))
def test_untouched_all_goes_back(states: list[dict[str, int]]) -> None:
    plan = way_back("the set", steps_between(states), states[-1], {})
    assert (plan.after, plan.kept) == (states[0], ())


@settings(max_examples=100, deadline=None)
@given(
    st.lists(WEIGHTS.filter(lambda weights: sum(weights.values()) > 0), min_size=1, max_size=5),
    st.sampled_from(REGIONS),
    st.booleans(),
)
def test_a_region_that_somebody_else_evacuated_never_rises(
    states: list[dict[str, int]], region: str, known: bool
) -> None:
    if states[-1][region] == 0:
        return
    live = {**states[-1], region: 0}
    steps = [Step(step.weights, known or number < len(states) - 2) for number, step in enumerate(steps_between(states))]
    if steps and not known and steps[-1].weights.get(region, (None, 0))[0] == 0:
        # The last one may just as well not have been written: nobody can tell that from an evacuation.
        return
    plan = way_back("the set", steps, live, {})
    assert plan.after[region] == 0
    touched = any(region in step.weights for step in steps)
    assert any("was evacuated by somebody else" in sentence for sentence in plan.kept) == touched


@settings(max_examples=100, deadline=None)
@given(st.lists(WEIGHTS, min_size=1, max_size=5), WEIGHTS, st.sets(st.sampled_from(REGIONS)))
def test_the_sum_never_becomes_zero_and_twice_is_once(
    states: list[dict[str, int]], live: dict[str, int], ill: set[str]
) -> None:
    steps = steps_between(states)
    healthy = {region: region not in ill for region in REGIONS}
    plan = way_back("the set", steps, live, healthy)
    assert sum(plan.after.values()) > 0 or sum(live.values()) == 0
    for region in ill:
        assert plan.after[region] <= live[region]
    # What was changed by others is as it is.
    last = {region: step.weights[region][1] for step in steps for region in step.weights}
    for region in REGIONS:
        if region not in last or last[region] != live[region]:
            assert plan.after[region] == live[region]


def test_an_entry_without_an_outcome_is_what_stands() -> None:
    steps = [Step({"us": (50, 0)}, False)]
    assert way_back("s", steps, {"us": 0, "eu": 50}, {}).after == {"us": 50, "eu": 50}
    assert way_back("s", steps, {"us": 50, "eu": 50}, {}).after == {"us": 50, "eu": 50}
    assert way_back("s", steps, {"us": 7, "eu": 50}, {}).after == {"us": 7, "eu": 50}


def test_what_somebody_set_between_two_of_our_writes_comes_back() -> None:
    plan = way_back("s", [Step({"us": (50, 0)}, True), Step({"us": (10, 20)}, True)], {"us": 20, "eu": 50}, {})
    assert plan.after == {"us": 10, "eu": 50}
    assert plan.kept == ("s: us has 10, set by somebody else, and stays (the release wrote 0; 50 before)",)


def test_what_was_taken_back_is_not_taken_back_again() -> None:
    steps = [Step({"us": (50, 0)}, True), Step({"us": (0, 2)}, True), Step({"us": (2, 50)}, True, back=True)]
    assert way_back("s", steps, {"us": 50, "eu": 50}, {}) == Plan({"us": 50, "eu": 50})
    # Killed in the way back, before its write.
    assert (
        way_back("s", [*steps[:2], Step({"us": (2, 50)}, False, back=True)], {"us": 2, "eu": 50}, {}).after["us"] == 50
    )
    # Evacuated by somebody else since.
    assert way_back("s", steps, {"us": 0, "eu": 50}, {}).after["us"] == 0
    # And what the release did after it.
    again = [*steps, Step({"us": (50, 20)}, True)]
    assert way_back("s", again, {"us": 20, "eu": 50}, {}) == Plan({"us": 50, "eu": 50})


def test_an_earlier_step_goes_back_when_the_last_was_not_written() -> None:
    steps = [Step({"us": (50, 0)}, True), Step({"us": (0, 5)}, False)]
    assert way_back("s", steps, {"us": 0, "eu": 50}, {}).after == {"us": 50, "eu": 50}


def test_a_record_that_the_release_made_stays() -> None:
    plan = way_back("s", [Step({"us": (None, 50)}, True)], {"us": 50}, {})
    assert plan.after == {"us": 50}
    assert plan.kept == ("s: the record of us was made by the release; it stays, with 50",)


def test_what_is_behind_gets_nothing_back() -> None:
    plan = way_back("s", [Step({"us": (50, 0)}, True)], {"us": 0, "eu": 50}, {}, {"us"})
    assert plan.after == {"us": 0, "eu": 50}
    assert plan.kept == (
        "s: us is not on the environment's revision and stays at 0 (not 50); ramp it in when it is fit",
    )


def test_the_last_healthy_region_stays() -> None:
    """The release had ramped us in; somebody else has evacuated eu since."""
    plan = way_back("s", [Step({"us": (0, 50)}, True)], {"us": 50, "eu": 0}, {})
    assert plan.after == {"us": 50, "eu": 0}
    assert plan.kept == ("s: us stays at 50 (not 0): no healthy region would have a weight",)


def test_which_entries_count() -> None:
    def entry(number: int, *, kind: str = "A", failed: str | None = None, done: bool = True, **fields: t.Any) -> Entry:
        ref = Ref("pincex.io/v1", "WeightedSet", "api.", "pincex-fleet")
        weights = {"weights.us": {"before": number, "after": number + 1}}
        change = Change(ref, "dns", {**weights, **fields}, {"type": kind}, {"type": kind})
        return Entry(number, "", str(number), 0.0, (change,), done, failed)

    back = {TAKEN_BACK: {"before": None, "after": True}}
    entries = [entry(1), entry(2, kind="AAAA"), entry(3, failed="no"), entry(4, done=False), entry(5, **back)]
    assert steps_of(entries, "api.", "A") == [
        Step({"us": (1, 2)}, True),
        Step({"us": (4, 5)}, False),
        Step({"us": (5, 6)}, True, back=True),
    ]
    assert steps_of(entries, "www.", "A") == []
