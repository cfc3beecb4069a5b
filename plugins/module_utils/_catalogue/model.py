# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service catalogue: what one entry may say, and what is wrong with it. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.connections import query_problem
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.handover import (
    Handover,
    handover_problems,
    parsed_handover,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.hints import hint
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.tiers import CycleError, tiers_of

STRATEGIES: t.Final[Mapping[str, tuple[int, ...]]] = {
    "canary": (10, 25, 50, 100),
    "blue_green": (100,),
    "rolling": (),
    # A handover of the whole book, by the epoch record of the engines.
    "drain": (100,),
}

SLOTS: t.Final = ("blue", "green")

#: What gives the traffic to the slots, and the kind of the object that does: an HTTPRoute with weights, or a Service
#: whose selector names one slot.
TRAFFIC: t.Final[Mapping[str, str]] = {"route": "HTTPRoute", "selector": "Service"}

#: A version is an image tag and a label value at once, so it has to be valid as both.
VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")

#: Kubernetes takes a Service name of 63 characters; `-green` is ours.
NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,50}[a-z0-9])?")

#: Of other names in a ConfigMap a container's environment is told nothing.
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RELEASE_VARIABLES: t.Final = ("PINCEX_", "CIRCUIT_BREAKER_")
#: What the release tells an engine.
ENGINE_VARIABLES: t.Final = ("ENGINE_NAME", "ENGINE_PEER", "EPOCH_RECORD", "DATA_DIR")


@dataclasses.dataclass(frozen=True)
class Hpa:
    min: int
    max: int
    cpu: int = 70
    memory: int = 80


@dataclasses.dataclass(frozen=True)
class Service:
    """One entry of the catalogue, with every default filled in."""

    name: str
    image: str
    port: int = 8080
    strategy: str = "canary"
    steps: tuple[int, ...] = STRATEGIES["canary"]
    replicas: int = 2
    depends_on: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()
    gateway: str = "exchange"
    gate_profile: str = "default"
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    config: Mapping[str, str] = dataclasses.field(default_factory=dict)
    resources: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    hpa: Hpa | None = None
    pdb: Mapping[str, t.Any] = dataclasses.field(default_factory=lambda: {"max_unavailable": 1})
    probes: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    circuit_breaker: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    rolling: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    run_as_user: int = 10001
    prestop_s: int = 5
    grace_s: int = 45
    metrics_path: str = "/metrics"
    template: str | None = None
    traffic: str = "route"
    probe_url: str | None = None
    connections: str | None = None
    storage: str | None = None
    storage_class: str | None = None
    handover: Handover = dataclasses.field(default_factory=Handover)

    @property
    def is_engine(self) -> bool:
        """Whether it is handed over instead of getting the traffic by a route."""
        return self.strategy == "drain"

    @property
    def workload(self) -> str:
        """The kind that a slot runs as."""
        return "StatefulSet" if self.is_engine else "Deployment"


PROBES: t.Final[Mapping[str, t.Any]] = {
    "startup": "/health/startup",
    "ready": "/health/ready",
    "live": "/health/live",
    "period_s": 5,
    "timeout_s": 2,
    "startup_failures": 60,
    "ready_failures": 2,
    "live_failures": 3,
}
CIRCUIT_BREAKER: t.Final[Mapping[str, t.Any]] = {"failure_threshold": 5, "reset_s": 10, "timeout_s": 2}
ROLLING: t.Final[Mapping[str, t.Any]] = {"max_surge": 1, "max_unavailable": 0}

_KNOWN: t.Final = tuple(field.name for field in dataclasses.fields(Service) if field.name != "name")
#: What an engine has none of: it is one pod, and its traffic follows the epoch record.
_NOT_OF_ENGINES: t.Final = ("replicas", "hpa", "steps", "hostnames", "gateway", "rolling", "traffic", "connections")
_ONLY_OF_ENGINES: t.Final = ("storage", "storage_class", "handover")
_QUANTITY: t.Final = re.compile(r"[1-9][0-9]*(\.[0-9]+)?([kMGTPE]i?)?")
_NUMBERS: t.Final = {
    "port": (1, 65535),
    "replicas": (1, 1000),
    "prestop_s": (0, 600),
    "grace_s": (1, 3600),
    "run_as_user": (1, 2**31 - 1),
}


def parse_catalogue(services: Mapping[str, t.Any]) -> dict[str, Service]:
    """The catalogue as values. Raises ValueError with every problem when it has any."""
    problems = catalogue_problems(services)
    if problems:
        raise ValueError(" ".join(problems))
    return {name: _service(name, entry) for name, entry in services.items()}


def catalogue_problems(services: t.Any, gate_profiles: Mapping[str, t.Any] | None = None) -> list[str]:
    """Everything that is wrong with the catalogue, one sentence each, naming the option.

    Gate profiles are compared only when they are given.
    """
    if not isinstance(services, Mapping) or not services:
        return ["services: the catalogue is empty; describe at least one service."]
    problems: list[str] = []
    for name, entry in services.items():
        problems += _entry_problems(str(name), entry, gate_profiles)
        if isinstance(entry, Mapping) and entry.get("strategy") == "drain":
            option = f"services.{name}.handover"
            problems += handover_problems(option, entry.get("handover"), str(name), services)
    known = {name: entry for name, entry in services.items() if isinstance(entry, Mapping)}
    edges: dict[str, tuple[str, ...]] = {}
    for name, entry in known.items():
        wanted = entry.get("depends_on") or []
        if not isinstance(wanted, list | tuple):
            problems.append(f"services.{name}.depends_on: use a list of service names.")
            wanted = []
        for other in wanted:
            if other not in services:
                problems.append(f"services.{name}.depends_on: unknown service {other}{hint(str(other), services)}.")
        edges[name] = tuple(other for other in wanted if other in known)
    try:
        tiers_of(edges)
    except CycleError as error:
        problems.append(f"services: {error}; take one depends_on out of the circle.")
    return problems


def _entry_problems(name: str, entry: t.Any, gate_profiles: Mapping[str, t.Any] | None) -> list[str]:
    option = f"services.{name}"
    if not NAME.fullmatch(name):
        return [f"{option}: a service name has lower-case letters, digits and hyphens, at most 52 of them."]
    if not isinstance(entry, Mapping):
        return [f"{option}: use a mapping with at least an image."]
    problems = [f"{option}.{key}: unknown option{hint(key, _KNOWN)}." for key in entry if key not in _KNOWN]
    image = entry.get("image")
    if not image or not isinstance(image, str):
        problems.append(f"{option}.image: missing; name the image without a tag.")
    elif "@" in image or ":" in image.rpartition("/")[2]:
        problems.append(f"{option}.image: {image} has a tag; the release adds the version.")
    for key, (low, high) in _NUMBERS.items():
        if key in entry and not _is_int(entry[key], low, high):
            problems.append(f"{option}.{key}: {entry[key]!r} is not a number from {low} to {high}.")
    strategy = entry.get("strategy", "canary")
    if strategy not in STRATEGIES:
        problems.append(f"{option}.strategy: {strategy!r} is unknown; use one of {', '.join(STRATEGIES)}.")
    problems += _strategy_problems(option, entry, strategy)
    problems += _hpa_problems(option, entry.get("hpa"))
    problems += _config_problems(option, entry)
    problems += [
        f"{option}.{key}: use a mapping."
        for key in ("env", "config", "resources", "pdb", "probes", "circuit_breaker", "rolling")
        if key in entry and not isinstance(entry[key], Mapping)
    ]
    problems += [
        f"{option}.{key}: use a list."
        for key in ("hostnames", "command", "args")
        if key in entry and not isinstance(entry[key], list | tuple)
    ]
    for key, defaults in (("probes", PROBES), ("circuit_breaker", CIRCUIT_BREAKER), ("rolling", ROLLING)):
        given = entry.get(key)
        if isinstance(given, Mapping):
            problems += [
                f"{option}.{key}.{inner}: unknown option{hint(inner, defaults)}."
                for inner in given
                if inner not in defaults
            ]
    grace, prestop = entry.get("grace_s", Service.grace_s), entry.get("prestop_s", Service.prestop_s)
    if _is_int(grace, 1) and _is_int(prestop, 0) and int(grace) <= int(prestop):
        problems.append(f"{option}.grace_s: {grace} leaves no time after prestop_s ({prestop}) to finish requests.")
    profile = entry.get("gate_profile", "default")
    if gate_profiles is not None and profile not in gate_profiles:
        problems.append(f"{option}.gate_profile: unknown profile {profile}{hint(str(profile), gate_profiles)}.")
    return problems


def _steps_problems(option: str, entry: Mapping[str, t.Any], strategy: str) -> list[str]:
    if "steps" not in entry:
        return []
    steps = entry["steps"]
    if strategy == "rolling":
        return [f"{option}.steps: a rolling service changes in place and has no steps."]
    sound = isinstance(steps, list | tuple) and steps and all(_is_int(step, 1, 100) for step in steps)
    if not sound or sorted({int(step) for step in steps}) != [int(step) for step in steps] or int(steps[-1]) != 100:
        return [f"{option}.steps: {steps!r} does not rise from at least 1 to 100."]
    return []


def _strategy_problems(option: str, entry: Mapping[str, t.Any], strategy: str) -> list[str]:
    """What the strategy has no use for, or cannot work with."""
    if strategy == "drain":
        return _engine_problems(option, entry)
    found = [f"{option}.{key}: only for strategy drain." for key in _ONLY_OF_ENGINES if entry.get(key) is not None]
    found += _steps_problems(option, entry, strategy)
    found += _traffic_problems(option, entry, strategy)
    if entry.get("connections") is not None:
        problem = query_problem(entry["connections"], strategy)
        found += [f"{option}.connections: {problem}."] if problem else []
    return found


def _engine_problems(option: str, entry: Mapping[str, t.Any]) -> list[str]:
    problems = [
        f"{option}.{key}: not for strategy drain, which has one pod and hands over by the epoch record."
        for key in (*_NOT_OF_ENGINES, "probe_url")
        if entry.get(key) is not None
    ]
    storage, env = entry.get("storage"), entry.get("env")
    if storage is None and not entry.get("template"):
        problems.append(f"{option}.storage: missing; say how large the volume of each slot is, for example 10Gi.")
    elif storage is not None and not _QUANTITY.fullmatch(str(storage)):
        problems.append(f"{option}.storage: {storage!r} is no size such as 10Gi.")
    if not isinstance(entry.get("storage_class") or "", str):
        problems.append(f"{option}.storage_class: use the name of a StorageClass.")
    return problems + [
        f"{option}.{key}.{name}: the release sets it."
        for key, given in (("env", env), ("config", entry.get("config")))
        if isinstance(given, Mapping)
        for name in given
        if name in ENGINE_VARIABLES
    ]


def _traffic_problems(option: str, entry: Mapping[str, t.Any], strategy: str) -> list[str]:
    traffic = entry.get("traffic", "route")
    if traffic not in TRAFFIC:
        return [f"{option}.traffic: {traffic!r} is unknown; use one of {', '.join(TRAFFIC)}."]
    url = entry.get("probe_url")
    if traffic == "route":
        return [f"{option}.probe_url: only for traffic selector; a route is asked through its gateway."] if url else []
    problems = [
        f"{option}.{key}: of an HTTPRoute, and traffic selector has none."
        for key in ("hostnames", "gateway")
        if entry.get(key)
    ]
    steps = entry.get("steps")
    if strategy == "canary":
        problems.append(
            f"{option}.strategy: canary needs shares, and traffic selector has none; use blue_green or rolling."
        )
    elif strategy == "blue_green" and isinstance(steps, list | tuple) and len(steps) > 1:
        # A list that is none, and one that does not end with 100, has its own sentence.
        problems.append(f"{option}.steps: {steps!r} has shares, and traffic selector has none; use [100].")
    if url is not None and not re.match(r"https?://[^/]", str(url)):
        problems.append(f"{option}.probe_url: {url!r} is no http:// or https:// address.")
    return problems


def _hpa_problems(option: str, hpa: t.Any) -> list[str]:
    if hpa is None:
        return []
    if not isinstance(hpa, Mapping):
        return [f"{option}.hpa: use a mapping with min and max."]
    known = [field.name for field in dataclasses.fields(Hpa)]
    problems = [f"{option}.hpa.{key}: unknown option{hint(key, known)}." for key in hpa if key not in known]
    for key in known:
        if key in hpa and not _is_int(hpa[key], 1):
            problems.append(f"{option}.hpa.{key}: {hpa[key]!r} is not a number from 1.")
        elif key in ("min", "max") and key not in hpa:
            problems.append(f"{option}.hpa.{key}: missing.")
    if not problems and int(hpa["min"]) > int(hpa["max"]):
        problems.append(f"{option}.hpa: min {hpa['min']} is above max {hpa['max']}.")
    return problems


def _config_problems(option: str, entry: Mapping[str, t.Any]) -> list[str]:
    config, env = entry.get("config"), entry.get("env")
    if not isinstance(config, Mapping):
        return []
    own = set(env) if isinstance(env, Mapping) else set()
    problems = []
    for key, value in config.items():
        where = f"{option}.config.{key}"
        if not VARIABLE.fullmatch(str(key)):
            problems.append(f"{where}: no name of an environment variable; use letters, digits and underscores.")
        elif key in own or str(key).startswith(_RELEASE_VARIABLES):
            whose = "env" if key in own else "the release"
            problems.append(f"{where}: {whose} sets it as well, and would win.")
        elif not isinstance(value, str | int | float):
            problems.append(f"{where}: use a text, a number or a boolean.")
    return problems


def _text(value: t.Any) -> str:
    """A value as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _service(name: str, entry: Mapping[str, t.Any]) -> Service:
    values: dict[str, t.Any] = {key: value for key, value in entry.items() if value is not None}
    strategy = str(values.get("strategy", "canary"))
    values["steps"] = tuple(int(step) for step in values.get("steps", STRATEGIES[strategy]))
    for key in ("depends_on", "hostnames", "command", "args"):
        if key in values:
            values[key] = tuple(str(item) for item in values[key])
    for key in _NUMBERS:
        if key in values:
            values[key] = int(values[key])
    if strategy == "drain":
        # An eviction must not stop trading behind everybody's back: its engine is handed over first.
        values = {"replicas": 1, "pdb": {"max_unavailable": 0}, **values}
        values["handover"] = parsed_handover(values.get("handover"))
    if "storage" in values:
        values["storage"] = str(values["storage"])
    for key, defaults in (("probes", PROBES), ("circuit_breaker", CIRCUIT_BREAKER), ("rolling", ROLLING)):
        values[key] = {**defaults, **values.get(key, {})}
    values["env"] = {str(key): str(value) for key, value in values.get("env", {}).items()}
    values["config"] = {str(key): _text(value) for key, value in values.get("config", {}).items()}
    if "hpa" in values:
        values["hpa"] = Hpa(**{key: int(value) for key, value in values["hpa"].items()})
    return Service(name=name, **values)


def _is_int(value: t.Any, low: int, high: int | None = None) -> bool:
    """Numbers given with -e arrive as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return False
    try:
        number = int(value)
    except ValueError:
        return False
    return number >= low and (high is None or number <= high)


def same_names(models: t.Any, services: t.Any) -> list[str]:
    """A sentence for each name that is a model and a service: both would have its slots and its route. `models`: by
    name, or their names."""
    named = set(models if isinstance(models, (Mapping, list)) else ())
    both = named & set(services if isinstance(services, Mapping) else {})
    return [
        f"models.{name}: services.{name} has the same name, and both would write its slots and its route; rename one."
        for name in sorted(map(str, both))
    ]
