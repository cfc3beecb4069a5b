# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the history which regions got a release after the fleet's journal was closed."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.followers import joined, untold
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.decide_telling import is_told, newer
from hypothesis import given
from hypothesis import strategies as st
from journal_world import FLEET_JOURNAL, LEASE, World

FLEET_LEASE = dataclasses.replace(LEASE, namespace="pincex-fleet")
#: A recovery on another machine.
OTHER = {"pid": 1, "started": ""}
REPORT = {"region": "us-east-1", "verdict": "whole", "stands": 1}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A release that was closed while a region was away."""
    there = World(monkeypatch)
    release = there.open_fleet()["release"]
    away = {"regions": {"us-east-1": "unreachable", "eu-west-1": "released"}}
    there.call(state="closed", scope="fleet", release=release, outcome="incomplete", summary=away)
    there.clock.sleep(60)
    return there


def history(world: World) -> list[dict[str, t.Any]]:
    return t.cast("list[dict[str, t.Any]]", world.call(state="read", scope="fleet")["revisions"])


def tell(world: World, **more: t.Any) -> dict[str, t.Any]:
    told = {"follows": 1, "number": 1, "summary": {"reason": "ended", "regions": {"us-east-1": "released"}}}
    return world.call(**{"state": "told", "scope": "fleet", "controller": OTHER, **told, **more})


def recover(world: World) -> None:
    """What a recovery does for the history, as often as wanted."""
    world.call(state="taken_over", scope="fleet", controller=OTHER, decision="undo", reason="recovered")
    past = history(world)
    for found in untold(past, [REPORT]):
        done = tell(world, **found, number=max(int(one["number"]) for one in past))
        assert not done.get("failed"), done["msg"]


def holder(world: World) -> str:
    return str(world.fleet_server.take(FLEET_LEASE)["spec"]["holderIdentity"])


def test_what_is_told_stands_beside_the_revision_which_is_never_rewritten(world: World) -> None:
    journal, first = world.fleet_server.take(FLEET_JOURNAL), history(world)[0]
    told = tell(world)
    assert (told["changed"], told["number"]) == (True, 2)
    one, two = history(world)
    assert one == first
    assert (two["follows"], two["kind"], two["by"], two["outcome"]) == (1, "recover", "anna", "released")
    assert (two["reason"], two["regions"]) == ("ended", {"us-east-1": "released"})
    (revision,) = joined([one, two])
    assert (revision["outcome"], revision["closed_at"]) == ("released", two["closed_at"])
    assert revision["closed_at"] != first["closed_at"]
    assert (world.fleet_server.take(FLEET_JOURNAL), holder(world)) == (journal, "")
    assert world.lines[-1] == "the history has it that us-east-1 got revision 1"


def test_it_is_told_once(world: World) -> None:
    assert tell(world)["changed"]
    count = len(world.fleet_server.writes())
    assert tell(world)["changed"] is False
    assert len(world.fleet_server.writes()) == count
    # Another recovery was faster: it has ended by the time that the lock is ours.
    world.call(state="closed", scope="fleet", release=world.open_fleet(release_id="r3")["release"], outcome="refused")
    assert tell(world)["changed"] is False


def test_nothing_is_told_while_a_release_is_open_or_after_one_has_ended(world: World) -> None:
    release = world.open_fleet(release_id="r2", by="bert")["release"]
    count = len(world.fleet_server.writes())
    assert "deploy r2 by bert is unfinished since" in tell(world)["msg"]
    assert len(world.fleet_server.writes()) == count
    world.call(state="closed", scope="fleet", release=release, outcome="released")
    count = len(world.fleet_server.writes())
    late = tell(world)
    assert late["msg"] == "fleet: the history went on to revision 2 since 1 was read; look at the regions again"
    assert late["error"]["kind"] == "locked"
    assert len(world.fleet_server.writes()) == count
    # Whoever has looked again may.
    assert tell(world, number=2)["changed"]


def test_a_release_that_began_and_ended_while_the_lock_was_taken_is_seen(world: World) -> None:
    def release(request: Request) -> Answer | None:
        if request.method == "PUT" and "leases" in request.path:
            world.fleet_server.before.clear()
            opened = world.open_fleet(release_id="r2")["release"]
            world.call(state="closed", scope="fleet", release=opened, outcome="released")
        return None

    world.fleet_server.before.append(release)
    assert "the history went on to revision 2" in tell(world)["msg"]
    assert (len(history(world)), holder(world)) == (2, "")


def test_check_mode_says_the_same_and_writes_nothing(world: World) -> None:
    count = len(world.fleet_server.writes())
    told = tell(world, check_mode=True)
    assert told["changed"]
    assert told["diff"]["after"]["regions"] == {"us-east-1": "released"}
    assert len(world.fleet_server.writes()) == count
    assert tell(world).keys() == told.keys()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scope": "region"}, "follows: the fleet keeps which release is followed, use state=opened or state=told"),
        ({"follows": None}, "follows: needed with state=told and scope=fleet"),
        ({"number": None}, "number: needed with state=told and scope=fleet"),
        ({"summary": None}, "summary: needed with state=told and scope=fleet"),
        ({"summary": {}}, "summary: needs regions, each released: only what a region got is told"),
        ({"summary": {"regions": {"a": "released", "b": "whole"}}}, "summary: needs regions, each released"),
    ],
)
def test_bad_input_names_the_option_and_writes_nothing(world: World, given: dict[str, t.Any], message: str) -> None:
    count = len(world.fleet_server.writes())
    assert message in tell(world, **given)["msg"]
    assert len(world.fleet_server.writes()) == count


class Killed(BaseException):
    """The process is gone: no `finally` and no request of it is carried out any more."""


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("writes", range(4))
def test_killed_at_any_write_the_next_recovery_tells_it_once(world: World, writes: int, late: bool) -> None:
    left = [writes]

    def kill(request: Request) -> Answer | None:
        if request.method not in ("GET", "HEAD"):
            if left[0] <= 0:
                raise Killed
            left[0] -= 1
        return None

    faults = world.fleet_server.after if late else world.fleet_server.before
    faults.append(kill)
    with pytest.raises(Killed):
        recover(world)
    faults.clear()
    for _time in range(2):
        recover(world)
    (revision,) = joined(history(world))
    assert (revision["outcome"], revision["regions"]["us-east-1"]) == ("released", "released")
    assert [one["kind"] for one in history(world)] == ["deploy", "recover"]
    assert holder(world) == ""
    assert world.open_fleet(release_id="r9")["changed"]


headers_ = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.integers(1, 6),
            "kind": st.sampled_from(["deploy", "rollback", "recover"]),
            "follows": st.one_of(st.none(), st.integers(1, 3)),
            "regions": st.dictionaries(st.sampled_from("abc"), st.just("released")),
        }
    ),
    max_size=6,
)


@given(headers_, st.integers(1, 3), st.sets(st.sampled_from("abc"), min_size=1), st.integers(1, 6))
def test_only_a_release_is_news_and_only_what_was_told_of_every_region_is_known(
    headers: list[dict[str, t.Any]], follows: int, regions: set[str], number: int
) -> None:
    told = {"number": 7, "kind": "recover", "follows": follows, "regions": dict.fromkeys(regions, "released")}
    assert is_told([*headers, told], follows, regions)
    assert newer([*headers, told], number) == newer(headers, number)
    assert newer([*headers, {**told, "kind": "deploy"}], number)[-1] == 7
    if is_told(headers, follows, regions):
        (known, *_others) = [one for one in headers if is_told([one], follows, regions)]
        assert (known["kind"], known["follows"]) == ("recover", follows)
        assert regions <= known["regions"].keys()
        assert not is_told([{**known, "kind": "rollback"}], follows, regions)
