# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much counters have grown, out of their raw samples. Pure: no I/O, no clock.

Never a rate: it extrapolates, and needs two samples of a series before it sees a new pod's first failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Samples = Mapping[str, Sequence[tuple[float, float]]]


class Increase:
    """The growth of one selector's series since `since` (unix seconds of the scrapes), or since its first samples.

    A value that fell was reset: all of the new one is growth. A label set that a known pod did not have before (its
    first 500) counts from zero. A pod that is seen later counts whole with `whole`, because all of its requests are the
    new version's; without, from its first sample on, because they may be of yesterday.
    """

    def __init__(self, pod_label: str, *, whole: bool, since: float | None) -> None:
        self._pod_of = re.compile(rf'(?:^|,){re.escape(pod_label)}="((?:[^"\\]|\\.)*)"')
        self._whole = whole
        self._since = since
        self._last: dict[str, tuple[float, float]] = {}
        self._pods: set[str] = set()
        self._began = False
        self.total = 0.0

    def add(self, samples: Samples) -> float:
        """Take the samples of a window, in part seen before, and return how much came on top."""
        before = self.total
        if not self._began and self._since is None:
            # Counting begins with the newest sample of the first look.
            samples = {labels: series[-1:] for labels, series in samples.items()}
        for labels, series in samples.items():
            self._add(labels, series)
        # Pods of this look are known to the next one: its label sets may be read in any order.
        self._pods |= {self._pod(labels) for labels, series in samples.items() if series}
        self._began = self._began or bool(samples)
        return self.total - before

    def _add(self, labels: str, series: Sequence[tuple[float, float]]) -> None:
        last = self._last.get(labels)
        for at, value in series:
            if last is None:
                self.total += self._first(labels, at, value)
            elif at <= last[0]:
                continue
            elif self._since is None or at > self._since:
                self.total += value - last[1] if value >= last[1] else value
            last = (at, value)
        if last is not None:
            self._last[labels] = last

    def _first(self, labels: str, at: float, value: float) -> float:
        """What the first sample of a series counts."""
        if self._since is not None and at <= self._since:
            return 0.0
        if not self._began and self._since is None:
            return 0.0
        known = self._pod(labels) in self._pods
        return value if self._whole or known else 0.0

    def _pod(self, labels: str) -> str:
        found = self._pod_of.search(labels)
        return found.group(1) if found else labels


def newest(samples: Samples) -> float | None:
    """When the newest sample was scraped, in unix seconds."""
    return max((series[-1][0] for series in samples.values() if series), default=None)
