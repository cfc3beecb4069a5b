# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard in front of every write, and the entries before and after it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LockLost,
    OptionError,
    Refused,
    Undone,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Change, Journal, is_ours
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import FleetRef, ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.seal import seal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Request
from fakes import FakeKube, answer_with, lose_answer
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_world import FLEET_JOURNAL, JOURNAL, LEASE, World

SERVICE = Ref("v1", "Service", "core-api-blue", "exchange")


def change(value: int = 1) -> Change:
    return Change(SERVICE, "set", {"spec.x": {"before": 0, "after": value}}, {"spec": {"x": 0}}, {"spec": {"x": value}})


@pytest.fixture
def journal(world: World, release: ReleaseRef) -> Journal:
    return world.journal(release)


def test_an_intent_stands_before_the_outcome_is_known(world: World, release: ReleaseRef, journal: Journal) -> None:
    number = journal.intend("core-api 10 %", [change()])
    found = world.journal(release).entries()
    assert [(entry.number, entry.step, entry.done, entry.failed) for entry in found] == [
        (number, "core-api 10 %", False, None)
    ]
    assert found[0].changes == (change(),)


def test_an_outcome_replaces_what_was_meant_by_what_the_server_said(
    world: World, release: ReleaseRef, journal: Journal
) -> None:
    number = journal.intend("s", [change(1)])
    journal.outcome(number, [change(2)])
    other = journal.intend("s", [change(3)])
    journal.outcome(other, [change(3)], failed="the server says 503")
    first, second = world.journal(release).entries()
    assert (first.done, first.changes) == (True, (change(2),))
    assert (second.done, second.failed) == (False, "the server says 503")


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 999), min_size=1, max_size=12), st.data())
def test_entries_keep_their_order_whoever_writes_them(values: list[int], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = World(patch)
        _fleet, release = world.opened()
        writers = [world.journal(release) for _task in range(3)]
        for value in values:
            writer = data.draw(st.sampled_from(writers))
            if data.draw(st.booleans()):
                world.server.after.append(lose_answer(path=JOURNAL.name))
            number = writer.intend("s", [change(value)])
            writer.outcome(number, [change(value)])
        found = world.journal(release).entries()
    assert [entry.number for entry in found] == list(range(1, len(values) + 1))
    assert [entry.changes[0].fields["spec.x"]["after"] for entry in found] == values
    assert all(entry.done for entry in found)


def test_more_entries_than_nine_keep_their_order(journal: Journal) -> None:
    for value in range(12):
        journal.intend("s", [change(value)])
    assert [entry.number for entry in journal.entries()] == list(range(1, 13))


def test_an_undo_of_the_fleet_stops_the_next_write(world: World, journal: Journal) -> None:
    journal.guard()
    journal.write_undo("eu-west-1", "errors 20 % above 2 %")
    for act in (journal.guard, lambda: journal.intend("s", [change()])):
        with pytest.raises(Undone, match=r"^undone by eu-west-1: errors 20 % above 2 %$"):
            act()


def test_a_region_that_is_away_hears_of_an_undo_all_the_same(world: World, journal: Journal) -> None:
    journal.write_undo("eu-west-1", "errors")
    world.server.before.append(answer_with(503, times=10_000))
    with pytest.raises(Undone, match="by eu-west-1"):
        journal.guard()
    with pytest.raises(ApiError, match=r"us-east-1: .*503"):
        journal.guard(undoing=True)
    world.fleet_server.before.append(answer_with(503, times=10_000))
    with pytest.raises(ApiError, match=r"us-east-1: .*503"):
        journal.guard()


def test_the_way_back_goes_on_under_an_undo(world: World, release: ReleaseRef, journal: Journal) -> None:
    number = journal.intend("s", [change()])
    journal.write_undo("eu-west-1", "errors")
    journal.outcome(number, [change()])
    journal.guard(undoing=True)
    assert journal.intend("take back", [change()], undoing=True) == 2
    assert world.journal(release, undoing=True).intend("take back", [change()]) == 3


def test_a_rollback_is_not_stopped_by_an_undo(world: World) -> None:
    _fleet, release = world.opened(kind="rollback")
    journal = world.journal(release)
    journal.write_undo("eu-west-1", "late")
    assert journal.intend("s", [change()]) == 1


def test_the_way_back_does_not_need_the_fleet(world: World, release: ReleaseRef) -> None:
    world.fleet_server.before.append(answer_with(403, times=10_000))
    count = len(world.fleet_server.writes())
    journal = world.journal(release, undoing=True)
    journal.outcome(journal.intend("take back", [change()]), [change()])
    assert len(world.fleet_server.writes()) == count


def test_a_decision_is_written_once(world: World, journal: Journal) -> None:
    first = journal.write_undo("eu-west-1", "errors")
    second = journal.write_undo("bert", "I do not like it")
    assert first == second
    assert json.loads(world.fleet_server.take(FLEET_JOURNAL)["data"]["decision"])["by"] == "eu-west-1"


def test_a_decision_whose_answer_was_lost_is_not_somebody_elses(world: World, journal: Journal) -> None:
    journal.guard()
    world.fleet_server.after.append(lose_answer())
    assert journal.write_undo("eu-west-1", "errors").by == "eu-west-1"


def test_nothing_is_written_when_the_lease_is_somebody_elses(world: World, journal: Journal) -> None:
    world.server.change(LEASE, spec={"holderIdentity": "bert", "leaseTransitions": 2})
    count = len(world.server.writes())
    with pytest.raises(LockLost, match="bert holds it"):
        journal.intend("s", [change()])
    assert len(world.server.writes()) == count


def test_a_takeover_between_two_entries_is_seen_although_the_journal_is_not_read_again(
    world: World, journal: Journal
) -> None:
    journal.intend("s", [change()])
    world.server.change(LEASE, spec={"holderIdentity": "bert", "leaseTransitions": 2})
    world.server.change(JOURNAL, data={"token": "2"})
    with pytest.raises(LockLost):
        journal.intend("s", [change()])


def test_nothing_is_written_without_the_playbook(world: World, release: ReleaseRef) -> None:
    place = release.controller_started.rpartition(":")[0]
    orphan = world.journal(dataclasses.replace(release, controller_started=f"{place}:1"))
    count = len(world.server.requests)
    with pytest.raises(LockLost, match=r"the playbook of this release \(process \d+\) is gone"):
        orphan.intend("s", [change()])
    assert len(world.server.requests) == count


def test_a_lapsed_lease_is_renewed_by_the_next_task(world: World, journal: Journal) -> None:
    world.clock.sleep(600)
    assert journal.intend("s", [change()]) == 1


def test_a_journal_that_was_closed_takes_no_entry(world: World, release: ReleaseRef) -> None:
    header = json.loads(world.server.take(JOURNAL)["data"]["release"])
    world.server.change(JOURNAL, data={"release": json.dumps(seal({**header, "state": "closed"}))})
    with pytest.raises(LockLost, match="belongs to r1, which is closed, not to r1"):
        world.journal(release).intend("s", [change()])


def test_a_fleet_that_cannot_be_asked_stops_a_step_forward(world: World, journal: Journal) -> None:
    world.fleet_server.denied.add(("get", "configmaps"))
    with pytest.raises(ApiError) as caught:
        journal.guard()
    assert caught.value.region == "fleet"


def test_without_a_release_nothing_is_journaled(world: World) -> None:
    journal = world.journal(None)
    journal.guard()
    journal.outcome(journal.intend("s", [change()]), [change()])
    assert (journal.entries(), world.server.writes()) == ([], [])


def test_without_a_release_an_unfinished_one_refuses_and_says_who_since_when_and_what(
    world: World, journal: Journal
) -> None:
    journal.intend("core-api 10 %", [change()])
    for act in (world.journal(None).guard, lambda: world.journal(None).intend("s", [change()])):
        with pytest.raises(Refused) as caught:
            act()
        who = "us-east-1: deploy r1 by anna is unfinished since 2027-01-15T08:00:00Z, at core-api 10 %; let it end"
        assert str(caught.value).startswith(who)


def test_check_mode_writes_nothing_not_even_a_renewal(world: World, release: ReleaseRef) -> None:
    world.clock.sleep(600)
    counts = [len(server.writes()) for server in world.servers.values()]
    journal = world.journal(release, check_mode=True)
    journal.guard()
    journal.outcome(journal.intend("s", [change()]), [change()])
    assert [len(server.writes()) for server in world.servers.values()] == counts


def test_the_fleet_knows_where_each_region_is_and_is_told_once(world: World, journal: Journal) -> None:
    for step in ("core-api 10 %", "core-api 10 %", "core-api 25 %"):
        journal.intend(step, [change()])
    data = world.fleet_server.take(FLEET_JOURNAL)["data"]
    assert json.loads(data["at-us-east-1"])["step"] == "core-api 25 %"
    assert len([request for request in world.fleet_server.writes() if b"at-us-east-1" in (request.body or b"")]) == 2


def ended(server: FakeKube) -> None:
    header = json.loads(server.take(FLEET_JOURNAL)["data"]["release"])
    server.change(FLEET_JOURNAL, data={"release": json.dumps(seal({**header, "state": "closed"}))})


def followed(server: FakeKube) -> None:
    header = json.loads(server.take(FLEET_JOURNAL)["data"]["release"])
    server.change(FLEET_JOURNAL, data={"release": json.dumps(seal({**header, "id": "r2", "token": 3}))})


def recovered(server: FakeKube) -> None:
    header = json.loads(server.take(FLEET_JOURNAL)["data"]["release"])
    server.change(FLEET_JOURNAL, data={"release": json.dumps(seal({**header, "holder": "bob", "token": 2}))})


def edited(server: FakeKube) -> None:
    server.change(FLEET_JOURNAL, data={"release": "{"})


@pytest.mark.parametrize("meanwhile", [ended, followed, recovered, edited])
def test_a_note_that_was_on_its_way_is_not_written_behind_the_lock(
    world: World, journal: Journal, meanwhile: Callable[[FakeKube], None]
) -> None:
    # The process is stopped with its note in hand, somebody recovers the release, and it goes on.
    stopped = []

    def stop(request: Request) -> None:
        if not stopped and b"at-us-east-1" in (request.body or b""):
            stopped.append(request)
            meanwhile(world.fleet_server)

    world.fleet_server.before.append(stop)
    journal.intend("core-api 10 %", [change()])
    assert stopped
    assert "at-us-east-1" not in world.fleet_server.take(FLEET_JOURNAL)["data"]


@pytest.mark.parametrize("status", [403, 409, 503])
def test_a_note_that_cannot_be_written_fails_no_step_and_is_written_later(
    world: World, journal: Journal, status: int
) -> None:
    # The regions of a large fleet begin their steps at once, and all of them write here.
    world.fleet_server.before.append(answer_with(status, times=10_000, method="PATCH", path=FLEET_JOURNAL.name))
    assert journal.intend("core-api 10 %", [change()]) == 1
    assert "at-us-east-1" not in world.fleet_server.take(FLEET_JOURNAL)["data"]
    world.fleet_server.before.clear()
    assert journal.intend("core-api 10 %", [change()]) == 2
    assert json.loads(world.fleet_server.take(FLEET_JOURNAL)["data"]["at-us-east-1"])["step"] == "core-api 10 %"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["r1", "r2", None]), st.sampled_from(["open", "closed", None]), st.sampled_from([1, 2, None]))
def test_a_journal_is_ours_only_as_we_opened_it(name: str | None, state: str | None, token: int | None) -> None:
    ref = FleetRef("~/.kube/config", "management", "pincex-fleet", token=1)
    release = ReleaseRef("r1", "deploy", "anna", 5, "exchange", 1, "", ref)
    header = {key: value for key, value in (("id", name), ("state", state), ("token", token)) if value is not None}
    assert is_ours(header, release) == ((name, state, token) == ("r1", "open", 1))


def test_the_before_state_comes_back(journal: Journal) -> None:
    assert journal.before() == {"services": {}, "objects": []}


def test_a_secret_is_never_journaled(world: World, journal: Journal) -> None:
    secret = Change(Ref("v1", "Secret", "database", "exchange"), "apply", {}, None, {"data": {"password": "eA=="}})
    for act in (lambda: journal.intend("s", [secret]), lambda: journal.outcome(1, [secret])):
        with pytest.raises(OptionError, match="Secret exchange/database"):
            act()
    assert "eA==" not in json.dumps(world.server.take(JOURNAL))
