# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a maintenance, a drain or a resume is asked for, which engine it is about, and how it ended. Pure."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.handover import engine_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.hints import hint
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import (
    SLOTS,
    catalogue_problems,
    parse_catalogue,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.plan_back import as_slot
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import (
    confirm_problems,
    limit_problems,
)

JsonObject = dict[str, t.Any]

STATES: t.Final = ("entered", "left")
#: As Ansible's own `bool` filter; that one takes every other word for false.
_FLAGS: t.Final = {True: ("true", "yes", "on", "1", "y", "t"), False: ("false", "no", "off", "0", "n", "f", "")}
#: The options of drain_trading that say where an exchange is and how it is asked.
_EXCHANGE: t.Final = (
    *("engine", "prove", "gateways", "gateway_pods", "contract", "tls", "allow_unknown"),
    *("allow_unsettled", "step_s", "close", "workload", "timeout_s"),
)
#: Numbers of seconds, with what they are where nothing is given.
_SECONDS: t.Final[Mapping[str, float]] = {"announce_s": 0.0, "cancel_only_s": 60.0, "post_only_s": 60.0}
#: How a region ended that is not as it was asked for.
BAD: t.Final = ("failed", "unreachable")


def maintenance_request(request: Mapping[str, t.Any]) -> JsonObject:
    """The request with real types, and its `problems`: one sentence each, naming the option.

    `kind` is maintenance, drain or resume. All else may be text, as a survey gives it. `names` are the services, none
    for all that are in maintenance when they leave it; `drain` says whether trading is stopped for it.
    """
    kind, catalogue = request["kind"], request.get("services")
    problems = confirm_problems(request)
    problems += limit_problems(request.get("limit") or "", request.get("hosts") or [], request.get("groups") or [])
    problems += catalogue_problems(catalogue)
    trading = request.get("trading") or {}
    problems += _trading_problems(trading)
    if problems:
        return {"problems": problems}
    engines = [name for name, service in parse_catalogue(catalogue or {}).items() if service.is_engine]
    named = _names(request.get("named"))
    problems += [
        f"maintenance_services: unknown service {name}{hint(name, catalogue or {})}."
        for name in named
        if name not in (catalogue or {})
    ]
    state = _text(request.get("state"))
    if kind == "maintenance" and state not in STATES:
        what = f"{state!r} is neither" if state else "missing"
        problems.append(f"state: {what}; use -e state=entered or -e state=left.")
    reason = _text(request.get("reason"))
    if not reason and not (kind == "maintenance" and state == "left"):
        problems.append(
            """reason: missing; say why with -e "reason='storage migration'", people and clients are told it."""
        )
    flags = {name: _flag(request.get(name)) for name in ("emergency", "drain")}
    problems += [
        f"{name}: {request.get(name)!r} is neither true nor false." for name, flag in flags.items() if flag is None
    ]
    numbers = {name: _seconds(request.get(name), default) for name, default in _SECONDS.items()}
    problems += [
        f"{name}: {request.get(name)!r} is no number of seconds."
        for name, seconds in numbers.items()
        if seconds is None
    ]
    names = named or ([] if state == "left" else list(catalogue or {}))
    known = bool(engines or trading)
    # Trading is stopped for the whole exchange, and not for one service of it, unless somebody says so.
    whole = known and not set(catalogue or {}) - set(names)
    drain = kind != "maintenance" or (bool(flags["drain"]) if _text(request.get("drain")) else whole)
    if drain and not known:
        problems.append(
            "drain: no engine is known; describe one with `strategy: drain` in services, or its addresses in `trading`."
        )
    if kind == "maintenance" and state == "entered" and not drain:
        problems += [
            f"drain: {name} is scaled to zero, so trading has to be stopped; leave it out or drain."
            for name in engines
            if name in names
        ]
    return {
        "problems": problems,
        "state": state,
        "reason": reason or "maintenance",
        "emergency": bool(flags["emergency"]),
        "drain": drain,
        "names": names,
        **numbers,
    }


def exchange(
    services: Mapping[str, t.Any],
    running: Mapping[str, t.Any] | None = None,
    trading: Mapping[str, t.Any] | None = None,
) -> JsonObject:
    """Where the exchange of a region is: `options` of drain_trading, or a `problem`. `running` is what runs, as
    k8s_revision read it; `trading` is what the inventory says, and then nothing else counts.

    Without it the engine is that of the catalogue which leads, and its other slot proves the snapshot. When that slot
    is not there or down, `prover` is its StatefulSet, which has to be brought up first, and `objects` are what to apply
    for that: the leader's own, because nobody else is known to read what it writes. `down` says that the leader's own
    slot is: then nothing trades, and nobody can be asked.
    """
    if trading:
        return _exchange({name: trading.get(name) for name in _EXCHANGE})
    engines = [service for service in parse_catalogue(services).values() if service.is_engine]
    if len(engines) != 1:
        told = ", ".join(engine.name for engine in engines) or "none"
        return _exchange({}, f"one engine can be drained, and the catalogue has {told}; say which in `trading`")
    engine = engines[0]
    stands = ((running or {}).get("services") or {}).get(engine.name) or {}
    live = stands.get("live_slot")
    if live not in SLOTS:
        return _exchange({}, f"no slot of {engine.name} leads, so there is nothing to drain")
    other = next(slot for slot in SLOTS if slot != live)
    handover = engine.handover
    options = {
        "engine": engine_of(engine.name, live, engine.port),
        "prove": engine_of(engine.name, other, engine.port),
        "gateway_pods": [
            {"selector": f"app.kubernetes.io/name={gateway}", "port": handover.gateway_port}
            for gateway in handover.gateways
        ],
        "contract": dict(handover.contract),
        "allow_unknown": list(handover.allow_unknown),
    }
    pods = {slot: int(((stands.get("slots") or {}).get(slot) or {}).get("replicas") or 0) for slot in SLOTS}
    if pods[other]:
        return _exchange(options, down=not pods[live])
    objects = as_slot(running or {}, engine.name, live, other)
    return _exchange(options, prover=f"{engine.name}-{other}", objects=objects, down=not pods[live])


def maintenance_summary(regions: Sequence[Mapping[str, t.Any]]) -> JsonObject:
    """How it ended: `ok`, and a `sentence` that says so of every region (`region`, `verdict`, `reason`)."""
    bad = [entry for entry in regions if entry.get("verdict") in BAD]
    told = "; ".join(
        f"{entry['region']} is {entry['verdict']}" + (f" ({entry['reason']})" if entry.get("reason") else "")
        for entry in regions
    )
    return {"ok": not bad, "sentence": f"not everywhere: {told}" if bad else told}


def _exchange(
    options: Mapping[str, t.Any],
    problem: str | None = None,
    *,
    prover: str | None = None,
    objects: Sequence[JsonObject] = (),
    down: bool = False,
) -> JsonObject:
    # A null is an option that was left out.
    given = {name: value for name, value in options.items() if value is not None}
    return {"options": given, "problem": problem, "prover": prover, "objects": list(objects), "down": down}


def _trading_problems(given: t.Any) -> list[str]:
    if not isinstance(given, Mapping):
        return ["trading: use a mapping with the engine and the gateways of the region."]
    unknown = [f"trading.{key}: unknown option{hint(key, _EXCHANGE)}." for key in given if key not in _EXCHANGE]
    return unknown or (["trading.engine: missing."] if given and not given.get("engine") else [])


def _text(given: t.Any) -> str:
    return "" if given is None else str(given).strip()


def _names(given: t.Any) -> list[str]:
    parts = given if isinstance(given, list | tuple) else _text(given).split(",")
    return list(dict.fromkeys(name for part in parts if (name := _text(part))))


def _flag(given: t.Any) -> bool | None:
    """None for a word that is neither."""
    text = _text(given).lower()
    return next((flag for flag, words in _FLAGS.items() if text in words), None)


def _seconds(given: t.Any, default: float) -> float | None:
    """None for what is no number of seconds."""
    try:
        seconds = float(_text(given) or default)
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf and not isinstance(given, bool) else None
