# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a canary that fails, and the bound that no test is better than."""

from __future__ import annotations

import math
import typing as t

import pytest
import yaml

from bench.gate import canary
from bench.gate.canary import NAIVE, SEQUENTIAL, Round, breached_at, ideal, naive_profile, rows
from lab.demo.verdict import Flow, Release


def one(rule: str, last_bad: float = 12.0, bad: int = 5) -> Round:
    flow = Flow(
        acknowledged=1,
        refused=0,
        lost=0,
        duplicated=0,
        failed_by_healthy_versions=0,
        first_bad=10.0,
        last_bad=last_bad,
    )
    return Round(rule, Release("v3", 2, {}, {}, 11.0, 11.5), flow, bad, 10.4)


def find(
    made: list[dict[str, t.Any]], rule: str, metric: str, subject: str = "pincex.zero_downtime"
) -> dict[str, t.Any]:
    wanted = (f"v3 at 10 %, {rule}", metric, subject)
    (found,) = (row for row in made if (row["case"], row["metric"], row["subject"]) == wanted)
    return found


def test_the_bound_is_walds() -> None:
    # 20 % errors on the null 1 %, one false alarm in 10,000: 0.2 ln 20 + 0.8 ln(0.8 / 0.99) nats for each request.
    divergence = 0.2 * math.log(20) + 0.8 * math.log(0.8 / 0.99)
    found = ideal(0.2, 0.01, 1e-4, 10)
    assert found.requests == pytest.approx(math.log(1e4) / divergence)
    assert found.bad == pytest.approx(found.requests / 5)
    assert found.seconds == pytest.approx((found.requests - 5) / 10)


def test_worse_versions_need_less_and_stricter_tests_more() -> None:
    needed = [ideal(bad, 0.01, 1e-4, 10).requests for bad in (0.02, 0.05, 0.2, 0.5)]
    assert needed == sorted(needed, reverse=True)
    assert ideal(0.2, 0.01, 1e-6, 10).requests > ideal(0.2, 0.01, 1e-4, 10).requests


def test_the_flow_brings_the_requests_that_are_promised() -> None:
    from lab.flow.mix import slots_per_second  # noqa: PLC0415

    assert slots_per_second(canary._ORDERS_PER_S) == pytest.approx(canary._REQUESTS_PER_S)


def test_the_naive_rule_is_one_sample_of_the_labs_error_rate() -> None:
    lab = yaml.safe_load(canary._PROFILES.read_text())["lab"]
    naive = naive_profile(lab)
    assert naive["counters"] == []
    (check,) = naive["metrics"]
    assert (check["max"], check["consecutive"]) == (0.05, 1)
    assert "for_s" not in check
    assert "min_requests" not in check
    assert {key: naive[key] for key in naive.keys() - {"counters", "metrics"}} == {
        key: lab[key] for key in lab.keys() - {"counters", "metrics"}
    }


def test_the_parts_of_a_round_are_told_apart() -> None:
    made = rows([one(SEQUENTIAL)])
    values = {metric: find(made, SEQUENTIAL, metric)["value"] for metric in canary._PARTS}
    assert values == {
        "first to last bad": 2.0,
        "breach to decision": 1.0,
        "first bad to seen": 0.4,
        "seen to decision": 0.6,
        "decision to weights": 0.5,
        "weights to last bad": 0.5,
    }


def test_the_median_of_the_rounds_decides() -> None:
    made = rows([one(SEQUENTIAL, bad=10), one(SEQUENTIAL, bad=10), one(SEQUENTIAL, last_bad=30.0, bad=40)])
    assert find(made, SEQUENTIAL, "first to last bad")["met"] is True
    assert find(made, SEQUENTIAL, "bad answers")["met"] is True
    assert find(rows([one(SEQUENTIAL, bad=11)]), SEQUENTIAL, "bad answers")["met"] is False
    assert find(rows([one(NAIVE, last_bad=12.1)]), NAIVE, "first to last bad")["met"] is False


def test_the_bound_stands_beside_the_sequential_test() -> None:
    assert find(rows([]), SEQUENTIAL, "requests needed", "ideal test (bound)")["value"] == pytest.approx(24.8, abs=0.1)


def test_when_the_gate_first_saw_it() -> None:
    steps = [{"name": "core-api 10 %", "breached_at": 5.5, "tripped": {"at": 7}}]
    assert breached_at({"regions": [{"steps": [{"name": "apply", "breached_at": None}, *steps]}]}) == 5.5
    assert breached_at({"regions": [{"steps": [{**steps[0], "tripped": None}]}]}) is None
    assert breached_at(None) is None
