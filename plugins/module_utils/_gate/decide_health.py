# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One health endpoint: answers in, state out. Pure: no I/O, no clock.

An endpoint that does not answer is a failed check and not blindness: whoever releases it cannot reach it either.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import (
    KINDS,
    CheckState,
    JsonObject,
    Status,
)

#: So many answers are kept as evidence.
_LAST: t.Final = 10


class Expression(t.Protocol):
    """A question about the body."""

    text: str

    def search(self, body: t.Any) -> t.Any:
        """What it gives. Raises ValueError for a body that it cannot be asked of."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """What an endpoint has to answer, and how many failed checks in a row are proof."""

    name: str
    status: tuple[int, ...] = (200,)
    max_ms: float | None = None
    body: Expression | None = None
    consecutive: int = 3
    critical: bool = True
    service: str = ""

    def to_json(self) -> JsonObject:
        return {
            "status": list(self.status),
            "max_ms": self.max_ms,
            "body": self.body.text if self.body is not None else None,
        }


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an endpoint did. `status` is None where nobody speaks HTTP; `problem` says why there is no whole answer."""

    took_s: float
    status: int | None = None
    body: bytes = b""
    problem: str = ""


def problem_of(rule: Rule, answer: Answer) -> str:
    """What is wrong with an answer; empty for nothing."""
    if answer.problem:
        return answer.problem
    if answer.status is not None and answer.status not in rule.status:
        return f"HTTP {answer.status}, expected {' or '.join(map(str, rule.status))}"
    took_ms = 1000 * answer.took_s
    if rule.max_ms is not None and took_ms > rule.max_ms:
        # Rounded up: 500.2 ms is not within 500 ms.
        return f"answered in {math.ceil(took_ms)} ms, limit {rule.max_ms:g} ms"
    return _body_problem(rule.body, answer.body) if rule.body is not None else ""


def _body_problem(expression: Expression, body: bytes) -> str:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return "the body is no JSON"
    try:
        return "" if expression.search(value) is True else f"the body does not give true for {expression.text}"
    except ValueError:
        # What the library says shows the value, and a body may hold anything.
        return f"{expression.text} cannot be asked of the body"


class Streak:
    """Takes the answers of one endpoint one by one; what it says depends on them and on nothing else."""

    def __init__(self, rule: Rule, gap_s: float) -> None:
        self.rule = rule
        #: Two answers further apart than this have a gap between them, which is not counted as good.
        self._gap_s = gap_s
        self._checks = self._failed = self._in_a_row = 0
        self._good_s = 0.0
        self._began: float | None = None
        self._outside_since: float | None = None
        self._seen_at: float | None = None
        #: The proof, in words: what comes after it does not undo it.
        self._proof = ""
        self._last: collections.deque[tuple[float, Answer, str]] = collections.deque(maxlen=_LAST)

    def add(self, at: float, answer: Answer) -> None:
        """One answer to a question asked at that instant of the monotonic clock."""
        problem = problem_of(self.rule, answer)
        self._checks += 1
        if problem:
            self._failed += 1
            self._in_a_row += 1
            self._good_s = 0.0
            self._outside_since = at if self._outside_since is None else self._outside_since
        else:
            if self._last and not self._in_a_row and at - self._last[-1][0] <= self._gap_s:
                self._good_s += at - self._last[-1][0]
            self._in_a_row = 0
            if not self._proof:
                self._outside_since = None
        self._began = at if self._began is None else self._began
        self._seen_at = at
        self._last.append((at, answer, problem))
        if self._in_a_row >= self.rule.consecutive:
            self._proof = self._row(problem)

    def _row(self, problem: str) -> str:
        checks = "1 failed check" if self._in_a_row == 1 else f"{self._in_a_row} failed checks"
        return f"{checks} in a row of {self.rule.consecutive} ({problem}"

    def state(self) -> CheckState:
        """How the endpoint stands now."""
        return CheckState(
            self.rule.name,
            self._status(),
            f"{self.rule.name}: {self._clause()}",
            critical=self.rule.critical,
            nearness=self._nearness(),
            good_s=self._good_s,
            seen_at=self._seen_at,
            outside_since=self._outside_since,
            service=self.rule.service,
            counts={**dict.fromkeys(KINDS, 0), "valid": self._checks},
            evidence=self._evidence(),
        )

    def _status(self) -> Status:
        if self._proof:
            return "bad"
        if not self._last:
            return "thin"
        return "over" if self._in_a_row else "good"

    def _clause(self) -> str:
        if not self._last:
            return "no check is finished yet"
        checks = f"{self._checks} check{'' if self._checks == 1 else 's'})"
        _at, answer, problem = self._last[-1]
        if self._proof or problem:
            return f"{self._proof or self._row(problem)}; {checks}"
        limit = f", limit {self.rule.max_ms:g} ms" if self.rule.max_ms is not None else ""
        what = "connected" if answer.status is None else f"HTTP {answer.status}"
        return f"{what} in {1000 * answer.took_s:.0f} ms{limit} ({checks}"

    def _nearness(self) -> float:
        """A slow answer is on its way to one failed check, and that is one of so many."""
        if self._proof:
            return max(1.0, self._in_a_row / self.rule.consecutive)
        if not self._last:
            return 0.0
        slow = 0.0
        if not self._in_a_row and self.rule.max_ms:
            slow = 1000 * self._last[-1][1].took_s / self.rule.max_ms
        return (self._in_a_row + slow) / self.rule.consecutive

    def _evidence(self) -> JsonObject:
        began = self._began or 0.0
        return {
            "expects": self.rule.to_json(),
            "consecutive": self.rule.consecutive,
            "in_a_row": self._in_a_row,
            "failed": self._failed,
            "last": [
                {
                    "after_s": round(at - began, 3),
                    "http": answer.status,
                    "took_ms": round(1000 * answer.took_s, 1),
                    "problem": problem,
                }
                for at, answer, problem in self._last
            ],
        }
