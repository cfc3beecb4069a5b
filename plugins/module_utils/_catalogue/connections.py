# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The query that counts the open connections of a service's slot. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.gates import filled

JsonObject = dict[str, t.Any]

#: As in the gate profiles, but for `stable`: one slot is counted, and compared with nothing.
_PLACEHOLDERS: t.Final = ("service", "slot", "namespace", "region")


def query_problem(query: t.Any, strategy: str) -> str | None:
    """Why this is no such query, as half a sentence; None when it is one."""
    if strategy == "rolling":
        return "not for strategy rolling, whose pods end one by one"
    if not isinstance(query, str) or not query.strip():
        return f"{query!r} is no query; write PromQL that gives one number"
    try:
        blue, green = (filled(query, {**dict.fromkeys(_PLACEHOLDERS, "s"), "slot": slot}) for slot in ("blue", "green"))
    except (KeyError, ValueError):
        names = ", ".join(f"${placeholder}" for placeholder in _PLACEHOLDERS)
        return f"only {names} are filled in; write $$ for a dollar sign"
    # The live slot has connections as long as there are clients.
    return "it does not say $slot, so it would count both slots" if blue == green else None


def watched(query: str, service: str, slot: str, namespace: str, region: str) -> JsonObject:
    """An entry of `connections` of `k8s_traffic`: service, slot, and the query with these names filled in."""
    names = {"service": service, "slot": slot, "namespace": namespace, "region": region}
    return {"service": service, "slot": slot, "query": filled(query, names)}
