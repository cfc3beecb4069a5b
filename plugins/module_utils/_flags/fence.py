# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock and the journal of a release around one new revision. Without a release nothing is asked and journaled.

The order is what makes it safe: the set is read, then the lock is looked at, then the compare-and-swap is sent. So a
writer that has lost its lock has read before that, and whoever took the lock makes that reading old.
"""

from __future__ import annotations

import contextlib
import dataclasses

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import (
    TOKEN_ANNOTATION,
    JsonObject,
    Ref,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_flag_undo import (
    change_of,
    has_loose_ends,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Held, Record
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.task import Task


@dataclasses.dataclass
class Fence:
    """Of one commit. `entry` is the number of the intent that stands in the journal, 0 for none; `tag` what it was to
    replace; `unsure` whether it may have been carried out, or may be yet."""

    task: Task
    entry: int = 0
    changes: tuple[Change, ...] = ()
    tag: str = ""
    unsure: bool = False

    def before_write(self, record: Record, held: Held) -> None:
        """Write down what is about to replace `held`, under the lock. A further try of the same change has its intent
        already. Raises what the lock says against writing, and what keeps the journal from being written."""
        session = self.task.session
        if session is None:
            return
        changes = (change_of(self.task.options.name, session.namespace, record),)
        if held.tag != self.tag:
            # What the try before wanted to replace is gone, so that one will not be carried out any more.
            self.unsure = False
            if changes != self.changes:
                self.not_written("somebody else has changed the set in between")
        if self.entry:
            session.journal.guard()
        else:
            self.entry = session.journal.intend(self.task.options.step, changes)
            self.changes = changes
        self.tag = held.tag

    def failed(self) -> None:
        """A try has ended in an error, whichever: the client tries again by itself, and what the last one met says
        nothing of one before it whose answer was lost."""
        self.unsure = True

    def written(self) -> None:
        """It is there."""
        if self.task.session is not None:
            self.task.told["changed"] = True
            self.task.session.journal.outcome(self.entry, self.changes)

    def given_up(self, error: ReleaseError) -> None:
        """No further try. What may have been written has no outcome, so that a way back looks."""
        if self.unsure:
            self.task.told["changed"] = True
        else:
            with contextlib.suppress(ReleaseError):
                self.not_written(error.message)

    def not_written(self, why: str) -> None:
        """The intent, if there is one, is known to have come to nothing."""
        if self.task.session is not None and self.entry:
            self.task.session.journal.outcome(self.entry, self.changes, why)
            self.entry = 0

    def tie_up(self, held: Held) -> bool:
        """Where nothing is to be written, and nobody knows what became of an earlier write of this release: make what
        it has read old, so that it is refused whenever it arrives. Whether anything was written. Raises ReleaseError of
        kind `conflict` when the set is another one by now."""
        session = self.task.session
        if session is None or session.journal.release is None or self.task.check_mode:
            return False
        if not has_loose_ends(session.journal.entries(), self.task.options.name):
            return False
        session.journal.guard()
        ref = Ref("v1", "ConfigMap", self.task.options.config_map, session.namespace)
        meta: JsonObject = {"annotations": {TOKEN_ANNOTATION: str(session.journal.release.token)}}
        if held.tag:
            made = session.kube.patch(ref, {"metadata": {**meta, "resourceVersion": held.tag}})
        else:
            # What would have been made is there now, and is empty.
            meta |= {"name": ref.name, "namespace": ref.namespace}
            made = session.kube.create({"apiVersion": ref.api_version, "kind": ref.kind, "metadata": meta})
        return str(made["metadata"]["resourceVersion"]) != held.tag
