# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do these answers come from these weights?"""

from __future__ import annotations

import math
import random

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_answers import (
    Count,
    implausible,
    tail,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def counts(**seen: int) -> dict[str, Count]:
    return {slot: Count(count, {"v1": count}, {"200": count}) for slot, count in seen.items()}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.01, 0.99))
def test_the_tail_is_the_exact_sum(seen: int, total: int, share: float) -> None:
    seen = min(seen, total)
    side = range(seen, total + 1) if seen >= total * share else range(seen + 1)
    exact = sum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in side)
    assert tail(seen, total, share) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("blue", [0, 10, 50, 75, 90, 100])
def test_answers_of_these_weights_are_believed(blue: int) -> None:
    source = random.Random(blue)
    for _round in range(200):
        seen = sum(source.random() < blue / 100 for _ in range(60))
        if 0 < blue < 100:
            seen = min(max(seen, 1), 59)
        assert implausible({"blue": blue, "green": 100 - blue}, counts(blue=seen, green=60 - seen)) is None


@pytest.mark.parametrize(
    ("weights", "answers", "problem"),
    [
        ({"blue": 100, "green": 0}, counts(blue=59, green=1), "green has weight 0 and gave 1 of 60 answers"),
        ({"blue": 0, "green": 100}, counts(blue=60), "blue has weight 0 and gave 60 of 60 answers"),
        ({"blue": 50, "green": 50}, counts(blue=58, green=2), "blue has weight 50 and gave 58 of 60 answers"),
        ({"blue": 90, "green": 10}, counts(blue=30, green=30), "green has weight 10 and gave 30 of 60 answers"),
        ({"blue": 90, "green": 10}, {}, "no answer at all"),
        (
            {"blue": 90, "green": 10},
            {**counts(blue=54), "none": Count(6, {"none": 6}, {"503": 6})},
            "6 answers (503) name no slot of the service",
        ),
    ],
)
def test_answers_of_other_weights_are_not(weights: dict[str, int], answers: dict[str, Count], problem: str) -> None:
    assert implausible(weights, answers) == problem


def test_no_answer_at_all_proves_no_share() -> None:
    # 0.9 ** 60 is 0.0018: it happens, but so it looks when nothing was shifted.
    assert implausible({"blue": 90, "green": 10}, counts(blue=60)) == "green has weight 10 and gave 0 of 60 answers"
    assert implausible({"blue": 90, "green": 10}, counts(blue=59, green=1)) is None
