# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger beside a document, as far as it can be read: whose it is, which version wrote it, and its kills. Pure.

A later version of this collection may change everything in a ledger but these: it is a JSON object with the number
`schema`, the string `set` and the number `revision`. Where it has `kills` as they are here, they count here as well.
"""

from __future__ import annotations

import dataclasses
import json
import math
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import records
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.seal import checksum
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Kill, Kills, Stamp

#: Of the ledger and of the pages of a history.
SCHEMA: t.Final = 1
#: What reading a text raises that somebody has edited. A text that is nested too deep is one.
BROKEN: t.Final = (*records.BROKEN, RecursionError)


@dataclasses.dataclass(frozen=True)
class Ledger:
    """`fields` is all that stands in it, empty where it is no JSON object. `intact`: as it was written, by this version
    or an older one."""

    fields: Mapping[str, t.Any]
    intact: bool

    @property
    def newer(self) -> bool:
        """Whether a newer version wrote it, which need not mean by its fields what they mean here."""
        return is_newer(self.fields)

    @property
    def flag_set(self) -> str:
        """The id of the set; empty where it is not told."""
        found = self.fields.get("set")
        return found if isinstance(found, str) else ""

    @property
    def revision(self) -> int:
        """0 where it is not told."""
        return max(0, _number(self.fields.get("revision")))

    @property
    def kills(self) -> Kills:
        """None at all where they cannot be read."""
        try:
            return kills_of(self.fields["kills"])
        except BROKEN:
            return Kills()


def ledger_of(text: str) -> Ledger:
    """Never raises."""
    try:
        fields = json.loads(text)
    except BROKEN:
        fields = None
    if not isinstance(fields, dict):
        return Ledger({}, False)
    # There never was a ledger without one.
    given = fields.pop("checksum", None)
    try:
        intact = given == checksum(fields) and not is_newer(fields)
    except BROKEN:
        intact = False
    return Ledger(fields, intact)


def is_newer(fields: Mapping[str, t.Any]) -> bool:
    """Whether a newer version wrote a ledger or a page of the history."""
    return _number(fields.get("schema")) > SCHEMA


def kills_text(kills: Kills) -> str:
    """Packed: there is to be room for a kill of every flag, and most of what stands in them is the same."""
    # Not by dataclasses.astuple, which copies every value: there may be thousands.
    killed = [[one.id, one.flag, one.stamp.at, one.stamp.actor, one.stamp.reason] for one in kills.killed.values()]
    restored = [[name, stamp.at, stamp.actor, stamp.reason] for name, stamp in kills.restored.items()]
    return records.pack({"killed": sorted(killed), "restored": sorted(restored)})


def kills_of(text: str) -> Kills:
    """Raises what `BROKEN` names for a text that is not as it was written."""
    found = records.unpack(text)
    killed = [Kill(_text(name), _text(flag), _stamp(stamp)) for name, flag, *stamp in found["killed"]]
    return Kills({one.id: one for one in killed}, {_text(name): _stamp(stamp) for name, *stamp in found["restored"]})


def _stamp(found: t.Any) -> Stamp:
    at, actor, reason = found
    if isinstance(at, bool) or not isinstance(at, int | float) or not math.isfinite(at):
        raise ValueError(f"{at!r} is no time")
    return Stamp(float(at), _text(actor), _text(reason))


def _text(found: t.Any) -> str:
    if not isinstance(found, str):
        raise TypeError(f"{found!r} is no string")
    return found


def _number(found: t.Any) -> int:
    """0 for anything that is none."""
    try:
        return int(found)
    except (ValueError, TypeError, OverflowError):
        return 0
