# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counted answers: the chi-square test against known quantiles, and whose an answer is."""

from __future__ import annotations

import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import (
    LEAST_P,
    Answer,
    answering,
    chi_square_p,
    counted,
    fit,
    not_countable,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member
from hypothesis import given, settings
from hypothesis import strategies as st

US = Member("us", 50, ("198.18.1.2", "198.18.1.3"))
EU = Member("eu", 50, ("198.18.2.2",))


@pytest.mark.parametrize(
    ("freedom", "p", "quantile"),
    [
        (1, 0.05, 3.841459),
        (1, 0.001, 10.827566),
        (2, 0.05, 5.991465),
        (2, 0.001, 13.815511),
        (3, 0.05, 7.814728),
        (3, 0.001, 16.266236),
        (4, 0.001, 18.466827),
        (5, 0.05, 11.070498),
        (9, 0.001, 27.877165),
        (10, 0.05, 18.307038),
        (19, 0.001, 43.820196),
        (99, 0.05, 123.225221),
    ],
)
def test_known_quantiles(freedom: int, p: float, quantile: float) -> None:
    assert chi_square_p(quantile, freedom) == pytest.approx(p, rel=1e-5)


def test_nothing_is_likely() -> None:
    assert chi_square_p(0.0, 3) == 1.0
    assert chi_square_p(5.0, 0) == 1.0


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 400), st.floats(0, 50), st.integers(1, 60))
def test_more_is_never_likelier(statistic: float, more: float, freedom: int) -> None:
    here, there = chi_square_p(statistic, freedom), chi_square_p(statistic + more, freedom)
    assert 0.0 <= there <= here + 1e-12 <= 1.0 + 1e-9


def test_the_measured_example() -> None:
    """What PowerDNS answered at 70/20/10."""
    assert fit({"us": 1410, "eu": 407, "ap": 183}, {"us": 70, "eu": 20, "ap": 10}) == pytest.approx(0.448, abs=0.01)


def test_a_region_without_weight_must_not_answer() -> None:
    assert fit({"us": 1, "eu": 1999}, {"us": 0, "eu": 50}) == 0.0
    assert fit({"us": 1, "eu": 1999}, {"eu": 50}) == 0.0
    assert fit({"us": 0, "eu": 2000}, {"us": 0, "eu": 50}) == 1.0


def test_regions_of_which_few_answers_are_expected_are_judged_together() -> None:
    """Two of 10,000 each: 0.4 expected, and one answer of them is no proof of anything."""
    weights = {"us": 9996, "eu": 2, "ap": 2}
    assert fit({"us": 1999, "eu": 1, "ap": 0}, weights) > LEAST_P
    assert fit({"us": 1900, "eu": 50, "ap": 50}, weights) < LEAST_P


def test_good_answers_are_seldom_refused_and_swapped_ones_always() -> None:
    rng = random.Random(3)
    weights = {"us": 70, "eu": 20, "ap": 10}
    refused = 0
    for _round in range(300):
        picked = rng.choices(list(weights), list(weights.values()), k=2000)
        counts = {region: picked.count(region) for region in weights}
        refused += fit(counts, weights) <= LEAST_P
        assert fit(counts, {"us": 20, "eu": 70, "ap": 10}) <= LEAST_P
    assert refused <= 3


def test_whose_the_answers_are() -> None:
    found = counted([Answer(("198.18.1.3",)), Answer(("198.18.1.2", "198.18.1.3")), Answer(("198.18.2.2",))], [US, EU])
    assert (found.regions, found.problems) == ({"eu": 1, "us": 2}, ())


def test_answers_that_should_not_be() -> None:
    found = counted(
        [
            Answer(("203.0.113.9",)),
            Answer(("198.18.1.2", "203.0.113.9")),
            Answer(("198.18.1.2", "198.18.2.2")),
            Answer(problem="SERVFAIL"),
            Answer(problem="SERVFAIL"),
            Answer(),
        ],
        [US, EU],
    )
    assert found.regions == {"eu": 0, "us": 0}
    assert found.problems == (
        "2 of 6 answers: 203.0.113.9, which is no address of any region of the set",
        "1 of 6 answers: addresses of eu and us in one answer",
        "2 of 6 answers: SERVFAIL",
        "1 of 6 answers: no address at all",
    )


def test_names_are_the_same_in_capitals_and_with_a_dot() -> None:
    members = [Member("us", 1, ("US.pincex.test",)), EU]
    assert counted([Answer(("us.pincex.test.",))], members).regions == {"eu": 0, "us": 1}


def test_what_cannot_be_counted() -> None:
    assert not_countable([US, EU]) is None
    assert not_countable([US, Member("eu", 1, (), "elb.example.com.")]) == (
        "eu has no address of its own in the set (an alias)"
    )
    assert not_countable([US, Member("eu", 1, ("198.18.1.3",))]) == "198.18.1.3 is in more than one region"


def test_who_answers() -> None:
    weights = {"us": 50, "eu": 50, "ap": 0}
    assert answering(weights, {}) == {"us": 50, "eu": 50}
    assert answering(weights, {"us": False, "eu": None}) == {"eu": 50}
    # When all are down, all are answered.
    assert answering(weights, {"us": False, "eu": False}) == {"us": 50, "eu": 50}
