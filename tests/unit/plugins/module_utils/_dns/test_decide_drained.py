# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drain ends by what is seen."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_drained import (
    Rule,
    Sample,
    judge,
    limit_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

RULE = Rule(limit=2.0, ttl_s=10.0, slack_s=5.0, since=0.0)


def looks(*rates: float | None) -> list[Sample]:
    """One a second, from second 1 on."""
    return [
        Sample(float(second), rate, "" if rate is not None else "no series") for second, rate in enumerate(rates, 1)
    ]


def test_below_for_a_whole_ttl_is_observed() -> None:
    samples = looks(50.0, *[1.0] * 11)
    assert judge(samples[:-1], RULE, 11.0).word == "wait"
    state = judge(samples, RULE, 12.0)
    assert (state.word, state.rate, state.below_s) == ("observed", 1.0, 10.0)
    assert state.reason == "1 requests/s for 10 s, and the limit was 2 requests/s for a TTL of 10 s"


def test_one_look_above_begins_anew() -> None:
    samples = looks(*[1.0] * 9, 3.0, *[1.0] * 10)
    assert (judge(samples, RULE, 20.0).word, judge(samples, RULE, 20.0).below_s) == ("wait", 9.0)


def test_time_without_sight_is_not_counted_and_clears_nothing() -> None:
    samples = looks(*[1.0] * 6, *[None] * 20, *[1.0] * 5)
    assert judge(samples, RULE, 31.0).below_s == 9.0
    assert judge([*samples, Sample(32.0, 1.0)], RULE, 32.0).word == "observed"


def test_without_any_data_ttl_and_slack_go_by() -> None:
    samples = looks(*[None] * 16)
    assert judge(samples[:14], RULE, 14.0).word == "wait"
    state = judge(samples, RULE, 15.0)
    assert state.word == "unobserved"
    assert state.reason == "the rate is not seen (no series); 15 s went by, and TTL and slack are 15 s"


def test_the_clock_alone_says_nothing_when_the_last_data_say_otherwise() -> None:
    samples = looks(50.0, *[None] * 500)
    state = judge(samples, RULE, 501.0)
    assert state.word == "wait"
    assert state.reason == (
        "the rate is not seen any more (no series), and the last one was 50 requests/s, above the limit of 2 requests/s"
    )


def test_of_a_dead_region_nobody_waits_for_another_number() -> None:
    samples = looks(50.0, *[None] * 20)
    dead = dataclasses.replace(RULE, dead=True)
    assert judge(samples, dead, 15.0).word == "wait"
    assert judge(samples, dead, 16.0).word == "unobserved"
    # What is still seen counts, dead or not.
    assert judge(looks(*[50.0] * 30), dead, 30.0).word == "wait"


def test_sight_that_is_lost_below_the_limit_waits_ttl_and_slack_from_then() -> None:
    samples = looks(50.0, 1.0, *[None] * 20)
    assert judge(samples, RULE, 16.0).word == "wait"
    assert judge(samples, RULE, 17.0).word == "unobserved"


def test_what_had_no_requests_before_is_drained_without_any() -> None:
    rule = Rule(limit_of([], 0.02), 10.0, 5.0, 0.0)
    assert judge(looks(*[0.0] * 11), rule, 11.0).word == "observed"
    assert judge(looks(*[0.1] * 11), rule, 11.0).word == "wait"


def test_the_baseline_is_the_middle_of_what_was() -> None:
    assert limit_of([100.0, 90.0, 5000.0], 0.02) == pytest.approx(2.0)


RATES = st.lists(st.one_of(st.none(), st.floats(0, 5)), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(RATES)
def test_nothing_ends_while_requests_are_seen(rates: list[float | None]) -> None:
    samples = looks(*rates)
    state = judge(samples, RULE, samples[-1].at)
    seen = [sample.rate for sample in samples if sample.rate is not None]
    if seen and seen[-1] >= RULE.limit:
        assert state.word == "wait"
    if state.word == "observed":
        assert all(rate < RULE.limit for rate in seen[-10:])
        assert len(seen) >= 11
    if state.word == "unobserved":
        assert samples[-1].rate is None
        assert samples[-1].at >= RULE.ttl_s + RULE.slack_s


@settings(max_examples=100, deadline=None)
@given(RATES)
def test_eleven_quiet_looks_in_a_row_always_end_it(rates: list[float | None]) -> None:
    samples = looks(*rates, *[0.5] * 11)
    assert judge(samples, RULE, samples[-1].at).word == "observed"
