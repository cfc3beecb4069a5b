# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeded series of a canary's counters as a provider would have recorded them, and that provider. No I/O."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
import typing as t
from collections.abc import Mapping, Sequence

import numpy as np
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import RawSeries, Reading

#: What is asked: selectors of the raw counters, the share of failures of the last minute, and its requests.
REQUESTS: t.Final = "requests_total"
FAILURES: t.Final = "failures_total"
SHARE: t.Final = "share[1m]"
COUNT: t.Final = "increase[1m]"
WINDOW_S: t.Final = 60.0

PODS: t.Final = 3
SCRAPE_S: t.Final = 5.0
#: Traffic: a slow wave of this height and length, and noise of each scrape interval (sigma of a lognormal).
WAVE: t.Final = 0.3
WAVE_S: t.Final = 600.0
TRAFFIC_NOISE: t.Final = 0.2
#: Share of failures: noise of each scrape interval (coefficient of variation of a gamma).
SHARE_NOISE: t.Final = 0.3
#: Scrapes that are missing for all pods: how often in a window on average, how long, and how far apart at least.
GAPS: t.Final = 1.0
GAP_S: t.Final = (10.0, 40.0)
APART_S: t.Final = 60.0
#: How likely a pod is to restart once: its counters begin again, and it has neither traffic nor scrapes for a moment.
RESTARTS: t.Final = 0.3
RESTART_S: t.Final = 10.0
#: A healthy share of failures until a version turns bad, and when it does, in seconds after the start.
BEFORE: t.Final = 0.001
TURNS_S: t.Final = (30.0, 120.0)


@dataclasses.dataclass(frozen=True)
class Truth:
    """What a window is made of: requests a minute over all pods, the share of failures, and from when on."""

    per_min: float
    share: float
    bad: bool
    turns_s: float = 0.0


@dataclasses.dataclass(frozen=True)
class Counter:
    """One pod's counters as they were scraped, in seconds after the start."""

    at: Sequence[float]
    requests: Sequence[int]
    failures: Sequence[int]


def generate(rng: np.random.Generator, per_min: float, share: float, bad: bool, length_s: float) -> Recorded:
    """One window. The same generator in the same state gives the same window."""
    truth = Truth(per_min, share, bad, float(rng.uniform(*TURNS_S)) if bad else 0.0)
    gaps = _gaps(rng, length_s)
    phase = float(rng.uniform(0.0, 2 * math.pi))
    pods = {f'pod="canary-{number}"': _pod(rng, truth, gaps, phase, length_s) for number in range(PODS)}
    return Recorded(truth, pods)


def _gaps(rng: np.random.Generator, length_s: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start in sorted(rng.uniform(0.0, length_s, int(rng.poisson(GAPS))).tolist()):
        # Two of them in a row would be longer than the gate's patience with what it cannot see, and that is not the
        # version's fault.
        if not found or start - found[-1][1] >= APART_S:
            found.append((start, start + float(rng.uniform(*GAP_S))))
    return found


def _pod(
    rng: np.random.Generator, truth: Truth, gaps: Sequence[tuple[float, float]], phase: float, length_s: float
) -> Counter:
    # Before the first scrape there was a whole interval: a counter that is new begins at 0 somewhere in it.
    at = np.arange(float(rng.uniform(0.0, SCRAPE_S)), length_s, SCRAPE_S)
    steps = len(at)
    wave = 1.0 + WAVE * np.sin(2 * math.pi * at / WAVE_S + phase)
    noise = rng.lognormal(-(TRAFFIC_NOISE**2) / 2, TRAFFIC_NOISE, steps)
    restart = float(rng.uniform(0.0, length_s)) if rng.random() < RESTARTS else math.inf
    serves = ~((at > restart) & (at <= restart + RESTART_S))
    requests = rng.poisson(truth.per_min / 60.0 * SCRAPE_S / PODS * wave * noise) * serves
    share = np.where(at - SCRAPE_S >= truth.turns_s, truth.share, BEFORE if truth.bad else truth.share)
    share = np.minimum(1.0, share * rng.gamma(SHARE_NOISE**-2, SHARE_NOISE**2, steps))
    failures = rng.binomial(requests, share)
    # What came between the last scrape and the restart is lost with the old counter.
    fresh = at > restart
    totals, failed = np.cumsum(requests), np.cumsum(failures)
    if fresh.any():
        first = int(np.argmax(fresh))
        begun = totals[first - 1] if first else 0
        failed_before = failed[first - 1] if first else 0
        totals, failed = np.where(fresh, totals - begun, totals), np.where(fresh, failed - failed_before, failed)
    scraped = serves.copy()
    for start, end in gaps:
        scraped &= ~((at >= start) & (at < end))
    return Counter(at[scraped].tolist(), totals[scraped].tolist(), failed[scraped].tolist())


def _increases(values: Sequence[int]) -> list[int]:
    """Running total of what was counted, with resets, from the first sample on."""
    steps = (new - old if new >= old else new for old, new in itertools.pairwise(values))
    return list(itertools.accumulate(steps, initial=0)) if values else []


class Recorded:
    """A metric provider that answers from a window's samples, each question for the instant that it names.

    `share[1m]` is what `rate(failures[1m]) / rate(requests[1m])` gives: both are extrapolated by the same factor.
    """

    def __init__(self, truth: Truth, pods: Mapping[str, Counter]) -> None:
        self.truth = truth
        self.pods = pods
        self._totals = {name: (_increases(pod.requests), _increases(pod.failures)) for name, pod in pods.items()}
        #: Every instant at which there was something new, oldest first.
        self.instants = sorted({instant for pod in pods.values() for instant in pod.at})

    def counted(self, since: float, until: float) -> tuple[int, int] | None:
        """Requests and failures between the samples in `since` < t <= `until`; None without two samples of any pod."""
        requests = failures = 0
        seen = False
        for name, pod in self.pods.items():
            first, last = bisect.bisect_right(pod.at, since), bisect.bisect_right(pod.at, until) - 1
            if last > first:
                seen = True
                requests += self._totals[name][0][last] - self._totals[name][0][first]
                failures += self._totals[name][1][last] - self._totals[name][1][first]
        return (requests, failures) if seen else None

    def total(self, until: float) -> tuple[int, int]:
        """Requests and failures from the beginning, as far as they have been scraped."""
        requests = failures = 0
        for name, pod in self.pods.items():
            last = bisect.bisect_right(pod.at, until) - 1
            if last >= 0:
                requests += pod.requests[0] + self._totals[name][0][last]
                failures += pod.failures[0] + self._totals[name][1][last]
        return requests, failures

    def read(self, query: str, at: float) -> Reading:
        """One number, or why there is none."""
        counted = self.counted(at - WINDOW_S, at)
        if counted is None:
            return Reading("no_data", detail="the query found no series")
        requests, failures = counted
        if query == COUNT:
            return Reading("value", float(requests))
        return Reading("value", failures / requests if requests else math.nan)

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
        """The raw samples of the last `window_s` before `at`."""
        samples = {}
        for name, pod in self.pods.items():
            first, last = bisect.bisect_right(pod.at, at - window_s), bisect.bisect_right(pod.at, at)
            if last > first:
                values = pod.requests if selector == REQUESTS else pod.failures
                samples[name] = [(pod.at[place], float(values[place])) for place in range(first, last)]
        if not samples:
            return RawSeries("no_data", detail="the selector found no series")
        return RawSeries("series", samples)
