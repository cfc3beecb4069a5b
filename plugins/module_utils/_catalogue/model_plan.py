# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to do in one region for a version of a model. Pure.

`found` is the revision document of the model as k8s_revision reads it, `note` what model_shadow has noted on its route:
`challenger`, `slot`, `promoted`, or None. `request` is that of `model_request`.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import plan
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.manifests import slot_manifests
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import (
    SLOTS,
    Service,
    parse_catalogue,
)

JsonObject = dict[str, t.Any]
Found = Mapping[str, t.Any]
Note = Mapping[str, t.Any]


def deploy_model(
    found: Found, note: Note | None, request: Mapping[str, t.Any], profiles: Mapping[str, Mapping[str, t.Any]]
) -> JsonObject:
    """How the challenger gets into the idle slot of this region.

    `problems`, one sentence each; `slot` for the challenger; `champion`, the version that serves, None when there is
    none (`first`); `prepare`, the step that brings its pods up; `routes` for the first version of all; `finish`, the
    fields that free its HPA when it is the champion.
    """
    name, version, region = str(request["model"]), str(request["version"]), str(found.get("region") or "")
    live, versions = _live(found, note, name), _versions(found, name)
    champion = versions.get(live or "")
    problems = []
    if note and not note.get("promoted") and note["challenger"] != version:
        problems.append(
            f"{region}: {note['challenger']} is the challenger there and not done; promote it, or take it back with "
            f"rollback_model.yml -e model={name}."
        )
    elif champion == version:
        problems.append(f"version: {version} is what serves {name} in {region} already.")
    elif live is None and request["strategy"] != "direct":
        problems.append(
            f"strategy: nothing serves {name} in {region}, so nothing can be compared with; bring the first version up "
            "by -e strategy=direct."
        )
    if problems:
        return {"problems": problems}
    made, problems = _plan(found, note, request, version, profiles)
    if problems:
        return {"problems": problems}
    step = made["prepare"][0]
    return {
        "problems": [],
        "first": live is None,
        "slot": made["services"][name]["target"],
        "champion": champion,
        "prepare": {key: step[key] for key in ("name", "objects", "fields", "gate")},
        "routes": step["routes"],
        "finish": made["finish"]["fields"],
    }


def promote_model(
    found: Found, note: Note | None, request: Mapping[str, t.Any], profiles: Mapping[str, Mapping[str, t.Any]]
) -> JsonObject:
    """How the challenger of this region becomes the champion: as many pods as the champion has, then the traffic.

    `problems`; `slot`, `version` and `champion` as they are noted; `promoted`, whether it is done; `prepare` and
    `finish` as in `deploy_model`.
    """
    name, region, wanted = str(request["model"]), str(found.get("region") or ""), str(request["version"] or "")
    if not note:
        return {"problems": [f"{region}: {name} has no challenger there; deploy one with deploy_model.yml."]}
    version = str(note["challenger"])
    if wanted and wanted != version:
        return {"problems": [f"version: the challenger of {name} in {region} is {version}, not {wanted}."]}
    told = {"problems": [], "slot": note["slot"], "version": version, "champion": note.get("champion")}
    if note.get("promoted"):
        return {**told, "promoted": True, "prepare": None, "finish": []}
    made, problems = _plan(found, note, request, version, profiles)
    if problems:
        return {"problems": problems}
    step, slot = made["prepare"][0], f"{name}-{note['slot']}"
    # It may have grown beyond the champion since, and what has traffic is not made smaller.
    now = int((_slots(found, name).get(str(note["slot"])) or {}).get("replicas") or 0)
    fields = [
        {**field, "value": max(now, field["value"])}
        if (field["name"], field["path"]) == (slot, "spec.replicas")
        else field
        for field in step["fields"]
    ]
    prepare = {"name": f"{name} {version} for all", "objects": [], "fields": fields, "gate": step["gate"]}
    return {**told, "promoted": False, "prepare": prepare, "finish": made["finish"]["fields"]}


def undone_slot(
    name: str, traffic: Mapping[str, t.Any] | None, entry: Mapping[str, t.Any] | None = None, found: Found | None = None
) -> JsonObject:
    """The slot of a model that has nothing any more, by what model_shadow told of its traffic, as `fields` to scale it
    to zero; none when both have something. What was held while two versions were compared is free again then: the HPAs
    of both slots that are `found` there, as `entry` has them."""
    weights = (traffic or {}).get("weights") or {}
    busy = {(traffic or {}).get(one, {}).get("slot") for one in ("mirror", "buckets") if (traffic or {}).get(one)}
    idle = [slot for slot in SLOTS if weights and not int(weights.get(slot) or 0) and slot not in busy]
    fields = _freed(name, entry or {}, found or {}) if idle else []
    fields += [
        {"api_version": "apps/v1", "kind": "Deployment", "name": f"{name}-{slot}", "path": "spec.replicas", "value": 0}
        for slot in idle
    ]
    return {"slot": idle[0] if idle else None, "fields": fields}


def _freed(name: str, entry: Mapping[str, t.Any], found: Found) -> list[JsonObject]:
    if not entry.get("hpa"):
        return []
    service = parse_catalogue({name: entry})[name]
    there = {obj["metadata"]["name"] for obj in found.get("objects") or [] if obj["kind"] == "HorizontalPodAutoscaler"}
    manifests = [obj for slot in SLOTS for obj in slot_manifests(service, slot, "none", "", "")]
    specs = {obj["metadata"]["name"]: obj["spec"] for obj in manifests if obj["kind"] == "HorizontalPodAutoscaler"}
    return [field for one, spec in specs.items() if one in there for field in plan.freed(one, spec)]


def _live(found: Found, note: Note | None, name: str) -> str | None:
    """The champion's slot. A challenger may have all of the traffic and is still none."""
    if note and not note.get("promoted"):
        return SLOTS[1 - SLOTS.index(str(note["slot"]))]
    if note:
        return str(note["slot"])
    live = ((found.get("services") or {}).get(name) or {}).get("live_slot")
    return None if live is None else str(live)


def _slots(found: Found, name: str) -> Mapping[str, t.Any]:
    return ((found.get("services") or {}).get(name) or {}).get("slots") or {}


def _versions(found: Found, name: str) -> dict[str, str]:
    slots = _slots(found, name)
    return {slot: str(one.get("version")) for slot, one in slots.items() if one and one.get("version")}


def _plan(
    found: Found,
    note: Note | None,
    request: Mapping[str, t.Any],
    version: str,
    profiles: Mapping[str, Mapping[str, t.Any]],
) -> tuple[JsonObject, list[str]]:
    """The plan of a release of nothing but this model, and what forbids it."""
    name = str(request["model"])
    live = _live(found, note, name)
    service: Service = parse_catalogue({name: request["service"]})[name]
    state = {**((found.get("services") or {}).get(name) or {}), "live_slot": live}
    if note and live:
        # A challenger's part of the traffic is no release that was left half done.
        state["weights"] = {slot: 100 * (slot == live) for slot in SLOTS}
    region, namespace = str(found.get("region") or ""), str(found.get("namespace") or "")
    rendered = {name: {slot: slot_manifests(service, slot, version, region, namespace) for slot in SLOTS}}
    situation = plan.Situation({**found, "services": {name: state}}, rendered, profiles)
    return plan.deploy_plan({name: service}, {name: version}, situation)
