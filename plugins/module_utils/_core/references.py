# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ConfigMaps and Secrets a workload uses. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping

JsonObject = dict[str, t.Any]

#: On a ConfigMap whose name ends in a hash of its content: a release makes a new one instead of changing it.
CONFIG_LABEL: t.Final = "pincex.io/config"

#: The fields of a pod that name one, in its environment and among its volumes.
_FIELDS: t.Final[Mapping[str, frozenset[str]]] = {
    "ConfigMap": frozenset({"configMapRef", "configMapKeyRef", "configMap"}),
    "Secret": frozenset({"secretRef", "secretKeyRef", "secret", "nodePublishSecretRef"}),
}


def referenced(workloads: Iterable[Mapping[str, t.Any]], kind: t.Literal["ConfigMap", "Secret"]) -> set[str]:
    """The names of what the pods of these workloads refer to. Objects without a pod template refer to nothing."""
    found: set[str] = set()
    for workload in workloads:
        template = (workload.get("spec") or {}).get("template") or {}
        pod = template.get("spec") or {}
        found |= {str(name) for name in _names(pod, _FIELDS[kind]) if name}
        if kind == "Secret":
            found |= {str(entry["name"]) for entry in pod.get("imagePullSecrets") or [] if entry.get("name")}
    return found


def is_config(obj: Mapping[str, t.Any]) -> bool:
    """Whether this is a ConfigMap that is named by its content."""
    return obj["kind"] == "ConfigMap" and CONFIG_LABEL in (obj["metadata"].get("labels") or {})


def _names(value: t.Any, fields: frozenset[str]) -> Iterator[t.Any]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in fields and isinstance(inner, Mapping):
                # A volume of a Secret names it otherwise than everything else does.
                yield inner.get("name") or inner.get("secretName")
            yield from _names(inner, fields)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner, fields)
