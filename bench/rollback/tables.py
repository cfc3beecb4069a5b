# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.rollback.tables`: fill the tables of docs/rollback-figures.md from bench/results/rollback.json.

The text around them is the page's own.
"""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Sequence

from bench.command import written_before
from bench.gate.part import Row
from bench.gate.tables import filled
from bench.results import OURS, ROOT
from bench.rollback.__main__ import BENCH

PAGE: t.Final = ROOT / "docs" / "rollback-figures.md"
_HEADS: t.Final = ("case", "who", "what", "median", "worst", "goal", "others")


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if unit == "count" else f"{value:.1f} s"


def _line(row: Row) -> str:
    unit = str(row["unit"])
    median, worst = (_number(row[key], unit) for key in ("value", "worst"))
    if row["met"] is False:
        # The worst round decides.
        worst = f"**{worst or 'not measured'}**"
    goal = "" if row["goal"] is None else "0" if unit == "count" else f"< {_number(row['goal'], unit)}"
    who = "ours" if row["subject"] == OURS else str(row["subject"])
    cells = (str(row["case"]), who, str(row["metric"]), median, worst, goal, _number(row["reference"], unit))
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
