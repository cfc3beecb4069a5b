# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One metric check: samples in, state out. Pure: no I/O, no clock.

What could not be measured is a gap: it neither proves nor clears anything, and its time is not counted. A sample with
too few requests behind it is a gap as well, but not blindness.

A check has an absolute limit, a baseline, or both; each has a streak of its own, and either is enough to be bad. Where
both are given, a baseline that cannot be read leaves the limit to judge alone: a stable slot without traffic has no
latency. What the baseline has made suspicious before that stays so.

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

import collections
import dataclasses
import math
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import (
    KINDS,
    SIGHT,
    CheckState,
    JsonObject,
    SampleKind,
    Status,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_baseline import (
    MIN_PAIRS,
    Baseline,
    Pairs,
    closeness,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sample import (
    Policy,
    Sample,
    status_of_missing,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_streak import Form, Streak
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import Reading

#: So many samples are kept as evidence.
_LAST: t.Final = 10


@dataclasses.dataclass(frozen=True)
class Threshold:
    """An absolute limit, from above or from below. It can judge every valid sample."""

    limit: float
    from_above: bool = True

    def judges(self, sample: Sample) -> bool:
        return sample.value is not None

    def outside(self, sample: Sample) -> bool:
        value = _value(sample)
        return value > self.limit if self.from_above else value < self.limit

    def nearness(self, sample: Sample) -> float:
        value = _value(sample)
        return closeness(value, self.limit) if self.from_above else closeness(self.limit, value)

    def told(self, sample: Sample) -> tuple[str, list[str]]:
        """The condition that holds, and what belongs to it."""
        inside, outside = ("≤", ">") if self.from_above else ("≥", "<")
        return f"{_value(sample):.3g} {outside if self.outside(sample) else inside} {self.limit:g}", []


def _value(sample: Sample) -> float:
    if sample.value is None:
        raise AssertionError("a valid sample has a value")
    return sample.value


@dataclasses.dataclass(frozen=True)
class Check:
    """What is measured and what it may be: a maximum or a minimum, a baseline, or a maximum and a baseline."""

    name: str
    query: str
    maximum: float | None = None
    minimum: float | None = None
    baseline: Baseline | None = None
    form: Form = dataclasses.field(default_factory=Form)
    min_samples_query: str | None = None
    age_query: str | None = None
    min_requests: float = 0.0
    min_failures: float = 0.0
    min_samples: int = 1
    on_missing: Mapping[str, Policy] = dataclasses.field(default_factory=dict)
    critical: bool = True
    service: str = ""

    @property
    def threshold(self) -> Threshold | None:
        if self.maximum is not None:
            return Threshold(self.maximum)
        return Threshold(self.minimum, from_above=False) if self.minimum is not None else None

    @property
    def window(self) -> str:
        """The window of the query, for the sentence: the first range or offset in it."""
        found = re.search(r"\[(\d+\w*?)[:\]]|\boffset\s+(\d+\w+)", self.query)
        return (found.group(1) or found.group(2)) if found else ""

    def has_failures(self, sample: Sample) -> bool:
        """Whether there are enough failures behind a value outside its limit for it to count."""
        # A share times requests is a count; queries extrapolate, hence the half.
        return self.min_failures <= 0 or _failures(sample) > self.min_failures - 0.5


def _failures(sample: Sample) -> float:
    return (sample.value or 0.0) * (sample.requests or 0.0)


class _Part:
    """One limit of a check, with its streak and the last sample that it could judge."""

    def __init__(self, limit: Threshold | Baseline, form: Form) -> None:
        self.limit = limit
        self.streak = Streak(form)
        self.last: Sample | None = None

    @property
    def outside(self) -> bool:
        return self.last is not None and self.limit.outside(self.last)

    @property
    def nearness(self) -> float:
        return self.limit.nearness(self.last) if self.last is not None else 0.0


class Judge:
    """Takes the samples of one check one by one; what it says depends on them and on nothing else."""

    def __init__(self, check: Check, gap_s: float) -> None:
        self.check = check
        #: Two valid samples further apart than this have a gap between them, even if nobody tried to measure in it.
        self._gap_s = gap_s
        #: The absolute limit comes first: of two that are exceeded it is told.
        self._parts = [_Part(limit, check.form) for limit in (check.threshold, check.baseline) if limit is not None]
        self._pairs = Pairs(check.baseline.alpha if check.baseline is not None else None)
        self._good_s = 0.0
        self._kept: collections.deque[Sample] = collections.deque(maxlen=_LAST)
        self._first_at = 0.0
        self._last_valid: Sample | None = None
        self._seen_at: float | None = None
        self._counts: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._baseline_counts: dict[str, int] = dict.fromkeys(KINDS, 0)
        #: What comes after a proof does not undo it.
        self._proof: CheckState | None = None

    def add(self, sample: Sample) -> CheckState:
        """The state after this sample too."""
        if not any(self._counts.values()):
            self._first_at = sample.at
        self._counts[sample.kind] += 1
        if sample.baseline_kind is not None:
            self._baseline_counts[sample.baseline_kind] += 1
        # What is ignored uses up nobody's patience.
        if sample.kind in SIGHT or self._missing(sample) == "thin":
            self._seen_at = sample.at
        step_s = self._step_s(sample)
        if sample.kind == "valid":
            self._add_valid(sample, step_s)
        self._kept.append(sample)
        proving = next((part for part in self._parts if self._proves(part, sample)), None)
        if proving is not None:
            self._proof = self._state("bad", proving)
        return self._now(sample)

    def _step_s(self, sample: Sample) -> float:
        """Time counts between two valid samples that follow each other directly."""
        last = self._kept[-1] if self._kept else None
        if last is None or last.kind != "valid" or sample.at - last.at > self._gap_s:
            return 0.0
        return sample.at - last.at

    def _add_valid(self, sample: Sample, step_s: float) -> None:
        was_good = self._last_valid is not None and not self._outside
        for part in self._parts:
            if part.limit.judges(sample):
                breaks = part.limit.outside(sample) and self.check.has_failures(sample)
                part.streak.add(sample.at, breaks, step_s if part.last is self._last_valid else 0.0)
                part.last = sample
        if sample.baseline is not None:
            self._pairs.add(sample)
        if self._outside:
            self._good_s = 0.0
        elif was_good:
            self._good_s += step_s
        self._last_valid = sample

    @property
    def _outside(self) -> bool:
        """By the last sample that each limit could judge: that the baseline is gone does not clear."""
        return any(part.outside for part in self._parts)

    def _proves(self, part: _Part, sample: Sample) -> bool:
        if part.last is not sample or not part.outside or not part.streak.proved():
            return False
        return isinstance(part.limit, Threshold) or self._pairs.agree()

    def _missing(self, sample: Sample) -> Status:
        return status_of_missing(sample.kind, self.check.on_missing)

    def _now(self, last: Sample) -> CheckState:
        if self._proof is not None:
            return dataclasses.replace(
                self._proof,
                seen_at=self._seen_at,
                counts=dict(self._counts),
                evidence={**self._proof.evidence, "last": self._last_to_json()},
            )
        if last.kind != "valid":
            return self._state(self._missing(last), None)
        part = self._telling()
        if self._outside:
            return self._state("over", part)
        return self._state("thin" if self._lacking() else "good", part)

    @property
    def _speaking(self) -> list[_Part]:
        """The limits that could judge the last valid sample, and those that were exceeded when they last could."""
        return [part for part in self._parts if part.outside or part.last is self._last_valid]

    def _telling(self) -> _Part:
        """The limit that is exceeded, else the closest one."""
        for part in self._speaking:
            if part.outside:
                return part
        return max(self._speaking, key=lambda part: part.nearness)

    def _lacking(self) -> str:
        """What it has too little of to be good."""
        if self._counts["valid"] < self.check.min_samples:
            return f"{self._counts['valid']} of at least {self.check.min_samples} samples"
        if self.check.threshold is None and not self._pairs.enough():
            return f"{self._pairs.count} of at least {MIN_PAIRS} pairs with its baseline"
        return ""

    def _state(self, status: Status, part: _Part | None) -> CheckState:
        since = [part.streak.since for part in self._parts if part.streak.since is not None]
        return CheckState(
            self.check.name,
            status,
            self._sentence(status, part),
            critical=self.check.critical,
            nearness=max(part.nearness for part in self._speaking),
            good_s=self._good_s,
            seen_at=self._seen_at,
            outside_since=min(since, default=None),
            service=self.check.service,
            counts=dict(self._counts),
            evidence=self._evidence(),
        )

    def _sentence(self, status: Status, part: _Part | None) -> str:
        """Condition, value, limit, window, sample count."""
        name, last = self.check.name, self._kept[-1]
        if last.kind not in SIGHT:
            return f"{name} not visible ({last.detail})"
        if status == "thin":
            return f"{name} has {last.detail if last.kind == 'thin' else self._lacking()}"
        if part is None or part.last is None:
            raise AssertionError("after a valid sample there is a limit that judged it")
        clause, facts = part.limit.told(part.last)
        return f"{name} {clause} ({', '.join([*facts, *self._facts(status, part, part.last)])})"

    def _facts(self, status: Status, part: _Part, sample: Sample) -> list[str]:
        suspicious = status in ("bad", "over")
        facts = [f"window {self.check.window}" if self.check.window else "", part.streak.text(suspicious)]
        if sample.requests is not None:
            facts.append(f"{sample.requests:.0f} requests")
            if self.check.min_failures and suspicious:
                facts.append(f"{_failures(sample):.0f} failures, {self.check.min_failures:g} count")
        facts += [f"{self._counts['valid']} samples"] if isinstance(part.limit, Threshold) else self._pairs.told()
        if self.check.baseline is not None and self._kept[-1].baseline is None:
            facts.append(f"no baseline: {self._kept[-1].detail}")
        return [fact for fact in facts if fact]

    def _evidence(self) -> JsonObject:
        """Compact: what was asked, what came, the last samples with their seconds since the first."""
        check, valid = self.check, self._last_valid
        seen = next((sample for sample in reversed(self._kept) if sample.kind in SIGHT), valid)
        limits = {"max": check.maximum, "min": check.minimum}
        return {
            "value": valid.value if valid is not None else None,
            "limit": {side: limit for side, limit in limits.items() if limit is not None},
            "window": check.window,
            **check.form.to_json(),
            "outside_s": round(max(part.streak.outside_s for part in self._parts), 3),
            "requests": seen.requests if seen is not None else None,
            "min_requests": check.min_requests,
            "min_failures": check.min_failures,
            "min_samples": check.min_samples,
            "baseline": self._baseline_to_json(check.baseline) if check.baseline is not None else None,
            "last": self._last_to_json(),
            "query": check.query,
        }

    def _baseline_to_json(self, baseline: Baseline) -> JsonObject:
        pair = self._parts[-1].last
        return {
            **baseline.to_json(),
            "value": pair.baseline if pair is not None else None,
            "pairs": self._pairs.count,
            "rank_test": {"alpha": baseline.alpha, "p": self._pairs.p} if baseline.alpha is not None else None,
            "samples": dict(self._baseline_counts),
        }

    def _last_to_json(self) -> list[JsonObject]:
        return [
            {
                "after_s": round(sample.at - self._first_at, 3),
                "kind": sample.kind,
                "value": sample.value,
                "requests": sample.requests,
                **({"baseline": sample.baseline} if self.check.baseline is not None else {}),
                **({"detail": sample.detail} if sample.detail else {}),
            }
            for sample in self._kept
        ]


def make_sample(
    check: Check,
    at: float,
    *,
    value: Reading,
    requests: Reading | None = None,
    age_s: Reading | None = None,
    baseline: Reading | None = None,
    stale_s: float = 0.0,
) -> Sample:
    """One sample out of the answers to a check's queries.

    Order matters: that the provider is away is not "no data", and too few requests explain a NaN (0 of 0) and an empty
    answer. Without its baseline a value is no sample, unless there is an absolute limit to judge it by.
    """
    count = requests.value if requests is not None else None
    for unusable in (_unanswered(at, value, requests, age_s), _stale(at, age_s, stale_s), _thin(check, at, requests)):
        if unusable is not None:
            return unusable
    kind, detail = _kind_of(value)
    if kind != "valid":
        return Sample(at, kind, requests=count, detail=detail)
    if baseline is None:
        return Sample(at, "valid", value.value, count)
    kind, detail = _kind_of(baseline)
    if kind == "valid":
        return Sample(at, "valid", value.value, count, baseline=baseline.value, baseline_kind=kind)
    if check.threshold is None:
        return Sample(at, kind, value.value, count, f"its baseline: {detail}", baseline_kind=kind)
    return Sample(at, "valid", value.value, count, detail, baseline_kind=kind)


def _kind_of(reading: Reading) -> tuple[SampleKind, str]:
    if reading.kind != "value":
        return reading.kind, reading.detail
    if not math.isfinite(reading.value):
        return "nan", f"the query gave {reading.value}"
    return "valid", ""


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
