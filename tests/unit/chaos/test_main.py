# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command of the sweep: where its record is, and what it prints of one."""

from __future__ import annotations

import json
import pathlib

import pytest

import chaos.__main__ as command
from chaos.record import Outcome, Record

_FOUND = Outcome("tree", "us-east-1:5:after", "PATCH httproutes/orders", True, "old", (), 23.0, 11.5)


@pytest.fixture(name="labs")
def _labs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that a lab was given; none of them does anything."""
    given: list[str] = []

    def lab(asked: str, _name: str) -> bool:
        given.append(asked)
        return True

    monkeypatch.setattr(command, "_lab", lab)
    monkeypatch.setattr(command.state, "complete", lambda _lab: False)
    return given


def _run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["chaos", *words])
    return command.main()


def test_a_record_may_be_named_relative_to_where_the_sweep_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, labs: list[str]
) -> None:
    def elsewhere(_arguments: object, _sweep_of: object, record: Record) -> None:
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")  # as a recovery does
        record.add(_FOUND)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "sweep_all", elsewhere)
    assert _run(monkeypatch, "--record", "found.jsonl") == 0
    assert json.loads((tmp_path / "found.jsonl").read_text())["point"] == _FOUND.point
    assert labs == ["up", "down"]


def test_the_table_of_a_record_is_printed_without_a_lab_and_the_record_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, labs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "found.jsonl"
    Record(path, resume=False, commit="0123abcd").add(_FOUND)
    before = path.read_bytes()
    assert _run(monkeypatch, "--table", "--record", str(path)) == 0
    head, row, commits = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["variant", "points", "passed"]
    assert row.split()[:3] == ["tree", "1", "1"]
    assert commits == "points by commit: 0123abcd 1"
    assert path.read_bytes() == before
    assert labs == []
