# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.models.tables`: fill the tables of docs/models.md from bench/results/models.json.

The text around them is the page's own.
"""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Mapping, Sequence

from bench.command import written_before
from bench.gate.part import Row
from bench.gate.tables import filled
from bench.models.__main__ import BENCH
from bench.results import OURS, ROOT

PAGE: t.Final = ROOT / "docs" / "models.md"


def _number(row: Row | None) -> str:
    if row is None or row["value"] is None:
        return "" if row is None else "more than 5,000"
    value, unit = row["value"], row["unit"]
    text = f"{value:,.0f}" if unit == "count" else f"{value:.1f} {unit}"
    return f"**{text}**" if row["met"] is False else text


def _goal(row: Row) -> str:
    unit = "" if row["unit"] == "count" else f" {row['unit']}"
    return "" if row["goal"] is None else f"at most {round(row['goal'], 6):g}{unit}"


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {' | '.join(one)} |" for one in rows)]


def _by_rule(rows: Sequence[Row], metrics: Sequence[str]) -> list[str]:
    """A line for each case and metric, a column for each rule, and the goal of ours."""
    found = [one for one in rows if one["metric"] in metrics]
    subjects = list(dict.fromkeys(str(one["subject"]) for one in found))
    lines = []
    for case, metric in dict.fromkeys((str(one["case"]), str(one["metric"])) for one in found):
        own = {str(one["subject"]): one for one in found if (one["case"], one["metric"]) == (case, metric)}
        lines.append([case, metric, *(_number(own.get(subject)) for subject in subjects), _goal(own[OURS])])
    return _lines(["", "", *(subject.replace(OURS, "ours") for subject in subjects), "goal"], lines)


def _plain(rows: Sequence[Row]) -> list[str]:
    return _lines(
        ["", "", "", "goal"], [[str(one["case"]), str(one["metric"]), _number(one), _goal(one)] for one in rows]
    )


def _bold(text: str, row: Row) -> str:
    return f"**{text}**" if row["met"] is False else text


def _share(row: Row) -> str:
    return f"{row['value']:.1f} %"


def _beside(rows: Sequence[Row]) -> list[str]:
    """A line for each challenger, and one for what no shadow costs."""
    heads = ("", "p95 beside no shadow, median (worst)", "goal", "p95 (bounds)", "copied", "copies answered", "errors")
    lines = []
    for case in dict.fromkeys(str(one["case"]) for one in rows):
        own = {str(one["metric"]): one for one in rows if one["case"] == case}
        errors = _number(own["errors"])
        if len(own) == 1:
            lines.append([case, "", "", "", "", "", errors])
            continue
        beside, p95 = own["p95 beside no shadow"], own["p95"]
        times = "not measured" if beside["value"] is None else f"{beside['value']:.2f} ({beside['worst']:.2f})"
        bounds = f"{p95['p95']:.1f} ms ({p95['low']:.1f} to {p95['high']:.1f})"
        copies = (_share(own["copied"]), _share(own["copies answered"]))
        lines.append([case, _bold(times, beside), _goal(beside), bounds, *copies, errors])
    return _lines(heads, lines)


def _back(rows: Sequence[Row]) -> list[str]:
    heads = ("", "", "median", "worst", "goal")
    lines = []
    for one in rows:
        median, worst = (_measured(one[key], str(one["unit"])) for key in ("value", "worst"))
        lines.append([str(one["case"]), str(one["metric"]), median, _bold(worst, one), _goal(one)])
    return _lines(heads, lines)


def _measured(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    return f"{value:.0f}" if unit == "count" else f"{value:.2f} {unit}"


def tables(rows: Sequence[Row]) -> Mapping[str, list[str]]:
    """Every table by its name."""
    steady = [one for one in rows if str(one["case"]).startswith("true")]
    return {
        "accuracy": _by_rule(steady, ("rolled back", "labels, median")),
        "collapse": _by_rule([one for one in rows if "collapse" in one["case"]], ("not within 100", "labels, median")),
        "passing": _by_rule(steady, ("passed", "labels to pass, median")),
        "segments": _plain([one for one in rows if "undecided" in one]),
        "repeated": _by_rule(rows, ("promoted",)),
        "judged": _plain([one for one in rows if one["part"] in ("judged", "streamed")]),
        "beside": _beside([one for one in rows if one["part"] == "beside"]),
        "back": _back([one for one in rows if one["part"] == "back"]),
    }


def main() -> int:
    rows, _versions = written_before(BENCH)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables(rows)), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
