# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate is asked at each step, made from the gate profiles of the inventory. Pure."""

from __future__ import annotations

import string
import typing as t
from collections.abc import Mapping, Sequence

JsonObject = dict[str, t.Any]

#: Used where a profile says nothing. Windows are the inventory's business: these are production's.
DEFAULTS: t.Final[Mapping[str, t.Any]] = {
    "interval_s": 5,
    "deadline_s": 300,
    "blind_s": 60,
    "evidence_max_s": 900,
    "on_thin_evidence": "fail",
    "step_s": 300,
    "bake_s": 300,
    "judge_s": 60,
    "workload_grace": {},
    "metrics": [],
}

#: The strictest first: a tier is as careful as its most careful service.
_THIN: t.Final = ("fail", "ask", "pass_on_workloads")

_METRIC: t.Final = (
    "name",
    "query",
    "max",
    "min",
    "for_s",
    "min_samples_query",
    "min_requests",
    "min_failures",
    "age_query",
    "weight",
)
_QUERIES: t.Final = ("query", "min_samples_query", "age_query")
_PLACEHOLDERS: t.Final = {"service": "s", "slot": "s", "namespace": "s", "region": "s"}


def profile_problems(profiles: t.Any) -> list[str]:
    """What is wrong with the gate profiles, one sentence each, naming the option."""
    if not isinstance(profiles, Mapping) or not profiles:
        return ["gate_profiles: empty; describe at least the profile default."]
    problems: list[str] = []
    for name, profile in profiles.items():
        option = f"gate_profiles.{name}"
        if not isinstance(profile, Mapping):
            problems.append(f"{option}: use a mapping.")
            continue
        problems += [
            f"{option}.{key}: unknown option (known: {', '.join(DEFAULTS)})." for key in profile if key not in DEFAULTS
        ]
        if profile.get("on_thin_evidence", "fail") not in _THIN:
            problems.append(f"{option}.on_thin_evidence: use one of {', '.join(_THIN)}.")
        for position, metric in enumerate(profile.get("metrics") or []):
            problems += _metric_problems(f"{option}.metrics[{position}]", metric)
    return problems


def _metric_problems(option: str, metric: t.Any) -> list[str]:
    if not isinstance(metric, Mapping) or not metric.get("name") or not metric.get("query"):
        return [f"{option}: a metric has a name and a query."]
    problems = [
        f"{option}.{key} ({metric['name']}): unknown option (known: {', '.join(_METRIC)})."
        for key in metric
        if key not in _METRIC
    ]
    if ("max" in metric) == ("min" in metric):
        problems.append(f"{option} ({metric['name']}): give either max or min.")
    for key in _QUERIES:
        try:
            string.Template(str(metric.get(key, ""))).substitute(_PLACEHOLDERS)
        except (KeyError, ValueError):
            problems.append(
                f"{option}.{key} ({metric['name']}): only $service, $slot, $namespace and $region are filled in; "
                "write $$ for a dollar sign."
            )
    return problems


def gate_options(
    profiles: Sequence[Mapping[str, t.Any]],
    *,
    workloads: list[JsonObject],
    metrics: list[JsonObject],
    observe_key: str | None,
    trip: JsonObject | None,
) -> JsonObject:
    """Options of `k8s_rollout_gate` for services that are judged together.

    The longest window and the strictest rule of their profiles hold. Without metrics there is nothing to observe.
    """
    full = [{**DEFAULTS, **profile} for profile in profiles]
    grace: JsonObject = {}
    for profile in full:
        for key, value in profile["workload_grace"].items():
            grace[key] = max(value, grace.get(key, value))
    return {
        "workloads": workloads,
        "workload_grace": grace,
        "metrics": metrics,
        "observe_s": max(float(p[observe_key]) for p in full) if observe_key and metrics else 0.0,
        "interval_s": min(float(p["interval_s"]) for p in full),
        "deadline_s": max(float(p["deadline_s"]) for p in full),
        "blind_s": min(float(p["blind_s"]) for p in full),
        "evidence_max_s": max(float(p["evidence_max_s"]) for p in full),
        "on_thin_evidence": min((str(p["on_thin_evidence"]) for p in full), key=_THIN.index),
        "traffic": bool(metrics),
        "trip": trip,
    }


def metrics_of(profile: Mapping[str, t.Any], service: str, slot: str, namespace: str, region: str) -> list[JsonObject]:
    """The profile's checks with the names of one slot filled in."""
    names = {"service": service, "slot": slot, "namespace": namespace, "region": region}
    checks = []
    for metric in profile.get("metrics") or []:
        check = dict(metric)
        check["name"] = f"{service} {metric['name']}"
        for key in _QUERIES:
            if key in metric:
                check[key] = string.Template(str(metric[key])).substitute(names)
        checks.append(check)
    return checks
