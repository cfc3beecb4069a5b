# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of its flags for a release: `flags` and `release_flags`. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.feature import set_problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import without_regions
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_rollout import clients_get


def flag_problems(request: Mapping[str, t.Any]) -> list[str]:
    """What is wrong with `flags`, and with `release_flags` as a whole, one sentence each, naming the option. Nothing
    where there are neither. What is wanted of each flag is judged by flag_set."""
    flags, wanted = request.get("flags"), request.get("release_flags")
    problems = set_problems(flags) if flags or wanted else []
    if wanted and not isinstance(wanted, Mapping):
        problems.append(
            f"release_flags: {wanted!r} is no mapping; name each flag and what it becomes, for example "
            """-e '{"release_flags": {"margin_trading": true}}'."""
        )
    return problems


def flag_warnings(request: Mapping[str, t.Any]) -> list[str]:
    """What is allowed and hardly meant. A flag is for all regions, and some would have it without the version: those
    that `--limit` leaves out, and those that `without` names, whenever they are back."""
    hosts = request.get("hosts") or []
    left_out = without_regions(request.get("without"), hosts)
    missing = [region for region in hosts if region in left_out or region not in (request.get("regions") or [])]
    if not missing or not request.get("release_flags") or request.get("kind") != "deploy":
        return []
    return [
        f"release_flags: they are not set, because this deploy goes without {', '.join(missing)}; "
        "toggle_feature.yml sets them when the version is everywhere."
    ]


def flag_changes(done: Mapping[str, t.Any]) -> dict[str, str]:
    """What a task of flag_set has changed, in words: `margin_trading: off -> on for everybody`."""
    return {
        str(name): " -> ".join(_in_words(both[side]) for side in ("before", "after"))
        for name, both in (done.get("flags") or {}).items()
    }


def flags_of_release(past: Mapping[str, t.Any], release: str) -> dict[str, str]:
    """What a release has changed in all, in the same words, out of the `history` that flag_set returned. What it has
    taken back itself is no change."""
    both: dict[str, tuple[str, str]] = {}
    for one in reversed(past.get("history") or []):
        if one.get("release") == release:
            for name, sides in one["flags"].items():
                before = both.get(name, (_in_words(sides["before"]), ""))[0]
                both[str(name)] = before, _in_words(sides["after"])
    return {name: f"{before} -> {after}" for name, (before, after) in sorted(both.items()) if before != after}


def _in_words(flag: Mapping[str, t.Any] | None) -> str:
    return clients_get(flag) if flag else "absent"
