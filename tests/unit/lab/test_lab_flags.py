# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flags of a lab: who may do what in its Redis, what they are at first, and what its state says."""

from __future__ import annotations

import json
import pathlib

import pytest
import redis
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.stores import MAP
from flag_world import FlagWorld

from lab import flags, model
from lab.exchange.features import DEFAULTS


def test_redis_takes_two_users_and_knows_no_password() -> None:
    passwords = {flags.WRITER: "first secret", flags.READER: "second secret"}
    text = flags.redis_config(pathlib.Path("/x"), "198.18.16.2", passwords)
    lines = text.splitlines()
    assert {"bind 198.18.16.2", "port 6379", 'dir "/x"', "user default off ~* &* +@all"} <= set(lines)
    users = {line.split()[1]: line.split() for line in lines if line.startswith("user ") and "on" in line.split()}
    assert set(users) == {flags.WRITER, flags.READER}
    assert not {"+set", "+eval", "+publish"} & set(users[flags.READER])
    assert "secret" not in text


def test_at_first_the_flags_are_what_the_exchange_does_without() -> None:
    found = {name: flag["defaultVariant"] == "on" for name, flag in json.loads(flags.document())["flags"].items()}
    assert found == DEFAULTS


class Keys:
    """A Redis that answers, unless it has an `error` to raise."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.error: redis.RedisError | None = None

    def _answer(self) -> None:
        if self.error is not None:
            raise self.error

    def set(self, key: str, value: str, nx: bool) -> None:
        self._answer()
        assert nx
        self.keys.setdefault(key, value)

    def get(self, key: str) -> str | None:
        self._answer()
        return self.keys.get(key)


@pytest.mark.parametrize("error", [redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError])
def test_a_redis_that_does_not_answer_yet_is_asked_again(tmp_path: pathlib.Path, error: type[redis.RedisError]) -> None:
    server = Keys()
    server.error = error("not yet")
    assert flags.defined(server, tmp_path / "defined") is None
    assert not (tmp_path / "defined").exists()


def test_the_first_flags_are_written_once_and_not_into_a_redis_that_was_emptied(tmp_path: pathlib.Path) -> None:
    """It had kills, and clients would get their flags back. What the other stores have brings them."""
    server, marker = Keys(), tmp_path / "defined"
    for _time in range(2):
        assert flags.defined(server, marker) is True
        assert list(server.keys.values()) == [flags.document()]
    server.keys.clear()
    assert flags.defined(server, marker) is False
    assert server.keys == {}


def test_the_first_change_takes_the_first_flags_over(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """The lab uses nothing of the collection; here the two are held together."""
    world = FlagWorld(monkeypatch, tmp_path)
    world.redis.keys[f"{{{MAP}}}:document"] = flags.document()
    result = world.good("toggle", name=flags.SET, flags=["margin_trading"], value=True)
    assert (result["verdict"], result["revision"]) == ("pass", {"before": 0, "after": 1})
    assert {name: flag["defaultVariant"] for name, flag in world.the_same()["flags"].items()} == {
        "margin_trading": "on",
        "high_frequency_orders": "on",
    }


def test_the_state_says_where_and_not_the_password(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "ROOT", tmp_path)
    lab = model.plan_lab("test")
    assert flags.state(lab) == {}
    file = flags.password_file(lab, flags.WRITER)
    file.parent.mkdir(parents=True)
    file.write_text("first secret\n")
    state = flags.state(lab)
    assert (state["redis"], state["sync"]) == ("redis://198.18.16.2:6379", "198.18.16.2:8015")
    assert state["password_file"] == str(file)
    assert state["backup"].startswith(str(lab.home))
    assert "secret" not in json.dumps(state)
