# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle finds every way in which an environment is not whole."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.oracle import EngineState, Json, Ledger, NamesState, SiteState, State, judge

HPA = "HorizontalPodAutoscaler api-blue"


def deployment(slot: str, version: str, replicas: int) -> Json:
    labels = {"app.kubernetes.io/version": version}
    meta = {"name": f"api-{slot}", "labels": labels, "uid": "u", "annotations": {"pincex.io/lock-token": "3"}}
    spec = {"replicas": replicas, "template": {"image": version}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec, "status": {"x": replicas}}


def region(blue: int, green: int, version: str = "v2", low: int = 2) -> SiteState:
    autoscaler = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "api-blue"}}
    objects = {
        "Deployment api-blue": deployment("blue", "v1", 2 if blue else 0),
        "Deployment api-green": deployment("green", version, 2 if green else 0),
        HPA: {**autoscaler, "spec": {"minReplicas": low, "maxReplicas": 4}},
    }
    return SiteState(objects, {"api": {"blue": blue, "green": green}})


OLD = State({"us": region(100, 0), "eu": region(100, 0)}, SiteState())
NEW = State({"us": region(0, 100), "eu": region(0, 100)}, SiteState())


def told(found: State, ledger: Ledger | None = None) -> tuple[str, ...]:
    return judge(found, OLD, NEW, ledger).violations


def with_us(**changed: t.Any) -> State:
    return State({**OLD.regions, "us": dataclasses.replace(OLD.regions["us"], **changed)}, OLD.fleet)


def test_exactly_old_and_exactly_new_are_whole() -> None:
    assert judge(OLD, OLD, NEW, Ledger()) == judge(OLD, OLD, NEW, None)
    assert (judge(OLD, OLD, NEW, None).stands, told(OLD)) == ("old", ())
    assert (judge(NEW, OLD, NEW, None).stands, told(NEW)) == ("new", ())


def test_regions_at_different_revisions() -> None:
    mixed = State({"us": NEW.regions["us"], "eu": OLD.regions["eu"]}, SiteState())
    assert told(mixed) == ("the regions do not stand at the same revision: eu has the old one, us has the new one",)
    assert judge(mixed, OLD, NEW, None).stands == "mixed"


def test_half_a_revision_says_what_differs() -> None:
    half = {**OLD.regions["us"].objects, "Deployment api-green": deployment("green", "v3", 2)}
    (sentence,) = told(with_us(objects=half))
    assert sentence.startswith("us: neither the old nor the new revision; from the old one differ ")
    assert "Deployment api-green spec.replicas: 2 instead of 0" in sentence
    assert "Deployment api-green spec.template.image: v3 instead of v2" in sentence


def test_an_autoscaler_that_is_not_as_before() -> None:
    held = copy.deepcopy(dict(OLD.regions["us"].objects))
    held[HPA]["spec"]["minReplicas"] = 3
    assert "HorizontalPodAutoscaler api-blue spec.minReplicas: 3 instead of 2" in told(with_us(objects=held))[0]


@pytest.mark.parametrize(("replicas", "whole"), [(1, False), (2, True), (4, True), (5, False)])
def test_a_slot_is_as_large_as_its_autoscaler_may_make_it(replicas: int, whole: bool) -> None:
    scaled = {**OLD.regions["us"].objects, "Deployment api-blue": deployment("blue", "v1", replicas)}
    assert (told(with_us(objects=scaled)) == ()) is whole


def test_an_orphan_and_a_missing_object() -> None:
    orphan = {**OLD.regions["us"].objects, "Service stray": {"kind": "Service", "metadata": {}, "spec": {}}}
    sentences = told(with_us(objects=orphan))
    assert "us: Service stray is orphaned: neither revision has it" in sentences
    gone = {name: obj for name, obj in OLD.regions["us"].objects.items() if name != HPA}
    assert f"{HPA}: is missing" in told(with_us(objects=gone))[0]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"holder": "r1/host/7"}, "us: the lock is held by r1/host/7"),
        ({"open_release": "r1"}, "us: the journal of release r1 is open"),
        ({"weights": {"api": {"blue": 90, "green": 0}}}, "us: the weights of api sum to 90, not to 100"),
    ],
)
def test_what_is_left_in_a_region(changed: dict[str, t.Any], sentence: str) -> None:
    assert told(with_us(**changed)) == (sentence,)


def test_what_is_left_in_the_fleet() -> None:
    assert told(State(OLD.regions, SiteState(holder="x", open_release="r1"))) == (
        "the fleet: the journal of release r1 is open",
        "the fleet: the lock is held by x",
    )


def test_orders() -> None:
    assert told(OLD, Ledger(lost=2, duplicated=1)) == ("1 orders were duplicated", "2 orders were lost")
    assert "is not known" in told(OLD, Ledger(lost=None))[0]


def led(owner: str, *leaders: str, epoch: int = 7) -> dict[str, EngineState]:
    return {"engine": EngineState(owner, epoch, leaders or (owner,))}


def with_engines(us: dict[str, EngineState], eu: dict[str, EngineState], state: State = OLD) -> State:
    regions = {name: dataclasses.replace(state.regions[name], engines=one) for name, one in (("us", us), ("eu", eu))}
    return State(regions, state.fleet)


BLUE, GREEN = led("engine-blue"), led("engine-green")


def told_of_engines(found: State) -> tuple[str, ...]:
    return judge(found, with_engines(BLUE, BLUE), with_engines(GREEN, GREEN, NEW), None).violations


def test_who_leads_belongs_to_the_revision() -> None:
    assert told_of_engines(with_engines(BLUE, BLUE)) == told_of_engines(with_engines(GREEN, GREEN, NEW)) == ()
    # Handed over and handed back: another epoch of the same engine.
    assert told_of_engines(with_engines(led("engine-blue", epoch=9), BLUE)) == ()
    (sentence,) = told_of_engines(with_engines(GREEN, BLUE))
    assert sentence == (
        "us: neither the old nor the new revision; from the old one differ "
        "the epoch of engine owner: engine-green instead of engine-blue"
    )


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        (EngineState("engine-blue", 7, ()), "us: nobody leads engine"),
        (
            led("engine-blue", "engine-blue", "engine-green")["engine"],
            "us: engine-blue and engine-green both lead engine",
        ),
        (
            led("engine-blue", "engine-green")["engine"],
            "us: engine-green leads engine, and its epoch record names engine-blue",
        ),
    ],
)
def test_exactly_one_leads_and_the_record_names_it(engine: EngineState, sentence: str) -> None:
    assert told_of_engines(with_engines({"engine": engine}, BLUE)) == (sentence,)


def weighed(us: int, eu: int, *answered: str, unread: str = "") -> NamesState:
    return NamesState({"us": us, "eu": eu}, unread, answered or ("eu", "us"))


def told_of_weights(found: State, names: NamesState) -> tuple[str, ...]:
    """In the old revision both regions have 50, in the new one `us` has 60."""
    old, new = dataclasses.replace(OLD, names=weighed(50, 50)), dataclasses.replace(NEW, names=weighed(60, 50))
    return judge(dataclasses.replace(found, names=names), old, new, None).violations


def test_the_weights_are_those_of_the_revision_that_stands() -> None:
    assert told_of_weights(OLD, weighed(50, 50)) == told_of_weights(NEW, weighed(60, 50)) == ()
    assert told_of_weights(OLD, weighed(60, 50)) == ("the weights: eu 50, us 60 instead of eu 50, us 50",)
    assert told_of_weights(NEW, weighed(0, 50, "eu")) == ("the weights: eu 50, us 0 instead of eu 50, us 60",)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (NamesState(unread="PowerDNS does not answer"), "the weights: PowerDNS does not answer"),
        (NamesState({"us": 50, "eu": 50}), "the weights: the authority gives no region to those who ask"),
        (weighed(50, 50, ""), "the weights: the authority gives no region to those who ask"),
        (weighed(50, 50, "", "us"), "the weights: the authority answers some of those who ask with nothing"),
        (weighed(50, 50, "us", "192.0.2.1"), "the weights: the authority gives 192.0.2.1, which has no weight"),
    ],
)
def test_the_set_can_be_read_and_gives_regions_with_a_weight(names: NamesState, sentence: str) -> None:
    assert told_of_weights(OLD, names) == (sentence,)


def test_a_region_that_is_half_changed_has_no_weight() -> None:
    half = {**OLD.regions["us"].objects, "Deployment api-green": deployment("green", "v3", 2)}
    sentences = told_of_weights(with_us(objects=half), weighed(50, 50))
    assert "us: is half changed, and has the weight 50" in sentences
    # Its weight is missing, which is another finding.
    left = told_of_weights(with_us(objects=half), weighed(0, 50, "eu"))
    assert "the weights: eu 50, us 0 instead of eu 50, us 50 or eu 50, us 60" in left
    assert not any("is half changed" in sentence for sentence in left)


values = st.one_of(st.integers(0, 2), st.sampled_from(["a", "b"]), st.lists(st.integers(0, 1), max_size=2))
specs = st.dictionaries(st.sampled_from(["p", "q"]), values | st.dictionaries(st.just("r"), values), max_size=2)


@settings(max_examples=80, deadline=None)
@given(specs, specs, specs)
def test_a_state_passes_only_when_it_is_one_of_the_two(old: Json, new: Json, found: Json) -> None:
    def state(spec: Json) -> State:
        return State({"us": SiteState({"Service s": {"kind": "Service", "metadata": {}, "spec": spec}})}, SiteState())

    passed = not judge(state(found), state(old), state(new), None).violations
    assert passed is (found in (old, new))
