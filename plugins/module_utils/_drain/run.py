# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""drain_trading: stop an exchange and prove its book, hand it over to a new engine, and let it trade again."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session, open_session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_drain, decide_proof
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.full import drain_full
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.handover import hand_over
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.options import (
    ARGUMENT_SPEC,
    Options,
    check_budget,
    options_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.pods import pods_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.resume import finish, resume
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.rights import permitted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.steps import Steps
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.task import EMPTY_RESULT, JsonObject, Task
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.way_back import take_back

__all__ = ["ARGUMENT_SPEC", "EMPTY_RESULT", "run"]

#: Of a pod that does not say it.
_DEFAULT_GRACE_S: t.Final = 30.0


def run(params: Mapping[str, t.Any], *, check_mode: bool, diff: bool, clock: Clock, progress: Progress) -> JsonObject:  # noqa: ARG001 - the same signature for every area
    """One task. What is known is in the result of a failure as well."""
    if params["state"] == "restored":
        return take_back(params, clock=clock, progress=progress, check_mode=check_mode)
    options = options_of(params)
    session = _session(params, clock, check_mode)
    if options.state == "permitted":
        return permitted(options, session)
    journal = session.journal if session is not None else None
    grace_s = _grace_s(session, params["workload"])
    total_s = check_budget(options, grace_s).total_s if options.state == "drained" else 0.0
    region = str(params["region"] or params["context"] or "exchange")

    def guard() -> None:
        if journal is not None:
            journal.guard()

    steps = Steps(clock, progress, guard)
    pods = pods_of(session, clock) if session is not None else None
    task = Task(options, params, region=region, journal=journal, steps=steps, clock=clock, pods=pods)
    if options.state != "status":
        guard()
    try:
        seen = task.found.before = task.look()
        if options.state == "drained":
            _drain(task, seen, total_s, check_mode)
        elif options.state == "online":
            _online(task, check_mode)
        elif options.state == "finished":
            finish(task, seen, check_mode=check_mode)
        else:
            _status(task)
        if task.found.changed and not check_mode:
            task.found.after = task.look()
    except ReleaseError as error:
        if task.found.changed:
            with contextlib.suppress(ReleaseError):
                task.found.after = task.look()
        error.partial = task.result()
        raise
    return task.result()


def _session(params: Mapping[str, t.Any], clock: Clock, check_mode: bool) -> Session | None:
    """The cluster, where one is named: for the journal, and to refuse in the middle of somebody's release."""
    if not (params["context"] and params["namespace"]):
        return None
    # To trade again is the way back; a decision to undo must not keep it.
    return open_session(params, clock=clock, check_mode=check_mode, undoing=params["state"] == "online")


def _grace_s(session: Session | None, workload: Mapping[str, t.Any] | None) -> float | None:
    """What the engine's pod has to end, in seconds; None where no workload is named."""
    if session is None or not workload:
        return None
    found = session.kube.get(Ref("apps/v1", workload["kind"], workload["name"], session.namespace))
    if found is None:
        raise OptionError("workload", f"{workload['kind']} {workload['name']} does not exist", region=session.region)
    return float(found["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_S))


def _drain(task: Task, seen: decide_drain.Seen, total_s: float, check_mode: bool) -> None:
    options: Options = task.options
    names = decide_drain.next_steps(options.wanted, seen)
    if not names:
        task.found.reason = "nothing is left to do"
        return
    left = decide_drain.left_behind(options.wanted, seen)
    if left is not None:
        task.found.warnings.append(left)
    problems = decide_drain.preconditions(options.wanted, seen)
    if problems:
        raise task.failed("; ".join(problems), "precondition", retriable=False)
    if check_mode:
        task.found.changed = True
        task.steps.plan(names)
    else:
        task.until(task.clock.monotonic() + options.deadline_s)
        if options.wanted.way == "handover":
            hand_over(task, seen)
        else:
            drain_full(task, seen, total_s)
        task.until(None)


def _online(task: Task, check_mode: bool) -> None:
    seen = t.cast("decide_drain.Seen", task.found.before)
    names = decide_drain.resume_steps(seen)
    if not seen.engine.leads:
        raise task.failed(f"{seen.engine.name} is {seen.engine.role} and does not lead, so it cannot trade", "refused")
    if check_mode:
        task.found.changed = bool(names)
        task.steps.plan(names)
    else:
        resume(task, seen)


def _status(task: Task) -> None:
    """Everything, and changes nothing."""
    task.found.unsettled = task.settlements() or []
    if not task.engine.offers("proof"):
        return
    limit_s = task.options.step_s["prove"]
    ask = {"timeout_s": limit_s, "within_s": limit_s, "sequence": None}
    proof = task.proof_of(task.steps.long(lambda: task.engine.ask("proof", **ask), "proof"))
    task.found.proofs["before"] = task.found.proofs["after"] = proof
    task.found.invariants = decide_proof.sound(proof)
    others = [number for number in decide_proof.NAMES if number not in ("I5", "I6")]
    task.found.verdict, task.found.reason = decide_proof.overall(task.found.invariants, others)
