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
    SIGHT,
    Checker,
    CheckState,
    JsonObject,
    Round,
    SampleKind,
    Status,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_counters import (
    Beside,
    Counts,
    Samples,
    Scrape,
    newest,
    period_of,
    seen_to,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sample import Policy, status_of_missing
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import (
    RATES,
    RATIOS,
    CountTests,
    Interval,
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

_QUOTED: t.Final = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_BRACES: t.Final = rf"\{{(?:[^{{}}\"']|{_QUOTED})*\}}"
_SELECTOR: t.Final = re.compile(rf"[a-zA-Z_:][a-zA-Z0-9_:]*(\s*{_BRACES})?|{_BRACES}", re.DOTALL)
#: A new start of the test this often: what was good an hour ago says little about now.
_RESTART_S: t.Final = 30.0
#: Half of the way to a proof, in logarithms: as good a reason to wait as there is.
_SUSPICIOUS: t.Final = 0.5
#: No question reaches further back: an hour of a scrape a second is 100 kB a series.
_LONGEST_S: t.Final = 3600.0
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
    #: None without a stable slot.
    ratio: float | None = None


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
    for option, limit in (("healthy_below", max(RATES)), ("false_alarm", 1.0)):
        if not 0 < item[option] < limit:
            raise OptionError("counters", f"{name}: {option} has to be between 0 and {limit:g}")
    if item["tests"] < 1:
        raise OptionError("counters", f"{name}: tests has to be 1 or more")
    if not 1 <= item["overdispersion"] < math.inf:
        raise OptionError("counters", f"{name}: overdispersion has to be 1 or more")
    if not 0 <= item["min_requests"] < math.inf:
        raise OptionError("counters", f"{name}: min_requests cannot be negative")
    if against and not 1 <= against["ratio"] < max(RATIOS):
        raise OptionError("counters", f"{name}: against.ratio has to be at least 1 and below {max(RATIOS):g}")
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
        against.get("ratio"),
    )


class CounterChecker:
    """One check with its memory.

    Instants of scrapes are turned into the monotonic clock's, so that the same scrapes give the same evidence however
    often one looks.
    """

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
        self._slots: _Slots | None = None
        self._tests = CountTests(rule.healthy_below, rule.ratio, _RESTART_S, rule.overdispersion)
        self._scrapes = 0
        self._proof: _Proof | None = None
        self._good_s = 0.0
        self._good_at: float | None = None
        self._seen_at: float | None = None
        self._counts: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._last: collections.deque[JsonObject] = collections.deque(maxlen=_LAST)
        self._began: float | None = None
        #: Up to here everything was read, in the provider's time.
        self._read_to = 0.0

    def look(self, this: Round) -> CheckState:
        if self._slots is None:
            since = this.at if self._since is None else max(self._since, this.at - _LONGEST_S + self._stale_s)
            self._slots = _Slots(self._rule.pod_label, since)
            self._began, self._read_to = this.now, since
        missing = self._measure(this, self._slots)
        kind: SampleKind = missing[0] if missing else "valid"
        if missing is None and self._slots.new.requests < self._rule.min_requests:
            kind = "thin"
        self._counts[kind] += 1
        # What is ignored uses up nobody's patience, whatever the evidence before it says.
        if kind in SIGHT or status_of_missing(kind, self._rule.on_missing) == "thin":
            self._seen_at = this.now
        status = self._status(kind)
        self._time(this.now, status)
        return self._state(self._slots, status, missing[1] if missing else "")

    def _measure(self, this: Round, slots: _Slots) -> tuple[SampleKind, str] | None:
        """Ask, and judge what is new. Returns what is missing; what can be seen counts all the same."""
        rule = self._rule
        # Back to the last answer: a restart while the provider was away would be missed.
        window_s = min(_LONGEST_S, max(self._window_s, this.at - self._read_to + self._stale_s))
        found: list[RawSeries] = []
        # Requests first, see Counts.add.
        for selector in (rule.requests, rule.failures, rule.stable_requests, rule.stable_failures):
            reading = self._provider.raw(selector, this.at, window_s) if selector else RawSeries("no_data")
            if reading.kind == "error":
                return "error", reading.detail
            found.append(reading)
        self._read_to = this.at
        requests, failures = found[0].samples, found[1].samples
        scrapes = slots.new.add(requests, failures)
        self._scrapes += len(scrapes)
        for at, interval in self._intervals(this.at, slots, scrapes, found):
            self._judge(this.now - (this.at - at), interval, slots)
        if found[0].kind == "no_data":
            return "no_data", found[0].detail
        if any(math.isnan(series[-1][1]) for samples in (requests, failures) for series in samples.values() if series):
            return "nan", "a counter is no number"
        last = newest(requests)
        if last is None:
            return "no_data", "the selector found no sample"
        if this.at - last > self._stale_s:
            return "stale", f"the newest sample is {this.at - last:.1f} s old (limit {self._stale_s:g} s)"
        return None

    def _intervals(
        self, at: float, slots: _Slots, scrapes: Sequence[Scrape], found: Sequence[RawSeries]
    ) -> list[tuple[float, Interval]]:
        if not self._rule.stable_requests:
            return [(scrape.at, Interval(scrape.failures, scrape.requests)) for scrape in scrapes]
        served, failed = found[2].samples, found[3].samples
        # A slot that is not scraped any more was scaled to zero; there is nothing to wait for.
        alive: Samples = served if at - (newest(served) or -math.inf) <= self._stale_s else {}
        period_s = period_of(alive)
        return slots.beside.add(scrapes, slots.stable.add(served, failed), seen_to(alive, period_s), period_s)

    def _judge(self, at: float, interval: Interval, slots: _Slots) -> None:
        """Add an interval that ended at this instant of the monotonic clock."""
        self._tests.add(at, interval)
        self._last.append(
            {
                "after_s": round(at - (self._began or 0.0), 3),
                "requests": interval.requests,
                "failures": interval.failures,
                **({"stable_requests": interval.stable_requests} if self._rule.stable_requests else {}),
                **({"stable_failures": interval.stable_failures} if self._rule.stable_requests else {}),
            }
        )
        if self._nearness() > _SUSPICIOUS:
            # Even when the look that should have seen it had no sight.
            self._good_s, self._good_at = 0.0, None
        if self._proof is None and self._nearness() > 1:
            # It stays bad: what comes after a proof does not undo it, and does not change what is said of it.
            self._proof = _Proof(self._sentence(slots), self._nearness(), self._tests.deciding.failed_at)

    def _status(self, kind: SampleKind) -> Status:
        if self._proof is not None:
            return "bad"
        if kind not in SIGHT:
            return status_of_missing(kind, self._rule.on_missing)
        if self._nearness() > _SUSPICIOUS:
            return "over"
        return "thin" if kind == "thin" else "good"

    def _time(self, now: float, status: Status) -> None:
        if status == "good" and self._good_at is not None and now - self._good_at <= self._gap_s:
            self._good_s += now - self._good_at
        self._good_at = now if status == "good" else None

    def _nearness(self) -> float:
        return max(0.0, self._tests.log / -math.log(self._rule.alpha))

    def _sentence(self, slots: _Slots) -> str:
        rule = self._rule
        shown, ours, stable = "", slots.new, slots.stable
        counts = (ours.failures, ours.requests, stable.failures, stable.requests)
        start = self._tests.deciding
        if self._nearness() > _SUSPICIOUS and start.number > 1:
            # An hour of good answers before it is not what speaks.
            shown = "the last "
            counts = (start.failures, start.requests, start.stable_failures, start.stable_requests)
        failures, requests, stable_failures, stable_requests = counts
        than = f"healthy below {100 * rule.healthy_below:g} %"
        test = "one-sample"
        if rule.ratio is not None:
            binding = self._tests.binding
            if binding == "not_compared":
                test += ", the stable slot had no requests"
            else:
                # Only what is outside both is bad, and the other test says it more surely.
                beside = f"the stable slot {stable_failures:.0f} of {stable_requests:.0f}"
                than = f"{beside}, {than} or {rule.ratio:g} times its rate"
                test = f"{'two' if binding == 'two_sample' else 'one'}-sample, the weaker of both tests"
        split = f" split over {rule.tests} tests" if rule.tests > 1 else ""
        facts = [
            "sequential test",
            f"evidence 1 : {_odds(self._tests.log)}",
            f"1 in {1 / rule.false_alarm:.0f} allowed{split}",
            test,
        ]
        if rule.overdispersion > 1:
            facts.append(f"counts divided by {rule.overdispersion:g}")
        facts.append(f"{self._scrapes} scrapes")
        return f"{rule.name} {failures:.0f} of {shown}{requests:.0f} requests, {than} ({', '.join(facts)})"

    def _warning(self, slots: _Slots, status: Status) -> str:
        """A selector that never matches is good for ever. It may be right: a healthy service may have no such series.

        Where the stable slot has some, the selector is most likely right, and ours come with the first failure.
        """
        if status != "good" or slots.new.failure_series or slots.stable.failure_series:
            return ""
        return f"no failure was ever counted: {self._rule.failures} matched no series"

    def _state(self, slots: _Slots, status: Status, problem: str) -> CheckState:
        rule = self._rule
        if self._proof is not None:
            sentence = self._proof.sentence
        elif problem:
            sentence = f"{rule.name} not visible ({problem})"
        elif status == "thin":
            sentence = f"{rule.name} has {slots.new.requests:.0f} of at least {rule.min_requests:g} requests"
        else:
            sentence = self._sentence(slots)
        warning = self._warning(slots, status)
        if warning:
            sentence += f"; {warning}"
        outside_since = self._tests.deciding.failed_at if status == "over" else None
        return CheckState(
            rule.name,
            status,
            sentence,
            critical=rule.critical,
            nearness=self._proof.nearness if self._proof is not None else self._nearness(),
            good_s=self._good_s,
            seen_at=self._seen_at,
            outside_since=self._proof.failed_at if self._proof is not None else outside_since,
            service=rule.service,
            counts=dict(self._counts),
            evidence=self._evidence(slots, warning),
        )

    def _evidence(self, slots: _Slots, warning: str) -> JsonObject:
        rule = self._rule
        return {
            "requests": slots.new.requests,
            "failures": slots.new.failures,
            "stable_requests": slots.stable.requests,
            "stable_failures": slots.stable.failures,
            "failure_series": len(slots.new.failure_series),
            "warning": warning,
            "scrapes": self._scrapes,
            "healthy_below": rule.healthy_below,
            "log_evidence": _rounded(self._tests.log),
            "log_proof": round(-math.log(rule.alpha), 3),
            "log_tests": {name: _rounded(log) for name, log in self._tests.logs.items()},
            "test": self._tests.binding,
            "tests": rule.tests,
            "overdispersion": rule.overdispersion,
            "last": list(self._last),
            "query": {"requests": rule.requests, "failures": rule.failures},
        }


class _Slots:
    """What both slots have counted."""

    def __init__(self, pod_label: str, since: float) -> None:
        self.new = Counts(pod_label, whole=True, since=since)
        self.stable = Counts(pod_label, whole=False, since=since)
        self.beside = Beside()


@dataclasses.dataclass(frozen=True)
class _Proof:
    sentence: str
    nearness: float
    failed_at: float | None


def _rounded(log: float) -> float | None:
    return round(log, 3) if math.isfinite(log) else None


def _odds(log: float) -> str:
    """An e-value with two digits; above a billion nobody counts."""
    if log > math.log(1e9):
        return "a billion and more"
    return f"{float(f'{math.exp(max(log, 0.0)):.2g}'):.0f}"
