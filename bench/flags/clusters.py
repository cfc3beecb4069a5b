# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real API servers on loopback, each with its own part of one etcd: clusters without nodes, for what is stored in them.

The programs are the lab's. Nothing is left when the block ends.
"""

from __future__ import annotations

import base64
import collections.abc as c
import contextlib
import os
import pathlib
import signal
import time
import typing as t

import yaml
from powerdns_server import LOOPBACK, Server, free_ports

from lab import binaries, pki
from lab.errors import LabError
from lab.kube import Kube
from lab.steps import Steps

_PATIENCE_S: t.Final = 120.0


class Cluster:
    """One API server. What it has stored is there again when it is started again, at the same address."""

    def __init__(self, folder: pathlib.Path, name: str, programs: binaries.Binaries, etcd: str) -> None:
        self.name = name
        self.port = free_ports(1)[0]
        self._log = folder / f"{name}.log"
        self._server: Server | None = None
        keys = folder / name
        pki.authority(keys, "ca", "bench-ca")
        pki.issue(keys, "apiserver", "kube-apiserver", addresses=[LOOPBACK])
        pki.issue(keys, "admin", "admin", groups=["system:masters"])
        kubeconfig = folder / f"{name}.kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(self._config(keys)), encoding="utf-8")
        self.kubeconfig = kubeconfig
        self.kube = Kube(kubeconfig)
        self._command = [
            str(programs.path("kube-apiserver")),
            f"--etcd-servers={etcd}",
            f"--etcd-prefix=/{name}",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--secure-port={self.port}",
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={LOOPBACK}",
            # Nobody looks for the service `kubernetes`, which would take no address of loopback.
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={keys}/apiserver.crt",
            f"--tls-private-key-file={keys}/apiserver.key",
            f"--client-ca-file={keys}/ca.crt",
            # It does not start without them.
            f"--service-account-key-file={keys}/admin.key",
            f"--service-account-signing-key-file={keys}/admin.key",
            f"--service-account-issuer=https://{LOOPBACK}:{self.port}",
            "--v=0",
        ]

    def _config(self, keys: pathlib.Path) -> dict[str, t.Any]:
        """A kubeconfig with one context, which has the cluster's name."""

        def data(name: str) -> str:
            return base64.b64encode((keys / name).read_bytes()).decode()

        server = {"server": f"https://{LOOPBACK}:{self.port}", "certificate-authority-data": data("ca.crt")}
        user = {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": server}],
            "users": [{"name": self.name, "user": user}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": self.name}}],
            "current-context": self.name,
        }

    def start(self) -> None:
        self._server = Server(self._command, self._log)

    def wait(self) -> None:
        """Until it answers. Raises LabError."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self.kube.ready():
            dead = self._server.dead if self._server is not None else "it was not started"
            if dead is not None or time.monotonic() > deadline:
                raise LabError(f"the API server of {self.name} does not answer: {dead}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As a machine that fails does it."""
        if self._server is not None:
            kill(self._server)
            self._server = None


def kill(server: Server) -> None:
    """At once, without a word. Returns when it has gone."""
    os.kill(server._process.pid, signal.SIGKILL)
    server._process.wait()


@contextlib.contextmanager
def clusters(folder: pathlib.Path, namespaces: t.Mapping[str, str]) -> c.Iterator[dict[str, Cluster]]:
    """A cluster for each name, with this namespace. Raises LabError."""
    programs = binaries.prepare(Steps())
    port, peer = free_ports(2)
    etcd = f"http://{LOOPBACK}:{port}"
    with contextlib.ExitStack() as stack:
        words = [f"--data-dir={folder}/etcd", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}"]
        # What is stored is worth nothing after a power cut.
        words += [f"--listen-peer-urls=http://{LOOPBACK}:{peer}", "--unsafe-no-fsync", "--log-level=warn"]
        stack.callback(kill, Server([str(programs.path("etcd")), *words], folder / "etcd.log"))
        made = {name: Cluster(folder, name, programs, etcd) for name in namespaces}
        for one in made.values():
            stack.callback(one.kill)
            one.start()
        for name, one in made.items():
            one.wait()
            one.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespaces[name]}})
        yield made


def version() -> str:
    return binaries.KUBERNETES_VERSION
