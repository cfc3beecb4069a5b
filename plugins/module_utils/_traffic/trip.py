# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set routes back at once: the part of the way back that cannot wait for another task."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_trip import TripEntry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import weights_problem
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.kinds import KINDS, with_weights
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import KIND
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import Routes, Shift
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.set_back import set_back


def checked_trip(given: Sequence[Mapping[str, t.Any]]) -> list[TripEntry]:
    """The option `trip`, or OptionError naming the route and what is wrong with it."""
    entries: list[TripEntry] = []
    for entry in given:
        route = str(entry["route"])
        # Its choices are those of the gate's option.
        kind = str(entry.get("kind") or KIND)
        problem = weights_problem(entry["weights"]) or KINDS[kind].not_carried(entry["weights"])
        if problem:
            raise OptionError("trip", f"{route}: {problem}")
        if route in {other.route for other in entries}:
            raise OptionError("trip", f"{route} is there twice")
        needs = tuple(entry.get("depends_on") or ())
        entries.append(TripEntry(str(entry["service"]), route, entry["weights"], needs, kind))
    return entries


def trip(kube: KubeApi, journal: Journal, entries: Sequence[TripEntry], step: str = "trip") -> dict[str, t.Any]:
    """Set these routes back in this order, journaled, whatever the fleet has decided meanwhile. Raises nothing.

    Returns `at` (when the API server had accepted the last weights, unix seconds; None when it took none and something
    failed), `changed`, for each of the `routes` its weights `before` and `after` (None when they are not known) and its
    `error`, the `warnings`, and `error`: which routes could not be set back and why, empty when all could.
    """
    # The routes lie in the namespace of the region's journal.
    found = Routes(kube, journal.namespace, {entry.route: entry.kind for entry in entries}, option="trip")
    wanted = {entry.route: entry for entry in entries}
    before: dict[str, dict[str, int] | None] = {}

    def plan(name: str) -> Shift | None:
        live = found.must_get(name)
        shift = Shift(name, live, with_weights(live, wanted[name].weights))
        before.setdefault(name, shift.old)
        return shift if shift.old != shift.new else None

    back = set_back(found, journal, list(wanted), plan, step)
    routes = []
    for name, entry in wanted.items():
        failure = back.failed.get(name)
        after: dict[str, int] | None = dict(entry.weights)
        if failure is not None:
            after = None if name in back.unsure else before.get(name)
        routes.append(
            {
                "service": entry.service,
                "route": name,
                "before": before.get(name),
                "after": after,
                "error": failure.message if failure is not None else "",
            }
        )
    return {
        "at": kube.clock.now() if back.at is None and not back.failed else back.at,
        "changed": bool(back.done or back.unsure),
        "routes": routes,
        "warnings": back.warnings,
        "error": back.left(),
    }
