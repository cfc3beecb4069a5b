# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights of regions as data for playbooks and roles. The work is in `module_utils/_catalogue`."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import evacuation, region
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._plain import plainly


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "behind_regions": plainly(region.behind_regions),
            "declared_weights": plainly(evacuation.declared_weights),
            "evacuated_plan": plainly(evacuation.evacuated_plan),
            "orders_line": plainly(region.orders_line),
            "partial_problem": plainly(region.partial_problem),
            "region_lines": plainly(region.region_lines),
            "region_request": plainly(region.region_request),
            "unfit_region": plainly(region.unfit_region),
        }
