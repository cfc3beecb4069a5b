# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a drain may take, step by step, and whether the pod lives that long. Pure. All times are seconds."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

#: What a step may take is no promise that the next one begins at once.
MARGIN_S: t.Final = 5.0
#: The steps of each way that have a time of their own, in their order.
STEPS: t.Final[Mapping[str, tuple[str, ...]]] = {
    "full": ("in_flight", "settlement", "snapshot", "prove", "sessions"),
    "handover": ("catch_up", "prove", "sessions"),
}


@dataclasses.dataclass(frozen=True)
class Budget:
    """The time of each step, in order, and of all together."""

    steps: Mapping[str, float]

    @property
    def total_s(self) -> float:
        return sum(self.steps.values()) + MARGIN_S


def budget_of(way: str, step_s: Mapping[str, float], announce_s: float, cut_deadline_s: float) -> Budget:
    """What a drain may take at the most."""
    steps = {"announce": announce_s, **{name: step_s[name] for name in STEPS[way]}}
    if way == "handover":
        # The cut may fail and the old engine return: then its deadline passes once.
        steps["cut"] = cut_deadline_s
    return Budget(steps)


def problems(budget: Budget, deadline_s: float, grace_s: float | None) -> list[str]:
    """Why these times cannot be kept; empty when they can. `grace_s` is None where no pod has to live through it."""
    found = [
        f"step_s.{name} has to be more than 0" for name, s in budget.steps.items() if s <= 0 and name != "announce"
    ]
    if budget.steps["announce"] < 0:
        found.append("announce_s cannot be negative")
    told = ", ".join(f"{name} {seconds:g}" for name, seconds in budget.steps.items())
    if budget.total_s > deadline_s:
        found.append(
            f"deadline_s is {deadline_s:g} and the steps may take {budget.total_s:g} s ({told}, margin {MARGIN_S:g})"
        )
    if grace_s is not None and budget.total_s > grace_s:
        found.append(
            f"the pod has {grace_s:g} s to end (terminationGracePeriodSeconds) and the steps may take "
            f"{budget.total_s:g} s ({told}, margin {MARGIN_S:g})"
        )
    return found


def cut_problem(proof_s: float, answer_s: float, cut_deadline_s: float) -> str | None:
    """Why a cut cannot end before its deadline, from what a proof and a plain answer took in the rehearsal. There are
    four requests one after the other, one of them a proof; it may take twice as long when nobody is waiting for it."""
    needed = 2 * proof_s + 4 * answer_s
    if needed <= cut_deadline_s:
        return None
    return (
        f"a proof takes {proof_s:.1f} s and an answer {answer_s:.2f} s, so that the cut needs about {needed:.1f} s; "
        f"cut_deadline_s is {cut_deadline_s:g}"
    )
