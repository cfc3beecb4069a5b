# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the benchmark of the drain: what is visited, who names a fault, what the rows say, and the tables."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.command import written_before
from bench.drain import __main__ as command
from bench.drain import book, bulk, faults, full, handover, kills, many, tables
from bench.drain.__main__ import BENCH
from bench.drain.bulk import Book
from bench.drain.faults import Fault
from bench.drain.figures import NINE, Account
from bench.drain.kills import Killed
from bench.results import Goal, row
from lab.exchange import snapshots
from lab.exchange.journal import recover
from lab.exchange.pairs import PAIRS
from lab.exchange.settings import FAULTS
from lab.exchange.venue import FORMATS, Venue

Json = dict[str, t.Any]
NOTHING: t.Final = Account(acknowledged=100, lost=0, duplicated=0)
RESULT: t.Final[Json] = {
    "verdict": "pass",
    "reason": "all nine pass",
    "invariants": [{"id": number, "verdict": "pass"} for number in NINE],
    "steps": [{"name": "snapshot", "seconds": 2.0}, {"name": "prove", "seconds": 1.0}],
    "matching_off": {"engines_ms": 200, "at_most_ms": 250, "parts": {"cut_ms": 10}},
}


def find(made: list[Json], metric: str, case: str = "") -> Json:
    (one,) = (one for one in made if one["metric"] == metric and case in one["case"])
    return one


class TestKills:
    def test_each_request_has_two_points(self) -> None:
        assert kills.points(["status", "cut", "status"]) == [
            ("before", "status", 1),
            ("after", "status", 1),
            ("before", "cut", 1),
            ("after", "cut", 1),
            ("before", "status", 2),
            ("after", "status", 2),
        ]

    @settings(max_examples=50)
    @given(st.lists(st.sampled_from(["status", "proof", "cut", "open"]), min_size=1, max_size=30), st.integers(1, 80))
    def test_a_sample_keeps_order_and_number(self, calls: list[str], most: int) -> None:
        found = kills.points(calls)
        chosen = kills.sample(found, most)
        assert len(chosen) == min(most, len(found))
        assert chosen == [point for point in found if point in set(chosen)]

    def test_a_sample_has_cut_and_open(self) -> None:
        found = kills.points(["status"] * 20 + ["cut", "proof", "open"])
        assert {point[1] for point in kills.sample(found, 6)} == {"status", "cut", "open"}
        assert kills.sample(found, None) == found

    def test_the_phase_is_told_by_the_journal(self) -> None:
        closed = {"kind": "epoch_closed"}
        assert kills.phase_of([], "blue", "blue") == "before the cut"
        assert kills.phase_of([closed], "blue", "blue") == "between cut and open"
        assert kills.phase_of([closed], "green", "blue") == "after open"

    def test_the_goal_is_the_deadline(self) -> None:
        found = [
            Killed(("after", "cut", 1), kills.PHASES[1], 4.2),
            Killed(("before", "open", 1), kills.PHASES[1], 4.6),
            Killed(("after", "follow", 9), kills.PHASES[0], 0.1, reached=False),
        ]
        made = kills.rows(found, NOTHING)
        share = find(made, "of the cut's deadline")
        assert (share["case"], share["worst"], share["met"]) == ("killed between cut and open", 1.15, False)
        assert kills.rows(found[:1], NOTHING)[1]["met"]
        assert find(made, "not reached")["value"] == 1

    def test_a_point_without_orders_misses_the_goal(self) -> None:
        made = kills.rows([Killed(("after", "cut", 1), kills.PHASES[1], None)], NOTHING)
        assert find(made, "of the cut's deadline")["met"] is False


class TestFaults:
    def test_every_fault_is_there(self) -> None:
        assert {fault.name for fault in faults.FAULTS} == {*FAULTS, "logout_silent"}

    def test_what_names_it(self) -> None:
        failed = {"failed": True, "invariants": [{"id": "I3", "verdict": "fail"}, {"id": "I4", "verdict": "pass"}]}
        failed |= {"steps": [{"name": "cut"}, {"name": "compare"}, {"name": "back"}]}
        assert faults.named(failed) == ["I3", "compare"]
        assert faults.said(Fault("f", "new", "handover", "I3"), failed) == "I3"
        assert faults.said(Fault("f", "new", "handover", "I5"), failed) == "I3, compare"
        assert faults.said(Fault("f", "new", "handover", "I5"), {**failed, "failed": False}) == "nothing"

    def test_a_precondition_is_no_step(self) -> None:
        refused = {"failed": True, "invariants": [], "steps": [], "error": {"kind": "precondition"}}
        assert faults.said(Fault("f", "new", "handover", "I3"), refused) == "precondition"

    def test_one_that_nobody_names_is_a_goal_that_is_missed(self) -> None:
        fault = Fault("trade_one_leg", "old", "handover", "I6")
        verdict, lost, duplicated = faults.rows(fault, RESULT, NOTHING)
        assert (verdict["value"], verdict["goal"], verdict["met"]) == ("nothing", "I6", False)
        assert (lost["met"], duplicated["met"]) == (True, True)


class TestBulk:
    def books(self, *seconds: float) -> list[Book]:
        made = []
        for orders, one in zip(bulk.SIZES, seconds, strict=True):
            result = {
                **RESULT,
                "steps": [{"name": "snapshot", "seconds": one / 2}, {"name": "prove", "seconds": one / 2}],
            }
            made.append(Book(orders, [result], [result], [60.0], {"blue": [500.0]}, {"blue": [900.0]}))
        return made

    def test_growth_is_a_goal_for_the_largest_alone(self) -> None:
        made = bulk.rows(self.books(1.0, 4.0, 50.0))
        ratios = [one for one in made if one["metric"] == "per order, over the book before"]
        assert [(one["value"], one["met"]) for one in ratios] == [(0.4, None), (1.25, True)]
        (_, worse) = (one for one in bulk.rows(self.books(1.0, 2.0, 50.0)) if one["unit"] == "ratio")
        assert (worse["value"], worse["met"]) == (2.5, False)

    def test_limits(self) -> None:
        made = bulk.rows(self.books(1.0, 4.0, 70.0))
        slow = find(made, "snapshot, proof and comparison", "1,000,000")
        assert (slow["value"], slow["met"]) == (70.0, False)
        assert find(made, "memory of the module", "1,000,000")["met"]
        assert find(made, "not proved", "1,000,000")["met"]

    def test_memory_of_a_process_is_measured(self) -> None:
        assert 5 < bulk.memory_mb(os.getpid()) < 5000
        assert bulk.memory_mb(2**22 + 1) == 0

    def test_the_book_is_that_of_an_engine(self, tmp_path: pathlib.Path) -> None:
        sequence = book.write(300, tmp_path)
        replayed = Venue(PAIRS, FORMATS[:1])
        for event in recover(tmp_path / "journal.jsonl"):
            replayed.apply(event)
        manifest = snapshots.check(tmp_path / "snapshot.jsonl")
        loaded = snapshots.load(tmp_path / "snapshot.jsonl", PAIRS)
        assert (replayed.sequence, manifest["sequence"], loaded.sequence) == (sequence,) * 3
        assert len(list(loaded.waiting())) == 300
        assert manifest["journal_offset"] == (tmp_path / "journal.jsonl").stat().st_size


class TestOtherParts:
    def test_the_shortest_of_the_others_is_what_they_reach(self) -> None:
        found = handover.Handovers([RESULT], [0.3], [70.0])
        others: dict[str, tuple[list[float | None], Account]] = {
            "held": ([1.0, 3.0], NOTHING),
            "none held": ([3.0, None], NOTHING),
        }
        made = handover.rows(found, found, NOTHING, others)
        assert find(made, handover.GAP, handover.FORWARD)["reference"] == 2.0
        assert find(made, "matching off, at most", handover.FORWARD)["met"]
        assert {one["met"] for one in made if one["subject"] in others} == {None}

    def test_a_drain_that_closed_a_session_by_force_misses_the_goal(self) -> None:
        found = full.Found([RESULT], [RESULT], [1.0], [0.0], [70.0])
        made = full.rows(found, NOTHING, 5)
        assert find(made, "sessions not closed by their protocol")["met"] is False
        assert find(made, "sessions that did not come again")["met"]
        assert find(made, "step prove", full.DRAIN)["value"] == 1.0

    def test_the_case_says_how_many(self) -> None:
        assert {one["case"] for one in many.rows([RESULT] * 3, [0.2] * 3, NOTHING)} == {"3 handovers in a row"}


class TestCommand:
    def test_it_needs_no_lab_and_a_failed_assertion_ends_one_part(self) -> None:
        assert (BENCH.lab, BENCH.traced) == (False, (AssertionError,))

    def test_to_be_told_to_end_is_as_ctrl_c(self, monkeypatch: pytest.MonkeyPatch) -> None:
        handlers: dict[int, t.Callable[[int, object], None]] = {}
        raised: list[int] = []
        monkeypatch.setattr(signal, "signal", handlers.__setitem__)
        monkeypatch.setattr(signal, "raise_signal", raised.append)
        monkeypatch.setattr(command, "run", lambda bench: 1 if bench is BENCH else 0)
        assert command.main() == 1
        handlers[signal.SIGTERM](signal.SIGTERM, None)
        assert raised == [signal.SIGINT]


class TestTables:
    def line(self, made: Json) -> str:
        return tables.tables([{"part": "many", **made}])["many"][2]

    def test_units(self) -> None:
        assert (
            self.line(row("case", "off", [0.25], Goal(3.0))) == "| case | ours | off | 0.250 s | 0.250 s | < 3 s |  |"
        )
        lost = row("case", "lost", [0.0], Goal(0.5), "count")
        assert self.line(lost) == "| case | ours | lost | 0 | 0 | 0 |  |"
        memory = row("case", "memory", [61.4], Goal(300.0), "MB", subject="other")
        assert self.line(memory) == "| case | other | memory | 61 MB | 61 MB | < 300 MB |  |"
        assert (
            self.line(row("c", "share", [0.5], Goal(1.1), "ratio")) == "| c | ours | share | 0.50 | 0.50 | < 1.1 |  |"
        )

    def test_a_goal_that_was_missed_is_bold(self) -> None:
        assert self.line(row("c", "off", [4.0], Goal(3.0))) == "| c | ours | off | 4.00 s | **4.00 s** | < 3 s |  |"
        assert "**not measured**" in self.line(row("c", "off", [None], Goal(3.0)))
        verdict = faults.rows(Fault("f", "old", "full", "I6"), RESULT, NOTHING)[0]
        assert self.line(verdict) == "| f (old, full) | ours | named by | **nothing** |  | I6 |  |"

    def test_the_page_shows_the_results(self) -> None:
        text = tables.PAGE.read_text(encoding="utf-8")
        rows, _versions = written_before(BENCH)
        if rows:
            assert tables.filled(text, tables.tables(rows)) == text, "run `python -m bench.drain.tables`"
        else:
            # The marks are there.
            assert json.dumps(tables.filled(text, tables.tables([])))
