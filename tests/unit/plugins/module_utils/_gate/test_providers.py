# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second metric provider is one more class in a list: options, checks and replay take it as they take the first."""

from __future__ import annotations

import importlib
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import options as gate_options
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import providers
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import run as gate
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.prometheus import Prometheus
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import RawSeries, Reading
from fakes import FakeClock

Json = dict[str, t.Any]

COUNTER: t.Final = {"name": "core-api failures", "requests": "requests", "failures": "failures"}
METRIC: t.Final = {"name": "core-api error rate", "query": "errors", "max": 0.05}


class Memory:
    """A provider that makes its answers up: requests count ten a second, and the given share of them fails."""

    OPTION: t.ClassVar[str] = "memory"
    SPEC: t.ClassVar[Json] = {
        "share": {"type": "float", "required": True},
        "oldest_s": {"type": "float", "default": 7.0},
        "late_s": {"type": "float", "default": 0.0},
    }

    def __init__(self, clock: t.Any, share: float, late_s: float) -> None:
        self._clock = clock
        self._share = share
        self._late_s = late_s

    @classmethod
    def connect(cls, options: t.Mapping[str, t.Any], clock: t.Any) -> Memory:
        return cls(clock, options["share"], options["late_s"])

    @classmethod
    def stale_s(cls, options: t.Mapping[str, t.Any]) -> float:
        return t.cast(float, options["oldest_s"])

    def tick(self) -> float:
        return t.cast(float, self._clock.now())

    def read(self, query: str, at: float) -> Reading:
        return Reading("value", self._share)

    def raw(self, selector: str, at: float, window_s: float) -> RawSeries:
        speed = 10.0 if selector == "requests" else 10.0 * self._share
        newest = int(at - self._late_s)
        instants = range(newest, int(at - window_s), -1)
        return RawSeries("series", {'pod="a"': [(float(when), round(speed * when)) for when in reversed(instants)]})

    def range(self, query: str, start: float, end: float, step_s: float) -> list[tuple[float, Reading]]:
        steps = round((end - start) / step_s)
        return [(start + step * step_s, self.read(query, start)) for step in range(steps + 1)]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    """The gate with a second provider. Its argument spec is made when it is loaded."""
    with monkeypatch.context() as patched:
        patched.setattr(providers, "PROVIDERS", (Prometheus, Memory))
        importlib.reload(gate_options)
        yield
    importlib.reload(gate_options)


def judged(**given: t.Any) -> Json:
    """The gate as a task runs it, without a cluster."""
    options: Json = {"context": "c", "namespace": "n", "interval_s": 1, "observe_s": 20, "blind_s": 15, **given}
    checked = ArgumentSpecValidator(gate_options.ARGUMENT_SPEC).validate(options)
    assert not checked.error_messages
    clock = FakeClock()
    parameters = checked.validated_parameters
    if "replay" in given:
        parameters["replay"] = {"start": str(clock.now() - 60), "end": str(clock.now())}
    return execute(
        gate.run,
        parameters,
        check_mode=False,
        diff=False,
        clock=clock,
        progress=lambda _line: None,
        empty=gate.EMPTY_RESULT,
    )


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody:
        def __init__(self, *_args: t.Any, **_more: t.Any) -> None:
            self.kube = self.release = None

        def guard(self) -> None: ...

    monkeypatch.setattr(gate.kube_module, "connect", lambda *_args: None)
    monkeypatch.setattr(gate, "Journal", Nobody)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(("share", "verdict", "cause"), [(0.0, "pass", ""), (0.5, "fail", "metric")])
@pytest.mark.parametrize("checks", [{"metrics": [METRIC]}, {"counters": [COUNTER]}], ids=["metric", "counter"])
def test_another_provider_is_judged_through_the_modules_options(
    checks: Json, share: float, verdict: str, cause: str
) -> None:
    result = judged(memory={"share": share}, **checks)
    assert (result["verdict"], result["cause"]) == (verdict, cause), result["reason"]


@pytest.mark.usefixtures("two")
def test_the_past_of_another_provider_is_judged() -> None:
    result = judged(memory={"share": 0.5}, metrics=[METRIC], counters=[COUNTER], replay={"start": "0", "end": "1"})
    assert (result["verdict"], result["cause"]) == ("fail", "metric"), result
    assert result["decisions"]


@pytest.mark.usefixtures("two")
def test_how_old_a_sample_may_be_is_its_own_word() -> None:
    fresh = judged(memory={"share": 0.0, "late_s": 5.0}, counters=[COUNTER], traffic=False)
    assert fresh["verdict"] == "pass", fresh["reason"]
    stale = judged(memory={"share": 0.0, "late_s": 9.0}, counters=[COUNTER], traffic=False)
    assert stale["verdict"] == "hold"
    assert "(limit 7 s)" in stale["reason"]


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "prometheus or memory: metrics need a metric provider"),
        (
            {"memory": {"share": 0.0}, "prometheus": {"url": "http://p"}},
            "prometheus: give only one of prometheus, memory",
        ),
    ],
)
def test_exactly_one_is_given(given: Json, says: str) -> None:
    result = judged(metrics=[METRIC], **given)
    assert result["failed"]
    assert result["msg"] == says


def test_there_is_one_option_for_each_and_none_for_others() -> None:
    assert providers.argument_spec().keys() == {"prometheus"} <= gate_options.ARGUMENT_SPEC.keys()
    assert "memory" not in gate_options.ARGUMENT_SPEC
    assert Prometheus.stale_s({"stale_s": 3}) == 3.0


def test_none_is_given() -> None:
    assert providers.chosen({"prometheus": None}) is None
    with pytest.raises(OptionError, match="prometheus: there is no metric provider"):
        providers.connect({"prometheus": {}}, FakeClock())
