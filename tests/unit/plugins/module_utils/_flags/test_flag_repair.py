# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores that are away, edited, or from another time: they agree after one more run, and no kill is undone."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import decode
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Texts
from flag_samples import switch
from flag_world import FlagWorld

Json = dict[str, t.Any]
STORES: t.Final = ("fleet", "redis", "us", "eu", "backup")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> FlagWorld:
    made = FlagWorld(monkeypatch, tmp_path)
    made.good("set", definitions={"margin_trading": switch("on"), "new_fees": switch("off")})
    return made


def test_a_region_that_is_away_holds_nobody_up_and_gets_it_later(world: FlagWorld) -> None:
    world.cut("us")
    result = world.good("toggle", flags=["new_fees"], value=True)
    assert (result["verdict"], result["away"]) == ("hold", ["us"])
    assert result["stores"]["us"]["now"] == "away" and "connection refused" in result["stores"]["us"]["reason"]
    assert world.documents()["eu"]["metadata"]["version"] == "2"
    world.mend("us")
    again = world.good("toggle", flags=["new_fees"], value=True)
    assert (again["changed"], again["repaired"], again["differing"]) == (True, ["us"], ["us"])
    assert again["stores"]["us"]["was"] == "behind" and again["lost"] == []
    assert world.the_same()["metadata"]["version"] == "2"


def test_a_kill_needs_no_fleet(world: FlagWorld) -> None:
    world.cut("management")
    assert "management" not in world.refused("toggle", flags=["new_fees"], value=True)
    result = world.good("kill", flags=["margin_trading"])
    assert (result["verdict"], result["away"]) == ("hold", ["fleet"])
    assert world.documents()["redis"]["flags"]["margin_trading"]["metadata"]["killed"]
    world.mend("management")
    assert world.good("reconcile")["repaired"] == ["fleet"]
    assert world.flag("margin_trading")["metadata"]["killed"]


@pytest.mark.parametrize("only", ["redis", "us", "backup"])
def test_a_kill_that_only_one_store_has_seen_wins(world: FlagWorld, only: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one_store = [store for store in world.stores if store["name"] == only]
    every_store, world.stores = world.stores, one_store
    world.cut("management")
    world.good("kill", flags=["margin_trading"])
    world.mend("management")
    world.stores = every_store
    assert world.good("status")["killed"].keys() == {"margin_trading"}
    result = world.good("toggle", flags=["new_fees"], value=True)
    assert set(result["repaired"]) == set(STORES) - {only, "fleet"} or set(result["repaired"]) == set(STORES) - {only}
    assert world.flag("margin_trading")["metadata"]["killed"]


def test_a_redis_from_an_old_dump_undoes_no_kill_and_no_revision(world: FlagWorld) -> None:
    dump = world.redis.dump()
    world.good("toggle", flags=["new_fees"], value=True)
    world.good("kill", flags=["margin_trading"])
    world.redis.load(dump)
    result = world.good("reconcile")
    assert (result["repaired"], result["lost"]) == (["redis"], [])
    assert world.flag("margin_trading")["metadata"]["killed"]
    assert world.the_same()["metadata"]["version"] == "2"


def test_an_old_dump_with_a_kill_that_was_restored_does_not_kill_again(world: FlagWorld) -> None:
    world.good("kill", flags=["margin_trading"])
    dump = world.redis.dump()
    world.good("restore", flags=["margin_trading"])
    world.redis.load(dump)
    world.good("reconcile")
    assert "killed" not in world.flag("margin_trading")["metadata"]


def test_a_kill_made_while_a_restore_could_not_reach_a_store_stays(world: FlagWorld) -> None:
    world.good("kill", flags=["margin_trading"])
    world.cut("us")
    world.good("restore", flags=["margin_trading"])
    every, world.stores = world.stores, [store for store in world.stores if store["name"] == "us"]
    world.cut("management")
    world.mend("us")
    # Dead there already by the first kill, but nobody can say whether that was restored in the store that is away.
    assert world.good("kill", flags=["margin_trading"])["changed"]
    world.mend("management")
    world.stores = every
    world.good("reconcile")
    assert world.flag("margin_trading")["metadata"]["killed"]
    assert world.good("status")["killed"].keys() == {"margin_trading"}


def test_a_flag_that_is_killed_again_and_again_while_a_store_is_away_has_one_kill_that_lives(world: FlagWorld) -> None:
    world.good("kill", flags=["margin_trading"])
    world.cut("us")
    sizes = []
    for _time in range(4):
        world.good("kill", flags=["margin_trading"])
        kills = decode(Texts(*(world.redis.keys[f"{{pincex-flags}}:{name}"] for name in ("document", "ledger"))))
        assert kills.state is not None
        known = kills.state.kills
        sizes.append(len([one for one in known.killed if one not in known.restored]))
    assert sizes == [1, 1, 1, 1]
    world.mend("us")
    # Where all stores answer it is so already.
    world.good("reconcile")
    before = world.everything()
    assert not world.good("kill", flags=["margin_trading"])["changed"] and world.everything() == before
    assert sorted(one["action"] for one in world.good("history")["history"]) == ["kill"] * 5 + ["set"]
    world.good("restore", flags=["margin_trading"])
    assert "killed" not in world.flag("margin_trading")["metadata"]


def test_an_empty_redis_gets_everything(world: FlagWorld) -> None:
    world.good("kill", flags=["margin_trading"])
    world.redis.load({"keys": {}, "hashes": {}})
    assert world.good("reconcile")["stores"]["redis"]["was"] == "empty"
    assert world.flag("margin_trading")["metadata"]["killed"]


def test_what_somebody_has_edited_is_kept_and_shown(world: FlagWorld) -> None:
    data = world.servers["us"].take(world.ref("us"))["data"]
    document = json.loads(data["flags.flagd.json"])
    document["flags"]["new_fees"]["defaultVariant"] = "on"
    edited = json.dumps(document)
    world.servers["us"].change(world.ref("us"), data={**data, "flags.flagd.json": edited})
    status = world.good("status")
    assert (status["verdict"], status["differing"]) == ("fail", ["us"])
    assert status["stores"]["us"]["differs"] == ["new_fees"]
    result = world.good("reconcile")
    assert result["stores"]["us"]["was"] == "edited" and result["repaired"] == ["us"]
    (lost,) = result["lost"]
    assert (lost["store"], lost["flags"]) == ("us", ["new_fees"])
    kept = world.servers["us"].take(world.ref("us", f"pincex-flags-lost-{lost['sha256'][:12]}"))
    assert kept["data"]["flags.flagd.json"] == edited and kept["immutable"]
    world.the_same()


def test_a_kill_in_an_edited_store_works_at_once_and_the_edit_is_kept(world: FlagWorld) -> None:
    key = "{pincex-flags}:document"
    document = json.loads(world.redis.keys[key])
    document["flags"]["new_fees"]["defaultVariant"] = "on"
    world.redis.keys[key] = json.dumps(document)
    result = world.good("kill", flags=["margin_trading"])
    assert world.flag("margin_trading")["metadata"]["killed"] and world.flag("new_fees")["defaultVariant"] == "off"
    assert [one["store"] for one in result["lost"]] == ["redis", "redis"]
    assert json.dumps(document) in world.redis.hashes["{pincex-flags}:lost"].values()


def test_a_higher_number_in_an_edited_store_makes_a_higher_one(world: FlagWorld) -> None:
    """A store takes no lower revision, also of what is right."""
    for value in (True, False):
        world.good("toggle", flags=["new_fees"], value=value)
    old = {name: server.take(world.ref(name)) for name, server in world.servers.items()}
    file = {path: path.read_text() for path in world.path.parent.iterdir() if path.is_file()}
    world.good("toggle", flags=["margin_trading"], value=False)
    for name, obj in old.items():
        world.servers[name].put(obj)
    for path, text in file.items():
        path.write_text(text)
    document = json.loads(world.redis.keys["{pincex-flags}:document"])
    document["flags"]["margin_trading"]["defaultVariant"] = "on"
    world.redis.keys["{pincex-flags}:document"] = json.dumps(document)
    result = world.good("reconcile")
    assert result["revision"] == {"before": 3, "after": 5}
    assert world.the_same()["metadata"]["version"] == "5"
    assert [one["store"] for one in result["lost"]] == ["redis"]


def test_two_pasts_meet_and_one_is_kept(world: FlagWorld) -> None:
    """The fleet's cluster came back from an old backup, and went on from there while Redis could not be reached."""
    backup = world.servers["management"].take(world.ref("management"))
    world.good("toggle", flags=["new_fees"], value=True)
    world.good("toggle", flags=["new_fees"], value=False)
    world.servers["management"].put(backup)
    every, world.stores = world.stores, []
    world.good("toggle", flags=["margin_trading"], value=False)
    world.stores = every
    result = world.good("reconcile")
    assert world.the_same()["metadata"]["version"] == "3"
    assert [(one["store"], one["flags"]) for one in result["lost"]] == [("fleet", ["margin_trading", "new_fees"])]


def test_a_file_of_flagd_without_a_ledger_is_taken_over(world: FlagWorld) -> None:
    document = {"flags": {"old": switch("on")}}
    for server in world.servers.values():
        server.stored.clear()
    world.redis.load({"keys": {}, "hashes": {}})
    for path in world.path.parent.rglob("*.json"):
        path.unlink()
    world.path.write_text(json.dumps(document))
    world.good("reconcile")
    assert world.the_same()["flags"] == {"old": switch("on")}
    assert world.the_same()["metadata"]["version"] == "1"


def test_a_writer_that_was_faster_is_not_written_over(world: FlagWorld) -> None:
    """The other one commits between the read and the write of this one."""
    busy = []

    def other(request: Request) -> Answer | None:
        if request.method == "PATCH" and not busy:
            busy.append(request)
            world.good("toggle", flags=["new_fees"], value=True)
        return None

    world.servers["management"].before.append(other)
    result = world.good("toggle", flags=["margin_trading"], value=False)
    assert result["revision"] == {"before": 2, "after": 3}
    document = world.the_same()
    assert document["flags"]["new_fees"]["defaultVariant"] == "on"
    assert document["flags"]["margin_trading"]["defaultVariant"] == "off"
    assert [one["revision"] for one in world.good("history")["history"]] == [3, 2, 1]


def test_a_slow_writer_finds_a_newer_revision_and_leaves_it(world: FlagWorld) -> None:
    """It has its number, and while it is on its way to Redis the next one is everywhere already."""
    world.redis.before = lambda: world.good("toggle", flags=["new_fees"], value=True)
    result = world.good("toggle", flags=["margin_trading"], value=False)
    assert result["revision"] == {"before": 1, "after": 2} and result["away"] == []
    document = world.the_same()
    assert document["metadata"]["version"] == "3"
    assert document["flags"]["new_fees"]["defaultVariant"] == "on"
    assert document["flags"]["margin_trading"]["defaultVariant"] == "off"


def test_a_kill_while_a_change_is_written_stays(world: FlagWorld) -> None:
    world.redis.before = lambda: world.good("kill", flags=["margin_trading"])
    world.good("toggle", flags=["new_fees"], value=True)
    assert world.flag("margin_trading")["metadata"]["killed"]
    assert world.flag("new_fees")["defaultVariant"] == "on"


def test_a_restore_while_a_change_is_written_is_not_lost(world: FlagWorld) -> None:
    """All stores have a newer revision when it comes to them."""
    world.good("kill", flags=["margin_trading"])
    world.redis.before = lambda: world.good("toggle", flags=["new_fees"], value=True)
    result = world.good("restore", flags=["margin_trading"])
    assert result["killed"] == {} and result["verdict"] == "pass"
    assert "killed" not in world.flag("margin_trading")["metadata"]
    assert world.the_same()["metadata"]["version"] == "2"


def test_a_kill_makes_no_content_of_the_set_of_an_edit_in_the_fleet(world: FlagWorld) -> None:
    data = world.servers["management"].take(world.ref("management"))["data"]
    document = json.loads(data["flags.flagd.json"])
    document["flags"]["new_fees"]["defaultVariant"] = "on"
    world.servers["management"].change(world.ref("management"), data={**data, "flags.flagd.json": json.dumps(document)})
    world.good("kill", flags=["margin_trading"])
    assert world.flag("new_fees")["defaultVariant"] == "off"
    assert world.flag("margin_trading")["metadata"]["killed"]


def test_a_kill_in_an_edited_store_alone_does_not_make_the_edit_good(world: FlagWorld) -> None:
    key = "{pincex-flags}:document"
    document = json.loads(world.redis.keys[key])
    document["flags"]["new_fees"]["defaultVariant"] = "on"
    world.redis.keys[key] = json.dumps(document)
    every, world.stores = world.stores, world.stores[:1]
    world.cut("management")
    world.good("kill", flags=["margin_trading"])
    world.mend("management")
    world.stores = every
    assert world.good("status")["stores"]["redis"]["was"] == "edited"
    world.good("reconcile")
    assert world.flag("new_fees")["defaultVariant"] == "off"
    assert world.flag("margin_trading")["metadata"]["killed"]


def test_an_answer_that_was_lost_is_looked_for(world: FlagWorld) -> None:
    world.redis.lose = True
    result = world.good("toggle", flags=["new_fees"], value=True)
    assert result["away"] == [] and result["changed"]
    lost = []

    def drop(request: Request) -> Answer | None:
        if request.method == "PATCH" and not lost:
            lost.append(request)
            raise NoAnswer("connection reset", timeout=False, sent=True, hopeless=True)
        return None

    world.servers["management"].after.append(drop)
    result = world.good("toggle", flags=["new_fees"], value=False)
    assert result["revision"] == {"before": 2, "after": 3} and result["changed"] and lost
    assert world.the_same()["metadata"]["version"] == "3"


def test_a_writer_that_was_killed_before_its_page_leaves_no_hole(world: FlagWorld) -> None:
    world.good("toggle", flags=["new_fees"], value=True)
    ref = world.ref("management", "pincex-flags-rev-2")
    del world.servers["management"].stored[ref]
    world.good("toggle", flags=["new_fees"], value=False)
    assert ref in world.servers["management"].stored


def test_a_cluster_that_nobody_can_connect_to_holds_no_kill_up(
    world: FlagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.cut("us")
    real = kube_module.connect

    def connect(kubeconfig: str, context: str, region: str, clock: t.Any) -> t.Any:
        if context in ("management", "us"):
            raise OptionError("kubeconfig", "/nowhere does not exist", region=region)
        return real(kubeconfig, context, region, clock)

    monkeypatch.setattr(kube_module, "connect", connect)
    assert world.good("kill", flags=["margin_trading"])["away"] == ["fleet", "us"]
    assert world.refused("toggle", flags=["new_fees"], value=True) == "kubeconfig: /nowhere does not exist"


def test_no_store_at_all(world: FlagWorld) -> None:
    for context in world.servers:
        world.cut(context)
    world.redis.away = True
    world.stores = [store for store in world.stores if store["name"] != "backup"]
    for action, given in (("kill", {"flags": ["new_fees"]}), ("restore", {"flags": ["new_fees"]})):
        assert world.refused(action, **given).startswith("no store of 4 took it; the first one says:")
    assert world.refused("reconcile")
    result = world.good("status")
    assert (result["verdict"], len(result["away"])) == ("fail", 4)


def test_a_secret_is_in_no_text(world: FlagWorld, tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2hunter2\n")
    world.stores[0]["redis"]["password_file"] = str(secret)
    world.redis.away = True
    assert "hunter2" not in json.dumps(world.good("kill", flags=["new_fees"]))
