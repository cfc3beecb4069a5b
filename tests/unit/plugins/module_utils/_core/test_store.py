# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ConfigMap under compare-and-swap."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    LockLost,
    OptionError,
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Data, Store
from fakes import FakeClock, FakeKube, lose_answer

REF = Ref("v1", "ConfigMap", "things", "exchange")


@pytest.fixture
def server() -> FakeKube:
    return FakeKube()


@pytest.fixture
def store(server: FakeKube) -> Store:
    return Store(server.api(FakeClock()), "exchange", "things", {"a": "b"})


def count(data: Data) -> Data:
    return {**data, "n": str(int(data.get("n", "0")) + 1)}


def test_it_is_created_with_its_labels_and_then_patched(store: Store, server: FakeKube) -> None:
    assert store.change(count) is True
    assert store.change(count) is True
    assert server.take(REF)["data"] == {"n": "2"}
    assert server.take(REF)["metadata"]["labels"] == {"a": "b"}
    assert [request.method for request in server.writes()] == ["POST", "PATCH"]


def test_a_writer_in_between_is_not_overwritten(store: Store, server: FakeKube) -> None:
    store.change(count)
    server.change(REF, data={"n": "40", "other": "x"})
    store.change(count)
    assert server.take(REF)["data"] == {"n": "41", "other": "x"}


def test_somebody_else_may_create_it_first(store: Store, server: FakeKube) -> None:
    meta = {"name": "things", "namespace": "exchange"}
    store.read()
    server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"n": "7"}})
    store.change(count)
    assert server.take(REF)["data"] == {"n": "8"}


def test_keys_that_are_left_out_go_away(store: Store, server: FakeKube) -> None:
    store.change(lambda _old: {"a": "1", "b": "2"})
    store.change(lambda _old: {"b": "2"})
    assert server.take(REF)["data"] == {"b": "2"}


def test_nothing_is_written_when_all_is_right(store: Store, server: FakeKube) -> None:
    store.change(count)
    writes = len(server.writes())
    assert store.change(lambda data: data) is False
    assert store.change(lambda data: None) is False
    assert len(server.writes()) == writes


def test_a_lost_answer_makes_make_look_again(store: Store, server: FakeKube) -> None:
    store.change(count)
    server.after.append(lose_answer())
    seen: list[Data] = []

    def once(data: Data) -> Data | None:
        seen.append(data)
        return None if "mine" in data else {**data, "mine": "1"}

    store.change(once)
    assert server.take(REF)["data"] == {"n": "1", "mine": "1"}
    assert seen[-1]["mine"] == "1"


def test_after_a_conflict_the_lock_is_asked_for_before_the_next_try(store: Store, server: FakeKube) -> None:
    store.change(count)
    server.change(REF, data={"n": "40"})
    asked: list[int] = []

    def check() -> None:
        asked.append(len(server.writes()))
        if len(asked) > 1:
            raise LockLost("gone")

    with pytest.raises(LockLost):
        store.change(count, check)
    assert len(asked) == 2
    assert server.take(REF)["data"] == {"n": "40"}


def test_it_gives_up_when_everybody_writes(store: Store, server: FakeKube) -> None:
    store.change(count)

    def disturb(request: object) -> None:
        if getattr(request, "method", "") == "PATCH":
            server.change(REF, data={"x": str(server.version)})

    server.before.append(disturb)
    with pytest.raises(ReleaseError, match="changes faster than it can be written") as caught:
        store.change(count)
    assert caught.value.retriable


def test_a_missing_namespace_is_named(server: FakeKube) -> None:
    with pytest.raises(OptionError, match="namespace: nowhere does not exist"):
        Store(server.api(FakeClock()), "nowhere", "things", {}).change(count)
