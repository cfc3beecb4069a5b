# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flag set as text: the document that clients read, in flagd's format, and the ledger beside it. Pure."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import (
    BROKEN,
    pack,
    summed,
    unpack,
    unsummed,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import (
    KILL_ID,
    KILLED,
    dead,
    overlaid,
    told_by,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    KEPT_REVISIONS,
    Flags,
    JsonObject,
    Kill,
    Kills,
    Page,
    Record,
    Stamp,
    State,
    Texts,
)

_SCHEMA: t.Final = "https://flagd.dev/schema/v0/flags.json"
#: Of the ledger and of the pages of a history.
_LEDGER_SCHEMA: t.Final = 1
#: What a document has at its top. Anything else would be lost with the next write.
_TOP: t.Final = frozenset({"$schema", "metadata", "flags"})


@dataclasses.dataclass(frozen=True)
class Read:
    """A store's texts as they are meant. `state` is None where there is nothing. `problem`: why the content is not as
    it was written, empty when it is; the kills of the state count all the same. `flag_set`: the id of the set, empty
    where the ledger does not tell."""

    state: State | None
    problem: str = ""
    flag_set: str = ""


def content_sha(flags: Flags) -> str:
    """SHA-256 of the wanted definitions, whatever the order of their keys."""
    return hashlib.sha256(_compact(flags).encode()).hexdigest()


def texts_sha(texts: Texts) -> str:
    """SHA-256 of what a store has, to the letter."""
    return hashlib.sha256(f"{texts.document}\n{texts.ledger}".encode()).hexdigest()


def encode(state: State, flag_set: str, intact: bool = True) -> Texts:
    """The texts of a state. Content that is not `intact` has no SHA-256, so that it is read as edited."""
    killed = dead(state.kills)
    document = {
        "$schema": _SCHEMA,
        "metadata": {"flagSetId": flag_set, "version": str(state.revision)},
        "flags": overlaid(state.flags, state.kills),
    }
    ledger = {
        "schema": _LEDGER_SCHEMA,
        "set": flag_set,
        "revision": state.revision,
        "sha256": content_sha(state.flags) if intact else "",
        "stash": pack({name: state.flags[name] for name in killed if name in state.flags}),
        "kills": [_kill_json(one) for one in sorted(state.kills.killed.values(), key=lambda one: one.id)],
        "restored": {name: dataclasses.asdict(stamp) for name, stamp in sorted(state.kills.restored.items())},
        "record": _record_json(state.record) if state.record is not None else None,
        "past": {str(number): digest for number, digest in sorted(state.past.items())},
    }
    return Texts(_compact(document), summed(ledger))


@functools.lru_cache(maxsize=8)
def decode(texts: Texts) -> Read:
    """What a store has. Never raises: what cannot be read is a problem that somebody has to see, and kills in it count
    as far as they can be read. Stores that agree are decoded once: a set may be a megabyte."""
    if not texts.document and not texts.ledger:
        return Read(None)
    published, problem = _flags_of(texts.document)
    if not texts.ledger:
        return Read(_adopted(texts.document, published), problem or "it has no ledger")
    try:
        ledger = unsummed(texts.ledger)
        if int(ledger["schema"]) > _LEDGER_SCHEMA:
            raise ValueError("a newer schema")
        stash = unpack(ledger["stash"])
        state = State(
            int(ledger["revision"]),
            {name: stash.get(name, flag) for name, flag in published.items()},
            Kills(
                {one["id"]: Kill(one["id"], one["flag"], Stamp(**one["stamp"])) for one in ledger["kills"]},
                {name: Stamp(**stamp) for name, stamp in ledger["restored"].items()},
            ),
            _record_of(ledger["record"]) if ledger["record"] is not None else None,
            {int(number): digest for number, digest in ledger["past"].items()},
        )
        wanted_sha, flag_set = str(ledger["sha256"]), str(ledger["set"])
    except BROKEN:
        return Read(_adopted(texts.document, published), problem or "its ledger cannot be read")
    if problem:
        return Read(state, problem, flag_set)
    if content_sha(state.flags) != wanted_sha or overlaid(state.flags, state.kills) != published:
        return Read(state, "somebody else has edited its document", flag_set)
    return Read(state, "", flag_set)


def page_of(state: State) -> Page | None:
    """The page of a state's revision for the history; None for content that was not made here."""
    if state.record is None:
        return None
    text = summed({"schema": _LEDGER_SCHEMA, **_record_json(state.record), "flags": pack(state.flags)})
    return Page(state.revision, text)


def page_record(page: Page) -> Record:
    """The record of a page. Raises what `BROKEN` names for one that is not as it was written."""
    return _record_of(unsummed(page.text))


def page_flags(page: Page) -> dict[str, JsonObject]:
    """The whole content of a page. Raises what `BROKEN` names for one that is not as it was written."""
    return dict(unpack(unsummed(page.text)["flags"]))


def grown(past: Mapping[int, str], revision: int, digest: str) -> dict[int, str]:
    """The past with one revision more; the oldest ones go."""
    numbers = sorted({*past, revision})[-KEPT_REVISIONS:]
    return {number: digest if number == revision else past[number] for number in numbers}


def _flags_of(text: str) -> tuple[dict[str, JsonObject], str]:
    """The definitions in a document, and what is wrong with it."""
    if not text:
        return {}, "its document is missing"
    try:
        document = json.loads(text)
        flags = document["flags"]
        good = {str(name): flag for name, flag in flags.items() if isinstance(flag, dict)}
    except BROKEN:
        return {}, "its document is no flag set in JSON"
    if len(good) != len(flags):
        return good, "its document has flags that are no mappings"
    more = sorted(set(document) - _TOP)
    return good, f"its document has {', '.join(more)}, which is not kept" if more else ""


def _adopted(text: str, published: Flags) -> State:
    """What a document without a ledger says of itself."""
    kills = told_by(published)
    flags = {name: _without_kill(flag) for name, flag in published.items()}
    try:
        revision = int(json.loads(text)["metadata"]["version"])
    except BROKEN:
        revision = 0
    return State(max(0, revision), flags, kills)


def _without_kill(flag: JsonObject) -> JsonObject:
    metadata = flag.get("metadata")
    if not isinstance(metadata, Mapping) or KILLED not in metadata:
        return flag
    return {**flag, "metadata": {key: value for key, value in metadata.items() if key not in (KILLED, KILL_ID)}}


def _kill_json(kill: Kill) -> JsonObject:
    return dataclasses.asdict(kill)


def _record_json(record: Record) -> JsonObject:
    return {
        "revision": record.revision,
        "action": record.action,
        "stamp": dataclasses.asdict(record.stamp),
        "sha256": record.sha256,
        # Of a rollback that is two whole documents.
        "changes": pack(record.changes),
    }


def _record_of(found: Mapping[str, t.Any]) -> Record:
    return Record(
        int(found["revision"]),
        str(found["action"]),
        Stamp(**found["stamp"]),
        str(found["sha256"]),
        unpack(found["changes"]),
    )


def _compact(value: t.Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
