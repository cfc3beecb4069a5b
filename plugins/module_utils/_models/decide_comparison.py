# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Champion and challenger compared: the whole rule. Pure: no I/O, no clock.

The checks fail a version one by one, and it passes when all of them pass. So the risk of a false failure is divided
among the checks (`SHARES`; Bonferroni: it holds whatever they have in common), and the risk of a false pass is that of
the one check that should have refused: it need not be divided (an intersection-union test, Berger 1982). Both hold
however often the comparison is made anew with what came since.

What is compared has to be enough first: pairs, time, and the share of the sampled requests that both answered. That
never excuses a version: what is proven against it is a failure with ten pairs too.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_accuracy import (
    AccuracyRule,
    judge_accuracy,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_agreement import (
    AgreementRule,
    judge_agreement,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_drift import DriftRule, judge_drift
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_errors import ErrorRule, judge_errors
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_latency import (
    LatencyRule,
    judge_latency,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import (
    CoverageRule,
    LabelRule,
    Matched,
    judge_coverage,
    ripe,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_served import (
    judge_arrival,
    judge_own_errors,
    judge_own_labels,
    sides_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_versus import (
    VersusRule,
    judge_versus,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import (
    JsonObject,
    Pair,
    Risks,
    Single,
    Verdict,
    Word,
)

#: What part of the false failures each check may make. Accuracy has half of it: it is what labels are slow for.
SHARES: t.Final[Mapping[str, float]] = {"accuracy": 0.5, "versus": 0.2, "errors": 0.15, "latency": 0.15}
#: These never fail a version: what is missing or different says that the comparison is worth little, not that the
#: version is bad.
_NEVER_FAIL: t.Final = ("coverage", "amount", "drift")


@dataclasses.dataclass(frozen=True)
class Rules:
    """`labels` None: there will never be any, and `agreement` has to say how much of it is needed. `false_fail`: how
    often a comparison may fail a version that is within every limit; `false_pass`: pass one that is beyond a limit.
    `share`: how much of the traffic is the challenger's, see Sides; for one that serves."""

    coverage: CoverageRule
    labels: LabelRule | None
    pairs_min: int = 1000
    duration_min_s: float = 600.0
    errors: ErrorRule = dataclasses.field(default_factory=ErrorRule)
    latency: LatencyRule = dataclasses.field(default_factory=LatencyRule)
    agreement: AgreementRule = dataclasses.field(default_factory=AgreementRule)
    accuracy: AccuracyRule = dataclasses.field(default_factory=AccuracyRule)
    versus: VersusRule = dataclasses.field(default_factory=VersusRule)
    drift: DriftRule = dataclasses.field(default_factory=DriftRule)
    false_fail: float = 0.05
    false_pass: float = 0.05
    share: float | None = 0.0

    def risks(self, check: str) -> Risks:
        return Risks(self.false_pass, self.false_fail * SHARES[check])


@dataclasses.dataclass(frozen=True)
class Comparison:
    """`worst`: the segment where the challenger is worst, empty where none was seen. The verdict's evidence is that of
    the checks, by their names."""

    verdict: Verdict
    checks: Sequence[Verdict]
    worst: str


def compare(matched: Matched, rules: Rules, now: float, reference: Sequence[float] = ()) -> Comparison:
    """Everything that is known at the time `now` (unix seconds). `reference`: scores of the champion from before,
    against which its present ones are held; without any, drift is not judged."""
    if rules.coverage.serves and not rules.coverage.mirrored:
        checks = _served(matched, rules, now)
        verdict = judge(checks)
        return Comparison(verdict, checks, verdict.segment)
    pairs = matched.pairs
    checks = [
        judge_coverage(matched, rules.coverage),
        _amount(matched.pairs, rules),
        judge_errors(pairs, matched.challenger_only, rules.errors, rules.risks("errors")),
        judge_latency(
            [pair.champion.latency_ms for pair in pairs if not pair.champion.failed],
            [pair.challenger.latency_ms for pair in pairs if not pair.challenger.failed],
            rules.latency,
            rules.risks("latency"),
        ),
        judge_agreement(pairs, rules.agreement),
        *_by_labels(matched, rules, now),
    ]
    if reference:
        scores = [pair.champion.score for pair in pairs if pair.champion.score is not None]
        checks.append(judge_drift("the champion's scores", reference, scores, rules.drift))
    verdict = judge(checks)
    return Comparison(verdict, checks, verdict.segment or _worst(checks))


def _served(matched: Matched, rules: Rules, now: float) -> list[Verdict]:
    """The checks where each version has requests of its own and none is copied. Without a champion beside it, as with
    all of the traffic, its latency has nothing to be held against: that was judged at the steps before."""
    sides = sides_of(matched, rules.share)
    found = [
        judge_arrival(sides, rules.coverage.least),
        _amount(sides.challenger, rules, "answers"),
        judge_own_errors(sides, rules.errors, rules.risks("errors")),
    ]
    if sides.champion:
        theirs, ours = (
            [one.answer.latency_ms for one in side if not one.answer.failed]
            for side in (sides.champion, sides.challenger)
        )
        found.append(judge_latency(theirs, ours, rules.latency, rules.risks("latency")))
    if rules.labels is None:
        reason = "no label says whether its answers are right, and to agree it needs the same requests: run a shadow"
        return [*found, Verdict("agreement", "undecided", reason)]
    found.append(_by_labels(matched, rules, now)[0])
    if sides.champion:
        told = rules.versus.segments.loss_told
        found.append(judge_own_labels(sides, rules.labels, told, rules.risks("versus"), now))
    return found


def _amount(asked: Sequence[Pair | Single], rules: Rules, what: str = "pairs") -> Verdict:
    """How many, and the time from the first to the last of them: a quarter of an hour at night is not a day."""
    lasted_s = asked[-1].at - asked[0].at if asked else 0.0
    enough = len(asked) >= rules.pairs_min and lasted_s >= rules.duration_min_s
    reason = (
        f"{len(asked)} of at least {rules.pairs_min} {what} in {lasted_s:.0f} of at least {rules.duration_min_s:g} s"
    )
    evidence = {what: len(asked), "lasted_s": round(lasted_s, 3)}
    return Verdict("amount", "pass" if enough else "undecided", reason, evidence)


def _by_labels(matched: Matched, rules: Rules, now: float) -> list[Verdict]:
    if rules.labels is None:
        if rules.agreement.least is not None:
            return []
        reason = "neither labels nor a least agreement say whether its answers are right"
        return [Verdict("accuracy", "undecided", reason)]
    known = ripe(matched, rules.labels, now)
    right = [one.challenger for one in known.outcomes if one.challenger is not None]
    accuracy = judge_accuracy(right, rules.accuracy, rules.risks("accuracy"))
    labels: JsonObject = {"waiting": known.waiting, "missing": known.missing}
    return [
        dataclasses.replace(accuracy, evidence={**accuracy.evidence, **labels}),
        judge_versus(known.outcomes, rules.versus, rules.risks("versus")),
    ]


def judge(checks: Sequence[Verdict]) -> Verdict:
    """One verdict of all checks. A failure names all that failed; what is undecided, all that is missing."""
    failed = [one for one in checks if one.word == "fail" and one.name not in _NEVER_FAIL]
    missing = [one for one in checks if one.word == "undecided" or (one.word == "fail" and one.name in _NEVER_FAIL)]
    word: Word = "fail" if failed else "undecided" if missing else "pass"
    telling = failed or missing or checks
    segment = next((one.segment for one in telling if one.segment), "")
    return Verdict(
        "comparison",
        word,
        "; ".join(f"{one.name}: {one.reason}" for one in telling),
        {one.name: {"verdict": one.word, "reason": one.reason, **one.evidence} for one in checks},
        segment,
    )


def _worst(checks: Sequence[Verdict]) -> str:
    """Where it loses most by labels; without labels, where both agree least."""
    by_name = {one.name: one.evidence for one in checks}
    found = by_name["versus"]["segments"] if "versus" in by_name else by_name["agreement"]["slices"]
    return str(found[0]["segment"]) if found and found[0]["loss"] > 0 else ""
