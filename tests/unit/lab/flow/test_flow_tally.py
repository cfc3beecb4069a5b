# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.flow.tally import NO_VERSION, Result, Tally, classify, percentile

results = st.lists(
    st.builds(
        Result,
        region=st.sampled_from(["eu", "us"]),
        kind=st.sampled_from(["order", "cancel"]),
        version=st.sampled_from(["v1", "v3", NO_VERSION]),
        code=st.sampled_from(["200", "500", "reset"]),
        outcome=st.sampled_from(["acknowledged", "refused", "failed"]),
        intended_at=st.floats(1000, 1010),
        at=st.floats(1010, 1020),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("status", "version", "outcome"),
    [
        (409, "v1", "refused"),
        (200, "v1", "acknowledged"),
        (201, "v2", "acknowledged"),
        (404, "v1", "refused"),
        (422, "v3", "refused"),
        (500, "v3", "failed"),
        (503, "v1", "failed"),
        (302, "v1", "failed"),
        # What the gateway says itself is neither an acknowledgement nor a refusal.
        (200, NO_VERSION, "failed"),
        (404, NO_VERSION, "failed"),
        (503, NO_VERSION, "failed"),
    ],
)
def test_what_an_answer_means(status: int, version: str, outcome: str) -> None:
    assert classify(status, version, str(status)) == outcome


def test_held_too_long_is_a_refusal_of_the_exchange_and_of_nobody_else() -> None:
    assert classify(503, "v1", "held_too_long") == "refused"
    assert classify(503, NO_VERSION, "held_too_long") == "failed"


CODES = ["409", "422", "mode_post_only", "mode_cancel_only", "mode_halted", "expired", "held_too_long"]


@settings(max_examples=50)
@given(st.lists(st.sampled_from(CODES)))
def test_every_refusal_is_counted_by_its_code_and_turned_away_is_a_part_of_them(codes: list[str]) -> None:
    tally = Tally()
    for code in codes:
        tally.add(Result("eu", "order", "v1", code, "refused", 1000, 1001))
    assert tally.refused_by.total() == tally.counts()["refused"] == len(codes)
    assert tally.turned_away() == sum(not code.isdigit() for code in codes)
    assert tally.failed_by_healthy(()) == 0


@settings(max_examples=50)
@given(st.lists(st.floats(0, 100), min_size=1).map(sorted), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_percentile_is_the_smallest_value_with_enough_below(ordered: list[float], share: float) -> None:
    value = percentile(ordered, share)
    assert value in ordered
    needed = math.ceil(share * len(ordered))
    assert sum(one <= value for one in ordered) >= needed
    assert sum(one < value for one in ordered) < needed


def test_percentile_of_nothing() -> None:
    assert percentile([], 0.5) == 0


@settings(max_examples=50)
@given(results)
def test_every_result_is_in_every_sum_once(given_results: list[Result]) -> None:
    tally = Tally()
    for result in given_results:
        tally.add(result)
    assert sum(tally.counts().values()) == len(given_results)
    assert sum(sum(tally.counts(region=region).values()) for region in ("eu", "us")) == len(given_results)
    rows = tally.per_second()
    assert sum(row["due"] for row in rows) == len(given_results)
    assert sum(n for row in rows for codes in row["answers"].values() for n in codes.values()) == len(given_results)
    failed = [result for result in given_results if result.outcome == "failed"]
    assert sum(n for codes in tally.failed_by_version().values() for n in codes.values()) == len(failed)
    # No version is a healthy version.
    assert tally.failed_by_healthy(("v3",)) == sum(result.version != "v3" for result in failed)
    assert [row[0] for row in tally.bad_answers()] == sorted(round(result.at, 4) for result in failed)


@settings(max_examples=50)
@given(results)
def test_first_and_last_bad_answer(given_results: list[Result]) -> None:
    tally = Tally()
    for result in given_results:
        tally.add(result)
    for region in ("", "eu", "us"):
        figures = tally.versions(region)
        here = [result for result in given_results if region in ("", result.region)]
        assert figures.keys() == {result.version for result in here}
        for version, seen in figures.items():
            times = [result.at for result in here if result.version == version]
            bad = [result.at for result in here if result.version == version and result.outcome == "failed"]
            assert (seen["answers"], seen["bad"]) == (len(times), len(bad))
            assert (seen["first_at"], seen["last_at"]) == (min(times), max(times))
            assert seen["first_bad_at"] == min(bad, default=None)
            assert seen["last_bad_at"] == max(bad, default=None)


def test_latency_counts_from_when_the_request_was_due() -> None:
    tally = Tally()
    tally.add(Result("eu", "order", "v1", "200", "acknowledged", intended_at=1000.9, at=1003.0))
    assert tally.latency()["p50"] == pytest.approx(2100)
    late, answered = tally.per_second()
    assert (late["at"], late["due"], late["answers"]) == (1000, 1, {})
    assert (answered["at"], answered["due"], answered["answers"]) == (1003, 0, {"v1": {"200": 1}})


def test_when_orders_failed_is_told_by_region() -> None:
    tally = Tally()
    for region, kind, outcome, at in (
        ("us", "order", "acknowledged", 10.2),
        ("us", "order", "failed", 11.5),
        ("us", "order", "failed", 11.25),
        ("us", "cancel", "failed", 19.0),
        ("eu", "order", "failed", 12.0),
    ):
        tally.add(Result(region, kind, "none", "reset", outcome, 10.0, at))
    assert tally.failed_orders("us") == (11.25, 11.5)
    assert tally.failed_orders() == (11.25, 12.0)
    assert tally.failed_orders("ap") is None
    assert tally.orders_per_second() == [(10, {"us": 1}), (11, {"us": 2}), (12, {"eu": 1})]
