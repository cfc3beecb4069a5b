# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of dns_weight, checked before anything is asked. A weight of 0 is a weight; only null was left out."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import (
    CLUSTER,
    RELEASE,
    UNREACHABLE,
    merge,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_guards import GUARDS, NEVER, Limits
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member, WeightedSet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.providers import PROVIDERS, SPECS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import providers as metrics

Params = Mapping[str, t.Any]

_STATES: t.Final = ("absolute", "shifted", "evacuated", "ramped", "drained", "restored", "status")
_STEPS: t.Final = (5, 25, 50, 100)
_QUERIES: t.Final = 2000
_SLACK_S: t.Final = 5.0

ARGUMENT_SPEC: t.Final = merge(
    CLUSTER,
    UNREACHABLE,
    RELEASE,
    metrics.argument_spec(),
    SPECS,
    {
        "state": {"type": "str", "choices": list(_STATES), "required": True},
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "choices": ["A", "AAAA", "CNAME"], "default": "A"},
        "provider": {"type": "str", "choices": sorted(PROVIDERS), "required": True},
        "full": {"type": "dict", "default": {}},
        "weights": {"type": "dict", "default": {}},
        "shift": {
            "type": "dict",
            "options": {
                "from": {"type": "str", "required": True},
                "to": {"type": "str", "required": True},
                "points": {"type": "float", "required": True},
            },
        },
        "regions": {"type": "list", "elements": "str", "default": []},
        "steps": {"type": "list", "elements": "int", "default": list(_STEPS)},
        "members": {"type": "dict", "default": {}},
        "ttl": {"type": "int", "default": 30},
        "min_regions": {"type": "int", "default": 1},
        "max_step": {"type": "float", "default": 25.0},
        "max_changed": {"type": "float", "default": 30.0},
        "override": {
            "type": "list",
            "elements": "str",
            "choices": [guard for guard in GUARDS if guard != NEVER],
            "default": [],
        },
        "behind": {"type": "list", "elements": "str", "default": []},
        "load": {"type": "dict", "options": {"query": {"type": "str", "required": True}}},
        "verify": {
            "type": "dict",
            "options": {
                "queries": {"type": "int", "default": _QUERIES},
                "resolvers": {"type": "list", "elements": "str", "default": []},
            },
        },
        "observe": {
            "type": "dict",
            "options": {
                "queries": {"type": "dict", "default": {}},
                "connections": {"type": "dict", "default": {}},
                "below": {"type": "float", "default": 0.02},
                "baseline_s": {"type": "float", "default": 60.0},
                "slack_s": {"type": "float", "default": _SLACK_S},
            },
        },
        "deadline_s": {"type": "float", "default": 300.0},
    },
)

#: What a state cannot do without.
_NEEDED: t.Final[Mapping[str, Sequence[str]]] = {
    "absolute": ("weights",),
    "shifted": ("shift",),
    "evacuated": ("regions",),
    "ramped": ("regions", "full"),
    "drained": ("regions", "observe"),
    "restored": ("release",),
}
_MEMBER: t.Final = ("targets", "health", "capacity_rps")


@dataclasses.dataclass(frozen=True)
class Shift:
    source: str
    target: str
    points: float


@dataclasses.dataclass(frozen=True)
class Observe:
    """`queries` and `connections` are PromQL by region; `below` is a share of the baseline."""

    queries: Mapping[str, str]
    connections: Mapping[str, str]
    below: float
    baseline_s: float


@dataclasses.dataclass(frozen=True)
class Options:
    """`shift`, `observe` and `load` are None when they were not given. `made` is the set to make when there is none."""

    state: str
    name: str
    kind: str
    full: Mapping[str, int]
    weights: Mapping[str, int]
    shift: Shift | None
    regions: Sequence[str]
    steps: Sequence[int]
    made: WeightedSet
    limits: Limits
    load: str | None
    #: How often the authority is asked after a write, and with state `status`.
    queries: int
    resolvers: Sequence[str]
    observe: Observe | None
    slack_s: float
    deadline_s: float
    step: str


def options_of(params: Params) -> Options:
    """Check everything. Raises OptionError naming the option."""
    state = params["state"]
    for option in _NEEDED.get(state, ()):
        if not params.get(option):
            raise OptionError(option, f"needed for state {state}")
    if not 0 < params["deadline_s"] < math.inf:
        raise OptionError("deadline_s", "has to be more than 0")
    name = f"{params['name'].lower().removesuffix('.')}."
    full = _weights("full", params["full"])
    regions = list(dict.fromkeys(params["regions"]))
    verify = params.get("verify") or {"queries": 0 if state == "status" else _QUERIES, "resolvers": []}
    if verify["queries"] < 0:
        raise OptionError("verify", "queries cannot be negative")
    load = params.get("load")
    if load:
        metrics.must_choose(params, "needed with load: it counts the requests")
    observe = _observe(params, regions)
    return Options(
        state=state,
        name=name,
        kind=params["type"],
        full=full,
        weights=_weights("weights", params["weights"]),
        shift=_shift(params["shift"]) if params.get("shift") else None,
        regions=regions,
        steps=_steps(params["steps"]),
        made=_made(name, params),
        limits=_limits(params),
        load=load["query"] if load else None,
        queries=verify["queries"],
        resolvers=verify["resolvers"],
        observe=observe,
        slack_s=float((params.get("observe") or {}).get("slack_s", _SLACK_S)),
        deadline_s=float(params["deadline_s"]),
        step=params.get("step") or "",
    )


def _weights(option: str, given: Mapping[str, t.Any]) -> dict[str, int]:
    for region, weight in given.items():
        if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
            raise OptionError(option, f"{region} has {weight!r}, and a weight is a whole number from 0 on")
    return dict(given)


def _shift(given: Mapping[str, t.Any]) -> Shift:
    if given["from"] == given["to"]:
        raise OptionError("shift", f"from and to are both {given['from']}")
    if not 0 < given["points"] <= 100:
        raise OptionError("shift", f"points is {given['points']:g}; give more than 0 and at most 100")
    return Shift(given["from"], given["to"], float(given["points"]))


def _steps(given: Sequence[int]) -> list[int]:
    wrong = [step for step in given if not 0 < step <= 100]
    if wrong or list(given) != sorted(set(given)):
        raise OptionError("steps", f"{list(given)} are not percents from 1 to 100 that rise")
    return list(given)


def _made(name: str, params: Params) -> WeightedSet:
    """The set as it would be made: nothing has a weight yet."""
    members = []
    for region, given in sorted(params["members"].items()):
        if not isinstance(given, Mapping):
            raise OptionError("members", f"{region} is no mapping of {', '.join(_MEMBER)}")
        unknown = sorted(set(given) - set(_MEMBER))
        if unknown:
            raise OptionError("members", f"{region}: there is no option {unknown[0]}")
        targets = given.get("targets") or []
        if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets):
            raise OptionError("members", f"{region}: targets is no list of addresses")
        members.append(Member(region, 0, tuple(targets), None, given.get("health")))
    if params["ttl"] < 0:
        raise OptionError("ttl", "cannot be negative")
    return WeightedSet(name, params["type"], tuple(members), {member.region: params["ttl"] for member in members})


def _limits(params: Params) -> Limits:
    if params["min_regions"] < 1:
        raise OptionError("min_regions", "has to be 1 or more")
    for option in ("max_step", "max_changed"):
        if not 0 < params[option] <= 100:
            raise OptionError(option, f"is {params[option]:g}; give more than 0 and at most 100")
    capacities = {}
    for region, given in params["members"].items():
        capacity = given.get("capacity_rps")
        if capacity is None:
            continue
        if isinstance(capacity, bool) or not isinstance(capacity, (int, float)) or capacity <= 0:
            raise OptionError("members", f"{region}: capacity_rps is {capacity!r}; give a number above 0")
        capacities[region] = float(capacity)
    return Limits(
        params["min_regions"],
        params["max_step"],
        params["max_changed"],
        capacities,
        frozenset(params["behind"]),
        frozenset(params["override"]),
    )


def _observe(params: Params, regions: Sequence[str]) -> Observe | None:
    given = params.get("observe")
    if not given:
        return None
    if not 0 < given["below"] < 1:
        raise OptionError("observe", f"below is {given['below']:g}; give a share between 0 and 1")
    if given["baseline_s"] <= 0 or given["slack_s"] < 0:
        raise OptionError("observe", "baseline_s has to be more than 0, and slack_s not negative")
    for option in ("queries", "connections"):
        for region, query in given[option].items():
            if not isinstance(query, str) or not query.strip():
                raise OptionError("observe", f"{option}: the query of {region} is empty")
    if params["state"] == "drained" and any(region in given["queries"] for region in regions):
        metrics.must_choose(params, "needed for state drained: it counts the requests")
    return Observe(given["queries"], given["connections"], given["below"], given["baseline_s"])
