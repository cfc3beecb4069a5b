# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove configuration that belongs to no kept revision and to no slot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import CONFIG_LABEL, referenced
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.decide_config_prune import (
    decide_config_prune,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import WORKLOADS


def prune_configs(kube: KubeApi, namespace: str, headers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Remove ConfigMaps that are named by their content and used no more. Returns their names.

    `headers` are those of the kept revisions. Every workload of the namespace counts, also one of nobody's slot.
    """
    found = {obj["metadata"]["name"]: obj for obj in kube.list("v1", "ConfigMap", namespace, CONFIG_LABEL)}
    if not found:
        return []
    slots = [obj for kind in WORKLOADS for obj in kube.list("apps/v1", kind, namespace)]
    recorded = {name for header in headers for name in header.get("configs") or ()}
    gone = decide_config_prune(found, referenced(slots, "ConfigMap"), recorded)
    for name in gone:
        kube.delete(Ref.of(found[name]), uid=found[name]["metadata"]["uid"])
    return gone
