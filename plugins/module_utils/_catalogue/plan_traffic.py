# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has the traffic of a service now, and what of it forbids a release. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import TRAFFIC, Service
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.epoch import record_name

#: What has the traffic of an engine, beside the words of the catalogue's `traffic`.
RECORD: t.Final = "record"


def traffic_of(name: str, document: Mapping[str, t.Any]) -> str | None:
    """What gives the traffic to the slots, as the catalogue's `traffic` says it, or RECORD; None without any."""
    state = (document.get("services") or {}).get(name) or {}
    if state.get("weights") is None:
        return None
    if "epoch" in state:
        return RECORD
    kinds = {obj["kind"] for obj in document.get("objects") or [] if obj["metadata"]["name"] == name}
    return next((traffic for traffic, kind in TRAFFIC.items() if kind in kinds), None)


def traffic_problem(service: Service, document: Mapping[str, t.Any]) -> str | None:
    """Why a service cannot be released over what has its traffic now."""
    region = str(document.get("region", ""))
    state = (document.get("services") or {}).get(service.name) or {}
    return _split(service.name, state, region) or _other_way(service, document, region)


def engine_problem(service: Service, document: Mapping[str, t.Any], revision: Mapping[str, t.Any]) -> str | None:
    """Why a service cannot go back to a recorded revision: the catalogue alone knows whom a handover has to ask."""
    has = traffic_of(service.name, document) or traffic_of(service.name, revision)
    if has is None or (has == RECORD) == service.is_engine:
        return None
    region = document.get("region", "")
    if has == RECORD:
        return (
            f"{region}: {service.name} is an engine, and the catalogue has no entry of it with strategy: drain; add it "
            "first."
        )
    return (
        f"{region}: {TRAFFIC[has]} {service.name} has the traffic, and the catalogue says strategy: drain; mend it "
        "first."
    )


def _split(name: str, state: Mapping[str, t.Any], region: str) -> str | None:
    weights = {slot: weight for slot, weight in (state.get("weights") or {}).items() if weight}
    if len(weights) < 2:
        return None
    shares = " and ".join(f"{weight} % {slot}" for slot, weight in sorted(weights.items()))
    return f"{region}: the route {name} is split ({shares}); give all traffic to one slot first."


def _other_way(service: Service, document: Mapping[str, t.Any], region: str) -> str | None:
    now = traffic_of(service.name, document)
    if now in (None, RECORD if service.is_engine else service.traffic):
        return None
    if now == RECORD:
        has, says = f"the epoch record {record_name(service.name)}", f"strategy: {service.strategy}"
        keep = "strategy: drain"
    else:
        has, keep = f"{TRAFFIC[str(now)]} {service.name}", f"traffic: {now}"
        says = f"traffic: {service.traffic}"
        if service.is_engine:
            says, keep = "strategy: drain", f"traffic: {now} with another strategy"
    return (
        f"{region}: {has} has the traffic, and the catalogue says {says}; move its users over by hand and remove it "
        f"first, or say {keep}."
    )
