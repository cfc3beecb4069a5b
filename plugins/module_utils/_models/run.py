# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""model_shadow: a new version of a model beside the old one. Its traffic in a region, its aliases in the fleet, and
what the evidence says of it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session, open_session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.aliases import move_aliases, tell_registry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.judging import judge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.options import (
    ARGUMENT_SPEC,
    Options,
    options_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.region import (
    change_route,
    look,
    take_back,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registries import registry_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.sources import sources_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.task import EMPTY_RESULT, Task
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Gateway, Probe
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.refusals import named

__all__ = ["ARGUMENT_SPEC", "EMPTY_RESULT", "run"]

#: The states that are the way back: a decision to undo does not stop them.
_BACK: t.Final = ("rolled_back", "restored")


def run(params: Mapping[str, t.Any], *, check_mode: bool, diff: bool, clock: Clock, progress: Progress) -> JsonObject:  # noqa: ARG001 - the same signature for every area
    """One task. Traffic and aliases are short enough to be in every result, with or without --diff."""
    told: JsonObject = {}
    try:
        task = _task(
            params, options_of(params, check_mode=check_mode), check_mode=check_mode, clock=clock, progress=progress
        )
        told = task.told
        with named(params):
            _act(task)
    except ReleaseError as error:
        # The verdict on a challenger stays when the task is to fail because of it.
        verdict = told["verdict"] if error.kind == "verdict" else "fail"
        error.partial = {**told, **error.partial, "verdict": verdict, "reason": error.message}
        raise
    return told


def _task(params: Mapping[str, t.Any], options: Options, *, check_mode: bool, clock: Clock, progress: Progress) -> Task:
    """Everything is made before the first request, so that bad input costs none."""
    judges = options.state == "judged"
    return Task(
        options,
        params["judge"],
        clock,
        progress,
        clock.monotonic() + options.deadline_s,
        check_mode,
        sources_of(params["sources"], options.model, clock) if judges else (),
        registry_of(params["registry"], clock) if params.get("registry") else None,
        _probe(params, clock),
        _session(params, options, clock, check_mode),
    )


def _session(params: Mapping[str, t.Any], options: Options, clock: Clock, check_mode: bool) -> Session | None:
    """The cluster of the region; that of the fleet only for who moves aliases, under its lock."""
    if not options.in_region and options.state in ("judged", "status"):
        return None
    return open_session(params, clock=clock, check_mode=check_mode, undoing=options.state in _BACK)


def _probe(params: Mapping[str, t.Any], clock: Clock) -> Probe | None:
    given = (params.get("route") or {}).get("probe")
    if not given:
        return None
    plane = Gateway(given["url"], given["ca_cert"])
    return Probe(plane, clock, given["path"], given["requests"], given["timeout_s"])


def _act(task: Task) -> None:
    state, in_region = task.options.state, task.options.in_region
    if state == "judged":
        judge(task)
    elif state == "status":
        look(task) if in_region else tell_registry(task)
    elif state == "restored":
        take_back(task)
    elif in_region:
        change_route(task)
    else:
        move_aliases(task)
