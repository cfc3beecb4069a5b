# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters as the gate looks at them: a Prometheus in memory, scraped every second."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import CheckState, Round
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.counter_check import SPEC, checkers_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import RawSeries

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
    assert states[-1].sentence.startswith("errors 1 of 590 requests, healthy below 1 % (evidence ")
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
    assert "over 100 tests" in many[-1].sentence


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
@pytest.mark.parametrize(("policy", "status"), [("hold", "blind"), ("fail", "lost"), ("ignore", "thin")])
def test_lost_sight_has_a_policy_for_each_kind(fault: RawSeries, says: str, policy: str, status: str) -> None:
    scraped = Scraped(requests=rate(10), failures=rate(0))
    (checker,) = checkers_of(
        [params(on_missing={fault.kind: policy})], scraped, window_s=10, stale_s=3, since=None, gap_s=2
    )
    checker.look(Round(5.0, 5.0))
    seen = checker.look(Round(6.0, 6.0))
    scraped.fault = fault
    state = checker.look(Round(7.0, 7.0))
    assert (state.status, state.seen_at, state.good_s) == (status, 6.0, seen.good_s)
    assert says in state.sentence
    assert state.counts[fault.kind] == 1


def test_an_old_newest_sample_is_no_sample() -> None:
    scraped = Scraped(requests=rate(10), failures=rate(0))
    scraped.stopped_at = 8
    states = looks(scraped, 9)
    assert [state.status for state in states[1:]] == ["good"] * 6 + ["blind"] * 2
    assert "the newest sample is 4.0 s old (limit 3 s)" in states[-2].sentence


def test_no_failure_yet_is_no_series_yet() -> None:
    assert looks(Scraped(requests=rate(10)), 9)[-1].status == "good"


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


def test_clumps_are_divided() -> None:
    scraped = Scraped(requests=rate(10), failures=lambda second: 9.0 * (second > 8))
    assert looks(scraped, 6)[-1].status == "bad"
    divided = looks(scraped, 6, overdispersion=3)[-1]
    assert divided.status != "bad"
    assert "counts divided by 3" in divided.sentence


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"requests": "sum(x)"}, "errors: requests has to be a counter with its labels and nothing else"),
        ({"against": {**AGAINST, "failures": "rate(x[1m])"}}, "errors: against.failures has to be a counter"),
        ({"healthy_below": 1.5}, "errors: healthy_below has to be between 0 and 1"),
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


def test_a_name_stands_once() -> None:
    with pytest.raises(OptionError, match="errors stands in it twice"):
        checkers_of([params(), params()], Scraped(), window_s=10, stale_s=3, since=None, gap_s=2)
