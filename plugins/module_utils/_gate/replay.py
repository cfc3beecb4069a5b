# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the past: the same gate and the same checks on a pretended clock, over what the provider has recorded.

Workloads and health endpoints are left out: nobody has recorded them.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime
import math
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import SLACK_S, JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import (
    MetricProvider,
    RawSeries,
    Reading,
)

#: Text, so that both unix seconds and ISO 8601 fit.
SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "start": {"type": "str", "required": True},
    "end": {"type": "str", "required": True},
}

_LONGEST_S: t.Final = 7 * 86_400.0
#: Steps in one range query; Prometheus refuses more than 11,000.
_PAGE: t.Final = 10_000
#: Raw samples are asked for by the hour: a week of one selector with 50 pods and a scrape a second is 30 million.
_CHUNK_S: t.Final = 3_600.0
#: Prometheus counts in milliseconds.
_MILLISECOND: t.Final = 0.001
_MOST_DECISIONS: t.Final = 100

Samples = Mapping[str, Sequence[tuple[float, float]]]


class Judged(t.Protocol):
    """What is used of a judgement. `verdict` is None in one that has not come to an end."""

    @property
    def verdict(self) -> str | None: ...
    @property
    def cause(self) -> str: ...
    @property
    def reason(self) -> str: ...


class GateLike(t.Protocol):
    """A gate."""

    def judge(self) -> tuple[Judged, JsonObject]:
        """The judgement and its evidence."""


class EndOfReplay(Exception):
    """The pretended time is over."""


class ReplayClock:
    """A clock that moves when somebody sleeps, from `start` to `end` in unix seconds."""

    def __init__(self, start: float, end: float) -> None:
        self._start = start
        self._length_s = end - start
        #: Counted from 0: behind the 1.7 billion seconds since 1970, steps of 0.1 s would add up to something else.
        self._elapsed_s = 0.0

    def now(self) -> float:
        return self._start + self._elapsed_s

    def monotonic(self) -> float:
        return self._elapsed_s

    def sleep(self, seconds: float) -> None:
        """Raises EndOfReplay when that is after the end."""
        self._elapsed_s += max(0.0, seconds)
        if self._elapsed_s > self._length_s + SLACK_S:
            self._elapsed_s = self._length_s
            raise EndOfReplay


@dataclasses.dataclass(frozen=True)
class _Page:
    """A part of a query's points."""

    number: int
    instants: Sequence[float]
    readings: Sequence[Reading]


class ReplayProvider:
    """Answers for the pretended instant out of what the real provider has recorded: a metric provider like others.

    Time only goes forward, so it keeps the parts that are still needed. A provider that does not answer now says
    nothing about the past: that ends the replay.
    """

    def __init__(self, recorded: MetricProvider, clock: Clock, start: float, end: float, step_s: float) -> None:
        self._recorded = recorded
        self._clock = clock
        self._start = start
        self._end = end
        self._step_s = step_s
        self._pages: dict[str, _Page] = {}
        self._chunks: dict[str, dict[int, Samples]] = {}

    def tick(self) -> float:
        return self._clock.now()

    def read(self, query: str, at: float) -> Reading:
        """The point of that instant. One that is a whole step older belongs to an earlier look: here is a gap."""
        page = self._page(query, at)
        place = bisect.bisect_right(page.instants, at + _MILLISECOND) - 1
        if place < 0 or at - page.instants[place] > self._step_s - _MILLISECOND:
            return Reading("no_data", detail="the query found no series")
        return page.readings[place]

    def _page(self, query: str, at: float) -> _Page:
        number = math.floor((at - self._start + _MILLISECOND) / (self._step_s * _PAGE))
        page = self._pages.get(query)
        if page is None or page.number != number:
            begin = self._start + number * _PAGE * self._step_s
            end = min(self._end, begin + (_PAGE - 1) * self._step_s)
            points = self._recorded.range(query, begin, end, self._step_s)
            for _instant, reading in points:
                if reading.kind == "error":
                    raise _unanswered(reading.detail)
            page = _Page(number, [instant for instant, _reading in points], [reading for _instant, reading in points])
            self._pages[query] = page
        return page

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
        """The samples of that window without its left border, put together from chunks."""
        chunks = self._chunks.setdefault(selector, {})
        first, last = math.floor((at - window_s) / _CHUNK_S), math.ceil(at / _CHUNK_S) - 1
        for number in [number for number in chunks if number < first]:
            del chunks[number]
        samples: dict[str, list[tuple[float, float]]] = {}
        for number in range(first, last + 1):
            if number not in chunks:
                chunks[number] = self._chunk(selector, number)
            for labels, series in chunks[number].items():
                low = bisect.bisect_right(series, (at - window_s, math.inf))
                high = bisect.bisect_right(series, (at + SLACK_S, math.inf))
                if low < high:
                    samples.setdefault(labels, []).extend(series[low:high])
        if not samples:
            return RawSeries("no_data", detail="the selector found no series")
        return RawSeries("series", samples)

    def _chunk(self, selector: str, number: int) -> Samples:
        """Samples of one hour, without its first instant: Prometheus 2 counts that in and Prometheus 3 does not."""
        begin, end = number * _CHUNK_S, min((number + 1) * _CHUNK_S, self._end)
        answer = self._recorded.raw(selector, end, end - begin)
        if answer.kind == "error":
            raise _unanswered(answer.detail)
        return {
            labels: [sample for sample in series if begin < sample[0] <= end]
            for labels, series in answer.samples.items()
        }


def _unanswered(detail: str) -> ReleaseError:
    return ReleaseError(f"the past cannot be read: {detail}", kind="provider", system="metrics", retriable=True)


@dataclasses.dataclass(frozen=True)
class Decision:
    """One decision, and how often it came again without another one in between."""

    at: float
    after_s: float
    verdict: str
    cause: str
    reason: str
    count: int = 1
    last_at: float = 0.0

    def to_json(self) -> JsonObject:
        return {
            "at": round(self.at, 3),
            "time": iso(self.at),
            "after_s": round(self.after_s, 3),
            "verdict": self.verdict,
            "cause": self.cause,
            "reason": self.reason,
            "count": self.count,
            "last_at": round(self.last_at, 3),
        }


@dataclasses.dataclass(frozen=True)
class ReplayResult:
    """What would have been decided. There is at least one decision: `hold` when nothing else was until the end."""

    decisions: Sequence[Decision]
    #: Of the first decision, as the gate gives it; empty when the end came first.
    known: JsonObject
    #: Whether there was more than is listed.
    cut: bool = False


def replay(
    make_gate: Callable[[Clock, ReplayProvider], GateLike],
    recorded: MetricProvider,
    start: float,
    end: float,
    interval_s: float,
) -> ReplayResult:
    """Every decision from `start` to `end`, in unix seconds of the provider. After each of them a fresh gate goes on.

    The first is what a gate that started at `start` would have said. Raises OptionError for a query that can never
    work, and ReleaseError when the provider does not answer.
    """
    clock = ReplayClock(start, end)
    provider = ReplayProvider(recorded, clock, start, end, interval_s)
    decisions: list[Decision] = []
    known: JsonObject = {}
    try:
        while True:
            judgement, evidence = make_gate(clock, provider).judge()
            if not decisions:
                known = evidence
            at = clock.now()
            decision = Decision(
                at, at - start, judgement.verdict or "hold", judgement.cause, judgement.reason, last_at=at
            )
            if not _repeats(decisions, decision):
                if len(decisions) == _MOST_DECISIONS:
                    return ReplayResult(decisions, known, cut=True)
                decisions.append(decision)
            # The next gate looks at the next instant: at this one it might say the same for ever.
            clock.sleep(interval_s)
    except EndOfReplay:
        if not decisions:
            decisions.append(Decision(end, end - start, "hold", "", f"undecided until {iso(end)}", last_at=end))
    return ReplayResult(decisions, known)


def _repeats(decisions: list[Decision], new: Decision) -> bool:
    """Counts it with the last one if it is the same verdict for the same cause."""
    if not decisions or (decisions[-1].verdict, decisions[-1].cause) != (new.verdict, new.cause):
        return False
    last = decisions[-1]
    decisions[-1] = dataclasses.replace(last, count=last.count + 1, last_at=new.at)
    return True


def span_of(options: Mapping[str, t.Any], now: float) -> tuple[float, float]:
    """Start and end in unix seconds. Raises OptionError."""
    start, end = _instant("start", options["start"]), _instant("end", options["end"])
    if end <= start:
        raise OptionError("replay", "end has to be after start")
    if end - start > _LONGEST_S:
        raise OptionError("replay", "start and end are more than 7 days apart")
    if end > now:
        raise OptionError("replay", f"end is in the future: it is {iso(now)} now")
    return start, end


def _instant(option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        try:
            when = datetime.datetime.fromisoformat(text.strip())
        except ValueError:
            raise OptionError("replay", f"{option} {text!r} is neither unix seconds nor ISO 8601") from None
        # Without a zone it is UTC, as what Prometheus shows.
        seconds = (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp()
    if not math.isfinite(seconds) or seconds < 0:
        raise OptionError("replay", f"{option} {text!r} is no instant")
    return seconds


def iso(unix: float) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    text = datetime.datetime.fromtimestamp(unix, datetime.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").replace(".000Z", "Z")


def left_out(params: Mapping[str, t.Any]) -> list[str]:
    """The options that are given and cannot be replayed."""
    return [option for option in ("workloads", "health") if params[option]]
