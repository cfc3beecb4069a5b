# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traffic of a model in the rules of its HTTPRoute, and back. Pure.

Weights are those of `_traffic/route.py`. Copies and buckets are rules of our own beside the ones that are there, known
by their names, so that they go away without a trace:

* Copies: a rule that matches only the paths that may be copied, in front of all others. The most specific match wins,
  so a rule for a path also takes away the requests for it that a rule with a header but a shorter path had. Each of
  these rules is repeated for that path, in the same order; those that send to both slots copy, the probes of a slot
  do not.
* Buckets: a rule with one more header, behind all others. It wins over the rule that it repeats because it matches
  more, and a probe of a slot wins over it because it comes first. It names both slots, so that whoever sets weights
  without knowing of buckets takes them away.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_paths import (
    Path,
    cover_problem,
    covering,
    matches_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    PARTS,
    Buckets,
    Mirror,
    Note,
    Traffic,
    is_header,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route as routes

JsonObject = dict[str, t.Any]

NOTE_ANNOTATION: t.Final = "pincex.io/model"
_MIRROR: t.Final = "pincex-model-mirror-"
_BUCKETS: t.Final = "pincex-model-buckets-"
#: What an HTTPRoute takes.
_MOST_RULES, _MOST_FILTERS, _MOST_HEADERS = 16, 16, 16
_MOST_MATCHES, _MOST_MATCHES_OF_A_RULE = 128, 64
_METHODS: t.Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")


@dataclasses.dataclass(frozen=True)
class MirrorRules:
    """Which requests may be copied. `paths`: each as it is, or with `/*` at its end everything below it too. `method`:
    None for all. `strip`: headers that these requests lose; for both slots, because the Gateway API has no filter for
    the copy alone."""

    paths: tuple[str, ...]
    method: str | None = None
    strip: tuple[str, ...] = ()


def traffic_of(route: Mapping[str, t.Any]) -> Traffic | None:
    """What the route gives to the slots; None when it sends to none of them."""
    name = route["metadata"]["name"]
    weights = routes.weights_of(_bare(route))
    if weights is None:
        return None
    return Traffic(weights, _mirror_of(_rules(route), name), _buckets_of(_rules(route), name, weights))


def note_of(route: Mapping[str, t.Any]) -> Note | None:
    """What is noted on the route. Raises ValueError when it was edited."""
    text = (route["metadata"].get("annotations") or {}).get(NOTE_ANNOTATION)
    return None if text is None else Note.of_text(text)


def mirrored_of(route: Mapping[str, t.Any]) -> MirrorRules | None:
    """Which requests the route copies, None when it has no rule of ours for that."""
    name = route["metadata"]["name"]
    copying = [rule for rule in _rules(route) if _is_ours(rule, _MIRROR) and _mirror_of([rule], name)]
    if not copying:
        return None
    matches = [match for rule in copying for match in matches_of(rule)]
    paths = dict.fromkeys(Path.of_match(match).text for match in matches)
    strip = set.intersection(*({name.lower() for name in _removed(rule)} for rule in copying))
    return MirrorRules(tuple(paths), matches[0].get("method"), tuple(sorted(strip)))


def copies_these(route: Mapping[str, t.Any], mirrored: MirrorRules) -> bool:
    """Whether the requests that the route copies are these, whatever their share is and which headers they lose."""
    live = [match for rule in _rules(route) if _is_ours(rule, _MIRROR) for match in matches_of(rule)]
    meant = [match for matches in _copied(_rules(_bare(route)), mirrored).values() for match in matches]
    # In which order they were named says nothing.
    one, other = (sorted(json.dumps(match, sort_keys=True) for match in matches) for matches in (live, meant))
    return one == other


def losses(mirrored: MirrorRules) -> str:
    """What the champion does without while requests are copied. `strip` is not empty."""
    names, paths = sorted({name.lower() for name in mirrored.strip}), ", ".join(mirrored.paths)
    headers = " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
    return f"while requests for {paths} are copied, the champion gets them without {headers} too"


def with_traffic(
    route: Mapping[str, t.Any], traffic: Traffic, note: Note | None, mirrored: MirrorRules | None = None
) -> JsonObject:
    """The route with this traffic and note, and everything else as it is. `mirrored` is needed where something is
    copied; `route_problem` has to be None."""
    changed = routes.with_weights(_bare(route), traffic.weights)
    if traffic.mirror is not None and mirrored is not None:
        changed["spec"]["rules"] = _copying(changed, traffic.mirror, mirrored) + _rules(changed)
    if traffic.buckets is not None:
        changed["spec"]["rules"] = _rules(changed) + list(_bucketing(changed, traffic.buckets))
    annotations = {**(changed["metadata"].get("annotations") or {}), NOTE_ANNOTATION: note.to_text() if note else None}
    left = {key: value for key, value in annotations.items() if value is not None}
    changed["metadata"].pop("annotations", None)
    return {**changed, "metadata": {**changed["metadata"], **({"annotations": left} if left else {})}}


def route_problem(route: Mapping[str, t.Any], traffic: Traffic, mirrored: MirrorRules | None) -> str | None:
    """Why this route cannot carry this traffic; None when it can."""
    name, found = route["metadata"]["name"], _rules(_bare(route))
    problem = None
    if traffic.mirror is not None:
        problem = _mirrored_problem(found, name, mirrored)
    elif traffic.buckets is not None:
        problem = _header_problem(found, name, traffic.buckets.header)
    if problem:
        return problem
    return _room_problem(with_traffic(route, traffic, None, mirrored))


def dropped(wanted: Mapping[str, t.Any], stored: Mapping[str, t.Any]) -> str | None:
    """What an API server has thrown away of the rules, because its definitions of the Gateway API are too old for it;
    None when all is there. Without the percentage it would copy every request."""

    def marks(obj: Mapping[str, t.Any]) -> list[t.Any]:
        return [
            (rule.get("name"), [_percent(found["requestMirror"]) for found in _mirrors(rule)]) for rule in _rules(obj)
        ]

    if marks(wanted) == marks(stored):
        return None
    return (
        "the API server does not keep the names of rules or the percentage of a mirror, so its definitions of the "
        "Gateway API are older than 1.4; nothing was written; install the definitions of 1.4 or later"
    )


def _rules(route: Mapping[str, t.Any]) -> list[JsonObject]:
    return list((route.get("spec") or {}).get("rules") or [])


def _is_ours(rule: Mapping[str, t.Any], prefix: str = "") -> bool:
    return str(rule.get("name") or "").startswith((prefix,) if prefix else (_MIRROR, _BUCKETS))


def _bare(route: Mapping[str, t.Any]) -> JsonObject:
    """The route without any copies and buckets. A copy to a slot is none of anybody else's, wherever it is."""
    bare = copy.deepcopy(dict(route))
    kept = [rule for rule in _rules(bare) if not _is_ours(rule)]
    for rule in kept:
        slots = _slot_services(route["metadata"]["name"])
        if any(_target(found) in slots for found in _mirrors(rule)):
            rule["filters"] = [found for found in rule["filters"] if _target(found) not in slots]
            if not rule["filters"]:
                del rule["filters"]
    if "spec" in bare:
        bare["spec"]["rules"] = kept
    return bare


def _slot_services(name: str) -> dict[str, str]:
    return {f"{name}-{slot}": slot for slot in routes.SLOTS}


def _mirrors(rule: Mapping[str, t.Any]) -> list[JsonObject]:
    return [found for found in rule.get("filters") or [] if found.get("requestMirror")]


def _target(found: Mapping[str, t.Any]) -> str:
    return str(((found.get("requestMirror") or {}).get("backendRef") or {}).get("name"))


def _percent(mirror: Mapping[str, t.Any]) -> float:
    if "percent" in mirror:
        return float(mirror["percent"])
    fraction = mirror.get("fraction")
    # Neither of them copies everything.
    return 100.0 if fraction is None else 100 * fraction["numerator"] / fraction.get("denominator", 100)


def _mirror_of(rules: Sequence[Mapping[str, t.Any]], name: str) -> Mirror | None:
    slots = _slot_services(name)
    for rule in rules:
        for found in _mirrors(rule):
            percent = _percent(found["requestMirror"])
            if _target(found) in slots and percent:
                return Mirror(slots[_target(found)], percent)
    return None


def _buckets_of(rules: Sequence[Mapping[str, t.Any]], name: str, weights: Mapping[str, int]) -> Buckets | None:
    for rule in rules:
        if not _is_ours(rule, _BUCKETS):
            continue
        slots = [slot for slot, backend in (_slots_in(rule, name) or {}).items() if backend.get("weight", 1)]
        header = (matches_of(rule)[0].get("headers") or [{}])[-1]
        count = _buckets_in(str(header.get("value")))
        # Whoever gives the same weights to every rule takes the buckets away.
        if len(slots) == 1 and count and not weights[slots[0]]:
            return Buckets(slots[0], str(header["name"]), count)
    return None


def _slots_in(rule: Mapping[str, t.Any], name: str) -> dict[str, JsonObject] | None:
    """The backends of the slots in a rule that sends to both, None for any other."""
    services = _slot_services(name)
    found = {services[b["name"]]: b for b in rule.get("backendRefs") or [] if b.get("name") in services}
    return found if len(found) == len(routes.SLOTS) else None


def _removed(rule: Mapping[str, t.Any]) -> list[str]:
    return [
        str(name)
        for found in rule.get("filters") or []
        for name in (found.get("requestHeaderModifier") or {}).get("remove") or []
    ]


def _copying(route: JsonObject, mirror: Mirror, mirrored: MirrorRules) -> list[JsonObject]:
    """The rules for the paths that are copied."""
    found = _rules(route)
    matches = _copied(found, mirrored)
    made = []
    for count, number in enumerate(sorted(matches), start=1):
        rule = {**copy.deepcopy(found[number]), "name": f"{_MIRROR}{count}", "matches": matches[number]}
        slots = _slots_in(rule, route["metadata"]["name"])
        if slots is not None:
            rule["filters"] = [*_without_headers(rule, mirrored.strip), _mirror_filter(slots[mirror.slot], mirror)]
        made.append(rule)
    return made


def _copied(rules: Sequence[JsonObject], mirrored: MirrorRules) -> dict[int, list[JsonObject]]:
    """The matches of the requests for these paths, by the index of the rule that they come to."""
    matches: dict[int, list[JsonObject]] = {}
    method = {"method": mirrored.method} if mirrored.method else {}
    for text in mirrored.paths:
        path = Path.of_text(text)
        for number, match in covering(rules, path, mirrored.method):
            matches.setdefault(number, []).append({**match, "path": path.to_match(), **method})
    return matches


def _without_headers(rule: Mapping[str, t.Any], strip: Sequence[str]) -> list[JsonObject]:
    """The filters of the rule, so that they take these headers away as well. There may be only one of that type."""
    filters: list[JsonObject] = list(rule.get("filters") or [])
    if not strip:
        return filters
    more = sorted({name.lower() for name in strip} - {name.lower() for name in _removed(rule)})
    for found in filters:
        if found.get("requestHeaderModifier") is not None:
            modifier = found["requestHeaderModifier"]
            found["requestHeaderModifier"] = {**modifier, "remove": [*(modifier.get("remove") or []), *more]}
            return filters
    return [*filters, {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": more}}]


def _mirror_filter(backend: Mapping[str, t.Any], mirror: Mirror) -> JsonObject:
    """With everything that the API server would fill in, so that what is read is what was written."""
    target = {"group": backend.get("group", ""), "kind": backend.get("kind", "Service"), "name": backend["name"]}
    target |= {key: backend[key] for key in ("namespace", "port") if key in backend}
    share: JsonObject = {"percent": round(mirror.percent)}
    if mirror.percent != round(mirror.percent):
        share = {"fraction": {"numerator": round(mirror.percent * PARTS / 100), "denominator": PARTS}}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": target, **share}}


def _bucketing(route: JsonObject, buckets: Buckets) -> Iterator[JsonObject]:
    """The rules for the buckets."""
    header = {"type": "RegularExpression", "name": buckets.header, "value": bucket_pattern(buckets.percent)}
    known: list[JsonObject] = []
    count = 0
    for rule in _rules(route):
        # With one more header it would get what comes to the first rule with that match.
        reached = [match for match in matches_of(rule) if match not in known]
        known += reached
        if _slots_in(rule, route["metadata"]["name"]) is None or not reached:
            continue
        count += 1
        made = {**copy.deepcopy(rule), "name": f"{_BUCKETS}{count}"}
        for slot, backend in (_slots_in(made, route["metadata"]["name"]) or {}).items():
            backend["weight"] = 100 if slot == buckets.slot else 0
        made["matches"] = [{**match, "headers": [*(match.get("headers") or []), header]} for match in reached]
        yield made


def bucket_pattern(count: int) -> str:
    """The first of 100 buckets, as a regular expression in the syntax that all data planes know (RE2)."""
    tens, ones = divmod(count, 10)
    parts = [f"[0-{tens - 1}][0-9]"] if tens else []
    parts += [f"{tens}[0-{ones - 1}]"] if ones else []
    return f"^({'|'.join(parts)})$"


def _buckets_in(pattern: str) -> int:
    """How many buckets somebody's pattern is for: ours may have been edited."""
    try:
        return sum(re.fullmatch(pattern, f"{number:02d}") is not None for number in range(100))
    except re.error:
        return 0


def _mirrored_problem(rules: Sequence[JsonObject], name: str, mirrored: MirrorRules | None) -> str | None:
    if mirrored is None or not mirrored.paths:
        return "no path is named that may be copied; name those of the idempotent requests in mirror.paths"
    if mirrored.method is not None and mirrored.method not in _METHODS:
        return f"{mirrored.method} is no method (there are: {', '.join(_METHODS)})"
    wrong = next((header for header in mirrored.strip if not is_header(header)), None)
    if wrong is not None:
        return f"{wrong!r} is no name of a header to be taken away"
    twice = next((path for path in mirrored.paths if mirrored.paths.count(path) > 1), None)
    if twice is not None:
        return f"the path {twice} is named twice"
    paths = [Path.of_text(text) for text in mirrored.paths]
    return next((problem for path in paths if (problem := _path_problem(rules, name, path, mirrored.method))), None)


def _path_problem(rules: Sequence[JsonObject], name: str, path: Path, method: str | None) -> str | None:
    problem = path.problem or cover_problem(rules, path, method)
    if problem:
        return problem
    if any(_slots_in(rules[number], name) for number, _match in covering(rules, path, method)):
        return None
    return f"no rule that sends to both slots gets the requests for {path.text}"


def _header_problem(rules: Sequence[JsonObject], name: str, header: str) -> str | None:
    for rule in rules:
        if not _slots_in(rule, name):
            if any(match.get("queryParams") for match in matches_of(rule)):
                return "a rule matches query parameters, and a header would win over these; take that rule away first"
            continue
        for match in matches_of(rule):
            headers = [str(found["name"]).lower() for found in match.get("headers") or []]
            if header.lower() in headers:
                return f"a rule matches the header {header} already; name another one for the buckets"
            if len(headers) >= _MOST_HEADERS:
                return f"a rule matches {len(headers)} headers already, and {_MOST_HEADERS} are the most"
    return None


def _room_problem(route: Mapping[str, t.Any]) -> str | None:
    """Why an API server would not take so many rules."""
    rules = _rules(route)
    matches = [len(matches_of(rule)) for rule in rules]
    for count, most, what in (
        (len(rules), _MOST_RULES, "rules"),
        (max(matches, default=0), _MOST_MATCHES_OF_A_RULE, "matches in one rule"),
        (sum(matches), _MOST_MATCHES, "matches"),
        (max((len(rule.get("filters") or []) for rule in rules), default=0), _MOST_FILTERS, "filters in one rule"),
    ):
        if count > most:
            return f"it would have {count} {what}, and {most} are the most; name fewer paths, or make the route smaller"
    return None
