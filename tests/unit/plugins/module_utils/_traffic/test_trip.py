# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trip in a region in memory: what goes back, what cannot, and what is said of it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.trip import checked_trip, trip
from fakes import answer_with, lose_answer
from journal_world import JOURNAL
from many_routes import BACK, BEFORE, REFERENCE, SERVICES, WEB, ManyRoutes, at_put, entries
from slot_world import S

Json = dict[str, t.Any]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ManyRoutes:
    return ManyRoutes(monkeypatch).fill()


def tripped(world: ManyRoutes, *names: str, release: t.Any = None) -> Json:
    journal = world.journal(release)
    before = journal.kube.deadline_s
    done = trip(journal.kube, journal, entries(*names), "core-api 10 % trip")
    assert journal.kube.deadline_s == before
    assert list(done) == ["at", "changed", "routes", "warnings", "error"]
    assert [route["route"] for route in done["routes"]] == list(names)
    return done


def test_sets_back_at_once_and_whatever_the_fleet_says(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    world.journal(release).write_undo("eu-west-1", "error rate")
    done = tripped(world, WEB, S, release=release)
    assert done == {
        "at": world.clock.now(),
        "changed": True,
        "routes": [{"service": name, "route": name, "before": BEFORE, "after": BACK, "error": ""} for name in (WEB, S)],
        "warnings": [],
        "error": "",
    }
    assert world.weights_by_route() == {REFERENCE: BEFORE, S: BACK, WEB: BACK}
    (entry,) = world.journaled(release)
    assert (entry.step, entry.done, [change.ref.name for change in entry.changes]) == (
        "core-api 10 % trip",
        True,
        [WEB, S],
    )
    again = tripped(world, WEB, S, release=release)
    assert (again["changed"], again["at"], again["error"]) == (False, world.clock.now(), "")
    assert not world.traffic(state="restored", release=release)["changed"]


def test_goes_in_the_given_order(world: ManyRoutes) -> None:
    tripped(world, WEB, S, REFERENCE)
    assert world.moved() == [WEB, S, REFERENCE]


def test_keeps_rules_that_somebody_writes_in_between(world: ManyRoutes) -> None:
    def touch_rules() -> None:
        theirs = world.server.take(world.route(S))
        theirs["spec"]["rules"][0]["timeouts"] = {"request": "2s"}
        world.server.put(theirs, "kubectl")

    world.server.before.append(at_put(S, touch_rules))
    done = tripped(world, WEB, S)
    assert done["error"] == ""
    assert world.weights_by_route()[S] == BACK
    assert world.server.take(world.route(S))["spec"]["rules"][0]["timeouts"] == {"request": "2s"}
    # Only the one that somebody wrote is written again.
    assert world.moved() == [WEB, S, S]


def test_does_not_send_everything_to_a_slot_that_is_down(world: ManyRoutes) -> None:
    world.pods(S, "blue", 0)
    done = tripped(world, S)
    assert done["error"] == "core-api: route core-api: blue has 0 ready pods and needs 2; its weights stay"
    assert (done["changed"], done["at"], done["routes"][0]["after"]) == (False, None, BEFORE)
    assert world.weights_by_route()[S] == BEFORE
    assert world.server.writes() == []


def test_the_others_go_back_although_one_cannot(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    del world.server.stored[world.route(WEB)]
    world.pods(S, "blue", 0)
    done = tripped(world, WEB, S, REFERENCE, release=release)
    assert world.weights_by_route() == {REFERENCE: BACK, S: BEFORE, WEB: None}
    web, core_api, reference = done["routes"]
    assert web["error"] == "trip: web: there is no such HTTPRoute in exchange"
    assert (web["before"], web["after"]) == (None, None)
    assert "blue has 0 ready pods" in core_api["error"]
    assert (core_api["before"], core_api["after"]) == (BEFORE, BEFORE)
    assert (reference["before"], reference["after"], reference["error"]) == (BEFORE, BACK, "")
    assert done["error"].startswith(
        "web, core-api: trip: web: there is no such HTTPRoute in exchange; route core-api: "
    )
    assert (done["changed"], done["at"]) == (True, world.clock.now())
    (entry,) = world.journaled(release)
    assert [change.ref.name for change in entry.changes] == [REFERENCE]


def test_a_refusal_of_one_write_does_not_keep_the_others(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    world.server.before.append(answer_with(403, times=9, method="PUT", path=f"/httproutes/{WEB}"))
    done = tripped(world, WEB, S, release=release)
    assert world.weights_by_route() == {REFERENCE: BEFORE, S: BACK, WEB: BEFORE}
    assert done["error"].startswith("web: ")
    assert (done["routes"][0]["after"], done["changed"]) == (BEFORE, True)
    (entry,) = world.journaled(release)
    # What was not written is not in the outcome.
    assert [change.ref.name for change in entry.changes] == [S]
    assert "the server says 403" in str(entry.failed)


def test_too_few_pods_are_said_and_get_the_traffic_all_the_same(world: ManyRoutes) -> None:
    world.pods(S, "blue", 1)
    done = tripped(world, WEB, S)
    assert world.weights_by_route()[S] == BACK
    assert done["error"] == ""
    assert done["warnings"] == [
        "route core-api: blue takes 100 % of the traffic with 1 ready pods and should have 2",
    ]


def test_a_route_that_goes_away_in_between_is_told_and_the_others_go_back(world: ManyRoutes) -> None:
    world.server.before.append(at_put(WEB, lambda: world.server.stored.pop(world.route(WEB))))
    done = tripped(world, WEB, S)
    assert world.weights_by_route() == {REFERENCE: BEFORE, S: BACK, WEB: None}
    assert done["error"] == "web: trip: web: there is no such HTTPRoute in exchange"


def test_the_lock_is_held_before_each_route(world: ManyRoutes) -> None:
    """Lab lease: 6 s, renewed when 2 s old, no write after 4 s. Three slow writes of 3 s each outlast it."""
    _fleet, release = world.opened()

    def slow() -> None:
        world.clock.elapsed += 3.0

    world.server.before += [at_put(name, slow) for name in SERVICES]
    done = tripped(world, WEB, S, REFERENCE, release=release)
    assert done["error"] == ""
    assert set(map(str, world.weights_by_route().values())) == {str(BACK)}


def test_nothing_is_written_once_the_lock_is_somebody_elses(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    world.server.after.append(at_put(WEB, world.take_over))
    done = tripped(world, WEB, S, REFERENCE, release=release)
    assert world.moved() == [WEB]
    assert world.weights_by_route() == {REFERENCE: BEFORE, S: BEFORE, WEB: BACK}
    assert done["error"].startswith("core-api, reference-data: the lock is not ours any more (recover holds it)")
    assert done["routes"][0] == {"service": WEB, "route": WEB, "before": BEFORE, "after": BACK, "error": ""}
    assert done["routes"][1]["after"] == BEFORE
    assert done["warnings"][0].startswith("the weights are set, but not journaled: ")
    # The intent stands, for whoever recovers.
    (entry,) = world.journaled(release)
    assert (entry.done, entry.failed, len(entry.changes)) == (False, None, 3)


def test_without_an_intent_in_the_journal_nothing_is_written(world: ManyRoutes) -> None:
    _fleet, release = world.opened()
    world.server.before.append(answer_with(403, times=9, method="PATCH", path=JOURNAL.name))
    done = tripped(world, WEB, S, release=release)
    assert world.moved() == []
    assert (done["changed"], done["at"]) == (False, None)
    assert done["error"].startswith("web, core-api: patch ConfigMap")


def test_an_answer_that_is_lost_for_good_is_read_back(world: ManyRoutes) -> None:
    """The API server has acted, its answer was lost, and no repetition got through until the time was over."""
    _fleet, release = world.opened()

    def cut() -> None:
        world.server.before.append(lose_answer(10**6, True, f"/httproutes/{S}"))
        raise NoAnswer("connection reset", timeout=False, sent=True)

    world.server.after.append(at_put(S, cut))
    done = tripped(world, S, release=release)
    assert len(world.moved()) > 1
    assert (done["error"], done["routes"][0]["after"]) == ("", BACK)
    (entry,) = world.journaled(release)
    assert entry.done


def test_what_may_be_written_is_said_to_be_unknown_and_its_intent_stays_open(world: ManyRoutes) -> None:
    release = world.opened_long()
    world.server.before.append(lose_answer(10**6, True, f"/httproutes/{WEB}"))
    done = tripped(world, WEB, S, release=release)
    assert [(route["after"], bool(route["error"])) for route in done["routes"]] == [(None, True), (BACK, False)]
    assert done["error"] == "web: replace HTTPRoute exchange/web: connection reset"
    assert done["changed"]
    (entry,) = world.journaled(release)
    assert (entry.done, entry.failed, [change.ref.name for change in entry.changes]) == (False, None, [WEB, S])
    alone = tripped(world, WEB, release=release)
    assert (alone["changed"], alone["at"]) == (True, None)


def test_a_write_that_the_end_of_the_lease_ended_may_have_gone_through_as_well(world: ManyRoutes) -> None:
    """Lab lease: no write after 4 s, so the tries end by that and not by the time for all of it."""
    _fleet, release = world.opened()
    world.server.before.append(lose_answer(10**6, True, f"/httproutes/{WEB}"))
    done = tripped(world, WEB, S, release=release)
    assert done["routes"][0]["error"].endswith("not sent, the lease is about to end")
    assert done["routes"][0]["after"] is None
    # It is still ours, so the next one is written under a renewed one.
    assert world.weights_by_route()[S] == BACK
    (entry,) = world.journaled(release)
    assert (entry.done, entry.failed) == (False, None)


def test_a_dead_api_server_costs_the_time_once(world: ManyRoutes) -> None:
    """Others wait for the word that the release is undone: 30 s for all routes and not 30 s for each."""

    def dead(_request: t.Any) -> None:
        raise NoAnswer("connection refused", timeout=False, sent=False)

    journal = world.journal(None)
    world.server.before.append(dead)
    began = world.clock.monotonic()
    done = trip(journal.kube, journal, entries(*SERVICES))
    assert all(route["error"] for route in done["routes"])
    assert (done["changed"], done["at"]) == (False, None)
    assert 26.0 < world.clock.monotonic() - began < 30.0 + 2 * 2.0


def test_a_trip_without_a_release_is_the_operators_own(world: ManyRoutes) -> None:
    assert tripped(world, S)["changed"]
    assert [request.method for request in world.server.writes()] == ["PUT"]


GOOD = {"service": S, "route": S, "weights": BACK, "depends_on": [REFERENCE]}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([{**GOOD, "weights": {"blue": 90, "green": 20}}], "trip: core-api: blue 90 + green 20 is 110, the sum"),
        ([GOOD, {**GOOD, "service": WEB}], "trip: core-api is there twice"),
    ],
)
def test_bad_input_is_refused(given: list[Json], problem: str) -> None:
    with pytest.raises(OptionError, match=problem.replace("+", r"\+")):
        checked_trip(given)


def test_good_input() -> None:
    assert checked_trip([GOOD, {**GOOD, "service": WEB, "route": WEB, "depends_on": [S]}]) == [
        *entries(S),
        *entries(WEB),
    ]
    assert checked_trip([]) == []
