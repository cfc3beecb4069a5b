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
    asked_wait_s,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import NoAnswer, Reply
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import Answer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.lua_record import compose
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import (
    Broken,
    Member,
    WeightedSet,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.powerdns import PowerDns

NAME = "api.pincex.test."
KEY = "0123456789abcdef"
US = Member("us-east-1", 70, ("198.18.1.2",), health="https://us.example/ready")
EU = Member("eu-west-1", 30, ("198.18.2.2",), health="https://eu.example/ready")


class Server:
    """Gives its answers one after the other, and the last one again and again."""

    def __init__(self, *answers: tuple[int, bytes] | NoAnswer, headers: Mapping[str, str] | None = None) -> None:
        self.answers = list(answers)
        self.headers = headers or {}
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []

    def exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        self.asked.append((method, url, headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, NoAnswer):
            raise answer
        return Reply(*answer, self.headers)


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
    """Without luck: each pause is as long as it may be."""
    return PowerDns(options, Clock(), server, health or server, lambda: 1.0)


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

    def __init__(
        self, away: bool = False, gives: tuple[str, ...] = US.targets, serial: int = 7, takes_s: float = 0.0
    ) -> None:
        self.away = away
        self.gives = gives
        self.serial = serial
        self.takes_s = takes_s
        self.clock: Clock | None = None

    def ask(self, name: str, kind: str, number: int, end: float) -> list[Answer]:
        if self.clock is not None:
            self.clock.at += self.takes_s
        values = (f"ns. host. {self.serial} 0 0 0 0",) if kind == "SOA" else self.gives
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


def looked_at(
    options: dict[str, t.Any], *answers: tuple[int, bytes] | NoAnswer, authority: Authority, end: float = 1300.0
) -> tuple[PowerDns, Broken | None, Server]:
    """A change that was taken, what its answers are found to be, and the server that gives these answers from then."""
    server = Server(OLD, zone(), OLD, TAKEN, NEW, *answers)
    dns = provider(options, server)
    found = dns.read(NAME, "A", 1010.0)
    assert found is not None
    dns._authority = t.cast("t.Any", Authority())
    batch = dns.batch(found, {"eu-west-1": 0})
    sent = dns.write(batch, 1300.0)
    dns._authority = t.cast("t.Any", authority)
    authority.clock = t.cast("Clock", dns._clock)
    server.asked.clear()
    try:
        dns.look(batch, sent, end)
    except Broken as broken:
        assert server.asked == [], "to look is to ask the authority only"
        return dns, broken, server
    return dns, None, server


def test_right_answers_are_no_trouble(options: dict[str, t.Any]) -> None:
    assert looked_at(options, authority=Authority())[1] is None


@pytest.mark.parametrize(
    ("authority", "said", "retriable"),
    [
        (Authority(gives=("192.0.2.1",)), "192.0.2.1 was answered", False),
        (Authority(away=True), "no answer in time", False),
        # What the end of the slice cuts off is asked once more.
        (Authority(serial=6), "did not get the serial 7", True),
        (Authority(away=True, takes_s=300.0), "no answer in time", True),
    ],
)
def test_wrong_answers_are_told_from_those_that_are_not_there_yet(
    options: dict[str, t.Any], authority: Authority, said: str, retriable: bool
) -> None:
    _dns, broken, _server = looked_at(options, authority=authority)
    assert broken is not None
    assert said in broken.message
    assert (broken.kind, broken.retriable) == ("broken", retriable)
    assert broken.back.after == {"us-east-1": 70, "eu-west-1": 30}
    (old,) = broken.back.content["body"]["rrsets"]
    assert (old["changetype"], old["records"]) == ("REPLACE", stands(compose("A", (US, EU)))["records"])


@pytest.mark.parametrize(
    ("answers", "kind", "asked"),
    [
        ([NEW, NEW, TAKEN, OLD], None, ["GET", "GET", "PATCH", "GET"]),
        ([NEW, NEW, BUSY, NEW, TAKEN, OLD], None, ["GET", "GET", "PATCH", "GET", "PATCH", "GET"]),
        # The answer to a try was lost, and it was carried out.
        ([NEW, NEW, SILENT, OLD, OLD], None, ["GET", "GET", "PATCH", "GET", "GET"]),
        ([OLD, OLD], None, ["GET", "GET"]),
        # Nothing is sent over what somebody else has made of it, also not after a try that failed.
        ([OTHER], "conflict", ["GET", "GET"]),
        ([NEW, NEW, BUSY, OTHER], "read_back", ["GET", "GET", "PATCH", "GET"]),
        ([NEW, NEW, (422, b"")], "refused", ["GET", "GET", "PATCH"]),
    ],
)
def test_a_broken_change_is_put_back_while_it_is_our_own(
    options: dict[str, t.Any],
    answers: list[tuple[int, bytes] | NoAnswer],
    kind: str | None,
    asked: list[str],
) -> None:
    """The authority answers nothing at all: it does not stand in the way."""
    dns, broken, server = looked_at(options, *answers, authority=Authority(away=True))
    assert broken is not None
    error = None
    try:
        dns.write(broken.back, 1300.0, 1010.0, lost=True)
    except ReleaseError as met:
        error = met
    assert (error.kind if error else None, [method for method, _, _ in server.asked]) == (kind, asked)


@pytest.mark.parametrize("fence", [1000.0, 1000.1])
def test_nothing_is_put_back_after_the_fence(options: dict[str, t.Any], fence: float) -> None:
    dns, broken, server = looked_at(options, NEW, authority=Authority(away=True))
    assert broken is not None
    with pytest.raises(ReleaseError) as met:
        dns.write(broken.back, 1300.0, fence, lost=True)
    assert (met.value.kind, met.value.retriable, may_have_written(met.value)) == ("timeout", True, False)
    assert "PATCH" not in [method for method, _, _ in server.asked]


@pytest.mark.parametrize("busy", [(429, b""), (503, b"")])
def test_a_server_that_is_busy_is_asked_with_longer_pauses(options: dict[str, t.Any], busy: tuple[int, bytes]) -> None:
    """Each write and each read: 0.2 s, then twice as long each time, and never more than 2 s."""
    turns = [busy, OLD] * 100
    error, asked = written(options, OLD, *turns, fence=1020.0)
    assert error is not None
    assert (error.retriable, may_have_written(error)) == (True, busy[0] == 503)
    # At 0, 0.2, 0.6, 1.4, and from 3 to 19 s every 2 s.
    assert asked.count("PATCH") == 13
    server = Server(busy)
    with pytest.raises(ReleaseError):
        provider(options, server).read(NAME, "A", 1020.0)
    assert len(server.asked) == 13


def test_a_server_says_when_it_may_be_asked_again(options: dict[str, t.Any]) -> None:
    server = Server(BUSY, BUSY, OLD, zone(), headers={"Retry-After": "7"})
    dns = provider(options, server)
    assert dns.read(NAME, "A", 1015.0) is not None
    assert dns._clock.monotonic() == 1014.0
    # There is no time for that: it is told at once.
    with pytest.raises(ReleaseError, match="asks to wait 7 s") as met:
        provider(options, Server(BUSY, OLD, headers={"retry-after": "7"})).read(NAME, "A", 1006.0)
    assert (met.value.kind, met.value.retriable, asked_wait_s(met.value)) == ("throttled", True, 7.0)


def test_an_authority_that_is_away_lets_nothing_be_sent(options: dict[str, t.Any]) -> None:
    error, asked = written(options, OLD, authority=Authority(away=True))
    assert error is not None
    assert (error.kind, error.retriable, may_have_written(error), asked) == ("unreachable", True, False, [])


def test_no_change_is_sent_after_the_fence(options: dict[str, t.Any]) -> None:
    # Also with an authority that would not answer in so short a time: it is not what stands in the way.
    for fence in (999.0, 1000.0, 1000.1):
        error, asked = written(options, OLD, fence=fence, authority=Authority(away=True))
        assert error is not None
        assert (error.kind, error.retriable, may_have_written(error), asked) == ("timeout", True, False, [])
        assert "the time or the lock was about to end" in error.message
    # What was taken is read until the fence: longer needs a lock, because what is found broken goes back.
    error, asked = written(options, OLD, TAKEN, BUSY, fence=1001.0)
    assert error is not None
    assert (error.kind, error.retriable, may_have_written(error)) == ("throttled", True, True)
    assert asked == ["GET", "PATCH", "GET", "GET", "GET"]
    # Nobody answers from the change on, and the lock ends in 5 s.
    error, asked = written(options, OLD, SILENT, OLD, SILENT, OLD, SILENT, fence=1005.0)
    assert error is not None
    assert asked.count("PATCH") == 3
    assert may_have_written(error)
