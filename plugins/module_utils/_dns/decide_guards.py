# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guards: what refuses a change of weights before anything is written. Pure.

All of them are asked, always in the same order, so that whoever is refused reads every reason at once.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Collection, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import answering
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_weights import shares
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import WeightedSet

Weights = Mapping[str, int]

GUARDS: t.Final = (
    *("last_region", "min_regions", "sum_zero", "max_step", "unhealthy", "capacity", "changed", "owner"),
    *("revision", "ttl", "many_changes"),
)
#: There is no reason to do it: Route 53 would answer with every region alike, PowerDNS with none.
NEVER: t.Final = "sum_zero"
#: An evacuation is as large as it has to be, and gives no region weight. A way back leads to where the release came
#: from; what is unhealthy or behind gets nothing back, which is planned and not refused.
_NOT_ASKED: t.Final[Mapping[str, frozenset[str]]] = {
    "evacuated": frozenset({"max_step", "many_changes"}),
    "restored": frozenset({"min_regions", "max_step", "unhealthy", "capacity", "revision", "many_changes"}),
}
#: From so many records on a share of them is many.
_MANY: t.Final = 10


@dataclasses.dataclass(frozen=True)
class Limits:
    """The options of the guards. `max_step` in points, `max_changed` in percent of the records, `capacities` in
    requests per second by region, `behind` the regions that are not on the environment's revision."""

    min_regions: int = 1
    max_step: float = 25.0
    max_changed: float = 30.0
    capacities: Mapping[str, float] = dataclasses.field(default_factory=dict)
    behind: Collection[str] = ()
    override: Collection[str] = ()


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is judged: the set as it was read for the plan and, as `now`, immediately before the write; `load` in
    requests per second of all regions, None when nothing is known, and then `load_why`; '' when it was not asked."""

    state: str
    before: WeightedSet
    now: WeightedSet
    after: Weights
    healthy: Mapping[str, bool | None]
    load: float | None = None
    load_why: str = ""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one guard says. `reason` has value, limit and what to do where it refuses."""

    guard: str
    refused: bool
    reason: str
    overridden: bool = False


def judge(facts: Facts, limits: Limits) -> list[Finding]:
    """Every guard, in the order of `GUARDS`."""
    skipped = _NOT_ASKED.get(facts.state, frozenset())
    found = []
    for guard in GUARDS:
        if guard in skipped:
            found.append(Finding(guard, False, f"not asked of state {facts.state}"))
            continue
        reason = _ASKED[guard](facts, limits)
        overridden = reason is not None and guard in limits.override and guard != NEVER
        found.append(Finding(guard, reason is not None, reason or "in order", overridden))
    return found


def refusals(found: Sequence[Finding]) -> list[Finding]:
    """Those that stand."""
    return [one for one in found if one.refused and not one.overridden]


def refusal_text(name: str, found: Sequence[Finding]) -> str:
    """All refusals as one message, and what to do."""
    standing = refusals(found)
    reasons = "; ".join(f"{one.guard}: {one.reason}" for one in standing)
    names = [one.guard for one in standing]
    # Whoever overrides the others is refused by NEVER all the same.
    offer = "" if NEVER in names else f". If it is meant all the same: override: [{', '.join(names)}]"
    return f"{name}: refused by {reasons}. Nothing was written{offer}"


def carrying(weights: Weights, healthy: Mapping[str, bool | None]) -> list[str]:
    """The regions that have weight and are not known to be unhealthy."""
    return [region for region, weight in weights.items() if weight > 0 and healthy.get(region) is not False]


def _seen(facts: Facts) -> Mapping[str, bool | None]:
    """What counts as known of each region. Where no healthy region has a weight, before or after, the weights alone
    count: a provider answers with all regions then, and it may be us who reach no health check."""
    some = carrying(facts.before.weights, facts.healthy) or carrying(facts.after, facts.healthy)
    return facts.healthy if some else {}


def gaining(state: str, before: Weights, after: Weights) -> list[str]:
    """The regions that are given more. An evacuation gives nobody weight, whoever takes over."""
    if state == "evacuated":
        return [region for region, weight in after.items() if weight > before.get(region, 0)]
    old, new = shares(before), shares(after)
    return [region for region in after if new[region] > old.get(region, 0.0)]


def _last_region(facts: Facts, _limits: Limits) -> str | None:
    seen = _seen(facts)
    carried = carrying(facts.before.weights, seen)
    if not carried or carrying(facts.after, seen):
        return None
    what = "healthy region" if seen else "region"
    there = f"is the last {what}" if len(carried) == 1 else f"are the last {what}s"
    return f"{', '.join(carried)} {there} with a weight, and would get 0; give another healthy region weight first"


def _min_regions(facts: Facts, limits: Limits) -> str | None:
    seen = _seen(facts)
    had, left = carrying(facts.before.weights, seen), carrying(facts.after, seen)
    if len(left) >= limits.min_regions or len(left) >= len(had):
        # What makes it no worse is not refused: a dead region is taken out, a second one is brought back.
        return None
    what = "healthy " if seen else ""
    return (
        f"{len(left)} {what}{'region' if len(left) == 1 else 'regions'} with a weight would be left "
        f"({', '.join(left) or 'none'}), and min_regions is {limits.min_regions}; bring another one in first"
    )


def _sum_zero(facts: Facts, _limits: Limits) -> str | None:
    if sum(facts.after.values()) > 0:
        return None
    return "the sum of all weights would be 0, which is never written; give at least one region weight"


def _max_step(facts: Facts, limits: Limits) -> str | None:
    old, new = shares(facts.before.weights), shares(facts.after)
    steps = {region: round(100 * abs(new[region] - old.get(region, 0.0)), 6) for region in new}
    region = max(steps, key=lambda name: steps[name], default=None)
    if facts.before.raw is None or region is None or steps[region] <= limits.max_step:
        # Nobody is sent elsewhere by a set that is made.
        return None
    return (
        f"the share of {region} would go from {_percent(old.get(region, 0.0))} to {_percent(new[region])}, by "
        f"{steps[region]:.3g} points, and max_step is {limits.max_step:g}; go in smaller steps"
    )


def _unhealthy(facts: Facts, _limits: Limits) -> str | None:
    gains = gaining(facts.state, facts.before.weights, facts.after)
    ill = [region for region in gains if facts.healthy.get(region) is False]
    if not ill:
        return None
    return f"{', '.join(ill)} would get more and {_is(ill)} unhealthy; bring {_it(ill)} up first"


def _capacity(facts: Facts, limits: Limits) -> str | None:
    if not limits.capacities:
        return None
    old = shares(answering(facts.before.weights, facts.healthy))
    new = shares(answering(facts.after, facts.healthy))
    gains = [region for region in new if new[region] > old.get(region, 0.0) and region in limits.capacities]
    if not gains:
        return None
    if facts.load is None:
        # A dead region is not kept in because nobody knows the load: that is told as a warning.
        asked = facts.load_why and facts.state != "evacuated"
        return f"the load of all regions is not known ({facts.load_why}); mend load.query" if asked else None
    over = [
        f"{region} would get {new[region] * facts.load:.0f} requests/s ({_percent(new[region])} of {facts.load:.0f}) "
        f"and takes {limits.capacities[region]:g}"
        for region in gains
        if new[region] * facts.load > limits.capacities[region]
    ]
    return f"{', '.join(over)}; scale up first" if over else None


def _changed(facts: Facts, _limits: Limits) -> str | None:
    different = differences(facts.before, facts.now)
    return f"somebody else changed the set since it was read: {different}; look again" if different else None


def _owner(facts: Facts, _limits: Limits) -> str | None:
    if facts.now.owner is None:
        return None
    return f"the set belongs to {facts.now.owner}, which would write over it; change it there, or take its mark away"


def _revision(facts: Facts, limits: Limits) -> str | None:
    gains = gaining(facts.state, facts.before.weights, facts.after)
    late = [region for region in gains if region in limits.behind]
    if not late:
        return None
    return (
        f"{', '.join(late)} would get more and {_is(late)} not on the environment's revision; release to {_it(late)} "
        "first"
    )


def _ttl(facts: Facts, _limits: Limits) -> str | None:
    if len(set(facts.now.ttls.values())) <= 1:
        return None
    told = ", ".join(f"{region} {ttl} s" for region, ttl in sorted(facts.now.ttls.items()))
    return f"the TTLs of the records differ ({told}); set them to one value first"


def _many_changes(facts: Facts, limits: Limits) -> str | None:
    old = facts.before.weights
    records = len(facts.after)
    changes = sum(weight != old.get(region) for region, weight in facts.after.items())
    percent = 100 * changes / records if records else 0.0
    if facts.before.raw is None or records < _MANY or percent <= limits.max_changed:
        return None
    return (
        f"{changes} of {records} records would change, {percent:.0f} %, and max_changed is {limits.max_changed:g} %; "
        "change fewer at a time"
    )


def differences(before: WeightedSet, now: WeightedSet) -> str:
    """What is not the same, for people; empty when it is the same set."""
    told = []
    for region in sorted({*before.weights, *now.weights}):
        was, is_now = before.member(region), now.member(region)
        if was is None or is_now is None:
            told.append(f"{region} {'came' if was is None else 'went'}")
        elif was.weight != is_now.weight:
            told.append(f"{region} has {is_now.weight} and had {was.weight}")
        elif was != is_now:
            told.append(f"the record of {region} is another one")
    if dict(before.ttls) != dict(now.ttls):
        told.append("the TTLs are others")
    return ", ".join(told)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _is(regions: Sequence[str]) -> str:
    return "is" if len(regions) == 1 else "are"


def _it(regions: Sequence[str]) -> str:
    return "it" if len(regions) == 1 else "them"


_ASKED: t.Final[Mapping[str, Callable[[Facts, Limits], str | None]]] = {
    "last_region": _last_region,
    "min_regions": _min_regions,
    "sum_zero": _sum_zero,
    "max_step": _max_step,
    "unhealthy": _unhealthy,
    "capacity": _capacity,
    "changed": _changed,
    "owner": _owner,
    "revision": _revision,
    "ttl": _ttl,
    "many_changes": _many_changes,
}
