# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus and metrics-server are told, and the engine's manifests."""

from __future__ import annotations

import re

from lab import metrics_server, monitoring
from lab.kube import Object
from lab.model import plan_lab

SITE = plan_lab("test").regions[1]


def job(name: str) -> Object:
    jobs: list[Object] = monitoring.config(SITE)["scrape_configs"]
    return next(job for job in jobs if job["job_name"] == name)


def relabelled(meta: dict[str, str]) -> dict[str, str] | None:
    """The labels of a target, as Prometheus would make them; None when it is dropped."""
    labels = dict(meta)
    for rule in job("pods")["relabel_configs"]:
        value = rule.get("separator", ";").join(labels.get(name, "") for name in rule.get("source_labels", []))
        found = re.fullmatch(rule.get("regex", "(.*)"), value)
        if rule.get("action") == "keep":
            if found is None:
                return None
        elif found is not None:
            replacement = rule.get("replacement", "$1")
            labels[rule["target_label"]] = (
                replacement.replace("$1", found.group(1)) if "$1" in replacement else replacement
            )
    return {name: value for name, value in labels.items() if not name.startswith("__meta_")}


def pod(**changes: str) -> dict[str, str]:
    prefix = "__meta_kubernetes_pod_"
    meta = {
        "__address__": "198.19.18.7",
        "__metrics_path__": "/metrics",
        "__meta_kubernetes_namespace": "exchange",
        f"{prefix}name": "core-api-green-1",
        f"{prefix}ip": "198.19.18.7",
        f"{prefix}phase": "Running",
        f"{prefix}annotation_prometheus_io_scrape": "true",
        f"{prefix}annotation_prometheus_io_port": "8080",
        f"{prefix}label_app_kubernetes_io_name": "core-api",
        f"{prefix}label_app_kubernetes_io_version": "v2",
        f"{prefix}label_pincex_io_slot": "green",
    }
    return {**meta, **{f"{prefix}{name}": value for name, value in changes.items()}}


def test_a_series_says_where_it_comes_from() -> None:
    assert relabelled(pod()) == {
        "__address__": "198.19.18.7:8080",
        "__metrics_path__": "/metrics",
        "namespace": "exchange",
        "pod": "core-api-green-1",
        "service": "core-api",
        "slot": "green",
        "version": "v2",
        "region": SITE.name,
    }


def test_the_annotations_decide_what_is_scraped_and_where() -> None:
    assert relabelled(pod(annotation_prometheus_io_scrape="false")) is None
    assert relabelled(pod(phase="Succeeded")) is None
    elsewhere = relabelled(pod(annotation_prometheus_io_path="/stats", annotation_prometheus_io_port="9000"))
    assert elsewhere is not None
    assert (elsewhere["__address__"], elsewhere["__metrics_path__"]) == ("198.19.18.7:9000", "/stats")


def test_pods_are_scraped_every_second() -> None:
    settings = monitoring.config(SITE)["global"]
    assert settings["scrape_interval"] == "1s"
    assert settings["external_labels"] == {"region": SITE.name}


def test_of_the_kubelet_only_figures_of_containers_are_kept() -> None:
    keep, *_ = job("kubelet-cadvisor")["metric_relabel_configs"]
    assert re.fullmatch(keep["regex"], "container_memory_working_set_bytes")
    assert not re.fullmatch(keep["regex"], "container_tasks_state")


def test_the_metrics_api_is_served_at_the_site() -> None:
    service, endpoints, api = metrics_server.api(SITE, b"authority")
    assert endpoints["endpoints"][0]["addresses"] == [SITE.address]
    assert endpoints["metadata"]["labels"]["kubernetes.io/service-name"] == service["metadata"]["name"]
    assert endpoints["ports"][0]["name"] == service["spec"]["ports"][0]["name"]
    assert api["spec"]["service"]["name"] == service["metadata"]["name"]
