# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A weighted set: the records of one name and type, one for each region, with weights. And what a provider does."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError

JsonObject = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Member:
    """One region's part. `targets`: addresses or a name, as the record has them; empty for an alias, which `alias`
    names. `health`: what the provider itself asks about this region, None when it asks nothing: a URL (PowerDNS) or
    the id of a health check (Route 53)."""

    region: str
    weight: int
    targets: tuple[str, ...] = ()
    alias: str | None = None
    health: str | None = None


@dataclasses.dataclass(frozen=True)
class WeightedSet:
    """The set as it was read. `name` ends with a dot; `ttls` has one TTL in seconds for each member, which differ in a
    broken set only. `owner`: what another controller wrote beside the set to say that it is its own, None when there
    is nothing. `raw`: what the provider needs to write exactly this set back or away, JSON of its own; None for a set
    that is not there yet, whose members have weight 0 and what the records are to be made of."""

    name: str
    type: str
    members: tuple[Member, ...]
    ttls: Mapping[str, int]
    owner: str | None = None
    raw: t.Any = None

    @property
    def weights(self) -> dict[str, int]:
        """Weights by region, in the order of the names of the regions."""
        return {member.region: member.weight for member in sorted(self.members, key=lambda one: one.region)}

    @property
    def ttl(self) -> int:
        """The longest of the TTLs: how long a resolver may keep an answer. 0 for a set without members."""
        return max(self.ttls.values(), default=0)

    def member(self, region: str) -> Member | None:
        return next((one for one in self.members if one.region == region), None)


@dataclasses.dataclass(frozen=True)
class Batch:
    """One change, all or nothing: exactly what goes to the provider. `content` is what check and diff mode print; no
    secret is in it. `back`: it takes back a change that is answered wrongly, so nobody has to answer rightly first."""

    before: WeightedSet
    after: Mapping[str, int]
    content: JsonObject
    back: bool = False


@dataclasses.dataclass(frozen=True)
class Written:
    """`change`: the provider's id of the change. `waits`: whether it has to be asked when the change is everywhere."""

    change: str
    waits: bool


class Broken(ReleaseError):
    """What is answered is not what was written; with `retriable` it is only not known yet. `back` takes it back."""

    def __init__(self, message: str, *, system: str, back: Batch, retriable: bool) -> None:
        super().__init__(message, kind="broken", system=system, retriable=retriable)
        self.back = back


class Provider(t.Protocol):
    """What each provider of DNS does. A third one is a class with these methods and a line in `providers.py`.

    Every method raises ReleaseError with `kind` (`unreachable`, `auth`, `not_found`, `throttled`, `conflict`,
    `refused`, `broken`), `system` (the provider's name) and `retriable`. `end` is a time of the monotonic clock: each
    retry stays inside of it.

    An error of `write` also says in `unsure` whether the change may have been carried out, where its kind alone would
    say something else.
    """

    name: str
    #: The largest weight of one record.
    largest_weight: int

    def read(self, name: str, kind: str, end: float) -> WeightedSet | None:
        """The set of that name and type, None when there is no record. A constant number of requests: never the whole
        zone. ReleaseError of kind `not_weighted` when there is a record that is no weighted set of ours."""

    def batch(self, before: WeightedSet, after: Mapping[str, int]) -> Batch:
        """The change that gives these weights and nothing else. Sends nothing."""

    def write(self, batch: Batch, end: float, fence: float = math.inf, *, lost: bool = False) -> Written:
        """Send it. ReleaseError of kind `conflict` when the set is not `batch.before` any more: nothing was written.
        `fence` is a time as well: the lock ends then, so the change is sent before it or not at all. `lost`: the answer
        to a call before this one was, so the set may be what `batch` makes of it: then that is what is gone on with."""

    def look(self, batch: Batch, written: Written, end: float) -> None:
        """Whether what is answered is what was written; sends no change. Raises Broken, also when that is not known at
        `end`."""

    def wait(self, written: Written, end: float) -> None:
        """Until every server of the authority has the change."""

    def healthy(self, found: WeightedSet, end: float) -> dict[str, bool | None]:
        """What the provider, or the URL that it asks, says about each region now; None: not known."""
