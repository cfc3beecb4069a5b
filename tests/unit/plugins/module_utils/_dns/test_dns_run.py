# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task of dns_weight from its options to its result, over a provider in memory."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_guards import GUARDS
from dns_world import AP, EMPTY_RESULT, EU, NAME, US, DnsWorld, good
from fakes import FakeKube

FULL = {US: 50, EU: 50}


def refused(result: dict[str, t.Any], *guards: str) -> str:
    """Exactly these refused, and the message names each with what to do."""
    assert result["error"]["kind"] == "refused"
    assert [one["guard"] for one in result["guards"] if one["refused"] and not one["overridden"]] == list(guards)
    assert result["changed"] is False
    assert result["weights"]["after"] == result["weights"]["before"]
    for guard in guards:
        assert f"{guard}: " in result["msg"]
    return str(result["msg"])


def test_absolute_weights_and_0_is_a_weight(world: DnsWorld) -> None:
    done = good(world.weight(state="absolute", weights={US: 0, EU: 50}, override=["max_step"]))
    assert world.dns.weights == {US: 0, EU: 50}
    assert done["changed"]
    assert done["weights"] == {"before": {US: 50, EU: 50}, "after": {US: 0, EU: 50}}
    assert done["shares"] == {"before": {US: 0.5, EU: 0.5}, "after": {US: 0.0, EU: 1.0}}
    assert done["batch"] == {"set": {US: 0, EU: 50}}
    assert done["change_id"] == "C2"
    assert done["overridden"] == ["max_step"]
    assert [one["guard"] for one in done["guards"]] == list(GUARDS)
    assert done["verdict"] == "pass"
    # 1.8e9 is 2027-01-15T08:00:00Z; TTL 30 and slack 5.
    assert done["safe_after"] == "2027-01-15T08:00:35Z"
    assert world.dns.calls.index("wait") > world.dns.calls.index("write")
    again = good(world.weight(state="absolute", weights={US: 0, EU: 50}))
    assert not again["changed"]
    assert world.dns.writes() == 1


def test_a_shift_of_points(world: DnsWorld) -> None:
    done = good(world.weight(state="shifted", shift={"from": US, "to": EU, "points": 20.0}))
    assert world.dns.weights == {US: 30, EU: 70}
    assert done["verified"]["queries"] == 2000
    assert done["verified"]["p"] > 0.001
    assert sum(done["verified"]["counts"].values()) == 2000


def test_an_evacuation_ignores_max_step_and_keeps_the_ratio_of_the_others(world: DnsWorld) -> None:
    world.dns.put({US: 50, EU: 30, AP: 20})
    done = good(world.weight(state="evacuated", regions=[US]))
    assert world.dns.weights == {US: 0, EU: 30, AP: 20}
    assert done["shares"]["after"] == {US: 0.0, EU: 0.6, AP: 0.4}
    assert done["overridden"] == []


def test_a_dead_region_is_taken_out_without_an_override(world: DnsWorld) -> None:
    world.dns.health = {US: False}
    good(world.weight(state="evacuated", regions=[US], min_regions=2))
    assert world.dns.weights == {US: 0, EU: 50}


def test_the_last_region_is_not_evacuated_by_any_override_of_the_sum(world: DnsWorld) -> None:
    world.dns.put({US: 50, EU: 0})
    message = refused(world.weight(state="evacuated", regions=[US]), "last_region", "min_regions", "sum_zero")
    assert message.endswith("give at least one region weight. Nothing was written")
    refused(world.weight(state="evacuated", regions=[US], override=["last_region", "min_regions"]), "sum_zero")
    assert world.dns.writes() == 0


def test_all_refusals_are_told_at_once_and_each_can_be_overridden(world: DnsWorld) -> None:
    world.dns.health = {EU: False}
    world.dns.put({US: 50, EU: 50}, owner="external-dns of eu-west-1")
    world.dns.found = world.dns.found and world.dns.found.__class__(
        NAME, "A", world.dns.found.members, {US: 30, EU: 60}, "external-dns of eu-west-1", {"version": 9}
    )
    given: dict[str, t.Any] = {
        "state": "absolute",
        "weights": {US: 0, EU: 50},
        "min_regions": 2,
        "behind": [EU],
        "members": {EU: {"capacity_rps": 100}},
        "load": {"query": "load"},
    }
    world.metrics.rates["load"] = 150.0
    names = ("last_region", "min_regions", "max_step", "unhealthy", "capacity", "owner", "revision", "ttl")
    message = refused(world.weight(**given), *names)
    assert "eu-west-1 would go from 50 % to 100 %, by 50 points, and max_step is 25" in message
    assert "the TTLs of the records differ (eu-west-1 60 s, us-east-1 30 s)" in message
    assert world.dns.writes() == 0
    done = good(world.weight(**given, override=list(names)))
    assert done["overridden"] == list(names)
    # The longer of the TTLs counts.
    assert done["safe_after"] == "2027-01-15T08:01:05Z"


def test_capacity(world: DnsWorld) -> None:
    world.metrics.rates["load"] = 1500.0
    given: dict[str, t.Any] = {"members": {EU: {"capacity_rps": 1000}}, "load": {"query": "load"}}
    message = refused(world.weight(state="evacuated", regions=[US], **given), "capacity")
    assert "eu-west-1 would get 1500 requests/s (100 % of 1500) and takes 1000" in message
    world.metrics.rates["load"] = 900.0
    good(world.weight(state="evacuated", regions=[US], **given))


def test_an_unknown_load_keeps_no_dead_region_in(world: DnsWorld) -> None:
    given: dict[str, t.Any] = {"members": {EU: {"capacity_rps": 1000}}, "load": {"query": "load"}}
    shift = {"from": US, "to": EU, "points": 10.0}
    message = refused(world.weight(state="shifted", shift=shift, **given), "capacity")
    assert "the load of all regions is not known (the query found no series)" in message
    done = good(world.weight(state="evacuated", regions=[US], **given))
    assert "nobody knows whether the other regions take the load" in done["warnings"][0]


def test_checks_that_cannot_be_read_keep_no_region_in(world: DnsWorld) -> None:
    def away(verb: str) -> None:
        if verb == "healthy":
            raise ReleaseError("the checks do not answer", kind="unreachable", system="memory")

    world.dns.faults.append(away)
    done = world.weight(state="shifted", shift={"from": US, "to": EU, "points": 10.0})
    assert (done["error"]["kind"], world.dns.writes()) == ("unreachable", 0)
    done = good(world.weight(state="evacuated", regions=[US]))
    assert done["healthy"] == {US: None, EU: None}
    assert done["warnings"] == [f"{NAME} A: nobody knows which regions are healthy: the checks do not answer"]


def test_check_mode_shows_the_batch_and_writes_nothing(world: DnsWorld) -> None:
    release = world.fleet_release()
    world.fleet_server.requests.clear()
    done = good(world.weight(state="evacuated", regions=[US], check_mode=True, release=release))
    assert done["changed"]
    assert done["diff"]["after"]["batch"] == done["batch"] == {"set": {US: 0, EU: 50}}
    assert world.fleet_server.writes() == []
    assert world.dns.writes() == 0
    real = good(world.weight(state="evacuated", regions=[US], release=release))
    assert (real["batch"], real["weights"], real["diff"]) == (done["batch"], done["weights"], done["diff"])


def test_a_ramp_one_step_a_task(world: DnsWorld) -> None:
    world.dns.put({US: 0, EU: 50})
    seen = []
    for _step in range(4):
        done = good(world.weight(state="ramped", regions=[US], full=FULL))
        seen.append((world.dns.weights[US], done["ramp"]))
    assert seen == [
        (2, {"step": 5, "next": 25, "done": False}),
        (12, {"step": 25, "next": 50, "done": False}),
        (25, {"step": 50, "next": 100, "done": False}),
        (50, {"step": 100, "next": None, "done": True}),
    ]
    done = good(world.weight(state="ramped", regions=[US], full=FULL))
    assert (done["changed"], done["ramp"]) == (False, {"step": 100, "next": None, "done": True})


def test_a_release_ramps_what_it_evacuated_itself(world: DnsWorld) -> None:
    release = world.fleet_release()
    good(world.weight(state="evacuated", regions=[US], release=release))
    seen = []
    for _step in range(4):
        good(world.weight(state="ramped", regions=[US], full=FULL, release=release))
        seen.append(world.dns.weights[US])
    assert seen == [2, 12, 25, 50]


@pytest.mark.parametrize("ours", [True, False])
def test_a_release_leaves_a_region_out_that_somebody_else_evacuated(world: DnsWorld, ours: bool) -> None:
    """An evacuation wins over a release that is under way, also over its next step."""
    release = world.fleet_release()
    if ours:
        good(world.weight(state="evacuated", regions=[US], release=release))
        good(world.weight(state="ramped", regions=[US], full=FULL, release=release))
    writes = world.dns.writes()
    world.dns.put({US: 0, EU: 50})
    done = world.weight(state="ramped", regions=[US], full=FULL, release=release)
    assert done["msg"] == f"{NAME} A: {US} was evacuated by somebody else; it stays at 0"
    assert (done["error"]["kind"], done["error"]["system"]) == ("refused", "guard")
    assert (done["changed"], done["ramp"], world.dns.writes()) == (False, None, writes)


def test_an_evacuation_in_the_middle_of_a_step_wins(world: DnsWorld) -> None:
    release = world.fleet_release()
    good(world.weight(state="evacuated", regions=[US], release=release))
    good(world.weight(state="ramped", regions=[US], full=FULL, release=release))

    def meanwhile(verb: str) -> None:
        if verb == "healthy":
            world.dns.faults.clear()
            world.dns.put({US: 0, EU: 50})

    world.dns.faults.append(meanwhile)
    done = world.weight(state="ramped", regions=[US], full=FULL, release=release, override=["changed"])
    assert "was evacuated by somebody else" in done["msg"]
    assert world.dns.weights == {US: 0, EU: 50}


def test_a_ramp_that_died_before_its_write_goes_on(world: DnsWorld) -> None:
    release = world.fleet_release()
    good(world.weight(state="evacuated", regions=[US], release=release))

    def die(verb: str) -> None:
        if verb == "write":
            world.dns.faults.clear()
            raise KeyboardInterrupt

    world.dns.faults.append(die)
    with pytest.raises(KeyboardInterrupt):
        world.weight(state="ramped", regions=[US], full=FULL, release=release)
    good(world.weight(state="ramped", regions=[US], full=FULL, release=release))
    assert world.dns.weights == {US: 2, EU: 50}


def test_region_yml_brings_a_region_back_whoever_evacuated_it(world: DnsWorld) -> None:
    release = dataclasses.replace(world.fleet_release(), kind="dns")
    world.dns.put({US: 0, EU: 50})
    good(world.weight(state="ramped", regions=[US], full=FULL, release=release))
    assert world.dns.weights == {US: 2, EU: 50}


def test_a_ramp_that_is_refused_tells_no_step(world: DnsWorld) -> None:
    world.dns.put({US: 0, EU: 50})
    world.dns.health = {US: False}
    done = world.weight(state="ramped", regions=[US], full=FULL)
    refused(done, "unhealthy")
    assert done["ramp"] is None


def test_full_has_to_be_about_this_set(world: DnsWorld) -> None:
    done = world.weight(state="ramped", regions=[US], full={US: 50})
    assert done["error"]["kind"] == "option"
    assert done["msg"].startswith("full: names us-east-1, and the set api.pincex.test. has eu-west-1, us-east-1")


def test_a_set_that_changed_since_it_was_read(world: DnsWorld) -> None:
    def meanwhile(verb: str) -> None:
        if verb == "healthy":
            world.dns.faults.clear()
            world.dns.put({US: 40, EU: 60})

    world.dns.faults.append(meanwhile)
    message = refused(world.weight(state="shifted", shift={"from": US, "to": EU, "points": 10.0}), "changed")
    assert "eu-west-1 has 60 and had 50, us-east-1 has 40 and had 50" in message
    world.dns.put({US: 50, EU: 50})
    world.dns.faults.append(meanwhile)
    done = good(world.weight(state="shifted", shift={"from": US, "to": EU, "points": 10.0}, override=["changed"]))
    assert world.dns.weights == {US: 30, EU: 70}
    assert done["overridden"] == ["changed"]


def test_a_set_that_changes_under_the_write(world: DnsWorld) -> None:
    release = world.fleet_release()

    def meanwhile(verb: str) -> None:
        if verb == "write":
            world.dns.faults.clear()
            world.dns.put({US: 40, EU: 60})

    world.dns.faults.append(meanwhile)
    done = world.weight(state="evacuated", regions=[US], release=release)
    assert done["msg"].startswith(
        f"{NAME} A: refused by changed: somebody else wrote it between our read and our write"
    )
    assert (done["changed"], done["error"]["kind"], done["error"]["retriable"]) == (False, "refused", True)
    [entry] = world.journaled()
    assert entry.failed is not None
    # What is known to have failed is nothing to take back.
    assert not good(world.weight(state="restored", release=release))["changed"]
    assert world.dns.weights == {US: 40, EU: 60}


def test_a_lost_answer_is_looked_for(world: DnsWorld) -> None:
    release = world.fleet_release()
    world.dns.lose = True
    done = good(world.weight(state="evacuated", regions=[US], release=release))
    assert (done["changed"], done["change_id"], world.dns.writes()) == (True, "C2", 2)
    [entry] = world.journaled()
    assert entry.done


@pytest.mark.parametrize("stands", [True, False])
def test_answers_that_are_broken_after_the_write(world: DnsWorld, stands: bool) -> None:
    """What was there is put back. What could not be is in no outcome, so that a way back looks at it."""
    release = world.fleet_release()

    def broken(verb: str) -> None:
        if verb == "look":
            raise world.dns.broken({US: 50, EU: 50})
        if verb == "write" and stands and "look" in world.dns.calls:
            raise ReleaseError("no", kind="auth", system="memory")

    world.dns.faults.append(broken)
    done = world.weight(state="evacuated", regions=[US], release=release)
    assert (done["error"]["kind"], done["changed"]) == ("broken", stands)
    outcome = "could not be put back: no; put it back by hand" if stands else "is there again"
    said = f"{NAME} A: SERVFAIL after the change; what was there before {outcome}"
    assert done["msg"] == said
    [entry] = world.journaled()
    assert (entry.done, entry.failed) == (False, None if stands else said)
    world.dns.faults.clear()
    assert good(world.weight(state="restored", release=release))["changed"] is stands
    assert world.dns.weights == {US: 50, EU: 50}


def test_the_journal_has_the_intent_before_the_write(world: DnsWorld) -> None:
    release = world.fleet_release()
    seen = []

    def look(verb: str) -> None:
        if verb == "write":
            seen.extend(world.journaled())

    world.dns.faults.append(look)
    good(world.weight(state="evacuated", regions=[US], release=release, step="take us out", override=["capacity"]))
    [intent] = seen
    assert (intent.step, intent.done) == ("take us out", False)
    [change] = intent.changes
    assert (change.ref.kind, change.ref.name, change.op) == ("WeightedSet", NAME, "dns")
    assert change.fields == {f"weights.{US}": {"before": 50, "after": 0}}
    [entry] = world.journaled()
    assert entry.done


def test_an_override_is_in_the_journal(world: DnsWorld) -> None:
    release = world.fleet_release()
    world.dns.put({US: 50, EU: 50}, owner="external-dns")
    good(world.weight(state="evacuated", regions=[US], release=release, override=["owner"]))
    [entry] = world.journaled()
    assert entry.changes[0].fields["override"] == {"before": None, "after": "owner"}


def test_undo_gives_back_what_is_still_ours(world: DnsWorld) -> None:
    world.dns.put({US: 50, EU: 30, AP: 20})
    release = world.fleet_release()
    good(world.weight(state="evacuated", regions=[US, AP], release=release))
    world.dns.put({US: 0, EU: 30, AP: 7})
    done = good(world.weight(state="restored", release=release))
    assert world.dns.weights == {US: 50, EU: 30, AP: 7}
    assert done["kept"] == [f"{NAME} A: {AP} has 7, set by somebody else, and stays (the release wrote 0; 20 before)"]
    again = good(world.weight(state="restored", release=release))
    assert (again["changed"], again["kept"]) == (False, done["kept"])


def test_undo_of_a_ramp_leaves_a_region_out_that_somebody_evacuated(world: DnsWorld) -> None:
    release = world.fleet_release()
    good(world.weight(state="evacuated", regions=[US], release=release))
    good(world.weight(state="ramped", regions=[US], full=FULL, release=release))
    world.dns.put({US: 0, EU: 50})
    done = good(world.weight(state="restored", release=release))
    assert world.dns.weights == {US: 0, EU: 50}
    assert done["kept"] == [
        f"{NAME} A: {US} was evacuated by somebody else and stays at 0 (the release wrote 2; 0 before)"
    ]


@pytest.mark.parametrize("written", [True, False])
def test_undo_of_an_entry_without_an_outcome(world: DnsWorld, written: bool) -> None:
    """Killed between intent and outcome: nobody knows, and what stands says it."""
    release = world.fleet_release()

    def die(verb: str) -> None:
        if verb == "write":
            world.dns.faults.clear()
            if written:
                world.dns.put({US: 0, EU: 50})
            raise KeyboardInterrupt

    world.dns.faults.append(die)
    with pytest.raises(KeyboardInterrupt):
        world.weight(state="evacuated", regions=[US], release=release)
    done = good(world.weight(state="restored", release=release))
    assert world.dns.weights == {US: 50, EU: 50}
    assert (done["changed"], done["kept"]) == (written, [])
    again = good(world.weight(state="restored", release=release))
    assert (again["changed"], again["kept"]) == (False, [])


def test_undo_gives_an_unhealthy_region_nothing_back(world: DnsWorld) -> None:
    release = world.fleet_release()
    good(world.weight(state="evacuated", regions=[US], release=release))
    world.dns.health = {US: False}
    done = good(world.weight(state="restored", release=release))
    assert world.dns.weights == {US: 0, EU: 50}
    assert done["kept"] == [f"{NAME} A: {US} is unhealthy and stays at 0 (not 50); ramp it in when it is fit"]


def test_the_same_step_of_a_release_does_not_shift_twice(world: DnsWorld) -> None:
    release = world.fleet_release()
    given: dict[str, t.Any] = {"state": "shifted", "shift": {"from": US, "to": EU, "points": 10.0}, "step": "shift"}
    good(world.weight(**given, release=release))
    assert not good(world.weight(**given, release=release))["changed"]
    assert world.dns.weights == {US: 40, EU: 60}
    good(world.weight(**{**given, "step": "another"}, release=release))
    assert world.dns.weights == {US: 30, EU: 70}
    done = world.weight(**given, release=release)
    assert "somebody else has made it" in done["msg"]


def test_without_a_release_an_unfinished_one_refuses(world: DnsWorld) -> None:
    world.fleet_release()
    done = world.weight(state="evacuated", regions=[US])
    assert done["error"]["kind"] == "locked"
    assert world.dns.writes() == 0


def test_answers_that_do_not_fit_the_weights(world: DnsWorld) -> None:
    world.answered = {US: 50, EU: 50}
    done = world.weight(state="shifted", shift={"from": US, "to": EU, "points": 20.0})
    assert (done["error"]["kind"], done["changed"], done["verdict"]) == ("not_proved", True, "fail")
    assert "us-east-1 30 %" in done["msg"]
    assert done["verified"]["p"] < 0.001


def test_an_address_of_nobody_is_a_failure(world: DnsWorld) -> None:
    world.foreign = "203.0.113.9"
    done = world.weight(state="evacuated", regions=[US])
    assert done["error"]["kind"] == "not_proved"
    assert "2000 of 2000 answers: 203.0.113.9, which is no address of any region of the set" in done["msg"]


def test_a_resolver_is_asked_for_ttl_and_membership_alone(world: DnsWorld) -> None:
    given: dict[str, t.Any] = {
        "state": "evacuated",
        "regions": [US],
        "verify": {"queries": 0, "resolvers": ["127.0.0.1:5300"]},
    }
    done = good(world.weight(**given))
    assert done["verified"]["resolvers"]["127.0.0.1:5300"]["ttl"] == 30
    world.ttl = 60
    done = world.weight(**given)
    assert "the resolver 127.0.0.1:5300 gave a TTL of 60 s, and the set has 30 s" in done["msg"]


def test_0_queries_ask_nothing(world: DnsWorld) -> None:
    none: dict[str, t.Any] = {"verify": {"queries": 0, "resolvers": []}}
    assert good(world.weight(state="status", **none))["verified"] is None
    done = good(world.weight(state="evacuated", regions=[US], **none))
    assert done["verified"] == {"queries": 0, "p": None, "counts": {}, "resolvers": {}}
    assert (world.questions, done["warnings"]) == (0, [])
    good(world.weight(state="status", verify={"queries": 100, "resolvers": []}))
    assert world.questions == 100


def test_status_writes_nothing_and_needs_no_cluster(world: DnsWorld) -> None:
    world.servers["management"] = FakeKube()
    done = good(world.weight(state="status"))
    assert world.servers["management"].requests == []
    assert done["weights"] == {"before": FULL, "after": FULL}
    assert done["set"]["members"][US]["targets"] == ["198.18.1.2"]
    assert done["verified"] is None
    world.answered = {US: 1, EU: 0}
    done = good(world.weight(state="status", verify={"queries": 100, "resolvers": []}))
    assert done["verdict"] == "fail"


def test_absolute_makes_a_set_that_is_not_there(world: DnsWorld) -> None:
    world.dns.found = None
    members = {US: {"targets": ["198.18.1.2"], "health": "http://us/health"}, EU: {"targets": ["198.18.2.2"]}}
    given: dict[str, t.Any] = {"state": "absolute", "weights": FULL, "ttl": 20}
    assert "there is no weighted set" in world.weight(**given)["msg"]
    assert world.weight(state="evacuated", regions=[US])["msg"].startswith("name: there is no weighted set")
    done = good(world.weight(**given, members=members))
    assert done["weights"] == {"before": None, "after": FULL}
    assert world.dns.weights == FULL
    assert world.dns.found is not None
    assert world.dns.found.ttl == 20


def test_a_weight_that_the_provider_does_not_take(world: DnsWorld) -> None:
    done = world.weight(state="absolute", weights={US: 256, EU: 256})
    assert done["msg"] == "weights: eu-west-1 256, us-east-1 256: memory takes at most 255"
    assert world.dns.writes() == 0


QUERIES = {"queries": {US: "rate"}, "connections": {US: "open"}}


def test_a_drain_ends_by_observation(world: DnsWorld) -> None:
    release = world.fleet_release()
    good(world.weight(state="evacuated", regions=[US], release=release))
    world.metrics.past["rate"] = [100.0] * 10
    began = world.clock.now()
    world.metrics.rates |= {"rate": lambda at: 50.0 if at - began < 12 else 1.5, "open": 3.0}
    done = good(world.weight(state="drained", regions=[US], observe=QUERIES, release=release))
    drained = done["drained"][US]
    assert drained == {"observed": True, "word": "observed", "rate": 1.5, "waited_s": 42.0, "connections": 3}
    assert done["verdict"] == "pass"
    assert "3 connections are still open" in done["warnings"][0]


def test_a_drain_never_ends_by_the_clock_when_data_say_otherwise(world: DnsWorld) -> None:
    world.dns.put({US: 0, EU: 50})
    world.metrics.past["rate"] = [100.0]
    world.metrics.rates["rate"] = 5.0
    done = world.weight(state="drained", regions=[US], observe=QUERIES)
    assert (done["error"]["kind"], done["verdict"], done["changed"]) == ("not_drained", "fail", False)
    assert "5 requests/s, above the limit of 2 requests/s for 30 s" in done["msg"]
    assert world.clock.elapsed == 300.0


def test_a_drain_that_nobody_sees_ends_as_unobserved(world: DnsWorld) -> None:
    world.dns.put({US: 0, EU: 50})
    done = good(world.weight(state="drained", regions=[US], observe=QUERIES))
    assert (done["drained"][US]["word"], done["drained"][US]["observed"]) == ("unobserved", False)
    assert world.clock.elapsed == 35.0


def test_without_sight_the_clock_counts_from_this_task(world: DnsWorld) -> None:
    """The journal dates the intent: the servers of the authority may have the change much later."""
    release = world.fleet_release()
    good(world.weight(state="evacuated", regions=[US], release=release))
    world.clock.sleep(60.0)
    again = good(world.weight(state="evacuated", regions=[US], release=release))
    assert (again["changed"], again["safe_after"]) == (False, "2027-01-15T08:01:35Z")
    done = good(world.weight(state="drained", regions=[US], observe=QUERIES, release=release))
    assert (done["drained"][US]["word"], done["drained"][US]["waited_s"]) == ("unobserved", 35.0)
    assert done["safe_after"] == "2027-01-15T08:01:35Z"


def test_the_baseline_is_that_before_the_last_evacuation(world: DnsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    real = world.metrics.range

    def seen(query: str, start: float, end: float, step_s: float) -> t.Any:
        asked.append(end - world.clock.start)
        return real(query, start, end, step_s)

    monkeypatch.setattr(world.metrics, "range", seen)
    given: dict[str, t.Any] = {"state": "drained", "regions": [US], "observe": QUERIES, "check_mode": True}
    release = world.fleet_release()
    world.clock.sleep(5.0)
    good(world.weight(state="evacuated", regions=[US], release=release))
    good(world.weight(**given, release=release))
    world.clock.sleep(5.0)
    good(world.weight(state="ramped", regions=[US], full=FULL, release=release))
    world.dns.put({US: 0, EU: 50})
    world.clock.sleep(5.0)
    good(world.weight(**given, release=release))
    assert asked == [5.0, 15.0]


def test_a_region_that_died_does_not_wait_for_its_last_rate(world: DnsWorld) -> None:
    world.dns.put({US: 0, EU: 50})
    world.metrics.past["rate"] = [100.0]
    began = world.clock.now()
    world.metrics.rates["rate"] = lambda at: 50.0 if at - began < 3 else None
    world.dns.health = {US: False}
    done = good(world.weight(state="drained", regions=[US], observe=QUERIES))
    assert (done["drained"][US]["word"], done["drained"][US]["rate"]) == ("unobserved", 50.0)
    assert done["healthy"] == {US: False, EU: None}
    assert world.clock.elapsed == 37.0
    # Without sight of one that is alive nobody says that it is drained.
    world.dns.health = {US: True}
    began = world.clock.now()
    done = world.weight(state="drained", regions=[US], observe=QUERIES)
    assert done["error"]["kind"] == "not_drained"


def test_lines_come_at_least_every_5_seconds_while_it_drains(world: DnsWorld) -> None:
    world.dns.put({US: 0, EU: 50})
    said: list[float] = []
    world.lines = t.cast("t.Any", type("Lines", (), {"append": lambda self, line: said.append(world.clock.elapsed)})())
    good(world.weight(state="drained", regions=[US], observe=QUERIES))
    assert max(after - before for before, after in itertools.pairwise(said)) <= 5.0


def test_a_region_with_a_weight_is_not_drained(world: DnsWorld) -> None:
    done = world.weight(state="drained", regions=[US], observe=QUERIES)
    assert done["msg"] == "regions: still with a weight: us-east-1 50; evacuate them first"


def test_a_failure_of_the_provider_has_all_keys(world: DnsWorld) -> None:
    def away(verb: str) -> None:
        raise ReleaseError("memory does not answer", kind="unreachable", system="memory", retriable=True)

    world.dns.faults.append(away)
    done = world.weight(state="evacuated", regions=[US])
    assert done.keys() >= EMPTY_RESULT.keys()
    assert (done["verdict"], done["reason"]) == ("fail", "memory does not answer")
