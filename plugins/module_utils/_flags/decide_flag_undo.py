# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of a set's flags: three-way, flag by flag. Pure.

The changes are taken back newest first, as long as each of them is what stands there. Where a flag is not as a release
wrote it, or the records of the set say so, somebody else has decided about it since, and it stays. Kills are no part of
it: what is under one goes back, and it is killed before and after.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import plain, toggled
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import dead
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_rollout import clients_get
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import JsonObject, Record, State

#: How the journal names a set, and the operation of its changes: no object of the cluster.
_API_VERSION: t.Final = "pincex.io/v1"
_KIND: t.Final = "FlagSet"
_OPERATION: t.Final = "flags"
#: The field of a flag, where people read it in words. The definitions are in the objects of the change.
_FIELD: t.Final = "flags."


@dataclasses.dataclass(frozen=True)
class Step:
    """One change: by flag its plain definition before and after, None where there is none. `known` says that it was
    carried out; otherwise it may have been. `foreign`: no release made it."""

    flags: Mapping[str, tuple[JsonObject | None, JsonObject | None]]
    known: bool = True
    foreign: bool = False


@dataclasses.dataclass(frozen=True)
class WayBack:
    """What is written, None for a flag that goes, and a sentence for each flag that is not as before the release."""

    definitions: Mapping[str, JsonObject | None]
    kept: tuple[str, ...]


def change_of(flag_set: str, namespace: str, record: Record) -> Change:
    """What the journal keeps of a revision. The same change gives the same entry, whatever its number becomes."""
    both = {name: (plain(one["before"]), plain(one["after"])) for name, one in record.changes.items()}
    return Change(
        Ref(_API_VERSION, _KIND, flag_set, namespace),
        _OPERATION,
        {f"{_FIELD}{name}": {"before": in_words(old), "after": in_words(new)} for name, (old, new) in both.items()},
        {"flags": {name: old for name, (old, _new) in both.items()}},
        {"flags": {name: new for name, (_old, new) in both.items()}},
    )


def steps_of(entries: Iterable[Entry], flag_set: str) -> list[Step]:
    """What a release wrote, or meant to write, of that set, oldest first. What is known to have failed was not
    written."""
    return [
        Step({name: (_of(change.before, name), _of(change.after, name)) for name in _names(change)}, entry.done)
        for entry in entries
        if entry.failed is None
        for change in entry.changes
        if _is_of(change, flag_set)
    ]


def has_loose_ends(entries: Sequence[Entry], flag_set: str) -> bool:
    """Whether nobody knows what became of a write of that set, so that it may be on its way still. One that was carried
    out after it has made what it had read old."""
    mine = [entry for entry in entries if any(_is_of(change, flag_set) for change in entry.changes)]
    later = itertools.takewhile(lambda entry: not entry.done, reversed(mine))
    return any(entry.failed is None for entry in later)


def steps_of_records(records: Iterable[Record]) -> list[Step]:
    """The same out of the records of a set, which tell what releases and what people did."""
    return [
        Step(
            {name: (plain(one["before"]), plain(one["after"])) for name, one in record.changes.items()},
            foreign=record.release is None,
        )
        for record in sorted(records, key=lambda record: record.revision)
    ]


def revisions_since(state: State, since: int) -> list[int]:
    """The revisions that the set has had after that one, oldest first. `since` 0 is before the first one.

    Raises ReleaseError of kind `refused` when nobody can tell: the past of the set does not reach back so far, or the
    set never had that revision.
    """
    oldest = min(state.past, default=state.revision)
    if since not in {*state.past, state.revision} and not (since == 0 and oldest <= 1):
        raise ReleaseError(
            f"revision {since} is not in the past of the set, which is at {state.revision} and knows it from {oldest} "
            "on; nothing was written. Set by hand what should be off",
            kind="refused",
            system="guard",
        )
    return sorted(number for number in state.past if number > since)


def way_back(steps: Sequence[Step], state: State) -> WayBack:
    """What the set has to become so that nothing that releases did in these steps is in it, as far as it is still as
    they made it."""
    killed = dead(state.kills)
    definitions: dict[str, JsonObject | None] = {}
    kept: list[str] = []
    for name in sorted({name for step in steps if not step.foreign for name in step.flags}):
        now = plain(state.flags.get(name))
        before, why = _before(name, steps, now)
        kill = killed.get(name)
        if kill is not None:
            why = why or f"was killed by {kill.stamp.actor} ({kill.stamp.reason}) and stays killed"
            if before is None and now is not None:
                # Without it clients would use the default in their own code, which may be on. Off for everybody, so
                # that whoever restores it does not switch on what the release had brought.
                before = plain(toggled(name, now, value=False))
        if before != now:
            definitions[name] = before
        if why:
            kept.append(f"{name}: {why}")
    return WayBack(definitions, tuple(kept))


def _before(name: str, steps: Sequence[Step], now: JsonObject | None) -> tuple[JsonObject | None, str]:
    """What a flag goes back to, and why no further."""
    mine = [step for step in steps if name in step.flags]
    for number, step in reversed(list(enumerate(mine))):
        before, after = step.flags[name]
        if not step.known and now == before:
            continue
        if not step.foreign and now == after:
            now = before
            continue
        older = next((one for one in reversed(mine[: number + 1]) if not one.foreign), None)
        if older is None:
            break
        was, made = older.flags[name]
        why = f"somebody else has made it {in_words(now)} since, and it stays"
        return now, f"{why} (the release had made it {in_words(made)}; {in_words(was)} before)"
    return now, ""


def in_words(flag: Mapping[str, t.Any] | None) -> str:
    """What clients get of a definition, for people."""
    return "absent" if flag is None else clients_get(flag)


def _is_of(change: Change, flag_set: str) -> bool:
    return change.ref.kind == _KIND and change.ref.name == flag_set


def _names(change: Change) -> list[str]:
    return sorted((change.after or {}).get("flags") or {})


def _of(side: JsonObject | None, name: str) -> JsonObject | None:
    return t.cast("JsonObject | None", ((side or {}).get("flags") or {}).get(name))
