# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters as the gate looks at them: a Prometheus in memory, scraped every second."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Callable, Mapping

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import CheckState, Round
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.counter_check import SPEC, checkers_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import RawSeries
from hypothesis import example, given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]

CHECK: Json = {"name": "errors", "requests": "requests{}", "failures": "failures{}", "service": "core-api"}
AGAINST: Json = {"requests": "stable_requests{}", "failures": "stable_failures{}"}


class Scraped:
    """Cumulative counts at each second, by selector. `fault` answers instead while it is set."""

    def __init__(self, **series: t.Callable[[float], float]) -> None:
        self.series = {f"{name}{{}}": value for name, value in series.items()}
        self.fault: RawSeries | None = None
        self.stopped_at = float("inf")

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
        if self.fault is not None:
            return self.fault
        count = self.series.get(selector)
        if count is None:
            return RawSeries("no_data", detail="the selector found no series")
        last = min(at, self.stopped_at)
        instants = [float(second) for second in range(int(max(0.0, at - window_s)) + 1, int(last) + 1)]
        return RawSeries("series", {'pod="a"': [(second, count(second)) for second in instants]})


def params(**changes: t.Any) -> Json:
    spec = {"counters": {"type": "list", "elements": "dict", "options": SPEC}}
    checked = ArgumentSpecValidator(spec).validate({"counters": [{**CHECK, **changes}]})
    assert not checked.error_messages
    return t.cast(Json, checked.validated_parameters["counters"][0])


def looks(scraped: Scraped, seconds: int, *, since: float | None = None, **changes: t.Any) -> list[CheckState]:
    (checker,) = checkers_of([params(**changes)], scraped, window_s=10, stale_s=3, since=since, gap_s=2)
    return [checker.look(Round(float(second), float(second))) for second in range(5, 5 + seconds)]


def rate(per_second: float) -> t.Callable[[float], float]:
    return lambda second: round(per_second * second)


def test_a_healthy_version_is_good_and_stays_it() -> None:
    states = looks(Scraped(requests=rate(10), failures=lambda second: float(second > 30)), 60)
    assert {state.status for state in states[1:]} == {"good"}
    assert states[-1].good_s == pytest.approx(58), "the first look has no request yet"
    assert states[-1].sentence == (
        "errors 1 of 590 requests, healthy below 1 % "
        "(sequential test, evidence 1 : 1, 1 in 10000 allowed, one-sample, 59 scrapes)"
    )
    assert states[-1].service == "core-api"


def test_a_bad_version_is_called_bad_and_stays_it() -> None:
    scraped = Scraped(requests=rate(10), failures=lambda second: 2 * max(0.0, min(second, 15) - 8))
    states = looks(scraped, 60)
    first = next(place for place, state in enumerate(states) if state.status == "bad")
    assert {state.status for state in states[first:]} == {"bad"}
    assert first < 11
    assert states[first].outside_since == 9.0
    assert "over" in {state.status for state in states[:first]}
    assert states[first].nearness > 1
    assert states[first].evidence["failures"] == 2 * (first + 5 - 8)


def test_more_tests_ask_for_more_evidence() -> None:
    scraped = Scraped(requests=rate(10), failures=lambda second: 2 * max(0.0, second - 8))
    one, many = looks(scraped, 40), looks(scraped, 40, tests=100)
    assert [s.status for s in one].index("bad") < [s.status for s in many].index("bad")
    assert "1 in 10000 allowed split over 100 tests" in many[-1].sentence


def test_evidence_counts_from_the_shift_on() -> None:
    scraped = Scraped(requests=rate(10), failures=lambda second: 6 * max(0.0, min(second - 2, 2)))
    assert looks(scraped, 1, since=2.0)[0].status == "bad"
    assert looks(scraped, 9)[-1].status == "good", "what was before the first look is not counted"


def test_too_few_requests_are_thin() -> None:
    states = looks(Scraped(requests=rate(10), failures=rate(0)), 9, min_requests=50)
    assert [state.status for state in states[:5]] == ["thin"] * 5
    assert states[5].status == "good"
    assert states[2].sentence == "errors has 20 of at least 50 requests"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (RawSeries("error", detail="Prometheus does not answer: refused"), "Prometheus does not answer: refused"),
        (RawSeries("no_data", detail="the selector found no series"), "the selector found no series"),
    ],
)
@pytest.mark.parametrize(
    ("policy", "status", "seen_at"), [("hold", "blind", 6.0), ("fail", "lost", 6.0), ("ignore", "thin", 7.0)]
)
def test_lost_sight_has_a_policy_for_each_kind(
    fault: RawSeries, says: str, policy: str, status: str, seen_at: float
) -> None:
    scraped = Scraped(requests=rate(10), failures=rate(0))
    (checker,) = checkers_of(
        [params(on_missing={fault.kind: policy})], scraped, window_s=10, stale_s=3, since=None, gap_s=2
    )
    checker.look(Round(5.0, 5.0))
    seen = checker.look(Round(6.0, 6.0))
    scraped.fault = fault
    state = checker.look(Round(7.0, 7.0))
    assert (state.status, state.seen_at, state.good_s) == (status, seen_at, seen.good_s)
    assert says in state.sentence
    assert state.counts[fault.kind] == 1


def test_what_is_ignored_leaves_the_next_error_all_of_its_patience() -> None:
    """A minute of `ignore` and one lost answer were a minute without sight, and a way back for nothing."""
    scraped = Scraped(requests=rate(10), failures=rate(0))
    scraped.fault = RawSeries("no_data", detail="the selector found no series")
    policies = {"no_data": "ignore"}
    (checker,) = checkers_of([params(on_missing=policies)], scraped, window_s=10, stale_s=3, since=None, gap_s=2)
    for second in range(5, 105, 5):
        checker.look(Round(second, second))
    scraped.fault = RawSeries("error", detail="Prometheus does not answer: refused")
    state = checker.look(Round(105.0, 105.0))
    assert (state.status, state.seen_at) == ("blind", 100)


def test_an_old_newest_sample_is_no_sample() -> None:
    scraped = Scraped(requests=rate(10), failures=rate(0))
    scraped.stopped_at = 8
    states = looks(scraped, 9)
    assert [state.status for state in states[1:]] == ["good"] * 6 + ["blind"] * 2
    assert "the newest sample is 4.0 s old (limit 3 s)" in states[-2].sentence


def test_no_failure_yet_is_no_series_yet_and_is_told() -> None:
    states = looks(Scraped(requests=rate(10)), 9)
    assert states[-1].status == "good"
    assert states[-1].sentence.endswith("8 scrapes); no failure was ever counted: failures{} matched no series")
    assert states[-1].evidence["warning"] == "no failure was ever counted: failures{} matched no series"
    assert states[0].evidence["warning"] == "", "there were no requests yet"


def test_a_failure_series_of_any_value_or_of_the_stable_slot_shows_that_the_selector_is_right() -> None:
    assert looks(Scraped(requests=rate(10), failures=rate(0)), 9)[-1].evidence["warning"] == ""
    late = Scraped(requests=rate(10), stable_requests=rate(10), stable_failures=rate(0))
    assert looks(late, 9, against=AGAINST)[-1].evidence["warning"] == ""
    del late.series["stable_failures{}"]
    state = looks(late, 9, against=AGAINST)[-1]
    assert (state.status, bool(state.evidence["warning"])) == ("good", True)


def test_an_outage_of_both_sides_is_no_evidence_against_the_new_one() -> None:
    scraped = Scraped(requests=rate(10), failures=rate(5), stable_requests=rate(90), stable_failures=rate(45))
    assert looks(scraped, 30, against=AGAINST)[-1].status == "good"
    assert looks(scraped, 30)[-1].status == "bad"


def test_worse_than_the_stable_slot_is_bad() -> None:
    scraped = Scraped(requests=rate(10), failures=rate(2), stable_requests=rate(90), stable_failures=rate(0.4))
    state = looks(scraped, 30, against=AGAINST)[-1]
    assert state.status == "bad"
    assert "stable slot" in state.sentence


def test_without_traffic_of_the_stable_slot_the_rate_alone_counts() -> None:
    scraped = Scraped(requests=rate(10), failures=rate(2), stable_requests=rate(0), stable_failures=rate(0))
    state = looks(scraped, 30, against=AGAINST)[-1]
    assert state.status == "bad"
    assert "the stable slot had no requests" in state.sentence


def test_a_few_failures_beside_a_flawless_stable_slot_prove_nothing() -> None:
    scraped = Scraped(requests=rate(500), failures=rate(1.5), stable_requests=rate(4500), stable_failures=rate(0))
    state = looks(scraped, 120, against=AGAINST)[-1]
    assert (state.status, state.evidence["test"]) == ("good", "one_sample")
    assert state.evidence["log_tests"]["two_sample"] > state.evidence["log_proof"] + 1
    assert state.evidence["log_tests"]["not_compared"] is None
    assert state.sentence.startswith(
        "errors 178 of 59500 requests, the stable slot 0 of 535500, healthy below 1 % or 2 times its rate (sequential"
    )
    assert "one-sample, the weaker of both tests" in state.sentence


def test_clumps_are_divided() -> None:
    scraped = Scraped(requests=rate(10), failures=lambda second: 9.0 * (second > 8))
    assert looks(scraped, 6)[-1].status == "bad"
    divided = looks(scraped, 6, overdispersion=3)[-1]
    assert divided.status != "bad"
    assert "counts divided by 3" in divided.sentence


class Faulty(Scraped):
    """Answers with these faults at these instants, and keeps nothing of them."""

    def __init__(self, faults: Mapping[float, str], **series: Callable[[float], float]) -> None:
        super().__init__(**series)
        self.faults = faults

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
        kind = self.faults.get(at)
        if kind in ("error", "no_data"):
            return RawSeries("error" if kind == "error" else "no_data", detail=kind)
        found = super().raw(selector, at - 4 if kind == "stale" else at, window_s)
        if kind == "nan":
            return RawSeries("series", {name: [*s[:-1], (s[-1][0], math.nan)] for name, s in found.samples.items()})
        return found


_FAULT = st.sampled_from(["error", "no_data", "nan", "stale"])


# Suspicion that only the look saw which is taken away.
@example({12: 8}, {12.0: "error"}, {}, "hold", False)
@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.integers(6, 30), st.integers(1, 9), max_size=4),
    st.dictionaries(st.integers(6, 34).map(float), _FAULT, max_size=5),
    st.dictionaries(st.integers(5, 34).map(lambda second: second + 0.5), _FAULT, max_size=5),
    st.sampled_from(["hold", "fail", "ignore"]),
    st.booleans(),
)
def test_a_look_without_sight_makes_nothing_good(
    failed: dict[int, int], instead: dict[float, str], between: dict[float, str], policy: str, compare: bool
) -> None:
    """Whether it comes between two others or instead of one: nothing passes that did not, and what is bad stays bad."""
    counters = {
        "requests": rate(20),
        "failures": lambda at: sum(count for second, count in failed.items() if second <= at),
        "stable_requests": rate(100),
        "stable_failures": rate(0),
    }
    changes = {"on_missing": dict.fromkeys(("error", "no_data", "nan", "stale"), policy)}
    one = params(**changes, **({"against": AGAINST} if compare else {}))
    found = []
    for faults in ({}, {**instead, **between}):
        (checker,) = checkers_of([one], Faulty(faults, **counters), window_s=10, stale_s=3, since=None, gap_s=2)
        instants = sorted({*map(float, range(5, 36)), *faults})
        found.append({at: checker.look(Round(at, at)) for at in instants})
    calm, torn = found
    for at, state in torn.items():
        if at in between or at in instead:
            assert state.status in ("blind", "lost", "thin", "bad")
        else:
            assert state.status == calm[at].status
            assert state.evidence["log_evidence"] == calm[at].evidence["log_evidence"]
            assert state.good_s <= calm[at].good_s


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"requests": "sum(x)"}, "errors: requests has to be a counter with its labels and nothing else"),
        ({"against": {**AGAINST, "failures": "rate(x[1m])"}}, "errors: against.failures has to be a counter"),
        ({"requests": 'x{a="1"} + y{b="2"}'}, "errors: requests has to be a counter"),
        ({"healthy_below": 0.95}, "errors: healthy_below has to be between 0 and 0.95"),
        ({"min_requests": -1}, "errors: min_requests cannot be negative"),
        ({"false_alarm": 0}, "errors: false_alarm has to be between 0 and 1"),
        ({"tests": 0}, "errors: tests has to be 1 or more"),
        ({"overdispersion": 0.5}, "errors: overdispersion has to be 1 or more"),
        ({"against": {**AGAINST, "ratio": 0.5}}, "errors: against.ratio has to be at least 1"),
    ],
)
def test_bad_input_names_the_option(changes: Json, says: str) -> None:
    with pytest.raises(OptionError) as caught:
        checkers_of([params(**changes)], Scraped(), window_s=10, stale_s=3, since=None, gap_s=2)
    assert caught.value.message.startswith(f"counters: {says}")


@pytest.mark.parametrize("selector", ["x", "job:x:sum", 'x{a="1"}', "x {a=~'b{2}'}", '{__name__="x",a="}"}'])
def test_selectors(selector: str) -> None:
    assert checkers_of([params(requests=selector)], Scraped(), window_s=10, stale_s=3, since=None, gap_s=2)


def test_a_name_stands_once() -> None:
    with pytest.raises(OptionError, match="errors stands in it twice"):
        checkers_of([params(), params()], Scraped(), window_s=10, stale_s=3, since=None, gap_s=2)


# Pods that are scraped at different instants.

Value = Callable[[float], float]
Target = tuple[float, float, float, Value]


class Pods:
    """Selector -> series -> the first scrape, seconds between scrapes, when the series begins, value at an instant."""

    def __init__(self, selectors: Mapping[str, Mapping[str, Target]]) -> None:
        self.selectors = {f"{name}{{}}": series for name, series in selectors.items()}
        #: Whether the answer about requests is a scrape behind.
        self.late = False
        self.away: tuple[float, float] = (0.0, 0.0)
        #: When the stable slot is scraped for the last time.
        self.stable_ends = math.inf

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
        if self.away[0] <= at < self.away[1]:
            return RawSeries("error", detail="away")
        found = {}
        for labels, (phase, period_s, begins, value) in self.selectors.get(selector, {}).items():
            end = at - (period_s if self.late and selector == "requests{}" else 0.0)
            instants = [phase + number * period_s for number in range(int((end - phase) / period_s) + 1)]
            series = [(one, value(one)) for one in instants if one > at - window_s and one >= begins]
            if selector.startswith("stable"):
                series = [sample for sample in series if sample[0] <= self.stable_ends]
            if series:
                found[labels] = series
        return RawSeries("series", found) if found else RawSeries("no_data", detail="the selector found no series")


def of(per_second: float, begins: float = 0.0, ends: float = math.inf) -> Value:
    return lambda at: math.floor(per_second * max(0.0, min(at, ends) - begins))


def watch(pods: Pods, begin: float, end: float, step_s: float, **changes: t.Any) -> list[CheckState]:
    (checker,) = checkers_of([params(**changes)], pods, window_s=60, stale_s=30, since=None, gap_s=max(1.0, 2 * step_s))
    instants = [begin + number * step_s for number in range(int((end - begin) / step_s) + 1)]
    return [checker.look(Round(at - 100, at)) for at in instants]


NEW, STABLE, OTHER = 'instance="1",pod="n"', 'instance="2",pod="s"', 'instance="3",pod="o"'


def both(step: float, new: Value, stable: Value, begins: float = 0.0) -> Pods:
    """10 and 90 requests/s in three pods, with as many failures as these say."""
    phases = (0.3 * step, 0.1 * step, 0.6 * step)
    return Pods(
        {
            "requests": {NEW: (phases[0], step, 0, of(10))},
            "failures": {NEW: (phases[0], step, begins, new)},
            "stable_requests": {STABLE: (phases[1], step, 0, of(45)), OTHER: (phases[2], step, 0, of(45))},
            "stable_failures": {STABLE: (phases[1], step, begins, stable), OTHER: (phases[2], step, begins, stable)},
        }
    )


@pytest.mark.parametrize(("scrape_s", "step_s"), [(1, 0.25), (1, 5), (15, 5)])
@pytest.mark.parametrize(
    ("begins", "ends"), [(140.0, 152.0), (140.37, 156.5), (140.9, 141.3), (147.2, 161.0), (154.2, 154.5)]
)
def test_an_outage_of_both_sides_looks_so_however_they_are_scraped(
    scrape_s: float, step_s: float, begins: float, ends: float
) -> None:
    """Every answer fails, and every pod is scraped at another instant: at the begin, at the end, or in between."""
    pods = both(scrape_s, of(10, begins, ends), of(45, begins, ends), begins)
    states = watch(pods, 120, 200, step_s, against=AGAINST)
    assert "bad" not in {state.status for state in states}
    assert states[-1].evidence["stable_failures"] == 2 * of(45, begins, ends)(199)
    assert states[-1].evidence["test"] != "not_compared"


@pytest.mark.parametrize(("scrape_s", "step_s", "within"), [(1, 0.25, 9), (1, 5, 12), (15, 5, 50)])
def test_what_only_the_new_version_has_is_found(scrape_s: float, step_s: float, within: float) -> None:
    states = watch(both(scrape_s, of(2, 140), of(0.05, 140), 140), 100, 200, step_s, against=AGAINST)
    first = next(state for state in states if state.status == "bad")
    assert states.index(first) * step_s <= 40 + within
    assert "-sample, the weaker of both tests" in first.sentence
    assert "the stable slot" in first.sentence
    assert 40 <= (first.outside_since or 0.0) <= 40 + within


def test_a_stable_slot_that_goes_away_hands_over_to_the_rate_alone() -> None:
    pods = both(1, of(2, 160), of(0))
    pods.selectors["stable_requests{}"] = {}
    states = watch(pods, 100, 200, 1, against=AGAINST)
    assert states[-1].status == "bad"
    assert "one-sample, the stable slot had no requests" in states[-1].sentence


def test_the_first_failures_of_a_pod_count_though_their_series_is_new() -> None:
    pods = Pods({"requests": {NEW: (3, 15, 0, of(10))}, "failures": {NEW: (3, 15, 110, of(10, 110))}})
    states = watch(pods, 100, 130, 5)
    assert next(state.evidence["failures"] for state in states if state.evidence["failures"]) == of(10, 110)(123)


def test_a_proof_names_what_it_rests_on_and_not_a_failure_of_an_hour_ago() -> None:
    failures = {NEW: (0.3, 1, 0, lambda at: (at > 110) + of(2, 700)(at))}
    states = watch(Pods({"requests": {NEW: (0.3, 1, 0, of(10))}, "failures": failures}), 100, 720, 1)
    proof = next(state for state in states if state.status == "bad")
    assert 600 <= (proof.outside_since or 0.0) <= 602
    assert "of the last " in proof.sentence
    assert states[-1].sentence == proof.sentence


def test_a_counter_that_is_no_number_is_no_sight_and_poisons_nothing() -> None:
    failures = {NEW: (0.3, 1, 0, lambda at: math.nan if 105 < at < 107 else of(2, 110)(at))}
    states = watch(Pods({"requests": {NEW: (0.3, 1, 0, of(10))}, "failures": failures}), 100, 120, 1)
    assert [state.status for state in states[6:8]] == ["blind", "blind"]
    assert "a counter is no number" in states[6].sentence
    assert states[8].status == "good"
    assert states[-1].status == "bad"
    assert states[-1].counts["nan"] == 2


def test_a_provider_that_was_away_for_longer_than_the_window_hides_no_restart() -> None:
    def value(at: float) -> float:
        return of(10)(at) if at < 120 else of(30, 120)(at)

    pods = Pods({"requests": {NEW: (0.0, 1, 0, value)}})
    pods.away = (110, 210)
    assert watch(pods, 100, 215, 1)[-1].evidence["requests"] == 10 * 19 + 30 * 95


def test_a_race_of_the_two_questions_loses_nothing() -> None:
    pods = Pods({"requests": {NEW: (0.3, 1, 0, of(10))}, "failures": {NEW: (0.3, 1, 0, of(2))}})
    calm = watch(pods, 100, 104, 1)[-1]
    pods.late = True
    racing = watch(pods, 100, 105, 1)[-1]
    assert racing.evidence["log_evidence"] == calm.evidence["log_evidence"]


def test_how_often_one_looks_does_not_change_the_evidence() -> None:
    pods = Pods({"requests": {NEW: (0.3, 1, 0, of(10))}, "failures": {NEW: (0.3, 1, 0, of(0.1))}})
    found = [watch(pods, 100, 160, step_s)[-1] for step_s in (0.25, 1, 4, 20)]
    assert len({(state.evidence["log_evidence"], state.sentence) for state in found}) == 1


def test_an_hour_is_the_longest_question() -> None:
    asked = []

    class Noted(Pods):
        def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
            asked.append(window_s)
            return super().raw(selector, at, window_s)

    pods = Noted({"requests": {NEW: (0.3, 10, 0, of(10))}})
    (checker,) = checkers_of([params()], pods, window_s=60, stale_s=30, since=0.0, gap_s=2)
    assert checker.look(Round(0.0, 5000.0)).evidence["requests"] == of(10)(4990.3) - of(10)(1420.3)
    checker.look(Round(1.0, 5001.0))
    assert asked == [3600.0, 3600.0, 60.0, 60.0]
    pods.away = (5002, 9000)
    checker.look(Round(2.0, 5002.0))
    checker.look(Round(4001.0, 9001.0))
    assert asked[-1] == 3600.0


def test_each_of_two_tests_has_half_of_the_false_alarms() -> None:
    """Without traffic of the stable slot they see the same, and the one that is not alone needs twice the evidence."""
    pods = Pods({"requests": {NEW: (0.3, 1, 0, of(10))}, "failures": {NEW: (0.3, 1, 0, of(0.2))}})
    one, two = watch(pods, 100, 110, 1)[-1], watch(pods, 100, 110, 1, against=AGAINST)[-1]
    assert one.evidence["log_evidence"] - two.evidence["log_evidence"] == pytest.approx(math.log(2), abs=0.002)


def test_suspicion_begins_the_good_time_anew_and_a_gap_does_not_count() -> None:
    failures = {NEW: (0.3, 1, 0, lambda at: 4.0 * (at > 131))}
    pods = Pods({"requests": {NEW: (0.3, 1, 0, of(10))}, "failures": failures})
    pods.away = (110, 120)
    states = watch(pods, 100, 150, 1)
    assert [states[place].good_s for place in (9, 10, 19, 20, 21, 31)] == [8, 8, 8, 8, 9, 19]
    assert [place for place, state in enumerate(states) if state.status == "over"] == [32]
    assert (states[32].good_s, states[33].good_s, states[50].good_s) == (0, 0, 17)
    assert states[32].outside_since == pytest.approx(31.3)
    assert states[33].outside_since is None
    (checker,) = checkers_of([params()], pods, window_s=60, stale_s=30, since=None, gap_s=2)
    seldom = [checker.look(Round(at, at)) for at in (140.0, 141.0, 142.0, 150.0)]
    assert [state.good_s for state in seldom] == [0, 0, 1, 1]


def test_a_stable_slot_that_is_not_scraped_any_more_is_waited_for_until_it_is_stale() -> None:
    pods = both(1, of(2, 140), of(0))
    pods.stable_ends = 135.0
    states = watch(pods, 100, 180, 1, against=AGAINST)
    first = next(place for place, state in enumerate(states) if state.status == "bad")
    assert 65 <= first <= 66
    assert "the stable slot had no requests" in states[first].sentence
