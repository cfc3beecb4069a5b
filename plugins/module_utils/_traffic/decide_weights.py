# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which weights a route may get, and which ones it gets when a release is taken back. Pure."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS

Weights = Mapping[str, int]


def weights_problem(weights: Mapping[str, t.Any]) -> str | None:
    """Why these are no weights; None when they are."""
    unknown = sorted(str(slot) for slot in weights if slot not in SLOTS)
    if unknown:
        return f"there is no slot {', '.join(unknown)} (there are: {', '.join(SLOTS)})"
    missing = [slot for slot in SLOTS if slot not in weights]
    if missing:
        return f"the weight of {missing[0]} is missing"
    for slot, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= 100:
            return f"{slot} has {weight!r}, a weight is a whole number from 0 to 100"
    if sum(weights.values()) != 100:
        shares = " + ".join(f"{slot} {weights[slot]}" for slot in SLOTS)
        return f"{shares} is {sum(weights.values())}, the sum has to be 100"
    return None


def gaining(before: Weights | None, after: Weights) -> list[str]:
    """The slots that get a larger share than they had. Somebody else's weights may have any sum."""
    old = before or {}
    total = sum(old.values())
    return [slot for slot in SLOTS if after[slot] * max(total, 1) > 100 * old.get(slot, 0)]


def not_enough(slot: str, ready: int, needed: int) -> str | None:
    """Why a slot must not get more traffic now."""
    return None if ready >= needed else f"{slot} has {ready} ready pods and needs {needed} before it gets more traffic"


def pods_for(share: int, ready: Mapping[str, int]) -> int:
    """How many ready pods a slot should have for that share of the traffic, in percent.

    All of it needs as many as the larger slot has: a release gives the new slot the size of the live one, and whichever
    the load has made larger since says how many there have to be. The sum of both would be twice what was needed.
    """
    return max(1, math.ceil(share * max(ready.values()) / 100))


@dataclasses.dataclass(frozen=True)
class Touched:
    """What a release did to the route of one service.

    `before` are the weights that it found, None when it made the route or never wrote its weights; `written` are the
    weights that it wrote, oldest first; `replaced` are slots without traffic whose pods it replaced; `kind` is the
    kind of the route, None when it did not write it.
    """

    created: bool = False
    before: Weights | None = None
    written: tuple[Weights, ...] = ()
    replaced: frozenset[str] = frozenset()
    kind: str | None = None

    @property
    def undone(self) -> set[str]:
        """The slots of the undone version: without traffic before, and ours since."""
        found = set(self.replaced)
        if self.before is not None:
            found |= {slot for weights in self.written for slot in SLOTS if weights[slot] > 0 == self.before[slot]}
        return found


@dataclasses.dataclass(frozen=True)
class WayBack:
    """What becomes of a route. `weights` None removes it: the release had made it."""

    weights: dict[str, int] | None
    kept: tuple[str, ...] = ()


def way_back(what: str, touched: Touched, live: Weights) -> WayBack:
    """The weights of a route after the undo of a release. `what` is what people know it by: `HTTPRoute core-api`.

    The undone version gets 0, whoever gave it more. What is left is shared between the slots that stay as it is now;
    where they have nothing, as it was before.
    """
    if touched.created:
        # No slot of this service had traffic before.
        return WayBack(None)
    staying = [slot for slot in SLOTS if slot not in touched.undone]
    if staying and len(staying) < len(SLOTS):
        shares = {slot: live[slot] for slot in staying}
        if sum(shares.values()) == 0:
            shares = {slot: (touched.before or {}).get(slot, 0) for slot in staying}
        if sum(shares.values()) == 0:
            # Not even before: somebody gave everything to the slot whose pods had been replaced.
            shares = dict.fromkeys(staying, 1)
        return WayBack(_to_hundred(shares))
    # Both slots stay: the release only moved traffic between them, or did not touch it.
    if touched.before is None or live == touched.before or not touched.written:
        return WayBack(dict(live))
    if live == touched.written[-1]:
        return WayBack(dict(touched.before))
    text = ", ".join(f"{slot} {live[slot]}" for slot in SLOTS)
    return WayBack(dict(live), (f"{what}: somebody set the weights to {text} after the release; they stay",))


def _to_hundred(shares: Weights) -> dict[str, int]:
    """These shares as whole weights with the sum 100; slots without a share get 0."""
    total = sum(shares.values())
    weights = {slot: round(100 * shares.get(slot, 0) / total) for slot in SLOTS}
    largest = max(weights, key=lambda slot: weights[slot])
    weights[largest] += 100 - sum(weights.values())
    return weights
