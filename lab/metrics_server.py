# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""metrics-server of a region, for the HPAs: a program of the host, behind the API server's aggregation."""

from __future__ import annotations

import base64
import pathlib
import time

import yaml

from lab import pki, programs
from lab.binaries import Binaries
from lab.errors import LabError
from lab.kube import Kube, Object
from lab.model import Site

PORT = 10260
USER = "pincex-lab-metrics-server"
SERVICE = "metrics-server"
NAMESPACE = "kube-system"
API = "v1beta1.metrics.k8s.io"
_REGISTRATION = "apiregistration.k8s.io/v1"
MANIFEST = pathlib.Path(__file__).parent / "manifests" / "metrics-server.yaml"


def api(site: Site, authority: bytes) -> list[Object]:
    """The aggregated API, and the Service without pods that leads the API server to the program on the host."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SERVICE, "namespace": NAMESPACE},
            "spec": {"ports": [{"name": "https", "port": 443, "targetPort": PORT, "protocol": "TCP"}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{SERVICE}-lab",
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": SERVICE},
            },
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}],
            "endpoints": [{"addresses": [site.address], "conditions": {"ready": True}}],
        },
        {
            "apiVersion": _REGISTRATION,
            "kind": "APIService",
            "metadata": {"name": API},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "service": {"name": SERVICE, "namespace": NAMESPACE, "port": 443},
                "caBundle": base64.b64encode(authority).decode(),
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]


def start(site: Site, bins: Binaries, timeout_s: float = 60) -> None:
    """Run metrics-server and wait until the API server has its API.

    The first figures of a pod come some twenty seconds after the pod: two looks, ten seconds apart. Nobody waits here.
    """
    keys = site.home / "pki"
    kube = Kube(site.admin_kubeconfig)
    kube.apply_file(MANIFEST)
    names = [f"{SERVICE}.{NAMESPACE}.svc", f"{SERVICE}.{NAMESPACE}"]
    pki.issue(keys, "metrics-server", USER, names=names, addresses=[site.address])
    kubeconfig = keys / "metrics-server.kubeconfig"
    pki.write(kubeconfig, yaml.safe_dump(pki.kubeconfig(site, "metrics-server")), 0o600)
    programs.start(
        site,
        "metrics-server",
        [
            bins.path("metrics-server"),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={site.address}",
            f"--secure-port={PORT}",
            f"--tls-cert-file={keys}/metrics-server.crt",
            f"--tls-private-key-file={keys}/metrics-server.key",
            f"--kubelet-certificate-authority={keys}/ca.crt",
            f"--kubelet-client-certificate={keys}/metrics-server.crt",
            f"--kubelet-client-key={keys}/metrics-server.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--kubelet-use-node-status-port",
            # The shortest that it allows.
            "--metric-resolution=10s",
            "--kubelet-request-timeout=8s",
            # Its few callers need no queues, whose rules it would watch in the API server.
            "--enable-priority-and-fairness=false",
            "--profiling=false",
        ],
    )
    kube.apply(*api(site, (keys / "ca.crt").read_bytes()))
    deadline = time.monotonic() + timeout_s
    while not available(kube):
        if not programs.alive(site, "metrics-server") or time.monotonic() > deadline:
            log = programs.tail(site, "metrics-server")
            raise LabError(f"{site.name}: the API server does not get the metrics API\n{log}")
        time.sleep(0.2)


def available(kube: Kube) -> bool:
    """Whether the API server reaches metrics-server."""
    service = kube.get(_REGISTRATION, "APIService", API) or {}
    conditions = (service.get("status") or {}).get("conditions") or []
    return any(item["type"] == "Available" and item["status"] == "True" for item in conditions)
