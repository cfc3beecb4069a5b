# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stores of a set have together, and what each of them gets. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import merge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import Read, content_sha
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Flags, State

#: same: nothing to write. empty: nothing is there. behind: an old revision, or one without some kills. conflict:
#: content that the set never had at that revision. edited: not as it was written. ahead: newer than the goal. newer: a
#: newer version of this collection wrote it.
Word = t.Literal["same", "empty", "behind", "conflict", "edited", "ahead", "newer"]


@dataclasses.dataclass(frozen=True)
class Fit:
    """How a store stands to the goal. `kept`: whether its content is kept before it is replaced. `differs`: the flags
    whose definitions are others."""

    word: Word
    reason: str
    kept: bool = False
    differs: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        return self.word not in ("same", "ahead", "newer")


def merged(reads: Sequence[Read]) -> State:
    """What a set is, out of all that its stores have.

    The content is that of the highest revision which is as it was written; of two with the same number the first in the
    sequence counts. Only where no store is as it was written, the highest of the others is taken. Kills are those of
    all of them, whatever their revision and state, and all that counts of what a newer version wrote.
    """
    kills = merge(read.state.kills for read in reads if read.state is not None)
    there = [(read.state, not read.problem) for read in reads if read.state is not None and not read.newer]
    if not there:
        return State(kills=kills)
    best = there[0]
    for state, intact in there[1:]:
        if (intact, state.revision) > (best[1], best[0].revision):
            best = state, intact
    content = best[0]
    if not best[1]:
        # Nobody knows what made it.
        content = dataclasses.replace(content, record=None, past={})
    return dataclasses.replace(content, kills=kills)


def highest(reads: Sequence[Read]) -> int:
    """The highest revision that any store has, one that somebody has edited included: a store takes no lower one. What
    a newer version wrote is not written over."""
    return max((read.state.revision for read in reads if read.state is not None and not read.newer), default=0)


def fit(read: Read, goal: State) -> Fit:
    """How what a store has stands to the goal, which has every kill of the store already."""
    state = read.state
    if state is None:
        return Fit("empty", "it has no flag set yet") if goal != State() else Fit("same", "")
    differs = differing(state.flags, goal.flags)
    if read.problem:
        return Fit("newer" if read.newer else "edited", read.problem, not read.newer, differs)
    if state.revision > goal.revision:
        return Fit("ahead", f"it has revision {state.revision} already", False, differs)
    # Before the first revision there is nothing that could be lost.
    known = goal.past.get(state.revision) == content_sha(state.flags) or not state.flags
    if state.revision == goal.revision:
        known = not differs
    if not known:
        return Fit("conflict", f"its revision {state.revision} is none that the set had", True, differs)
    if state.revision == goal.revision and state.kills == goal.kills:
        return Fit("same", "")
    older = state.revision < goal.revision
    reason = f"it has revision {state.revision}" if older else "it has not seen all kills and restores"
    return Fit("behind", reason, False, differs)


def differing(some: Flags, others: Flags) -> tuple[str, ...]:
    """The flags whose definitions are not the same, sorted."""
    pairs = ((name, some.get(name), others.get(name)) for name in {*some, *others})
    # Most definitions of a large set are the same objects, which a comparison of mappings would look into.
    return tuple(sorted(name for name, one, other in pairs if one is not other and one != other))
