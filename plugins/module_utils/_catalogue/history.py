# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journals say, as lines for the terminal. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping


def history_lines(fleet: Mapping[str, t.Any], regions: Mapping[str, Mapping[str, t.Any]]) -> list[str]:
    """The fleet's revisions, the release that is open, and the entries of every region's journal."""
    lines = ["revisions"]
    revisions = sorted(fleet.get("revisions") or [], key=lambda entry: int(entry.get("number") or 0))
    lines += [f"  {_revision(entry)}" for entry in revisions] or ["  none yet"]
    decision = fleet.get("decision")
    if decision:
        lines.append(f"decision: {decision.get('decision')} by {decision.get('by')}: {decision.get('reason')}")
    for region, journal in regions.items():
        lines += ["", f"{region}: {_header(journal.get('release'))}"]
        lines += [f"  {_entry(entry)}" for entry in journal.get("entries") or []]
    return lines


def _revision(entry: Mapping[str, t.Any]) -> str:
    parts = [f"{entry.get('number'):>4}", str(entry.get("outcome") or "open"), str(entry.get("kind") or "")]
    parts += [str(entry.get(key)) for key in ("id", "by", "opened_at") if entry.get(key)]
    return "  ".join(part for part in parts if part)


def _header(header: t.Any) -> str:
    if not isinstance(header, Mapping) or not header:
        return "no release in the journal"
    state = header.get("outcome") or header.get("state") or "open"
    return f"{header.get('kind', 'release')} {header.get('id', '')} by {header.get('by', 'unknown')}: {state}"


def _entry(entry: Mapping[str, t.Any]) -> str:
    ended = entry.get("failed") or ("done" if entry.get("done", True) else "no outcome")
    changes = entry.get("changes") or []
    return f"{entry.get('number', '')!s:>4}  {entry.get('step', '')}: {len(changes)} changes, {ended}"
