# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of health checks, and how endpoints are asked side by side."""

from __future__ import annotations

import json
import pathlib
import threading
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import jmes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import Checker, CheckState, Round
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.health import Endpoint, HealthClient, NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.health_check import SPEC, checkers_of
from fakes import FakeClock

SPECS: t.Final = {"health": {"type": "list", "elements": "dict", "options": SPEC}}


def item(name: str = "core-api ready", **options: t.Any) -> dict[str, t.Any]:
    """As it comes out of the module's argument spec."""
    given = {"name": name, **({} if "tcp" in options else {"url": "http://core-api/health/ready"}), **options}
    checked = ArgumentSpecValidator(SPECS).validate({"health": [given]})
    assert not checked.error_messages
    return t.cast(dict[str, t.Any], checked.validated_parameters["health"][0])


class Scripted:
    """Answers by URL: a status, a body, a problem, or an event to wait for before the answer is 200."""

    def __init__(self, **answers: t.Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get(self, endpoint: Endpoint) -> tuple[int, bytes]:
        host = endpoint.url.split("/")[2]
        self.asked.append(host)
        answer = self.answers.get(host, 200)
        if isinstance(answer, threading.Event):
            answer.wait(10)
            answer = 200
        if isinstance(answer, Exception):
            raise answer
        return (200, answer) if isinstance(answer, bytes) else (answer, b"")

    def connect(self, endpoint: Endpoint) -> None:
        self.asked.append(f"{endpoint.host}:{endpoint.port}")


class Bench:
    """Checks that are looked at as the gate does."""

    def __init__(
        self, *items: dict[str, t.Any], interval_s: float = 1.0, clock: t.Any = None, **answers: t.Any
    ) -> None:
        self.clock = clock or FakeClock()
        self.transport = Scripted(**answers)
        self.interval_s = interval_s
        client = HealthClient(self.transport, self.clock)
        self.checkers: list[Checker] = checkers_of(
            items, self.clock, gap_s=max(1.0, 2 * interval_s), interval_s=interval_s, client=client
        )

    def look(self) -> list[CheckState]:
        return [checker.look(Round(self.clock.monotonic(), self.clock.now())) for checker in self.checkers]

    def round(self) -> list[CheckState]:
        states = self.look()
        self.clock.sleep(self.interval_s)
        return states


def refusal(**options: t.Any) -> str:
    with pytest.raises(OptionError) as caught:
        Bench(item(**options))
    return str(caught.value)


def test_one_round_asks_every_endpoint_once() -> None:
    bench = Bench(item("a", url="http://a/x"), item("b", url="http://b/x"), item("c", tcp="[::1]:9000"))
    assert bench.transport.asked == [], "nothing is asked before the first look"
    for rounds in range(1, 4):
        assert [state.status for state in bench.round()] == ["good"] * 3
        assert sorted(bench.transport.asked) == sorted(["a", "b", "::1:9000"] * rounds)


def test_from_good_to_bad_by_looks() -> None:
    bench = Bench(item(service="core-api", weight="warning", consecutive=2))
    assert [bench.round()[0].good_s for _look in range(3)] == [0.0, 1.0, 2.0]
    bench.transport.answers["core-api"] = 503
    assert [bench.round()[0].status for _look in range(2)] == ["over", "bad"]
    state = bench.look()[0]
    assert state.sentence == "core-api ready: 3 failed checks in a row of 2 (HTTP 503, expected 200; 6 checks)"
    assert (state.service, state.critical) == ("core-api", False)
    assert state.evidence["endpoint"] == "http://core-api/health/ready"


def test_no_answer_is_a_failed_check_and_not_blindness() -> None:
    bench = Bench(item(), **{"core-api": NoAnswer("Connection refused")})
    assert [bench.round()[0].status for _look in range(3)] == ["over", "over", "bad"]
    assert bench.look()[0].seen_at is not None


def test_the_body_is_asked() -> None:
    bench = Bench(item(body="checks[?state != 'up'] | length(@) == `0`"), **{"core-api": b'{"checks": []}'})
    assert bench.round()[0].status == "good"
    bench.transport.answers["core-api"] = b'{"checks": [{"state": "sesame"}]}'
    state = bench.round()[0]
    assert "does not give true for checks[?state" in state.sentence
    bench.transport.answers["core-api"] = b'{"checks": "sesame"}'
    state = bench.round()[0]
    assert "cannot be asked of the body" in state.sentence
    assert "sesame" not in state.sentence + json.dumps(state.evidence)


@pytest.mark.parametrize(
    ("expression", "status"),
    [("up", "good"), ("name", "over"), ("count", "over"), ("missing", "over"), ("down", "over"), ("!down", "good")],
)
def test_the_body_has_to_give_true_and_nothing_else(expression: str, status: str) -> None:
    body = b'{"up": true, "down": false, "name": "true", "count": 1}'
    assert Bench(item(body=expression), **{"core-api": body}).look()[0].status == status


def test_endpoints_that_hang_do_not_add_up() -> None:
    hang = threading.Event()
    names = [f"slow{number}" for number in range(8)]
    items = [item(name, url=f"http://{name}/", timeout_s=0.2) for name in names]
    bench = Bench(*items, interval_s=0.1, clock=SystemClock(), **dict.fromkeys(names, hang))
    began = bench.clock.monotonic()
    states = bench.look()
    first_s = bench.clock.monotonic() - began
    assert [state.sentence.split(": ")[1] for state in states] == [
        "1 failed check in a row of 3 (no answer within 0.2 s; 1 check)"
    ] * 8
    assert 0.4 < first_s < 0.9
    began = bench.clock.monotonic()
    assert [state.counts["valid"] for state in bench.look()] == [1] * 8
    # Half of an interval, for all of them together.
    assert bench.clock.monotonic() - began < 0.2
    assert sorted(bench.transport.asked) == sorted(names), "nobody is asked again before there was an answer"
    hang.set()


def test_an_endpoint_that_hangs_fails_once_in_a_time_out() -> None:
    hang = threading.Event()
    bench = Bench(item(timeout_s=0.05), interval_s=0.05, clock=SystemClock(), **{"core-api": hang})
    began = bench.clock.monotonic()
    while bench.round()[0].status != "bad":
        pass
    # Three time-outs, each with a quarter of a second of grace.
    assert 0.85 < bench.clock.monotonic() - began < 1.8
    hang.set()
    bench.clock.sleep(0.1)
    checks = bench.look()[0].counts["valid"]
    assert checks == 3, "what comes after the check has failed is no answer"
    assert bench.look()[0].counts["valid"] == 4


def test_an_answer_that_takes_its_time_belongs_to_the_next_round() -> None:
    bench = Bench(item(), interval_s=0.1, clock=SystemClock())
    assert bench.look()[0].counts["valid"] == 1
    slow = threading.Event()
    bench.transport.answers["core-api"] = slow
    assert bench.look()[0].counts["valid"] == 1
    slow.set()
    bench.clock.sleep(0.1)
    state = bench.look()[0]
    assert (state.counts["valid"], state.status, len(bench.transport.asked)) == (2, "good", 2)


def test_a_fault_of_ours_is_not_hidden_in_a_thread() -> None:
    bench = Bench(item(), **{"core-api": ZeroDivisionError("ours")})
    with pytest.raises(ZeroDivisionError):
        bench.look()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tcp": "core-api:80", "url": "http://core-api/"}, "give either url or tcp"),
        ({"url": None}, "give either url or tcp"),
        ({"url": "ftp://core-api/"}, "url is no http:// or https:// address"),
        ({"url": "http://core-api/a b"}, "url is no http:// or https:// address"),
        ({"url": "http:///ready"}, "url is no address"),
        ({"url": "http://core-api:port/"}, "url is no address"),
        ({"tcp": "core-api"}, "tcp is no HOST:PORT"),
        ({"tcp": "core-api:0"}, "tcp is no HOST:PORT"),
        ({"tcp": "core-api:80/ready"}, "tcp is no HOST:PORT"),
        ({"tcp": "core-api:99999"}, "tcp is no address"),
        ({"tcp": "core-api:80", "body": "ok"}, "body is for url"),
        ({"tcp": "core-api:80", "headers": {"X": "sesame"}}, "headers is for url"),
        ({"status": []}, "status has to be"),
        ({"status": [20]}, "status has to be"),
        ({"consecutive": 0}, "consecutive has to be"),
        ({"timeout_s": 0}, "timeout_s has to be"),
        ({"timeout_s": float("nan")}, "timeout_s has to be"),
        ({"max_ms": 2001}, "max_ms has to be"),
        ({"max_ms": 0}, "max_ms has to be"),
        ({"body": ""}, "is no JMESPath expression"),
        ({"body": "state =="}, "is no JMESPath expression: Invalid jmespath expression: Incomplete expression"),
        ({"body": "a || foo(b)"}, "there is no function foo()"),
        ({"body": "length(a, b) == `1`"}, "length() takes 1 arguments, not 2"),
        ({"body": "[?contains(a)]"}, "contains() takes 2 arguments, not 1"),
        ({"headers": {"X-Key": "sesame\r\nX: y"}}, "headers hold what no HTTP header can be"),
        ({"headers": {"X Key": "sesame"}}, "headers hold what no HTTP header can be"),
        ({"headers": {"X": "sesame \u20ac"}}, "headers hold what no HTTP header can be"),
        ({"url": "https://core-api/", "ca_cert": "/does/not/exist"}, "ca_cert /does/not/exist is not a file"),
    ],
)
def test_bad_input_is_refused_before_the_first_look(options: dict[str, t.Any], says: str) -> None:
    text = refusal(**options)
    assert text.startswith("health: core-api ready: ")
    assert says in text
    assert "sesame" not in text


@pytest.mark.parametrize("function", ["not_null(a, b, c) == 'x'", "merge(a) == `{}`", "sort_by(a, &b) == `[]`"])
def test_functions_that_exist_are_fine(function: str) -> None:
    Bench(item(body=function))


def test_a_ca_cert_without_a_certificate(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    assert "holds no certificate" in refusal(url="https://core-api/", ca_cert=str(tmp_path / "ca.pem"))


@pytest.mark.parametrize("url", ["http://user:sesame@core-api/", "http://sesame@core-api/", "https://:sesame@x/"])
def test_a_credential_in_a_url_is_refused_and_not_shown(url: str) -> None:
    text = refusal(url=url)
    assert "holds a credential" in text
    assert "sesame" not in text


def test_neither_query_nor_headers_are_shown() -> None:
    bench = Bench(item(url="http://core-api/ready?token=sesame#sesame", headers={"Authorization": "sesame"}))
    state = bench.look()[0]
    assert state.evidence["endpoint"] == "http://core-api/ready"
    assert "sesame" not in json.dumps([state.sentence, state.evidence])


def test_without_the_library_a_body_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jmes, "HAVE_JMESPATH", False)
    Bench(item())
    with pytest.raises(ReleaseError, match="jmespath") as caught:
        Bench(item(body="ok"))
    assert caught.value.kind == "library"


def test_no_checks_need_nothing() -> None:
    assert Bench().look() == []
