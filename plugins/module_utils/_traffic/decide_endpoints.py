# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods are behind a Service, and whether they are those of one slot. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

#: The label by which an EndpointSlice says whose it is.
SERVICE_LABEL: t.Final = "kubernetes.io/service-name"


def ready_pods(slices: Iterable[Mapping[str, t.Any]]) -> dict[str, set[str]]:
    """The ready pods by Service, out of EndpointSlices. An endpoint that is no pod goes by its address."""
    found: dict[str, set[str]] = {}
    for each in slices:
        service = str((each["metadata"].get("labels") or {}).get(SERVICE_LABEL))
        for endpoint in each.get("endpoints") or []:
            # The API says: a condition that is not there is to be taken for true.
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                target = endpoint.get("targetRef") or {}
                name = target["name"] if target.get("kind") == "Pod" else endpoint["addresses"][0]
                found.setdefault(service, set()).add(str(name))
    return found


def not_moved(behind: AbstractSet[str], slot_pods: AbstractSet[str], slot: str) -> str | None:
    """Why a Service does not send to that slot alone (yet); None when exactly the slot's ready pods are behind it."""
    if not slot_pods:
        return f"{slot} has no ready pod behind its own Service"
    strangers = sorted(behind - slot_pods)
    if strangers:
        return f"{len(strangers)} of {len(behind)} endpoints are not of {slot} ({_some(strangers)})"
    absent = sorted(slot_pods - behind)
    if absent:
        return f"{len(absent)} of {len(slot_pods)} ready pods of {slot} are not behind it ({_some(absent)})"
    return None


def not_fit(behind: AbstractSet[str], versions: Mapping[str, str | None], slot: str, version: str) -> str | None:
    """Why the Service of a slot is not fit for traffic; None when every ready pod behind it has that version."""
    if not behind:
        return f"{slot} has no ready pod behind its own Service"
    for pod in sorted(behind):
        if versions.get(pod) != version:
            return f"{pod} is behind the Service of {slot} as version {versions.get(pod) or 'none'}, not {version}"
    return None


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
