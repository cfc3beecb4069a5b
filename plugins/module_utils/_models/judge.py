# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the evidence to what is said and done next. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import (
    Comparison,
    Rules,
    compare,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import (
    Ladder,
    Position,
    Step,
    next_step,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.evidence import Evidence, uncollected
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject, Word

#: As results and pages have it: `hold` changes nothing.
Said = t.Literal["pass", "fail", "hold"]
SAID: t.Final[dict[Word, Said]] = {"pass": "pass", "fail": "fail", "undecided": "hold"}


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What the checks say, and what follows for the step."""

    comparison: Comparison
    step: Step

    @property
    def said(self) -> Said:
        return SAID[self.comparison.verdict.word]

    def told(self) -> JsonObject:
        """For a result: every value is one of JSON."""
        checks = [
            {"name": one.name, "verdict": SAID[one.word], "reason": one.reason, "segment": one.segment, **one.evidence}
            for one in self.comparison.checks
        ]
        return {
            "verdict": self.said,
            "reason": self.comparison.verdict.reason,
            "checks": checks,
            "worst": self.comparison.worst,
            "coverage": next(one.evidence for one in self.comparison.checks if one.name == "coverage"),
            "next": {
                "action": self.step.action,
                "weight": self.step.weight,
                "reason": self.step.reason,
                "needs": list(self.step.needs),
            },
        }


@uncollected()
def judged(evidence: Evidence, rules: Rules, ladder: Ladder, at: Position, now: float) -> Judgement:
    """`evidence`: of the step that it is at, and no other. `now`: unix seconds."""
    comparison = compare(evidence.matched, rules, now, evidence.reference)
    return Judgement(comparison, next_step(ladder, at, comparison.verdict))
