# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a new revision: by compare-and-swap in the fleet's cluster, so that of many writers at once none is lost."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.bring import (
    Outcome,
    Tries,
    keep,
    read_set,
    replace,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import (
    changed,
    checked,
    next_state,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_merge import fit, highest, merged
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_room import no_room
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import (
    Read,
    content_sha,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.fence import Fence
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Held, JsonObject, State
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.task import Task

#: The option that brings definitions, by action; `flags` names those of the others.
_BY: t.Final = {"set": "definitions", "rollback": "revision", "apply": "wanted", "undo": "since", "reconcile": "stores"}


class Plan(t.Protocol):
    """What an action makes of the set: definitions by flag, None for one that goes."""

    def __call__(self, state: State, /) -> Mapping[str, JsonObject | None]: ...


@dataclasses.dataclass(frozen=True)
class Committed:
    """`outcome` is that of the fleet's store; None when there was nothing to commit, and it is a store like others.
    `unrecorded`: it was written, and the journal of the release did not take that. The other stores get it all the
    same: clients must not read one thing here and another there."""

    before: State
    after: State
    outcome: Outcome | None
    unrecorded: ReleaseError | None = None


def commit(task: Task, others: Sequence[Read], plan: Plan) -> Committed:
    """Write what `plan` makes of the set as the next revision. It is called again when somebody else was faster.

    Nothing is written when nothing differs, unless the content has no number of its own yet: it was found without a
    ledger, or somebody has edited a store that has a higher one. Raises ReleaseError when the fleet's store cannot be
    read or written.
    """
    store = task.fleet
    fence = Fence(task)
    sent: Committed | None = None
    tries = Tries(task)
    while True:
        try:
            held, read = read_set(task, store)
            if sent is not None and read.state is not None and _has(read.state, sent.after):
                return _recorded(fence, sent)
            before, after = _planned(task, [read, *others], plan)
            if after.record is None or after.revision == before.revision or task.check_mode:
                fence.not_written("somebody else has made the set so in between")
                tied = fence.tie_up(held) and fit(read, after).word == "same"
                return Committed(before, after, Outcome(store, read, read, True) if tied else None)
            found = fit(read, after)
            lost = (keep(store, held, found),) if found.kept else ()
            fence.before_write(after.record, held)
            sent = Committed(before, after, Outcome(store, read, Read(after), True, None, lost))
            _send(task, fence, held, read, after)
        except ReleaseError as error:
            if not tries.go_on(error, sent is not None):
                fence.given_up(error)
                raise
        else:
            return _recorded(fence, sent)


def _recorded(fence: Fence, sent: Committed) -> Committed:
    try:
        fence.written()
    except ReleaseError as error:
        return dataclasses.replace(sent, unrecorded=error)
    return sent


def _send(task: Task, fence: Fence, held: Held, read: Read, after: State) -> None:
    try:
        replace(task, task.fleet, held, read, after)
    except ReleaseError:
        fence.failed()
        raise


def _planned(task: Task, reads: Sequence[Read], plan: Plan) -> tuple[State, State]:
    """The set before and after; the same revision when there is nothing to write."""
    before = merged(reads)
    option = _BY.get(task.options.action, "flags")
    wanted = changed(before, plan(before))
    if task.options.action != "undo":
        # What was there before is no worse when it comes back.
        checked({name: flag for name, flag in wanted.items() if flag is not None}, option)
    top = highest(reads)
    unnumbered = before.record is None and bool(before.flags)
    if not wanted and not unnumbered and top == before.revision:
        return before, before
    after = next_state(before, wanted, task.options.action, task.stamp(), top, release=task.release)
    problem = no_room(before, after, task.options.name)
    if problem:
        raise OptionError(option, problem)
    return before, after


def _has(state: State, mine: State) -> bool:
    """Whether a revision of ours is what is there, or in its past, which it is when its answer was lost. Somebody else
    may have written the same content under that number."""
    if state.revision == mine.revision and (state.record and state.record.stamp) != (mine.record and mine.record.stamp):
        return False
    return state.past.get(mine.revision) == content_sha(mine.flags)
