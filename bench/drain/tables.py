# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.drain.tables`: fill the tables of docs/drain.md from bench/results/drain.json.

The text around them is the page's own.
"""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Sequence

from bench.command import written_before
from bench.drain.__main__ import BENCH
from bench.gate.part import Row
from bench.gate.tables import filled
from bench.results import OURS, ROOT

PAGE: t.Final = ROOT / "docs" / "drain.md"
_HEADS: t.Final = ("case", "who", "what", "median", "worst", "goal", "others")


def _number(value: float | str | None, unit: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if unit == "count":
        return f"{value:,.0f}"
    if unit == "s":
        # Parts of a second are what a handover is about.
        return f"{value:.1f} s" if value >= 10 else f"{value:.3f} s" if value < 1 else f"{value:.2f} s"
    return {"MB": f"{value:,.0f} MB", "us": f"{value:.0f} µs", "ratio": f"{value:.2f}"}[unit]


def _goal(row: Row) -> str:
    goal, unit = row["goal"], str(row["unit"])
    if goal is None:
        return ""
    if isinstance(goal, str):
        return goal
    return "0" if unit == "count" else f"< {goal:g}{'' if unit == 'ratio' else f' {unit}'}"


def _line(row: Row) -> str:
    unit = str(row["unit"])
    median, worst = (_number(row[key], unit) for key in ("value", "worst"))
    if row["met"] is False:
        # Said by a word where there is no worst one.
        median, worst = (
            (median, f"**{worst or 'not measured'}**") if row["metric"] != "verdict" else (f"**{median}**", "")
        )
    who = "ours" if row["subject"] == OURS else str(row["subject"])
    what = "named by" if row["metric"] == "verdict" else str(row["metric"])
    cells = (str(row["case"]), who, what, median, worst, _goal(row), _number(row["reference"], unit))
    return f"| {' | '.join(cells)} |"


def tables(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Every part's table by its name; a part that was not measured has heads only."""
    heads = [f"| {' | '.join(_HEADS)} |", "|" + "---|" * len(_HEADS)]
    return {part: [*heads, *(_line(row) for row in rows if row["part"] == part)] for part in BENCH.parts}


def main() -> int:
    rows, _versions = written_before(BENCH)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables(rows)), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
