# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new version against the stable slot at the same moment. Pure: no I/O, no clock.

Both a ratio and an absolute floor have to be exceeded: a ratio alone fails 2 ms after 1 ms, and a floor alone a slow
query that is 50 ms slower than its two seconds.

What the rank test buys and costs. Simulated: lognormal latency, pairs independent of each other, ratio 1.5, 3 in a row
or 5 of 10, alpha 0.01, 300 runs each. The false alarms that are left come before pair 20, where it has no say:

| noise (sd / mean), form | false alarms in 60 pairs, without and with it | pairs from twice as slow to bad, median |
|---|---|---|
| 0.3, 3 in a row | 57 and 20 | 4 and 12 |
| 0.3, 5 of 10 | 66 and 30 | 5 and 10 |
| 0.6, 3 in a row | 201 and 94 | 5 and 16 |
| 0.6, 5 of 10 | 251 and 122 | 5 and 14 |
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sample import Sample

#: Fewer pairs give no verdict.
MIN_PAIRS: t.Final = 5
#: From so many pairs on the rank test has its say, and it looks at the last so many: in more of them a change drowns.
RANKED_PAIRS: t.Final = 20
#: 3 x 0.1 is not quite 0.3.
_SAME: t.Final = 1e-9


@dataclasses.dataclass(frozen=True)
class Baseline:
    """What the value may be beside that of the stable slot. `floor` is in the metric's own unit."""

    query: str
    ratio: float
    floor: float
    #: Of the rank test; None for none.
    alpha: float | None = None

    def judges(self, sample: Sample) -> bool:
        return sample.baseline is not None

    def outside(self, sample: Sample) -> bool:
        value, stable = _pair(sample)
        return not _at_most(value, self.ratio * stable) and not _at_most(value, stable + self.floor)

    def nearness(self, sample: Sample) -> float:
        value, stable = _pair(sample)
        return closeness(value, max(self.ratio * stable, stable + self.floor))

    def told(self, sample: Sample) -> tuple[str, list[str]]:
        """The condition that holds, and what belongs to it."""
        value, stable = _pair(sample)
        if not self.outside(sample) and not _at_most(value, self.ratio * stable):
            facts = [f"ratio {self.ratio:g}"]
            return f"{value:.3g} ≤ baseline {stable:.3g} + floor {self.floor:g}", facts
        relation = ">" if self.outside(sample) else "≤"
        facts = [f"{value - stable:+.3g}", f"floor {self.floor:g}"]
        return f"{value:.3g} {relation} {self.ratio:g} x baseline {stable:.3g}", facts

    def to_json(self) -> JsonObject:
        return {"query": self.query, "ratio": self.ratio, "floor": self.floor}


def _pair(sample: Sample) -> tuple[float, float]:
    if sample.value is None or sample.baseline is None:
        raise AssertionError("only pairs are compared")
    return sample.value, sample.baseline


def _at_most(value: float, limit: float) -> bool:
    return value <= limit or math.isclose(value, limit, rel_tol=_SAME)


def closeness(above: float, below: float) -> float:
    """How close the smaller one is to the greater one: 1 is at it, more is beyond."""
    if below <= 0:
        return 0.0 if above <= below else math.inf
    return above / below


class Pairs:
    """How many pairs there are, and whether the last ones bear out a relative verdict."""

    def __init__(self, alpha: float | None) -> None:
        self.alpha = alpha
        self.count = 0
        #: Of the rank test; None without one, and as long as there are too few pairs for it.
        self.p: float | None = None
        self._last: collections.deque[tuple[float, float]] = collections.deque(maxlen=RANKED_PAIRS)

    def add(self, sample: Sample) -> None:
        self.count += 1
        self._last.append(_pair(sample))
        if self.alpha is not None and self.count >= RANKED_PAIRS:
            self.p = rank_test([value for value, _stable in self._last], [stable for _value, stable in self._last])

    def enough(self) -> bool:
        return self.count >= MIN_PAIRS

    def agree(self) -> bool:
        """Whether a relative verdict may be made of them."""
        return self.enough() and (self.p is None or self.alpha is None or self.p <= self.alpha)

    def told(self) -> list[str]:
        facts = [f"{self.count} pairs" + ("" if self.enough() else f", {MIN_PAIRS} count")]
        if self.p is not None and self.alpha is not None:
            facts.append(f"rank test p={self.p:.2g}" + ("" if self.p <= self.alpha else f" > {self.alpha:g}"))
        elif self.alpha is not None:
            facts.append(f"rank test from {RANKED_PAIRS} pairs on")
        return facts


def rank_test(new: Sequence[float], stable: Sequence[float]) -> float:
    """Mann-Whitney, one-sided: how probable are ranks as high as these of `new` if both are the same?

    Normal approximation with the correction for ties and for continuity, for 5 values a side or more. 1 where all
    values are the same.
    """
    values = sorted([(value, True) for value in new] + [(value, False) for value in stable])
    rank_sum = ties = 0.0
    place = 0
    for _value, group in itertools.groupby(values, key=lambda item: item[0]):
        sides = [is_new for _value, is_new in group]
        # The same values share the mean of their ranks.
        rank_sum += sum(sides) * (place + (len(sides) + 1) / 2)
        ties += len(sides) ** 3 - len(sides)
        place += len(sides)
    count, others = len(new), len(stable)
    both = count + others
    variance = count * others / 12 * (both + 1 - ties / (both * (both - 1)))
    if variance <= 0:
        return 1.0
    surplus = rank_sum - count * (count + 1) / 2 - count * others / 2
    return 0.5 * math.erfc((surplus - 0.5) / math.sqrt(2 * variance))
