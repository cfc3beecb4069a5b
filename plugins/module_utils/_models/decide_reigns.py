# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who was the champion when, out of the history of a model. Pure."""

from __future__ import annotations

import dataclasses

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import Registered


@dataclasses.dataclass(frozen=True)
class Reign:
    """`version`: by its number, None for a time without a champion. `since`, `until`: unix seconds; None where nobody
    wrote it down, and `until` of the one that serves now. `actor`, `reason`: empty where somebody else made it the
    champion, past the collection."""

    version: str | None
    since: float | None
    until: float | None = None
    actor: str = ""
    reason: str = ""


def reigns(found: Registered) -> list[Reign]:
    """The oldest first; the last one is the champion of now."""
    told: list[Reign] = []
    for entry in found.history:
        before, after = entry.before.get("champion"), entry.after.get("champion")
        if entry.state != "done" or before == after:
            continue
        _end(told, before, entry.at)
        told.append(Reign(after, entry.at, None, entry.actor, entry.reason))
    champion = found.aliases.get("champion")
    if not told or told[-1].version != champion:
        told.append(Reign(champion, None))
    return told


def _end(told: list[Reign], before: str | None, at: float) -> None:
    """`before` served until then. When that is not the last one we know of, nobody knows when it came."""
    if told and told[-1].version == before:
        told[-1] = dataclasses.replace(told[-1], until=at)
    elif told or before is not None:
        told.append(Reign(before, None, at))
