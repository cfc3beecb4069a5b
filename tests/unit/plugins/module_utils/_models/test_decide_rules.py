# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies and buckets in a route: who gets which request, and that they go away without a trace."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_rules import (
    NOTE_ANNOTATION,
    MirrorRules,
    bucket_pattern,
    dropped,
    mirrored_of,
    note_of,
    route_problem,
    traffic_of,
    with_traffic,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Buckets,
    Mirror,
    Note,
    Traffic,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import weights_of, with_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from route_samples import (
    MODEL,
    PREDICT,
    Call,
    by_envoy_gateway,
    by_the_book,
    copies,
    model_route,
    serving,
    shares,
    to_other,
    to_slots,
)

HEADER = "x-model-bucket"
ALL_BLUE = {"blue": 100, "green": 0}
SHADOW = Traffic(ALL_BLUE, Mirror("green", 10.0))
AB = Traffic(ALL_BLUE, None, Buckets("green", HEADER, 25))
MIRRORED = MirrorRules((PREDICT,), "POST", ("authorization", "cookie"))
NOTE = Note("v2.1.0", "green", "shadow", 0, 1_766_400_000.0, (0,), "v2.0.0", 1_766_400_000.0)

_FOREIGN = st.sampled_from(
    [
        to_other("/static"),
        to_other("/v1"),
        to_other(PREDICT, "batch", headers=[{"type": "Exact", "name": "x-batch", "value": "1"}]),
        to_other("/", "debug", headers=[{"type": "Exact", "name": "x-debug", "value": "1"}]),
        to_slots("/v1", timeouts={"request": "1s"}),
        to_slots(PREDICT, filters=[{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-a"]}}]),
        to_slots("/", filters=[{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["x-b"]}}]),
        to_slots("/", match={"headers": [{"type": "Exact", "name": "x-vip", "value": "1"}]}),
    ]
)
_WEIGHTS = st.integers(0, 100).map(lambda blue: {"blue": blue, "green": 100 - blue})
_ROUTE = st.builds(
    lambda blue, rules, annotations: model_route(blue, *rules, annotations=annotations),
    st.integers(0, 100),
    st.lists(_FOREIGN, max_size=3, unique_by=str),
    st.sampled_from([None, {"owner": "quant"}]),
)
_PERCENT = st.integers(1, 10_000).map(lambda parts: parts / 100)
_TRAFFIC = st.one_of(
    _WEIGHTS.map(Traffic),
    st.builds(lambda percent: Traffic(ALL_BLUE, Mirror("green", percent)), _PERCENT),
    st.builds(lambda count: Traffic(ALL_BLUE, None, Buckets("green", HEADER, count)), st.integers(1, 100)),
)
_MIRRORED = st.builds(
    MirrorRules,
    st.lists(st.sampled_from([PREDICT, "/v1/predict/*", "/v1/*", "/explain", "/*"]), min_size=1, unique=True).map(
        tuple
    ),
    st.sampled_from([None, "POST"]),
    st.sampled_from([(), ("authorization",), ("X-A", "cookie")]),
)
_CALL = st.builds(
    Call,
    st.sampled_from([PREDICT, f"{PREDICT}/BTC-USD", "/v1/train", "/explain", "/explain/x", "/static/a", "/"]),
    st.sampled_from(["POST", "GET"]),
    st.dictionaries(st.sampled_from(["x-batch", "x-debug", "x-vip"]), st.just("1"), max_size=2),
)
_CALL_OF_A_SLOT = st.builds(
    lambda call, slot: Call(call.path, call.method, {**call.headers, **slot}),
    _CALL,
    st.sampled_from([{}, {"x-pincex-slot": "green"}, {"x-pincex-slot": "blue"}]),
)
_BOOKS = st.sampled_from([by_the_book, by_envoy_gateway])


def is_copied(path: str, mirrored: MirrorRules) -> bool:
    return any(
        path == named or (named.endswith("/*") and f"{path}/".startswith(named[:-1])) for named in mirrored.paths
    )


@settings(max_examples=300, deadline=None)
@given(_ROUTE, _TRAFFIC, _MIRRORED, st.sampled_from([None, NOTE]))
def test_what_is_written_is_read_and_writing_it_again_changes_nothing(
    route: t.Any, traffic: Traffic, mirrored: MirrorRules, note: Note | None
) -> None:
    if route_problem(route, traffic, mirrored):
        return
    before = copy.deepcopy(route)
    made = with_traffic(route, traffic, note, mirrored)
    assert route == before
    assert (traffic_of(made), note_of(made)) == (traffic, note)
    assert with_traffic(made, traffic, note, mirrored) == made
    assert dropped(made, made) is None
    if traffic.mirror is not None:
        found = mirrored_of(made)
        assert found is not None
        assert set(found.paths) == set(mirrored.paths)
        assert with_traffic(made, traffic, note, found) == made
    else:
        assert mirrored_of(made) is None


@settings(max_examples=300, deadline=None)
@given(_ROUTE, _TRAFFIC, _TRAFFIC, _MIRRORED)
def test_it_goes_away_without_a_trace(route: t.Any, first: Traffic, then: Traffic, mirrored: MirrorRules) -> None:
    if route_problem(route, first, mirrored) or route_problem(route, then, mirrored):
        return
    there = with_traffic(route, first, NOTE, mirrored)
    assert with_traffic(there, then, None, mirrored) == with_traffic(route, then, None, mirrored)
    weights = weights_of(route) or {}
    same = all(weights_of({**route, "spec": {"rules": [rule]}}) in (None, weights) for rule in route["spec"]["rules"])
    if same:
        assert with_traffic(there, Traffic(weights), None) == route


@settings(max_examples=500, deadline=None)
@given(_ROUTE, _MIRRORED, _PERCENT, _CALL_OF_A_SLOT, _BOOKS)
def test_copies_change_nothing_of_where_requests_go(
    route: t.Any, mirrored: MirrorRules, percent: float, call: Call, book: t.Any
) -> None:
    """Whatever else is in the route, and also when somebody asks for one slot."""
    traffic = Traffic(ALL_BLUE, Mirror("green", percent))
    if route_problem(route, traffic, mirrored):
        return
    plain = serving(with_traffic(route, Traffic(ALL_BLUE), None), call, book)
    rule = serving(with_traffic(route, traffic, None, mirrored), call, book)
    assert shares(rule) == shares(plain)
    kept = {key: value for key, value in (plain or {}).items() if key not in ("name", "matches", "filters")}
    assert kept.items() <= (rule or {}).items()
    to_both = len((plain or {}).get("backendRefs") or []) == 2
    named = is_copied(call.path, mirrored) and call.method == (mirrored.method or call.method)
    if copies(rule):
        assert to_both
        assert named
    if to_both and call.path in mirrored.paths and named:
        assert len(copies(rule)) == 1


@settings(max_examples=300, deadline=None)
@given(_ROUTE, st.integers(1, 100), st.integers(0, 99), _CALL_OF_A_SLOT, _BOOKS)
def test_a_bucket_is_sticky_and_everybody_else_stays(
    route: t.Any, count: int, bucket: int, call: Call, book: t.Any
) -> None:
    traffic = Traffic(ALL_BLUE, None, Buckets("green", HEADER, count))
    if route_problem(route, traffic, None):
        return
    made, plain = with_traffic(route, traffic, None), with_traffic(route, Traffic(ALL_BLUE), None)
    before = shares(serving(plain, call, book))
    assert shares(serving(made, call, book)) == before
    marked = Call(call.path, call.method, {**call.headers, HEADER: f"{bucket:02d}"})
    goes = shares(serving(made, marked, book))
    if not call.headers:
        wanted = {"green": 100} if bucket < count and before == {"blue": 100} else before
        assert goes == wanted


def test_a_probe_of_a_slot_wins_over_a_bucket() -> None:
    made = with_traffic(model_route(), AB, None)
    for book in (by_the_book, by_envoy_gateway):
        call = Call(headers={HEADER: "00", "x-pincex-slot": "blue"})
        assert shares(serving(made, call, book)) == {"blue": 1}


@pytest.mark.parametrize("count", range(1, 101))
def test_the_pattern_is_for_the_first_buckets(count: int) -> None:
    made = with_traffic(model_route(), Traffic(ALL_BLUE, None, Buckets("green", HEADER, count)), None)
    asked = [shares(serving(made, Call(headers={HEADER: f"{number:02d}"}))) for number in range(100)]
    assert asked == [{"green": 100}] * count + [{"blue": 100}] * (100 - count)
    assert bucket_pattern(count).startswith("^(")


def test_the_rules_of_a_shadow() -> None:
    made = with_traffic(model_route(), Traffic(ALL_BLUE, Mirror("green", 2.5)), NOTE, MIRRORED)
    rules = made["spec"]["rules"]
    assert [rule.get("name") for rule in rules[:4]] == [f"pincex-model-mirror-{n}" for n in (1, 2, 3)] + [None]
    assert rules[0]["matches"] == [{"path": {"type": "Exact", "value": PREDICT}, "method": "POST"}]
    assert rules[0]["filters"] == [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["authorization", "cookie"]}},
        {
            "type": "RequestMirror",
            "requestMirror": {
                "backendRef": {"group": "", "kind": "Service", "name": f"{MODEL}-green", "port": 8080},
                "fraction": {"numerator": 250, "denominator": 10_000},
            },
        },
    ]
    assert rules[3:] == model_route()["spec"]["rules"]
    whole = with_traffic(model_route(), SHADOW, NOTE, MIRRORED)
    assert whole["spec"]["rules"][0]["filters"][1]["requestMirror"]["percent"] == 10
    assert whole["metadata"]["annotations"] == {NOTE_ANNOTATION: NOTE.to_text()}


def test_headers_are_taken_away_by_the_one_filter_that_may_be_there() -> None:
    given_filter = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [], "remove": ["Cookie"]}}
    made = with_traffic(model_route(100, to_slots(PREDICT, filters=[given_filter])), SHADOW, None, MIRRORED)
    first, _mirror = made["spec"]["rules"][0]["filters"]
    assert first["requestHeaderModifier"] == {"set": [], "remove": ["Cookie", "authorization"]}


def test_weights_that_k8s_traffic_sets_end_an_ab_test() -> None:
    """The gate trips a route by its weights alone, and knows of no buckets."""
    tripped = with_weights(with_traffic(model_route(), AB, NOTE), ALL_BLUE)
    assert traffic_of(tripped) == Traffic(ALL_BLUE)
    assert shares(serving(tripped, Call(headers={HEADER: "00"}))) == {"blue": 100}
    assert with_traffic(tripped, Traffic(ALL_BLUE), None) == model_route()


def test_weights_that_k8s_traffic_sets_are_those_of_the_copied_paths_too() -> None:
    made = with_weights(with_traffic(model_route(), SHADOW, NOTE, MIRRORED), {"blue": 30, "green": 70})
    assert shares(serving(made, Call())) == shares(serving(made, Call("/"))) == {"blue": 30, "green": 70}
    assert weights_of(made) == {"blue": 30, "green": 70}


def test_a_mirror_that_somebody_else_has_put_there_is_seen_and_goes_away() -> None:
    target = {"group": "", "kind": "Service", "name": f"{MODEL}-green", "port": 8080}
    theirs = {"type": "RequestMirror", "requestMirror": {"backendRef": target}}
    audit = {"type": "RequestMirror", "requestMirror": {"backendRef": {**target, "name": "audit"}, "percent": 1}}
    route = model_route(100, to_slots(PREDICT, filters=[audit, theirs]))
    assert traffic_of(route) == Traffic({"blue": 1, "green": 1}, Mirror("green", 100.0))
    rule = with_traffic(route, Traffic(ALL_BLUE), None)["spec"]["rules"][0]
    assert rule["filters"] == [audit]


@pytest.mark.parametrize(
    ("rules", "traffic", "mirrored", "part"),
    [
        ((), SHADOW, None, "name those of the idempotent requests in mirror.paths"),
        ((), SHADOW, MirrorRules(("predict",)), "'predict' is no path"),
        ((), SHADOW, MirrorRules(("/v1/*/x",)), "'/v1/*/x' is no path"),
        ((), SHADOW, MirrorRules(("/v1/../x",)), "is no path"),
        ((), SHADOW, MirrorRules((PREDICT, PREDICT)), "named twice"),
        ((), SHADOW, MirrorRules((PREDICT,), "SEND"), "SEND is no method"),
        ((), SHADOW, MirrorRules((PREDICT,), None, ("a b",)), "no name of a header"),
        ((), SHADOW, MirrorRules(tuple(f"/v1/{n}" for n in range(65))), "matches in one rule, and 64 are the most"),
        ((to_other("/v1"),), SHADOW, MIRRORED, f"no rule that sends to both slots gets the requests for {PREDICT}"),
        (
            ({"matches": [{"path": {"type": "RegularExpression", "value": "/v[0-9]"}}]},),
            SHADOW,
            MIRRORED,
            "by a regular expression",
        ),
        (
            (to_slots("/v1", match={"headers": [{"name": "x-vip", "value": "1"}]}),),
            SHADOW,
            MIRRORED,
            "have conditions",
        ),
        ((to_slots("/", match={"method": "POST"}),), SHADOW, MIRRORED, "name no method to be copied"),
        (
            (
                to_slots(
                    "/v1",
                    filters=[{"urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}],
                ),
            ),
            SHADOW,
            MIRRORED,
            "replaces the prefix",
        ),
        (
            (to_slots("/", match={"headers": [{"name": "X-Model-Bucket", "value": "1"}]}),),
            AB,
            None,
            "matches the header x-model-bucket already",
        ),
        ((to_other("/", queryParams=[{"name": "debug", "value": "1"}]),), AB, None, "matches query parameters"),
        (tuple(to_slots(f"/{n}") for n in range(8)), AB, None, "20 rules, and 16 are the most"),
        ((), SHADOW, MIRRORED, ""),
        ((), AB, None, ""),
    ],
)
def test_what_a_route_cannot_carry(rules: t.Any, traffic: Traffic, mirrored: t.Any, part: str) -> None:
    problem = route_problem(model_route(100, *rules), traffic, mirrored)
    assert part in (problem or "")
    assert bool(problem) == bool(part)


@pytest.mark.parametrize("lost", ["name", "fraction"])
def test_what_an_older_api_server_throws_away_is_noticed(lost: str) -> None:
    """Without the share it would copy every request."""
    made = with_traffic(model_route(), Traffic(ALL_BLUE, Mirror("green", 0.5)), NOTE, MIRRORED)
    stored = copy.deepcopy(made)
    first = stored["spec"]["rules"][0]
    del (first if lost == "name" else first["filters"][1]["requestMirror"])[lost]
    assert "install the definitions of 1.4 or later" in (dropped(made, stored) or "")


def test_a_route_that_sends_to_no_slots_has_no_traffic() -> None:
    route = model_route()
    route["spec"]["rules"] = []
    assert traffic_of(route) is None


def test_a_note_that_was_edited_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="no text"):
        note_of(model_route(annotations={NOTE_ANNOTATION: NOTE.to_text().replace('"v2.1.0"', "5")}))
