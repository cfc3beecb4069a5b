# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's gate profiles: no check takes a stale answer, an absent one or another slot's for a good one."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.filter.gate_profile import FilterModule

Check = dict[str, t.Any]
NAMES: t.Final = ("critical", "warning", "order_book", "lab")
PROFILES: t.Final = {name: FilterModule().filters()["gate_profile"](name) for name in NAMES}
METRICS: t.Final = [
    pytest.param(metric, id=f"{name}: {metric['name']}") for name in NAMES for metric in PROFILES[name]["metrics"]
]
COUNTERS: t.Final = [pytest.param(counter, id=name) for name in NAMES for counter in PROFILES[name].get("counters", [])]
#: A selector of series, or a metric's name in front of it.
_SELECTOR: t.Final = re.compile(r"(\w+)(\{[^}]*\})")


def selectors_of(query: str) -> set[tuple[str, str]]:
    """Name and labels of everything a query reads. A histogram's parts are one metric."""
    return {(re.sub("_(bucket|count)$", "", name), labels) for name, labels in _SELECTOR.findall(query)}


def named(name: str, kind: str) -> dict[str, Check]:
    return {check["name"]: check for check in PROFILES[name][kind]}


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_says_how_old_what_it_reads_is(metric: Check) -> None:
    age = metric["age_query"]
    # timestamp() of anything but a selector is the time of the query: never old.
    asked = re.findall(r"timestamp\((.*?)\)", age)
    assert len(asked) == 1
    assert _SELECTOR.fullmatch(asked[0])
    assert selectors_of(age) <= selectors_of(metric["query"])
    assert age.startswith("time() - max(timestamp("), "the oldest series may be that of a pod that has ended"


@pytest.mark.parametrize("metric", METRICS)
def test_the_time_the_kubelet_needs_is_not_held_against_its_samples(metric: Check) -> None:
    assert metric["age_query"].endswith(" - 30") == ("container_" in metric["query"])


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_is_zero_only_because_it_is_not_there(metric: Check) -> None:
    """A zero needs a sign that its series could be there: answers with a code, or a pod that is scraped."""
    labels = 'namespace="$namespace",service="$service",slot="$slot"'
    signs = (f'sum(rate(http_requests_total{{{labels},code=~"[1-4].."}}[1m]))', f"count(up{{{labels}}} == 1)")
    assert "vector(" not in metric["query"]
    assert all(zero.startswith(signs) for zero in metric["query"].split("or 0 * ")[1:])


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_reads_the_new_slot_and_nothing_else(metric: Check) -> None:
    for key in ("query", "age_query", "min_samples_query"):
        for _name, labels in _SELECTOR.findall(metric.get(key, "")):
            assert 'namespace="$namespace"' in labels
            assert 'service="$service",slot="$slot"' in labels or 'pod=~"$service-$slot-.*"' in labels


@pytest.mark.parametrize("counter", COUNTERS)
def test_a_counter_reads_the_new_slot_and_nothing_else(counter: Check) -> None:
    assert counter["requests"].endswith('{namespace="$namespace",service="$service",slot="$slot"}')
    assert counter["failures"] == counter["requests"][:-1] + ',code=~"5.."}'


@pytest.mark.parametrize("name", ["critical", "lab"])
def test_a_baseline_is_the_same_question_to_the_stable_slot(name: str) -> None:
    metric = named(name, "metrics")["p95 latency"]
    asked, least = metric["baseline"]["query"].rsplit(" and ", 1)
    assert asked == metric["query"].replace("$slot", "$stable")
    # A few requests are no baseline, just as they are nothing to judge.
    assert least == f"{metric['min_samples_query'].replace('$slot', '$stable')} >= {metric['min_requests']}"


def test_the_lab_has_every_check_of_critical() -> None:
    critical, lab = PROFILES["critical"], PROFILES["lab"]
    kinds = ("metrics", "counters", "health")
    for kind in kinds:
        assert [check["name"] for check in lab.get(kind, [])] == [check["name"] for check in critical.get(kind, [])]
    for name, metric in named("critical", "metrics").items():
        shorter = named("lab", "metrics")[name]
        for option in ("max", "min"):
            assert shorter.get(option) == metric.get(option)
        assert ("baseline" in shorter) == ("baseline" in metric)
        assert shorter.get("baseline", {}).get("ratio") == metric.get("baseline", {}).get("ratio")
    assert (
        named("lab", "counters")["errors"]["healthy_below"] == named("critical", "counters")["errors"]["healthy_below"]
    )


def test_a_noisy_lab_fails_no_release() -> None:
    lab = named("lab", "metrics")
    # Everything lasts longer than the window that one burst stays in.
    assert {metric["for_s"] for metric in lab.values()} == {6}
    assert lab["p95 latency"]["baseline"]["floor"] >= 0.1
    # A pod that has never answered is starting.
    assert "[2m]) == 1" in lab["pods that answer"]["query"]
