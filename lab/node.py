# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node of a region: containerd, kubelet, kube-proxy and a bridge for its pods."""

from __future__ import annotations

import json
import pathlib
import time
import typing as t

import yaml

from lab import cgroups, pause, pki, programs
from lab.binaries import Binaries
from lab.errors import LabError
from lab.kube import Kube, Object
from lab.model import Lab, Site
from lab.shell import run

REGISTRY = "registry.lab:5000"


def socket(site: Site) -> pathlib.Path:
    return site.home / "containerd" / "containerd.sock"


def containerd_config(site: Site) -> str:
    folder = site.home / "containerd"
    return f"""version = 2
root = "{folder}/root"
state = "{folder}/state"
# `opt` makes a folder in /opt; the others look for file systems that nobody uses here.
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]
[debug]
  level = "warn"
[grpc]
  address = "{socket(site)}"
[ttrpc]
  address = "{socket(site)}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause.IMAGE}"
  # Without CAP_SYS_RESOURCE runc cannot lower the score and dies with "can't get final child's PID".
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      # Not the machine's common folder in /run: what killed containers leave there goes with the site.
      Root = "{folder}/runc"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{folder}/certs.d"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{site.home}/cni"
"""


def registry_hosts(lab: Lab) -> str:
    """registry.lab is an address on the lab's own network, in plain HTTP."""
    url = f"http://{lab.management.address}:5000"
    return f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'


def cni_network(site: Site) -> str:
    """Also the prefix of CNI's own records, by which `down` knows whose a network namespace is."""
    return f"pincex-{site.lab}-{site.name}"


def cni_config(site: Site) -> dict[str, object]:
    ranges = [[{"subnet": site.pod_network}]]
    routes = [{"dst": "0.0.0.0/0"}]
    ipam = {"type": "host-local", "dataDir": f"{site.home}/ipam", "ranges": ranges, "routes": routes}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True, "ipam": ipam}
    return {"cniVersion": "0.4.0", "name": cni_network(site), "plugins": [bridge]}


def kubelet_config(site: Site) -> dict[str, object]:
    keys = site.home / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{keys}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{keys}/node.crt",
        "tlsPrivateKeyFile": f"{keys}/node.key",
        "containerRuntimeEndpoint": f"unix://{socket(site)}",
        "cgroupDriver": "cgroupfs",
        # Several kubelets share the machine: each has a cgroup of its own for its pods, and claims no more of it.
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "cgroupRoot": cgroups.of_site(site),
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxPods": 110,
        "nodeStatusUpdateFrequency": "10s",
        "serializeImagePulls": False,
        # An image that came by import and by a pull of the same content would be pulled again.
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "50Mi"},
        "podLogsDir": f"{site.home}/pod-logs",
        "volumePluginDir": f"{site.home}/volume-plugins",
        "resolvConf": f"{site.home}/resolv.conf",
    }


def proxy_config(site: Site) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": f"{site.home}/pki/proxy.kubeconfig"},
        "clusterCIDR": site.pod_network,
        "hostnameOverride": site.name,
        "oomScoreAdj": 0,
        # The machine's connection table is shared: leave its size alone.
        "conntrack": {"maxPerCore": 0},
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "5m"},
    }


def start_containerd(site: Site, lab: Lab, bins: Binaries) -> None:
    """containerd with the pause image in its store. Needs no API server, so it starts beside it."""
    folder = site.home / "containerd"
    pki.write(folder / "config.toml", containerd_config(site))
    pki.write(folder / "certs.d" / REGISTRY / "hosts.toml", registry_hosts(lab))
    pki.write(site.home / "cni" / "10-bridge.conflist", json.dumps(cni_config(site)))
    programs.start(site, "containerd", ["containerd", "--config", folder / "config.toml"])
    ctr: list[str | pathlib.Path] = ["ctr", "--address", socket(site), "--namespace", "k8s.io"]
    deadline = time.monotonic() + 20
    while "Server" not in run([*ctr, "version"], check=False):
        if not programs.alive(site, "containerd") or time.monotonic() > deadline:
            raise LabError(f"{site.name}: containerd does not answer\n{programs.tail(site, 'containerd')}")
        time.sleep(0.1)
    if pause.IMAGE not in run([*ctr, "images", "list", "-q"]):
        archive = pause.write_archive(bins.path("pause"), folder / "pause.tar")
        run([*ctr, "images", "import", archive])
        archive.unlink()


def start_kubelet(site: Site, bins: Binaries) -> None:
    """kubelet and kube-proxy; the API server has to answer."""
    # A file without name servers: pods find services by their environment, and nothing may ask the internet.
    # The kubelet measures its own root from the first second, and the first container comes later.
    cgroups.create(cgroups.of_site(site))
    pki.write(site.home / "resolv.conf", "# no name servers in the lab\n")
    pki.write(site.home / "kubelet.yaml", yaml.safe_dump(kubelet_config(site)))
    pki.write(site.home / "kube-proxy.yaml", yaml.safe_dump(proxy_config(site)))
    programs.start(
        site,
        "kubelet",
        [
            bins.path("kubelet"),
            f"--kubeconfig={site.home}/pki/node.kubeconfig",
            f"--config={site.home}/kubelet.yaml",
            f"--hostname-override={site.name}",
            f"--node-ip={site.address}",
            f"--root-dir={site.home}/kubelet",
            # cAdvisor's own flag: without it its series carry no namespace, pod and container.
            f"--containerd={socket(site)}",
            f"--node-labels=topology.kubernetes.io/region={site.name},topology.kubernetes.io/zone={site.name}a",
            "--v=1",
        ],
    )
    proxy = f"--config={site.home}/kube-proxy.yaml"
    programs.start(site, "kube-proxy", [bins.path("kube-proxy"), proxy, "--v=1"])


def wait(site: Site, kube: Kube, timeout_s: float = 120) -> None:
    """Until the node is Ready."""

    def ready() -> bool:
        for name in ("containerd", "kubelet", "kube-proxy"):
            if not programs.alive(site, name):
                raise _Ended(f"{site.name}: {name} ended\n{programs.tail(site, name)}")
        node = kube.get("v1", "Node", site.name) or {}
        conditions = (node.get("status") or {}).get("conditions") or []
        return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if ready():
                return
        except _Ended as ended:
            raise LabError(str(ended)) from None
        except Exception as error:  # the API server may still be settling
            if time.monotonic() > deadline:
                raise LabError(f"{site.name}: cannot read the node: {error}") from error
        if time.monotonic() > deadline:
            raise LabError(f"{site.name}: the node is not Ready after {timeout_s:.0f} s; see {site.home}/log")
        time.sleep(0.2)


#: Of both slots of the engine, and of the FIX gateway.
_VOLUMES: t.Final = 3


class _Ended(Exception):
    """A program of the node is gone; waiting longer is of no use."""


def storage(site: Site) -> list[Object]:
    """A StorageClass and volumes on the node's disk, bound when a pod comes."""
    objects: list[Object] = [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": "local",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Retain",
        }
    ]
    for number in range(1, _VOLUMES + 1):
        name = f"local-{number}"
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [site.name]}
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": name},
                "spec": {
                    "capacity": {"storage": "5Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain",
                    "storageClassName": "local",
                    "local": {"path": str(site.home / "volumes" / name)},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
                },
            }
        )
    return objects


def install_storage(site: Site, kube: Kube) -> None:
    for number in range(1, _VOLUMES + 1):
        (site.home / "volumes" / f"local-{number}").mkdir(mode=0o777, parents=True, exist_ok=True)
        (site.home / "volumes" / f"local-{number}").chmod(0o777)  # pods run as users of their own
    kube.apply(*storage(site))
