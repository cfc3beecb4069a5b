# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy on labels that come one by one, judged at any look. Pure.

A version is failed when the bet that its accuracy is below the minimum has won 1/alpha (`decide_evidence`). A plain
"below 85 %? roll back" at every look takes a healthy version back in every second run, see docs/models.md.

**New starts.** A version that goes bad after 3,000 good labels has these behind it, and a bet that began with them
needs hundreds more. So a new bet begins every 100 labels. The first one, over all labels, has half of the stake,
because most bad versions are bad from the start; the k-th later one has 1/(k(k+1)) of the other half. These shares add
up to 1, and a mixture of such bets is one (as in the e-detectors of Shin, Ramdas and Rinaldo, New England J. Stat. Data
Sci. 2 (2024)).

**Floor.** A collapse is told by fewer than 70 % right of the last 100 labels. The window moves in steps of 50 labels,
so that looking more often costs nothing, and what it costs is counted: a version exactly at 85 % is below the floor in
one window of 24,000 (exact binomial tail). 30 % of the risk are the floor's: two thirds of that for the first 100
windows, two ninths for the next 100, and so on. A floor that cannot be afforded is lowered until it can: after each
5,000 labels by about a point, and one of 75 % from the start.

With `failing` 0.025, 1,000 runs each: true 87 % is failed in 0 runs and 80 % in all, after 600 labels (median).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import typing as t
from collections.abc import Iterator, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_evidence import (
    BETS,
    log_evidence,
    log_sum,
    lower_bound,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Risks, Verdict
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_answers import tail

#: Bets on 57.5, 36, 26, 20, 18 and 16 % wrong, where 15 % are allowed. The finer ones of the common grid would cost
#: every verdict a little and are for differences that no version is taken back for.
SHARES: t.Final = BETS[1:7]
#: Labels between two starts, the share of the first one, and how many of the newest others are kept: a forgotten one
#: only lowers the evidence.
RESTART: t.Final = 100
_FIRST: t.Final = 0.5
_STARTS: t.Final = 60

#: The last labels that the floor looks at, and the labels between two looks.
WINDOW: t.Final = 100
STEP: t.Final = 50
#: The floor's part of the risk; of what is left of it each epoch of so many windows takes two thirds.
_FLOOR: t.Final = 0.3
_EPOCH: t.Final = 100
_EPOCH_PART: t.Final = 2 / 3


@dataclasses.dataclass(frozen=True)
class AccuracyRule:
    """`minimum`: the accuracy that has to be proven to pass, and below which a version is failed; above 0 and below 1.
    `floor`: below it a version has collapsed. `least`: labels; with fewer nothing passes."""

    minimum: float = 0.85
    floor: float = 0.70
    least: int = 500


def log_below(right: Sequence[int], minimum: float) -> float:
    """The logarithm of the stake on an accuracy below the minimum. `right`: how many of the first 0, 1, 2, ... labels
    were right."""
    labels = len(right) - 1
    logs = []
    for start, share in starts(labels):
        good = right[labels] - right[start]
        wrong = labels - start - good
        logs.append(math.log(share) + log_evidence({1.0: wrong, 0.0: good}, 1 - minimum, 0.0, SHARES))
    return log_sum(logs)


def starts(labels: int) -> Iterator[tuple[int, float]]:
    """The label at which each bet begins, and its share of the stake."""
    yield 0, _FIRST
    last = (labels - 1) // RESTART if labels else 0
    for number in range(max(1, last - _STARTS + 1), last + 1):
        yield number * RESTART, (1 - _FIRST) / (number * (number + 1))


def floor_risk(risk: float) -> float:
    """The floor's part of the risk of the accuracy as a whole."""
    return risk * _FLOOR


def floor_count(window: int, rule: AccuracyRule, risk: float) -> int:
    """So many right of the last labels are a collapse, at the `window`-th look (from 0 on) of the floor; `risk` is that
    of the accuracy as a whole. -1 for never."""
    return _floor_of(window // _EPOCH, rule, risk)


@functools.cache
def _floor_of(epoch: int, rule: AccuracyRule, risk: float) -> int:
    afforded = floor_risk(risk) * _EPOCH_PART * (1 - _EPOCH_PART) ** epoch / _EPOCH
    count = math.ceil(rule.floor * WINDOW - 1e-9) - 1
    while count >= 0 and tail(count, WINDOW, rule.minimum) > afforded:
        count -= 1
    return count


def judge_accuracy(outcomes: Sequence[bool], rule: AccuracyRule, risks: Risks) -> Verdict:
    """Whether each answer was right, in the order in which the labels became known.

    `fail`: below the minimum, or below the floor. `pass`: an accuracy of at least the minimum is proven.
    """
    right = [0]
    for outcome in outcomes:
        right.append(right[-1] + outcome)
    labels = len(outcomes)
    log_e = log_below(right, rule.minimum)
    proof = -math.log(risks.failing - floor_risk(risks.failing))
    at_least = lower_bound({1.0: right[-1], 0.0: labels - right[-1]}, 0.0, risks.passing)
    end = labels - labels % STEP
    newest = right[end] - right[end - WINDOW] if end >= WINDOW else None
    collapsed = floor_count((end - WINDOW) // STEP, rule, risks.failing) if newest is not None else None
    evidence = {
        "labels": labels,
        "right": right[-1],
        "accuracy": round(right[-1] / labels, 6) if labels else None,
        "accuracy_at_least": round(at_least, 6),
        "minimum": rule.minimum,
        "log_e": round(log_e, 3),
        "log_e_of_proof": round(proof, 3),
        "newest": newest,
        "newest_at_most_of_collapse": collapsed,
    }
    if newest is not None and collapsed is not None and newest <= collapsed:
        reason = (
            f"{newest} of the last {WINDOW} labels right, and at least {collapsed + 1} have to be ({labels} labels)"
        )
        return Verdict("accuracy", "fail", reason, evidence)
    told = f"accuracy {100 * right[-1] / labels:.1f} % of {labels} labels" if labels else "no label is ripe yet"
    limit = f"at least {100 * rule.minimum:g} %"
    if log_e > proof:
        recent = f", {newest} of {WINDOW} at the end" if newest is not None else ""
        return Verdict("accuracy", "fail", f"{told}{recent}, and {limit} is required", evidence)
    if labels < rule.least:
        return Verdict("accuracy", "undecided", f"{told}; {rule.least} labels are needed", evidence)
    if at_least < rule.minimum:
        reason = f"{told}; {100 * at_least:.1f} % is possible still, and {limit} is required"
        return Verdict("accuracy", "undecided", reason, evidence)
    return Verdict("accuracy", "pass", f"{told}, {limit} is proven", evidence)
