# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting answers: what each one means, and the figures that come out of all of them. No I/O, no clock."""

from __future__ import annotations

import collections
import dataclasses
import math
import typing as t

#: The name of the version of an answer that has none: the gateway's own, a reset, a time-out.
NO_VERSION: t.Final = "none"
#: The name of the region of an order that went nowhere: its name had no address.
NO_REGION: t.Final = "none"
_KEPT_BAD: t.Final = 2000
#: Codes of refusals by an exchange that does not trade now. The order was never accepted, and may be good later.
_NOT_NOW: t.Final = ("mode_post_only", "mode_cancel_only", "mode_halted", "expired", "cancelled_while_held")
#: The same from a gateway, with a status that says that the exchange is away.
HELD_TOO_LONG: t.Final = "held_too_long"

Outcome = t.Literal["acknowledged", "refused", "failed"]


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """How one request ended. `code` is the status, the exchange's own code where a refusal has one that says that it
    does not trade now, or the kind of failure where no whole answer came."""

    region: str
    kind: str
    version: str
    code: str
    outcome: Outcome
    intended_at: float
    at: float


def classify(status: int, version: str, code: str = "") -> Outcome:
    """What an answer means. Only the exchange itself acknowledges or refuses: the gateway's own 404 is a failure."""
    if version == NO_VERSION:
        return "failed"
    if 200 <= status < 300:
        return "acknowledged"
    return "refused" if 400 <= status < 500 or code == HELD_TOO_LONG else "failed"


def not_now(code: str) -> bool:
    """Whether the code of a refusal says that the exchange does not trade now."""
    return code in _NOT_NOW or code == HELD_TOO_LONG


def percentile(ordered: t.Sequence[float], share: float) -> float:
    """Nearest rank: the smallest value that at least that share of the values do not exceed. 0 without values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def latency_figures(seconds: t.Iterable[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    figures = {f"p{percent}": percentile(ordered, percent / 100) for percent in (50, 95, 99)}
    figures["max"] = ordered[-1] if ordered else 0.0
    return {name: round(value * 1000, 1) for name, value in figures.items()}


@dataclasses.dataclass(slots=True)
class _Seen:
    """What was seen of one version in one region."""

    answers: int = 0
    bad: int = 0
    first_at: float | None = None
    last_at: float | None = None
    first_bad_at: float | None = None
    last_bad_at: float | None = None

    def add(self, at: float, bad: bool) -> None:
        self.answers += 1
        self.first_at = at if self.first_at is None else min(at, self.first_at)
        self.last_at = at if self.last_at is None else max(at, self.last_at)
        if bad:
            self.bad += 1
            self.first_bad_at = at if self.first_bad_at is None else min(at, self.first_bad_at)
            self.last_bad_at = at if self.last_bad_at is None else max(at, self.last_bad_at)


class _Counts(t.TypedDict):
    acknowledged: int
    refused: int
    failed: int


class Tally:
    """Takes every result once."""

    def __init__(self) -> None:
        self.outcomes: collections.Counter[tuple[str, str, Outcome]] = collections.Counter()
        self.failed_by: collections.Counter[tuple[str, str]] = collections.Counter()
        self.refused_by: collections.Counter[str] = collections.Counter()
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._latencies: dict[int, list[float]] = {}
        self._answers: dict[int, collections.Counter[tuple[str, str]]] = {}
        self._bad: list[tuple[float, str, str, str, str]] = []
        self._failed_orders: dict[str, tuple[float, float]] = {}
        self._orders: dict[int, collections.Counter[str]] = {}

    def add(self, result: Result) -> None:
        bad = result.outcome == "failed"
        self.outcomes[(result.region, result.kind, result.outcome)] += 1
        self._seen.setdefault((result.version, result.region), _Seen()).add(result.at, bad)
        self._latencies.setdefault(int(result.intended_at), []).append(result.at - result.intended_at)
        self._answers.setdefault(int(result.at), collections.Counter())[(result.version, result.code)] += 1
        if result.kind == "order":
            self._orders.setdefault(int(result.at), collections.Counter())[result.region] += 1
            if bad:
                first, last = self._failed_orders.get(result.region, (result.at, result.at))
                self._failed_orders[result.region] = (min(first, result.at), max(last, result.at))
        if result.outcome == "refused":
            self.refused_by[result.code] += 1
        if bad:
            self.failed_by[(result.version, result.code)] += 1
            if len(self._bad) < _KEPT_BAD:
                self._bad.append((result.at, result.region, result.version, result.code, result.kind))

    def count(self, outcome: Outcome, region: str = "", kind: str = "") -> int:
        return sum(
            number
            for (in_region, of_kind, out), number in self.outcomes.items()
            if out == outcome and region in ("", in_region) and kind in ("", of_kind)
        )

    def counts(self, region: str = "", kind: str = "") -> _Counts:
        return {
            "acknowledged": self.count("acknowledged", region, kind),
            "refused": self.count("refused", region, kind),
            "failed": self.count("failed", region, kind),
        }

    def failed_by_version(self) -> dict[str, dict[str, int]]:
        """{version: {code: number}}."""
        figures: dict[str, dict[str, int]] = {}
        for (version, code), number in sorted(self.failed_by.items()):
            figures.setdefault(version, {})[code] = number
        return figures

    def turned_away(self) -> int:
        """How many of the refused were refused because the exchange did not trade."""
        return sum(number for code, number in self.refused_by.items() if not_now(code))

    def failed_by_healthy(self, bad_versions: t.Collection[str]) -> int:
        """Failures of all other versions, and of no version at all."""
        return sum(number for (version, _), number in self.failed_by.items() if version not in bad_versions)

    def versions(self, region: str = "") -> dict[str, dict[str, t.Any]]:
        """First and last answer of every version, first and last bad one; of one region, or of all."""
        figures: dict[str, _Seen] = {}
        for (version, in_region), seen in sorted(self._seen.items()):
            if region not in ("", in_region):
                continue
            known = figures.get(version)
            if known is None:
                figures[version] = dataclasses.replace(seen)
                continue
            known.answers += seen.answers
            known.bad += seen.bad
            known.first_at = _least(known.first_at, seen.first_at)
            known.last_at = _most(known.last_at, seen.last_at)
            known.first_bad_at = _least(known.first_bad_at, seen.first_bad_at)
            known.last_bad_at = _most(known.last_bad_at, seen.last_bad_at)
        return {version: dataclasses.asdict(seen) for version, seen in figures.items()}

    def latency(self) -> dict[str, float]:
        return latency_figures(value for values in self._latencies.values() for value in values)

    def latency_since(self, second: int) -> dict[str, float]:
        return latency_figures(value for at, values in self._latencies.items() if at >= second for value in values)

    def per_second(self) -> list[dict[str, t.Any]]:
        """One row per second. Latencies belong to the second in which the request was due, answers to their own."""
        rows = []
        for second in sorted(self._latencies.keys() | self._answers.keys()):
            answers: dict[str, dict[str, int]] = {}
            for (version, code), number in sorted(self._answers.get(second, {}).items()):
                answers.setdefault(version, {})[code] = number
            latencies = self._latencies.get(second, [])
            rows.append({"at": second, "due": len(latencies), "ms": latency_figures(latencies), "answers": answers})
        return rows

    def failed_orders(self, region: str = "") -> tuple[float, float] | None:
        """When the first and the last new order failed, in one region or anywhere; None when none did."""
        spans = [span for name, span in self._failed_orders.items() if region in ("", name)]
        return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None

    def orders_per_second(self) -> list[tuple[int, dict[str, int]]]:
        """How many new orders ended in each second, by region."""
        return [(second, dict(sorted(orders.items()))) for second, orders in sorted(self._orders.items())]

    def bad_answers(self) -> list[list[t.Any]]:
        """The first bad answers: [at, region, version, code, kind]."""
        return [[round(at, 4), *rest] for at, *rest in sorted(self._bad)]


def _least(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _most(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)
