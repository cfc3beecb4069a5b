# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of DNS weights: what counts as failed, seen and refused, what the rows say, and the tables."""

from __future__ import annotations

import itertools
import os
import pathlib
import time
import typing as t

import pytest

from bench.command import written_before
from bench.dns import authority, evacuate, guards, killed, large, loopback, region, tables
from bench.dns.__main__ import BENCH
from bench.dns.authority import Look
from bench.dns.evacuate import Round
from bench.dns.region import Done, Orders, Ran
from bench.results import Goal, row
from lab import programs
from lab.errors import LabError

Json = dict[str, t.Any]
US, EU = "us-east-1", "eu-west-1"


def find(made: list[Json], metric: str, case: str = "") -> Json:
    (one,) = (one for one in made if one["metric"] == metric and case in one["case"])
    return one


def report(**totals: t.Any) -> Json:
    bad = [[10.0, US, "none", "connect", "order"], [11.0, US, "none", "connect", "cancel"]]
    return {
        "totals": {"acknowledged": 70, "lost": 0, "duplicated": 0, **totals},
        "bad_answers": bad,
        "resolved": {"failed_orders": {"number": 1}, "answers": [[9.0, "r:1", US]]},
    }


class TestOrders:
    def test_a_cancel_is_no_new_order(self) -> None:
        found = region.read_orders(report())
        assert found == Orders([(10.0, US)], 70, 0, 0, [(9.0, "r:1", US)])
        assert [found.failed_in(*span) for span in ((10, 11), (0, 10), (10.5, 20))] == [[10.0], [], []]

    def test_what_is_not_known_counts_as_all(self) -> None:
        assert region.read_orders(report(lost=None)).lost == 70

    def test_a_report_that_left_some_out_is_no_measure(self) -> None:
        whole = report()
        whole["resolved"]["failed_orders"]["number"] = 3000
        with pytest.raises(LabError, match="1 of 3000"):
            region.read_orders(whole)


class TestRegion:
    def test_weights_of_the_record(self) -> None:
        text = "A \";--[[x]]local m={{'us-east-1',0,'http://h',{'198.18.1.2'}},{'eu-west-1',50,'',{'198.18.2.2'}}} f\""
        assert region.weights_of(text) == {US: 0, EU: 50}

    def test_everything_below_a_process(self, tmp_path: pathlib.Path) -> None:
        for pid, parent in ((1, 0), (7, 1), (8, 7), (9, 8), (10, 1)):
            folder = tmp_path / str(pid)
            folder.mkdir()
            rest = " ".join(["0"] * 17)
            (folder / "stat").write_text(f"{pid} (a b) c) S {parent} {rest} {100 + pid} 0\n")
        assert region.children(7, tmp_path) == [programs.Identity(8, 108), programs.Identity(9, 109)]

    def test_this_process_is_below_its_parent(self) -> None:
        assert os.getpid() in {one.pid for one in region.children(os.getppid())}

    def test_tasks_have_their_time_and_result(self) -> None:
        line = '{"task": "ramp | One step more", "began": 2.0, "ended": 3.5, "failed": false, "result": {"a": 1}}\n'
        assert region.read_tasks(line) == [Done("ramp | One step more", 1.5, {"a": 1})]


class TestAuthority:
    def test_too_few_answers_prove_nothing(self) -> None:
        assert Look({US: 50, EU: 50}, {US: 1000, EU: 1000}).p == 1.0
        assert Look({US: 50, EU: 50}, {US: 1000, EU: 999}).p == 0.0
        assert Look({US: 0, EU: 50}, {US: 1, EU: 1999}).p == 0.0
        assert Look({US: 50, EU: 50}, {US: 900, EU: 1100}).p < 0.001


def out_and_in(word: str = "observed", failed: t.Sequence[float] = (), counts: t.Sequence[int] = (1000, 1000)) -> Round:
    evacuation = Ran(
        100.0,
        130.0,
        [
            Done("evacuate | What there is to do", 1.0, {"drained": {}}),
            Done(f"evacuate | No weight for {US}", 4.0, {"drained": {}}),
            Done(f"evacuate | Wait until the traffic has drained: {US}", 15.0, {"drained": {US: {"word": word}}}),
        ],
    )
    steps = [Done("ramp | One step more", 3.0 + percent, {"ramp": {"step": percent}}) for percent in evacuate.STEPS]
    looks = [Look({US: 50 * percent // 100, EU: 50}, {}) for percent in (0, 5, 25, 50)]
    looks = [Look(look.weights, {EU: 2000} if not look.weights[US] else split(look.weights)) for look in looks]
    looks.append(Look({US: 50, EU: 50}, dict(zip((US, EU), counts, strict=True))))
    orders = Orders([(at, US) for at in failed], 5000, 0, 0, [])
    return Round(US, evacuation, Ran(150.0, 210.0, steps), looks, orders)


def split(weights: t.Mapping[str, int]) -> dict[str, int]:
    ours = round(2000 * weights[US] / sum(weights.values()))
    return {US: ours, EU: 2000 - ours}


class TestEvacuate:
    def test_all_is_well(self) -> None:
        made = evacuate.rows([out_and_in(failed=[120.0])])
        assert {one["met"] for one in made} == {True, None}
        assert find(made, "and before it")["value"] == 1
        assert find(made, "evacuate: until drained")["value"] == 15.0
        assert find(made, "restore: 25 % written and proved")["value"] == 28.0
        assert find(made, "restore: Enter to end, each step watched for 20 s")["value"] == 60.0

    def test_one_order_after_it_is_one_too_many(self) -> None:
        made = evacuate.rows([out_and_in(), out_and_in(failed=[180.0])])
        failed = find(made, "new orders that failed after the evacuation")
        assert (failed["worst"], failed["met"]) == (1.0, False)

    def test_the_clock_is_no_observation(self) -> None:
        assert not find(evacuate.rows([out_and_in("unobserved")]), "drains that were not observed")["met"]

    def test_the_least_p_decides(self) -> None:
        made = evacuate.rows([out_and_in(), out_and_in(counts=(800, 1200))])
        whole = find(made, "p of 2,000 answers at 100 %")
        assert (whole["worst"], whole["goal"], whole["met"]) == (0.0, 0.001, False)
        assert find(made, "p of 2,000 answers at 25 %")["met"]

    def test_a_step_that_nobody_looked_at_is_not_proved(self) -> None:
        one = out_and_in()
        one.looks.pop()
        assert find(evacuate.rows([one]), "p of 2,000 answers at 100 %")["met"] is False


def death(failed: t.Sequence[float], left_out: float | None, answers: list[tuple[float, str, str]]) -> killed.Round:
    return killed.Round(US, 100.0, left_out, 120.0, Orders([(at, US) for at in failed], 9, 0, 0, answers))


class TestKilled:
    ANSWERS: t.Final = [(90.0, "a", US), (95.0, "b", EU), (98.0, "b", US), (103.0, "a", EU), (105.0, "b", EU)]

    def test_parts_are_the_whole(self) -> None:
        one = death([101.0, 105.5], 102.0, self.ANSWERS)
        assert one.parts() == (2.0, 3.0, 0.5)
        made = killed.rows([one])
        assert find(made, "death to last failed new order")["value"] == 5.5
        assert {row["met"] for row in made} == {True, None}

    def test_a_part_ends_with_the_last_failed_order(self) -> None:
        assert death([104.0], 102.0, self.ANSWERS).parts() == (2.0, 2.0, 0.0)
        assert death([101.0], 102.0, self.ANSWERS).parts() == (1.0, 0.0, 0.0)

    def test_no_resolver_had_it(self) -> None:
        assert killed.forgotten_at([(90.0, "a", EU), (110.0, "a", US), (111.0, "a", EU)], US, 100.0, 105.0) is None
        assert death([], None, []).parts() is None
        assert find(killed.rows([death([], None, [])]), "death to last failed new order")["value"] == 0.0

    def test_orders_that_fail_on_the_way_back_are_no_part_of_it(self) -> None:
        made = killed.rows([death([101.0, 125.0], 101.0, [])])
        assert find(made, "death to last failed new order")["value"] == 1.0
        assert find(made, "new orders that failed while it came back")["value"] == 1.0


class TestLarge:
    REQUESTS: t.Final = {"A": {10: [9, 9], 10_000: [9, 9]}, "B": {10: [12, 12], 10_000: [12, 13]}}

    def test_one_request_more_in_the_large_zone_misses_the_goal(self) -> None:
        made = large.rows(self.REQUESTS, [])
        assert [one["met"] for one in made] == [None, True, None, False]

    def test_one_above_the_limit_misses_the_goal(self) -> None:
        burst = large.Burst("many", 20, 30.0, [0.0, 0.5, 2.0], throttled=1, changes=20, failed=0)
        made = large.rows({}, [burst])
        assert find(made, "requests above the limit")["met"] is False
        assert find(made, "most requests in one second")["value"] == 2
        assert (find(made, "changes sent")["met"], find(made, "tasks that failed")["met"]) == (True, True)

    def test_any_second(self) -> None:
        assert loopback.most_in_a_second([]) == 0
        assert loopback.most_in_a_second([0.0, 0.9, 1.0, 1.8, 1.85]) == 4

    def test_the_bucket_tells_every_request_also_those_it_refuses(self) -> None:
        bucket = loopback.CountedBucket(1, 2, clock=lambda: 0.0)
        for _ in range(2):
            bucket.take()
        with pytest.raises(Exception, match="Rate exceeded"):
            bucket.take()
        assert (len(bucket.instants), bucket.throttled) == (3, 1)


class TestGuards:
    REFUSED: t.Final[Json] = {
        "failed": True,
        "error": {"kind": "refused"},
        "guards": [{"guard": "owner", "refused": True, "reason": "it is theirs"}],
    }

    def outcome(self, guard: str = "owner", writes: int = 0, same: bool = True, **changes: t.Any) -> guards.Outcome:
        return guards.Outcome(guard, "tried", {**self.REFUSED, **changes}, writes, same)

    def test_every_guard_is_tried(self) -> None:
        tried = [one.guard for one in guards.tries()]
        assert sorted([*tried, "ttl"]) == sorted(guards.GUARDS)

    def test_what_was_written_was_not_refused(self) -> None:
        assert self.outcome().said() == ("refused", "it is theirs")
        assert self.outcome(writes=1).said()[0] == "written"
        assert self.outcome(same=False).said()[0] == "written"
        assert self.outcome(failed=False).said()[0] == "not refused"
        assert self.outcome(error={"kind": "unreachable"}).said()[0] == "not refused"

    def test_another_guard_is_not_this_one(self) -> None:
        assert self.outcome(guard="ttl").said()[0] == "not refused"

    def test_rows_are_in_the_order_of_the_guards(self) -> None:
        told = [{"guard": name, "refused": True, "reason": name} for name in ("owner", "ttl")]
        made = guards.rows([self.outcome("ttl", guards=told), self.outcome("owner", guards=told)])
        assert [(one["case"], one["met"], one["tried"]) for one in made] == [
            ("owner", True, "tried"),
            ("ttl", True, "tried"),
        ]


class TestTables:
    def line(self, made: Json, part: str = "evacuate") -> str:
        return tables.tables([{"part": part, **made}])[part][2]

    def test_goals(self) -> None:
        assert self.line(row("c", "lost", [0.0], Goal(0.5), "count")) == "| c | lost | 0 | 0 | 0 |"
        assert self.line(row("c", "requests", [9.0], Goal(9.5), "count")) == "| c | requests | 9 | 9 | at most 9 |"
        assert self.line(row("c", "took", [4.25], Goal())) == "| c | took | 4.2 s | 4.2 s |  |"
        assert self.line(evacuate.p_row("c", "p", [0.5, 0.25])) == "| c | p | 0.375 | 0.250 | > 0.001 |"

    def test_a_goal_that_was_missed_is_bold(self) -> None:
        assert self.line(row("c", "lost", [2.0], Goal(0.5), "count")) == "| c | lost | 2 | **2** | 0 |"
        assert self.line(evacuate.p_row("c", "p", [None])) == "| c | p |  | **not measured** | > 0.001 |"
        (written,) = guards.rows([guards.Outcome("owner", "tried", TestGuards.REFUSED, 1, True)])
        assert self.line(written, "guards") == "| `owner` | tried | **written** | it is theirs |"

    def test_every_part_has_a_table(self) -> None:
        assert list(tables.tables([])) == list(BENCH.parts)

    def test_the_page_shows_the_results(self) -> None:
        rows, _versions = written_before(BENCH)
        text = tables.PAGE.read_text(encoding="utf-8")
        assert tables.filled(text, tables.tables(rows)) == text, "run `python -m bench.dns.tables`"


def test_the_last_answer_of_a_region_is_told() -> None:
    class Names:
        def __init__(self) -> None:
            self.said = itertools.chain([{US: 1}, {US: 2, EU: 3}], itertools.repeat({EU: 5}))
            self.asked = 0

        def ask(self, number: int) -> t.Any:
            self.asked += 1
            return {US: 0, **next(self.said)}

    names = Names()
    with authority.LastAnswer(t.cast("authority.Authority", names), US) as last:
        end = time.monotonic() + 5
        while names.asked < 4 and time.monotonic() < end:
            time.sleep(0.01)
    assert last.at is not None
