# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of the drain reads out of journals and results."""

from __future__ import annotations

import typing as t

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.drain import figures
from bench.drain.figures import Account
from bench.results import OURS, Goal
from lab.flow.reconcile import Acknowledgement

Json = dict[str, t.Any]


def order(sequence: int, identity: str, at_ms: int = 0) -> Json:
    return {"seq": sequence, "at": at_ms, "kind": "order", "client_order_id": identity}


def handed_over(**verdicts: str) -> Json:
    found = {**dict.fromkeys(figures.NINE, "pass"), **verdicts}
    return {
        "invariants": [{"id": number, "verdict": verdict} for number, verdict in found.items()],
        "steps": [{"name": "cut", "seconds": 0.25}, {"name": "open", "seconds": 0.5}],
        "matching_off": {
            "engines_ms": 200,
            "at_most_ms": 250,
            "parts": {"cut_ms": 10, "proofs_ms": 200, "acks_ms": 15, "open_ms": 25, "gateways_ms": 40},
        },
    }


class TestGap:
    def test_it_is_the_longest_between_two_orders(self) -> None:
        events = [order(1, "a", 1000), order(2, "b", 1100), order(3, "c", 1900), order(4, "d", 2000)]
        assert figures.longest_gap_s(events, 0, 10) == 0.8

    def test_what_is_no_order_does_not_end_it(self) -> None:
        events = [order(1, "a", 1000), {"seq": 2, "at": 1500, "kind": "epoch_closed"}, order(3, "b", 2000)]
        assert figures.longest_gap_s(events, 0, 10) == 1.0

    def test_one_that_began_before_the_time_counts(self) -> None:
        events = [order(1, "a", 1000), order(2, "b", 3000), order(3, "c", 9000)]
        assert figures.longest_gap_s(events, 2, 4) == 2.0
        assert figures.longest_gap_s(events, 4, 5) is None

    @settings(max_examples=50)
    @given(st.lists(st.integers(0, 10_000), min_size=2, max_size=20).map(sorted))
    def test_it_is_at_least_the_mean(self, instants: list[int]) -> None:
        gap = figures.longest_gap_s([order(n, "a", at) for n, at in enumerate(instants)], 0, 10)
        mean = (instants[-1] - instants[0]) / 1000 / (len(instants) - 1)
        assert gap is not None
        assert mean - 1e-9 <= gap <= (instants[-1] - instants[0]) / 1000


class TestReconciled:
    ACKS: t.Final = {
        "drain": [Acknowledgement("a", "order", "a-drain-1", 1), Acknowledgement("b", "order", "b-drain-2", 2)],
        "fix": [Acknowledgement("region", "order", "FIX1-region-fix-1", 3)],
    }
    EVENTS: t.Final = (order(1, "a-drain-1"), order(2, "b-drain-2"), order(3, "FIX1-region-fix-1"), order(4, "load-0"))

    def test_all_are_there(self) -> None:
        assert figures.reconciled(self.EVENTS, self.ACKS, 1) == (0, 0)

    def test_each_that_is_missing_is_lost(self) -> None:
        for number in range(len(self.EVENTS)):
            events = [*self.EVENTS[:number], *self.EVENTS[number + 1 :]]
            assert figures.reconciled(events, self.ACKS, 1) == (1, 0)

    def test_each_that_is_there_twice_is_duplicated(self) -> None:
        for one in self.EVENTS:
            assert figures.reconciled([*self.EVENTS, {**one, "seq": 9}], self.ACKS, 1) == (0, 1)

    def test_the_standby_may_be_behind_and_not_ahead(self) -> None:
        assert figures.differing(self.EVENTS, self.EVENTS[:2]) == 0
        assert figures.differing(self.EVENTS[:2], self.EVENTS) == 2
        assert figures.differing(self.EVENTS, [order(1, "other"), *self.EVENTS[1:]]) == 1


class TestResults:
    def test_only_nine_passes_are_a_proof(self) -> None:
        assert figures.all_nine(handed_over())
        assert not figures.all_nine(handed_over(I2="unknown"))
        assert not figures.all_nine({**handed_over(), "failed": True})
        assert not figures.all_nine({**handed_over(), "invariants": handed_over()["invariants"][:8]})

    def test_parts_are_seconds(self) -> None:
        result = handed_over()
        assert [figures.seconds(result, name) for name in ("at_most_ms", "proofs_ms")] == [0.25, 0.2]
        assert figures.seconds({"matching_off": {}}, "at_most_ms") is None

    def test_the_goal_is_that_of_the_controllers_clock(self) -> None:
        made = figures.handover_rows("case", [handed_over()], Goal(0.24, of="median"))
        assert {one["metric"]: one["met"] for one in made if one["met"] is not None} == {
            "matching off, at most": False,
            "not all nine invariants": True,
        }

    def test_a_step_that_a_round_has_not_is_not_averaged_away(self) -> None:
        without = {**handed_over(), "steps": [{"name": "cut", "seconds": 0.75}]}
        made = {one["metric"]: one for one in figures.step_rows("case", [handed_over(), without])}
        assert made["step cut"]["value"] == 0.5
        assert (made["step open"]["value"], made["step open"]["rounds"]) == (0.5, 2)
        assert made["all steps"]["value"] == 0.75

    def test_counts_are_goals_for_us_alone(self) -> None:
        account = Account(acknowledged=10, lost=1, duplicated=0)
        ours = {one["metric"]: one["met"] for one in figures.account_rows("case", [account])}
        assert (ours["lost orders and cancels"], ours["duplicated orders"], ours["acknowledged"]) == (False, True, None)
        theirs = figures.account_rows("case", [account], subject="other", but=("gaps",))
        assert {one["met"] for one in theirs} == {None}
        assert OURS not in {one["subject"] for one in theirs}
        assert len(theirs) == len(ours) - 1
