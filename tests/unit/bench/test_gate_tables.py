# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of figures: its tables are those of the results."""

from __future__ import annotations

import pytest

from bench.gate import simulated, tables
from bench.gate.replayed import share_row
from bench.results import OURS


def test_the_page_shows_the_results() -> None:
    page = tables.PAGE.read_text(encoding="utf-8")
    made = tables.tables(tables.results())
    assert tables.filled(page, made) == page, "run `python -m bench.gate.tables`"


def test_one_line_a_case_and_one_column_a_subject() -> None:
    rows = [
        simulated.alarm_row("0.1 %", OURS, 0, 100_000, 1e-4),
        simulated.alarm_row("0.1 %", "Flagger", 1234, 100_000, None),
        simulated.alarm_row("1 %", OURS, 9, 100_000, 1e-4),
    ]
    assert tables.table(rows, "true", tables._alarms) == [
        "| true | ours | Flagger |",
        "|---|---|---|",
        "| 0.1 % | 0 (≤ 0.46) | 123 |",
        "| 1 % | **0.9 (≤ 1.88)** |  |",
    ]


def test_a_goal_that_was_missed_is_bold() -> None:
    assert tables._share(share_row("case", "detected", OURS, 3, 4, least=75.0)) == "75.0 (19.4 - 99.4)"
    assert tables._share(share_row("case", "detected", OURS, 3, 4, least=76.0)) == "**75.0 (19.4 - 99.4)**"


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = "before\n<!-- table: a -->\nold\n<!-- end of table -->\nafter <!-- end of table -->\n"
    once = tables.filled(page, {"a": ["| x |"]})
    assert once == "before\n<!-- table: a -->\n\n| x |\n\n<!-- end of table -->\nafter <!-- end of table -->\n"
    assert tables.filled(once, {"a": ["| x |"]}) == once


def test_a_table_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="no <!-- table: b -->"):
        tables.filled("<!-- table: a -->\n<!-- end of table -->\n", {"b": []})
