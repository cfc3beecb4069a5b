# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of flag_set: what it works with, and what it has to tell so far."""

from __future__ import annotations

import copy
import dataclasses
import random
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_buckets import moves
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import dead, overlaid
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_merge import differing
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import content_sha, encode
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    JsonObject,
    Stamp,
    State,
    Store,
    Texts,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.options import Options

#: Every key of the result, with its value for "nothing".
EMPTY_RESULT: t.Final[JsonObject] = {
    "revision": {"before": None, "after": None},
    "sha256": {"before": None, "after": None},
    "flags": {},
    "moves": {},
    "killed": {},
    "evaluation": {},
    "stores": {},
    "away": [],
    "repaired": [],
    "differing": [],
    "lost": [],
    "kept": [],
    "definitions": {},
    "stale": [],
    "history": [],
    "warnings": [],
    "verdict": "none",
    "reason": "",
}

_LONGEST_PAUSE_S: t.Final = 0.5
_FIRST_PAUSE_S: t.Final = 0.01


@dataclasses.dataclass
class Task:
    """`end` is a time of the monotonic clock. The first of the `stores` is the fleet's. `session` is the fleet's
    cluster and journal, for a task that is part of a release."""

    options: Options
    stores: Sequence[Store]
    clock: Clock
    progress: Progress
    end: float
    check_mode: bool
    session: Session | None = None
    told: JsonObject = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.told = {"changed": False, "diff": {"before": None, "after": None}, **copy.deepcopy(EMPTY_RESULT)}

    @property
    def fleet(self) -> Store:
        return self.stores[0]

    @property
    def release(self) -> str | None:
        """The id of the release that this task is part of."""
        made = self.session.journal.release if self.session is not None else None
        return made.id if made is not None else None

    def stamp(self) -> Stamp:
        options = self.options
        return Stamp(self.clock.now(), options.actor or "unknown", options.reason or f"action {options.action}")

    def texts(self, state: State) -> Texts:
        """A state as text, the same for all stores that get it."""
        return encode(state, self.options.name)

    def pause(self, attempt: int) -> bool:
        """Wait a little before the next try, longer and less alike with each. False when the task has no time left."""
        longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempt, 10))
        wait = random.uniform(0, longest)
        if self.clock.monotonic() + wait >= self.end:
            return False
        self.clock.sleep(wait)
        return True

    def tell(self, before: State, after: State) -> None:
        """What clients get before and after: the flags that differ, who changes sides, and what is killed."""
        old, new = (overlaid(state.flags, state.kills) for state in (before, after))
        both = {name: {"before": old.get(name), "after": new.get(name)} for name in differing(old, new)}
        self.told |= {
            "revision": {"before": before.revision, "after": after.revision},
            "sha256": {"before": content_sha(before.flags), "after": content_sha(after.flags)},
            "flags": both,
            "moves": {name: _moves(one["before"], one["after"]) for name, one in both.items()},
            "killed": {
                flag: {"actor": kill.stamp.actor, "reason": kill.stamp.reason, "at": kill.stamp.at}
                for flag, kill in dead(after.kills).items()
            },
            "diff": {side: {name: one[side] for name, one in both.items()} for side in ("before", "after")},
        }

    def end_with(self, verdict: str, reason: str) -> None:
        self.told |= {"verdict": verdict, "reason": reason}


def _moves(before: Mapping[str, t.Any] | None, after: Mapping[str, t.Any] | None) -> list[JsonObject] | None:
    found = moves(before, after)
    if found is None:
        return None
    return [{"from": move.source, "to": move.target, "share": round(move.share, 9)} for move in found]
