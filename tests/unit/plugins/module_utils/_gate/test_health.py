# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against real servers on loopback, with the faults that an endpoint can have."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import socketserver
import ssl
import threading
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import health
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.health import (
    Endpoint,
    HealthClient,
    NetTransport,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

CLIENT = HealthClient(NetTransport(SystemClock()), SystemClock())


class Server(socketserver.ThreadingTCPServer):
    """Reads one request and does what the test says."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, act: t.Callable[[socket.socket], None], tls: ssl.SSLContext | None) -> None:
        self.requests: list[bytes] = []
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    connection = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                    outer.requests.append(connection.recv(65536))
                    act(connection)
                    connection.close()

        super().__init__(("127.0.0.1", 0), Handler)
        self.port = int(self.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/health/ready?token=sesame"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@contextlib.contextmanager
def serving(act: t.Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> t.Iterator[Server]:
    server = Server(act, tls)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def says(raw: bytes) -> t.Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(raw)


def whole(body: bytes, status: str = "200 OK", extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status.encode(), len(body), extra, body)


def trickles(head: bytes) -> t.Callable[[socket.socket], None]:
    def act(connection: socket.socket) -> None:
        connection.sendall(head)
        for _byte in range(30):
            connection.sendall(b"x")
            time.sleep(0.05)

    return act


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def test_status_body_and_time() -> None:
    with serving(says(whole(b'{"ready": true}'))) as server:
        answer = CLIENT.ask(Endpoint(server.url, headers={"Authorization": "Bearer sesame", "Host": "api.example"}))
    assert (answer.status, answer.body, answer.problem) == (200, b'{"ready": true}', "")
    assert 0 < answer.took_s < 1
    request = server.requests[0]
    assert request.startswith(b"GET /health/ready?token=sesame HTTP/1.1\r\n")
    for header in (b"Authorization: Bearer sesame", b"Host: api.example", b"Connection: close"):
        assert request.count(header + b"\r\n") == 1


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (whole(b"", "503 Service Unavailable"), 503, b""),
        (whole(b"", "302 Found", b"Location: http://127.0.0.1:1/\r\n"), 302, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", 200, b"abcde"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        # Not unpacked: a small answer could become a very large one.
        (whole(b"\x1f\x8b..", extra=b"Content-Encoding: gzip\r\n"), 200, b"\x1f\x8b.."),
    ],
)
def test_answers_are_taken_as_they_are(raw: bytes, status: int, body: bytes) -> None:
    with serving(says(raw)) as server:
        answer = CLIENT.ask(Endpoint(server.url))
    assert (answer.status, answer.body, answer.problem) == (status, body, "")


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (lambda _connection: time.sleep(0.6), "no answer within 0.3 s"),
        (trickles(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n"), "no whole answer within 0.3 s"),
        (resets, "Connection reset by peer"),
        (says(b""), "Remote end closed connection without response"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nhalf"), "IncompleteRead(4 bytes read, 26 more expected)"),
        (says(whole(b"x" * 1_000_001)), "the body is larger than 1 MB"),
    ],
)
def test_what_is_no_answer(act: t.Callable[[socket.socket], None], problem: str) -> None:
    with serving(act) as server:
        answer = CLIENT.ask(Endpoint(server.url, headers={"X-Key": "sesame"}, timeout_s=0.3))
    assert answer.problem == problem
    assert answer.took_s < 1.0
    assert "sesame" not in repr(answer)


def test_what_the_other_side_wrote_is_covered() -> None:
    with serving(says(b"password=sesame %s\r\n\r\n" % (b"x" * 500))) as server:
        problem = CLIENT.ask(Endpoint(server.url)).problem
    assert problem
    assert "sesame" not in problem
    assert len(problem) <= 200


def test_every_question_is_a_new_connection() -> None:
    """A connection that is kept stays with one pod, and fails when the server has just closed it."""
    with serving(says(whole(b"ok"))) as server:
        assert [CLIENT.ask(Endpoint(server.url)).problem for _question in range(3)] == ["", "", ""]
        assert len(server.requests) == 3


def test_tcp() -> None:
    with serving(says(b"")) as server:
        answer = CLIENT.ask(Endpoint(host="127.0.0.1", port=server.port))
        assert (answer.status, answer.problem) == (None, "")
    refused = Endpoint(host="127.0.0.1", port=server.port)
    assert CLIENT.ask(refused).problem == "Connection refused"
    assert CLIENT.ask(Endpoint(server.url)).problem == "Connection refused"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files with a certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "core-api")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_https_is_answered_by_whom_it_trusts(certificate: tuple[str, str]) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(*certificate)

    with serving(says(whole(b"ok")), own) as server:
        url = server.url.replace("http://", "https://")
        trusted = CLIENT.ask(Endpoint(url, tls=ssl.create_default_context(cafile=certificate[0])))
        assert (trusted.status, trusted.problem) == (200, "")
        stranger = CLIENT.ask(Endpoint(url, tls=ssl.create_default_context()))
        assert stranger.status is None
        assert "self-signed certificate" in stranger.problem
        # Without a context of ours urllib3 trusts what the system trusts.
        assert "self-signed certificate" in CLIENT.ask(Endpoint(url)).problem


def test_no_such_host() -> None:
    for endpoint in (Endpoint("http://nowhere.invalid/"), Endpoint(host="nowhere.invalid", port=1)):
        problem = CLIENT.ask(endpoint).problem
        # What it says depends on the resolver.
        assert problem
        assert "0x" not in problem


def test_a_header_that_cannot_be_sent_is_not_shown() -> None:
    with serving(says(whole(b"ok"))) as server:
        problem = CLIENT.ask(Endpoint(server.url, headers={"X-Key": "token=sesame\r\n"})).problem
    assert problem
    assert "sesame" not in problem


def test_tcp_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_args: t.Any) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr(health.socket, "create_connection", hangs)
    assert CLIENT.ask(Endpoint(host="192.0.2.1", port=1)).problem == "no answer within 2 s"
