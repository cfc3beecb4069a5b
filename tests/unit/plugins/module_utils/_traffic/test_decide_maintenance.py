# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a route becomes in a maintenance and after it."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import kinds, route, selector
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_maintenance import (
    Answering,
    answered,
    is_answered,
    part_of,
    scale_back,
    text_of,
    way_back,
    with_part,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]

ANSWERING = Answering("maintenance", 8080, {"app.kubernetes.io/name": "maintenance"})
WHAT = "core-api"
#: Rules of users: their own matches and filters, other backends, and a redirect without any.
rules = st.fixed_dictionaries(
    {
        "matches": st.lists(
            st.sampled_from(["/", "/ws", "/v2"]).map(lambda value: {"path": {"value": value}}), max_size=2
        )
    },
    optional={
        "timeouts": st.sampled_from([{"request": "2s"}, {"request": "9s"}]),
        "backendRefs": st.lists(
            st.builds(lambda name, weight: {"name": name, "weight": weight}, st.sampled_from("abc"), st.integers(0, 9)),
            min_size=1,
            max_size=2,
        ),
    },
)
foreign = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 5), rules),
    st.tuples(st.just("remove"), st.integers(0, 5), st.none()),
    st.tuples(st.just("backends"), st.integers(0, 5), st.just([{"name": "theirs", "weight": 1}])),
    st.tuples(st.just("timeouts"), st.integers(0, 5), st.just({"request": "7s"})),
)


def http_route(found: list[Json] | None = None) -> Json:
    made = route.build_route(
        WHAT,
        "exchange",
        weights={"blue": 90, "green": 10},
        port=8080,
        hostnames=["core-api.exchange.lab"],
        parent={"name": "exchange"},
    )
    made["spec"]["rules"] += found or []
    return made


def service() -> Json:
    return selector.build_service(WHAT, "exchange", weights={"blue": 100, "green": 0}, port=8080)


def changed(obj: Json, how: tuple[str, int, t.Any] | None) -> Json:
    """The route after somebody else had a hand in it."""
    theirs = copy.deepcopy(obj)
    if how is None:
        return theirs
    found, (what, place, value) = theirs["spec"]["rules"], how
    if what == "add":
        found.insert(min(place, len(found)), value)
    elif what == "remove":
        found.pop(place % len(found))
    else:
        found[place % len(found)]["backendRefs" if what == "backends" else what] = value
    return theirs


@settings(max_examples=100, deadline=None)
@given(st.lists(rules, max_size=3))
def test_everything_but_probes_and_redirects_is_answered_and_comes_back_as_it_was(found: list[Json]) -> None:
    before = http_route(found)
    untouched = copy.deepcopy(before)
    during = answered(before, ANSWERING)
    assert before == untouched
    assert answered(during, ANSWERING) == during
    assert is_answered(during, ANSWERING)
    assert not is_answered(before, ANSWERING)
    for old, new in zip(part_of(before), part_of(during), strict=True):
        assert {**old, "backendRefs": None} == {**new, "backendRefs": None}
        to = {backend["name"] for backend in new.get("backendRefs", [])}
        probe = any("headers" in match for match in old["matches"])
        assert to == (
            {b["name"] for b in old.get("backendRefs", [])} if probe or "backendRefs" not in old else {"maintenance"}
        )
    back = way_back("HTTPRoute core-api", during, part_of(before), part_of(during))
    assert (back.part, back.kept) == (part_of(before), ())
    assert kinds.weights_of(during) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(rules, max_size=3), foreign)
def test_what_somebody_else_changed_meanwhile_stays_and_is_told(found: list[Json], how: tuple[str, int, t.Any]) -> None:
    before = http_route(found)
    during = answered(before, ANSWERING)
    theirs = changed(during, how)
    back = way_back("HTTPRoute core-api", theirs, part_of(before), part_of(during))
    after = with_part(theirs, back.part)
    assert (back.kept == ()) == (theirs == during)
    assert len(back.part) == len(part_of(theirs))
    for was, now in zip(part_of(theirs), back.part, strict=True):
        # Only backends that are still ours change, and to nothing but what was there before.
        assert {**was, "backendRefs": None} == {**now, "backendRefs": None}
        if was.get("backendRefs") != now.get("backendRefs"):
            assert was["backendRefs"][0]["name"] == "maintenance"
            assert now["backendRefs"] in [rule.get("backendRefs") for rule in part_of(before)]
    # A second look finds nothing of ours to take back any more.
    again = way_back("HTTPRoute core-api", after, part_of(before), part_of(during))
    assert again.part == back.part
    if how[0] in ("backends", "timeouts"):
        assert not is_answered(after, ANSWERING)


def test_each_change_has_its_sentence() -> None:
    before = http_route()
    during = answered(before, ANSWERING)

    def told(*how: t.Any) -> str:
        theirs = changed(during, t.cast("tuple[str, int, t.Any]", how))
        return " | ".join(way_back("HTTPRoute core-api", theirs, part_of(before), part_of(during)).kept)

    theirs = [{"name": "theirs", "weight": 1}]
    assert told("backends", 0, theirs) == "HTTPRoute core-api: rule 1 was sent to theirs 1 by somebody else; it stays"
    assert told("timeouts", 0, {"request": "7s"}) == (
        "HTTPRoute core-api: rule 1 was changed by somebody else; all but its backends stays"
    )
    assert told("add", 0, {"backendRefs": theirs}) == (
        "HTTPRoute core-api: rule 1 was added by somebody else, to theirs 1; it stays"
    )
    assert told("remove", 0, None) == (
        "HTTPRoute core-api: the rule to core-api-blue 90, core-api-green 10 was removed by somebody else; it stays "
        "away"
    )


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["team", "app.kubernetes.io/name", "pincex.io/slot"]), st.sampled_from(["a", "b"]))
)
def test_a_selector_goes_back_as_a_whole_or_not_at_all(theirs: dict[str, str]) -> None:
    before = service()
    during = answered(before, ANSWERING)
    assert (part_of(during), is_answered(during, ANSWERING)) == (ANSWERING.selector, True)
    live = with_part(during, {**part_of(during), **theirs})
    back = way_back("Service core-api", live, part_of(before), part_of(during))
    ours = {"app.kubernetes.io/name", "pincex.io/slot"}
    if theirs.keys() & ours:
        assert (back.part, len(back.kept)) == (part_of(live), 1)
    else:
        assert back.part == {**part_of(before), **theirs}
        assert (back.kept == ()) == (theirs == {})


@pytest.mark.parametrize(
    ("before", "live", "wanted", "said"),
    [
        (3, 0, 3, None),
        (3, 3, None, None),
        (3, 2, None, "has 2 replicas, scaled by somebody else meanwhile (3 before); it stays"),
        (3, None, None, "was removed by somebody else; it stays away"),
    ],
)
def test_scale_goes_back_only_from_zero(before: int, live: int | None, wanted: int | None, said: str | None) -> None:
    found, sentence = scale_back("Deployment x", before, live)
    assert found == wanted
    assert sentence == (said and f"Deployment x {said}")


def test_where_it_sends_to_is_told() -> None:
    assert text_of(None) == "nothing"
    assert text_of(service()) == "app.kubernetes.io/name=core-api,pincex.io/slot=blue"
    assert text_of(answered(http_route([{"matches": []}]), ANSWERING)) == (
        "maintenance 1; core-api-blue 1; core-api-green 1; no backend"
    )
