# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in an environment, and what may go on from it to the next, as data for playbooks and roles."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import known_models, models_back, status
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import promotion as promotions
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_drift import Drift, decide_drift
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._plain import plainly

JsonObject = dict[str, t.Any]
Result = Mapping[str, t.Any]


def newest_revision(journal: Result) -> int | None:
    newest = status.newest_revision(journal.get("revisions") or [])
    return int(newest["number"]) if newest else None


def region_status(
    region: str,
    journal: Result,
    recorded: Result | None = None,
    read: Result | None = None,
    *,
    models: Result | None = None,
    names: Sequence[str] = (),
) -> JsonObject:
    problem = status.region_problem(journal, recorded, read)
    if problem is not None:
        return status.unread_region(region, problem)
    then, now = (recorded or {}).get("revision"), (read or {}).get("revision") or {}
    drift = decide_drift(then, now, journal.get("standby")) if then else Drift([], ["no revision is recorded here"])
    known = known_models.environment_models({region: models or {}}, names)
    return status.region_status(region, journal, now, drift.fields, drift.told, models=known)


def promotion_problems(request: Mapping[str, t.Any], sources: Mapping[str, t.Any], own_journal: Result) -> list[str]:
    return promotions.request_problems(promotions.Request(**request), sources, own_journal)


def promotion(journal: Result, request: Mapping[str, t.Any], services: Mapping[str, t.Any], now: float) -> JsonObject:
    number, versions, problem = promotions.promotion(promotions.Request(**request), journal, services, float(now))
    return {"number": number, "versions": versions, "problem": problem}


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "environment_models": plainly(known_models.environment_models),
            "environment_status": plainly(status.environment_status),
            "models_back": plainly(models_back.models_back),
            "models_gone": plainly(models_back.gone_slots),
            "models_moved": plainly(models_back.models_moved),
            "models_told": plainly(models_back.models_told),
            "newest_revision": plainly(newest_revision),
            "promotion": plainly(promotion),
            "promotion_problems": plainly(promotion_problems),
            "region_status": plainly(region_status),
        }
