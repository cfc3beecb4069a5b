# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small API server and a small Prometheus that speak real HTTP on loopback.

The API server knows discovery, get, list in pages, watch with bookmarks, and create, replace and merge patch with the
resourceVersion that was read; it forgets old resourceVersions when told to, and takes only the token that it is told
to. Everything else of Kubernetes is left out: a test writes the objects.
"""

from __future__ import annotations

import bisect
import contextlib
import copy
import http.server
import json
import math
import re
import socket
import threading
import time
import typing as t
import urllib.parse

Json = dict[str, t.Any]

#: (api version, kind) of what is served, by the last part of its path.
KINDS: t.Final = {
    "pods": ("v1", "Pod"),
    "deployments": ("apps/v1", "Deployment"),
    "replicasets": ("apps/v1", "ReplicaSet"),
    "statefulsets": ("apps/v1", "StatefulSet"),
    "events": ("v1", "Event"),
    "configmaps": ("v1", "ConfigMap"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "httproutes": ("gateway.networking.k8s.io/v1", "HTTPRoute"),
}
#: A Prometheus here scrapes so often.
SCRAPE_S: t.Final = 0.1


class Site:
    """A port that can be closed with all its connections, and opened again."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[str] = []
        self._http: http.server.ThreadingHTTPServer | None = None
        self._sockets: set[socket.socket] = set()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                site._sockets.add(self.request)
                super().setup()

            def finish(self) -> None:
                site._sockets.discard(self.request)
                with contextlib.suppress(OSError):
                    super().finish()

            def do_GET(self) -> None:
                # Read whatever is answered: what is left of it would be taken for the next request.
                self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                site.requests.append(self.path)
                with contextlib.suppress(OSError):
                    site.serve(self)

            do_POST = do_PUT = do_PATCH = do_GET

            def log_message(self, *_args: t.Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            request_queue_size = 64

            def handle_error(self, *_args: t.Any) -> None:
                """A client that went away is no news here."""

        self._http = Server(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        assert self._http is not None
        self._http.shutdown()
        self._http.server_close()
        self.interrupt()

    def interrupt(self) -> None:
        """End all connections, as a proxy in between does that is restarted."""
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        raise NotImplementedError


def send(handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def refusal(code: int, message: str) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
    return json.dumps(status).encode() + b"\n"


class SmallApi(Site):
    """The API server of one region."""

    def __init__(self) -> None:
        #: Plural -> name -> JSON text of the object.
        self._stored: dict[str, dict[str, bytes]] = {plural: {} for plural in KINDS}
        #: Plural -> (resourceVersion, line of the watch).
        self._log: dict[str, list[tuple[int, bytes]]] = {plural: [] for plural in KINDS}
        self._news = threading.Condition()
        self._version = 1000
        #: Versions before this one are forgotten.
        self._oldest = 0
        #: The only token that is good; None takes all.
        self.token: str | None = None
        super().__init__()

    def put(self, obj: Json) -> None:
        """Create or replace."""
        plural = next(plural for plural, kind in KINDS.items() if kind == (obj["apiVersion"], obj["kind"]))
        self._put(plural, obj)

    def take(self, plural: str, name: str) -> Json:
        """The object as it is now."""
        return t.cast(Json, json.loads(self._stored[plural][name]))

    def _put(self, plural: str, obj: Json) -> None:
        with self._news:
            self._version += 1
            kept = copy.deepcopy(obj)
            kept["metadata"]["resourceVersion"] = str(self._version)
            text = json.dumps(kept).encode()
            what = b"MODIFIED" if obj["metadata"]["name"] in self._stored[plural] else b"ADDED"
            self._stored[plural][obj["metadata"]["name"]] = text
            self._tell(plural, what, text)

    def delete(self, plural: str, name: str) -> None:
        with self._news:
            self._version += 1
            gone = json.loads(self._stored[plural].pop(name))
            gone["metadata"]["resourceVersion"] = str(self._version)
            self._tell(plural, b"DELETED", json.dumps(gone).encode())

    def forget(self) -> None:
        """As etcd's compaction: a watch from before now gets 410; those that are open go on."""
        with self._news:
            self._version += 1
            self._oldest = self._version

    def expire(self, plural: str) -> None:
        """Forget, and tell the watches that are open."""
        self.forget()
        with self._news:
            gone = refusal(410, f"too old resource version (current: {self._version})")
            self._tell(plural, b"ERROR", gone.strip())

    def _tell(self, plural: str, what: bytes, text: bytes) -> None:
        self._log[plural].append((self._version, b'{"type":"%s","object":%s}\n' % (what, text)))
        self._news.notify_all()

    def serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if self.token is not None and handler.headers.get("Authorization") != f"Bearer {self.token}":
            send(handler, 401, refusal(401, "Unauthorized"))
            return
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        root, _slash, rest = url.path.strip("/").partition("/namespaces/exchange/")
        plural, _slash, name = rest.partition("/")
        if not rest:
            version = root.partition("/")[2]
            found = [
                {"kind": kind, "name": plural, "namespaced": True}
                for plural, (served, kind) in KINDS.items()
                if served == version
            ]
            send(handler, 200, json.dumps({"kind": "APIResourceList", "resources": found}).encode())
        elif plural not in KINDS:
            send(handler, 404, refusal(404, "the server could not find the requested resource"))
        elif handler.command != "GET":
            self._change(handler, plural, name)
        elif name:
            text = self._stored[plural].get(name)
            send(handler, 200 if text else 404, text or refusal(404, f'{plural} "{name}" not found'))
        elif query.get("watch"):
            self._watch(handler, plural, int(query["resourceVersion"]), float(query.get("timeoutSeconds", 3600)))
        else:
            self._list(handler, plural, query)

    def _change(self, handler: t.Any, plural: str, name: str) -> None:
        """Create, replace or merge patch. One that was not made of the newest object is a conflict."""
        body = json.loads(handler.body)
        name = name or body["metadata"]["name"]
        # The condition's lock can be taken twice by one thread.
        with self._news:
            old = json.loads(self._stored[plural].get(name, b"{}"))
            now, made_of = old.get("metadata", {}).get("resourceVersion"), body["metadata"].get("resourceVersion")
            if made_of != now:
                send(handler, 409, refusal(409, f"{plural} {name!r}: the object has been modified"))
                return
            if handler.command == "PATCH":
                data = {**old["data"], **body["data"]}
                body = {**old, "data": {key: value for key, value in data.items() if value is not None}}
            self._put(plural, body)
            text = self._stored[plural][name]
        send(handler, 201 if handler.command == "POST" else 200, text)

    def _list(self, handler: http.server.BaseHTTPRequestHandler, plural: str, query: t.Mapping[str, str]) -> None:
        with self._news:
            items, version = list(self._stored[plural].values()), self._version
        first = int(query.get("continue", 0))
        last = first + int(query.get("limit", len(items) or 1))
        meta: Json = {"resourceVersion": str(version)} | ({"continue": str(last)} if last < len(items) else {})
        head = json.dumps({"kind": "List", "metadata": meta, "items": []}).encode()
        send(handler, 200, head[:-2] + b",".join(items[first:last]) + b"]}")

    def _watch(self, handler: http.server.BaseHTTPRequestHandler, plural: str, version: int, lasting_s: float) -> None:
        if version < self._oldest:
            send(handler, 410, refusal(410, f"too old resource version: {version} ({self._oldest})"))
            return
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        end = time.monotonic() + lasting_s
        log = self._log[plural]
        place = bisect.bisect_right(log, version, key=lambda entry: entry[0])
        while (left := end - time.monotonic()) > 0:
            with self._news:
                if place == len(log):
                    self._news.wait(left)
                lines = [line for _version, line in log[place:]]
                place += len(lines)
            for line in lines:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        mark = json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self._version)}}})
        handler.wfile.write(b"%x\r\n%s\n\r\n0\r\n\r\n" % (len(mark) + 1, mark.encode()))


class Counter:
    """A counter of one process, which grows by so much a second."""

    def __init__(self, per_s: float) -> None:
        #: (from, a second), and when the process began.
        self._speeds = [(time.time() - 1.0, per_s)]
        self._starts = [self._speeds[0][0]]

    def grow(self, per_s: float) -> None:
        self._speeds.append((time.time(), per_s))

    def restart(self) -> None:
        """The process begins anew, and counts from zero."""
        self._starts.append(time.time())

    def at(self, when: float) -> int | None:
        """Its value at that time; None before its first one."""
        begun = [start for start in self._starts if start <= when]
        if not begun:
            return None
        ends = [since for since, _per_s in self._speeds[1:]] + [math.inf]
        pieces = zip(self._speeds, ends, strict=True)
        return int(sum(max(0.0, min(when, end) - max(since, begun[-1])) * per_s for (since, per_s), end in pieces))


class SmallPrometheus(Site):
    """Instant queries: each one has the value that the test gave it, and `time()` is the time. Raw range-vector
    queries: the samples of a counter, without those of the time in which the server was stopped."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.counters: dict[str, Counter] = {}
        #: (from, to) without scrapes.
        self._gaps: list[tuple[float, float]] = []
        super().__init__()

    def start(self) -> None:
        super().start()
        if self._gaps:
            self._gaps[-1] = (self._gaps[-1][0], time.time())

    def stop(self) -> None:
        self._gaps.append((time.time(), math.inf))
        super().stop()

    def serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.path).query))
        at = float(query.get("time", time.time()))
        asked = query.get("query", "")
        window = re.fullmatch(r"(.+)\[(\d+)ms\]", asked)
        if asked == "time()":
            data: Json = {"resultType": "scalar", "result": [at, str(at)]}
        elif window:
            samples = self._samples(window[1], at, int(window[2]) / 1000)
            result = [{"metric": {"pod": "a"}, "values": samples}] if samples else []
            data = {"resultType": "matrix", "result": result}
        else:
            value = self.values.get(asked)
            result = [] if value is None else [{"metric": {}, "value": [at, str(value)]}]
            data = {"resultType": "vector", "result": result}
        send(handler, 200, json.dumps({"status": "success", "data": data}).encode())

    def _samples(self, selector: str, at: float, window_s: float) -> list[list[t.Any]]:
        counter = self.counters.get(selector)
        if counter is None:
            return []
        first, last = math.floor((at - window_s) / SCRAPE_S) + 1, math.floor(at / SCRAPE_S)
        instants = [round(number * SCRAPE_S, 3) for number in range(first, last + 1)]
        scraped = [when for when in instants if not any(begin <= when < end for begin, end in self._gaps)]
        return [[when, str(value)] for when in scraped if (value := counter.at(when)) is not None]


class SmallEndpoint(Site):
    """The health endpoint of a service."""

    def __init__(self) -> None:
        self.status = 200
        super().__init__()

    def serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        send(handler, self.status, json.dumps({"ready": self.status == 200}).encode())
