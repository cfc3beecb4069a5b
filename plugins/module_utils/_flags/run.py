# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""flag_set: read the stores, decide, write them one after the other, and tell what became of each."""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import BROKEN
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session, open_session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import decide_change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.bring import (
    NewerLedger,
    Outcome,
    all_at_once,
    bring_all,
    reads,
    stopped,
    unread,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.commit import Plan, commit
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.configmap_store import ConfigMapStore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_apply import applied
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_flag_undo import Step
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_history import history
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import dead
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_merge import fit, merged
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_stale import stale
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import (
    content_sha,
    page_flags,
    page_record,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.kill import kill_in_all, look_at_all, restored
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    JsonObject,
    Page,
    Record,
    State,
    Store,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.options import ARGUMENT_SPEC, options_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.prove import must_be_provable, prove
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.stores import FLEET, open_stores
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.task import EMPTY_RESULT, Task
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.undo import Past, steps_of_release, undo_by

__all__ = ["ARGUMENT_SPEC", "EMPTY_RESULT", "run"]


def run(params: Mapping[str, t.Any], *, check_mode: bool, diff: bool, clock: Clock, progress: Progress) -> JsonObject:  # noqa: ARG001 - the same signature for every area
    """One task. What flags were and are is short enough to be in every result, with or without --diff."""
    options = options_of(params)
    stores = open_stores(params, clock)
    session = _session(params, options.action, check_mode=check_mode, clock=clock)
    if session is not None:
        # The fence of the lock is that of this connection.
        stores[0] = ConfigMapStore(FLEET, lambda: session.kube, params["namespace"], params["config_map"])
    task = Task(options, stores, clock, progress, clock.monotonic() + options.deadline_s, check_mode, session)
    try:
        _act(task)
    except ReleaseError as error:
        error.partial = {**task.told, "verdict": "fail", "reason": error.message, **error.partial}
        raise
    return task.told


def _session(params: Mapping[str, t.Any], action: str, *, check_mode: bool, clock: Clock) -> Session | None:
    """The fleet's cluster and journal, for what is part of a release. A kill and a restore never are."""
    if not params.get("release") or action in ("kill", "restore", "status", "history"):
        return None
    fleet = {**params, "region": FLEET, "unreachable_s": params["patience_s"]}
    return open_session(fleet, clock=clock, check_mode=check_mode, undoing=action == "undo")


def _act(task: Task) -> None:
    action = task.options.action
    if action == "status":
        _status(task)
    elif action == "history":
        _history(task)
    elif action == "kill":
        _kill(task)
    elif action == "restore":
        _restore(task)
    else:
        _change(task)


def _change(task: Task) -> None:
    """A new revision, or only repairs when there is nothing new."""
    undone = steps_of_release(task) if task.options.action == "undo" and task.options.since is None else None
    if undone == []:
        task.end_with("pass", f"{task.options.name}: this release did not write it")
        return
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # The client takes as long to load as the stores take to answer.
        provable = pool.submit(must_be_provable, task)
        seen = look_at_all(task)
    provable.result()
    fleet, others = seen[0], reads(seen[1:])
    error = fleet.error or unread(seen)
    if error is not None:
        if task.options.action != "reconcile":
            raise error
        goal = merged(reads(seen))
        _finish(task, goal, goal, bring_all(task, goal, _away(seen)))
        return
    made = commit(task, others, _plan_of(task, seen, undone))
    known = _away(seen) + ([made.outcome] if made.outcome is not None else [])
    _finish(task, made.before, made.after, bring_all(task, made.after, known))
    if made.unrecorded is not None:
        raise made.unrecorded


def _plan_of(task: Task, seen: Sequence[Outcome], undone: Sequence[Step] | None) -> Plan:
    """What the action makes of a set. `undone` is what one release wrote, None where it is not that which goes."""
    if task.options.action == "undo":
        return undo_by(task, Past(task, seen).steps if undone is None else lambda _state: undone)
    if task.options.action == "rollback":
        return _rolled_back(task, _old_page(task, seen))
    return lambda state: _plan(task, state)


def _rolled_back(task: Task, old: Mapping[str, JsonObject]) -> Plan:
    def plan(state: State) -> Mapping[str, JsonObject | None]:
        task.told["kept"] = decide_change.stays_killed(state, old)
        return decide_change.set_back(state, old)

    return plan


def _plan(task: Task, state: State) -> Mapping[str, JsonObject | None]:
    """What the action makes of the set as it is."""
    options = task.options
    if options.action == "reconcile":
        return {}
    if options.action == "apply":
        found = applied(state, options.wanted, options.reshuffle)
        task.told["kept"] = list(found.kept)
        return found.definitions
    if options.action == "set":
        for name in options.definitions:
            if name in state.flags:
                decide_change.existing(state, name)
        return options.definitions
    flags = {name: decide_change.existing(state, name) for name in options.flags}
    if options.action == "toggle":
        return {name: decide_change.toggled(name, flag, options.value) for name, flag in flags.items()}
    if options.action == "ab":
        return {name: decide_change.split_up(name, flag, options.weights) for name, flag in flags.items()}
    return {
        name: decide_change.rolled_out(name, flag, options.percent, options.reshuffle) for name, flag in flags.items()
    }


def _old_page(task: Task, seen: Sequence[Outcome]) -> Mapping[str, JsonObject]:
    """The content of the revision to go back to, out of the first store that has it."""
    number = task.options.revision
    past = merged(reads(seen)).past
    for one in seen:
        if one.error is None:
            try:
                page = one.store.page(number)
                flags = page_flags(page) if page is not None else None
                if flags is not None and past.get(number) in (None, content_sha(flags)):
                    return flags
                if flags is not None:
                    _warn(task, f"{one.store.name}: its revision {number} is of another past, from before a backup")
            except (ReleaseError, *BROKEN) as error:
                _warn(task, f"{one.store.name}: its revision {number} cannot be read: {error}")
    raise OptionError("revision", f"no store that answered has revision {number} in its history; see action history")


def _kill(task: Task) -> None:
    done = kill_in_all(task)
    goal = done.after
    # What a store did not have, or had besides: the ones that are right are not asked again.
    # Where none is as it was written, nobody knows the content, and a kill is not what makes it that of the set.
    good = any(one.state is not None and not one.problem for one in reads(done.outcomes))
    known = [one for one in done.outcomes if one.error is not None or not good or _is_right(one, goal)]
    outcomes = bring_all(task, goal, known)
    names = {one.store.name for one in known}
    pairs = zip(done.outcomes, outcomes, strict=True)
    together = [later if later.store.name in names else one.followed_by(later) for one, later in pairs]
    _finish(task, done.before, goal, together, sound=good)


def _restore(task: Task) -> None:
    seen = look_at_all(task)
    before, goal = restored(task, seen)
    _finish(task, before, goal, bring_all(task, goal, _away(seen)))


def _status(task: Task) -> None:
    """What is there now. Stores that differ or are away are told, and are no failure of the task."""
    seen = look_at_all(task)
    goal = merged(reads(seen))
    task.tell(goal, goal)
    _tell_stores(task, goal, seen)
    task.told["definitions"] = dict(goal.flags)
    task.told["stale"] = stale(goal.flags, task.clock.now())
    killed, differing, away = len(dead(goal.kills)), task.told["differing"], task.told["away"]
    counted = f"{task.options.name}: revision {goal.revision}, {len(goal.flags)} flags, {killed} killed"
    if len(away) == len(seen):
        task.end_with("fail", f"{task.options.name}: {_left(seen, 'does not answer')}")
    elif goal == State() and not away:
        task.end_with("none", f"there is no flag set {task.options.name}")
    elif differing:
        task.end_with(
            "fail",
            f"{counted}; {', '.join(differing)} {'differs' if len(differing) == 1 else 'differ'}; run "
            "reconcile_features.yml",
        )
    elif away:
        task.end_with("hold", f"{counted}; {_left(seen, 'does not answer')}")
    else:
        task.end_with("pass", f"{counted}; all stores agree")


def _history(task: Task) -> None:
    """The newest changes first, out of all stores together: one that was away lacks some."""
    seen = look_at_all(task)
    found: list[Record] = []
    for one, pages in zip(seen, all_at_once(task.stores, _pages), strict=True):
        if one.error is not None or isinstance(pages, ReleaseError):
            task.told["away"].append(one.store.name)
            _warn(task, (one.error or t.cast("ReleaseError", pages)).message)
            continue
        for page in pages:
            try:
                found.append(page_record(page))
            except BROKEN:
                _warn(task, f"{one.store.name}: its revision {page.revision} is not as it was written")
    task.told["history"] = history(found, merged(reads(seen)).kills, task.options.limit)
    task.end_with("hold" if task.told["away"] else "pass", f"{task.options.name}: {len(task.told['history'])} changes")


def _pages(store: Store) -> list[Page] | ReleaseError:
    try:
        return store.history()
    except ReleaseError as error:
        return error


def _away(seen: Sequence[Outcome]) -> list[Outcome]:
    return [one for one in seen if one.error is not None]


def _is_right(one: Outcome, goal: State) -> bool:
    return one.read is not None and fit(one.read, goal).word == "same"


def _finish(task: Task, before: State, after: State, outcomes: Sequence[Outcome], sound: bool = True) -> None:
    """The result of everything that writes. Not `sound`: no store is as it was written, which a kill does not mend."""
    task.tell(before, after)
    _tell_stores(task, before, outcomes)
    changed = bool(task.told["flags"]) or before.revision != after.revision or before.kills != after.kills
    would = task.check_mode and any(one.first is not None and fit(one.first, after).writes for one in outcomes)
    task.told["changed"] = changed or would or any(one.written for one in outcomes)
    end = stopped(outcomes)
    if end is not None:
        raise end
    name, away = task.options.name, task.told["away"]
    what = (
        f"{name}: revision {after.revision} (sha256 {content_sha(after.flags)[:12]}), {len(dead(after.kills))} killed"
    )
    if len(away) == len(outcomes):
        first = next(one.error for one in outcomes if one.error is not None)
        raise first
    left = [_left(outcomes, "has not got it yet; run reconcile_features.yml when it answers")] if away else []
    if not sound:
        left.append("no store is as it was written, and their content is left as it is; run reconcile_features.yml")
    if left:
        task.end_with("hold", "; ".join([what, *left]))
    else:
        task.end_with("pass", f"{what}; in all {len(outcomes)} stores")
    prove(task, before, after, outcomes)


def _left(outcomes: Sequence[Outcome], what: str) -> str:
    """Which stores are away, and `what` that means; which ones only a newer version can write."""
    newer = [one.store.name for one in outcomes if isinstance(one.error, NewerLedger)]
    away = [one.store.name for one in outcomes if one.error is not None and one.store.name not in newer]
    told = [f"{', '.join(away)} {what}"] if away else []
    if newer:
        told.append(f"{', '.join(newer)} was written by a newer version of this collection; upgrade")
    return "; ".join(told)


def _tell_stores(task: Task, before: State, outcomes: Sequence[Outcome]) -> None:
    told = {one.store.name: one.told(before) for one in outcomes}
    differing = [name for name, one in told.items() if one["was"] in ("empty", "behind", "conflict", "edited")]
    task.told |= {
        "stores": told,
        "away": [one.store.name for one in outcomes if one.error is not None],
        "repaired": [name for name, one in told.items() if one["now"] == "written" and name in differing],
        "differing": differing,
        "lost": [kept for one in outcomes for kept in one.lost],
    }
    for one in outcomes:
        if one.error is not None:
            _warn(task, one.error.message)


def _warn(task: Task, sentence: str) -> None:
    task.told["warnings"].append(sentence)
