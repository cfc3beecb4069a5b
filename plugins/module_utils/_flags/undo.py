# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take back what releases did to a set: what one of them has journaled, or what all of them did since a revision."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import BROKEN
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.bring import Outcome
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.commit import Plan
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_flag_undo import (
    Step,
    revisions_since,
    steps_of,
    steps_of_records,
    way_back,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import page_record
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import JsonObject, Record, State
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.task import Task


def steps_of_release(task: Task) -> list[Step]:
    """What the release of this task wrote, out of its journal."""
    return steps_of(task.session.journal.entries(), task.options.name) if task.session is not None else []


def undo_by(task: Task, steps_in: Callable[[State], Sequence[Step]]) -> Plan:
    """The plan that takes these steps back, and tells what stays."""

    def plan(state: State) -> Mapping[str, JsonObject | None]:
        found = way_back(steps_in(state), state)
        task.told["kept"] = list(found.kept)
        return found.definitions

    return plan


@dataclasses.dataclass
class Past:
    """The records of a set out of the histories of its stores, each revision read once."""

    task: Task
    seen: Sequence[Outcome]
    known: dict[tuple[int, str], Record] = dataclasses.field(default_factory=dict)

    def steps(self, state: State) -> list[Step]:
        """What was changed after the revision `since`. Raises ReleaseError of kind `refused` when nobody can
        tell."""
        numbers = revisions_since(state, self.task.options.since or 0)
        return steps_of_records(self._record(state, number) for number in numbers)

    def _record(self, state: State, number: int) -> Record:
        digest = state.past[number]
        if state.record is not None and state.record.revision == number:
            # Its page may be the one that was not written any more.
            return state.record
        if (number, digest) not in self.known:
            self.known[number, digest] = self._read(number, digest)
        return self.known[number, digest]

    def _read(self, number: int, digest: str) -> Record:
        """Out of the first store that has it: one of the same number and other content is of another past."""
        for one in self.seen:
            if one.error is None:
                try:
                    page = one.store.page(number)
                    record = page_record(page) if page is not None else None
                    if record is not None and record.sha256 == digest:
                        return record
                except (ReleaseError, *BROKEN) as error:
                    warning = f"{one.store.name}: its revision {number} cannot be read: {error}"
                    self.task.told["warnings"].append(warning)
        raise ReleaseError(
            f"no store that answered has revision {number} in its history, so nobody knows who made it; nothing was "
            "written. Run this again when all stores answer, or set by hand what should be off",
            kind="refused",
            system="guard",
        )
