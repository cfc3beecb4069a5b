# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate is asked at each step, made from the gate profiles of the inventory. Pure."""

from __future__ import annotations

import math
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
    "bake_requests": 0,
    "judge_s": 60,
    "workload_grace": {},
    "metrics": [],
    "counters": [],
    "health": [],
}

#: The strictest first: a tier is as careful as its most careful service.
_THIN: t.Final = ("fail", "ask", "pass_on_workloads")

#: The options of one check of each kind, as the gate knows them (a test compares them). The plan adds `service` and
#: `tests`.
KINDS: t.Final[Mapping[str, frozenset[str]]] = {
    "metrics": frozenset(
        {
            "name",
            "query",
            "max",
            "min",
            "for_s",
            "consecutive",
            "n_of_m",
            "min_samples_query",
            "min_samples",
            "min_requests",
            "min_failures",
            "age_query",
            "baseline",
            "rank_test",
            "on_missing",
            "weight",
        }
    ),
    "counters": frozenset(
        {
            "name",
            "requests",
            "failures",
            "against",
            "healthy_below",
            "false_alarm",
            "overdispersion",
            "min_requests",
            "pod_label",
            "on_missing",
            "weight",
        }
    ),
    "health": frozenset(
        {
            "name",
            "url",
            "tcp",
            "status",
            "max_ms",
            "body",
            "headers",
            "ca_cert",
            "timeout_s",
            "consecutive",
            "weight",
        }
    ),
}
#: What compares the new version with the stable slot, and so needs one.
_COMPARES: t.Final = {"metrics": "baseline", "counters": "against"}
_NEEDED: t.Final = {"metrics": ("name", "query"), "counters": ("name", "requests", "failures"), "health": ("name",)}
_PLACEHOLDERS: t.Final = ("service", "slot", "stable", "namespace", "region")


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
        baked = profile.get("bake_requests", 0)
        if isinstance(baked, bool) or not isinstance(baked, (int, float)) or not 0 <= baked < math.inf:
            problems.append(f"{option}.bake_requests: use a number of requests.")
        elif baked and not profile.get("counters"):
            problems.append(f"{option}.bake_requests: only counters count requests, and the profile has none.")
        if profile.get("on_thin_evidence", "fail") not in _THIN:
            problems.append(f"{option}.on_thin_evidence: use one of {', '.join(_THIN)}.")
        for kind in KINDS:
            for position, check in enumerate(profile.get(kind) or []):
                problems += _check_problems(kind, f"{option}.{kind}[{position}]", check)
    return problems


def _check_problems(kind: str, option: str, check: t.Any) -> list[str]:
    needed = _NEEDED[kind]
    if not isinstance(check, Mapping) or not all(check.get(key) for key in needed):
        return [f"{option}: it needs {' and '.join(needed)}."]
    known, name = KINDS[kind], check["name"]
    problems = [
        f"{option}.{key} ({name}): unknown option (known: {', '.join(sorted(known))})."
        for key in check
        if key not in known
    ]
    if kind == "metrics" and ("max" in check) + ("min" in check) != 1 and "baseline" not in check:
        problems.append(f"{option} ({name}): give either max or min, or a baseline.")
    if kind == "health" and ("url" in check) == ("tcp" in check):
        problems.append(f"{option} ({name}): give either url or tcp.")
    for key, value in check.items():
        try:
            filled(value, dict.fromkeys(_PLACEHOLDERS, "s"))
        except (KeyError, ValueError):
            known_names = ", ".join(f"${placeholder}" for placeholder in _PLACEHOLDERS)
            problems.append(f"{option}.{key} ({name}): only {known_names} are filled in; write $$ for a dollar sign.")
    return problems


def filled(value: t.Any, names: Mapping[str, str]) -> t.Any:
    """The value with every placeholder in its texts replaced. Raises KeyError or ValueError for an unknown one."""
    if isinstance(value, str):
        return string.Template(value).substitute(names)
    if isinstance(value, Mapping):
        return {key: filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    return value


def gate_options(
    profiles: Sequence[Mapping[str, t.Any]],
    *,
    workloads: list[JsonObject],
    checks: Mapping[str, list[JsonObject]],
    observe_key: str | None,
    trip: list[JsonObject],
) -> JsonObject:
    """Options of `k8s_rollout_gate` for services that are judged together.

    The longest window and the strictest rule of their profiles hold. Without checks there is nothing to observe.
    """
    full = [{**DEFAULTS, **profile} for profile in profiles]
    grace: JsonObject = {}
    for profile in full:
        for key, value in profile["workload_grace"].items():
            grace[key] = max(value, grace.get(key, value))
    watched = any(checks.values())
    return {
        "workloads": workloads,
        "workload_grace": grace,
        **{kind: list(checks.get(kind, [])) for kind in KINDS},
        "observe_s": max(float(p[observe_key]) for p in full) if observe_key and watched else 0.0,
        "interval_s": min(float(p["interval_s"]) for p in full),
        "deadline_s": max(float(p["deadline_s"]) for p in full),
        "blind_s": min(float(p["blind_s"]) for p in full),
        "evidence_max_s": max(float(p["evidence_max_s"]) for p in full),
        "on_thin_evidence": min((str(p["on_thin_evidence"]) for p in full), key=_THIN.index),
        "traffic": watched,
        "trip": trip,
    }


def checks_of(profile: Mapping[str, t.Any], names: Mapping[str, str]) -> dict[str, list[JsonObject]]:
    """The profile's checks by kind, with the names of one slot filled in: service, slot, stable, namespace, region.

    `stable` is empty for a change in place: then nothing is compared, and what would only compare is left out.
    """
    found: dict[str, list[JsonObject]] = {}
    for kind in KINDS:
        found[kind] = []
        compares = _COMPARES.get(kind)
        for check in profile.get(kind) or []:
            alone = compares in check and not names["stable"]
            if alone and kind == "metrics" and "max" not in check and "min" not in check:
                continue
            dropped = (compares, "rank_test") if alone else ()
            asked = filled({key: value for key, value in check.items() if key not in dropped}, names)
            service = names["service"]
            found[kind].append({**asked, "name": f"{service} {check['name']}", "service": service})
    return found


def baked(checks: Mapping[str, list[JsonObject]], profile: Mapping[str, t.Any]) -> dict[str, list[JsonObject]]:
    """The checks of the bake: `bake_s` says for how long it lasts at least, `bake_requests` for how many requests."""
    least = float(profile.get("bake_requests", DEFAULTS["bake_requests"]))
    counters = [
        {**check, "min_requests": max(least, float(check.get("min_requests", 0)))} if least else check
        for check in checks.get("counters", [])
    ]
    return {**checks, "counters": counters}


def split_false_alarm(plan: JsonObject, regions: int) -> JsonObject:
    """The plan with `tests` on every sequential check: the release's false-alarm probability is split over all of them.

    Each region judges once more before every later wave and before the decision, at most as often as there are regions.
    """
    judged = [step["gate"] for step in (*plan["steps"], *plan["bake"])] + [plan["judge"]] * (
        regions if plan["judge"] else 0
    )
    tests = max(1, regions * sum(len(gate["counters"]) for gate in judged))
    for gate in judged:
        gate["counters"] = [{**check, "tests": tests} for check in gate["counters"]]
    return plan
