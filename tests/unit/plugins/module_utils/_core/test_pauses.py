# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait before the next try."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.pauses import Pauses, retry_after_s
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 1_800_000_000.0


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0.1, 5), st.floats(5, 60), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 90)), min_size=1, max_size=12)
)
def test_pauses_grow_and_half_of_each_is_chance(
    first_s: float, longest_s: float, tries: list[tuple[float, float]]
) -> None:
    luck = iter([chance for chance, _asked_s in tries])
    pauses = Pauses(first_s, longest_s, lambda: next(luck))
    for number, (chance, asked_s) in enumerate(tries):
        whole = min(first_s * 2**number, longest_s)
        own = whole / 2 + chance * whole / 2
        assert pauses.next(asked_s) == pytest.approx(max(own, asked_s))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 120 "}, 120.0),
        # 1.8e9 is 2027-01-15T08:00:00Z.
        ({"Retry-After": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30.0),
        ({"Retry-After": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": ""}, 0.0),
        ({"Retry-After": "\u0663"}, 0.0),
    ],
)
def test_what_a_server_asks_for(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_s(headers, NOW) == seconds
