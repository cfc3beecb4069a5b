# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command of every bench with parts: which parts run, what is written, and what its exit code says."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import pathlib
import re
import sys
import types
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import command, results
from bench.command import Bench, merged, written_before
from bench.dns.__main__ import BENCH as DNS
from bench.drain.__main__ import BENCH as DRAIN
from bench.gate.__main__ import BENCH as GATE
from bench.gate.part import Measured, Options, Row
from bench.results import ROOT, Goal, row
from bench.rollback.__main__ import BENCH as ROLLBACK
from lab.errors import LabError

EXAMPLE: t.Final = Bench("example", ("one", "two", "three"), "An example.")


class Trial:
    """Parts that measure nothing: each has the value that `values` gives it, or raises it. Files are real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: pathlib.Path) -> None:
        self.values: dict[str, float | Exception] = {}
        self.asked: list[tuple[str, Options]] = []
        self._monkeypatch = monkeypatch
        self._folder = home / "bench" / "results"
        self._folder.parent.mkdir()
        monkeypatch.setattr(results, "ROOT", home)
        monkeypatch.setattr(command, "measure", self.measure)

    def measure(self, _bench: Bench, part: str, options: Options) -> Measured:
        self.asked.append((part, options))
        value = self.values.get(part, 0.5)
        if isinstance(value, Exception):
            raise value
        return Measured([row(f"case of {part}", "metric", [value], Goal(1.0))], {f"program of {part}": "1.0"})

    def run(self, *words: str, bench: Bench = EXAMPLE) -> int:
        self._monkeypatch.setattr("sys.argv", [f"bench.{bench.name}", *words])
        return command.run(bench)

    def rows(self) -> dict[str, list[tuple[str | None, float]]]:
        """Part and value of every row, by the name of the file."""
        return {
            path.name: [(one.get("part"), one["value"]) for one in json.loads(path.read_text("utf-8"))["rows"]]
            for path in self._folder.glob("*")
        }


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Trial:
    return Trial(monkeypatch, tmp_path)


def test_without_a_part_all_of_them_and_one_file(trial: Trial) -> None:
    assert trial.run() == 0
    assert trial.asked == [(part, Options("test", None)) for part in EXAMPLE.parts]
    assert trial.rows() == {"example.json": [("one", 0.5), ("two", 0.5), ("three", 0.5)]}


def test_a_file_for_each_part(trial: Trial) -> None:
    assert trial.run("three", "one", bench=dataclasses.replace(EXAMPLE, together=False)) == 0
    # The file says which part it is.
    assert trial.rows() == {"example_one.json": [(None, 0.5)], "example_three.json": [(None, 0.5)]}


def test_the_parts_that_were_asked_for(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    assert trial.run("three", "one", "--name", "scratch", "--rounds", "2") == 0
    assert trial.asked == [("three", Options("scratch", 2)), ("one", Options("scratch", 2))]
    assert trial.rows() == {"example.json": [("one", 0.5), ("three", 0.5)]}
    told = capsys.readouterr().out
    assert "=== three" in told
    assert "case of three" in told
    assert "written: bench/results/example.json" in told


def test_a_bench_without_a_lab_names_none(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    bench = dataclasses.replace(EXAMPLE, lab=False)
    assert trial.run("one", "--rounds", "3", bench=bench) == 0
    assert trial.asked == [("one", Options("none", 3))]
    with pytest.raises(SystemExit) as end:
        trial.run("one", "--name", "test", bench=bench)
    assert end.value.code == 2
    assert "unrecognized arguments: --name" in capsys.readouterr().err


def test_a_part_alone_leaves_the_rows_of_the_others(trial: Trial) -> None:
    assert trial.run("one", "three") == 0
    trial.values = {"one": 0.75}
    assert trial.run("two", "one") == 0
    assert trial.rows() == {"example.json": [("one", 0.75), ("two", 0.5), ("three", 0.5)]}
    _rows, versions = written_before(EXAMPLE)
    assert versions == {f"program of {part}": "1.0" for part in EXAMPLE.parts}


def test_before_the_first_run_nothing_is_written(trial: Trial) -> None:
    assert written_before(EXAMPLE) == ([], {})


def test_a_missed_goal_is_written_down_and_told(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    trial.values = {"one": 1.5}
    assert trial.run("one", "two") == 1
    assert trial.rows() == {"example.json": [("one", 1.5), ("two", 0.5)]}
    assert re.search(r"case of one .* NO$", capsys.readouterr().out, re.MULTILINE)


def test_a_part_that_could_not_be_measured_does_not_stop_the_others(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    trial.values = {"one": LabError("no lab")}
    assert trial.run("one", "two") == 1
    assert trial.rows() == {"example.json": [("two", 0.5)]}
    assert capsys.readouterr().err == "one: no lab\n"


def test_what_is_traced_ends_its_part_alone(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    trial.values = {"one": AssertionError("never came: the end")}
    assert trial.run("one", "two", bench=dataclasses.replace(EXAMPLE, traced=(AssertionError,))) == 1
    assert trial.rows() == {"example.json": [("two", 0.5)]}
    assert re.search(r"Traceback .*AssertionError: never came: the end", capsys.readouterr().err, re.DOTALL)


def test_any_other_error_ends_the_bench(trial: Trial) -> None:
    trial.values = {"one": AssertionError("never came: the end")}
    with pytest.raises(AssertionError, match="never came"):
        trial.run("one", "two")
    assert trial.rows() == {}


def test_an_unknown_part_is_refused(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        trial.run("one", "speed")
    assert (end.value.code, trial.asked) == (2, [])
    assert "unknown part speed; use one or more of: one, two, three" in capsys.readouterr().err


def test_a_part_is_a_module_of_its_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Measured([], {"program": "1.0"})
    asked: list[Options] = []

    def measure(options: Options) -> Measured:
        asked.append(options)
        return made

    monkeypatch.setitem(
        sys.modules, "bench.example.two", t.cast(types.ModuleType, types.SimpleNamespace(measure=measure))
    )
    assert command.measure(EXAMPLE, "two", Options("test", 4)) is made
    assert asked == [Options("test", 4)]


ROWS: t.Final = st.lists(st.fixed_dictionaries({"part": st.sampled_from(EXAMPLE.parts), "case": st.integers()}))


@settings(deadline=None)
@given(ROWS, st.sampled_from(EXAMPLE.parts), st.lists(st.fixed_dictionaries({"case": st.integers()})))
def test_one_part_is_replaced_and_the_rest_is_in_order(before: list[Row], part: str, fresh: list[Row]) -> None:
    made = merged(EXAMPLE, before, part, fresh)
    order = [EXAMPLE.parts.index(one["part"]) for one in made]
    assert order == sorted(order)
    assert [{"case": one["case"]} for one in made if one["part"] == part] == fresh
    for other in set(EXAMPLE.parts) - {part}:
        assert [one for one in made if one["part"] == other] == [one for one in before if one["part"] == other]


@pytest.mark.parametrize("bench", [DNS, DRAIN, GATE, ROLLBACK], ids=lambda bench: str(bench.name))
class TestEveryBench:
    def test_its_parts_are_modules_and_explained(self, bench: Bench) -> None:
        for part in bench.parts:
            assert importlib.util.find_spec(f"bench.{bench.name}.{part}"), part
        assert re.findall(r"^  (\w+)  ", bench.doc or "", re.MULTILINE) == list(bench.parts)

    def test_its_files_are_those_that_are_kept(self, bench: Bench) -> None:
        names = {bench.name} if bench.together else {f"{bench.name}_{part}" for part in bench.parts}
        kept = {path.stem for path in (ROOT / "bench" / "results").glob(f"{bench.name}*.json")}
        assert kept
        assert kept <= names
