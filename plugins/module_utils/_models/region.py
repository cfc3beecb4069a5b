# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A region's part of a task: what the route of the model gives to its two versions."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.retry import keep_trying
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import decide_traffic
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_case import must_be_meant
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_rules import (
    MirrorRules,
    copies_these,
    losses,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_side_effects import (
    not_proved,
    side_effect_problems,
    split,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Deployed,
    Intent,
    Note,
    Promoted,
    RolledBack,
    Stepped,
    Traffic,
    Wanted,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model_route import (
    OPTION,
    Found,
    ModelRoute,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.restore import restored
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.side_effects import read_pods
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.task import Task
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import host_of

#: What a gateway has to accept a write, also after a try that began late.
_ACCEPT_LEAST_S: t.Final = 3.0


def change_route(task: Task) -> None:
    """Bring the route to what the state says, wait until the gateway has accepted it, and prove it where the task says
    how. Raises ReleaseError."""
    at = task.clock.now()
    if task.options.state == "rolled_back":
        # A way back has no pauses: users wait for it, and whoever asks for it tries again at once.
        found, wanted = _attempt(task, at)
    else:
        (found, wanted), _before = keep_trying(
            lambda: _attempt(task, at),
            task.session.journal.look_at_fleet,
            check_mode=task.check_mode,
            clock=task.clock,
            progress=task.progress,
        )
    if not task.check_mode:
        _prove(task, found, wanted.traffic)
    told = task.told
    changed = "" if told["changed"] else ", as it was already"
    would = "check mode, nothing was written; " if task.check_mode else ""
    task.end_with("pass", f"{task.title}: {would}{state_of(wanted.traffic, wanted.note)}{changed}")


def _attempt(task: Task, at: float) -> tuple[Found, Wanted]:
    """One try. What an earlier one has written is found, and is no change of this one."""
    route = _route(task)
    found = route.read()
    first = task.told["traffic"]["before"] is None
    before = (found.traffic.told(), told_note(found.note)) if first else _told_before(task)
    _tell(task, before, (found.traffic.told(), told_note(found.note)))
    wanted = _wanted(task, found, at)
    mirrored = _mirrored(task, found, wanted)
    back = task.options.state == "rolled_back"
    try:
        wrote = route.write(
            found, wanted.traffic, wanted.note, mirrored, task.options.step, check_mode=task.check_mode, back=back
        )
    except ReleaseError as error:
        if error.partial.get("changed"):
            task.told["changed"] = True
            _tell(task, before, (wanted.traffic.told(), told_note(wanted.note)))
        raise
    task.warn(*(f"{task.session.region}: {sentence}" for sentence in wrote.warnings))
    task.told["changed"] = task.told["changed"] or wrote.changed
    _tell(task, before, (wanted.traffic.told(), told_note(wanted.note)))
    if wrote.changed and not task.check_mode:
        task.progress(f"{task.options.model}: {found.traffic} -> {wanted.traffic}")
    return found, wanted


def _wanted(task: Task, found: Found, at: float) -> Wanted:
    """What the state makes of the route. Raises ReleaseError, kind `refused`, and OptionError."""
    options = task.options
    if options.state != "deployed" and found.note is not None:
        must_be_meant(options, found.note)
    wanted = decide_traffic.wanted(found.traffic, found.note, _intent(task, found, at))
    if wanted.problem:
        raise task.refused(wanted.problem)
    return wanted


def _intent(task: Task, found: Found, at: float) -> Intent:
    options, note = task.options, found.note
    if options.state == "deployed":
        return Deployed(
            options.version,
            options.champion or None,
            options.slot or "",
            options.strategy,
            options.weights,
            at,
            options.percent,
            options.header,
            options.strategy != "shadow" or copies_these(found.route, options.mirrored),
        )
    if options.state == "stepped":
        if note is not None and options.weight not in note.weights:
            steps = ", ".join(map(str, note.weights))
            raise OptionError("weight", f"is {options.weight}, and {note.challenger} was deployed with {steps}")
        return Stepped(at, note.weights.index(options.weight) if note and options.weight is not None else None)
    return Promoted(at) if options.state == "promoted" else RolledBack()


def _mirrored(task: Task, found: Found, wanted: Wanted) -> MirrorRules | None:
    """Which requests are copied: a new mirror begins only where no copy has side effects. Raises ReleaseError."""
    options, mirror = task.options, wanted.traffic.mirror
    if mirror is None:
        return None
    if options.state != "deployed":
        return found.mirrored
    pods = read_pods(task.session.kube, task.session.namespace, options.model, mirror.slot)
    refusing, overridden = split(side_effect_problems(pods), options.override)
    task.told["overridden"] = [one.check for one in overridden]
    if refusing:
        raise task.refused("; ".join(f"{one.check}: {one.text}" for one in refusing))
    task.warn(*(f"{task.title}: {one.check} is overridden: {one.text}" for one in overridden))
    if "egress" not in task.told["overridden"]:
        task.warn(f"{task.title}: {not_proved(None)}")
    if options.mirrored.strip:
        task.warn(f"{task.title}: {losses(options.mirrored)}")
    return options.mirrored


def _prove(task: Task, found: Found, traffic: Traffic) -> None:
    """Count answers through the gateway. Raises ReleaseError of kind `not_proved`."""
    probe = task.probe
    if probe is None:
        return
    counts, problem = probe.prove(host_of(found.route), traffic.weights, probe.deadline())
    task.told["answers"] = {slot: dataclasses.asdict(count) for slot, count in counts.items()}
    if problem:
        raise ReleaseError(
            f"{task.title}: {traffic} is not proved within {probe.timeout_s:g} s: {problem}",
            kind="not_proved",
            system="gateway",
            region=task.session.region,
            retriable=True,
        )


def take_back(task: Task) -> None:
    """Undo what a release did to the traffic of this model."""
    options = task.options
    try:
        done = restored(
            task.session, [options.model], step=options.step, check_mode=task.check_mode, progress=task.progress
        )
    except ReleaseError as error:
        _tell_back(task, error.partial)
        error.partial = {}
        raise
    _tell_back(task, dataclasses.asdict(done))
    what = "taken back" if done.changed else "this release did not change it, or it is taken back already"
    task.end_with("pass", f"{task.title}: {what}")


def _tell_back(task: Task, done: Mapping[str, t.Any]) -> None:
    task.told |= {"changed": bool(done.get("changed")), "kept": list(done.get("kept", ()))}
    both = done.get("routes", {}).get(task.options.model)
    if both is not None:
        task.told["traffic"] = dict(both)
        task.told["diff"] = dict(both)
    task.warn(*done.get("warnings", ()))


def look(task: Task) -> Found | None:
    """The route as it is, told; None where the region has none for this model."""
    try:
        found = _route(task).read()
    except OptionError as error:
        if error.option != OPTION:
            raise
        task.end_with("none", error.message)
        return None
    now = (found.traffic.told(), told_note(found.note))
    _tell(task, now, now)
    task.end_with("pass" if found.note else "none", f"{task.title}: {state_of(found.traffic, found.note)}")
    return found


def _route(task: Task) -> ModelRoute:
    return ModelRoute(
        task.session, task.options.model, accept_s=max(_ACCEPT_LEAST_S, task.end - task.clock.monotonic())
    )


def _tell(
    task: Task, before: tuple[JsonObject, JsonObject | None], after: tuple[JsonObject, JsonObject | None]
) -> None:
    both = {"before": before, "after": after}
    task.told |= {
        "traffic": {side: traffic for side, (traffic, _note) in both.items()},
        "note": after[1],
        "diff": {side: {"traffic": traffic, "note": note} for side, (traffic, note) in both.items()},
    }


def _told_before(task: Task) -> tuple[JsonObject, JsonObject | None]:
    first = task.told["diff"]["before"]
    return first["traffic"], first["note"]


def told_note(note: Note | None) -> JsonObject | None:
    """What is noted on the route, as JSON has it."""
    return None if note is None else t.cast("JsonObject", json.loads(note.to_text()))


def state_of(traffic: Traffic, note: Note | None) -> str:
    """Traffic and note for people."""
    if note is None:
        return f"{traffic}, no challenger"
    if note.promoted:
        before = f", before it {note.champion}" if note.champion else ""
        return f"{traffic}, {note.challenger} in {note.slot} is the champion since {clock_time(note.since)}{before}"
    beside = f" beside {note.champion}" if note.champion else ""
    step = f"{note.strategy}, step {note.step + 1} of {len(note.weights)} since {clock_time(note.since)}"
    return f"{traffic}, {note.challenger} in {note.slot}{beside} ({step})"
