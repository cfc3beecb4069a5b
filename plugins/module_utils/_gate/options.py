# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's options, and what they mean. Each kind of check refuses its own; what is common is refused here."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import CLUSTER, RELEASE, merge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import (
    counter_check,
    health_check,
    metric_check,
    providers,
    replay,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import Checker
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import KINDS, Grace, Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.gate import Question
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import MetricProvider, MetricReader

Params = Mapping[str, t.Any]

_GRACE: t.Final = {
    field.name: {"type": "int" if isinstance(field.default, int) else "float", "default": field.default}
    for field in dataclasses.fields(Grace)
}

_WORKLOAD: t.Final = {
    "kind": {"type": "str", "choices": list(KINDS), "required": True},
    "name": {"type": "str"},
    "selector": {"type": "str"},
    "min_ready": {"type": "int"},
    "service": {"type": "str", "default": ""},
}

_TRIP: t.Final = {
    "service": {"type": "str", "required": True},
    "route": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["HTTPRoute", "Service"], "default": "HTTPRoute"},
    "weights": {"type": "dict", "required": True},
    "depends_on": {"type": "list", "elements": "str", "default": []},
}


def _list_of(options: Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {"type": "list", "elements": "dict", "default": [], "options": options}


ARGUMENT_SPEC: t.Final[dict[str, dict[str, t.Any]]] = merge(
    CLUSTER,
    RELEASE,
    providers.argument_spec(),
    {
        "workloads": _list_of(_WORKLOAD),
        "workload_grace": {"type": "dict", "options": _GRACE, "apply_defaults": True},
        "metrics": _list_of(metric_check.SPEC),
        "counters": _list_of(counter_check.SPEC),
        "health": _list_of(health_check.SPEC),
        "observe_s": {"type": "float", "default": 0.0},
        "interval_s": {"type": "float", "default": 5.0},
        "deadline_s": {"type": "float", "default": 300.0},
        "blind_s": {"type": "float", "default": 60.0},
        "evidence_max_s": {"type": "float", "default": 900.0},
        "on_thin_evidence": {"type": "str", "choices": ["fail", "ask", "pass_on_workloads"], "default": "fail"},
        "traffic": {"type": "bool", "default": True},
        "since": {"type": "float"},
        "trip": _list_of(_TRIP),
        "replay": {"type": "dict", "options": replay.SPEC},
        "log_lines": {"type": "int", "default": 20},
        "fail_on": {
            "type": "list",
            "elements": "str",
            "choices": ["pass", "fail", "hold"],
            "default": ["fail", "hold"],
        },
    },
)


def question_of(params: Params) -> Question:
    """What is to be judged, besides the checks. Raises OptionError naming the option."""
    if not any(params[option] for option in ("workloads", "metrics", "counters", "health")):
        problem = "name workloads, metrics, counters or health; a gate that looks at nothing would always pass"
        raise OptionError("workloads", problem)
    if params["metrics"] or params["counters"]:
        providers.must_choose(params, f"{'metrics' if params['metrics'] else 'counters'} need a metric provider")
    if params["interval_s"] <= 0:
        raise OptionError("interval_s", "has to be more than 0")
    for option in ("observe_s", "deadline_s", "blind_s", "evidence_max_s", "log_lines"):
        if params[option] < 0:
            raise OptionError(option, "cannot be negative")
    if params["replay"] and not (params["metrics"] or params["counters"]):
        raise OptionError("replay", "needs metrics or counters; nobody has recorded pods and health endpoints")
    return Question(
        workloads=[_workload(item) for item in params["workloads"]],
        grace=Grace(**params["workload_grace"]),
        rules=Rules(
            observe_s=params["observe_s"],
            deadline_s=params["deadline_s"],
            blind_s=params["blind_s"],
            evidence_max_s=params["evidence_max_s"],
            on_thin_evidence=params["on_thin_evidence"],
            traffic=params["traffic"],
        ),
        interval_s=params["interval_s"],
        title=params["step"],
    )


def _workload(item: Params) -> Wanted:
    if bool(item["name"]) == bool(item["selector"]):
        raise OptionError("workloads", f"{item['kind']}: give either a name or, for pods, a selector")
    if item["selector"] and item["kind"] != "Pod":
        raise OptionError("workloads", f"{item['kind']}: only pods are found by a selector")
    return Wanted(
        item["kind"], item["name"] or "", item["min_ready"], service=item["service"], selector=item["selector"] or ""
    )


def provider_of(params: Params, clock: Clock) -> MetricProvider | None:
    """The metric provider, or None when nothing is asked of one."""
    if not (params["metrics"] or params["counters"]):
        return None
    return providers.connect(params, clock)


def metric_checkers_of(params: Params, provider: MetricReader | None, since: float | None) -> list[Checker]:
    """The checks that ask the provider. `since` is in its own time. Raises OptionError naming the option."""
    kind = providers.chosen(params)
    if provider is None or kind is None:
        return []
    stale_s, gap_s = kind.stale_s(params[kind.OPTION]), _gap_s(params)
    return [
        *metric_check.checkers_of(params["metrics"], provider, stale_s=stale_s, gap_s=gap_s),
        *counter_check.checkers_of(
            params["counters"],
            provider,
            window_s=max(2 * stale_s, 4 * params["interval_s"]),
            stale_s=stale_s,
            since=since,
            gap_s=gap_s,
        ),
    ]


def health_checkers_of(params: Params, clock: Clock) -> list[Checker]:
    """The checks that ask endpoints. Raises OptionError naming the option."""
    return health_check.checkers_of(params["health"], clock, gap_s=_gap_s(params), interval_s=params["interval_s"])


def _gap_s(params: Params) -> float:
    """Two samples further apart than this have a gap between them, even if nobody tried to measure in it."""
    return max(2.0 * float(params["interval_s"]), 1.0)
