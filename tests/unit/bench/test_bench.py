# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark tells what it measured, also when that is not what was hoped for."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from bench import results
from bench.results import Goal, row, table
from bench.way_back import figures, rows
from lab.demo.verdict import Flow, Release


def flow(first_bad: float | None, last_bad: float | None, lost: int = 0) -> Flow:
    return Flow(
        acknowledged=1000,
        refused=0,
        lost=lost,
        duplicated=0,
        failed_by_healthy_versions=0,
        first_bad=first_bad,
        last_bad=last_bad,
    )


def release(decided_at: float | None, weights_at: float | None) -> Release:
    return Release("v3", 2, {}, {}, decided_at, weights_at)


def test_the_worst_round_decides() -> None:
    assert row("case", "metric", [0.1, 0.2, 0.9], Goal(under=1.0))["met"] is True
    missed = row("case", "metric", [0.1, 0.2, 1.0], Goal(under=1.0, reference=2.0))
    assert missed["met"] is False
    assert (missed["value"], missed["worst"], missed["spread"], missed["ratio"]) == (0.2, 1.0, 0.9, 0.1)


@pytest.mark.parametrize("values", [[], [None], [0.1, None]])
def test_a_round_without_a_figure_misses_the_goal(values: list[float | None]) -> None:
    assert row("case", "metric", values, Goal(under=1.0))["met"] is False


def test_without_a_goal_nothing_is_met_or_missed() -> None:
    assert row("case", "metric", [3.0], Goal())["met"] is None


def test_a_missed_goal_stays_in_the_table() -> None:
    lines = table([row("case", "metric", [3.0], Goal(under=1.0)), row("case", "other", [None], Goal())])
    assert lines[1].endswith("NO")
    assert lines[2].endswith("-")


def test_the_figures_of_a_round() -> None:
    assert figures(release(11.0, 11.5), flow(10.0, 12.0)) == {
        "first to last bad": 2.0,
        "breach to decision": 1.0,
        "decision to weights": 0.5,
        "weights to last bad": 0.5,
    }


def test_what_was_not_seen_is_not_zero() -> None:
    assert set(figures(release(None, None), flow(None, None)).values()) == {None}


def test_a_lost_order_misses_its_goal() -> None:
    found = {entry["metric"]: entry["met"] for entry in rows([(release(1.0, 1.1), flow(0.5, 1.2, lost=1))])}
    assert found["lost orders"] is False
    assert found["duplicated orders"] is True


def test_results_of_the_parts_before_are_no_change_of_what_is_measured(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "ROOT", tmp_path)

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@pincex.test")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    assert results.commit() == "unknown"
    figures_file, code = tmp_path / "bench" / "results" / "dns.json", tmp_path / "code.py"
    figures_file.parent.mkdir(parents=True)
    figures_file.write_text("{}")
    code.write_text("a = 1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    name = results.commit()
    figures_file.write_text('{"rows": []}')
    assert results.commit() == name
    assert not name.endswith("-dirty")
    code.write_text("a = 2\n")
    assert results.commit() == f"{name}-dirty"
