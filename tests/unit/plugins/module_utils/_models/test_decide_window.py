# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the evidence begins: only at points that nobody can choose, and with a risk that is no more than it was."""

from __future__ import annotations

import math

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_window import (
    PERIOD_S,
    Begin,
    Window,
    first_begin,
    next_begin,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000.0
SPANS = st.floats(1.0, 10 * 86_400.0)
REFERENCES = st.sampled_from([0.0, 600.0, 3600.0])


@given(st.integers(0, 200_000))
def test_all_beginnings_together_have_no_more_than_all_of_the_risk(most: int) -> None:
    assert math.fsum(Begin(number, 0.0, 0.0).share for number in range(most + 1)) <= 1.0 + 1e-12


@given(SPANS, REFERENCES, st.data())
def test_every_beginning_is_a_fixed_point_later_than_the_last_until_there_is_none(
    span: float, reference: float, data: st.DataObject
) -> None:
    window = Window(NOW, NOW + span, reference_s=reference)
    tried = first_begin(window)
    assert tried == Begin(0, NOW, reference)
    tries = 1
    while True:
        read_s = window.until - tried.at + tried.reference_s
        later = next_begin(window, tried, data.draw(st.floats(-5.0, read_s)))
        if later is None:
            break
        assert later.at == NOW + later.number * PERIOD_S < window.until
        assert (later.number, -later.reference_s) > (tried.number, -tried.reference_s)
        tried, tries = later, tries + 1
    assert window.until - tried.at <= PERIOD_S and tried.reference_s == 0
    assert tries <= math.log2(max(1.0, span / PERIOD_S)) + 4


@given(SPANS, st.floats(2.0, 50_000.0))
def test_what_comes_at_one_rate_fits_at_the_next_try(span: float, fits_s: float) -> None:
    """A third of the records are labels that come after the answers."""
    window = Window(NOW, NOW + span, reference_s=3600.0)
    if span + 3600.0 <= fits_s or fits_s < 4 * PERIOD_S:
        return
    found = next_begin(window, first_begin(window), 1.5 * fits_s)
    assert found is not None
    assert window.until - found.at <= fits_s
    # And not much less than there is room for.
    assert window.until - found.at >= min(span / 2, fits_s / 2) - PERIOD_S


def test_the_same_beginning_is_found_until_a_whole_period_is_over() -> None:
    first = Window(NOW, NOW + 7200.0)
    found = [next_begin(Window(NOW, NOW + 7200.0 + later), first_begin(first), 2400.0) for later in (0, 1, 59, 61)]
    assert [one.number if one else None for one in found] == [100, 101, 101, 102]


@pytest.mark.parametrize("reference", [0.0, 3600.0])
def test_a_step_that_has_just_begun_has_nothing_later(reference: float) -> None:
    window = Window(NOW, NOW + 30.0, reference_s=reference)
    first = next_begin(window, first_begin(window), 10.0)
    assert first == (Begin(0, NOW, 0.0) if reference else None)
    assert first is None or next_begin(window, first, 10.0) is None
