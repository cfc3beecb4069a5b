# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence that may be looked at after every request, from counts alone. Pure: no I/O, no clock.

Somebody bets that the mean of some bounded values is above a limit. Each value x multiplies the stake by
1 + b (x - limit) / (limit - low), where 0 < b < 1 is the share that is bet. Where the mean is at or below the limit the
stake does not grow on average, whatever came before, so it ever exceeds 1/alpha with a probability of at most alpha
(Ville 1939). The mean over several shares is such a stake as well. The limits that are not refuted are a confidence
bound that holds at all times together: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
betting", J. R. Stat. Soc. B 86 (2024).

One question in this form covers all of them: a share of wrong answers (values 0 and 1), a difference of two versions
on the same requests (-1, 0 and 1), the place of a quantile (below it or not). It needs no independence of the two
versions of one another, but it needs that a request says nothing about the next: failures in clumps raise the risk.
"""

from __future__ import annotations

import math
import typing as t
from collections.abc import Mapping, Sequence

#: Value -> how often it was seen.
Counts = Mapping[float, int]

#: Shares of the stake. The best one is about effect / variance, so a grid of halves is never off by more than the
#: root of 2, which costs a sixth of the evidence; the largest is for values that never go against the bet.
BETS: t.Final = (0.95, *(2.0**-power for power in range(1, 10)))
#: Bisections of an interval of length 2: below 1e-9.
_STEPS: t.Final = 32


def log_evidence(counts: Counts, limit: float, low: float, bets: Sequence[float] = BETS) -> float:
    """The logarithm of the stake that was bet on a mean above `limit`; no value is below `low`, and the limit is
    above it. 0 without any value."""
    terms = [((value - limit) / (limit - low), number) for value, number in counts.items() if number]
    logs = [math.fsum(number * math.log1p(bet * gain) for gain, number in terms) for bet in bets]
    return log_sum(logs) - math.log(len(logs))


def lower_bound(counts: Counts, low: float, alpha: float) -> float:
    """The mean is above it, at any time but for a risk of alpha; no value is below `low`."""
    total = sum(counts.values())
    if not total:
        return low
    proof = -math.log(alpha)
    refuted, open_ = low, sum(value * number for value, number in counts.items()) / total
    for _step in range(_STEPS):
        middle = (refuted + open_) / 2
        # The stake falls as the limit rises. So close to `low` that it is the same number, everything is refuted.
        if middle > low and log_evidence(counts, middle, low) > proof:
            refuted = middle
        else:
            open_ = middle
    return refuted


def upper_bound(counts: Counts, high: float, alpha: float) -> float:
    """The same from above; no value is above `high`."""
    return -lower_bound({-value: number for value, number in counts.items()}, -high, alpha)


def log_sum(logs: Sequence[float]) -> float:
    """The logarithm of the sum of what these are the logarithms of."""
    highest = max(logs)
    return highest + math.log(math.fsum(math.exp(one - highest) for one in logs))
