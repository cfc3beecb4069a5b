# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The challenger against the champion, segment by segment. Pure.

Many segments are many chances to be wrong. To refuse a version because of one of them, the k-th segment (in the order
of their first requests, which never changes) has 1/(k(k+1)) of the risk: the shares add up to 1 however many segments
come (Bonferroni, with weights). To let a version pass no correction is due: it has to pass in every one of them.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_evidence import (
    log_evidence,
    lower_bound,
    upper_bound,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject, Risks

#: What the segments are called that are too small for a judgement of their own.
OTHERS: t.Final = "(small segments)"
#: So many of the worst are named.
TOLD: t.Final = 3


def points(share: float) -> str:
    """A difference of shares."""
    return f"{round(100 * share, 2) + 0.0:g} points"


@dataclasses.dataclass(frozen=True)
class Balance:
    """Requests on which the challenger was worse than the champion, the same, or better."""

    worse: int = 0
    same: int = 0
    better: int = 0

    @property
    def total(self) -> int:
        return self.worse + self.same + self.better

    @property
    def loss(self) -> float:
        """What the challenger loses, as a share of the requests; below 0 where it wins."""
        return (self.worse - self.better) / self.total if self.total else 0.0

    @property
    def counts(self) -> Mapping[float, int]:
        return {1.0: self.worse, 0.0: self.same, -1.0: self.better}

    def least_loss(self, alpha: float) -> float:
        """The true loss is above it, at any time but for a risk of alpha; 1 is every request."""
        return lower_bound(self.counts, -1.0, alpha)

    def most_loss(self, alpha: float) -> float:
        """The same from above."""
        return upper_bound(self.counts, 1.0, alpha)


def balances(outcomes: Iterable[tuple[str, bool, bool]]) -> dict[str, Balance]:
    """By segment, in the order of their first requests. Each outcome: segment, whether the champion was good, whether
    the challenger was."""
    seen: dict[str, list[int]] = {}
    for segment, champion, challenger in outcomes:
        counts = seen.get(segment)
        if counts is None:
            counts = seen[segment] = [0, 0, 0]
        counts[1 + challenger - champion] += 1
    return {segment: Balance(worse, same, better) for segment, (worse, same, better) in seen.items()}


def together(parts: Iterable[Balance]) -> Balance:
    """All of them as one."""
    found = list(parts)
    return Balance(sum(one.worse for one in found), sum(one.same for one in found), sum(one.better for one in found))


@dataclasses.dataclass(frozen=True)
class SegmentRule:
    """`loss_max`: a loss that has to be ruled out in each segment, and `loss_told`: the least one that a version is
    refused for; both are shares of its requests. `least`: requests; smaller segments are judged together."""

    loss_max: float = 0.10
    loss_told: float = 0.02
    least: int = 300


@dataclasses.dataclass(frozen=True)
class Segment:
    """One segment. `proven`: it is worse there, beyond doubt and by enough. `open`: a loss of the limit is possible."""

    name: str
    balance: Balance
    log_e: float
    proven: bool
    open: bool
    #: The risk of the bound.
    passing: float

    @property
    def most_loss(self) -> float:
        return self.balance.most_loss(self.passing)

    def told(self, what: str, unit: str) -> str:
        """Why a version is refused for it."""
        return f"{points(self.balance.loss)} {what} in segment {self.name} ({self.balance.total} {unit})"

    def told_open(self, what: str, unit: str, rule: SegmentRule) -> str:
        """Why it does not pass yet."""
        return (
            f"{points(self.most_loss)} {what} are possible in segment {self.name} after {self.balance.total} {unit}, "
            f"and {100 * rule.loss_max:g} have to be ruled out"
        )

    def to_json(self) -> JsonObject:
        return {
            "segment": self.name,
            "requests": self.balance.total,
            "loss": round(self.balance.loss, 6),
            "most_loss": round(self.most_loss, 6),
            "worse": self.balance.worse,
            "better": self.balance.better,
            "log_e": round(self.log_e, 3),
            "proven": self.proven,
        }


def judge_segments(segments: Mapping[str, Balance], rule: SegmentRule, risks: Risks) -> list[Segment]:
    """Every segment, the worst first: by the evidence against it, its weight included. The small ones are judged one by
    one for a proof, and together for what cannot be ruled out."""
    found: list[Segment] = []
    for number, (name, balance) in enumerate(segments.items(), start=1):
        log_e = log_evidence(balance.counts, 0.0, -1.0) - math.log(number * (number + 1))
        proven = log_e > -math.log(risks.failing) and balance.loss >= rule.loss_told
        possible = balance.total >= rule.least and not _ruled_out(balance, rule, risks)
        found.append(Segment(name, balance, log_e, proven, possible, risks.passing))
    small = together(balance for balance in segments.values() if balance.total < rule.least)
    if small.total >= rule.least:
        # Which ones are small changes as labels come, so a bet against them together proves nothing: it ranks them.
        rank = log_evidence(small.counts, 0.0, -1.0) - math.log((len(segments) + 1) * (len(segments) + 2))
        found.append(Segment(OTHERS, small, rank, False, not _ruled_out(small, rule, risks), risks.passing))
    return sorted(found, key=lambda one: (-one.log_e, -one.balance.loss, one.name))


def _ruled_out(balance: Balance, rule: SegmentRule, risks: Risks) -> bool:
    """A loss of the limit or more, by the same bet as its bound and without searching for that."""
    wins = {-value: number for value, number in balance.counts.items()}
    return log_evidence(wins, -rule.loss_max, -1.0) > -math.log(risks.passing)
