# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a benchmark: what was measured beside its goal. `met` is computed, never written by hand."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import platform
import statistics
import subprocess
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[1]
OURS: t.Final = "pincex.zero_downtime"
_NAMES: t.Final = ("case", "subject", "metric")


@dataclasses.dataclass(frozen=True)
class Goal:
    """A limit that the worst round has to stay under, or the median of all, and what others reach."""

    under: float | None = None
    reference: float | None = None
    of: t.Literal["worst", "median"] = "worst"


def row(
    case: str, metric: str, values: t.Sequence[float | None], goal: Goal, unit: str = "s", *, subject: str = OURS
) -> dict[str, t.Any]:
    """One row. A round that could not be measured misses the goal and is not averaged away."""
    known = [value for value in values if value is not None]
    worst = max(known) if known else None
    median = statistics.median(known) if known else None
    deciding = worst if goal.of == "worst" else median
    complete = len(known) == len(values) and bool(known)
    return {
        "case": case,
        "subject": subject,
        "metric": metric,
        "value": None if median is None else round(median, 3),
        "worst": None if worst is None else round(worst, 3),
        "unit": unit,
        "reference": goal.reference,
        "ratio": round(median / goal.reference, 3) if median is not None and goal.reference else None,
        "goal": goal.under,
        "met": None if goal.under is None else complete and deciding is not None and deciding < goal.under,
        "rounds": len(values),
        "spread": round(max(known) - min(known), 3) if known else None,
    }


def verdict_row(case: str, said: str, expected: str, sentence: str, subject: str = OURS) -> dict[str, t.Any]:
    """What somebody said beside what is right. Only our own verdicts are goals; who else is right stands in `right`."""
    return {
        "case": case,
        "subject": subject,
        "metric": "verdict",
        "value": said,
        "worst": None,
        "unit": "",
        "reference": None,
        "ratio": None,
        "goal": expected,
        "met": said == expected if subject == OURS else None,
        "rounds": 1,
        "spread": None,
        "right": said == expected,
        "sentence": sentence,
    }


def table(rows: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """The rows as text, a goal that was missed included."""

    def show(value: t.Any) -> str:
        return "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)

    # As wide as the longest: some benchmarks have one case, others name a rollout and everybody who judged it.
    case, subject, metric = (max((len(str(entry[key])) for entry in rows), default=0) for key in _NAMES)
    heads = f"{'case':<{case}} {'subject':<{subject}} {'metric':<{metric}}"
    lines = [f"{heads} {'median':>8} {'worst':>8} {'unit':<5} {'goal':>7} {'others':>7} met"]
    for entry in rows:
        met = {None: "-", True: "yes", False: "NO"}[entry["met"]]
        if entry["met"] is None and "right" in entry:
            met = "right" if entry["right"] else "wrong"
        lines.append(
            f"{entry['case']:<{case}} {entry['subject']:<{subject}} {entry['metric']:<{metric}} "
            f"{show(entry['value']):>8} {show(entry['worst']):>8} "
            f"{entry['unit']:<5} {show(entry['goal']):>7} {show(entry['reference']):>7} {met}"
        )
    return lines


def commit() -> str:
    """What was measured, as git names it, with `-dirty` where files differ from it. What the parts before this one have
    written under bench/results does not count: it is not what is measured."""

    def said(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()

    name = said("describe", "--always")
    changed = said("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results")
    return f"{name}-dirty" if name and changed else name or "unknown"


def write(name: str, rows: t.Sequence[t.Mapping[str, t.Any]], versions: t.Mapping[str, str]) -> pathlib.Path:
    """Write bench/results/NAME.json."""
    header = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}",
        "versions": dict(versions),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    path = ROOT / "bench" / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"header": header, "rows": list(rows)}, indent=2) + "\n", encoding="utf-8")
    return path
