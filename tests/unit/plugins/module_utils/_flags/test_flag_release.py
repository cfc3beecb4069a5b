# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flags in a release: journaled, under the fleet's lock, and taken back exactly, also when it is killed anywhere."""

from __future__ import annotations

import itertools
import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import TOKEN_ANNOTATION
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, Request
from fakes import answer_with, lose_answer
from flag_release_world import FLAGS, WANTED, ReleaseWorld
from flag_samples import fractional, switch

Json = dict[str, t.Any]
SET_PATH: t.Final = "/configmaps/pincex-flags"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> ReleaseWorld:
    return ReleaseWorld(monkeypatch, tmp_path)


def is_commit(request: Request) -> bool:
    """The compare-and-swap on the set in the fleet's cluster."""
    return request.method == "PATCH" and request.path.endswith(f"pincex-fleet{SET_PATH}")


# -- what a deploy wants, and its way back


def test_a_deploy_sets_all_of_its_flags_in_one_revision(world: ReleaseWorld) -> None:
    release = world.open()
    checked = world.good("apply", check_mode=True, wanted=WANTED)
    assert checked["changed"] and world.good("status")["revision"]["after"] == 1
    done = world.well_within(release, "apply", wanted=WANTED)
    assert done["revision"] == checked["revision"] == {"before": 1, "after": 2}
    assert done["flags"] == checked["flags"] and done["verdict"] == "pass" and done["kept"] == []
    assert world.wanted() == {
        "margin_trading": switch("on"),
        "new_fees": {**FLAGS["new_fees"], "defaultVariant": "off", "targeting": fractional(("on", 25), ("off", 75))},
        "more": switch("on"),
    }
    world.the_same()
    (entry,) = world.entries()
    assert (entry.step, entry.done, entry.changes[0].op) == ("apply", True, "flags")
    assert entry.changes[0].fields["flags.new_fees"] == {"before": "on for everybody", "after": "on for 25 %"}
    newest, first = world.good("history")["history"]
    assert (newest["release"], first["release"]) == ("r1", None)
    assert not world.well_within(release, "apply", wanted=WANTED)["changed"] and len(world.entries()) == 1


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"margin": True}, "flags: there is no flag margin; make it with action set"),
        (
            {"margin_trading": "maybe"},
            "wanted: margin_trading: 'maybe' is no percentage; use ",
        ),
        ({"margin_trading": None}, "wanted: margin_trading: missing; use true, false or a percentage such as 25, or "),
        ({"margin_trading": 120}, "wanted: margin_trading: "),
        ({"margin_trading": {"state": "ENABLED", "variants": {}}}, "wanted: margin_trading: variants is empty"),
    ],
)
def test_what_cannot_be_set_is_refused_before_anything_is_written(world: ReleaseWorld, wanted: Json, said: str) -> None:
    release, before = world.open(), world.everything()
    checked = world.call("apply", check_mode=True, wanted=wanted)
    assert checked["failed"] and checked["msg"].startswith(said)
    assert world.everything() == before
    done = world.within(release, "apply", wanted=wanted)
    assert done["failed"] and done["msg"] == checked["msg"] and world.entries() == []


@pytest.mark.parametrize("wanted", [True, 25, switch("on")])
def test_a_killed_flag_is_passed_over_and_told_and_the_others_are_set(world: ReleaseWorld, wanted: t.Any) -> None:
    world.good("kill", flags=["new_fees"], actor="ben", reason="it loses money")
    release = world.open()
    both = {"margin_trading": True, "new_fees": wanted}
    checked = world.good("apply", check_mode=True, wanted=both)
    done = world.well_within(release, "apply", wanted=both)
    (kept,) = done["kept"]
    assert kept.startswith("new_fees: was killed by ben (it loses money) and stays killed, so it is passed over; ")
    assert (checked["kept"], checked["flags"]) == (done["kept"], done["flags"])
    assert done["flags"].keys() == {"margin_trading"}
    assert world.wanted() == {"margin_trading": switch("on"), "new_fees": FLAGS["new_fees"]}
    assert world.flag("new_fees")["metadata"]["killed"]
    # It has nothing of the release that could go back.
    assert world.well_within(release, "undo")["kept"] == [] and world.wanted() == FLAGS


def test_a_release_of_killed_flags_alone_writes_nothing(world: ReleaseWorld) -> None:
    world.good("kill", flags=["new_fees"])
    release = world.open()
    before = world.everything()
    done = world.well_within(release, "apply", wanted={"new_fees": True})
    assert (done["changed"], done["verdict"], len(done["kept"])) == (False, "pass", 1)
    assert world.everything() == before


def test_what_a_release_did_goes_and_what_others_did_since_stays(world: ReleaseWorld) -> None:
    release = world.open()
    world.well_within(release, "apply", wanted=WANTED)
    world.good("rollout", flags=["new_fees"], percent=50)
    world.good("kill", flags=["margin_trading"], actor="ben", reason="it loses money")
    done = world.well_within(release, "undo")
    assert done["kept"] == [
        "margin_trading: was killed by ben (it loses money) and stays killed",
        "new_fees: somebody else has made it on for 50 % since, and it stays (the release had made it on for 25 %; on "
        "for everybody before)",
    ]
    assert world.flag("margin_trading")["metadata"]["killed"]
    assert world.wanted() == {
        "margin_trading": switch("off"),
        "new_fees": {**FLAGS["new_fees"], "defaultVariant": "off", "targeting": fractional(("on", 50), ("off", 50))},
    }
    there = world.everything()
    again = world.well_within(release, "undo")
    assert (again["changed"], again["kept"]) == (False, done["kept"]) and world.everything() == there


def test_a_flag_that_the_release_made_and_that_is_killed_does_not_go(world: ReleaseWorld) -> None:
    """A client that finds no flag uses the default of its own code, which may be on."""
    release = world.open()
    world.well_within(release, "apply", wanted={"more": switch("on")})
    world.good("kill", flags=["more"])
    assert world.well_within(release, "undo")["kept"] == ["more: was killed by anna (a test) and stays killed"]
    assert world.flag("more")["metadata"]["killed"] and world.flag("more")["defaultVariant"] == "off"


def test_a_release_without_flags_has_nothing_to_take_back(world: ReleaseWorld) -> None:
    release, before = world.open(), world.everything()
    done = world.well_within(release, "undo")
    assert (done["changed"], done["verdict"]) == (False, "pass") and world.everything() == before
    assert done["reason"] == "pincex-test: this release did not write it"


def test_an_undo_is_not_stopped_by_the_decision_to_undo_and_all_else_is(world: ReleaseWorld) -> None:
    release = world.open()
    world.well_within(release, "apply", wanted={"margin_trading": True})
    world.decide("undo", release)
    late = world.within(release, "apply", wanted={"new_fees": False})
    assert late["error"]["kind"] == "undone" and not late["changed"]
    world.well_within(release, "undo")
    assert world.wanted() == FLAGS


# -- back to a revision


def released(world: ReleaseWorld, name: str, **wanted: t.Any) -> int:
    """A release that ended well; the revision of the set then."""
    release = world.open(name)
    done = world.well_within(release, "apply", wanted=wanted)
    world.decide("keep", release)
    world.close(release)
    return int(done["revision"]["after"])


def test_a_rollback_takes_back_what_all_releases_since_have_changed(world: ReleaseWorld) -> None:
    first = released(world, "r1", margin_trading=25)
    released(world, "r2", margin_trading=50, more=switch("on"))
    world.good("toggle", flags=["new_fees"], value=False)
    released(world, "r3", margin_trading=True, new_fees=10)
    back = world.open("r4", "rollback")
    done = world.well_within(back, "undo", since=first)
    assert world.wanted()["margin_trading"]["targeting"] == fractional(("on", 25), ("off", 75))
    assert "more" not in world.wanted()
    # A person had switched it off after the revision.
    assert world.wanted()["new_fees"]["defaultVariant"] == "off" and "targeting" not in world.wanted()["new_fees"]
    assert done["kept"] == []
    there = world.everything()
    assert not world.well_within(back, "undo", since=first)["changed"] and world.everything() == there
    # The rollback itself may be taken back as well, and rolled back.
    world.decide("keep", back)
    world.close(back)
    forth = world.open("r5", "rollback")
    world.well_within(forth, "undo", since=done["revision"]["before"])
    assert world.wanted()["margin_trading"] == switch("on") and world.wanted()["more"] == switch("on")


def test_what_a_person_wrote_over_a_release_stays_in_a_rollback_also_when_it_looks_the_same(
    world: ReleaseWorld,
) -> None:
    released(world, "r1", margin_trading=True)
    for value in (False, True):
        world.good("toggle", flags=["margin_trading"], value=value)
    done = world.well_within(world.open("r2", "rollback"), "undo", since=1)
    assert world.wanted()["margin_trading"] == switch("on")
    assert done["kept"] == [
        "margin_trading: somebody else has made it on for everybody since, and it stays (the release had made it on "
        "for everybody; off before)"
    ]


def test_without_a_release_a_person_may_do_the_same(world: ReleaseWorld) -> None:
    released(world, "r1", margin_trading=True)
    assert world.call("undo")["msg"] == "since: needed for action undo that is no part of a release"
    assert world.good("undo", since=1)["changed"] and world.wanted() == FLAGS


def test_a_history_that_does_not_reach_back_is_refused_and_told(world: ReleaseWorld) -> None:
    released(world, "r1", margin_trading=True)
    before = world.everything()
    assert "revision 7 is not in the past of the set, which is at 2" in world.refused("undo", since=7)
    for number in range(55):
        world.good("toggle", flags=["new_fees"], value=number % 2 == 1)
    before = world.everything()
    assert "revision 1 is not in the past of the set, which is at 57 and knows it from 8 on" in world.refused(
        "undo", since=1
    )
    assert world.everything() == before


def test_a_page_that_is_gone_everywhere_is_told_and_one_store_is_enough(world: ReleaseWorld) -> None:
    released(world, "r1", margin_trading=True)
    released(world, "r2", new_fees=False)
    for context in world.servers:
        del world.servers[context].stored[world.ref(context, "pincex-flags-rev-2")]
    for path in world.path.parent.rglob("2.json"):
        path.unlink()
    kept = world.redis.hashes["{pincex-flags}:history"].pop("2")
    assert "no store that answered has revision 2 in its history" in world.refused("undo", since=1)
    world.redis.hashes["{pincex-flags}:history"]["2"] = kept
    world.good("undo", since=1)
    assert world.wanted() == FLAGS


# -- the fence


def test_a_lock_that_somebody_has_taken_lets_nothing_be_written(world: ReleaseWorld) -> None:
    release = world.open()
    world.take_over()
    before = world.everything()
    done = world.within(release, "apply", wanted=WANTED)
    assert (done["error"]["kind"], done["changed"]) == ("lock_lost", False) and world.everything() == before


def test_a_lock_that_is_taken_between_read_and_write_is_seen(world: ReleaseWorld) -> None:
    """The other one writes to the set, so that this one has to read again, and then has no lock."""
    release = world.open()
    taken: list[str] = []

    def other(request: Request) -> Answer | None:
        if is_commit(request) and not taken:
            taken.append(request.path)
            world.take_over()
            world.good("toggle", flags=["new_fees"], value=False)
        return None

    world.servers["management"].before.append(other)
    done = world.within(release, "apply", wanted=WANTED)
    assert (done["error"]["kind"], done["changed"]) == ("lock_lost", False), "it has read since"
    assert world.wanted()["margin_trading"] == switch("off")


def test_a_lock_that_is_taken_after_the_commit_keeps_the_other_stores_as_they_are(world: ReleaseWorld) -> None:
    release = world.open()
    was = world.redis.dump()
    server = world.servers["management"]
    committed = False

    def taken(request: Request) -> Answer | None:
        nonlocal committed
        committed = committed or is_commit(request)
        # The page of the new revision is the last write to the fleet's store.
        if committed and request.method == "POST":
            server.after.remove(taken)
            world.take_over()
        return None

    server.after.append(taken)
    done = world.within(release, "apply", wanted=WANTED)
    assert done["failed"] and done["error"]["kind"] == "lock_lost" and done["revision"]["after"] == 2
    assert world.redis.dump() == was


def test_what_the_journal_does_not_take_is_brought_to_all_stores_all_the_same(world: ReleaseWorld) -> None:
    release = world.open()
    world.well_within(release, "apply", wanted=WANTED)
    server = world.servers["management"]
    committed, forbidden = False, answer_with(403, times=99)

    def refuse(request: Request) -> Answer | None:
        nonlocal committed
        committed = committed or is_commit(request)
        if committed and request.method != "GET" and "release-journal" in request.path:
            return forbidden(request)
        return None

    server.before.append(refuse)
    done = world.within(release, "undo")
    server.before.remove(refuse)
    assert done["failed"] and done["changed"]
    world.the_same()
    assert world.wanted() == FLAGS


def test_somebody_who_is_faster_is_planned_with_and_journaled(world: ReleaseWorld) -> None:
    release = world.open()
    done: list[str] = []

    def other(request: Request) -> Answer | None:
        if is_commit(request) and not done:
            done.append(request.path)
            world.good("rollout", flags=["margin_trading"], percent=5)
        return None

    world.servers["management"].before.append(other)
    world.well_within(release, "apply", wanted={"margin_trading": 10})
    world.servers["management"].before.clear()
    lost, made = world.entries()
    assert (lost.failed, made.done) == ("somebody else has changed the set in between", True)
    words = {"before": "on for 5 %", "after": "on for 10 %"}
    assert made.changes[0].fields == {"flags.margin_trading": words}
    world.well_within(release, "undo")
    assert world.wanted()["margin_trading"]["targeting"] == fractional(("on", 5), ("off", 95))


def test_somebody_who_writes_another_flag_costs_no_second_entry(world: ReleaseWorld) -> None:
    release = world.open()
    done: list[str] = []

    def other(request: Request) -> Answer | None:
        if is_commit(request) and not done:
            done.append(request.path)
            world.good("toggle", flags=["new_fees"], value=False)
        return None

    world.servers["management"].before.append(other)
    world.well_within(release, "apply", wanted={"margin_trading": True})
    assert [entry.done for entry in world.entries()] == [True]
    assert (world.flag("margin_trading")["defaultVariant"], world.flag("new_fees")["defaultVariant"]) == ("on", "off")


def test_a_lost_answer_is_found_again_and_written_down(world: ReleaseWorld) -> None:
    release = world.open()
    world.servers["management"].after.append(lose_answer(path=SET_PATH))
    done = world.well_within(release, "apply", wanted=WANTED)
    assert done["revision"] == {"before": 1, "after": 2} and [entry.done for entry in world.entries()] == [True]
    world.well_within(release, "undo")
    assert world.wanted() == FLAGS


def test_nothing_is_sent_when_the_lock_is_about_to_end(world: ReleaseWorld) -> None:
    """The server is busy for longer than the lock lasts, which is 6 s and lets nothing be sent in the last 2."""
    release, began = world.open(), world.clock.monotonic()
    busy = answer_with(503, times=100, method="PATCH", path=SET_PATH)
    world.servers["management"].before.append(busy)
    done = world.within(release, "apply", wanted=WANTED)
    assert (done["error"]["kind"], done["changed"]) == ("lock_lost", True), "nobody knows what a 503 did"
    assert world.clock.monotonic() - began < 6.0
    assert [(entry.done, entry.failed) for entry in world.entries()] == [(False, None)]


@pytest.mark.parametrize("wanted", [WANTED, {"margin_trading": True}])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_write_the_recovery_takes_it_back_and_what_is_on_its_way_is_refused(
    world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, when: str, wanted: Json
) -> None:
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = ReleaseWorld(monkeypatch, folder)
        release = world.open()
        with world.killed_at(number, when) as met:
            world.within(release, "apply", wanted=wanted)
        if not met:
            assert number > 6, "the intent, the page, the set, its page, the outcome, the regions"
            return
        killed = wanted is WANTED
        if killed:
            # Before anybody recovers.
            world.good("kill", flags=["margin_trading"])
        recovery = world.take_over()
        world.well_within(recovery, "undo")
        there = world.everything()
        if when == "before":
            # What the old process had in hand arrives now.
            late = world.servers["management"].request(met[0], 1.0) if is_commit(met[0]) else None
            assert late is None or late.status == 409, number
            assert world.everything() == there
        world.good("reconcile")
        assert world.wanted() == FLAGS, number
        assert ("killed" in world.flag("margin_trading")["metadata"]) is killed
        world.the_same()
        assert not world.well_within(recovery, "undo")["changed"], number


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_recovery_that_is_killed_at_any_write_is_recovered(
    world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, when: str
) -> None:
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = ReleaseWorld(monkeypatch, folder)
        release = world.open()
        with world.killed_at(1, which=is_commit) as first:
            world.within(release, "apply", wanted=WANTED)
        recovery = world.take_over()
        with world.killed_at(number, when) as met:
            world.within(recovery, "undo")
        again = world.take_over()
        world.well_within(again, "undo")
        for late in (*first, *(met if when == "before" else [])):
            if is_commit(late):
                assert world.servers["management"].request(late, 1.0).status == 409, number
        world.good("reconcile")
        assert world.wanted() == FLAGS
        if not met:
            assert number > 1
            return


def test_a_rollback_that_is_killed_at_any_write_is_finished_by_the_next_try(
    world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = ReleaseWorld(monkeypatch, folder)
        released(world, "r1", **WANTED)
        release = world.open("r2", "rollback")
        with world.killed_at(number, "after") as met:
            world.within(release, "undo", since=1)
        recovery = world.take_over("keep")
        world.well_within(recovery, "undo", since=1)
        assert world.wanted() == FLAGS, number
        world.the_same()
        if not met:
            assert number > 6
            return


def test_where_nothing_is_yet_the_first_set_of_an_orphan_is_refused_too(world: ReleaseWorld) -> None:
    for server in world.servers.values():
        server.stored.clear()
    world.redis.load({"keys": {}, "hashes": {}})
    for path in world.path.parent.rglob("*.json"):
        path.unlink()
    release = world.open()
    with world.killed_at(1, which=lambda request: b"flags.flagd.json" in (request.body or b"")) as met:
        world.within(release, "apply", wanted={"more": switch("on")})
    assert met[0].method == "POST" and "pincex-fleet" in met[0].path
    recovery = world.take_over()
    done = world.well_within(recovery, "undo")
    assert world.servers["management"].request(met[0], 1.0).status == 409
    assert world.good("status")["definitions"] == {} and done["kept"] == []
    marked = world.servers["management"].take(world.ref("management"))["metadata"]
    assert marked["annotations"] == {TOKEN_ANNOTATION: str(recovery.token)}


def test_a_recovery_that_keeps_the_release_ties_up_what_is_on_its_way_as_well(world: ReleaseWorld) -> None:
    release = world.open()
    with world.killed_at(1, which=is_commit) as met:
        world.within(release, "apply", wanted=WANTED)
    done = world.well_within(world.take_over("keep"), "reconcile")
    assert done["changed"] and done["flags"] == {}
    assert world.servers["management"].request(met[0], 1.0).status == 409
    assert world.wanted() == FLAGS
