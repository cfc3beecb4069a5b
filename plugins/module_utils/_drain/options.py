# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of drain_trading, and what is refused before anything is asked."""

from __future__ import annotations

import dataclasses
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

_ENGINE: t.Final[Spec] = {"url": {"type": "str", "required": True}, "peer_url": {"type": "str"}}


def _seconds(**defaults: float) -> Spec:
    return {name: {"type": "float", "default": default} for name, default in defaults.items()}


def _dict(options: Spec, *, defaults: bool = True) -> dict[str, t.Any]:
    return {"type": "dict", "options": options, **({"apply_defaults": True} if defaults else {})}


ARGUMENT_SPEC: t.Final[Spec] = merge(
    # A drain asks the exchange, and a cluster only for the journal of a release or for a pod.
    {**CLUSTER, "context": {"type": "str"}, "namespace": {"type": "str"}},
    RELEASE,
    {
        "state": {"type": "str", "choices": ["drained", "online", "finished", "status"], "required": True},
        "way": {"type": "str", "choices": ["full", "handover"], "default": "full"},
        "engine": {**_dict(_ENGINE, defaults=False), "required": True},
        "new_engine": _dict(_ENGINE, defaults=False),
        "prove": _dict({"url": {"type": "str", "required": True}}, defaults=False),
        "gateways": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"url": {"type": "str", "required": True}},
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
class Options:
    """What the task is told, checked."""

    state: str
    wanted: Wanted
    engine_url: str
    peer_url: str
    new_url: str | None
    new_peer_url: str | None
    prove_url: str | None
    gateway_urls: tuple[str, ...]
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
    new, prove = params["new_engine"], params["prove"]
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
        engine_url=checked_url("engine.url", params["engine"]["url"]),
        peer_url=checked_url("engine.peer_url", params["engine"]["peer_url"] or params["engine"]["url"]),
        new_url=checked_url("new_engine.url", new["url"]) if new else None,
        new_peer_url=checked_url("new_engine.peer_url", new["peer_url"] or new["url"]) if new else None,
        prove_url=checked_url("prove.url", prove["url"]) if prove else None,
        gateway_urls=tuple(checked_url("gateways", gateway["url"]) for gateway in params["gateways"]),
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
    if params["release"] or params["workload"]:
        for name in ("context", "namespace"):
            if not params[name]:
                raise OptionError(name, f"needed with {'release' if params['release'] else 'workload'}")
    return options


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
        if options.new_url is None:
            raise OptionError("new_engine", "needed for way handover")
        if options.new_url == options.engine_url:
            raise OptionError("new_engine", "is the engine itself")
        if options.wanted.emergency:
            raise OptionError("emergency", "is for way full; a handover that fails goes back by itself")
        for call in ("follow", "proof", "cut", "open"):
            if not calls[call].offered:
                raise OptionError("contract", f"engine.{call} has to be offered for way handover")
    elif options.engine_url in (options.prove_url, options.new_url):
        raise OptionError("prove", "is the engine itself, which would prove what it believes")
    elif options.prove_url is None and options.new_url is None and not options.wanted.emergency:
        raise OptionError("prove", "needed for way full: a second engine that loads the snapshot and proves it")
    elif not (calls["snapshot"].offered and calls["verify"].offered):
        raise OptionError("contract", "engine.snapshot and engine.verify have to be offered for way full")
    missing = {"I2", "I9"} - options.allow_unknown if not options.gateway_urls else set()
    if missing and not options.wanted.emergency:
        told = " and ".join(sorted(missing))
        raise OptionError(
            "gateways", f"without gateways nobody can judge {told}; name them, or put {told} into allow_unknown"
        )
