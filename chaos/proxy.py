# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy on loopback in front of one server: it counts writes, and stops at the one that a sweep waits for.

Plain HTTP on this side; the administrator's certificate of the lab is added on the way to an API server. So the
kubeconfig that a controller gets holds no credential at all. The key of the name server is the controller's own, and
passes.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import enum
import http.client
import http.server
import pathlib
import ssl
import threading
import time
import typing as t

import yaml

from chaos.mutations import Leases, Request, Write, body_of, command_of, is_write, step_of, weights_of, what_of
from chaos.points import Moment, Point
from lab import dns
from lab.model import Lab, Site

_HOP_BY_HOP: t.Final = ("connection", "keep-alive", "transfer-encoding", "host", "content-length")
_PART: t.Final = 65536
#: How the name server is called as a site.
NAMES: t.Final = "powerdns"
_NAMES_S: t.Final = 30


class Fate(enum.Enum):
    """What becomes of the request at which a sweep acted."""

    PASS = enum.auto()
    DROP = enum.auto()


#: What to do at the point: it runs while the request waits.
Act = c.Callable[[Point], Fate]


@dataclasses.dataclass(frozen=True)
class Counted:
    """A write to a site, by its number there."""

    site: str
    number: int
    write: Write
    at: float


class Tap:
    """What all proxies of a run share: the count of writes, the point to act at, and which sites refuse everything."""

    def __init__(self, target: Point | None = None, act: Act | None = None) -> None:
        self.target = target
        self.writes: list[Counted] = []
        self.reached = threading.Event()
        self._act = act
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._steps: dict[str, str] = {}
        self._refuses: dict[str, float] = {}
        self._leases: dict[str, Leases] = {}
        self._commands: set[str] = set()

    def refuse(self, site: str, seconds: float) -> None:
        """Let a site answer nobody for so long."""
        self._refuses[site] = time.monotonic() + seconds

    def refuses(self, site: str) -> bool:
        return time.monotonic() < self._refuses.get(site, 0.0)

    def count(self, site: str, request: Request) -> int:
        """The number of this write at its site; 0 when it is none that counts."""
        if not is_write(request):
            return 0
        with self._lock:
            if self._leases.setdefault(site, Leases()).renews(request):
                return 0
            command = command_of(request)
            if command in self._commands:
                return 0
            if command:
                self._commands.add(command)
            step = step_of(request)
            if step is not None:
                self._steps[site] = step
            number = self._numbers[site] = self._numbers.get(site, 0) + 1
            what = what_of(request, body_of(request.body))
            write = Write(request.method, what, self._steps.get(site, ""), weights_of(request))
            self.writes.append(Counted(site, number, write, time.time()))
            return number

    def answered(self, site: str, request: Request, status: int, body: bytes) -> None:
        if "/leases" in request.path:
            with self._lock:
                self._leases.setdefault(site, Leases()).answered(request, status, body)

    def meet(self, site: str, number: int, moment: Moment) -> Fate:
        """Act when this is the point. Every later request of the run just passes."""
        if number == 0 or self.target is None or self._act is None or self.reached.is_set():
            return Fate.PASS
        if (site, number, moment) != (self.target.site, self.target.number, self.target.moment):
            return Fate.PASS
        self.reached.set()
        return self._act(self.target)


class SiteProxy:
    """One site behind a port of its own."""

    def __init__(self, site: Site, tap: Tap) -> None:
        keys = site.home / "pki"
        self._address = site.address
        self._tls = ssl.create_default_context(cafile=str(keys / "ca.crt"))
        self._tls.load_cert_chain(keys / "admin.crt", keys / "admin.key")
        self.start(site.name, tap)

    def start(self, site: str, tap: Tap) -> None:
        self.site = site
        self.tap = tap
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the API server. A watch is silent for as long as nothing happens."""
        return http.client.HTTPSConnection(self._address, 6443, context=self._tls, timeout=600)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class NamesProxy(SiteProxy):
    """The API of the name server behind a port of its own."""

    def __init__(self, address: str, port: int, tap: Tap) -> None:
        self._address = address
        self._port = port
        self.start(NAMES, tap)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, self._port, timeout=_NAMES_S)


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client, with one connection to the server beside it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: SiteProxy
    upstream: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: t.Any) -> None:
        """The record of a sweep says what was asked."""

    def handle(self) -> None:
        # A client that was killed leaves in the middle of whatever there was.
        with contextlib.suppress(OSError):
            super().handle()
        if self.upstream is not None:
            self.upstream.close()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Request.of(self.command, self.path, self.rfile.read(length) if length else b"")
        site, tap = self.proxy.site, self.proxy.tap
        self.close_connection = True
        if tap.refuses(site):
            return
        number = tap.count(site, request)
        if tap.meet(site, number, "before") is Fate.DROP:
            return
        answer = self._forward(request)
        if answer is None:
            return
        if request.is_watch:
            self._stream(answer)
            return
        body = answer.read()
        tap.answered(site, request, answer.status, body)
        if tap.meet(site, number, "after") is Fate.DROP or tap.refuses(site):
            return
        self.close_connection = False
        self._head(answer, ("Content-Length", str(len(body))))
        self.wfile.write(body)

    def _forward(self, request: Request) -> http.client.HTTPResponse | None:
        """The API server's answer; None when it gave none, and then the client gets none either."""
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        fresh = self.upstream is None
        for _attempt in range(2):
            if self.upstream is None:
                self.upstream = self.proxy.connect()
            try:
                self.upstream.request(request.method, self.path, body=request.body or None, headers=headers)
                return self.upstream.getresponse()
            except (OSError, http.client.HTTPException):
                self.upstream.close()
                self.upstream = None
                # A connection that was idle may have ended. A write is never sent twice.
                if fresh or request.method != "GET":
                    return None
        return None

    def _stream(self, answer: http.client.HTTPResponse) -> None:
        self._head(answer, ("Transfer-Encoding", "chunked"))
        while not self.proxy.tap.refuses(self.proxy.site):
            try:
                part = answer.read1(_PART)
            except (OSError, http.client.HTTPException):
                return
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            if not part:
                self.close_connection = self.upstream is None
                return

    def _head(self, answer: http.client.HTTPResponse, length: tuple[str, str]) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header(*length)
        self.end_headers()

    # The names that http.server calls.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve


def _handler(proxy: SiteProxy) -> type[_Handler]:
    return type("Handler", (_Handler,), {"proxy": proxy})


@contextlib.contextmanager
def proxied(lab: Lab, tap: Tap, folder: pathlib.Path) -> c.Iterator[pathlib.Path]:
    """Proxies in front of every site of a lab, and the kubeconfig that leads to them."""
    proxies = [SiteProxy(site, tap) for site in lab.sites]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(kubeconfig({proxy.site: proxy.url for proxy in proxies})))
        yield path
    finally:
        for proxy in proxies:
            proxy.close()


@contextlib.contextmanager
def names_proxied(lab: Lab, tap: Tap) -> c.Iterator[str]:
    """A proxy in front of the API of a lab's name server, and its URL."""
    proxy = NamesProxy(lab.management.address, dns.API_PORT, tap)
    try:
        yield proxy.url
    finally:
        proxy.close()


def kubeconfig(urls: c.Mapping[str, str]) -> dict[str, t.Any]:
    """One context for each site, without a credential."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in urls.items()],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "nobody"}} for name in urls],
    }
