# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the aliases of a model to what is wanted: read, decide, write step by step, read back.

A registry has no compare-and-swap. So everything is read again right before each write, under the lock of that moment,
and the next write is only sent when all of it is as the writes before have left it.
"""

from __future__ import annotations

import dataclasses
import typing as t
import uuid
from collections.abc import Callable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ReleaseError,
    asked_wait_s,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.pauses import Pauses
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_promotion import (
    Plan,
    Wanted,
    applied,
    plan,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    Aliases,
    Registered,
    Registry,
    Step,
    names_of,
)

#: Asked immediately before every write, and every second of a pause. The time of the monotonic clock after which
#: nothing may be sent, because the lock ends; infinite where there is none. What it raises ends the task.
Guard = Callable[[], float]
#: Called once before the first write, with what is about to be written. What it raises ends the task.
Announce = Callable[[Plan], None]

_PAUSE_S: t.Final = 0.2
_LONGEST_PAUSE_S: t.Final = 2.0
_SLICE_S: t.Final = 1.0


@dataclasses.dataclass(frozen=True)
class Job:
    """`end`: of the monotonic clock. With `check_mode` nothing is written, and neither `guard` nor `announce` is
    called."""

    registry: Registry
    model: str
    clock: Clock
    end: float
    guard: Guard
    check_mode: bool = False
    announce: Announce = lambda _planned: None


@dataclasses.dataclass(frozen=True)
class Done:
    """The aliases before and after. `changed`: whether anything was written, the end of an older entry included; in
    check mode, whether it would have been. `names`: what people call each version, by its number."""

    changed: bool
    before: Aliases
    after: Aliases
    names: Mapping[str, str]


def promote(job: Job, wanted: Wanted) -> Done:
    """Carry out what is wanted, and finish or take back what a killed run has left.

    Raises ReleaseError: those of `decide_promotion.plan` and of the registry, `conflict` when somebody else has written
    in between, `read_back` when right after the last write, and what the guard raises. `partial` has `changed`,
    `before`, `after` as far as it is known, and `names`.
    """
    found = job.registry.read(job.model, job.end)
    versions = job.registry.versions(job.model, job.end)
    planned = plan(found, versions, wanted, job.clock.now(), uuid.uuid4().hex[:12])
    names = names_of(versions)
    try:
        if not job.check_mode:
            _carry_out(job, found, planned)
        if planned.conflict:
            written = bool(planned.steps) and not job.check_mode
            raise _with_partial(_error(job, planned.conflict, "conflict"), written, planned, found)
    except ReleaseError as error:
        error.partial["names"] = names
        raise
    return Done(bool(planned.steps), planned.before, planned.after, names)


def _carry_out(job: Job, found: Registered, planned: Plan) -> None:
    written = False
    try:
        if planned.steps:
            _announce(job, planned)
        for step in planned.steps:
            then = applied(found, step)
            _write(job, step, found, then)
            found, written = then, True
        if written and _look(job, job.end) != found:
            problem = "everything was written, and somebody else has changed it at once; look who it was"
            raise _error(job, problem, "read_back")
    except ReleaseError as error:
        _with_partial(error, written or may_have_written(error), planned, found)
        raise


def _write(job: Job, step: Step, now: Registered, then: Registered) -> None:
    """Send one step until it is there. Each try looks first: the answer to the one before may only have been lost."""
    pauses, pause_s, lost = Pauses(_PAUSE_S, _LONGEST_PAUSE_S), 0.0, False
    while True:
        try:
            _rest(job, pause_s)
            until = min(job.end, job.guard())
        except ReleaseError as error:
            error.unsure = lost
            raise
        try:
            seen = _look(job, until)
            if lost and seen == then:
                return
            if seen != now:
                problem = "somebody else has changed it since it was read"
                raise _error(
                    job, f"{problem}; nothing more was written; look who it was, and run this again", "conflict"
                )
            job.registry.write(job.model, step, until)
            return
        except ReleaseError as error:
            lost = lost or may_have_written(error)
            pause_s = pauses.next(asked_wait_s(error))
            error.unsure = lost
            if not error.retriable or job.clock.monotonic() + pause_s >= job.end:
                raise


def _announce(job: Job, planned: Plan) -> None:
    try:
        job.announce(planned)
    except ReleaseError as error:
        # Nothing was sent to the registry yet.
        error.unsure = False
        raise


def _look(job: Job, end: float) -> Registered:
    try:
        return job.registry.read(job.model, end)
    except ReleaseError as error:
        # It wrote nothing, whatever became of it.
        error.unsure = False
        raise


def _rest(job: Job, pause_s: float) -> None:
    """A registry may ask for longer than the lock is renewed, so that is asked meanwhile."""
    until = job.clock.monotonic() + pause_s
    while (left_s := until - job.clock.monotonic()) > 0:
        job.clock.sleep(min(left_s, _SLICE_S))
        if left_s > _SLICE_S:
            job.guard()


def _error(job: Job, text: str, kind: str) -> ReleaseError:
    error = ReleaseError(f"{job.model}: {text}", kind=kind, system=job.registry.name)
    error.unsure = False
    return error


def _with_partial(error: ReleaseError, written: bool, planned: Plan, found: Registered) -> ReleaseError:
    """`found`: what there is after all steps that are known to be carried out."""
    error.partial = {"changed": written, "before": dict(planned.before), "after": dict(found.aliases)}
    return error
