# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often events are read, and what becomes of the gate when they are not."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.event_reader import EventReader
from fakes import FakeClock

Json = dict[str, t.Any]

ONE = {"reason": "FailedCreate", "message": "refused", "involvedObject": {"uid": "u1"}}
TWO = {"reason": "FailedMount", "message": "not mounted", "involvedObject": {"uid": "p1"}}
OTHER = {"reason": "FailedCreate", "message": "somebody's", "involvedObject": {"uid": "u9"}}


class Events:
    """An API server that has events, or answers as it is told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[str] = []
        self.patience: list[float] = []
        self.answer: t.Callable[[], Answer] = lambda: Answer(200, json.dumps({"items": [ONE, TWO, OTHER]}).encode(), {})
        kube = KubeApi(t.cast("t.Any", self), self.clock, "us-east-1", 2.0)
        self.reader = EventReader(kube, "exchange")

    def request(self, request: Request, timeout_s: float) -> Answer:
        assert request.path == "/api/v1/namespaces/exchange/events"
        self.asked.append(request.query["fieldSelector"])
        self.patience.append(timeout_s)
        return self.answer()

    def read_for(self, seconds: float) -> None:
        """Look four times a second, as a gate does."""
        for _look in range(int(seconds * 4)):
            self.reader.read()
            self.clock.sleep(0.25)


@pytest.fixture
def server() -> Events:
    return Events()


def test_nothing_is_read_that_nobody_asked_for(server: Events) -> None:
    server.read_for(10)
    server.reader.ask({})
    server.read_for(10)
    assert (server.asked, server.reader.known) == ([], ())


def test_one_list_for_each_reason_every_two_seconds_however_many_objects(server: Events) -> None:
    server.reader.ask({"FailedCreate": {f"u{number}" for number in range(9)}, "FailedMount": {"p1", "p2"}})
    server.read_for(10)
    assert server.asked == ["reason=FailedCreate", "reason=FailedMount"] * 5
    assert server.reader.known == (ONE, TWO)
    assert max(server.patience) <= 0.5


def test_of_one_object_only_its_own_events_are_read(server: Events) -> None:
    server.reader.ask({"FailedCreate": {"u1"}})
    server.reader.read()
    assert server.asked == ["reason=FailedCreate,involvedObject.uid=u1"]
    assert server.reader.known == (ONE,)
    server.reader.ask({})
    assert server.reader.known == ()
    server.reader.ask({"FailedCreate": {"u1"}})
    server.read_for(1.75)
    assert len(server.asked) == 1, "who asks again waits as well"


def test_a_right_that_is_missing_is_noted_and_not_tried_again(server: Events) -> None:
    no = json.dumps({"kind": "Status", "message": 'events is forbidden: User "gate" cannot list resource "events"'})
    server.answer = lambda: Answer(403, no.encode(), {})
    server.reader.ask({"FailedCreate": {"u1"}, "FailedMount": {"p1"}})
    server.read_for(60)
    assert len(server.asked) == 1
    assert server.reader.known == ()
    assert server.reader.note.startswith("events are not read, which would tell sooner of pods that are refused")
    assert "is forbidden" in server.reader.note


def test_what_does_not_answer_is_asked_ever_more_seldom_and_forgotten(server: Events) -> None:
    healthy = server.answer

    def away() -> Answer:
        server.clock.sleep(0.5)
        raise NoAnswer("timed out", timeout=True, sent=True)

    server.reader.ask({"FailedCreate": {"u1"}})
    server.reader.read()
    server.answer = away
    server.clock.sleep(2.0)
    server.read_for(120)
    assert (server.reader.known, "timed out" in server.reader.note) == ((), True)
    assert len(server.asked) < 10
    server.answer = healthy
    server.read_for(35)
    assert (server.reader.known, server.reader.note) == ((ONE,), "")
    server.asked.clear()
    server.read_for(10)
    assert len(server.asked) >= 4


@pytest.mark.parametrize("page", ["no json", "[1]", '{"items": [1]}', '{"items": 1}', "null", '{"items": [{}, null]}'])
def test_an_answer_that_is_no_list_of_events_is_none(server: Events, page: str) -> None:
    server.answer = lambda: Answer(200, page.encode(), {})
    server.reader.ask({"FailedCreate": {"u1"}})
    server.reader.read()
    assert (server.reader.known, bool(server.reader.note)) == ((), True)
