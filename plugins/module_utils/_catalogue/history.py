# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journals say: the history of an environment, and the entries of every region. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.columns import ruled
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.known_models import changes_by_revision

JsonObject = dict[str, t.Any]

_RELEASE_KEYS: t.Final = ("id", "kind", "by", "number", "opened_at", "steps", "recovered_by")
_REVISION_KEYS: t.Final = (
    "number",
    "id",
    "kind",
    "by",
    "opened_at",
    "closed_at",
    "outcome",
    "came_from",
    "follows",
    "emergency",
    "reason",
    "versions",
    "changes",
    "regions",
    "flags",
    "models",
)

#: What is open and no release, in words.
_KINDS: t.Final = {"dns": "change of weights", "model": "change of a model"}


def history(fleet: Mapping[str, t.Any], environment: str = "") -> JsonObject:
    """The same for a program: every revision with the same keys, oldest first, and what is open now.

    A key that an old record does not have is None. `model_changes` is what is different of the models since the
    revision before, by model, in words; None where the record has none.
    """
    revisions = sorted(fleet.get("revisions") or [], key=lambda entry: int(entry.get("number") or 0))
    header, lock = header_of(fleet), fleet.get("lock") or {}
    changes = changes_by_revision(revisions)
    return {
        "environment": environment,
        "revisions": [
            {**{key: entry.get(key) for key in _REVISION_KEYS}, "model_changes": changes.get(int(entry["number"]))}
            for entry in revisions
        ],
        "open": open_release(fleet),
        # The decision of the newest release, whether it has ended or not.
        "decision": {**fleet["decision"], "release": header.get("id")} if fleet.get("decision") else None,
        "lock": dict(lock) if lock.get("holder") else None,
    }


def header_of(journal: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
    """The header of the newest release in what release_journal read."""
    return journal.get("header") or journal.get("release") or {}


def open_release(journal: Mapping[str, t.Any]) -> JsonObject | None:
    """The release that has not ended."""
    header = header_of(journal)
    return {key: header.get(key) for key in _RELEASE_KEYS} if header.get("state") == "open" else None


def history_lines(known: Mapping[str, t.Any]) -> list[str]:
    """What `history` returned, for the terminal."""
    lines = [f"revisions of {known['environment']}" if known["environment"] else "revisions", ""]
    rows = [["no.", "verdict", "kind", "opened", "by", "versions", "what changed"]]
    rows += [_row(entry) for entry in known["revisions"]]
    lines += ruled(rows) if len(rows) > 1 else ["none yet"]
    reasons = [
        f"{entry['number']}: {prefix}{entry[key]}"
        for entry in known["revisions"]
        for key, prefix in (("emergency", "emergency: "), ("reason", ""))
        if entry[key]
    ]
    lines += ["", *reasons] if reasons else []
    lines.append("")
    lines.append(told_open(known["open"]) if known["open"] else "no release is open")
    decision = known["decision"]
    if decision:
        lines.append(
            f"decision for {decision['release']}: {decision['decision']} by {decision['by']}: {decision['reason']}"
        )
    lines.append(told_lock(known["lock"]))
    return lines


def told_open(release: Mapping[str, t.Any]) -> str:
    """One sentence about a release that has not ended."""
    since = f" since {release['opened_at']}" if release.get("opened_at") else ""
    kind = _KINDS.get(str(release.get("kind")), release.get("kind")) or "release"
    return f"{kind} {release.get('id')} by {release.get('by') or 'unknown'} is open{since}"


def told_lock(lock: Mapping[str, t.Any] | None) -> str:
    """One sentence about the lock."""
    if not lock:
        return "nobody holds the lock"
    lapsed = ", and has lapsed: `recover` ends the release" if lock.get("lapsed") else ""
    return f"{lock['holder']} holds the lock{lapsed}"


def told_versions(versions: Mapping[str, t.Any] | None) -> str:
    """The one version of all services, or each by its name."""
    distinct = sorted({str(version) for version in (versions or {}).values()})
    if len(distinct) == 1:
        return distinct[0]
    return ", ".join(f"{name} {version}" for name, version in (versions or {}).items()) or "-"


def journal_lines(regions: Mapping[str, Mapping[str, t.Any]]) -> list[str]:
    """The newest release of every region, and its entries; of one that could not be read, why."""
    lines: list[str] = []
    for region, journal in regions.items():
        if journal.get("error"):
            lines += ["", f"{region}: {str(journal['msg']).removeprefix(f'{region}: ')}"]
            continue
        lines += ["", f"{region}: {_header(header_of(journal))}"]
        lines += [f"  {_entry(entry)}" for entry in journal.get("entries") or []]
    return lines


def _row(entry: Mapping[str, t.Any]) -> list[str]:
    changes: Mapping[str, t.Any] = entry["changes"] or {}
    follows = f", follows {entry['follows']}" if entry["follows"] is not None else ""
    return [
        str(entry["number"]),
        str(entry["outcome"] or "open"),
        str(entry["kind"] or "-") + follows,
        str(entry["opened_at"] or "-"),
        str(entry["by"] or "-"),
        told_versions(entry["versions"]),
        _told_changes({**changes, **(entry["flags"] or {}), **(entry["model_changes"] or {})}),
    ]


def _told_changes(changes: Mapping[str, t.Any]) -> str:
    """The services that moved alike stand together."""
    moved: dict[str, list[str]] = {}
    for name, change in changes.items():
        moved.setdefault(str(change), []).append(name)
    return "; ".join(f"{', '.join(names)} {change}" for change, names in moved.items()) or "-"


def _header(header: Mapping[str, t.Any]) -> str:
    if not header:
        return "no release in the journal"
    state = header.get("outcome") or header.get("state") or "open"
    return f"{header.get('kind', 'release')} {header.get('id', '')} by {header.get('by', 'unknown')}: {state}"


def _entry(entry: Mapping[str, t.Any]) -> str:
    ended = entry.get("failed") or ("done" if entry.get("done", True) else "no outcome")
    changes = entry.get("changes") or []
    return f"{entry.get('number', '')!s:>4}  {entry.get('step', '')}: {len(changes)} changes, {ended}"
