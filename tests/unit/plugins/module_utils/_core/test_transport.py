# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeconfigs that are not usable, refused before anything is sent; answers that come late, in part, or not at all."""

from __future__ import annotations

import base64
import contextlib
import datetime
import pathlib
import socket
import struct
import tempfile
import threading
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import (
    NoAnswer,
    Request,
    Transport,
    open_transport,
    split_lines,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: us-east-1, context: {cluster: c, user: u}}, {name: lame, context: {cluster: gone, user: u}}]
"""


def write(folder: pathlib.Path, text: str) -> str:
    path = folder / "kubeconfig"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_context_is_found_without_a_current_one(tmp_path: pathlib.Path) -> None:
    open_transport(write(tmp_path, GOOD), "us-east-1", "us-east-1")


def test_an_unknown_context_is_refused_and_the_known_ones_are_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(OptionError, match=r"context: eu is not in .* \(there are: us-east-1, lame\)") as caught:
        open_transport(write(tmp_path, GOOD), "eu", "eu")
    assert caught.value.option == "context"


@pytest.mark.parametrize("text", ["a: [b\n: :", "just words", "", "[1, 2]"])
def test_what_is_no_kubeconfig_is_refused(tmp_path: pathlib.Path, text: str) -> None:
    with pytest.raises(OptionError, match=r"kubeconfig: .* is no kubeconfig") as caught:
        open_transport(write(tmp_path, text), "eu", "eu")
    assert caught.value.option == "kubeconfig"


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(OptionError, match="kubeconfig: /nowhere/at/all does not exist"):
        open_transport("/nowhere/at/all", "eu", "eu")


def test_a_context_without_its_cluster_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(OptionError, match=r"kubeconfig: context lame of .* is not usable"):
        open_transport(write(tmp_path, GOOD), "lame", "eu")


def with_certificate() -> str:
    """The good one, with a client certificate inside."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "releaser")])
    now = datetime.datetime.now(tz=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public, secret = (base64.b64encode(part).decode() for part in (certificate, private))
    user = f"{{client-certificate-data: {public}, client-key-data: {secret}}}"
    return GOOD.replace("http:", "https:").replace("{token: t}", user)


def test_no_private_key_stays_behind(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, with_certificate())
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    # Twice, because the client remembers by content which file it wrote.
    for _time in range(2):
        open_transport(path, "us-east-1", "us-east-1")
        assert list(folder.iterdir()) == []


def test_a_key_that_is_none_is_refused(tmp_path: pathlib.Path) -> None:
    user = "{client-certificate-data: eA==, client-key-data: eA==}"
    bad = GOOD.replace("http:", "https:").replace("{token: t}", user)
    with pytest.raises(OptionError, match="is not usable"):
        open_transport(write(tmp_path, bad), "us-east-1", "us-east-1")


# Answers, from a server that writes what the test says.

GET = Request("GET", "/api/v1/pods")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
Serve = t.Callable[[socket.socket, str], None]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Server:
    """Gives every request, with its head, to `serve`, and ends the connection when that returns."""

    def __init__(self, serve: Serve) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._serve = serve
        self.heads: list[str] = []
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.heads.append(connection.recv(65536).decode("latin-1"))
            self._serve(connection, self.heads[-1])

    def close(self) -> None:
        self._listener.close()


Start = t.Callable[..., tuple[Transport, Server]]


@pytest.fixture
def start(tmp_path: pathlib.Path) -> t.Iterator[Start]:
    """A server and the transport to it."""
    servers: list[Server] = []

    def begin(serve: Serve, user: str = "{token: t}", scheme: str = "http") -> tuple[Transport, Server]:
        servers.append(Server(serve))
        config = GOOD.replace("http://127.0.0.1:1", f"{scheme}://127.0.0.1:{servers[-1].port}")
        path = write(tmp_path, config.replace("{token: t}", user))
        return open_transport(path, "us-east-1", "us-east-1"), servers[-1]

    yield begin
    for one in servers:
        one.close()


def test_lines_come_when_they_are_sent(start: Start) -> None:
    more = threading.Event()

    def serve(connection: socket.socket, _head: str) -> None:
        connection.sendall(CHUNKED + chunk(b'{"one"') + chunk(b": 1}\n"))
        more.wait(5)
        connection.sendall(chunk(b"two\nthree\nhalf") + b"0\r\n\r\n")

    stream = start(serve)[0].stream(GET, 2.0, 2.0)
    assert stream.status == 200
    lines = stream.lines()
    assert next(lines) == b'{"one": 1}'
    more.set()
    assert list(lines) == [b"two", b"three"]


def reset(connection: socket.socket, _head: str = "") -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def broken(connection: socket.socket, _head: str) -> None:
    connection.sendall(CHUNKED + chunk(b"one\ntw"))
    time.sleep(0.05)
    reset(connection)


def ended(connection: socket.socket, _head: str) -> None:
    connection.sendall(CHUNKED + chunk(b"one\n") + b"8\r\ntw")


def silent(connection: socket.socket, _head: str) -> None:
    connection.sendall(CHUNKED + chunk(b"one\n"))
    time.sleep(1.0)


@pytest.mark.parametrize(("serve", "timeout"), [(broken, False), (ended, False), (silent, True)])
def test_a_stream_that_does_not_end_as_it_should_is_told(start: Start, serve: Serve, timeout: bool) -> None:
    lines = start(serve)[0].stream(GET, 2.0, 0.3).lines()
    assert next(lines) == b"one"
    with pytest.raises(NoAnswer) as caught:
        list(lines)
    assert (caught.value.timeout, caught.value.hopeless) == (timeout, False)


def test_a_stream_whose_answer_does_not_begin_is_told(start: Start) -> None:
    transport, _server = start(lambda _connection, _head: time.sleep(0.5))
    with pytest.raises(NoAnswer) as caught:
        transport.stream(GET, 0.2, 30.0)
    assert caught.value.timeout


def test_closing_wakes_the_thread_that_reads(start: Start) -> None:
    over = threading.Event()

    def serve(connection: socket.socket, _head: str) -> None:
        connection.sendall(CHUNKED + chunk(b"one\n"))
        over.wait(5)

    stream = start(serve)[0].stream(GET, 2.0, 30.0)
    lines = stream.lines()
    next(lines)
    ended: list[float] = []

    def read() -> None:
        with pytest.raises(NoAnswer):
            next(lines)
        ended.append(time.monotonic())

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.1)
    began = time.monotonic()
    stream.close()
    reader.join(5)
    assert ended[0] - began < 0.2
    over.set()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_an_answer_that_drips_has_an_end(start: Start, head: bytes) -> None:
    def serve(connection: socket.socket, _head: str) -> None:
        connection.sendall(head)
        for _byte in range(40):
            time.sleep(0.1)
            connection.sendall(b"x")

    began = time.monotonic()
    with pytest.raises(NoAnswer, match="no whole answer") as caught:
        start(serve)[0].request(GET, 0.3)
    assert caught.value.timeout
    assert time.monotonic() - began < 1.0


def test_half_an_answer_is_none(start: Start) -> None:
    transport, _server = start(
        lambda connection, _head: connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"items": [')
    )
    with pytest.raises(NoAnswer) as caught:
        transport.request(GET, 2.0)
    assert (caught.value.timeout, caught.value.sent) == (False, True)


def test_a_server_that_goes_away_in_the_middle_of_tls_may_come_back(start: Start) -> None:
    with pytest.raises(NoAnswer) as caught:
        start(lambda _connection, _head: None, scheme="https")[0].request(GET, 2.0)
    assert not caught.value.hopeless


def test_a_server_that_does_not_speak_tls_never_will(start: Start) -> None:
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(NoAnswer) as caught:
        start(lambda connection, _head: connection.sendall(answer), scheme="https")[0].request(GET, 2.0)
    assert caught.value.hopeless


def only(token: str) -> Serve:
    def serve(connection: socket.socket, head: str) -> None:
        status = b"200 OK" if f"Bearer {token}\r" in head else b"401 Unauthorized"
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    return serve


@pytest.mark.parametrize("streamed", [False, True])
def test_a_token_that_was_renewed_on_disk_is_taken_up(start: Start, tmp_path: pathlib.Path, streamed: bool) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    transport, server = start(only("new"), user=f"{{tokenFile: {token}}}")
    assert transport.renews

    def ask() -> int:
        if streamed:
            return transport.stream(GET, 2.0, 2.0).status
        return transport.request(GET, 2.0).status

    assert ask() == 401
    count = len(server.heads)
    assert ask() == 401
    assert len(server.heads) == count + 1, "the file was read a moment ago"
    token.write_text("new")
    time.sleep(1.0)
    assert ask() == 200
    assert ask() == 200


@pytest.mark.parametrize("text", ["", "a: [b\n: :", "contexts: [{name: us-east-1}]"])
def test_a_kubeconfig_that_is_being_written_does_no_harm(start: Start, tmp_path: pathlib.Path, text: str) -> None:
    transport, _server = start(only("new"))
    (tmp_path / "kubeconfig").write_text(text)
    assert transport.request(GET, 2.0).status == 401


def test_a_plugin_that_fails_does_not_make_us_nobody(start: Start, tmp_path: pathlib.Path) -> None:
    script = tmp_path / "plugin"
    credential = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}'
    script.write_text(f"#!/bin/sh\nrm {script}\necho '{credential}'\n")
    script.chmod(0o755)
    user = f"{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {script}, interactiveMode: Never}}}}"
    transport, server = start(only("new"), user=user)
    assert transport.request(GET, 2.0).status == 401
    assert transport.request(GET, 2.0).status == 401
    assert all("Bearer t\r" in head for head in server.heads)


@pytest.mark.parametrize(
    ("user", "renews"),
    [
        ("{token: t}", False),
        ("{username: u, password: p}", False),
        ("{tokenFile: token}", True),
        ("{exec: {apiVersion: client.authentication.k8s.io/v1, command: 'true', interactiveMode: Never}}", True),
    ],
)
def test_what_renews_a_credential_is_known(start: Start, tmp_path: pathlib.Path, user: str, renews: bool) -> None:
    (tmp_path / "token").write_text("t")
    assert start(only("t"), user=user)[0].renews is renews


@given(st.binary(max_size=200), st.lists(st.integers(1, 50), min_size=1, max_size=4))
@settings(max_examples=100)
def test_lines_are_the_same_however_the_bytes_are_cut(data: bytes, sizes: list[int]) -> None:
    parts, place = [], 0
    while place < len(data):
        size = sizes[len(parts) % len(sizes)]
        parts.append(data[place : place + size])
        place += size
    assert list(split_lines(parts)) == data.split(b"\n")[:-1]
