# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The set of kills only grows, and a kill that anybody has wins."""

from __future__ import annotations

import functools
import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import decide_kills
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import (
    dead,
    kill,
    kill_again,
    merge,
    off_variant,
    on_variant,
    overlaid,
    restore,
    told_by,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Kills, Stamp
from flag_samples import ANNA, NAMES, a_kill, any_flags, any_kills, killed, switch
from hypothesis import given, settings
from hypothesis import strategies as st

number = functools.partial(next, iter(range(10**9)))


def new_id(flag: str) -> str:
    return f"{flag}.new-{number()}"


@settings(deadline=None)
@given(st.lists(any_kills(), min_size=1, max_size=4), st.randoms())
def test_merging_has_no_order_and_twice_is_once(parts: list[Kills], order: random.Random) -> None:
    shuffled = list(parts)
    order.shuffle(shuffled)
    whole = merge(parts)
    assert merge(shuffled) == whole == merge([whole, *parts]) == functools.reduce(lambda a, b: merge([a, b]), parts)


@settings(deadline=None)
@given(any_kills(), any_kills())
def test_a_kill_that_nobody_has_restored_wins(one: Kills, other: Kills) -> None:
    both = merge([one, other])
    for found in (one, other):
        for flag, by in dead(found).items():
            assert flag in dead(both) or by.id in both.restored


@settings(deadline=None)
@given(any_kills(), st.sets(st.sampled_from(NAMES)))
def test_a_killed_flag_is_dead_until_it_is_restored_by_name(kills: Kills, flags: set[str]) -> None:
    after = kill(kills, sorted(flags), ANNA, new_id)
    assert set(dead(after)) == set(dead(kills)) | flags
    back = restore(after, sorted(flags), ANNA)
    assert set(dead(back)) == set(dead(kills)) - flags
    assert merge([back, after]) == back


def test_killing_twice_is_once() -> None:
    once = kill(Kills(), ["margin_trading"], ANNA, new_id)
    assert kill(once, ["margin_trading"], ANNA, new_id) == once


@settings(deadline=None)
@given(any_kills(), any_kills(), st.sampled_from(NAMES), st.integers(1, 4))
def test_however_often_a_flag_is_killed_again_one_kill_of_it_lives(
    kills: Kills, away: Kills, flag: str, times: int
) -> None:
    others = set(dead(kills)) - {flag}
    for _time in range(times):
        kills = kill_again(kills, [a_kill(flag, 100 + number())])
        living = [one for one in kills.killed.values() if one.flag == flag and one.id not in kills.restored]
        assert living == [dead(kills)[flag]]
        # Whatever a store that is away knows of the kills before it.
        assert flag in dead(merge([kills, away]))
    assert set(dead(kills)) == others | {flag}


def test_a_restore_says_nothing_of_a_kill_that_it_has_not_seen() -> None:
    here, there = killed("margin_trading"), Kills({"other": a_kill("margin_trading", 2)})
    assert set(dead(merge([restore(here, ["margin_trading"], ANNA), there]))) == {"margin_trading"}


def test_a_store_from_before_a_restore_does_not_kill_again() -> None:
    old = killed("margin_trading")
    assert dead(merge([old, restore(old, ["margin_trading"], ANNA)])) == {}


@settings(deadline=None)
@given(any_flags, any_kills())
def test_a_dead_flag_is_off_for_every_client_and_the_others_stay(
    flags: dict[str, dict[str, object]], kills: Kills
) -> None:
    seen = overlaid(flags, kills)
    for name, flag in seen.items():
        if name in dead(kills):
            assert (flag["state"], flag["defaultVariant"], "targeting" in flag) == ("ENABLED", "off", False)
            assert flag["metadata"]["killed"] is True
        else:
            assert flag == flags[name]


def test_a_flag_without_an_off_variant_is_left_to_the_default_of_the_application() -> None:
    flag = {"state": "ENABLED", "variants": {"a": 1, "b": 2}, "defaultVariant": "a"}
    assert overlaid({"x": flag}, killed("x"))["x"]["state"] == "DISABLED"


def test_which_variant_is_on_and_off() -> None:
    assert (on_variant(switch()), off_variant(switch())) == ("on", "off")
    words = {"variants": {"yes": True, "no": False}}
    assert (on_variant(words), off_variant(words)) == ("yes", "no")
    named = {"variants": {"a": "x", "b": "y"}, "metadata": {"off": "b"}}
    assert (on_variant(named), off_variant(named)) == (None, "b")
    assert off_variant({"variants": {"a": "x"}, "metadata": {"off": "z"}}) is None
    assert off_variant({"variants": {"no": False, "never": False}}) is None


def test_of_what_was_restored_the_last_ones_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """And every kill that nobody has restored, however old."""
    monkeypatch.setattr(decide_kills, "KEPT_RESTORED", 2)
    kills = Kills({"old.1": a_kill("old", 1, 0.0)})
    for at in range(5):
        kills = kill(kills, ["x"], Stamp(float(at), "ben", "why"), lambda flag, at=at: f"{flag}.{at}")  # type: ignore[misc]
        kills = restore(kills, ["x"], Stamp(at + 0.5, "anna", "why"))
    assert set(kills.killed) == {"old.1", "x.3", "x.4"} and set(kills.restored) == {"x.3", "x.4"}
    assert set(dead(kills)) == {"old"} and merge([kills, kills]) == kills


def test_what_a_document_tells_of_a_kill_is_less_than_its_ledger() -> None:
    known = killed("margin_trading")
    (told,) = told_by(overlaid({"margin_trading": switch()}, known)).killed.values()
    assert (told.id, told.stamp.actor) == ("margin_trading.1", "unknown")
    for parts in ((known, Kills({told.id: told})), (Kills({told.id: told}), known)):
        assert merge(parts) == known


def test_the_first_open_kill_is_named() -> None:
    kills = Kills({one.id: one for one in (a_kill("x", 2, 20.0), a_kill("x", 1, 10.0))}, {"x.1": Stamp(30.0, "a", "b")})
    assert dead(kills)["x"].id == "x.2"
