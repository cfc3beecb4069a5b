# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights of a lab as they are read past all proxies, and how a playbook is led through one."""

from __future__ import annotations

import http.server
import json
import threading
import typing as t
from collections.abc import Iterator

import pytest

from chaos.names import Names, table_of
from chaos.oracle import NamesState
from chaos.proxy import NAMES, NamesProxy, Tap
from lab import dns
from lab.model import plan_lab

LAB = plan_lab("scratch")
US, EU = (site.name for site in LAB.regions)
SET = next(one for one in dns.zone(LAB)["rrsets"] if one["name"] == dns.SET)
FIRST = SET["records"][0]["content"]


def weighed(us: int, eu: int) -> str:
    """The record with these weights."""
    return str(FIRST.replace(f"{{'{US}',50,", f"{{'{US}',{us},").replace(f"{{'{EU}',50,", f"{{'{EU}',{eu},"))


class Api(http.server.BaseHTTPRequestHandler):
    """PowerDNS with one record set; `said` has method, body and key of every request."""

    protocol_version = "HTTP/1.1"
    contents: t.ClassVar[list[str]] = []
    said: t.ClassVar[list[tuple[str, bytes, str]]] = []

    def log_message(self, format: str, *args: t.Any) -> None: ...

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.said.append((self.command, body, self.headers.get("X-API-Key") or ""))
        told = {"rrsets": [{**SET, "records": [{"content": one, "disabled": False} for one in self.contents]}]}
        answer = json.dumps(told).encode() if self.command == "GET" else b""
        self.send_response(200 if self.command == "GET" else 204)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PATCH = _answer


@pytest.fixture
def port() -> Iterator[int]:
    Api.contents[:], Api.said[:] = [FIRST], []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def names(port: int, monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names(LAB)
    monkeypatch.setattr(made, "_api", lambda: dns.Api("127.0.0.1", port, "secret"))
    monkeypatch.setattr(made, "_answer", lambda: LAB.regions[1].address)
    return made


def test_a_table_is_the_one_of_the_lab_but_for_its_weights() -> None:
    assert table_of(FIRST, FIRST) == {US: 50, EU: 50}
    assert table_of(weighed(0, 12), FIRST) == {US: 0, EU: 12}
    assert table_of(FIRST.replace("pickwrandom", "pickrandom"), FIRST) is None
    assert table_of(FIRST.replace(f"'{US}'", "'nowhere'"), FIRST) is None
    assert table_of(FIRST.replace(LAB.regions[0].address, "192.0.2.1"), FIRST) is None
    assert table_of("", FIRST) is None


def test_what_stands_and_what_is_answered(names: Names) -> None:
    assert names.full == {US: 50, EU: 50}
    Api.contents[:] = [weighed(0, 50)]
    assert names.state() == NamesState({US: 0, EU: 50}, answered=(EU,))


def test_one_question_without_an_answer_is_seen_and_the_last(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([LAB.regions[0].address, "192.0.2.1", ""])
    monkeypatch.setattr(names, "_answer", lambda: next(answers))
    assert names.state().answered == ("", "192.0.2.1", US)


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ([], "PowerDNS answered 200, with 0 records of api.pincex.test."),
        ([FIRST, FIRST], "PowerDNS answered 200, with 2 records of api.pincex.test."),
        (['A "return 1"'], "the record of api.pincex.test. is not the one of the lab: "),
    ],
)
def test_a_record_that_cannot_be_read(names: Names, contents: list[str], sentence: str) -> None:
    Api.contents[:] = contents
    assert names.state().unread.startswith(sentence)


def test_the_first_record_comes_back(names: Names) -> None:
    names.reset()
    ((method, body, key),) = Api.said
    assert (method, key) == ("PATCH", "secret")
    assert json.loads(body) == {"rrsets": [{**SET, "changetype": "REPLACE"}]}


def test_a_playbook_is_led_through_the_proxy_and_its_writes_are_counted(names: Names, port: int) -> None:
    tap = Tap()
    proxy = NamesProxy("127.0.0.1", port, tap)
    try:
        variables = names.variables(proxy.url)["lab_dns"]
        assert variables == {**dns.state(LAB), "url": proxy.url}
        api = dns.Api("127.0.0.1", int(variables["url"].rpartition(":")[2]), "secret")
        assert api.request("GET", f"/{dns.ZONE}")[0] == 200
        changed = {**SET, "records": [{"content": weighed(0, 50), "disabled": False}], "changetype": "REPLACE"}
        assert api.request("PATCH", f"/{dns.ZONE}", {"rrsets": [changed]})[0] == 204
        assert api.request("PATCH", f"/{dns.ZONE}", {"rrsets": [{"name": dns.SET, "changetype": "DELETE"}]})[0] == 204
    finally:
        proxy.close()
    assert [(one.site, one.number, str(one.write)) for one in tap.writes] == [
        (NAMES, 1, f"PATCH weights {US}=0,{EU}=50"),
        (NAMES, 2, "PATCH zones/pincex.test."),
    ]
    assert tap.writes[0].write.weights == ((US, 0), (EU, 50))
    # The key is the client's own, and passes.
    assert {key for _method, _body, key in Api.said} == {"secret"}
