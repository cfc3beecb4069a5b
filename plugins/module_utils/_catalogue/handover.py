# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an engine of the catalogue (strategy `drain`) is handed over: what its entry may say, and what drain_trading is
asked for. Pure."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.hints import hint
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.decide_budget import budget_of, problems

JsonObject = dict[str, t.Any]

#: What drain_trading gives each step unless it is told otherwise, in seconds (a test compares them).
STEP_S: t.Final[Mapping[str, float]] = {"catch_up": 60.0, "prove": 120.0, "sessions": 60.0}
INVARIANTS: t.Final = tuple(f"I{number}" for number in range(1, 10))
#: Nobody but the gateways can tell these.
_OF_GATEWAYS: t.Final = ("I2", "I9")


@dataclasses.dataclass(frozen=True)
class Handover:
    """What an entry says of it, with every default filled in. Times are seconds."""

    gateways: tuple[str, ...] = ()
    gateway_port: int = 8080
    cut_deadline_s: float = 10.0
    deadline_s: float = 300.0
    announce_s: float = 0.0
    max_lag: int = 1000
    contract: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    allow_unknown: tuple[str, ...] = ()


_KNOWN: t.Final = tuple(field.name for field in dataclasses.fields(Handover))
#: Name -> type, least value, largest value.
_NUMBERS: t.Final[Mapping[str, tuple[type[int] | type[float], float, float]]] = {
    "gateway_port": (int, 1, 65535),
    "max_lag": (int, 0, math.inf),
    "cut_deadline_s": (float, 0.1, 3600),
    "deadline_s": (float, 1, 86400),
    "announce_s": (float, 0, 86400),
}


def handover_problems(option: str, given: t.Any, service: str, services: Mapping[str, t.Any]) -> list[str]:
    """Everything that is wrong with an entry's `handover`, one sentence each, naming the option."""
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        return [f"{option}: use a mapping."]
    found = [f"{option}.{key}: unknown option{hint(key, _KNOWN)}." for key in given if key not in _KNOWN]
    for key, (kind, low, high) in _NUMBERS.items():
        if key in given and not _is_number(given[key], kind, low, high):
            top = "" if high == math.inf else f" to {high:g}"
            found.append(f"{option}.{key}: {given[key]!r} is not a number from {low:g}{top}.")
    lists = [key for key in ("gateways", "allow_unknown") if not isinstance(given.get(key) or [], list | tuple)]
    found += [f"{option}.{key}: use a list." for key in lists]
    if not isinstance(given.get("contract") or {}, Mapping):
        found.append(f"{option}.contract: use a mapping.")
    if not lists:
        found += _list_problems(option, given, service, services)
    return found or _time_problems(option, parsed_handover(given))


def _list_problems(option: str, given: Mapping[str, t.Any], service: str, services: Mapping[str, t.Any]) -> list[str]:
    gateways, allowed = given.get("gateways") or [], given.get("allow_unknown") or []
    others = [name for name in services if name != service]
    found = [
        f"{option}.gateways: {name} is the engine itself."
        if name == service
        else f"{option}.gateways: unknown service {name}{hint(str(name), others)}."
        for name in gateways
        if name not in others
    ]
    found += [
        f"{option}.allow_unknown: {one!r} is no invariant; use some of {', '.join(INVARIANTS)}."
        for one in allowed
        if one not in INVARIANTS
    ]
    missing = [one for one in _OF_GATEWAYS if one not in allowed]
    if not gateways and missing:
        told = " and ".join(missing)
        found.append(
            f"{option}.gateways: without gateways nobody can judge {told}; name the services whose pods are gateways, "
            f"or put {told} into allow_unknown."
        )
    return found


def _time_problems(option: str, handover: Handover) -> list[str]:
    budget = budget_of("handover", STEP_S, handover.announce_s, handover.cut_deadline_s)
    return [f"{option}: {problem}." for problem in problems(budget, handover.deadline_s, None)]


def parsed_handover(given: Mapping[str, t.Any] | None) -> Handover:
    """The values of an entry that has no problems."""
    values = {key: value for key, value in (given or {}).items() if value is not None}
    for key, (kind, _low, _high) in _NUMBERS.items():
        if key in values:
            values[key] = kind(values[key])
    for key in ("gateways", "allow_unknown"):
        if key in values:
            values[key] = tuple(str(item) for item in values[key])
    return Handover(**values)


def engine_of(service: str, slot: str, port: int) -> JsonObject:
    """The engine of a slot, as drain_trading takes it: the one pod of its StatefulSet."""
    return {"pod": f"{service}-{slot}-0", "port": port}


def handover_options(
    handover: Handover, service: str, port: int, slots: Sequence[str], reason: str
) -> dict[str, t.Any]:
    """The options of drain_trading that hand over from the first of these slots to the second; all but those of the
    connection and of the release."""
    source, target = (engine_of(service, slot, port) for slot in slots)
    return {
        "engine": source,
        "new_engine": target,
        "gateway_pods": [
            {"selector": f"app.kubernetes.io/name={gateway}", "port": handover.gateway_port}
            for gateway in handover.gateways
        ],
        "contract": dict(handover.contract),
        "allow_unknown": list(handover.allow_unknown),
        "announce_s": handover.announce_s,
        "cut_deadline_s": handover.cut_deadline_s,
        "deadline_s": handover.deadline_s,
        "max_lag": handover.max_lag,
        "reason": reason,
    }


def gateway_problem(handover: Handover, service: str, up: Collection[str]) -> str | None:
    """Why nobody could judge the handover of an engine: none of its gateways has pods by then. `up` are the services
    that have."""
    missing = [one for one in _OF_GATEWAYS if one not in handover.allow_unknown]
    if not missing or any(gateway in up for gateway in handover.gateways):
        return None
    names, told = ", ".join(handover.gateways), " and ".join(missing)
    return (
        f"{service} trades and is handed over, which only its gateways can judge ({told}), and none of {names} runs; "
        "release them before, or in the same release."
    )


def finish_options(handover: Handover, service: str, port: int, slot: str) -> JsonObject:
    """What ends the warm standby of the other slot: the engine of this one may write its own format then."""
    return {
        "service": service,
        "engine": engine_of(service, slot, port),
        "contract": dict(handover.contract),
    }


def handover_begun(entries: Sequence[Mapping[str, t.Any]]) -> bool:
    """Whether a release has asked an engine for anything, as the summaries of its journal's entries say."""
    return any(change.get("op") == "drain" for entry in entries for change in entry.get("changes") or [])


def holds_handover(plan: Mapping[str, t.Any], entries: Sequence[Mapping[str, t.Any]] = ()) -> bool:
    """Whether the way back of a release has engines to ask: its plan hands one over, or its journal says that it
    began to. A recovery has no plan."""
    return any("handover" in step for step in plan.get("steps") or []) or handover_begun(entries)


def _is_number(value: t.Any, kind: type[int] | type[float], low: float, high: float) -> bool:
    """Numbers given with -e arrive as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        number = kind(value)
    except (ValueError, OverflowError):
        return False
    return low <= number <= high and number == float(value)
