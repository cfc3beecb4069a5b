# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The past by the same gate: what it says, when, and what it asks the provider for."""

from __future__ import annotations

import bisect
import dataclasses
import math
import operator
import random
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import Checker, CheckState, Round
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide import Judgement, Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import Grace
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.gate import Gate, Question
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import RawSeries, Reading
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.replay import (
    EndOfReplay,
    ReplayClock,
    ReplayProvider,
    ReplayResult,
    left_out,
    replay,
    span_of,
)
from fakes import FakeClock
from hypothesis import example, given, settings
from hypothesis import strategies as st

START = 1_767_571_200.0
RULES = Rules(observe_s=60, deadline_s=20, blind_s=20, evidence_max_s=300, on_thin_evidence="hold", traffic=True)
Samples = dict[str, list[tuple[float, float]]]


class Recording:
    """A provider with samples of the past. A query is a selector, its value the newest sample of the last 5 s."""

    def __init__(self, series: dict[str, Samples], *, closed: bool = False) -> None:
        self.series = series
        #: Whether a window includes its left border: in Prometheus 2 it does, in Prometheus 3 not.
        self.closed = closed
        self.ranges: list[tuple[str, float, float, float]] = []
        self.raws: list[tuple[str, float, float]] = []
        self.fault = ""

    def read(self, query: str, at: float) -> Reading:
        found = self.raw(query, at, 5.0)
        if found.kind != "series":
            return Reading("no_data")
        if len(found.samples) > 1:
            return Reading("many")
        return Reading("value", next(iter(found.samples.values()))[-1][1])

    def range(self, query: str, start: float, end: float, step_s: float) -> list[tuple[float, Reading]]:
        self.ranges.append((query, start, end, step_s))
        if self.fault:
            return [(start, Reading("error", detail=self.fault))]
        instants = [round(start + step * step_s, 3) for step in range(math.floor((end - start) / step_s + 1e-6) + 1)]
        points = [(at, self.read(query, at)) for at in instants]
        return [(at, reading) for at, reading in points if reading.kind != "no_data"]

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
        self.raws.append((selector, at, window_s))
        if self.fault:
            return RawSeries("error", detail=self.fault)
        samples = {
            labels: found
            for labels, series in self.series.get(selector, {}).items()
            if (found := self._within(series, at, window_s))
        }
        return RawSeries("series", samples) if samples else RawSeries("no_data")

    def _within(self, series: list[tuple[float, float]], at: float, window_s: float) -> list[tuple[float, float]]:
        left = bisect.bisect_left if self.closed else bisect.bisect_right
        first = left(series, at - window_s, key=operator.itemgetter(0))
        return series[first : bisect.bisect_right(series, at + 1e-6, key=operator.itemgetter(0))]


class RateCheck:
    """Bad after three values in a row above the limit. Blind where there is none."""

    def __init__(self, provider: t.Any) -> None:
        self.provider = provider
        self.row = 0
        self.good_since: float | None = None
        self.seen: float | None = None

    def look(self, this: Round) -> CheckState:
        reading = self.provider.read("rate", this.at)
        if reading.kind != "value":
            return CheckState("rate", "blind", f"rate: {reading.kind}", seen_at=self.seen)
        self.seen = this.now
        self.row = self.row + 1 if reading.value > 0.05 else 0
        if self.row:
            self.good_since = None
        elif self.good_since is None:
            self.good_since = this.now
        status: t.Any = "bad" if self.row >= 3 else "over" if self.row else "good"
        good_s = 0.0 if self.good_since is None else this.now - self.good_since
        return CheckState("rate", status, f"rate {reading.value:.3f}", good_s=good_s, seen_at=self.seen)


class CountCheck:
    """Bad as soon as a window of raw samples adds up to more than 40."""

    def __init__(self, provider: t.Any) -> None:
        self.provider = provider

    def look(self, this: Round) -> CheckState:
        found = self.provider.raw("count", this.at, 30.0)
        total = sum(value for series in found.samples.values() for _at, value in series)
        status: t.Any = "bad" if total > 40 else "good"
        return CheckState("count", status, f"count {total:g}", good_s=1e9, seen_at=this.now)


def recording(seed: int, length_s: int) -> Recording:
    """Scrapes with jitter, gaps and a bad time somewhere."""
    dice = random.Random(seed)
    bad_from = dice.uniform(0, length_s)
    gaps = [(begin, begin + dice.uniform(2, 30)) for begin in (dice.uniform(0, length_s) for _ in range(2))]
    series: dict[str, Samples] = {"rate": {"a": []}, "count": {"pod=1": [], "pod=2": []}}
    for name, labels in (("rate", "a"), ("count", "pod=1"), ("count", "pod=2")):
        at = -60.0
        while at < length_s:
            at += dice.uniform(0.9, 1.1)
            if not any(begin < at < end for begin, end in gaps):
                value = dice.uniform(0, 0.4 if at > bad_from else 0.052)
                series[name][labels].append((round(START + at, 3), value if name == "rate" else 10 * value))
    return Recording(series)


def gate_of(clock: Clock, provider: t.Any, interval_s: float, checkers: list[Checker], rules: Rules = RULES) -> Gate:
    question = Question([], Grace(), rules, interval_s=interval_s)
    return Gate(
        question,
        checkers,
        cluster=None,
        provider=provider,
        guard=None,
        clock=clock,
        progress=lambda _line: None,
    )


class Live:
    """The recording as a provider of that time."""

    def __init__(self, recorded: Recording, clock: FakeClock) -> None:
        self.recorded = recorded
        self.clock = clock

    def tick(self) -> float:
        return self.clock.now()

    def read(self, query: str, at: float) -> Reading:
        return self.recorded.read(query, at)

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
        return self.recorded.raw(selector, at, window_s)


@pytest.mark.parametrize("interval_s", [0.25, 1.0, 2.5])
def test_it_decides_what_the_live_loop_decided_at_the_same_instant(interval_s: float) -> None:
    seen = set()
    for seed in range(25):
        clock = FakeClock(START)
        live = Live(recording(seed, 200), clock)
        judgement, evidence = gate_of(clock, live, interval_s, [RateCheck(live), CountCheck(live)]).judge()

        def make(clock: Clock, provider: ReplayProvider) -> Gate:
            return gate_of(clock, provider, interval_s, [RateCheck(provider), CountCheck(provider)])

        result = replay(make, recording(seed, 200), START, START + 200, interval_s)
        first = result.decisions[0]
        assert (first.verdict, first.cause, first.reason) == (judgement.verdict, judgement.cause, judgement.reason)
        assert first.at == clock.now()
        assert result.known["evidence"] == evidence["evidence"]
        seen.add((first.verdict, first.cause))
    assert {("pass", ""), ("fail", "metric"), ("fail", "no_evidence")} <= seen


@dataclasses.dataclass
class ScriptedGate:
    """Decides at set instants."""

    clock: Clock
    decisions: dict[float, Judgement]

    def judge(self) -> tuple[Judgement, dict[str, t.Any]]:
        while True:
            after_s = self.clock.now() - START
            if after_s in self.decisions:
                return self.decisions[after_s], {"ready_at": after_s}
            self.clock.sleep(5.0)


def scripted(decisions: dict[float, Judgement], length_s: float = 100.0) -> ReplayResult:
    return replay(lambda clock, _provider: ScriptedGate(clock, decisions), Recording({}), START, START + length_s, 5.0)


PASS = Judgement("pass", "good for 60 s")
FAIL = Judgement("fail", "rate 0.2 > 0.05", "metric")


def test_every_decision_until_the_end() -> None:
    result = scripted({10.0: PASS, 20.0: PASS, 25.0: PASS, 40.0: FAIL, 100.0: PASS})
    assert [(one.verdict, one.after_s, one.count, one.last_at - START) for one in result.decisions] == [
        ("pass", 10.0, 3, 25.0),
        ("fail", 40.0, 1, 40.0),
        ("pass", 100.0, 1, 100.0),
    ]
    assert result.decisions[1].to_json() == {
        "at": START + 40,
        "time": "2026-01-05T00:00:40Z",
        "after_s": 40.0,
        "verdict": "fail",
        "cause": "metric",
        "reason": "rate 0.2 > 0.05",
        "count": 1,
        "last_at": START + 40,
    }
    assert result.known == {"ready_at": 10.0}
    assert not result.cut


def test_without_a_decision_it_is_hold_at_the_end() -> None:
    result = scripted({})
    assert [(one.at, one.verdict, one.reason) for one in result.decisions] == [
        (START + 100, "hold", "undecided until 2026-01-05T00:01:40Z")
    ]
    assert result.known == {}


def test_a_gate_that_decides_at_its_first_look_does_not_stay_there() -> None:
    result = scripted({step * 5.0: FAIL for step in range(100)})
    assert [(one.after_s, one.count) for one in result.decisions] == [(0.0, 21)]


def test_there_is_a_most_of_decisions() -> None:
    result = scripted({step * 5.0: (PASS, FAIL)[step % 2] for step in range(200)}, 900)
    assert (len(result.decisions), result.cut) == (100, True)


def provider_of(recorded: Recording, length_s: float, step_s: float) -> tuple[ReplayClock, ReplayProvider]:
    clock = ReplayClock(START, START + length_s)
    return clock, ReplayProvider(recorded, clock, START, START + length_s, step_s)


def test_a_gap_is_no_data_and_not_the_value_before() -> None:
    """A range query leaves out the steps without a value; a live gate sees nothing there."""
    recorded = Recording({"x": {"a": [(START, 1.0), (START + 30, 2.0)]}})
    clock, provider = provider_of(recorded, 60, 10)
    kinds = []
    for _look in range(6):
        kinds.append(provider.read("x", provider.tick()).kind)
        clock.sleep(10)
    assert kinds == ["value", "no_data", "no_data", "value", "no_data", "no_data"]
    assert provider.read("unknown", START).kind == "no_data"


def test_a_step_that_is_no_whole_number_of_milliseconds() -> None:
    recorded = Recording({"x": {"a": [(START + second, float(second)) for second in range(-5, 61)]}})
    clock, provider = provider_of(recorded, 60, 1 / 3)
    for look in range(180):
        reading = provider.read("x", provider.tick())
        assert (reading.kind, reading.value) == ("value", pytest.approx(look / 3, abs=1.01))
        clock.sleep(1 / 3)


def test_a_query_is_asked_in_parts_that_prometheus_takes() -> None:
    recorded = Recording({})
    clock, provider = provider_of(recorded, 25_000, 1)
    for _look in range(25_000):
        provider.read("x", provider.tick())
        clock.sleep(1)
    assert recorded.ranges == [
        ("x", START, START + 9_999, 1),
        ("x", START + 10_000, START + 19_999, 1),
        ("x", START + 20_000, START + 25_000, 1),
    ]


STEPS = st.lists(st.floats(0.5, 4_000), min_size=1, max_size=6)


@settings(max_examples=100, deadline=None)
@given(STEPS, st.sampled_from([5.0, 60.0, 3_600.0]), st.integers(0, 7_200), st.booleans(), st.booleans())
@example([14_400.0], 60.0, 0, True, True)
@example([10_830.0], 60.0, 0, False, True)
def test_raw_samples_are_those_of_the_window(
    steps: list[float], window_s: float, shift_s: int, whole: bool, closed: bool
) -> None:
    """START is a full hour, and so are the parts: samples lie on the borders too."""
    start = START + shift_s
    series = {
        labels: [(start + at, float(at)) for at in range(-7_200, 14_400, every)]
        for labels, every in (("a", 30), ("b", 1_200))
    }
    recorded = Recording({"x": series}, closed=closed)
    clock = ReplayClock(start, start + 14_400)
    provider = ReplayProvider(recorded, clock, start, start + 14_400, 5)
    elapsed = 0.0
    for step in steps:
        elapsed = min(elapsed + (round(step / 600) * 600 if whole else round(step, 3)), 14_400.0)
        at = start + elapsed
        expected = Recording({"x": series}).raw("x", at, window_s)
        assert provider.raw("x", at, window_s).samples == expected.samples
    assert all(0 < window <= 3_600 and at <= start + 14_400 for _selector, at, window in recorded.raws)
    assert len(recorded.raws) == len(set(recorded.raws)), "each part is asked for once"


def test_no_raw_samples() -> None:
    _clock, provider = provider_of(Recording({}), 60, 5)
    assert provider.raw("x", START, 30).kind == "no_data"


def test_a_provider_that_does_not_answer_now_says_nothing_about_the_past() -> None:
    recorded = Recording({})
    recorded.fault = "Prometheus answered 503"
    _clock, provider = provider_of(recorded, 60, 5)
    for ask in (lambda: provider.read("x", START + 20), lambda: provider.raw("x", START, 30)):
        with pytest.raises(ReleaseError, match="the past cannot be read: Prometheus answered 503") as caught:
            ask()
        assert caught.value.retriable


def test_a_pretended_clock_ends_and_does_not_drift() -> None:
    clock = ReplayClock(START, START + 10_000)
    for _step in range(100_000):
        clock.sleep(0.1)
    assert clock.now() == pytest.approx(START + 10_000, abs=1e-6)
    with pytest.raises(EndOfReplay):
        clock.sleep(0.1)
    assert clock.now() == START + 10_000


@pytest.mark.parametrize(
    "text",
    [
        "1767571200",
        "1767571200.0",
        "2026-01-05T00:00:00Z",
        "2026-01-05T01:00:00+01:00",
        # As YAML gives it on when it is not quoted.
        "2026-01-05 00:00:00+00:00",
        "2026-01-05 00:00:00",
        "2026-01-05",
    ],
)
def test_instants(text: str) -> None:
    assert span_of({"start": text, "end": str(START + 60)}, START + 60) == (START, START + 60)


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("yesterday", "1767571200", "start 'yesterday' is neither unix seconds nor ISO 8601"),
        ("1767571200", "nan", "end 'nan' is no instant"),
        ("-5", "1767571200", "start '-5' is no instant"),
        ("1767571200", "1e300", "more than 7 days apart"),
        ("1767571200", "1767571200", "end has to be after start"),
        ("1766900000", "1767571200", "more than 7 days apart"),
        ("1767571200", "1767571300", "end is in the future: it is 2026-01-05T00:01:00Z now"),
    ],
)
def test_spans_that_are_none(start: str, end: str, says: str) -> None:
    with pytest.raises(OptionError, match="replay: ") as caught:
        span_of({"start": start, "end": end}, START + 60)
    assert says in str(caught.value)


def test_what_is_left_out() -> None:
    assert left_out({"workloads": [{}], "health": [], "metrics": [{}]}) == ["workloads"]
