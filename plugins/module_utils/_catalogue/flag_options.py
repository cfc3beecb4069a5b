# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of its flags for a release: `flags` and `release_flags`. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.feature import set_problems
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
    """What is allowed and hardly meant. A flag is for all regions, and some would have it without the version."""
    missing = [region for region in request.get("hosts") or [] if region not in (request.get("regions") or [])]
    if not missing or not request.get("release_flags") or request.get("kind") != "deploy":
        return []
    return [
        f"release_flags: they are not set, because this deploy goes without {', '.join(missing)}; "
        "toggle_feature.yml sets them when the version is everywhere."
    ]


def flag_changes(done: Mapping[str, t.Any]) -> dict[str, str]:
    """What a task of flag_set has changed, in words: `margin_trading: off -> on for everybody`."""
    return {
        str(name): " -> ".join(clients_get(both[side]) if both[side] else "absent" for side in ("before", "after"))
        for name, both in (done.get("flags") or {}).items()
    }
