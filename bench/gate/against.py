# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same questions for counters that are judged `against` the stable slot, on pairs of simulated slots.

Both slots are scraped at the same instants, and a scrape of the stable slot has at least one request, as that of a slot
which serves has: without any the gate asks the test without `against`, which has rows of its own.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Iterator

import numpy as np
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import RATIOS

from bench.gate.canary import ideal
from bench.gate.part import Row
from bench.gate.simulated import (
    ALPHA,
    NEVER,
    NULL,
    RESTART,
    SCRAPES,
    SEED,
    Counts,
    Floats,
    Ints,
    RuleOf,
    Sequential,
    alarm_row,
    independent,
    judge,
    summed,
    verdict_row,
)
from bench.results import OURS

#: As the gate's check of counters has it.
RATIO: t.Final = 2.0
ALONE: t.Final = f"{OURS}, without `against`"
#: The rows of this file among those of the part.
CASE: t.Final = "against: "

_TIMES: t.Final = (1, 10)
_PER_S: t.Final = (10, 100)
_HEALTHY: t.Final = (0.001, NULL)
#: The new version, the stable slot, and how many times the canaries of the others: at the ratio itself the true rate is
#: not far below what is promised. The other is an outage that hits both.
_EDGE: t.Final = ((RATIO * NULL, NULL, 2), (0.1, 0.1, 1))
_BAD: t.Final = (0.06, 0.1, 0.2, 0.5)
#: Two slots take twice the room.
_CHUNK: t.Final = 10_000


@dataclasses.dataclass(frozen=True)
class Pairs(Counts):
    """Canaries, each with the stable slot beside it."""

    stable: Counts


class Against:
    """`decide_sequential.CountTests` with a ratio, for many canaries at once.

    Exact: the screen of the test without `against` finds who could be condemned, and of these the best ratio of each
    start has to reach its part of the proof.
    """

    def __init__(self, alpha: float, ratio: float = RATIO) -> None:
        self._proof = -math.log(alpha)
        # Each way to a proof has half of the false alarms.
        self._alone = Sequential(alpha / 2)
        self._ratio = ratio
        self._ratios = np.array([each for each in RATIOS if each > ratio])
        self._price: Floats = np.array([math.log(k * (k + 1)) for k in range(1, math.ceil(SCRAPES / RESTART) + 1)])

    def __call__(self, pairs: Pairs) -> Ints:
        first = np.full(pairs.good.shape[1], NEVER)
        sums = np.zeros((len(first), len(self._ratios)))
        starts: list[Floats] = []
        for scrape in range(1, pairs.scrapes + 1):
            if (scrape - 1) % RESTART == 0:
                starts.append(sums.copy())
            self._add(sums, pairs, scrape)
            who = self._near(np.flatnonzero(self._alone.near(pairs, scrape) & (first == NEVER)), sums, starts)
            if len(who):
                weaker = np.minimum(self._alone.evidence(pairs, scrape, who), self._evidence(who, sums, starts))
                first[who[(weaker - math.log(2)) / self._proof > 1]] = scrape
                if (first < NEVER).all():
                    break
        return first

    def _add(self, sums: Floats, pairs: Pairs, scrape: int) -> None:
        """What this scrape says, for each ratio: on which side the failures fell."""
        bad = pairs.bad[scrape] - pairs.bad[scrape - 1]
        every = bad + pairs.good[scrape] - pairs.good[scrape - 1]
        stable_bad = pairs.stable.bad[scrape] - pairs.stable.bad[scrape - 1]
        who = np.flatnonzero((bad + stable_bad > 0) & (every > 0))
        stable = stable_bad[who] + pairs.stable.good[scrape][who] - pairs.stable.good[scrape - 1][who]
        share = (every[who] / (every[who] + stable))[:, None]
        both = np.log((share * self._ratio + 1 - share) / (share * self._ratios + 1 - share))
        sums[who] += (bad[who] + stable_bad[who])[:, None] * both + bad[who][:, None] * np.log(
            self._ratios / self._ratio
        )

    def _near(self, who: Ints, sums: Floats, starts: list[Floats]) -> Ints:
        """Those of whom one start could be proof: its mean over the ratios is at most its best."""
        reached = np.zeros(len(who), dtype=bool)
        needed = self._proof + math.log(2) - math.log(len(starts))
        for start, price in zip(starts, self._price, strict=False):
            reached |= (sums[who] - start[who]).max(axis=-1) >= needed + price
        return who[reached]

    def _evidence(self, who: Ints, sums: Floats, starts: list[Floats]) -> Floats:
        logs = [np.logaddexp.reduce(sums[who] - start[who], axis=-1) - math.log(len(self._ratios)) for start in starts]
        found: Floats = np.logaddexp.reduce(np.stack(logs, axis=-1) - self._price[: len(logs)], axis=-1)
        return found


@dataclasses.dataclass(frozen=True)
class Cell:
    """So many canaries of one kind, each beside a stable slot with so many times its traffic."""

    share: float
    stable_share: float
    per_s: int
    times: int
    runs: int

    def __str__(self) -> str:
        stable = f"{100 * self.stable_share:g} % at {self.times * self.per_s}/s"
        return f"{100 * self.share:g} % at {self.per_s}/s beside {stable}"

    def chunks(self) -> Iterator[Pairs]:
        """The pairs, in parts. The same cell always has the same."""
        shares = [round(1e6 * share) for share in (self.share, self.stable_share)]
        for number, begin in enumerate(range(0, self.runs, _CHUNK)):
            runs = min(_CHUNK, self.runs - begin)
            rng = np.random.default_rng([SEED, *shares, self.per_s, self.times, number])
            new = independent(rng, runs, self.per_s, self.share)
            yield Pairs(new.good, new.bad, _serving(rng, runs, self.times * self.per_s, self.stable_share))


def _serving(rng: np.random.Generator, runs: int, per_s: int, share: float) -> Counts:
    """As `independent`, with at least one request in each scrape."""
    good, bad = (rng.poisson(per_s * part, (SCRAPES, runs)).astype(np.int32, copy=False) for part in (1 - share, share))
    return summed(good + (good + bad == 0), bad)


def healthy_rows(runs: int) -> Iterator[Row]:
    """Versions that are healthy by themselves, and those that are only because of the stable slot."""
    cells = [Cell(share, share, per_s, times, runs) for share in _HEALTHY for per_s in _PER_S for times in _TIMES]
    cells += [
        Cell(share, stable_share, _PER_S[0], times, more * runs)
        for share, stable_share, more in _EDGE
        for times in _TIMES
    ]
    for cell in cells:
        for subject, each in judge(cell.chunks(), _rules()).items():
            yield alarm_row(
                f"{CASE}healthy {cell}", subject, each.alarms, each.runs, ALPHA if subject == OURS else None
            )


def bad_rows(runs: int) -> Iterator[Row]:
    """The bound is that of the ideal test without `against`."""
    for share in _BAD:
        bound = ideal(share, NULL, ALPHA, 1.0).requests
        for stable_share in _HEALTHY:
            for times in _TIMES:
                cell = Cell(share, stable_share, _PER_S[0], times, runs)
                for subject, each in judge(cell.chunks(), _rules()).items():
                    yield verdict_row(f"{CASE}bad {cell}", subject, each, bound)


def _rules() -> dict[str, RuleOf[Pairs]]:
    return {OURS: Against(ALPHA), ALONE: Sequential(ALPHA)}
