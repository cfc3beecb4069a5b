# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests through a data plane that is told what to answer, and through real sockets."""

from __future__ import annotations

import http.server
import threading
import typing as t
from collections.abc import Iterator, Mapping

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.probe import Gateway, Probe, Reply
from fakes import FakeClock

BLUE, GREEN = Reply("200", "blue", "v1"), Reply("200", "green", "v2")


class Plane:
    """Answers from a list, the last one for ever; each takes 10 ms."""

    def __init__(self, clock: FakeClock, *replies: Reply) -> None:
        self.clock = clock
        self.replies = list(replies)
        self.asked: list[tuple[str | None, str, dict[str, str]]] = []

    def ask(self, host: str | None, path: str, headers: Mapping[str, str], timeout_s: float) -> Reply:
        self.asked.append((host, path, dict(headers)))
        self.clock.elapsed += 0.01
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def probe(*replies: Reply, requests: int = 10, timeout_s: float = 2.0) -> tuple[Probe, Plane]:
    clock = FakeClock()
    plane = Plane(clock, *replies)
    return Probe(plane, clock, "/health/ready", requests, timeout_s), plane


def test_a_shift_is_proved_by_a_whole_round() -> None:
    asking, plane = probe(BLUE)
    counts, problem = asking.prove("h", {"blue": 100, "green": 0}, asking.deadline())
    assert (problem, counts["blue"].count, counts["blue"].versions, counts["blue"].codes) == (
        None,
        10,
        {"v1": 10},
        {"200": 10},
    )
    assert plane.asked[0] == ("h", "/health/ready", {})


def test_a_gateway_that_lags_is_asked_again() -> None:
    asking, plane = probe(*[BLUE] * 15, GREEN)
    counts, problem = asking.prove("h", {"blue": 0, "green": 100}, asking.deadline())
    assert problem is None
    assert set(counts) == {"green"}
    assert len(plane.asked) == 30


def test_a_gateway_that_never_follows_is_told_at_the_deadline() -> None:
    asking, _plane = probe(BLUE)
    started = asking.clock.monotonic()
    _counts, problem = asking.prove("h", {"blue": 0, "green": 100}, asking.deadline())
    assert problem == "blue has weight 0 and gave 10 of 10 answers"
    assert asking.clock.monotonic() - started < 2.1


def test_a_round_that_the_deadline_cut_is_no_proof() -> None:
    asking, _plane = probe(BLUE, requests=500, timeout_s=1.0)
    _counts, problem = asking.prove("h", {"blue": 100, "green": 0}, asking.deadline())
    assert problem is not None


def test_one_slot_is_asked_by_its_header() -> None:
    asking, plane = probe(Reply("503"), GREEN)
    counts, problem = asking.ask_slot("h", "green", "v2", asking.deadline())
    assert (problem, counts["green"].count) == (None, 10)
    assert plane.asked[0][2] == {"x-pincex-slot": "green"}


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply("503"), "green answered 503"),
        (Reply("time-out"), "green answered time-out"),
        (BLUE, "blue answered what was sent to green"),
        (Reply("200", "green", "v1"), "green answers as version v1, not v2"),
        (Reply("500", "green", "v2"), "green answered 500"),
        (Reply("200"), "green answers as version none, not v2"),
    ],
)
def test_a_slot_that_is_not_fit(reply: Reply, problem: str) -> None:
    asking, _plane = probe(GREEN, GREEN, reply)
    assert asking.ask_slot("h", "green", "v2", asking.deadline())[1] == problem


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections: t.ClassVar[set[t.Any]] = set()

    def do_GET(self) -> None:
        Handler.connections.add(self.client_address)
        body = f"{self.headers['Host']} {self.headers.get('x-pincex-slot', '')}".encode()
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("x-slot", "green")
        self.send_header("x-version", "v2")
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: t.Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_real_requests_keep_one_connection_and_follow_nothing(url: str) -> None:
    Handler.connections.clear()
    gateway = Gateway(url)
    for _number in range(5):
        assert gateway.ask("core-api.exchange.lab", "/x", {"x-pincex-slot": "green"}, 2.0) == Reply(
            "200", "green", "v2"
        )
    assert len(Handler.connections) == 1
    assert gateway.ask(None, "/away", {}, 2.0).code == "302"


def test_nobody_there_is_an_answer_too() -> None:
    assert Gateway("http://127.0.0.1:9").ask(None, "/", {}, 1.0) == Reply("no connection")


def test_a_url_that_is_none() -> None:
    with pytest.raises(OptionError, match=r"^probe: url '198\.18\.1\.2' is no http"):
        Gateway("198.18.1.2")


def test_without_a_gateway_each_request_has_a_connection_of_its_own(url: str) -> None:
    """A connection that is kept stays with the pod that it met, whatever the Service sends to since."""
    Handler.connections.clear()
    direct = Gateway(url, keep=False)
    assert {direct.ask(None, "/x", {}, 2.0) for _number in range(3)} == {Reply("200", "green", "v2")}
    assert len(Handler.connections) == 3
