# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One metric check: samples in, state out. Pure: no I/O, no clock.

`for_s` is a streak in time over valid samples. What could not be measured is a gap: it neither proves a streak nor
clears it, and its time is not counted. A sample with too few requests behind it is a gap as well, but not blindness.

Why `min_failures`: with few requests one failure is a share above any limit. Simulated: a canary with 11 requests/s in
two pods, scraped every second, asked four times a second, limit 5 % of the last 5 s and at least 10 requests:

| at least | for | called bad within 30 s, healthy at 0.1 %, 0.5 %, 1 % | bad at 18 %: failure to verdict, failures |
|---|---|---|---|
| 3 failures | 0 s | 1 of 2000, 58 of 2000, 135 of 1000 | 1.6 s, 4 |
| 3 failures | 1 s | 0 of 2000, 36 of 2000, 98 of 1000 | 2.6 s, 6 |
| 5 failures | 0 s | 0 of 2000, 1 of 2000, 4 of 1000 | 2.5 s, 6 |
| 5 failures | 1 s | 0 of 2000, 0 of 2000, 0 of 1000 | 3.5 s, 8 |

A floor buys more than a second of `for_s` does, for the same time.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t
from collections.abc import Iterable, Sequence

JsonObject = dict[str, t.Any]

#: What one attempt to measure gave. `valid` and `thin` are sight; the others are blindness, told apart.
SampleKind = t.Literal["valid", "thin", "no_data", "nan", "many", "stale", "error"]
KINDS: t.Final[tuple[SampleKind, ...]] = ("valid", "thin", "no_data", "nan", "many", "stale", "error")
SIGHT: t.Final = ("valid", "thin")
#: Sums of floats: ten times a tenth is not quite one.
SLACK_S: t.Final = 1e-6

#: `over`: outside the limit now, but not yet for long enough or with too few failures. It never passes.
Status = t.Literal["good", "over", "bad", "thin", "blind"]


@dataclasses.dataclass(frozen=True)
class Check:
    """What is measured and what it may be."""

    name: str
    query: str
    maximum: float | None = None
    minimum: float | None = None
    for_s: float = 0.0
    min_samples_query: str | None = None
    age_query: str | None = None
    min_requests: float = 0.0
    min_failures: float = 0.0
    critical: bool = True

    @property
    def limit(self) -> float:
        limit = self.maximum if self.maximum is not None else self.minimum
        if limit is None:
            raise AssertionError("a check has a maximum or a minimum")
        return limit

    @property
    def window(self) -> str:
        """The window of the query, for the sentence: the first range or offset in it."""
        found = re.search(r"\[(\d+\w*?)[:\]]|\boffset\s+(\d+\w+)", self.query)
        return (found.group(1) or found.group(2)) if found else ""

    def outside(self, value: float) -> bool:
        return value > self.limit if self.maximum is not None else value < self.limit

    def nearness(self, value: float) -> float:
        """How close the value is to the limit: 1 is at it, more is outside."""
        above, below = (value, self.limit) if self.maximum is not None else (self.limit, value)
        if below <= 0:
            return 0.0 if above <= below else math.inf
        return above / below


@dataclasses.dataclass(frozen=True)
class Sample:
    """One attempt to measure, at an instant of the monotonic clock."""

    at: float
    kind: SampleKind
    value: float | None = None
    requests: float | None = None
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class State:
    """One check after its samples so far."""

    check: Check
    status: Status
    #: Of the last valid sample.
    value: float | None
    requests: float | None
    #: How long it has been outside its limit, and inside, by valid samples without a gap between them.
    outside_s: float
    good_s: float
    #: When the present streak outside began, and when there was sight last; None for never.
    outside_since: float | None
    seen_at: float | None
    counts: dict[SampleKind, int]
    #: Why there is no sight, or what is missing.
    detail: str

    @property
    def nearness(self) -> float:
        return 0.0 if self.value is None else self.check.nearness(self.value)

    @property
    def failures(self) -> float | None:
        if self.value is None or self.requests is None or not self.check.min_failures:
            return None
        return self.value * self.requests


class Streaks:
    """Takes the samples of one check one by one; what it says depends on them and on nothing else."""

    def __init__(self, check: Check, gap_s: float) -> None:
        self.check = check
        #: Two valid samples further apart than this have a gap between them, even if nobody tried to measure in it.
        self.gap_s = gap_s
        self._outside_s = self._good_s = 0.0
        self._outside_since: float | None = None
        self._last: Sample | None = None
        self._last_valid: Sample | None = None
        self._seen_at: float | None = None
        self._counts: dict[SampleKind, int] = dict.fromkeys(KINDS, 0)
        self._bad = False

    def add(self, sample: Sample) -> State:
        self._counts[sample.kind] += 1
        if sample.kind in SIGHT:
            self._seen_at = sample.at
        if sample.kind == "valid":
            self._add_valid(sample)
        self._last = sample
        return self.state()

    def _add_valid(self, sample: Sample) -> None:
        if sample.value is None:
            raise AssertionError("a valid sample has a value")
        before, step = self._last_valid, 0.0
        # Time counts between two valid samples that follow each other directly.
        if self._last is not None and self._last.kind == "valid" and sample.at - self._last.at <= self.gap_s:
            step = sample.at - self._last.at
        was_outside = before is not None and self._breaks(before)
        if self._breaks(sample):
            if was_outside:
                self._outside_s += step
            else:
                self._outside_s, self._outside_since = 0.0, sample.at
            # It stays bad: what comes after a proven streak does not undo the proof.
            self._bad = self._bad or self._outside_s >= self.check.for_s - SLACK_S
        else:
            self._outside_s, self._outside_since = 0.0, None
        if self._is_outside(sample):
            self._good_s = 0.0
        elif before is not None and not self._is_outside(before):
            self._good_s += step
        self._last_valid = sample

    def _is_outside(self, sample: Sample) -> bool:
        return sample.value is not None and self.check.outside(sample.value)

    def _breaks(self, sample: Sample) -> bool:
        """Outside the limit, and with enough failures behind it to count."""
        if not self._is_outside(sample):
            return False
        floor = self.check.min_failures
        # A share times requests is a count; queries extrapolate, hence the half.
        return floor <= 0 or (sample.value or 0.0) * (sample.requests or 0.0) > floor - 0.5

    def state(self) -> State:
        last, valid = self._last, self._last_valid
        status: Status = "blind"
        if self._bad:
            status = "bad"
        elif last is not None and last.kind == "valid":
            status = "over" if self._is_outside(last) else "good"
        elif last is not None and last.kind == "thin":
            status = "thin"
        detail = "nothing measured yet"
        if last is not None:
            detail = last.detail
        return State(
            self.check,
            status,
            valid.value if valid else None,
            last.requests if last is not None and last.kind in SIGHT else valid.requests if valid else None,
            self._outside_s,
            self._good_s,
            self._outside_since,
            self._seen_at,
            dict(self._counts),
            detail,
        )


def judge(check: Check, samples: Iterable[Sample], gap_s: float) -> State:
    """The state after all of these samples."""
    streaks = Streaks(check, gap_s)
    for sample in samples:
        streaks.add(sample)
    return streaks.state()


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a provider answered to one query."""

    kind: t.Literal["value", "no_data", "many", "error"]
    value: float = math.nan
    detail: str = ""


def make_sample(
    check: Check,
    at: float,
    *,
    value: Reading,
    requests: Reading | None = None,
    age_s: Reading | None = None,
    stale_s: float = 0.0,
) -> Sample:
    """One sample out of the answers to a check's queries.

    Order matters: that the provider is away is not "no data", and too few requests explain a NaN (0 of 0) and an empty
    answer.
    """
    count = requests.value if requests is not None else None
    for unusable in (_unanswered(at, value, requests, age_s), _stale(at, age_s, stale_s), _thin(check, at, requests)):
        if unusable is not None:
            return unusable
    if value.kind == "no_data":
        return Sample(at, "no_data", detail=value.detail)
    if not math.isfinite(value.value):
        return Sample(at, "nan", requests=count, detail=f"the query gave {value.value}")
    return Sample(at, "valid", value.value, count)


def _unanswered(at: float, *readings: Reading | None) -> Sample | None:
    for reading in readings:
        if reading is not None and reading.kind == "error":
            return Sample(at, "error", detail=reading.detail)
    for reading in readings:
        if reading is not None and reading.kind == "many":
            return Sample(at, "many", detail=reading.detail)
    return None


def _stale(at: float, age_s: Reading | None, stale_s: float) -> Sample | None:
    if age_s is None:
        return None
    if age_s.kind == "no_data" or not math.isfinite(age_s.value):
        return Sample(at, "no_data", detail="there is no sample of that metric")
    if age_s.value > stale_s:
        return Sample(at, "stale", detail=f"the newest sample is {age_s.value:.1f} s old (limit {stale_s:g} s)")
    return None


def _thin(check: Check, at: float, requests: Reading | None) -> Sample | None:
    if requests is None:
        return None
    if requests.kind == "no_data" or not math.isfinite(requests.value):
        return Sample(at, "no_data", detail=requests.detail or "there is no count of requests")
    if requests.value < check.min_requests:
        detail = f"{requests.value:.0f} of at least {check.min_requests:g} requests"
        return Sample(at, "thin", requests=requests.value, detail=detail)
    return None


def to_json(state: State, last: Sequence[Sample], started: float) -> JsonObject:
    """Compact evidence: what was asked, what came, the last samples with their seconds since the gate started."""
    check = state.check
    return {
        "name": check.name,
        "weight": "critical" if check.critical else "warning",
        "status": state.status,
        "value": state.value,
        "limit": {"max": check.limit} if check.maximum is not None else {"min": check.limit},
        "window": check.window,
        "for_s": check.for_s,
        "outside_s": round(state.outside_s, 3),
        "good_s": round(state.good_s, 3),
        "requests": state.requests,
        "min_requests": check.min_requests,
        "min_failures": check.min_failures,
        "samples": state.counts,
        "last": [
            {
                "after_s": round(sample.at - started, 3),
                "kind": sample.kind,
                "value": sample.value,
                "requests": sample.requests,
                **({"detail": sample.detail} if sample.detail else {}),
            }
            for sample in last
        ],
        "query": check.query,
    }
