# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which revisions stay."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.decide_revisions import KEPT, decide_prune
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("numbers", "came_from", "gone"),
    [
        ([], None, []),
        ([1, 2], None, []),
        ([1, 2, 3], 2, [1]),
        ([5, 1, 3], 1, []),
        ([1, 2, 3, 4], 1, [2]),
        ([9, 10, 8], 10, [8]),
    ],
)
def test_the_last_two_and_where_the_release_came_from_stay(
    numbers: list[int], came_from: int | None, gone: list[int]
) -> None:
    assert decide_prune(numbers, came_from, keep=2) == gone


def test_a_pinned_revision_stays_however_old_it_is() -> None:
    assert decide_prune(range(1, 31), None, KEPT["region"], pinned=[3]) == [1, 2, *range(4, 11)]


def test_what_brought_regions_up_stays_with_the_release_that_it_follows() -> None:
    # 3 is not complete without 4, and without 3 nobody knows what 4 is.
    assert decide_prune(range(2, 56), 4, KEPT["fleet"], follows={4: 3}) == [2, 5]
    assert decide_prune([1, 2, 3, 4, 9], 1, keep=1, follows={9: 3, 4: 3}) == [2]
    assert decide_prune([1, 2, 3, 4, 9], 1, keep=1, pinned=[3], follows={4: 3}) == [2]
    # It went before this rule was kept.
    assert decide_prune([4, 9, 10], None, keep=1, follows={9: 3}) == [4, 9]


NUMBERS = st.integers(1, 50)


@settings(max_examples=100)
@given(st.lists(NUMBERS), st.none() | NUMBERS, st.integers(1, 5), st.sets(NUMBERS, max_size=4))
def test_what_goes_is_older_than_everything_kept_but_what_has_to_stay(
    numbers: list[int], came_from: int | None, keep: int, pinned: set[int]
) -> None:
    gone = decide_prune(numbers, came_from, keep, pinned)
    stay = sorted(set(numbers) - set(gone))
    assert set(gone) <= set(numbers)
    assert not {came_from, *pinned} & set(gone)
    assert stay[-keep:] == sorted(set(numbers))[-keep:]
    assert len(stay) <= keep + 1 + len(pinned)
    assert decide_prune(stay, came_from, keep, pinned) == []


@settings(max_examples=100)
@given(
    st.lists(NUMBERS),
    st.none() | NUMBERS,
    st.integers(1, 5),
    st.sets(NUMBERS, max_size=4),
    st.dictionaries(NUMBERS, NUMBERS),
)
def test_no_family_is_torn_apart(
    numbers: list[int], came_from: int | None, keep: int, pinned: set[int], told: dict[int, int]
) -> None:
    # Nothing follows a follower.
    follows = {number: root for number, root in told.items() if root not in told}
    gone = set(decide_prune(numbers, came_from, keep, pinned, follows))
    stay = set(numbers) - gone
    assert not {follows.get(number, number) for number in gone} & {follows.get(number, number) for number in stay}
    # Only the family makes the difference.
    alone = set(decide_prune(numbers, came_from, keep, pinned))
    assert gone <= alone
    needed = (set(numbers) - alone) | pinned | {came_from}
    assert all(any(follows.get(one, one) == follows.get(number, number) for one in needed) for number in stay)
    assert decide_prune(stay, came_from, keep, pinned, follows) == []
