# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.gate.tables`: fill the tables of docs/gate-figures.md from the results of all parts.

The text around them is the page's own.
"""

from __future__ import annotations

import json
import sys
import typing as t
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.gate import series
from bench.gate.against import CASE
from bench.gate.lab_tables import canary_table, rollout_table, scale_table
from bench.gate.part import Row
from bench.results import OURS, ROOT

PAGE: t.Final = ROOT / "docs" / "gate-figures.md"

_MARK: t.Final = "<!-- table: {} -->"
_END: t.Final = "<!-- end of table -->"

Cell = Callable[[Row | None], str]


def _cut(subject: str) -> str:
    return subject.replace(f"{OURS}, ", "ours, ").replace(OURS, "ours")


def table(rows: Sequence[Row], cases: str, cell: Cell, last: tuple[str, Cell] | None = None) -> list[str]:
    """One line a case, one column a subject."""
    subjects = list(dict.fromkeys(str(row["subject"]) for row in rows))
    heads = [cases, *map(_cut, subjects), *([last[0]] if last else [])]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for case in dict.fromkeys(str(row["case"]) for row in rows):
        own = {str(row["subject"]): row for row in rows if row["case"] == case}
        cells = [case, *(cell(own.get(subject)) for subject in subjects)]
        if last:
            cells.append(last[1](next(iter(own.values()))))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _goal(text: str, row: Row) -> str:
    return f"**{text}**" if row["met"] is False else text


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _alarms(row: Row | None) -> str:
    if row is None:
        return ""
    seen = _number(row["seen"])
    return _goal(f"{seen} (≤ {row['value']:.2f})", row) if row["goal"] is not None else seen


def _requests(row: Row | None) -> str:
    if row is None or row["value"] is None:
        return "never" if row is not None else ""
    return f"{row['value']:,.0f} ({row['bad_answers']:,.0f})"


def _share(row: Row | None) -> str:
    if row is None:
        return ""
    return _goal(f"{row['value']:.1f} ({row['low']:.1f} - {row['high']:.1f})", row)


def _verdicts(row: Row | None) -> str:
    return "" if row is None else _goal(f"{row['count']} / {row['failed']} / {row['passed']}", row)


def _late(row: Row | None) -> str:
    return "" if row is None else _goal(f"{row['value']:.1f} ({row['worst']:.1f})", row)


def _read(name: str) -> list[Row]:
    found: dict[str, t.Any] = json.loads((ROOT / "bench" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    rows: list[Row] = found["rows"]
    return rows


def _of(rows: Iterable[Row], begin: str, metric: str = "") -> list[Row]:
    return [row for row in rows if str(row["case"]).startswith(begin) and metric in row["metric"]]


def _beside(rows: Iterable[Row], begin: str) -> list[Row]:
    """Those with the stable slot, without the word that tells them from the others."""
    found = _of(rows, f"{CASE}{begin}")
    return [{**row, "case": str(row["case"]).removeprefix(f"{CASE}{begin} ")} for row in found]


def _world(replayed: Sequence[Row]) -> list[str]:
    """What the windows are made of."""
    names = list(dict.fromkeys(str(row["case"]) for row in replayed))
    shares = {
        word: ", ".join(name.removeprefix(f"{word} ") for name in names if name.startswith(word) and name.endswith("%"))
        for word in ("healthy", "bad")
    }
    traffic = [name.removeprefix("healthy at ") for name in names if name.startswith("healthy at ")]
    facts = {
        "traffic": f"{', '.join(traffic)} over {series.PODS} pods",
        "its noise": f"a wave of {100 * series.WAVE:g} % up and down every {series.WAVE_S:g} s, and in each scrape "
        f"interval lognormal (sigma {series.TRAFFIC_NOISE:g}), and Poisson counts",
        "share of failures": f"healthy {shares['healthy']}; bad {shares['bad']}; the limit is 5 %",
        "its noise in each scrape interval": f"gamma (coefficient of variation {series.SHARE_NOISE:g}), and binomial "
        "counts",
        "bad from": f"{series.TURNS_S[0]:g} to {series.TURNS_S[1]:g} s after the start, {100 * series.BEFORE:g} % "
        "until then",
        "scrapes": f"every {series.SCRAPE_S:g} s, each pod at its own phase",
        "gaps": f"{series.GAPS:g} on average; {series.GAP_S[0]:g} to {series.GAP_S[1]:g} s without any scrape, "
        f"at least {series.APART_S:g} s apart",
        "restarts": f"{100 * series.RESTARTS:g} % of the pods once: counters begin again after {series.RESTART_S:g} s "
        "without traffic",
    }
    return ["| in each window | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in facts.items())]


def results() -> dict[str, list[Row]]:
    """Part -> its rows, as they are committed."""
    return {part: _read(f"gate_{part}") for part in ("alarms", "replayed", "rollout", "canary", "scale")}


def tables(parts: Mapping[str, Sequence[Row]]) -> dict[str, list[str]]:
    """Every table by its name."""
    alarms, replayed = parts["alarms"], parts["replayed"]
    ideal: tuple[str, Cell] = ("ideal", lambda row: f"{row['reference']:,.0f}" if row else "")
    return {
        "healthy": table(_of(alarms, "healthy"), "true error rate", _alarms),
        "clumped": table(_of(alarms, "clumped"), "true error rate", _alarms),
        "bad": table(_of(alarms, "bad"), "true error rate", _requests, ideal),
        "against healthy": table(_beside(alarms, "healthy"), "true error rates", _alarms),
        "against bad": table(_beside(alarms, "bad"), "true error rates", _requests),
        "world": _world(replayed),
        "false alarms": table(_of(replayed, "healthy", "false alarms"), "windows", _share),
        "detected": table(_of(replayed, "bad", "detected"), "windows", _share),
        "held": table(_of(replayed, "", "held"), "windows", _verdicts),
        "lateness": table(_of(replayed, "bad", "lateness"), "windows", _late),
        "rollout": rollout_table(parts["rollout"]),
        "canary": canary_table(parts["canary"]),
        "scale": scale_table(parts["scale"]),
    }


def filled(page: str, made: Mapping[str, Sequence[str]]) -> str:
    """The page with these tables between their marks. Raises ValueError for a mark that is not there."""
    for name, lines in made.items():
        mark = _MARK.format(name)
        before, found, rest = page.partition(mark)
        _old, ended, after = rest.partition(_END)
        if not found or not ended:
            raise ValueError(f"{PAGE.name} has no {mark} with its end")
        # Markdown wants an empty line between a comment and a table.
        page = f"{before}{mark}\n\n" + "\n".join(lines) + f"\n\n{_END}{after}"
    return page


def main() -> int:
    made = tables(results())
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
