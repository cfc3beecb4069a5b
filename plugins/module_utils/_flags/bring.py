# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the stores of a set and bring them to what it is, each by itself: one that is away holds no other one up."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    LockLost,
    OptionError,
    ReleaseError,
    Undone,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import dead, merge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_merge import Fit, fit, merged
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import (
    Read,
    content_sha,
    decode,
    page_of,
    texts_sha,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    Held,
    JsonObject,
    Kills,
    Page,
    State,
    Store,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.stores import in_turns
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.task import Task

Result = t.TypeVar("Result")
_AT_ONCE: t.Final = 16


class NewerLedger(ReleaseError):
    """A newer version of this collection wrote what a store has: nothing is written over it. `read` has its kills."""

    def __init__(self, store: Store, read: Read) -> None:
        super().__init__(
            f"{store.name}: a newer version of this collection wrote it; nothing was written there. Upgrade",
            kind="newer",
            system=store.kind,
        )
        self.read = read


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one store. `first` is what it had at first, `read` what is in it now; None when nobody knows.
    `lost` is what was kept of the content that it had."""

    store: Store
    first: Read | None = None
    read: Read | None = None
    written: bool = False
    error: ReleaseError | None = None
    lost: tuple[JsonObject, ...] = ()

    @classmethod
    def failed(
        cls, store: Store, error: ReleaseError, first: Read | None = None, lost: tuple[JsonObject, ...] = ()
    ) -> Outcome:
        """Of one that was not read, or not written. What a newer version wrote there is known all the same."""
        read = error.read if isinstance(error, NewerLedger) else None
        return cls(store, first or read, read, False, error, lost)

    @property
    def kills(self) -> Kills:
        return self.read.state.kills if self.read is not None and self.read.state is not None else Kills()

    def followed_by(self, later: Outcome) -> Outcome:
        """Both together."""
        return dataclasses.replace(
            later, first=self.first, written=self.written or later.written, lost=(*self.lost, *later.lost)
        )

    def told(self, before: State) -> JsonObject:
        """For the result. `before`: what the set was."""
        state = self.read.state if self.read is not None else None
        found = fit(self.first, before) if self.first is not None else None
        return {
            "kind": self.store.kind,
            "was": found.word if found is not None else "away",
            "now": "away" if self.error is not None else "written" if self.written else "read",
            "revision": state.revision if state is not None else None,
            "sha256": content_sha(state.flags) if state is not None else None,
            "killed": sorted(dead(self.kills)),
            "differs": list(found.differs) if found is not None else [],
            "reason": self.error.message if self.error is not None else found.reason if found is not None else "",
        }


def all_at_once(stores: Sequence[Store], ask: Callable[[Store], Result]) -> list[Result]:
    """What `ask`, which raises nothing, gives for each."""
    if not stores:
        return []
    with concurrent.futures.ThreadPoolExecutor(min(_AT_ONCE, len(stores))) as pool:
        return list(pool.map(ask, stores))


def read_set(task: Task, store: Store) -> tuple[Held, Read]:
    """What a store has. Raises ReleaseError, also for another set than that of the task, and NewerLedger."""
    held = store.read()
    read = decode(held.texts)
    if read.flag_set not in ("", task.options.name):
        raise OptionError(
            "name", f"{store.name} has the set {read.flag_set}, not {task.options.name}; each has its own place"
        )
    if read.newer:
        raise NewerLedger(store, read)
    return held, read


def look(task: Task, store: Store) -> Outcome:
    """What a store has."""
    try:
        _held, read = read_set(task, store)
        return Outcome(store, read, read)
    except ReleaseError as error:
        return Outcome.failed(store, error)


def reads(outcomes: Iterable[Outcome]) -> list[Read]:
    """Of the stores that answered."""
    return [one.read for one in outcomes if one.read is not None]


def unread(outcomes: Sequence[Outcome]) -> NewerLedger | None:
    """The error of the first store with a revision that only a newer version can read, above all that can be read here.
    Whatever is made of these would take its changes back."""
    top = merged(reads(outcomes)).revision
    newer = [one.error for one in outcomes if isinstance(one.error, NewerLedger)]
    return next((error for error in newer if error.read.state is not None and error.read.state.revision > top), None)


def bring_all(task: Task, goal: State, known: Sequence[Outcome]) -> list[Outcome]:
    """Bring every store to the goal, kind after kind, the stores of a kind at the same time. `known` has those that are
    known already to be right, or away: these are not asked again. Kills that turn up meanwhile go to all of them. In a
    release the lock is looked at before each kind: whoever took it may have written to the fleet's store alone, and a
    store that was away then would take what is old."""
    done = {one.store.name: one for one in known}
    for kind in in_turns(task.stores):
        asked = [store for store in kind if store.name not in done]
        refusal = _refusal(task) if asked else None
        if refusal is not None:
            done |= {store.name: Outcome.failed(store, refusal) for store in asked}
            continue
        for one in all_at_once(asked, lambda store: bring(task, store, goal)):
            done[one.store.name] = one
    outcomes = [done[store.name] for store in task.stores]
    union = merge([goal.kills, *(one.kills for one in outcomes)])
    if union == goal.kills or task.check_mode:
        return outcomes
    goal = dataclasses.replace(goal, kills=union)
    again = [one for one in outcomes if one.error is None and one.kills != union]
    later = {one.store.name: one for one in all_at_once([one.store for one in again], lambda s: bring(task, s, goal))}
    return [one.followed_by(later[one.store.name]) if one.store.name in later else one for one in outcomes]


def _refusal(task: Task) -> ReleaseError | None:
    """Why a task of a release may write no more. A fleet that does not answer holds no repair up."""
    if task.session is None or task.check_mode:
        return None
    try:
        task.session.journal.guard()
    except (LockLost, Undone) as error:
        return error
    except ReleaseError:
        return None
    return None


def stopped(outcomes: Iterable[Outcome]) -> ReleaseError | None:
    """What has kept this task from going on to the end, if anything has."""
    return next((one.error for one in outcomes if isinstance(one.error, LockLost | Undone)), None)


def bring(task: Task, store: Store, goal: State) -> Outcome:
    """Bring one store to the goal, and to the kills that it has itself. What loses a conflict is kept first."""
    first: Read | None = None
    written = False
    lost: tuple[JsonObject, ...] = ()
    tries = Tries(task)
    while True:
        try:
            held, read = read_set(task, store)
            kills = merge([goal.kills, read.state.kills if read.state else Kills()])
            # One that has gone on meanwhile keeps its content, and gets the kills and restores all the same.
            newer = read.state if read.state is not None and not read.problem else None
            content = newer if newer is not None and newer.revision > goal.revision else goal
            mine = content if kills == content.kills else dataclasses.replace(content, kills=kills)
            found = fit(read, mine)
            first = first or read
            if not found.writes or task.check_mode:
                return Outcome(store, first, read, written, None, lost)
            if found.kept:
                lost = (*lost, keep(store, held, found))
            written = True
            replace(task, store, held, read, mine)
            return Outcome(store, first, Read(mine), True, None, lost)
        except ReleaseError as error:
            if not tries.go_on(error, written):
                return Outcome.failed(store, error, first, lost)


class Tries:
    """The tries of one write, until there is an answer to one of them or no time is left."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._number = 0
        self._unsure = 0

    def go_on(self, error: ReleaseError, sent: bool) -> bool:
        """Whether to look again, after a little pause: when somebody else was faster, however often, and once for what
        a write without an answer has done. Everything else is for the next run. `sent`: whether there was a write."""
        unsure = sent and may_have_written(error)
        self._unsure += unsure
        self._number += 1
        return (error.kind == "conflict" or (unsure and self._unsure == 1)) and self._task.pause(self._number - 1)


def replace(task: Task, store: Store, held: Held, read: Read, goal: State) -> None:
    """Write a state over what was read, with the pages of the history that the store may lack."""
    pages: list[Page] = []
    if read.state is None or read.state.revision != goal.revision:
        old = page_of(read.state) if read.state is not None and not read.problem else None
        pages = [page for page in (old, page_of(goal)) if page is not None]
    store.write(task.texts(goal), goal.revision, held, pages)


def keep(store: Store, held: Held, found: Fit) -> JsonObject:
    """Keep content that is about to be replaced. Returns what the result tells of it."""
    digest = texts_sha(held.texts)
    store.keep(held.texts, digest)
    return {"store": store.name, "sha256": digest, "flags": list(found.differs), "reason": found.reason}
