# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a recovery heeds the decision that an operator gives it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.heeded import heeded_decision
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.recovery import (
    default_decision,
    recovery_action,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]

AWAY: t.Final = {"kind": "unreachable"}
GIVEN: t.Final = st.sampled_from(["keep", "undo"])
KINDS: t.Final = st.sampled_from(["deploy", "rollback"])
STANDING: t.Final = st.sampled_from([None, "keep", "undo"])
#: How a region stands in release r1: it does not answer, was never part of it, has it open, or has ended it.
STANDS: t.Final = st.sampled_from(["away", "apart", "open", "released", "taken_back"])


def header(kind: str = "deploy", state: str = "open", **more: t.Any) -> Json:
    return {"id": "r1", "kind": kind, "state": state, "by": "anna", "outcome": None, "number": 4, **more}


def fleet(kind: str = "deploy", decision: str | None = None, state: str = "open", **more: t.Any) -> Json:
    found = {"decision": decision} if decision else None
    return {"header": header(kind, state, steps=["a", "b"]), "decision": found, "revisions": [], **more}


def region(kind: str, stands: str) -> Json | None:
    if stands == "away":
        return None
    if stands == "apart":
        return {"header": header(kind, "closed", id="r0", outcome="released"), "entries": [], "standby": None}
    ended = {} if stands == "open" else {"state": "closed", "outcome": stands}
    return {"header": {**header(kind), **ended}, "entries": [{"number": 1}], "standby": None}


def regions(kind: str, *stands: str) -> dict[str, Json | None]:
    return {name: region(kind, one) for name, one in zip("ab", stands, strict=False)}


def test_without_a_word_the_journals_decide() -> None:
    nothing = {"decision": "", "problem": ""}
    assert heeded_decision("", fleet(), regions("deploy", "open")) == nothing
    assert heeded_decision("", None, regions("deploy", "open"), AWAY, "no answer") == nothing
    # As often as wanted: what has ended is nobody's to decide.
    for word in ("keep", "undo"):
        closed = fleet(state="closed", revisions=[{"id": "r1", "number": 4, "outcome": "released"}])
        assert heeded_decision(word, closed, regions("deploy", "released"))["problem"] == ""


@given(GIVEN, KINDS, STANDING, STANDS, STANDS)
@settings(max_examples=200)
def test_while_the_fleet_can_be_read_nothing_but_undo_of_a_rollback_overrules_it(
    word: str, kind: str, standing: str | None, first: str, second: str
) -> None:
    known, found = fleet(kind, standing), regions(kind, first, second)
    means = standing or default_decision(known, found)
    judged = heeded_decision(word, known, found)
    back = (kind, word) == ("rollback", "undo")
    assert bool(judged["problem"]) is (word != means and not back)
    # What is heeded is only what overrules: everything else is read again under the lock.
    assert judged["decision"] == ("undo" if back else "")
    if judged["problem"]:
        assert judged["problem"].startswith(f"decision: {word} is refused: {kind} r1 of anna ")
        assert judged["problem"].endswith("run recover.yml without -e decision")


@given(GIVEN, STANDING, st.sampled_from(["open", "closed"]), st.sampled_from(["released", "taken_back", "incomplete"]))
@settings(max_examples=100)
def test_a_region_of_a_deploy_never_goes_another_way_than_without_a_word(
    word: str, standing: str | None, state: str, outcome: str
) -> None:
    past = [] if state == "open" else [{"id": "r1", "number": 4, "outcome": outcome}]
    known, mine = fleet("deploy", standing, state, revisions=past), region("deploy", "open")
    assert mine is not None
    # Even if somebody had not asked whether it is heeded.
    assert recovery_action(mine, known, given=word) == recovery_action(mine, known)
    means = "undo" if recovery_action(mine, known)["action"] == "undo" else "keep"
    assert bool(heeded_decision(word, known, {"a": mine})["problem"]) is (word != means)


@given(GIVEN, KINDS, STANDS, STANDS)
@settings(max_examples=200)
def test_without_the_fleet_no_region_of_a_deploy_goes_another_way_than_one_that_has_ended_it(
    word: str, kind: str, first: str, second: str
) -> None:
    found = regions(kind, first, second)
    judged = heeded_decision(word, None, found, AWAY, "no answer")
    assert (judged["decision"] == word) is not bool(judged["problem"])
    if "open" not in (first, second):
        assert not judged["problem"]
    elif kind == "rollback":
        assert bool(judged["problem"]) is (word == "keep" and "taken_back" in (first, second))
    elif word == "keep":
        # What nobody has released may still have the old version in its traffic.
        assert bool(judged["problem"]) is ("released" not in (first, second))
    else:
        assert bool(judged["problem"]) is ("released" in (first, second))


def test_a_balancer_in_front_of_dead_api_servers_is_a_fleet_that_is_away() -> None:
    judged = heeded_decision("undo", None, regions("deploy", "open", "taken_back"), {"kind": "server"}, "503")
    assert judged == {"decision": "undo", "problem": ""}


@given(GIVEN, KINDS, st.sampled_from(["forbidden", "unauthorized", "locked", "journal", ""]), STANDS)
def test_a_fleet_that_answers_is_not_away(word: str, kind: str, error: str, stands: str) -> None:
    judged = heeded_decision(word, None, regions(kind, stands), {"kind": error} if error else {}, "somebody edited it")
    assert judged["decision"] == ""
    assert judged["problem"].startswith(f"decision: {word} is refused: the cluster of the fleet answers")
    assert "somebody edited it" in judged["problem"]


@pytest.mark.parametrize(
    ("word", "kind", "outcome", "refused"),
    [
        ("undo", "deploy", "released", True),
        ("keep", "deploy", "released", False),
        ("keep", "deploy", "taken_back", True),
        ("undo", "rollback", "incomplete", False),
        ("keep", "rollback", "taken_back", True),
    ],
)
def test_a_release_that_the_fleet_has_ended_is_ended_as_it_says(
    word: str, kind: str, outcome: str, refused: bool
) -> None:
    past = {"id": "r1", "number": 4, "kind": kind, "outcome": outcome}
    # A change of weights may be open meanwhile; it has no part in any region.
    for known in (fleet(kind, state="closed", revisions=[past]), fleet("dns", "undo", revisions=[past])):
        known["header"]["id"] = "r2"
        judged = heeded_decision(word, known, regions(kind, "open", "away"))
        assert bool(judged["problem"]) is refused
        if refused:
            assert "is unfinished in a, and the fleet says" in judged["problem"]


def test_an_older_release_in_a_region_keeps_nobody_from_taking_a_rollback_back() -> None:
    older = {"header": header(id="r0"), "entries": [], "standby": None}
    past = [{"id": "r0", "number": 3, "outcome": "released"}]
    judged = heeded_decision("undo", fleet("rollback", "keep", revisions=past), {"a": older})
    assert judged == {"decision": "undo", "problem": ""}
    found = recovery_action(older, fleet("rollback", "keep", revisions=past), given="undo")
    assert found["action"] == "finish"


def test_a_region_knows_how_it_ended_a_release_under_what_was_opened_since() -> None:
    ended = header(state="closed", outcome="released")
    standby = {"header": {**header("standby", id="r1-standby"), "of": ended}}
    newer = {"header": header(state="closed", id="r2", outcome="taken_back"), "revisions": [{"id": "r1", "number": 4}]}
    for other in (standby, newer):
        judged = heeded_decision("undo", None, {"a": region("deploy", "open"), "b": other}, AWAY)
        assert "deploy r1 of anna: b has ended it as released" in judged["problem"]
        assert judged["problem"].endswith("or give -e decision=keep")


def test_a_change_of_a_model_is_decided_by_its_own_rules() -> None:
    # Of these nothing is decided for the regions here: what stands for the change counts before any word.
    judged = heeded_decision("keep", fleet("model"), regions("model", "open"))
    assert judged == {"decision": "keep", "problem": ""}
