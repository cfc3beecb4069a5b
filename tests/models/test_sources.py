# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records out of a real Redis and over real HTTP, with what can go wrong on the way."""

from __future__ import annotations

import http.server
import json
import pathlib
import threading
import time
import typing as t
import urllib.parse

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import redis_stream
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_window import Window
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.evidence import evidence_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.sources import Source, sources_of
from powerdns_server import free_ports
from redis_server import RedisServer

from bench.models import streamed

MODEL: t.Final = "fraud"
ANSWERS: t.Final = f"pincex-models:{MODEL}:answers"
LABELS: t.Final = f"pincex-models:{MODEL}:labels"
#: What the user of a source may do, and nothing else.
RIGHTS: t.Final = "%R~pincex-models:* +xrange +ping"
_TYPE: t.Final = "application/x-ndjson"


def answer(number: int, version: str = "v1", at: float = 1000.0) -> str:
    return json.dumps({"id": f"r{number}", "ts": at, "segment": "s", "version": version, "out": "a", "ms": 1})


def label(number: int, at: float = 1060.0) -> str:
    return json.dumps({"id": f"r{number}", "label": "a", "ts": at})


def made(**options: t.Any) -> Source:
    return sources_of([{"name": "market", **options}], MODEL, SystemClock())[0]


def soon(seconds: float = 60.0) -> float:
    return time.monotonic() + seconds


def read(source: Source, since: float = 0.0, until: float = 2000.0, seconds: float = 60.0) -> list[str]:
    return [line.decode() for line in source.lines(since, until, soon(seconds)) if line]


def failing(source: Source, seconds: float = 60.0) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        read(source, seconds=seconds)
    return caught.value


# -- Redis


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[RedisServer]:
    one = RedisServer(tmp_path_factory.mktemp("redis"), secured=True, rights=RIGHTS)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def streams(redis_server: RedisServer) -> t.Iterator[t.Any]:
    client = redis_server.client()
    yield client
    client.delete(ANSWERS, LABELS)


def of_redis(server: RedisServer, **changes: t.Any) -> Source:
    return made(redis={**server.options, "prefix": redis_stream.PREFIX, **changes})


def test_both_streams_are_read_in_pages_by_a_user_who_may_do_nothing_else(
    redis_server: RedisServer, streams: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "_PAGE", 7)
    for number in range(23):
        # Several of the same millisecond, across the end of a page.
        streams.xadd(ANSWERS, {"record": answer(number)}, id=f"{1_000_000 + number // 5}-{number % 5}")
    streams.xadd(LABELS, {"record": f"{label(0)}\n{label(1)}"}, id="1060000-0")
    expected = [*(answer(number) for number in range(23)), label(0), label(1)]
    assert read(of_redis(redis_server)) == expected


def test_the_first_moment_belongs_to_it_and_the_last_does_not(redis_server: RedisServer, streams: t.Any) -> None:
    for number, name in enumerate(("999-9", "1000-0", "1000-1", "1999-5", "2000-0")):
        streams.xadd(ANSWERS, {"record": answer(number)}, id=name)
    assert read(of_redis(redis_server), 1.0, 2.0) == [answer(1), answer(2), answer(3)]


def test_no_stream_is_no_record_and_an_entry_of_others_is_told(redis_server: RedisServer, streams: t.Any) -> None:
    assert read(of_redis(redis_server)) == []
    streams.xadd(ANSWERS, {"id": "r1", "out": "a"}, id="1000000-0")
    assert read(of_redis(redis_server)) == [f"entry 1000000-0 of {ANSWERS} without a field record"]


def test_what_a_redis_refuses_is_told(redis_server: RedisServer, streams: t.Any, tmp_path: pathlib.Path) -> None:
    streams.set(ANSWERS, "text")
    error = failing(of_redis(redis_server))
    assert (error.kind, error.retriable) == ("refused", False)
    assert error.message.startswith(f"source market: cannot read {ANSWERS}: WRONGTYPE")
    error = failing(of_redis(redis_server, prefix="others"))
    assert (error.kind, error.retriable) == ("auth", False)
    (tmp_path / "wrong").write_text("hunter2")
    error = failing(of_redis(redis_server, password_file=str(tmp_path / "wrong")))
    assert error.kind == "auth" and "hunter2" not in error.message


def test_nobody_listens(redis_server: RedisServer) -> None:
    error = failing(of_redis(redis_server, url=f"rediss://127.0.0.1:{free_ports(1)[0]}"))
    assert (error.kind, error.retriable, error.system) == ("unreachable", True, "redis")


def test_the_time_that_is_given_is_kept(redis_server: RedisServer, streams: t.Any) -> None:
    streams.xadd(ANSWERS, {"record": answer(1)}, id="1000000-0")
    assert failing(of_redis(redis_server), seconds=-1.0).kind == "timeout"


def test_what_is_measured_is_a_comparison_that_passes(redis_server: RedisServer, streams: t.Any) -> None:
    """It raises where it is not, or where a pair is lost: a fast wrong answer is no figure."""
    streamed.fill(streams, 20_000, 1)
    found = streamed.once(redis_server.options, 20_000)
    assert {"processor_s", "report_s", "megabytes"} <= set(found)


# -- HTTP


class Recorder:
    """A server of lines. `replies`: status, headers and parts of the body, one for each request, the last for all that
    follow; a part None ends the connection in the middle."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, dict[str, str], list[bytes | None]]] = []
        self.asked: list[tuple[str, dict[str, list[str]], str | None]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urllib.parse.urlsplit(self.path)
                outer.asked.append((parts.path, urllib.parse.parse_qs(parts.query), self.headers["Authorization"]))
                status, headers, body = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                self.send_response(status)
                for name, value in {"Content-Type": _TYPE, "Transfer-Encoding": "chunked", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                for part in body:
                    if part is None:
                        self.close_connection = True
                        return
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_given: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/records/{{model}}"

    def says(self, *parts: bytes | None, status: int = 200, **headers: str) -> None:
        self.replies.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, list(parts)))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def recorder() -> t.Iterator[Recorder]:
    one = Recorder()
    yield one
    one.stop()


def of_http(recorder: Recorder, **changes: t.Any) -> Source:
    return made(json_lines={"url": recorder.url, **changes})


def test_lines_that_are_cut_anywhere_are_whole_again(recorder: Recorder, tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_text("secret-token\n")
    text = f"{answer(1)}\n{answer(2)}\n\n{label(1)}".encode()
    recorder.says(*(text[at : at + 17] for at in range(0, len(text), 17)))
    source = of_http(recorder, token_file=str(tmp_path / "token"))
    assert read(source, 1.5, 2.25) == [answer(1), answer(2), label(1)]
    expected = {"since": ["1.500"], "until": ["2.250"]}
    assert recorder.asked == [(f"/records/{MODEL}", expected, "Bearer secret-token")]


def test_an_answer_that_breaks_off_is_read_anew_and_none_counts_twice(recorder: Recorder) -> None:
    whole = f"{answer(1)}\n{answer(1, 'v2')}\n".encode()
    recorder.says(b"", status=503)
    recorder.says(whole, None)
    recorder.says(whole)
    window = Window(900.0, 2000.0)
    found = evidence_of([of_http(recorder)], "v1", "v2", window, clock=SystemClock(), end=soon(), chance=lambda: 0.0)
    assert (len(found.matched.pairs), found.matched.repeated, len(recorder.asked)) == (1, 0, 3)


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        ((401, {}, []), "auth", "wants a token_file (401)"),
        ((403, {}, []), "auth", "wants a token_file (403)"),
        ((404, {}, []), "refused", "answered 404, and 200 with lines of JSON is wanted; look at the url"),
        ((302, {"Location": "/elsewhere"}, []), "refused", "answered 302"),
        ((200, {"Content-Type": "text/html"}, [b"<html>"]), "refused", "answered with content type 'text/html', and"),
        ((200, {}, [b"x" * 1_100_000]), "refused", "a line of more than 1000000 bytes"),
    ],
)
def test_what_is_no_answer_is_told(
    recorder: Recorder, reply: tuple[int, dict[str, str], list[bytes | None]], kind: str, said: str
) -> None:
    recorder.replies.append(reply)
    error = failing(of_http(recorder))
    assert (error.kind, error.retriable, error.system) == (kind, False, "http")
    assert error.message.startswith(f"source market: {recorder.url.replace('{model}', MODEL)} ")
    assert said in error.message


@pytest.mark.parametrize(("status", "kind"), [(429, "throttled"), (500, "unreachable"), (503, "unreachable")])
def test_what_may_pass_says_so_and_how_long_it_takes(recorder: Recorder, status: int, kind: str) -> None:
    recorder.says(status=status, Retry_After="3")
    error = failing(of_http(recorder))
    assert (error.kind, error.retriable, getattr(error, "wait_s", None)) == (kind, True, 3.0)


def test_a_server_that_never_ends_has_its_time(recorder: Recorder) -> None:
    recorder.says(*([b" " * 65536] * 100_000))
    error = failing(of_http(recorder), seconds=0.5)
    assert error.kind in ("timeout", "refused")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give one of redis, json_lines; it has 0 of them"),
        ({"json_lines": {"url": "ftp://a/b"}}, "url is not http:// or https:// with a host and a path"),
        ({"json_lines": {"url": "http://u:hunter2@a/b"}}, "url holds a user; give token_file"),
        ({"json_lines": {"url": "http://a/b?token=hunter2"}}, "url is not http:// or https://"),
        ({"json_lines": {"url": "http://a/b", "token_file": "/none"}}, "token_file /none is not a file"),
        ({"redis": {"url": "http://a", "mode": "single", "prefix": "p"}}, "url has to begin with redis://"),
    ],
)
def test_options_are_checked_before_anything_is_asked(options: dict[str, t.Any], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        made(**options)
    assert caught.value.message.startswith(f"sources: market: {said}")
    assert "hunter2" not in caught.value.message


def test_two_sources_have_two_names() -> None:
    one = {"name": "market", "json_lines": {"url": "http://a/b"}}
    with pytest.raises(OptionError, match="sources: market: another source has that name"):
        sources_of([one, one], MODEL, SystemClock())
