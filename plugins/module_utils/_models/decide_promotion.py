# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a registry has to what is wanted: the writes, one after the other, so that a kill between two of them is
seen and finished by the next run. Pure. Times are unix seconds.

An entry of the history is written before the first alias is moved, and again after the last one. A run that finds an
entry without an end first settles it: what it is about was moved already, so the rest is moved too; or it was not, so
what was moved goes back. Then it plans as if nobody had been killed.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    ALIASES,
    LARGEST_ENTRY,
    Action,
    Alias,
    Aliases,
    Entry,
    Move,
    Note,
    Registered,
    State,
    Step,
    Version,
)

#: Where to go back to is written before there is something to go back from. A way back moves the champion first: that
#: is what is waited for, and the entry knows the rest.
_ORDER: t.Final[dict[Action, tuple[Alias, ...]]] = {
    "promoted": ("previous_champion", "champion", "challenger"),
    "rolled_back": ("champion", "previous_champion", "challenger"),
    "challenger": ("challenger",),
}
#: Where aliases are to point; None is nowhere.
Changes: t.TypeAlias = "dict[Alias, str | None]"
#: The first of these that an entry changes is what it is about.
_ABOUT: t.Final[tuple[Alias, ...]] = ("champion", "challenger", "previous_champion")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """`version`: number or name. Empty means with `rolled_back` the champion, with `challenger` nobody. A version that
    is rolled back is left: as the champion for the previous one, as the challenger for none. `over`: the champion,
    number or name, that `version` was judged against; empty where nobody was."""

    action: Action
    version: str
    actor: str
    reason: str
    over: str = ""


@dataclasses.dataclass(frozen=True)
class Plan:
    """`before`: the aliases as they were found. `after`: as they are when all steps are done. With a `conflict` the
    steps only end what was begun, and the sentence is the error to end with."""

    steps: tuple[Step, ...]
    before: Aliases
    after: Aliases
    conflict: str = ""


@dataclasses.dataclass(frozen=True)
class _Settled:
    """The registry after `steps`. `foreign`: aliases that somebody else moved while an entry was open."""

    found: Registered
    steps: tuple[Step, ...] = ()
    foreign: frozenset[Alias] = frozenset()


def plan(found: Registered, versions: Sequence[Version], wanted: Wanted, at: float, new_id: str) -> Plan:
    """The steps to what is wanted; none when it is there. `at`, `new_id`: of the entry that is written.

    Raises ReleaseError of kind `not_found` (no such version), `not_ready`, `conflict` (another champion than the one
    that was judged against), `nothing_before` (no version to go back to) or `refused`; OptionError for a reason that no
    entry can hold. Nothing was written then.
    """
    settled = _settle(found)
    origin = settled.found.aliases
    target = _target(settled.found, versions, wanted)
    touched = {alias for alias in ALIASES if target.get(alias) != found.aliases.get(alias)}
    foreign = sorted(touched & settled.foreign)
    if foreign:
        ended = tuple(Note(_ended(entry, "dropped")) for entry in found.open)
        return Plan(ended, found.aliases, found.aliases, _conflict(found, foreign[0]))
    steps = settled.steps
    if target != origin:
        number = _number_of(wanted, versions, origin)
        entry = Entry(new_id, wanted.action, number, wanted.actor, wanted.reason, at, origin, target)
        _must_fit(entry)
        steps += (Note(entry), *_moves(origin, target, _ORDER[wanted.action]), Note(_ended(entry, "done")))
    return Plan(steps, found.aliases, target)


def applied(found: Registered, step: Step) -> Registered:
    """What the registry has after a step."""
    if isinstance(step, Note):
        others = [entry for entry in found.history if entry.id != step.entry.id]
        return dataclasses.replace(found, history=in_order([*others, step.entry]))
    kept = {alias: number for alias, number in found.aliases.items() if alias != step.alias}
    return dataclasses.replace(found, aliases=kept if step.version is None else {**kept, step.alias: step.version})


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The oldest first."""
    return tuple(sorted(entries, key=lambda entry: (entry.at, entry.id)))


# -- what a killed run has left


def _settle(found: Registered) -> _Settled:
    if not found.open:
        return _Settled(found)
    # Under one lock there is never more than one. Of several nobody knows what they moved, but for the newest.
    *older, newest = found.open
    steps: list[Step] = [Note(_ended(entry, "dropped")) for entry in older]
    now = found.aliases
    foreign = frozenset(
        alias for alias in ALIASES if now.get(alias) not in (newest.before.get(alias), newest.after.get(alias))
    )
    about: Alias = next((alias for alias in _ABOUT if newest.before.get(alias) != newest.after.get(alias)), "champion")
    state: State = "done" if now.get(about) == newest.after.get(about) else "dropped"
    to, away = (newest.after, newest.before) if state == "done" else (newest.before, newest.after)
    # What somebody else moved stays, and when that is what the entry is about, all of it.
    kept = [alias for alias in ALIASES if about in foreign or now.get(alias) != away.get(alias)]
    aliases = _with(to, {alias: now.get(alias) for alias in kept})
    steps += [*_moves(now, aliases, ALIASES), Note(_ended(newest, state))]
    for step in steps:
        found = applied(found, step)
    return _Settled(found, tuple(steps), foreign)


def _ended(entry: Entry, state: State) -> Entry:
    return dataclasses.replace(entry, state=state)


def _moves(now: Aliases, then: Aliases, order: Iterable[Alias]) -> list[Move]:
    return [Move(alias, then.get(alias)) for alias in order if now.get(alias) != then.get(alias)]


def _conflict(found: Registered, alias: Alias) -> str:
    entry = found.open[-1]
    return (
        f"{alias} is {_shown(found.aliases.get(alias))}, which somebody else has set since {entry.actor} began "
        f"'{entry.action}' of version {entry.version or 'none'} (from {_shown(entry.before.get(alias))} to "
        f"{_shown(entry.after.get(alias))}) and did not end it; no alias was moved. Look who it was, and run this "
        "again if it shall be replaced"
    )


# -- where to


def _target(found: Registered, versions: Sequence[Version], wanted: Wanted) -> Aliases:
    if wanted.action == "promoted":
        return _promoted(found.aliases, versions, wanted)
    if wanted.action == "rolled_back":
        return _rolled_back(found, versions, wanted)
    return _challenged(found.aliases, versions, wanted)


def _promoted(now: Aliases, versions: Sequence[Version], wanted: Wanted) -> Aliases:
    version = named(versions, wanted.version)
    # A champion that is its own challenger would be compared with itself.
    challenger: Changes = {"challenger": None} if now.get("challenger") == version.number else {}
    if now.get("champion") == version.number:
        return _with(now, challenger)
    _must_be_ready(version)
    _must_be_over(now, versions, wanted)
    old = now.get("champion")
    previous: Changes = {"previous_champion": old} if old is not None else {}
    return _with(now, {"champion": version.number, **previous, **challenger})


def _rolled_back(found: Registered, versions: Sequence[Version], wanted: Wanted) -> Aliases:
    now = found.aliases
    champion = now.get("champion")
    if not wanted.version and _is_back(found):
        # The same task once more: it must not go back another time.
        return now
    leaving = named(versions, wanted.version).number if wanted.version else champion
    if leaving is not None and leaving == now.get("challenger") and leaving != champion:
        return _with(now, {"challenger": None})
    if leaving is not None and leaving != champion:
        return now
    back = now.get("previous_champion")
    if leaving is None or back is None or back == leaving:
        problem = f"champion is {_shown(champion)} and previous_champion {_shown(back)}"
        raise _refusal(
            f"there is nothing to go back to: {problem}; promote the version that shall serve", "nothing_before"
        )
    _must_be_ready(named(versions, back))
    changes: Changes = {"champion": back, "previous_champion": _before(found, back, leaving, versions)}
    if now.get("challenger") in (leaving, back):
        changes["challenger"] = None
    return _with(now, changes)


def _challenged(now: Aliases, versions: Sequence[Version], wanted: Wanted) -> Aliases:
    if not wanted.version:
        return _with(now, {"challenger": None})
    version = named(versions, wanted.version)
    if version.number == now.get("challenger"):
        return now
    if version.number == now.get("champion"):
        raise _refusal(f"version {wanted.version} is the champion: it cannot be its own challenger", "refused")
    _must_be_ready(version)
    _must_be_over(now, versions, wanted)
    return _with(now, {"challenger": version.number})


def _with(now: Aliases, changes: Changes) -> Aliases:
    merged = {**now, **changes}
    return {alias: number for alias in ALIASES if (number := merged.get(alias)) is not None}


def _is_back(found: Registered) -> bool:
    """Whether the last change of the champion that was made here was a way back, and the champion is still that one."""
    done = [one for one in found.history if one.state == "done" and _crowned(one) is not None]
    return bool(done) and done[-1].action == "rolled_back" and _crowned(done[-1]) == found.aliases.get("champion")


def _crowned(entry: Entry) -> str | None:
    """The champion that an entry made; None when it made none."""
    after = entry.after.get("champion")
    return after if after != entry.before.get("champion") else None


def _before(found: Registered, number: str, leaving: str, versions: Sequence[Version]) -> str | None:
    """The champion before that one, as the history says; never the one that is being left."""
    for entry in reversed(found.history):
        if entry.state == "done" and entry.action == "promoted" and _crowned(entry) == number:
            before = entry.before.get("champion")
            is_there = any(version.number == before for version in versions)
            return before if is_there and before != leaving else None
    return None


# -- what must hold


def _number_of(wanted: Wanted, versions: Sequence[Version], origin: Aliases) -> str:
    """The version that the entry is about."""
    if wanted.version:
        return named(versions, wanted.version).number
    return origin["champion"] if wanted.action == "rolled_back" else ""


def named(versions: Sequence[Version], text: str) -> Version:
    """By name, and where nothing has that name by number. Raises `not_found`, or `refused` where several have it."""
    found = [version for version in versions if version.name == text] or [
        version for version in versions if version.number == text
    ]
    if not found:
        newest = max(versions, key=lambda version: int(version.number), default=None)
        has = f"the newest is {_told(newest)}" if newest else "the model has none"
        raise _refusal(f"version {text} is not in the registry, {has}; register it first", "not_found")
    if len(found) > 1:
        numbers = ", ".join(version.number for version in found)
        raise _refusal(f"version {text} is the name of {numbers}; name it by its number", "refused")
    return found[0]


def _must_be_ready(version: Version) -> None:
    if version.problem:
        raise _refusal(f"version {_told(version)} cannot serve: {version.problem}", "not_ready")


def _must_be_over(now: Aliases, versions: Sequence[Version], wanted: Wanted) -> None:
    champion = now.get("champion")
    if wanted.over and (champion is None or named(versions, wanted.over).number != champion):
        raise _refusal(
            f"champion is {_shown(champion)}, and version {wanted.version} was judged against {wanted.over}: compare "
            "it with the champion of now",
            "conflict",
        )


def _must_fit(entry: Entry) -> None:
    size = max(len(one.to_text().encode()) for one in (entry, _ended(entry, "dropped")))
    if size > LARGEST_ENTRY:
        over = size - LARGEST_ENTRY
        raise OptionError("reason", f"{over} bytes too long for an entry of the history; shorten it")


def _told(version: Version) -> str:
    return f"{version.number} ({version.name})" if version.name else version.number


def _shown(number: str | None) -> str:
    return "nobody" if number is None else f"version {number}"


def _refusal(text: str, kind: str) -> ReleaseError:
    return ReleaseError(f"{text}; nothing was written", kind=kind, system="registry")
