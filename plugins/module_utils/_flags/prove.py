# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove a change: read back what a store holds now, and let the real client answer for each flag that differs."""

from __future__ import annotations

import itertools
import json
import typing as t
from collections.abc import Mapping, Sequence
from decimal import Decimal

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import BROKEN
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.bring import Outcome
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import dead, overlaid
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_share import (
    Asked,
    expected,
    judged,
    kind_of,
    users_for,
    way_back,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import decode
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.evaluate import Evaluator, Question
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import JsonObject, State, Texts
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.stores import in_turns
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.task import Task

#: What takes something away from clients, or only repairs, is done without a proof rather than not at all.
_NEVER_HELD_UP: t.Final = ("kill", "restore", "undo", "reconcile")


def must_be_provable(task: Task) -> None:
    """Before the first write: raise ReleaseError of kind `library` when nobody could prove it afterwards."""
    if task.options.users and task.options.action not in _NEVER_HELD_UP:
        try:
            Evaluator().check()
        except ReleaseError as error:
            raise ReleaseError(f"{error.message}. Nothing was written", kind=error.kind, system=error.system) from error


def prove(task: Task, before: State, after: State, outcomes: Sequence[Outcome]) -> None:
    """Ask the client for every flag that the task has changed, and every one that it has killed, and put the answers
    into the result. In check mode it is asked what would be written. Raises ReleaseError of kind `not_proved`."""
    published = overlaid(after.flags, after.kills)
    names = {*task.told["flags"], *(task.options.flags if task.options.action == "kill" else ())} & published.keys()
    if not task.options.users or not names:
        return
    try:
        problems = _problems(task, after, {name: published[name] for name in sorted(names)}, outcomes)
    except ReleaseError as error:
        if error.kind == "library":
            task.told["warnings"].append(f"not proved: {error.message}")
            return
        problems = [error.message]
    if problems:
        back = way_back(task.options.action, before.revision)
        stands = "Nothing was written" if task.check_mode else f"What was written stands; {back}"
        raise ReleaseError(f"{'; '.join(problems)}. {stands}", kind="not_proved", system="client")


def _problems(task: Task, after: State, flags: Mapping[str, JsonObject], outcomes: Sequence[Outcome]) -> list[str]:
    """What clients get that they should not get. Raises ReleaseError."""
    texts = task.texts(after) if task.check_mode else _read_back(task, outcomes)
    if texts is None:
        return []
    there, kills = _published(texts), dead(after.kills)
    # A kill is one whatever it kills. Without any, a large set needs no second look.
    state = decode(texts).state if kills else None
    killed = kills.keys() & (dead(state.kills).keys() if state is not None else set())
    mine = {name: there[name] for name in flags if name in there and (there[name] == flags[name] or name in killed)}
    others = flags.keys() - mine.keys()
    problem = decode(texts).problem if others else ""
    if problem:
        return [f"{', '.join(sorted(others))}: what was read back is not what was written: {problem}"]
    _warn_of(task, others, "somebody else has changed it meanwhile")
    expectations = {
        name: expected(_defined(task, after, name) or flag, _asked(task, after, name)) for name, flag in mine.items()
    }
    users = users_for(expectations, task.options.users)
    questions = [Question(name, kind_of(flag), users[name]) for name, flag in mine.items()]
    answers = Evaluator().ask(texts.document, questions, lambda: task.clock.monotonic() < task.end)
    _warn_of(task, mine.keys() - answers.keys(), "the task has no time left")
    found = {name: judged(name, counts, expectations[name]) for name, counts in answers.items()}
    task.told["evaluation"] = {name: one.told() for name, one in found.items()}
    return [one.problem for one in found.values() if one.problem]


def _read_back(task: Task, outcomes: Sequence[Outcome]) -> Texts | None:
    """What the first store that answers has now, Redis before clusters and these before files; None when none does."""
    there = {one.store.name for one in outcomes if one.error is None}
    for store in itertools.chain.from_iterable(in_turns(task.stores)):
        if store.name in there:
            try:
                return store.read().texts
            except ReleaseError as error:
                task.told["warnings"].append(f"not read back: {error.message}")
    return None


def _published(texts: Texts) -> dict[str, JsonObject]:
    """What clients read, to the letter."""
    try:
        flags = json.loads(texts.document)["flags"].items()
        return {name: flag for name, flag in flags if isinstance(flag, dict)}
    except BROKEN:
        return {}


def _asked(task: Task, after: State, name: str) -> Asked:
    """What the action wants clients to get of a flag."""
    options = task.options
    if name in dead(after.kills):
        return False
    if options.action == "apply":
        wanted = options.wanted.get(name)
        return wanted if isinstance(wanted, bool | Decimal) else None
    given: dict[str, Asked] = {"toggle": options.value, "rollout": options.percent, "ab": options.weights}
    return given.get(options.action) if name in options.flags else None


def _defined(task: Task, after: State, name: str) -> JsonObject | None:
    """The definition that the action was given for a flag; None where it was given none, or the flag is killed."""
    options = task.options
    given: Mapping[str, t.Any] = options.wanted if options.action == "apply" else options.definitions
    whole = given.get(name) if name not in dead(after.kills) else None
    return whole if isinstance(whole, dict) else None


def _warn_of(task: Task, names: t.AbstractSet[str], why: str) -> None:
    if names:
        task.told["warnings"].append(f"not proved: {', '.join(sorted(names))}: {why}")
