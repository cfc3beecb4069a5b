# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the traffic back: what the release did to the weights, undone."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import Touched, way_back
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Probe
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS, weights_of, with_weights
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import Routes, Shift
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.shift import Answers, prove, text_of

_TRIES = 5


def touched_routes(entries: Sequence[Entry]) -> dict[str, Touched]:
    """What the release did to the traffic of each service, by its name. Pure."""
    weights: dict[str, list[Change]] = {}
    replaced: dict[str, set[str]] = {}
    for entry in entries:
        for change in entry.changes:
            if change.op == "weights":
                weights.setdefault(change.ref.name, []).append(change)
            elif change.ref.kind == "Deployment":
                service, _dash, slot = change.ref.name.rpartition("-")
                if slot in SLOTS and _replaced(change):
                    replaced.setdefault(service, set()).add(slot)
    found = {}
    for name in dict.fromkeys([*weights, *replaced]):
        changes = weights.get(name, [])
        first = changes[0] if changes else None
        found[name] = Touched(
            created=first is not None and first.before is None,
            before=weights_of(first.before) if first is not None and first.before is not None else None,
            written=tuple(
                written for change in changes if change.after is not None and (written := weights_of(change.after))
            ),
            replaced=frozenset(replaced.get(name, ())),
        )
    return found


def _replaced(change: Change) -> bool:
    """Whether the slot got other pods while it had no traffic."""
    if change.before is None:
        return change.after is not None
    had = (change.fields.get("traffic.weight") or {}).get("before", 0)
    return had == 0 and any(path.startswith("spec.template") for path in change.fields)


def restore(
    session: Session, probe: Probe | None, *, step: str, check_mode: bool, progress: Progress
) -> tuple[list[Shift], list[str], dict[str, Answers]]:
    """Take the traffic back. Returns the changed routes, what was kept, and the counted answers with a probe."""
    found = Routes(session.kube, session.namespace)
    session.journal.guard()
    touched = touched_routes(session.journal.entries())
    done: list[Shift] = []
    for attempt in range(_TRIES):
        shifts, kept = _plan(found, touched)
        if check_mode:
            return shifts, kept, {}
        try:
            found.write_all(session.journal, shifts, step)
        except ApiError as error:
            # Somebody wrote in between: plan again from what is there now.
            if error.kind != "conflict" or attempt == _TRIES - 1:
                raise
            continue
        done += shifts
        break
    for planned in done:
        progress(f"{planned.name}: {text_of(planned.old)} -> {text_of(planned.new)}")
    answers: dict[str, Answers] = {}
    if probe is not None:
        end = probe.deadline()
        for planned in done:
            if planned.new is not None:
                answers[planned.name] = prove(session, found, probe, name=planned.name, weights=planned.new, end=end)
    return done, kept, answers


def _plan(found: Routes, touched: dict[str, Touched]) -> tuple[list[Shift], list[str]]:
    shifts: list[Shift] = []
    kept: list[str] = []
    for name, what in touched.items():
        live = found.get(name)
        if live is None:
            if what.before is not None:
                kept.append(f"HTTPRoute {name} was removed by somebody else; it stays away")
            continue
        old = weights_of(live) or {}
        back = way_back(name, what, old)
        kept += back.kept
        if back.weights is None:
            shifts.append(Shift(name, live, None))
        elif back.weights != old:
            found.must_carry(name, old, back.weights)
            shifts.append(Shift(name, live, with_weights(live, back.weights)))
    return shifts, kept
