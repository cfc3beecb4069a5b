# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact binomial bounds (Clopper and Pearson 1934), and the ideal test of a fixed sample. Pure."""

from __future__ import annotations

import math

#: Bisections of [0, 1]: far below the rounding of a table.
_STEPS = 60


def _log_term(count: int, runs: int, share: float) -> float:
    choices = math.lgamma(runs + 1) - math.lgamma(count + 1) - math.lgamma(runs - count + 1)
    return choices + count * math.log(share) + (runs - count) * math.log1p(-share)


def at_least(count: int, runs: int, share: float) -> float:
    """Probability of `count` or more of `runs`, each with probability `share`."""
    if count <= 0:
        return 1.0
    if count > runs or share <= 0.0:
        return 0.0
    if share >= 1.0:
        return 1.0
    # The shorter tail by its terms' ratio: they fall from the first one on, or the other tail is summed.
    if count > runs * share:
        return _falling(count, runs, share)
    return 1.0 - _falling(runs - count + 1, runs, 1.0 - share)


def _falling(count: int, runs: int, share: float) -> float:
    """Sum of the terms from `count` up, which is above the mean."""
    term, total = math.exp(_log_term(count, runs, share)), 0.0
    odds = share / (1.0 - share)
    while count <= runs and term > total * 1e-15:
        total += term
        term *= (runs - count) / (count + 1) * odds
        count += 1
    return total


def upper(count: int, runs: int, confidence: float) -> float:
    """One-sided upper bound of a share that was seen `count` times in `runs`."""
    if count >= runs:
        return 1.0
    low, high = count / runs, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if 1.0 - at_least(count + 1, runs, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high


def lower(count: int, runs: int, confidence: float) -> float:
    """One-sided lower bound."""
    return 1.0 - upper(runs - count, runs, confidence)


def interval(count: int, runs: int, confidence: float) -> tuple[float, float]:
    """Both sides together: each takes half of what `confidence` leaves."""
    one_sided = (1.0 + confidence) / 2
    return lower(count, runs, one_sided), upper(count, runs, one_sided)


def fixed_sample(runs: int, null: float, alpha: float) -> int:
    """The fewest failures in `runs` requests that a version with at most `null` has with probability `alpha` or less.

    The most powerful test of its size (Neyman and Pearson) for whoever looks once, at the end.
    """
    low, high = 0, runs + 1
    while low < high:
        middle = (low + high) // 2
        if at_least(middle, runs, null) <= alpha:
            high = middle
        else:
            low = middle + 1
    return low
