# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of a warm standby has to set, and to count before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any


def decide_standby(
    carried: Sequence[Mapping[str, Any]], fresh: Sequence[Mapping[str, Any]], services: Collection[str]
) -> list[Mapping[str, Any]]:
    """The fields of the slots that stay warm after a release: its own, and those that an earlier one left.

    Of the `services` that this release moved the earlier one's slot is live again, or has been written anew: what was
    to be set there would take it down.
    """
    kept = [field for field in carried if str(field["name"]).rpartition("-")[0] not in services]
    return [*kept, *fresh]


def decide_connections(
    carried: Sequence[Mapping[str, Any]], fresh: Sequence[Mapping[str, Any]], services: Collection[str]
) -> list[Mapping[str, Any]]:
    """What counts the open connections of the slots that stay warm after a release, by the same rule: each entry has
    `service`, `slot` and `query`. Or the engines that are told of the end: each entry has its `service`."""
    return [*(entry for entry in carried if entry["service"] not in services), *fresh]
