# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Latency of the challenger beside that of the champion, at the 95th and the 99th percentile. Pure.

A percentile of a sample is a bad guess of the true one: of 1,000 answers the tenth slowest is "the p99", and it may be
the true p98.3 or p99.7. So two of the answers themselves are the bounds (order statistics): the number of answers below
the true percentile is a sum of coins, whatever the distribution is, and has bounds that hold at every look
(`decide_evidence`; Howard and Ramdas, "Sequential estimation of quantiles", Bernoulli 28 (2022)). The p99 has an upper
bound from about 620 answers on; for a single look it would be 299 (ln 0.05 / ln 0.99).
"""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_evidence import log_evidence
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject, Risks, Verdict, Word

#: What is compared.
QUANTILES: t.Final = (0.95, 0.99)


@dataclasses.dataclass(frozen=True)
class LatencyRule:
    """The challenger may take `ratio_max` times what the champion takes, or `floor_ms` more, whichever is more: 2 ms
    after 1 ms is no harm."""

    ratio_max: float = 1.5
    floor_ms: float = 5.0

    def limit(self, champion_ms: float) -> float:
        return max(self.ratio_max * champion_ms, champion_ms + self.floor_ms)


@dataclasses.dataclass(frozen=True)
class Between:
    """A percentile in milliseconds: of the sample, and bounds of the true one. `high` is infinite for too few."""

    low: float
    seen: float
    high: float


def ranks(number: int, quantile: float, alpha: float) -> tuple[int, int]:
    """Ranks (from 1 on) of the answers that are bounds of the true quantile: each holds at all times together but for a
    risk of alpha. The lower one is 0 and the upper one `number` + 1 where no answer is one."""
    proof = -math.log(alpha)

    def too_few(below: int) -> bool:
        """So few answers at or below the quantile are no chance."""
        return log_evidence({1.0: number - below, 0.0: below}, 1 - quantile, 0.0) > proof

    def too_many(below: int) -> bool:
        return log_evidence({1.0: below, 0.0: number - below}, quantile, 0.0) > proof

    middle = round(number * quantile)
    low, possible = -1, middle
    while possible - low > 1:
        half = (low + possible) // 2
        low, possible = (half, possible) if too_few(half) else (low, half)
    most, high = middle, number + 1
    while high - most > 1:
        half = (most + high) // 2
        most, high = (most, half) if too_many(half) else (half, high)
    return max(possible, 0), most + 1


def between(ordered: Sequence[float], quantile: float, alpha: float) -> Between:
    """Of values in their order, at least one."""
    number = len(ordered)
    low, high = ranks(number, quantile, alpha)
    return Between(
        ordered[low - 1] if low else 0.0,
        ordered[max(0, math.ceil(number * quantile) - 1)],
        ordered[high - 1] if high <= number else math.inf,
    )


def judge_latency(champion: Sequence[float], challenger: Sequence[float], rule: LatencyRule, risks: Risks) -> Verdict:
    """Milliseconds of the answers of both, in any order. They need not be of the same requests, and errors do not
    count: they have a check of their own.

    `fail`: a percentile is beyond the limit whatever the true ones are within their bounds. `pass`: none can be.
    """
    if not champion or not challenger:
        reason = f"{len(champion)} answers of the champion and {len(challenger)} of the challenger: nothing to compare"
        return Verdict("latency", "undecided", reason)
    ordered, others = sorted(champion), sorted(challenger)
    found: list[tuple[Word, str]] = []
    evidence: JsonObject = {"ratio_max": rule.ratio_max, "floor_ms": rule.floor_ms}
    for quantile in QUANTILES:
        # Two bounds for each way to be wrong, and as many quantiles to be failed for.
        ours, theirs = (between(one, quantile, risks.passing / 2) for one in (others, ordered))
        sure, sure_theirs = (between(one, quantile, risks.failing / (2 * len(QUANTILES))) for one in (others, ordered))
        name = f"p{100 * quantile:g}"
        evidence[name] = {
            "champion_ms": [round(theirs.low, 3), round(theirs.seen, 3), _number(theirs.high)],
            "challenger_ms": [round(ours.low, 3), round(ours.seen, 3), _number(ours.high)],
            "ratio": round(ours.seen / theirs.seen, 4) if theirs.seen > 0 else None,
        }
        told = (
            f"{name} {ours.seen:.4g} ms beside {theirs.seen:.4g} ms, at most {rule.ratio_max:g} times that or "
            f"{rule.floor_ms:g} ms more ({len(challenger)} and {len(champion)} answers)"
        )
        if sure.low > rule.limit(sure_theirs.high):
            found.append(("fail", told))
        elif ours.high > rule.limit(theirs.low):
            high = f"up to {ours.high:.4g} ms" if math.isfinite(ours.high) else "any latency"
            found.append(("undecided", f"{told}: {high} is possible still"))
        else:
            found.append(("pass", told))
    for word in ("fail", "undecided", "pass"):
        for one, told in found:
            if one == word:
                return Verdict("latency", one, told, evidence)
    raise AssertionError("each quantile has a word")


def _number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
