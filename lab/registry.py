# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one registry of a lab: Debian's docker-registry in the management site's network, and a client that pushes to it.

The nodes pull from it like from any registry, so an image tag that is not there is a real "not found" at once.
"""

from __future__ import annotations

import collections.abc as c
import http.client
import pathlib
import time
import typing as t
import urllib.parse

import yaml

from lab import pki, programs
from lab.errors import LabError
from lab.model import Lab, Site

PORT = 5000


def config(site: Site) -> dict[str, t.Any]:
    """What docker-registry reads. Only errors are logged: the nodes' pulls are in the kubelet's events."""
    return {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(site.home / "registry")},
            "delete": {"enabled": True},
            # The only users are the lab's nodes, and they read what was pushed a moment before.
            "cache": {"blobdescriptor": "inmemory"},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"{site.address}:{PORT}"},
    }


def start(lab: Lab, timeout_s: float = 20) -> None:
    """Run the registry and wait until it answers."""
    site = lab.management
    (site.home / "registry").mkdir(parents=True, exist_ok=True)
    file = site.home / "registry.yaml"
    pki.write(file, yaml.safe_dump(config(site)))
    programs.start(site, "registry", ["docker-registry", "serve", file])
    registry = Registry(site.address)
    deadline = time.monotonic() + timeout_s
    while not registry.answers():
        if not programs.alive(site, "registry") or time.monotonic() > deadline:
            raise LabError(f"registry: does not answer at {site.address}:{PORT}\n{programs.tail(site, 'registry')}")
        time.sleep(0.05)


class Registry:
    """Client of the registry API (v2), as much of it as pushing needs. Speaks plain HTTP and knows no proxy."""

    def __init__(self, host: str, port: int = PORT, timeout_s: float = 30) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s

    def answers(self) -> bool:
        try:
            return self._request("GET", "/v2/")[0] == 200
        except OSError:
            return False

    def digest(self, name: str, tag: str, media_type: str) -> str | None:
        """Digest of what the tag points to; None when there is no such tag."""
        status, headers = self._request("HEAD", f"/v2/{name}/manifests/{tag}", headers={"Accept": media_type})
        return headers.get("docker-content-digest") if status == 200 else None

    def has_blob(self, name: str, digest: str) -> bool:
        return self._request("HEAD", f"/v2/{name}/blobs/{digest}")[0] == 200

    def push_blob(self, name: str, digest: str, content: bytes | pathlib.Path) -> bool:
        """Upload a blob in one request; True when it was not there yet."""
        if self.has_blob(name, digest):
            return False
        status, headers = self._request("POST", f"/v2/{name}/blobs/uploads/", headers={"Content-Length": "0"})
        place = urllib.parse.urlsplit(headers.get("location", ""))
        if status != 202 or not place.path:
            raise LabError(f"registry: no upload of {name} was opened (HTTP {status})")
        query = urllib.parse.urlencode([*urllib.parse.parse_qsl(place.query), ("digest", digest)])
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        if isinstance(content, bytes):
            status, _ = self._request("PUT", f"{place.path}?{query}", content, headers)
        else:
            with content.open("rb") as file:
                status, _ = self._request("PUT", f"{place.path}?{query}", file, headers)
        if status != 201:
            raise LabError(f"registry: blob {digest} of {name} was not taken (HTTP {status})")
        return True

    def push_manifest(self, name: str, tag: str, manifest: bytes, media_type: str) -> None:
        status, _ = self._request("PUT", f"/v2/{name}/manifests/{tag}", manifest, {"Content-Type": media_type})
        if status != 201:
            raise LabError(f"registry: manifest {name}:{tag} was not taken (HTTP {status})")

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | t.BinaryIO | None = None,
        headers: c.Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
