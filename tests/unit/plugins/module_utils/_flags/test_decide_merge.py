# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stores have together, and what each gets: no update and no kill is lost, and no content without being kept."""

from __future__ import annotations

import itertools

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import dead, merge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_merge import fit, highest, merged
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import Read, content_sha
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import State
from flag_samples import any_state, killed, state_of, switch
from hypothesis import given, settings
from hypothesis import strategies as st

ONE, TWO = {"new_fees": switch("off")}, {"new_fees": switch("on")}
reads = st.lists(st.builds(Read, st.none() | any_state(), st.sampled_from(["", "", "it was edited"])), max_size=4)


@settings(deadline=None)
@given(reads)
def test_all_kills_and_the_highest_sound_revision(found: list[Read]) -> None:
    whole = merged(found)
    states = [read.state for read in found if read.state is not None]
    sound = [read.state for read in found if read.state is not None and not read.problem]
    assert whole.kills == merge(state.kills for state in states)
    assert whole.revision == max((state.revision for state in sound or states), default=0)
    assert whole.revision <= highest(found)


@settings(deadline=None)
@given(reads)
def test_a_store_that_got_the_goal_has_nothing_left_to_get(found: list[Read]) -> None:
    goal = merged(found)
    for read in found:
        if fit(read, goal).writes:
            assert fit(Read(goal), goal).word == "same"


@settings(deadline=None)
@given(reads)
def test_content_that_the_set_never_had_is_kept_before_it_is_replaced(found: list[Read]) -> None:
    goal = merged(found)
    for read in found:
        got = fit(read, goal)
        if got.writes and read.state is not None and read.state.flags and not got.kept:
            digest = content_sha(read.state.flags)
            assert goal.past.get(read.state.revision) == digest or digest == content_sha(goal.flags)


def test_the_order_of_the_stores_decides_between_two_of_one_number() -> None:
    one, two = state_of(ONE, 4), state_of(TWO, 4)
    for first, second in itertools.permutations((one, two)):
        goal = merged([Read(first), Read(second)])
        assert goal.flags == first.flags
        got = fit(Read(second), goal)
        assert (got.word, got.kept, got.differs) == ("conflict", True, ("new_fees",))


def test_an_old_dump_is_behind_and_its_kills_win() -> None:
    first = state_of(ONE, 3, killed("new_fees"))
    second = state_of(TWO, 4, past={3: content_sha(ONE)})
    goal = merged([Read(second), Read(first)])
    assert (goal.revision, set(dead(goal.kills))) == (4, {"new_fees"})
    assert fit(Read(first), goal).word == "behind" and not fit(Read(first), goal).kept
    assert fit(Read(second), goal).reason == "it has not seen all kills and restores"


def test_a_revision_of_another_past_is_a_conflict() -> None:
    fork, goal = state_of(ONE, 3), state_of(TWO, 4, past={3: "another"})
    got = fit(Read(fork), merged([Read(goal), Read(fork)]))
    assert (got.word, got.kept) == ("conflict", True)


def test_edited_content_wins_only_when_nobody_has_another() -> None:
    wrong, right = Read(state_of(TWO, 9), "it was edited"), Read(state_of(ONE, 4))
    assert merged([wrong, right]).flags == ONE
    assert highest([wrong, right]) == 9
    alone = merged([wrong])
    assert (alone.flags, alone.record, alone.past) == (TWO, None, {})
    assert fit(wrong, merged([wrong, right])).kept


def test_nothing_anywhere() -> None:
    assert merged([Read(None)]) == State()
    assert fit(Read(None), state_of(ONE)).word == "empty"
    assert fit(Read(state_of(ONE, 5)), state_of(ONE, 4)).word == "ahead"
    assert not fit(Read(state_of(ONE, 5)), state_of(ONE, 4)).writes
