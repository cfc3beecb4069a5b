# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dns_weight: the weights of a set of records, one for each region: change them, prove them, drain, take back."""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import open_session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import decide_weights, providers
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.change import change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_dns_undo import (
    KIND,
    Step,
    steps_of,
    taken_out_by_others,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_weights import Plan
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.drained import drained
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import JsonObject, WeightedSet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.options import (
    ARGUMENT_SPEC,
    Options,
    options_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.resolver import Resolver
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.restore import restore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.task import EMPTY_RESULT, Task, text_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.verify import verify
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import providers as metrics
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.refusals import named

__all__ = ["ARGUMENT_SPEC", "EMPTY_RESULT", "run"]

#: The states that ask the fleet's cluster. The others need it only as part of a release.
_WRITING: t.Final = ("absolute", "shifted", "evacuated", "ramped", "restored")


def run(params: Mapping[str, t.Any], *, check_mode: bool, diff: bool, clock: Clock, progress: Progress) -> JsonObject:  # noqa: ARG001 - the same signature for every area
    """One task. The weights and the batch are short enough to be in every result, with or without --diff."""
    task = _task(params, options_of(params), check_mode=check_mode, clock=clock, progress=progress)
    try:
        with named(params):
            _act(task)
    except ReleaseError as error:
        if not task.told["changed"]:
            # What was planned is not what is there.
            for key in ("weights", "shares"):
                task.told[key] = {"before": task.told[key]["before"], "after": task.told[key]["before"]}
            task.told["ramp"] = None
            task.told["diff"] = {"before": None, "after": None}
        verdict = task.told["verdict"] if task.told["verdict"] != "none" else "fail"
        error.partial = {**task.told, "verdict": verdict, "reason": error.message, **error.partial}
        raise
    return task.told


def _task(params: Mapping[str, t.Any], options: Options, *, check_mode: bool, clock: Clock, progress: Progress) -> Task:
    authority = providers.authority_of(params)
    name = params["provider"]
    return Task(
        options,
        providers.provider_of(params, clock),
        clock,
        progress,
        clock.monotonic() + options.deadline_s,
        check_mode,
        f"{name} {providers.zone_of(params)} {options.name} {options.kind}",
        Resolver(authority, clock, f"{name}.authority") if authority and options.queries else None,
        [Resolver(address, clock, "verify.resolvers") for address in options.resolvers],
        metrics.connect(params, clock) if metrics.chosen(params) else None,
        open_session(params, clock=clock, check_mode=check_mode, undoing=options.state == "restored")
        if options.state in _WRITING or params.get("release")
        else None,
    )


def _act(task: Task) -> None:
    state = task.options.state
    if state == "status":
        _status(task)
    elif state == "drained":
        drained(task)
    elif state == "restored":
        restore(task)
    elif state == "shifted":
        _shift(task)
    elif state == "ramped":
        _ramp(task)
    else:
        change(task, functools.partial(_plan, task.options))


def _plan(options: Options, found: WeightedSet, _healthy: Mapping[str, bool | None]) -> Plan:
    """What the states without a memory lead to."""
    live = found.weights
    if options.full and found.raw is not None:
        _must_name_all(options, live)
    if options.state == "absolute":
        return decide_weights.absolute(live, options.weights)
    return decide_weights.evacuated(live, options.regions)


def _ramp(task: Task) -> None:
    """A release brings back the regions that it took out itself: an evacuation by somebody else wins."""
    options = task.options
    release = task.session.journal.release
    steps: list[Step] | None = None
    if release is not None and release.kind == "deploy":
        steps = steps_of(task.session.journal.entries(), options.name, options.kind)

    def plan(found: WeightedSet, _healthy: Mapping[str, bool | None]) -> Plan:
        _must_name_all(options, found.weights)
        out = taken_out_by_others(steps, found.weights, options.regions) if steps is not None else []
        if out:
            was, stays = ("was", "it stays") if len(out) == 1 else ("were", "they stay")
            raise ReleaseError(
                f"{task.title}: {', '.join(out)} {was} evacuated by somebody else; {stays} at 0",
                kind="refused",
                system="guard",
            )
        return decide_weights.ramped(found.weights, options.regions, options.full, options.steps)

    change(task, plan)


def _must_name_all(options: Options, live: Mapping[str, int]) -> None:
    """`full` is how the environment is when all is well, so it has to be about this set."""
    if set(options.full) != set(live):
        raise OptionError(
            "full",
            f"names {', '.join(sorted(options.full))}, and the set {options.name} has {', '.join(sorted(live))}; name "
            "every region of the set",
        )


def _shift(task: Task) -> None:
    """A shift is relative, so the same step of a release must not shift again what it has shifted: its journal says
    where it had led to."""
    wanted = task.options.shift
    if wanted is None:
        raise OptionError("shift", "needed for state shifted")
    asked = {"step": task.options.step, "from": wanted.source, "to": wanted.target, "points": wanted.points}
    done: Change | None = None
    if task.in_release and task.options.step:
        for entry in task.session.journal.entries():
            for one in entry.changes:
                mine = one.ref.kind == KIND and one.ref.name == task.options.name
                if mine and entry.failed is None and (one.fields.get("asked") or {}).get("after") == asked:
                    done = one

    def plan(found: WeightedSet, _healthy: Mapping[str, bool | None]) -> Plan:
        if done is not None:
            was, goal = (dict((side or {})["weights"]) for side in (done.before, done.after))
            if found.weights not in (was, goal):
                raise ReleaseError(
                    f"{task.title}: this step has shifted it to {text_of(goal)} already, and somebody else has made it "
                    f"{text_of(found.weights)} since; nothing was written. Look at the set, and use another step",
                    kind="refused",
                    system="guard",
                )
            return Plan(goal)
        return decide_weights.shifted(found.weights, wanted.source, wanted.target, wanted.points)

    change(task, plan, asked)


def _status(task: Task) -> None:
    """What is there now. Answers that do not fit are told, and are no failure of the task."""
    found = task.read()
    if found is None:
        task.end_with("none", f"there is no weighted set {task.title}")
        return
    task.tell(found, found.weights, task.health(found))
    if task.options.queries or task.resolvers:
        try:
            verify(task, found, found.weights)
        except ReleaseError as error:
            if error.kind != "not_proved":
                raise
            task.end_with("fail", error.message)
            return
    task.end_with("pass", f"{task.title}: {text_of(found.weights)}")
