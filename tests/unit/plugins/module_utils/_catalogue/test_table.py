# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closing table."""

from __future__ import annotations

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.table import closing_table, markdown

REPORT = {
    "id": "20260102t030405z",
    "kind": "deploy",
    "revision": 3,
    "versions": {"core-api": "v3", "reference-data": "v3"},
    "sentence": "the release was taken back: us-east-1: error rate",
    "regions": [
        {
            "region": "us-east-1",
            "verdict": "taken_back",
            "reason": "error rate",
            "kept": ["flag x is off"],
            "steps": [
                {"name": "prepare core-api", "started": 0.0, "ended": 4.25, "verdict": "pass"},
                {"name": "core-api 10 %", "started": 5.0, "ended": 6.5, "verdict": "fail", "reason": "error rate"},
            ],
        },
        {"region": "eu-west-1", "verdict": "untouched", "reason": "", "steps": []},
    ],
}


def test_one_line_per_step_and_one_column_per_region() -> None:
    lines = closing_table(REPORT)
    assert lines[0] == "deploy v3 (20260102t030405z, revision 3)"
    assert lines[2].split() == ["step", "us-east-1", "eu-west-1"]
    assert "prepare core-api  00:00:00    4.2 s  pass  -" in lines
    assert "core-api 10 %     00:00:05    1.5 s  fail  -" in lines
    assert ["verdict", "taken_back", "untouched"] in [line.split() for line in lines]
    assert "us-east-1: error rate" in lines
    assert "kept: flag x is off" in lines
    assert lines[-1] == REPORT["sentence"]


def test_markdown_says_the_same() -> None:
    text = markdown(REPORT)
    assert "| core-api 10 % | 00:00:05    1.5 s  fail | - |" in text
    assert "- us-east-1, core-api 10 %: error rate" in text
    assert text.endswith("\n")


def test_a_report_of_a_refusal_has_no_steps() -> None:
    lines = closing_table({"regions": [{"region": "us-east-1", "verdict": "refused"}], "sentence": "refused"})
    assert lines[-1] == "refused"
