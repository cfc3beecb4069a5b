# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry of models: versions, the aliases that say which one serves, and a history that outlives both."""

from __future__ import annotations

import collections
import dataclasses
import json
import typing as t
from collections.abc import Iterable, Mapping

Alias = t.Literal["champion", "previous_champion", "challenger"]
ALIASES: t.Final[tuple[Alias, ...]] = t.get_args(Alias)
#: The version behind each alias, by its number; an alias that points nowhere is not in it.
Aliases = Mapping[Alias, str]

#: `begun`: its aliases are being moved, or the process that did so was killed. `dropped`: it ended before the alias it
#: is about was moved.
State = t.Literal["begun", "done", "dropped"]
Action = t.Literal["promoted", "rolled_back", "challenger"]

#: Bytes of an entry as text. Every kind of storage of MLflow takes 5,000 in a tag.
LARGEST_ENTRY: t.Final = 4900


@dataclasses.dataclass(frozen=True)
class Version:
    """`number`: the registry's own, digits. `name`: what people and images call it (v2.1.0), empty where nobody said.
    `problem`: why it cannot serve, as the registry says; empty for one that is ready."""

    number: str
    name: str = ""
    problem: str = ""


def names_of(versions: Iterable[Version]) -> dict[str, str]:
    """What people call each version, by its number: the number where it has no name, or shares it."""
    found = list(versions)
    times = collections.Counter(one.name for one in found)
    return {one.number: one.name if one.name and times[one.name] == 1 else one.number for one in found}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One change of the aliases, written down before the first of them is moved and again after the last.

    `id` is unique. `version`: the one that was promoted, taken back or made the challenger; empty where the challenger
    was taken away. `at`: when it began, in unix seconds. `before`, `after`: all aliases as they were and are meant.
    """

    id: str
    action: Action
    version: str
    actor: str
    reason: str
    at: float
    before: Aliases
    after: Aliases
    state: State = "begun"

    def to_text(self) -> str:
        """JSON without what stands for nothing."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def entry_of(text: str) -> Entry | None:
    """The entry that `to_text` gave; None for what it did not give."""
    try:
        found = json.loads(text)
        entry = Entry(**{**found, "at": float(found["at"])})
    except (ValueError, TypeError, KeyError):
        return None
    known = entry.state in t.get_args(State) and entry.action in t.get_args(Action)
    aliases = isinstance(entry.before, dict) and isinstance(entry.after, dict)
    return entry if known and aliases else None


@dataclasses.dataclass(frozen=True)
class Registered:
    """A model as one request found it. `history`: the oldest entry first."""

    aliases: Aliases
    history: tuple[Entry, ...] = ()

    @property
    def open(self) -> tuple[Entry, ...]:
        """What was begun and has no end."""
        return tuple(entry for entry in self.history if entry.state == "begun")


@dataclasses.dataclass(frozen=True)
class Move:
    """Point an alias to a version; None takes the alias away."""

    alias: Alias
    version: str | None


@dataclasses.dataclass(frozen=True)
class Note:
    """Put an entry into the history, in the place of an earlier one with its id."""

    entry: Entry


Step: t.TypeAlias = "Move | Note"


class Registry(t.Protocol):
    """What each registry does. A second one is a class with these methods.

    Every method raises ReleaseError with `kind` (`unreachable`, `timeout`, `throttled`, `auth`, `not_found`,
    `refused`), `system` (the registry's name) and `retriable`. `end` is a time of the monotonic clock after which
    nothing is sent. What reads tries again until then.
    """

    name: str

    def read(self, model: str, end: float) -> Registered:
        """Aliases and history, as they were at one instant."""

    def versions(self, model: str, end: float) -> tuple[Version, ...]:
        """All versions, in no order."""

    def write(self, model: str, step: Step, end: float) -> None:
        """One try and no other: whoever asks has to look what became of it first. A registry has no compare-and-swap.
        The error says in `unsure` whether it may have been carried out, where its kind alone would say something
        else."""
