# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's counters: options, and the check that asks for raw samples at every look."""

from __future__ import annotations

import collections
import dataclasses
import math
import re
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import (
    KINDS,
    Checker,
    CheckState,
    JsonObject,
    Round,
    SampleKind,
    Status,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_counters import Increase, newest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sample import Policy, status_of_missing
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import (
    Evidence,
    Interval,
    OneSample,
    TwoSample,
    alpha_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.metric_check import ON_MISSING
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import RawSeries

Params = Mapping[str, t.Any]

_AGAINST: t.Final[dict[str, dict[str, t.Any]]] = {
    "requests": {"type": "str", "required": True},
    "failures": {"type": "str", "required": True},
    "ratio": {"type": "float", "default": 2.0},
}

SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "name": {"type": "str", "required": True},
    "requests": {"type": "str", "required": True},
    "failures": {"type": "str", "required": True},
    "against": {"type": "dict", "options": _AGAINST},
    "healthy_below": {"type": "float", "default": 0.01},
    "false_alarm": {"type": "float", "default": 0.0001},
    "tests": {"type": "int", "default": 1},
    "overdispersion": {"type": "float", "default": 1.0},
    "min_requests": {"type": "float", "default": 1.0},
    "pod_label": {"type": "str", "default": "pod"},
    "on_missing": ON_MISSING,
    "weight": {"type": "str", "choices": ["critical", "warning"], "default": "critical"},
    "service": {"type": "str", "default": ""},
}

_SELECTOR: t.Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(\s*\{.*\})?", re.DOTALL)
#: A new start of the test this often: what was good an hour ago says little about now.
_RESTART_S: t.Final = 30.0
_LAST: t.Final = 10


class RawReader(t.Protocol):
    """What a check of counters needs of a metric provider."""

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries: ...


@dataclasses.dataclass(frozen=True)
class Rule:
    """One check of counters."""

    name: str
    requests: str
    failures: str
    healthy_below: float
    alpha: float
    tests: int
    false_alarm: float
    overdispersion: float
    min_requests: float
    pod_label: str
    on_missing: Mapping[str, Policy]
    critical: bool
    service: str
    stable_requests: str = ""
    stable_failures: str = ""
    ratio: float = 0.0


def checkers_of(
    items: Sequence[Params],
    provider: RawReader,
    *,
    window_s: float,
    stale_s: float,
    since: float | None,
    gap_s: float,
) -> list[Checker]:
    """One check for each item. `since` is in the provider's time. Raises OptionError for bad input."""
    names: set[str] = set()
    checkers: list[Checker] = []
    for item in items:
        rule = _rule(item)
        if rule.name in names:
            raise OptionError("counters", f"{rule.name} stands in it twice")
        names.add(rule.name)
        checkers.append(CounterChecker(rule, provider, window_s=window_s, stale_s=stale_s, since=since, gap_s=gap_s))
    return checkers


def _rule(item: Params) -> Rule:
    name = item["name"]
    against = item["against"] or {}
    for option in ("requests", "failures"):
        for where, given in ((option, item[option]), (f"against.{option}", against.get(option))):
            if given is not None and not _SELECTOR.fullmatch(given.strip()):
                raise OptionError("counters", f"{name}: {where} has to be a counter with its labels and nothing else")
    for option in ("healthy_below", "false_alarm"):
        if not 0 < item[option] < 1:
            raise OptionError("counters", f"{name}: {option} has to be between 0 and 1")
    if item["tests"] < 1:
        raise OptionError("counters", f"{name}: tests has to be 1 or more")
    if item["overdispersion"] < 1:
        raise OptionError("counters", f"{name}: overdispersion has to be 1 or more")
    if against and not 1 <= against["ratio"] < 200:
        raise OptionError("counters", f"{name}: against.ratio has to be at least 1 and below 200")
    return Rule(
        name,
        item["requests"].strip(),
        item["failures"].strip(),
        item["healthy_below"],
        alpha_of(item["false_alarm"], item["tests"]),
        item["tests"],
        item["false_alarm"],
        item["overdispersion"],
        item["min_requests"],
        item["pod_label"],
        item["on_missing"],
        item["weight"] == "critical",
        item["service"],
        against.get("requests", "").strip(),
        against.get("failures", "").strip(),
        against.get("ratio", 0.0),
    )


class CounterChecker:
    """One check with its memory."""

    def __init__(
        self,
        rule: Rule,
        provider: RawReader,
        *,
        window_s: float,
        stale_s: float,
        since: float | None,
        gap_s: float,
    ) -> None:
        self._rule = rule
        self._provider = provider
        self._window_s = window_s
        self._stale_s = stale_s
        self._since = since
        self._gap_s = gap_s
        self._requests = Increase(rule.pod_label, whole=True, since=since)
        self._failures = Increase(rule.pod_label, whole=True, since=since)
        self._stable_requests = Increase(rule.pod_label, whole=False, since=since)
        self._stable_failures = Increase(rule.pod_label, whole=False, since=since)
        self._alone = Evidence(OneSample(rule.healthy_below), _RESTART_S)
        self._beside = Evidence(TwoSample(rule.ratio), _RESTART_S) if rule.stable_requests else None
        self._compared = False
        self._proof = ""
        self._good_s = 0.0
        self._good_at: float | None = None
        self._seen_at: float | None = None
        self._first_failure: float | None = None
        self._counts: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._last: collections.deque[JsonObject] = collections.deque(maxlen=_LAST)
        self._began: float | None = None

    def look(self, this: Round) -> CheckState:
        self._began = this.now if self._began is None else self._began
        window_s = self._window_s
        if self._seen_at is None and self._since is not None:
            # The first look reaches back to before the evidence begins.
            window_s = max(window_s, this.at - self._since + self._stale_s)
        requests = self._provider.raw(self._rule.requests, this.at, window_s)
        problem = self._missing(requests, this.at)
        if problem is None:
            failures = self._provider.raw(self._rule.failures, this.at, window_s)
            # No failure yet is no series yet.
            problem = ("error", failures.detail) if failures.kind == "error" else None
        if problem is None:
            problem = self._take(this, requests, failures, window_s)
        if problem is not None:
            kind, detail = problem
            self._counts[kind] += 1
            return self._state("bad" if self._proof else status_of_missing(kind, self._rule.on_missing), detail)
        return self._state(*self._judged(this))

    def _missing(self, requests: RawSeries, at: float) -> tuple[SampleKind, str] | None:
        if requests.kind != "series":
            return requests.kind, requests.detail
        last = newest(requests.samples)
        if last is None:
            return "no_data", "the selector found no sample"
        if at - last > self._stale_s:
            return "stale", f"the newest sample is {at - last:.1f} s old (limit {self._stale_s:g} s)"
        return None

    def _take(
        self, this: Round, requests: RawSeries, failures: RawSeries, window_s: float
    ) -> tuple[SampleKind, str] | None:
        stable_requests = stable_failures = 0.0
        if self._beside is not None:
            served = self._provider.raw(self._rule.stable_requests, this.at, window_s)
            failed = self._provider.raw(self._rule.stable_failures, this.at, window_s)
            for reading in (served, failed):
                if reading.kind == "error":
                    return "error", reading.detail
            stable_requests = self._stable_requests.add(served.samples)
            stable_failures = self._stable_failures.add(failed.samples)
        count, failed_count = self._requests.add(requests.samples), self._failures.add(failures.samples)
        by = self._rule.overdispersion
        interval = Interval(
            min(failed_count, count) / by, count / by, min(stable_failures, stable_requests) / by, stable_requests / by
        )
        self._compared = self._beside is not None and stable_requests > 0
        if self._beside is not None and self._compared:
            self._beside.add(this.now, interval)
        else:
            # Where the stable slot gets no traffic there is nothing to compare with.
            self._alone.add(this.now, interval)
        if failed_count > 0 and self._first_failure is None:
            self._first_failure = this.now
        self._last.append(
            {"after_s": round(this.now - (self._began or 0.0), 3), "requests": count, "failures": failed_count}
        )
        return None

    def _judged(self, this: Round) -> tuple[Status, str]:
        kind: SampleKind = "valid" if self._requests.total >= self._rule.min_requests else "thin"
        self._counts[kind] += 1
        before, self._seen_at = self._seen_at, this.now
        if self._nearness() > 1:
            self._proof = self._sentence()
        if self._proof:
            return "bad", ""
        if kind == "thin":
            self._good_at = None
            return "thin", f"{self._requests.total:.0f} of at least {self._rule.min_requests:g} requests"
        if self._nearness() > 0.5:
            # As good a reason to wait as there is: one more failure may be the proof.
            self._good_s, self._good_at = 0.0, None
            return "over", ""
        if self._good_at is not None and before is not None and this.now - before <= self._gap_s:
            self._good_s += this.now - before
        self._good_at = this.now
        return "good", ""

    def _log(self) -> float:
        """The larger evidence of the two, at twice the price: each of them has half of the false alarms."""
        if self._beside is None:
            return self._alone.log
        return max(self._alone.log, self._beside.log) - math.log(2)

    def _nearness(self) -> float:
        return max(0.0, self._log() / -math.log(self._rule.alpha))

    def _sentence(self) -> str:
        rule = self._rule
        e_value = math.exp(min(self._log(), 700.0)) if self._log() > -math.inf else 0.0
        facts = [f"evidence {e_value:.3g}, {1 / rule.alpha:.3g} is proof"]
        facts.append(f"false alarm {rule.false_alarm:g} over {rule.tests} tests")
        if rule.overdispersion > 1:
            facts.append(f"counts divided by {rule.overdispersion:g}")
        facts.append(f"{self._counts['valid'] + self._counts['thin']} samples")
        than = f"healthy below {100 * rule.healthy_below:g} %"
        if self._beside is not None and self._beside.log >= self._alone.log:
            than = (
                f"stable slot {self._stable_failures.total:.0f} of {self._stable_requests.total:.0f}, "
                f"healthy below {rule.ratio:g} times that"
            )
        elif self._beside is not None:
            than += ", the stable slot had no requests"
        share = f"{self._failures.total:.0f} of {self._requests.total:.0f} requests"
        return f"{rule.name} {share}, {than} ({', '.join(facts)})"

    def _state(self, status: Status, detail: str) -> CheckState:
        rule = self._rule
        sentence = self._proof or self._sentence()
        if status in ("blind", "lost"):
            sentence = f"{rule.name} not visible ({detail})"
        elif status == "thin":
            sentence = f"{rule.name} has {detail}"
        return CheckState(
            rule.name,
            status,
            sentence,
            critical=rule.critical,
            nearness=self._nearness(),
            good_s=self._good_s,
            seen_at=self._seen_at,
            outside_since=self._first_failure if status in ("bad", "over") else None,
            service=rule.service,
            counts=dict(self._counts),
            evidence={
                "requests": self._requests.total,
                "failures": self._failures.total,
                "stable_requests": self._stable_requests.total,
                "stable_failures": self._stable_failures.total,
                "healthy_below": rule.healthy_below,
                "log_evidence": round(self._log(), 3) if self._log() > -math.inf else None,
                "log_proof": round(-math.log(rule.alpha), 3),
                "test": "two_sample" if self._compared else "one_sample",
                "tests": rule.tests,
                "overdispersion": rule.overdispersion,
                "last": list(self._last),
                "query": {"requests": rule.requests, "failures": rule.failures},
            },
        )
