# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much counters have grown, out of their raw samples. Pure: no I/O, no clock.

Never a rate: it extrapolates, and needs two samples of a series before it sees a new pod's first failure. Instants are
unix seconds of the scrapes.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import statistics
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_sequential import Interval

Samples = Mapping[str, Sequence[tuple[float, float]]]

_INSTANCE: t.Final = "instance"
#: A series that has missed so many scrapes has ended; nobody waits for it.
_MISSED: t.Final = 2.0
#: What the stable slot did is kept for pods that are scraped this much later.
_KEEP_S: t.Final = 600.0
#: Sums of floats: two scrapes are a period apart, to the millisecond.
_MILLISECOND: t.Final = 0.001


@dataclasses.dataclass(frozen=True)
class Scrape:
    """What one scrape of one process added since `began`: its scrape before, or itself where there is none."""

    at: float
    requests: float
    failures: float
    process: str = ""
    began: float = -math.inf


@dataclasses.dataclass
class _Process:
    """One pod, or one container of it: what is scraped at once, and starts anew at once."""

    first_at: float
    restarted_at: float = -math.inf
    #: Its last scrape that was counted.
    scraped_at: float | None = None
    #: Its newest sample of the requests.
    counted_at: float = -math.inf


@dataclasses.dataclass(frozen=True)
class _Sample:
    failed: bool
    labels: str
    value: float


class Counts:
    """Requests and failures of one slot since `since`.

    - A value that fell was reset: all of the new one is growth, and so is that of every other counter of the process,
      even if it is already above its old value.
    - A label set that a known process did not have before (its first 500) counts from zero.
    - A process that is first seen after `since` counts whole with `whole`, because all of its requests are the new
      version's; without, from its first scrape on, because they may be of yesterday.
    - What ended keeps what it counted. Every sample of a window counts, so no reset between two looks is missed.
    """

    def __init__(self, pod_label: str, *, whole: bool, since: float) -> None:
        self._names = [re.compile(rf'(?:^|,){re.escape(name)}="((?:[^"\\]|\\.)*)"') for name in (pod_label, _INSTANCE)]
        self._whole = whole
        self._since = since
        self._last: dict[tuple[bool, str], tuple[float, float]] = {}
        self._processes: dict[str, _Process] = {}
        self.requests = 0.0
        self.failures = 0.0
        #: Failure series that were ever seen: none at all may be a selector that is wrong.
        self.failure_series: set[str] = set()

    def add(self, requests: Samples, failures: Samples) -> list[Scrape]:
        """Take the samples of a window, in part seen before, and return what is new, oldest first.

        Ask for the requests first: what is scraped between the two questions is then in the failures alone, and is left
        for the next look.
        """
        counted_to: dict[str, float] = {}
        for labels, series in requests.items():
            name = self._process(labels)
            for at, _value in series[-1:]:
                counted_to[name] = max(at, counted_to.get(name, -math.inf))
        overall = max(counted_to.values(), default=-math.inf)
        for name, at in counted_to.items():
            self._known(name, at).counted_at = at
        self.failure_series |= set(failures)
        fresh: dict[str, dict[float, list[_Sample]]] = {}
        for failed, samples in ((False, requests), (True, failures)):
            for labels, series in samples.items():
                name = self._process(labels)
                process = self._processes.get(name)
                # Failures may know no pod, and have no requests of their own.
                limit = process.counted_at if process and process.counted_at > -math.inf else overall
                self._sort(fresh.setdefault(name, {}), failed, labels, series, limit)
        scrapes = [scrape for name, by_time in fresh.items() for scrape in self._grown(name, by_time)]
        self.requests += sum(scrape.requests for scrape in scrapes)
        self.failures += sum(scrape.failures for scrape in scrapes)
        return sorted(scrapes, key=_when)

    def _sort(
        self,
        by_time: dict[float, list[_Sample]],
        failed: bool,
        labels: str,
        series: Sequence[tuple[float, float]],
        limit: float,
    ) -> None:
        last = self._last.get((failed, labels), (-math.inf, 0.0))[0]
        for at, value in series:
            if last < at <= limit and math.isfinite(value):
                by_time.setdefault(at, []).append(_Sample(failed, labels, value))

    def _grown(self, name: str, by_time: Mapping[float, Sequence[_Sample]]) -> Iterable[Scrape]:
        for at in sorted(by_time):
            process = self._known(name, at)
            if any(self._fell(sample) for sample in by_time[at]):
                process.restarted_at = at
            growth = {False: 0.0, True: 0.0}
            for sample in by_time[at]:
                growth[sample.failed] += self._growth(process, at, sample)
                # What was before `since` is where counting begins.
                self._last[sample.failed, sample.labels] = (at, sample.value)
            if at > self._since:
                began = at if process.scraped_at is None else process.scraped_at
                yield Scrape(at, growth[False], growth[True], name, began)
            process.scraped_at = max(at, process.scraped_at or at)

    def _known(self, name: str, at: float) -> _Process:
        process = self._processes.setdefault(name, _Process(at))
        process.first_at = min(process.first_at, at)
        return process

    def _fell(self, sample: _Sample) -> bool:
        last = self._last.get((sample.failed, sample.labels))
        return last is not None and sample.value < last[1]

    def _growth(self, process: _Process, at: float, sample: _Sample) -> float:
        last = self._last.get((sample.failed, sample.labels))
        if last is None:
            return sample.value if self._whole or process.first_at < at else 0.0
        if last[0] < process.restarted_at:
            return sample.value
        return sample.value - last[1]

    def _process(self, labels: str) -> str:
        found = [name.search(labels) for name in self._names]
        # Two containers of a pod are two instances: they neither start nor are scraped together.
        return ",".join(match.group(0).lstrip(",") for match in found if match) or labels


def _when(scrape: Scrape) -> float:
    return scrape.at


@dataclasses.dataclass
class _Pod:
    """One process of the new version: what waits for the stable slot, and where its next interval begins."""

    began: float
    waiting: list[Scrape] = dataclasses.field(default_factory=list)
    seen_at: float = -math.inf

    def put(self, scrape: Scrape) -> None:
        self.waiting.append(scrape)
        self.seen_at = max(self.seen_at, scrape.at)

    def complete(self, seen_to: float, period_s: float) -> list[Scrape]:
        """What can be judged, in intervals that are at least as long as a period of the stable slot."""
        found: list[Scrape] = []
        while True:
            ends = (
                number
                for number, scrape in enumerate(self.waiting, start=1)
                if scrape.at <= seen_to and scrape.at - self.began >= period_s - _MILLISECOND
            )
            count = next(ends, 0)
            if not count:
                return found
            taken, self.waiting = self.waiting[:count], self.waiting[count:]
            requests, failures = (sum(one.requests for one in taken), sum(one.failures for one in taken))
            found.append(Scrape(taken[-1].at, requests, failures, taken[-1].process, self.began))
            self.began = taken[-1].at


class Beside:
    """Puts what the stable slot did at the same time beside what each process of the new version did.

    Pods are scraped at different instants, so an outage of both sides shows on one of them first, and ends on one of
    them last: eight failures that only one side seems to have are proof. So an interval of the new version waits until
    the stable slot is seen to its end, and is as long as a scrape of the stable slot; each scrape of the stable slot
    that overlaps it counts with all of its failures. That may count a failure of the stable slot twice, which only
    lowers the evidence. Its requests are shared out by time.
    """

    def __init__(self) -> None:
        self._pods: dict[str, _Pod] = {}
        self._stable: list[Scrape] = []

    def add(
        self, scrapes: Sequence[Scrape], stable: Sequence[Scrape], seen_to: float, period_s: float
    ) -> list[tuple[float, Interval]]:
        """The intervals that are complete now, with the instants at which they ended, oldest first.

        The stable slot is seen up to `seen_to`, infinity where there is nothing to wait for, and is scraped every
        `period_s`.
        """
        self._stable += stable
        for scrape in scrapes:
            began = scrape.began if scrape.began < scrape.at else scrape.at - period_s
            self._pods.setdefault(scrape.process, _Pod(began)).put(scrape)
        # A pod that has ended has no share in the stable slot.
        latest = max((pod.seen_at for pod in self._pods.values()), default=-math.inf)
        alive = [pod for pod in self._pods.values() if pod.seen_at >= latest - _MISSED * period_s - _MILLISECOND]
        found = [
            (whole.at, self._beside(whole, len(alive)))
            for pod in self._pods.values()
            for whole in pod.complete(seen_to, period_s)
        ]
        needed = max(min((pod.began for pod in alive), default=-math.inf), latest - _KEEP_S)
        self._stable = [scrape for scrape in self._stable if scrape.at > needed]
        return sorted(found, key=lambda one: one[0])

    def _beside(self, counted: Scrape, pods: int) -> Interval:
        failures = requests = 0.0
        for scrape in self._stable:
            shared_s = min(counted.at, scrape.at) - max(counted.began, scrape.began)
            if shared_s > 0:
                failures += scrape.failures
                requests += scrape.requests * shared_s / (scrape.at - scrape.began)
        return Interval(counted.failures, counted.requests, failures / pods, requests / pods)


def seen_to(samples: Samples, period_s: float) -> float:
    """The instant up to which every series that has not ended was scraped; infinity without series."""
    ends = [series[-1][0] for series in samples.values() if series]
    if not ends:
        return math.inf
    return min(end for end in ends if end >= max(ends) - _MISSED * period_s)


def period_of(samples: Samples) -> float:
    """Seconds between two scrapes, of the series that is scraped most seldom; 0 while nothing was scraped twice."""
    return max(
        (
            statistics.median(later[0] - sooner[0] for sooner, later in itertools.pairwise(series))
            for series in samples.values()
            if len(series) > 1
        ),
        default=0.0,
    )


def newest(samples: Samples) -> float | None:
    """When the newest sample was scraped that is a number; None without any."""
    return max((at for series in samples.values() for at, value in series if math.isfinite(value)), default=None)
