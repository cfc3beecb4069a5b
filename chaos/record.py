# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep found, one JSON line for each point as soon as it is known, and the table at the end."""

from __future__ import annotations

import collections
import collections.abc as c
import dataclasses
import json
import pathlib
import typing as t


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One point of one variant. A point that the run did not come to is no proof of anything: `reached` is False."""

    variant: str
    point: str
    what: str
    reached: bool
    stands: str
    violations: tuple[str, ...]
    seconds: float
    recover_s: float = 0.0
    orders: c.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    #: What was struck, as git names it; empty in a record that is older than this.
    commit: str = ""

    @property
    def passed(self) -> bool:
        return self.reached and not self.violations


class Record:
    """A file of outcomes. With `resume` what is there already counts, and its points are not run again. `commit` is
    written beside each new one: a sweep takes hours, and the points of one record may be of several commits."""

    def __init__(self, path: pathlib.Path, *, resume: bool, commit: str = "") -> None:
        self._path = path
        self._commit = commit
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if not resume:
            path.write_text("")
        elif path.exists():
            text = path.read_text()
            self._read(text)
            if text and not text.endswith("\n"):
                # Of a sweep that was killed in the middle of a line; the next outcome has one of its own.
                with path.open("a") as file:
                    file.write("\n")

    def _read(self, text: str) -> None:
        for line in text.splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                continue  # the last line of a sweep that was killed itself
            outcome = Outcome(**{**found, "violations": tuple(found["violations"])})
            self.outcomes[outcome.variant, outcome.point] = outcome

    def has(self, variant: str, point: str) -> bool:
        return (variant, point) in self.outcomes

    def add(self, outcome: Outcome) -> None:
        outcome = dataclasses.replace(outcome, commit=self._commit)
        self.outcomes[outcome.variant, outcome.point] = outcome
        with self._path.open("a") as file:
            file.write(json.dumps(dataclasses.asdict(outcome), sort_keys=True) + "\n")


def table(outcomes: c.Collection[Outcome]) -> list[str]:
    """Variant x points x passed, and what was violated where."""
    head = ("variant", "points", "passed", "failed", "not reached", "old", "new", "lost", "dup", "recover s")
    rows: list[tuple[str, ...]] = [head]
    variants = dict.fromkeys(outcome.variant for outcome in outcomes)
    rows += [_row(name, [outcome for outcome in outcomes if outcome.variant == name]) for name in variants]
    if len(rows) > 2:
        rows.append(_row("all", list(outcomes)))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    commits = collections.Counter(outcome.commit or "unknown" for outcome in outcomes)
    if commits:
        lines.append(f"points by commit: {', '.join(f'{name} {number}' for name, number in commits.items())}")
    gaps = [outcome.orders["longest_gap_s"] for outcome in outcomes if outcome.orders.get("longest_gap_s") is not None]
    if gaps:
        lines.append(f"longest time in which a region accepted no order: {max(gaps):.1f} s")
    for outcome in outcomes:
        lines += [f"{outcome.variant} {outcome.point} {outcome.what}: {text}" for text in outcome.violations]
    return lines


def _row(variant: str, outcomes: c.Sequence[Outcome]) -> tuple[str, ...]:
    def count(*values: bool) -> str:
        return str(sum(values))

    def orders(name: str) -> str:
        found = [outcome.orders.get(name) for outcome in outcomes if outcome.orders]
        return "?" if None in found else str(sum(int(number or 0) for number in found))

    recovers = sorted(outcome.recover_s for outcome in outcomes if outcome.reached)
    return (
        variant,
        str(len(outcomes)),
        count(*(outcome.passed for outcome in outcomes)),
        count(*(bool(outcome.violations) for outcome in outcomes)),
        count(*(not outcome.reached and not outcome.violations for outcome in outcomes)),
        count(*(outcome.stands == "old" for outcome in outcomes)),
        count(*(outcome.stands == "new" for outcome in outcomes)),
        orders("lost"),
        orders("duplicated"),
        f"{recovers[len(recovers) // 2]:.1f} - {recovers[-1]:.1f}" if recovers else "-",
    )
