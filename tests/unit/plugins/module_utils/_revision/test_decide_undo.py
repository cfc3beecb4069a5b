# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a way back, for any history and any interference."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_undo import (
    TAKEN_BACK,
    UndoPlan,
    plan_undo,
    touched_refs,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.ownership import AUTOSCALED
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.tree import noted, strip
from hypothesis import given, settings
from hypothesis import strategies as st
from slot_world import account, deployment, service, slot_ref

Json = dict[str, t.Any]

GREEN = slot_ref("green")
QUIET = {"core-api": {"blue": 100, "green": 0}}
FIELDS = ("revisionHistoryLimit", "minReadySeconds", "progressDeadlineSeconds")


def green(uid: str = "u1", version: str = "v1", **spec: t.Any) -> Json:
    obj = deployment("green", version, **spec)
    obj["metadata"]["uid"] = uid
    return obj


def change(before: Json | None, after: Json | None, **fields: t.Any) -> Change:
    some = after or before
    assert some is not None
    return Change(Ref.of(some), "apply" if after else "delete", fields, before, after)


def entries(*changes: Change, done: bool = True) -> list[Entry]:
    return [Entry(number, "s", "m", 0.0, (found,), done=done) for number, found in enumerate(changes, start=1)]


def carried_out(live: dict[Ref, Json | None], plan: UndoPlan) -> tuple[dict[Ref, Json | None], list[Entry]]:
    """The world after the plan, and the journal's entry of it."""
    after = {**live, **{action.ref: action.after for action in plan.actions}}
    mark = {TAKEN_BACK: {"before": None, "after": True}}
    made = tuple(
        Change(a.ref, "apply" if a.after else "delete", mark, noted(a.before), a.after and noted(a.after))
        for a in plan.actions
    )
    return after, [Entry(99, "take back", "m", 0.0, made, done=True)]


values = st.fixed_dictionaries({}, optional=dict.fromkeys((*FIELDS, "replicas"), st.integers(0, 3)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(values, values), min_size=1, max_size=3), values, st.integers(0, 100))
def test_any_history(steps: list[tuple[Json, Json]], theirs: Json, weight: int) -> None:
    """Each step: what somebody else made of the object, then what we made of it. Then somebody once more."""
    history = entries(*(change(green(**found), green(**made)) for found, made in steps))
    live: dict[Ref, Json | None] = {GREEN: green(**theirs)}
    weights = {"core-api": {"blue": 100 - weight, "green": weight}}
    plan = plan_undo(history, live, weights)
    after, undo = carried_out(live, plan)
    found = after[GREEN]
    assert found is not None, "it was there before the release"
    written = {field: {made.get(field) for _found, made in steps} for field in (*FIELDS, "replicas")}
    known = {field: {was.get(field) for was, _made in steps} for field in (*FIELDS, "replicas")}
    for field, value in theirs.items():
        if value not in written[field] | known[field]:
            assert found["spec"].get(field) == value, "somebody else's value stays"
    for field, value in found["spec"].items():
        if field in written:
            assert value == theirs.get(field) or value in known[field], "nothing new comes up"
    if weight > 0:
        assert found["spec"].get("replicas", 0) >= theirs.get("replicas", 0)
    # The way back of a way back is empty, and it is found so however often it is asked.
    assert plan_undo([*history, *undo], after, weights).actions == ()


@settings(max_examples=40, deadline=None)
@given(st.lists(values, min_size=1, max_size=3), values)
def test_without_anybody_else_everything_is_as_before(made: list[Json], first: Json) -> None:
    chain = [green(**first), *(green(**step) for step in made)]
    history = entries(*(change(a, b) for a, b in itertools.pairwise(chain)))
    live: dict[Ref, Json | None] = {GREEN: chain[-1]}
    plan = plan_undo(history, live, QUIET)
    after, undo = carried_out(live, plan)
    assert after == {GREEN: chain[0]}
    assert plan.kept == ()
    assert plan_undo([*history, *undo], after, QUIET) == UndoPlan()


def test_what_the_release_made_goes_but_never_with_traffic() -> None:
    history = entries(change(None, green()), change(green(replicas=1), green(replicas=2)))
    live: dict[Ref, Json | None] = {GREEN: green(replicas=2)}
    assert [(a.ref, a.verb) for a in plan_undo(history, live, QUIET).actions] == [(GREEN, "delete")]
    stays = plan_undo(history, live, {"core-api": {"blue": 99, "green": 1}})
    assert stays.actions == ()
    assert stays.kept == ("Deployment exchange/core-api-green stays: its slot has 1 % of the traffic",)
    assert plan_undo(history, {GREEN: None}, QUIET) == UndoPlan(), "it is gone already"


def test_a_successor_of_the_same_name_is_not_ours() -> None:
    history = entries(change(None, green("u1")))
    plan = plan_undo(history, {GREEN: green("u2")}, QUIET)
    assert plan.actions == ()
    assert plan.kept == ("Deployment exchange/core-api-green was removed and made again by somebody else; it stays",)


def test_an_intent_without_an_outcome_goes_by_our_mark() -> None:
    history = entries(change(None, green("dry run")), done=False)
    made = green("u1")
    made["metadata"]["managedFields"] = [{"manager": "pincex-zero-downtime", "operation": "Apply"}]
    assert [a.verb for a in plan_undo(history, {GREEN: made}, QUIET).actions] == ["delete"]
    assert plan_undo(history, {GREEN: green("u1")}, QUIET).actions == ()
    assert plan_undo(history, {GREEN: None}, QUIET) == UndoPlan()


def test_what_somebody_removed_stays_away() -> None:
    plan = plan_undo(entries(change(green(), green(replicas=2))), {GREEN: None}, QUIET)
    assert plan == UndoPlan((), ("Deployment exchange/core-api-green was removed by somebody else; it stays away",))


def test_a_slot_with_traffic_is_not_scaled_down_but_gets_its_old_pods() -> None:
    history = entries(change(green(replicas=2), green(version="v2", replicas=4)))
    live: dict[Ref, Json | None] = {GREEN: green(version="v2", replicas=4)}
    plan = plan_undo(history, live, {"core-api": {"blue": 0, "green": 100}})
    (action,) = plan.actions
    assert action.after == green(version="v1", replicas=4)
    assert plan.kept == ("Deployment exchange/core-api-green stays at 4 replicas (not 2): it has 100 % of the traffic",)


def test_the_scale_of_an_autoscaler_is_no_decision_of_a_person() -> None:
    history = entries(change(green(replicas=0), green(replicas=2)))
    live = green(replicas=5)
    fields = {"f:spec": {"f:replicas": {}}}
    by_hand = plan_undo(history, {GREEN: copy.deepcopy(live)}, QUIET)
    assert by_hand.actions == ()
    assert by_hand.kept == (
        "Deployment exchange/core-api-green: spec.replicas is 5, changed by somebody else after the release wrote 2 "
        "(0 before); it stays",
    )
    live["metadata"]["managedFields"] = [
        {"manager": "kube-controller-manager", "subresource": "scale", "fieldsV1": fields}
    ]
    (action,) = plan_undo(history, {GREEN: live}, QUIET).actions
    assert action.after is not None
    assert action.after["spec"]["replicas"] == 0


def test_a_scale_of_ours_over_that_of_an_autoscaler_leads_back_to_nothing() -> None:
    """At half of the traffic the HPA has taken the slot from 2 to 3; the step after that makes it as large as the live
    one, 5. Our write owns the field then."""
    automatic = {AUTOSCALED: {"before": True, "after": None}}
    first, second = change(green(replicas=0), green(replicas=2)), change(green(replicas=3), green(replicas=5))
    told = plan_undo(entries(first, second), {GREEN: green(replicas=5)}, QUIET)
    assert ("spec.replicas is 3, changed by somebody else" in told.kept[0], len(told.actions)) == (True, 1)
    history = entries(first, dataclasses.replace(second, fields=automatic))
    plan = plan_undo(history, {GREEN: green(replicas=5)}, QUIET)
    assert [(action.after or {})["spec"]["replicas"] for action in plan.actions] == [0]
    assert plan.kept == ()
    # Scaled by hand since: that is a decision of a person.
    by_hand = plan_undo(history, {GREEN: green(replicas=4)}, QUIET)
    assert (by_hand.actions, "spec.replicas is 4, changed by somebody else" in by_hand.kept[0]) == ((), True)


def test_what_others_need_stays() -> None:
    history = entries(change(None, service("green")), change(None, account()))
    live: dict[Ref, Json | None] = {Ref.of(service("green")): service("green"), Ref.of(account()): account()}
    plan = plan_undo(history, live, QUIET, backends={"core-api-green"})
    assert plan.actions == ()
    assert plan.kept == (
        "Service exchange/core-api-green stays: a route names it",
        "ServiceAccount exchange/core-api stays: core-api has traffic",
    )
    assert [a.ref.kind for a in plan_undo(history, live, {}).actions] == ["Service", "ServiceAccount"]


def test_configuration_goes_when_no_slot_refers_to_it_any_more() -> None:
    meta = {"name": "core-api-0123456789", "namespace": "exchange", "labels": {"pincex.io/config": "0123456789"}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "uid": "u2"}, "data": {"A": "1"}}
    user = green(version="v2")
    user["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": meta["name"]}}]
    history = entries(change(None, config), change(green(), user))
    live: dict[Ref, Json | None] = {Ref.of(config): config, GREEN: user}
    plan = plan_undo(history, live, QUIET, slots=[user])
    assert [(action.verb, action.ref.kind) for action in plan.actions] == [
        ("replace", "Deployment"),
        ("delete", "ConfigMap"),
    ]
    assert plan.kept == ()
    blue = deployment("blue", "v1")
    blue["spec"]["template"]["spec"] = user["spec"]["template"]["spec"]
    plan = plan_undo(history, live, QUIET, slots=[user, blue])
    assert [action.ref.kind for action in plan.actions] == ["Deployment"]
    assert plan.kept == ("ConfigMap exchange/core-api-0123456789 stays: a slot refers to it",)


def test_the_order_puts_back_first_and_removes_from_the_top() -> None:
    objects = [account(), service("green"), green()]
    history = entries(
        *(change(None, obj) for obj in objects), change(deployment("blue", "v1"), deployment("blue", "v2"))
    )
    live: dict[Ref, Json | None] = {Ref.of(obj): obj for obj in [*objects, deployment("blue", "v2")]}
    verbs = [(a.verb, a.ref.kind) for a in plan_undo(history, live, {}).actions]
    assert verbs == [
        ("replace", "Deployment"),
        ("delete", "Deployment"),
        ("delete", "Service"),
        ("delete", "ServiceAccount"),
    ]


def test_a_value_that_may_be_secret_is_not_said() -> None:
    def with_env(value: str) -> Json:
        obj = green()
        obj["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "TOKEN", "value": value}]
        return obj

    plan = plan_undo(entries(change(with_env("a"), with_env("b"))), {GREEN: with_env("hunter2")}, QUIET)
    assert len(plan.kept) == 1
    assert "TOKEN" in plan.kept[0]
    assert "hunter2" not in plan.kept[0]


def test_routes_and_ways_back_are_not_looked_at() -> None:
    route = Change(Ref("gateway.networking.k8s.io/v1", "HTTPRoute", "core-api", "exchange"), "weights")
    back = change(green(replicas=2), green(replicas=0), **{TAKEN_BACK: {"before": None, "after": True}})
    assert touched_refs(entries(route, back)) == []
    assert strip(green()) == deployment("green", "v1")
