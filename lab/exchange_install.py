# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install what the exchange has before its first release: the namespace and the matching engine."""

from __future__ import annotations

import pathlib
import string

import yaml

from lab.kube import Kube, Object
from lab.model import Site

NAMESPACE = "exchange"
ENGINE = "matching-engine"
MANIFEST = pathlib.Path(__file__).parent / "manifests" / "exchange.yaml"


def manifests(site: Site) -> list[Object]:
    text = string.Template(MANIFEST.read_text()).substitute(region=site.name)
    return [obj for obj in yaml.safe_load_all(text) if obj]


def install(site: Site, timeout_s: float = 90) -> None:
    """Apply the manifests and wait until the engine takes orders."""
    kube = Kube(site.admin_kubeconfig)
    kube.apply(*manifests(site))

    def ready() -> bool:
        engine = kube.get("apps/v1", "StatefulSet", ENGINE, NAMESPACE) or {}
        return int((engine.get("status") or {}).get("readyReplicas") or 0) >= 1

    kube.wait(f"{site.name}: {ENGINE} ready (see `kubectl describe pod -n {NAMESPACE} {ENGINE}-0`)", ready, timeout_s)
