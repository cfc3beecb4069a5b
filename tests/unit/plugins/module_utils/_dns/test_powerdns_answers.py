# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the answers of PowerDNS' API mean, without a server. The rest is tested with a real one, in tests/dns."""

from __future__ import annotations

import json
import pathlib
import typing as t
from collections.abc import Mapping

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    OptionError,
    ReleaseError,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import Answer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.lua_record import compose
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member, WeightedSet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.powerdns import PowerDns

NAME = "api.pincex.test."
KEY = "0123456789abcdef"
US = Member("us-east-1", 70, ("198.18.1.2",), health="https://us.example/ready")
EU = Member("eu-west-1", 30, ("198.18.2.2",), health="https://eu.example/ready")


class Server:
    """Gives its answers one after the other, and the last one again and again."""

    def __init__(self, *answers: tuple[int, bytes] | NoAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []

    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[int, bytes]:
        self.asked.append((method, url, headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, NoAnswer):
            raise answer
        return answer


class Clock(SystemClock):
    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def zone(*record_sets: dict[str, t.Any]) -> tuple[int, bytes]:
    return 200, json.dumps({"edited_serial": 7, "rrsets": record_sets}).encode()


def stands(*contents: str, ttl: int = 30, **changes: t.Any) -> dict[str, t.Any]:
    records = [{"content": content, "disabled": False, **changes} for content in contents]
    return {"name": NAME, "type": "LUA", "ttl": ttl, "records": records, "comments": []}


@pytest.fixture
def options(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    (tmp_path / "key").write_text(f"{KEY}\n")
    return {
        "url": "https://dns.example:8081/",
        "server": "localhost",
        "zone": "pincex.test",
        "api_key_file": str(tmp_path / "key"),
        "authority": "127.0.0.1:53",
        "ca_cert": None,
    }


def provider(options: dict[str, t.Any], server: Server, health: Server | None = None) -> PowerDns:
    return PowerDns(options, Clock(), server, health or server)


def test_one_set_is_asked_for_with_the_key_in_a_header(options: dict[str, t.Any]) -> None:
    server = Server(zone(stands(compose("A", (US, EU)))), zone())
    found = provider(options, server).read("API.pincex.test", "A", 1010.0)
    assert found is not None
    assert (found.name, found.members, found.ttls) == (NAME, (US, EU), {"us-east-1": 30, "eu-west-1": 30})
    assert [url for _, url, _ in server.asked] == [
        "https://dns.example:8081/api/v1/servers/localhost/zones/pincex.test.?rrset_name=api.pincex.test.",
        "https://dns.example:8081/api/v1/servers/localhost/zones/pincex.test."
        "?rrset_name=a-api.pincex.test.&rrset_type=TXT",
    ]
    assert all(headers["X-API-Key"] == KEY and KEY not in url for _, url, headers in server.asked)


@pytest.mark.parametrize(
    ("answer", "kind", "tries"),
    [
        ((401, b"Unauthorized"), "auth", 1),
        ((403, b""), "auth", 1),
        ((404, b'{"error": "Could not find domain"}'), "not_found", 1),
        ((422, b'{"error": "RRset is too large"}'), "refused", 1),
        ((302, b""), "refused", 1),
        ((200, b"<html>"), "unreachable", 1),
        ((200, b"[]"), "unreachable", 1),
        ((429, b""), "throttled", 4),
        ((500, b'{"error": "database is locked"}'), "unreachable", 4),
        (NoAnswer("no answer within 5 s", timeout=True), "unreachable", 4),
        (NoAnswer("certificate verify failed", hopeless=True), "unreachable", 1),
    ],
)
def test_each_failure_has_a_kind_and_only_what_may_pass_is_tried_again(
    options: dict[str, t.Any], answer: tuple[int, bytes] | NoAnswer, kind: str, tries: int
) -> None:
    server = Server(answer)
    with pytest.raises(ReleaseError) as caught:
        provider(options, server).read(NAME, "A", 1002.0)
    assert (caught.value.kind, caught.value.system, len(server.asked)) == (kind, "powerdns", tries)
    assert caught.value.retriable is (tries > 1)
    assert "https://dns.example:8081" in caught.value.message


def test_a_key_that_comes_back_in_an_error_is_not_shown(options: dict[str, t.Any]) -> None:
    server = Server((422, json.dumps({"error": f"X-API-Key: {KEY} is bad"}).encode()))
    with pytest.raises(ReleaseError) as caught:
        provider(options, server).read(NAME, "A", 1010.0)
    assert KEY not in caught.value.message


def test_a_batch_says_exactly_what_is_sent_and_no_secret(options: dict[str, t.Any]) -> None:
    six = "AAAA \";return {'2001:db8::1'}\""
    server = Server(zone(stands(six, compose("A", (US, EU)))), zone())
    dns = provider(options, server)
    found = dns.read(NAME, "A", 1010.0)
    assert found is not None
    batch = dns.batch(found, {"us-east-1": 0})
    assert batch.after == {"us-east-1": 0, "eu-west-1": 30}
    assert batch.content["method"] == "PATCH"
    (sent,) = batch.content["body"]["rrsets"]
    assert (sent["name"], sent["type"], sent["ttl"], sent["changetype"]) == (NAME, "LUA", 30, "REPLACE")
    assert [record["content"][:2] for record in sent["records"]] == ["AA", "A "]
    assert KEY not in json.dumps(batch.content)
    assert len(server.asked) == 2, "nothing was sent"
    with pytest.raises(OptionError, match="has no region ap-northeast-1"):
        dns.batch(found, {"ap-northeast-1": 1})


@pytest.mark.parametrize(
    ("record_set", "said"),
    [
        (stands(compose("A", (US,)), compose("A", (EU,))), "2 LUA records"),
        (stands(compose("A", (US,)), disabled=True), "disabled"),
    ],
)
def test_what_cannot_be_one_set_is_broken(options: dict[str, t.Any], record_set: dict[str, t.Any], said: str) -> None:
    with pytest.raises(ReleaseError, match=said) as caught:
        provider(options, Server(zone(record_set))).read(NAME, "A", 1010.0)
    assert caught.value.kind == "broken"


def test_a_server_that_gives_the_whole_zone_all_the_same_is_understood(options: dict[str, t.Any]) -> None:
    other = {**stands(compose("A", (EU,))), "name": "other.pincex.test."}
    server = Server(zone(other, stands(compose("A", (US,)))), zone(other))
    found = provider(options, server).read(NAME, "A", 1010.0)
    assert found is not None
    assert found.weights == {"us-east-1": 70}


def test_only_200_is_healthy_and_silence_is_asked_twice(options: dict[str, t.Any]) -> None:
    wanted = WeightedSet(NAME, "A", (US,), {"us-east-1": 30})
    silence = NoAnswer("no answer")
    for answers, up, asked in (
        ([(200, b"")], True, 1),
        ([(204, b"")], False, 2),
        ([(302, b"")], False, 2),
        ([silence, (200, b"")], True, 2),
        ([silence], False, 2),
    ):
        health = Server(*answers)
        assert provider(options, Server(zone()), health).healthy(wanted, 1010.0) == {"us-east-1": up}
        assert [url for _, url, _ in health.asked] == ["https://us.example/ready"] * asked
        assert all("X-API-Key" not in headers for _, _, headers in health.asked)
    assert provider(options, Server(zone())).healthy(wanted, 1000.0) == {"us-east-1": None}


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"url": "dns.example"}, "powerdns.url"),
        ({"api_key_file": "/nowhere/key"}, "powerdns.api_key_file"),
        ({"ca_cert": "/nowhere/ca"}, "powerdns.ca_cert"),
        ({"authority": "dns:x"}, "powerdns.authority"),
    ],
)
def test_bad_options_are_named(options: dict[str, t.Any], changes: dict[str, str], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        PowerDns.from_options({**options, **changes}, SystemClock())
    assert caught.value.option == option


def test_a_name_outside_of_the_zone_and_an_empty_key_are_told(options: dict[str, t.Any]) -> None:
    dns = provider(options, Server(zone()))
    with pytest.raises(OptionError, match="not in the zone"):
        dns.read("api.notpincex.test.", "A", 1010.0)
    pathlib.Path(options["api_key_file"]).write_text("\n")
    with pytest.raises(OptionError, match="is empty"):
        dns.read(NAME, "A", 1010.0)


OUT = Member("eu-west-1", 0, EU.targets, health=EU.health)
OLD, NEW = zone(stands(compose("A", (US, EU)))), zone(stands(compose("A", (US, OUT))))
TAKEN = (204, b"")
SILENT = NoAnswer("no answer within 5 s", timeout=True)
BUSY = (429, b"")


class Authority:
    """Answers with the serial and with what has a weight, or `gives`; with nothing when it is away."""

    address = "127.0.0.1:53"

    def __init__(self, away: bool = False, gives: tuple[str, ...] = US.targets) -> None:
        self.away = away
        self.gives = gives

    def ask(self, name: str, kind: str, number: int, end: float) -> list[Answer]:
        values = ("ns. host. 7 0 0 0 0",) if kind == "SOA" else self.gives
        return [Answer(problem="no answer in time") if self.away else Answer(values, 30)] * number


def written(
    options: dict[str, t.Any],
    *answers: tuple[int, bytes] | NoAnswer,
    fence: float = 1010.0,
    lost: bool = False,
    authority: Authority | None = None,
) -> tuple[ReleaseError | None, list[str]]:
    """How a write ends that meets these answers, and the methods of its requests. The clock stands at 1000."""
    server = Server(OLD, zone(), *answers)
    dns = provider(options, server)
    found = dns.read(NAME, "A", 1010.0)
    assert found is not None
    dns._authority = t.cast("t.Any", authority or Authority())
    server.asked.clear()
    try:
        dns.write(dns.batch(found, {"eu-west-1": 0}), 1300.0, fence, lost=lost)
    except ReleaseError as error:
        return error, [method for method, _, _ in server.asked]
    return None, [method for method, _, _ in server.asked]


@pytest.mark.parametrize(
    ("answers", "kind", "unsure"),
    [
        # Before the change is sent: nothing was written, whatever came.
        ([SILENT], "unreachable", False),
        ([(500, b"")], "unreachable", False),
        ([NEW], "conflict", False),
        # To the change itself: refused, refused after silence, and silence until the lock ends.
        ([OLD, (422, b"")], "refused", False),
        ([OLD, BUSY, NEW], "conflict", False),
        ([OLD, BUSY, OLD, BUSY, (500, b"")], "unreachable", False),
        ([OLD, SILENT, OLD, BUSY, (500, b"")], "unreachable", True),
        ([OLD, SILENT, OLD, (422, b"")], "refused", True),
        ([OLD, SILENT], "unreachable", True),
        ([OLD, SILENT, zone()], "read_back", True),
        # It was taken: every later trouble is about a change that is there.
        ([OLD, TAKEN, OLD], "read_back", True),
        ([OLD, TAKEN, (401, b"")], "auth", True),
        ([OLD, TAKEN, BUSY], "throttled", True),
    ],
)
def test_each_failed_write_says_whether_it_may_have_been_carried_out(
    options: dict[str, t.Any], answers: list[tuple[int, bytes] | NoAnswer], kind: str, unsure: bool
) -> None:
    error, _asked = written(options, *answers)
    assert error is not None
    assert (error.kind, may_have_written(error)) == (kind, unsure), error.message


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        # There already: straight to the look.
        ([NEW, NEW], ["GET", "GET"]),
        # Not there: as the first time.
        ([OLD, OLD, TAKEN, NEW], ["GET", "GET", "PATCH", "GET"]),
        # It comes late, between both looks: the same once more.
        ([OLD, NEW, TAKEN, NEW], ["GET", "GET", "PATCH", "GET"]),
        ([OLD, OLD, BUSY, NEW, NEW], ["GET", "GET", "PATCH", "GET", "GET"]),
    ],
)
def test_a_change_whose_answer_was_lost_before_is_gone_on_with(
    options: dict[str, t.Any], answers: list[tuple[int, bytes] | NoAnswer], asked: list[str]
) -> None:
    assert written(options, *answers, lost=True) == (None, asked)


OTHER = zone(stands(compose("A", (US, Member("eu-west-1", 5, EU.targets, health=EU.health)))))


@pytest.mark.parametrize(
    ("answers", "said", "unsure", "asked"),
    [
        ([NEW, TAKEN], "stands there again", False, ["GET", "PATCH"]),
        ([NEW, BUSY, NEW, TAKEN], "stands there again", False, ["GET", "PATCH", "GET", "PATCH"]),
        # The answer to a try was lost, and it was carried out.
        ([NEW, SILENT, OLD], "stands there again", False, ["GET", "PATCH", "GET"]),
        # Nothing is sent over what somebody else has made of it, also not after a try that failed.
        ([OTHER], "it was left", True, ["GET"]),
        ([NEW, BUSY, OTHER], "it was left", True, ["GET", "PATCH", "GET"]),
        ([NEW, (422, b"")], "could not be put back", True, ["GET", "PATCH"]),
    ],
)
def test_a_broken_change_is_put_back_while_it_is_our_own(
    options: dict[str, t.Any], answers: list[tuple[int, bytes] | NoAnswer], said: str, unsure: bool, asked: list[str]
) -> None:
    error, methods = written(options, OLD, TAKEN, NEW, *answers, authority=Authority(gives=("192.0.2.1",)))
    assert error is not None
    assert said in error.message
    assert (error.kind, may_have_written(error), methods[3:]) == ("broken", unsure, asked)


def test_trouble_that_lasts_ends_a_put_back(options: dict[str, t.Any]) -> None:
    turns = [NEW, BUSY] * 2000
    error, methods = written(options, OLD, TAKEN, NEW, *turns, authority=Authority(gives=("192.0.2.1",)))
    assert error is not None
    assert "could not be put back" in error.message
    assert methods.count("PATCH") < 300 / 2 + 10


def test_an_authority_that_is_away_lets_nothing_be_sent(options: dict[str, t.Any]) -> None:
    error, asked = written(options, OLD, authority=Authority(away=True))
    assert error is not None
    assert (error.kind, error.retriable, may_have_written(error), asked) == ("unreachable", True, False, [])


def test_no_change_is_sent_after_the_fence_and_one_that_is_taken_is_looked_at_longer(
    options: dict[str, t.Any],
) -> None:
    # Also with an authority that would not answer in so short a time: it is not what stands in the way.
    for fence in (999.0, 1000.0, 1000.1):
        error, asked = written(options, OLD, fence=fence, authority=Authority(away=True))
        assert error is not None
        assert (error.kind, error.retriable, may_have_written(error), asked) == ("timeout", True, False, [])
        assert "the time or the lock was about to end" in error.message
    # The look at what was taken is held up until long after the fence.
    assert written(options, OLD, TAKEN, *[BUSY] * 20, NEW, fence=1001.0) == (None, ["GET", "PATCH"] + 21 * ["GET"])
    # Nobody answers from the change on, and the lock ends in 5 s.
    error, asked = written(options, OLD, SILENT, OLD, SILENT, OLD, SILENT, fence=1005.0)
    assert error is not None
    assert asked.count("PATCH") == 3
    assert may_have_written(error)
