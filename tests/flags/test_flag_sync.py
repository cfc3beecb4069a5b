# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example bridge: a real Redis, the bridge as a process, and real OpenFeature clients of it."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import pack
from flag_bridge import Bridge, module, soon, world_over
from flag_samples import switch
from flag_world import FlagWorld
from hypothesis import given
from hypothesis import strategies as st
from openfeature import api
from openfeature.client import OpenFeatureClient
from redis_server import RedisServer

Json = dict[str, t.Any]

FLAG: t.Final = "margin_trading"
KEYS: t.Final = tuple(f"{{pincex-flags}}:{name}" for name in ("document", "ledger", "revision", "history"))
flag_sync = module()


@pytest.fixture
def server(tmp_path: pathlib.Path) -> t.Iterator[RedisServer]:
    made = RedisServer(tmp_path / "redis")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, server: RedisServer) -> FlagWorld:
    made = world_over(server, monkeypatch, tmp_path)
    made.good("set", definitions={FLAG: switch("on"), "high_frequency_orders": switch("on")})
    return made


@pytest.fixture
def bridge(tmp_path: pathlib.Path, server: RedisServer) -> t.Iterator[Bridge]:
    made = Bridge(tmp_path, server)
    try:
        made.start()
        yield made
    finally:
        api.shutdown()
        made.stop()


def sees(client: OpenFeatureClient, wanted: bool, flag: str = FLAG) -> None:
    """Soon. The client's own default is the other one, so what it answers comes from the bridge."""
    soon(lambda: client.get_boolean_value(flag, not wanted), wanted)


def kept(server: RedisServer) -> dict[str, bytes]:
    """A dump of what the set has in Redis."""
    found = {key: server.client().dump(key) for key in KEYS}
    return {key: text for key, text in found.items() if isinstance(text, bytes)}


def put_back(server: RedisServer, dump: dict[str, bytes]) -> None:
    """As a Redis that comes back with an old dump, which tells nobody. The news are somebody's, and spare a wait."""
    for key, text in dump.items():
        server.client().restore(key, 0, text, replace=True)
    server.client().publish("{pincex-flags}:changed", "0")


def test_two_clients_see_a_kill_and_its_restore(world: FlagWorld, bridge: Bridge) -> None:
    clients = [bridge.client("one"), bridge.client("two")]
    for client in clients:
        sees(client, True)
    for action, wanted in (("kill", False), ("restore", True)):
        world.good(action, flags=[FLAG])
        for client in clients:
            sees(client, wanted)
            sees(client, True, "high_frequency_orders")
    assert json.loads(bridge.ask().stdout) == json.loads(world.path.read_text())


def test_flags_that_come_later_reach_a_client_that_waits(server: RedisServer, bridge: Bridge, world: FlagWorld) -> None:
    """`world` comes last, but the bridge may be slower: either way the client gets what there is."""
    sees(bridge.client("one"), True)


def test_without_flags_nothing_is_served(bridge: Bridge, server: RedisServer) -> None:
    bridge.said("Redis has no flags")
    asked = bridge.ask()
    assert (asked.returncode, asked.stdout) == (1, "") and "UNAVAILABLE: there are no flags" in asked.stderr


def test_redis_goes_and_comes_back_empty(world: FlagWorld, server: RedisServer, bridge: Bridge) -> None:
    client = bridge.client("one")
    world.good("kill", flags=[FLAG])
    sees(client, False)
    server.stop()
    bridge.said("Redis is away")
    assert json.loads(bridge.ask().stdout)["flags"][FLAG]["defaultVariant"] == "off"
    server.start()
    bridge.said("Redis has no flags any more; what is served stays: revision 1, 1 killed")
    sees(client, False)
    world.good("restore", flags=[FLAG])
    sees(client, True)


def test_an_old_dump_takes_nothing_back(world: FlagWorld, server: RedisServer, bridge: Bridge) -> None:
    client = bridge.client("one")
    old = kept(server)
    world.good("toggle", flags=["high_frequency_orders"], value=False)
    world.good("kill", flags=[FLAG])
    sees(client, False)
    put_back(server, old)
    # A change that only this Redis has got: the bridge has looked at the dump when it is seen.
    world.good("reconcile")
    world.good("set", definitions={"new_fees": switch("on")})
    sees(client, True, "new_fees")
    sees(client, False)
    sees(client, False, "high_frequency_orders")


def test_a_kill_in_an_old_dump_counts(world: FlagWorld, server: RedisServer, bridge: Bridge) -> None:
    """Somebody killed a flag in a Redis that had come back with an old dump, while everything else was away."""
    client = bridge.client("one")
    old = kept(server)
    world.good("toggle", flags=["high_frequency_orders"], value=False)
    sees(client, False, "high_frequency_orders")
    put_back(server, old)
    alone, world.stores = world.stores, world.stores[:1]
    for context in world.servers:
        world.cut(context)
    assert world.good("kill", flags=[FLAG])["away"]
    sees(client, False)
    sees(client, False, "high_frequency_orders")
    world.stores = alone
    for context in world.servers:
        world.mend(context)
    world.good("restore", flags=[FLAG])
    sees(client, True)


def test_the_bridge_goes_and_clients_find_it_again(world: FlagWorld, bridge: Bridge) -> None:
    client = bridge.client("one")
    sees(client, True)
    bridge.stop()
    world.good("kill", flags=[FLAG])
    # What it had last.
    assert client.get_boolean_value(FLAG, False) is True
    bridge.start()
    sees(client, False)


# -- its rules


def document(revision: int, *killed: str, **flags: Json) -> bytes:
    """Flags that are on, and those of `killed` (flag, dot, number of the kill)."""
    made = {name: switch("on") for name in ("a", "b")} | flags
    for one in killed:
        name, _, number = one.partition(".")
        made[name] = switch("off", metadata={"killed": True, "killId": number})
    return json.dumps({"metadata": {"version": str(revision)}, "flags": made}).encode()


def ledger(*restored: str) -> bytes:
    kills = {"killed": [], "restored": [[one, 1.0, "anna", "why"] for one in restored]}
    return json.dumps({"schema": 1, "kills": pack(kills)}).encode()


def off(served: t.Any) -> set[str]:
    flags = json.loads(served.text())["flags"]
    return {name for name, flag in flags.items() if flag["defaultVariant"] == "off"}


def after(*found: tuple[bytes, bytes]) -> t.Any:
    """What is served when Redis had that, one after the other."""
    served = None
    for one in found:
        served = flag_sync.serve_next(served, *one)
    return served


def test_a_lower_revision_changes_nothing() -> None:
    served = after((document(5, new=switch()), ledger()), (document(4), ledger()))
    assert served.revision == 5 and "new" in json.loads(served.text())["flags"]


def test_a_dump_of_the_same_revision_ends_no_kill_and_begins_none() -> None:
    """A kill and a restore keep the number of the revision."""
    killed = (document(5, "a.1"), ledger())
    assert off(after(killed, (document(5), ledger()))) == {"a"}
    restored = (document(5), ledger("a.1"))
    assert off(after(killed, restored)) == set()
    assert off(after(killed, restored, killed)) == set()
    # A second kill of the same flag is another one.
    assert off(after(killed, restored, (document(5, "a.2"), ledger("a.1")))) == {"a"}


def test_a_ledger_that_is_none_restores_nothing() -> None:
    killed = (document(5, "a.1"), ledger())
    for text in (b"", b"[]", b"{}", b'{"kills": 5}', b'{"kills": "H4sI"}', b"\xff"):
        assert off(after(killed, (document(6), text))) == {"a"}


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"flags": []}', b'{"flags": {"a": 5}}', b"\xff"])
def test_what_is_no_document_is_refused(text: bytes) -> None:
    with pytest.raises(flag_sync.BROKEN):
        flag_sync.serve_next(None, text, b"")


_kills = st.lists(st.sampled_from(["a.1", "a.2", "b.1"]), unique=True, max_size=2)


@given(st.lists(st.tuples(st.integers(1, 3), _kills, _kills), min_size=1, max_size=6))
def test_whatever_comes_a_kill_ends_by_its_restore_alone(steps: list[tuple[int, list[str], list[str]]]) -> None:
    served, found, restored, highest = None, set(), set(), 0
    for revision, killed, ended in steps:
        served = flag_sync.serve_next(served, document(revision, *killed), ledger(*ended))
        highest = max(highest, revision)
        # Of two kills of one flag a document tells the last one.
        found |= set({one.split(".")[0]: one for one in killed}.values())
        restored |= set(ended)
        assert served.revision == highest
        assert {one.split(".")[0] for one in found - restored} <= off(served)
        assert set(served.kills) == found - restored
