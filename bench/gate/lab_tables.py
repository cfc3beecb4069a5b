# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the parts that run on the lab, out of their rows. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from bench.gate.part import Row
from bench.results import OURS

HEALTHY: t.Final = "healthy rollout"
_AS_A_TASK: t.Final = f"{OURS} as a task"
#: Subject -> its column.
_COLUMNS: t.Final = {
    OURS: "this gate",
    "kubectl rollout status": "`kubectl rollout status`",
    "Helm 4 --wait": "Helm 4 `--wait`",
    "kubernetes.core wait": "`kubernetes.core` wait",
}
_RULES: t.Final = {
    "sequential test": "sequential test, split over the tests of the release",
    "naive rule": "the naive rule: one sample above the limit",
}
#: Measured once, in such a lab: docs of the peers' rules in bench/gate/peer_rules.py.
_MEASURED_ONCE: t.Final = (
    "| Argo Rollouts, measured once in such a lab | 5.3-6.7 s | 8-14 | | |",
    "| Flagger, the same | 19 s | 34-55 | | |",
)


def rollout_table(rows: Sequence[Row]) -> list[str]:
    """One line a case: the right verdict, and everybody's seconds until theirs. Wrong ones and missed goals bold."""
    lines = [f"| case | right | {' | '.join(_COLUMNS.values())} |", "|" + "---|" * (len(_COLUMNS) + 2)]
    for case in dict.fromkeys(str(row["case"]) for row in rows):
        own = [row for row in rows if row["case"] == case]
        right = next((str(row["goal"]) for row in own if row["metric"] == "verdict"), "pass")
        cells = [_cell(own, subject) for subject in _COLUMNS]
        lines.append(f"| {case} | {right} | {' | '.join(cells)} |")
    return lines


def _cell(rows: Sequence[Row], subject: str) -> str:
    verdict = _one(rows, subject, "verdict")
    wrong = f"**{verdict['value']}** " if verdict is not None and not verdict["right"] else ""
    times = [
        row for row in rows if row["subject"] == subject and row["metric"].startswith(("change to", "ready to verdict"))
    ]
    if not times or times[0]["value"] is None:
        return wrong.strip() or "not asked"
    time = times[0]
    told = _seconds(time["value"])
    if any(row["met"] is False for row in times):
        told = f"**{told}**"
    if subject == OURS and time["rounds"] > 1:
        told += f" (worst {_seconds(time['worst'])})"
    task = _one(rows, _AS_A_TASK, "ready to verdict")
    if subject == OURS and task is not None:
        told += f", as a task {_seconds(task['value'])}"
    return wrong + told


def canary_table(rows: Sequence[Row]) -> list[str]:
    """One line a rule: medians, worst in brackets."""
    lines = [
        "| rule | first to last bad answer | bad answers | decision to weights | weights to last bad answer |",
        "|---|---|---|---|---|",
    ]
    for case in dict.fromkeys(str(row["case"]) for row in rows if row["subject"] == OURS):
        own = [row for row in rows if row["case"] == case]
        last, bad = (_one(own, OURS, metric) for metric in ("first to last bad", "bad answers"))
        weights, end = (_one(own, OURS, metric) for metric in ("decision to weights", "weights to last bad"))
        if last is None or bad is None or weights is None or end is None:
            raise ValueError(f"{case}: a figure is missing")
        lines.append(
            f"| {_RULES[case.partition(', ')[2]]} | {_worst(last, 's')} | {_worst(bad)} | {weights['value']:.2f} s "
            f"| {end['value']:.2f} s |"
        )
    ideal = [row for row in rows if row["subject"].startswith("ideal")]
    last, bad = (_one(ideal, None, metric) for metric in ("first to last bad", "bad answers"))
    if last is not None and bad is not None:
        lines.append(
            f"| ideal test, which sees every answer at once (bound) | {last['value']:.1f} s | {bad['value']:.1f} | | |"
        )
    return [*lines, *_MEASURED_ONCE]


def scale_table(rows: Sequence[Row]) -> list[str]:
    """One line a number of Deployments; the worst of all calls."""
    lines = [
        "| in one call | lists and first watches | watches asked for again | last ready to verdict | peak memory |",
        "|---|---|---|---|---|",
    ]
    for case in dict.fromkeys(str(row["case"]) for row in rows):
        worst = {str(row["metric"]): row["worst"] for row in rows if row["case"] == case}
        lines.append(
            f"| {case} | {worst['API requests']:.0f} | {worst['watches asked for again']:.0f} "
            f"| {worst['last ready to verdict']:.2f} s | {worst['peak memory']:.0f} MB |"
        )
    return lines


def _one(rows: Sequence[Row], subject: str | None, metric: str) -> Row | None:
    return next((row for row in rows if subject in (None, row["subject"]) and row["metric"] == metric), None)


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _worst(row: Row, unit: str = "") -> str:
    value, worst = (f"{row[key]:.1f} {unit}" if unit else f"{row[key]:.0f}" for key in ("value", "worst"))
    told = f"**{value}**" if row["met"] is False else value
    return f"{told} ({worst})"
