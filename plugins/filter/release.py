# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions of a release that playbooks and roles need as data. The work is in `module_utils/_catalogue`."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import (
    flag_options,
    followers,
    handover,
    heeded,
    manifests,
    model,
    plan,
    plan_back,
    recovery,
    request,
    verdicts,
)
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._plain import plainly

JsonObject = dict[str, t.Any]


def slot_manifests(
    services: Mapping[str, t.Any], versions: Mapping[str, str], region: str, namespace: str
) -> dict[str, dict[str, list[JsonObject]]]:
    catalogue = _catalogue(services)
    return {
        name: {
            slot: manifests.slot_manifests(catalogue[name], slot, version, region, namespace) for slot in model.SLOTS
        }
        for name, version in versions.items()
        if catalogue[name].template is None
    }


def deploy_plan(
    before: Mapping[str, t.Any],
    services: Mapping[str, t.Any],
    versions: Mapping[str, str],
    rendered: plan.Manifests,
    profiles: Mapping[str, Mapping[str, t.Any]],
    *,
    regions: int,
) -> JsonObject:
    situation = plan.Situation(before, rendered, profiles, regions=regions)
    made, problems = plan.deploy_plan(_catalogue(services), versions, situation)
    return {**made, "problems": problems}


def rollback_plan(
    before: Mapping[str, t.Any],
    services: Mapping[str, t.Any],
    revision: Mapping[str, t.Any],
    profiles: Mapping[str, Mapping[str, t.Any]],
    only: Sequence[str] = (),
    *,
    standby: Mapping[str, t.Any] | None = None,
) -> JsonObject:
    made, problems = plan_back.rollback_plan(_catalogue(services), revision, before, profiles, only, standby=standby)
    return {**made, "problems": problems}


def judgement(
    before: Mapping[str, t.Any], services: Mapping[str, t.Any], profiles: Mapping[str, Mapping[str, t.Any]]
) -> JsonObject:
    return plan.judgement(_catalogue(services), plan.Situation(before, {}, profiles))


def pick_revision(history: Sequence[Mapping[str, t.Any]], wanted: t.Any = None) -> JsonObject:
    number, problem = request.pick_revision(history, wanted)
    return {"number": number, "problem": problem}


def absent_revision(history: Sequence[Mapping[str, t.Any]], number: t.Any, region: str) -> str | None:
    return request.absent_revision(history, int(number), region)


def request_judgement(asked: Mapping[str, t.Any]) -> JsonObject:
    problems = request.request_problems(asked)
    flags = flag_options.flag_problems(asked)
    if asked.get("kind") == "deploy":
        problems += flags
        flags = flag_options.flag_warnings(asked)
    # Nobody's way back waits for flags.
    warnings = [] if problems else [*request.request_warnings(asked), *flags]
    return {"problems": problems, "warnings": warnings, "emergency": request.passed_emergency(asked)}


def release_summary(regions: t.Any, kind: str, decision: t.Any, models: t.Any = None) -> JsonObject:
    return verdicts.summarise(kind, decision, regions, models)


def standing_decision(journal: t.Any, kind: str, release: t.Any) -> t.Any:
    return verdicts.standing_decision(kind, release, journal)


def _catalogue(services: Mapping[str, t.Any]) -> dict[str, model.Service]:
    try:
        return model.parse_catalogue(services)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "absent_revision": plainly(absent_revision),
            "deploy_plan": plainly(deploy_plan),
            "flag_changes": plainly(flag_options.flag_changes),
            "flags_of_release": plainly(flag_options.flags_of_release),
            "failure_reason": plainly(verdicts.failure_reason),
            "fleet_record": plainly(verdicts.fleet_record),
            "heeded_decision": plainly(heeded.heeded_decision),
            "holds_handover": plainly(handover.holds_handover),
            "judgement": plainly(judgement),
            "pick_revision": plainly(pick_revision),
            "recovery_action": plainly(recovery.recovery_action),
            "recovery_decision": plainly(recovery.default_decision),
            "recovery_summary": plainly(recovery.recovery_summary),
            "release_summary": plainly(release_summary),
            "request_judgement": plainly(request_judgement),
            "rollback_plan": plainly(rollback_plan),
            "share_of": plainly(verdicts.share_of),
            "slot_manifests": plainly(slot_manifests),
            "standing_versions": plainly(verdicts.standing_versions),
            "standing_decision": plainly(standing_decision),
            "untold_regions": plainly(followers.untold),
            "wanted_versions": plainly(request.wanted_versions),
        }
