# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps to what is wanted, from wherever the registry stands."""

from __future__ import annotations

import itertools
import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_promotion import (
    Plan,
    Wanted,
    applied,
    plan,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    ALIASES,
    Alias,
    Entry,
    Move,
    Note,
    Registered,
    Version,
    entry_of,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from memory_registry import VERSIONS

_AT: t.Final = 1_800_000_000.0
_IDS = (f"id-{number}" for number in itertools.count())

READY = ("1", "2", "3")
worlds = st.dictionaries(st.sampled_from(ALIASES), st.sampled_from(READY)).map(Registered)


def want(action: t.Any, version: str = "", over: str = "") -> Wanted:
    return Wanted(action, version, "anna", "better on ETH", over)


wishes = st.one_of(
    st.builds(want, st.just("promoted"), st.sampled_from(READY)),
    st.builds(want, st.sampled_from(("rolled_back", "challenger")), st.sampled_from(("", *READY))),
)


def decide(found: Registered, wish: Wanted, at: float = _AT) -> Plan:
    return plan(found, VERSIONS, wish, at, next(_IDS))


def after(found: Registered, planned: Plan, steps: int | None = None) -> Registered:
    for step in planned.steps[:steps]:
        found = applied(found, step)
    return found


def moves(planned: Plan) -> list[tuple[Alias, str | None]]:
    return [(step.alias, step.version) for step in planned.steps if isinstance(step, Move)]


def states(planned: Plan) -> list[str]:
    return [step.entry.state for step in planned.steps if isinstance(step, Note)]


def kind_of(found: Registered, wish: Wanted) -> str:
    with pytest.raises(ReleaseError) as caught:
        decide(found, wish)
    return caught.value.kind


# -- one run


def test_a_promotion_writes_where_to_go_back_to_before_it_goes() -> None:
    found = Registered({"champion": "2", "previous_champion": "1", "challenger": "3"})
    planned = decide(found, want("promoted", "v2.1.0"))
    assert moves(planned) == [("previous_champion", "2"), ("champion", "3"), ("challenger", None)]
    assert isinstance(planned.steps[0], Note)
    assert isinstance(planned.steps[-1], Note)
    assert states(planned) == ["begun", "done"]
    entry = planned.steps[-1].entry
    assert (entry.version, entry.actor, entry.reason, entry.at) == ("3", "anna", "better on ETH", _AT)
    assert entry.before == found.aliases
    assert entry.after == planned.after == {"champion": "3", "previous_champion": "2"}


def test_the_first_champion_has_nothing_before_it() -> None:
    assert moves(decide(Registered({}), want("promoted", "1"))) == [("champion", "1")]


def test_a_way_back_moves_the_champion_first_and_knows_who_was_before_that_one() -> None:
    found = Registered({})
    for version in ("1", "2", "3"):
        found = after(found, decide(found, want("promoted", version), _AT + int(version)))
    planned = decide(found, want("rolled_back", "3"), _AT + 9)
    assert moves(planned) == [("champion", "2"), ("previous_champion", "1")]
    found = after(found, planned)
    # The next one back is another version to be left.
    assert moves(decide(found, want("rolled_back", "2"), _AT + 10)) == [("champion", "1"), ("previous_champion", None)]


def test_a_version_that_was_taken_back_is_never_the_one_to_go_back_to() -> None:
    found = Registered({})
    for at, version in enumerate(("3", "2", "3")):
        found = after(found, decide(found, want("promoted", version), _AT + at))
    found = after(found, decide(found, want("rolled_back", "3"), _AT + 9))
    assert found.aliases == {"champion": "2"}


def test_the_same_way_back_twice_goes_back_once() -> None:
    found = Registered({"champion": "3", "previous_champion": "2"})
    found = after(found, decide(found, want("rolled_back")))
    assert found.aliases == {"champion": "2"}
    assert decide(found, want("rolled_back"), _AT + 1).steps == ()
    # Somebody promotes again: then it is another way back.
    found = after(found, decide(found, want("promoted", "3"), _AT + 2))
    assert moves(decide(found, want("rolled_back"), _AT + 3))[0] == ("champion", "2")


def test_a_challenger_is_rolled_back_without_the_champion() -> None:
    found = Registered({"champion": "2", "previous_champion": "1", "challenger": "3"})
    assert moves(decide(found, want("rolled_back", "v2.1.0"))) == [("challenger", None)]


def test_a_version_that_does_not_serve_is_rolled_back_already() -> None:
    assert decide(Registered({"champion": "2", "previous_champion": "1"}), want("rolled_back", "3")).steps == ()


def test_a_challenger_comes_and_goes() -> None:
    found = Registered({"champion": "2"})
    assert moves(decide(found, want("challenger", "3"))) == [("challenger", "3")]
    found = Registered({"champion": "2", "challenger": "3"})
    assert decide(found, want("challenger", "v2.1.0")).steps == ()
    assert moves(decide(found, want("challenger"))) == [("challenger", None)]


@pytest.mark.parametrize(
    ("aliases", "wish", "kind"),
    [
        ({"champion": "2"}, want("promoted", "v9"), "not_found"),
        ({"champion": "2"}, want("promoted", "v3.0.0"), "not_ready"),
        ({"champion": "2"}, want("challenger", "4"), "not_ready"),
        ({"champion": "2"}, want("challenger", "2"), "refused"),
        ({"champion": "2"}, want("promoted", "3", over="1"), "conflict"),
        ({}, want("promoted", "3", over="1"), "conflict"),
        ({"champion": "2"}, want("challenger", "3", over="v1.0.0"), "conflict"),
        ({"champion": "2"}, want("rolled_back"), "nothing_before"),
        ({"champion": "2", "previous_champion": "2"}, want("rolled_back", "2"), "nothing_before"),
        ({}, want("rolled_back"), "nothing_before"),
        ({"champion": "2", "previous_champion": "4"}, want("rolled_back"), "not_ready"),
        ({"champion": "2", "previous_champion": "7"}, want("rolled_back"), "not_found"),
    ],
)
def test_what_is_refused(aliases: t.Any, wish: Wanted, kind: str) -> None:
    assert kind_of(Registered(aliases), wish) == kind


def test_a_name_of_two_versions_is_refused_and_its_number_is_not() -> None:
    versions = (Version("1", "v1"), Version("2", "v1"))
    with pytest.raises(ReleaseError, match="the name of 1, 2"):
        plan(Registered({}), versions, want("promoted", "v1"), _AT, "id")
    assert plan(Registered({}), versions, want("promoted", "2"), _AT, "id").after == {"champion": "2"}


def test_the_judged_champion_is_asked_for_by_name_as_well() -> None:
    assert moves(decide(Registered({"champion": "2"}), want("promoted", "3", over="v2.0.0")))


def test_a_reason_that_no_tag_can_hold_is_refused() -> None:
    wish = Wanted("promoted", "3", "anna", "ü" * 2400)
    with pytest.raises(OptionError, match=r"^reason: \d+ bytes too long"):
        decide(Registered({"champion": "2"}), wish)


def test_an_entry_is_read_as_it_was_written() -> None:
    entry = Entry("id", "promoted", "3", "änna", 'said "go"', 1.25, {"champion": "2"}, {"champion": "3"}, "done")
    assert entry_of(entry.to_text()) == entry


@pytest.mark.parametrize("change", [{"state": "odd"}, {"action": "odd"}, {"before": None}, {"more": 1}, {"at": "x"}])
def test_what_is_no_entry_is_none(change: t.Any) -> None:
    text = Entry("id", "promoted", "3", "a", "b", 1.0, {}, {}).to_text()
    assert entry_of(json.dumps({**json.loads(text), **change})) is None
    assert entry_of("[]") is None
    assert entry_of("{") is None


# -- killed, changed, run again


def reachable(found: Registered, wish: Wanted) -> Plan | None:
    """None where it is refused."""
    try:
        return decide(found, wish)
    except ReleaseError:
        return None


@settings(max_examples=300, deadline=None)
@given(found=worlds, wish=wishes)
def test_a_second_run_has_nothing_to_do(found: Registered, wish: Wanted) -> None:
    planned = reachable(found, wish)
    if planned is not None:
        there = after(found, planned)
        assert there.aliases == planned.after
        assert not there.open
        assert decide(there, wish, _AT + 1).steps == ()


@settings(max_examples=300, deadline=None)
@given(found=worlds, wish=wishes, kills=st.lists(st.integers(0, 8), max_size=4))
def test_killed_after_any_step_and_run_again_it_ends_in_the_goal(
    found: Registered, wish: Wanted, kills: list[int]
) -> None:
    first = reachable(found, wish)
    if first is None:
        return
    at = _AT
    for steps in kills:
        found, at = after(found, decide(found, wish, at), steps), at + 1
    last = decide(found, wish, at)
    there = after(found, last)
    assert there.aliases == last.after == first.after
    assert not there.open
    made = [one for one in there.history if one.state == "done"]
    assert len(made) == (1 if first.steps else 0)


@settings(max_examples=300, deadline=None)
@given(found=worlds, wish=wishes, other=wishes, steps=st.integers(0, 5))
def test_another_wish_after_a_kill_starts_from_before_or_after_the_killed_one(
    found: Registered, wish: Wanted, other: Wanted, steps: int
) -> None:
    """Never from the middle: the version to go back to is not lost."""
    first = reachable(found, wish)
    if first is None:
        return
    killed = after(found, first, steps)
    ends = [found, after(found, first)]
    goals = [planned.after for end in ends if (planned := reachable(end, other)) is not None]
    last = reachable(killed, other)
    assert (last is None and len(goals) < 2) or (last is not None and last.after in goals)


@settings(max_examples=300, deadline=None)
@given(
    found=worlds, wish=wishes, steps=st.integers(1, 5), alias=st.sampled_from(ALIASES), number=st.sampled_from(READY)
)
@example(
    found=Registered({"champion": "1"}), wish=want("promoted", "2"), steps=2, alias="previous_champion", number="3"
)
def test_what_somebody_else_set_after_a_kill_is_not_replaced_before_that_was_told(
    found: Registered, wish: Wanted, steps: int, alias: Alias, number: str
) -> None:
    first = reachable(found, wish)
    if first is None or not first.steps:
        return
    killed = after(found, first, steps)
    if not killed.open or number in (found.aliases.get(alias), first.after.get(alias)):
        return
    changed = applied(killed, Move(alias, number))
    planned = reachable(changed, wish)
    if planned is None:
        return
    there = after(changed, planned)
    assert there.aliases.get(alias) == number
    assert not there.open
    if planned.conflict:
        assert not moves(planned)
        assert "somebody else" in planned.conflict
        # It was told. The next one may replace it.
        again = reachable(there, wish)
        assert again is None or not again.conflict


def test_several_open_entries_are_ended_and_only_the_newest_is_settled() -> None:
    found = Registered({"champion": "1"})
    found = after(found, plan(found, VERSIONS, want("promoted", "2"), _AT, "a"), 1)
    # What no run of ours does: one beside it.
    other = Entry(
        "b", "promoted", "3", "bert", "x", _AT + 1, found.aliases, {"champion": "3", "previous_champion": "1"}
    )
    found = applied(applied(found, Note(other)), Move("champion", "3"))
    planned = decide(found, want("challenger", "2"), _AT + 2)
    assert after(found, planned).aliases == {"champion": "3", "previous_champion": "1", "challenger": "2"}
    assert [(one.id, one.state) for one in after(found, planned).history][:2] == [("a", "dropped"), ("b", "done")]


def test_where_to_go_back_to_stays_when_somebody_else_set_the_champion() -> None:
    """It is that person's now, with what it was when the champion was set."""
    found = Registered({"champion": "2", "previous_champion": "1"})
    killed = after(found, decide(found, want("promoted", "3")), 2)
    changed = applied(killed, Move("champion", "1"))
    planned = decide(changed, want("challenger", "3"))
    assert after(changed, planned).aliases == {"champion": "1", "previous_champion": "2", "challenger": "3"}
