# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry in memory that is killed, changed by somebody else, or without an answer where a test says so."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_promotion import in_order
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    Aliases,
    Entry,
    Note,
    Registered,
    Step,
    Version,
    entry_of,
)

VERSIONS: t.Final = (
    Version("1", "v1.0.0"),
    Version("2", "v2.0.0"),
    Version("3", "v2.1.0"),
    Version("4", "v3.0.0", "its status is PENDING_REGISTRATION"),
)


class Killed(BaseException):
    """As by kill -9: nothing of the task runs after it."""


class MemoryRegistry:
    """`before_write` and `after_write` are called with the number of the write, from 1; what they raise is what the
    writer gets. History is kept as text, as a real registry does."""

    name = "memory"

    def __init__(self, aliases: Aliases | None = None, entries: t.Iterable[Entry] = ()) -> None:
        self.aliases: dict[str, str] = dict(aliases or {})
        self.texts = {entry.id: entry.to_text() for entry in entries}
        self.writes: list[Step] = []
        self.reads = 0
        self.before_write: t.Callable[[int], None] = lambda _number: None
        self.after_write: t.Callable[[int], None] = lambda _number: None
        self.before_read: t.Callable[[int], None] = lambda _number: None

    def read(self, model: str, end: float) -> Registered:
        self.reads += 1
        self.before_read(self.reads)
        return self.found

    @property
    def found(self) -> Registered:
        entries = [entry_of(text) for text in self.texts.values()]
        return Registered(dict(self.aliases), in_order(one for one in entries if one is not None))  # type: ignore[arg-type]

    def versions(self, model: str, end: float) -> tuple[Version, ...]:
        return VERSIONS

    def write(self, model: str, step: Step, end: float) -> None:
        number = len(self.writes) + 1
        self.before_write(number)
        self.writes.append(step)
        if isinstance(step, Note):
            self.texts[step.entry.id] = step.entry.to_text()
        elif step.version is None:
            self.aliases.pop(step.alias, None)
        else:
            self.aliases[step.alias] = step.version
        self.after_write(number)


def away(kind: str = "unreachable", retriable: bool = True) -> ReleaseError:
    return ReleaseError("the registry is away", kind=kind, system="memory", retriable=retriable)
