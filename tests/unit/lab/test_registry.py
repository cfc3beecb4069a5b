# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client that pushes to the registry, against a small registry on loopback."""

from __future__ import annotations

import collections.abc as c
import http.server
import pathlib
import threading
import typing as t

import pytest

from lab import images
from lab.errors import LabError
from lab.model import plan_lab
from lab.registry import Registry, config


class FakeRegistry(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.full = False


class Handler(http.server.BaseHTTPRequestHandler):
    server: FakeRegistry

    def log_message(self, format: str, *args: t.Any) -> None:
        pass

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.answer(200)

    def do_HEAD(self) -> None:
        *_, kind, name = self.path.split("/")
        if kind == "blobs":
            self.answer(200 if name in self.server.blobs else 404)
        elif name in self.server.manifests:
            self.answer(200, Docker_Content_Digest=images.blob(self.server.manifests[name][1]).digest)
        else:
            self.answer(404)

    def do_POST(self) -> None:
        self.answer(202, Location=f"http://{self.headers['Host']}/v2/uploads/1?_state=abc")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.full:
            return self.answer(507)
        if "/manifests/" in self.path:
            self.server.manifests[self.path.rpartition("/")[2]] = (self.headers["Content-Type"], content)
        else:
            assert self.path.startswith("/v2/uploads/1?_state=abc&digest=sha256%3A")
            self.server.blobs[images.blob(content).digest] = content
        return self.answer(201)


@pytest.fixture
def server() -> c.Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        thread = threading.Thread(target=lambda: fake.serve_forever(poll_interval=0.01))
        thread.start()
        yield fake
        fake.shutdown()
        thread.join()


@pytest.fixture
def registry(server: FakeRegistry) -> Registry:
    return Registry("127.0.0.1", server.server_port)


def test_a_blob_is_uploaded_once(server: FakeRegistry, registry: Registry, tmp_path: pathlib.Path) -> None:
    blob = images.blob(b"layer")
    file = tmp_path / "layer"
    file.write_bytes(b"layer")
    assert registry.push_blob("pincex/exchange", blob.digest, file)
    assert server.blobs == {blob.digest: b"layer"}
    assert not registry.push_blob("pincex/exchange", blob.digest, b"layer")


def test_a_tag_is_known_by_its_digest_or_not_at_all(server: FakeRegistry, registry: Registry) -> None:
    assert registry.digest("pincex/exchange", "v1", images.MANIFEST) is None
    registry.push_manifest("pincex/exchange", "v1", b"{}", images.MANIFEST)
    assert server.manifests["v1"][0] == images.MANIFEST
    assert registry.digest("pincex/exchange", "v1", images.MANIFEST) == images.blob(b"{}").digest


def test_a_refused_upload_is_an_error(server: FakeRegistry, registry: Registry) -> None:
    server.full = True
    with pytest.raises(LabError, match="507"):
        registry.push_blob("pincex/exchange", images.blob(b"x").digest, b"x")
    with pytest.raises(LabError, match=r"v1.*507"):
        registry.push_manifest("pincex/exchange", "v1", b"{}", images.MANIFEST)


def test_nobody_listening_is_no_answer() -> None:
    with FakeRegistry() as fake:
        port = fake.server_port
    assert not Registry("127.0.0.1", port).answers()


def test_the_registry_listens_on_management_and_keeps_its_files_in_the_lab() -> None:
    lab = plan_lab("test")
    settings = config(lab.management)
    assert settings["http"]["addr"] == f"{lab.management.address}:5000"
    assert settings["storage"]["filesystem"]["rootdirectory"].startswith(str(lab.home))
