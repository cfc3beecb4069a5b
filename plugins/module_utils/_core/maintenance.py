# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a maintenance: who entered it, when and why, and what was there before. No I/O.

It is one more key of the region's journal, and no entry of a release. No lock is held for hours; whoever takes the lock
meanwhile reads the journal anyway, and sees it in the same compare-and-swap by which a release begins.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import Refused
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import BROKEN, summed, unsummed
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.seal import edited

#: The key in the journal's data.
KEY: t.Final = "maintenance"


@dataclasses.dataclass(frozen=True)
class Taken:
    """What one service was before: the `kind` of its route (None without one) with the part that was written, before
    and after, and the replicas of its workloads (`api_version`, `kind`, `name`, `replicas`)."""

    kind: str | None = None
    before: t.Any = None
    after: t.Any = None
    scales: tuple[JsonObject, ...] = ()


@dataclasses.dataclass(frozen=True)
class Record:
    """One maintenance. `at` is in unix seconds; `service` answers meanwhile; `drain` says that trading was stopped for
    it, and `proof` is the proof of that drain."""

    at: float
    by: str
    reason: str
    service: str
    emergency: bool = False
    drain: bool = False
    proof: JsonObject | None = None
    services: Mapping[str, Taken] = dataclasses.field(default_factory=dict)

    def to_text(self) -> str:
        return summed(dataclasses.asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Record:
        """Raises what `BROKEN` names for a text that is not as it was written."""
        data = unsummed(text)
        services = {
            str(name): Taken(**{**taken, "scales": tuple(taken["scales"])})
            for name, taken in data.pop("services").items()
        }
        return cls(**data, services=services)

    def summary(self, region: str) -> JsonObject:
        """What people and playbooks are told of it."""
        return {
            "at": clock_time(self.at),
            "by": self.by,
            "reason": self.reason,
            "emergency": self.emergency,
            "drain": self.drain,
            "proof": self.proof,
            "services": sorted(self.services),
            "sentence": self.sentence(region),
        }

    def sentence(self, region: str) -> str:
        what = "emergency maintenance" if self.emergency else "maintenance"
        return (
            f"{region} is in {what} since {clock_time(self.at)} ({', '.join(sorted(self.services))}), entered by "
            f"{self.by}: {self.reason}"
        )


def maintenance_of(data: Mapping[str, str], region: str) -> Record | None:
    """The maintenance that stands in a journal. Raises ReleaseError of kind `journal`."""
    if KEY not in data:
        return None
    try:
        return Record.from_text(data[KEY])
    except BROKEN as error:
        raise edited(region, "the record of the maintenance") from error


def refuse_maintenance(data: Mapping[str, str], region: str) -> None:
    """Raise Refused when the region is in maintenance: what was there before is written down, and has to stay so."""
    record = maintenance_of(data, region)
    if record is not None:
        raise Refused(f"{record.sentence(region)}; run maintenance.yml -e state=left first", region=region)
