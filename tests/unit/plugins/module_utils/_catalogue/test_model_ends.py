# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a change of a model ends where something failed."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model_ends import (
    alias_end,
    alias_hint,
    alias_move,
    default_decision,
    leaving_version,
    limited_problem,
    refused_for_good,
    standing_decision,
)
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, t.Any]
AWAY: t.Final[Json] = {"error": {"kind": "unreachable"}, "msg": "mlflow does not answer"}


def finish(state: str, version: str = "v2") -> Json:
    return {"state": state, "model": "fraud", "version": version}


def has(champion: str | None = "v1", challenger: str | None = None, previous: str | None = None) -> Json:
    return {"aliases": {"after": {"champion": champion, "challenger": challenger, "previous_champion": previous}}}


def failed(kind: str, *, changed: bool = False) -> Json:
    return {"error": {"kind": kind}, "changed": changed, "msg": f"it is {kind}"}


def run(version: str | None) -> Json:
    state = {"live_slot": "blue", "slots": {"blue": {"version": version}}}
    return {"revision": {"services": {"fraud": state}}} if version else {"msg": "the API server is away"}


def moved(alias: str, before: str | None) -> list[Json]:
    """What the journal of the fleet has of an alias that moved."""
    return [{"changes": [{"op": "models", "fields": {alias: {"before": before, "after": "2"}}}]}]


@pytest.mark.parametrize(
    ("state", "looked", "entries", "decision"),
    [
        ("rolled_back", {}, [], "keep"),
        ("promoted", has("v2"), moved("champion", "1"), "keep"),
        ("promoted", has("v1"), moved("champion", "1"), "undo"),
        ("promoted", {}, [], "undo"),
        # It was the champion before this change, which may not have come to every region.
        ("promoted", has("v2"), [], "undo"),
        ("promoted", has("v2"), moved("challenger", "2"), "undo"),
        # The journal of the fleet is that of another change by now.
        ("promoted", has("v2"), None, "keep"),
        ("promoted", has("v1"), None, "undo"),
        ("deployed", has("v2", "v2"), moved("challenger", None), "undo"),
        ("stepped", {}, [], "undo"),
    ],
)
def test_what_no_decision_means(state: str, looked: Json, entries: list[Json] | None, decision: str) -> None:
    assert default_decision(finish(state), looked, entries) == decision


OPEN: t.Final[Json] = {"header": {"id": "m1", "state": "open"}}


@pytest.mark.parametrize(
    ("fleet", "person", "decision"),
    [
        ({**OPEN, "decision": {"decision": "keep"}}, "undo", "keep"),
        (OPEN, "", ""),
        (OPEN, "undo", "undo"),
        (None, "keep", "keep"),
        (None, "", ""),
        # The decision beside another header is that of the last release.
        ({"header": {"id": "r1", "state": "closed"}, "decision": {"decision": "keep"}}, "", ""),
        ({"header": {"id": "r1", "state": "closed", "model_ended_by": "m1", "model_decided": "keep"}}, "undo", "keep"),
        ({"header": {"id": "r1", "state": "closed", "model_ended_by": "m0", "model_decided": "keep"}}, "", ""),
        ({"header": {"id": "m1", "state": "closed", "model_decided": "undo"}, "decision": None}, "", "undo"),
    ],
)
def test_what_was_decided_stands(fleet: Json | None, person: str, decision: str) -> None:
    assert standing_decision(finish("deployed"), fleet, "m1", person) == decision
    assert standing_decision(finish("rolled_back"), fleet, "m1", person) == "keep", "a way back is never undone"


@pytest.mark.parametrize(
    ("state", "failure", "looked", "problem", "left"),
    [
        ("promoted", failed("timeout", changed=True), has("v2"), "", False),
        ("promoted", failed("timeout", changed=True), has("v1"), "it is timeout", False),
        ("promoted", failed("timeout", changed=True), AWAY, "it is timeout", True),
        ("promoted", failed("unreachable"), AWAY, "it is unreachable", False),
        # A process that was killed says nothing of what it did.
        ("promoted", {"msg": "worker died"}, AWAY, "worker died", True),
        ("deployed", failed("timeout", changed=True), has("v1", "v2"), "", False),
        ("deployed", failed("timeout", changed=True), AWAY, "it is timeout", True),
        ("deployed", failed("not_found"), has("v1"), "it is not_found", False),
        ("rolled_back", failed("timeout", changed=True), has("v1"), "", False),
        ("rolled_back", failed("timeout"), has("v2", previous="v1"), "it is timeout", True),
        ("rolled_back", failed("unreachable"), AWAY, "it is unreachable", True),
        # Whoever was quicker, or has another token, may be gone at the next try.
        ("rolled_back", failed("auth"), has("v2", previous="v1"), "it is auth", True),
        ("rolled_back", failed("conflict"), has("v2", previous="v1"), "it is conflict", True),
    ],
)
def test_what_became_of_an_alias(state: str, failure: Json, looked: Json, problem: str, left: bool) -> None:
    assert alias_end(failure, looked, state, "v2") == {"problem": problem, "left": left}


@pytest.mark.parametrize("kind", ["not_found", "not_ready", "refused", "nothing_before", "option"])
def test_a_refusal_for_good_ends(kind: str) -> None:
    ended = alias_end(failed(kind), has("v2"), "rolled_back", "v2", "v1")
    assert ended["left"] is False
    assert ended["problem"] == (
        f"it is {kind}. The registry refuses that for good: the regions serve v1, and it has champion v2; set its "
        "aliases by hand, or promote there what the regions serve"
    )


@pytest.mark.parametrize(
    ("state", "decided", "looked", "entries", "move"),
    [
        ("promoted", "keep", has("v2"), [], ("promoted", "v2")),
        ("promoted", "undo", has("v1", "v2"), [], ("", "")),
        ("promoted", "undo", has("v2"), moved("champion", "1"), ("rolled_back", "v2")),
        # Promoted again: it was the champion before, and the regions go on serving it.
        ("promoted", "undo", has("v2"), [], ("", "")),
        ("promoted", "", has("v2"), [], ("", "")),
        ("promoted", "undo", has("v2"), moved("challenger", None), ("", "")),
        ("deployed", "keep", has("v1", "v2"), moved("challenger", None), ("", "")),
        ("deployed", "undo", has("v1", "v2"), moved("challenger", None), ("rolled_back", "v2")),
        ("deployed", "undo", has("v1", "v2"), moved("challenger", "7"), ("deployed", "7")),
        ("deployed", "undo", has("v1", "v2"), [], ("", "")),
        ("deployed", "undo", has("v1", "v3"), moved("challenger", None), ("", "")),
        ("stepped", "undo", has("v1", "v2"), [], ("", "")),
    ],
)
def test_the_registry_follows_the_regions(
    state: str, decided: str, looked: Json, entries: list[Json], move: tuple[str, str]
) -> None:
    found = alias_move(finish(state), decided, looked, entries, {})
    assert (found["state"], found["version"]) == move


def test_in_a_way_back_goes_who_has_left() -> None:
    assert alias_move(finish("rolled_back"), "keep", has(), [], {"version": "v3"})["version"] == "v3"
    assert alias_move(finish("rolled_back"), "keep", has(), [], {"version": ""})["state"] == ""


@pytest.mark.parametrize(
    ("serves", "looked", "named", "sure", "version", "problem"),
    [
        (["v1"], has("v2", previous="v1"), "v2", False, "v2", ""),
        (["v1"], has("v2", previous="v1"), "", True, "v2", ""),
        (
            ["v1"],
            has("v2", previous="v1"),
            "",
            False,
            "",
            "champion v2, and no region does; to take its alias away run",
        ),
        (["v1"], has("v1", "v2"), "v2", False, "v2", ""),
        (["v1"], has("v1", "v2"), "", False, "", "challenger v2, and no region does"),
        (["v1"], has("v1"), "v2", False, "", ""),
        (["v1"], has("v1"), "", False, "", ""),
        # Another one than is meant stays.
        (["v1"], has("v2", previous="v1"), "v3", False, "", ""),
        (
            ["v1"],
            has("v2", previous="v0"),
            "v2",
            True,
            "",
            "champion v2, and the regions serve v1, which was not the one",
        ),
        (["v1", "v2"], has("v2", previous="v1"), "v2", True, "", ""),
        ([None], has("v2", previous="v1"), "v2", True, "", ""),
        ([None, "v1"], has("v2", previous="v1"), "v2", True, "v2", ""),
        (
            ["v1"],
            AWAY,
            "v2",
            True,
            "",
            "nobody knows whether the aliases of the registry follow: mlflow does not answer",
        ),
        (["v1"], has(None), "v1", True, "", ""),
    ],
)
def test_who_goes_where_no_route_says_it(
    *, serves: list[str | None], looked: Json, named: str, sure: bool, version: str, problem: str
) -> None:
    found = leaving_version([run(one) for one in serves], looked, "fraud", named, sure=sure)
    assert found["version"] == version
    assert problem in found["problem"] and bool(found["problem"]) is bool(problem)


VERSIONS = st.sampled_from([None, "v1", "v2", "v3"])


@given(
    serves=st.lists(VERSIONS, min_size=1, max_size=3),
    champion=VERSIONS,
    others=st.tuples(VERSIONS, VERSIONS),
    named=st.sampled_from(["", "v1", "v2"]),
    sure=st.booleans(),
)
def test_who_serves_never_goes(
    *, serves: list[str | None], champion: str | None, others: tuple[str | None, str | None], named: str, sure: bool
) -> None:
    challenger, previous = others
    looked = has(champion, challenger, previous)
    found = leaving_version([run(one) for one in serves], looked, "fraud", named, sure=sure)
    assert found["version"] not in [one for one in serves if one]
    assert found["version"] in ("", champion, challenger)
    assert not named or found["version"] in ("", named)
    if found["version"] == champion is not None:
        assert previous == found["serves"], "its alias goes back to what the regions serve"


@pytest.mark.parametrize(
    ("done", "whole", "told"),
    [
        ({"left": "v2", "moved": True, "locked": True}, True, ""),
        ({"left": "", "moved": False, "locked": False}, True, ""),
        ({"left": "v2", "moved": False, "locked": True}, True, ""),
        (
            {"left": "v2", "moved": False, "locked": False},
            True,
            "to move its aliases run rollback_model.yml -e model=fraud",
        ),
        ({"left": "v2", "moved": False, "locked": True}, False, "its aliases stay while --limit leaves regions out"),
    ],
)
def test_what_is_left_for_the_aliases_is_told(done: Json, whole: bool, told: str) -> None:
    request = {"model": "fraud", "registry": {"url": "u"}, "whole": whole}
    found = alias_hint(done, request)
    assert told in found and bool(found) is bool(told)
    assert alias_hint(done, {**request, "registry": None}) == ""


def test_a_part_of_the_regions_follows_the_champion_of_all() -> None:
    request = {"version": "v2"}
    assert limited_problem(has("v2"), request) == ""
    assert "the registry has v1. Run it without --limit" in limited_problem(has("v1"), request)
    assert "nobody knows who that is: mlflow does not answer" in limited_problem(AWAY, request)


def test_only_who_has_understood_refuses_for_good() -> None:
    assert refused_for_good(failed("not_found")) and not refused_for_good(failed("auth"))
    assert not refused_for_good({"msg": "worker died"})
