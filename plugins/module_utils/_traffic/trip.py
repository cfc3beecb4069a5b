# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set routes back to one slot at once: the part of the way back that cannot wait for another task."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS, with_weights
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import Routes, Shift

_TRIES: t.Final = 5


def trip(kube: KubeApi, journal: Journal, names: Sequence[str], to_slot: str, step: str = "trip") -> dict[str, t.Any]:
    """Give all traffic of these routes to one slot, journaled, whatever the fleet has decided meanwhile.

    Returns `at` (when the API server had accepted the last weights), `to`, `changed`, and by route the weights `before`
    and `after`. A slot without a ready pod gets nothing: bad answers are better than none.
    """
    # The routes lie in the namespace of the region's journal.
    found = Routes(kube, journal.namespace)
    target = {slot: 100 if slot == to_slot else 0 for slot in SLOTS}
    before: dict[str, dict[str, int] | None] = {}
    for attempt in range(_TRIES):
        shifts = []
        for name in names:
            live = found.must_get(name)
            shift = Shift(name, live, with_weights(live, target))
            before.setdefault(name, shift.old)
            if shift.old != target:
                found.must_carry(name, shift.old, target)
                shifts.append(shift)
        try:
            found.write_all(journal, shifts, step, undoing=True)
            break
        except ApiError as error:
            # Somebody wrote in between: their change stays, but for the weights.
            if error.kind != "conflict" or attempt == _TRIES - 1:
                raise
    return {
        "at": kube.clock.now(),
        "to": to_slot,
        "changed": any(weights != target for weights in before.values()),
        "before": before,
        "after": dict.fromkeys(names, target),
    }
