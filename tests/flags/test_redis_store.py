# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The set over a real Redis: its script, what clients hear, TLS and ACL, sentinels, and many writers at once."""

from __future__ import annotations

import concurrent.futures
import pathlib
import threading
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redis_link import connect
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import redis_store
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Page, Texts
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.redis_store import RedisStore
from fakes import FakeKube
from flag_samples import switch
from flag_world import FlagWorld
from redis_server import PASSWORD, USER, RedisServer, Sentinel, documented_rights

Json = dict[str, t.Any]

_NOT_GIVEN: t.Final = dict.fromkeys(("service", "username", "password_file", "ca_cert", "client_cert", "client_key"))
_WRITERS: t.Final = 50


class OrderedKube(FakeKube):
    """Many threads may ask it: one request after the other, as an API server stores them."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()

    def request(self, request: Request, timeout_s: float) -> Answer:
        with self._turn:
            return super().request(request, timeout_s)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[RedisServer]:
    made = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(autouse=True)
def empty(server: RedisServer) -> None:
    server.client().flushall()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, server: RedisServer) -> FlagWorld:
    made = FlagWorld(monkeypatch, tmp_path)
    monkeypatch.setattr(redis_store, "connect", connect)
    made.servers = {name: OrderedKube() for name in made.servers}
    made.clock = SystemClock()  # type: ignore[assignment]
    made.stores[0]["redis"] = server.options
    return made


def store_of(options: Json, patience_s: float = 2.0) -> RedisStore:
    given = {**_NOT_GIVEN, "mode": "single", "prefix": "pincex-flags", **options, "name": "redis"}
    return RedisStore.from_options(given, SystemClock(), patience_s)


def document(server: RedisServer) -> str:
    found = server.client().get("{pincex-flags}:document")
    assert isinstance(found, bytes)
    return found.decode()


def test_what_is_written_is_read_and_told(server: RedisServer) -> None:
    heard = server.client().pubsub()
    heard.subscribe("{pincex-flags}:changed")
    assert heard.get_message(timeout=2.0)
    store = store_of(server.options)
    texts = Texts('{"flags":{"é":1}}', "the ledger")
    store.write(texts, 3, store.read(), [Page(2, "two"), Page(3, "three")])
    assert store.read().texts == texts
    told = heard.get_message(timeout=2.0)
    assert told is not None and told["data"] == b"3"
    assert store.page(2) == Page(2, "two") and store.page(4) is None
    assert sorted(page.revision for page in store.history()) == [2, 3]


def test_nothing_is_written_over_what_was_not_read(server: RedisServer) -> None:
    store = store_of(server.options)
    old = store.read()
    store.write(Texts("one", "1"), 5, old, [])
    with pytest.raises(ReleaseError) as caught:
        store.write(Texts("two", "2"), 5, old, [])
    assert (caught.value.kind, caught.value.retriable) == ("conflict", True)
    server.client().set("{pincex-flags}:document", "by hand")
    with pytest.raises(ReleaseError, match="somebody else has written it in between"):
        store.write(Texts("two", "2"), 6, old, [])
    assert document(server) == "by hand"


def test_no_lower_revision_is_taken(server: RedisServer) -> None:
    store = store_of(server.options)
    store.write(Texts("one", "1"), 5, store.read(), [])
    with pytest.raises(ReleaseError) as caught:
        store.write(Texts("two", "2"), 4, store.read(), [])
    assert caught.value.kind == "lower" and "it has revision 5, which is higher than 4" in caught.value.message
    store.write(Texts("two", "2"), 5, store.read(), [])
    assert document(server) == "two"


def test_the_history_ends_after_50_revisions(server: RedisServer) -> None:
    store = store_of(server.options)
    for number in range(1, 61):
        store.write(Texts("d", str(number)), number, store.read(), [Page(number, f"page {number}")])
    assert sorted(page.revision for page in store.history()) == list(range(11, 61))


def use_all(store: RedisStore) -> None:
    """Every command that a store has."""
    store.write(Texts("one", "1"), 1, store.read(), [Page(1, "page")])
    store.keep(Texts("lost", "0"), "0123")
    assert store.read().texts == Texts("one", "1")
    assert store.page(1) == Page(1, "page") and store.history() == [Page(1, "page")]


@pytest.mark.parametrize("mode", ["single", "sentinel", "cluster"])
def test_the_documented_rights_are_enough(mode: str, tmp_path: pathlib.Path) -> None:
    clustered = mode == "cluster"
    limited = RedisServer(tmp_path / "redis", cluster=clustered, rights=documented_rights(clustered))
    sentinel = Sentinel(tmp_path / "sentinel", limited)
    try:
        limited.start()
        if mode == "sentinel":
            sentinel.start()
        use_all(store_of(sentinel.options if mode == "sentinel" else limited.options))
        refused = [entry["object"] for entry in limited.client().acl_log()]
        # Who the client is, which it tells a server that wants to know.
        assert set(refused) <= {"client|setinfo"}
    finally:
        sentinel.stop()
        limited.stop()


@pytest.mark.parametrize("clustered", [False, True])
def test_none_of_the_documented_rights_is_too_much(clustered: bool, tmp_path: pathlib.Path) -> None:
    rights = documented_rights(clustered)
    limited = RedisServer(tmp_path / "redis", cluster=clustered, rights=rights)
    try:
        limited.start()
        for right in rights.split():
            others = [one for one in rights.split() if one != right]
            limited.client().flushall()
            limited.client().execute_command("ACL", "SETUSER", USER, "reset", "on", f">{PASSWORD}", *others)
            with pytest.raises(ReleaseError):
                use_all(store_of(limited.options))
            # Nothing is there that no client was told of.
            assert right not in ("+publish", "&{pincex-flags}:*") or limited.client().keys("*") == []
    finally:
        limited.stop()


def test_tls_and_a_user_with_few_rights(tmp_path: pathlib.Path) -> None:
    secured = RedisServer(tmp_path / "secured", secured=True, rights=documented_rights())
    try:
        secured.start()
        use_all(store_of(secured.options))
        (tmp_path / "wrong").write_text("not the password")
        for change, kind in (
            ({"password_file": str(tmp_path / "wrong")}, "auth"),
            ({"prefix": "others"}, "auth"),
            ({"ca_cert": None}, "unreachable"),
            # A certificate of somebody else, whom its authority trusts as well.
            ({"url": secured.options["url"].replace("127.0.0.1", "localhost")}, "unreachable"),
            ({"url": secured.options["url"].replace("rediss", "redis")}, "unreachable"),
        ):
            with pytest.raises(ReleaseError) as caught:
                store_of({**secured.options, **change}).read()
            assert caught.value.kind == kind, caught.value.message
            assert "password" not in caught.value.message.replace("username-password", "")
    finally:
        secured.stop()


def test_the_master_that_a_sentinel_names(server: RedisServer, tmp_path: pathlib.Path) -> None:
    sentinel = Sentinel(tmp_path / "sentinel", server)
    try:
        sentinel.start()
        store = store_of(sentinel.options)
        store.write(Texts("one", "1"), 1, store.read(), [])
        assert document(server) == "one"
        with pytest.raises(ReleaseError) as caught:
            store_of({**sentinel.options, "service": "nobody"}).read()
        assert caught.value.kind == "unreachable"
    finally:
        sentinel.stop()


def test_a_cluster_has_all_keys_in_one_place(tmp_path: pathlib.Path) -> None:
    node = RedisServer(tmp_path / "cluster", cluster=True)
    try:
        node.start()
        use_all(store_of(node.options))
    finally:
        node.stop()


def test_one_that_is_away_says_so_in_its_time(tmp_path: pathlib.Path) -> None:
    nobody = RedisServer(tmp_path / "nobody")
    for options in (nobody.options, {**nobody.options, "mode": "cluster"}):
        with pytest.raises(ReleaseError) as caught:
            store_of(options, 0.2).read()
        assert (caught.value.kind, caught.value.system, caught.value.retriable) == ("unreachable", "redis", True)


def test_every_action_over_a_real_redis(world: FlagWorld, server: RedisServer) -> None:
    world.good("set", definitions={"margin_trading": switch()})
    world.good("rollout", flags=["margin_trading"], percent=25)
    world.good("kill", flags=["margin_trading"])
    assert '"killed":true' in document(server)
    world.good("restore", flags=["margin_trading"])
    world.good("rollback", revision=1)
    found = [one["action"] for one in world.good("history")["history"]]
    assert found == ["rollback", "restore", "kill", "rollout", "set"]
    server.client().flushall()
    assert world.good("reconcile")["repaired"] == ["redis"]
    assert world.good("status")["verdict"] == "pass"


def test_of_50_writers_at_once_none_is_lost(world: FlagWorld, server: RedisServer) -> None:
    """Each sets a flag of its own, and every tenth kills one besides."""
    names = [f"flag-{number}" for number in range(_WRITERS)]
    world.good("set", definitions={name: switch() for name in names})

    def write(name: str) -> Json:
        if name.endswith("0"):
            assert world.good("kill", flags=[f"flag-{int(name[5:]) + 1}"], deadline_s=120)["away"] == []
        return world.good("toggle", flags=[name], value=True, deadline_s=120)

    with concurrent.futures.ThreadPoolExecutor(_WRITERS) as pool:
        results = list(pool.map(write, [name for name in names if not name.endswith("1")]))
    assert [result["warnings"] for result in results if result["away"]] == []
    world.redis.keys["{pincex-flags}:document"] = document(server)
    assert world.good("status")["verdict"] == "pass"
    found = world.the_same()
    killed = {name for name, flag in found["flags"].items() if flag["metadata"].get("killed")}
    assert killed == {f"flag-{number}" for number in range(1, _WRITERS, 10)}
    on = {name for name, flag in found["flags"].items() if flag["defaultVariant"] == "on"}
    assert on == set(names) - killed
    numbers = [one["revision"] for one in world.good("history", limit=100)["history"] if one["revision"]]
    assert numbers == list(range(len(results) + 1, 0, -1))
