# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A judgement that takes back at once: two regions and a fleet in memory, and what stands in the way of each."""

from __future__ import annotations

import gc
import threading
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import at_once
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.region import change_route
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.task import Task
from shadow_world import MODEL, ROUTE, bad
from two_regions import EU, US, TwoRegions

BEFORE, BACK = {"blue": 95, "green": 5}, {"blue": 100, "green": 0}
FLEET: t.Final = "management"
WHY: t.Final = "watch_model.yml: errors: 2000 errors in 2000 answers, 5 % are allowed"
FINISH: t.Final = {"state": "rolled_back", "model": MODEL, "version": "v2.1.0", "slot": None, "reason": WHY}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> TwoRegions:
    return TwoRegions(monkeypatch)


def dead(_request: Request) -> Answer | None:
    raise NoAnswer("connection refused", timeout=False, sent=False)


def verdicts(told: dict[str, t.Any]) -> dict[str, str]:
    regions = told["taken_back"]["regions"].items()
    return {FLEET: told["taken_back"]["fleet"]["verdict"], **{name: one["verdict"] for name, one in regions}}


def test_what_fails_is_back_in_all_regions_under_journals_that_stay_open(world: TwoRegions) -> None:
    written = []
    world.source.before_read = lambda: written.extend(world.writes())
    told = world.judged()
    assert written == [], "nothing is locked before it is decided"
    assert (told["verdict"], told["next"]["action"], told["changed"]) == ("fail", "roll_back", True)
    assert (world.shares(), verdicts(told)) == (
        {US: BACK, EU: BACK},
        {FLEET: "opened", US: "rolled_back", EU: "rolled_back"},
    )
    done = told["taken_back"]
    for name in (US, EU):
        one = done["regions"][name]
        assert (one["traffic"]["before"]["weights"], one["traffic"]["after"]["weights"]) == (BEFORE, BACK)
        assert one["served_at"] >= done["decided_at"]
        assert one["reason"] == f"{MODEL} in {name}: blue 100, green 0, no challenger"
        assert (one["note"]["challenger"], one["note"]["champion"]) == ("v2.1.0", "v2.0.0")
        release = ReleaseRef.from_option(one["release"])
        assert (release.id, release.fleet.token) == (done["fleet"]["release"]["id"], 1)
    headers = world.headers()
    assert [header["finish"] for header in headers.values() if header] == [FINISH] * 3
    assert {header["kind"] for header in headers.values() if header} == {"model"}
    assert headers[FLEET] is not None and headers[FLEET]["steps"] == [US, EU]
    # The route of the region that was looked at is told as it was judged.
    assert told["traffic"]["after"]["weights"] == BEFORE
    assert told["diff"]["after"]["traffic"][EU]["weights"] == BACK
    world.close(done)
    assert (set(world.held().values()), set(world.headers().values())) == ({""}, {None})


def test_when_it_is_decided_every_connection_is_open(world: TwoRegions) -> None:
    """After the decision nobody reads a kubeconfig or asks for plurals."""
    seen: dict[str, int] = {}

    def count() -> None:
        deadline = time.monotonic() + 30
        while any(thread.name == "way back" for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        seen.update({name: len(server.requests) for name, server in world.servers.items()})

    world.source.before_read = count
    world.judged()
    for name, server in world.servers.items():
        after = [f"{one.method} {one.path.rsplit('/', 1)[-1]}" for one in server.requests[seen[name] :]]
        assert seen[name] and not any(one.endswith(" v1") for one in after), after
        put = next((number for number, one in enumerate(after) if one == f"PUT {MODEL}"), 0)
        # A request takes milliseconds.
        assert put < 25, after


def test_nobody_looks_for_garbage_among_the_records_before_it_is_taken_back(world: TwoRegions) -> None:
    collects = []
    world.server.before.append(lambda request: collects.append((request.method, gc.isenabled())))
    world.judged()
    assert ("PUT", False) in collects and ("PUT", True) not in collects
    assert gc.isenabled()


def test_without_a_failure_nothing_is_locked(world: TwoRegions) -> None:
    world.source.records = []
    told = world.judged()
    assert (told["verdict"], told["taken_back"], world.writes()) == ("hold", None, [])


def test_one_region_that_is_away_holds_nobody_up(world: TwoRegions) -> None:
    world.servers[EU].before.append(dead)
    began = world.clock.elapsed
    told = world.judged()
    assert verdicts(told) == {FLEET: "opened", US: "rolled_back", EU: "unreachable"}
    assert world.clock.elapsed - began < 10, "its own patience, not that of an API server that answers"
    away = told["taken_back"]["regions"][EU]
    assert (away["release"], away["served_at"], away["changed"]) == (None, None, False)
    assert "connection refused" in away["reason"]
    assert world.shares() == {US: BACK, EU: BEFORE}


def test_one_region_where_somebody_works_is_left_to_them(world: TwoRegions) -> None:
    world.lock(EU)
    told = world.judged()
    assert verdicts(told) == {FLEET: "opened", US: "rolled_back", EU: "refused"}
    assert "by ben is unfinished" in told["taken_back"]["regions"][EU]["reason"]
    assert (world.shares(), world.servers[EU].writes()) == ({US: BACK, EU: BEFORE}, [])


def test_nobody_goes_past_somebody_who_holds_the_fleet(world: TwoRegions) -> None:
    world.lock(FLEET)
    told = world.judged()
    assert verdicts(told) == {FLEET: "refused", US: "refused", EU: "refused"}
    assert told["taken_back"]["regions"][US]["reason"].startswith("the fleet: fleet: model ")
    assert (told["changed"], world.shares(), world.writes()) == (False, {US: BEFORE, EU: BEFORE}, [])


def test_nobody_goes_where_the_fleet_says_something_else(world: TwoRegions) -> None:
    world.fleet_server.denied.add(("create", "leases"))
    told = world.judged()
    assert verdicts(told) == {FLEET: "failed", US: "refused", EU: "refused"}
    assert world.shares() == {US: BEFORE, EU: BEFORE}


def test_a_fleet_that_is_away_does_not_stop_it(world: TwoRegions) -> None:
    world.fleet_server.before.append(dead)
    told = world.judged()
    assert verdicts(told) == {FLEET: "unreachable", US: "rolled_back", EU: "rolled_back"}
    assert world.shares() == {US: BACK, EU: BACK}
    release = told["taken_back"]["regions"][US]["release"]
    assert release["fleet"] == {"kubeconfig": "/k", "context": FLEET, "namespace": "pincex-fleet", "token": 0}


def test_it_does_not_wait_again_for_a_fleet_that_was_away_before(world: TwoRegions) -> None:
    asked: list[float] = []

    def silent(request: Request) -> Answer | None:
        asked.append(world.clock.now())
        return dead(request)

    world.fleet_server.before.append(silent)
    told = world.judged()
    assert max(asked) <= told["taken_back"]["decided_at"]


@pytest.mark.parametrize("away", ["", FLEET, EU])
def test_check_mode_writes_nothing_and_tells_the_same(world: TwoRegions, away: str) -> None:
    if away:
        world.servers[away].before.append(dead)
    would = world.judged(check_mode=True)
    assert (world.writes(), world.shares()) == ([], {US: BEFORE, EU: BEFORE})
    did = world.judged()
    assert (verdicts(would), would["diff"]) == (verdicts(did), did["diff"])
    for name, one in would["taken_back"]["regions"].items():
        assert (one["release"], one["served_at"]) == (None, None)
        if did["taken_back"]["regions"][name]["verdict"] == "rolled_back":
            assert "check mode, nothing was written; blue 100" in one["reason"]
    assert would["changed"] and did["changed"]


def test_a_gateway_that_is_slow_to_accept_it_has_it_all_the_same(world: TwoRegions) -> None:
    world.servers[EU].after.clear()
    told = world.judged()
    assert verdicts(told)[EU] == "rolled_back" and world.shares()[EU] == BACK
    slow = told["taken_back"]["regions"][EU]
    assert (slow["served_at"], slow["changed"]) == (None, True)
    assert "it is written, and within 3 s not in effect" in slow["reason"]


def test_a_challenger_that_another_has_followed_is_not_taken_back(world: TwoRegions) -> None:
    world.region("rolled_back", context=EU)
    world.region("deployed", context=EU, strategy="canary", version="v3.0.0")
    told = world.judged()
    assert verdicts(told) == {FLEET: "opened", US: "rolled_back", EU: "failed"}
    assert "version: is v2.1.0, and the challenger here is v3.0.0" in told["taken_back"]["regions"][EU]["reason"]
    assert told["taken_back"]["regions"][EU]["release"] is not None, "who closes it has to know it"


def test_a_context_that_is_not_there_is_told_of_its_region_alone(
    world: TwoRegions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(kubeconfig: str, context: str, region: str, clock: object) -> KubeApi:
        if context == "nowhere":
            raise OptionError("context", f"{context} is not in {kubeconfig}", region=region)
        return world.connect(kubeconfig, context, region, clock)

    monkeypatch.setattr(kube_module, "connect", connect)
    told = world.judged(take_back=world.take_back(US, "nowhere"))
    assert verdicts(told) == {FLEET: "opened", US: "rolled_back", "nowhere": "failed"}
    assert told["taken_back"]["regions"]["nowhere"]["reason"] == "context: nowhere is not in /k"


def test_what_nobody_expects_in_one_region_hides_nothing_of_the_others(
    world: TwoRegions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(task: Task) -> None:
        if task.session.region == EU:
            raise ValueError("no number: x")
        change_route(task)

    monkeypatch.setattr(at_once, "change_route", change)
    told = world.judged()
    assert verdicts(told) == {FLEET: "opened", US: "rolled_back", EU: "failed"}
    bad = told["taken_back"]["regions"][EU]
    assert (bad["reason"], bad["served_at"]) == ("ValueError: no number: x", None)
    assert bad["release"] is not None, "who closes it has to know it"
    world.close(told["taken_back"])
    assert set(world.held().values()) == {""}


def test_who_waits_for_a_region_renews_the_locks_of_the_others(world: TwoRegions) -> None:
    renewed = threading.Event()

    def wait(request: Request) -> Answer | None:
        if request.method == "PUT" and request.path.endswith(MODEL):
            world.clock.elapsed += 2.0
            assert renewed.wait(timeout=30)
        return None

    def renewals(request: Request) -> Answer | None:
        leases = [one for one in world.servers[US].writes() if one.path.endswith("leases/pincex-release")]
        fleet = [one for one in world.fleet_server.writes() if one.path.endswith("leases/pincex-release")]
        if leases and fleet:
            renewed.set()
        return None

    world.servers[EU].before.append(wait)
    world.servers[US].after.append(renewals)
    told = world.judged(take_back=world.take_back(lease_s=3.0, renew_s=0.05))
    assert renewed.is_set() and verdicts(told)[EU] == "rolled_back"


def test_wherever_it_is_killed_what_was_written_is_in_a_journal_that_says_where_it_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From a request on nothing of the process reaches any cluster, as if it were gone."""
    reached = 0
    for last in range(0, 46, 3):
        world = TwoRegions(monkeypatch)
        left = [last]
        lock = threading.Lock()

        def cut(request: Request, left: list[int] = left, lock: threading.Lock = lock) -> Answer | None:
            with lock:
                left[0] -= 1
                return dead(request) if left[0] < 0 else None

        def begin(world: TwoRegions = world, cut: t.Any = cut) -> None:
            while any(thread.name == "way back" for thread in threading.enumerate()):
                time.sleep(0.001)
            for server in world.servers.values():
                server.before.append(cut)

        world.source.before_read = begin
        world.judged()
        for server in world.servers.values():
            server.before.remove(cut)
        headers = world.headers()
        for name in (US, EU):
            if world.shares()[name] == BACK:
                assert headers[name] is not None and headers[name]["finish"] == FINISH, (last, name)
                reached += 1
        opened = [header for header in headers.values() if header is not None]
        assert all(header["finish"] == FINISH for header in opened)
    assert reached, "none of them came so far"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"actor": None}, "actor: needed with take_back, for the journals"),
        ({"reason": ""}, "reason: needed with take_back"),
        ({"regions": []}, "take_back.regions: is empty; name all that the model has"),
        ({"regions": [US, US]}, f"take_back.regions: {US} is there twice"),
        ({"controller": None}, "take_back.controller: needed with state=opened"),
        ({"lease_s": 0.5}, "take_back.lease_s: must be at least 1"),
        ({"renew_s": 9.0}, "take_back.renew_s: must be above 0 and at most a third of lease_s"),
        ({"state": "promoted"}, "take_back: is for state judged with a route"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_asked(world: TwoRegions, given: dict[str, t.Any], told: str) -> None:
    wanted = world.take_back()
    wanted |= {name: given[name] for name in ("controller", "lease_s", "renew_s") if name in given}
    if "regions" in given:
        wanted["regions"] = world.take_back(*given["regions"])["regions"] if given["regions"] else []
    who = {"actor": "anna", "reason": "watch", **{name: given[name] for name in ("actor", "reason") if name in given}}
    result = world.region(
        given.get("state", "judged"),
        sources=[{"name": "n", "json_lines": {"url": "http://x"}}],
        take_back=wanted,
        **who,
    )
    assert bad(result, "option").startswith(told)
    assert [server.requests for server in world.servers.values()] == [[], [], []]


def test_a_route_that_is_not_there_is_told(world: TwoRegions) -> None:
    del world.servers[EU].stored[ROUTE]
    told = world.judged()
    assert verdicts(told) == {FLEET: "opened", US: "rolled_back", EU: "failed"}
