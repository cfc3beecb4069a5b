# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway of a region: Envoy Gateway as a program of the host, in the region's network, with Envoy as its child.

It reads Gateway API from the region's API server and sends straight to the pods' addresses. The listener is port 80 of
the site's address, so the order flow outside reaches it like a client reaches an exchange.
"""

from __future__ import annotations

import base64
import http.client
import os
import pathlib
import time
import typing as t

import yaml

from lab import pki, programs
from lab.binaries import Binaries
from lab.errors import LabError
from lab.gateway_parts import ENVOY_VERSION, definitions, envoy_folder
from lab.kube import Kube, Object
from lab.model import Site
from lab.shell import run

CLASS = "pincex"
NAMESPACE = "exchange"
GATEWAY = "exchange"
SYSTEM = "envoy-gateway-system"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"

#: Envoy Gateway reads its certificates from /certs and nowhere else. It gets a root folder of its own, in a mount
#: namespace of its own: nothing appears on the host, and everything is gone with the process. Where the host's folder
#: is a link (/lib -> usr/lib) the link is copied. /dev/shm is the region's own: Envoys that start at once with the same
#: base id unlink and create the same hot-restart region there, and the slower one aborts ("File exists"). The copies of
#: the pods' mounts that a new mount namespace holds are dropped first: they would keep volumes and networks of ended
#: pods alive for as long as the gateway runs.
_ENTER = r"""
set -e
ROOT=$1; HOME_=$2; PROGRAM=$3; ENVOY=$4; shift 4
while read -r _ place _; do
  case $place in /run/netns/*|/var/lib/pincex-lab/*) stale="$place $stale";; esac
done < /proc/mounts
for place in $stale; do umount -l "$place" || :; done
mount -t tmpfs -o size=1m,mode=755 none "$ROOT"
for name in bin dev etc lib lib64 proc sbin sys tmp usr; do
  if [ -L "/$name" ]; then cp -d "/$name" "$ROOT/$name"
  elif [ -d "/$name" ]; then mkdir "$ROOT/$name"; mount --rbind "/$name" "$ROOT/$name"; fi
done
mount -t tmpfs -o size=64m none "$ROOT/dev/shm"
bind() { mkdir -p "$ROOT$2"; mount --bind "$1" "$ROOT$2"; }
bind "$HOME_" "$HOME_"
bind "$HOME_/config/certs/envoy-gateway" /certs
bind "$PROGRAM" /program
bind "$ENVOY" "$HOME_/data/envoy-versions/VERSION/bin"
cd /
exec chroot "$ROOT" /program/envoy-gateway "$@"
""".replace("VERSION", ENVOY_VERSION)


def home(site: Site) -> pathlib.Path:
    return site.home / "gateway"


def config(site: Site) -> Object:
    """Configuration of the envoy-gateway program."""
    folder = home(site)
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": CONTROLLER},
        "provider": {
            "type": "Custom",
            "custom": {
                "resource": {
                    "type": "Kubernetes",
                    "kubernetes": {
                        # There is one of it; waiting to be elected would cost seconds at each start.
                        "leaderElection": {"disable": True},
                        "client": {"rateLimit": {"qps": 100, "burst": 200}},
                    },
                },
                "infrastructure": {
                    "type": "Host",
                    "host": {
                        "configHome": f"{folder}/config",
                        "dataHome": f"{folder}/data",
                        "stateHome": f"{folder}/state",
                        "runtimeDir": f"{folder}/run",
                    },
                },
            },
        },
        "logging": {"level": {"default": "warn"}},
    }


def manifests(site: Site) -> list[Object]:
    """The class, its Envoy, the Gateway, and how failures between Envoy and a pod are treated."""
    proxy = {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": CLASS, "namespace": SYSTEM}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "EnvoyProxy",
            "metadata": {"name": CLASS, "namespace": SYSTEM},
            "spec": {
                "provider": {"type": "Host", "host": {"envoyVersion": ENVOY_VERSION}},
                "logging": {"level": {"default": "warn"}},
                # One worker carries thousands of requests per second, and holds one pool of connections to each pod.
                "concurrency": 1,
                "telemetry": {"accessLog": _access_log()},
            },
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": CLASS},
            "spec": {"controllerName": CONTROLLER, "parametersRef": proxy},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": GATEWAY, "namespace": NAMESPACE},
            "spec": {
                "gatewayClassName": CLASS,
                # Envoy Gateway copies it into the status. The condition Programmed stays False all the same: it waits
                # for a Service and a Deployment, which a gateway on the host has not.
                "addresses": [{"type": "IPAddress", "value": site.address}],
                "listeners": [{"name": "http", "protocol": "HTTP", "port": 80}],
            },
        },
        retries(),
    ]


def _access_log() -> Object:
    """Only what Envoy itself had to say: a log of every request would cost more than the request."""
    text = (
        "%START_TIME% %REQ(:METHOD)% %REQ(:AUTHORITY)%%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%"
        " %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON% %UPSTREAM_HOST% %UPSTREAM_CLUSTER%"
        " attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% %DURATION%ms\n"
    )
    return {
        "settings": [
            {
                "format": {"type": "Text", "text": text},
                "matches": ["response.flags != 0 && response.code != 404"],
                "sinks": [{"type": "File", "file": {"path": "/dev/stdout"}}],
            }
        ]
    }


def retries() -> Object:
    """A pod that ends must not cost a request: what got no answer from it goes to another one, within milliseconds.

    `reset` sends a request again although the pod may have worked on it. That is right for the exchange: an order
    carries the client's own id, and the engine answers the same id with its first result. Answers of a service are
    never repeated, so the faults of a bad version are seen as they are.
    """
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "BackendTrafficPolicy",
        "metadata": {"name": GATEWAY, "namespace": NAMESPACE},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY}],
            "retry": {
                # A second in all: as long as a busy machine may need to take an ended pod out of the endpoints.
                "numRetries": 8,
                "retryOn": {"triggers": ["connect-failure", "refused-stream", "reset"]},
                "perRetry": {"backOff": {"baseInterval": "20ms", "maxInterval": "250ms"}},
            },
            # A pod that is gone with its network does not refuse; it is silent.
            "timeout": {"tcp": {"connectTimeout": "500ms"}, "http": {"requestTimeout": "15s"}},
            # Envoy's own limit of three retries at once would fail requests when a busy pod ends.
            "circuitBreaker": {"maxParallelRetries": 1024},
        },
    }


def start(site: Site, bins: Binaries, timeout_s: float = 60) -> None:
    """Run the gateway and wait until its listener answers."""
    kube = Kube(site.admin_kubeconfig)
    install_definitions(kube)
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}, *manifests(site))
    write_certificates(site, kube, bins)
    folder = home(site)
    for name in ("config", "data/envoy-versions", "state", "run", "root"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pki.write(folder / "envoy-gateway.yaml", yaml.safe_dump(config(site)))
    program = bins.path("envoy-gateway").resolve().parent
    enter = ["unshare", "--mount", "sh", "-c", _ENTER, "envoy-gateway"]
    places: list[str | os.PathLike[str]] = [folder / "root", folder, program, envoy_folder()]
    programs.start(
        site,
        "envoy-gateway",
        [*enter, *places, "server", "--config-path", folder / "envoy-gateway.yaml"],
        env={"KUBECONFIG": str(folder / "kubeconfig"), "ENVOY_GATEWAY_NAMESPACE": SYSTEM},
    )
    wait(site, timeout_s)


def wait(site: Site, timeout_s: float) -> None:
    """Until the listener answers anything at all; without a route that is 404. A gateway that does not is stopped:
    Envoy Gateway lives on without its Envoy, and the next `up` would wait for it in vain."""
    deadline = time.monotonic() + timeout_s
    while not answers(site.address):
        if not programs.alive(site, "envoy-gateway") or time.monotonic() > deadline:
            last = programs.tail(site, "envoy-gateway")
            programs.stop(site, "envoy-gateway")
            raise LabError(
                f"{site.name}: the gateway does not answer at {site.address}:80 after {timeout_s:g} s; it was stopped, "
                f"and the same `up` again starts it anew\n{last}"
            )
        time.sleep(0.1)


def answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, 80, timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def install_definitions(kube: Kube) -> None:
    """The definitions that are not there in this version; comparing is quicker than applying 1 MB again."""
    wanted = definitions()
    present = {obj["metadata"]["name"]: obj for obj in kube.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")}
    missing = [obj for obj in wanted if not _same(obj, present.get(obj["metadata"]["name"]))]
    kube.apply(*missing)


def _same(wanted: Object, present: Object | None) -> bool:
    """Whether the definition is there in the version that its annotations name."""
    if present is None:
        return False
    annotations: dict[str, t.Any] = wanted["metadata"].get("annotations") or {}
    there = present["metadata"].get("annotations") or {}
    return all(there.get(name) == value for name, value in annotations.items())


def write_certificates(site: Site, kube: Kube, bins: Binaries) -> None:
    """Certificates between Envoy Gateway and Envoy: made by its own tool, kept as Secrets, read from files."""
    folder = home(site)
    # A copy of its own: the folder of the region's keys is not part of the root that the program sees.
    pki.write(folder / "kubeconfig", site.admin_kubeconfig.read_text(), 0o600)
    names = ("envoy", "envoy-gateway")
    secrets = {name: kube.get("v1", "Secret", name, SYSTEM) for name in names}
    if not all(secrets.values()):
        env = {"KUBECONFIG": str(folder / "kubeconfig"), "ENVOY_GATEWAY_NAMESPACE": SYSTEM}
        run([bins.path("envoy-gateway"), "certgen", "--disable-topology-injector"], env=env)
        secrets = {name: kube.get("v1", "Secret", name, SYSTEM) for name in names}
    for name, secret in secrets.items():
        if secret is None:
            raise LabError(f"{site.name}: envoy-gateway certgen made no Secret {name} in {SYSTEM}")
        for key in ("ca.crt", "tls.crt", "tls.key"):
            data = base64.b64decode(secret["data"][key])
            pki.write(folder / "config" / "certs" / name / key, data, 0o600)
