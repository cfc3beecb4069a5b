# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo reads out of the report of a release and out of the figures of the order flow."""

from __future__ import annotations

from typing import Any

from lab.demo.evidence import read_flow, read_release

REPORT: dict[str, Any] = {
    "regions": [
        {
            "region": "us",
            "verdict": "taken_back",
            "reason": "core-api error rate 0.2 > 0.05",
            "steps": [
                {"name": "prepare core-api", "verdict": "pass"},
                {"name": "reference-data 100 %", "verdict": "pass"},
                {"name": "core-api 10 %", "verdict": "fail", "decided_at": 12.5, "tripped": {"at": 12.75}},
                {"name": "take back", "verdict": "taken_back"},
            ],
        },
        {"region": "eu", "verdict": "untouched", "steps": []},
    ]
}

TOTALS: dict[str, Any] = {
    "acknowledged": 10,
    "refused": 1,
    "lost": 0,
    "duplicated": 0,
    "failed_by_healthy_versions": 2,
}


def test_a_tripped_release_tells_decision_and_weights() -> None:
    release = read_release("v3", 2, REPORT)
    assert release.verdicts == {"us": "taken_back", "eu": "untouched"}
    assert release.traffic == {"us": {"reference-data": 100, "core-api": 10}, "eu": {}}
    assert (release.decided_at, release.weights_at) == (12.5, 12.75)
    assert release.reason == "core-api error rate 0.2 > 0.05"


def test_services_that_move_together_share_the_weight() -> None:
    report = {"regions": [{"region": "us", "verdict": "released", "steps": [{"name": "a, b-c 25 %"}]}]}
    assert read_release("v2", 0, report).traffic == {"us": {"a": 25, "b-c": 25}}


def test_no_report_leaves_nothing_proved() -> None:
    release = read_release("v3", 2, None)
    assert release.verdicts == {}
    assert release.decided_at is None


def test_the_flow_of_the_bad_version() -> None:
    flow = read_flow({"totals": TOTALS, "versions": {"v3": {"first_bad_at": 1.0, "last_bad_at": 3.5}}})
    assert (flow.acknowledged, flow.refused, flow.failed_by_healthy_versions) == (10, 1, 2)
    assert (flow.first_bad, flow.last_bad) == (1.0, 3.5)


def test_what_was_not_reconciled_counts_as_lost() -> None:
    flow = read_flow({"totals": {**TOTALS, "lost": None, "duplicated": None}, "versions": {}})
    assert (flow.lost, flow.duplicated) == (10, 10)
