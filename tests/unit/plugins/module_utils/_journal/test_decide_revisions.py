# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which revisions stay."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.decide_revisions import decide_prune
from hypothesis import given
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


@given(st.lists(st.integers(1, 50)), st.none() | st.integers(1, 50), st.integers(1, 5))
def test_what_goes_is_older_than_everything_kept_but_the_one_it_came_from(
    numbers: list[int], came_from: int | None, keep: int
) -> None:
    gone = decide_prune(numbers, came_from, keep)
    stay = sorted(set(numbers) - set(gone))
    assert came_from not in gone
    assert stay[-keep:] == sorted(set(numbers))[-keep:]
    assert len(stay) <= keep + 1
