# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`main` of every module, for hosts whose connection is not local."""

from __future__ import annotations

import gc
import typing as t
from collections.abc import Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import quiet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import Run, execute


def run_module(module: AnsibleModule, run: Run, empty: Mapping[str, t.Any] | None = None) -> None:
    """Run, and leave as Ansible wants it."""
    # What was imported stays to the end of this process: the collector need not look through it again and again, which
    # takes 0.1 s at the end alone.
    gc.freeze()
    result = execute(
        run,
        module.params,
        check_mode=module.check_mode,
        diff=module._diff,
        clock=SystemClock(),
        progress=quiet,
        empty=empty,
    )
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)
