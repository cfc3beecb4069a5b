# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.flow.reconcile import Acknowledgement, Reconciler

Journal = list[dict[str, t.Any]]


def journal(*ids: str, kind: str = "order") -> Journal:
    return [{"seq": number, "kind": kind, "client_order_id": name} for number, name in enumerate(ids, start=1)]


def ack(region: str, event: dict[str, t.Any]) -> Acknowledgement:
    return Acknowledgement(region, event["kind"], event["client_order_id"], event["seq"])


def reconcile(acks: list[Acknowledgement], journals: dict[str, Journal]) -> t.Any:
    reconciler = Reconciler("run", acks)
    for region, events in journals.items():
        for event in events:
            reconciler.add(region, event)
    return reconciler.result()


@settings(max_examples=60)
@given(st.integers(0, 30), st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_lost_is_exactly_what_was_acknowledged_and_is_missing(
    count: int, unacknowledged: set[int], missing: set[int]
) -> None:
    events = journal(*(f"eu-run-{number}" for number in range(count)))
    acks = [ack("eu", event) for event in events if event["seq"] not in unacknowledged]
    kept = [event for event in events if event["seq"] not in missing]
    result = reconcile(acks, {"eu": kept})
    assert {one.sequence for one in result.lost} == {one.sequence for one in acks} & missing
    assert result.duplicated == ()
    assert result.accepted == len(kept)
    assert result.unacknowledged == len([event for event in kept if event["seq"] in unacknowledged])


def test_the_same_id_twice_is_duplicated_also_over_regions() -> None:
    assert reconcile([], {"eu": journal("a-run-1", "a-run-1")}).duplicated == ("a-run-1",)
    assert reconcile([], {"eu": journal("a-run-1"), "us": journal("a-run-1")}).duplicated == ("a-run-1",)
    assert reconcile([], {"eu": [*journal("a-run-1"), *journal("a-run-1", kind="cancel")]}).duplicated == ()


def test_in_another_journal_under_another_number_or_as_something_else_is_lost() -> None:
    events = journal("a-run-1", "a-run-2")
    for wrong in (
        Acknowledgement("us", "order", "a-run-2", 2),
        Acknowledgement("eu", "order", "a-run-2", 1),
        Acknowledgement("eu", "cancel", "a-run-2", 2),
    ):
        assert reconcile([wrong], {"eu": events}).lost == (wrong,)


def test_other_runs_do_not_count() -> None:
    result = reconcile([], {"eu": journal("a-other-1", "a-other-1")})
    assert (result.accepted, result.duplicated, result.unacknowledged) == (0, (), 0)


def test_what_the_engine_does_by_itself_is_no_order_of_the_flow() -> None:
    """Deposits, settlements and the like have no order; expiries and dead-man timers cancel some."""
    events: Journal = [
        {"seq": 1, "kind": "deposit", "account": "house", "amounts": {"USD": 1}},
        *[{**event, "seq": 2} for event in journal("a-run-1")],
        {"seq": 3, "kind": "settle", "trades": [1]},
        {"seq": 4, "kind": "expire", "orders": [["a-run-1", 5]]},
        {"seq": 5, "kind": "order", "client_order_id": "a-run-2", "cancelled": 3},
        {"seq": 6, "kind": "epoch_opened", "by": "other"},
    ]
    acks = [Acknowledgement("eu", "order", "a-run-1", 2), Acknowledgement("eu", "order", "a-run-2", 5)]
    result = reconcile(acks, {"eu": events})
    assert (result.lost, result.duplicated, result.accepted, result.unacknowledged) == ((), (), 2, 0)
    # A client who cancels them afterwards is told the number of the event that did it.
    told = [Acknowledgement("eu", "cancel", "a-run-1", 4), Acknowledgement("eu", "cancel", "a-run-2", 5)]
    assert reconcile([*acks, *told], {"eu": events}).lost == ()
    wrong = Acknowledgement("eu", "cancel", "a-run-1", 3)
    assert reconcile([*acks, wrong], {"eu": events}).lost == (wrong,)
