# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the traffic back: what the release did to the weights, undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import Touched, way_back
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.find import find_routes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.kinds import weights_of, with_weights
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Probe
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import TAKEN_BACK, Routes, Shift
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.set_back import SetBack, set_back
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.shift import Proof, prove, text_of


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
    # What the gate tripped before this release had shifted it is no state to go back to.
    first = {
        name: shifted[0]
        for name, changes in weights.items()
        if (shifted := [change for change in changes if TAKEN_BACK not in change.fields])
    }
    found = {}
    for name in dict.fromkeys([*first, *replaced]):
        changes = weights[name] if name in first else []
        before = first[name].before if name in first else None
        found[name] = Touched(
            created=name in first and before is None,
            before=weights_of(before) if before is not None else None,
            written=tuple(
                written for change in changes if change.after is not None and (written := weights_of(change.after))
            ),
            replaced=frozenset(replaced.get(name, ())),
            kind=first[name].ref.kind if name in first else None,
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
) -> tuple[SetBack, list[str], dict[str, Proof]]:
    """Take the traffic back. Returns what became of the routes, what was kept, and with a probe the proofs.

    A route that cannot be taken back does not keep the others; it is in the answer, and then nothing is proved yet.
    """
    session.journal.guard()
    touched = touched_routes(session.journal.entries())
    found = Routes(session.kube, session.namespace, _kinds(session, touched))
    kept: dict[str, list[str]] = {}

    def plan(name: str) -> Shift | None:
        shift, kept[name] = _planned(found, name, touched[name])
        return shift

    # What was shifted last depends on what was shifted before it.
    names = list(reversed(touched))
    back = set_back(found, session.journal, names, plan, step, check_mode=check_mode)
    proofs: dict[str, Proof] = {}
    if not check_mode:
        for planned in back.done:
            progress(f"{planned.name}: {text_of(planned.old)} -> {text_of(planned.new)}")
        if probe is not None and not back.failed:
            end = probe.deadline()
            for planned in back.done:
                if planned.new is not None:
                    proofs[planned.name] = prove(found, probe, planned.name, planned.new, end)
    return back, [sentence for sentences in kept.values() for sentence in sentences], proofs


def _kinds(session: Session, touched: Mapping[str, Touched]) -> dict[str, str]:
    """The kind of each route: as it was written, or else as it is found."""
    there = find_routes(session.kube, session.namespace, [name for name, what in touched.items() if what.kind is None])
    written = {name: what.kind for name, what in touched.items() if what.kind is not None}
    return written | {name: str(obj["kind"]) for name, obj in there.items()}


def _planned(found: Routes, name: str, what: Touched) -> tuple[Shift | None, list[str]]:
    """What one route has to become, and what is left as somebody else made it."""
    live = found.get(name)
    if live is None:
        removed = what.before is not None
        return None, [f"{found.kind(name).KIND} {name} was removed by somebody else; it stays away"] if removed else []
    old = weights_of(live) or {}
    back = way_back(f"{found.kind(name).KIND} {name}", what, old)
    if back.weights is None:
        return Shift(name, live, None), list(back.kept)
    if back.weights == old:
        return None, list(back.kept)
    return Shift(name, live, with_weights(live, back.weights)), list(back.kept)
