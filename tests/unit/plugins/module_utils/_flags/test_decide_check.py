# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be written, and stale flags."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_check import (
    instant,
    problems,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_stale import stale
from flag_samples import any_flag, fractional, switch
from hypothesis import given, settings
from hypothesis import strategies as st

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(any_flag)
def test_what_the_actions_make_is_good(flag: dict[str, t.Any]) -> None:
    assert problems("margin_trading", flag) == []


@settings(deadline=None)
@given(st.text(max_size=5), st.dictionaries(st.sampled_from(["state", "variants", "targeting", "metadata"]), _JSON))
def test_whatever_comes_is_judged_and_nothing_raised(name: str, flag: dict[str, t.Any]) -> None:
    assert all(isinstance(problem, str) for problem in problems(name, flag))


@pytest.mark.parametrize(
    "targeting",
    [
        {},
        {"if": [{"in": [{"var": "country"}, ["DE", "FR"]]}, "on", "off"]},
        {"if": [{"var": "vip"}, True, {"fractional": [["on", 1], ["off", 9]]}]},
        {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]}, ["on", 1], ["off", 1]]},
        {"fractional": [["on"], ["off"]]},
        {"if": [{"sem_ver": [{"var": "version"}, ">=", "1.2.0"]}, "on"]},
    ],
)
def test_targeting_of_every_form_is_good(targeting: dict[str, t.Any]) -> None:
    flag = switch(variants={"on": True, "off": False, "true": True, "false": False})
    assert problems("x", {**flag, "targeting": targeting, "metadata": {"off": "off"}}) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": "on"}, "state is 'on'; give ENABLED or DISABLED"),
        ({"variants": {}}, "variants is empty"),
        ({"variants": {"on": True, "off": "no"}}, "variants are not of one type: on is a boolean, off is a string"),
        ({"variants": {"on": True, "off": None}}, "variants off: a value is"),
        ({"variants": {"on": 1.0, "off": float("nan")}}, "variants off: a value is"),
        ({"variants": {"a": 1, "b": 2}, "defaultVariant": "a"}, "no variant is off, so it could not be killed"),
        ({"defaultVariant": "maybe"}, "defaultVariant 'maybe' is none of the variants on, off"),
        ({"rules": []}, "there is no field rules; a client would refuse the whole document"),
        ({"metadata": {"owner": {"team": "a"}}}, "metadata owner is {'team': 'a'}"),
        ({"metadata": {"killed": True}}, "metadata killed is what a kill writes; use action kill"),
        ({"metadata": {"off": "none"}}, "metadata off names 'none'"),
        ({"metadata": {"expires": "soon"}}, "metadata expires is 'soon'; give YYYY-MM-DD"),
        ({"metadata": {"expires": "2027-01-31T00:00:00"}}, "metadata expires is"),
        ({"metadata": []}, "metadata is no mapping"),
        ({"targeting": []}, "targeting is no mapping"),
        ({"targeting": {"percent": 5}}, "targeting has percent where one known operator is needed"),
        ({"targeting": {"if": [True, "on"], "or": []}}, "targeting has if, or where one known operator is needed"),
        ({"targeting": {"$ref": "x"}}, "targeting has $ref where"),
        ({"targeting": {"if": [True, "on", "maybe"]}}, "targeting gives 'maybe', which is none of the variants"),
        ({"targeting": {"fractional": []}}, "fractional has no entries"),
        ({"targeting": fractional(("on", 1), ("of", 1))}, "fractional names 'of', which is none of the variants"),
        ({"targeting": fractional(("on", -1), ("off", 2))}, "fractional gives on the weight -1"),
        ({"targeting": {"fractional": [["on", 0.5], ["off", 1]]}}, "fractional gives on the weight 0.5"),
        ({"targeting": {"fractional": [["on", True], ["off", 1]]}}, "fractional gives on the weight True"),
        ({"targeting": fractional(("on", 0), ("off", 0))}, "the weights of a fractional add up to 0"),
        ({"targeting": fractional(("on", 2**31 - 1), ("off", 1))}, "the weights of a fractional add up to 2147483648"),
        ({"targeting": {"fractional": [["on", 1], "off"]}}, "fractional has the entry 'off'"),
        ({"targeting": {"and": [{"fractional": [["nope", 1]]}]}}, "fractional names 'nope'"),
    ],
)
def test_what_clients_stumble_over_is_refused(change: dict[str, t.Any], said: str) -> None:
    found = problems("x", {**switch(), **change})
    assert len(found) == 1 and found[0].startswith(said)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 129, "a\n"])
def test_a_name_without_blanks(name: str) -> None:
    assert problems(name, switch()) == ["its name has to be 1 to 128 characters without blanks and slashes"]


def test_no_mapping() -> None:
    assert problems("x", True) == ["it is no mapping"]


def test_when_a_day_is_over() -> None:
    assert instant("2027-01-31") == instant("2027-02-01T00:00:00+00:00") == 1_801_440_000.0
    assert instant("2027-02-01T01:00:00+01:00") == 1_801_440_000.0
    assert instant("2027-13-01") is instant("9999-12-31") is instant(5) is None


def test_stale_flags_the_oldest_first() -> None:
    flags = {
        "old": switch(metadata={"expires": "2027-01-01", "owner": "trading"}),
        "older": switch(metadata={"expires": "2026-12-01"}),
        "today": switch(metadata={"expires": "2027-01-31"}),
        "switch": switch(metadata={"type": "killswitch"}),
    }
    now = instant("2027-01-30")
    assert now is not None
    assert stale(flags, now) == [
        {"flag": "older", "owner": None, "expires": "2026-12-01", "days": 60},
        {"flag": "old", "owner": "trading", "expires": "2027-01-01", "days": 29},
    ]
    assert [one["flag"] for one in stale(flags, now + 86_400)] == ["older", "old", "today"]
