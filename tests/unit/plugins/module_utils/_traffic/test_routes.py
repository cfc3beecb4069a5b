# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes of routes: answers that are lost, the lock before each of them, and what stays in the journal."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import NoAnswer, Request
from fakes import answer_with
from many_routes import BACK, BEFORE, REFERENCE, SERVICES, WEB, ManyRoutes, at_put
from slot_world import S

Json = dict[str, t.Any]
#: Longer than a request is tried again for, and than a lease lasts.
AWAY_S = 40.0


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ManyRoutes:
    """Everything is in blue."""
    return ManyRoutes(monkeypatch).fill(100)


def lost() -> None:
    raise NoAnswer("connection reset", timeout=False, sent=True)


def at_create(act: t.Callable[[], t.Any]) -> t.Any:
    """A fault: something happens with the next route that is really made."""
    left = [1]

    def fault(request: t.Any) -> None:
        if left[0] and request.method == "POST" and "/httproutes" in request.path and "dryRun" not in request.query:
            left[0] -= 1
            act()

    return fault


def new_route(world: ManyRoutes, release: t.Any) -> Json:
    del world.server.stored[world.route(WEB)]
    entry = {"name": WEB, "weights": BACK, "port": 8080, "hostnames": ["web.lab"], "parent": {"name": "exchange"}}
    return world.traffic(state="shifted", routes=[entry], release=release)


def test_a_lost_answer_to_a_replace_is_no_foreign_change(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    world.server.after.append(at_put(S, lost))
    done = world.shift_all(release)
    assert not done.get("failed"), done["msg"]
    assert world.moved().count(S) == 2, "the write and its repetition"
    (entry,) = world.journaled(release)
    assert entry.done


def test_a_lost_answer_to_a_create_is_no_foreign_route(world: ManyRoutes) -> None:
    """The client sends it again and is told that the route exists: it is its own, with the server's defaults."""
    _fleet, release = world.opened()

    def defaulted() -> None:
        made = world.server.take(world.route(WEB))
        made["spec"]["parentRefs"][0] |= {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
        world.server.put(made, "pincex-zero-downtime")
        lost()

    world.server.after.append(at_create(defaulted))
    done = new_route(world, release)
    assert not done.get("failed"), done["msg"]
    assert done["routes"] == {WEB: {"before": None, "after": BACK}}
    (entry,) = world.journaled(release)
    assert entry.done
    # It belongs to the release, so it goes with it.
    assert world.traffic(state="restored", release=release)["routes"] == {WEB: {"before": BACK, "after": None}}


@pytest.mark.parametrize("theirs", ["other weights", "not ours"])
def test_a_route_that_somebody_else_makes_in_between_is_theirs(world: ManyRoutes, theirs: str) -> None:
    _fleet, release = world.opened()

    def make() -> None:
        world.set(WEB, 50 if theirs == "other weights" else 100)
        if theirs == "not ours":
            made = world.server.take(world.route(WEB))
            made["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
            world.server.put(made, "helm")

    world.server.before.append(at_create(make))
    done = new_route(world, release)
    assert (done["failed"], done["error"]["kind"], done["changed"]) == (True, "conflict", False)
    assert not world.traffic(state="restored", release=release)["changed"]
    assert world.route(WEB) in world.server.stored


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_shift_outlasts_an_api_server_that_is_away_and_is_taken_back_whole(
    world: ManyRoutes, carried_out: bool
) -> None:
    """Longer than a request is tried again for, and the answer to the first one may be all that was lost."""
    _fleet, release = world.opened()
    began = world.clock.elapsed

    def away() -> None:
        if world.clock.elapsed - began < AWAY_S:
            lost()

    (world.server.after if carried_out else world.server.before).append(at_put(S, away, times=10**6))
    done = world.shift_all(release)
    assert not done.get("failed"), done["msg"]
    assert carried_out or world.clock.elapsed - began > AWAY_S
    assert (done["changed"], done["routes"].keys() >= {REFERENCE}) == (True, True)
    assert set(map(str, world.weights_by_route().values())) == {str(BEFORE)}
    assert not world.traffic(state="restored", release=release).get("failed")
    assert set(map(str, world.weights_by_route().values())) == {str(BACK)}


def test_weights_that_somebody_changes_between_two_tries_are_not_written_over(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    began = world.clock.elapsed

    def away() -> None:
        if world.clock.elapsed - began < AWAY_S:
            world.set(S, 50)
            lost()

    world.server.before.append(at_put(S, away, times=10**6))
    done = world.shift_all(release)
    assert (done["failed"], done["error"]["kind"]) == (True, "conflict")
    assert "somebody else changed its weights between two tries" in done["msg"]
    assert world.weights_by_route()[S] == {"blue": 50, "green": 50}


def test_an_intent_whose_write_may_have_gone_through_stays_open(world: ManyRoutes) -> None:
    """The first is written; of the second nobody knows, and it comes through when nobody looks any more."""
    release = world.opened_long()
    world.server.before.append(at_put(S, lost, times=10**6))
    done = world.shift_all(release)
    assert (done["failed"], done["error"]["kind"]) == (True, "unreachable")
    assert (done["changed"], done["routes"]) == (True, {REFERENCE: {"before": BACK, "after": BEFORE}})
    entries = world.journaled(release)
    assert {(entry.done, entry.failed) for entry in entries} == {(False, None)}
    # Each try writes down what it means to write, and the first route was written by the first one.
    tried = [[change.ref.name for change in entry.changes] for entry in entries]
    assert tried == [list(SERVICES), *[[name for name in SERVICES if name != REFERENCE]] * (len(tried) - 1)]
    world.server.before.clear()
    world.set(S, 90)
    back = world.traffic(state="restored", release=release)
    assert back["routes"].keys() == {REFERENCE, S}
    assert set(map(str, world.weights_by_route().values())) == {str(BACK)}


def test_a_write_that_was_refused_is_not_in_the_journal(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    world.server.before.append(at_put(S, lambda: answer_with(403)(Request("PUT", ""))))
    done = world.shift_all(release)
    assert (done["failed"], done["error"]["kind"]) == (True, "forbidden")
    # Forward the first error ends it.
    assert world.weights_by_route() == {REFERENCE: BEFORE, S: BACK, WEB: BACK}
    (entry,) = world.journaled(release)
    assert [change.ref.name for change in entry.changes] == [REFERENCE]
    assert entry.failed == done["msg"].removeprefix("context: us-east-1 is not allowed to do that: ")


def test_the_fleets_word_is_heard_before_each_route(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    journal = world.journal(release)
    world.server.after.append(at_put(REFERENCE, lambda: journal.write_undo("eu-west-1", "error rate")))
    done = world.shift_all(release)
    assert (done["failed"], done["error"]["kind"]) == (True, "undone")
    assert (done["changed"], done["routes"]) == (True, {REFERENCE: {"before": BACK, "after": BEFORE}})
    assert world.weights_by_route() == {REFERENCE: BEFORE, S: BACK, WEB: BACK}
    (entry,) = world.journaled(release)
    assert ([change.ref.name for change in entry.changes], entry.failed) == ([REFERENCE], done["msg"])


def test_the_lock_is_held_before_each_route(world: ManyRoutes) -> None:
    """Lab lease: 6 s, renewed when 2 s old, no write after 4 s. Three slow writes of 3 s each outlast it."""
    _fleet, release = world.opened()

    def slow() -> None:
        world.clock.elapsed += 3.0

    world.server.before += [at_put(name, slow) for name in SERVICES]
    done = world.shift_all(release)
    assert not done.get("failed"), done["msg"]
    assert set(map(str, world.weights_by_route().values())) == {str(BEFORE)}


def test_what_reads_otherwise_than_it_was_written_is_told(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    world.server.after.append(at_put(REFERENCE, lambda: world.set(REFERENCE, 70, "somebody")))
    done = world.shift_all(release)
    assert done["error"]["kind"] == "read_back"
    assert "was written as blue 90, green 10 and reads blue 70, green 30" in done["msg"]
    assert done["changed"]
    assert world.traffic(state="restored", release=release)["routes"].keys() == {REFERENCE}


def test_a_shift_that_the_journal_does_not_know_of_fails_and_says_what_is_written(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    world.server.after.append(at_put(WEB, world.take_over))
    done = world.shift_all(release)
    assert (done["failed"], done["error"]["kind"], done["changed"]) == (True, "lock_lost", True)
    assert done["routes"].keys() == set(SERVICES)
