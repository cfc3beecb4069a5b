# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one batch under the lock of the release, journaled before and after, look at what is answered, and wait until
it is everywhere."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t
from collections.abc import Callable, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    LockLost,
    ReleaseError,
    Undone,
    asked_wait_s,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import decide_write
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_dns_undo import (
    API_VERSION,
    FIELD,
    KIND,
    OPERATION,
    TAKEN_BACK,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import (
    Batch,
    Broken,
    JsonObject,
    WeightedSet,
    Written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.task import Task

Result = t.TypeVar("Result")
#: Journals why nothing is written.
Failed = Callable[[str], None]


def write(task: Task, batch: Batch, asked: JsonObject | None, overridden: Sequence[str], back: bool) -> Written | None:
    """Journal the intent, write, look at what is answered, journal the outcome. An entry without an outcome is what
    nobody knows the end of. None when the answer to the write was lost, the change is there, and there is no more time
    or no lock to ask the provider for another answer."""
    journal = task.session.journal
    changes = [_entry(task, batch, asked, overridden, back)]
    entry = journal.intend(task.options.step, changes)

    def failed(why: str) -> None:
        journal.outcome(entry, changes, why)

    written = _send(task, batch, failed)
    if written is not None:
        _look(task, batch, written, failed)
    task.told |= {"changed": True, "change_id": written.change if written is not None else None}
    journal.outcome(entry, _with_change(changes, written))
    return written


def _send(task: Task, batch: Batch, failed: Failed) -> Written | None:
    """In a release each try is made under the lock of that moment, and sends nothing after it. An answer that was lost
    is looked for in what is there then."""
    unsure, pause_s = False, 0.0
    while True:
        try:
            _rest(task, pause_s, task.session.journal.guard)
            fence = _fence(task, task.end)
        except ReleaseError as error:
            _tell_end(task, unsure)
            if not unsure and isinstance(error, Undone):
                # The lock is ours still, so it can be written down that nothing was done.
                with contextlib.suppress(ReleaseError):
                    failed(error.message)
            raise
        try:
            return task.provider.write(batch, task.end, fence, lost=unsure)
        except ReleaseError as error:
            unsure = unsure or may_have_written(error)
            pause_s = max(decide_write.PAUSE_S, asked_wait_s(error))
            there = _is_there(task, batch, unsure) if unsure else False
            word = decide_write.after_failure(
                error.kind,
                retriable=error.retriable,
                unsure=unsure,
                there=there,
                locked=task.in_release,
                left_s=task.end - task.clock.monotonic(),
                pause_s=pause_s,
            )
            if word == "written":
                return None
            if word == "failed":
                failed(error.message)
                raise _in_words(task, error) from error
            if word == "unknown":
                # The entry has no outcome, so that a way back looks.
                task.told["changed"] = True
                raise _with_doubt(task, error) from error
            found = "it is there all the same, and is gone on with" if there else "it is not there, and is sent again"
            task.progress(f"{task.title}: {error.message}; {found}")


def _look(task: Task, batch: Batch, written: Written, failed: Failed) -> None:
    """Until the provider says that what is answered is what was written. What is not is taken back. Raises
    ReleaseError."""
    try:
        in_slices(task, lambda end: task.provider.look(batch, written, end))
    except Broken as broken:
        _take_back(task, broken, failed)
    except ReleaseError:
        _tell_doubt(task, "it was written, and its answers were not looked at to the end")
        raise


def _take_back(task: Task, broken: Broken, failed: Failed) -> t.NoReturn:
    """Put back what stood there, each try under the lock of that moment. A decision to undo does not stop it: it is a
    way back itself. Raises ReleaseError, of kind `broken` where the lock was ours until the end."""
    task.progress(f"{task.title}: {broken.message}; taking it back")
    end, pause_s = decide_write.back_end(task.clock.monotonic(), task.end), 0.0
    while True:
        try:
            _rest(task, pause_s, functools.partial(task.session.journal.guard, undoing=True))
            fence = _fence(task, end, undoing=True)
        except ReleaseError:
            _tell_doubt(task, f"{broken.message}; what was there before was not put back")
            raise
        try:
            task.provider.write(broken.back, end, fence, lost=True)
        except ReleaseError as error:
            pause_s = max(decide_write.PAUSE_S, asked_wait_s(error))
            if error.kind in ("conflict", "read_back"):
                # A part of it may be ours, so the entry has no outcome.
                outcome = "somebody else has changed it meanwhile, so it was left"
            elif decide_write.goes_on(error.retriable, end - task.clock.monotonic(), pause_s):
                continue
            else:
                outcome = f"what was there before could not be put back: {error.message}; put it back by hand"
            task.told["changed"] = True
        else:
            outcome = "what was there before is there again"
            failed(f"{task.title}: {broken.message}; {outcome}")
        raise ReleaseError(
            f"{task.title}: {broken.message}; {outcome}", kind="broken", system=task.provider.name
        ) from broken


def wait(task: Task, written: Written) -> None:
    """Until every server of the authority has the change. Raises ReleaseError."""
    began = task.clock.monotonic()
    try:
        in_slices(task, lambda end: task.provider.wait(written, end))
    except ReleaseError as error:
        if (error.kind, error.system) != ("timeout", task.provider.name):
            raise
        raise ReleaseError(
            f"{task.title}: waited {task.clock.monotonic() - began:.0f} s of the {task.options.deadline_s:g} s "
            f"(deadline_s) of the task: {error.message}",
            kind=error.kind,
            system=error.system,
            retriable=error.retriable,
        ) from error


def wait_for_earlier(task: Task, entries: Sequence[Entry], found: WeightedSet) -> None:
    """A task that was killed while it waited for its change has left its id in the journal: wait for that."""
    options, provider = task.options, task.provider
    change = decide_write.change_that_made(entries, options.name, options.kind, provider.name, found.weights)
    if change is None:
        return
    task.progress(f"{task.title}: it was written as {change} before, waiting for every server of the authority")
    try:
        wait(task, Written(change, waits=True))
    except ReleaseError as error:
        if (error.kind, error.system) != ("not_found", provider.name):
            raise
        # Nothing to wait for, and nothing that a person could do.
        task.warn(f"{task.title}: nobody knows whether every server of the authority has it: {error.message}")


def in_slices(task: Task, ask: Callable[[float], Result]) -> Result:
    """What `ask` gives, which is told until when it may wait. In a release the lock is looked at and renewed before
    each slice, and an error that may pass ends the slice and not the task."""
    guard = task.session.journal.guard
    while True:
        if task.in_release:
            guard()
        try:
            return ask(_slice_end(task, task.end))
        except ReleaseError as error:
            pause_s = max(decide_write.PAUSE_S, asked_wait_s(error))
            left_s = task.end - task.clock.monotonic()
            if not task.in_release or not decide_write.goes_on(error.retriable, left_s, pause_s):
                raise
        _rest(task, pause_s, guard)


def _rest(task: Task, pause_s: float, guard: Callable[[], None]) -> None:
    """Wait before another try. A provider may ask for longer than the lock is renewed, so that is asked meanwhile."""
    until = task.clock.monotonic() + pause_s
    while (left_s := until - task.clock.monotonic()) > 0:
        task.clock.sleep(min(left_s, _slice_end(task, until) - task.clock.monotonic()))
        if task.in_release and task.clock.monotonic() < until:
            guard()


def _slice_end(task: Task, end: float) -> float:
    release = task.session.journal.release
    return decide_write.slice_end(task.clock.monotonic(), end, release.renew_s if release is not None else None)


def _fence(task: Task, end: float, *, undoing: bool = False) -> float:
    """After which instant nothing is sent, `end` at the latest. Raises what the lock says against writing at all."""
    if not task.in_release:
        # The intent has asked, and there is no lock that could end.
        return decide_write.write_end(end, None)
    task.session.journal.guard(undoing)
    return decide_write.write_end(end, task.session.kube.fence)


def _in_words(task: Task, error: ReleaseError) -> ReleaseError:
    """A provider that compares before it swaps is the guard `changed` at the last instant."""
    if error.kind != "conflict":
        return error
    return ReleaseError(
        f"{task.title}: refused by changed: somebody else wrote it between our read and our write ({error.message}). "
        "Nothing was written; run this again",
        kind="refused",
        system=error.system,
        retriable=True,
    )


def _with_doubt(task: Task, error: ReleaseError) -> ReleaseError:
    """An error that is sure of itself, after a try that nobody is sure of."""
    if may_have_written(error):
        return error
    return ReleaseError(
        f"{task.title}: a try before had no answer and may have been carried out; the last one says: {error.message}. "
        "Look at the set, and run this again",
        kind="unreachable",
        system=error.system,
        retriable=True,
    )


def _tell_end(task: Task, unsure: bool) -> None:
    """The lock, or a decision to undo, ends the tries."""
    task.told["changed"] = unsure
    if unsure:
        task.warn(f"{task.title}: a try before had no answer and may have been carried out; look at the set")


def _tell_doubt(task: Task, what: str) -> None:
    """It was written, and nobody looks or takes it back any more."""
    task.told["changed"] = True
    run = "run recover.yml unless the release is taken back already, and then" if task.in_release else "run"
    task.warn(
        f"{task.title}: {what}, so the record may be broken, and nothing more is sent; {run} dns_weight with state "
        "status, which counts answers"
    )


def _is_there(task: Task, batch: Batch, unsure: bool) -> bool | None:
    """Whether the set is what we meant to write; None when it cannot be read. Raises what ends the tries."""
    name, kind = task.options.name, task.options.kind
    try:
        found = in_slices(task, lambda end: task.provider.read(name, kind, end))
    except (LockLost, Undone):
        _tell_end(task, unsure)
        raise
    except ReleaseError:
        return None
    return found is not None and found.weights == dict(batch.after)


def _entry(task: Task, batch: Batch, asked: JsonObject | None, overridden: Sequence[str], back: bool) -> Change:
    """What the journal keeps: one field for each region whose weight changes."""
    is_there = batch.before.raw is not None
    old = batch.before.weights if is_there else {}
    fields: dict[str, dict[str, t.Any]] = {
        f"{FIELD}{region}": {"before": old.get(region), "after": weight}
        for region, weight in sorted(batch.after.items())
        if old.get(region) != weight
    }
    marks = {"asked": asked, "override": ", ".join(overridden), TAKEN_BACK: back}
    fields |= {name: {"before": None, "after": value} for name, value in marks.items() if value}
    ref = Ref(API_VERSION, KIND, task.options.name, task.session.namespace)
    about = {"name": task.options.name, "type": task.options.kind, "provider": task.provider.name}
    before = {**about, "weights": old, "ttls": dict(batch.before.ttls)}
    return Change(ref, OPERATION, fields, before, {**about, "weights": dict(batch.after)})


def _with_change(changes: Sequence[Change], written: Written | None) -> list[Change]:
    """With the id of what has to be waited for, so that another task can."""
    if written is None or not written.waits:
        return list(changes)
    mark = {decide_write.WRITTEN: {"before": None, "after": written.change}}
    return [dataclasses.replace(one, fields={**one.fields, **mark}) for one in changes]
