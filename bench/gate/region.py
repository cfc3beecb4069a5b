# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One region of a lab: brought up, looked at by the bench's own watch, and taken down."""

from __future__ import annotations

import collections.abc as c
import contextlib
import http.client
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time
import typing as t

import yaml

from bench.results import ROOT
from lab import control_plane, pki
from lab.errors import LabError
from lab.kube import Kube, Object
from lab.model import Site, plan_lab

#: Whose requests are counted. The others (the bench itself, kwok) are the lab's admin.
USER: t.Final = "bench-gate"
_PATIENCE_S: t.Final = 180.0


@contextlib.contextmanager
def lab(name: str, *more: str) -> c.Iterator[Site]:
    """A fresh lab of one region, which leaves the cores to what is measured; gone afterwards. Raises LabError."""
    down = [sys.executable, "-m", "lab", "down", "--name", name]
    up = [sys.executable, "-m", "lab", "up", "--name", name, "--regions", "1", *more]
    try:
        for command in (down, up):
            if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
                raise LabError(f"lab {command[3]} failed; look at the messages above")
        yield plan_lab(name, 1).regions[0]
    finally:
        subprocess.run(down, cwd=ROOT, check=False)


def reader(site: Site) -> pathlib.Path:
    """The kubeconfig of a user who may read everything and write nothing, so that its requests can be told apart."""
    pki.issue(site.home / "pki", USER, USER)
    path = site.home / "pki" / f"{USER}.kubeconfig"
    pki.write(path, yaml.safe_dump(pki.kubeconfig(site, USER)), 0o600)
    Kube(site.admin_kubeconfig).apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": USER},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
        }
    )
    mine = Kube(path)
    # `view` is filled by a controller some seconds after the API server is there.
    mine.wait(f"rights of {USER}", lambda: bool(mine.list("apps/v1", "Deployment") or True), 60)
    return path


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def audit_events(site: Site, name: str) -> list[dict[str, t.Any]]:
    """What USER asked in that namespace, each request once, oldest first."""
    found: dict[str, dict[str, t.Any]] = {}
    folder = control_plane.audit_log(site).parent
    for path in sorted(folder.glob("audit*.log"), key=lambda path: path.stat().st_mtime):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if f'"{USER}"' not in line:
                    continue
                event = json.loads(line)
                # A watch is written down when it begins and again when it ends.
                if event["user"]["username"] == USER and (event.get("objectRef") or {}).get("namespace") == name:
                    found.setdefault(event["auditID"], event)
    return list(found.values())


class Seen:
    """Notes the instant when objects first were as `done` wants them, from the events of a watch."""

    def __init__(self, done: c.Callable[[c.Collection[Object]], bool]) -> None:
        self._done = done
        self._objects: dict[str, Object] = {}
        self._reached = threading.Event()
        self.done_at: float | None = None

    def take(self, event: t.Mapping[str, t.Any], at: float) -> None:
        """One event, and when it came in unix seconds."""
        obj = event["object"]
        if event["type"] == "DELETED":
            self._objects.pop(obj["metadata"]["uid"], None)
        elif event["type"] in ("ADDED", "MODIFIED"):
            self._objects[obj["metadata"]["uid"]] = obj
        if self.done_at is None and self._done(self._objects.values()):
            self.done_at = at
            self._reached.set()

    def wait(self, timeout_s: float) -> float | None:
        """When it was so, in unix seconds; None when it was not in time."""
        self._reached.wait(timeout_s)
        return self.done_at


@contextlib.contextmanager
def observed(site: Site, path: str, done: c.Callable[[c.Collection[Object]], bool]) -> c.Iterator[Seen]:
    """A watch of the bench's own, straight from the API server: nobody is measured by another subject's eyes."""
    keys = site.home / "pki"
    context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    context.load_cert_chain(keys / "admin.crt", keys / "admin.key")
    connection = http.client.HTTPSConnection(site.address, 6443, context=context)
    connection.request("GET", f"{path}?watch=1&timeoutSeconds=3600")
    answer = connection.getresponse()
    if answer.status != 200:
        raise LabError(f"watch {path}: {answer.status}")
    seen = Seen(done)

    def read() -> None:
        # A connection that is closed under its reader ends it in one of these ways.
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            while line := answer.readline():
                seen.take(json.loads(line), time.time())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield seen
    finally:
        if connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        reader.join(5)
        connection.close()


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def is_complete(workload: Object) -> bool:
    """Whether a Deployment or StatefulSet has nothing left to do."""
    spec, status = workload["spec"], workload.get("status") or {}
    wanted = spec.get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def wait_until_complete(kube: Kube, kind: str, name: str, space: str) -> None:
    def complete() -> bool:
        found = kube.get("apps/v1", kind, name, space)
        return found is not None and is_complete(found)

    kube.wait(f"{space}: {kind} {name} complete", complete, _PATIENCE_S)
