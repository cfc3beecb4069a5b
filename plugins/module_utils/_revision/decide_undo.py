# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of a release: from its journal and what is there now to a list of writes. Pure.

The changes are taken back newest first, on a copy; what is to be written is how the copy differs in the end. A way
back is journaled too, but is no change of the release: it is marked and left out, so that running it twice ends where
running it once does.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import FIELD_MANAGER, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import is_config, referenced
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_apply import (
    SCALE,
    Weights,
    weight_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import (
    NAME_LABEL,
    WORKLOADS,
    label_of,
    rank,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.ownership import (
    AUTOSCALED,
    scaled_by_autoscaler,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.tree import (
    Kept,
    WayBack,
    dress,
    get_path,
    set_path,
    strip,
)

JsonObject = dict[str, t.Any]

#: The mark of a way back among the fields of a journaled change.
TAKEN_BACK: t.Final = "taken.back"
_SCALE: t.Final = (SCALE,)


@dataclasses.dataclass(frozen=True)
class Action:
    """One write. `before` is what is there now, `after` what is there then, None for nothing."""

    ref: Ref
    before: JsonObject
    after: JsonObject | None

    @property
    def verb(self) -> t.Literal["replace", "delete"]:
        return "delete" if self.after is None else "replace"


@dataclasses.dataclass(frozen=True)
class UndoPlan:
    """The writes in their order, and a sentence for everything that stays as somebody else made it."""

    actions: tuple[Action, ...] = ()
    kept: tuple[str, ...] = ()


def touched_refs(entries: Sequence[Entry]) -> list[Ref]:
    """The objects that a release wrote or meant to write, routes left out: k8s_traffic and model_shadow have those."""
    return list({change.ref: None for entry in entries for change in entry.changes if _is_ours(change)})


def _is_ours(change: Change) -> bool:
    return change.op not in ("weights", "models", "drain", "dns") and TAKEN_BACK not in change.fields


def plan_undo(
    entries: Sequence[Entry],
    live: Mapping[Ref, JsonObject | None],
    weights: Weights,
    backends: Collection[str] = (),
    slots: Collection[JsonObject] = (),
) -> UndoPlan:
    """Plan the way back. `backends` are the Services that routes name now, `slots` the workloads of the services."""
    actions: list[Action] = []
    kept: list[str] = []
    states: dict[Ref, JsonObject | None] = {Ref.of(slot): slot for slot in slots}
    # What a ConfigMap is needed for is known when the slots are planned.
    for ref in sorted(touched_refs(entries), key=lambda ref: ref.kind == "ConfigMap"):
        newest_first = [
            (change, entry.done or entry.failed is not None)
            for entry in reversed(entries)
            for change in reversed(entry.changes)
            if change.ref == ref and _is_ours(change)
        ]
        found = live.get(ref)
        state, sentences = _taken_back(ref, newest_first, found)
        kept += sentences
        if found is None:
            continue
        state, guarded = _guarded(ref, found, state, weights, backends)
        states[ref] = state
        if state is None and is_config(found) and ref.name in referenced(filter(None, states.values()), "ConfigMap"):
            state, guarded = strip(found), [f"{ref} stays: a slot refers to it"]
        kept += guarded
        if state != strip(found):
            actions.append(Action(ref, found, None if state is None else dress(state, found)))
    # Puts things back from the ground up, takes things away from the top down.
    actions.sort(key=lambda action: -rank(action.ref.kind) if action.verb == "delete" else rank(action.ref.kind))
    actions.sort(key=lambda action: action.verb == "delete")
    return UndoPlan(tuple(actions), tuple(dict.fromkeys(kept)))


def rotated(before: Sequence[Mapping[str, t.Any]], now: Sequence[Mapping[str, t.Any]]) -> list[str]:
    """A sentence for each Secret whose hash is another one now. Without both hashes nothing is known."""
    hashes = {entry["name"]: entry["hash"] for entry in now if entry["hash"]}
    return [
        f"Secret {entry['name']} was changed by somebody else: left as it is"
        for entry in before
        if entry["hash"] and entry["name"] in hashes and hashes[entry["name"]] != entry["hash"]
    ]


def _taken_back(
    ref: Ref, newest_first: Sequence[tuple[Change, bool]], found: JsonObject | None
) -> tuple[JsonObject | None, list[str]]:
    """The object without what the release did to it, and what somebody else did to it since."""
    if found is None:
        made = any(change.before is None for change, _done in newest_first)
        return None, [] if made else [f"{ref} was removed by somebody else; it stays away"]
    state: JsonObject | None = strip(found)
    back = WayBack(_also_ours(found))
    for change, recorded in newest_first:
        before = strip(change.before) if change.before is not None else None
        after = strip(change.after) if change.after is not None else None
        if before is None:
            if _made_by_us(change, recorded, found):
                return None, []
            return strip(found), [f"{ref} was removed and made again by somebody else; it stays"]
        if after is not None:
            state = back.take_back(before, after, state)
        if AUTOSCALED in change.fields:
            back.ours = _SCALE
    return state, [_sentence(ref, field) for field in back.kept.values()]


def _also_ours(found: JsonObject) -> tuple[str, ...]:
    """A scale that the HPA made of ours is not a decision of a person."""
    return _SCALE if found["kind"] == "Deployment" and scaled_by_autoscaler(found) else ()


def _made_by_us(change: Change, recorded: bool, found: JsonObject) -> bool:
    """Whether the object that is there is the one that this change made. `recorded`: the server's answer is known."""
    if recorded and change.after is not None:
        return bool(change.after["metadata"].get("uid") == found["metadata"].get("uid"))
    # The answer was lost, so the uid is not known: our mark on the object says it.
    managers = found["metadata"].get("managedFields") or []
    return any(entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" for entry in managers)


def _guarded(
    ref: Ref, found: JsonObject, state: JsonObject | None, weights: Weights, backends: Collection[str]
) -> tuple[JsonObject | None, list[str]]:
    """What has traffic is never removed or scaled down, whatever the journal says."""
    weight = weight_of(found, weights)
    service = label_of(found, NAME_LABEL) or ""
    if state is None:
        if weight > 0:
            return strip(found), [f"{ref} stays: its slot has {weight} % of the traffic"]
        if ref.kind == "Service" and ref.name in backends:
            return strip(found), [f"{ref} stays: a route names it"]
        shared = ref.kind == "ServiceAccount" or (ref.kind == "ConfigMap" and not is_config(found))
        if shared and any(share > 0 for share in weights.get(service, {}).values()):
            return strip(found), [f"{ref} stays: {service} has traffic"]
        return None, []
    if ref.kind in WORKLOADS and weight > 0:
        now, then = (int(get_path(obj, "spec.replicas") or 0) for obj in (found, state))
        if then < now:
            sentence = f"{ref} stays at {now} replicas (not {then}): it has {weight} % of the traffic"
            return set_path(state, "spec.replicas", now), [sentence]
    return state, []


def _sentence(ref: Ref, field: Kept) -> str:
    if field.path.endswith("]") or ".env[" in field.path:
        # It may hold what nobody should read.
        return f"{ref}: {field.path} was changed by somebody else after the release; it stays"
    return (
        f"{ref}: {field.path} is {_short(field.live)}, changed by somebody else after the release wrote "
        f"{_short(field.after)} ({_short(field.before)} before); it stays"
    )


def _short(value: t.Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
