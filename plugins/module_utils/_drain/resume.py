# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to trading: verify, then cancel_only, post_only and online, each for as long as clients were told."""

from __future__ import annotations

import contextlib

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import LockLost, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_drain, decide_proof
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import ControlError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.decide_drain import Seen
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.steps import Step
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.task import Task


def resume(task: Task, seen: Seen) -> None:
    """All steps that are left. A failure leaves the engine in the mode that it has, which is the safe one."""
    now = seen.engine.mode
    try:
        for name in decide_drain.resume_steps(seen):
            with task.steps.step(name) as step:
                if name == "verify":
                    verify(task, step)
                elif name == "ready":
                    _ready(task, step)
                elif name == "withdraw":
                    task.found.changed = True
                    task.withdraw()
                else:
                    if now != name:
                        # The timers of clients go on only when they can trade again.
                        task.set_mode(name, now, pause_timers=name != "online", undoing=True)
                        now = name
                    task.steps.rest(task.options.resume_s.get(f"{name}_s", 0.0), name)
    except ReleaseError as error:
        if not isinstance(error, LockLost):
            with contextlib.suppress(ControlError):
                now = task.engine_status(task.engine).mode
        error.message += f"; {seen.engine.name} stays {now}"
        raise


def verify(task: Task, step: Step) -> None:
    """That the book is what it was, as far as a proof was handed on (`expected`); and that it adds up by itself.

    Only a failure stops here: an engine that has no proof to give would otherwise never come back.
    """
    if not task.engine.offers("proof"):
        step.outcome = "the engine gives no proofs"
        return
    limit_s = task.options.step_s["prove"]
    ask = {"timeout_s": limit_s, "within_s": limit_s, "sequence": None}
    live = task.proof_of(task.steps.long(lambda: task.engine.ask("proof", **ask), "verify"))
    expected = task.options.expected
    task.found.proofs = {"before": expected, "after": live}
    task.found.invariants = decide_proof.sound(live) if expected is None else decide_proof.resumed(expected, live)
    missing = [number for number in decide_proof.NAMES if number not in {one.id for one in task.found.invariants}]
    task.found.verdict, task.found.reason = decide_proof.overall(task.found.invariants, (*missing,))
    if task.found.verdict == "fail":
        raise task.failed(f"the book is not what it was: {task.found.reason}", "not_proved", retriable=False)
    if task.found.verdict == "unknown":
        task.found.warnings.append(f"not everything could be verified: {task.found.reason}")
    step.outcome = task.found.verdict


def finish(task: Task, seen: Seen, *, check_mode: bool) -> None:
    """The end of the warm standby: the leader may write its own format, and the old engine cannot read it any more."""
    engine = seen.engine
    if not engine.leads:
        raise task.failed(f"{engine.name} is {engine.role} and does not lead; name the engine that does", "refused")
    if engine.format_writes is None or engine.format_reads is None or engine.format_writes >= max(engine.format_reads):
        return
    task.found.changed = True
    if check_mode:
        task.steps.plan(("finish",))
        return
    fields = {"format": {"before": engine.format_writes, "after": max(engine.format_reads)}}
    with task.steps.step("finish") as step, task.written(engine.name, fields):
        task.engine.ask("finish")
        step.outcome = f"{engine.name} may write format {max(engine.format_reads)}"


def _ready(task: Task, step: Step) -> None:
    if not task.gateways.offer("ready"):
        step.outcome = "not offered"
        return
    task.found.changed = True
    task.gateways.ask(lambda gateway: gateway.ask("ready", ready=True))
