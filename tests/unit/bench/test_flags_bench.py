# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of feature flags: who counts as having lost something, what the rows say, and the tables."""

from __future__ import annotations

import io
import json
import pathlib
import sys
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.file_store import FileStore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Texts

from bench import at_once
from bench.command import written_before
from bench.flags import faults, kill, large, mounted, ramp, tables, writers
from bench.flags.__main__ import BENCH
from bench.flags.world import FLEET, REGIONS, STORES, World, switch
from bench.results import OURS, Goal, row, verdict_row

Json = dict[str, t.Any]


def find(made: list[Json], metric: str, subject: str = OURS, case: str = "") -> Json:
    (one,) = (one for one in made if (one["metric"], one["subject"]) == (metric, subject) and case in one["case"])
    return one


def document(**flags: Json) -> Json:
    return {"metadata": {"version": "7"}, "flags": flags}


def dead() -> Json:
    return switch("off", metadata={"killed": True, "killId": "x.1"})


class TestRamp:
    def test_who_had_it_and_has_it_no_more(self) -> None:
        steps = [frozenset(users) for users in ("", "ab", "bcd", "abcd", "b")]
        # a once, and then a, c and d.
        assert ramp.lost(steps) == 4

    def test_nobody_and_all_are_exact(self) -> None:
        assert ramp.deviation(0, 100, 0.0) == ramp.deviation(100, 100, 100.0) == 0.0
        assert ramp.deviation(1, 100, 0.0) > 4 and ramp.deviation(99, 100, 100.0) > 4

    def test_in_standard_deviations(self) -> None:
        assert ramp.deviation(60, 100, 50.0) == ramp.deviation(40, 100, 50.0) == pytest.approx(2.0)

    def test_the_ways_beside_ours(self) -> None:
        large_first = ramp.definition(ramp.BY_SIZE, 40.0, 8)["targeting"]["fractional"]
        assert large_first == [["off", 60], ["on", 40]]
        assert ramp.definition(ramp.BY_SIZE, 60.0, 12)["targeting"]["fractional"] == [["on", 60], ["off", 40]]
        keys = [ramp.definition(ramp.NEW_KEY, 40.0, step)["targeting"]["fractional"][0] for step in (8, 9)]
        assert keys[0] != keys[1]

    def test_one_user_is_too_many(self) -> None:
        users = [str(number) for number in range(ramp.USERS)]
        steps = [frozenset(users[: int(ramp.USERS * percent / 100)]) for percent in ramp.PERCENTS]
        grows, loses = ramp.ramped(steps), ramp.ramped([*steps[:-1], steps[-1] - {"0"}])
        made = ramp.rows({OURS: [grows, loses], ramp.BY_SIZE: [loses], ramp.NEW_KEY: [grows]})
        assert (find(made, ramp.LOST)["worst"], find(made, ramp.LOST)["met"]) == (1.0, False)
        # It is also not all at 100 percent.
        assert find(made, ramp.DEVIATION)["met"] is False
        assert find(made, ramp.LOST)["reference"] == find(made, ramp.LOST, ramp.BY_SIZE)["value"] == 1.0
        assert find(made, ramp.LOST, ramp.NEW_KEY)["met"] is None


class TestLarge:
    TIMES: t.Final = large.Times(600_000, [0.9, 1.1], [1.5, 2.5], [0.25, 0.25])

    def made(self, refused: Json, written: list[str]) -> list[Json]:
        small = large.Times(700, [0.1], [0.7], [0.05])
        return large.rows({large.SIZES[0]: small, large.SIZES[1]: self.TIMES}, refused, written, ["redis", "backup"])

    def test_the_goals_are_those_of_the_large_set(self) -> None:
        made = self.made({"failed": True, "msg": "too large"}, [])
        assert [find(made, large.RUN, case=case)["met"] for case in ("5 flags", "5,000")] == [None, True]
        whole = find(made, large.PROCESS, case="5,000 flags, 600 kB")
        assert (whole["met"], whole["reference"], whole["ratio"]) == (False, 0.25, 8.0)

    def test_refused_is_before_the_first_write(self) -> None:
        good = self.made({"failed": True, "msg": "too large"}, [])
        assert find(good, "verdict")["met"] and find(good, large.WRITTEN)["met"]
        assert find(good, large.WRITTEN, large.PLAIN)["value"] == 2.0
        late = self.made({"failed": True, "msg": "too large"}, ["redis"])
        assert not find(late, "verdict")["met"] and not find(late, large.WRITTEN)["met"]
        assert not find(self.made({"reason": "written"}, ["redis"]), "verdict")["met"]

    def test_so_many_flags(self) -> None:
        made = large.definitions(7, 5)
        assert list(made) == ["feature-0005", "feature-0006"] and made["feature-0005"] == switch()


class TestWriters:
    def test_every_change_that_is_not_there_counts(self) -> None:
        all_on = {writers.own(one): switch("on") for one in range(12)}
        victims = {writers.victim(one): dead() for one in (0, 10)}
        good = document(**all_on, **victims)
        bad = document(**{**all_on, writers.own(3): switch()}, **{**victims, writers.victim(10): switch("on")})
        assert writers.lost({"fleet": good, "redis": bad}, 12) == {"fleet": 0, "redis": 2}

    def test_what_the_history_does_not_tell(self) -> None:
        toggles = [{"revision": one + 2, "action": "toggle", "flags": {writers.own(one): {}}} for one in range(12)]
        kills = [{"revision": None, "action": "kill", "flags": {writers.victim(one): {}}} for one in (0, 10)]
        assert writers.missing([*toggles, *kills], 12) == 0
        # Its revision, its flag, and a kill.
        assert writers.missing([*toggles[1:], *kills[1:]], 12) == 3

    def test_the_script_changes_its_own_flag(self) -> None:
        text = json.dumps(document(a=switch(), b=switch(), c=switch("on")))
        found = json.loads(writers.changed(text, {"on": "a", "kill": "c"}))["flags"]
        assert [found[name]["defaultVariant"] for name in "abc"] == ["on", "off", "off"]
        assert found["c"]["metadata"]["killed"] and json.loads(writers.changed(text, {"on": "a", "kill": None}))

    def test_rows(self) -> None:
        none, some = dict.fromkeys(STORES, 0), dict.fromkeys(STORES, 0) | {"redis": 30}
        found = {
            OURS: [writers.Round(9.0, 0, none, 0), writers.Round(8.0, 1, none, 2)],
            writers.READ_CHANGE_WRITE: [writers.Round(1.0, 0, some)],
        }
        made = writers.rows(found)
        ours = find(made, "changes lost in redis")
        assert (ours["met"], ours["reference"]) == (True, 30.0)
        assert [find(made, metric)["met"] for metric in (writers.FAILED, writers.MISSING)] == [False, False]
        assert find(made, "changes lost in redis", writers.READ_CHANGE_WRITE)["met"] is None


class Struck:
    name = "a fault"

    def __init__(self) -> None:
        self.times = 0

    def strike(self) -> None:
        self.times += 1

    def mend(self) -> None:
        pass


class TestFaults:
    def test_it_strikes_once_at_its_point(self) -> None:
        fault = Struck()
        watch = faults.Watch(fault, ("after", "redis"))
        watch.see(("before", "redis"))
        assert not watch.reached
        for _ in range(2):
            watch.see(("after", "redis"))
        assert watch.reached and fault.times == 1
        assert watch.points == [("before", "redis"), ("after", "redis"), ("after", "redis")]

    def test_every_write_of_a_store_is_seen(self, tmp_path: pathlib.Path) -> None:
        store, watch = FileStore("backup", str(tmp_path / "flags.json"), SystemClock(), 1.0), faults.Watch()
        with watch.watching():
            store.write(Texts("{}", "{}"), 1, store.read(), [])
        store.write(Texts("{ }", "{}"), 2, store.read(), [])
        assert watch.points == [("before", "backup"), ("after", "backup")]

    def test_stores_that_differ_from_most(self) -> None:
        one, other = document(a=switch()), document(a=switch("on"))
        assert faults.differing({"1": one, "2": one, "3": dict(reversed(one.items()))}) == 0
        assert faults.differing({"1": one, "2": other, "3": one, "4": {}}) == 2

    def test_a_kill_is_undone_where_any_store_has_it_alive(self) -> None:
        documents = {"fleet": document(a=dead(), b=dead()), "redis": document(a=dead(), b=switch("on"))}
        assert faults.undone(documents, ["a", "b"]) == 1
        targeted = {**dead(), "targeting": {"fractional": [["on", 1], ["off", 1]]}}
        disabled = {**dead(), "state": "DISABLED"}
        assert faults.undone({"fleet": document(a=targeted, b=disabled)}, ["a", "b"]) == 2

    def test_only_the_last_revisions_have_to_be_told(self) -> None:
        history = [{"revision": one, "action": "toggle", "flags": {}} for one in range(11, 61)]
        killed = {"revision": None, "action": "kill", "flags": {"a": {}}}
        assert faults.missing([*history, killed], 60, ["a"]) == 0
        assert faults.missing(history[1:], 60, ["a"]) == 2

    def test_a_point_that_was_not_reached_is_not_measured(self) -> None:
        good, bad, idle = (faults.Visit(*one) for one in ((True, 0, 0, 0, 0), (True, 1, 0, 0, 0), (False, 0, 0, 0, 0)))
        made = faults.rows({faults.REDIS: [good, bad], faults.DISK: [good, idle]}, [1, 1])
        assert find(made, faults.DIFFER, case=faults.REDIS)["met"] is False
        assert find(made, faults.UNDONE, case=faults.REDIS)["met"] is True
        assert find(made, faults.UNDONE, case=faults.DISK)["met"] is False
        assert find(made, faults.UNDONE, faults.ALONE)["value"] == 1.0
        assert find(made, faults.VISITS, case=faults.DISK)["value"] == 1.0


def killed(ours: float, other: float) -> kill.Killed:
    return kill.Killed(100.0, {kill.LISTENING: 100.0 + ours, kill.POLLING: 100.0 + other}, 101.0)


class TestKill:
    def test_p99_is_a_value_that_was_measured(self) -> None:
        assert kill.p99([1.0, 9.0, 2.0]) == 9.0
        assert kill.p99([float(one) for one in range(200)]) == 197.0

    def test_the_median_decides(self) -> None:
        found = [killed(0.010, 0.5), killed(0.020, 0.7), killed(0.090, 0.6)]
        made = kill.rows(found, [killed(3.0, 0.0)])
        ours = find(made, kill.MEDIAN, case="3 kills")
        assert (ours["value"], ours["worst"], ours["met"], ours["reference"]) == (20.0, 90.0, True, 600.0)
        assert find(made, kill.P99, case="3 kills")["value"] == 90.0
        assert find(made, kill.MEDIAN, kill.SUBJECTS[kill.POLLING])["met"] is None
        assert find(made, kill.MEDIAN, case=kill.PLAYBOOK)["value"] == 3000.0
        slow = kill.rows([killed(0.060, 0.5)] * 3, [killed(3.0, 0.0)])
        assert find(slow, kill.MEDIAN, case="3 kills")["met"] is False

    def test_a_mounted_map_is_beside_the_bridge(self) -> None:
        found = [kill.Killed(1.0, {kill.LISTENING: 1.01, mounted.MOUNTED: 41.0}, 2.0)]
        made = mounted.rows(found)
        assert find(made, kill.MEDIAN)["reference"] == 40_000.0
        (volume,) = mounted.pod("exchange")["spec"]["volumes"]
        (mount,) = mounted.pod("exchange")["spec"]["containers"][0]["volumeMounts"]
        # By subPath a file never changes.
        assert mount["name"] == volume["name"] and "subPath" not in mount

    def test_the_environment_of_the_playbook(self, tmp_path: pathlib.Path) -> None:
        class Redis:
            options: t.ClassVar[Json] = {"url": "redis://127.0.0.1"}

        place = World(tmp_path, dict.fromkeys((FLEET, *REGIONS)), Redis())  # type: ignore[arg-type]
        place.instead[REGIONS[0]] = {"configmap": {"context": "lab", "namespace": "exchange"}}
        found = json.loads(kill.inventory(place).read_text())["all"]
        assert found["children"]["fleet"]["hosts"] == {
            FLEET: {"cluster_context": FLEET, "cluster_namespace": "pincex-fleet"}
        }
        assert [one["name"] for one in found["vars"]["flags"]["stores"]] == [one for one in STORES if one != "fleet"]
        assert found["vars"]["flags"]["stores"][1]["configmap"]["context"] == "lab"


def test_a_process_begins_when_it_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = io.StringIO('{"a": 1}\ngo\n')
    monkeypatch.setattr(sys, "stdin", lines)
    assert at_once.begin() == {"a": 1}
    assert capsys.readouterr().out == f"{at_once.READY}\n" and lines.read() == ""


class TestTables:
    def line(self, made: Json) -> str:
        return tables.tables([{"part": "large", **made}])["large"][2]

    def test_units(self) -> None:
        assert self.line(row("c", "took", [1.5], Goal(2.0))) == "| c | ours | took | 1.50 s | 1.50 s | < 2 s |"
        assert self.line(row("c", "lost", [0.0], Goal(0.5), "count")) == "| c | ours | lost | 0 | 0 | 0 |"
        assert self.line(row("c", "t", [10.24], Goal(50.0), "ms")) == "| c | ours | t | 10.24 ms | 10.24 ms | < 50 ms |"
        slow = row("c", "t", [3389.8], Goal(), "ms", subject="others")
        assert self.line(slow) == "| c | others | t | 3,390 ms | 3,390 ms |  |"
        assert self.line(row("c", "far", [1.5], Goal(4.0), "sigma")).endswith("| 1.50 sigma | < 4 sigma |")

    def test_a_goal_that_was_missed_is_bold(self) -> None:
        assert self.line(row("c", "took", [3.0], Goal(2.0))) == "| c | ours | took | 3.00 s | **3.00 s** | < 2 s |"
        assert "**not measured**" in self.line(row("c", "took", [None], Goal(2.0)))
        said = verdict_row("c", "written", "refused", "why")
        assert self.line(said) == "| c | ours | verdict | **written** |  | refused |"

    def test_every_part_has_a_table_and_a_line_of_help(self) -> None:
        assert list(tables.tables([])) == list(BENCH.parts)
        assert all(f"\n  {part} " in (BENCH.doc or "") for part in BENCH.parts)

    def test_the_page_shows_the_results(self) -> None:
        rows, _versions = written_before(BENCH)
        text = tables.PAGE.read_text(encoding="utf-8")
        made = tables.filled(text, tables.tables(rows))
        assert made == text, "run `python -m bench.flags.tables`"
