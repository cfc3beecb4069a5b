# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated canaries beside a stable slot: many at once are judged as by the gate's own test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import counter_check
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import (
    CountTests,
    Interval,
)

from bench.gate import against, simulated
from bench.gate.against import Against, Cell, Pairs
from bench.gate.simulated import NEVER, Counts


@pytest.fixture(autouse=True)
def _small_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is above it is looked at exactly, and to fill the whole one takes half a second for each rule."""
    monkeypatch.setattr(simulated, "_SCREEN", 100)


def pure(pairs: Pairs, canary: int, alpha: float) -> int:
    """The gate's own tests, scrape by scrape."""
    tests = CountTests(simulated.NULL, against.RATIO, simulated.RESTART)

    def grown(counts: Counts, scrape: int) -> tuple[int, int]:
        bad = int(counts.bad[scrape, canary] - counts.bad[scrape - 1, canary])
        return bad, bad + int(counts.good[scrape, canary] - counts.good[scrape - 1, canary])

    for scrape in range(1, pairs.scrapes + 1):
        tests.add(float(scrape), Interval(*grown(pairs, scrape), *grown(pairs.stable, scrape)))
        if tests.log / -math.log(alpha) > 1:
            return scrape
    return NEVER


def pairs_of(share: float, stable_share: float, per_s: int, times: int) -> Pairs:
    return next(Cell(share, stable_share, per_s, times, 2).chunks())


@pytest.mark.parametrize(
    ("pairs", "alpha"),
    [
        (pairs_of(0.1, 0.001, 10, 1), 1e-4),
        (pairs_of(0.04, 0.01, 10, 10), 1e-2),
        # Scrapes in which the new version has no request at all.
        (pairs_of(0.5, 0.1, 1, 10), 1e-3),
        # The rate is proof long before the ratio is.
        (pairs_of(0.3, 0.1, 20, 1), 1e-4),
    ],
)
def test_many_at_once_are_condemned_when_the_gates_tests_condemn_them(pairs: Pairs, alpha: float) -> None:
    found = Against(alpha)(pairs).tolist()
    assert found == [pure(pairs, canary, alpha) for canary in range(2)]
    assert any(each < NEVER for each in found)


def test_an_outage_of_both_sides_condemns_nobody_and_half_an_outage_does() -> None:
    healthy, bad = pairs_of(0.002, 0.002, 20, 1), pairs_of(0.5, 0.5, 20, 1)

    def turned(good: Counts, worse: Counts) -> Counts:
        rest = good.scrapes - 199
        both = Counts(good.good.copy(), good.bad.copy())
        both.good[200:] = good.good[199] + worse.good[:rest]
        both.bad[200:] = good.bad[199] + worse.bad[:rest]
        return both

    new, stable = turned(healthy, bad), turned(healthy.stable, bad.stable)
    both = Pairs(new.good, new.bad, stable)
    assert Against(1e-4)(both).tolist() == [NEVER] * 2
    assert [pure(both, canary, 1e-4) for canary in range(2)] == [NEVER] * 2
    one = Pairs(new.good, new.bad, healthy.stable)
    found = Against(1e-4)(one).tolist()
    assert found == [pure(one, canary, 1e-4) for canary in range(2)]
    assert all(200 < each < NEVER for each in found)


def test_the_ratio_is_the_gates() -> None:
    assert counter_check._AGAINST["ratio"]["default"] == against.RATIO


def test_a_stable_slot_that_serves_has_a_request_in_each_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "_CHUNK", 3)
    cell = Cell(0.02, 0.5, 1, 1, 5)
    first, second = list(cell.chunks()), list(cell.chunks())
    assert [chunk.good.shape[1] for chunk in first] == [3, 2]
    assert all((one.stable.bad == two.stable.bad).all() for one, two in zip(first, second, strict=True))
    served = np.diff(first[0].stable.good + first[0].stable.bad, axis=0)
    assert served.min() == 1
    assert np.diff(first[0].good + first[0].bad, axis=0).min() == 0


def test_the_rows_of_a_small_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "_PER_S", (10,))
    monkeypatch.setattr(against, "_BAD", (0.2,))
    made = [*against.healthy_rows(10), *against.bad_rows(10)]
    assert all(each["case"].startswith(against.CASE) for each in made)
    assert len({(each["case"], each["subject"], each["metric"]) for each in made}) == len(made)
    # With so few canaries nothing can be promised.
    assert {each["met"] for each in made if each["goal"] is not None} == {False}
    outage = [each for each in made if "healthy 10 % at 10/s beside 10 %" in each["case"]]
    assert {(each["subject"], each["seen"]) for each in outage} == {
        ("pincex.zero_downtime", 0.0),
        (against.ALONE, 10_000.0),
    }
