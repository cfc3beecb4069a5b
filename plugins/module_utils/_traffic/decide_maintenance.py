# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a route is during a maintenance, and what it and the scale become after it. Pure.

Only one part of a route is written: the `rules` of an HTTPRoute, of which only the backends change, or the `selector`
of a Service.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route, selector

JsonObject = dict[str, t.Any]

#: The kinds that are written, and the part of each.
PARTS: t.Final = {route.KIND: "rules", selector.KIND: "selector"}


@dataclasses.dataclass(frozen=True)
class Answering:
    """The Service that answers during a maintenance, and the pods that it selects."""

    name: str
    port: int
    selector: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Back:
    """What a route becomes, and a sentence for everything that stays as somebody else made it."""

    part: t.Any
    kept: tuple[str, ...] = ()


def part_of(obj: Mapping[str, t.Any]) -> t.Any:
    """The part of a route that a maintenance writes."""
    return (obj.get("spec") or {}).get(PARTS[obj["kind"]])


def with_part(obj: Mapping[str, t.Any], part: t.Any) -> JsonObject:
    """The route with another such part."""
    return {**obj, "spec": {**obj["spec"], PARTS[obj["kind"]]: part}}


def answered(obj: Mapping[str, t.Any], answering: Answering) -> JsonObject:
    """The route as it sends everything to the maintenance answer.

    Rules by which a slot is probed stay: nobody but an operator asks by them, and a slot has to be probed before it
    gets its traffic back. A rule without backends, a redirect, needs none.
    """
    if obj["kind"] == selector.KIND:
        return with_part(obj, dict(answering.selector))
    backend = {"group": "", "kind": "Service", "name": answering.name, "port": answering.port, "weight": 1}
    return with_part(
        obj,
        [
            {**rule, "backendRefs": [backend]} if rule.get("backendRefs") and not _is_probe(rule) else rule
            for rule in part_of(obj) or []
        ],
    )


def is_answered(obj: Mapping[str, t.Any], answering: Answering) -> bool:
    """Whether any of it sends to the maintenance answer."""
    if obj["kind"] == selector.KIND:
        return bool(part_of(obj) == answering.selector)
    return answering.name in route.backends_of(obj)


def text_of(obj: Mapping[str, t.Any] | None) -> str:
    """Where a route sends to, for people and to compare."""
    if obj is None:
        return "nothing"
    if obj["kind"] == selector.KIND:
        return ",".join(f"{key}={value}" for key, value in sorted((part_of(obj) or {}).items()))
    return "; ".join(_backends(rule) for rule in part_of(obj) or [])


def way_back(what: str, obj: Mapping[str, t.Any], before: t.Any, after: t.Any) -> Back:
    """What becomes of a route, whose part was `before` and was written as `after`. What somebody else changed since
    stays. `what` is what people know it by: `HTTPRoute core-api`."""
    live = part_of(obj)
    if live == after:
        return Back(before)
    if obj["kind"] == selector.KIND:
        return _selector_back(what, live or {}, before or {}, after or {})
    return _rules_back(what, live or [], before or [], after or [])


def scale_back(what: str, before: int, live: int | None) -> tuple[int | None, str | None]:
    """The replicas to set, and what is told of a workload that somebody else scaled or removed meanwhile."""
    if live is None:
        return None, f"{what} was removed by somebody else; it stays away"
    if live == 0:
        return before, None
    said = f"{what} has {live} replicas, scaled by somebody else meanwhile ({before} before); it stays"
    return None, None if live == before else said


def _selector_back(what: str, live: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str]) -> Back:
    """Half of a selector selects nothing, so what we wrote goes back as a whole or not at all."""
    ours = {*before, *after}
    if {key: value for key, value in live.items() if key in ours} != after:
        return Back(dict(live), (f"{what}: its selector was changed by somebody else meanwhile; it stays",))
    theirs = {key: value for key, value in live.items() if key not in ours}
    return Back({**before, **theirs}, (f"{what}: somebody else added {', '.join(sorted(theirs))}; it stays",))


def _rules_back(
    what: str, live: Sequence[JsonObject], before: Sequence[JsonObject], after: Sequence[JsonObject]
) -> Back:
    places = _places(live, after)
    rules: list[JsonObject] = []
    kept: list[str] = []
    for number, (rule, place) in enumerate(zip(live, places, strict=True), start=1):
        if place is None:
            rules.append(rule)
            kept.append(f"{what}: rule {number} was added by somebody else, to {_backends(rule)}; it stays")
        elif rule.get("backendRefs") != after[place].get("backendRefs"):
            rules.append(rule)
            kept.append(f"{what}: rule {number} was sent to {_backends(rule)} by somebody else; it stays")
        else:
            own = {"backendRefs": before[place]["backendRefs"]} if "backendRefs" in before[place] else {}
            rules.append({**rule, **own})
            if _rest(rule) != _rest(after[place]):
                kept.append(f"{what}: rule {number} was changed by somebody else; all but its backends stays")
    kept += [
        f"{what}: the rule to {_backends(rule)} was removed by somebody else; it stays away"
        for place, rule in enumerate(before)
        if place not in places
    ]
    return Back(rules, tuple(kept))


def _places(live: Sequence[JsonObject], after: Sequence[JsonObject]) -> list[int | None]:
    """Which rule of ours each one is: by everything but its backends, or else by its place when none came or went."""
    places: list[int | None] = []
    for number, rule in enumerate(live):
        same = [n for n, mine in enumerate(after) if n not in places and _rest(mine) == _rest(rule)]
        places.append(number if number in same else min(same, default=None))
    if len(live) == len(after):
        free = [number for number in range(len(after)) if number not in places]
        places = [number if place is None and number in free else place for number, place in enumerate(places)]
    return places


def _rest(rule: Mapping[str, t.Any]) -> JsonObject:
    return {key: value for key, value in rule.items() if key != "backendRefs"}


def _is_probe(rule: Mapping[str, t.Any]) -> bool:
    matches = rule.get("matches") or []
    return bool(matches) and all(
        any(str(header.get("name")).lower() == route.SLOT_HEADER for header in match.get("headers") or [])
        for match in matches
    )


def _backends(rule: Mapping[str, t.Any]) -> str:
    shares = [f"{backend.get('name')} {backend.get('weight', 1)}" for backend in rule.get("backendRefs") or []]
    return ", ".join(shares) or "no backend"
