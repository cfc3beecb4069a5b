# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions make of the definitions."""

from __future__ import annotations

import typing as t
from decimal import Decimal

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_buckets import (
    losing,
    moves,
    split_of,
    variant_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import (
    changed,
    checked,
    existing,
    next_state,
    rolled_out,
    set_back,
    split_up,
    stays_killed,
    toggled,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_check import problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import content_sha
from flag_samples import ANNA, any_flag, any_flags, fractional, killed, state_of, switch
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]

percents = st.decimals(0, 100, places=2)


def step(flag: Json, percent: str | Decimal, reshuffle: bool = False) -> Json:
    return rolled_out("x", flag, Decimal(percent), reshuffle)


@settings(deadline=None)
@given(any_flag, percents)
def test_a_rollout_gives_exactly_its_share(flag: Json, percent: Decimal) -> None:
    made = step(flag, percent)
    assert problems("x", made) == []
    split = split_of(made)
    assert split is not None
    had = sum(weight for variant, weight in split.entries if variant == "on")
    assert Decimal(had) * 100 / split.total == percent


@settings(deadline=None)
@given(any_flag, st.lists(percents, min_size=1, max_size=6))
def test_a_growing_rollout_never_loses_a_user(flag: Json, percents: list[Decimal]) -> None:
    made = step(flag, "0")
    for percent in sorted(percents):
        then = step(made, percent)
        found = moves(made, then)
        assert found is not None and losing(found, "on") == 0
        made = then


def test_nobody_of_20000_loses_it_from_0_to_100_in_20_steps() -> None:
    users = [f"user-{number}" for number in range(20_000)]
    made, has = step(switch(), "0"), set()
    for percent in range(0, 101, 5):
        made = step(made, Decimal(percent))
        split = split_of(made)
        assert split is not None
        now = {user for user in users if variant_of(split, "margin_trading", user) == "on"}
        assert has <= now
        assert abs(len(now) - 200 * percent) <= 4 * (20_000 * percent / 100 * (1 - percent / 100)) ** 0.5
        has = now


def test_on_is_first_and_stays_last_where_it_was() -> None:
    assert step(switch(), "25")["targeting"] == fractional(("on", 25), ("off", 75))
    last = switch(targeting=fractional(("off", 90), ("on", 10)))
    assert step(last, "12.5")["targeting"] == fractional(("off", 875), ("on", 125))


def test_what_is_hashed_stays() -> None:
    by = {"var": "account"}
    flag = switch(targeting={"fractional": [by, ["on", 10], ["off", 90]]})
    assert step(flag, "20")["targeting"] == {"fractional": [by, ["on", 20], ["off", 80]]}


def test_at_the_ends_there_are_no_ranges() -> None:
    half = switch(targeting=fractional(("on", 1), ("off", 1)))
    assert step(half, "100") == switch("on")
    assert step(half, "0") == switch("off")


@pytest.mark.parametrize(
    ("flag", "percent", "said"),
    [
        (switch(targeting={"if": [{"var": "vip"}, "on", "off"]}), "25", "x: its targeting is more than a percentage"),
        (
            switch(targeting=fractional(("off", 40), ("on", 20), ("off", 40))),
            "30",
            "x: 20 % of all users would lose on, which grows from 20 %",
        ),
    ],
)
def test_growing_that_would_lose_somebody_is_refused(flag: Json, percent: str, said: str) -> None:
    with pytest.raises(ReleaseError) as caught:
        step(flag, percent)
    assert caught.value.message.startswith(said) and caught.value.kind == "refused"
    assert step(flag, percent, True)["targeting"]["fractional"][0][0] == "on"


def test_shrinking_loses_users_and_says_so_in_its_moves() -> None:
    flag = switch(targeting=fractional(("on", 50), ("off", 50)))
    found = moves(flag, step(flag, "10"))
    assert found is not None and losing(found, "on") == pytest.approx(0.4)


def test_too_fine_a_percentage_is_refused() -> None:
    with pytest.raises(OptionError, match="percent: has 8 decimal places; give at most 7"):
        step(switch(), "0.00000001")
    assert step(switch(), "0.0000001")["targeting"]["fractional"][0] == ["on", 1]


def test_toggling_ends_all_targeting() -> None:
    flag = switch(state="DISABLED", targeting=fractional(("on", 1), ("off", 1)))
    assert toggled("x", flag, True) == switch("on")
    assert toggled("x", flag, False) == switch("off")
    with pytest.raises(OptionError, match="flags: x: no variant is on; name it in metadata as on"):
        toggled("x", {"variants": {"a": 1, "off": 0}}, True)


def test_variants_with_weights_keep_their_order() -> None:
    flag = {"state": "DISABLED", "variants": {"off": "", "a": "1", "b": "2"}, "defaultVariant": "off"}
    made = split_up("x", flag, {"b": Decimal("33.3"), "a": Decimal("66.7")})
    assert made == {**flag, "state": "ENABLED", "targeting": fractional(("b", 333), ("a", 667))}
    again = split_up("x", made, {"off": Decimal(1), "a": Decimal(1), "b": Decimal(1)})
    assert again["targeting"] == fractional(("b", 1), ("a", 1), ("off", 1))
    with pytest.raises(OptionError, match="weights: c is no variant of x, which has off, a, b"):
        split_up("x", flag, {"c": Decimal(1)})


def test_only_an_existing_flag_that_is_not_killed_is_changed() -> None:
    state = state_of({"x": switch()}, 1, killed("x"))
    with pytest.raises(OptionError, match="flags: there is no flag y; make it with action set"):
        existing(state, "y")
    with pytest.raises(ReleaseError, match=r"x was killed by ben \(it loses money\); nothing was written\. Restore"):
        existing(state, "x")
    assert existing(state_of({"x": switch()}), "x") == switch()


def test_a_killed_flag_that_the_old_revision_did_not_have_stays() -> None:
    state = state_of({"x": switch("on"), "y": switch("on")}, 2, killed("x"))
    assert set_back(state, {"z": switch()}) == {"y": None, "z": switch()}
    (told,) = stays_killed(state, {"z": switch()})
    assert told == "x: was killed by ben (it loses money) and stays, although that revision did not have it"
    assert set_back(state, {"x": switch("off")}) == {"x": switch("off"), "y": None}
    assert stays_killed(state, {"x": switch("off")}) == []


@settings(deadline=None)
@given(any_flags, any_flags, st.integers(0, 9), st.integers(0, 20))
def test_a_revision_has_what_was_wanted_and_a_number_of_its_own(old: Json, new: Json, revision: int, top: int) -> None:
    state = state_of(old, revision)
    wanted = changed(state, set_back(state, new))
    made = next_state(state, wanted, "rollback", ANNA, top)
    assert made.revision == max(revision, top) + 1
    assert changed(made, set_back(made, new)) == {}
    assert made.record is not None and set(made.record.changes) == set(wanted)
    assert made.record.sha256 == content_sha(made.flags) == made.past[made.revision]
    assert made.past[revision] == content_sha(old)
    assert {name: flag for name, flag in made.flags.items() if name not in wanted} == {
        name: flag for name, flag in old.items() if name not in wanted
    }


def test_the_revision_in_the_metadata_is_no_difference() -> None:
    state = state_of({"x": switch(metadata={"version": "3", "owner": "a"})})
    assert changed(state, {"x": switch(metadata={"owner": "a"}, targeting={})}) == {}
    assert changed(state, {"x": switch(metadata={"owner": "b"})}) != {}
    assert changed(state, {"y": None}) == {}


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        checked({"x": {**switch(), "state": "on"}, "y": {**switch(), "defaultVariant": "z"}}, "definitions")
    assert "x: state is 'on'" in caught.value.message and "; y: defaultVariant 'z'" in caught.value.message
