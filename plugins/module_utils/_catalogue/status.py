# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in every region now, against what was recorded. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.columns import ruled
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.followers import joined
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.history import (
    open_release,
    told_lock,
    told_open,
    told_versions,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.known_models import drift_lines
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import STANDING, failure_reason

JsonObject = dict[str, t.Any]

_LONGEST_VALUE: t.Final = 60


def newest_revision(headers: Sequence[Mapping[str, t.Any]]) -> Mapping[str, t.Any] | None:
    """The header of the newest revision that stands; None when nothing was ever released."""
    standing = [header for header in headers if header.get("outcome", "released") in STANDING]
    return max(standing, key=lambda header: int(header["number"]), default=None)


def region_problem(*results: Mapping[str, t.Any] | None) -> JsonObject | None:
    """Why a region could not be read, out of the results of its tasks; None when every one of them is good."""
    for result in results:
        # A task that did not fail has no message, and one that was skipped no failure.
        if result and result.get("msg") and not result.get("skipped"):
            return {"kind": (result.get("error") or {}).get("kind") or "failed", "sentence": failure_reason(result)}
    return None


def region_status(
    region: str,
    journal: Mapping[str, t.Any],
    document: Mapping[str, t.Any],
    drift: Sequence[Mapping[str, t.Any]],
    told: Sequence[str],
    *,
    models: Mapping[str, t.Any] | None = None,
) -> JsonObject:
    """A region that could be read. `document` is what runs now, `drift` how it differs from the recorded one, `models`
    what would be recorded of each model."""
    newest = newest_revision(journal.get("revisions") or [])
    release = open_release(journal)
    if release is not None:
        told = [f"{told_open(release)}, so what differs may be its work", *told]
    maintenance = journal.get("maintenance")
    if maintenance is not None:
        sentence = str(maintenance["sentence"]).removeprefix(f"{region} is ")
        told = [f"{sentence}; what differs may be its work", *told]
    return {
        "region": region,
        "problem": None,
        "revision": int(newest["number"]) if newest else None,
        "open": release,
        "services": {name: _service(state) for name, state in (document.get("services") or {}).items()},
        "models": dict(models or {}),
        "drift": [dict(field) for field in drift],
        "told": list(told),
    }


def unread_region(region: str, problem: Mapping[str, t.Any]) -> JsonObject:
    """A region that could not be read: nothing is known of it."""
    return {
        "region": region,
        "problem": dict(problem),
        "revision": None,
        "open": None,
        "services": {},
        "models": {},
        "drift": [],
        "told": [],
    }


def _service(state: Mapping[str, t.Any]) -> JsonObject:
    live = state.get("live_slot")
    slot = (state.get("slots") or {}).get(live) or {}
    return {
        "slot": live,
        "version": slot.get("version"),
        "replicas": slot.get("replicas"),
        "ready_replicas": slot.get("ready_replicas"),
        "weights": state.get("weights"),
    }


def environment_status(
    fleet: Mapping[str, t.Any], regions: Sequence[Mapping[str, t.Any]], environment: str = ""
) -> JsonObject:
    """All regions together. `ok` says that every region could be read and none of them drifted."""
    problem = region_problem(fleet)
    newest = newest_revision(joined(fleet.get("revisions") or []))
    number = int(newest["number"]) if newest else None
    found = [
        {**region, "behind": None if region["problem"] or problem else region["revision"] != number}
        for region in regions
    ]
    drifted = [str(region["region"]) for region in found if region["drift"]]
    behind = [str(region["region"]) for region in found if region["behind"]]
    unread = [str(region["region"]) for region in found if region["problem"]]
    return {
        "environment": environment,
        "problem": problem,
        "revision": dict(newest) if newest else None,
        "open": open_release(fleet),
        "lock": fleet.get("lock") if (fleet.get("lock") or {}).get("holder") else None,
        "regions": found,
        "models": drift_lines(newest, {str(region["region"]): region["models"] for region in regions}),
        "drifted": drifted,
        "behind": behind,
        "unread": unread,
        "ok": not drifted and not unread,
        "sentence": _sentence(len(found), number, drifted, behind, [*unread, *(["fleet"] if problem else [])]),
    }


def _sentence(regions: int, number: int | None, drifted: list[str], behind: list[str], unread: list[str]) -> str:
    parts = [
        f"{text} {', '.join(names)}"
        for text, names in (
            ("drift in", drifted),
            ("not on the newest revision:", behind),
            ("could not be read:", unread),
        )
        if names
    ]
    if parts:
        return "; ".join(parts)
    where = "the region" if regions == 1 else f"all {regions} regions"
    return f"no drift in {where}" + (f", revision {number}" if number is not None else "; nothing was released yet")


def progress_line(region: Mapping[str, t.Any]) -> str:
    """What is told as soon as a region has answered."""
    if region["problem"]:
        return f"[{region['region']}] {region['problem']['sentence']}"
    stands = f"revision {region['revision']}" if region["revision"] is not None else "no revision"
    return f"[{region['region']}] {stands}, {_drift(region)}"


def status_lines(status: Mapping[str, t.Any]) -> list[str]:
    """What `environment_status` returned, for the terminal."""
    lines = [_title(status), "", *ruled(_rows(status)), ""]
    if status["problem"]:
        lines.append(f"fleet: {status['problem']['sentence']}")
    if status["open"]:
        lines += [f"fleet: {told_open(status['open'])}", f"fleet: {told_lock(status['lock'])}"]
    for region in status["regions"]:
        sentences = [region["problem"]["sentence"]] if region["problem"] else []
        sentences += [*region["told"], *map(_field, region["drift"])]
        lines += [
            text if text.startswith(f"{region['region']}:") else f"{region['region']}: {text}" for text in sentences
        ]
    return [*lines, *status["models"], status["sentence"]]


def _title(status: Mapping[str, t.Any]) -> str:
    name, newest = status["environment"] or "status", status["revision"]
    if status["problem"]:
        return f"{name}: the newest revision is not known"
    if newest is None:
        return f"{name}: nothing was released yet"
    versions = f" ({told_versions(newest['versions'])})" if newest.get("versions") else ""
    who = f" by {newest['by']}" if newest.get("by") else ""
    when = f", {newest['closed_at']}" if newest.get("closed_at") else ""
    return f"{name}: revision {newest['number']}{versions}, {newest.get('kind') or 'release'}{who}{when}"


def _rows(status: Mapping[str, t.Any]) -> list[list[str]]:
    regions: Sequence[Mapping[str, t.Any]] = status["regions"]
    services = dict.fromkeys(name for region in regions for name in region["services"])
    rows = [["", *(str(region["region"]) for region in regions)]]
    rows.append(["revision", *map(_revision, regions)])
    rows.append(["release", *(str((region["open"] or {}).get("kind") or "-") for region in regions)])
    rows += [[name, *(_told_service(region["services"].get(name)) for region in regions)] for name in services]
    rows.append(["drift", *map(_drift, regions)])
    return rows


def _revision(region: Mapping[str, t.Any]) -> str:
    if region["problem"]:
        return str(region["problem"]["kind"])
    number = "none" if region["revision"] is None else str(region["revision"])
    return f"{number} (not the newest)" if region["behind"] else number


def _told_service(service: Mapping[str, t.Any] | None) -> str:
    if not service or service["slot"] is None:
        return "-"
    ready = f" {service['ready_replicas']}/{service['replicas']}" if service["ready_replicas"] is not None else ""
    share = (service["weights"] or {}).get(service["slot"])
    split = f" at {share} %" if share not in (None, 100) else ""
    return f"{service['version']} {service['slot']}{ready}{split}"


def _drift(region: Mapping[str, t.Any]) -> str:
    if region["problem"]:
        return "unknown"
    count = len(region["drift"])
    if count == 0:
        return "no drift"
    return "1 field differs" if count == 1 else f"{count} fields differ"


def _field(field: Mapping[str, t.Any]) -> str:
    if not field["path"]:
        return f"{field['ref']} {'is not recorded' if field['now'] else 'is gone'}"
    return f"{field['ref']}: {field['path']} is {_short(field['now'])}, recorded as {_short(field['recorded'])}"


def _short(value: t.Any) -> str:
    text = "not there" if value is None else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
