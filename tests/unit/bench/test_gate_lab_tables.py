# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the parts that run on the lab."""

from __future__ import annotations

import typing as t

import pytest

from bench.gate.lab_tables import canary_table, rollout_table, scale_table
from bench.gate.part import Row
from bench.results import OURS

KUBECTL = "kubectl rollout status"


def row(subject: str, metric: str, value: t.Any, *, case: str = "crash loop", **more: t.Any) -> Row:
    return {"case": case, "subject": subject, "metric": metric, "value": value, "worst": value, "rounds": 1} | {
        "goal": None,
        "met": None,
        **more,
    }


def test_a_wrong_verdict_and_a_missed_goal_are_bold() -> None:
    rows = [
        row(OURS, "verdict", "fail", goal="fail", right=True),
        row(KUBECTL, "verdict", "pass", goal="fail", right=False),
        row(OURS, f"change to verdict, beside {KUBECTL}", 16.0, worst=17.26, rounds=3, met=False),
        row(KUBECTL, "change to verdict", 0.291),
    ]
    assert (
        rollout_table(rows)[-1]
        == "| crash loop | fail | **16.0** (worst 17.3) | **pass** 0.29 | not asked | not asked |"
    )


def test_who_says_nothing_has_no_time() -> None:
    rows = [
        row(OURS, "verdict", "fail", goal="fail", right=True),
        row(OURS, "change to verdict", 301.4),
        row(KUBECTL, "verdict", "nothing", goal="fail", right=False),
        row(KUBECTL, "change to verdict", None),
    ]
    assert rollout_table(rows)[-1].startswith("| crash loop | fail | 301 | **nothing** |")


def test_a_rule_is_a_line_with_medians_and_the_worst() -> None:
    case = "v3 at 10 %, naive rule"
    metrics = {"first to last bad": 0.172, "bad answers": 2.0, "decision to weights": 0.081, "weights to last bad": 0.0}
    rows = [row(OURS, metric, value, case=case) for metric, value in metrics.items()]
    assert canary_table(rows)[2] == (
        "| the naive rule: one sample above the limit | 0.2 s (0.2 s) | 2 (2) | 0.08 s | 0.00 s |"
    )
    with pytest.raises(ValueError, match="a figure is missing"):
        canary_table(rows[1:])


def test_of_many_deployments_the_worst_call_counts() -> None:
    metrics = {"API requests": 9.0, "watches asked for again": 0.0, "last ready to verdict": 0.071, "peak memory": 67.6}
    rows = [row(OURS, metric, value, case="5 Deployments") for metric, value in metrics.items()]
    rows[2]["worst"] = 0.114
    assert scale_table(rows)[-1] == "| 5 Deployments | 9 | 0 | 0.11 s | 68 MB |"
