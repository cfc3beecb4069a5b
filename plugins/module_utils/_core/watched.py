# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease as another task of the same playbook has seen it, so that a recovery does not watch each lease anew.

The monotonic clock is one for all processes of a boot and a time namespace (clock_gettime(2), time_namespaces(7)), so
an instant of it can be handed on between them, and nowhere else.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.decide_lease import LeaseState
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject

_PROC = pathlib.Path("/proc")


@dataclasses.dataclass(frozen=True)
class Watched:
    """`at` is in seconds of the monotonic clock that `clock` names; nobody knows which clock an empty name is."""

    lease: LeaseState
    at: float
    clock: str

    def to_option(self) -> JsonObject:
        return {**dataclasses.asdict(self.lease), "seen": {"at": self.at, "clock": self.clock}}

    @classmethod
    def from_option(cls, option: Mapping[str, t.Any] | None) -> Watched | None:
        """None where nothing was seen. Raises OptionError."""
        if not option:
            return None
        try:
            lease = LeaseState(
                holder=str(option["holder"]),
                token=int(option["token"]),
                duration_s=float(option["duration_s"]),
                renewed_at=float(option["renewed_at"]),
            )
            return cls(lease, float(option["seen"]["at"]), str(option["seen"]["clock"]))
        except (KeyError, TypeError, ValueError) as error:
            problem = f"needs the lock as state=read returned it; wrong or missing: {error}"
            raise OptionError("watched", problem) from error

    def since(self, lease: LeaseState | None, clock: str, now: float) -> float:
        """The instant from which on `lease` is known not to have been renewed, `now` at the latest. Both are of the
        monotonic clock `clock`."""
        same = lease == self.lease and clock == self.clock != ""
        return min(self.at, now) if same else now


def name_of_clock() -> str:
    """This boot of this machine, and this space of time; empty where nobody can tell."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{(_PROC / 'self/ns/time').readlink()}"
    except OSError:
        return ""
