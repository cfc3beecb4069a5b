# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: what it says, that nothing foreign becomes markup, and how it is written."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import pathlib
import re

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import CoverageRule, Matched
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.evidence import Counts, Evidence
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.report import page, write
from report_samples import BEGIN, HOSTILE, RULES, SUBJECT, evidence, judgement, sample


class Parsed(html.parser.HTMLParser):
    """Tags, attributes and texts of a page as a browser would find them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_refused_version_with_the_reason_and_the_segment() -> None:
    text = sample(6000, bad=0.5)
    found = Parsed(text)
    assert {"FAIL", "fail", f"Worst segment: {HOSTILE}"} <= set(found.texts)
    assert "next: it is taken back, and the champion has all traffic" in found.texts
    given = evidence(6000, bad=0.5)
    for check in judgement(given).comparison.checks:
        assert check.name in found.texts and check.reason in found.texts


def test_nothing_foreign_is_markup_and_nothing_is_fetched() -> None:
    found = Parsed(sample(bad=0.5))
    assert not {"script", "img", "link", "iframe", "object", "a"} & set(found.tags)
    assert not {"src", "href", "onerror", "style"} & {name for name, _value in found.attributes}
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes
    assert any(HOSTILE in text for text in found.texts)


def test_signs_that_nobody_sees_are_shown() -> None:
    given = evidence(50)
    counts = Counts(warnings=("a\u202eb\x00c\ud800d",))
    text = page(SUBJECT, dataclasses.replace(given, reference=(), counts=counts), RULES, judgement(given))
    assert "a\ufffdb\ufffdc\ufffdd" in text
    text.encode()


def test_every_plot_is_drawn() -> None:
    text = sample()
    assert text.count("<svg") == 5
    for look in ("line champion", "line challenger", "line before", "line limit", "line recent", "band", "interval"):
        assert f'class="{look}' in text
    numbers = [float(one) for path in re.findall(r' d="([^"]+)"', text) for one in re.findall(r"-?[\d.]+", path)]
    assert numbers and all(0 <= one <= 460 for one in numbers)


def test_without_evidence_each_plot_says_why_it_is_empty() -> None:
    nothing = Evidence(Matched(), (), Counts(), BEGIN)
    found = Parsed(page(SUBJECT, nothing, RULES, judgement(nothing)))
    assert found.tags.count("svg") == 0 and "HOLD" in found.texts
    for said in ("No request that both answered yet.", "These models give no scores.", "None."):
        assert said in found.texts
    rules = Rules(CoverageRule(1.0), None)
    assert "This model has no labels." in Parsed(page(SUBJECT, nothing, rules, judgement(nothing, rules))).texts


@pytest.mark.parametrize("pairs", [1, 2, 29, 30, 101])
def test_little_evidence_is_drawn_too(pairs: int) -> None:
    assert "nan" not in re.sub(r"<style>.*?</style>", "", sample(pairs), flags=re.DOTALL)


def test_what_is_told_is_json_and_an_undecided_check_holds() -> None:
    told = judgement(evidence(100)).told()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["verdict"] == "hold" and told["next"]["action"] == "wait"
    assert {one["verdict"] for one in told["checks"]} <= {"pass", "fail", "hold"}
    assert told["coverage"]["paired"] == 100


def test_it_is_written_once_and_as_a_whole(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "report.html"
    assert write(str(path), "one ü") is True
    assert write(str(path), "one ü") is False
    assert write(str(path), "two") is True
    assert path.read_text(encoding="utf-8") == "two"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(OptionError, match=r"report: .*/none/report.html cannot be written: No such file or directory"):
        write(str(tmp_path / "none" / "report.html"), "text")
