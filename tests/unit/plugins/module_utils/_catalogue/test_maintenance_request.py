# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a maintenance is asked for, which engine it is about, and how it ended."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.maintenance import (
    exchange,
    maintenance_request,
    maintenance_summary,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.manifests import DIGEST_ANNOTATION
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import SLOTS
from catalogue_samples import manifests
from engine_samples import ENGINE as MATCHING
from engine_samples import SERVICES as TRADED
from engine_samples import trading, with_standby
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]

API = {"image": "registry.lab/api", "strategy": "canary"}
ENGINE = {
    "image": "registry.lab/engine",
    "strategy": "drain",
    "storage": "1Gi",
    "handover": {"gateways": ["api"], "gateway_port": 8081},
}
SERVICES: Json = {"api": API, "pages": API, "engine": ENGINE}
#: As surveys and people give them, with what they mean.
WORDS: list[tuple[t.Any, bool]] = [
    *((word, True) for word in ("true", "Yes", "on", True, 1)),
    *((word, False) for word in ("false", "No", False, "", None, 0)),
]
TRADING = {"engine": {"url": "http://engine"}, "gateways": [{"url": "http://api"}]}


def asked(**given: t.Any) -> Json:
    return maintenance_request(
        {"kind": "maintenance", "services": SERVICES, "state": "entered", "reason": "storage", **given}
    )


def running(live: str | None, **replicas: int) -> Json:
    slots = {slot: {"replicas": number} for slot, number in replicas.items()}
    return {"services": {"engine": {"live_slot": live, "slots": slots}}}


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(WORDS),
    st.sampled_from([("300", 300.0), (" 12.5 ", 12.5), (0, 0.0), ("", 0.0), (None, 0.0)]),
    st.lists(st.sampled_from(list(SERVICES)), unique=True),
    st.booleans(),
)
def test_text_of_a_survey_is_as_good_as_types(
    emergency: tuple[t.Any, bool], announce: tuple[t.Any, float], names: list[str], as_text: bool
) -> None:
    named = ", ".join(names) if as_text else names
    found = asked(emergency=emergency[0], announce_s=announce[0], named=named, drain="yes")
    assert found["problems"] == []
    assert (found["emergency"], found["announce_s"]) == (emergency[1], announce[1])
    assert (found["cancel_only_s"], asked(cancel_only_s=0)["cancel_only_s"]) == (60.0, 0.0)
    assert found["names"] == (names or list(SERVICES))
    assert found["drain"] is True


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"state": ""}, "state: missing; use -e state=entered or -e state=left."),
        ({"state": "on"}, "state: 'on' is neither; use -e state=entered or -e state=left."),
        ({"reason": " "}, "reason: missing; say why with"),
        ({"emergency": "orders are rejected"}, "emergency: 'orders are rejected' is neither true nor false."),
        ({"drain": "maybe"}, "drain: 'maybe' is neither true nor false."),
        ({"announce_s": "soon"}, "announce_s: 'soon' is no number of seconds."),
        ({"announce_s": "-1"}, "announce_s: '-1' is no number of seconds."),
        ({"named": "pags"}, "maintenance_services: unknown service pags; did you mean pages?"),
        ({"release_confirm": "production"}, "confirm: missing; this environment wants a maintenance confirmed by"),
        ({"trading": {"engin": {}}}, "trading.engin: unknown option; did you mean engine?"),
        ({"trading": {"tls": {}}}, "trading.engine: missing."),
        ({"services": {}}, "services: the catalogue is empty"),
        ({"services": {"api": API}, "drain": True}, "drain: no engine is known"),
        ({"services": {"api": API}, "kind": "resume"}, "drain: no engine is known"),
        ({"drain": "no"}, "drain: engine is scaled to zero, so trading has to be stopped"),
        ({"named": ["engine"]}, "drain: engine is scaled to zero, so trading has to be stopped"),
        ({"limit": "eu", "hosts": ["us"]}, "--limit: unknown region eu"),
    ],
)
def test_what_cannot_go_well_is_named(given: Json, problem: str) -> None:
    problems = asked(**given)["problems"]
    assert any(found.startswith(problem) for found in problems), problems


def test_trading_is_stopped_for_the_whole_exchange_and_not_for_a_part_of_it() -> None:
    assert asked()["drain"] is True
    assert asked(named="api")["drain"] is False
    assert asked(named="api", drain="true")["drain"] is True
    assert asked(services={"api": API})["drain"] is False
    assert asked(services={"api": API}, trading=TRADING)["drain"] is True
    left = asked(state="left", reason="")
    assert (left["problems"], left["names"]) == ([], [])
    assert asked(kind="drain", state="")["problems"] == []


def test_the_engine_that_leads_and_its_other_slot() -> None:
    found = exchange(SERVICES, running("green", green=1, blue=1))
    assert (found["problem"], found["prover"]) == (None, None)
    assert found["options"] == {
        "engine": {"pod": "engine-green-0", "port": 8080},
        "prove": {"pod": "engine-blue-0", "port": 8080},
        "gateway_pods": [{"selector": "app.kubernetes.io/name=api", "port": 8081}],
        "contract": {},
        "allow_unknown": [],
    }
    assert exchange(SERVICES, running("green", green=1, blue=0))["prover"] == "engine-blue"
    assert [exchange(SERVICES, running("green", green=up, blue=0))["down"] for up in (0, 1)] == [True, False]
    assert exchange(SERVICES, running("blue", blue=1))["options"]["prove"] == {"pod": "engine-green-0", "port": 8080}
    assert exchange(SERVICES, running(None))["problem"] == "no slot of engine leads, so there is nothing to drain"
    assert "the catalogue has none" in exchange({"api": API})["problem"]
    two = {**SERVICES, "other": dict(ENGINE)}
    assert "the catalogue has engine, other" in exchange(two, running("blue", blue=1))["problem"]


def test_what_the_inventory_says_counts_alone() -> None:
    found = exchange(SERVICES, running(None), TRADING)
    assert found == {"options": TRADING, "problem": None, "prover": None, "objects": [], "down": False}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SLOTS), st.sampled_from(["v1", "v2"]), st.sampled_from([None, "v1", "v2"]), st.booleans())
def test_who_proves_is_as_who_leads_in_the_other_slot_unless_it_is_up(
    live: str, version: str, standby: str | None, up: bool
) -> None:
    other = SLOTS[1 - SLOTS.index(live)]
    before = trading(version, live)
    if standby is not None:
        before = with_standby(before, standby, other)
        before["services"][MATCHING]["slots"][other]["replicas"] = int(up)
    found = exchange(TRADED, before)
    assert found["options"]["prove"]["pod"] == f"{MATCHING}-{other}-0"
    if standby is not None and up:
        assert (found["prover"], found["objects"]) == (None, [])
        return
    assert found["prover"] == f"{MATCHING}-{other}"
    # What a release of the leader's version would make of that slot, whatever was there, and no scale.
    wanted = {key(obj): obj for obj in manifests(TRADED, {MATCHING: version})[MATCHING][other]}
    assert {key(obj): unmarked(obj) for obj in found["objects"]} == wanted


def key(obj: Json) -> tuple[str, str]:
    return obj["kind"], obj["metadata"]["name"]


def unmarked(obj: Json) -> Json:
    """Without the mark of the release that it came from."""
    annotations = {
        name: text for name, text in obj["metadata"].get("annotations", {}).items() if name != DIGEST_ANNOTATION
    }
    bare = {name: value for name, value in obj["metadata"].items() if name != "annotations"}
    return {**obj, "metadata": {**bare, "annotations": annotations} if annotations else bare}


def test_the_end_is_honest() -> None:
    good = {"region": "us", "verdict": "entered", "reason": "since 10:00"}
    assert maintenance_summary([good]) == {"ok": True, "sentence": "us is entered (since 10:00)"}
    bad = maintenance_summary([good, {"region": "eu", "verdict": "unreachable", "reason": ""}])
    assert bad == {"ok": False, "sentence": "not everywhere: us is entered (since 10:00); eu is unreachable"}
