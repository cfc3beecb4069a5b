# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workload of an engine's slot (strategy `drain`): one pod with a volume of its own. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import SLOTS, Service
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.epoch import record_name

JsonObject = dict[str, t.Any]

_DATA: t.Final = "/data"


def stateful_set(
    service: Service, slot: str, metadata: JsonObject, selector: JsonObject, template: JsonObject
) -> JsonObject:
    """The slot as a StatefulSet. Like a Deployment of the release it names no `replicas`.

    A pod that runs keeps its version until it is scaled away, whoever changes the template: OnDelete. The volumes stay
    whatever happens to the StatefulSet: the journal of an exchange is nothing that a release removes.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "serviceName": f"{service.name}-{slot}",
            "selector": {"matchLabels": selector},
            "updateStrategy": {"type": "OnDelete"},
            "revisionHistoryLimit": 3,
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "volumeClaimTemplates": [_claim(service)],
            "template": {**template, "spec": _pod_of_engine(service, slot, template["spec"])},
        },
    }


def _pod_of_engine(service: Service, slot: str, spec: JsonObject) -> JsonObject:
    """The pod spec with what an engine needs: its record, its peer, its volume."""
    (container,) = spec["containers"]
    other = SLOTS[1 - SLOTS.index(slot)]
    told = {
        "ENGINE_NAME": f"{service.name}-{slot}",
        "ENGINE_PEER": f"{service.name}-{other}",
        "EPOCH_RECORD": f"configmap:{record_name(service.name)}",
        "DATA_DIR": _DATA,
    }
    engine = {
        **container,
        "env": [*container["env"], *({"name": name, "value": value} for name, value in told.items())],
        "volumeMounts": [*container["volumeMounts"], {"name": "data", "mountPath": _DATA}],
    }
    # By it the engine writes the record.
    return {**spec, "automountServiceAccountToken": True, "containers": [engine]}


def _claim(service: Service) -> JsonObject:
    spec: JsonObject = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": service.storage}},
    }
    if service.storage_class is not None:
        spec["storageClassName"] = service.storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
