# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closing table of a release: regions beside each other, one line per step. Pure."""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.columns import ruled

Report = Mapping[str, t.Any]


def step_names(report: Report) -> list[str]:
    """Every step that any region took, in the order of the longest way."""
    names: list[str] = []
    for region in sorted(report.get("regions") or [], key=lambda entry: -len(entry.get("steps") or [])):
        for step in region.get("steps") or []:
            if step["name"] not in names:
                names.append(step["name"])
    return names


def cells(report: Report) -> list[list[str]]:
    """Head, one row per step, and the row of verdicts."""
    regions: Sequence[Report] = report.get("regions") or []
    head = ["step", *(str(region["region"]) for region in regions)]
    rows = [head]
    for name in step_names(report):
        row = [name]
        for region in regions:
            found = [step for step in region.get("steps") or [] if step["name"] == name]
            row.append(_cell(found[-1]) if found else "-")
        rows.append(row)
    rows.append(["verdict", *(str(region.get("verdict") or "-") for region in regions)])
    return rows


def _cell(step: Report) -> str:
    started, ended = float(step["started"]), float(step["ended"])
    return f"{clock(started)} {ended - started:6.1f} s  {step['verdict']}"


def clock(instant: float) -> str:
    return datetime.datetime.fromtimestamp(instant, tz=datetime.UTC).strftime("%H:%M:%S")


def closing_table(report: Report) -> list[str]:
    """Lines for the terminal, with the sentences under the table."""
    if not step_names(report):
        # Nothing ran: a table would be empty.
        return [title(report), "", *_sentences(report)]
    rows = cells(report)
    lines = [title(report), "", *ruled(rows, after=(0, len(rows) - 2)), ""]
    return [*lines, *_sentences(report)]


def _sentences(report: Report) -> list[str]:
    regions: Sequence[Report] = report.get("regions") or []
    lines = []
    for region in regions:
        name, reason = str(region["region"]), str(region.get("reason") or "")
        if reason:
            lines.append(reason if reason.startswith(name) else f"{name}: {reason}")
    lines += [f"kept: {sentence}" for region in regions for sentence in region.get("kept") or []]
    return [*lines, str(report.get("sentence") or "")]


def title(report: Report) -> str:
    number = report.get("revision")
    versions = report.get("versions") or {}
    distinct = sorted(set(versions.values()))
    what = distinct[0] if len(distinct) == 1 else ", ".join(f"{name} {version}" for name, version in versions.items())
    revision = f", revision {number}" if number else ""
    return f"{report.get('kind', 'deploy')} {what or 'nothing'} ({report.get('id') or 'no release'}{revision})"


def markdown(report: Report) -> str:
    """The same for a reader of files."""
    rows = cells(report)
    lines = [f"# {title(report)}", "", str(report.get("sentence") or ""), ""]
    lines.append("| " + " | ".join(rows[0]) + " |")
    lines.append("|" + " --- |" * len(rows[0]))
    lines += ["| " + " | ".join(row) + " |" for row in rows[1:]]
    details = [
        f"- {region['region']}, {step['name']}: {step['reason']}"
        for region in report.get("regions") or []
        for step in region.get("steps") or []
        if step.get("reason")
    ]
    if details:
        lines += ["", "## Verdicts", "", *details]
    kept = [f"- {sentence}" for region in report.get("regions") or [] for sentence in region.get("kept") or []]
    if kept:
        lines += ["", "## Left as somebody else changed it", "", *kept]
    return "\n".join([*lines, ""])
