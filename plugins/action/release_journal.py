# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs release_journal on the controller, because the controller's own process is part of the lock."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.run import ARGUMENT_SPEC, EMPTY_RESULT, run
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._run_here import RunHere, controller_option


class ActionModule(RunHere):
    """Entry of the task."""

    ARGUMENT_SPEC = ARGUMENT_SPEC
    EMPTY_RESULT = EMPTY_RESULT
    RUN = staticmethod(run)

    def prepare(self, given: dict[str, t.Any]) -> dict[str, t.Any]:
        return given if given.get("controller") else {**given, "controller": controller_option()}
