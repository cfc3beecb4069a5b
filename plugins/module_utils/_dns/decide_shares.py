# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether answers that were counted are what the weights give. Pure."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member

Weights = Mapping[str, int]

#: Below this probability the counts are not what the weights give.
LEAST_P: t.Final = 0.001
#: Regions of which fewer answers are expected are counted together: chi-square needs so many in each.
_FEWEST: t.Final = 5.0


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer. `values` are its addresses, or the one name of a CNAME; `ttl` in seconds; `problem` says why there
    is nothing: a code of DNS, or silence."""

    values: tuple[str, ...] = ()
    ttl: int = 0
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Counts:
    """Answers by region, and a sentence for each kind of answer that should not be, with how many there were."""

    regions: dict[str, int]
    problems: tuple[str, ...] = ()


def chi_square_p(statistic: float, freedom: int) -> float:
    """The probability of so much or more, for whole degrees of freedom: the closed forms of the upper tail."""
    if freedom < 1 or statistic <= 0:
        return 1.0
    half = statistic / 2
    if freedom % 2 == 0:
        term = total = 1.0
        for k in range(1, freedom // 2):
            term *= half / k
            total += term
        return math.exp(-half) * total
    total = math.erfc(math.sqrt(half))
    term = math.exp(-half) * math.sqrt(half) / math.gamma(1.5)
    for k in range(1, (freedom + 1) // 2):
        total += term
        term *= half / (k + 0.5)
    return min(1.0, total)


def answering(weights: Weights, healthy: Mapping[str, bool | None]) -> dict[str, int]:
    """The weights that answers follow: a provider leaves out what it finds unhealthy, unless nothing is left."""
    up = {region: weight for region, weight in weights.items() if weight > 0 and healthy.get(region) is not False}
    return up or {region: weight for region, weight in weights.items() if weight > 0}


def fit(counts: Mapping[str, int], weights: Weights) -> float:
    """The probability that weights like these give counts like these, or worse ones. 0 as soon as a region without
    weight has answered; counts of nothing fit everything."""
    total = sum(counts.values())
    if any(count and not weights.get(region) for region, count in counts.items()):
        return 0.0
    whole = sum(weights.values())
    if not total or not whole:
        return 1.0
    rare = [region for region, weight in weights.items() if 0 < total * weight / whole < _FEWEST]
    cells = [(weight, counts.get(region, 0)) for region, weight in weights.items() if weight and region not in rare]
    together = (sum(weights[region] for region in rare), sum(counts.get(region, 0) for region in rare))
    expected = total * together[0] / whole
    if not cells:
        return 1.0
    if expected >= _FEWEST:
        return _chi_square([*cells, together])
    return min(_chi_square(cells), _poisson_tail(together[1], expected))


def _chi_square(cells: Sequence[tuple[int, int]]) -> float:
    """The test over pairs of weight and count."""
    weight_of_all, total = (sum(column) for column in zip(*cells, strict=True))
    expected = [total * weight / weight_of_all for weight, _count in cells]
    pairs = zip(expected, cells, strict=True)
    return chi_square_p(sum((count - mean) ** 2 / mean for mean, (_weight, count) in pairs if mean), len(cells) - 1)


def _poisson_tail(count: int, mean: float) -> float:
    """The probability of so many or more, where so few are expected that chi-square is no help."""
    term, below = math.exp(-mean), 0.0
    for number in range(count):
        below += term
        term *= mean / (number + 1)
    return max(0.0, 1.0 - below)


def region_by_value(members: Sequence[Member]) -> dict[str, str]:
    """Whose each address or name is."""
    return {plain(value): member.region for member in members for value in member.targets}


def not_countable(members: Sequence[Member]) -> str | None:
    """Why answers say nothing about the regions; None when they do."""
    aliases = sorted(member.region for member in members if not member.targets)
    if aliases:
        return f"{', '.join(aliases)} has no address of its own in the set (an alias)"
    values = [plain(value) for member in members for value in set(member.targets)]
    twice = sorted({value for value in values if values.count(value) > 1})
    return f"{', '.join(twice)} is in more than one region" if twice else None


def counted(answers: Sequence[Answer], members: Sequence[Member]) -> Counts:
    """Whose the answers are. An answer that belongs to no region, or to two, is a problem and counts for nobody."""
    owners = region_by_value(members)
    regions = dict.fromkeys(sorted(member.region for member in members), 0)
    problems: dict[str, int] = {}
    for answer in answers:
        found = {owners.get(plain(value)) for value in answer.values}
        if len(found) == 1 and (region := next(iter(found))) is not None:
            regions[region] += 1
            continue
        foreign = sorted(value for value in answer.values if plain(value) not in owners)
        if foreign:
            why = f"{', '.join(foreign)}, which is no address of any region of the set"
        elif found:
            why = f"addresses of {' and '.join(sorted(str(one) for one in found))} in one answer"
        else:
            why = answer.problem or "no address at all"
        problems[why] = problems.get(why, 0) + 1
    told = [f"{number} of {len(answers)} answers: {why}" for why, number in problems.items()]
    return Counts(regions, tuple(told))


def plain(value: str) -> str:
    """Names are the same in capitals, and with a dot at the end or without."""
    return value.lower().removesuffix(".")
