# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three forms of a proof, and what a missing sample gives."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import KINDS, SampleKind
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sample import (
    MISSING,
    POLICIES,
    Policy,
    status_of_missing,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_streak import Form, Streak
from hypothesis import given, settings
from hypothesis import strategies as st


def streak_of(form: Form, marks: str) -> Streak:
    """One sample a second: `x` is outside, `.` is inside, a space is a second without a sample."""
    streak, before = Streak(form), " "
    for at, mark in enumerate(marks):
        if mark != " ":
            streak.add(float(at), mark == "x", 1.0 if before != " " else 0.0)
        before = mark
    return streak


@pytest.mark.parametrize(
    ("form", "marks", "proved"),
    [
        (Form(), "", False),
        (Form(), ".", False),
        (Form(), ".x", True),
        (Form(for_s=2), "xx", False),
        (Form(for_s=2), "xxx", True),
        (Form(for_s=2), "xx.xx", False),
        # A gap neither proves nor clears.
        (Form(for_s=2), "xx xx", True),
        (Form(for_s=2), "x x x x", False),
        (Form(consecutive=3), "xx", False),
        (Form(consecutive=3), "xxx", True),
        (Form(consecutive=3), "xx.xx", False),
        (Form(consecutive=3), "x x  x", True),
        (Form(n_of_m=(2, 4)), "x..", False),
        (Form(n_of_m=(2, 4)), "xx", True),
        (Form(n_of_m=(2, 4)), "x..x", True),
        (Form(n_of_m=(2, 4)), "x...x", False),
        (Form(n_of_m=(2, 4)), "x . .  x", True),
    ],
)
def test_what_is_proof(form: Form, marks: str, proved: bool) -> None:
    assert streak_of(form, marks).proved() is proved


def test_it_says_since_when() -> None:
    assert streak_of(Form(), ".xx").since == 1.0
    assert streak_of(Form(), ".xx.").since is None
    assert streak_of(Form(n_of_m=(2, 4)), ".x.x").since == 1.0
    assert streak_of(Form(n_of_m=(2, 3)), "x...").since is None


@pytest.mark.parametrize(
    ("form", "marks", "text", "quiet"),
    [
        (Form(), "xx", "", ""),
        (Form(for_s=6), "xxx", "for 2.0 s of 6 s", ""),
        (Form(consecutive=3), "xx", "2 in a row of 3", ""),
        (Form(n_of_m=(3, 5)), "xx.", "2 of the last 5 outside, 3 count", "2 of the last 5 outside, 3 count"),
        (Form(n_of_m=(3, 5)), "..", "0 of the last 5 outside, 3 count", ""),
    ],
)
def test_it_says_how_far_it_is(form: Form, marks: str, text: str, quiet: str) -> None:
    assert (streak_of(form, marks).text(True), streak_of(form, marks).text(False)) == (text, quiet)


def test_a_form_as_json_has_the_name_of_its_option() -> None:
    forms = [Form(2.5), Form(consecutive=3), Form(n_of_m=(2, 4))]
    assert [form.to_json() for form in forms] == [
        {"for_s": 2.5},
        {"consecutive": 3},
        {"n_of_m": {"n": 2, "m": 4}},
    ]


FORMS = st.sampled_from([Form(), Form(2.0), Form(consecutive=3), Form(n_of_m=(2, 4)), Form(n_of_m=(4, 4))])
MARKS = st.text("xx. ", max_size=15)


@settings(max_examples=200, deadline=None)
@given(FORMS, MARKS, st.integers(1, 6))
def test_a_longer_bad_streak_proves_no_less(form: Form, marks: str, more: int) -> None:
    if streak_of(form, marks).proved():
        assert streak_of(form, marks + "x" * more).proved()


@settings(max_examples=200, deadline=None)
@given(FORMS, MARKS, st.integers(0, 15))
def test_a_gap_neither_proves_nor_clears(form: Form, marks: str, place: int) -> None:
    whole, torn = streak_of(form, marks), streak_of(form, marks[:place] + " " + marks[place:])
    assert torn.outside_s <= whole.outside_s
    assert whole.proved() or not torn.proved()
    if form.for_s == 0:
        assert torn.proved() == whole.proved()


@settings(max_examples=200, deadline=None)
@given(FORMS, MARKS, st.integers(0, 14))
def test_a_worse_sample_proves_no_less(form: Form, marks: str, place: int) -> None:
    worse = marks[:place] + marks[place : place + 1].replace(".", "x") + marks[place + 1 :]
    assert streak_of(form, worse).proved() or not streak_of(form, marks).proved()


@pytest.mark.parametrize(("policy", "status"), [("hold", "blind"), ("fail", "lost"), ("ignore", "thin")])
@pytest.mark.parametrize("kind", MISSING)
def test_each_way_of_missing_has_a_policy(kind: SampleKind, policy: Policy, status: str) -> None:
    assert status_of_missing(kind, {kind: policy}) == status
    others: dict[str, Policy] = {other: policy for other in KINDS if other != kind}
    assert status_of_missing(kind, others) == "blind"


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KINDS), st.sampled_from(POLICIES)))
def test_what_is_missing_is_never_good_and_never_bad(kind: SampleKind, policies: dict[str, Policy]) -> None:
    assert status_of_missing(kind, policies) in ("blind", "lost", "thin")
    assert status_of_missing("thin", policies) == "thin"
