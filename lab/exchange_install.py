# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install what the exchange has before its first release: the namespace, the matching engine, and who answers during a
maintenance."""

from __future__ import annotations

import json
import pathlib
import string

import yaml

from lab.kube import MANAGER, Kube, Object
from lab.model import Site

NAMESPACE = "exchange"
ENGINE = "matching-engine"
RECORD = f"{ENGINE}-epoch"
FIX = "fix-gateway"
_MANIFESTS = pathlib.Path(__file__).parent / "manifests"
#: The one that is shipped, so that it is known to work.
_MAINTENANCE = pathlib.Path(__file__).parents[1] / "docs" / "examples" / "maintenance-service.yml"
#: Field manager of what releases change: only under this name may the first one change it.
RELEASES = "pincex-zero-downtime"
#: What no release changes.
OURS = ("Namespace", "Role", "RoleBinding")


def manifests(site: Site, name: str = "exchange") -> list[Object]:
    text = string.Template((_MANIFESTS / f"{name}.yaml").read_text()).substitute(region=site.name)
    return [obj for obj in yaml.safe_load_all(text) if obj]


def maintenance() -> list[Object]:
    """The Service and the Deployment that answer during a maintenance."""
    return list(yaml.safe_load(_MAINTENANCE.read_text())["items"])


def install(site: Site, timeout_s: float = 90) -> None:
    """Apply what is missing of the manifests and wait until an engine leads. Who answers during a maintenance is not
    waited for.

    What is there is left alone: releases may have changed it, and the engine may live in the other slot by now.
    """
    kube = Kube(site.admin_kubeconfig)
    slots = kube.list("apps/v1", "StatefulSet", NAMESPACE, f"app.kubernetes.io/name={ENGINE}")
    for obj in manifests(site):
        metadata = obj["metadata"]
        there = kube.get(obj["apiVersion"], obj["kind"], metadata["name"], metadata.get("namespace"))
        if there is None and not (slots and obj["kind"] == "StatefulSet"):
            kube.apply(obj, manager=MANAGER if obj["kind"] in OURS else RELEASES)

    def leads() -> bool:
        """Its record names a slot whose pod is ready."""
        record = kube.get("v1", "ConfigMap", RECORD, NAMESPACE)
        owner = json.loads(record["data"]["record"])["owner"] if record is not None else ""
        engine = kube.get("apps/v1", "StatefulSet", owner, NAMESPACE) if owner else None
        return int(((engine or {}).get("status") or {}).get("readyReplicas") or 0) >= 1

    hint = f"kubectl describe pod -n {NAMESPACE} -l app.kubernetes.io/name={ENGINE}"
    kube.wait(f"{site.name}: {ENGINE} leads (see `{hint}`)", leads, timeout_s)
    # Now, so that it does not start beside the engine.
    for obj in maintenance():
        if kube.get(obj["apiVersion"], obj["kind"], obj["metadata"]["name"], NAMESPACE) is None:
            kube.apply(obj, manager=MANAGER)


def install_fix(site: Site, timeout_s: float = 90) -> None:
    """Apply the FIX gateway and wait until it takes logons."""
    kube = Kube(site.admin_kubeconfig)
    kube.apply(*manifests(site, FIX))

    def ready() -> bool:
        gateway = kube.get("apps/v1", "Deployment", FIX, NAMESPACE) or {}
        return int((gateway.get("status") or {}).get("readyReplicas") or 0) >= 1

    kube.wait(f"{site.name}: {FIX} ready (see `kubectl describe deployment -n {NAMESPACE} {FIX}`)", ready, timeout_s)
