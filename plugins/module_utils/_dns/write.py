# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one batch under the lock of the release, journaled before and after, and wait until it is everywhere."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t
from collections.abc import Callable, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    LockLost,
    ReleaseError,
    Undone,
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
    JsonObject,
    WeightedSet,
    Written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.task import Task

Result = t.TypeVar("Result")


def write(task: Task, batch: Batch, asked: JsonObject | None, overridden: Sequence[str], back: bool) -> Written | None:
    """Journal the intent, write, journal the outcome. An answer that was lost is looked for in what is there then; an
    entry without an outcome is what nobody knows the end of. None when the answer was lost, the change is there, and
    there is no more time or no lock to ask the provider for another answer.

    In a release each try is made under the lock of that moment, and sends nothing after it.
    """
    journal = task.session.journal
    changes = [_entry(task, batch, asked, overridden, back)]
    entry = journal.intend(task.options.step, changes)
    unsure = False
    while True:
        try:
            fence = _fence(task)
        except ReleaseError as error:
            _tell_end(task, unsure)
            if not unsure and isinstance(error, Undone):
                # The lock is ours still, so it can be written down that nothing was done.
                with contextlib.suppress(ReleaseError):
                    journal.outcome(entry, changes, error.message)
            raise
        try:
            written: Written | None = task.provider.write(batch, task.end, fence, lost=unsure)
            break
        except ReleaseError as error:
            unsure = unsure or may_have_written(error)
            there = _is_there(task, batch, unsure) if unsure or error.kind == "broken" else False
            word = decide_write.after_failure(
                error.kind,
                retriable=error.retriable,
                unsure=unsure,
                there=there,
                locked=task.in_release,
                left_s=task.end - task.clock.monotonic(),
            )
            if word == "written":
                written = None
                break
            if word == "failed":
                journal.outcome(entry, changes, error.message)
                raise _in_words(task, error) from error
            if word == "unknown":
                # The entry has no outcome, so that a way back looks.
                task.told["changed"] = True
                raise _with_doubt(task, error) from error
            found = "it is there all the same, and is gone on with" if there else "it is not there, and is sent again"
            task.progress(f"{task.title}: {error.message}; {found}")
        task.clock.sleep(decide_write.PAUSE_S)
    task.told |= {"changed": True, "change_id": written.change if written is not None else None}
    journal.outcome(entry, _with_change(changes, written))
    return written


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
    release = task.session.journal.release
    while True:
        if release is not None:
            task.session.journal.guard()
        renew_s = release.renew_s if release is not None else None
        try:
            return ask(decide_write.slice_end(task.clock.monotonic(), task.end, renew_s))
        except ReleaseError as error:
            left_s = task.end - task.clock.monotonic()
            if release is None or not decide_write.goes_on(error.retriable, left_s):
                raise
        task.clock.sleep(decide_write.PAUSE_S)


def _fence(task: Task) -> float:
    """After which instant nothing is sent. Raises what the lock says against writing at all."""
    if not task.in_release:
        # The intent has asked, and there is no lock that could end.
        return decide_write.write_end(task.end, None)
    task.session.journal.guard()
    return decide_write.write_end(task.end, task.session.kube.fence)


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
    if may_have_written(error) or error.kind == "broken":
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
