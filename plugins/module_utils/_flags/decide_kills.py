# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills: a set of their own that only grows until a named restore, and what it makes of a flag. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    Flags,
    JsonObject,
    Kill,
    Kills,
    Stamp,
)

#: In the metadata of a killed flag as clients get it: that it is, and the id of the kill without the flag's name.
KILLED: t.Final = "killed"
KILL_ID: t.Final = "killId"
#: In the metadata of a flag whose variants are not named on and off: the names of those that are.
ON: t.Final = "on"
OFF: t.Final = "off"


#: So many kills that were restored are remembered, the last ones: without an end there would be no room for a new one
#: some day. A store that was away for longer than that kills a flag once more, and is restored by hand.
KEPT_RESTORED: t.Final = 1000


def merge(parts: Iterable[Kills]) -> Kills:
    """Everything that any of them has. The order does not matter, nor does merging twice."""
    killed: dict[str, Kill] = {}
    restored: dict[str, Stamp] = {}
    for part in parts:
        for one in part.killed.values():
            known = killed.get(one.id, one)
            # What a document tells of itself is without a time.
            killed[one.id] = max(known, one, key=lambda kill: (kill.stamp, kill.flag))
        for name, stamp in part.restored.items():
            restored[name] = min(restored.get(name, stamp), stamp)
    return _remembered(Kills(killed, restored))


def _remembered(kills: Kills) -> Kills:
    """Without the oldest of those that were restored. A kill that nobody has restored stays, however old it is."""
    if len(kills.restored) <= KEPT_RESTORED:
        return kills
    newest = sorted(kills.restored, key=lambda name: (kills.restored[name], name))[-KEPT_RESTORED:]
    restored = {name: kills.restored[name] for name in newest}
    killed = {name: one for name, one in kills.killed.items() if name in restored or name not in kills.restored}
    return Kills(killed, restored)


def dead(kills: Kills) -> dict[str, Kill]:
    """The flags that are killed, each with the first kill of it that nobody has restored."""
    found: dict[str, Kill] = {}
    for one in sorted(kills.killed.values(), key=lambda kill: (kill.stamp, kill.id)):
        if one.id not in kills.restored:
            found.setdefault(one.flag, one)
    return dict(sorted(found.items()))


def kill(kills: Kills, flags: Iterable[str], stamp: Stamp, new_id: Callable[[str], str]) -> Kills:
    """With these flags killed. One that is killed already keeps its kill."""
    already = dead(kills)
    new = [Kill(new_id(flag), flag, stamp) for flag in dict.fromkeys(flags) if flag not in already]
    return dataclasses.replace(kills, killed={**kills.killed, **{one.id: one for one in new}})


def kill_again(kills: Kills, new: Iterable[Kill]) -> Kills:
    """With these kills, each in the place of those of its flag that live, which are ended by its stamp. A store that is
    away may know of a restore of these and of none of a new one; and however often somebody kills a flag meanwhile, one
    kill of it lives."""
    new = list(new)
    ended = {
        one.id: again.stamp
        for again in new
        for one in kills.killed.values()
        if one.flag == again.flag and one.id not in kills.restored
    }
    killed = {**kills.killed, **{one.id: one for one in new}}
    return _remembered(Kills(killed, {**kills.restored, **ended}))


def restore(kills: Kills, flags: Iterable[str], stamp: Stamp) -> Kills:
    """With every kill of these flags that is in the set restored. One that is found later in another store is not."""
    names = set(flags)
    mine = [one.id for one in kills.killed.values() if one.flag in names and one.id not in kills.restored]
    return _remembered(dataclasses.replace(kills, restored={**kills.restored, **dict.fromkeys(mine, stamp)}))


def off_variant(flag: Mapping[str, t.Any]) -> str | None:
    """Which variant is off: the one that metadata `off` names, the one named off, or the only one that is false."""
    return _variant(flag, OFF, False)


def on_variant(flag: Mapping[str, t.Any]) -> str | None:
    """Which variant is on: the one that metadata `on` names, the one named on, or the only one that is true."""
    return _variant(flag, ON, True)


def _variant(flag: Mapping[str, t.Any], name: str, value: bool) -> str | None:
    variants = flag.get("variants") or {}
    named = (flag.get("metadata") or {}).get(name)
    if named is not None:
        return named if isinstance(named, str) and named in variants else None
    if name in variants:
        return name
    same = [variant for variant, has in variants.items() if has is value]
    return str(same[0]) if len(same) == 1 else None


def overlaid(flags: Flags, kills: Kills) -> dict[str, JsonObject]:
    """The flags as clients get them."""
    killed = dead(kills)
    return {name: _off(flag, killed[name]) if name in killed else flag for name, flag in flags.items()}


def _off(flag: JsonObject, by: Kill) -> JsonObject:
    """Off for every client, whatever its own default is: `ENABLED`, because with `DISABLED` that default counts. It is
    all that is left for a flag without an off variant, which `problems` keeps from being made."""
    off = off_variant(flag)
    made = {key: value for key, value in flag.items() if key != "targeting"}
    made |= {"state": "ENABLED", "defaultVariant": off} if off is not None else {"state": "DISABLED"}
    number = by.id.removeprefix(f"{by.flag}.")
    return {**made, "metadata": {**(flag.get("metadata") or {}), KILLED: True, KILL_ID: number}}


def told_by(published: Flags) -> Kills:
    """The kills that a document tells of itself, for one whose ledger is lost."""
    found: dict[str, Kill] = {}
    for name, flag in published.items():
        metadata = flag.get("metadata")
        if isinstance(metadata, Mapping) and metadata.get(KILLED) is True:
            # By its own name, also where somebody has copied it from another flag.
            identity = f"{name}.{metadata.get(KILL_ID) or 'document'}"
            found[identity] = Kill(identity, name, Stamp(0.0, "unknown", "found in a document without a ledger"))
    return Kills(found)
