# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a region is drained: by its own request rate, and by the clock only where nothing is seen. Pure."""

from __future__ import annotations

import dataclasses
import statistics
import typing as t
from collections.abc import Sequence

#: `wait`: look again. `observed`: the rate stayed below the limit for a whole TTL. `unobserved`: nobody saw anything,
#: and the TTL with its slack is over.
Word = t.Literal["wait", "observed", "unobserved"]


@dataclasses.dataclass(frozen=True)
class Sample:
    """One look: `at` in seconds of one clock, `rate` in requests per second, None when there was no number; `why`."""

    at: float
    rate: float | None
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Rule:
    """`limit` in requests per second; `ttl_s`: how long the rate has to stay below it; `slack_s`: what resolvers and
    clients get on top where nothing is seen; `since`: from when on time without sight counts, which is not before every
    server had the weights; `dead`: whether the provider finds the region unhealthy, so that nobody is sent there."""

    limit: float
    ttl_s: float
    slack_s: float
    since: float
    dead: bool = False


@dataclasses.dataclass(frozen=True)
class State:
    """What is known of one region. `below_s`: how long the rate has been below the limit in one piece; `rate` is the
    last one that was seen, None when there never was one."""

    word: Word
    rate: float | None
    below_s: float
    reason: str

    @property
    def ended(self) -> bool:
        return self.word != "wait"


def limit_of(baseline: Sequence[float], below: float) -> float:
    """The rate that counts as drained: a share of the middle of what the region had before. Without a baseline only
    nothing at all counts."""
    return below * statistics.median(baseline) if baseline else 0.0


def judge(samples: Sequence[Sample], rule: Rule, now: float) -> State:
    """Judge all looks so far, oldest first, at the time `now` of their clock.

    Time without sight counts for nothing and clears nothing. Once there were numbers, the clock alone never says that
    a region is drained whose last number was above the limit, unless it is dead: then that number is from before.
    """
    seen = [sample for sample in samples if sample.rate is not None]
    rate = seen[-1].rate if seen else None
    below_s = _below(samples, rule.limit)
    if below_s >= rule.ttl_s and seen and samples[-1].rate is not None:
        return State(
            "observed",
            rate,
            below_s,
            f"{_rate(rate)} for {below_s:.0f} s, and the limit was {_rate(rule.limit)} for a TTL of {rule.ttl_s:g} s",
        )
    if samples and samples[-1].rate is not None:
        told = "above" if not _is_below(samples[-1].rate, rule.limit) else f"for {below_s:.0f} s below"
        return State(
            "wait", rate, below_s, f"{_rate(rate)}, {told} the limit of {_rate(rule.limit)} for {rule.ttl_s:g} s"
        )
    why = samples[-1].why if samples else "it was not asked for yet"
    if rate is not None and not _is_below(rate, rule.limit) and not rule.dead:
        return State(
            "wait",
            rate,
            below_s,
            f"the rate is not seen any more ({why}), and the last one was {_rate(rate)}, above the limit of "
            f"{_rate(rule.limit)}",
        )
    blind_s = now - max([rule.since, *(sample.at for sample in seen)])
    patience_s = rule.ttl_s + rule.slack_s
    if blind_s >= patience_s:
        return State(
            "unobserved",
            rate,
            below_s,
            f"the rate is not seen ({why}); {blind_s:.0f} s went by, and TTL and slack are {patience_s:g} s",
        )
    return State("wait", rate, below_s, f"the rate is not seen ({why}) for {blind_s:.0f} s of {patience_s:g} s")


def _below(samples: Sequence[Sample], limit: float) -> float:
    """Seconds between looks that follow each other and are both below the limit, since the last one that was not."""
    total = 0.0
    last: Sample | None = None
    for sample in samples:
        if sample.rate is None:
            last = None
        elif not _is_below(sample.rate, limit):
            total, last = 0.0, None
        else:
            total += sample.at - last.at if last is not None else 0.0
            last = sample
    return total


def _is_below(rate: float, limit: float) -> bool:
    """A region without any request is drained, whatever it had before."""
    return rate < limit or rate <= 0


def _rate(rate: float | None) -> str:
    return f"{rate or 0:.3g} requests/s"
