# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flag set: the flags as they are wanted, the set of kills over them, and what a store of it does."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

JsonObject = dict[str, t.Any]
#: Definitions by name, in flagd's format.
Flags = Mapping[str, JsonObject]


@dataclasses.dataclass(frozen=True, order=True)
class Stamp:
    """Who did it, why, and when (unix seconds)."""

    at: float
    actor: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Kill:
    """One kill of one flag. `id` is unique, so that a restore names what it restores and nothing that came after."""

    id: str
    flag: str
    stamp: Stamp


@dataclasses.dataclass(frozen=True)
class Kills:
    """All kills there ever were, and which of them were restored, by the id of the kill. Both only grow, so that
    stores that were apart are merged by taking everything: what one of them has not seen yet is never taken back."""

    killed: Mapping[str, Kill] = dataclasses.field(default_factory=dict)
    restored: Mapping[str, Stamp] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Record:
    """What a revision changed: by flag its definition before and after, None where there is none. `release` is the id
    of the release that made it, None when a person did."""

    revision: int
    action: str
    stamp: Stamp
    sha256: str
    changes: Mapping[str, Mapping[str, JsonObject | None]]
    release: str | None = None


@dataclasses.dataclass(frozen=True)
class State:
    """What a store holds. `flags` are the wanted definitions: a killed flag as it is without the kill. A kill is no
    revision. `record` made this revision, None for content that was not made here. `past` has the SHA-256 of the
    content of the last revisions, this one included: by it an old content is told from a foreign one."""

    revision: int = 0
    flags: Flags = dataclasses.field(default_factory=dict)
    kills: Kills = dataclasses.field(default_factory=Kills)
    record: Record | None = None
    past: Mapping[int, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Texts:
    """As a store has it: the document that clients read, and the ledger beside it. Empty where there is none."""

    document: str = ""
    ledger: str = ""


@dataclasses.dataclass(frozen=True)
class Held:
    """What was read. `tag` changes with every write and is given back to the store to say what was replaced."""

    texts: Texts
    tag: str


@dataclasses.dataclass(frozen=True)
class Page:
    """One revision in the history of a store: its record and its whole content, as text."""

    revision: int
    text: str


class Store(t.Protocol):
    """One place of the set. Every method raises ReleaseError with `kind` (`unreachable`, `timeout`, `auth`, `refused`,
    `conflict`, `lower`, `full`, `library`), `system` and `retriable`."""

    #: As the task names it, for results and messages.
    name: str

    @property
    def kind(self) -> str:
        """The option that it is made of."""

    def read(self) -> Held:
        """What is there now; empty texts where nothing is."""

    def write(self, texts: Texts, revision: int, replacing: Held, pages: Sequence[Page]) -> None:
        """Replace what was read, all or nothing for the document, and put the pages into the history. Error of kind
        `conflict` when something else is there now or somebody is at it, and `lower` when what was read has a higher
        revision: nothing is written."""

    def keep(self, texts: Texts, digest: str) -> None:
        """Keep content that is about to be replaced, under that name. Doing it twice is the same as once."""

    def page(self, revision: int) -> Page | None:
        """One revision of the history."""

    def history(self) -> list[Page]:
        """The revisions that are kept, in no order."""


#: So many revisions stay in the history of a store.
KEPT_REVISIONS: t.Final = 50
