# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values for flags as people and surveys give them."""

from __future__ import annotations

import re
import typing as t
from decimal import Decimal

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_request import (
    flag_value,
    names,
    rollout_steps,
    switch,
)
from hypothesis import given
from hypothesis import strategies as st

#: Ten million of them are a hundred percent: as fine as a percentage may be.
_fine = st.integers(0, 1_000_000_000).map(lambda count: Decimal(count) / 10_000_000)
_blank = st.sampled_from(["", " ", "  "])


@given(word=st.sampled_from(["true", "yes", "on", "y", "t"]), upper=st.integers(0, 7), around=_blank)
def test_words_for_on_are_read_in_any_case(word: str, upper: int, around: str) -> None:
    typed = "".join(letter.upper() if upper >> place & 1 else letter for place, letter in enumerate(word))
    assert flag_value(f"{around}{typed}{around}") is True
    assert switch(f"{around}{typed}{around}") is True


@pytest.mark.parametrize("word", ["false", "No", "OFF", "n", "f", False, "0", 0, 0.0, "0%", "0.00"])
def test_off(word: t.Any) -> None:
    assert flag_value(word) is False


@pytest.mark.parametrize("word", [True, "100", "100%", 100, "100.0"])
def test_a_hundred_percent_is_on(word: t.Any) -> None:
    assert flag_value(word) is True


@given(percent=_fine.filter(lambda one: one not in (0, 1, 100)), mark=st.sampled_from(["", "%", " %"]), around=_blank)
def test_a_percentage_is_the_same_as_text_and_as_number(percent: Decimal, mark: str, around: str) -> None:
    text = format(percent, "f")
    found = flag_value(f"{around}{text}{mark}{around}")
    assert not isinstance(found, bool)
    # What flag_set makes of it is what was typed.
    assert Decimal(repr(found)) == percent
    assert flag_value(float(percent)) == found
    assert rollout_steps(text) == ([found])


@pytest.mark.parametrize("given_one", ["1", 1, 1.0, " 1 ", "1.0", "01"])
def test_one_may_be_on_or_a_percent_and_is_nobodys_guess(given_one: t.Any) -> None:
    with pytest.raises(ValueError, match="may mean on or 1 percent; use true or 1%"):
        flag_value(given_one)
    assert flag_value("1%") == 1.0
    # Among steps it is no word.
    assert rollout_steps("1,10") == [1, 10]


@given(text=st.text(max_size=8))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        found = flag_value(text)
    except ValueError as error:
        assert str(error)
    else:
        assert isinstance(found, bool) or 0 < found < 100


@pytest.mark.parametrize(
    ("given_one", "reason"),
    [
        (None, "missing; use true, false or a percentage such as 25"),
        ("  ", "missing"),
        ("101", "101 is more than 100 percent"),
        ("-5", "'-5' is no percentage"),
        ("25,5", "'25,5' is no percentage"),
        ("1e1", "is no percentage"),
        ("٣", "is no percentage"),
        (float("nan"), "is no percentage"),
        (float("inf"), "is no percentage"),
        (["25"], "is no percentage"),
        ("0.12345678", "has 8 decimal places; give at most 7"),
        ("enabled", "'enabled' is no percentage; use true, false or a percentage such as 25"),
    ],
)
def test_what_is_no_value_is_refused(given_one: t.Any, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        flag_value(given_one)


@given(st.sets(st.integers(1, 100), min_size=1))
def test_steps_that_rise_are_read_from_text_and_list(found: set[int]) -> None:
    steps = sorted(found)
    assert rollout_steps(", ".join(map(str, steps))) == rollout_steps(steps) == steps
    if len(steps) > 1:
        with pytest.raises(ValueError, match="do not rise"):
            rollout_steps(steps[::-1])


@pytest.mark.parametrize("wrong", ["", [], "0,5", "5,5", "5,x", "5;25", True, [True], "5,101", None])
def test_steps_that_do_not_rise_to_a_hundred_at_most_are_refused(wrong: t.Any) -> None:
    with pytest.raises(ValueError, match=r"percent|rise"):
        rollout_steps(wrong)


def test_a_switch_knows_one_and_nothing() -> None:
    assert [switch(one) for one in ("1", "0", "", None, True)] == [True, False, False, False, True]
    with pytest.raises(ValueError, match="'perhaps' is neither true nor false"):
        switch("perhaps")


def test_names_are_separated_by_commas_or_a_list() -> None:
    assert names(" a, b,,a ") == names(["a", "b ", "a", ""]) == ["a", "b"]
    assert names(None) == names("") == []
