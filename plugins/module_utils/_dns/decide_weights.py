# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which weights a task leads to. Pure: the weights that are there go in, the weights that should be come out."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Mapping, Sequence
from fractions import Fraction

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError

Weights = Mapping[str, int]

#: A ramp always ends here, in percent of the full weight.
_ALL: t.Final = 100


@dataclasses.dataclass(frozen=True)
class Ramp:
    """Where a ramp is after this task: `step` holds then, in percent of the full weight; `next` is what the next task
    leads to, None when it is `done`."""

    step: int
    next: int | None
    done: bool


@dataclasses.dataclass(frozen=True)
class Plan:
    """The weights of every region of the set, 0 included, and what is left as somebody else made it."""

    after: dict[str, int]
    ramp: Ramp | None = None
    kept: tuple[str, ...] = ()


def whole(exact: Mapping[str, Fraction]) -> dict[str, int]:
    """Whole weights with the same sum, by the largest remainder. The sum has to be whole. Of equal remainders the
    region that comes first by name gets the rest."""
    weights = {region: math.floor(weight) for region, weight in exact.items()}
    rest = int(sum(exact.values())) - sum(weights.values())
    by_remainder = sorted(exact, key=lambda region: (weights[region] - exact[region], region))
    for region in by_remainder[:rest]:
        weights[region] += 1
    return weights


def shares(weights: Weights) -> dict[str, float]:
    """Which part of the answers each region gets. 0 for all of them when there are no weights: what happens then is up
    to the provider."""
    total = sum(weights.values())
    return {region: weight / total if total else 0.0 for region, weight in weights.items()}


def absolute(live: Weights, wanted: Weights) -> Plan:
    """Exactly these weights. Regions that are not named keep theirs. Raises OptionError."""
    _must_know("weights", wanted, live)
    return Plan({**live, **wanted})


def shifted(live: Weights, source: str, target: str, points: float) -> Plan:
    """`points` percent of all answers go from one region to another; the sum of the weights stays. Raises
    OptionError."""
    _must_know("shift", (source, target), live)
    total = sum(live.values())
    moved = Fraction(str(points)) * total / 100
    if moved > live[source]:
        has = 100 * shares(live)[source]
        raise OptionError(
            "shift",
            f"{source} has {has:g} % of the answers, so {points:g} points cannot be taken from it; give at most "
            f"{has:g}, or use state evacuated",
        )
    exact = {region: Fraction(weight) for region, weight in live.items()}
    exact[source] -= moved
    exact[target] += moved
    after = whole(exact)
    if after == dict(live):
        raise OptionError(
            "shift",
            f"the sum of the weights is {total}, and {points:g} points of it are {float(moved):g}, which whole weights "
            "cannot show; give weights with a larger sum (state absolute), or more points",
        )
    return Plan(after)


def evacuated(live: Weights, regions: Sequence[str]) -> Plan:
    """Nothing for these regions. The others keep their weights, so they take over in the ratio that they have. Raises
    OptionError."""
    _must_know("regions", regions, live)
    return Plan({region: 0 if region in regions else weight for region, weight in live.items()})


def ramped(live: Weights, regions: Sequence[str], full: Weights, steps: Sequence[int]) -> Plan:
    """One step more for these regions: the smallest step that gives one of them more than it has. No region ever gets
    less, and none gets more than the step says. Raises OptionError."""
    _must_know("regions", regions, live)
    _must_know("full", regions, full, "names no weight for")
    goals = sorted({*steps, _ALL})
    for region in regions:
        if full[region] * goals[0] // _ALL == 0:
            factor = math.ceil(_ALL / (goals[0] * full[region])) if full[region] else 0
            advice = f"multiply all of full by {factor} or more" if factor else "give it a weight above 0"
            raise OptionError(
                "full",
                f"{region} has {full[region]}, of which {goals[0]} % is less than the smallest weight, 1; {advice}",
            )

    def at(weights: Weights, step: int) -> dict[str, int]:
        goal = {region: max(weights[region], full[region] * step // _ALL) for region in regions}
        return {**weights, **goal}

    def above(weights: Weights) -> int | None:
        return next((step for step in goals if at(weights, step) != dict(weights)), None)

    step = above(live)
    if step is None:
        return Plan(dict(live), Ramp(_ALL, None, True))
    after = at(live, step)
    following = above(after)
    return Plan(after, Ramp(step, following, following is None))


def _must_know(
    option: str, named: t.Iterable[str], known: t.Iterable[str], problem: str = "the set has no record of"
) -> None:
    there = sorted(known)
    unknown = sorted(set(named) - set(there))
    if unknown:
        raise OptionError(option, f"{problem} {', '.join(unknown)} (there are: {', '.join(there) or 'none'})")
