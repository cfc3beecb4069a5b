# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this engine may write: the epoch in its journal, and the region's epoch record.

The journal says that an epoch is closed, the record says who opens what comes next: the old engine the same epoch again
when the deadline of its cut has passed, or another one the next epoch. One swap of the record decides, so exactly one
of them goes on. The swap comes before the event: an engine that dies between the two finds its name when it starts.
"""

from __future__ import annotations

import asyncio
import sys
import typing as t

from .epoch_record import EpochRecord, Record, RecordAway, take
from .journal import Journal, encode
from .modes import Epoch
from .orders import Refusal
from .peer import Peer
from .service import Unavailable
from .venue import Venue

Role = t.Literal["leader", "closed", "follower", "starting"]
#: How often the record is asked again by an engine that it has not told anything yet.
_AGAIN_MS: t.Final = 500
_ALONE: t.Final = Peer()


def decide(record: Record | None, name: str, epoch: Epoch, sequence: int, follows: bool) -> Role | t.Literal["open"]:
    """What an engine with that journal is. `open`: the record was won, and the event is still to be written."""
    if record is None or record.owner != name:
        return "follower" if follows else "closed" if epoch.closed else "starting"
    if epoch.closed and record.sequence == sequence + 1 and record.epoch in (epoch.number, epoch.number + 1):
        return "open"
    if record.epoch != epoch.number or record.sequence > sequence:
        # The journal is not the one that the record was written for.
        return "starting"
    return "closed" if epoch.closed else "leader"


class Leadership:
    """The role of one engine, and the ways from one to another. `name` is unique in the region.

    `follows`: it was told of another engine. `peer` is whom it follows untold, when the record names that one.
    """

    def __init__(
        self,
        name: str,
        record: EpochRecord,
        *,
        venue: Venue,
        journal: Journal,
        now_ms: t.Callable[[], int],
        follows: bool,
        peer: Peer = _ALONE,
    ) -> None:
        self.name = name
        self.role: Role = "starting"
        self._record = record
        self._venue, self._journal, self._now_ms = venue, journal, now_ms
        self._follows = follows
        self._peer = peer
        self._one_at_a_time = asyncio.Lock()
        #: When to look at the record next; 0 is not at all.
        self._look_ms = 0
        try:
            # A book that might be another one's is not begun before the peer was asked, which takes a thread.
            self._begin(self._read(may_create=bool(venue.sequence) or not peer.name))
        except RecordAway as error:
            self._away(error)

    def check(self) -> None:
        """Raise Refusal unless it leads."""
        if self.role != "leader":
            self._venue.epoch.check()
            raise Refusal(423, f"{self.name} is {self.role} and does not lead", "epoch_closed")

    def _read(self, may_create: bool = False) -> Record | None:
        found = self._record.read()
        epoch = self._venue.epoch
        # Only who has never been told of another engine makes the first record.
        mine = not epoch.closed and epoch.by in ("", self.name) and not self._follows
        if found is None and may_create and mine:
            if not self._venue.sequence and self._peer.has_journal():
                raise RecordAway(f"there is none, and {self._peer.name} has a journal")
            self._record.create(Record(epoch.number, self.name))
            found = self._record.read()
        return found.record if found is not None else None

    def _begin(self, record: Record | None) -> None:
        self._look_ms = 0
        if record is not None and record.owner == self._peer.name:
            self._follows = True
        found = decide(record, self.name, self._venue.epoch, self._venue.sequence, self._follows)
        if found == "open" and record is not None:
            self._open(record.epoch)
        elif found != "open":
            self.role = found
            if found == "closed":
                self._look_ms = self._venue.epoch.until_ms if record and record.owner == self.name else 0
            elif found == "starting" and record is None:
                self._look_ms = self._now_ms() + _AGAIN_MS

    def _away(self, error: RecordAway) -> None:
        print(f"epoch record: {error}", file=sys.stderr, flush=True)
        self._look_ms = self._now_ms() + _AGAIN_MS

    def _open(self, epoch: int) -> dict[str, t.Any]:
        answer, event = self._venue.open_epoch(epoch, self.name, self._now_ms())
        assert event is not None
        self._journal.append(encode(event))
        self.role, self._follows, self._look_ms = "leader", False, 0
        return {**answer, "at_ms": event["at"]}

    async def tick(self) -> None:
        """Look whether the deadline of a cut has passed, or whether the record can be reached again."""
        if not self._look_ms or self._now_ms() < self._look_ms:
            return
        async with self._one_at_a_time:
            if not self._look_ms:
                return
            try:
                if self.role == "closed":
                    await self._swap(self._venue.epoch.number)
                else:
                    self._begin(await asyncio.to_thread(self._read, may_create=True))
            except (RecordAway, Unavailable) as error:
                self._away(RecordAway(str(error)))
            except Refusal as refusal:
                print(f"does not return: {refusal.reason}", file=sys.stderr, flush=True)
                self._look_ms = 0
        await self._journal.settled()

    async def cut(self, command_id: str, deadline_s: float) -> dict[str, t.Any]:
        """Close the epoch. What is due until now must have been done before."""
        at_ms = self._now_ms()
        answer, event = self._venue.close_epoch(command_id, at_ms + int(1000 * deadline_s), at_ms)
        found = {name: answer[name] for name in ("epoch", "sequence")} | {"until": answer["until_ms"]}
        if event is not None:
            self.role, self._look_ms = "closed", answer["until_ms"]
            self._journal.append(encode(event))
            found["at_ms"] = event["at"]
        await self._journal.settled()
        return found

    async def open(self, epoch: int, after: t.Mapping[str, int]) -> dict[str, t.Any]:
        """Open the epoch that follows what is in the journal: `after` says which epoch and sequence that has to be."""
        async with self._one_at_a_time:
            # The record must not point at something that is not on disk.
            await self._journal.settled()
            own = self._venue.epoch
            if self.role == "leader" or not own.closed:
                raise Refusal(409, f"epoch {own.number} is not closed at {self.name}")
            if (own.number, self._venue.sequence) != (after["epoch"], after["sequence"]):
                raise Refusal(409, f"{self.name} is at sequence {self._venue.sequence} of epoch {own.number}")
            own.check_open(epoch)
            answer = await self._swap(epoch)
        await self._journal.settled()
        return answer

    async def _swap(self, epoch: int) -> dict[str, t.Any]:
        # No await before this: a follower may be told meanwhile that the old engine has returned.
        wanted = Record(epoch, self.name, self._venue.sequence + 1)
        try:
            other = await asyncio.to_thread(take, self._record, wanted)
        except LookupError as error:
            raise Refusal(409, str(error)) from None
        except RecordAway as error:
            # It may have been swapped all the same: look until that is known.
            self._look_ms = self._look_ms or self._now_ms() + _AGAIN_MS
            raise Unavailable(f"the epoch record is away: {error}") from error
        if other is not None:
            if other.owner == self._peer.name:
                self.follow()
            raise Refusal(409, f"the record is not to be had: epoch {other.epoch} belongs to {other.owner}")
        return self._open(epoch)

    async def may_follow(self) -> None:
        """Raise Refusal when somebody might wait for this engine to lead."""
        if self.role == "leader":
            raise Refusal(409, f"{self.name} leads, and follows nobody")
        try:
            record = await asyncio.to_thread(self._read)
        except RecordAway as error:
            raise Unavailable(f"the epoch record is away: {error}") from error
        if record is not None and record.owner == self.name:
            raise Refusal(409, f"the epoch record names {self.name}: epoch {record.epoch} is its own")

    def follow(self) -> None:
        self.role, self._follows, self._look_ms = "follower", True, 0
