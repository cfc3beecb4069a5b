# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control plane of a site: etcd, API server with RBAC and audit log, controller manager, scheduler."""

from __future__ import annotations

import pathlib
import time

import yaml

from lab import pki, programs
from lab.binaries import Binaries
from lab.errors import LabError
from lab.kube import Kube
from lab.model import Site

#: Who is the cluster itself. Their writes are not a release's, and their reads would fill the log.
_MACHINERY = ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"]

#: Without a node there is nothing to schedule; what is left keeps namespaces and owners tidy.
_CONTROLLERS_WITHOUT_NODE = (
    "namespace-controller,garbage-collector-controller,serviceaccount-controller,"
    "serviceaccount-token-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller"
)


def audit_log(site: Site) -> pathlib.Path:
    return site.home / "audit" / "audit.log"


def audit_policy() -> dict[str, object]:
    """Every write of a person or a tool, with whether it was a dry run (`requestURI`); reads by name only."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": _MACHINERY},
            {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
            {"level": "None", "nonResourceURLs": ["/*"]},
            # Who reads events is told; their writes come by the thousand.
            {"level": "Metadata", "verbs": ["get", "list"], "resources": [{"group": "", "resources": ["events"]}]},
            {"level": "None", "resources": [{"group": "", "resources": ["events"]}]},
            {"level": "Metadata"},
        ],
    }


def start(site: Site, bins: Binaries) -> None:
    """Start etcd and the API server; wait() tells when they answer."""
    pki.prepare(site)
    data = site.home / "etcd"
    data.mkdir(mode=0o700, exist_ok=True)
    programs.start(
        site,
        "etcd",
        [
            bins.path("etcd"),
            f"--data-dir={data}",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            # The lab's state is worth nothing after a power cut, and fsync is what two cores wait for.
            "--unsafe-no-fsync",
            "--log-level=warn",
            "--auto-compaction-retention=10m",
        ],
    )
    policy = site.home / "audit" / "policy.yaml"
    pki.write(policy, yaml.safe_dump(audit_policy()))
    keys = site.home / "pki"
    programs.start(
        site,
        "kube-apiserver",
        [
            bins.path("kube-apiserver"),
            "--etcd-servers=http://127.0.0.1:2379",
            f"--service-cluster-ip-range={site.service_network}",
            "--secure-port=6443",
            "--bind-address=0.0.0.0",
            f"--advertise-address={site.address}",
            f"--tls-cert-file={keys}/apiserver.crt",
            f"--tls-private-key-file={keys}/apiserver.key",
            f"--client-ca-file={keys}/ca.crt",
            f"--service-account-key-file={keys}/sa.pub",
            f"--service-account-signing-key-file={keys}/sa.key",
            f"--service-account-issuer={site.api_server}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            # Nobody resolves a node's name here.
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={keys}/kubelet-client.crt",
            f"--kubelet-client-key={keys}/kubelet-client.key",
            f"--kubelet-certificate-authority={keys}/ca.crt",
            # metrics-server is an aggregated API outside the cluster, reached at its endpoint.
            f"--requestheader-client-ca-file={keys}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={keys}/front-proxy.crt",
            f"--proxy-client-key-file={keys}/front-proxy.key",
            "--enable-aggregator-routing=true",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={audit_log(site)}",
            "--audit-log-maxsize=200",
            "--audit-log-maxbackup=2",
            "--event-ttl=30m",
            "--shutdown-delay-duration=0s",
            "--v=1",
        ],
    )


def wait(site: Site, timeout_s: float = 120) -> None:
    """Until the API server is ready and serves its RBAC bootstrap."""
    kube = Kube(site.admin_kubeconfig)
    deadline = time.monotonic() + timeout_s
    while not kube.ready():
        for name in ("etcd", "kube-apiserver"):
            if not programs.alive(site, name):
                log = programs.logfile(site, name)
                raise LabError(f"{site.name}: {name} ended; see {log}\n{programs.tail(site, name)}")
        if time.monotonic() >= deadline:
            raise LabError(f"{site.name}: the API server is not ready after {timeout_s:.0f} s; see {site.home}/log")
        time.sleep(0.2)


def start_controllers(site: Site, bins: Binaries) -> None:
    """What makes objects true. Started when the API server answers: they give up when it does not."""
    keys = site.home / "pki"
    controllers = "*,-cloud-node-lifecycle-controller,-service-lb-controller,-node-route-controller"
    programs.start(
        site,
        "kube-controller-manager",
        [
            bins.path("kube-controller-manager"),
            f"--kubeconfig={keys}/controller-manager.kubeconfig",
            f"--service-account-private-key-file={keys}/sa.key",
            f"--root-ca-file={keys}/ca.crt",
            "--use-service-account-credentials",
            f"--cluster-cidr={site.pod_network}",
            "--leader-elect=false",
            f"--controllers={controllers if site.has_node else _CONTROLLERS_WITHOUT_NODE}",
            "--horizontal-pod-autoscaler-sync-period=10s",
            "--v=1",
        ],
    )
    if site.has_node:
        login = f"--kubeconfig={keys}/scheduler.kubeconfig"
        programs.start(site, "kube-scheduler", [bins.path("kube-scheduler"), login, "--leader-elect=false", "--v=1"])
