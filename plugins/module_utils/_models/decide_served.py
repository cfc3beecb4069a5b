# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Champion and challenger on requests of their own, as under a canary's weight, in an A/B test, and after a promotion.
Pure.

No request has two answers there, so nothing is compared request by request. Each version has a rate with bounds that
hold at every look (`decide_evidence`), and a difference is proven where the bounds of both, each with half of the risk,
do not overlap. That takes more requests than pairs do. So it is not asked whether the challenger is better, which is
for its shadow to show; it must not be proven worse.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_errors import ErrorRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_evidence import (
    lower_bound,
    upper_bound,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import LabelRule, is_right
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_segments import points
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Risks, Single, Verdict


@dataclasses.dataclass(frozen=True)
class _Rate:
    """How often something was so, and what it is at least and at most."""

    seen: float
    least: float
    most: float
    total: int


def _rate(yes: int, total: int, alpha: float) -> _Rate:
    counts = {1.0: yes, 0.0: total - yes}
    return _Rate(yes / total if total else 0.0, lower_bound(counts, 0.0, alpha), upper_bound(counts, 1.0, alpha), total)


def judge_arrival(champion: int, challenger: int) -> Verdict:
    """Whether requests come to the challenger at all; `undecided` while none does."""
    evidence = {"champion": champion, "challenger": challenger, "paired": 0}
    if not challenger:
        reason = (
            f"no request was answered by the challenger, and {champion} by the champion: its weight does not work yet"
        )
        return Verdict("coverage", "undecided", reason, evidence)
    reason = f"{challenger} requests were answered by the challenger, and {champion} others by the champion"
    return Verdict("coverage", "pass", reason, evidence)


def judge_own_errors(
    champion: Sequence[Single], challenger: Sequence[Single], rule: ErrorRule, risks: Risks
) -> Verdict:
    """`fail`: proven to be more errors than the most that is allowed, or than the champion's and the margin; each has
    half of the risk. `pass`: both are ruled out. Without a champion beside it only the first."""
    failed = sum(one.answer.failed for one in challenger)
    sure, sure_champion = (
        _rate(sum(one.answer.failed for one in side), len(side), risks.failing / 4) for side in (challenger, champion)
    )
    ours, theirs = (
        _rate(sum(one.answer.failed for one in side), len(side), risks.passing / 2) for side in (challenger, champion)
    )
    alone = not champion
    evidence = {
        "rate": round(ours.seen, 6),
        "rate_at_most": round(ours.most, 6),
        "rate_max": rule.rate_max,
        "champion_rate": None if alone else round(theirs.seen, 6),
        "margin": rule.margin,
    }
    allowed = f"{100 * rule.rate_max:g} % are allowed"
    worse, worse_most = sure.least - sure_champion.most, ours.most - theirs.least
    beside = f"{points(rule.margin)} more than the champion's are allowed"
    if sure.least > rule.rate_max:
        return Verdict("errors", "fail", f"{failed} errors in {ours.total} answers, {allowed}", evidence)
    if not alone and worse > rule.margin:
        told = f"{100 * ours.seen:.2f} % errors beside {100 * theirs.seen:.2f} % of the champion, {beside}"
        return Verdict("errors", "fail", told, evidence)
    if ours.most > rule.rate_max:
        told = f"{100 * ours.most:.2f} % errors are possible after {ours.total} answers, {allowed}"
        return Verdict("errors", "undecided", told, evidence)
    if not alone and worse_most > rule.margin:
        told = f"{points(worse_most)} more errors than the champion's are possible, {beside}"
        return Verdict("errors", "undecided", told, evidence)
    told = f"at most {100 * ours.most:.2f} % errors in {ours.total} answers, {allowed}"
    return Verdict("errors", "pass", told, evidence)


def judge_own_labels(
    champion: Sequence[Single], challenger: Sequence[Single], rule: LabelRule, risks: Risks, now: float
) -> Verdict:
    """`fail`: proven to be right less often than the champion in the same time. Never `undecided`: that it is better
    cannot be asked of requests that are not the same."""
    sides = [_right(side, rule, now) for side in (challenger, champion)]
    ours, theirs = (_rate(sum(right), len(right), risks.failing / 2) for right in sides)
    evidence = {
        "labels": ours.total,
        "champion_labels": theirs.total,
        "right": round(ours.seen, 6),
        "champion_right": round(theirs.seen, 6),
    }
    told = (
        f"right in {100 * ours.seen:.1f} % of {ours.total} labels, the champion in {100 * theirs.seen:.1f} % of "
        f"{theirs.total} others"
    )
    if ours.most < theirs.least:
        return Verdict("versus", "fail", f"proven to be worse: {told}", evidence)
    return Verdict("versus", "pass", f"not proven to be worse: {told}", evidence)


def _right(asked: Sequence[Single], rule: LabelRule, now: float) -> list[bool]:
    """Of the requests whose label is ripe, as `decide_pairs.ripe` counts them."""
    return [
        is_right(one.answer, one.label, rule.tolerance)
        for one in asked
        if one.label is not None and one.label_at is not None and max(one.at + rule.maturity_s, one.label_at) <= now
    ]
