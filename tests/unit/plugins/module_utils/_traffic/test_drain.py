# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_traffic state=drained: it counts, waits, tells, and writes nothing."""

from __future__ import annotations

import math
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import providers
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import Reading
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import run as traffic
from fakes import FakeClock

Json = dict[str, t.Any]

STATEMENTS: t.Final = {"service": "statements", "slot": "blue", "query": "s"}
CORE_API: t.Final = {"service": "core-api", "slot": "green", "query": "c"}
NO_DATA: t.Final = Reading("no_data", detail="the query found no series")


class Drain:
    """Answers by query: a number, a reading, an error, or a function of the seconds that have passed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.answers: Json = {}
        self.lines: list[str] = []
        self.looks = 0
        monkeypatch.setattr(providers, "connect", lambda _options, _clock: self)
        # Neither an API server nor a journal has anything to do with it.
        monkeypatch.setattr(kube_module, "connect", lambda *_args: pytest.fail("an API server is asked"))

    def tick(self) -> float:
        self.looks += 1
        return self.clock.now()

    def read(self, query: str, at: float) -> Reading:
        assert at == self.clock.now()
        answer = self.answers[query]
        if callable(answer):
            answer = answer(self.clock.elapsed)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reading) else Reading("value", answer)

    def run(self, *entries: Json, check_mode: bool = False, **given: t.Any) -> Json:
        options: Json = {"state": "drained", "context": "us-east-1", "namespace": "exchange", "drain_s": 60}
        options |= {"connections": list(entries), "prometheus": {"url": "http://prometheus"}, **given}
        checked = ArgumentSpecValidator(traffic.ARGUMENT_SPEC).validate(options)
        assert not checked.error_messages
        result = execute(
            traffic.run,
            checked.validated_parameters,
            check_mode=check_mode,
            diff=True,
            clock=self.clock,
            progress=self.lines.append,
            empty=traffic.EMPTY_RESULT,
        )
        assert result.keys() >= {*traffic.EMPTY_RESULT, "changed", "diff"}
        assert result["changed"] is False
        return result


@pytest.fixture
def drain(monkeypatch: pytest.MonkeyPatch) -> Drain:
    return Drain(monkeypatch)


def test_it_ends_when_every_number_is_zero(drain: Drain) -> None:
    drain.answers = {"s": lambda passed: max(0, 4 - passed), "c": lambda passed: 1 if passed < 2 else 0}
    result = drain.run(STATEMENTS, CORE_API)
    assert result["connections"] == {
        "statements": {"slot": "blue", "left": 0, "observed": True},
        "core-api": {"slot": "green", "left": 0, "observed": True},
    }
    assert (result["warnings"], drain.clock.elapsed) == ([], 4)
    assert drain.lines[0] == "statements blue: 4 connections left, core-api green: 1 connection left, 60 s left"
    assert drain.lines[-1] == "statements blue: no connections left, core-api green: no connections left"


def test_connections_that_stay_are_told_and_fail_nothing(drain: Drain) -> None:
    drain.answers = {"s": 13.2}
    result = drain.run(STATEMENTS)
    assert not result.get("failed")
    assert result["connections"] == {"statements": {"slot": "blue", "left": 14, "observed": True}}
    assert result["warnings"] == [
        "us-east-1: statements: 14 connections of blue are still open after 60 s; they end with its pods"
    ]
    assert drain.clock.elapsed == 60
    # Without news a line every five seconds.
    assert len(drain.lines) == 13
    assert drain.lines[3] == "statements blue: 14 connections left, 45 s left"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (NO_DATA, "the query found no series"),
        (Reading("many", detail="the query found 2 series, a check needs one"), "the query found 2 series"),
        (Reading("value", math.nan, "the query gave NaN"), "the query gave NaN"),
        (Reading("error", detail="Prometheus does not answer: refused"), "Prometheus does not answer: refused"),
        (OptionError("metrics", "Prometheus refuses the query 's': parse error"), "Prometheus refuses the query 's'"),
    ],
)
def test_what_is_not_observed_is_not_zero_and_no_failure(drain: Drain, answer: t.Any, why: str) -> None:
    drain.answers = {"s": answer}
    result = drain.run(STATEMENTS, drain_s=3)
    assert not result.get("failed")
    assert result["connections"] == {"statements": {"slot": "blue", "left": None, "observed": False}}
    (warning,) = result["warnings"]
    assert warning.startswith(f"us-east-1: statements: the open connections of blue were not observed: {why}")
    assert drain.clock.elapsed == 3


def test_data_that_comes_late_counts(drain: Drain) -> None:
    drain.answers = {"s": lambda passed: NO_DATA if passed < 2 else 0}
    result = drain.run(STATEMENTS)
    assert (result["warnings"], drain.clock.elapsed) == ([], 2)


@pytest.mark.parametrize("given", [{"drain_s": 0}, {"check_mode": True}])
def test_without_time_and_in_check_mode_it_counts_once(drain: Drain, given: Json) -> None:
    drain.answers = {"s": 14}
    result = drain.run(STATEMENTS, **given)
    assert result["connections"]["statements"]["left"] == 14
    assert result["warnings"] == [
        "us-east-1: statements: 14 connections of blue are still open; they end with its pods"
    ]
    assert (drain.looks, drain.clock.slept) == (1, [])


@pytest.mark.parametrize(
    ("entries", "given", "words"),
    [
        ([], {}, "connections: nothing is named for state drained"),
        ([STATEMENTS, {**STATEMENTS, "slot": "green"}], {}, "connections: statements is named twice"),
        ([STATEMENTS], {"prometheus": None}, "prometheus: needed for state drained"),
        ([STATEMENTS], {"drain_s": -1}, "drain_s: -1 is no number of seconds"),
        ([STATEMENTS], {"drain_s": math.nan}, "drain_s: nan is no number of seconds"),
    ],
)
def test_bad_input_names_its_option(drain: Drain, entries: list[Json], given: Json, words: str) -> None:
    result = drain.run(*entries, **given)
    assert result["error"]["kind"] == "option"
    assert result["msg"].startswith(words)
    assert drain.looks == 0
