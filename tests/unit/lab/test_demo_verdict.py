# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's last line may say ok only when every part of it is true."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from lab.demo.verdict import Flow, Release, judge

GOOD_FLOW = Flow(
    acknowledged=900,
    refused=0,
    lost=0,
    duplicated=0,
    failed_by_healthy_versions=0,
    first_bad=100.0,
    last_bad=103.1,
)
GOOD_RELEASES = (
    Release("v2", 0, {"us": "released", "eu": "released"}, {"us": {"core-api": 100}, "eu": {"core-api": 100}}),
    Release(
        "v3",
        2,
        {"us": "taken_back", "eu": "untouched"},
        {"us": {"core-api": 10, "reference-data": 100}},
        decided_at=102.5,
        weights_at=102.75,
    ),
    Release("v5", 2, {"us": "taken_back", "eu": "untouched"}, {"us": {"core-api": 0}}),
    Release("v7", 2, {"us": "taken_back", "eu": "untouched"}, {"us": {"core-api": 0}}),
)


def test_all_good_is_ok_with_its_figures() -> None:
    outcome = judge(GOOD_RELEASES, GOOD_FLOW)
    assert outcome.ok
    assert outcome.line == (
        "demo ok: released=v2 refused=v3,v5,v7 acked=900 lost=0 duplicated=0 failed_by_healthy_versions=0 "
        "breach_to_decision_s=2.50 decision_to_weights_s=0.25 weights_to_last_bad_s=0.35"
    )


@pytest.mark.parametrize("field", ["lost", "duplicated", "failed_by_healthy_versions", "refused"])
def test_one_order_too_many_fails_the_demo(field: str) -> None:
    outcome = judge(GOOD_RELEASES, dataclasses.replace(GOOD_FLOW, **{field: 1}))
    assert outcome.problems == (f"{field}=1, expected 0",)
    assert outcome.line.startswith("demo FAILED:")


@pytest.mark.parametrize(
    ("position", "change", "says"),
    [
        (0, {"exit_code": 2}, "v2 should have been released"),
        (0, {"verdicts": {"us": "released", "eu": "taken_back"}}, "v2 should have been released"),
        (1, {"exit_code": 0}, "v3 should have been refused"),
        (1, {"verdicts": {"us": "stuck", "eu": "untouched"}}, "v3 should have been taken back"),
        (1, {"verdicts": {"us": "taken_back", "eu": "taken_back"}}, "v3 should have touched one region only"),
        (1, {"traffic": {"us": {"core-api": 25}}}, "core-api v3 had 25 % of the traffic in us, expected 10 %"),
        (
            2,
            {"traffic": {"us": {"reference-data": 10}}},
            "reference-data v5 had 10 % of the traffic in us, expected 0 %",
        ),
        (1, {"decided_at": None}, "breach_to_decision_s could not be measured"),
    ],
)
def test_each_broken_promise_is_named(position: int, change: dict[str, t.Any], says: str) -> None:
    releases = list(GOOD_RELEASES)
    releases[position] = dataclasses.replace(releases[position], **change)
    outcome = judge(releases, GOOD_FLOW)
    assert not outcome.ok
    assert any(says in problem for problem in outcome.problems)


def test_a_version_that_was_not_tried_is_a_problem() -> None:
    assert "v7 was not tried" in judge(GOOD_RELEASES[:-1], GOOD_FLOW).problems


def test_a_flow_without_orders_proves_nothing() -> None:
    assert not judge(GOOD_RELEASES, dataclasses.replace(GOOD_FLOW, acknowledged=0)).ok
