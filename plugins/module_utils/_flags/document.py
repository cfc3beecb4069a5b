# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flag set as text: the document that clients read, in flagd's format, and the ledger beside it. Pure."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import threading
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import (
    pack,
    summed,
    unpack,
    unsummed,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import (
    KILL_ID,
    KILLED,
    dead,
    merge,
    overlaid,
    told_by,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.ledger import (
    BROKEN,
    SCHEMA,
    Ledger,
    is_newer,
    kills_of,
    kills_text,
    ledger_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    KEPT_REVISIONS,
    Flags,
    JsonObject,
    Kills,
    Page,
    Record,
    Stamp,
    State,
    Texts,
)

_SCHEMA: t.Final = "https://flagd.dev/schema/v0/flags.json"
#: What a document has at its top. Anything else would be lost with the next write.
_TOP: t.Final = frozenset({"$schema", "metadata", "flags"})
#: Held while one is decoded: threads that have the same texts wait for the first one's answer.
_DECODING: t.Final = threading.Lock()

Kept = t.TypeVar("Kept")


@dataclasses.dataclass(frozen=True)
class Read:
    """A store's texts as they are meant. `state` is None where there is nothing. `problem`: why the content is not as
    it was written, empty when it is; the kills of the state count all the same. `flag_set`: the id of the set, empty
    where nothing tells it. `newer`: a newer version of this collection wrote it, so nothing may be written over it, and
    of the state its kills and its revision alone count. `more`: what an edited document has at its top besides."""

    state: State | None
    problem: str = ""
    flag_set: str = ""
    newer: bool = False
    more: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


def content_sha(flags: Flags) -> str:
    """SHA-256 of the wanted definitions, whatever the order of their keys. As texts and pages it is made once for the
    same mapping, which nobody may change in place: a task asks a dozen times, and a set may be a megabyte."""
    return _sha_of(_Same(flags))


def texts_sha(texts: Texts) -> str:
    """SHA-256 of what a store has, to the letter."""
    return hashlib.sha256(f"{texts.document}\n{texts.ledger}".encode()).hexdigest()


def encode(state: State, flag_set: str, edited: Read | None = None) -> Texts:
    """The texts of a state. That of an `edited` store with more kills gets no SHA-256, so that it is read as edited
    still, and keeps what its clients need besides the flags. Made once for the same state."""
    if edited is None:
        return _texts_of(_Same(state), flag_set)
    return _encoded(state, flag_set, edited)


def _encoded(state: State, flag_set: str, edited: Read | None) -> Texts:
    document = {**(edited.more if edited is not None else {}), **_document(state, flag_set)}
    ledger = {
        "schema": SCHEMA,
        "set": flag_set,
        "revision": state.revision,
        "sha256": content_sha(state.flags) if edited is None else "",
        "stash": _stash(state),
        "kills": kills_text(state.kills),
        "record": _record_json(state.record) if state.record is not None else None,
        "past": {str(number): digest for number, digest in sorted(state.past.items())},
    }
    return Texts(_compact(document), summed(ledger))


def _stash(state: State) -> str:
    """The definitions of killed flags as they are without the kill."""
    killed = dead(state.kills)
    if killed.keys() >= state.flags.keys():
        return _packed(_Same(state.flags))
    return pack({name: state.flags[name] for name in killed if name in state.flags})


def decode(texts: Texts) -> Read:
    """What a store has. Never raises: what cannot be read is a problem that somebody has to see, and kills in it count
    as far as they can be read. Stores that agree are decoded once, also when they are asked at the same time."""
    with _DECODING:
        return _decode(texts)


@functools.lru_cache(maxsize=8)
def _decode(texts: Texts) -> Read:
    if not texts.document and not texts.ledger:
        return Read(None)
    found = _found(texts.document)
    if not texts.ledger:
        return Read(_told(found), found.problem or "it has no ledger", found.flag_set, more=found.more)
    ledger = ledger_of(texts.ledger)
    flag_set = ledger.flag_set or found.flag_set
    if ledger.newer:
        told = dataclasses.replace(_told(found), revision=max(found.version, ledger.revision))
        return Read(_with(told, ledger.kills), "a newer version of this collection wrote it", flag_set, newer=True)
    state, problem = _state_of(ledger.fields, found.flags) if ledger.intact else None, found.problem
    if state is None:
        state, problem = _with(_told(found), ledger.kills), problem or "its ledger cannot be read"
    elif not problem and not _is_as_written(state, found.text, ledger):
        problem = "somebody else has edited its document"
    return Read(state, problem, flag_set, more=found.more)


def page_of(state: State) -> Page | None:
    """The page of a state's revision for the history; None for content that was not made here. Made once for the same
    state."""
    return _page_of(_Same(state))


def page_record(page: Page) -> Record:
    """The record of a page. Raises what `BROKEN` names for one that is not as it was written, or by a newer version."""
    return _record_of(_opened(page))


def page_flags(page: Page) -> dict[str, JsonObject]:
    """The whole content of a page. Raises what `BROKEN` names for one that is not as it was written, or by a newer
    version."""
    return dict(unpack(_opened(page)["flags"]))


def grown(past: Mapping[int, str], revision: int, digest: str) -> dict[int, str]:
    """The past with one revision more; the oldest ones go."""
    numbers = sorted({*past, revision})[-KEPT_REVISIONS:]
    return {number: digest if number == revision else past[number] for number in numbers}


@dataclasses.dataclass(frozen=True)
class _Found:
    """What stands in a document. `text`: the same whatever its spaces and the order of its keys."""

    flags: dict[str, JsonObject]
    problem: str
    text: str = ""
    flag_set: str = ""
    version: int = 0
    more: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


def _found(text: str) -> _Found:
    if not text:
        return _Found({}, "its document is missing")
    try:
        document = json.loads(text)
        same = _compact(document)
        # Half of a character, which JSON can have and nobody can write.
        same.encode()
        flags = dict(document["flags"].items())
        more = {key: value for key, value in document.items() if key not in _TOP}
    except BROKEN:
        return _Found({}, "its document is no flag set in JSON")
    good = {name: flag for name, flag in flags.items() if _is_flag(flag)}
    problem = f"its document has {', '.join(sorted(more))}, which is not kept" if more else ""
    if len(good) != len(flags):
        problem = "its document has flags that are no definitions"
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    flag_set = metadata.get("flagSetId")
    try:
        version = max(0, int(metadata.get("version", 0)))
    except BROKEN:
        version = 0
    return _Found(good, problem, same, flag_set if isinstance(flag_set, str) else "", version, more)


def _is_flag(flag: t.Any) -> bool:
    """Whether it has the form of one. Everything else about it is for those who write it."""
    return isinstance(flag, dict) and all(isinstance(flag.get(key, {}), dict) for key in ("variants", "metadata"))


def _told(found: _Found) -> State:
    """What a document says of itself, without its ledger."""
    flags = {name: _without_kill(flag) for name, flag in found.flags.items()}
    return State(found.version, flags, told_by(found.flags))


def _with(state: State, kills: Kills) -> State:
    return dataclasses.replace(state, kills=merge([state.kills, kills]))


def _state_of(ledger: Mapping[str, t.Any], published: Flags) -> State | None:
    """What document and ledger say together; None where the ledger lacks something."""
    try:
        stash = unpack(ledger["stash"])
        return State(
            int(ledger["revision"]),
            {name: stash.get(name, _without_kill(flag)) for name, flag in published.items()},
            kills_of(ledger["kills"]),
            _record_of(ledger["record"]) if ledger["record"] is not None else None,
            {int(number): str(digest) for number, digest in ledger["past"].items()},
        )
    except BROKEN:
        return None


def _is_as_written(state: State, text: str, ledger: Ledger) -> bool:
    same = content_sha(state.flags) == ledger.fields.get("sha256")
    # As text: Python takes 0 for false.
    return same and text == _compact(_document(state, ledger.flag_set))


def _document(state: State, flag_set: str) -> JsonObject:
    """What clients read."""
    return {
        "$schema": _SCHEMA,
        "metadata": {"flagSetId": flag_set, "version": str(state.revision)},
        "flags": overlaid(state.flags, state.kills),
    }


def _without_kill(flag: JsonObject) -> JsonObject:
    metadata = flag.get("metadata")
    if not isinstance(metadata, Mapping) or KILLED not in metadata:
        return flag
    return {**flag, "metadata": {key: value for key, value in metadata.items() if key not in (KILLED, KILL_ID)}}


def _opened(page: Page) -> JsonObject:
    found = unsummed(page.text)
    if is_newer(found):
        raise ValueError("a newer version of this collection wrote it")
    return found


def _record_json(record: Record) -> JsonObject:
    return {
        "revision": record.revision,
        "action": record.action,
        "stamp": dataclasses.asdict(record.stamp),
        "sha256": record.sha256,
        # Of a rollback that is two whole documents.
        "changes": pack(record.changes),
        "release": record.release,
    }


def _record_of(found: Mapping[str, t.Any]) -> Record:
    return Record(
        int(found["revision"]),
        str(found["action"]),
        Stamp(**found["stamp"]),
        str(found["sha256"]),
        unpack(found["changes"]),
        found.get("release"),
    )


class _Same(t.Generic[Kept]):
    """A value that equals itself alone. Whoever remembers it keeps it alive, so that no other one gets its id."""

    def __init__(self, value: Kept) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value


@functools.lru_cache(maxsize=8)
def _sha_of(same: _Same[Flags]) -> str:
    return hashlib.sha256(_compact(same.value).encode()).hexdigest()


@functools.lru_cache(maxsize=4)
def _packed(same: _Same[Flags]) -> str:
    return pack(same.value)


@functools.lru_cache(maxsize=4)
def _texts_of(same: _Same[State], flag_set: str) -> Texts:
    return _encoded(same.value, flag_set, None)


@functools.lru_cache(maxsize=4)
def _page_of(same: _Same[State]) -> Page | None:
    state = same.value
    if state.record is None:
        return None
    text = summed({"schema": SCHEMA, **_record_json(state.record), "flags": _packed(_Same(state.flags))})
    return Page(state.revision, text)


def _compact(value: t.Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
