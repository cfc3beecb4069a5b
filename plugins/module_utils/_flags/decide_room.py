# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a set has room in a ConfigMap, with a kill of each of its flags. Pure.

A kill asks nobody and comes when there is no time, so it must not be what has no room: a change is refused that leaves
none for it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import kill
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import encode, page_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Stamp, State, Texts

#: Bytes that a ConfigMap takes in all of its values.
LARGEST_MAP: t.Final = 1_048_576
#: So many of them are for changes, with every flag killed by one task. The rest is for long reasons of many kills, and
#: for restores of them: no change is measured by that.
FOR_CHANGES: t.Final = 1_000_000


def size(texts: Texts) -> int:
    """In bytes, document and ledger together."""
    return len(texts.document.encode()) + len(texts.ledger.encode())


def no_room(before: State, after: State, flag_set: str) -> str | None:
    """Why the state after a change is too large to be written; None when it is not. A set that is too large already may
    become smaller."""
    page = page_of(after)
    pages = len(page.text.encode()) if page is not None else 0
    if pages > FOR_CHANGES:
        return (
            f"the page of the history would have {pages} bytes, and a ConfigMap has {FOR_CHANGES} for it; change fewer "
            "flags at once, or split the set"
        )
    needed = _needed(after, flag_set)
    if needed <= FOR_CHANGES or needed < _needed(before, flag_set):
        return None
    return (
        f"with every flag killed, document and ledger would have {needed} bytes, and a ConfigMap has {FOR_CHANGES} for "
        "them, so that a kill always has room; remove stale flags, or split the set"
    )


def _needed(state: State, flag_set: str) -> int:
    """The larger one of what the state takes, and of what it takes with every flag killed."""
    killed = dataclasses.replace(state, kills=kill(state.kills, state.flags, Stamp(0.0, "", ""), _any_id))
    return max(size(encode(state, flag_set)), size(encode(killed, flag_set)))


def _any_id(flag: str) -> str:
    """As long, and as hard to pack, as that of a kill."""
    return f"{flag}.{hashlib.sha256(flag.encode()).hexdigest()[:12]}"
