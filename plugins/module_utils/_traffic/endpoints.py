# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove what a Service sends to, by what the cluster has put behind it."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_endpoints import (
    SERVICE_LABEL,
    not_fit,
    not_moved,
    ready_pods,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.selector import NAME_LABEL, SLOT_LABEL

_POLL_S: t.Final = 0.1
_VERSION_LABEL: t.Final = "app.kubernetes.io/version"


class Endpoints:
    """The endpoints of one service's Services: the one that selects a slot, and those of the slots."""

    def __init__(self, kube: KubeApi, namespace: str, name: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name

    def not_moved(self, slot: str) -> str | None:
        """Why the Service does not send to that slot alone now; None when it does."""
        # One list, so that both are of the same moment.
        behind = self._behind(self._name, *(f"{self._name}-{each}" for each in SLOTS))
        return not_moved(behind.get(self._name, set()), behind.get(f"{self._name}-{slot}", set()), slot)

    def not_fit(self, slot: str, version: str) -> str | None:
        """Why the slot is not fit for traffic as that version now; None when it is."""
        service = f"{self._name}-{slot}"
        labels = f"{NAME_LABEL}={self._name},{SLOT_LABEL}={slot}"
        pods, _version = self._kube.list_raw("v1", "Pod", self._namespace, labels, trim=_named)
        versions = {pod["metadata"]["name"]: pod["metadata"]["labels"].get(_VERSION_LABEL) for pod in pods}
        return not_fit(self._behind(service).get(service, set()), versions, slot, version)

    def _behind(self, *services: str) -> dict[str, set[str]]:
        labels = f"{SERVICE_LABEL} in ({','.join(services)})"
        return ready_pods(self._kube.list("discovery.k8s.io/v1", "EndpointSlice", self._namespace, labels))


def wait_until(look: Callable[[], str | None], clock: Clock, end: float) -> str | None:
    """Look until there is no problem left or the time is over (`end` on the monotonic clock); the last problem."""
    while (problem := look()) is not None and clock.monotonic() < end:
        clock.sleep(_POLL_S)
    return problem


def _named(pod: JsonObject) -> JsonObject:
    """What is kept of a pod: 1000 of them are many MB."""
    meta = pod["metadata"]
    return {"metadata": {"name": meta["name"], "labels": meta.get("labels") or {}}}
