# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's options, and what they mean. Everything that can be wrong with them is refused here."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import CLUSTER, RELEASE, merge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_metric import Check
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import KINDS, Grace, Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.gate import Question

Params = Mapping[str, t.Any]

_GRACE: t.Final = {
    "crash_restarts": {"type": "int", "default": 1},
    "oom_kills": {"type": "int", "default": 0},
    "image_pull_s": {"type": "float", "default": 30.0},
    "config_error_s": {"type": "float", "default": 10.0},
    "start_error_s": {"type": "float", "default": 10.0},
    "replica_failure_s": {"type": "float", "default": 10.0},
    "unschedulable_s": {"type": "float", "default": 300.0},
}

_METRIC: t.Final = {
    "name": {"type": "str", "required": True},
    "query": {"type": "str", "required": True},
    "max": {"type": "float"},
    "min": {"type": "float"},
    "for_s": {"type": "float", "default": 0.0},
    "min_samples_query": {"type": "str"},
    "min_requests": {"type": "float", "default": 0.0},
    "min_failures": {"type": "float", "default": 0.0},
    "age_query": {"type": "str"},
    "weight": {"type": "str", "choices": ["critical", "warning"], "default": "critical"},
}

_PROMETHEUS: t.Final = {
    "url": {"type": "str", "required": True},
    "ca_cert": {"type": "path"},
    "token_file": {"type": "path"},
    "headers": {"type": "dict", "no_log": True},
    "timeout_s": {"type": "float", "default": 2.0},
    "stale_s": {"type": "float", "default": 30.0},
}

ARGUMENT_SPEC: t.Final[dict[str, dict[str, t.Any]]] = merge(
    CLUSTER,
    RELEASE,
    {
        "workloads": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "kind": {"type": "str", "choices": list(KINDS), "required": True},
                "name": {"type": "str", "required": True},
                "min_ready": {"type": "int"},
            },
        },
        "workload_grace": {"type": "dict", "options": _GRACE, "apply_defaults": True},
        "metrics": {"type": "list", "elements": "dict", "default": [], "options": _METRIC},
        "prometheus": {"type": "dict", "options": _PROMETHEUS},
        "observe_s": {"type": "float", "default": 0.0},
        "interval_s": {"type": "float", "default": 5.0},
        "deadline_s": {"type": "float", "default": 300.0},
        "blind_s": {"type": "float", "default": 60.0},
        "evidence_max_s": {"type": "float", "default": 900.0},
        "on_thin_evidence": {"type": "str", "choices": ["fail", "ask", "pass_on_workloads"], "default": "fail"},
        "traffic": {"type": "bool", "default": True},
        "trip": {
            "type": "dict",
            "options": {
                "routes": {"type": "list", "elements": "str", "required": True},
                "to": {"type": "str", "choices": ["blue", "green"], "required": True},
            },
        },
        "fail_on": {
            "type": "list",
            "elements": "str",
            "choices": ["pass", "fail", "hold"],
            "default": ["fail", "hold"],
        },
    },
)


def question_of(params: Params) -> Question:
    """What is to be judged. Raises OptionError naming the option."""
    if not params["workloads"] and not params["metrics"]:
        raise OptionError("workloads", "name workloads or metrics; a gate that looks at nothing would always pass")
    if params["metrics"] and not params["prometheus"]:
        raise OptionError("prometheus", "metrics need a prometheus.url")
    if params["trip"] and not params["trip"]["routes"]:
        raise OptionError("trip.routes", "name at least one route")
    if params["interval_s"] <= 0:
        raise OptionError("interval_s", "has to be more than 0")
    for option in ("observe_s", "deadline_s", "blind_s", "evidence_max_s"):
        if params[option] < 0:
            raise OptionError(option, "cannot be negative")
    return Question(
        workloads=[Wanted(item["kind"], item["name"], item["min_ready"]) for item in params["workloads"]],
        grace=Grace(**params["workload_grace"]),
        checks=_checks(params["metrics"]),
        rules=Rules(
            observe_s=params["observe_s"],
            deadline_s=params["deadline_s"],
            blind_s=params["blind_s"],
            evidence_max_s=params["evidence_max_s"],
            on_thin_evidence=params["on_thin_evidence"],
            traffic=params["traffic"],
        ),
        interval_s=params["interval_s"],
        stale_s=params["prometheus"]["stale_s"] if params["prometheus"] else 0.0,
        title=params["step"],
    )


def _checks(metrics: list[Params]) -> list[Check]:
    names: set[str] = set()
    checks = []
    for metric in metrics:
        name = metric["name"]
        if name in names:
            raise OptionError("metrics", f"{name} stands in it twice")
        names.add(name)
        if (metric["max"] is None) == (metric["min"] is None):
            raise OptionError("metrics", f"{name}: give either max or min")
        for option in ("min_requests", "min_failures"):
            if metric[option] and not metric["min_samples_query"]:
                raise OptionError("metrics", f"{name}: {option} needs a min_samples_query that counts the requests")
        if metric["min_failures"] and metric["max"] is None:
            raise OptionError("metrics", f"{name}: min_failures goes with max, for a share of failures")
        checks.append(
            Check(
                name=name,
                query=metric["query"],
                maximum=metric["max"],
                minimum=metric["min"],
                for_s=metric["for_s"],
                min_samples_query=metric["min_samples_query"],
                age_query=metric["age_query"],
                min_requests=metric["min_requests"],
                min_failures=metric["min_failures"],
                critical=metric["weight"] == "critical",
            )
        )
    return checks
