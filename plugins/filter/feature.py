# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features as data for playbooks and roles. The work is in `_catalogue/feature` and `_flags/decide_rollout`."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import feature
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import decide_rollout
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._plain import plainly


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "feature_kill_lines": plainly(feature.kill_lines),
            "feature_kill_problem": plainly(feature.kill_problem),
            "feature_lines": plainly(feature.feature_lines),
            "feature_request": plainly(feature.feature_request),
            "feature_table": plainly(feature.status_table),
            "rollout_end": plainly(decide_rollout.rollout_end),
            "rollout_known": plainly(decide_rollout.after_write),
            "rollout_plan": plainly(decide_rollout.rollout_plan),
            "rollout_verdict": plainly(decide_rollout.step_verdict),
        }
