# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill and restore. A kill asks nobody before it writes: each store gets it by itself, the fastest first."""

from __future__ import annotations

import dataclasses
import secrets
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.bring import (
    Outcome,
    Tries,
    all_at_once,
    keep,
    look,
    read_set,
    reads,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import (
    dead,
    kill,
    kill_again,
    restore,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_merge import Fit, merged
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import Read, encode
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    JsonObject,
    Kill,
    Kills,
    Stamp,
    State,
    Store,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.stores import in_turns
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.task import Task

#: Characters of an actor and of a reason that the ledger keeps of a kill.
_LONGEST_TEXT: t.Final = 200


@dataclasses.dataclass(frozen=True)
class Killed:
    """The set before and after, and what became of each store."""

    before: State
    after: State
    outcomes: list[Outcome]


def kill_in_all(task: Task) -> Killed:
    """Kill the flags in every store that has them, kind after kind. Raises OptionError for a flag that none has; the
    others are killed all the same."""
    stamp = _short(task.stamp())
    new = kill(Kills(), task.options.flags, stamp, lambda flag: f"{flag}.{secrets.token_hex(6)}").killed
    wanted = {one.flag: one for one in new.values()}
    outcomes: list[Outcome] = []
    for kind in in_turns(task.stores):
        outcomes += all_at_once(kind, lambda store: _kill_in(task, store, wanted))
    if any(one.error is not None for one in outcomes):
        # A store that is away may hold a restore of the kills that the others have: that must not end this one.
        outcomes = [
            one if one.written or one.error else _kill_in(task, one.store, wanted, anew=True) for one in outcomes
        ]
    outcomes.sort(key=lambda one: task.stores.index(one.store))
    before = merged([one.first for one in outcomes if one.first is not None])
    after = merged(reads(outcomes))
    if task.check_mode:
        names = [name for name in task.options.flags if name in before.flags]
        after = dataclasses.replace(before, kills=kill(before.kills, names, stamp, lambda flag: wanted[flag].id))
    _must_have_some(outcomes)
    unknown = [name for name in task.options.flags if name not in after.flags and name not in dead(after.kills)]
    if unknown:
        task.tell(before, after)
        task.told["changed"] = any(one.written for one in outcomes)
        raise OptionError("flags", f"there is no flag {', '.join(unknown)} in any store that answered")
    return Killed(before, after, outcomes)


def restored(task: Task, outcomes: list[Outcome]) -> tuple[State, State]:
    """The set before and after every kill of the flags that any store has is restored. Nothing is written here."""
    before = merged(reads(outcomes))
    _must_have_some(outcomes)
    unknown = [
        name
        for name in task.options.flags
        if name not in before.flags and name not in {one.flag for one in before.kills.killed.values()}
    ]
    if unknown:
        raise OptionError("flags", f"there is no flag {', '.join(unknown)} in any store that answered")
    return before, dataclasses.replace(before, kills=restore(before.kills, task.options.flags, _short(task.stamp())))


def look_at_all(task: Task) -> list[Outcome]:
    """What all stores have, asked at the same time."""
    return all_at_once(task.stores, lambda store: look(task, store))


def _short(stamp: Stamp) -> Stamp:
    """For a ledger that is to have room for many kills. A kill is not refused because somebody explains much."""
    return dataclasses.replace(stamp, actor=stamp.actor[:_LONGEST_TEXT], reason=stamp.reason[:_LONGEST_TEXT])


def _must_have_some(outcomes: list[Outcome]) -> None:
    """Raise the first error when no store answered."""
    errors = [one.error for one in outcomes if one.error is not None]
    if len(errors) == len(outcomes) and errors:
        raise ReleaseError(
            f"no store of {len(outcomes)} took it; the first one says: {errors[0].message}",
            kind=errors[0].kind,
            system=errors[0].system,
            retriable=errors[0].retriable,
        )


def _kill_in(task: Task, store: Store, wanted: Mapping[str, Kill], anew: bool = False) -> Outcome:
    """Add the kills of the flags that this store has and that are not dead in it, or of those as well with `anew`. Its
    content stays as it is: what else is wrong with it is repaired afterwards."""
    first: Read | None = None
    written = False
    lost: tuple[JsonObject, ...] = ()
    tries = Tries(task)
    while True:
        try:
            held, read = read_set(task, store)
            first = first or read
            state = read.state
            mine = [
                one
                for flag, one in wanted.items()
                if state and flag in state.flags and (anew or flag not in dead(state.kills))
            ]
            if state is None or not mine or task.check_mode:
                return Outcome(store, first, read, written, None, lost)
            if read.problem:
                lost = (*lost, keep(store, held, Fit("edited", read.problem, True)))
            written = True
            after = dataclasses.replace(state, kills=kill_again(state.kills, mine))
            # What somebody has edited stays known as that.
            texts = encode(after, task.options.name, edited=read) if read.problem else task.texts(after)
            store.write(texts, after.revision, held, [])
            task.progress(f"{store.name}: {', '.join(one.flag for one in mine)} killed")
            return Outcome(store, first, dataclasses.replace(read, state=after), True, None, lost)
        except ReleaseError as error:
            if not tries.go_on(error, written):
                return Outcome.failed(store, error, first, lost)
