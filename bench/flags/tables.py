# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.flags.tables`: fill the tables of docs/flags-figures.md from bench/results/flags.json.

The text around them is the page's own.
"""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Sequence

from bench.command import written_before
from bench.flags.__main__ import BENCH
from bench.gate.part import Row
from bench.gate.tables import filled
from bench.results import OURS, ROOT

PAGE: t.Final = ROOT / "docs" / "flags-figures.md"
_HEADS: t.Final = ("case", "who", "what", "median", "worst", "goal")
_UNITS: t.Final = {"s": " s", "ms": " ms", "sigma": " sigma"}


def _number(value: float | str | None, unit: str) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if unit == "count":
        return f"{value:,.0f}"
    return f"{value:,.0f} ms" if unit == "ms" and value >= 100 else f"{value:.2f}{_UNITS[unit]}"


def _goal(row: Row) -> str:
    goal, unit = row["goal"], str(row["unit"])
    if goal is None or isinstance(goal, str):
        return goal or ""
    # Limits of counts lie between two whole numbers.
    return "0" if unit == "count" else f"< {goal:g}{_UNITS[unit]}"


def _line(row: Row) -> str:
    unit = str(row["unit"])
    median, worst = (_number(row[key], unit) for key in ("value", "worst"))
    if row["met"] is False:
        # A verdict has no worst.
        median, worst = (median, f"**{worst}**") if worst else (f"**{median or 'not measured'}**", "")
    who = "ours" if row["subject"] == OURS else str(row["subject"])
    return f"| {' | '.join((str(row['case']), who, str(row['metric']), median, worst, _goal(row)))} |"


def tables(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Every part's table by its name; a part that was not measured has heads only."""
    top = [f"| {' | '.join(_HEADS)} |", "|" + "---|" * len(_HEADS)]
    return {part: [*top, *(_line(row) for row in rows if row["part"] == part)] for part in BENCH.parts}


def main() -> int:
    rows, _versions = written_before(BENCH)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables(rows)), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
