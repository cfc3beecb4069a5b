# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A watch against a server that follows a script: every way in which it can end, and what is known meanwhile."""

from __future__ import annotations

import json
import threading
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import watch as watch_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import (
    Answer,
    NoAnswer,
    Request,
    split_lines,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.watch import Watch, back_off
from fakes import FakeClock, FakeKube
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]
RESET = NoAnswer("connection reset", timeout=False, sent=True)


def pod(number: int, version: int, **status: t.Any) -> Json:
    meta = {"uid": f"u{number}", "name": f"p{number}", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status}


def event(kind: str, obj: Json) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(version)}})


def refused(status: int, message: str = "no", **headers: str) -> Answer:
    body = json.dumps({"kind": "Status", "code": status, "message": message}).encode() + b"\n"
    return Answer(status, body, headers)


class Stream:
    """One answer to a watch: its parts, and then an end, an error, or (None) silence until it is closed."""

    def __init__(self, parts: t.Sequence[bytes], end: NoAnswer | str | None, answer: Answer | None = None) -> None:
        self.status = answer.status if answer else 200
        self.headers = answer.headers if answer else {}
        self._parts = [answer.body] if answer else parts
        self._end = end
        self.silent = threading.Event()
        self._closed = threading.Event()

    def lines(self) -> t.Iterator[bytes]:
        yield from split_lines(self._parts)
        if isinstance(self._end, NoAnswer):
            raise self._end
        if self._end is None:
            self.silent.set()
            self._closed.wait(5)

    def close(self) -> None:
        self._closed.set()


Step = Stream | Answer | NoAnswer


class Server:
    """Lists what the test says, at the version it says, and answers one watch after the other with the next step."""

    renews = False

    def __init__(self, *steps: Step) -> None:
        self.items: list[Json] = [pod(1, 10), pod(2, 11)]
        self.version = 11
        self.steps = list(steps)
        self.last = Stream([], None)
        self.lists = 0
        self.watched: list[tuple[float, dict[str, str]]] = []
        self.clock = FakeClock()

    def request(self, request: Request, timeout_s: float) -> Answer:
        if request.path == "/api/v1":
            found: Json = {"resources": [{"kind": "Pod", "name": "pods", "namespaced": True}]}
        else:
            self.lists += 1
            found = {"metadata": {"resourceVersion": str(self.version)}, "items": self.items}
        return Answer(200, json.dumps(found).encode(), {})

    def stream(self, request: Request, timeout_s: float, silence_s: float) -> Stream:
        self.watched.append((time.monotonic(), dict(request.query)))
        step = self.steps.pop(0) if self.steps else self.last
        if isinstance(step, NoAnswer):
            raise step
        return Stream([], "end", step) if isinstance(step, Answer) else step

    def watch(self, **given: t.Any) -> Watch:
        trim = given.pop("trim", lambda obj: {"metadata": obj["metadata"], "status": obj.get("status")})
        kube = KubeApi(self, self.clock, "us-east-1", deadline_s=2.0)
        return Watch(kube, "v1", "Pod", "exchange", trim=trim, changed=given.pop("changed", threading.Event()), **given)

    def versions(self) -> list[str]:
        return [query["resourceVersion"] for _at, query in self.watched]

    def until_silent(self) -> None:
        """Until the watch hangs in its last answer, with everything before it taken in."""
        assert self.last.silent.wait(5)


def names(watch: Watch) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in watch.snapshot())


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "back_off", lambda tries: 0.0)


@pytest.fixture
def closing() -> t.Iterator[list[Watch]]:
    watches: list[Watch] = []
    yield watches
    for one in watches:
        one.close()


def test_it_lists_once_and_then_watches_from_there(closing: list[Watch]) -> None:
    server = Server()
    watch = server.watch(labels="app=core")
    assert server.lists == 0, "nothing is sent before the fork"
    closing.append(watch)
    assert names(watch) == names(watch) == ["p1", "p2"]
    assert server.lists == 1
    (_at, query), *more = server.watched
    assert not more
    assert (query["resourceVersion"], query["allowWatchBookmarks"], query["labelSelector"]) == (
        "11",
        "true",
        "app=core",
    )
    assert watch.snapshot()[0]["kind"] == "Pod"


def test_events_change_the_snapshot_and_wake(closing: list[Watch]) -> None:
    server, woken = FakeKube(), threading.Event()
    kube = server.api(FakeClock())
    made = server.put(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "old", "namespace": "exchange"}, "status": {}}
    )
    watch = Watch(kube, "v1", "Pod", "exchange", trim=lambda obj: obj, changed=woken)
    closing.append(watch)
    assert names(watch) == ["old"]
    woken.clear()
    server.put({**made, "metadata": {**made["metadata"], "name": "new"}})
    assert woken.is_set()
    assert names(watch) == ["new", "old"]


def test_what_is_trimmed_away_wakes_nobody(closing: list[Watch]) -> None:
    server, woken = Server(), threading.Event()
    noisy = pod(1, 12) | {"spec": {"volumes": ["many"]}}
    server.last = Stream([event("MODIFIED", noisy)], None)
    watch = server.watch(changed=woken, trim=lambda obj: {"metadata": {"uid": obj["metadata"]["uid"], "name": "p"}})
    closing.append(watch)
    server.items = server.items[:1]
    watch.start()
    woken.clear()
    server.until_silent()
    assert not woken.is_set()
    assert watch.snapshot()[0].keys() == {"apiVersion", "kind", "metadata"}


def test_what_is_of_no_use_is_not_kept(closing: list[Watch]) -> None:
    server = Server()
    server.last = Stream([event("MODIFIED", pod(2, 12, done=True)), event("ADDED", pod(3, 13, done=True))], None)
    watch = server.watch(trim=lambda obj: None if obj["status"].get("done") else obj)
    closing.append(watch)
    watch.start()
    server.until_silent()
    assert names(watch) == ["p1"]


def test_a_bookmark_moves_the_version_and_nothing_else(fast: None, closing: list[Watch]) -> None:
    server = Server(Stream([bookmark(500)], "end"))
    watch = server.watch()
    closing.append(watch)
    watch.start()
    server.until_silent()
    assert server.versions() == ["11", "500"]
    assert names(watch) == ["p1", "p2"]
    assert server.lists == 1


FORGOTTEN = {"code": 410, "reason": "Expired", "message": "too old resource version: 11 (900)"}


@pytest.mark.parametrize(
    "step",
    [
        refused(410, "too old"),
        Stream([event("ERROR", FORGOTTEN)], "end"),
        refused(504, "Timeout: Too large resource version: 11, current: 3"),
    ],
    ids=["410", "ERROR 410", "a restored server"],
)
def test_a_version_that_the_server_does_not_know_makes_a_new_list(step: Step, closing: list[Watch]) -> None:
    server, woken = Server(step), threading.Event()
    watch = server.watch(changed=woken)
    closing.append(watch)
    watch.start()
    woken.clear()
    server.items, server.version = [pod(2, 3)], 3
    server.until_silent()
    assert server.lists == 2
    assert server.versions() == ["11", "3"]
    assert names(watch) == ["p2"], "what went away meanwhile is gone"
    assert woken.is_set()


TRANSIENT: list[Step] = [
    refused(429),
    refused(500),
    refused(503),
    RESET,
    NoAnswer("no answer within 10 s", timeout=True, sent=True),
    Stream([b'{"type": "MODIF'], RESET),
    Stream([b'{"type": "MODIF'], "end"),
    Stream([b"<html>log in</html>\n"], "end"),
    Stream([event("ERROR", {"code": 500, "message": "etcd is away"})], "end"),
    Stream([], "end"),
]


@pytest.mark.parametrize("step", TRANSIENT, ids=range(len(TRANSIENT)))
def test_a_trouble_that_passes_goes_on_from_the_last_version(step: Step, fast: None, closing: list[Watch]) -> None:
    server = Server(Stream([event("ADDED", pod(3, 12))], "end"), step)
    server.last = Stream([event("DELETED", pod(1, 13))], None)
    watch = server.watch()
    closing.append(watch)
    watch.start()
    server.until_silent()
    assert server.versions() == ["11", "12", "12"]
    assert server.lists == 1
    assert names(watch) == ["p2", "p3"]


def test_sight_is_lost_after_patience_and_comes_back(closing: list[Watch]) -> None:
    first = Stream([], RESET)
    silence, over = threading.Event(), threading.Event()
    server = Server(first)
    server.last = Stream([], None)
    watch = server.watch()
    closing.append(watch)

    def away(request: Request, timeout_s: float, silence_s: float) -> Stream:
        silence.set()
        if not over.is_set():
            raise NoAnswer("connection refused", timeout=False, sent=False)
        return server.last

    watch.start()
    server.stream = away  # type: ignore[method-assign]
    assert silence.wait(5)
    time.sleep(0.02)
    assert names(watch) == ["p1", "p2"], "for a moment"
    server.clock.elapsed += 2.5
    with pytest.raises(ApiError, match="us-east-1: watch Pod exchange: connection refused") as caught:
        watch.snapshot()
    assert caught.value.retriable
    over.set()
    server.until_silent()
    assert names(watch) == ["p1", "p2"]


def test_the_server_may_say_how_long_to_wait(closing: list[Watch]) -> None:
    server = Server(refused(429, **{"Retry-After": "1"}))
    closing.append(server.watch())
    closing[0].start()
    server.until_silent()
    (first, _), (second, _) = server.watched
    assert second - first >= 1.0


def test_who_may_not_watch_finds_out_at_once(closing: list[Watch]) -> None:
    server = Server()

    def refuse(request: Request, timeout_s: float, silence_s: float) -> Stream:
        time.sleep(0.1)
        return Stream([], "end", refused(403, "cannot watch pods"))

    server.stream = refuse  # type: ignore[method-assign]
    closing.append(server.watch())
    with pytest.raises(ApiError, match="cannot watch pods") as caught:
        closing[0].snapshot()
    assert (caught.value.kind, caught.value.retriable) == ("forbidden", False)
    with pytest.raises(ApiError, match="cannot watch pods"):
        closing[0].snapshot()


def test_who_may_not_list_finds_out_at_once() -> None:
    server = FakeKube()
    server.denied.add(("list", "pods"))
    watch = Watch(server.api(FakeClock()), "v1", "Pod", "exchange", trim=lambda obj: obj, changed=threading.Event())
    with pytest.raises(ApiError) as caught:
        watch.snapshot()
    assert caught.value.kind == "forbidden"
    watch.close()


def test_a_kind_that_the_server_lacks_is_named() -> None:
    kube = FakeKube().api(FakeClock())
    watch = Watch(kube, "example.com/v1", "Widget", "exchange", trim=lambda obj: obj, changed=threading.Event())
    with pytest.raises(ApiError, match=r"does not know example\.com/v1 Widget"):
        watch.snapshot()


def test_a_refusal_of_what_was_allowed_is_doubted_for_a_while(fast: None, closing: list[Watch]) -> None:
    # The end waits for the test, so that the first watch is surely seen as accepted.
    first = Stream([], None)
    server = Server(first)
    watch = server.watch()
    closing.append(watch)
    watch.snapshot()
    refusals = threading.Semaphore(0)

    def refuse(request: Request, timeout_s: float, silence_s: float) -> Stream:
        refusals.release()
        time.sleep(0.005)
        return Stream([], "end", refused(403, "RBAC: clusterrole not found"))

    server.stream = refuse  # type: ignore[method-assign]
    first.close()
    assert refusals.acquire(timeout=5)
    assert refusals.acquire(timeout=5), "asked again"
    server.clock.elapsed += 3
    with pytest.raises(ApiError) as caught:
        watch.snapshot()
    assert caught.value.retriable, "a server that starts"
    server.clock.elapsed += 3
    with pytest.raises(ApiError, match="clusterrole not found") as caught:
        for _try in range(500):
            with pytest.raises(ApiError) as seen:
                watch.snapshot()
            if not seen.value.retriable:
                raise seen.value
            time.sleep(0.01)
    assert not caught.value.retriable


def test_a_fault_of_our_own_is_not_kept_to_the_thread(closing: list[Watch]) -> None:
    server = Server()
    server.last = Stream([event("ADDED", {**pod(3, 12), "status": None})], None)

    def trim(obj: JsonObject) -> JsonObject:
        obj["status"].get("phase")
        return obj

    closing.append(server.watch(trim=trim))
    closing[0].start()
    for _try in range(500):
        try:
            closing[0].snapshot()
        except AttributeError:
            break
        time.sleep(0.01)
    else:
        pytest.fail("it went on with what it knew")


def test_close_does_not_wait_for_news() -> None:
    server = Server()
    watch = server.watch()
    watch.snapshot()
    server.until_silent()
    began = time.monotonic()
    watch.close()
    assert time.monotonic() - began < 0.3
    assert not [thread for thread in threading.enumerate() if thread is watch._thread]


def test_close_does_not_wait_for_the_next_try() -> None:
    server = Server(*[refused(503, **{"Retry-After": "30"})] * 9)
    watch = server.watch()
    watch.start()
    while not server.watched:
        time.sleep(0.01)
    began = time.monotonic()
    watch.close()
    assert time.monotonic() - began < 0.3


@given(st.integers(0, 100_000))
@settings(max_examples=50)
def test_back_off_has_a_bound_and_jitter(tries: int) -> None:
    pauses = {back_off(tries) for _time in range(20)}
    assert all(0 <= pause <= 2.0 for pause in pauses)
    assert pauses == {0.0} if tries == 0 else len(pauses) > 1
    if 0 < tries < 10:
        assert min(pauses) >= min(0.1 * 2 ** (tries - 1), 2.0) / 2


class Log:
    """Answers a watch with every event after its version, cut where the test says, in parts as the test says."""

    renews = False

    def __init__(self, events: list[tuple[str, int]], cuts: list[int], sizes: list[int]) -> None:
        self.model: dict[str, str] = {}
        self.events: list[tuple[int, bytes]] = []
        for version, (kind, number) in enumerate(events, start=1):
            obj = pod(number, version)
            self.events.append((version, bookmark(version) if kind == "BOOKMARK" else event(kind, obj)))
            if kind == "DELETED":
                self.model.pop(f"u{number}", None)
            elif kind != "BOOKMARK":
                self.model[f"u{number}"] = str(version)
        self.cuts, self.sizes = cuts, sizes
        self.last: Stream | None = None
        self.at_end = threading.Event()

    def request(self, request: Request, timeout_s: float) -> Answer:
        return Server().request(request, timeout_s) if request.path == "/api/v1" else Answer(200, EMPTY, {})

    def stream(self, request: Request, timeout_s: float, silence_s: float) -> Stream:
        since = int(request.query["resourceVersion"])
        data = b"".join(line for version, line in self.events if version > since)
        end: NoAnswer | None = None
        if self.cuts:
            data, end = data[: self.cuts.pop()], RESET
        parts, place = [], 0
        while place < len(data):
            size = self.sizes[len(parts) % len(self.sizes)]
            parts.append(data[place : place + size])
            place += size
        self.last = Stream(parts, end)
        if end is None:
            self.last.silent = self.at_end
        return self.last


EMPTY = json.dumps({"metadata": {"resourceVersion": "0"}, "items": []}).encode()
KIND = st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"])


@given(
    st.lists(st.tuples(KIND, st.integers(0, 4)), max_size=30),
    st.lists(st.integers(0, 2000), max_size=5),
    st.lists(st.integers(1, 300), min_size=1, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_wherever_the_bytes_are_cut_the_snapshot_is_the_same(
    events: list[tuple[str, int]], cuts: list[int], sizes: list[int]
) -> None:
    log = Log(events, cuts, sizes)
    kube = KubeApi(log, FakeClock(), "us-east-1")
    watch = Watch(kube, "v1", "Pod", "exchange", trim=lambda obj: obj, changed=threading.Event())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch_module, "back_off", lambda tries: 0.0)
        watch.start()
        assert log.at_end.wait(5)
        found = {obj["metadata"]["uid"]: obj["metadata"]["resourceVersion"] for obj in watch.snapshot()}
        watch.close()
    assert found == log.model
