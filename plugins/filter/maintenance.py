# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions of a maintenance as data. The work is in `module_utils/_catalogue/maintenance`."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import maintenance
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._plain import plainly


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "exchange": plainly(maintenance.exchange),
            "maintenance_request": plainly(maintenance.maintenance_request),
            "maintenance_summary": plainly(maintenance.maintenance_summary),
        }
