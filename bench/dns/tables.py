# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.dns.tables`: fill the tables of docs/dns.md from bench/results/dns.json.

The text around them is the page's own.
"""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Sequence

from bench.command import written_before
from bench.dns.__main__ import BENCH
from bench.gate.part import Row
from bench.gate.tables import filled
from bench.results import ROOT

PAGE: t.Final = ROOT / "docs" / "dns.md"
_HEADS: t.Final = ("case", "what", "median", "worst", "goal")
_GUARD_HEADS: t.Final = ("guard", "tried", "what came of it", "what it said")


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "count":
        return f"{value:,.0f}"
    return f"{value:.1f} s" if unit == "s" else f"{value:.3f}"


def _goal(row: Row) -> str:
    goal, unit = row["goal"], str(row["unit"])
    if goal is None:
        return ""
    if unit == "count":
        # Limits lie between two whole numbers.
        return f"at most {int(goal):,}" if int(goal) else "0"
    # The only other goal.
    return f"> {goal:g}"


def _line(row: Row) -> str:
    unit = str(row["unit"])
    median, worst = (_number(row[key], unit) for key in ("value", "worst"))
    if row["met"] is False:
        # The worst round decides.
        worst = f"**{worst or 'not measured'}**"
    return f"| {' | '.join((str(row['case']), str(row['metric']), median, worst, _goal(row)))} |"


def _guard(row: Row) -> str:
    said = f"**{row['value']}**" if row["met"] is False else str(row["value"])
    return f"| `{row['case']}` | {row['tried']} | {said} | {row['sentence']} |"


def tables(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Every part's table by its name; a part that was not measured has heads only."""
    made = {}
    for part in BENCH.parts:
        heads, line = (_GUARD_HEADS, _guard) if part == "guards" else (_HEADS, _line)
        top = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
        made[part] = [*top, *(line(row) for row in rows if row["part"] == part)]
    return made


def main() -> int:
    rows, _versions = written_before(BENCH)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables(rows)), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
