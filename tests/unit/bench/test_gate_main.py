# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command: which parts run, and what its exit code says."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest

from bench.gate import __main__ as command
from bench.gate import tools
from bench.gate.part import Measured, Options
from bench.results import ROOT, Goal, row
from lab import binaries
from lab.errors import LabError


class Bench:
    """Parts that measure nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **values: float | None) -> None:
        self.values = values
        self.asked: list[tuple[str, Options]] = []
        self.written: list[str] = []
        monkeypatch.setattr(command, "_measure", self.measure)
        monkeypatch.setattr(command, "write", self.write)
        self._monkeypatch = monkeypatch

    def measure(self, part: str, options: Options) -> Measured:
        self.asked.append((part, options))
        value = self.values.get(part, 0.5)
        if value is None:
            raise LabError("no lab")
        return Measured([row("case", "metric", [value], Goal(1.0))], {})

    def write(self, name: str, *_more: t.Any) -> pathlib.Path:
        self.written.append(name)
        return ROOT / "bench" / "results" / f"{name}.json"

    def run(self, *words: str) -> int:
        self._monkeypatch.setattr("sys.argv", ["bench.gate", *words])
        return command.main()


def test_without_a_part_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    assert bench.run() == 0
    assert tuple(part for part, _options in bench.asked) == command.PARTS
    assert bench.written == [f"gate_{part}" for part in command.PARTS]


def test_the_parts_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    assert bench.run("scale", "alarms", "--name", "scratch", "--rounds", "2") == 0
    assert bench.asked == [("scale", Options("scratch", 2)), ("alarms", Options("scratch", 2))]


def test_a_missed_goal_is_written_down_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, rollout=1.5)
    assert bench.run("rollout", "scale") == 1
    assert bench.written == ["gate_rollout", "gate_scale"]


def test_a_part_that_could_not_be_measured_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(monkeypatch, rollout=None)
    assert bench.run("rollout", "scale") == 1
    assert bench.written == ["gate_scale"]
    assert "rollout: no lab" in capsys.readouterr().err


def test_an_unknown_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        Bench(monkeypatch).run("speed")


def test_kubectl_is_that_of_the_lab_and_every_program_is_pinned() -> None:
    versions = tools.versions()
    assert versions["kubectl"].removeprefix("v0.") == binaries.KUBERNETES_VERSION.removeprefix("v1.")
    sums = (tools.MODULE / "go.sum").read_text(encoding="utf-8")
    for name in ("kubectl", "helm", "kwok"):
        assert re.search(rf"{name}\S* {re.escape(versions[name])} h1:", sums), name
