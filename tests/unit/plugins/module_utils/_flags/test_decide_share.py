# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients should get, and when what they got is something else."""

from __future__ import annotations

import math
import typing as t
from decimal import Decimal
from fractions import Fraction

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_share import (
    ERROR,
    FEW,
    IMPOSSIBLE,
    LIMIT,
    OWN_DEFAULT,
    expected,
    judged,
    kind_of,
    sigmas,
    users_for,
    way_back,
)
from flag_samples import any_flag, any_weights, fractional, switch
from hypothesis import given
from hypothesis import strategies as st

HALF: t.Final = Fraction(1, 2)
QUARTER: t.Final = {"on": Fraction(1, 4), "off": Fraction(3, 4)}
TABLE: t.Final = {"state": "ENABLED", "variants": {"a": "1", "b": "2", "c": "3"}, "defaultVariant": "a"}


def by(expression: t.Any) -> dict[str, t.Any]:
    """Half of those that an expression tells apart."""
    return switch(targeting={"fractional": [expression, ["on", 1], ["off", 1]]})


def chance(count: int, users: int, share: float) -> float:
    """The binomial distribution, by another way than the code's."""
    return math.exp(
        math.lgamma(users + 1)
        - math.lgamma(count + 1)
        - math.lgamma(users - count + 1)
        + (count * math.log(share) if count else 0.0)
        + ((users - count) * math.log1p(-share) if users > count else 0.0)
    )


def accepted(users: int, share: Fraction) -> range:
    """The counts that pass: between the first and the last one, because `sigmas` grows on both sides of the mean."""
    mean = round(users * share)

    def edge(good: int, bad: int) -> int:
        while abs(good - bad) > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if sigmas(middle, users, share) <= LIMIT else (good, middle)
        return good

    return range(edge(mean, -1), edge(mean, users + 1) + 1)


users_and_shares = st.tuples(
    st.sampled_from([1, 10, 100, 1_000, 10_000]), st.integers(1, 10**7 - 1).map(lambda part: Fraction(part, 10**7))
)


@given(users_and_shares)
def test_a_wrong_alarm_is_rarer_than_one_in_a_thousand(case: tuple[int, Fraction]) -> None:
    users, share = case
    right = accepted(users, share)
    alarms = 1 - math.fsum(chance(count, users, float(share)) for count in right)
    # What lgamma leaves of 10,000! is exact to nine digits.
    assert alarms < 7e-5


@pytest.mark.parametrize("part", [1, 10, 50, 57, 100, 1_000, 10_000, 100_000])
def test_so_it_is_for_the_smallest_percentages(part: int) -> None:
    """Four standard deviations on both sides of the mean would be wrong up to once in 200 here."""
    share = Fraction(part, 10**7)
    alarms = 1 - math.fsum(chance(count, 10_000, float(share)) for count in accepted(10_000, share))
    assert alarms < 7e-5


def test_a_quarter_that_is_thirty_percent_is_found() -> None:
    right = accepted(10_000, Fraction(1, 4))
    assert math.fsum(chance(count, 10_000, 0.3) for count in right) < 1e-9
    # Four standard deviations of 43.3 users.
    assert (right[0], right[-1]) == (2_328, 2_674)


@given(st.integers(1, 99), st.integers(-300, 300))
def test_in_the_middle_it_is_the_usual_number(percent: int, more: int) -> None:
    share = Fraction(percent, 100)
    count = min(10_000, max(0, int(10_000 * share) + more))
    usual = abs(count - 10_000 * share) / math.sqrt(10_000 * share * (1 - share))
    if usual < 3:
        assert sigmas(count, 10_000, share) == pytest.approx(usual, abs=0.45)


def test_nobody_and_everybody_leave_no_doubt() -> None:
    assert sigmas(0, 5, Fraction(0)) == sigmas(5, 5, Fraction(1)) == 0.0
    assert sigmas(1, 5, Fraction(0)) == sigmas(4, 5, Fraction(1)) == IMPOSSIBLE
    assert sigmas(10_000, 10_000, Fraction(1, 1000)) == IMPOSSIBLE


@pytest.mark.parametrize(
    ("flag", "asked", "shares"),
    [
        (switch("off"), True, {"on": 1}),
        (switch("on"), False, {"off": 1}),
        (switch("off"), Decimal("12.5"), {"on": Fraction(1, 8), "off": Fraction(7, 8)}),
        (switch("off"), Decimal(0), {"off": 1}),
        (switch("off"), Decimal(100), {"on": 1}),
        (
            TABLE,
            {"b": Decimal("0.5"), "c": Decimal("1.5"), "a": Decimal(0)},
            {"b": Fraction(1, 4), "c": Fraction(3, 4)},
        ),
        # A definition that says something else than what was asked for.
        (switch("off", targeting=fractional(("on", 30), ("off", 70))), Decimal(25), QUARTER),
        (switch("on"), None, {"on": 1}),
        (switch("on", state="DISABLED"), None, {OWN_DEFAULT: 1}),
        ({**TABLE, "defaultVariant": None}, None, {OWN_DEFAULT: 1}),
        # Killed without an off variant.
        ({**TABLE, "state": "DISABLED"}, False, {OWN_DEFAULT: 1}),
        (switch(targeting=fractional(("on", 1), ("off", 2), ("on", 1), ("x", 0))), None, {"on": HALF, "off": HALF}),
        # More than a percentage.
        (switch(targeting={"if": [{"==": [{"var": "tier"}, "gold"]}, "on", "off"]}), None, None),
        (by({"var": "email"}), Decimal(50), None),
        (by({"cat": [{"var": "$flagd.flagKey"}, {"var": ["email"]}]}), None, None),
        (by({"cat": ["x", {"var": "targetingKey"}]}), None, {"on": HALF, "off": HALF}),
    ],
)
def test_what_clients_should_get(flag: t.Any, asked: t.Any, shares: t.Any) -> None:
    assert expected(flag, asked) == shares


@given(any_flag)
def test_shares_are_all_of_the_users(flag: t.Any) -> None:
    found = expected(flag)
    assert found is not None and sum(found.values()) == 1 and 0 not in found.values()


@given(any_weights)
def test_weights_are_their_shares(weights: list[int]) -> None:
    asked = {str(at): Decimal(weight) for at, weight in enumerate(weights)}
    found = expected(TABLE, asked)
    assert found == {name: Fraction(int(weight), sum(weights)) for name, weight in asked.items() if weight}


def test_the_furthest_variant_is_told() -> None:
    shares = {"a": Fraction(1, 4), "b": Fraction(1, 4), "c": HALF}
    good = judged("fees", {"a": 2_480, "b": 2_550, "c": 4_970}, shares)
    assert good.problem == "" and good.sigmas == pytest.approx(1.15, abs=0.02)
    assert good.told() == {
        "users": 10_000,
        "shares": {"a": 0.248, "b": 0.255, "c": 0.497},
        "expected": {"a": 0.25, "b": 0.25, "c": 0.5},
        "sigmas": good.sigmas,
    }
    bad = judged("fees", {"a": 2_500, "b": 2_000, "c": 5_500}, shares)
    assert bad.problem == (
        "fees: 10000 users get a 25 %, b 20 %, c 55 %, and should get a 25 %, b 25 %, c 50 % "
        "(11.8 sigma; the limit is 4)"
    )


@pytest.mark.parametrize("other", ["c", ERROR, OWN_DEFAULT])
def test_one_answer_that_nobody_should_get_is_one_too_many(other: str) -> None:
    found = judged("x", {"a": 4_999, "b": 5_000, other: 1}, {"a": HALF, "b": HALF})
    assert found.sigmas == IMPOSSIBLE
    assert f"{other} 0.01 %" in found.problem and found.problem.endswith(
        ", and should get a 50 %, b 50 % (40.0 sigma; the limit is 4)"
    )


def test_without_an_expectation_shares_are_told_and_nothing_is_wrong() -> None:
    found = judged("x", {"a": 1, ERROR: 3}, None)
    assert found.problem == ""
    assert found.told() == {"users": 4, "shares": {ERROR: 0.75, "a": 0.25}, "expected": None, "sigmas": None}


def test_few_are_asked_where_all_get_the_same_and_many_percentages_share_the_answers() -> None:
    same, varied = {"on": Fraction(1)}, {"on": HALF, "off": HALF}
    assert users_for({"a": same, "b": varied, "c": None}, 10_000) == {"a": FEW, "b": 10_000, "c": 10_000}
    assert users_for({"a": same}, 3) == {"a": 3}
    assert set(users_for({str(number): varied for number in range(40)}, 10_000).values()) == {2_500}
    assert set(users_for({str(number): varied for number in range(5_000)}, 10_000).values()) == {100}
    assert set(users_for({str(number): varied for number in range(5_000)}, 50).values()) == {50}


@pytest.mark.parametrize(
    ("value", "kind"), [(True, "boolean"), ("x", "string"), (0, "float"), (0.5, "float"), ({"x": 1}, "object")]
)
def test_a_client_asks_by_the_type_of_the_variants(value: t.Any, kind: str) -> None:
    assert kind_of({"variants": {"a": value}}) == kind
    assert kind_of({}) == "boolean"


@pytest.mark.parametrize(
    ("action", "revision", "said"),
    [
        ("kill", 4, "take it back with action restore"),
        ("restore", 4, "take it back with action kill"),
        ("rollout", 4, "go back with action rollback to revision 4"),
        ("set", 0, "there is no revision to go back to; correct it with action set"),
    ],
)
def test_the_way_back(action: str, revision: int, said: str) -> None:
    assert way_back(action, revision) == said
