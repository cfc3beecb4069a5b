# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against a real HTTP server on loopback, with the faults that a provider can have."""

from __future__ import annotations

import http.server
import json
import pathlib
import threading
import typing as t
import urllib.parse

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.prometheus import (
    HttpTransport,
    Prometheus,
)
from fakes import FakeClock


class Server:
    """Answers every request with what the test put in `answer`."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], dict[str, str]]] = []
        self.answer: t.Callable[[http.server.BaseHTTPRequestHandler], None] = say({})
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
                outer.requests.append((query, dict(self.headers)))
                outer.answer(self)

            def log_message(self, *_args: t.Any) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


def say(
    body: t.Any, status: int = 200, promise: int | None = None
) -> t.Callable[[http.server.BaseHTTPRequestHandler], None]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(promise or len(data)))
        handler.end_headers()
        handler.wfile.write(data)
        if promise:
            handler.close_connection = True

    return answer


def vector(*values: str) -> dict[str, t.Any]:
    result = [{"metric": {"pod": str(number)}, "value": [1.0, value]} for number, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


@pytest.fixture
def server() -> t.Iterator[Server]:
    one = Server()
    yield one
    one.http.shutdown()
    one.http.server_close()


@pytest.fixture
def prometheus(server: Server) -> Prometheus:
    clock = SystemClock()
    return Prometheus(server.url + "/", clock, HttpTransport(clock, None), timeout_s=2.0)


def test_one_number(server: Server, prometheus: Prometheus) -> None:
    server.answer = say(vector("0.25"))
    reading = prometheus.read("up > 0", 1234.5)
    assert (reading.kind, reading.value) == ("value", 0.25)
    query, _headers = server.requests[0]
    assert query == {"query": "up > 0", "time": "1234.500", "timeout": "2s"}


def test_a_scalar_is_a_number_too(server: Server, prometheus: Prometheus) -> None:
    server.answer = say({"status": "success", "data": {"resultType": "scalar", "result": [1.0, "7"]}})
    assert prometheus.read("7", 1.0).value == 7.0


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (say(vector()), "no_data", "no series"),
        (say(vector("1", "2")), "many", "2 series"),
        (say({"status": "error", "error": "out of memory"}, 503), "error", "answered 503: out of memory"),
        (say({"status": "error", "errorType": "execution", "error": "many-to-many"}, 422), "error", "many-to-many"),
        (say(b"<html>bad gateway</html>", 502), "error", "answered 502: no JSON"),
        (say(b"<html>log in</html>"), "error", "answered 200: no JSON"),
        (say({"status": "success"}), "error", "without a result"),
        (say({"status": "success", "data": {"resultType": "vector", "result": [{}]}}), "error", "no number"),
        (say(b'{"status": "success"', promise=400), "error", "does not answer"),
        (say(b"", 302), "error", "answered 302"),
    ],
)
def test_what_is_no_number(
    server: Server,
    prometheus: Prometheus,
    answer: t.Callable[[http.server.BaseHTTPRequestHandler], None],
    kind: str,
    says: str,
) -> None:
    server.answer = answer
    reading = prometheus.read("x", 1.0)
    assert reading.kind == kind
    assert says in reading.detail


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf"])
def test_not_finite_is_a_value_that_says_so(server: Server, prometheus: Prometheus, text: str) -> None:
    server.answer = say(vector(text))
    reading = prometheus.read("x", 1.0)
    assert (reading.kind, reading.detail) == ("value", f"the query gave {text}")


def test_a_query_that_can_never_work_is_bad_input(server: Server, prometheus: Prometheus) -> None:
    server.answer = say({"status": "error", "errorType": "bad_data", "error": "parse error"}, 400)
    with pytest.raises(OptionError, match="metrics: Prometheus refuses the query 'sum\\(': parse error"):
        prometheus.read("sum(", 1.0)
    server.answer = say({"status": "success", "data": {"resultType": "matrix", "result": []}})
    with pytest.raises(OptionError, match="gives a matrix"):
        prometheus.read("x[5m]", 1.0)


def test_slow_answers_end_in_time(server: Server) -> None:
    release = threading.Event()
    server.answer = lambda _handler: t.cast(None, release.wait(5))
    clock = SystemClock()
    slow = Prometheus(server.url, clock, HttpTransport(clock, None), timeout_s=0.2)
    began = clock.monotonic()
    reading = slow.read("x", 1.0)
    release.set()
    assert (reading.kind, reading.detail) == ("error", "Prometheus does not answer: no answer within 0.2 s")
    assert clock.monotonic() - began < 2


def test_nobody_listens(server: Server) -> None:
    clock = SystemClock()
    server.http.shutdown()
    server.http.server_close()
    reading = Prometheus(server.url, clock, HttpTransport(clock, None)).read("x", 1.0)
    assert reading.kind == "error"
    assert "refused" in reading.detail
    assert "0x" not in reading.detail


def test_a_token_is_read_again_for_every_query(server: Server, tmp_path: pathlib.Path) -> None:
    server.answer = say(vector("1"))
    clock, token = SystemClock(), tmp_path / "token"
    one = Prometheus(
        server.url, clock, HttpTransport(clock, None), headers={"X-Scope-OrgID": "pincex"}, token_file=str(token)
    )
    token.write_text("first\n")
    one.read("x", 1.0)
    token.write_text("second\n")
    one.read("x", 1.0)
    assert [headers["Authorization"] for _query, headers in server.requests] == ["Bearer first", "Bearer second"]
    assert server.requests[0][1]["X-Scope-OrgID"] == "pincex"
    token.unlink()
    reading = one.read("x", 1.0)
    assert reading.kind == "error"
    assert "second" not in reading.detail


class Scripted:
    """A transport that answers from a list."""

    def __init__(self, *answers: tuple[int, bytes] | NoAnswer) -> None:
        self.answers = list(answers)
        self.urls: list[str] = []

    def get(self, url: str, headers: t.Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
        self.urls.append(url)
        answer = self.answers.pop(0)
        if isinstance(answer, NoAnswer):
            raise answer
        return answer


def test_times_are_the_servers() -> None:
    clock = FakeClock()
    ahead = json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [0, str(clock.now() + 90)]}})
    transport = Scripted((200, ahead.encode()))
    one = Prometheus("http://p", clock, transport)
    assert one.tick() == clock.now() + 90
    clock.sleep(1)
    assert one.tick() == clock.now() + 90
    assert len(transport.urls) == 1


def test_who_is_away_is_asked_once_a_round() -> None:
    transport = Scripted(NoAnswer("refused"), NoAnswer("refused"), NoAnswer("refused"))
    one = Prometheus("http://p", FakeClock(), transport)
    for _round in range(2):
        at = one.tick()
        assert [one.read("a", at).kind, one.read("b", at).kind] == ["error", "error"]
    assert len(transport.urls) == 2


def test_bad_options() -> None:
    with pytest.raises(OptionError, match=r"prometheus\.url"):
        Prometheus("p:9090", FakeClock(), Scripted())
    with pytest.raises(OptionError, match=r"prometheus\.ca_cert"):
        HttpTransport(SystemClock(), "/does/not/exist")


def matrix(*series: tuple[dict[str, str], list[tuple[float, str]]]) -> dict[str, t.Any]:
    result = [{"metric": metric, "values": [list(pair) for pair in values]} for metric, values in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def test_raw_samples_come_with_their_own_instants(server: Server, prometheus: Prometheus) -> None:
    labels = {"__name__": "requests_total", "pod": "a", "code": "200"}
    server.answer = say(matrix((labels, [(1.25, "10"), (2.25, "12")])))
    found = prometheus.raw('requests_total{slot="green"}', 1234.5, 7.5)
    assert (found.kind, found.samples) == ("series", {'code="200",pod="a"': [(1.25, 10.0), (2.25, 12.0)]})
    query, _headers = server.requests[0]
    assert (query["query"], query["time"]) == ('requests_total{slot="green"}[7500ms]', "1234.500")


def test_a_selector_without_series_is_no_data_and_half_a_series_an_error(
    server: Server, prometheus: Prometheus
) -> None:
    server.answer = say(matrix())
    assert prometheus.raw("x", 1.0, 5.0).kind == "no_data"
    server.answer = say({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}}]}})
    assert prometheus.raw("x", 1.0, 5.0).kind == "error"
    server.answer = say(vector("1"))
    with pytest.raises(OptionError, match="counters: 'x' is no selector"):
        prometheus.raw("x", 1.0, 5.0)


def test_an_outage_is_asked_for_once_in_a_round(server: Server, prometheus: Prometheus) -> None:
    server.answer = say(vector("1"))
    prometheus.tick()
    server.answer = say(b"{", promise=99)
    assert prometheus.raw("x", 1.0, 5.0).kind == "error"
    asked = len(server.requests)
    assert prometheus.read("x", 1.0).kind == prometheus.raw("x", 1.0, 5.0).kind == "error"
    assert len(server.requests) == asked


def test_a_range_is_asked_for_in_pages(server: Server, prometheus: Prometheus) -> None:
    server.answer = say(matrix(({}, [(0.0, "0.5")])))
    points = prometheus.range("x", 0.0, 25_000.0, 1.0)
    assert [(at, reading.value) for at, reading in points] == [(0.0, 0.5)] * 3
    asked = [(query["start"], query["end"], query["step"]) for query, _headers in server.requests]
    assert asked == [("0.000", "9999.000", "1"), ("10000.000", "19999.000", "1"), ("20000.000", "25000.000", "1")]


def test_several_series_at_an_instant_of_a_range_are_told(server: Server, prometheus: Prometheus) -> None:
    server.answer = say(matrix(({"a": "1"}, [(0.0, "1"), (1.0, "1")]), ({"a": "2"}, [(1.0, "1")])))
    points = prometheus.range("x", 0.0, 1.0, 1.0)
    assert [(at, reading.kind) for at, reading in points] == [(0.0, "value"), (1.0, "many")]


def test_a_range_that_is_not_answered_is_one_error(server: Server, prometheus: Prometheus) -> None:
    server.answer = say({}, status=503)
    assert [(at, reading.kind) for at, reading in prometheus.range("x", 5.0, 9.0, 1.0)] == [(5.0, "error")]


def test_a_selector_that_is_refused_names_its_own_option(server: Server, prometheus: Prometheus) -> None:
    server.answer = say({"status": "error", "errorType": "bad_data", "error": "parse error"}, 400)
    with pytest.raises(OptionError, match="counters: Prometheus refuses the query 'x\\{\\[5000ms\\]': parse error"):
        prometheus.raw("x{", 1.0, 5.0)
