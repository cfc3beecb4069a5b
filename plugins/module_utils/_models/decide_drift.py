# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what comes now is like what came before, by how large the difference is. Pure.

Never by a p-value: with 5,000 values a shift of a tenth of a standard deviation, which nobody feels, has p = 1e-7. The
population stability index compares the shares of ten bins with a tenth of the reference in each; 0.1 is worth a look
and 0.2 to 0.25 is a shift (Siddiqi, "Credit Risk Scorecards", 2006). The Kolmogorov-Smirnov distance is the largest
gap between the two distributions: at 0.1 a tenth of all values has changed to the other side of some value.

Both are above 0 by chance: the index by (bins - 1)(1/n + 1/m) on average (Yurdakul and Naranjo, J. Risk Model Valid. 14
(2020)). With 900 values or fewer on each side it says nothing.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Verdict, Word

#: Bins of the index, and the share that an empty one is given.
BINS: t.Final = 10
_EMPTY: t.Final = 1e-4


@dataclasses.dataclass(frozen=True)
class DriftRule:
    """`watch`: an index below it is none; `act`: from it on it has drifted. `distance`: the same by Kolmogorov and
    Smirnov. `noise_max`: what the index may be by chance."""

    watch: float = 0.1
    act: float = 0.2
    distance: float = 0.1
    noise_max: float = 0.02


def psi(reference: Sequence[float], current: Sequence[float], bins: int = BINS) -> float:
    """Population stability index of two samples that are not empty. Bins end at the quantiles of the reference; where
    many values are the same, several of them are one bin."""
    ordered = sorted(reference)
    edges = sorted({ordered[len(ordered) * number // bins] for number in range(1, bins)})
    return math.fsum(
        (now - before) * math.log(now / before)
        for before, now in zip(_shares(ordered, edges), _shares(sorted(current), edges), strict=True)
    )


def _shares(ordered: Sequence[float], edges: Sequence[float]) -> list[float]:
    """Of the values below the first edge, from it to the next, and so on."""
    places = [0, *(bisect.bisect_left(ordered, edge) for edge in edges), len(ordered)]
    return [max(_EMPTY, (end - begin) / len(ordered)) for begin, end in itertools.pairwise(places)]


def distance(reference: Sequence[float], current: Sequence[float]) -> float:
    """Kolmogorov and Smirnov's D of two samples that are not empty: 0 for the same, 1 for no overlap."""
    ordered, others = sorted(reference), sorted(current)
    found, one, other = 0.0, 0, 0
    while one < len(ordered) and other < len(others):
        value = min(ordered[one], others[other])
        # Past all that are the same on both sides: in between there is no distribution.
        while one < len(ordered) and ordered[one] == value:
            one += 1
        while other < len(others) and others[other] == value:
            other += 1
        found = max(found, abs(one / len(ordered) - other / len(others)))
    return found


def noise(reference: int, current: int, bins: int = BINS) -> float:
    """What the index of so many values is by chance, on average."""
    return (bins - 1) * (1 / reference + 1 / current)


def judge_drift(name: str, reference: Sequence[float], current: Sequence[float], rule: DriftRule) -> Verdict:
    """`name` says what the values are. `fail`: they have drifted; `undecided`: a little, or there are too few now.

    A reference is what was before, so it never grows: with one that is too small nothing is judged, and the verdict
    passes and says so. To wait for it would be to wait for ever.
    """
    least = math.ceil(2 * (BINS - 1) / rule.noise_max)
    if len(reference) < least:
        return Verdict("drift", "pass", _too_small(name, len(reference), least))
    if not current:
        reason = f"{len(reference)} values of {name} before and {len(current)} now: nothing to compare"
        return Verdict("drift", "undecided", reason)
    index, gap, chance = psi(reference, current), distance(reference, current), noise(len(reference), len(current))
    evidence = {
        "of": name,
        "psi": round(index, 6),
        "ks": round(gap, 6),
        "noise": round(chance, 6),
        "reference": len(reference),
        "current": len(current),
    }
    told = f"PSI {index:.3f} and KS distance {gap:.3f} of {name} ({len(current)} values beside {len(reference)})"
    word: Word = "pass"
    if chance >= rule.noise_max:
        word, told = (
            "undecided",
            f"{told}; {chance:.3f} of the PSI is chance with so few, below {rule.noise_max:g} is needed",
        )
    elif index >= rule.act or gap >= rule.distance:
        word, told = "fail", f"{told}; {rule.act:g} or {rule.distance:g} is drift"
    elif index >= rule.watch:
        word, told = "undecided", f"{told}; from {rule.watch:g} on it may be drift"
    return Verdict("drift", word, told, evidence)


def _too_small(name: str, found: int, least: int) -> str:
    """With `least` values before, half of the chance that is allowed is left for those of now."""
    more = f"about {math.ceil(10 * least / found) / 10:g} times as much" if found else "more"
    told = f"{found} values of {name} from before are too few, {least} are needed"
    return f"not judged: {told}; give judge.reference_s {more}"
