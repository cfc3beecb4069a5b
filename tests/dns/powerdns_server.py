# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PowerDNS on loopback, with its database in a folder of its own, and a proxy that counts and spoils."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
import typing as t

from lab import dns, packages
from lab.errors import LabError
from lab.steps import Steps

LOOPBACK: t.Final = "127.0.0.1"
ZONE: t.Final = "pincex.test."
_KEY: t.Final = "key-of-the-tests"
_PATIENCE_S: t.Final = 20.0

Json = dict[str, t.Any]


def install() -> None:
    """The packages, where this user may install them. Raises LabError with what to install."""
    if shutil.which("pdns_server", path=_PATH) and dns.has_schema():
        return
    if os.geteuid() != 0:
        raise LabError(f"no pdns_server: install {' '.join(packages.DNS)}, or run the tests once as root")
    packages.install(Steps(), packages.DNS)


#: Debian's place, which is not in every user's PATH.
_PATH: t.Final = f"{os.environ.get('PATH', '')}:/usr/sbin"


def free_ports(number: int) -> list[int]:
    """Ports that are free for UDP and TCP."""
    found: list[int] = []
    while len(found) < number:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((LOOPBACK, 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind((LOOPBACK, port))
            except OSError:
                continue
            found.append(port)
    return found


class Server:
    """A process that is ended by its pid."""

    def __init__(self, command: list[str], log: pathlib.Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, "PATH": _PATH}
            )
        self._log = log

    @property
    def dead(self) -> str | None:
        """The end of its log when it has ended."""
        return None if self._process.poll() is None else self._log.read_text()[-2000:]

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class PowerDnsServer:
    """`options` are those of the provider. The zone has a name server and nothing else."""

    def __init__(self, folder: pathlib.Path, **changes: str) -> None:
        install()
        self.folder = folder
        self.port, api_port = free_ports(2)
        self.api = dns.Api(LOOPBACK, api_port, _KEY)
        self._server: Server | None = None
        folder.mkdir(parents=True, exist_ok=True)
        dns.create_database(folder)
        config = dns.powerdns_config(folder, self.api, self.port, f"{LOOPBACK}/32")
        config += "".join(f"{name.replace('_', '-')}={value}\n" for name, value in changes.items())
        (folder / "pdns.conf").write_text(config)
        (folder / "key").write_text(f"{_KEY}\n")

    @property
    def options(self) -> Json:
        return {
            "url": f"http://{LOOPBACK}:{self.api.port}",
            "server": "localhost",
            "zone": ZONE,
            "api_key_file": str(self.folder / "key"),
            "authority": f"{LOOPBACK}:{self.port}",
            "ca_cert": None,
        }

    def start(self) -> None:
        command = ["pdns_server", f"--config-dir={self.folder}", "--daemon=no", "--guardian=no"]
        self._server = Server(command, self.folder / "log")
        deadline = time.monotonic() + _PATIENCE_S
        wanted = {"name": ZONE, "kind": "Native", "nameservers": [f"ns.{ZONE}"]}
        while not self.api.ensure_zone(wanted):
            if self._server.dead is not None or time.monotonic() > deadline:
                raise AssertionError(f"pdns_server does not answer: {self._server.dead}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()

    # -- as somebody else would change it

    def change(self, name: str, kind: str, *contents: str, ttl: int = 30) -> int:
        """Replace a record set, or delete it without contents; returns the status."""
        records = [{"content": content, "disabled": False} for content in contents]
        what = "REPLACE" if contents else "DELETE"
        one = {"name": name, "type": kind, "ttl": ttl, "changetype": what, "records": records}
        return self.api.request("PATCH", f"/{ZONE}", {"rrsets": [one]})[0]

    def contents(self, name: str, kind: str = "LUA") -> list[str]:
        _, body = self.api.request("GET", f"/{ZONE}?rrset_name={name}&rrset_type={kind}")
        return [record["content"] for one in json.loads(body)["rrsets"] for record in one["records"]]

    def fill(self, number: int) -> None:
        """That many record sets more, straight into the database: by the API it would take minutes."""
        connection = sqlite3.connect(self.folder / "pdns.db", timeout=30)
        with connection:
            (zone,) = connection.execute("SELECT id FROM domains WHERE name = ?", (ZONE.rstrip("."),)).fetchone()
            connection.executemany(
                "INSERT INTO records (domain_id, name, type, content, ttl, disabled, auth) VALUES (?,?,?,?,?,0,1)",
                [(zone, f"host-{one}.{ZONE.rstrip('.')}", "A", "192.0.2.1", 30) for one in range(number)],
            )
        connection.close()


class Health:
    """The health URL of a region. `status` is what it answers."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.asked = 0
        self._server = _listen(self)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}/ready"

    def serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.asked += 1
        handler.send_response(self.status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


#: Sees one request before it is passed on; what it returns is answered in the place of the server.
Hook = t.Callable[[str, str, bytes], tuple[int, bytes] | None]


class CountingProxy:
    """Stands in front of the API. `seen` has method and path of each request; `sizes` the bytes of each answer."""

    def __init__(self, port: int) -> None:
        self.seen: list[tuple[str, str]] = []
        self.sizes: list[int] = []
        self.before: Hook | None = None
        #: Called after the server has answered; a connection that it spoils is closed without an answer.
        self.lose_answer: t.Callable[[str], bool] = lambda _method: False
        self._port = port
        self._server = _listen(self)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"

    def serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.seen.append((handler.command, handler.path))
        found = self.before(handler.command, handler.path, body) if self.before else None
        if found is None:
            connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=5)
            connection.request(handler.command, handler.path, body or None, dict(handler.headers))
            answer = connection.getresponse()
            found = answer.status, answer.read()
            connection.close()
        self.sizes.append(len(found[1]))
        handler.close_connection = True
        if self.lose_answer(handler.command):
            return
        handler.send_response(found[0])
        handler.send_header("Content-Length", str(len(found[1])))
        handler.end_headers()
        handler.wfile.write(found[1])

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Served(t.Protocol):
    def serve(self, handler: http.server.BaseHTTPRequestHandler) -> None: ...


def _listen(site: _Served) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.serve(self)

        do_POST = do_PATCH = do_GET

        def log_message(self, format: str, *arguments: t.Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
    threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True).start()
    return server
