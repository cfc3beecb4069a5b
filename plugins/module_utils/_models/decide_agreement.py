# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often both versions say the same, and where they do not. Pure.

To disagree is no error: a better model has to. So agreement decides only where somebody has said how much of it there
has to be, as for a version that should be the same but faster. Otherwise it is told, with the segments that differ
most.

Bounds are Wilson's (1927): they hold where almost all or nobody agrees, unlike the usual ones around the mean. They are
for one look; at the confidence below, a hundred looks together are as wrong as one at 95 % (Bonferroni).
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_segments import TOLD
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import (
    Answer,
    JsonObject,
    Pair,
    Verdict,
)

#: One side, one look.
CONFIDENCE: t.Final = 0.9995
_Z: t.Final = statistics.NormalDist().inv_cdf(CONFIDENCE)
#: A slice with fewer pairs is not named.
_SLICE: t.Final = 30


@dataclasses.dataclass(frozen=True)
class AgreementRule:
    """`least`: the share of pairs that have to agree, None where that decides nothing; `score_off`: how far the scores,
    or numbers, may be apart; None for classes that have to be equal."""

    least: float | None = None
    score_off: float | None = None


def wilson(hits: int, number: int, z: float = _Z) -> tuple[float, float]:
    """Bounds of a share that was seen `hits` times in `number`, each with the confidence that z stands for."""
    if not number:
        return 0.0, 1.0
    share, square = hits / number, z * z
    middle = share + square / (2 * number)
    half = z * math.sqrt(share * (1 - share) / number + square / (4 * number * number))
    scale = 1 + square / number
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def agree(champion: Answer, challenger: Answer, score_off: float | None) -> bool:
    """Equal outputs, or scores that are no further apart. Numbers without a score are their own score."""
    if score_off is None:
        return champion.output == challenger.output
    one, other = _score(champion), _score(challenger)
    return one is not None and other is not None and abs(one - other) <= score_off


def _score(answer: Answer) -> float | None:
    if answer.score is not None:
        return answer.score
    return float(answer.output) if isinstance(answer.output, int | float) else None


def judge_agreement(pairs: Sequence[Pair], rule: AgreementRule) -> Verdict:
    """Of the pairs that both answered. Without `least` it is `pass`, with what was seen."""
    slices: dict[str, list[int]] = {}
    for pair in pairs:
        if pair.champion.failed or pair.challenger.failed:
            continue
        counts = slices.get(pair.segment)
        if counts is None:
            counts = slices[pair.segment] = [0, 0]
        counts[0] += agree(pair.champion, pair.challenger, rule.score_off)
        counts[1] += 1
    same, number = sum(one[0] for one in slices.values()), sum(one[1] for one in slices.values())
    low, high = wilson(same, number)
    # By what is surely so: a slice of few pairs differs much by chance.
    worst = sorted((wilson(*counts)[1], name) for name, counts in slices.items() if counts[1] >= _SLICE)[:TOLD]
    evidence: JsonObject = {
        "pairs": number,
        "agreed": same,
        "at_least": round(low, 6),
        "at_most": round(high, 6),
        "least": rule.least,
        "slices": [_slice(name, *slices[name]) for _high, name in worst],
    }
    told = f"{same} of {number} pairs agree" + (f", fewest in segment {worst[0][1]}" if worst and same < number else "")
    if rule.least is None:
        return Verdict("agreement", "pass", told, evidence)
    wanted = f"{100 * rule.least:g} % have to"
    where = worst[0][1] if worst else ""
    if high < rule.least:
        return Verdict("agreement", "fail", f"{told}, at most {100 * high:.1f} %, and {wanted}", evidence, where)
    if low < rule.least:
        return Verdict("agreement", "undecided", f"{told}, at least {100 * low:.1f} %, and {wanted}", evidence, where)
    return Verdict("agreement", "pass", f"{told}, at least {100 * low:.1f} %, and {wanted}", evidence)


def _slice(name: str, same: int, number: int) -> JsonObject:
    low, high = wilson(same, number)
    return {
        "segment": name,
        "pairs": number,
        "agreed": same,
        "loss": round(1 - same / number, 6),
        "at_least": round(low, 6),
        "at_most": round(high, 6),
    }
