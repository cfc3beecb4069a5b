# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a rule condemns a healthy canary, and how many requests it takes to condemn a bad one.

On `simulated` canaries. Every rule has the same limit; the sequential test has the null `healthy_below` besides.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator, Mapping

import numpy as np
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import alpha_of

from bench.gate import against
from bench.gate.canary import ideal
from bench.gate.part import Measured, Options, Row
from bench.gate.peer_rules import Argo, Flagger
from bench.gate.simulated import (
    ALPHA,
    NEVER,
    NULL,
    SEED,
    Cell,
    Counts,
    Flags,
    Ints,
    RuleOf,
    Sequential,
    alarm_row,
    judge,
    verdict_row,
)
from bench.results import OURS

LIMIT: t.Final = 0.05
OVERDISPERSION: t.Final = 2.0

_PER_S: t.Final = (1, 10, 100, 1000)
_HEALTHY: t.Final = (0.001, NULL)
_BAD: t.Final = (0.06, 0.1, 0.2, 0.5)
_RHO: t.Final = (0.01, 0.1)
_RUNS: t.Final = 100_000
#: At the null and 1 request/s the true rate is about a quarter of ALPHA. With 100,000 runs its 99 % bound would be
#: above ALPHA for every other seed however right the test is: three alarms are enough for that.
_NULL_RUNS: t.Final = 500_000
_BAD_RUNS: t.Final = 10_000


def naive(counts: Counts, window: int = 5) -> Ints:
    """One value above the limit, at any scrape. The window is that of the peers' lab."""
    return _any_above(counts, window, 1)


def fixed(counts: Counts, window: int = 120) -> Ints:
    """The same with a window that has to be full first."""
    return _any_above(counts, window, window)


def _any_above(counts: Counts, window: int, begin: int) -> Ints:
    first = np.full(counts.good.shape[1], NEVER)
    for scrape in range(begin, counts.scrapes + 1):
        first[(counts.share(scrape, window) > LIMIT) & (first == NEVER)] = scrape
    return first


def argo(counts: Counts, rule: Argo, window: int = 60) -> Ints:
    """`peer_rules.Argo` with a success condition, for many canaries at once; the first look is an interval after 0."""
    first, failed = np.full(counts.good.shape[1], NEVER), np.zeros(counts.good.shape[1])
    for number, scrape in enumerate(_looks(rule.interval_s, counts), start=1):
        failed += ~(counts.share(scrape, window) <= LIMIT)
        first[(failed > rule.failure_limit) & (first == NEVER)] = scrape
        if number == rule.count:
            break
    return first


def flagger(counts: Counts, rule: Flagger, window: int = 60) -> Ints:
    """`peer_rules.Flagger`, for many canaries at once; the first look is an interval after 0."""
    first, failed = np.full(counts.good.shape[1], NEVER), np.zeros(counts.good.shape[1])
    for scrape in _looks(rule.interval_s, counts):
        first[(failed >= rule.threshold) & (first == NEVER)] = scrape
        failed += ~(counts.share(scrape, window) <= LIMIT)
    return first


def _looks(interval_s: float, counts: Counts) -> range:
    return range(int(interval_s), counts.scrapes + 1, int(interval_s))


#: The documented example of an inline analysis, and the shortest interval that is of use behind a window of a minute.
ARGO_60: t.Final = Argo(60.0, success=LIMIT, count=5)
ARGO_10: t.Final = Argo(10.0, success=LIMIT)
#: The default interval and the shortest.
FLAGGER_60: t.Final = Flagger(60.0, LIMIT)
FLAGGER_10: t.Final = Flagger(10.0, LIMIT)

DISPERSED: t.Final = f"{OURS}, overdispersion {OVERDISPERSION:g}"
PEERS: t.Final[Mapping[str, RuleOf[Counts]]] = {
    "one sample > 5 %, 5 s": naive,
    "2 min > 5 %": fixed,
    "Argo Rollouts, 10 s": lambda counts: argo(counts, ARGO_10),
    "Argo Rollouts, 60 s x 5": lambda counts: argo(counts, ARGO_60),
    "Flagger, 10 s": lambda counts: flagger(counts, FLAGGER_10),
    "Flagger, 60 s": lambda counts: flagger(counts, FLAGGER_60),
}


class _Remember:
    """A rule that keeps which canaries it condemned, in their order."""

    def __init__(self, rule: RuleOf[Counts]) -> None:
        self._rule = rule
        self.condemned: list[Flags] = []

    def __call__(self, counts: Counts) -> Ints:
        first = self._rule(counts)
        self.condemned.append(first < NEVER)
        return first


def healthy_rows(runs: int, null_runs: int) -> Iterator[Row]:
    """Independent failures. At the null itself there are more canaries, and those of all rates make releases."""
    ours, split = {OURS: Sequential(ALPHA)}, Sequential(alpha_of(ALPHA, len(_PER_S)))
    condemned = np.zeros(null_runs, dtype=bool)
    for share in _HEALTHY:
        for per_s in _PER_S:
            cell = Cell(share, per_s, runs)
            if share == NULL:
                tests = _Remember(split)
                found = judge(dataclasses.replace(cell, runs=null_runs).chunks(), {**ours, "split": tests})
                condemned |= np.concatenate(tests.condemned)
                found = {OURS: found[OURS], **judge(cell.chunks(), PEERS)}
            else:
                found = judge(cell.chunks(), {**ours, **PEERS})
            for subject, each in found.items():
                goal = ALPHA if subject == OURS else None
                yield alarm_row(f"healthy {cell}", subject, each.alarms, each.runs, goal)
    case = f"healthy {100 * NULL:g} %, a release of {len(_PER_S)} tests"
    yield alarm_row(case, OURS, int(condemned.sum()), null_runs, ALPHA)


def clumped_rows(runs: int) -> Iterator[Row]:
    """No goal: the mathematics assumes independent failures, and here they are not."""
    rules: dict[str, RuleOf[Counts]] = {OURS: Sequential(ALPHA), DISPERSED: Sequential(ALPHA, OVERDISPERSION), **PEERS}
    for share in _HEALTHY:
        for rho in _RHO:
            for per_s in _PER_S[1:]:
                cell = Cell(share, per_s, runs, rho)
                for subject, each in judge(cell.chunks(), rules).items():
                    yield alarm_row(f"clumped {cell}", subject, each.alarms, each.runs, None)


def bad_rows(runs: int) -> Iterator[Row]:
    """Beside each the bound of the ideal test, which knows the true share and looks after every request."""
    rules: dict[str, RuleOf[Counts]] = {OURS: Sequential(ALPHA), DISPERSED: Sequential(ALPHA, OVERDISPERSION), **PEERS}
    for share in _BAD:
        bound = ideal(share, NULL, ALPHA, 1.0).requests
        for per_s in _PER_S:
            cell = Cell(share, per_s, runs)
            for subject, each in judge(cell.chunks(), rules).items():
                yield verdict_row(f"bad {cell}", subject, each, bound)


def measure(options: Options) -> Measured:
    """The whole part; `rounds` is the number of healthy canaries of a cell."""
    runs = options.rounds or _RUNS
    rows: list[Row] = []
    for part in (
        healthy_rows(runs, runs * _NULL_RUNS // _RUNS),
        clumped_rows(runs),
        bad_rows(max(1, runs * _BAD_RUNS // _RUNS)),
        against.healthy_rows(runs),
        against.bad_rows(max(1, runs * _BAD_RUNS // _RUNS)),
    ):
        for made in part:
            rows.append(made)
            if made["subject"] == OURS:
                print(f"{made['case']}: {made['value']} {made['unit']}", flush=True)
    return Measured(rows, {"numpy": np.__version__, "seed": str(SEED)})
