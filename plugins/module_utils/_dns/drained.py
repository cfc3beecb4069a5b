# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until evacuated regions are drained, and count what is still connected there."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_dns_undo import FIELD, KIND
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_drained import (
    Rule,
    Sample,
    State,
    judge,
    limit_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import WeightedSet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.options import Observe
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.task import LINE_S, Task
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import Reading

#: Seconds between two looks. A scrape takes longer, but nobody knows when it comes.
_INTERVAL_S: t.Final = 1.0
#: How many values of the time before make the baseline.
_BASELINE_VALUES: t.Final = 30


def drained(task: Task) -> None:
    """Tell of each region how it ended. Raises ReleaseError when the deadline came first."""
    options, clock = task.options, task.clock
    observe = options.observe
    if observe is None:
        raise OptionError("observe", "needed for state drained")
    found = task.must_read()
    task.tell(found, found.weights, {})
    _must_be_out(task, found.weights)
    began = clock.monotonic()
    # From now on: the journal knows when the change was meant, and not when every server of the authority had it.
    rules = {
        region: Rule(_limit(task, observe, region, _since(task, region)), found.ttl, options.slack_s, began)
        for region in options.regions
    }
    task.safe_after(found.ttl, clock.now())
    samples: dict[str, list[Sample]] = {region: [] for region in options.regions}
    said: float | None = None
    asked: float | None = None
    while True:
        if task.in_release:
            # Renews the lease, and hears of a decision to undo.
            task.session.journal.guard()
        looks = _look(task, observe.queries)
        now = clock.monotonic()
        for region, reading in looks.items():
            samples[region].append(_sample(reading, now))
        blind = [region for region in options.regions if samples[region][-1].rate is None]
        if blind and (asked is None or now - asked >= LINE_S):
            asked = now
            dead = _dead(task, found, blind)
            rules = {region: dataclasses.replace(rule, dead=region in dead) for region, rule in rules.items()}
        states = {region: judge(samples[region], rules[region], now) for region in options.regions}
        over = all(state.ended for state in states.values()) or task.check_mode or now >= task.end
        if said is None or over or now - said >= LINE_S - _INTERVAL_S / 2:
            said = now
            for region, state in states.items():
                task.progress(f"{region}: {_line(state)}")
        if over:
            break
        clock.sleep(min(_INTERVAL_S, max(0.0, task.end - now)))
    _tell(task, observe, states, began)


def _must_be_out(task: Task, weights: Mapping[str, int]) -> None:
    unknown = sorted(set(task.options.regions) - set(weights))
    if unknown:
        raise OptionError("regions", f"the set has no record of {', '.join(unknown)}")
    still = [f"{region} {weights[region]}" for region in task.options.regions if weights[region] > 0]
    if still:
        raise OptionError("regions", f"still with a weight: {', '.join(still)}; evacuate them first")


def _dead(task: Task, found: WeightedSet, blind: list[str]) -> set[str]:
    """Which of the regions that nobody sees the provider finds unhealthy. The others are not asked for."""
    of_them = dataclasses.replace(found, members=tuple(one for one in found.members if one.region in blind))
    healthy = task.health(of_them)
    task.told["healthy"] |= healthy
    return {region for region in blind if healthy.get(region) is False}


def _since(task: Task, region: str) -> float:
    """When the region was to get weight 0, unix seconds: as the newest entry of the journal about it says. Now where
    there is none, or where that gave it weight: then somebody else has taken it out."""
    if task.in_release:
        for entry in reversed(task.session.journal.entries()):
            for change in entry.changes:
                mine = change.ref.kind == KIND and change.ref.name == task.options.name
                field = change.fields.get(f"{FIELD}{region}") if mine and entry.failed is None else None
                if field is not None:
                    return min(entry.at, task.clock.now()) if field["after"] == 0 else task.clock.now()
    return task.clock.now()


def _limit(task: Task, observe: Observe, region: str, since: float) -> float:
    """The rate that counts as drained, by what the region had before `since`."""
    query = observe.queries.get(region)
    values: list[float] = []
    if query is not None and task.metrics is not None:
        ahead = task.metrics.tick() - task.clock.now()
        step = max(1.0, observe.baseline_s / _BASELINE_VALUES)
        with _blamed(region):
            points = task.metrics.range(query, since + ahead - observe.baseline_s, since + ahead, step)
        values = [point.value for _at, point in points if point.kind == "value" and math.isfinite(point.value)]
    limit = limit_of(values, observe.below)
    if query is not None and not limit:
        task.warn(
            f"{region}: there is no rate in the {observe.baseline_s:g} s before its evacuation, so only 0 requests/s "
            "count as drained"
        )
    return limit


def _look(task: Task, queries: Mapping[str, str]) -> dict[str, Reading]:
    """One number for each region."""
    if task.metrics is None:
        return {region: Reading("error", detail="there is no metric provider") for region in task.options.regions}
    at = task.metrics.tick()
    found = {}
    for region in task.options.regions:
        if region not in queries:
            found[region] = Reading("no_data", detail="there is no query of it")
            continue
        with _blamed(region):
            found[region] = task.metrics.read(queries[region], at)
    return found


@contextlib.contextmanager
def _blamed(region: str) -> Iterator[None]:
    """A query that can never work is one of `observe`."""
    try:
        yield
    except OptionError as error:
        raise OptionError("observe", f"{region}: {error.message.removeprefix(f'{error.option}: ')}") from error


def _sample(reading: Reading, at: float) -> Sample:
    if reading.kind == "value" and math.isfinite(reading.value):
        return Sample(at, reading.value)
    return Sample(at, None, reading.detail or reading.kind)


def _line(state: State) -> str:
    return f"{'draining' if state.word == 'wait' else state.word}: {state.reason}"


def _tell(task: Task, observe: Observe, states: Mapping[str, State], began: float) -> None:
    waited_s = round(task.clock.monotonic() - began, 1)
    connections = _look(task, observe.connections) if observe.connections else {}
    for region, state in states.items():
        left = _count(connections.get(region))
        task.told["drained"][region] = {
            "observed": state.word == "observed",
            "word": state.word if state.ended else None,
            "rate": state.rate,
            "waited_s": waited_s,
            "connections": left,
        }
        if left:
            task.warn(
                f"{region}: {left} connections are still open; they never ask DNS again, so close them there "
                "(drain_trading)"
            )
        elif left is None and region in observe.connections:
            task.warn(f"{region}: the open connections were not seen: {connections[region].detail}")
        if state.word == "unobserved":
            task.warn(f"{region}: unobserved: {state.reason}")
    _judge_all(task, states, waited_s)


def _count(reading: Reading | None) -> int | None:
    if reading is None or reading.kind != "value" or not math.isfinite(reading.value):
        return None
    return max(0, math.ceil(reading.value))


def _judge_all(task: Task, states: Mapping[str, State], waited_s: float) -> None:
    """The verdict: data that say otherwise are a failure, no data are none."""
    told = _sentences({region: _line(state) for region, state in states.items()})
    if all(state.ended for state in states.values()):
        task.end_with("pass", f"{task.title}: {told}")
        return
    if task.check_mode:
        task.end_with("hold", f"{task.title}: check mode, looked once: {told}")
        return
    open_ones = {region: state for region, state in states.items() if not state.ended}
    verdict = "fail" if any(state.rate is not None for state in open_ones.values()) else "hold"
    problem = _sentences({region: state.reason for region, state in open_ones.items()})
    reason = (
        f"{task.title}: not drained after {waited_s:g} s (deadline_s): {problem}; leave the region running, and look "
        "which clients still come"
    )
    task.end_with(verdict, reason)
    raise ReleaseError(reason, kind="not_drained", system="dns", retriable=True)


def _sentences(told: Mapping[str, str]) -> str:
    return "; ".join(f"{region}: {sentence}" for region, sentence in told.items())
