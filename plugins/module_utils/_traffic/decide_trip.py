# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services go back when some of them fail, and in which order. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import KIND


@dataclasses.dataclass(frozen=True)
class TripEntry:
    """A route that may be set back, the weights it then gets, and the services that its service needs. `kind` is the
    kind of the route."""

    service: str
    route: str
    weights: Mapping[str, int]
    depends_on: tuple[str, ...] = ()
    kind: str = KIND


def routes_to_trip(entries: Sequence[TripEntry], failing_services: AbstractSet[str]) -> list[TripEntry]:
    """The entries of the failing services and of all that depend on them, dependents first.

    A failure that speaks of no single service takes them all back. A dependency goes after its dependents: what they
    were built for is there until nobody asks for it any more.
    """
    if failing_services:
        back = set(failing_services)
        while more := {e.service for e in entries if e.service not in back and not back.isdisjoint(e.depends_on)}:
            back |= more
    else:
        back = {entry.service for entry in entries}
    left = [entry for entry in entries if entry.service in back]
    ordered: list[TripEntry] = []
    while left:
        needed = {name for entry in left for name in entry.depends_on}
        # Services that depend on each other in a circle have no first one.
        free = [entry for entry in left if entry.service not in needed] or left
        ordered += free
        left = [entry for entry in left if entry not in free]
    return ordered
