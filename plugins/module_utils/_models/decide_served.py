# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Champion and challenger on requests of their own, as under a canary's weight, in an A/B test, and after a promotion.
Pure.

No request has two answers there, so nothing is compared request by request. Each version has a rate with bounds that
hold at every look (`decide_evidence`), and a difference is proven where the bounds of both, each with half of the risk,
do not overlap. That takes more requests than pairs do. So it is not asked whether the challenger is better, which is
for its shadow to show; it must not be proven worse, in all or in one segment.

In an A/B test callers without a bucket are the champion's, and they may be others than those with one. So nothing is
held against the challenger there that rests on the champion's rates.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_errors import ErrorRule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_evidence import (
    lower_bound,
    upper_bound,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import (
    LabelRule,
    Matched,
    is_right,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_segments import points
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Risks, Single, Verdict, Word

#: So many standard deviations of a promised share are chance.
_CHANCE: t.Final = 3.0


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


@dataclasses.dataclass(frozen=True)
class Sides:
    """Everything that each version answered, in the order of the requests. `share`: how much of the traffic is the
    challenger's, 0 to 1; None in an A/B test, where it is that of the callers with a bucket."""

    champion: Sequence[Single]
    challenger: Sequence[Single]
    share: float | None

    @property
    def alike(self) -> bool:
        """Whether both get the same kind of requests."""
        return self.share is not None


def sides_of(matched: Matched, share: float | None) -> Sides:
    """A request that both answered, as one that failed and was tried again, counts for both. With all of the traffic
    the champion has only what was under way when it lost it, and stands for nothing."""
    champion, challenger = list(matched.champion_only), list(matched.challenger_only)
    for pair in matched.pairs:
        known = (pair.request_id, pair.at, pair.segment)
        champion.append(Single(*known, pair.champion, pair.label, pair.label_at))
        challenger.append(Single(*known, pair.challenger, pair.label, pair.label_at))
    if share is not None and share >= 1.0:
        champion = []
    return Sides(sorted(champion, key=_order), sorted(challenger, key=_order), share)


def _order(one: Single) -> tuple[float, str]:
    return one.at, one.request_id


def judge_arrival(sides: Sides, least: float) -> Verdict:
    """Whether the challenger answers the part of the requests that is its own: what crashes and what the gateway gives
    up leaves no record. `least`: the share of these that has to be there, but for three standard deviations."""
    ours, theirs, share = len(sides.challenger), len(sides.champion), sides.share
    total = ours + theirs
    evidence = {"champion": theirs, "challenger": ours, "paired": 0, "share": share}
    if not ours:
        reason = f"no request was answered by the challenger, and {theirs} by the champion; look at its pods"
        return Verdict("coverage", "undecided", reason, evidence)
    if share is not None and share < 1.0:
        chance = _CHANCE * math.sqrt(total * share * (1 - share))
        if ours < total * share * least - chance:
            reason = (
                f"{100 * ours / total:.1f} % of {total} answers are the challenger's, and it has {100 * share:g} % of "
                "the traffic: the others were lost; look at its pods and at the gateway"
            )
            return Verdict("coverage", "undecided", reason, evidence)
    reason = f"{ours} requests were answered by the challenger, and {theirs} others by the champion"
    return Verdict("coverage", "pass", reason, evidence)


def judge_own_errors(sides: Sides, rule: ErrorRule, risks: Risks) -> Verdict:
    """`fail`: proven to be more errors than the most that is allowed, or than the champion's and the margin; each has
    half of the risk. `pass`: both are ruled out. Without a champion beside it only the first."""
    (failed, answers), (others, other_answers) = (
        (sum(one.answer.failed for one in side), len(side)) for side in (sides.challenger, sides.champion)
    )
    sure, sure_champion = (_rate(*one, risks.failing / 4) for one in ((failed, answers), (others, other_answers)))
    ours, theirs = (_rate(*one, risks.passing / 2) for one in ((failed, answers), (others, other_answers)))
    beside = bool(sides.champion) and sides.alike
    evidence = {
        "rate": round(ours.seen, 6),
        "rate_at_most": round(ours.most, 6),
        "rate_max": rule.rate_max,
        "champion_rate": round(theirs.seen, 6) if sides.champion else None,
        "margin": rule.margin,
    }
    allowed = f"{100 * rule.rate_max:g} % are allowed"
    more, more_at_most = sure.least - sure_champion.most, ours.most - theirs.least
    margin = f"{points(rule.margin)} more than the champion's are allowed"
    word: Word
    if sure.least > rule.rate_max:
        word, reason = "fail", f"{failed} errors in {answers} answers, {allowed}"
    elif beside and more > rule.margin:
        word = "fail"
        reason = f"{100 * ours.seen:.2f} % errors beside {100 * theirs.seen:.2f} % of the champion, {margin}"
    elif ours.most > rule.rate_max:
        word, reason = "undecided", f"{100 * ours.most:.2f} % errors are possible after {answers} answers, {allowed}"
    elif beside and more_at_most > rule.margin:
        word, reason = "undecided", f"{points(more_at_most)} more errors than the champion's are possible, {margin}"
    else:
        word, reason = "pass", f"at most {100 * ours.most:.2f} % errors in {answers} answers, {allowed}"
    return Verdict("errors", word, reason, evidence)


def judge_own_labels(sides: Sides, rule: LabelRule, told: float, risks: Risks, now: float) -> Verdict:
    """`fail`: proven to be right less often than the champion in the same time, or in one segment by more than `told`;
    each has half of the risk, and the k-th segment 1/(k(k+1)) of its half. Never `undecided`: that it is better cannot
    be asked of requests that are not the same."""
    ours, theirs = (_ripe(side, rule, now) for side in (sides.challenger, sides.champion))
    rates = [_rate(sum(one for _where, one in side), len(side), risks.failing / 4) for side in (ours, theirs)]
    evidence = {
        "labels": rates[0].total,
        "champion_labels": rates[1].total,
        "right": round(rates[0].seen, 6),
        "champion_right": round(rates[1].seen, 6),
    }
    if not sides.alike:
        return Verdict("versus", "pass", f"not held against it: {_told(*rates)}, whose callers may be others", evidence)
    if rates[0].most < rates[1].least:
        return Verdict("versus", "fail", f"proven to be worse: {_told(*rates)}", evidence)
    for number, segment in enumerate(dict.fromkeys(where for where, _one in (*ours, *theirs)), start=1):
        risk = risks.failing / 4 / (number * (number + 1))
        here = [_rate(*_counted(side, segment), risk) for side in (ours, theirs)]
        if here[1].least - here[0].most > told:
            reason = f"proven to be worse in segment {segment}: {_told(*here)}"
            return Verdict("versus", "fail", reason, evidence, segment)
    return Verdict("versus", "pass", f"not proven to be worse: {_told(*rates)}", evidence)


def _told(ours: _Rate, theirs: _Rate) -> str:
    return (
        f"right in {100 * ours.seen:.1f} % of {ours.total} labels, the champion in {100 * theirs.seen:.1f} % of "
        f"{theirs.total} others"
    )


def _counted(side: Sequence[tuple[str, bool]], segment: str) -> tuple[int, int]:
    here = [right for where, right in side if where == segment]
    return sum(here), len(here)


def _ripe(asked: Sequence[Single], rule: LabelRule, now: float) -> list[tuple[str, bool]]:
    """Segment and whether it was right, of the requests whose label is ripe, as `decide_pairs.ripe` counts them."""
    return [
        (one.segment, is_right(one.answer, one.label, rule.tolerance))
        for one in asked
        if one.label is not None and one.label_at is not None and max(one.at + rule.maturity_s, one.label_at) <= now
    ]
