# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are the counted answers what these weights would give? Exact binomial tails. Pure."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Mapping

#: How improbable counts must be before a shift counts as not done. One shift in a million is doubted without reason.
IMPROBABLE: t.Final = 1e-6

#: Answers without a slot in their header.
NOBODY: t.Final = "none"


@dataclasses.dataclass
class Count:
    """The answers of one slot."""

    count: int = 0
    versions: dict[str, int] = dataclasses.field(default_factory=dict)
    codes: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, version: str, code: str) -> None:
        self.count += 1
        self.versions[version] = self.versions.get(version, 0) + 1
        self.codes[code] = self.codes.get(code, 0) + 1


def implausible(weights: Mapping[str, int], answers: Mapping[str, Count]) -> str | None:
    """Why these answers do not come from these weights, in one sentence; None when they may."""
    strangers = sorted(slot for slot in answers if slot not in weights and answers[slot].count)
    if strangers:
        codes = ", ".join(sorted({code for slot in strangers for code in answers[slot].codes}))
        lost = sum(answers[slot].count for slot in strangers)
        return f"{lost} answers ({codes}) name no slot of the service"
    total = sum(count.count for count in answers.values())
    if total == 0:
        return "no answer at all"
    shares = sum(weights.values())
    # Those that should have nothing first: theirs is the plainer sentence.
    for slot, weight in sorted(weights.items(), key=lambda item: item[1]):
        seen = answers[slot].count if slot in answers else 0
        # None at all proves no share, however small: by the tail alone a gateway that did not move would pass 90 / 10.
        if (weight > 0 and not seen) or tail(seen, total, weight / shares) <= IMPROBABLE:
            return f"{slot} has weight {weight} and gave {seen} of {total} answers"
    return None


def tail(seen: int, total: int, share: float) -> float:
    """How probable a count that far from the expected one, or further to its side, is in `total` independent tries."""
    if share <= 0.0:
        return 1.0 if seen == 0 else 0.0
    if share >= 1.0:
        return 1.0 if seen == total else 0.0
    side = range(seen, total + 1) if seen >= total * share else range(seen + 1)
    return min(1.0, math.fsum(_probability(count, total, share) for count in side))


def _probability(count: int, total: int, share: float) -> float:
    # By logarithms: the factors of a few hundred tries do not fit a float.
    ways = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    return math.exp(ways + count * math.log(share) + (total - count) * math.log1p(-share))
