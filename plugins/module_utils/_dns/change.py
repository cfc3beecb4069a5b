# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change a set: read, plan, ask the guards, read again, journal, write, read back, and prove it by real answers."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import decide_guards
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_dns_undo import steps_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_guards import Facts, Finding
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_weights import Plan
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import (
    Batch,
    JsonObject,
    WeightedSet,
    Written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.set_lock import set_lock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.task import Task, text_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.verify import verify
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.write import wait, wait_for_earlier, write

Health = Mapping[str, "bool | None"]
#: What a state makes of the set that is there.
MakePlan = Callable[[WeightedSet, Health], Plan]


def change(task: Task, make_plan: MakePlan, asked: JsonObject | None = None, *, back: bool = False) -> None:
    """Lead the set to what `make_plan` says, and tell it. Raises ReleaseError; nothing was written then, unless what
    was told says `changed`. `asked` goes into the journal, so that the same step finds out that it was done already."""
    lock = contextlib.nullcontext() if task.check_mode else set_lock(task.where, task.clock, task.end)
    with task.waiting("at work on the set"), lock:
        done = _locked(task, make_plan, asked, back)
    if task.check_mode:
        task.end_with("pass", f"{task.title}: check mode, nothing was written; {_told(task, done)}")
        return
    if _must_wait(task, done):
        task.safe_after(done.ttl, task.clock.now())
    with task.waiting("counting answers"):
        verify(task, done.found, done.after)
    task.end_with("pass", f"{task.title}: {_told(task, done)}")


@dataclasses.dataclass(frozen=True)
class _Done:
    """What was written. `found` is the set with its members as they are now, `after` its weights; `ttl` is the longer
    of the TTLs before and after; `written` is None when nothing was, or when the answer to the write was lost."""

    found: WeightedSet
    after: dict[str, int]
    ttl: int
    written: Written | None


def _must_wait(task: Task, done: _Done) -> bool:
    """Wait until every server of the authority has what this task has written, or the same release before it. False
    when neither wrote anything: then there is nothing that a resolver has to forget."""
    if task.told["changed"]:
        if done.written is not None and done.written.waits:
            task.progress(f"{task.title}: written as {done.written.change}, waiting for every server of the authority")
            with task.waiting("waiting for every server of the authority"):
                wait(task, done.written)
        return True
    entries = task.session.journal.entries()
    if not steps_of(entries, task.options.name, task.options.kind):
        return False
    # Killed after its write and run again: nobody knows when every server had it, so the TTL counts from now.
    with task.waiting("waiting for every server of the authority"):
        wait_for_earlier(task, entries, done.found)
    return True


def _locked(task: Task, make_plan: MakePlan, asked: JsonObject | None, back: bool) -> _Done:
    before = _found(task)
    healthy = task.health(before)
    plan = make_plan(before, healthy)
    _tell(task, before, plan, healthy)
    if not task.check_mode:
        task.session.journal.guard()
    if _is_so(before, plan):
        return _Done(before, plan.after, before.ttl, None)
    load, load_why = _load(task)
    now = _found(task)
    findings, plan = _judged(
        task, make_plan, Facts(task.options.state, before, now, plan.after, healthy, load, load_why), plan
    )
    _tell(task, now, plan, healthy)
    task.told["guards"] = [dataclasses.asdict(one) for one in findings]
    task.told["overridden"] = overridden = [one.guard for one in findings if one.overridden]
    refused = decide_guards.refusals(findings)
    if refused:
        raise ReleaseError(decide_guards.refusal_text(task.title, findings), kind="refused", system="guard")
    for guard in overridden:
        task.progress(f"{task.title}: guard {guard} is overridden")
    if _is_so(now, plan):
        return _Done(now, plan.after, now.ttl, None)
    if sum(plan.after.values()) <= 0:
        raise ReleaseError(f"{task.title}: weights with the sum 0 are never written", kind="refused", system="guard")
    too_large = {region: weight for region, weight in plan.after.items() if weight > task.provider.largest_weight}
    if too_large:
        raise OptionError(
            "weights", f"{text_of(too_large)}: {task.provider.name} takes at most {task.provider.largest_weight}"
        )
    batch = task.provider.batch(now, plan.after)
    _tell_batch(task, batch)
    if task.check_mode:
        task.told["changed"] = True
        task.safe_after(now.ttl, task.clock.now())
        return _Done(now, plan.after, now.ttl, None)
    written = write(task, batch, asked, overridden, back)
    task.progress(f"{task.title}: {text_of(now.weights)} -> {text_of(plan.after)}")
    found = task.must_read()
    if found.weights != plan.after:
        raise ReleaseError(
            f"{task.title}: was written as {text_of(plan.after)} and reads {text_of(found.weights)}; look who else "
            "writes it, and run this again",
            kind="read_back",
            system=task.provider.name,
            retriable=True,
        )
    return _Done(found, plan.after, max(now.ttl, found.ttl), written)


def _found(task: Task) -> WeightedSet:
    """The set that is there; for state absolute also the one that is to be made."""
    options = task.options
    if options.state != "absolute":
        return task.must_read()
    found = task.read()
    if found is not None:
        return found
    empty = [member.region for member in options.made.members if not member.targets]
    if empty or not options.made.members:
        missing = f"{', '.join(empty)}: targets are missing" if empty else "needed with the targets of every region"
        raise OptionError("members", f"{missing}: there is no weighted set {task.title} yet, so it has to be made")
    return options.made


def _is_so(found: WeightedSet, plan: Plan) -> bool:
    return found.raw is not None and found.weights == plan.after


def _judged(task: Task, make_plan: MakePlan, facts: Facts, plan: Plan) -> tuple[list[Finding], Plan]:
    """What the guards say. Where a set that changed meanwhile is overridden, what is there now is planned for."""
    findings = decide_guards.judge(facts, task.options.limits)
    changed = next(one for one in findings if one.guard == "changed")
    if not changed.overridden:
        return findings, plan
    plan = make_plan(facts.now, facts.healthy)
    again = decide_guards.judge(dataclasses.replace(facts, before=facts.now, after=plan.after), task.options.limits)
    return [changed if one.guard == "changed" else one for one in again], plan


def _load(task: Task) -> tuple[float | None, str]:
    """Requests per second of all regions, or why nobody knows; '' when it was not asked for."""
    if task.options.load is None or task.metrics is None:
        return None, ""
    reading = task.metrics.read(task.options.load, task.metrics.tick())
    if reading.kind == "value" and math.isfinite(reading.value) and reading.value >= 0:
        return reading.value, ""
    why = reading.detail or f"the query gave {reading.value:g}"
    if task.options.state == "evacuated":
        task.warn(f"{task.title}: nobody knows whether the other regions take the load: {why}")
    return None, why


def _tell(task: Task, before: WeightedSet, plan: Plan, healthy: Health) -> None:
    task.tell(before, plan.after, healthy)
    if plan.ramp is not None:
        task.told["ramp"] = dataclasses.asdict(plan.ramp)
    task.told["kept"] = list(plan.kept)
    task.told["diff"] = {"before": task.told["weights"]["before"], "after": plan.after}


def _tell_batch(task: Task, batch: Batch) -> None:
    task.told["batch"] = batch.content
    weights = task.told["weights"]
    task.told["diff"] = {
        "before": {"weights": weights["before"]},
        "after": {"weights": weights["after"], "batch": batch.content},
    }


def _told(task: Task, done: _Done) -> str:
    """The gist, for the reason of the result."""
    ramp = task.told["ramp"]
    step = f" ({ramp['step']} % of full)" if ramp else ""
    if not task.told["changed"]:
        return f"{text_of(done.after)}{step}, as it was already"
    shares = ", ".join(
        f"{region} {100 * share:.3g} %" for region, share in sorted(task.told["shares"]["after"].items())
    )
    return f"{text_of(done.after)}{step}, which is {shares}"
