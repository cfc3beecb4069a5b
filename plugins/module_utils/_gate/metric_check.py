# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's metric checks: options, and the questions to the provider."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import Checker, CheckState, Round
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_baseline import Baseline
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_metric import Check, Judge, make_sample
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sample import MISSING, POLICIES
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_streak import Form
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import Reading

Params = Mapping[str, t.Any]

#: What a check does about each way of not being measured.
ON_MISSING: t.Final[dict[str, t.Any]] = {
    "type": "dict",
    "apply_defaults": True,
    "options": {kind: {"type": "str", "choices": list(POLICIES), "default": "hold"} for kind in MISSING},
}

SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "name": {"type": "str", "required": True},
    "query": {"type": "str", "required": True},
    "max": {"type": "float"},
    "min": {"type": "float"},
    "baseline": {
        "type": "dict",
        "options": {
            "query": {"type": "str", "required": True},
            "ratio": {"type": "float", "required": True},
            "floor": {"type": "float", "required": True},
        },
    },
    "rank_test": {"type": "dict", "options": {"alpha": {"type": "float", "default": 0.01}}},
    "for_s": {"type": "float", "default": 0.0},
    "consecutive": {"type": "int"},
    "n_of_m": {
        "type": "dict",
        "options": {"n": {"type": "int", "required": True}, "m": {"type": "int", "required": True}},
    },
    "min_samples": {"type": "int", "default": 1},
    "min_samples_query": {"type": "str"},
    "min_requests": {"type": "float", "default": 0.0},
    "min_failures": {"type": "float", "default": 0.0},
    "age_query": {"type": "str"},
    "on_missing": ON_MISSING,
    "weight": {"type": "str", "choices": ["critical", "warning"], "default": "critical"},
    "service": {"type": "str", "default": ""},
}


class Reads(t.Protocol):
    """What a metric check needs of a provider."""

    def read(self, query: str, at: float) -> Reading:
        """One number, or why there is none. Raises OptionError for a query that can never work."""


def checkers_of(items: Sequence[Params], provider: Reads, *, stale_s: float, gap_s: float) -> list[Checker]:
    """One check for each item. Asks nothing yet. Raises OptionError for bad input.

    An older newest sample than `stale_s` is none. Two samples further apart than `gap_s` have a gap between them.
    """
    names: set[str] = set()
    checkers: list[Checker] = []
    for item in items:
        if item["name"] in names:
            raise OptionError("metrics", f"{item['name']} stands in it twice")
        names.add(item["name"])
        problem = _problem(item)
        if problem:
            raise OptionError("metrics", f"{item['name']}: {problem}")
        checkers.append(MetricChecker(_check(item), provider, stale_s=stale_s, gap_s=gap_s))
    return checkers


class MetricChecker:
    """One check with its memory. All its queries are asked for the same instant."""

    def __init__(self, check: Check, provider: Reads, *, stale_s: float, gap_s: float) -> None:
        self._check = check
        self._judge = Judge(check, gap_s)
        self._provider = provider
        self._stale_s = stale_s

    def look(self, this: Round) -> CheckState:
        """Measure once and say how it stands. Raises OptionError for a query that can never work."""
        check, at = self._check, this.at
        sample = make_sample(
            check,
            this.now,
            value=self._provider.read(check.query, at),
            requests=self._provider.read(check.min_samples_query, at) if check.min_samples_query else None,
            age_s=self._provider.read(check.age_query, at) if check.age_query else None,
            baseline=self._provider.read(check.baseline.query, at) if check.baseline is not None else None,
            stale_s=self._stale_s,
        )
        return self._judge.add(sample)


def _problem(item: Params) -> str:
    """What is wrong with one check; empty for nothing."""
    for rule in (_limit_problem, _baseline_problem, _form_problem, _evidence_problem):
        problem = rule(item)
        if problem:
            return problem
    return ""


def _limit_problem(item: Params) -> str:
    if item["max"] is not None and item["min"] is not None:
        return "give either max or min"
    if item["max"] is None and item["min"] is None and not item["baseline"]:
        return "give either max or min, or a baseline"
    for option in ("max", "min"):
        # Nothing is above NaN: such a check would always be good.
        if item[option] is not None and not math.isfinite(item[option]):
            return f"{option} has to be a finite number"
    return ""


def _baseline_problem(item: Params) -> str:
    baseline, rank_test = item["baseline"], item["rank_test"]
    if not baseline:
        return "rank_test goes with a baseline" if rank_test else ""
    if item["min"] is not None:
        return "a baseline goes with max: it finds what is too high"
    if not 1 <= baseline["ratio"] < math.inf:
        return "baseline.ratio has to be 1 or more"
    if not 0 < baseline["floor"] < math.inf:
        return "baseline.floor has to be more than 0; next to nothing every ratio is exceeded"
    if rank_test and not 0 < rank_test["alpha"] <= 0.5:
        return "rank_test.alpha has to be more than 0 and at most 0.5"
    return ""


def _form_problem(item: Params) -> str:
    n_of_m = item["n_of_m"]
    if bool(item["for_s"]) + (item["consecutive"] is not None) + bool(n_of_m) > 1:
        return "give only one of for_s, consecutive and n_of_m"
    if not 0 <= item["for_s"] < math.inf:
        return "for_s has to be 0 or more"
    if item["consecutive"] is not None and item["consecutive"] < 1:
        return "consecutive has to be 1 or more"
    if n_of_m and not 1 <= n_of_m["n"] <= n_of_m["m"]:
        return "n_of_m.n has to be 1 or more, and n_of_m.m at least as much"
    return ""


def _evidence_problem(item: Params) -> str:
    for option in ("min_requests", "min_failures"):
        if not 0 <= item[option] < math.inf:
            return f"{option} has to be 0 or more"
        if item[option] and not item["min_samples_query"]:
            return f"{option} needs a min_samples_query that counts the requests"
    if item["min_failures"] and item["min"] is not None:
        return "min_failures goes with max, for a share of failures"
    return "min_samples has to be 1 or more" if item["min_samples"] < 1 else ""


def _check(item: Params) -> Check:
    return Check(
        name=item["name"],
        query=item["query"],
        maximum=item["max"],
        minimum=item["min"],
        baseline=_baseline(item),
        form=_form(item),
        min_samples_query=item["min_samples_query"],
        age_query=item["age_query"],
        min_requests=item["min_requests"],
        min_failures=item["min_failures"],
        min_samples=item["min_samples"],
        on_missing=item["on_missing"],
        critical=item["weight"] == "critical",
        service=item["service"],
    )


def _baseline(item: Params) -> Baseline | None:
    baseline, rank_test = item["baseline"], item["rank_test"]
    if not baseline:
        return None
    alpha = rank_test["alpha"] if rank_test else None
    return Baseline(baseline["query"], baseline["ratio"], baseline["floor"], alpha)


def _form(item: Params) -> Form:
    n_of_m = item["n_of_m"]
    return Form(item["for_s"], item["consecutive"], (n_of_m["n"], n_of_m["m"]) if n_of_m else None)
