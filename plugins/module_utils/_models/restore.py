# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the traffic of models back: what the release did to it, undone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_restore import (
    touched_models,
    way_back,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model_route import (
    OPTION,
    ModelShift,
    told,
    wait_until_accepted,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import Routes, Shift
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.set_back import SetBack, set_back


@dataclasses.dataclass(frozen=True)
class Restored:
    """What was taken back, or in check mode would be. `routes`: the traffic `before` and `after`, by model. `kept`: a
    sentence for everything that stays as somebody else made it."""

    changed: bool
    routes: dict[str, JsonObject]
    kept: list[str]
    warnings: list[str]


def restored(
    session: Session,
    names: Sequence[str] | None = None,
    *,
    step: str,
    check_mode: bool,
    progress: Progress,
    accept_s: float = 30.0,
) -> Restored:
    """Take back what the release did to the traffic of its models, or of those in `names` alone.

    A route that cannot be taken back does not keep the others. Then a ReleaseError says which and why, and its
    `partial` has what a Restored has.
    """
    session.journal.guard()
    touched = touched_models(session.journal.entries())
    found = Routes(session.kube, session.namespace, option=OPTION)
    kept: dict[str, list[str]] = {}

    def plan(name: str) -> Shift | None:
        live = found.get(name)
        if live is None:
            kept[name] = [f"HTTPRoute {name} was removed by somebody else; it stays away"]
            return None
        after, kept[name] = way_back(touched[name], live)
        shift = ModelShift(name, live, after)
        return shift if shift.part(live) != shift.part(after) else None

    # What was changed last depends on what was changed before it.
    wanted = [name for name in reversed(touched) if names is None or name in names]
    back = set_back(found, session.journal, wanted, plan, step, check_mode=check_mode)
    warnings = list(back.warnings)
    if not check_mode:
        for shift in back.done:
            progress(f"{shift.name}: {shift.reads(shift.live)} -> {shift.reads(shift.after)}")
        warnings += _not_accepted(found, back, accept_s)
    done = Restored(
        bool(back.done or back.unsure),
        {shift.name: {"before": told(shift.live), "after": told(shift.after)} for shift in back.done},
        [f"{session.region}: {sentence}" for sentences in kept.values() for sentence in sentences],
        [f"{session.region}: {warning}" for warning in warnings],
    )
    if back.failed:
        # The first of them, so that a refusal is still one of the API server's.
        error = next(iter(back.failed.values()))
        error.retriable = any(failed.retriable for failed in back.failed.values())
        error.message = f"{session.region}: the traffic of models could not be taken back of {back.left()}"
        error.partial = dataclasses.asdict(done)
        raise error
    return done


def _not_accepted(found: Routes, back: SetBack, accept_s: float) -> list[str]:
    """A sentence for each route that is written and not in effect yet. All of them have that time together."""
    end = found.kube.clock.monotonic() + accept_s
    said = []
    for shift in back.done:
        problem = wait_until_accepted(found, shift.name, end - found.kube.clock.monotonic())
        if problem:
            said.append(f"route {shift.name} is written, and not in effect yet: {problem}")
    return said
