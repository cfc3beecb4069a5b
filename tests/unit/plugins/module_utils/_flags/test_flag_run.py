# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module over stores in memory: every action, and the stores agree after it."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from flag_samples import fractional, switch
from flag_world import NAME, FlagWorld

Json = dict[str, t.Any]
FLAGS: t.Final = {"margin_trading": switch("off"), "new_fees": switch("on", metadata={"owner": "fees"})}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> FlagWorld:
    return FlagWorld(monkeypatch, tmp_path)


@pytest.fixture
def made(world: FlagWorld) -> FlagWorld:
    """Revision 1 in all stores."""
    assert world.good("set", definitions=FLAGS)["verdict"] == "pass"
    return world


def without_version(flag: Json) -> Json:
    metadata = {key: value for key, value in flag["metadata"].items() if key != "version"}
    return {
        **{key: value for key, value in flag.items() if key != "metadata"},
        **({"metadata": metadata} if metadata else {}),
    }


def test_a_set_is_made_in_all_stores(world: FlagWorld) -> None:
    result = world.good("set", definitions=FLAGS)
    document = world.the_same()
    assert document["metadata"] == {"flagSetId": NAME, "version": "1"}
    assert {name: without_version(flag) for name, flag in document["flags"].items()} == FLAGS
    assert result["changed"] and result["revision"] == {"before": 0, "after": 1}
    assert {one["was"] for one in result["stores"].values()} == {"same"} and result["differing"] == []
    assert world.redis.published == [("{pincex-flags}:changed", "1")]


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("set", {"definitions": {"margin_trading": switch("on")}}),
        ("set", {"definitions": {"margin_trading": None}}),
        ("toggle", {"flags": ["margin_trading", "new_fees"], "value": True}),
        ("rollout", {"flags": ["margin_trading"], "percent": 12.5}),
        ("ab", {"flags": ["margin_trading"], "weights": {"on": 1, "off": 1}}),
        ("kill", {"flags": ["new_fees"]}),
        ("rollback", {"revision": 1}),
        ("reconcile", {}),
        ("restore", {"flags": ["margin_trading"]}),
    ],
)
def test_check_mode_says_the_same_and_writes_nothing_and_twice_is_once(
    made: FlagWorld, action: str, given: Json
) -> None:
    if action == "rollback":
        made.good("toggle", flags=["margin_trading"], value=True)
    if action == "restore":
        made.good("kill", flags=["margin_trading"])
    before = made.everything()
    foretold = made.good(action, check_mode=True, **given)
    assert made.everything() == before
    done = made.good(action, **given)
    for key in ("changed", "flags", "moves", "diff", "revision", "sha256"):
        if action == "kill" and key in ("flags", "diff"):
            # A kill has an id of its own in each task.
            assert foretold[key].keys() == done[key].keys()
            continue
        assert foretold[key] == done[key], key
    assert done["changed"] is (action != "reconcile")
    assert done["verdict"] == "pass" and done["away"] == done["differing"] == done["repaired"] == []
    made.the_same()
    there = made.everything()
    assert made.good(action, **given)["changed"] is False
    assert made.everything() == there


def test_toggle(made: FlagWorld) -> None:
    result = made.good("toggle", flags=["margin_trading"], value=True)
    assert made.flag("margin_trading")["defaultVariant"] == "on"
    assert result["moves"] == {"margin_trading": [{"from": "off", "to": "on", "share": 1.0}]}
    assert made.flag("new_fees")["metadata"]["version"] == "1"
    assert made.flag("margin_trading")["metadata"]["version"] == "2"


def test_rollout_in_steps_says_who_changes_sides(made: FlagWorld) -> None:
    made.good("rollout", flags=["margin_trading"], percent=10)
    result = made.good("rollout", flags=["margin_trading"], percent=25)
    assert made.flag("margin_trading")["targeting"] == fractional(("on", 25), ("off", 75))
    assert result["moves"] == {"margin_trading": [{"from": "off", "to": "on", "share": pytest.approx(0.15, abs=1e-8)}]}


def test_a_kill_is_off_everywhere_and_restored_as_it_was(made: FlagWorld) -> None:
    made.good("rollout", flags=["margin_trading"], percent=25)
    before = made.flag("margin_trading")
    result = made.good("kill", flags=["margin_trading"], actor="ben", reason="it loses money")
    killed = made.flag("margin_trading")
    assert (killed["state"], killed["defaultVariant"], killed["metadata"]["killed"]) == ("ENABLED", "off", True)
    assert "targeting" not in killed
    assert result["killed"] == {"margin_trading": {"actor": "ben", "reason": "it loses money", "at": made.clock.now()}}
    assert result["moves"] == {"margin_trading": [{"from": "on", "to": "off", "share": 0.25}]}
    assert "killed by ben (it loses money)" in made.refused("toggle", flags=["margin_trading"], value=True)
    assert "killed by ben" in made.refused("set", definitions={"margin_trading": switch("on")})
    assert made.good("toggle", flags=["new_fees"], value=False)["killed"].keys() == {"margin_trading"}
    made.good("restore", flags=["margin_trading"])
    assert made.flag("margin_trading") == before


def test_a_kill_goes_to_redis_first_and_the_file_last(made: FlagWorld) -> None:
    made.good("kill", flags=["margin_trading"])
    assert made.lines[0] == "redis: margin_trading killed" and made.lines[-1] == "backup: margin_trading killed"
    assert len(made.lines) == 5 and len(made.redis.published) == 2


def test_a_kill_of_an_unknown_flag_kills_the_others_and_says_so(made: FlagWorld) -> None:
    result = made.call("kill", flags=["margin_trading", "margin_tradign"])
    assert result["failed"] and "there is no flag margin_tradign in any store" in result["msg"]
    assert result["changed"] and set(result["killed"]) == {"margin_trading"}
    assert made.flag("margin_trading")["metadata"]["killed"]


def test_rollback_is_a_new_revision_and_kills_stay(made: FlagWorld) -> None:
    made.good("toggle", flags=["margin_trading", "new_fees"], value=True)
    made.good("set", definitions={"more": switch()})
    made.good("kill", flags=["new_fees"])
    result = made.good("rollback", revision=1)
    document = made.the_same()
    assert document["metadata"]["version"] == "4" and result["revision"] == {"before": 3, "after": 4}
    assert set(document["flags"]) == {"margin_trading", "new_fees"}
    assert document["flags"]["margin_trading"]["defaultVariant"] == "off"
    assert document["flags"]["new_fees"]["metadata"]["killed"]
    made.good("restore", flags=["new_fees"])
    assert without_version(made.flag("new_fees")) == FLAGS["new_fees"]
    assert "no store that answered has revision 77" in made.refused("rollback", revision=77)


def test_the_history_has_who_what_when_and_why(made: FlagWorld) -> None:
    made.good("toggle", flags=["margin_trading"], value=True, actor="ben", reason="it is time")
    history = made.good("history")["history"]
    assert [one["revision"] for one in history] == [2, 1]
    assert {key: history[0][key] for key in ("action", "actor", "reason", "at")} == {
        "action": "toggle",
        "actor": "ben",
        "reason": "it is time",
        "at": "2027-01-15T08:00:00Z",
    }
    both = history[0]["flags"]["margin_trading"]
    assert (both["before"]["defaultVariant"], both["after"]["defaultVariant"]) == ("off", "on")
    assert history[0]["sha256"] == made.good("status")["sha256"]["after"]
    assert [one["revision"] for one in made.good("history", limit=1)["history"]] == [2]


def test_kills_and_restores_are_in_the_history(made: FlagWorld) -> None:
    made.clock.sleep(60.0)
    made.good("kill", flags=["margin_trading"], actor="ben", reason="it loses money")
    made.clock.sleep(60.0)
    made.good("restore", flags=["margin_trading"], reason="the fix is live")
    back, kill, first = made.good("history")["history"]
    assert (back["action"], kill["action"], first["action"]) == ("restore", "kill", "set")
    assert (kill["actor"], kill["reason"], kill["at"]) == ("ben", "it loses money", "2027-01-15T08:01:00Z")
    assert kill["flags"] == {"margin_trading": {"before": {"killed": False}, "after": {"killed": True}}}
    assert back["flags"] == {"margin_trading": {"before": {"killed": True}, "after": {"killed": False}}}
    assert (kill["revision"], back["sha256"]) == (None, None)


def test_pages_of_the_history_are_immutable_and_the_oldest_go(made: FlagWorld) -> None:
    for number in range(52):
        made.good("toggle", flags=["margin_trading"], value=number % 2 == 0)
    numbers = list(range(53, 3, -1))
    assert [one["revision"] for one in made.good("history", limit=100)["history"]] == numbers
    assert len(made.redis.hashes["{pincex-flags}:history"]) == 50
    names = [ref.name for ref in made.servers["us"].stored if "-rev-" in ref.name]
    assert len(names) == 50
    assert all(made.servers["us"].take(made.ref("us", name))["immutable"] for name in names)
    assert len(list(made.path.with_name("flags.flagd.json.history").iterdir())) == 50


def test_status_writes_nothing_and_lists_stale_flags(made: FlagWorld) -> None:
    made.good("set", definitions={"old": switch(metadata={"owner": "fees", "expires": "2026-12-31"})})
    before = made.everything()
    result = made.good("status")
    assert (result["verdict"], result["changed"]) == ("pass", False)
    assert sorted(result["definitions"]) == ["margin_trading", "new_fees", "old"]
    assert result["definitions"]["old"]["metadata"]["owner"] == "fees"
    assert result["stale"] == [{"flag": "old", "owner": "fees", "expires": "2026-12-31", "days": 14}]
    assert result["reason"] == f"{NAME}: revision 2, 3 flags, 0 killed; all stores agree"
    assert made.everything() == before


@pytest.mark.parametrize(
    ("action", "given", "said"),
    [
        ("toggle", {"flags": ["nope"], "value": True}, "flags: there is no flag nope; make it with action set"),
        ("restore", {"flags": ["nope"]}, "flags: there is no flag nope"),
        ("set", {"definitions": {"x": {"state": "ENABLED", "variants": {}}}}, "definitions: x: variants is empty"),
        (
            "ab",
            {"flags": ["margin_trading"], "weights": {"maybe": 1}},
            "weights: maybe is no variant of margin_trading",
        ),
        ("rollout", {"flags": ["margin_trading"], "percent": 1e-8}, "percent: has 8 decimal places"),
        ("ab", {"flags": ["margin_trading"], "weights": {"on": 1e-8}}, "weights: has 8 decimal places"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_written(
    made: FlagWorld, action: str, given: Json, said: str
) -> None:
    before = made.everything()
    assert made.refused(action, **given).startswith(said)
    assert made.everything() == before


def test_a_set_that_is_nowhere(world: FlagWorld) -> None:
    result = world.good("status")
    assert (result["verdict"], result["reason"]) == ("none", f"there is no flag set {NAME}")
    before = world.everything()
    assert not world.good("reconcile")["changed"] and world.everything() == before


def test_another_set_is_not_written_over(made: FlagWorld) -> None:
    before = made.everything()
    said = made.refused("set", name="pincex-other", definitions=FLAGS)
    assert said == f"name: fleet has the set {NAME}, not pincex-other; each has its own place"
    assert "fleet has the set" in made.refused("kill", name="pincex-other", flags=["new_fees"])
    assert made.everything() == before
    made.stores = []
    made.good("set", name="pincex-other", config_map="other-flags", definitions=FLAGS)
    assert set(made.servers["management"].stored) > {made.ref("management"), made.ref("management", "other-flags")}


def test_a_set_that_has_no_room_in_a_configmap_is_refused(made: FlagWorld) -> None:
    before = made.everything()
    many = {f"flag-{number:05}": switch(metadata={"owner": "x" * 200}) for number in range(3000)}
    assert "and a ConfigMap has 1000000 for them" in made.refused("set", definitions=many)
    assert made.everything() == before
