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
    goes_on,
    keep,
    read_set,
    replace,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import (
    changed,
    checked,
    next_state,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_check import too_large
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_merge import fit, highest, merged
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import (
    Read,
    content_sha,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import JsonObject, State
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.task import Task


class Plan(t.Protocol):
    """What an action makes of the set: definitions by flag, None for one that goes."""

    def __call__(self, state: State, /) -> Mapping[str, JsonObject | None]: ...


@dataclasses.dataclass(frozen=True)
class Committed:
    """`outcome` is that of the fleet's store; None when there was nothing to commit, and it is a store like others."""

    before: State
    after: State
    outcome: Outcome | None


def commit(task: Task, others: Sequence[Read], plan: Plan) -> Committed:
    """Write what `plan` makes of the set as the next revision. It is called again when somebody else was faster.

    Nothing is written when nothing differs, unless the content has no number of its own yet: it was found without a
    ledger, or somebody has edited a store that has a higher one. Raises ReleaseError when the fleet's store cannot be
    read or written.
    """
    store = task.fleet
    sent: Committed | None = None
    for attempt in range(1_000_000):
        try:
            held, read = read_set(task, store)
            if sent is not None and read.state is not None and _has(read.state, sent.after):
                return sent
            before, after = _planned(task, [read, *others], plan)
            if after.revision == before.revision or task.check_mode:
                return Committed(before, after, None)
            found = fit(read, after)
            lost = (keep(store, held, found),) if found.kept else ()
            sent = Committed(before, after, Outcome(store, read, Read(after), True, None, lost))
            replace(task, store, held, read, after)
            return sent
        except ReleaseError as error:
            if not goes_on(task, error, attempt, sent is not None):
                raise
    raise AssertionError("a task has an end")


def _planned(task: Task, reads: Sequence[Read], plan: Plan) -> tuple[State, State]:
    """The set before and after; the same revision when there is nothing to write."""
    before = merged(reads)
    wanted = changed(before, plan(before))
    checked({name: flag for name, flag in wanted.items() if flag is not None})
    top = highest(reads)
    unnumbered = before.record is None and bool(before.flags)
    if not wanted and not unnumbered and top == before.revision:
        return before, before
    after = next_state(before, wanted, task.options.action, task.stamp(), top)
    problem = too_large(task.texts(after))
    if problem:
        raise OptionError("flags", problem)
    return before, after


def _has(state: State, mine: State) -> bool:
    """Whether a revision of ours is in the past of what is there, which it is when its answer was lost."""
    return state.past.get(mine.revision) == content_sha(mine.flags)
