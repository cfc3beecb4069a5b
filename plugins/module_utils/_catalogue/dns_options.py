# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of the weights of its regions: `dns`, `region_strategy`, and how a region is ramped back."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.hints import hint

JsonObject = dict[str, t.Any]

STRATEGIES: t.Final = ("stay", "evacuate")
PROVIDERS: t.Final = ("powerdns", "route53")
TYPES: t.Final = ("A", "AAAA", "CNAME")
#: What `dns` may say: options of dns_weight, by their names (a test compares them).
KNOWN: t.Final = (
    *("name", "type", "provider", *PROVIDERS, "full", "members", "ttl"),
    *("min_regions", "max_step", "max_changed", "load", "verify", "observe", "deadline_s", "prometheus"),
)
RAMP: t.Final = (5, 25, 50, 100)
RAMP_HOLD_S: t.Final = 60.0


def dns_problems(request: Mapping[str, t.Any]) -> list[str]:
    """What is wrong with these variables, one sentence each, naming the option. Nothing where there is no `dns`, but
    for a region that needs it.

    `strategies` has every region's `region_strategy`, `hosts` are the regions of the inventory; `ramp_steps` and
    `ramp_hold_s` may be missing.
    """
    problems = [
        f"region_strategy: {strategy!r} of {region} is unknown; use {' or '.join(STRATEGIES)}."
        for region, strategy in (request.get("strategies") or {}).items()
        if strategy not in STRATEGIES
    ]
    leaving = evacuating(request)
    dns = request.get("dns")
    if not dns:
        told = f"region_strategy: {', '.join(leaving)} cannot be evacuated without weights; describe them in dns."
        return [*problems, told] if leaving else problems
    wrong = set_problems(dns)
    problems += wrong
    if not isinstance(dns, Mapping):
        return problems
    given = request.get("ramp_steps")
    steps = RAMP if given is None else given
    problems += _ramp_problems(steps, request.get("ramp_hold_s"))
    full_problems = _full_problems(dns.get("full"), request.get("hosts") or [])
    if not full_problems and not _ramp_problems(steps, None):
        full_problems = _small_problems(dns["full"], int(steps[0]))
        full_problems += _min_regions_problems(dns.get("min_regions", 1), dns["full"])
        if not (wrong or full_problems):
            full_problems += _step_problems(dns["full"], leaving, steps, float(dns.get("max_step", 25)))
        full_problems += [
            f"region_strategy: {region} is evacuated, and dns.full has no weight of it."
            for region in leaving
            if region not in dns["full"]
        ]
    return problems + full_problems


def evacuating(request: Mapping[str, t.Any]) -> list[str]:
    """The regions of the release that are taken out before their slots change."""
    strategies = request.get("strategies") or {}
    return [region for region in request.get("regions") or [] if strategies.get(region) == "evacuate"]


def ramp_of(weight: int, steps: Sequence[t.Any]) -> list[int]:
    """The steps that change something, up to the whole weight; a small one has fewer of them."""
    reached: dict[int, int] = {}
    for step in [*(int(step) for step in steps), 100]:
        reached.setdefault(weight * step // 100, step)
    return [step for share, step in reached.items() if share]


def set_problems(dns: t.Any) -> list[str]:
    """What is wrong with the set itself. No more is needed to read it, or to evacuate a region."""
    if not isinstance(dns, Mapping):
        return ["dns: use a mapping with name, provider and full."]
    problems = [f"dns.{key}: unknown option{hint(key, KNOWN)}." for key in dns if key not in KNOWN]
    return problems + _place_problems(dns)


def _place_problems(dns: Mapping[str, t.Any]) -> list[str]:
    problems = []
    if not isinstance(dns.get("name"), str) or not dns["name"].strip("."):
        problems.append("dns.name: missing; the name that clients resolve, for example api.example.com.")
    if dns.get("type", "A") not in TYPES:
        problems.append(f"dns.type: {dns['type']!r} is unknown; use one of {', '.join(TYPES)}.")
    provider = dns.get("provider")
    if provider not in PROVIDERS:
        problems.append(f"dns.provider: {provider!r} is unknown; use one of {', '.join(PROVIDERS)}.")
    elif not isinstance(dns.get(provider), Mapping) or not dns[provider]:
        problems.append(f"dns.{provider}: missing; say where the zone is.")
    problems += [
        f"dns.{option}: use a mapping."
        for option in ("members", "load", "verify", "observe", "prometheus")
        if option in dns and not isinstance(dns[option], Mapping)
    ]
    if not problems and (dns.get("load") or (dns.get("observe") or {}).get("queries")) and not dns.get("prometheus"):
        problems.append("dns.prometheus: missing; dns.observe and dns.load ask it, from outside of the regions.")
    step = dns.get("max_step", 25)
    if not _number(step) or not 0 < step <= 100:
        problems.append(f"dns.max_step: {step!r} is no number of points from 1 to 100.")
    return problems


def _full_problems(full: t.Any, hosts: Sequence[str]) -> list[str]:
    if not isinstance(full, Mapping) or not full:
        return ["dns.full: missing; the weight of every region when all is well."]
    problems = [
        f"dns.full.{region}: {weight!r} is no whole number from 0 on."
        for region, weight in full.items()
        if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0
    ]
    problems += [f"dns.full: unknown region {region}{hint(region, hosts)}." for region in full if region not in hosts]
    return problems


def _small_problems(full: Mapping[str, int], first: int) -> list[str]:
    """A weight of which the first step of a ramp is nothing."""
    return [
        f"dns.full.{region}: {weight}, of which the first step of a ramp, {first} %, is less than 1; multiply all of "
        "dns.full."
        for region, weight in full.items()
        if weight and weight * first < 100
    ]


def _step_problems(
    full: Mapping[str, int], leaving: Sequence[str], steps: Sequence[t.Any], max_step: float
) -> list[str]:
    """A step of a ramp that the guard max_step of dns_weight would refuse, when the region is long out of the traffic.
    Where nobody else has a weight the region is not evacuated at all."""
    problems = []
    for region in leaving:
        weight = full.get(region, 0)
        others = sum(full.values()) - weight
        share = 0.0
        for step in ramp_of(weight, steps) if others else ():
            reached = weight * step // 100
            after = reached / (reached + others)
            points = round(100 * (after - share), 6)
            if points > max_step:
                problems.append(
                    f"dns_ramp_steps: at {step} % the share of {region} goes from {100 * share:.3g} % to "
                    f"{100 * after:.3g} %, by {points:.3g} points, and dns.max_step is {max_step:g}; give "
                    "dns_ramp_steps a step before it, or raise dns.max_step."
                )
                break
            share = after
    return problems


def _min_regions_problems(least: t.Any, full: Mapping[str, int]) -> list[str]:
    if isinstance(least, bool) or not isinstance(least, int) or least < 1:
        return [f"dns.min_regions: {least!r} is no whole number from 1 on."]
    weighted = sum(1 for weight in full.values() if weight)
    if least > weighted:
        return [f"dns.min_regions: {least} is more than the {weighted} regions that have a weight in dns.full."]
    return []


def _ramp_problems(steps: t.Any, hold_s: t.Any) -> list[str]:
    problems = []
    sound = isinstance(steps, list | tuple) and all(_number(step) and step == int(step) for step in steps)
    if not sound or not steps or list(steps) != sorted(set(steps)) or steps[0] < 1 or steps[-1] != 100:
        problems.append(f"dns_ramp_steps: {steps!r} are no percents that rise to 100, such as {list(RAMP)}.")
    if hold_s is not None and seconds(hold_s) is None:
        problems.append(f"dns_ramp_hold_s: {hold_s!r} is no number of seconds.")
    return problems


def seconds(given: t.Any) -> float | None:
    """None for what is no number of seconds. With -e numbers arrive as text."""
    try:
        found = float(given)
    except (TypeError, ValueError):
        return None
    return found if 0 <= found < math.inf and not isinstance(given, bool) else None


def _number(value: t.Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
