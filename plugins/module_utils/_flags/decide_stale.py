# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flags that should have gone by now. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_check import EXPIRES, instant
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Flags, JsonObject

_DAY_S: t.Final = 86_400


def stale(flags: Flags, now: float) -> list[JsonObject]:
    """The flags whose `expires` has passed, the oldest first: `flag`, `owner` (None when nobody), `expires`, `days`
    since then. One without `expires`, a kill switch for instance, never is."""
    found = []
    for name, flag in flags.items():
        metadata = flag.get("metadata") or {}
        end = instant(metadata.get(EXPIRES))
        if end is not None and end <= now:
            days = int((now - end) // _DAY_S)
            found.append({"flag": name, "owner": metadata.get("owner"), "expires": metadata[EXPIRES], "days": days})
    return sorted(found, key=lambda one: (-t.cast("int", one["days"]), str(one["flag"])))
