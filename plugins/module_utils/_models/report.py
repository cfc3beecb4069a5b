# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison on one page of HTML: one file, no script, nothing that is fetched.

Everything goes through ElementTree, which escapes it, and the page forbids itself to run or to fetch anything: the
names of segments and the texts of errors come from outside.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t
import xml.etree.ElementTree as ET

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.files import put
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import report_plots as plots
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import ripe
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import Step
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.evidence import Evidence
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.judge import SAID, Judgement
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Verdict
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.report_style import STYLE
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.svg import tag

_POLICY: t.Final = "default-src 'none'; style-src 'unsafe-inline'"
_CHECKS: t.Final = "Checks"
#: The failed ones first.
_ORDER: t.Final = ("fail", "undecided", "pass")


@dataclasses.dataclass(frozen=True)
class Subject:
    """What was compared. `weight`: percent of the traffic that the challenger has now; `place`: a region, or where the
    records are from; `since`, `until`: unix seconds."""

    model: str
    champion: str
    challenger: str
    strategy: str
    weight: int
    place: str
    since: float
    until: float


def page(subject: Subject, evidence: Evidence, rules: Rules, judgement: Judgement) -> str:
    """The whole file."""
    matched = evidence.matched
    known = ripe(matched, rules.labels, subject.until) if rules.labels is not None else None
    labels = len(known.outcomes) if known is not None else None
    title = f"{subject.model}: {subject.challenger} beside {subject.champion}"
    body = tag(
        "body",
        tag("h1", title),
        tag("p", _about(subject), class_="soft"),
        _verdict(judgement),
        _facts(evidence, labels),
        *(tag("p", warning, class_="warning hold") for warning in evidence.counts.warnings),
        _checks(judgement.comparison.checks),
        tag(
            "div",
            plots.latency(matched.pairs, rules),
            plots.accuracy(known, rules),
            plots.accuracy_by_segment(known),
            plots.agreement(matched.pairs, rules),
            plots.scores(matched.pairs, evidence.reference),
            plots.errors(matched.pairs),
            class_="plots",
        ),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
    )
    style = ET.SubElement(head, "style")
    style.text = STYLE
    whole = ET.tostring(tag("html", head, body, lang="en"), encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{whole}\n"


def write(path: str, text: str) -> bool:
    """Write it, whole or not at all. False when the file is so already. Raises OptionError of `report`."""
    file, content = pathlib.Path(path), text.encode()
    try:
        if file.is_file() and file.read_bytes() == content:
            return False
        put(file, content)
    except OSError as error:
        raise OptionError("report", f"{path} cannot be written: {error.strerror or error}") from error
    return True


def _about(subject: Subject) -> str:
    share = f"{subject.strategy} at {subject.weight} %" if subject.weight else subject.strategy
    minutes = round((subject.until - subject.since) / 60)
    lasted = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
    return (
        f"challenger {subject.challenger}, champion {subject.champion} · {share} · {subject.place} · "
        f"{clock_time(subject.since)} to {clock_time(subject.until)} ({lasted})"
    )


def _verdict(judgement: Judgement) -> ET.Element:
    said = judgement.said
    checks = sorted(judgement.comparison.checks, key=lambda one: _ORDER.index(one.word))
    # What it rests on; where all pass there is nothing to single out.
    telling = [one for one in checks if one.word != "pass"]
    made = tag("section", tag("p", tag("strong", said.upper()), _next(judgement.step)), class_=f"verdict {said}")
    lines = [f"{one.name}: {one.reason}" for one in telling] + [f"needed: {one}" for one in judgement.step.needs]
    if lines:
        made.append(tag("ul", *(tag("li", line) for line in lines)))
    if judgement.comparison.worst:
        made.append(tag("p", f"Worst segment: {judgement.comparison.worst}"))
    return made


def _next(step: Step) -> str:
    return {
        "wait": f"nothing changes: it stays at {step.weight} %",
        "advance": f"next: {step.weight} % of the traffic",
        "ready": "ready to be promoted, by whoever decides that",
        "promote": "next: it becomes the champion",
        "roll_back": "next: it is taken back, and the champion has all traffic",
    }[step.action]


def _facts(evidence: Evidence, labels: int | None) -> ET.Element:
    matched, counts = evidence.matched, evidence.counts
    given: list[tuple[int, str]] = [
        (len(matched.pairs), "requests answered by both"),
        (len(matched.champion_only), "by the champion alone"),
        (len(matched.challenger_only), "by the challenger alone"),
        *([(labels, "ripe labels")] if labels is not None else []),
        (counts.unreadable, "records unreadable"),
    ]
    return tag(
        "div", *(tag("div", tag("b", f"{number:,}"), tag("span", what)) for number, what in given), class_="facts"
    )


def _checks(checks: t.Sequence[Verdict]) -> ET.Element:
    heads = tag("thead", tag("tr", *(tag("th", head) for head in ("Check", "Verdict", "Why"))))
    rows = tag("tbody")
    for one in checks:
        said = SAID[one.word]
        rows.append(tag("tr", tag("td", one.name), tag("td", tag("b", said, class_=said)), tag("td", one.reason)))
    return tag("table", heads, rows, class_="checks", aria_label=_CHECKS)
