# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the challenger beside those of the champion on the same requests. Pure.

The difference of the rates has a bound that holds at every look (`decide_evidence`). The usual ones, Newcombe's and
Miettinen and Nurminen's, hold for one look only: a shadow that is judged every minute would be failed by chance, and
they are for samples that are independent of each other, while bad input fails both versions at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_evidence import (
    lower_bound,
    upper_bound,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_segments import (
    TOLD,
    SegmentRule,
    balances,
    judge_segments,
    points,
    together,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import (
    Pair,
    Risks,
    Single,
    Verdict,
    Word,
)


@dataclasses.dataclass(frozen=True)
class ErrorRule:
    """Shares of requests. `margin`: how many more errors than the champion's are good enough; `rate_max`: the most that
    a challenger may have, whatever the champion has; `segments`: what it may lose in each segment."""

    margin: float = 0.01
    rate_max: float = 0.05
    segments: SegmentRule = dataclasses.field(default_factory=lambda: SegmentRule(loss_max=0.10, loss_told=0.05))


def judge_errors(pairs: Sequence[Pair], alone: Sequence[Single], rule: ErrorRule, risks: Risks) -> Verdict:
    """`alone`: what only the challenger answered; it counts for the challenger's own rate.

    `fail`: more errors than the margin allows, or than the rate, or in one segment; each has a third of the risk.
    `pass`: all of that is ruled out.
    """
    parts = balances((pair.segment, not pair.champion.failed, not pair.challenger.failed) for pair in pairs)
    every = together(parts.values())
    failed = sum(pair.challenger.failed for pair in pairs) + sum(one.answer.failed for one in alone)
    answers = every.total + len(alone)
    own = {1.0: failed, 0.0: answers - failed}
    risk = risks.failing / 3
    least, most = every.least_loss(risk), every.most_loss(risks.passing)
    rate_least, rate_most = lower_bound(own, 0.0, risk), upper_bound(own, 1.0, risks.passing)
    segments = judge_segments(parts, rule.segments, Risks(risks.passing, risk))
    evidence = {
        "pairs": every.total,
        "worse": every.worse,
        "better": every.better,
        "difference": round(every.loss, 6),
        "difference_at_least": round(least, 6),
        "difference_at_most": round(most, 6),
        "margin": rule.margin,
        "rate": round(failed / answers, 6) if answers else None,
        "rate_at_least": round(rate_least, 6),
        "rate_at_most": round(rate_most, 6),
        "rate_max": rule.rate_max,
        "segments": [segment.to_json() for segment in segments[:TOLD]],
    }
    proven = next((segment for segment in segments if segment.proven), None)
    unclear = next((segment for segment in segments if segment.open), None)
    allowed, allowed_rate = f"{100 * rule.margin:g} are allowed", f"{100 * rule.rate_max:g} % are allowed"
    word: Word
    where = ""
    if rate_least > rule.rate_max:
        word, reason = "fail", f"{100 * failed / answers:.2f} % errors in {answers} answers, {allowed_rate}"
    elif least > rule.margin:
        word, reason = "fail", f"{points(every.loss)} more errors than the champion in {every.total} pairs, {allowed}"
    elif proven is not None:
        word, where, reason = "fail", proven.name, f"{proven.told('more errors', 'pairs')}"
    elif most > rule.margin:
        reason = f"{points(most)} more errors than the champion are possible after {every.total} pairs, {allowed}"
        word = "undecided"
    elif rate_most > rule.rate_max:
        word, reason = (
            "undecided",
            f"{100 * rate_most:.2f} % errors are possible after {answers} answers, {allowed_rate}",
        )
    elif unclear is not None:
        word, where, reason = "undecided", unclear.name, unclear.told_open("more errors", "pairs", rule.segments)
    else:
        word, reason = "pass", f"at most {points(most)} more errors than the champion in {every.total} pairs, {allowed}"
    return Verdict("errors", word, reason, evidence, where)
