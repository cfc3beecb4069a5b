# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_traffic on a Service that selects a slot, in a region without Gateway API."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_trip import TripEntry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.find import (
    find_routes,
    rights_to_shift,
    weights_by_service,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.selector import build_service
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.trip import checked_trip, trip
from selector_world import BLUE, GREEN, SERVICE, URL, SelectorWorld
from slot_world import ROUTE, S, SlotWorld

Json = dict[str, t.Any]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SelectorWorld:
    return SelectorWorld(monkeypatch).fill()


def good(result: Json) -> Json:
    assert not result.get("failed"), result["msg"]
    return result


def at_put(act: t.Callable[[], t.Any]) -> t.Any:
    """A fault: something happens with the next write of the Service."""
    left = [1]

    def fault(request: t.Any) -> None:
        written = request.method == "PUT" and request.query.get("dryRun") is None
        if left[0] and written and request.path.endswith(f"/services/{S}"):
            left[0] -= 1
            act()

    return fault


def test_a_shift_is_proved_by_the_endpoints_and_journaled(world: SelectorWorld) -> None:
    _fleet, release = world.opened()
    world.lag = 3
    done = good(world.shift(GREEN, release))
    assert (done["changed"], done["routes"]) == (True, {S: {"before": BLUE, "after": GREEN}})
    assert (done["proofs"], done["answers"]) == ({S: ["endpoints"]}, {})
    assert world.selected() == "green"
    (entry,) = world.journaled(release)
    (change,) = entry.changes
    assert (entry.done, change.ref, change.op) == (True, SERVICE, "weights")
    assert change.fields == {"weights": {"before": BLUE, "after": GREEN}}
    assert change.before["spec"]["selector"]["pincex.io/slot"] == "blue"
    again = good(world.shift(GREEN, release))
    assert (again["changed"], again["proofs"]) == (False, {S: ["endpoints"]})


def test_with_an_address_the_answers_are_counted_as_well(world: SelectorWorld) -> None:
    done = good(world.shift(GREEN, probe_url=URL))
    assert done["proofs"] == {S: ["endpoints", "answers"]}
    assert done["answers"] == {S: {"green": {"count": 60, "versions": {"v2": 60}, "codes": {"200": 60}}}}
    assert (world.planes[URL].keep, world.planes["http://198.18.1.2"].asked) == (False, 0)


def test_what_the_data_plane_does_not_do_is_no_shift(world: SelectorWorld) -> None:
    world.stuck_in = "blue"
    done = world.shift(GREEN, probe_url=URL)
    assert done["error"] == {"kind": "not_proved", "system": "kubernetes", "region": "us-east-1", "retriable": True}
    assert "the shift to blue 0 / green 100 is not proved within 5 s: blue has weight 0 and gave 60 of" in done["msg"]
    assert done["changed"]


def test_endpoints_that_never_follow_are_told_at_the_deadline(world: SelectorWorld) -> None:
    world.lag = 10**6
    began = world.clock.monotonic()
    done = world.shift(GREEN)
    assert done["msg"].endswith(
        "is not proved within 5 s: 2 of 2 endpoints are not of green (core-api-blue-0, core-api-blue-1)"
    )
    assert 5.0 <= world.clock.monotonic() - began < 5.5


def test_check_mode_writes_nothing(world: SelectorWorld) -> None:
    entry = {"name": S, "kind": "Service", "weights": GREEN}
    done = good(world.traffic(state="shifted", routes=[entry], check_mode=True))
    assert (done["changed"], done["routes"]) == (True, {S: {"before": BLUE, "after": GREEN}})
    assert world.server.writes() == []


def test_a_slot_that_is_not_up_to_it_gets_nothing(world: SelectorWorld) -> None:
    world.slot("green", 1)
    done = world.shift(GREEN, min_ready=2)
    assert (done["error"]["kind"], world.selected()) == ("capacity", "blue")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (
            {"weights": {"blue": 90, "green": 10}},
            "routes: core-api: blue 90 / green 10 needs an HTTPRoute, a Service selector gives all traffic to one slot",
        ),
        ({"weights": GREEN, "kind": "Ingress"}, "there is no kind Ingress (there are: HTTPRoute, Service)"),
        ({"weights": GREEN, "hostnames": ["x"]}, "routes: core-api: hostnames is not for a Service"),
        ({"weights": GREEN, "kind": "HTTPRoute", "probe_url": URL}, "probe_url is not for a HTTPRoute"),
    ],
)
def test_what_is_no_shift_is_refused_before_anything_is_asked(world: SelectorWorld, entry: Json, problem: str) -> None:
    done = world.traffic(state="shifted", routes=[{"name": S, "kind": "Service", **entry}])
    assert problem in done["msg"]
    assert world.server.requests == []


def test_a_service_of_somebody_else_is_refused(world: SelectorWorld) -> None:
    theirs = world.server.take(SERVICE)
    theirs["spec"]["selector"] = {"app": S}
    world.server.put(theirs)
    done = world.shift(GREEN)
    assert done["msg"] == (
        "routes: core-api: the selector of the Service does not name app.kubernetes.io/name=core-api and pincex.io/slot"
    )
    assert world.server.writes() == []


def test_somebody_who_writes_it_in_between_is_not_overwritten(world: SelectorWorld) -> None:
    def theirs() -> None:
        found = world.server.take(SERVICE)
        found["spec"]["sessionAffinity"] = "ClientIP"
        world.server.put(found, "kubectl")

    world.server.before.append(at_put(theirs))
    done = world.shift(GREEN)
    assert "Service core-api was changed by somebody else between our read and our write" in done["msg"]
    assert (done["changed"], world.selected()) == (False, "blue")


def test_a_status_or_a_label_in_between_is_no_reason_to_stop(world: SelectorWorld) -> None:
    world.server.before.append(at_put(lambda: world.server.change(SERVICE, "cloud", status={"loadBalancer": {}})))
    good(world.shift(GREEN))
    assert world.selected() == "green"


def test_a_lost_answer_is_no_foreign_change(world: SelectorWorld) -> None:
    _fleet, release = world.opened()

    def lost() -> None:
        raise NoAnswer("connection reset", timeout=False, sent=True)

    world.server.after.append(at_put(lost))
    assert good(world.shift(GREEN, release))["changed"]
    assert world.journaled(release)[0].done


def test_a_slot_is_probed_by_the_pods_behind_its_own_service(world: SelectorWorld) -> None:
    entry = {"name": S, "kind": "Service", "slot": "green", "version": "v2"}
    probe = {"url": "http://198.18.1.2", "timeout_s": 3.0}
    done = good(world.traffic(state="probed", routes=[entry], probe=probe))
    assert (done["changed"], done["proofs"], done["answers"]) == (False, {S: ["endpoints"]}, {})
    assert world.lines[-1] == "core-api: green is ready as v2 behind its own Service"
    wrong = world.traffic(state="probed", routes=[{**entry, "version": "v3"}], probe=probe)
    assert (
        "slot green is not fit for traffic after 3 s: core-api-green-0 is behind the Service of green as version v2, "
        "not v3"
    ) in wrong["msg"]
    assert wrong["error"]["system"] == "kubernetes"
    assert world.server.writes() == []


def test_read_says_what_kind_it_is_and_whether_traffic_follows(world: SelectorWorld) -> None:
    read = good(world.traffic(state="read", routes=[S, "absent"]))["routes"]
    said = {"kind": "Service", "weights": BLUE, "hostnames": [], "accepted": True, "problem": None}
    assert read == {S: said, "absent": None}
    world.lag = 3
    theirs = world.server.take(SERVICE)
    theirs["spec"]["selector"]["pincex.io/slot"] = "green"
    world.server.put(theirs)
    read = good(world.traffic(state="read", routes=[S]))["routes"]
    assert (read[S]["accepted"], read[S]["problem"][:32]) == (False, "2 of 2 endpoints are not of gree")


def test_a_release_is_taken_back_whoever_moved_the_selector(world: SelectorWorld) -> None:
    _fleet, release = world.opened()
    good(world.shift(GREEN, release))
    world.select("blue")
    assert not good(world.traffic(state="restored", release=release))["changed"]
    world.select("green")
    done = good(world.traffic(state="restored", release=release, probe={"url": "http://198.18.1.2"}))
    assert done["routes"] == {S: {"before": GREEN, "after": BLUE}}
    assert (done["proofs"], world.selected()) == ({S: ["endpoints"]}, "blue")
    assert not good(world.traffic(state="restored", release=release))["changed"]


def test_a_slot_that_was_only_prepared_gets_nothing_either(world: SelectorWorld) -> None:
    """Nothing was shifted, so the journal does not know the route: it is looked for."""
    _fleet, release = world.opened()
    del world.server.stored[Ref("apps/v1", "Deployment", f"{S}-green", "exchange")]
    labels = {"app.kubernetes.io/name": S, "pincex.io/slot": "green"}
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": f"{S}-green", "labels": labels}}
    good(world.revision(state="applied", objects=[made], release=release))
    world.select("green")
    done = good(world.traffic(state="restored", release=release))
    assert (done["routes"], world.selected()) == ({S: {"before": GREEN, "after": BLUE}}, "blue")


def test_a_first_release_makes_the_service_and_takes_it_along(world: SelectorWorld) -> None:
    _fleet, release = world.opened()
    del world.server.stored[SERVICE]
    refused = world.shift(BLUE, release)
    assert "the Service does not exist yet; to make it, port has to be given" in refused["msg"]
    done = good(world.shift(BLUE, release, port=8080))
    assert done["routes"] == {S: {"before": None, "after": BLUE}}
    assert world.server.take(SERVICE)["spec"]["ports"][0]["port"] == 8080
    back = good(world.traffic(state="restored", release=release))
    assert back["routes"] == {S: {"before": BLUE, "after": None}}
    assert SERVICE not in world.server.stored


def test_what_was_removed_meanwhile_stays_away(world: SelectorWorld) -> None:
    _fleet, release = world.opened()
    good(world.shift(GREEN, release))
    del world.server.stored[SERVICE]
    done = good(world.traffic(state="restored", release=release))
    assert done["kept"] == ["us-east-1: Service core-api was removed by somebody else; it stays away"]


def test_the_way_back_does_not_go_to_a_slot_that_is_down(world: SelectorWorld) -> None:
    _fleet, release = world.opened()
    good(world.shift(GREEN, release))
    world.slot("blue", 0)
    done = world.traffic(state="restored", release=release)
    assert (done["error"]["kind"], world.selected()) == ("capacity", "green")


def test_a_trip_sets_it_back_in_one_write(world: SelectorWorld) -> None:
    _fleet, release = world.opened()
    good(world.shift(GREEN, release))
    world.server.requests.clear()
    journal = world.journal(release)
    given = {"service": S, "route": S, "kind": "Service", "weights": BLUE, "depends_on": None}
    done = trip(journal.kube, journal, checked_trip([given]), "core-api 100 % trip")
    assert done["routes"] == [{"service": S, "route": S, "before": GREEN, "after": BLUE, "error": ""}]
    assert (done["error"], world.selected()) == ("", "blue")
    assert [r.method for r in world.server.writes() if "/services/" in r.path] == ["PUT"]
    assert not good(world.traffic(state="restored", release=release))["changed"]


def test_a_trip_names_its_kind(world: SelectorWorld) -> None:
    assert checked_trip([{"service": S, "route": S, "weights": BLUE}]) == [TripEntry(S, S, BLUE)]
    shares = {"blue": 90, "green": 10}
    with pytest.raises(OptionError, match=r"^trip: core-api: blue 90 / green 10 needs an HTTPRoute"):
        checked_trip([{"service": S, "route": S, "kind": "Service", "weights": shares}])
    journal = world.journal(None)
    done = trip(journal.kube, journal, [TripEntry("web", "web", BLUE, (), "Service")])
    assert done["error"] == "web: trip: web: there is no such Service in exchange"


def test_the_live_slot_is_found_without_gateway_api(world: SelectorWorld) -> None:
    kube = world.journal(None).kube
    found = find_routes(kube, "exchange", [S, "absent", f"{S}-blue"])
    assert {name: obj["kind"] for name, obj in found.items()} == {S: "Service"}
    assert weights_by_service(found) == {S: BLUE}
    new = Ref("v1", "Service", "absent", "exchange")
    slices = Ref("discovery.k8s.io/v1", "EndpointSlice", S, "exchange")
    assert rights_to_shift(kube, "exchange", [S, "absent"]) == [
        ("update", SERVICE),
        ("list", slices),
        ("create", new),
        ("delete", new),
        ("list", dataclasses.replace(slices, name="absent")),
    ]


def test_an_httproute_comes_before_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """As while a service goes over from one to the other."""
    world = SlotWorld(monkeypatch)
    kube = world.journal(None).kube
    world.routed(90, 10)
    world.server.put(build_service(S, "exchange", weights=GREEN, port=8080))
    assert weights_by_service(find_routes(kube, "exchange", [S])) == {S: {"blue": 90, "green": 10}}
    # One that sends to no slots is somebody's way to the Service.
    theirs = world.server.take(ROUTE)
    theirs["spec"]["rules"] = [{"backendRefs": [{"name": S}]}]
    world.server.put(theirs)
    assert weights_by_service(find_routes(kube, "exchange", [S])) == {S: GREEN}
    del world.server.stored[SERVICE]
    assert weights_by_service(find_routes(kube, "exchange", [S])) == {}
    new = Ref("gateway.networking.k8s.io/v1", "HTTPRoute", "absent", "exchange")
    assert rights_to_shift(kube, "exchange", ["absent"]) == [("create", new), ("delete", new)]
    world.server.denied.add(("get", "httproutes"))
    with pytest.raises(Exception, match="is forbidden"):
        find_routes(kube, "exchange", [S])
