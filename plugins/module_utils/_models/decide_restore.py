# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a model's traffic when the release that changed it is taken back. Pure.

The version that this release brought gets nothing any more: no weight, no copies, no buckets, whoever gave it these.
One that was a challenger before and got its first weight loses that weight, whoever made it larger, and is a
challenger as before. The rest is three-way: what is as we wrote it goes back to what was before, and what somebody else
has made of it since stays and is told.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Collection, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_rules import (
    MirrorRules,
    mirrored_of,
    note_of,
    traffic_of,
    with_traffic,
)

# The names in the text of `_Part` are not seen by pylint.
# pylint: disable=unused-import
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Buckets,
    Mirror,
    Note,
    Traffic,
)

# pylint: enable=unused-import
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import decide_weights
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import TAKEN_BACK

_Part = t.TypeVar("_Part", "Mirror | None", "Buckets | None", "Note | None")


@dataclasses.dataclass(frozen=True)
class State:
    """What a route gave and said at one time. `note` is None as well when it had been edited."""

    traffic: Traffic
    note: Note | None
    mirrored: MirrorRules | None
    edited: bool = False

    @classmethod
    def of(cls, route: JsonObject) -> State | None:
        """None for a route that sends to no slots."""
        traffic = traffic_of(route)
        if traffic is None:
            return None
        try:
            return cls(traffic, note_of(route), mirrored_of(route))
        except ValueError:
            return cls(traffic, None, mirrored_of(route), edited=True)


@dataclasses.dataclass(frozen=True)
class Touched:
    """What a release did to the route of one model. `before`: as it found it; `written`: as it wrote it or meant to,
    oldest first."""

    before: State
    written: tuple[State, ...]

    @property
    def brought(self) -> frozenset[str]:
        """The slots of versions that came with this release."""
        note = self.before.note
        known = set() if note is None else {note.challenger}
        noted = {state.note.slot for state in self.written if state.note and state.note.challenger not in known}
        # A challenger that was there before and got its first traffic was not brought by that.
        beside = None if note is None else note.slot
        return frozenset(noted | {slot for slot in self.fed_first if slot != beside})

    @property
    def emptied(self) -> frozenset[str]:
        """The slots that have no weight after the undo, whoever gave them one."""
        return self.brought | self.fed_first

    @property
    def fed_first(self) -> frozenset[str]:
        """The slots that got their first part of the traffic."""
        return frozenset(slot for state in self.written for slot in SLOTS if self._is_first(state, slot))

    def _is_first(self, state: State, slot: str) -> bool:
        return state.traffic.shares[slot] > 0 == self.before.traffic.shares[slot]


def touched_models(entries: Sequence[Entry]) -> dict[str, Touched]:
    """What the release did to the traffic of each model, by its name. A way back is nothing to be taken back."""
    found: dict[str, Touched] = {}
    for change in (change for entry in entries for change in entry.changes):
        if change.op != "models" or TAKEN_BACK in change.fields or change.before is None or change.after is None:
            continue
        before, after = State.of(change.before), State.of(change.after)
        if before is not None and after is not None:
            first = found.get(change.ref.name, Touched(before, ()))
            found[change.ref.name] = dataclasses.replace(first, written=(*first.written, after))
    return found


def way_back(touched: Touched, live: JsonObject) -> tuple[JsonObject, list[str]]:
    """The route after the undo, and a sentence for everything that stays as somebody else made it. `live` has to send
    to both slots."""
    what, now = f"HTTPRoute {live['metadata']['name']}", State.of(live)
    if now is None:
        raise ValueError(f"{what} sends to no slots")
    before, last, brought = touched.before, touched.written[-1], touched.brought
    weights = decide_weights.Touched(
        before=before.traffic.weights,
        written=tuple(state.traffic.weights for state in touched.written),
        replaced=touched.emptied,
    )
    back = decide_weights.way_back(what, weights, now.traffic.weights)
    kept = list(back.kept)
    given = dict(back.weights or {})

    def settled(name: str, then: _Part, ours: _Part, found: _Part, gone: Collection[str]) -> _Part:
        if found is not None and found.slot in gone:
            # Whoever gave it that, it is as good as ours.
            found = ours
        if found not in (then, ours):
            kept.append(f"{what}: the {name} was changed by somebody else after the release; it stays")
            return found
        return None if then is None or then.slot in gone else then

    # Who has a part of the traffic gets neither buckets nor copies, and nobody gets both.
    fed = brought | {slot for slot in SLOTS if given[slot]}
    asked = fed | touched.emptied
    buckets = settled("A/B test", before.traffic.buckets, last.traffic.buckets, now.traffic.buckets, asked)
    none = fed if buckets is None else SLOTS
    mirror = settled("mirror", before.traffic.mirror, last.traffic.mirror, now.traffic.mirror, none)
    note = settled("challenger", before.note, last.note, last.note if now.edited else now.note, brought)
    if before.note is not None and before.note.slot in brought:
        kept.append(f"{what}: {before.note.challenger} gets nothing any more; deploy it again to go on with it")
    mirrored = before.mirrored if mirror == before.traffic.mirror else now.mirrored
    return with_traffic(live, Traffic(given, mirror, buckets), note, mirrored), kept
