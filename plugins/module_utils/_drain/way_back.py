# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take back what a release handed over: a handover in reverse, with the same proof, out of the release's journal.

Whoever was killed in it is run again: what leads now says what is left, and nothing else is remembered.
"""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LeaseEnding,
    OptionError,
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session, open_session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_drain
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import ControlError, Exchange
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.handover import hand_over
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.intent import (
    Back,
    Handover,
    Sight,
    decide_back,
    handovers,
    why_stuck,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.options import need_cluster, options_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.pods import pods_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.steps import Steps
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.task import EMPTY_RESULT, JsonObject, Task

#: Beyond the deadline of a cut that is pending: the engines' clocks are not ours, and a pod takes its time to start.
_AFTER_DEADLINE_S: t.Final = 10.0
#: How long an engine is asked at one look.
_LOOK_S: t.Final = 2.0


def take_back(params: Mapping[str, t.Any], *, clock: Clock, progress: Progress, check_mode: bool) -> JsonObject:
    """All exchanges that the release handed over, the last one first. One that cannot be handed back does not keep the
    others from it. Raises ReleaseError with what is known."""
    if not params["release"]:
        raise OptionError("release", "needed for state restored: its journal says what was handed over")
    need_cluster(params, "release")
    session = open_session(params, clock=clock, check_mode=check_mode, undoing=True)
    session.journal.guard()
    results: list[JsonObject] = []
    failed: list[ReleaseError] = []
    for handover in handovers(session.journal.entries()):
        try:
            results.append(_one(handover, params, session, clock, progress, check_mode=check_mode))
        except ReleaseError as error:
            failed.append(error)
            results.append(error.partial)
    if failed:
        failed[0].message = "; ".join(error.message for error in failed)
        failed[0].retriable = any(error.retriable for error in failed)
        failed[0].partial = _merged(results)
        raise failed[0]
    return _merged(results)


def _merged(results: Sequence[JsonObject]) -> JsonObject:
    """One result: what was done and has to be known of all, and the rest of the first that was handed back."""
    if not results:
        nothing: JsonObject = {"changed": False, "diff": EMPTY_RESULT["state"]}
        return {**EMPTY_RESULT, **nothing, "reason": "this release has handed nothing over"}
    told = next((one for one in results if one.get("changed")), results[0])
    return {
        **told,
        "changed": any(one.get("changed") for one in results),
        "steps": [step for one in results for step in one.get("steps", [])],
        "warnings": [sentence for one in results for sentence in one.get("warnings", [])],
        "reason": "; ".join(one["reason"] for one in results if one.get("reason")),
    }


def _one(
    handover: Handover,
    params: Mapping[str, t.Any],
    session: Session,
    clock: Clock,
    progress: Progress,
    *,
    check_mode: bool,
) -> JsonObject:
    """One exchange. The task's engine is the one that leads since the release, and its new one is who led before."""

    def guard() -> None:
        # A cluster that is away keeps nobody from trading.
        with contextlib.suppress(ApiError, LeaseEnding):
            session.journal.guard()

    steps = Steps(clock, progress, guard)
    back = handover.back(params)
    task = Task(
        options_of(back),
        back,
        region=session.region,
        journal=session.journal,
        steps=steps,
        clock=clock,
        pods=pods_of(session, clock),
        undoing=True,
    )
    try:
        _hand_back(task, handover, check_mode=check_mode)
    except ReleaseError as error:
        if task.found.changed:
            with contextlib.suppress(ReleaseError):
                task.found.after = task.look()
        error.partial = task.result()
        raise
    return task.result()


def _hand_back(task: Task, handover: Handover, *, check_mode: bool) -> None:
    found = _settled(task, handover, check_mode=check_mode)
    if found != "hand_back":
        return
    seen = task.found.before = task.look()
    wanted = task.options.wanted
    problems = decide_drain.preconditions(wanted, seen)
    if problems:
        raise task.failed(
            f"{'; '.join(problems)}; {seen.engine.name} goes on trading, and is not handed back to {handover.led}",
            "precondition",
            retriable=False,
        )
    if check_mode:
        task.found.changed = True
        task.steps.plan(decide_drain.next_steps(wanted, seen))
        return
    task.until(task.clock.monotonic() + task.options.deadline_s)
    hand_over(task, seen)
    task.until(None)
    task.found.after = task.look()
    task.found.reason = f"handed back to {handover.led}: {task.found.reason}"


def _settled(task: Task, handover: Handover, *, check_mode: bool) -> Back:
    """What is to be done when no cut is pending any more. Raises ReleaseError when nothing can be done."""
    led = other = Sight("", None)
    decided: Back = "wait"

    def look() -> str | None:
        nonlocal led, other, decided
        if task.new is None:
            raise AssertionError("a handover has a second engine")
        led, other = _sight(task, task.new, handover.led), _sight(task, task.engine, handover.other)
        decided = decide_back(led, other)
        return f"{led.told} and {other.told}" if decided == "wait" else None

    if check_mode:
        waits = look()
        if waits is not None:
            task.steps.plan(("return",))
            task.found.reason = f"{waits}, which would be waited for"
    else:
        _wait(task, look)
    # Who led before may be seen alone: the other one need not be there any more.
    known = led.engine or other.engine
    if known is not None:
        second = other.engine if known is led.engine else None
        task.found.before = decide_drain.Seen(known, second, (), int(1000 * task.clock.now()))
    if decided == "nothing":
        epoch = led.engine.epoch if led.engine is not None else handover.epoch
        task.found.reason = f"{led.name} leads in epoch {epoch}, as before the release"
    elif decided == "stuck" or (decided == "wait" and not check_mode):
        raise task.failed(why_stuck(led, other), "stuck", retriable=False)
    return decided


def _wait(task: Task, look: t.Callable[[], str | None]) -> None:
    """A pending cut ends by itself; it is a step only where there is something to wait for."""
    if look() is None:
        return
    with task.steps.step("return") as step:
        left = task.steps.wait_for(look, task.options.cut_deadline_s + _AFTER_DEADLINE_S, "return")
        step.outcome = left or "somebody leads again"


def _sight(task: Task, engine: Exchange, name: str) -> Sight:
    """One look. An engine that does not answer may be the reason for the way back."""
    try:
        return Sight(name, task.engine_status(engine, within_s=_LOOK_S))
    except ControlError as error:
        if not error.retriable:
            raise
        return Sight(name, None, error.message.partition(": ")[2])
