# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a bad version is visible: v3 at 10 % of 100 requests/s, 1 s scrape, with `trip`.

Two rules alternate: the sequential test of the profile `lab`, and the naive one of the peers (one sample above the
limit). Beside them stands the bound of the ideal test, which knows both error rates and sees every answer at once. The
others' figures were measured once in such a lab with a 5 s query window, and are not run here.
"""

from __future__ import annotations

import collections.abc as c
import copy
import dataclasses
import importlib.metadata
import json
import math
import signal
import subprocess
import sys
import time
import typing as t

import yaml

from bench.gate import region
from bench.gate.part import Measured, Options, Row
from bench.results import ROOT, Goal, row
from bench.way_back import figures
from lab.demo.evidence import read_flow, read_release
from lab.demo.playbook import Playbooks
from lab.demo.verdict import Flow, Release
from lab.errors import LabError

_ROUNDS: t.Final = 10
#: Orders; cancels and queries come on top, so that the region gets 100 requests/s. v3 fails a fifth of the orders.
_ORDERS_PER_S: t.Final = 1000 / 11
_REQUESTS_PER_S: t.Final = 100.0
_CANARY: t.Final = 0.1
_BAD: t.Final = 0.2 / 1.1
#: The rule that is measured: healthy below 1 %, one false alarm in 10,000 releases.
_NULL: t.Final = 0.01
_ALPHA: t.Final = 1e-4

SEQUENTIAL: t.Final = "sequential test"
NAIVE: t.Final = "naive rule"
#: Seconds from first to last bad answer, and how many: Argo Rollouts' best.
_ARGO_S: t.Final = 5.3
_ARGO_BAD: t.Final = 8
_UNDER_S: t.Final = {SEQUENTIAL: 5.0, NAIVE: 2.0}
_MOST_BAD: t.Final = {SEQUENTIAL: 10, NAIVE: None}
_PARTS: t.Final = (
    "first to last bad",
    "breach to decision",
    "first bad to seen",
    "seen to decision",
    "decision to weights",
    "weights to last bad",
)
_BREATH_S: t.Final = 3
_FLOW_END_S: t.Final = 120
_PROFILES: t.Final = ROOT / "plugins" / "plugin_utils" / "gate_profiles.yml"


@dataclasses.dataclass(frozen=True)
class Round:
    """One release of v3. `breached_at` is when the gate first saw what it decided on, in unix seconds."""

    rule: str
    release: Release
    flow: Flow
    bad: int
    breached_at: float | None


@dataclasses.dataclass(frozen=True)
class Bound:
    """What no test can be better than on average: requests, bad answers, and seconds after the first of these."""

    requests: float
    bad: float
    seconds: float


def ideal(bad: float, null: float, alpha: float, per_s: float) -> Bound:
    """The least expected number of requests of any sequential test that raises a false alarm with at most `alpha`.

    ln(1/alpha) over the Kullback-Leibler divergence of the bad version from the null (Wald). The first bad answer is
    the 1/bad-th request on average; the clock starts there.
    """
    divergence = bad * math.log(bad / null) + (1 - bad) * math.log((1 - bad) / (1 - null))
    needed = math.log(1 / alpha) / divergence
    return Bound(needed, needed * bad, max(0.0, needed - 1 / bad) / per_s)


def naive_profile(lab: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The lab's profile with nothing but its error rate, which one sample above the limit fails."""
    rate = next(check for check in lab["metrics"] if check["name"] == "error rate")
    kept = {key: rate[key] for key in ("name", "query", "max", "age_query")}
    return {**copy.deepcopy(dict(lab)), "counters": [], "metrics": [{**kept, "consecutive": 1}]}


def breached_at(report: t.Mapping[str, t.Any] | None) -> float | None:
    """Of the step that was tripped."""
    for each in (report or {}).get("regions") or []:
        for step in each.get("steps") or []:
            if step.get("tripped") and step.get("breached_at") is not None:
                return float(step["breached_at"])
    return None


def _round(playbooks: Playbooks, lab: str, rule: str, extra: c.Sequence[str]) -> Round:
    """One release of v3 under a flow of its own, as `bench.way_back` does it."""
    out = playbooks.reports / "flow.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "lab.flow", "run", "--name", lab, "--rate", f"{_ORDERS_PER_S:g}"]
    # The flow's clock is the measure: it must not wait for the release's processes on a small machine.
    flow = subprocess.Popen(["nice", "-n", "-5", *command, "--out", str(out)], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        time.sleep(_BREATH_S)
        known = playbooks.list_reports()
        code = playbooks.run("deploy", *extra, release_version="v3")
        report = playbooks.newest_report(known)
        time.sleep(_BREATH_S)
    finally:
        flow.send_signal(signal.SIGTERM)
        try:
            flow.wait(_FLOW_END_S)
        except subprocess.TimeoutExpired:
            flow.kill()
            flow.wait()
    seen = json.loads(out.read_text(encoding="utf-8"))
    bad = int((seen["versions"].get("v3") or {}).get("bad", 0))
    return Round(rule, read_release("v3", code, report), read_flow(seen), bad, breached_at(report))


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own."""
    reports = ROOT / "reports" / "bench"
    reports.mkdir(parents=True, exist_ok=True)
    playbooks = Playbooks(options.lab, reports)
    profile = naive_profile(yaml.safe_load(_PROFILES.read_text(encoding="utf-8"))["lab"])
    extra = {SEQUENTIAL: [], NAIVE: ["-e", json.dumps({"gate_profiles": {"default": profile}})]}
    found = []
    with region.lab(options.lab):
        if playbooks.run("deploy", release_version="v1"):
            raise LabError("v1 could not be deployed; look at the messages above")
        for number in range(options.rounds or _ROUNDS):
            for rule, words in extra.items():
                print(f"\n=== round {number + 1}, {rule}", flush=True)
                found.append(_round(playbooks, options.lab, rule, words))
    versions = {name: importlib.metadata.version(name) for name in ("ansible-core", "kubernetes")}
    return Measured(rows(found), versions)


def parts(one: Round) -> dict[str, float | None]:
    """Seconds of one round, told apart; None where there was nothing to measure."""

    def between(start: float | None, end: float | None) -> float | None:
        return None if start is None or end is None else end - start

    return {
        **figures(one.release, one.flow),
        # The scrape, and the first look after it.
        "first bad to seen": between(one.flow.first_bad, one.breached_at),
        "seen to decision": between(one.breached_at, one.release.decided_at),
    }


def rows(found: c.Sequence[Round]) -> list[Row]:
    """Each rule with its parts, and the bound beside the one that it holds for."""
    made = []
    for rule in (SEQUENTIAL, NAIVE):
        own = [one for one in found if one.rule == rule]
        measured = [parts(one) for one in own]
        case = f"v3 at 10 %, {rule}"
        most = _MOST_BAD[rule]
        goals = {"first to last bad": Goal(_UNDER_S[rule], _ARGO_S, "median")}
        made += [row(case, metric, [each[metric] for each in measured], goals.get(metric, Goal())) for metric in _PARTS]
        # "At most": whole numbers, and the median of an even number of rounds lies between two of them.
        bad_goal = Goal(None if most is None else most + 0.01, _ARGO_BAD, "median")
        made.append(row(case, "bad answers", [float(one.bad) for one in own], bad_goal, "count"))
        for metric, field in (
            ("lost orders", "lost"),
            ("duplicated orders", "duplicated"),
            ("failed by healthy", "failed_by_healthy_versions"),
        ):
            made.append(row(case, metric, [float(getattr(one.flow, field)) for one in own], Goal(0.5), "count"))
    bound = ideal(_BAD, _NULL, _ALPHA, _REQUESTS_PER_S * _CANARY)
    case = f"v3 at 10 %, {SEQUENTIAL}"
    for metric, value, unit in (
        ("first to last bad", bound.seconds, "s"),
        ("bad answers", bound.bad, "count"),
        ("requests needed", bound.requests, "count"),
    ):
        made.append(row(case, metric, [value], Goal(), unit, subject="ideal test (bound)"))
    return made
