# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One endpoint over real sockets: what is tried again, what is not, and who we are."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import itertools
import pathlib
import ssl
import threading
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import HttpSession
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.contract import contract_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import (
    ControlError,
    Exchange,
    checked_url,
    tls_of,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from drain_world import World

MODE = {"mode": "cancel_only", "reason": "upgrade", "pause_timers": True}
ROUTE = "POST /control/mode"


def exchange(url: str, *, tls: ssl.SSLContext | None = None, contract: t.Any = None, **more: t.Any) -> Exchange:
    numbers = itertools.count(1)
    clock = SystemClock()
    return Exchange(
        "engine",
        url,
        contract_of(contract).engine,
        HttpSession(clock, tls=tls),
        clock,
        region="us-east-1",
        new_id=lambda call: f"r-{next(numbers)}-{call}",
        **more,
    )


@pytest.mark.parametrize("fault", ["drop", "lose", "503", "429"])
def test_a_write_is_tried_again_and_done_once(world: World, fault: str) -> None:
    world.a.faults[ROUTE] = [fault, fault]
    assert exchange(world.a.url).ask("mode", **MODE) == {"sequence": 1001, "mode": "cancel_only"}
    assert [body["command_id"] for body in world.a.asked(ROUTE)] == ["r-1-mode"] * 3
    assert world.a.sequence == 1001


def test_a_refusal_is_not_tried_again(world: World) -> None:
    world.a.role = "follower"
    with pytest.raises(ControlError) as error:
        exchange(world.a.url).ask("mode", **MODE)
    assert (error.value.kind, error.value.status, error.value.retriable, error.value.is_unsure) == (
        "refused",
        423,
        False,
        False,
    )
    assert error.value.message == f"us-east-1: engine ({world.a.url}) answered 423 to mode: epoch 7 is closed"
    assert len(world.a.asked(ROUTE)) == 1


def test_the_tries_end_with_their_time(world: World) -> None:
    world.a.always[ROUTE] = "503"
    with pytest.raises(ControlError) as error:
        exchange(world.a.url).ask("mode", within_s=0.3, **MODE)
    assert (error.value.kind, error.value.retriable, error.value.is_unsure) == ("server", True, True)
    assert len(world.a.asked(ROUTE)) > 1


def test_the_tries_end_with_the_task(world: World) -> None:
    world.a.always[ROUTE] = "503"
    engine = exchange(world.a.url)
    engine.end = SystemClock().monotonic() - 1.0
    with pytest.raises(ControlError):
        engine.ask("mode", within_s=60.0, **MODE)
    assert len(world.a.asked(ROUTE)) <= 1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"{}", "unauthorized"),
        (403, b"no", "unauthorized"),
        (200, b"<html>", "answer"),
        (404, b'{"error": "x"}', "refused"),
    ],
)
def test_what_an_answer_is(world: World, status: int, body: bytes, kind: str) -> None:
    world.a.always["GET /control/status"] = lambda _body: (status, body)
    with pytest.raises(ControlError) as error:
        exchange(world.a.url).ask("status")
    assert error.value.kind == kind


def test_an_expression_that_does_not_fit_is_named(world: World) -> None:
    mapped = {"engine": {"status": {"answer": {"sequence": "length(sequence)"}}}}
    with pytest.raises(ControlError, match=r"contract\.engine\.status cannot read: answer\.sequence"):
        exchange(world.a.url, contract=mapped).ask("status")


def test_nobody_listens() -> None:
    with pytest.raises(ControlError) as error:
        exchange("http://127.0.0.1:1").ask("status", within_s=0.1)
    assert (error.value.kind, error.value.system) == ("unreachable", "exchange")


def test_what_is_not_offered_is_not_asked(world: World) -> None:
    with pytest.raises(ControlError, match="does not offer cut"):
        exchange(world.a.url, contract={"engine": {"cut": {"offered": False}}}).ask("cut", deadline_s=1)
    assert not world.a.requests


def test_the_token_is_read_for_every_request_and_never_told(world: World, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "token"
    engine = exchange(world.a.url, token_file=str(file))
    for token in ("first", "second"):
        file.write_text(f"{token}\n", encoding="utf-8")
        engine.ask("status")
    assert [one["Authorization"] for one in world.a.headers] == ["Bearer first", "Bearer second"]
    file.unlink()
    with pytest.raises(OptionError, match=r"tls\.token_file: .*token cannot be read"):
        engine.ask("status")


@pytest.mark.parametrize("url", ["engine:8080", "ftp://engine", "http://", "http://engine:x", "http://a:b@engine"])
def test_an_address_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(OptionError, match=r"^engine\.url: ") as error:
        checked_url("engine.url", url)
    assert "a:b" not in error.value.message


def test_files_of_tls_are_looked_at_first(tmp_path: pathlib.Path) -> None:
    none = {"ca_cert": None, "client_cert": None, "client_key": None}
    assert tls_of(none) is None
    (tmp_path / "empty").touch()
    for given, option in (
        ({"ca_cert": "/nowhere"}, "tls.ca_cert"),
        ({"ca_cert": str(tmp_path / "empty")}, "tls.ca_cert"),
        ({"client_key": str(tmp_path / "empty")}, "tls.client_key"),
        ({"client_cert": str(tmp_path / "empty")}, "tls.client_cert"),
    ):
        with pytest.raises(OptionError) as error:
            tls_of({**none, **given})
        assert error.value.option == option


def test_tls_with_a_client_certificate(tmp_path: pathlib.Path) -> None:
    """The server trusts one client only; both show the same self-signed certificate."""
    cert, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cert)

    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "27")
            self.end_headers()
            self.wfile.write(b'{"mode":"x","sequence": 1 }')

        def log_message(self, *_args: t.Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = f"https://127.0.0.1:{server.server_address[1]}"
    try:
        known = tls_of({"ca_cert": cert, "client_cert": cert, "client_key": key})
        assert exchange(url, tls=known).ask("status")["sequence"] == 1
        with pytest.raises(ControlError):
            exchange(url, tls=tls_of({"ca_cert": cert})).ask("status", within_s=0.1)
        with pytest.raises(ControlError) as error:
            exchange(url).ask("status")
        # A certificate that is not trusted will not be trusted a moment later either.
        assert (error.value.kind, error.value.retriable) == ("tls", False)
    finally:
        server.shutdown()
        server.server_close()


def _certificate(folder: pathlib.Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "control")])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(files[0]), str(files[1])
