# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers behind the plots of a report. Pure."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_accuracy import WINDOW
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_agreement import agree, wilson
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_evidence import lower_bound
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import Outcome
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Pair

#: Points of a curve: as many as the drawing has room for.
_POINTS: t.Final = 120
#: A segment with fewer requests is not drawn.
_SLICE: t.Final = 30
#: So many of the worst are.
_WORST: t.Final = 10
#: Bars of a histogram.
_BARS: t.Final = 40


def tail_scale(quantile: float) -> float:
    """The place of a quantile below 1: the p90, the p99 and the p99.9 are equally far apart."""
    return -math.log10(1 - quantile)


def quantile_curve(ordered: Sequence[float]) -> list[tuple[float, float]]:
    """Quantile and value, at equal distances on `tail_scale`, as far as there is a value beyond it. None for none."""
    number = len(ordered)
    if not number:
        return []
    # Of 1,000 values the p99.9 is the largest.
    last = tail_scale(1 - 1 / max(2, number))
    quantiles = [1 - 10 ** (-last * step / _POINTS) for step in range(_POINTS + 1)]
    return [(one, ordered[min(number - 1, max(0, math.ceil(one * number - 1e-9) - 1))]) for one in quantiles]


@dataclasses.dataclass(frozen=True)
class Known:
    """Accuracy after so many labels: of all of them, at least (at any look but for the risk), and of the newest."""

    labels: int
    all: float
    at_least: float
    newest: float | None


def accuracy_curve(right: Sequence[bool], risk: float) -> list[Known]:
    """As the labels came. `risk`: of the bound."""
    sums = [0]
    for one in right:
        sums.append(sums[-1] + one)
    number = len(right)
    found = []
    for labels in sorted({max(1, number * step // _POINTS) for step in range(1, _POINTS + 1)}) if number else ():
        good = sums[labels]
        newest = (good - sums[labels - WINDOW]) / WINDOW if labels >= WINDOW else None
        least = lower_bound({1.0: good, 0.0: labels - good}, 0.0, risk)
        found.append(Known(labels, good / labels, least, newest))
    return found


@dataclasses.dataclass(frozen=True)
class Slice:
    """One segment: requests, the share that agrees or is right, its bounds; `champion`: the champion's share."""

    segment: str
    requests: int
    share: float
    low: float
    high: float
    champion: float | None = None


def agreement_slices(pairs: Sequence[Pair], score_off: float | None) -> list[Slice]:
    """Those that agree least, the worst first."""
    counts: dict[str, list[int]] = {}
    for pair in pairs:
        if not pair.champion.failed and not pair.challenger.failed:
            count = counts.setdefault(pair.segment, [0, 0])
            count[0] += agree(pair.champion, pair.challenger, score_off)
            count[1] += 1
    found = [
        Slice(name, number, same / number, *wilson(same, number))
        for name, (same, number) in counts.items()
        if number >= _SLICE
    ]
    return sorted(found, key=lambda one: (one.high, one.segment))[:_WORST]


def accuracy_slices(outcomes: Sequence[Outcome]) -> list[Slice]:
    """Those in which the challenger loses most against the champion, the worst first."""
    counts: dict[str, list[int]] = {}
    for one in outcomes:
        if one.champion is not None and one.challenger is not None:
            count = counts.setdefault(one.segment, [0, 0, 0])
            count[0] += one.champion
            count[1] += one.challenger
            count[2] += 1
    found = [
        Slice(name, number, ours / number, *wilson(ours, number), champion=theirs / number)
        for name, (theirs, ours, number) in counts.items()
        if number >= _SLICE
    ]
    return sorted(found, key=lambda one: (one.share - (one.champion or 0.0), one.segment))[:_WORST]


def histograms(samples: Sequence[Sequence[float]]) -> tuple[list[float], list[list[float]]]:
    """Edges that all samples share, and of each sample the share of its values in each bar; no edges without values.
    The middle 99.8 % of all values are the range, what is beyond is in the last bar of its side."""
    every = sorted(value for sample in samples for value in sample)
    if not every:
        return [], []
    cut = len(every) // 1000
    low, high = every[cut], every[-1 - cut]
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = [low + (high - low) * number / _BARS for number in range(_BARS + 1)]
    found = []
    for sample in samples:
        ordered = sorted(sample)
        places = [0, *(bisect.bisect_left(ordered, edge) for edge in edges[1:-1]), len(ordered)]
        found.append([(end - begin) / max(1, len(ordered)) for begin, end in itertools.pairwise(places)])
    return edges, found
