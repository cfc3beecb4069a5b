# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the models' benchmark that need a lab: what they make of what they saw. No lab."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest

from bench.models import asking, back, beside, place, tables
from bench.models.asking import Requests
from bench.models.beside import CHALLENGERS, NONE, WITH, Seen, Window
from bench.models.place import Ran
from lab.errors import LabError
from lab.models.drive import Asked
from lab.models.service.versions import CHAMPION

SLOW, DEAD = CHALLENGERS


def asked(due_at: float, took_s: float = 0.002, version: str = CHAMPION, *, failed: bool = False) -> Asked:
    return Asked(beside.MODEL, version, due_at, took_s, failed)


def seen(who: str, ms: float, copied: int | None = None, recorded: int | None = None, number: int = 1000) -> Seen:
    copies = 0 if who == NONE else 100
    answered = copies if who == SLOW else 0
    window = Window(who, 0, 10, copies if copied is None else copied, answered if recorded is None else recorded)
    return Seen(window, (ms,) * number, 0)


def find(rows: list[dict[str, t.Any]], case: str, metric: str) -> dict[str, t.Any]:
    (one,) = (one for one in rows if (one["case"], one["metric"]) == (case, metric))
    return one


class TestBeside:
    def test_every_window_has_one_without_a_shadow_before_and_after_it_and_both_orders_come(self) -> None:
        assert beside.order(2) == [NONE, SLOW, NONE, DEAD, NONE, DEAD, NONE, SLOW, NONE]

    def test_a_request_belongs_to_the_window_in_which_it_was_due(self) -> None:
        due = [asked(10.0, 0.003), asked(19.99, 0.05), asked(15, 0.001, failed=True)]
        requests = Requests([asked(9.99, 0.02), *due, asked(20.0)])
        one = beside.seen_in(Window(NONE, 10.0, 20.0, 0, 0), requests)
        assert (one.ordered, one.failed) == ((1.0, 3.0, 50.0), 1)
        with pytest.raises(LabError, match="no request"):
            beside.seen_in(Window(NONE, 30.0, 40.0, 0, 0), requests)

    def test_a_client_that_a_shadow_has_answered_counts_as_failed(self) -> None:
        assert [beside.is_bad(one) for one in (asked(0), asked(0, version="v2.3.0"), asked(0, failed=True))] == [
            False,
            True,
            True,
        ]

    def test_a_slow_machine_is_no_slow_shadow(self) -> None:
        assert beside.ratio(seen(NONE, 2.0), seen(SLOW, 4.0), seen(NONE, 8.0)) == pytest.approx(1.0)
        assert beside.ratio(seen(NONE, 2.0), seen(SLOW, 3.0), seen(NONE, 2.0)) == pytest.approx(1.5)

    @pytest.mark.parametrize(
        "one",
        [
            seen(SLOW, 2.0, copied=0),
            seen(SLOW, 2.0, copied=100, recorded=0),
            seen(SLOW, 2.0, copied=200, recorded=100),
            seen(DEAD, 2.0, copied=0),
            seen(NONE, 2.0, copied=100),
        ],
        ids=[
            "no copies",
            "no answers",
            "too many copies",
            "no copies of a dead one",
            "copies where there is no shadow",
        ],
    )
    def test_no_effect_of_no_shadow_is_no_figure(self, one: Seen) -> None:
        assert beside.ratio(seen(NONE, 2.0), one, seen(NONE, 2.0)) is None

    def test_a_dead_challenger_records_nothing_and_gets_its_copies(self) -> None:
        assert beside.ratio(seen(NONE, 2.0), seen(DEAD, 2.0), seen(NONE, 2.0)) == pytest.approx(1.0)

    def test_rows_of_each_challenger_and_of_none(self) -> None:
        windows = [seen(who, 2.2 if who == DEAD else 2.0) for who in beside.order(2)]
        rows = beside.rows(windows, 0)
        assert find(rows, WITH.format(DEAD), "p95 beside no shadow")["value"] == 1.1
        assert find(rows, WITH.format(SLOW), "copied")["value"] == 10.0
        assert find(rows, NONE, "p95 beside no shadow")["rounds"] == 3
        assert all(one["met"] is not False for one in rows)

    def test_more_than_a_tenth_misses_the_goal_and_so_does_a_window_that_was_not_one(self) -> None:
        slow = [seen(NONE, 2.0), seen(SLOW, 2.3), seen(NONE, 2.0), seen(DEAD, 2.0), seen(NONE, 2.0)]
        assert find(beside.rows(slow, 0), WITH.format(SLOW), "p95 beside no shadow")["met"] is False
        unknown = [*slow[:3], seen(DEAD, 2.0, copied=0), seen(NONE, 2.0)]
        assert find(beside.rows(unknown, 0), WITH.format(DEAD), "p95 beside no shadow")["met"] is False
        assert find(beside.rows(slow, 1), "from the beginning to the end", "errors")["met"] is False

    def test_copies_are_those_of_all_rules(self) -> None:
        lines = [
            f"cluster.httproute/exchange/fraud/rule/{rule}-mirror-0.upstream_rq_total: {rule + 5}" for rule in (0, 2)
        ]
        assert beside.copied_in("\n".join([*lines, ""])) == 12
        assert beside.copied_in("\n") == 0


RESULT: t.Final = {
    "taken_back": {"decided_at": 100.0, "regions": {"a": {"served_at": 100.3}, "b": {"served_at": 100.4}}}
}


def made(case: str = back.WATCH, opened: float | None = 100.1, results: t.Any = (RESULT,)) -> back.Round:
    ran = Ran(2, 90.0, 110.0, [{"verdict": "hold"}, *results])
    requests = Requests([asked(95), asked(100.44, 0.01, back.WORSE), asked(100.2, 0.5), asked(100, failed=True)])
    return back.round_of(case, ran, (100.35, opened), requests)


class TestBack:
    def test_counts_from_the_decision_or_from_the_journal_whichever_is_earlier(self) -> None:
        assert made().begin == 100.0
        assert made(opened=99.9).begin == 99.9
        assert made(results=()).begin == 100.1
        assert made(case=back.ASKED).begin == 90.0

    def test_spans_end_with_the_last_answer_of_the_worse_version(self) -> None:
        one = made()
        assert one.after(one.weights) == pytest.approx(0.35)
        assert one.after(one.last_answer) == pytest.approx(0.45)
        assert one.after(one.served) == pytest.approx(0.4)
        assert (one.failed, one.answers) == (1, 1)

    def test_a_version_without_traffic_has_no_last_answer(self) -> None:
        one = made()
        assert (one.after(99.5), one.after(98.9), one.after(None)) == (0.0, None, None)

    def test_a_region_whose_gateway_never_accepted_it_is_not_served(self) -> None:
        away = {"taken_back": {"decided_at": 1.0, "regions": {"a": {"served_at": 2.0}, "b": {"served_at": None}}}}
        assert back.taken_back([away]) == (1.0, None)
        assert back.taken_back([{"taken_back": None}]) == (None, None)

    def test_the_goal_is_for_the_way_back_that_nobody_asked_for(self) -> None:
        rows = back.rows([made(), made(case=back.ASKED)])
        goals = [one for one in rows if one["goal"] is not None and one["unit"] == "s"]
        assert [one["case"] for one in goals] == [back.WATCH] * 2
        assert all(one["met"] for one in goals)
        late = dataclasses.replace(made(), last_answer=101.2)
        assert [one["met"] for one in back.rows([made(), late]) if one["goal"] == 1.0] == [True, False]
        unknown = dataclasses.replace(made(), weights=None)
        assert [one["met"] for one in back.rows([unknown]) if one["goal"] == 1.0] == [False, True]

    def test_the_journal_is_that_of_another_change_of_a_model(self) -> None:
        def journal(**header: str) -> dict[str, str]:
            return {"release": json.dumps(header)}

        question = back.opened("known")
        assert question(journal(kind="model", id="new", state="open"))
        assert not question(journal(kind="model", id="known", state="closed"))
        assert not question(journal(kind="deploy", id="new"))
        assert not question({})


def test_what_was_written_is_read() -> None:
    one = asked(5.25)
    assert asking.read(json.dumps(dataclasses.asdict(one)) + "\n") == [one]
    lines = [{"task": "a", "result": None}, {"task": "b", "result": {"verdict": "fail"}}]
    assert place.read("\n".join(map(json.dumps, lines))) == [{"verdict": "fail"}]
    assert place.read("") == []


def test_the_tables_show_worst_and_bounds() -> None:
    windows = [seen(who, 3.0 if who == DEAD else 2.0) for who in beside.order(1)]
    rows = [{"part": "beside", **one} for one in beside.rows(windows, 0)]
    rows += [{"part": "back", **one} for one in back.rows([dataclasses.replace(made(), weights=None)])]
    found = tables.tables(rows)
    (dead,) = (line for line in found["beside"] if "dead" in line)
    assert "**1.50 (1.50)** | at most 1.1 times | 3.0 ms (3.0 to 3.0) | 10.0 % | 0.0 % | 0 |" in dead
    weights = found["back"][2]
    assert weights.endswith("| not measured | **not measured** | at most 1 s |")
    assert found["back"][-1].endswith("| failed requests | 1 | **1** | at most 0 |")
