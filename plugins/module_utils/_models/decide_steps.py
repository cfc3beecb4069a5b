# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the shadow to the whole traffic: what the next step is, and what has to hold for it. Pure.

A strategy is only a list of weights. Every step has to pass on evidence of its own: what was seen at 5 % says nothing
of what 50 % does to the version.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Verdict

#: `shadow`: copies only, and who wants more promotes it. `canary`: more and more of the traffic. `ab`: a fixed part of
#: it, until somebody decides. `direct`: all at once and without evidence, in an emergency.
Strategy = t.Literal["shadow", "canary", "ab", "direct"]
#: `wait`: nothing changes. `advance`: the next weight. `ready`: this strategy ends here, and it may be promoted.
#: `promote`: it has all traffic and becomes the champion. `roll_back`: no traffic, no copies, aliases as before.
Action = t.Literal["wait", "advance", "ready", "promote", "roll_back"]

#: Percent of the traffic at each step; 0 is the shadow.
WEIGHTS: t.Final[Mapping[Strategy, tuple[int, ...]]] = {
    "shadow": (0,),
    "canary": (5, 25, 50, 100),
    "ab": (50,),
    "direct": (100,),
}


@dataclasses.dataclass(frozen=True)
class Ladder:
    """`weights`: percent at each step. `step_min_s`: how long each lasts at least; `step_max_s`: how long evidence is
    awaited before the version is taken back without blame."""

    strategy: Strategy
    weights: tuple[int, ...]
    step_min_s: float = 600.0
    step_max_s: float = 86_400.0


@dataclasses.dataclass(frozen=True)
class Position:
    """`step`: index of the weight that it has now; `in_step_s`: since when; `promoted`: it is the champion already, and
    this is the watch over it."""

    step: int
    in_step_s: float
    promoted: bool = False


@dataclasses.dataclass(frozen=True)
class Step:
    """`weight`: percent of the traffic from now on. `needs`: what has to hold before the step after it."""

    action: Action
    weight: int
    reason: str
    needs: tuple[str, ...] = ()


def ladder_problem(ladder: Ladder) -> str:
    """Why nobody can climb it; empty when one can."""
    weights = ladder.weights
    if not weights:
        return "there is no weight; give at least one"
    if any(not 0 <= weight <= 100 for weight in weights):
        return f"a weight is a percentage from 0 to 100, and these are {', '.join(map(str, weights))}"
    if list(weights) != sorted(set(weights)):
        return f"each weight has to be more than the one before, and these are {', '.join(map(str, weights))}"
    if ladder.strategy in ("canary", "direct") and weights[-1] != 100:
        return f"{ladder.strategy} ends with 100, and the last weight is {weights[-1]}"
    return ""


def next_step(ladder: Ladder, at: Position, verdict: Verdict) -> Step:
    """What to do now. `verdict`: of the comparison, on what was seen in this step alone; after the promotion, of the
    watch. A failure takes the version back from everywhere, and nothing else excuses it."""
    weight = ladder.weights[at.step]
    if verdict.word == "fail":
        return Step("roll_back", 0, verdict.reason)
    if at.promoted:
        return Step("wait", weight, f"it is the champion and stays: {verdict.reason}")
    if ladder.strategy == "direct":
        return Step("promote", weight, "direct: it has all traffic without evidence, and is watched from now on")
    if verdict.word == "undecided":
        return _patience(ladder, at, verdict)
    if at.in_step_s < ladder.step_min_s:
        return Step("wait", weight, f"{at.in_step_s:.0f} of {ladder.step_min_s:g} s at {weight} %", _needs(ladder, at))
    return _passed(ladder, at, verdict)


def _patience(ladder: Ladder, at: Position, verdict: Verdict) -> Step:
    """Evidence is awaited, and not for ever: it was never shown to be bad, and it was never shown to be good."""
    if at.in_step_s < ladder.step_max_s:
        return Step("wait", ladder.weights[at.step], verdict.reason, _needs(ladder, at))
    waited = f"not enough evidence within {at.in_step_s:.0f} s, {ladder.step_max_s:g} are allowed"
    return Step("roll_back", 0, f"{waited}: {verdict.reason}")


def _passed(ladder: Ladder, at: Position, verdict: Verdict) -> Step:
    weight = ladder.weights[at.step]
    if at.step + 1 == len(ladder.weights):
        return Step("promote" if weight == 100 else "ready", weight, verdict.reason)
    after = Position(at.step + 1, 0.0)
    return Step("advance", ladder.weights[after.step], verdict.reason, _needs(ladder, after))


def _needs(ladder: Ladder, at: Position) -> tuple[str, ...]:
    """Before the step after the one that it is at."""
    weight = ladder.weights[at.step]
    name = f"{weight} %" if weight else "the shadow"
    found = [f"the comparison passes on what is seen at {name}"]
    if at.in_step_s < ladder.step_min_s:
        found.append(f"{ladder.step_min_s - at.in_step_s:.0f} s more at {name}")
    if at.step + 1 < len(ladder.weights):
        found.append(f"capacity for {ladder.weights[at.step + 1]} % is ready before the shift")
    return tuple(found)
