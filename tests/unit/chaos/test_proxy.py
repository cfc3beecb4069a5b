# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy: counts, acts at its point, drops or passes, lets watches through, and refuses for a while."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import threading
import typing as t
from collections.abc import Iterator

import pytest

from chaos.points import Moment, Point
from chaos.proxy import Fate, SiteProxy, Tap, kubeconfig


class Api(http.server.BaseHTTPRequestHandler):
    """An API server that keeps what it is asked; a watch ends when the test says so."""

    protocol_version = "HTTP/1.1"
    asked: t.ClassVar[list[str]] = []
    more: t.ClassVar[threading.Event] = threading.Event()

    def log_message(self, format: str, *args: t.Any) -> None: ...

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.asked.append(f"{self.command} {self.path}")
        self.send_response(200)
        if "watch=1" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"6\r\nfirst\n\r\n")
            self.more.wait(5)
            self.wfile.write(b"0\r\n\r\n")
            return
        body = body or b"{}"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer


class Plain(SiteProxy):
    """In front of a server on loopback instead of a site of the lab."""

    def __init__(self, port: int, tap: Tap) -> None:
        self._port = port
        self.start("us", tap)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)


@pytest.fixture
def api() -> Iterator[int]:
    Api.asked.clear()
    Api.more.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    Api.more.set()
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def proxy(port: int, tap: Tap) -> Iterator[http.client.HTTPConnection]:
    made = Plain(port, tap)
    connection = http.client.HTTPConnection(made.url.removeprefix("http://"), timeout=5)
    try:
        yield connection
    finally:
        connection.close()
        made.close()


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    connection.request(method, path, body=body or None)
    answer = connection.getresponse()
    return answer.status, answer.read()


MAPS = "/api/v1/namespaces/exchange/configmaps"


def test_writes_are_counted_and_everything_passes(api: int) -> None:
    tap = Tap()
    with proxy(api, tap) as connection:
        assert ask(connection, "GET", MAPS) == (200, b"{}")
        made = json.dumps({"metadata": {"name": "a"}})
        assert ask(connection, "POST", MAPS, made) == (200, made.encode())
        ask(connection, "POST", f"{MAPS}?dryRun=All", made)
    assert [(counted.number, str(counted.write)) for counted in tap.writes] == [(1, "POST configmaps/a")]
    assert len(Api.asked) == 3


def test_a_command_to_a_pod_is_counted_once_in_all_its_tries(api: int) -> None:
    tap = Tap()
    pods = "/api/v1/namespaces/exchange/pods"
    with proxy(api, tap) as connection:
        for command in ("run-1-cut", "run-1-cut", "run-2-open"):
            call = command.rpartition("-")[2]
            ask(connection, "POST", f"{pods}/engine-0:8080/proxy/control/{call}", json.dumps({"command_id": command}))
    named = [(counted.number, str(counted.write)) for counted in tap.writes]
    assert named == [(1, "POST cut of engine-0"), (2, "POST open of engine-0")]
    assert len(Api.asked) == 3


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_request_to_an_engine_is_dropped_at_its_point(api: int, moment: Moment) -> None:
    path = "/api/v1/namespaces/exchange/pods/engine-0:8080/proxy/control/cut"
    tap = Tap(Point("us", 1, moment), lambda _point: Fate.DROP)
    with proxy(api, tap) as connection:
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(connection, "POST", path, json.dumps({"command_id": "run-1-cut"}))
        assert Api.asked == ([f"POST {path}"] if moment == "after" else [])


@pytest.mark.parametrize(("moment", "arrived"), [("before", 1), ("after", 2)])
def test_a_request_is_dropped_at_its_point(api: int, moment: Moment, arrived: int) -> None:
    acted = []

    def act(point: Point) -> Fate:
        acted.append(str(point))
        return Fate.DROP

    tap = Tap(Point("us", 2, moment), act)
    with proxy(api, tap) as connection:
        assert ask(connection, "DELETE", f"{MAPS}/a")[0] == 200
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(connection, "DELETE", f"{MAPS}/b")
        assert len(Api.asked) == arrived
        assert acted == [f"us:2:{moment}"]
        # Nothing after it: a sweep acts once.
        assert ask(connection, "DELETE", f"{MAPS}/c")[0] == 200


def test_a_request_waits_for_what_is_done_at_its_point(api: int) -> None:
    go_on = threading.Event()

    def act(_point: Point) -> Fate:
        go_on.wait(5)
        return Fate.PASS

    tap = Tap(Point("us", 1, "before"), act)
    with proxy(api, tap) as connection:
        connection.request("DELETE", f"{MAPS}/a")
        assert tap.reached.wait(5)
        assert Api.asked == []
        go_on.set()
        assert connection.getresponse().status == 200


def test_a_watch_comes_through_as_it_comes(api: int) -> None:
    with proxy(api, Tap()) as connection:
        connection.request("GET", f"{MAPS}?watch=1")
        answer = connection.getresponse()
        assert answer.readline() == b"first\n"
        Api.more.set()
        assert answer.read() == b""


def test_a_site_that_is_dead_answers_nobody(api: int) -> None:
    tap = Tap()
    with proxy(api, tap) as connection:
        tap.refuse("us", 60)
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(connection, "GET", MAPS)
        assert Api.asked == []
        tap.refuse("us", 0)
        assert ask(connection, "GET", MAPS)[0] == 200


def test_the_kubeconfig_holds_no_credential() -> None:
    made = kubeconfig({"us": "http://127.0.0.1:1"})
    assert made["users"] == [{"name": "nobody", "user": {}}]
    assert made["contexts"][0]["context"]["cluster"] == made["clusters"][0]["name"] == "us"
