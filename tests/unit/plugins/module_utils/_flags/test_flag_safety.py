# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be written over, what must always go through, and what nobody must be told wrongly."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import STRATEGIC_PATCH
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import summed
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import configmap_store
from flag_samples import switch
from flag_world import FlagWorld


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> FlagWorld:
    made = FlagWorld(monkeypatch, tmp_path)
    made.good("set", definitions={"margin_trading": switch("on"), "new_fees": switch("off")})
    return made


def newer(texts: tuple[str, str], **fields: t.Any) -> tuple[str, str]:
    """Document and ledger as a newer version of the collection would have written them."""
    ledger = json.loads(texts[1])
    del ledger["checksum"]
    return texts[0], summed({**ledger, "schema": 2, **fields})


def make_newer(world: FlagWorld, context: str, **fields: t.Any) -> None:
    data = world.servers[context].take(world.ref(context))["data"]
    document, ledger = newer((data["flags.flagd.json"], data["ledger.json"]), **fields)
    world.servers[context].change(world.ref(context), data={"flags.flagd.json": document, "ledger.json": ledger})


@pytest.mark.parametrize("action", ["toggle", "kill", "restore", "reconcile"])
def test_a_store_of_a_newer_version_is_left_as_it_is(world: FlagWorld, action: str) -> None:
    if action == "restore":
        world.good("kill", flags=["new_fees"])
    make_newer(world, "us")
    there = world.servers["us"].take(world.ref("us"))["data"]
    given = {"toggle": {"flags": ["new_fees"], "value": True}, "reconcile": {}}.get(action, {"flags": ["new_fees"]})
    result = world.good(action, **given)
    assert world.servers["us"].take(world.ref("us"))["data"] == there
    assert (result["verdict"], result["away"]) == ("hold", ["us"])
    assert result["stores"]["us"]["was"] == "newer" and result["stores"]["us"]["now"] == "away"
    assert result["reason"].endswith("us was written by a newer version of this collection; upgrade")
    assert world.documents()["eu"] == world.documents()["redis"] == world.documents()["management"]
    if action == "kill":
        assert world.documents()["redis"]["flags"]["new_fees"]["metadata"]["killed"]
    status = world.good("status")
    assert (status["verdict"], status["away"]) == ("hold", ["us"])


def test_a_kill_in_a_store_of_a_newer_version_counts(world: FlagWorld) -> None:
    every, world.stores = world.stores, [store for store in world.stores if store["name"] == "us"]
    world.cut("management")
    world.good("kill", flags=["margin_trading"])
    world.mend("management")
    make_newer(world, "us")
    world.stores = every
    world.good("toggle", flags=["new_fees"], value=True)
    for name in ("management", "redis", "eu", "backup"):
        assert world.documents()[name]["flags"]["margin_trading"]["metadata"]["killed"]


def test_what_only_a_newer_version_can_read_is_not_built_upon(world: FlagWorld) -> None:
    """Its revision is above all others: a change of what was before would take it back."""
    make_newer(world, "us", revision=2)
    there = world.everything()
    said = world.refused("toggle", flags=["new_fees"], value=True)
    assert said == "us: a newer version of this collection wrote it; nothing was written there. Upgrade"
    assert world.everything() == there
    assert world.good("reconcile")["revision"] == {"before": 1, "after": 1}
    assert world.good("kill", flags=["new_fees"])["away"] == ["us"]


def test_a_fleet_of_a_newer_version_takes_no_change_and_holds_no_kill_up(world: FlagWorld) -> None:
    make_newer(world, "management")
    there = world.servers["management"].take(world.ref("management"))["data"]
    assert world.refused("toggle", flags=["new_fees"], value=True).startswith("fleet: a newer version")
    assert world.good("kill", flags=["new_fees"])["away"] == ["fleet"]
    assert world.documents()["eu"]["flags"]["new_fees"]["metadata"]["killed"]
    assert world.servers["management"].take(world.ref("management"))["data"] == there
    for context in ("us", "eu"):
        make_newer(world, context)
    world.stores = [store for store in world.stores if "configmap" in store]
    assert world.refused("kill", flags=["margin_trading"]).startswith(
        "no store of 3 took it; the first one says: fleet:"
    )
    assert "does not answer" not in world.good("status")["reason"]


def test_a_document_of_another_set_without_a_ledger_is_not_taken_over(world: FlagWorld) -> None:
    document = {"metadata": {"flagSetId": "somebody-else"}, "flags": {"old": switch("on")}}
    world.redis.load({"keys": {"{pincex-flags}:document": json.dumps(document)}, "hashes": {}})
    result = world.good("reconcile")
    assert result["away"] == ["redis"] and "has the set somebody-else" in result["stores"]["redis"]["reason"]
    assert world.documents()["redis"] == document


def test_an_answer_that_was_lost_after_a_conflict_is_looked_for(world: FlagWorld) -> None:
    """However often somebody else was faster: those tries have an answer."""
    met: list[str] = []

    def faster(request: Request) -> Answer | None:
        if request.method == "PATCH" and not met:
            met.append("conflict")
            world.good("toggle", flags=["new_fees"], value=True)
        return None

    def drop(request: Request) -> Answer | None:
        version = world.servers["management"].take(world.ref("management"))["data"]["flags.flagd.json"]
        if request.method == "PATCH" and '"version":"3"' in version and "lost" not in met:
            met.append("lost")
            raise NoAnswer("connection reset", timeout=False, sent=True, hopeless=True)
        return None

    world.servers["management"].before.append(faster)
    world.servers["management"].after.append(drop)
    result = world.good("toggle", flags=["margin_trading"], value=False)
    assert met == ["conflict", "lost"]
    assert result["revision"] == {"before": 2, "after": 3} and result["changed"]
    assert world.the_same()["metadata"]["version"] == "3"


def test_a_store_that_never_answers_a_write_is_left_after_two(world: FlagWorld) -> None:
    tries: list[Request] = []

    def drop(request: Request) -> Answer | None:
        if request.method == "PATCH":
            tries.append(request)
            raise NoAnswer("connection reset", timeout=False, sent=True, hopeless=True)
        return None

    world.servers["us"].before.append(drop)
    assert world.good("kill", flags=["margin_trading"])["away"] == ["us"]
    assert len(tries) == 2


@pytest.mark.parametrize("lost", [False, True])
def test_a_page_is_sent_only_where_it_is_not_there(world: FlagWorld, lost: bool) -> None:
    """The one of the revision before comes first, so that its content is nowhere lost."""
    sent: list[tuple[str, str]] = []

    def watch(request: Request) -> Answer | None:
        if request.method in ("POST", "PATCH"):
            name = json.loads(request.body or b"{}")["metadata"].get("name", "the set")
            sent.append((name, request.content_type))
        return None

    server = world.servers["us"]
    if lost:
        del server.stored[world.ref("us", "pincex-flags-rev-1")]
    server.before.append(watch)
    world.good("toggle", flags=["margin_trading"], value=False)
    new = [("the set", STRATEGIC_PATCH), ("pincex-flags-rev-2", "application/json")]
    assert sent == ([("pincex-flags-rev-1", "application/json")] if lost else []) + new
    assert world.ref("us", "pincex-flags-rev-1") in server.stored


def test_no_page_of_the_history_has_a_number_below_1(world: FlagWorld) -> None:
    gone: list[str] = []

    def watch(request: Request) -> Answer | None:
        if request.method == "DELETE":
            gone.append(request.path.rpartition("/")[2])
        return None

    for server in world.servers.values():
        server.before.append(watch)
    for number in range(50):
        world.good("toggle", flags=["new_fees"], value=number % 2 == 0)
    assert gone == ["pincex-flags-rev-1"] * 3


def test_a_kill_where_no_store_is_as_it_was_written_is_not_all(world: FlagWorld) -> None:
    world.stores = world.stores[:1]
    document = json.loads(world.redis.keys["{pincex-flags}:document"])
    document["flags"]["new_fees"]["defaultVariant"] = "on"
    world.redis.keys["{pincex-flags}:document"] = json.dumps(document)
    data = world.servers["management"].take(world.ref("management"))["data"]
    world.servers["management"].change(world.ref("management"), data={**data, "flags.flagd.json": json.dumps(document)})
    result = world.good("kill", flags=["margin_trading"])
    assert (result["verdict"], result["away"], result["changed"]) == ("hold", [], True)
    assert result["reason"].endswith(
        "1 killed; no store is as it was written, and their content is left as it is; run reconcile_features.yml"
    )
    assert world.good("reconcile")["verdict"] == "pass"
    assert world.documents()["redis"] == world.documents()["management"]
    assert world.documents()["redis"]["flags"]["margin_trading"]["metadata"]["killed"]


def test_a_kill_that_has_no_room_says_so_and_goes_to_the_others(
    world: FlagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configmap_store, "LARGEST_MAP", 500)
    result = world.good("kill", flags=["margin_trading"], reason="r" * 5000)
    assert result["away"] == ["fleet", "us", "eu"]
    assert "bytes, and a ConfigMap takes 500; it was not written" in result["stores"]["us"]["reason"]
    assert world.documents()["redis"]["flags"]["margin_trading"]["metadata"]["killed"]
    assert len(result["killed"]["margin_trading"]["reason"]) == 200


def test_a_page_of_another_past_is_replaced_and_not_gone_back_to(world: FlagWorld) -> None:
    """The fleet's cluster came back from an old backup of its ConfigMap, and its pages were there."""
    backup = world.servers["management"].take(world.ref("management"))
    world.good("toggle", flags=["new_fees"], value=True)
    world.servers["management"].put(backup)
    every, world.stores = world.stores, []
    world.good("toggle", flags=["margin_trading"], value=False)
    world.good("toggle", flags=["margin_trading"], value=True)
    world.stores = every
    world.good("reconcile")
    world.redis.hashes["{pincex-flags}:history"].clear()
    world.good("rollback", revision=2)
    assert world.flag("margin_trading")["defaultVariant"] == "off"
    assert world.flag("new_fees")["defaultVariant"] == "off"
    world.stores = [store for store in every if store["name"] == "us"]
    page = world.ref("management", "pincex-flags-rev-2")
    del world.servers["management"].stored[page]
    # What is left of revision 2 is that of the other past.
    result = world.call("rollback", revision=2)
    assert result["failed"] and "no store that answered has revision 2" in result["msg"]
    assert result["warnings"] == ["us: its revision 2 is of another past, from before a backup"]


def test_the_same_change_of_somebody_else_at_the_same_time_is_theirs(world: FlagWorld) -> None:
    """It has the number and the content that ours would have had."""
    busy: list[Request] = []

    def faster(request: Request) -> Answer | None:
        if request.method == "PATCH" and not busy:
            busy.append(request)
            world.good("toggle", flags=["new_fees"], value=True, actor="ben")
        return None

    world.servers["management"].before.append(faster)
    result = world.good("toggle", flags=["new_fees"], value=True)
    assert busy and (result["changed"], result["revision"]) == (False, {"before": 2, "after": 2})
    assert [one["actor"] for one in world.good("history")["history"]] == ["ben", "anna"]
