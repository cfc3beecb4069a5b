# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read out of journals and results. No I/O."""

from __future__ import annotations

import collections
import collections.abc as c
import dataclasses
import itertools
import typing as t

from bench.gate.part import Row
from bench.results import OURS, Goal, row
from lab.flow.reconcile import Acknowledgement, Reconciler

Json = dict[str, t.Any]
Event = c.Mapping[str, t.Any]

NINE: t.Final = tuple(f"I{number}" for number in range(1, 10))
#: Ids of the orders of the book that was there before the load.
LOADED: t.Final = "load-{}"
#: The goal of a count that has to be 0.
NONE: t.Final = Goal(0.5)


@dataclasses.dataclass(frozen=True)
class Account:
    """What became of everything that was sent, at the end. All counts have to be 0 but the first one.

    `lost`: acknowledged, or of the book, and not in the journal of the engine that leads. `differing`: events of the
    standby that are others than those of the leader. `reports`: execution reports that a FIX client has not, or has
    more than once. `gaps`: problems of the market data.
    """

    acknowledged: int
    lost: int
    duplicated: int
    differing: int = 0
    reports: int = 0
    unserved: int = 0
    dropped: int = 0
    gaps: int = 0


def longest_gap_s(events: c.Iterable[Event], since: float, until: float) -> float | None:
    """The longest time between two accepted orders that follow each other, of those with the second one in that time
    (unix seconds). None without two orders."""
    instants = [event["at"] for event in events if event["kind"] == "order"]
    gaps = [after - before for before, after in itertools.pairwise(instants) if since <= after / 1000 <= until]
    return max(gaps) / 1000 if gaps else None


def reconciled(
    events: c.Sequence[Event], acknowledged: c.Mapping[str, c.Sequence[Acknowledgement]], book: int
) -> tuple[int, int]:
    """(lost, duplicated) over all flows (by their run id) and the book."""
    lost = duplicated = 0
    for run, acks in acknowledged.items():
        # Whichever gateway took it: there is one journal.
        reconciler = Reconciler(run, [dataclasses.replace(ack, region="region") for ack in acks])
        for event in events:
            reconciler.add("region", event)
        found = reconciler.result()
        lost += len(found.lost)
        duplicated += len(found.duplicated)
    prefix = LOADED.format("")
    count = collections.Counter(
        event["client_order_id"]
        for event in events
        if event["kind"] == "order" and event["client_order_id"].startswith(prefix)
    )
    return lost + book - len(count), duplicated + sum(number - 1 for number in count.values())


def differing(journal: c.Sequence[Event], copy: c.Sequence[Event]) -> int:
    """Events of the copy that the journal does not have at their place."""
    short = max(0, len(copy) - len(journal))
    return short + sum(one != other for one, other in zip(journal, copy, strict=False))


def all_nine(result: Json) -> bool:
    return not result.get("failed") and {one["id"]: one["verdict"] for one in result["invariants"]} == dict.fromkeys(
        NINE, "pass"
    )


def steps_s(result: Json) -> dict[str, float]:
    return {step["name"]: float(step["seconds"]) for step in result["steps"]}


def seconds(result: Json, name: str) -> float | None:
    """A part of the time without matching; None when the handover did not come so far."""
    off = result.get("matching_off") or {}
    value = off.get(name) if name in off else (off.get("parts") or {}).get(name)
    return None if value is None else value / 1000


def step_rows(case: str, results: c.Sequence[Json]) -> list[Row]:
    """The time of each step that any of them had."""
    found = [steps_s(result) for result in results]
    names = dict.fromkeys(name for one in found for name in one)
    made = [row(case, f"step {name}", [one.get(name) for one in found], Goal()) for name in names]
    return [*made, row(case, "all steps", [sum(one.values()) for one in found], Goal())]


def account_rows(
    case: str, found: c.Sequence[Account], *, subject: str = OURS, but: t.Collection[str] = ()
) -> list[Row]:
    """A row for each count. They are goals for us."""
    metrics = {
        "lost": "lost orders and cancels",
        "duplicated": "duplicated orders",
        "differing": "events in which the standby differs",
        "reports": "execution reports missing or twice",
        "unserved": "requests failed or refused",
        "dropped": "sessions dropped",
        "gaps": "gaps in market data",
    }
    goal = NONE if subject == OURS else Goal()
    made = [
        row(case, metric, [float(getattr(one, name)) for one in found], goal, "count", subject=subject)
        for name, metric in metrics.items()
        if name not in but
    ]
    acknowledged = [float(one.acknowledged) for one in found]
    return [*made, row(case, "acknowledged", acknowledged, Goal(), "count", subject=subject)]


def handover_rows(case: str, results: c.Sequence[Json], goal: Goal) -> list[Row]:
    """The goal is that of the time without matching, by the clock of who ran it."""
    parts = {"cut": "cut_ms", "proofs": "proofs_ms", "acknowledgements": "acks_ms", "open": "open_ms"}

    def one(metric: str, name: str, limit: Goal) -> Row:
        return row(case, metric, [seconds(result, name) for result in results], limit)

    return [
        one("matching off, at most", "at_most_ms", goal),
        one("matching off, by the engines", "engines_ms", Goal()),
        *(one(f"of it {metric}", name, Goal()) for metric, name in parts.items()),
        one("gateways send to the new engine", "gateways_ms", Goal()),
        row(case, "all steps", [sum(steps_s(result).values()) for result in results], Goal()),
        row(case, "not all nine invariants", [float(not all_nine(result)) for result in results], NONE, "count"),
    ]
