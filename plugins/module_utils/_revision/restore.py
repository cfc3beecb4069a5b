# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take back what a release wrote in this region, out of its journal."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import FIELD_MANAGER, JsonObject, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import is_config
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_undo import (
    TAKEN_BACK,
    Action,
    UndoPlan,
    plan_undo,
    rotated,
    touched_refs,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import (
    NAME_LABEL,
    WORKLOADS,
    label_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.fingerprints import fingerprints
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.ownership import adopt
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.tree import differences, noted, strip
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.find import find_traffic
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import backends_of

_TRIES: t.Final = 5


def restore(
    session: Session, *, step: str, check_mode: bool, progress: Progress
) -> tuple[list[Action], tuple[str, ...]]:
    """Take the release back here. Returns the writes that were made (in check mode: would be) and what was kept."""
    actions, kept = _taken_back(session, step=step, check_mode=check_mode, progress=progress)
    return actions, (*kept, *_rotated(session))


def _rotated(session: Session) -> list[str]:
    """The Secrets that somebody rotated since the release began. They are only told: a release writes none."""
    try:
        known = [entry for entry in (session.journal.before() or {}).get("secrets") or [] if entry.get("hash")]
        found = fingerprints(session.kube, session.namespace, [entry["name"] for entry in known])
    except ApiError:
        # The way back is done. That it could not be told is no reason to be stuck.
        return []
    return rotated(known, found)


def _taken_back(
    session: Session, *, step: str, check_mode: bool, progress: Progress
) -> tuple[list[Action], tuple[str, ...]]:
    """The plan is made again when somebody wrote in between, from what is there then."""
    session.journal.guard()
    entries = session.journal.entries()
    written: list[Action] = []
    for attempt in range(_TRIES):
        plan = _plan(session, entries)
        if check_mode or not plan.actions:
            return [*written, *(plan.actions if check_mode else ())], plan.kept
        number = session.journal.intend(step, [_change(action, action.after) for action in plan.actions])
        done: list[tuple[Action, JsonObject | None]] = []
        try:
            for action in plan.actions:
                session.journal.guard()
                done.append((action, _carry_out(session, action)))
                progress(f"{action.verb}d {action.ref}" if action.verb != "replace" else f"put {action.ref} back")
        except ReleaseError as error:
            session.journal.outcome(number, [_change(action, after) for action, after in done], error.message)
            written += [action for action, _after in done]
            if not (isinstance(error, ApiError) and error.kind == "conflict") or attempt == _TRIES - 1:
                error.partial["kept"] = list(plan.kept)
                raise
        else:
            session.journal.outcome(number, [_change(action, after) for action, after in done])
            return [*written, *(action for action, _after in done)], plan.kept
    raise AssertionError("the loop ends by return or raise")


def _plan(session: Session, entries: list[Entry]) -> UndoPlan:
    live = {ref: session.kube.get(ref) for ref in touched_refs(entries)}
    recorded = [obj for entry in entries for change in entry.changes for obj in (change.before, change.after)]
    labels = {label_of(obj, NAME_LABEL) for obj in [*live.values(), *recorded]} - {None}
    services = sorted(t.cast("set[str]", labels))
    traffic = find_traffic(session.kube, session.namespace, services)
    backends = {name for route in traffic.routes.values() for name in backends_of(route)}
    slots: list[JsonObject] = []
    if any(obj is not None and is_config(obj) for obj in live.values()):
        # Configuration goes when no slot refers to it, also none that this release did not write.
        selector = f"{NAME_LABEL} in ({','.join(services)})"
        for kind in WORKLOADS:
            slots += session.kube.list("apps/v1", kind, session.namespace, selector)
    return plan_undo(entries, live, traffic.weights, backends, slots)


def _carry_out(session: Session, action: Action) -> JsonObject | None:
    kube = session.kube
    if action.after is None:
        kube.delete(action.ref, uid=action.before["metadata"]["uid"])
        return None
    after = kube.replace(action.after)
    managed = adopt(after, FIELD_MANAGER)
    if managed is not None:
        version = after["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version, "managedFields": managed}}
        try:
            after = kube.patch(Ref.of(after), patch)
        except ApiError as error:
            # A controller was faster. The next apply hands them over: nothing depends on it before.
            if error.kind != "conflict":
                raise
    return after


def _change(action: Action, after: JsonObject | None) -> Change:
    """What the journal keeps of it: no whole objects. Nobody takes a way back back, and the room is needed."""
    before, now = noted(action.before), noted(after) if after is not None else None
    fields = differences(strip(before), strip(now)) if now is not None else {}
    mark = {TAKEN_BACK: {"before": None, "after": True}}
    return Change(action.ref, "apply" if now is not None else "delete", {**fields, **mark})
