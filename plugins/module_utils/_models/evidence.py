# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all sources together know of two versions since a moment."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import random
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock, clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError, asked_wait_s
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.pauses import Pauses
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import Matched, match
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_window import (
    Begin,
    Window,
    first_begin,
    next_begin,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Label, Observation
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.records import Reader
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.sources import Source

#: Records of both versions and labels that are held at once: 0.3 KB each.
MOST: t.Final = 1_000_000
#: So far may the clock of a pod be ahead of that of a source.
_SKEW_S: t.Final = 5.0
#: Further ahead than this is a wrong clock or another unit, and no request that just came.
_FUTURE_S: t.Final = 60.0
_PAUSE_S: t.Final = 0.2
_LONGEST_PAUSE_S: t.Final = 2.0
_SHORTEST_S: t.Final = 0.1


@dataclasses.dataclass(frozen=True)
class Counts:
    """What was read: answers of each version, labels, answers of other versions (`others`), answers from before the
    window (`early`), records that nobody can read. `warnings`: sentences for who asked."""

    champion: int = 0
    challenger: int = 0
    labels: int = 0
    others: int = 0
    early: int = 0
    unreadable: int = 0
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Evidence:
    """`reference`: scores of the champion from before the window. `begin`: where that begins, later than the step where
    there is more than can be held."""

    matched: Matched
    reference: Sequence[float]
    counts: Counts
    begin: Begin


class _Full(Exception):
    """A source has more records than can be held, after so many seconds of them."""

    def __init__(self, name: str, held_s: float) -> None:
        super().__init__(name)
        self.name = name
        self.held_s = held_s


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without the search for objects in circles: it looks at a million records again and again, and finds none. That
    is a quarter of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@uncollected()
def evidence_of(
    sources: Sequence[Source],
    champion: str,
    challenger: str,
    window: Window,
    *,
    clock: Clock,
    end: float,
    chance: Callable[[], float] = random.random,
) -> Evidence:
    """Read all sources, each until it has answered or `end` (monotonic clock) has come: a source that is left out would
    be evidence that is left out. Where one has more than can be held, all are read from a later beginning on.

    Raises ReleaseError: that of the source, or of kind `too_many`. What could not be read is in `counts`.
    """
    begin = first_begin(window)
    while True:
        first = begin.at - max(begin.reference_s, _SKEW_S)
        read: dict[str, Reader] = {}
        try:
            for source in sources:
                blank = Reader(champion, challenger)
                read[source.name] = _read(source, blank, (first, window.until), clock=clock, end=end, chance=chance)
            break
        except _Full as full:
            later = next_begin(window, begin, full.held_s)
            if later is None:
                raise _too_many(full.name, begin.at) from full
            begin = later
    observations: list[Observation] = []
    labels: list[Label] = []
    reference: list[float] = []
    early = 0
    answered = {"champion": 0, "challenger": 0}
    for reader in read.values():
        for one in reader.observations:
            if one.at >= begin.at:
                observations.append(one)
                answered[one.role] += 1
                continue
            early += 1
            score = one.answer.score
            if one.role == "champion" and score is not None and one.at >= begin.at - begin.reference_s:
                reference.append(score)
        # A label comes after its request: these are of requests from before.
        labels += [label for label in reader.labels if label.at >= begin.at]
    counts = Counts(
        answered["champion"],
        answered["challenger"],
        len(labels),
        sum(reader.others for reader in read.values()),
        early,
        sum(reader.unreadable for reader in read.values()),
    )
    warnings = (
        *_cut(window, begin),
        *_unread(read, first, window),
        *_ahead(read, window.until),
        *_unheard(counts, champion, challenger),
    )
    matched = match(observations, labels, window.until - window.settle_s)
    return Evidence(matched, reference, dataclasses.replace(counts, warnings=warnings), begin)


def _read(
    source: Source,
    blank: Reader,
    span: tuple[float, float],
    *,
    clock: Clock,
    end: float,
    chance: Callable[[], float],
) -> Reader:
    """All of one source. It is read anew after a failure that may pass: half an answer is none."""
    pauses = Pauses(_PAUSE_S, _LONGEST_PAUSE_S, chance)
    while True:
        reader = blank.anew()
        try:
            for line in source.lines(*span, end):
                reader.take(line)
                if len(reader) > MOST:
                    raise _Full(source.name, min(_newest(reader), span[1]) - span[0])
            return reader
        except ReleaseError as error:
            pause_s = pauses.next(asked_wait_s(error))
            if not error.retriable or clock.monotonic() + pause_s + _SHORTEST_S > end:
                raise
        clock.sleep(pause_s)


def _newest(reader: Reader) -> float:
    """How far a source has come, where it gives records in the order in which they came."""
    return max(records[-1].at for records in (reader.observations, reader.labels) if records)


def _too_many(name: str, since: float) -> ReleaseError:
    problem = f"more than {MOST} answers and labels since {clock_time(since)}"
    return ReleaseError(f"source {name}: {problem}; record a sample of the requests", kind="too_many", system="models")


def _cut(window: Window, begin: Begin) -> list[str]:
    """What a window lacks that has no room for all of it."""
    found = []
    if begin.number:
        found.append(
            f"more than {MOST} answers and labels came since {clock_time(window.since)}: what came since "
            f"{clock_time(begin.at)} is judged, with a part of the risk"
        )
    if begin.reference_s < window.reference_s:
        found.append("drift is not judged: there is no room for the champion's scores from before")
    return found


def _unread(read: Mapping[str, Reader], first: float, window: Window) -> list[str]:
    found = []
    for name, reader in read.items():
        total = len(reader) + reader.others + reader.unreadable
        if not total:
            found.append(f"source {name}: no record arrived from {clock_time(first)} to {clock_time(window.until)}")
        if reader.unreadable:
            found.append(
                f"source {name}: {reader.unreadable} of {total} records cannot be read and do not count, the first: "
                f"{reader.problem}"
            )
    return found


def _ahead(read: Mapping[str, Reader], until: float) -> list[str]:
    """Records in milliseconds, or of a wrong clock: they would be missing, and nobody would know why."""
    found = []
    for name, reader in read.items():
        ahead = sum(one.at > until + _FUTURE_S for one in reader.observations)
        ahead += sum(one.at > until + _FUTURE_S for one in reader.labels)
        if ahead:
            found.append(
                f"source {name}: {ahead} of {len(reader)} records lie more than {_FUTURE_S:g} s in the future; what "
                "lies there does not count; look at the unit of ts (seconds) and at the clock of who writes it"
            )
    return found


def _unheard(counts: Counts, champion: str, challenger: str) -> list[str]:
    """Nothing from a version while others answer: most often it writes another name than it has here."""
    if not counts.others:
        return []
    silent = [name for name, heard in ((champion, counts.champion), (challenger, counts.challenger)) if not heard]
    return [
        f"no answer of version {name}, but {counts.others} of versions that are not judged; look what the records of "
        f"{name} have as their version"
        for name in silent
    ]
