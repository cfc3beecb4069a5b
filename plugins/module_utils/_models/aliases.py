# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet's part of a task: the aliases of the registry, moved under the lock of the fleet and journaled there."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_promotion import Plan, Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_reigns import Reign, reigns
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.options import State
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.promote import Job, promote
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    ALIASES,
    Action,
    names_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.task import Task

#: How the journal names the aliases of a model.
API_VERSION: t.Final = "pincex.io/v1"
KIND: t.Final = "ModelAliases"

_ACTIONS: t.Final[Mapping[State, Action]] = {
    "deployed": "challenger",
    "promoted": "promoted",
    "rolled_back": "rolled_back",
}


def move_aliases(task: Task) -> None:
    """Bring the aliases to what the state says, and tell it. Raises ReleaseError."""
    options = task.options
    journaled = _Journaled(task)
    job = Job(
        task.model_registry,
        options.registered,
        task.clock,
        task.end,
        lambda: _guarded(task),
        task.check_mode,
        journaled.intend,
    )
    # A way back does not ask what the version was judged against.
    over = "" if options.state == "rolled_back" else options.champion
    wanted = Wanted(_ACTIONS[options.state], options.version, options.actor, options.reason, over)
    try:
        done = promote(job, wanted)
    except ReleaseError as error:
        known, error.partial = error.partial, {}
        if known:
            task.told["changed"] = known["changed"]
            task.tell_aliases(known["before"], known["after"], known["names"])
            journaled.failed(error, known["changed"])
        raise
    task.told["changed"] = done.changed
    task.tell_aliases(done.before, done.after, done.names)
    journaled.done()
    task.end_with("pass", f"{task.title}: {_text(task)}")


def tell_registry(task: Task) -> None:
    """Who has which alias, and who was the champion when."""
    try:
        found = task.model_registry.read(task.options.registered, task.end)
    except ReleaseError as error:
        if error.kind != "not_found":
            raise
        task.end_with("none", error.message)
        return
    names = names_of(task.model_registry.versions(task.options.registered, task.end))
    task.tell_aliases(found.aliases, found.aliases, names)
    task.told["reigns"] = [_told(one, names) for one in reigns(found)]
    if found.open:
        entry = found.open[-1]
        what = f"'{entry.action}' of version {names.get(entry.version, entry.version) or 'none'}"
        task.warn(
            f"{task.title}: {entry.actor} began {what} at {clock_time(entry.at)} and did not end it; the next change "
            "of the aliases does"
        )
    task.end_with("pass", f"{task.title}: {_text(task)}")


def _guarded(task: Task) -> float:
    """Until when something may be sent under the lock of this moment."""
    task.session.journal.guard()
    fence = task.session.kube.fence
    return math.inf if fence is None else fence


@dataclasses.dataclass
class _Journaled:
    """What the journal of the fleet has of this change. `entry`: its number there, 0 for none."""

    task: Task
    entry: int = 0
    changes: tuple[Change, ...] = ()

    def intend(self, planned: Plan) -> None:
        if planned.before == planned.after:
            # Only the history is set right.
            return
        before, after = planned.before, planned.after
        fields: dict[str, JsonObject] = {
            alias: {"before": before.get(alias), "after": after.get(alias)}
            for alias in ALIASES
            if before.get(alias) != after.get(alias)
        }
        session, options = self.task.session, self.task.options
        ref = Ref(API_VERSION, KIND, options.registered, session.namespace)
        self.changes = (Change(ref, "models", fields, {"aliases": dict(before)}, {"aliases": dict(after)}),)
        self.entry = session.journal.intend(options.step, self.changes)

    def done(self) -> None:
        if self.entry:
            self.task.session.journal.outcome(self.entry, self.changes)

    def failed(self, error: ReleaseError, written: bool) -> None:
        """What was written, or may have been, has no outcome: nobody knows the end of it yet."""
        if self.entry and not written:
            # Why it failed is what has to be told, also where the lock is gone.
            with contextlib.suppress(ReleaseError):
                self.task.session.journal.outcome(self.entry, self.changes, error.message)


def _told(reign: Reign, names: Mapping[str, str]) -> JsonObject:
    """For people: the version by its name, the times as text."""
    return {
        "version": None if reign.version is None else names.get(reign.version, reign.version),
        "since": None if reign.since is None else clock_time(reign.since),
        "until": None if reign.until is None else clock_time(reign.until),
        "actor": reign.actor,
        "reason": reign.reason,
    }


def _text(task: Task) -> str:
    """The aliases for people."""
    after = task.told["aliases"]["after"]
    told = ", ".join(f"{alias} {version}" for alias, version in after.items() if version is not None)
    text = told or "no alias is set"
    return text if task.told["changed"] or task.options.state == "status" else f"{text}, as it was already"
