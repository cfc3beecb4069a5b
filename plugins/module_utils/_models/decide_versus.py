# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the challenger is right where the champion is wrong more often than the other way round. Pure.

On the same requests only those count on which one was right and the other wrong (McNemar 1947). The exact test of these
says whether the difference is chance, for one look; it is told, and asked for. What decides is how large the difference
is, by a bound that holds at every look (`decide_evidence`): with many labels any difference has a small p-value, and
with many looks so has none at all.

A version that is better in all may be much worse for a few, so each segment is looked at (`decide_segments`).
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import Outcome
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_segments import (
    TOLD,
    Balance,
    SegmentRule,
    balances,
    judge_segments,
    points,
    together,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Risks, Verdict, Word
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_answers import tail

#: Of McNemar's test, two-sided.
P_MAX: t.Final = 0.05


@dataclasses.dataclass(frozen=True)
class VersusRule:
    """`gain_min`: how much more of the requests the challenger has to have right, as a share of them: 0 for better at
    all, -0.01 for at most one point worse. `least`: labelled pairs; with fewer nothing passes. `segments`: what it may
    lose in each."""

    gain_min: float = 0.0
    least: int = 1000
    segments: SegmentRule = dataclasses.field(default_factory=SegmentRule)


def mcnemar(worse: int, better: int) -> float:
    """How probable a difference as large as this is, to either side, if both are as good: exact, two-sided."""
    return min(1.0, 2 * tail(max(worse, better), worse + better, 0.5)) if worse + better else 1.0


def judge_versus(outcomes: Iterable[Outcome], rule: VersusRule, risks: Risks) -> Verdict:
    """Of the outcomes that both versions have, in the order in which the labels became known."""
    return judge_balances(
        balances(
            (one.segment, one.champion, one.challenger)
            for one in outcomes
            if one.champion is not None and one.challenger is not None
        ),
        rule,
        risks,
    )


def judge_balances(parts: Mapping[str, Balance], rule: VersusRule, risks: Risks) -> Verdict:
    """The same of what was counted, by segment in the order of their first labels.

    `fail`: less gain than is required, or worse in a segment; each has half of the risk. `pass`: more gain is proven,
    and in no segment a loss of the limit is possible.
    """
    every = together(parts.values())
    risk = risks.failing / 2
    gain, least, most = -every.loss, -every.most_loss(risks.passing), -every.least_loss(risk)
    segments = judge_segments(parts, rule.segments, Risks(risks.passing, risk))
    p = mcnemar(every.worse, every.better)
    evidence = {
        "labels": every.total,
        "worse": every.worse,
        "better": every.better,
        "gain": round(gain, 6),
        "gain_at_least": round(least, 6),
        "gain_at_most": round(most, 6),
        "gain_min": rule.gain_min,
        "mcnemar_p": float(f"{p:.4g}"),
        "segments": [segment.to_json() for segment in segments[:TOLD]],
    }
    proven = next((segment for segment in segments if segment.proven), None)
    unclear = next((segment for segment in segments if segment.open), None)
    told = (
        f"{points(gain)} more right than the champion "
        f"({every.better} gained and {every.worse} lost of {every.total} labels)"
    )
    needed = f"more than {100 * rule.gain_min:g} are required"
    word: Word = "undecided"
    where = ""
    if proven is not None:
        word, where, reason = "fail", proven.name, proven.told("fewer right", "labels")
    elif most < rule.gain_min:
        word, reason = "fail", f"{told}, and {needed}"
    elif every.total < rule.least:
        reason = f"{told}; {rule.least} labels are needed"
    elif least <= rule.gain_min or (rule.gain_min >= 0 and p > P_MAX):
        reason = f"{told}; {points(least)} is possible still, and {needed}"
    elif unclear is not None:
        where, reason = unclear.name, unclear.told_open("fewer right", "labels", rule.segments)
    else:
        word, reason = "pass", f"{told}, at least {points(least)} is proven"
    return Verdict("versus", word, reason, evidence, where)
