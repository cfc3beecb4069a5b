# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_revision: read what runs, apply manifests and fields, take a release back."""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Mapping
from types import MappingProxyType

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import (
    CLUSTER,
    RELEASE,
    UNREACHABLE,
    merge,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import ok_result
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.retry import keep_trying
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session, open_session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.apply import Before, apply, change_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_apply import (
    checked_fields,
    checked_objects,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import sanitise
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.read import read_revision
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.restore import restore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.refusals import named

JsonObject = dict[str, t.Any]

ARGUMENT_SPEC: t.Final = merge(
    CLUSTER,
    UNREACHABLE,
    RELEASE,
    {
        "state": {"type": "str", "choices": ["read", "applied", "restored"], "required": True},
        "services": {"type": "list", "elements": "str", "default": []},
        "objects": {"type": "list", "elements": "dict", "default": []},
        "fields": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "api_version": {"type": "str", "required": True},
                "kind": {"type": "str", "required": True},
                "name": {"type": "str", "required": True},
                "path": {"type": "str", "required": True},
                "value": {"type": "raw", "required": True},
                "at_least": {"type": "str"},
            },
        },
        "allow_live": {"type": "bool", "default": False},
        "way_back": {"type": "bool", "default": False},
    },
)

#: Every key of the result, with its value for "nothing".
EMPTY_RESULT: t.Final[JsonObject] = {"revision": None, "objects": [], "kept": []}


def run(params: Mapping[str, t.Any], *, check_mode: bool, diff: bool, clock: Clock, progress: Progress) -> JsonObject:
    """One task."""
    state = params["state"]
    if state == "restored" and not params.get("release"):
        raise OptionError("release", "needed to take a release back: its journal says what it wrote")
    objects = checked_objects(params.get("objects") or [], params["namespace"])
    fields = checked_fields(params.get("fields") or [], params["namespace"])
    session = open_session(params, clock=clock, check_mode=check_mode, undoing=state == "restored")
    with named(params):
        if state == "read":
            revision = read_revision(session.kube, session.namespace, params.get("services") or [])
            return ok_result(False, **{**EMPTY_RESULT, "revision": revision})
        if state == "applied":
            step = functools.partial(
                apply,
                session,
                objects,
                fields,
                shifted=params.get("services") or [],
                allow_live=bool(params.get("allow_live")),
                step=params.get("step") or "",
                check_mode=check_mode,
                progress=progress,
                way_back=bool(params.get("way_back")),
                before=Before(),
            )
            (writes, after), before = keep_trying(
                step, session.journal.look_at_fleet, check_mode=check_mode, clock=clock, progress=progress
            )
            pairs: list[_Pair] = [(str(write.ref), write.live, obj) for write, obj in zip(writes, after, strict=True)]
            return _result(session, pairs, diff, before=before)
        actions, kept = restore(session, step=params.get("step") or "", check_mode=check_mode, progress=progress)
        return _result(
            session, [(str(action.ref), action.before, action.after) for action in actions], diff, list(kept)
        )


_Pair = tuple[str, "JsonObject | None", "JsonObject | None"]


def _result(
    session: Session,
    pairs: list[_Pair],
    diff: bool,
    kept: list[str] | None = None,
    *,
    before: Mapping[str, t.Any] = MappingProxyType({}),
) -> JsonObject:
    """`before` is what earlier tries of the step did."""
    changed = [*before.get("objects", []), *(change_of(*pair) for pair in pairs)]
    old = {name: sanitise(obj) for name, obj, _after in pairs if obj is not None} if diff else None
    new = {name: sanitise(obj) for name, _before, obj in pairs if obj is not None} if diff else None
    extra = {**EMPTY_RESULT, "objects": changed, "kept": [f"{session.region}: {sentence}" for sentence in kept or []]}
    return ok_result(bool(pairs or before.get("changed")), old, new, **extra)
