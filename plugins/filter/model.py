# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models as data for playbooks and roles. The work is in `_catalogue/model_request`, `model_plan`, `model_lines` and
`model_ends`."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import (
    model_ends,
    model_lines,
    model_plan,
    model_request,
    model_watch,
)
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._plain import plainly


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "model_alias_end": plainly(model_ends.alias_end),
            "model_alias_hint": plainly(model_ends.alias_hint),
            "model_alias_move": plainly(model_ends.alias_move),
            "model_apart": plainly(model_ends.apart),
            "model_back": plainly(model_lines.model_back),
            "model_default": plainly(model_ends.default_decision),
            "model_deployment": plainly(model_plan.deploy_model),
            "model_leaving": plainly(model_ends.leaving_version),
            "model_limited": plainly(model_ends.limited_problem),
            "model_look": plainly(model_lines.look_lines),
            "model_promotion": plainly(model_plan.promote_model),
            "model_refused": plainly(model_lines.refused_promotion),
            "model_refused_for_good": plainly(model_ends.refused_for_good),
            "model_request": plainly(model_request.model_request),
            "model_standing": plainly(model_ends.standing_decision),
            "model_summary": plainly(model_lines.model_summary),
            "model_table": plainly(model_lines.model_table),
            "model_undone": plainly(model_plan.undone_slot),
            "model_unfinished": plainly(model_request.unfinished_request),
            "model_watch": plainly(model_lines.watch_action),
            "model_watch_end": plainly(model_watch.after_change),
            "model_watch_look": plainly(model_watch.after_look),
        }
