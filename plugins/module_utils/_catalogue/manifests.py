# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes objects of one slot of one service. Pure: plain dicts in and out."""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.engine_manifests import stateful_set
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import Hpa, Service
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import CONFIG_LABEL

JsonObject = dict[str, t.Any]

SLOT_LABEL: t.Final = "pincex.io/slot"
NAME_LABEL: t.Final = "app.kubernetes.io/name"
DIGEST_ANNOTATION: t.Final = "pincex.io/manifest-digest"


def slot_manifests(service: Service, slot: str, version: str, region: str, namespace: str) -> list[JsonObject]:
    """Everything a slot consists of.

    The workload names no `replicas`: the scale belongs to the release and to the HPA, and a field that a manifest
    names would be set back by the next apply.
    """
    objects = [
        _service_account(service, namespace),
        _service(service, slot, namespace),
        _workload(service, slot, version, region, namespace),
        _pdb(service, slot, namespace),
    ]
    if service.config:
        objects.append(_config(service, namespace))
    if service.hpa is not None:
        objects.append(_hpa(service, service.hpa, slot, namespace))
    return objects


def digest(objects: list[JsonObject]) -> str:
    """A name for these manifests: the same text means that applying them again would change nothing."""
    text = json.dumps(objects, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def labels_of(service: Service, slot: str | None = None, version: str | None = None) -> JsonObject:
    labels = {
        NAME_LABEL: service.name,
        "app.kubernetes.io/part-of": "pincex",
        "app.kubernetes.io/managed-by": "pincex-zero-downtime",
    }
    if slot is not None:
        labels[SLOT_LABEL] = slot
    if version is not None:
        labels["app.kubernetes.io/version"] = version
    return labels


def _selector(service: Service, slot: str) -> JsonObject:
    return {NAME_LABEL: service.name, SLOT_LABEL: slot}


def _meta(name: str, namespace: str, labels: JsonObject) -> JsonObject:
    return {"name": name, "namespace": namespace, "labels": labels}


def _service_account(service: Service, namespace: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _meta(service.name, namespace, labels_of(service)),
        # An engine writes the epoch record by it. Its rights are not the release's to give.
        "automountServiceAccountToken": service.is_engine,
    }


def _config(service: Service, namespace: str) -> JsonObject:
    """Without a slot: both may have the same configuration. What is changed gets another name, so a slot keeps what it
    was released with, and a way back finds it."""
    labels = {**labels_of(service), CONFIG_LABEL: _content_hash(service.config)}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _meta(_config_name(service), namespace, labels),
        "immutable": True,
        "data": dict(service.config),
    }


def _config_name(service: Service) -> str:
    return f"{service.name}-{_content_hash(service.config)}"


def _content_hash(content: t.Mapping[str, str]) -> str:
    text = json.dumps(dict(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _service(service: Service, slot: str, namespace: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(f"{service.name}-{slot}", namespace, labels_of(service, slot)),
        "spec": {
            "selector": _selector(service, slot),
            "ports": [{"name": "http", "port": service.port, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def _workload(service: Service, slot: str, version: str, region: str, namespace: str) -> JsonObject:
    metadata = _meta(f"{service.name}-{slot}", namespace, labels_of(service, slot, version))
    template: JsonObject = {
        "metadata": {
            "labels": labels_of(service, slot, version),
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(service.port),
                "prometheus.io/path": service.metrics_path,
            },
        },
        "spec": _pod_spec(service, slot, version, region),
    }
    if service.is_engine:
        return stateful_set(service, slot, metadata, _selector(service, slot), template)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": _selector(service, slot)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {
                    "maxSurge": service.rolling.get("max_surge", 1),
                    "maxUnavailable": service.rolling.get("max_unavailable", 0),
                },
            },
            "revisionHistoryLimit": 3,
            "template": template,
        },
    }


def _pod_spec(service: Service, slot: str, version: str, region: str) -> JsonObject:
    container: JsonObject = {
        "name": service.name,
        "image": f"{service.image}:{version}",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": service.port, "protocol": "TCP"}],
        "env": _environment(service, slot, version, region),
        "resources": dict(service.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        **_probes(service),
    }
    if service.config:
        container["envFrom"] = [{"configMapRef": {"name": _config_name(service)}}]
    if service.prestop_s:
        # Endpoints are taken out of the gateway while the container still answers.
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": service.prestop_s}}}
    if service.command:
        container["command"] = list(service.command)
    if service.args:
        container["args"] = list(service.args)
    return {
        "serviceAccountName": service.name,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": service.grace_s,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": service.run_as_user,
            "runAsGroup": service.run_as_user,
            "fsGroup": service.run_as_user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    _away_from_itself(service, slot, "kubernetes.io/hostname", 100),
                    _away_from_itself(service, slot, "topology.kubernetes.io/zone", 50),
                ]
            }
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }


def _environment(service: Service, slot: str, version: str, region: str) -> list[JsonObject]:
    values = {
        "PINCEX_SERVICE": service.name,
        "PINCEX_SLOT": slot,
        "PINCEX_VERSION": version,
        "PINCEX_REGION": region,
        **{f"CIRCUIT_BREAKER_{key.upper()}": str(value) for key, value in service.circuit_breaker.items()},
        **service.env,
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def _probes(service: Service) -> JsonObject:
    given = service.probes

    def probe(path: str, failures: int, period_s: int) -> JsonObject:
        return {
            "httpGet": {"path": path, "port": "http"},
            "periodSeconds": period_s,
            "timeoutSeconds": given["timeout_s"],
            "failureThreshold": failures,
        }

    return {
        # Once a second: how soon a pod counts as up is part of every release's time.
        "startupProbe": probe(given["startup"], given["startup_failures"], 1),
        "readinessProbe": probe(given["ready"], given["ready_failures"], given["period_s"]),
        "livenessProbe": probe(given["live"], given["live_failures"], given["period_s"]),
    }


def _away_from_itself(service: Service, slot: str, topology: str, weight: int) -> JsonObject:
    return {
        "weight": weight,
        "podAffinityTerm": {
            "labelSelector": {"matchLabels": _selector(service, slot)},
            "topologyKey": topology,
        },
    }


def _pdb(service: Service, slot: str, namespace: str) -> JsonObject:
    key, value = ("maxUnavailable", service.pdb.get("max_unavailable", 1))
    if "min_available" in service.pdb:
        key, value = ("minAvailable", service.pdb["min_available"])
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _meta(f"{service.name}-{slot}", namespace, labels_of(service, slot)),
        "spec": {"selector": {"matchLabels": _selector(service, slot)}, key: value},
    }


def _hpa(service: Service, hpa: Hpa, slot: str, namespace: str) -> JsonObject:
    name = f"{service.name}-{slot}"

    def metric(resource: str, percent: int) -> JsonObject:
        target = {"type": "Utilization", "averageUtilization": percent}
        return {"type": "Resource", "resource": {"name": resource, "target": target}}

    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _meta(name, namespace, labels_of(service, slot)),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": hpa.min,
            "maxReplicas": hpa.max,
            "metrics": [metric("cpu", hpa.cpu), metric("memory", hpa.memory)],
            "behavior": {"scaleDown": {"selectPolicy": "Max"}},
        },
    }
