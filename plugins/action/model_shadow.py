# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs model_shadow on the controller, with live lines."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.run import ARGUMENT_SPEC, EMPTY_RESULT, run
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._run_here import RunHere, controller_option


class ActionModule(RunHere):
    """Entry of the task."""

    ARGUMENT_SPEC = ARGUMENT_SPEC
    EMPTY_RESULT = EMPTY_RESULT
    RUN = staticmethod(run)

    def prepare(self, given: dict[str, t.Any]) -> dict[str, t.Any]:
        """Whoever takes back holds locks, and the controller's own process is part of them."""
        wanted = given.get("take_back")
        if not isinstance(wanted, dict) or wanted.get("controller"):
            return given
        return {**given, "take_back": {**wanted, "controller": controller_option()}}
