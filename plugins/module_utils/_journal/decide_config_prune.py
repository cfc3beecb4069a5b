# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ConfigMaps with configuration nobody needs any more. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable


def decide_config_prune(
    existing: Iterable[str], used_by_slots: Collection[str], used_by_revisions: Collection[str]
) -> list[str]:
    """The names that go: what neither a slot nor a kept revision refers to."""
    return sorted(set(existing) - {*used_by_slots, *used_by_revisions})
