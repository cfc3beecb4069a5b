# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate reads of one cluster: one list per kind, however many workloads there are."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import JsonObject, KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import KINDS, Cluster, Wanted


class ClusterReader:
    """Reads the workloads, their pods and the ReplicaSets between them."""

    def __init__(self, kube: KubeApi, namespace: str, wanted: Sequence[Wanted]) -> None:
        self._kube = kube
        self._namespace = namespace
        self._kinds: t.Final = sorted({workload.kind for workload in wanted})

    def read(self) -> Cluster:
        workloads: dict[tuple[str, str], JsonObject] = {}
        # Workloads before pods: a pod may be newer than the status that is judged, never older.
        for kind in self._kinds:
            for obj in self._list(KINDS[kind], kind):
                workloads[(kind, str(obj["metadata"]["name"]))] = obj
        sets = self._list("apps/v1", "ReplicaSet") if "Deployment" in self._kinds else []
        pods = self._list("v1", "Pod") if set(self._kinds) - {"Pod"} else []
        if "Pod" in self._kinds and not pods:
            pods = [obj for (kind, _name), obj in workloads.items() if kind == "Pod"]
        return Cluster(workloads, sets, pods)

    def _list(self, api_version: str, kind: str) -> list[JsonObject]:
        return self._kube.list(api_version, kind, self._namespace)
