# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions that leave the traffic for a release: which waves that allows, their plan, and the weights after a rollback.

A set of weights belongs to the fleet. Here are only the decisions of a release; dns_weight has guards of its own.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.dns_options import evacuating, ramp_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.gates import split_false_alarm

JsonObject = dict[str, t.Any]


def wave_sizes(waves: Sequence[t.Any], regions: int) -> list[int]:
    """How many regions each wave has, counted as Ansible's `serial` counts: the last entry repeats."""
    sizes: list[int] = []
    left = regions
    while left > 0:
        wave = str(waves[min(len(sizes), len(waves) - 1)])
        size = max(1, int(wave[:-1]) * regions // 100) if wave.endswith("%") else int(wave)
        sizes.append(min(size, left))
        left -= size
    return sizes


def evacuation_problems(request: Mapping[str, t.Any], left_out: Sequence[str] = ()) -> list[str]:
    """The waves that would leave fewer regions in the traffic than `dns.min_regions`, one sentence each.

    The regions of a wave are released at the same time, so all of them that are evacuated may be out at once. A region
    that the release goes without is taken for one that serves nobody.
    """
    dns, regions = request.get("dns") or {}, list(request.get("regions") or [])
    full: Mapping[str, int] = dns.get("full") or {}
    least = int(dns.get("min_regions", 1))
    leaving = [region for region in evacuating(request) if region not in left_out and full.get(region)]
    problems, start = [], 0
    for number, size in enumerate(wave_sizes(request.get("waves") or ["100%"], len(regions)), 1):
        out = [region for region in regions[start : start + size] if region in leaving]
        start += size
        stay = [region for region, weight in full.items() if weight and region not in out and region not in left_out]
        if out and len(stay) < least:
            problems.append(
                f"release_waves: wave {number} evacuates {', '.join(out)} at once, which leaves "
                f"{', '.join(stay) or 'no region'} in the traffic, and dns.min_regions is {least}; make release_waves "
                "smaller, or let a region stay (region_strategy: stay)."
            )
    return problems


def evacuated_plan(plan: JsonObject, region: str, asked: Mapping[str, t.Any]) -> JsonObject:
    """The plan of a deploy with the region out of the traffic while its slots change.

    `asked` has the region's `strategy`, the `weights` that stand, the `steps` of the ramp (percent), `hold_s` of each,
    and how many `regions` take part. A region that has no weight already stays out when it is done: whoever evacuated
    it brings it back. Without traffic there is nothing to judge but pods and health endpoints; requests are judged when
    they are back, at every step of the ramp.
    """
    weight = (asked.get("weights") or {}).get(region)
    if weight is None or not plan.get("changes") or (weight and asked.get("strategy") != "evacuate"):
        return plan
    quiet: JsonObject = {**plan, "steps": [_quiet(step) for step in plan["steps"]]}
    if not weight:
        quiet["bake"] = [_quiet(step) for step in plan["bake"]]
        quiet["judge"] = _without_traffic(plan["judge"])
        return split_false_alarm(quiet, int(asked["regions"]))
    trip: list[JsonObject] = next((step["gate"]["trip"] for step in [*plan["bake"], *plan["steps"]]), [])
    gate = {**plan["judge"], "observe_s": float(asked["hold_s"]), "trip": trip}
    quiet["prepare"] = [_step(f"evacuate {region}", weights="evacuate"), *plan["prepare"]]
    ramp = ramp_of(int(weight), asked["steps"])
    quiet["steps"] += [
        _step(f"ramp {region} to {step} %", weights="ramp", percent=step, ramp=ramp, gate=_ramp_gate(gate, step))
        for step in ramp
    ]
    return split_false_alarm(quiet, int(asked["regions"]))


def _step(name: str, **what: t.Any) -> JsonObject:
    """A step that writes nothing in the region, with what every step of a plan has."""
    return {"name": name, "objects": [], "fields": [], "routes": [], "probes": [], "allow_live": False, **what}


def _ramp_gate(gate: JsonObject, step: int) -> JsonObject:
    """A few percent of the traffic may be too little to judge by; what is seen has to be good."""
    return dict(gate) if step == 100 else {**gate, "on_thin_evidence": "ask"}


def _quiet(step: Mapping[str, t.Any]) -> JsonObject:
    return {**step, "gate": _without_traffic(step["gate"])}


def _without_traffic(gate: Mapping[str, t.Any]) -> JsonObject:
    return {
        **gate,
        "metrics": [],
        "counters": [],
        "traffic": False,
        "observe_s": gate["observe_s"] if gate["health"] else 0.0,
    }


def declared_weights(now: Mapping[str, int], recorded: Mapping[str, t.Any]) -> dict[str, int]:
    """What a rollback makes of the weights: those of its revision. A region that is evacuated now stays so, and a
    rollback evacuates none; a region that the revision does not know keeps its weight."""
    return {
        region: int(recorded[region]) if weight and recorded.get(region) else weight for region, weight in now.items()
    }
