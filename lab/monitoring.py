# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Prometheus of a region: finds pods by the Kubernetes API, scrapes them every second, and the kubelet too.

It runs in the region's network under a user of its own, who may read pods and metrics and nothing else.
"""

from __future__ import annotations

import http.client
import pathlib
import time

import yaml

from lab import pki, programs
from lab.binaries import Binaries
from lab.errors import LabError
from lab.kube import Kube, Object
from lab.model import Site

PORT = 9090
USER = "pincex-lab-prometheus"
MANIFEST = pathlib.Path(__file__).parent / "manifests" / "monitoring.yaml"

_POD = "__meta_kubernetes_pod_"
#: Labels of every series of a pod, and where they come from.
POD_LABELS = {
    "namespace": "__meta_kubernetes_namespace",
    "pod": f"{_POD}name",
    "service": f"{_POD}label_app_kubernetes_io_name",
    "slot": f"{_POD}label_pincex_io_slot",
    "version": f"{_POD}label_app_kubernetes_io_version",
}
#: What is kept of the kubelet's figures; it has some thousand series that nobody in the lab asks for.
CONTAINER_METRICS = (
    "container_cpu_usage_seconds_total",
    "container_cpu_cfs_throttled_seconds_total",
    "container_memory_working_set_bytes",
    "container_oom_events_total",
    "container_start_time_seconds",
)


def config(site: Site) -> Object:
    """What Prometheus reads."""
    region: Object = {"target_label": "region", "replacement": site.name}
    return {
        "global": {
            "scrape_interval": "1s",
            "scrape_timeout": "900ms",
            "evaluation_interval": "15s",
            "external_labels": {"region": site.name},
        },
        "scrape_configs": [_pods(site, region), _kubelet(site, region)],
    }


def _pods(site: Site, region: Object) -> Object:
    annotation = f"{_POD}annotation_prometheus_io_"
    return {
        "job_name": "pods",
        "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": str(kubeconfig(site))}],
        "relabel_configs": [
            {"source_labels": [f"{annotation}scrape"], "regex": "true", "action": "keep"},
            # A pod that has ended keeps its address until it is deleted; asking it would only count as down.
            {"source_labels": [f"{_POD}phase"], "regex": "Running", "action": "keep"},
            {
                "source_labels": [f"{_POD}ip", f"{annotation}port"],
                "separator": ":",
                "regex": "(.+:.+)",
                "target_label": "__address__",
            },
            {"source_labels": [f"{annotation}path"], "regex": "(.+)", "target_label": "__metrics_path__"},
            *({"source_labels": [source], "target_label": label} for label, source in POD_LABELS.items()),
            region,
        ],
        # What every Python program tells about its own interpreter.
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "python_.*|.*_created", "action": "drop"},
        ],
    }


def _kubelet(site: Site, region: Object) -> Object:
    keys = site.home / "pki"
    return {
        "job_name": "kubelet-cadvisor",
        # The kubelet itself looks every ten seconds.
        "scrape_interval": "10s",
        "scrape_timeout": "5s",
        "scheme": "https",
        "metrics_path": "/metrics/cadvisor",
        "tls_config": {
            "ca_file": f"{keys}/ca.crt",
            "cert_file": f"{keys}/prometheus.crt",
            "key_file": f"{keys}/prometheus.key",
        },
        "static_configs": [{"targets": [f"{site.address}:10250"]}],
        "relabel_configs": [region, {"target_label": "node", "replacement": site.name}],
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "|".join(CONTAINER_METRICS), "action": "keep"},
            {"source_labels": ["container"], "regex": "", "action": "drop"},
            {"regex": "id|image|name", "action": "labeldrop"},
        ],
    }


def kubeconfig(site: Site) -> pathlib.Path:
    return site.home / "pki" / "prometheus.kubeconfig"


def start(site: Site, bins: Binaries, timeout_s: float = 30) -> None:
    """Run Prometheus and wait until it answers queries."""
    Kube(site.admin_kubeconfig).apply_file(MANIFEST)
    pki.issue(site.home / "pki", "prometheus", USER)
    pki.write(kubeconfig(site), yaml.safe_dump(pki.kubeconfig(site, "prometheus")), 0o600)
    folder = site.home / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    pki.write(folder / "prometheus.yaml", yaml.safe_dump(config(site), sort_keys=False))
    programs.start(
        site,
        "prometheus",
        [
            bins.path("prometheus"),
            f"--config.file={folder}/prometheus.yaml",
            f"--storage.tsdb.path={folder}/data",
            "--storage.tsdb.retention.time=6h",
            f"--web.listen-address=0.0.0.0:{PORT}",
            # A new pod is scraped from its first second on; by default it may wait for five.
            "--scrape.discovery-reload-interval=250ms",
            "--log.level=warn",
        ],
    )
    deadline = time.monotonic() + timeout_s
    while not ready(site.address):
        if not programs.alive(site, "prometheus") or time.monotonic() > deadline:
            log = programs.tail(site, "prometheus")
            raise LabError(f"{site.name}: Prometheus does not answer at {site.address}:{PORT}\n{log}")
        time.sleep(0.1)


def ready(address: str) -> bool:
    connection = http.client.HTTPConnection(address, PORT, timeout=1)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
