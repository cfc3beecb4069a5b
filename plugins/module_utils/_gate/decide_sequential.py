# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequential tests of failure counts that may be looked at after every scrape. Pure: no I/O, no clock.

All are e-processes: under the null their value exceeds 1/alpha ever with a probability of at most alpha, however often
one looks (Ville's inequality). Their logarithms are summed, and a mixture over the unknown badness is taken at the end.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import typing as t

#: Error rates that a bad version may have.
RATES: t.Final = (0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.35, 0.6, 0.95)
#: How many times the stable slot's error rate a bad version may have.
RATIOS: t.Final = (3.0, 5.0, 10.0, 20.0, 50.0, 200.0)
#: The newest starts are kept; a forgotten one only lowers the evidence.
_STARTS: t.Final = 60


@dataclasses.dataclass(frozen=True)
class Interval:
    """Counts between two scrapes, of the new version and of the stable slot (0 where it is not looked at)."""

    failures: float
    requests: float
    stable_failures: float = 0.0
    stable_requests: float = 0.0


@dataclasses.dataclass
class Start:
    """One start of the test, and what was counted since."""

    number: int
    sums: list[float]
    failures: float = 0.0
    requests: float = 0.0
    stable_failures: float = 0.0
    stable_requests: float = 0.0
    #: When its first interval with a failure of the new version ended.
    failed_at: float | None = None

    def add(self, at: float, interval: Interval, terms: list[float]) -> None:
        for position, term in enumerate(terms):
            self.sums[position] += term
        self.failures += interval.failures
        self.requests += interval.requests
        self.stable_failures += interval.stable_failures
        self.stable_requests += interval.stable_requests
        if interval.failures > 0 and self.failed_at is None:
            self.failed_at = at

    @property
    def log(self) -> float:
        """The logarithm of what it adds to the evidence, with its weight."""
        return _log_sum(self.sums) - math.log(len(self.sums)) - math.log(self.number * (self.number + 1))


class Likelihood(t.Protocol):
    """What one interval says, for each badness of the mixture."""

    def terms(self, interval: Interval) -> list[float]:
        """Logarithms of the likelihood ratios."""


@dataclasses.dataclass(frozen=True)
class OneSample:
    """The new version alone, against an error rate of at most `null`."""

    null: float

    def terms(self, interval: Interval) -> list[float]:
        bad, good = interval.failures, max(0.0, interval.requests - interval.failures)
        return [
            bad * math.log(rate / self.null) + good * math.log((1 - rate) / (1 - self.null))
            for rate in RATES
            if rate > self.null
        ] or [0.0]


@dataclasses.dataclass(frozen=True)
class TwoSample:
    """Against the stable slot at the same time: an error rate of at most `null` times its own.

    Given a failure, it fell on the new version with the probability q; how many failures there are says nothing. So an
    outage that hits both is no evidence.
    """

    null: float

    def terms(self, interval: Interval) -> list[float]:
        both = interval.requests + interval.stable_requests
        if interval.requests <= 0 or interval.stable_requests <= 0:
            return [0.0] * (sum(ratio > self.null for ratio in RATIOS) or 1)
        share = interval.requests / both
        expected = _fell(share, self.null)
        return [
            interval.failures * math.log(_fell(share, ratio) / expected)
            + interval.stable_failures * math.log((1 - _fell(share, ratio)) / (1 - expected))
            for ratio in RATIOS
            if ratio > self.null
        ] or [0.0]


def _fell(share: float, ratio: float) -> float:
    return share * ratio / (share * ratio + 1 - share)


class Evidence:
    """The evidence against the null, collected interval by interval.

    A version that goes bad after an hour has an hour of good answers behind it, and a test that began with them needs
    as much again. So a new start is made every `restart_s` seconds, the k-th with the weight 1/(k(k+1)): the weights
    add up to 1, and a mixture of e-processes is one. At the beginning that costs ln 2, a quarter of a bad answer.

    With `overdispersion` the logarithms are divided by it: a root of a likelihood ratio expects at most 1 as well. For
    failures in clumps: with blocks of ten requests and rho 0.1 a version at the null of 1 % was called bad within 5,000
    requests in 4.5 % of 3,000 runs, and in 0.07 % with 2. Estimates from the stable slot's scrapes did not help enough:
    with a start every 50 requests 7.5 % became 1.3 %, and 4.5 % where the stable slot fails too seldom to show clumps.
    """

    def __init__(self, test: Likelihood, restart_s: float, overdispersion: float = 1.0) -> None:
        self._test = test
        self._restart_s = restart_s
        self._overdispersion = overdispersion
        self._starts: collections.deque[Start] = collections.deque(maxlen=_STARTS)
        self._count = 0
        self._next = -math.inf
        self._log: float | None = -math.inf

    def add(self, at: float, interval: Interval) -> None:
        """Counts of the interval that ended at this instant, in seconds of any clock that goes forward."""
        terms = [term / self._overdispersion for term in self._test.terms(interval)]
        if at >= self._next:
            self._count += 1
            self._next = at + self._restart_s
            self._starts.append(Start(self._count, [0.0] * len(terms)))
        for start in self._starts:
            start.add(at, interval, terms)
        self._log = None

    @property
    def log(self) -> float:
        """The logarithm of the e-value; -inf before the first interval."""
        if self._log is None:
            self._log = _log_sum([start.log for start in self._starts])
        return self._log

    @property
    def deciding(self) -> Start:
        """The start that the evidence rests on."""
        return max(self._starts, key=lambda start: start.log, default=Start(1, [0.0]))


#: The rate on all intervals, the stable slot's rate where it had requests, and the rate on the intervals where it had
#: none.
Name = t.Literal["one_sample", "two_sample", "not_compared"]


class CountTests:
    """What is asked of one check's counts, and which of its tests the evidence rests on.

    Without `ratio` that is the error rate alone. With it a version is healthy below `healthy_below` or below so many
    times the stable slot's rate, and has to be outside both: the weaker evidence of the two counts. Beside a flawless
    stable slot eight failures in a million requests are many times its rate; in an outage of both sides every rate is
    too high. Where the stable slot had no requests there is nothing to compare, and the rate on these intervals is a
    second way to a proof.

    Each way has half of the false alarms. The mean of `one_sample` and `not_compared` is an e-process for a version
    below the rate; that of `two_sample` and `not_compared` for one below the ratio wherever it can be compared, and
    below the rate elsewhere. The evidence is below both means.
    """

    def __init__(
        self, healthy_below: float, ratio: float | None, restart_s: float, overdispersion: float = 1.0
    ) -> None:
        rate = OneSample(healthy_below)
        self._all: dict[Name, Evidence] = {"one_sample": Evidence(rate, restart_s, overdispersion)}
        if ratio is not None:
            self._all["two_sample"] = Evidence(TwoSample(ratio), restart_s, overdispersion)
            self._all["not_compared"] = Evidence(rate, restart_s, overdispersion)
        #: The last interval could be compared with the stable slot.
        self._compared = False

    def add(self, at: float, interval: Interval) -> None:
        """Counts of the interval that ended at this instant, as for `Evidence`."""
        self._all["one_sample"].add(at, interval)
        if "two_sample" in self._all:
            self._compared = interval.stable_requests > 0
            self._all["two_sample" if self._compared else "not_compared"].add(at, interval)

    @property
    def log(self) -> float:
        """The logarithm of the e-value of the check; -inf before the first interval."""
        if "two_sample" not in self._all:
            return self._all["one_sample"].log
        return max(self._all[self._weaker].log, self._all["not_compared"].log) - math.log(2)

    @property
    def binding(self) -> Name:
        """The test that the evidence rests on; while nothing speaks against the version, of those in use now."""
        if "two_sample" not in self._all:
            return "one_sample"
        if self.log > 0:
            return self._weaker if self._all[self._weaker].log >= self._all["not_compared"].log else "not_compared"
        return self._weaker if self._compared else "not_compared"

    @property
    def deciding(self) -> Start:
        """The start that the evidence rests on."""
        return self._all[self.binding].deciding

    @property
    def logs(self) -> dict[Name, float]:
        """The logarithm of each e-value."""
        return {name: evidence.log for name, evidence in self._all.items()}

    @property
    def _weaker(self) -> Name:
        return "one_sample" if self._all["one_sample"].log < self._all["two_sample"].log else "two_sample"


def _log_sum(logs: list[float]) -> float:
    highest = max(logs, default=-math.inf)
    if math.isinf(highest):
        return highest
    return highest + math.log(sum(math.exp(one - highest) for one in logs))


def alpha_of(false_alarm: float, tests: int) -> float:
    """The share of one test in the false-alarm probability of a release (Bonferroni: it holds whatever they have in
    common)."""
    return false_alarm / tests
