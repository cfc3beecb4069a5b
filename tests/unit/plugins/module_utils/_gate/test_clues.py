# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.clues import ClueReader
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_clues import suspects_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import State, Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.pod_problems import Problem
from fakes import FakeClock

LOG = "/api/v1/namespaces/exchange/pods/p1/log"
EVENTS = "/api/v1/namespaces/exchange/events"
CRASH = Problem("crash", "ended 2 times", "p1", "app", 1, 2)
DOOMED = State(Wanted("Deployment", "api"), "failed", "bad", problems=(CRASH,), replica_set="api-7")
ON_THE_POD = {"type": "Warning", "reason": "BackOff", "message": "Back-off", "lastTimestamp": "2026-11-02T10:00:05Z"}

Page = str | tuple[int, str] | Callable[[Request], Answer]


class Pages:
    """An API server that has text at its paths; `previous` logs and events of an object have a path of their own."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.pages = pages
        self.asked: list[tuple[str, Mapping[str, str], float]] = []

    def request(self, request: Request, timeout_s: float) -> Answer:
        self.asked.append((request.path, request.query, timeout_s))
        key = request.path
        if request.query.get("previous") == "true":
            key += "?previous"
        page = self.pages.get(key, "")
        if callable(page):
            return page(request)
        status, text = (200, page) if isinstance(page, str) else page
        return Answer(status, text.encode(), {})


def read(pages: Mapping[str, Page], *states: State, lines: int = 20) -> tuple[list[dict[str, t.Any]], Pages, FakeClock]:
    server, clock = Pages({EVENTS: json.dumps({"items": []}), **pages}), FakeClock()
    kube = KubeApi(t.cast("t.Any", server), clock, "us-east-1", 30.0)
    clues = ClueReader(kube, "exchange", lines).read(suspects_of(states or [DOOMED]))
    assert kube.deadline_s == 30.0
    return [clue.to_json() for clue in clues], server, clock


def events(request: Request) -> Answer:
    items = [ON_THE_POD] if request.query["fieldSelector"].startswith("involvedObject.kind=Pod,") else []
    return Answer(200, json.dumps({"kind": "EventList", "items": items}).encode(), {})


def test_log_and_events_of_the_doomed_pod() -> None:
    clues, server, _ = read({LOG: "fatal: no config\n" * 25, EVENTS: events})
    assert clues[0]["log"] == ["fatal: no config"] * 20
    assert clues[0]["events"] == [{"at": "2026-11-02T10:00:05Z", **_shown(ON_THE_POD)}]
    assert clues[0]["notes"] == []
    # Twenty lines of the present life are enough.
    assert [path for path, _, _ in server.asked].count(LOG) == 1
    path, query, _ = server.asked[0]
    assert (path, query["container"], query["tailLines"], query["previous"]) == (LOG, "app", "20", "false")
    assert [query["fieldSelector"] for path, query, _ in server.asked if path == EVENTS] == [
        "involvedObject.kind=Pod,involvedObject.name=p1",
        "involvedObject.kind=ReplicaSet,involvedObject.name=api-7",
        "involvedObject.kind=Deployment,involvedObject.name=api",
    ]


def _shown(event: Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: event[key] for key in ("type", "reason", "message")} | {"count": 1}


def test_the_log_of_the_life_before_when_the_present_one_has_not_said_enough() -> None:
    clues, _, _ = read({LOG: "starting\n", f"{LOG}?previous": "starting\nfatal: no config\n"})
    assert clues[0]["log"] == ["starting", "fatal: no config", "starting"]
    # A container that has not begun yet: the API server says 400.
    waits = json.dumps({"kind": "Status", "message": 'container "app" in pod "p1" is waiting to start'})
    clues, _, _ = read({LOG: (400, waits), f"{LOG}?previous": "fatal\n"})
    assert (clues[0]["log"], clues[0]["notes"]) == (["fatal"], [])


def test_a_container_that_has_not_restarted_has_no_life_before() -> None:
    unready = State(Wanted("Deployment", "api"), "waiting", "late", unready=(("p1", "app"),))
    _, server, _ = read({LOG: "one\n"}, unready)
    assert [query["previous"] for path, query, _ in server.asked if path == LOG] == ["false"]


def test_no_log_is_read_when_none_is_wanted() -> None:
    clues, server, _ = read({EVENTS: events}, lines=0)
    assert {path for path, _, _ in server.asked} == {EVENTS}
    assert (clues[0]["log"], len(clues[0]["events"])) == ([], 1)


def test_nothing_is_asked_when_all_is_ready() -> None:
    clues, server, _ = read({}, State(Wanted("Deployment", "api"), "ready", ""))
    assert (clues, server.asked) == ([], [])


def test_a_refusal_is_a_line_and_is_not_tried_again() -> None:
    no = json.dumps({"kind": "Status", "message": 'pods "p1" is forbidden: User "releaser" cannot get'})
    other = Problem("crash", "ended 2 times", "p2", "app", 1, 2)
    second = State(Wanted("Deployment", "other"), "failed", "bad", problems=(other,))
    clues, server, _ = read({LOG: (403, no), EVENTS: (403, no)}, DOOMED, second)
    assert [clue["notes"] for clue in clues] == [["logs: not allowed (pods/log)", "events: not allowed (events)"]] * 2
    assert [path for path, _, _ in server.asked] == [LOG, EVENTS]


def slowly(answer: Callable[[Request, float], Answer]) -> tuple[list[dict[str, t.Any]], float]:
    """The clues of a server that takes its time, and how long that was."""
    clock = FakeClock()

    def request(request: Request, timeout_s: float) -> Answer:
        clock.elapsed += min(0.7, timeout_s)
        return answer(request, timeout_s)

    server = Pages({})
    server.request = request  # type: ignore[method-assign]
    clues = ClueReader(KubeApi(t.cast("t.Any", server), clock, "us-east-1"), "exchange", 20).read(suspects_of([DOOMED]))
    return [clue.to_json() for clue in clues], clock.elapsed


def test_an_outage_costs_two_seconds_at_most() -> None:
    def away(_request: Request, _timeout_s: float) -> Answer:
        raise NoAnswer("no answer", timeout=True, sent=True)

    clues, took = slowly(away)
    assert round(took, 3) <= 2.0
    assert clues[0]["notes"] == [
        "logs: us-east-1: read /api/v1/namespaces/exchange/pods/p1/log: no answer",
        "events: us-east-1: read /api/v1/namespaces/exchange/events: no answer",
    ]


def test_slow_answers_do_not_add_up() -> None:
    clues, took = slowly(lambda request, _: Answer(200, b"{}" if request.path == EVENTS else b"line\n" * 30, {}))
    assert round(took, 3) <= 2.0
    assert clues[0]["notes"] == ["events: not read, there was no time left"]
    assert len(clues[0]["log"]) == 20


def test_an_answer_that_is_no_list_is_a_line() -> None:
    for page in ("no json", "[1]", '{"items": [1]}'):
        clues, _, _ = read({LOG: "x\n" * 20, EVENTS: page})
        assert clues[0]["events"] == []


def test_a_server_that_is_busy_is_asked_again() -> None:
    busy = [429]

    def now_and_then(request: Request) -> Answer:
        return Answer(busy.pop(), b"{}", {}) if busy else Answer(200, b"fatal\n" * 20, {})

    clues, _, _ = read({LOG: now_and_then})
    assert (clues[0]["log"], clues[0]["notes"]) == (["fatal"] * 20, [])
