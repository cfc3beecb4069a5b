# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated canaries, the test of the gate's counters for many of them at once, and what a rule makes of them.

Six minutes of scrapes, one each second. Requests are Poisson and fail independently; in the clumped cells failures come
in blocks of ten requests (beta-binomial, rho the correlation inside a block).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import typing as t
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import RATES

from bench.gate.intervals import upper
from bench.gate.part import Row
from bench.results import Goal, row

Ints = npt.NDArray[np.integer[t.Any]]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SEED: t.Final = 20_260_105
#: As many as Flagger needs with its defaults: five failed checks, a minute apart, and one more tick.
SCRAPES: t.Final = 360
NULL: t.Final = 0.01
ALPHA: t.Final = 1e-4
#: As the gate's check of counters has it.
RESTART: t.Final = 30
BLOCK: t.Final = 10
CONFIDENCE: t.Final = 0.99

#: Counts of a chunk stay in the processor's cache, scrape by scrape.
_CHUNK: t.Final = 20_000
#: Failures since a start for which the screen has a bound; above it everything is looked at exactly.
_SCREEN: t.Final = 6_000
NEVER: t.Final = SCRAPES + 1


@dataclasses.dataclass(frozen=True)
class Counts:
    """What had been counted after each scrape, and 0 before the first: scrapes x canaries."""

    good: Ints
    bad: Ints

    @property
    def scrapes(self) -> int:
        return len(self.good) - 1

    def share(self, scrape: int, window: int) -> Floats:
        """Share of failures in the last `window` scrapes; NaN where there was no request."""
        start = max(0, scrape - window)
        bad = self.bad[scrape] - self.bad[start]
        every = bad + self.good[scrape] - self.good[start]
        found: Floats = np.divide(bad, every, out=np.full(len(bad), np.nan), where=every > 0)
        return found


SomeCounts = t.TypeVar("SomeCounts", bound=Counts)
#: The first scrape at which a rule condemns each canary; a number above the last scrape for never.
RuleOf = Callable[[SomeCounts], Ints]


def independent(rng: np.random.Generator, runs: int, per_s: float, share: float) -> Counts:
    """Poisson requests; their failures and successes are independent Poisson counts themselves."""
    return summed(
        rng.poisson(per_s * (1 - share), (SCRAPES, runs)).astype(np.int32),
        rng.poisson(per_s * share, (SCRAPES, runs)).astype(np.int32),
    )


def clumped(rng: np.random.Generator, runs: int, per_s: int, share: float, *, rho: float) -> Counts:
    """Each scrape is `per_s` requests in blocks of BLOCK; the blocks' shares of failures are of a beta distribution."""
    below = np.cumsum(_failures_of_blocks(per_s // BLOCK, share, rho))
    bad = np.searchsorted(below, rng.random((SCRAPES, runs))).astype(np.int32)
    return summed(per_s - bad, bad)


@functools.cache
def _failures_of_blocks(blocks: int, share: float, rho: float) -> Floats:
    """Probability of 0, 1, 2, ... failures in so many independent blocks."""
    a, b = share * (1 - rho) / rho, (1 - share) * (1 - rho) / rho

    def beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    one = np.array(
        [math.comb(BLOCK, bad) * math.exp(beta(a + bad, b + BLOCK - bad) - beta(a, b)) for bad in range(BLOCK + 1)]
    )
    every: Floats = np.ones(1)
    for _ in range(blocks):
        every = np.convolve(every, one)
    return every


def summed(good: npt.NDArray[np.int32], bad: npt.NDArray[np.int32]) -> Counts:
    """Out of what each scrape counted."""
    nothing = ((1, 0), (0, 0))
    return Counts(
        np.cumsum(np.pad(good, nothing), axis=0, dtype=np.int32),
        np.cumsum(np.pad(bad, nothing), axis=0, dtype=np.int32),
    )


class Sequential:
    """`decide_sequential.Evidence` with `OneSample`, for many canaries at once.

    Exact: a screen of whole numbers finds who could be condemned at all, and only for them the evidence is summed.
    """

    def __init__(self, alpha: float, overdispersion: float = 1.0, null: float = NULL) -> None:
        self._proof = -math.log(alpha)
        self._starts = math.ceil(SCRAPES / RESTART)
        rates = np.array([rate for rate in RATES if rate > null])
        self._of_bad: Floats = np.log(rates / null) / overdispersion
        self._of_good: Floats = np.log((1 - rates) / (1 - null)) / overdispersion
        self._price: Floats = np.array([math.log(k * (k + 1)) for k in range(1, self._starts + 1)])
        # The sum over all starts can only be proof when one of them has its part of it.
        needed = self._proof - math.log(self._starts) + self._price
        self._most_good = np.stack([self._bound(float(log)) for log in needed])

    def _log(self, bad: Floats | Ints, good: Floats | Ints) -> Floats:
        """Of one start: the mixture over the rates."""
        terms = bad[..., None] * self._of_bad + good[..., None] * self._of_good
        found: Floats = np.logaddexp.reduce(terms, axis=-1) - math.log(len(self._of_bad))
        return found

    def _bound(self, needed: float) -> Ints:
        """For each number of failures the most successes with which the evidence of one start reaches `needed`."""
        bad = np.arange(_SCREEN + 1)
        low, high = np.full(len(bad), -1.0), np.full(len(bad), 1e9)
        for _ in range(31):
            middle = np.floor((low + high) / 2)
            reached = (self._log(bad, middle) >= needed) & (middle >= 0)
            low, high = np.where(reached, middle, low), np.where(reached, high, middle)
        return low.astype(np.int32)

    def near(self, counts: Counts, scrape: int) -> Flags:
        """Who could be condemned at this scrape."""
        near = np.zeros(counts.good.shape[1], dtype=bool)
        for number, start in enumerate(range(0, scrape, RESTART)):
            bad = counts.bad[scrape] - counts.bad[start]
            good = counts.good[scrape] - counts.good[start]
            near |= (good <= self._most_good[number][np.minimum(bad, _SCREEN)]) | (bad > _SCREEN)
        return near

    def evidence(self, counts: Counts, scrape: int, who: Ints) -> Floats:
        """The logarithm of the e-value at this scrape, of these canaries."""
        logs = [
            self._log(
                counts.bad[scrape][who] - counts.bad[start][who], counts.good[scrape][who] - counts.good[start][who]
            )
            for start in range(0, scrape, RESTART)
        ]
        found: Floats = np.logaddexp.reduce(np.stack(logs, axis=-1) - self._price[: len(logs)], axis=-1)
        return found

    def __call__(self, counts: Counts) -> Ints:
        first = np.full(counts.good.shape[1], NEVER)
        for scrape in range(1, counts.scrapes + 1):
            who = np.flatnonzero(self.near(counts, scrape) & (first == NEVER))
            if len(who):
                # The check asks for more than proof, as Ville's inequality does not have to.
                first[who[self.evidence(counts, scrape, who) / self._proof > 1]] = scrape
                if (first < NEVER).all():
                    break
        return first


@dataclasses.dataclass(frozen=True)
class Cell:
    """So many canaries of one kind. With `rho` their failures are clumped."""

    share: float
    per_s: int
    runs: int
    rho: float = 0.0

    def __str__(self) -> str:
        clumps = f", rho {self.rho:g}" if self.rho else ""
        return f"{100 * self.share:g} % at {self.per_s}/s{clumps}"

    def chunks(self) -> Iterator[Counts]:
        """The canaries, in parts. The same cell always has the same."""
        for number, begin in enumerate(range(0, self.runs, _CHUNK)):
            runs = min(_CHUNK, self.runs - begin)
            rng = np.random.default_rng([SEED, round(1e6 * self.share), self.per_s, round(1e6 * self.rho), number])
            if self.rho:
                yield clumped(rng, runs, self.per_s, self.share, rho=self.rho)
            else:
                yield independent(rng, runs, self.per_s, self.share)


@dataclasses.dataclass(frozen=True)
class Found:
    """What one rule made of the canaries of a cell. Requests and bad answers up to the verdict, of the condemned."""

    runs: int
    scrapes: Ints
    requests: Ints
    failures: Ints

    @property
    def alarms(self) -> int:
        return len(self.scrapes)


def judge(chunks: Iterator[SomeCounts], rules: Mapping[str, RuleOf[SomeCounts]]) -> dict[str, Found]:
    """Every rule over the same canaries."""
    runs = 0
    found: dict[str, list[tuple[Ints, Ints, Ints]]] = {name: [] for name in rules}
    for counts in chunks:
        runs += counts.good.shape[1]
        for name, rule in rules.items():
            first = rule(counts)
            who = np.flatnonzero(first < NEVER)
            good, bad = counts.good[first[who], who], counts.bad[first[who], who]
            found[name].append((first[who], good + bad, bad))
    return {
        name: Found(runs, *(np.concatenate(column) for column in zip(*parts, strict=True)))
        for name, parts in found.items()
    }


def alarm_row(case: str, subject: str, alarms: int, runs: int, goal: float | None) -> Row:
    """False alarms of 10,000 canaries: the 99 % upper bound is the value, because that is what is promised."""
    bound = 1e4 * upper(alarms, runs, CONFIDENCE)
    # "At or below": rounding to three digits is far finer than what a run more or less changes.
    made = row(
        case,
        "false alarms, 99 % bound",
        [bound],
        Goal(None if goal is None else 1e4 * goal + 1e-9),
        "/10k",
        subject=subject,
    )
    return {**made, "rounds": runs, "alarms": alarms, "seen": round(1e4 * alarms / runs, 3)}


def verdict_row(case: str, subject: str, found: Found, bound: float) -> Row:
    """Requests until half of all bad canaries are condemned; None when that never happens."""

    def quantile(values: Ints, share: float) -> float | None:
        place = math.ceil(share * found.runs) - 1
        return float(np.sort(values)[place]) if place < len(values) else None

    made = row(
        case,
        "requests, median",
        [quantile(found.requests, 0.5)],
        Goal(reference=round(bound, 1)),
        "count",
        subject=subject,
    )
    return {
        **made,
        "rounds": found.runs,
        "decided": round(found.alarms / found.runs, 4),
        "p90": quantile(found.requests, 0.9),
        "bad_answers": quantile(found.failures, 0.5),
        "seconds": quantile(found.scrapes, 0.5),
    }
