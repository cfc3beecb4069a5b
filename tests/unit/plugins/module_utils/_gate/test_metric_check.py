# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `metrics`: what is refused, what is asked, and how a check stands after its looks."""

from __future__ import annotations

import itertools
import math
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments._gate_metrics import ModuleDocFragment
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import Checker, CheckState, Round
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.metric_check import SPEC, checkers_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import Reading
from fakes import FakeClock
from gate_samples import FakeProvider

Json = dict[str, t.Any]

ERRORS: Json = {
    "name": "core-api error rate",
    "query": "errors[5s]",
    "max": 0.05,
    "min_samples_query": "count",
    "min_requests": 10,
    "min_failures": 5,
    "service": "core-api",
}
LATENCY: Json = {
    "name": "p95 latency",
    "query": "p95[1m]",
    "baseline": {"query": "stable[1m]", "ratio": 1.5, "floor": 0.05},
}
NONE = Reading("no_data", detail="the query found no series")


class World:
    """Checks and their provider on one clock, a look every second."""

    def __init__(self, *items: Json, **answers: t.Any) -> None:
        self.clock = FakeClock()
        self.provider = FakeProvider(self.clock, {"errors[5s]": 0.0, "count": 100.0, **answers})
        self.checkers = made(*items, provider=self.provider)

    def look(self, times: int = 1) -> list[CheckState]:
        states: list[CheckState] = []
        for _ in range(times):
            this = Round(self.clock.monotonic(), self.provider.tick())
            states = [checker.look(this) for checker in self.checkers]
            self.clock.sleep(1.0)
        return states


def made(*items: Json, provider: t.Any = None) -> list[Checker]:
    """The checkers of items that went through the argument spec, as Ansible does it."""
    spec = {"metrics": {"type": "list", "elements": "dict", "options": SPEC}}
    checked = ArgumentSpecValidator(spec).validate({"metrics": list(items)})
    assert checked.error_messages == []
    provider = provider or FakeProvider(FakeClock(), {})
    return checkers_of(checked.validated_parameters["metrics"], provider, stale_s=3.0, gap_s=2.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"min": 0.1}, "give either max or min"),
        ({"max": None}, "give either max or min, or a baseline"),
        ({"max": math.nan}, "max has to be a finite number"),
        ({"min_samples_query": None}, "min_requests needs a min_samples_query that counts the requests"),
        (
            {"min_samples_query": None, "min_requests": 0},
            "min_failures needs a min_samples_query that counts the requests",
        ),
        ({"max": None, "min": 0.1}, "min_failures goes with max, for a share of failures"),
        ({"min_failures": -1}, "min_failures has to be 0 or more"),
        ({"min_requests": math.inf}, "min_requests has to be 0 or more"),
        ({"min_samples": 0}, "min_samples has to be 1 or more"),
        ({"for_s": -1}, "for_s has to be 0 or more"),
        ({"for_s": math.nan}, "for_s has to be 0 or more"),
        ({"for_s": 1, "consecutive": 3}, "give only one of for_s, consecutive and n_of_m"),
        ({"for_s": 1, "n_of_m": {"n": 1, "m": 2}}, "give only one of for_s, consecutive and n_of_m"),
        ({"consecutive": 3, "n_of_m": {"n": 1, "m": 2}}, "give only one of for_s, consecutive and n_of_m"),
        ({"consecutive": 0}, "consecutive has to be 1 or more"),
        ({"n_of_m": {"n": 0, "m": 2}}, "n_of_m.n has to be 1 or more, and n_of_m.m at least as much"),
        ({"n_of_m": {"n": 3, "m": 2}}, "n_of_m.n has to be 1 or more, and n_of_m.m at least as much"),
        ({"rank_test": {"alpha": 0.01}}, "rank_test goes with a baseline"),
        ({"baseline": {"query": "x", "ratio": 0.9, "floor": 1}}, "baseline.ratio has to be 1 or more"),
        ({"baseline": {"query": "x", "ratio": math.nan, "floor": 1}}, "baseline.ratio has to be 1 or more"),
        (
            {"baseline": {"query": "x", "ratio": 2, "floor": 0}},
            "baseline.floor has to be more than 0; next to nothing every ratio is exceeded",
        ),
        (
            {"baseline": {"query": "x", "ratio": 2, "floor": 1}, "rank_test": {"alpha": 0.6}},
            "rank_test.alpha has to be more than 0 and at most 0.5",
        ),
        (
            {"max": None, "min": 1, "baseline": {"query": "x", "ratio": 2, "floor": 1}},
            "a baseline goes with max: it finds what is too high",
        ),
    ],
)
def test_bad_options_are_named(change: Json, says: str) -> None:
    with pytest.raises(OptionError) as caught:
        made({**ERRORS, **change})
    assert caught.value.message == f"metrics: core-api error rate: {says}"


def test_two_checks_cannot_have_the_same_name() -> None:
    with pytest.raises(OptionError, match=r"^metrics: core-api error rate stands in it twice$"):
        made(ERRORS, ERRORS)


@pytest.mark.parametrize(
    "change",
    [
        {"baseline": {"query": "x", "ratio": 1, "floor": 0.01}, "rank_test": {}},
        {"consecutive": 1},
        {"n_of_m": {"n": 2, "m": 2}},
        {"max": None, "min": 0.5, "min_failures": 0},
        {"on_missing": {"nan": "ignore"}},
    ],
)
def test_what_makes_sense_is_taken(change: Json) -> None:
    assert len(made({**ERRORS, **change})) == 1
    assert made() == []


def test_a_look_asks_every_query_for_the_same_instant() -> None:
    world = World({**ERRORS, **LATENCY, "age_query": "age"}, **{"p95[1m]": 0.2, "stable[1m]": 0.2, "age": 1.0})
    at = world.provider.tick()
    world.look()
    assert sorted(world.provider.asked) == [(query, at) for query in ("age", "count", "p95[1m]", "stable[1m]")]


def test_it_says_why_in_one_sentence() -> None:
    def share(now: float) -> float:
        return 6 / 33 if now >= 11 else 0.0

    world = World(ERRORS, **{"errors[5s]": share, "count": 33.0})
    good = world.look(11)[0]
    assert (good.status, good.good_s) == ("good", 10.0)
    assert good.sentence == "core-api error rate 0 ≤ 0.05 (window 5s, 33 requests, 11 samples)"
    bad = world.look()[0]
    assert (bad.status, bad.critical, bad.service) == ("bad", True, "core-api")
    assert bad.sentence == (
        "core-api error rate 0.182 > 0.05 (window 5s, 33 requests, 6 failures, 5 count, 12 samples)"
    )
    assert bad.outside_since == bad.seen_at == world.clock.monotonic() - 1
    assert (bad.evidence["last"][-1]["after_s"], len(bad.evidence["last"])) == (11.0, 10)


def test_a_warning_is_no_critical_check() -> None:
    world = World({"name": "memory", "query": "memory", "max": 0.9, "weight": "warning"}, memory=0.95)
    state = world.look()[0]
    assert (state.status, state.critical, state.service) == ("bad", False, "")


@pytest.mark.parametrize(
    ("change", "status", "needed"),
    [
        ({"for_s": 3}, "bad", 4),
        ({"consecutive": 3}, "bad", 3),
        ({"n_of_m": {"n": 2, "m": 5}}, "bad", 2),
        ({"max": 1, "min_samples": 4, "min_failures": 0}, "good", 4),
    ],
)
def test_the_form_of_the_proof_is_an_option(change: Json, status: str, needed: int) -> None:
    world = World({**ERRORS, **change}, **{"errors[5s]": 0.2})
    assert [world.look()[0].status == status for _ in range(needed)] == [False] * (needed - 1) + [True]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (NONE, "no_data"),
        (math.nan, "nan"),
        (Reading("many", detail="2 series"), "many"),
        (Reading("error", detail="away"), "error"),
    ],
)
@pytest.mark.parametrize(("policy", "status"), [(None, "blind"), ("fail", "lost"), ("ignore", "thin")])
def test_each_way_of_missing_has_its_policy(answer: t.Any, kind: str, policy: str | None, status: str) -> None:
    given = {**ERRORS, "on_missing": {kind: policy} if policy else None}
    state = World(given, **{"errors[5s]": answer}).look()[0]
    assert (state.status, state.counts[kind], sum(state.counts.values())) == (status, 1, 1)
    assert state.sentence.startswith("core-api error rate not visible (")


def test_a_stale_sample_is_none() -> None:
    state = World({**ERRORS, "age_query": "age", "on_missing": {"stale": "fail"}}, age=3.5).look()[0]
    assert (state.status, state.counts["stale"]) == ("lost", 1)


def test_the_stable_slot_at_the_same_moment() -> None:
    def value(now: float) -> float:
        return 0.42 if now >= 10 else 0.22

    world = World({**LATENCY, "rank_test": {"alpha": 0.05}}, **{"p95[1m]": value, "stable[1m]": 0.2})
    assert [world.look()[0].status for _ in range(5)] == ["thin"] * 4 + ["good"]
    world.look(5)
    state = world.look()[0]
    assert (state.status, state.evidence["baseline"]["pairs"]) == ("bad", 11)
    assert state.sentence == (
        "p95 latency 0.42 > 1.5 x baseline 0.2 (+0.22, floor 0.05, window 1m, 11 pairs, rank test from 20 pairs on)"
    )


def test_a_baseline_that_cannot_be_read_is_blindness_of_the_relative_part() -> None:
    away = {"p95[1m]": 0.2, "stable[1m]": NONE}
    alone = World(LATENCY, **away).look(6)[0]
    assert (alone.status, alone.counts["no_data"]) == ("blind", 6)
    assert World({**LATENCY, "on_missing": {"no_data": "fail"}}, **away).look()[0].status == "lost"
    limited = World({**LATENCY, "max": 0.5}, **away).look(6)[0]
    assert (limited.status, limited.counts["valid"]) == ("good", 6)
    assert World({**LATENCY, "max": 0.1}, **away).look()[0].status == "bad"


def test_the_order_of_checks_does_not_matter() -> None:
    def share(now: float) -> t.Any:
        return (0.0, 0.2, NONE, 0.2, 0.2, 0.0)[int(now) % 6]

    items = [{**ERRORS, "consecutive": 3}, LATENCY, {"name": "memory", "query": "memory", "min": 1.0, "for_s": 2.0}]
    answers = {"errors[5s]": share, "p95[1m]": 0.42, "stable[1m]": 0.2, "memory": share}
    seen = []
    for order in itertools.permutations(items):
        world = World(*order, **answers)
        seen.append([{state.name: state for state in world.look()} for _ in range(9)])
    assert all(states == seen[0] for states in seen)


def test_the_documentation_is_that_of_the_options() -> None:
    def compare(documented: Json, spec: t.Mapping[str, Json], path: str = "metrics") -> None:
        assert list(documented) == list(spec), path
        for name, option in spec.items():
            for field in ("type", "default", "choices", "required"):
                assert documented[name].get(field) == option.get(field), f"{path}.{name}.{field}"
            compare(documented[name].get("suboptions", {}), option.get("options", {}), f"{path}.{name}")

    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["metrics"]
    compare(documented["suboptions"], SPEC)
