# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of model_shadow, checked before anything is asked."""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import (
    CLUSTER,
    RELEASE,
    UNREACHABLE,
    merge,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import registries, rules, sources, take_back
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_paths import Path
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_rules import MirrorRules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_side_effects import CHECKS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import (
    WEIGHTS,
    Ladder,
    Strategy,
    ladder_problem,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.take_back import TakeBack, take_back_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS

Params = Mapping[str, t.Any]
State = t.Literal["deployed", "stepped", "judged", "promoted", "rolled_back", "restored", "status"]

_STATES: t.Final = t.get_args(State)
#: The share of the requests that are copied, or of the buckets, where nobody said.
_PERCENT: t.Final[Mapping[Strategy, float]] = {"shadow": 10.0, "canary": 0.0, "ab": 50.0, "direct": 0.0}
#: As the name of a route, with the longest slot behind it.
_MODEL: t.Final = re.compile(r"[a-z](?:[-a-z0-9]{0,50}[a-z0-9])?")

ARGUMENT_SPEC: t.Final = merge(
    CLUSTER,
    UNREACHABLE,
    RELEASE,
    {
        "state": {"type": "str", "choices": list(_STATES), "default": "deployed"},
        "model": {"type": "str", "required": True},
        "version": {"type": "str"},
        "champion": {"type": "str"},
        "slot": {"type": "str", "choices": list(SLOTS)},
        "strategy": {"type": "str", "choices": list(WEIGHTS), "default": "shadow"},
        "percent": {"type": "float"},
        "steps": {"type": "list", "elements": "int", "default": list(WEIGHTS["canary"])},
        "bucket_header": {"type": "str", "default": "x-model-bucket"},
        "weight": {"type": "int"},
        "mirror": {
            "type": "dict",
            "apply_defaults": True,
            "options": {
                "paths": {"type": "list", "elements": "str", "default": []},
                "method": {"type": "str", "default": "POST"},
                "strip_headers": {"type": "list", "elements": "str", "default": ["authorization", "cookie"]},
            },
        },
        "route": {
            "type": "dict",
            "options": {
                "probe": {
                    "type": "dict",
                    "options": {
                        "url": {"type": "str", "required": True},
                        "path": {"type": "str", "default": "/health/ready"},
                        "requests": {"type": "int", "default": 60},
                        "timeout_s": {"type": "float", "default": 5.0},
                        "ca_cert": {"type": "path"},
                    },
                },
            },
        },
        "registry": {"type": "dict", "options": registries.SPEC},
        "sources": {"type": "list", "elements": "dict", "default": [], "options": sources.SPEC},
        "judge": {"type": "dict", "apply_defaults": True, "options": rules.SPEC},
        "since": {"type": "float"},
        "take_back": {"type": "dict", "options": take_back.SPEC},
        "report": {"type": "path"},
        "fail_on": {"type": "list", "elements": "str", "choices": ["fail", "hold"], "default": []},
        "override": {"type": "list", "elements": "str", "choices": list(CHECKS), "default": []},
        "actor": {"type": "str"},
        "reason": {"type": "str"},
        "deadline_s": {"type": "float", "default": 60.0},
    },
)

#: What a state cannot do without, in a region and in the registry.
_NEEDED_BY_ROUTE: t.Final[Mapping[State, Sequence[str]]] = {
    "deployed": ("version", "slot"),
    "stepped": ("weight",),
    "restored": ("release",),
    "judged": ("sources",),
}
_NEEDED_BY_REGISTRY: t.Final[Mapping[State, Sequence[str]]] = {
    "deployed": ("version", "actor", "reason"),
    "promoted": ("version", "actor", "reason"),
    "rolled_back": ("version", "actor", "reason"),
    "judged": ("sources",),
}
#: The states that know a route alone.
_IN_A_REGION: t.Final = ("stepped", "restored")
#: The states that move aliases forward. A way back also goes where the fleet could not be locked.
_LOCKED: t.Final = ("deployed", "promoted")


@dataclasses.dataclass(frozen=True)
class Options:
    """`version`, `champion`, `actor`, `reason`, `report`: empty where they were not given, `slot`, `weight` and `since`
    None. `weights` are those of the strategy, in percent; `percent` is the share of the requests that are copied, or of
    the buckets. `in_region`: the task works on a route. `take_back`: what a judgement does at once."""

    state: State
    model: str
    version: str
    champion: str
    slot: str | None
    strategy: Strategy
    weights: tuple[int, ...]
    percent: float
    header: str
    weight: int | None
    mirrored: MirrorRules
    in_region: bool
    registered: str
    since: float | None
    report: str
    fail_on: frozenset[str]
    override: Sequence[str]
    actor: str
    reason: str
    step: str
    deadline_s: float
    take_back: TakeBack | None = None


def options_of(params: Params, *, check_mode: bool = False) -> Options:
    """Check everything. Raises OptionError naming the option."""
    state: State = params["state"]
    in_region, registry = params.get("route") is not None, params.get("registry")
    _must_have_a_place(params, state, in_region)
    for option in (_NEEDED_BY_ROUTE if in_region else _NEEDED_BY_REGISTRY).get(state, ()):
        # 0 is a weight.
        if params.get(option) in (None, "", [], {}):
            raise OptionError(option, f"needed for state {state} {'with a route' if in_region else 'without a route'}")
    if state in _LOCKED and not in_region and not check_mode and not params.get("release"):
        problem = "the aliases move under the lock of the fleet; open a change of kind model with release_journal"
        raise OptionError("release", f"needed for state {state} without a route: {problem}")
    if not _MODEL.fullmatch(params["model"]):
        raise OptionError(
            "model", f"{params['model']!r} is no name of a route; give a letter, then up to 51 of a-z, 0-9 and -"
        )
    for option in ("version", "champion"):
        given = params.get(option)
        if given is not None and not given.strip():
            raise OptionError(option, "is empty; leave it out, or name a version")
    if params.get("version") and params.get("version") == params.get("champion"):
        raise OptionError("champion", f"{params['champion']} is the version itself; it cannot be its own challenger")
    _must_be_positive("deadline_s", params["deadline_s"])
    if registry is not None:
        _must_be_positive("registry.timeout_s", registry["timeout_s"])
    _check_probe((params.get("route") or {}).get("probe"))
    if params.get("since") is not None and not 0 <= params["since"] < math.inf:
        raise OptionError("since", f"is {params['since']:g}; give unix seconds")
    strategy: Strategy = params["strategy"]
    percent = _percent(params, strategy)
    weights = _weights(params, strategy, percent)
    weight = params.get("weight")
    # A region has the steps that are noted on its route.
    if weight is not None and not in_region and weight not in weights:
        raise OptionError("weight", f"{weight} is no step of {strategy}, which has {', '.join(map(str, weights))}")
    # Only what is wrong in it counts here; the shares are those of the case that is judged.
    rules.judging_of(params["judge"], mirrored=0.0, serves=False)
    mirrored = _mirrored(params)
    if state == "deployed" and in_region and strategy == "shadow" and not mirrored.paths:
        raise OptionError("mirror.paths", "needed for strategy shadow: only requests that may be sent twice are copied")
    everything = next((path for path in mirrored.paths if Path.of_text(path) == Path("/", prefix=True)), None)
    if everything is not None:
        raise OptionError(
            "mirror.paths", f"{everything} copies every request; name the paths of those that may be sent twice"
        )
    return Options(
        state=state,
        model=params["model"],
        version=params.get("version") or "",
        champion=params.get("champion") or "",
        slot=params.get("slot"),
        strategy=strategy,
        weights=weights,
        percent=percent,
        header=params["bucket_header"],
        weight=weight,
        mirrored=mirrored,
        in_region=in_region,
        registered=(registry or {}).get("model") or params["model"],
        since=params.get("since"),
        report=params.get("report") or "",
        fail_on=frozenset(params["fail_on"]),
        override=params["override"],
        actor=params.get("actor") or "",
        reason=params.get("reason") or "",
        step=params.get("step") or state,
        deadline_s=float(params["deadline_s"]),
        take_back=take_back_of(params, state, in_region),
    )


def _must_have_a_place(params: Params, state: State, in_region: bool) -> None:
    """One task works on a region or on the registry of the fleet, so that each has its own lock and its own result."""
    if in_region and params.get("registry") is not None:
        raise OptionError("registry", "is there with route; give them to two tasks, of the region and of the fleet")
    if in_region:
        return
    if state in _IN_A_REGION:
        raise OptionError("route", f"needed for state {state}, which works on the route of a region")
    if params.get("registry") is not None:
        return
    if state != "judged":
        raise OptionError("route", f"needed for state {state}, or registry for the fleet's part of it")
    for option in ("version", "champion", "since"):
        if params.get(option) is None:
            raise OptionError(option, "needed for state judged without route and registry, which would know it")


def _must_be_positive(option: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise OptionError(option, f"is {value:g}; give more than 0")


def _check_probe(probe: Params | None) -> None:
    if probe is None:
        return
    if "@" in probe["url"]:
        raise OptionError("route.probe.url", "it holds a user; the gateway is asked without one")
    if probe["requests"] < 1:
        raise OptionError("route.probe.requests", f"is {probe['requests']}; give 1 or more")
    _must_be_positive("route.probe.timeout_s", probe["timeout_s"])


def _percent(params: Params, strategy: Strategy) -> float:
    given = params.get("percent")
    if given is None:
        return _PERCENT[strategy]
    if strategy not in ("shadow", "ab"):
        shares = "its shares are steps" if strategy == "canary" else "its share is 100"
        raise OptionError("percent", f"is not for strategy {strategy}; {shares}")
    if not 0 < given <= 100:
        raise OptionError("percent", f"is {given:g}; give more than 0 and at most 100")
    if strategy == "ab" and given != int(given):
        raise OptionError("percent", f"is {given:g}; there are 100 buckets, give a whole number")
    return float(given)


def _weights(params: Params, strategy: Strategy, percent: float) -> tuple[int, ...]:
    weights = {**WEIGHTS, "canary": tuple(params["steps"]), "ab": (int(percent),)}[strategy]
    if problem := ladder_problem(Ladder(strategy, weights)):
        raise OptionError("steps", problem)
    if strategy == "canary" and weights[0] == 0:
        raise OptionError("steps", "the first weight is 0, which is no traffic; begin with 1 or more")
    return weights


def _mirrored(params: Params) -> MirrorRules:
    given = params["mirror"]
    method = given["method"].strip().upper()
    return MirrorRules(tuple(given["paths"]), method or None, tuple(given["strip_headers"]))
