# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the releases and the order flow wrote down into the shapes that the demo judges. No I/O."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from lab.demo.verdict import Flow, Release

_STEP_WITH_WEIGHT: t.Final = re.compile(r"(?P<services>[\w-]+(?:, [\w-]+)*) (?P<weight>\d+) %")


def read_release(version: str, exit_code: int, report: Mapping[str, t.Any] | None) -> Release:
    """A release from its report file; None where the playbook wrote none (refused before anything was locked)."""
    regions = (report or {}).get("regions") or []
    decided_at, weights_at = None, None
    for region in regions:
        for step in region.get("steps") or []:
            if step.get("tripped"):
                decided_at = step.get("decided_at")
                weights_at = step["tripped"].get("at")
    return Release(
        version=version,
        exit_code=exit_code,
        verdicts={str(region["region"]): str(region["verdict"]) for region in regions},
        traffic={str(region["region"]): _highest_weights(region.get("steps") or []) for region in regions},
        decided_at=decided_at,
        weights_at=weights_at,
        reason=next((str(region["reason"]) for region in regions if region.get("reason")), ""),
    )


def _highest_weights(steps: list[Mapping[str, t.Any]]) -> dict[str, int]:
    """Service -> highest weight of its new version: steps are named `SERVICE, SERVICE WEIGHT %`."""
    highest: dict[str, int] = {}
    for step in steps:
        for match in _STEP_WITH_WEIGHT.finditer(str(step.get("name", ""))):
            for service in match["services"].split(", "):
                highest[service] = max(highest.get(service, 0), int(match["weight"]))
    return highest


def read_flow(report: Mapping[str, t.Any], bad_version: str = "v3") -> Flow:
    """The order flow from its JSON file. What it could not reconcile counts as lost: not known is not proved."""
    totals = report["totals"]
    seen = report["versions"].get(bad_version) or {}
    unknown = totals["acknowledged"]
    return Flow(
        acknowledged=totals["acknowledged"],
        refused=totals["refused"],
        lost=unknown if totals["lost"] is None else totals["lost"],
        duplicated=unknown if totals["duplicated"] is None else totals["duplicated"],
        failed_by_healthy_versions=totals["failed_by_healthy_versions"],
        first_bad=seen.get("first_bad_at"),
        last_bad=seen.get("last_bad_at"),
    )
