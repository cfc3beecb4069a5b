# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of drain_trading, and what is refused before anything is asked."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import CLUSTER, RELEASE, Spec, merge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_budget
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.contract import Contract, contract_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import checked_url
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.decide_drain import Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.decide_proof import NAMES

Params = Mapping[str, t.Any]

#: A name that would not change the path that it becomes a part of.
_POD: t.Final = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_PORT: t.Final[Spec] = {"port": {"type": "int", "default": 8080}}
_PROVER: t.Final[Spec] = {"url": {"type": "str"}, "pod": {"type": "str"}, **_PORT}
_ENGINE: t.Final[Spec] = {**_PROVER, "peer_url": {"type": "str"}}


def _seconds(**defaults: float) -> Spec:
    return {name: {"type": "float", "default": default} for name, default in defaults.items()}


def _dict(options: Spec, *, defaults: bool = True) -> dict[str, t.Any]:
    return {"type": "dict", "options": options, **({"apply_defaults": True} if defaults else {})}


ARGUMENT_SPEC: t.Final[Spec] = merge(
    # A drain asks the exchange, and a cluster only for the journal of a release or for a pod.
    {**CLUSTER, "context": {"type": "str"}, "namespace": {"type": "str"}},
    RELEASE,
    {
        "state": {
            "type": "str",
            "choices": ["drained", "online", "finished", "status", "restored", "permitted"],
            "required": True,
        },
        "way": {"type": "str", "choices": ["full", "handover"], "default": "full"},
        "engine": _dict(_ENGINE, defaults=False),
        "new_engine": _dict(_ENGINE, defaults=False),
        "prove": _dict(_PROVER, defaults=False),
        "gateways": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"url": {"type": "str", "required": True}},
        },
        "gateway_pods": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"selector": {"type": "str", "required": True}, **_PORT},
        },
        "contract": {"type": "dict"},
        "reason": {"type": "str", "default": "maintenance"},
        "mode": {"type": "str", "choices": ["cancel_only", "halted"], "default": "cancel_only"},
        "announce_s": {"type": "float", "default": 0.0},
        "deadline_s": {"type": "float", "default": 600.0},
        "step_s": _dict(
            _seconds(in_flight=10.0, settlement=60.0, snapshot=60.0, prove=120.0, sessions=60.0, catch_up=60.0)
        ),
        "polls": {"type": "int", "default": 3},
        "allow_unsettled": {"type": "int", "default": 0},
        "allow_unknown": {"type": "list", "elements": "str", "choices": list(NAMES), "default": []},
        "emergency": {"type": "bool", "default": False},
        "cut_deadline_s": {"type": "float", "default": 10.0},
        "max_lag": {"type": "int", "default": 1000},
        "min_disk_free_mb": {"type": "int", "default": 512},
        "close": _dict({"waves": {"type": "int", "default": 10}, "jitter_s": {"type": "float", "default": 1.0}}),
        "resume": _dict(_seconds(cancel_only_s=60.0, post_only_s=60.0)),
        "expected": {"type": "dict"},
        "workload": _dict(
            {
                "kind": {"type": "str", "choices": ["Deployment", "StatefulSet"], "default": "StatefulSet"},
                "name": {"type": "str", "required": True},
            },
            defaults=False,
        ),
        "tls": _dict(
            {
                "ca_cert": {"type": "path"},
                "client_cert": {"type": "path"},
                "client_key": {"type": "path", "no_log": False},
                "token_file": {"type": "path"},
            }
        ),
        "timeout_s": {"type": "float", "default": 5.0},
    },
)


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where an engine is: an address, or a pod that the API server is asked for. `peer_url` is where other engines
    reach it; None for the pod's own address."""

    url: str | None
    pod: str | None = None
    port: int = 0
    peer_url: str | None = None

    def is_same(self, other: Endpoint | None) -> bool:
        return other is not None and (self.url, self.pod, self.port) == (other.url, other.pod, other.port)


@dataclasses.dataclass(frozen=True)
class Options:
    """What the task is told, checked."""

    state: str
    wanted: Wanted
    engine: Endpoint
    new: Endpoint | None
    prove: Endpoint | None
    gateway_urls: tuple[str, ...]
    #: Selector and port.
    gateway_pods: tuple[tuple[str, int], ...]
    contract: Contract
    step_s: Mapping[str, float]
    announce_s: float
    deadline_s: float
    cut_deadline_s: float
    polls: int
    allow_unsettled: int
    allow_unknown: frozenset[str]
    waves: int
    jitter_s: float
    resume_s: Mapping[str, float]
    expected: Mapping[str, t.Any] | None
    timeout_s: float


def options_of(params: Params) -> Options:
    """Raises OptionError naming the option."""
    state, way = params["state"], params["way"]
    contract = contract_of(params["contract"])
    for name in ("polls", "deadline_s", "cut_deadline_s", "timeout_s"):
        if params[name] <= 0:
            raise OptionError(name, "has to be more than 0")
    for name in ("allow_unsettled", "max_lag", "min_disk_free_mb"):
        if params[name] < 0:
            raise OptionError(name, "cannot be negative")
    for name, seconds in (*params["resume"].items(), ("jitter_s", params["close"]["jitter_s"])):
        if seconds < 0:
            raise OptionError("close" if name == "jitter_s" else "resume", f"{name} cannot be negative")
    if params["close"]["waves"] < 1:
        raise OptionError("close", "waves has to be 1 or more")
    if not params["reason"].strip():
        raise OptionError("reason", "clients are told it, so it cannot be empty")
    engine = _endpoint("engine", params["engine"])
    if engine is None:
        raise OptionError("engine", f"needed for state {state}")
    options = Options(
        state=state,
        wanted=Wanted(
            way,
            params["reason"].strip(),
            "halted" if params["emergency"] else params["mode"],
            params["emergency"],
            announce=(params["announce_s"] > 0 or way == "full") and contract.engine["announce"].offered,
            min_disk_free_bytes=params["min_disk_free_mb"] * 2**20,
            max_lag=params["max_lag"],
        ),
        engine=engine,
        new=_endpoint("new_engine", params["new_engine"]),
        prove=_endpoint("prove", params["prove"]),
        gateway_urls=tuple(checked_url("gateways", gateway["url"]) for gateway in params["gateways"]),
        gateway_pods=tuple(_selected(one) for one in params["gateway_pods"]),
        contract=contract,
        step_s=params["step_s"],
        announce_s=params["announce_s"],
        deadline_s=params["deadline_s"],
        cut_deadline_s=params["cut_deadline_s"],
        polls=params["polls"],
        allow_unsettled=params["allow_unsettled"],
        allow_unknown=frozenset(params["allow_unknown"]),
        waves=params["close"]["waves"],
        jitter_s=params["close"]["jitter_s"],
        resume_s=params["resume"],
        expected=params["expected"],
        timeout_s=params["timeout_s"],
    )
    if state == "drained":
        _check_drain(options)
    pods = any(one is not None and one.pod for one in (options.engine, options.new, options.prove))
    needing = {"release": params["release"], "workload": params["workload"], "pod": pods}
    needing["gateway_pods"] = options.gateway_pods
    need_cluster(params, next((name for name, given in needing.items() if given), None))
    by_url = options.gateway_urls or any(one and one.url for one in (options.engine, options.new, options.prove))
    if not by_url and any(params["tls"].values()):
        raise OptionError("tls", "is for url; a pod is asked with the credentials of the kubeconfig")
    return options


def need_cluster(params: Params, what: str | None) -> None:
    """Raise OptionError unless a cluster is named for that option."""
    for name in ("context", "namespace") if what is not None else ():
        if not params[name]:
            raise OptionError(name, f"needed with {what}")


def _endpoint(option: str, given: Mapping[str, t.Any] | None) -> Endpoint | None:
    """Raises OptionError naming the suboption."""
    if given is None:
        return None
    url, pod, peer_url = given["url"], given["pod"], given.get("peer_url")
    if bool(url) == bool(pod):
        raise OptionError(option, "needs url or pod" if not url else "has url and pod; one of them is enough")
    if peer_url:
        peer_url = checked_url(f"{option}.peer_url", peer_url)
    if url:
        url = checked_url(f"{option}.url", url)
        return Endpoint(url, peer_url=peer_url or url)
    if not _POD.fullmatch(pod):
        raise OptionError(f"{option}.pod", f"{pod!r} is no name of a pod")
    return Endpoint(None, pod, _port(f"{option}.port", given["port"]), peer_url)


def _selected(given: Mapping[str, t.Any]) -> tuple[str, int]:
    selector = given["selector"].strip()
    if not selector:
        raise OptionError("gateway_pods", "selector is empty, which would be every pod")
    return selector, _port("gateway_pods", given["port"])


def _port(option: str, port: int) -> int:
    if not 0 < port < 65536:
        raise OptionError(option, f"{port} is no port")
    return port


def check_budget(options: Options, grace_s: float | None) -> decide_budget.Budget:
    """The time that the drain may take. Raises OptionError naming the first limit that it does not keep."""
    announce_s = 0.0 if options.wanted.emergency else options.announce_s
    budget = decide_budget.budget_of(options.wanted.way, options.step_s, announce_s, options.cut_deadline_s)
    problems = decide_budget.problems(budget, options.deadline_s, grace_s if options.wanted.way == "full" else None)
    if problems:
        raise OptionError("step_s", "; ".join(problems))
    return budget


def _check_drain(options: Options) -> None:
    """What can be seen to be impossible without asking anybody."""
    handover, calls = options.wanted.way == "handover", options.contract.engine
    if handover:
        if options.new is None:
            raise OptionError("new_engine", "needed for way handover")
        if options.engine.is_same(options.new):
            raise OptionError("new_engine", "is the engine itself")
        if options.wanted.emergency:
            raise OptionError("emergency", "is for way full; a handover that fails goes back by itself")
        for call in ("follow", "proof", "cut", "open"):
            if not calls[call].offered:
                raise OptionError("contract", f"engine.{call} has to be offered for way handover")
    elif options.engine.is_same(options.prove) or options.engine.is_same(options.new):
        raise OptionError("prove", "is the engine itself, which would prove what it believes")
    elif options.prove is None and options.new is None and not options.wanted.emergency:
        raise OptionError(
            "prove",
            "needed for way full: a second engine that loads the snapshot and proves it; start one that reads what "
            "this one writes and name it, or use emergency, which does without a proof",
        )
    elif not (calls["snapshot"].offered and calls["verify"].offered):
        raise OptionError("contract", "engine.snapshot and engine.verify have to be offered for way full")
    if not options.gateway_urls and not options.gateway_pods:
        need_gateways(options, "gateways", "name them")


def need_gateways(options: Options, option: str, hint: str) -> None:
    """Raise OptionError naming the option when there are no gateways and what they say has to be known."""
    missing = {"I2", "I9"} - options.allow_unknown
    if missing and not options.wanted.emergency:
        told = " and ".join(sorted(missing))
        raise OptionError(option, f"without gateways nobody can judge {told}; {hint}, or put {told} into allow_unknown")
