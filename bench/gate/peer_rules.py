# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Argo Rollouts and Flagger judge a metric, from their descriptions. Pure: no I/O, no clock.

Argo Rollouts: docs/features/analysis.md and docs/features/specification.md. Flagger: docs/gitbook/usage/how-it-works.md
and docs/gitbook/usage/metrics.md. Nothing of theirs is run here, and only what decides about one metric is followed.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Callable

#: What a query gives: a number (it may be NaN), no series, or no answer.
Answer = float | t.Literal["no_data", "error"]
Ask = Callable[[float], Answer]
Verdict = t.Literal["pass", "fail", "hold"]
#: Waiting times are sums of floats.
_SLACK_S: t.Final = 1e-6


@dataclasses.dataclass(frozen=True)
class Said:
    """The verdict, when it came, and how often the metric was measured for it."""

    verdict: Verdict
    at: float
    measured: int


@dataclasses.dataclass(frozen=True)
class Argo:
    """One metric of an AnalysisRun, with its defaults: failureLimit 0, inconclusiveLimit 0, consecutiveErrorLimit 4.

    `success` and `failure` are the limits of `successCondition: result <= X` and `failureCondition: result > X`.
    """

    interval_s: float
    success: float | None = None
    failure: float | None = None
    failure_limit: int = 0
    inconclusive_limit: int = 0
    error_limit: int = 4
    error_retry_s: float = 10.0
    count: int | None = None

    def measurement(self, answer: Answer) -> t.Literal["successful", "failed", "inconclusive", "error"]:
        """One measurement. A comparison with NaN is false, so what NaN means depends on which condition is there."""
        # `result[0]` of an empty vector is an error of the expression.
        if isinstance(answer, str):
            return "error"
        succeeds = self.success is not None and answer <= self.success
        fails = self.failure is not None and answer > self.failure
        if self.success is None and self.failure is None:
            return "successful"
        if self.failure is None:
            return "successful" if succeeds else "failed"
        if self.success is None:
            return "failed" if fails else "successful"
        return "failed" if fails else "successful" if succeeds else "inconclusive"

    def judge(self, ask: Ask, start: float, end: float) -> Said:
        """The run from `start`; what still runs at `end` is stopped there, and that is a success."""
        at, measured, tally, errors = start, 0, {"successful": 0, "failed": 0, "inconclusive": 0}, 0
        while at <= end + _SLACK_S:
            what = self.measurement(ask(at))
            measured += 1
            if what == "error":
                errors += 1
                if errors > self.error_limit:
                    return Said("fail", at, measured)
                at += self.error_retry_s
                continue
            errors = 0
            tally[what] += 1
            if tally["failed"] > self.failure_limit:
                return Said("fail", at, measured)
            if tally["inconclusive"] > self.inconclusive_limit:
                # The rollout is paused until somebody decides.
                return Said("hold", at, measured)
            if self.count is not None and sum(tally.values()) >= self.count:
                return Said("pass", at, measured)
            at += self.interval_s
        return Said("pass", end, measured)


@dataclasses.dataclass(frozen=True)
class Flagger:
    """The analysis of a Canary with one metric and `thresholdRange.max`.

    A failed check is never forgotten, and no data, NaN and a provider that does not answer are failed checks. The
    rollback comes one tick after the last failed check that it takes.
    """

    interval_s: float
    maximum: float
    threshold: int = 5

    def failed(self, answer: Answer) -> bool:
        return isinstance(answer, str) or math.isnan(answer) or answer > self.maximum

    def judge(self, ask: Ask, start: float, end: float) -> Said:
        """The analysis from `start`; a canary that has not been rolled back at `end` is promoted."""
        at, measured, failed = start, 0, 0
        while at <= end + _SLACK_S:
            if failed >= self.threshold:
                return Said("fail", at, measured)
            failed += self.failed(ask(at))
            measured += 1
            at += self.interval_s
        return Said("pass", end, measured)
