# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set routes back, each by itself: what stands in the way of one is no reason to leave the others."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import Routes, Shift

#: What a route has to become, from what is there now; None when that is right. Raises ReleaseError when it cannot.
Plan = Callable[[str], "Shift | None"]

_TRIES: t.Final = 5
#: Somebody wrote or removed it in between: their change stays, but for the weights.
_AGAIN: t.Final = frozenset({"conflict", "not_found"})


@dataclasses.dataclass
class SetBack:
    """What became of the routes."""

    done: list[Shift] = dataclasses.field(default_factory=list)
    failed: dict[str, ReleaseError] = dataclasses.field(default_factory=dict)
    #: Those of `failed` whose weights are not known any more.
    unsure: set[str] = dataclasses.field(default_factory=set)
    warnings: list[str] = dataclasses.field(default_factory=list)
    #: When the API server had accepted the last one.
    at: float | None = None

    def left(self) -> str:
        """Which routes were not set back, and why; empty when all were."""
        return f"{', '.join(self.failed)}: {reasons(self.failed)}" if self.failed else ""


def reasons(failed: Mapping[str, ReleaseError]) -> str:
    """Every reason once, without the region: a lock that is lost is the same for all routes."""
    return "; ".join(dict.fromkeys(error.message.removeprefix(f"{error.region}: ") for error in failed.values()))


def set_back(
    found: Routes,
    journal: Journal,
    names: Sequence[str],
    plan: Plan,
    step: str,
    *,
    check_mode: bool = False,
) -> SetBack:
    """Plan and write each route; what failed is in the answer and not raised.

    All of it has the time that the client gives to one call. Nobody waits that long for each route while others do not
    know yet that the release is undone.
    """
    back = SetBack()
    kube = found.kube
    patience_s = kube.deadline_s
    found.end = kube.clock.monotonic() + patience_s
    warnings: dict[str, list[str]] = {}
    pending = list(names)
    try:
        for attempt in range(_TRIES):
            shifts: list[Shift] = []
            for name in pending:
                found.hurry()
                try:
                    shift = plan(name)
                    if shift is None:
                        continue
                    warnings[name] = found.must_bear(name, shift.old, shift.new) if shift.new is not None else []
                    shifts.append(shift)
                except ReleaseError as error:
                    back.failed[name] = error
            if check_mode:
                back.done = shifts
                break
            try:
                written = found.write_each(journal, shifts, step, back=True)
            except ReleaseError as error:
                back.failed.update({shift.name: error for shift in shifts})
                break
            back.done += written.done
            back.at = written.at if written.at is not None else back.at
            if written.unrecorded is not None:
                back.warnings.append(f"the weights are set, but not journaled: {written.unrecorded.message}")
            pending = [name for name, error in written.errors.items() if error.kind in _AGAIN and attempt < _TRIES - 1]
            back.failed.update({name: error for name, error in written.errors.items() if name not in pending})
            back.unsure |= written.unsure
            if not pending:
                break
    finally:
        kube.deadline_s = patience_s
        found.end = None
    back.warnings += [text for shift in back.done for text in warnings[shift.name]]
    return back
