# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changed what, when and why: revisions, kills and restores in one list. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import JsonObject, Kills, Record, Stamp


def history(records: Iterable[Record], kills: Kills, limit: int) -> list[JsonObject]:
    """The newest first, at most `limit`. Of two records with one number the first counts. A kill and a restore have no
    revision and no SHA-256 of their own."""
    numbered: dict[int, Record] = {}
    for record in records:
        numbered.setdefault(record.revision, record)
    found = [
        (
            one.stamp,
            _told(one.stamp, one.action, one, {k: dict(v) for k, v in one.changes.items()}),
        )
        for one in numbered.values()
    ]
    found += [(one.stamp, _switched("kill", one.flag, one.stamp)) for one in kills.killed.values()]
    found += [(stamp, _switched("restore", flag, stamp)) for flag, stamp in _restores(kills)]
    ordered = sorted(found, key=lambda one: (one[0].at, one[1]["revision"] or 0, one[1]["action"]), reverse=True)
    return [told for _stamp, told in ordered[:limit]]


def _restores(kills: Kills) -> set[tuple[str, Stamp]]:
    """One ends all kills of a flag that it knows. What a later kill has replaced, by its own stamp, nobody has
    restored."""
    made: dict[tuple[str, Stamp], set[str]] = {}
    for one in kills.killed.values():
        made.setdefault((one.flag, one.stamp), set()).add(one.id)
    ended = [(kills.killed[name], stamp) for name, stamp in kills.restored.items() if name in kills.killed]
    return {(one.flag, stamp) for one, stamp in ended if made.get((one.flag, stamp), set()) <= {one.id}}


def _switched(action: str, flag: str, stamp: Stamp) -> JsonObject:
    kills = action == "kill"
    return _told(stamp, action, None, {flag: {"before": {"killed": not kills}, "after": {"killed": kills}}})


def _told(stamp: Stamp, action: str, record: Record | None, flags: JsonObject) -> JsonObject:
    """For people: the time as text."""
    return {
        "revision": record.revision if record is not None else None,
        "action": action,
        "actor": stamp.actor,
        "reason": stamp.reason,
        "at": clock_time(stamp.at),
        "sha256": record.sha256 if record is not None else None,
        "release": record.release if record is not None else None,
        "flags": flags,
    }
