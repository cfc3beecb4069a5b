# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of several routes: each by itself."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.restore import touched_routes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.trip import trip
from fakes import answer_with
from many_routes import BACK, BEFORE, REFERENCE, SERVICES, WEB, ManyRoutes, at_put, entries
from slot_world import S


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ManyRoutes:
    """Everything is in blue."""
    return ManyRoutes(monkeypatch).fill(100)


@pytest.fixture
def release(world: ManyRoutes) -> t.Any:
    """A release that has given green a tenth of everything."""
    _fleet, release = world.opened()
    done = world.shift_all(release)
    assert not done.get("failed"), done["msg"]
    world.server.requests.clear()
    return release


def test_what_was_shifted_last_goes_back_first(world: ManyRoutes, release: t.Any) -> None:
    done = world.traffic(state="restored", release=release)
    assert list(done["routes"]) == world.moved() == [WEB, S, REFERENCE]
    assert (done["warnings"], done["kept"]) == ([], [])


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_others_go_back_although_one_cannot(world: ManyRoutes, release: t.Any, check_mode: bool) -> None:
    world.pods(S, "blue", 0)
    broken = world.server.take(world.route(REFERENCE))
    broken["spec"]["rules"] = []
    world.server.put(broken, "somebody")
    done = world.traffic(state="restored", release=release, check_mode=check_mode)
    assert done["msg"] == (
        "us-east-1: the traffic could not be taken back of core-api, reference-data: route core-api: blue has 0 ready "
        "pods and needs 2; its weights stay; routes: reference-data: the HTTPRoute has no rule with the backends "
        "reference-data-blue and reference-data-green"
    )
    # A pod may become ready: worth another try, although the other route is not.
    assert (done["error"]["kind"], done["error"]["retriable"]) == ("capacity", True)
    assert done["routes"] == {WEB: {"before": BEFORE, "after": BACK}}
    assert done["diff"] == {"before": {WEB: BEFORE}, "after": {WEB: BACK}}
    assert done["changed"]
    assert world.moved() == ([] if check_mode else [WEB])


def test_when_the_pod_is_there_only_what_is_left_goes_back(world: ManyRoutes, release: t.Any) -> None:
    world.pods(S, "blue", 0)
    world.traffic(state="restored", release=release)
    world.pods(S, "blue", 1)
    done = world.traffic(state="restored", release=release)
    assert done["routes"].keys() == {S}
    assert done["warnings"] == [
        "us-east-1: route core-api: blue takes 100 % of the traffic with 1 ready pods and should have 2"
    ]
    assert set(map(str, world.weights_by_route().values())) == {str(BACK)}


def test_somebody_who_writes_one_of_them_in_between(world: ManyRoutes, release: t.Any) -> None:
    world.server.before.append(at_put(S, lambda: world.set(S, 30, "somebody")))
    done = world.traffic(state="restored", release=release)
    assert not done.get("failed"), done["msg"]
    assert world.moved() == [WEB, S, REFERENCE, S]
    assert done["routes"][S] == {"before": {"blue": 30, "green": 70}, "after": BACK}
    assert set(map(str, world.weights_by_route().values())) == {str(BACK)}


def test_a_refusal_says_whose_it_is(world: ManyRoutes, release: t.Any) -> None:
    world.server.before.append(answer_with(403, times=9, method="PUT", path="/httproutes/"))
    done = world.traffic(state="restored", release=release)
    assert done["msg"].startswith(
        "context: us-east-1 is not allowed to do that: us-east-1: the traffic could not be taken back of web, "
        "core-api, reference-data: "
    )
    assert (done["changed"], done["routes"]) == (False, {})


def test_what_was_removed_meanwhile_stays_away(world: ManyRoutes, release: t.Any) -> None:
    world.server.before.append(at_put(S, lambda: world.server.stored.pop(world.route(S))))
    done = world.traffic(state="restored", release=release)
    assert not done.get("failed"), done["msg"]
    assert done["kept"] == ["us-east-1: HTTPRoute core-api was removed by somebody else; it stays away"]
    assert world.weights_by_route() == {REFERENCE: BACK, S: None, WEB: BACK}


def test_the_lock_is_held_before_each_route(world: ManyRoutes, release: t.Any) -> None:
    """Lab lease: 6 s, renewed when 2 s old, no write after 4 s. Three slow writes of 3 s each outlast it."""

    def slow() -> None:
        world.clock.elapsed += 3.0

    world.server.before += [at_put(name, slow) for name in SERVICES]
    done = world.traffic(state="restored", release=release)
    assert not done.get("failed"), done["msg"]


def test_what_a_trip_found_is_no_state_to_go_back_to(world: ManyRoutes) -> None:
    """The gate tripped what this release had not shifted: undo must not send traffic to the failing version again."""
    world.set(S, 90)
    _fleet, release = world.opened()
    journal = world.journal(release, undoing=True)
    assert trip(journal.kube, journal, entries(S))["changed"]
    assert touched_routes(world.journaled(release)) == {}
    assert not world.traffic(state="restored", release=release)["changed"]
    assert not world.shift_all(release).get("failed")
    assert touched_routes(world.journaled(release))[S].before == BACK
    world.traffic(state="restored", release=release)
    assert world.weights_by_route()[S] == BACK
